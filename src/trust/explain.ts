/**
 * Why is the answer what it is? The decision once more, with a note of every step: which header was read, how far,
 * what each value was taken for, and what another hop count would have given. It decides nothing by itself: it is the
 * same `Decision`, watched.
 */

import { canonicalPeer } from './address.ts'
import { type ConnectionFacts, type ConnectionInfo, type Field, FIELDS } from './connection.ts'
import type { ExplainedDecision, ExplainedField, ExplainedHop, ExplainedPeer, OtherCount } from './explanation.ts'
import { clientText } from './client-text.ts'
import { explanationTable, type TableOptions } from './explanation-table.ts'
import { elementsFromRight } from './forwarded.ts'
import { valuesFromRight } from './list.ts'
import { type ProxyFixOptions, TRUSTED } from './options.ts'
import { type TrustPolicy, trustPolicy, withHops } from './policy.ts'
import { Decision, isKnownPeer, isProven, PlainFacts, type Trace } from './resolve.ts'

/** A decision with its reasons; as text it is a table for people. */
export class Explanation implements ExplainedDecision {
  readonly info: ConnectionInfo
  readonly peer: ExplainedPeer
  readonly fields: readonly ExplainedField[]
  readonly hops: readonly ExplainedHop[]
  readonly hopCount: number
  readonly otherCounts: readonly OtherCount[]
  readonly warnings: readonly string[]

  /** @internal */
  constructor(facts: ConnectionFacts, policy: TrustPolicy) {
    const trace: Trace = { places: FIELDS.map(() => 0), end: 0 }
    const plain = new PlainFacts(facts, trace)
    this.info = new Decision(policy, plain)
    this.peer = explainPeer(policy, plain, this.info)
    this.fields = FIELDS.map((field, index) => explainField(policy, plain, this.info, field, trace.places[index]!))
    const values = valuesOf(policy, plain)
    this.hopCount = values.length
    const read = trace.end === 0 ? trace.places[0]! : Math.min(trace.end, values.length)
    this.hops = values.slice(0, read + MOST_UNREAD).map((text, index) => {
      const place = index + 1
      const [role, reason] = explainHop(policy, this.info, place, trace)
      return { place, text, role, reason }
    })
    this.otherCounts = otherCounts(policy, plain, values.length, trace.places[0]!)
    this.warnings = policy.warnings
  }

  /** The table: 80 columns without colour, unless asked otherwise. */
  toString(options: TableOptions = {}): string {
    return explanationTable(this, options)
  }
}

const MOST_UNREAD = 5
const MOST_COUNTS = 10

/**
 * Explains the decision that `resolveConnection` makes on the same facts and options, step by step.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for options that cannot be.
 * @example
 * console.log(String(explain({ peer: { address: '10.0.0.1' }, scheme: 'http', headers }, { xFor: 2 })))
 */
export function explain(facts: ConnectionFacts, options?: ProxyFixOptions | TrustPolicy): Explanation {
  return new Explanation(facts, trustPolicy(options))
}

function explainPeer(policy: TrustPolicy, facts: PlainFacts, { peer, trusted }: ConnectionInfo): ExplainedPeer {
  return { ...peer, trusted, reason: peerReason(policy, facts) }
}

function peerReason(policy: TrustPolicy, facts: PlainFacts): string {
  const { trustedProxies, secret } = policy.checked
  const canonical = canonicalPeer(facts.peer.address)
  if (facts.peer.address !== undefined && canonical === undefined) return 'its address is none'
  if (!isKnownPeer(policy, facts)) {
    return canonical === undefined ? 'it has no address, and nothing else to know it by' : 'it is not in trustedProxies'
  }
  if (!isProven(policy, facts)) return `the secret header ${secret?.header} is missing, doubled or wrong`
  const proven = secret === undefined ? '' : `the secret header ${secret.header} is right`
  if (trustedProxies === undefined) return proven || 'whoever connects is, as trustedProxies is not set'
  if (canonical === undefined) return proven || 'it has no address, and trustedProxies takes such peers'
  return `it is in trustedProxies${proven && `, and ${proven}`}`
}

