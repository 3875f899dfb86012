/**
 * Options, checked and compiled once. A policy is a constant: nothing of one request is ever kept in it,
 * so one policy serves any number of connections, pipelined requests included (contract rule 12).
 */

import { FIELDS } from './connection.ts'
import { warningsFor } from './option-warnings.ts'
import { checkOptions, type CheckedOptions, type ProxyFixOptions, TRUSTED } from './options.ts'
import { NOT_CONFIGURED, pack } from './verdicts.ts'
import type { WalkLimits } from './walk.ts'

/** Compiled options; made by {@link trustPolicy}, taken wherever options are. */
export class TrustPolicy {
  /** What is legal and still dangerous in these options, one sentence each; show them to the operator. */
  readonly warnings: readonly string[]

  // The counts, and the headers that they count in, as the path of every request reads them.
  /** @internal */
  readonly xFor: number
  /** @internal */
  readonly xProto: number
  /** @internal */
  readonly xHost: number
  /** @internal */
  readonly xPort: number
  /** @internal */
  readonly xPrefix: number
  /** The verdicts on the fields that are not read, packed. @internal */
  readonly unread: number
  /** In the order of FIELDS, in lower case. @internal */
  readonly headerKeys: readonly string[]
  /** Whether the client is found by a walk, not at a place that is counted. @internal */
  readonly walks: boolean
  /** How far that walk goes. @internal */
  readonly limits: WalkLimits
  /** Whether the client stands in a header of its own, which is no list. @internal */
  readonly readsOne: boolean
  /** Whether any request can be refused at all. @internal */
  readonly mayRefuse: boolean
  /** @internal */
  readonly checked: CheckedOptions

  /** @internal */
  constructor(checked: CheckedOptions, warnings: readonly string[]) {
    const { counts, sources, family, trustedProxies, clientIpHeader, maxHops, onInvalid, required, allowsHost } =
      checked
    this.warnings = Object.freeze(warnings)
    this.xFor = counts.for
    this.xProto = counts.proto
    this.xHost = counts.host
    this.xPort = counts.port
    this.xPrefix = counts.prefix
    this.unread = FIELDS.reduce((all, field, place) => all | (counts[field] === 0 ? pack(place, NOT_CONFIGURED) : 0), 0)
    this.headerKeys = FIELDS.map((field) => Object.keys({ [sources[field].toLowerCase()]: field })[0]!) // interned
    this.readsOne = clientIpHeader !== undefined
    this.walks = counts.for !== 0 && (family === 'forwarded' || (trustedProxies !== undefined && !this.readsOne))
    const isCount = counts.for !== TRUSTED
    this.limits = { places: isCount ? counts.for : maxHops, isCount }
    this.mayRefuse = onInvalid === 'reject' || required.length > 0 || allowsHost !== undefined
    this.checked = Object.freeze(checked)
    Object.freeze(this)
  }
}

/**
 * Checks options and compiles them to a policy.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when an option is unknown or has a value that cannot be.
 * @example
 * const policy = trustPolicy({ xFor: 1, xProto: 1, xHost: 1, trustedProxies: '10.0.0.0/8' })
 * for (const warning of policy.warnings) console.warn(warning)
 */
export function trustPolicy(options: ProxyFixOptions | TrustPolicy = {}): TrustPolicy {
  if (options instanceof TrustPolicy) return options
  const checked = checkOptions(options)
  return new TrustPolicy(checked, warningsFor(checked, options))
}

/** The same policy with another hop count for the client, and for the fields that go by it. */
export function withHops({ checked }: TrustPolicy, hops: number): TrustPolicy {
  const counts = { ...checked.counts, for: hops }
  for (const field of FIELDS) {
    const goesByClient = checked.family === 'forwarded' || checked.counts[field] === TRUSTED
    if (goesByClient && checked.counts[field] !== 0) counts[field] = hops
  }
  return new TrustPolicy({ ...checked, counts }, [])
}
