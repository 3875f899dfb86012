/**
 * Deciding about a request, and telling whoever wants to know when the decision is not plain: the policy's
 * `onDecision`, and the subscribers of the `diagnostics_channel` named `proxyfix:decision`.
 */

import type { DecisionEvent } from '../trust/options.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import { type ReadableFacts } from '../trust/facts.ts'
import { Decision } from '../trust/resolve.ts'
import { reportOnce } from './report-once.ts'
import { isThenable } from './thenable.ts'

interface Channel {
  readonly hasSubscribers: boolean
  publish(message: DecisionEvent): void
}

interface ProcessWithModules {
  getBuiltinModule?(name: 'node:diagnostics_channel'): { channel(name: string): Channel } | undefined
}

// Asked of the process rather than imported, so that this file loads where there is no node:*.
const channel = (globalThis as { process?: ProcessWithModules }).process
  ?.getBuiltinModule?.('node:diagnostics_channel')
  ?.channel('proxyfix:decision')

/** Decides, and tells of it where that is worth telling. */
export function decide(policy: TrustPolicy, facts: ReadableFacts): Decision {
  const decision = new Decision(policy, facts)
  if (!decision.isPlain) tell(policy, decision)
  return decision
}

function tell({ checked: { onDecision } }: TrustPolicy, decision: Decision): void {
  const isHeard = channel?.hasSubscribers === true
  if (!isHeard && onDecision === undefined) return
  const info = decision.toInfo()
  if (isHeard) channel.publish({ info })
  if (onDecision === undefined) return
  // A client can provoke this call at will, so what it throws, now or later, must not decide over the request.
  try {
    const result: unknown = onDecision({ info })
    if (isThenable(result)) result.then(undefined, reportFailure)
  } catch (error) {
    reportFailure(error)
  }
}

function reportFailure(error: unknown): void {
  const what = error instanceof Error ? error.message : 'something that is no Error'
  reportOnce('PROXYFIX_ON_DECISION', `onDecision threw, which is told this once: ${what}`)
}
