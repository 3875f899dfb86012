/**
 * Who sends the header, and what happens to whoever does not? Every mistake is told at construction, in one sentence:
 * a list of senders that means something else than it says lets strangers choose their address.
 */

import type { Endpoint } from '../../trust/address.ts'
import { type AddressSet, addressSet, type TrustPredicate } from '../../trust/address-set.ts'
import { fail, ProxyFixError, show } from '../../trust/error.ts'
import { nearest } from '../../trust/nearest.ts'

/** How `proxyProtocol` receives headers. */
export interface ProxyProtocolOptions {
  /**
   * The proxies that open connections with a PROXY protocol header, in the forms of `trustedProxies`: addresses, CIDR
   * blocks, `'loopback'`, `'linklocal'`, `'private'`, `'unix'`, as a list or in text with commas, or a function. A
   * connection from there without a valid header is closed, since its client would pass for the proxy.
   */
  readonly from: string | readonly string[] | TrustPredicate
  /**
   * What happens to connections from anybody else; no header of theirs is ever read. `refuse`: they are closed at
   * once. `serve`: they are ordinary connections, so that a header is a bad request. @default 'refuse'
   */
  readonly others?: 'refuse' | 'serve' | undefined
  /**
   * Whether these proxies speak TLS with their clients where their headers do not say it, as those of version 1 cannot.
   * Then `encrypted` is true and the scheme `https`. A header with an SSL TLV decides for itself, and TLS that reaches
   * the server needs nothing. @default false
   */
  readonly tls?: boolean | undefined
  /**
   * Milliseconds from the opening of a connection in which the whole header must have come. Below 3000, one lost
   * packet can cost a connection. @default 5000
   */
  readonly timeout?: number | undefined
  /** How many bytes a header may have: 16 to 65551. @default 4096 */
  readonly maxLength?: number | undefined
  /**
   * Told of each connection that is closed for want of a valid header. What it throws is reported as a process warning.
   * @default the first is reported as a process warning
   */
  readonly onRefused?: ((refusal: ProxyProtocolRefusal) => void) | undefined
}

/** A connection that was closed without an answer. */
export interface ProxyProtocolRefusal {
  /** Who had opened it. */
  readonly sender: Endpoint
  /** One clause that says why; it never repeats bytes that came. */
  readonly reason: string
}

/** Options as they were checked. */
export interface CheckedOptions {
  readonly senders: AddressSet
  readonly others: 'refuse' | 'serve'
  readonly tls: boolean
  readonly timeout: number
  readonly maxLength: number
  readonly onRefused: ProxyProtocolOptions['onRefused']
}

const KNOWN: readonly string[] = ['from', 'others', 'tls', 'timeout', 'maxLength', 'onRefused']

/** What a timer of Node can wait. */
const LONGEST_TIMEOUT = 2 ** 31 - 1

/** The fixed part of version 2; and that with the most that can follow it. */
const SHORTEST_HEADER = 16
const LONGEST_HEADER = 16 + 65535

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION`, naming option, value and remedy. */
export function checkOptions(options: ProxyProtocolOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    fail(`The options of proxyProtocol must be an object like { from: '10.0.0.5' }, not ${show(options)}.`)
  }
  for (const name in options) checkName(name)
  const { from, others = 'refuse', tls = false, timeout = 5000, maxLength = 4096, onRefused } = options
  if (others !== 'refuse' && others !== 'serve') {
    fail(`The option others must be 'refuse' or 'serve', not ${show(others)}.`)
  }
  if (typeof tls !== 'boolean') fail(`The option tls must be true or false, not ${show(tls)}.`)
  if (!isWithin(timeout, 1, LONGEST_TIMEOUT)) {
    fail(
      `The option timeout must be milliseconds, 1 to ${LONGEST_TIMEOUT}, not ${show(timeout)}: a connection must not wait for its header for ever.`,
    )
  }
  if (!isWithin(maxLength, SHORTEST_HEADER, LONGEST_HEADER)) {
    fail(
      `The option maxLength must be a number of bytes, ${SHORTEST_HEADER} to ${LONGEST_HEADER}, not ${show(maxLength)}.`,
    )
  }
  if (onRefused !== undefined && typeof onRefused !== 'function') {
    fail(`The option onRefused must be a function that takes the refusal, not ${show(onRefused)}.`)
  }
  return { senders: sendersOf(from), others, tls, timeout, maxLength, onRefused }
}

function checkName(name: string): void {
  if (KNOWN.includes(name)) return
  const near = name === 'trustedProxies' ? 'from' : nearest(name, KNOWN)
  fail(
    near === undefined
      ? `There is no option ${name}: proxyProtocol knows ${KNOWN.join(', ')}.`
      : `There is no option ${name}: did you mean ${near}?`,
  )
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value <= most
}

/** The set of addresses, compiled as `trustedProxies` is; where nobody or anybody would be in it, it is refused. */
function sendersOf(from: unknown): AddressSet {
  if (from === undefined) {
    fail(
      "proxyProtocol needs the option from, as whoever may send a header chooses its client: give the addresses of your proxies, as in { from: '10.0.0.5' }.",
    )
  }
  const entries = [from].flat().flatMap((list) => (typeof list === 'string' ? list.split(',') : [list]))
  if (entries.length === 0 || entries.some((entry) => typeof entry === 'string' && entry.trim() === '')) {
    fail('The option from has an empty entry: give the address of each proxy that sends the header.')
  }
  if (entries.some((entry) => typeof entry === 'string' && entry.trim() === '*')) {
    fail("The option from cannot take '*', or anybody could choose its address: list the addresses of your proxies.")
  }
  try {
    return addressSet(from)
  } catch (error) {
    throw new ProxyFixError('ERR_PROXYFIX_OPTION', forSenders((error as Error).message)) // it throws no other
  }
}

/** What is said of `trustedProxies`, said of this option. */
export function forSenders(message: string): string {
  return message.replaceAll('trustedProxies', 'from')
}
