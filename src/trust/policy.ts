/**
 * Options, checked and compiled once. A policy is a constant: nothing of one request is ever kept in it,
 * so one policy serves any number of connections, pipelined requests included (contract rule 12).
 */

import { checkOptions, warningsFor, type CheckedOptions, type ProxyFixOptions } from './options.ts'

/** Compiled options; made by {@link trustPolicy}, taken wherever options are. */
export class TrustPolicy {
  /** What is legal and still dangerous in these options, one sentence each; show them to the operator. */
  readonly warnings: readonly string[]

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
  /** Whether any request can be refused at all. @internal */
  readonly mayRefuse: boolean
  /** @internal */
  readonly checked: CheckedOptions

  /** @internal */
  constructor(options: ProxyFixOptions) {
    const checked = checkOptions(options)
    this.warnings = Object.freeze(warningsFor(checked))
    this.xFor = checked.counts.for
    this.xProto = checked.counts.proto
    this.xHost = checked.counts.host
    this.xPort = checked.counts.port
    this.xPrefix = checked.counts.prefix
    this.mayRefuse = checked.onInvalid === 'reject' || checked.required.length > 0 || checked.allowsHost !== undefined
    this.checked = Object.freeze(checked)
    Object.freeze(this)
  }
}

/**
 * Checks options and compiles them to a policy.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when an option is unknown or has a value that cannot be.
 * @example
 * const policy = trustPolicy({ xFor: 1, xProto: 1, xHost: 1 })
 * for (const warning of policy.warnings) console.warn(warning)
 */
export function trustPolicy(options: ProxyFixOptions | TrustPolicy = {}): TrustPolicy {
  return options instanceof TrustPolicy ? options : new TrustPolicy(options)
}
