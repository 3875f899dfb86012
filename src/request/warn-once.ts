/**
 * What does an operator need to hear about decisions that are not plain? Each kind of trouble once: a misconfigured
 * chain of proxies shows on every request, and a client can provoke most of them at will, so silence hides them and
 * a line for each request floods the log.
 */

import { type ConnectionInfo, FIELD_NAMES, type Verdict } from '../trust/connection.ts'
import { fail, show } from '../trust/error.ts'
import type { DecisionEvent } from '../trust/options.ts'
import { PlainFacts } from '../trust/facts.ts'

/** How troubles are told. */
export interface WarnOnceOptions {
  /** Where a sentence goes. @default console.warn */
  readonly log?: ((message: string) => void) | undefined
  /** After how many milliseconds the same kind may be told again, with how often it was. @default never */
  readonly everyMs?: number | undefined
}

const FORWARDING = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'forwarded',
]

const HINTS: Readonly<Partial<Record<Verdict, string>>> = {
  short: 'is there one proxy less than you think, or does one of them not add to it, or replace it?',
  empty: 'does a proxy set the header from a variable that is empty?',
  invalid: 'does a proxy pass on what the client sent?',
}

/**
 * Makes an `onDecision` that tells each kind of trouble once, in a sentence that says what to look for.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an impossible `everyMs`.
 * @example
 * proxyFix(app, { xFor: 2, onDecision: warnOnce() })
 */
export function warnOnce(options: WarnOnceOptions = {}): (event: DecisionEvent) => void {
  const { log = console.warn, everyMs = Infinity, ...others } = options
  if (typeof options !== 'object' || Object.keys(others).length > 0) {
    fail('warnOnce takes options, log and everyMs, and gives the function to use: write onDecision: warnOnce().')
  }
  if (typeof everyMs !== 'number' || !(everyMs >= 0)) {
    fail(`The option everyMs of warnOnce must be a number of milliseconds, 0 or more, not ${show(everyMs)}.`)
  }
  if (typeof log !== 'function') fail(`The option log of warnOnce must be a function, not ${show(log)}.`)
  const told = new Map<string, { at: number; since: number }>()
  return ({ info }) => {
    for (const [kind, sentence] of troubles(info)) {
      const before = told.get(kind)
      const now = Date.now()
      if (before !== undefined && !(now - before.at >= everyMs)) {
        before.since++
        continue
      }
      told.set(kind, { at: now, since: 0 })
      const more =
        before === undefined || before.since === 0 ? '' : ` (and ${before.since} more since this was told last)`
      log(`proxyfix: ${sentence}${more}`)
    }
  }
}

/** Each trouble of a decision, by its kind. There are few kinds, whatever a client sends. */
function* troubles(info: ConnectionInfo): Iterable<readonly [kind: string, sentence: string]> {
  const { peer, trusted, verdicts, rejected, refusal } = info
  // A stranger that was refused is told of for that, and for itself only if it sent headers.
  if (!trusted && (refusal === undefined || hasForwarding(info))) {
    yield [
      'untrusted',
      `${peer.address ?? 'a peer without an address'} is not trusted and sent forwarding headers, which were not believed: if it is a proxy of yours, add it to trustedProxies or let it send the secret.`,
    ]
  }
  for (const { field, value, reason } of rejected) {
    const verdict = verdicts[field]
    const hint = HINTS[verdict] ?? 'the hop that presented it was taken for the client.'
    const shown = verdict === 'short' || value === '' ? '' : ` (${escaped(value)})`
    yield [
      `${field} ${verdict}`,
      `the ${field === 'for' ? 'client address' : FIELD_NAMES[field]} was not taken from a header, as ${reason}${shown}: ${hint}`,
    ]
  }
  if (refusal !== undefined) {
    yield [`refused ${refusal.field}`, `a request was refused with ${refusal.status}, as ${refusal.reason}.`]
  }
}

/** Whether the request came with headers that proxies set. */
function hasForwarding({ original }: ConnectionInfo): boolean {
  const facts = new PlainFacts(original)
  return FORWARDING.some((name) => facts.header(name) !== undefined)
}

/** A client's text, so that it cannot draw anything in a terminal or begin a line in a log. */
function escaped(text: string): string {
  return JSON.stringify(text).replaceAll(/[^\x20-\x7e]/gu, (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`)
}
