/**
 * Why is the answer what it is? The decision once more, with a note of every step: which header was read, how far,
 * what each value was taken for, and what another hop count would have given. It decides nothing by itself: it is the
 * same `Decision`, watched.
 */

import { canonicalPeer } from './address.ts'
import { type ConnectionFacts, type ConnectionInfo, type Field, FIELDS } from './connection.ts'
import { clientText } from './client-text.ts'
import { explainHops, forValues, reasonOf } from './explain-hops.ts'
import type { ExplainedDecision, ExplainedField, ExplainedHop, ExplainedPeer, OtherCount } from './explanation.ts'
import { explanationTable, type TableOptions } from './explanation-table.ts'
import { type ProxyFixOptions, TRUSTED } from './options.ts'
import { type TrustPolicy, trustPolicy, withHops } from './policy.ts'
import { PlainFacts, type Trace } from './facts.ts'
import { Decision } from './resolve.ts'
import { isKnownPeer, isProven } from './trusted-peer.ts'
import { defaultPort } from './scheme.ts'

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
    this.info = Decision.infoOf(policy, plain)
    this.peer = explainPeer(policy, plain, this.info)
    this.fields = FIELDS.map((field, index) => explainField(policy, plain, this.info, field, trace.places[index]!))
    const values = forValues(policy, plain)
    this.hopCount = values.length
    this.hops = explainHops(policy, this.info, values, trace)
    this.otherCounts = otherCounts(policy, plain, this.info, values.length, trace)
    this.warnings = policy.warnings
  }

  /** As data for a report: without the headers as they were received, which hold what nobody should paste (cookies). */
  toJSON(): object {
    const { headers: _, ...original } = this.info.original
    return { ...this, info: { ...this.info, original } }
  }

  /** The table: 80 columns without colour, unless asked otherwise. */
  toString(options: TableOptions = {}): string {
    return explanationTable(this, options)
  }
}

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
  if (facts.peer.address && canonical === undefined) return 'its address is none'
  if (!isKnownPeer(policy, facts, canonical)) {
    return canonical === undefined ? 'it has no address, and nothing else to know it by' : 'it is not in trustedProxies'
  }
  const header = `the secret header ${secret?.name}`
  if (!isProven(policy, facts)) return `${header} is missing, doubled or wrong`
  const proven = secret === undefined ? '' : `${header} is right`
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
  const { sources, settings, counts, family } = policy.checked
  const header = sources[field]
  const isTold = family === 'x-forwarded' || counts[field] !== 0 // by Forwarded, which tells of no port and prefix
  const received = isTold ? facts.header(header.toLowerCase()) : undefined
  const count = family === 'forwarded' ? counts.for : counts[field]
  const isOne = policy.readsOne && field === 'for'
  return {
    field,
    header,
    setting: isOne ? settings.for : `${settings[field]}: ${count === TRUSTED ? "'trusted'" : count}`,
    received,
    place: place > 0 && !isOne ? place : undefined,
    verdict: info.verdicts[field],
    reason: fieldReason(policy, info, field, place, received !== undefined),
    value: valueOf(info, field),
  }
}

function fieldReason(policy: TrustPolicy, info: ConnectionInfo, field: Field, place: number, wasSent: boolean): string {
  const { sources, settings, counts, family } = policy.checked
  const header = sources[field]
  const instead = insteadOf(field, info)
  switch (info.verdicts[field]) {
    case 'trusted':
      return policy.readsOne && field === 'for' ? header : `${header}, value ${place} from the right`
    case 'not-configured':
      return family === 'forwarded' && counts.for !== 0
        ? `Forwarded does not tell it${instead}`
        : `${settings[field]} is 0${instead}`
    case 'untrusted-peer':
      return `${wasSent ? `${header} was sent by a peer that may not` : 'the peer may not'} speak for others${instead}`
    case 'absent':
      if (!wasSent) return `${header} was not sent${instead}`
      return `${place === 0 ? 'no header tells it of the peer, which is the client' : `${header} does not tell it there`}${instead}`
    default:
      return `${reasonOf(info, field)}${instead}`
  }
}

/** What counts where a header does not. */
function insteadOf(field: Field, { original, scheme, port, prefix }: ConnectionInfo): string {
  switch (field) {
    case 'for':
      return ': the peer is the client'
    case 'proto':
      return ": the connection's own counts"
    case 'host':
      return original.host ? ': the Host header counts' : ''
    case 'port':
      if (port === undefined) return ''
      return port === defaultPort(scheme) ? `: it is that of ${scheme}` : ': the one in the host counts'
    case 'prefix':
      return prefix === '' ? '' : ': the one that was received counts'
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

/** What other counts would have given; the one that is set is among them, however far it reaches. */
function otherCounts(
  policy: TrustPolicy,
  facts: PlainFacts,
  info: ConnectionInfo,
  values: number,
  { places }: Trace,
): readonly OtherCount[] {
  const count = policy.checked.counts.for
  if (policy.readsOne) return []
  const set = count === TRUSTED ? places[0]! : count
  const counts = Array.from({ length: Math.min(Math.max(values, set), MOST_COUNTS) + 1 }, (_, hops) => hops)
  if (set >= counts.length) counts.push(set)
  return counts.map((hops) => {
    const isSet = hops === set
    const other = isSet ? info : Decision.infoOf(withHops(policy, hops), new PlainFacts(facts))
    const { client, scheme, host, port, prefix, verdicts, refusal } = other
    return { hops, isSet, client, scheme, host, port, prefix, verdicts, refusal }
  })
}
