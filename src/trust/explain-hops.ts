/** What was each value of the header taken for that tells the client? */

import { readPeer } from './address.ts'
import type { ConnectionInfo, Field } from './connection.ts'
import type { ExplainedHop } from './explanation.ts'
import { elementsFromRight } from './forwarded.ts'
import { valuesFromRight } from './list.ts'
import type { TrustPolicy } from './policy.ts'
import type { PlainFacts, Trace } from './facts.ts'

/** How many values are explained at most: a client can send any number, and nobody reads them all. */
const MOST = 40
const MOST_UNREAD = 5

/** The values of the header that tells the client, from the right. */
export function forValues(policy: TrustPolicy, facts: PlainFacts): readonly string[] {
  const { family } = policy.checked
  const header = facts.header(policy.headerKeys[0]!)
  if (header === undefined) return []
  if (policy.readsOne) return [header]
  return (family === 'forwarded' ? elementsFromRight : valuesFromRight)(header, Infinity)
}

/** Explains the values that were read, the client's among them, and the next few. */
export function explainHops(
  policy: TrustPolicy,
  info: ConnectionInfo,
  values: readonly string[],
  trace: Trace,
): readonly ExplainedHop[] {
  const [client = 0] = trace.places
  const read = Math.min(Math.max(client, trace.end), values.length)
  const shown = Math.min(read + MOST_UNREAD, MOST, values.length)
  const places = Array.from({ length: shown }, (_, index) => index + 1)
  if (client > shown && client <= values.length) places.push(client)
  return places.map((place) => {
    const text = values[place - 1]!
    const [role, reason] = explainHop(policy, info, place, trace)
    return { place, text, role, reason }
  })
}

/** Why a value of that field was not used. */
export function reasonOf({ rejected }: ConnectionInfo, wanted: Field): string {
  return rejected.find(({ field }) => field === wanted)?.reason ?? 'it tells no client'
}

function explainHop(
  policy: TrustPolicy,
  info: ConnectionInfo,
  place: number,
  { places, end }: Trace,
): readonly [role: ExplainedHop['role'], reason: string] {
  const verdict = info.verdicts.for
  const [client = 0] = places
  const last = Math.max(client, end)
  if (verdict === 'untrusted-peer') return ['unread', 'the peer is not trusted']
  if (verdict === 'not-configured') return ['unread', `${policy.checked.settings.for} is 0`]
  if (verdict === 'short') return ['unread', 'there are too few values, so none is believed']
  if (place > last) return ['unread', 'nobody vouches for it']
  if (place === client && verdict === 'trusted') {
    if (client < last) return ['client', 'the client: the last hop that is known']
    return ['client', `the client${clientReason(policy, place, info)}`]
  }
  if (place === last) return ['ended', reasonOf(info, 'for')]
  return ['proxy', policy.checked.trustedProxies === undefined ? 'counted as one of your proxies' : 'in trustedProxies']
}

function clientReason({ checked, readsOne, limits }: TrustPolicy, place: number, { client }: ConnectionInfo): string {
  const { trustedProxies, settings } = checked
  if (readsOne) return ''
  if (place === limits.places) return `: ${limits.isCount ? settings.for : 'maxHops'} is ${place}`
  const { address } = client
  const isProxy = address !== undefined && readPeer(address) && trustedProxies?.hasRead(address) === true
  if (isProxy) return ', though in trustedProxies: who came before it is not told'
  if (!limits.isCount) return ': not in trustedProxies'
  return `: not in trustedProxies, so ${place} of the ${limits.places} that are counted; list it if it is a proxy of yours`
}