function explainField(
  policy: TrustPolicy,
  facts: PlainFacts,
  info: ConnectionInfo,
  field: Field,
  place: number,
): ExplainedField {
  const { sources, settings, counts } = policy.checked
  const count = counts[field]
  const header = sources[field]
  const verdict = info.verdicts[field]
  return {
    field,
    header,
    setting:
      policy.readsOne && field === 'for'
        ? settings.for
        : `${settings[field]}: ${count === TRUSTED ? "'trusted'" : count}`,
    received: facts.header(header.toLowerCase()),
    place: place > 0 ? place : undefined,
    verdict,
    reason: fieldReason(policy, info, field, place, facts.header(header.toLowerCase()) !== undefined),
    value: valueOf(info, field),
  }
}

function fieldReason(policy: TrustPolicy, info: ConnectionInfo, field: Field, place: number, wasSent: boolean): string {
  const { sources, settings, counts, family } = policy.checked
  const header = sources[field]
  switch (info.verdicts[field]) {
    case 'trusted':
      return policy.readsOne && field === 'for' ? header : `${header}, value ${place} from the right`
    case 'not-configured':
      return family === 'forwarded' && counts.for !== 0 ? 'Forwarded does not tell it' : `${settings[field]} is 0`
    case 'untrusted-peer':
      return wasSent
        ? `${header} was sent by a peer that may not speak for others`
        : 'the peer may not speak for others'
    case 'absent':
      if (!wasSent) return `${header} was not sent`
      return place === 0 ? 'the client is the peer itself, of whom no header tells' : `${header} does not tell it there`
    default:
      return info.rejected.find((one) => one.field === field)?.reason ?? ''
  }
}

function valueOf(info: ConnectionInfo, field: Field): string | undefined {
  switch (field) {
    case 'for':
      return clientText(info.client)
    case 'proto':
      return info.scheme
    case 'host':
      return info.host
    case 'port':
      return info.port?.toString()
    case 'prefix':
      return info.prefix
  }
}

/** The values of the header that tells the client, from the right. */
function valuesOf(policy: TrustPolicy, facts: PlainFacts): readonly string[] {
  const { family, counts } = policy.checked
  const header = facts.header(policy.headerKeys[0]!)
  if (header === undefined || counts.for === 0) return []
  if (policy.readsOne) return [header]
  return (family === 'forwarded' ? elementsFromRight : valuesFromRight)(header, Infinity)
}

function explainHop(
  policy: TrustPolicy,
  info: ConnectionInfo,
  place: number,
  { places, end }: Trace,
): readonly [role: ExplainedHop['role'], reason: string] {
  const verdict = info.verdicts.for
  const at = places[0]!
  if (verdict === 'untrusted-peer') return ['unread', 'the peer is not trusted']
  const last = end === 0 ? at : end
  if (place > last) return ['unread', 'nobody vouches for it']
  if (place === at && verdict === 'trusted') {
    return ['client', at < last ? 'the last hop that is known' : clientReason(policy, place)]
  }
  if (place === last && (verdict !== 'trusted' || at < last)) {
    return ['ended', info.rejected.find(({ field }) => field === 'for')?.reason ?? 'it tells no client']
  }
  return ['proxy', policy.checked.trustedProxies === undefined ? 'counted as one of your proxies' : 'in trustedProxies']
}

function clientReason({ checked, readsOne, limits }: TrustPolicy, place: number): string {
  if (readsOne) return 'the client'
  if (limits.isCount && place === limits.places) return `the client: ${checked.settings.for} is ${place}`
  if (!limits.isCount && place === limits.places) return `the client: maxHops is ${place}`
  return checked.trustedProxies === undefined ? 'the client' : 'the client: as far as trustedProxies vouches'
}

function otherCounts(policy: TrustPolicy, facts: PlainFacts, values: number, place: number): readonly OtherCount[] {
  if (policy.readsOne || policy.checked.counts.for === 0) return []
  return Array.from({ length: Math.min(values, MOST_COUNTS) + 1 }, (_, hops) => {
    const { client, scheme, host, port, prefix, verdicts, refusal } = new Decision(
      withHops(policy, hops),
      new PlainFacts(facts),
    )
    return { hops, isSet: hops === place, client, scheme, host, port, prefix, verdicts, refusal }
  })
}
