/** What was each value of the header taken for that tells the client? */

import { canonicalAddress, parseForwardedFor } from './address.ts'
import type { AddressSet } from './address-set.ts'
import type { ConnectionInfo, Field } from './connection.ts'
import type { ExplainedHop } from './explanation.ts'
import { elementsFromRight, parseElement, parseNode } from './forwarded.ts'
import { valuesFromRight } from './list.ts'
import type { TrustPolicy } from './policy.ts'
import type { PlainFacts, Trace } from './resolve.ts'

/** How many values are explained at most: a client can send any number, and nobody reads them all. */
const MOST = 40
const MOST_UNREAD = 5

/** The values of the header that tells the client, from the right. */
export function forValues(policy: TrustPolicy, facts: PlainFacts): readonly string[] {
  const { family, counts } = policy.checked
  const header = facts.header(policy.headerKeys[0]!)
  if (header === undefined || counts.for === 0) return []
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
    const [role, reason] = explainHop(policy, info, place, text, values.length, trace)
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
  text: string,
  values: number,
  { places, end }: Trace,
): readonly [role: ExplainedHop['role'], reason: string] {
  const verdict = info.verdicts.for
  const [client = 0] = places
  const last = Math.max(client, end)
  if (verdict === 'untrusted-peer') return ['unread', 'the peer is not trusted']
  if (verdict === 'short') return ['unread', 'there are too few values, so none is believed']
  if (place > last) return ['unread', 'nobody vouches for it']
  if (place === client && verdict === 'trusted') {
    if (client < last) return ['client', 'the client: the last hop that is known']
    return ['client', `the client${clientReason(policy, place, text, values)}`]
  }
  if (place === last) return ['ended', reasonOf(info, 'for')]
  return ['proxy', policy.checked.trustedProxies === undefined ? 'counted as one of your proxies' : 'in trustedProxies']
}

function clientReason({ checked, readsOne, limits }: TrustPolicy, place: number, text: string, values: number): string {
  const { trustedProxies, settings, family } = checked
  if (readsOne) return ''
  if (place === limits.places) return `: ${limits.isCount ? settings.for : 'maxHops'} is ${place}`
  if (trustedProxies === undefined || !holds(trustedProxies, text, family)) return ': not in trustedProxies'
  return place === values ? ', though in trustedProxies: who came before it is not told' : ''
}

function holds(proxies: AddressSet, text: string, family: 'x-forwarded' | 'forwarded'): boolean {
  const address = family === 'forwarded' ? elementAddress(text) : parseForwardedFor(text)?.address
  return address !== undefined && canonicalAddress(address) === address && proxies.hasRead(address)
}

function elementAddress(text: string): string | undefined {
  const element = parseElement(text, 0, text.length)
  const node = typeof element === 'string' ? undefined : element.for
  return node === undefined ? undefined : parseNode(node)?.address
}
