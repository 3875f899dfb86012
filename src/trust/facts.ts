/**
 * What is a decision made on? Facts, off a request or written down by a program: who is connected, and what came with
 * the request. An adapter for a new kind of request makes these, and nothing that decides has to know of it.
 */

import type { Endpoint } from './address.ts'
import type { ConnectionFacts } from './connection.ts'
import { fail } from './error.ts'
import { provenanceOf } from './provenance.ts'

/** Facts that a decision can be made on: they know how to read a header off the request that they are of. */
export interface ReadableFacts extends ConnectionFacts {
  /** One header, all its lines joined in order; the name is given in lower case. */
  header(name: string): string | undefined
  /**
   * Why the request cannot be judged. If any header is configured it is refused: neither what they say nor that they
   * say nothing can be believed.
   */
  readonly flaw?: string | undefined
  /** Takes note of what the decision looks at. */
  readonly trace?: Trace | undefined
}

/** What a decision looked at, for `explain`. */
export interface Trace {
  /** For each field the place of its value that was looked at, counted from the right. */
  readonly places: number[]
  /** The place at which the walk through the For field ended. */
  end: number
}

/** Facts that a program wrote down. */
export class PlainFacts implements ReadableFacts {
  readonly peer: Endpoint
  readonly scheme: string
  readonly host: string | undefined
  readonly prefix: string | undefined
  readonly headers: ConnectionFacts['headers']
  readonly flaw: string | undefined
  readonly trace: Trace | undefined
  /** The lengths of the names that are there, a bit for each (modulo 32), once they have been gone through. */
  #lengths = -1

  /** @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what are no facts. */
  constructor(facts: ConnectionFacts, trace?: Trace) {
    const { peer, scheme, host, prefix, headers }: Partial<ConnectionFacts> = facts ?? {}
    if (!isObject(peer) || !isObject(headers) || typeof scheme !== 'string') {
      fail("A decision needs facts like { peer: { address: '10.0.0.1' }, scheme: 'http', headers: {} }.")
    }
    this.peer = peer
    this.scheme = scheme
    this.host = host
    this.prefix = prefix
    this.headers = headers
    // Nothing is known of headers that somebody wrote down.
    this.flaw = typeof headers.get === 'function' ? provenanceOf({ headers }).flaw : undefined
    this.trace = trace
  }

  /** Names match without case. */
  header(name: string): string | undefined {
    const { headers } = this
    if (typeof headers.get === 'function') return headers.get(name) ?? undefined
    const { length } = name
    if ((this.#lengths & (1 << length)) === 0) return undefined // most headers that are looked for are not there
    const record = headers as Readonly<Record<string, unknown>>
    const first = name.charCodeAt(0) | 0x20
    let lengths = 0
    let joined: string | undefined
    for (const key in record) {
      lengths |= 1 << key.length
      // One look passes over nearly every other name: they differ in length, or in the letter they begin with.
      if (key.length !== length || (key.charCodeAt(0) | 0x20) !== first) continue
      // Here V8 knows what `hasOwnProperty` will say; `Object.hasOwn` costs 10 ns.
      if ((key !== name && key.toLowerCase() !== name) || !hasOwnProperty.call(record, key)) continue
      const value = record[key]
      const text = Array.isArray(value) && value.length > 0 ? value.join(', ') : value
      if (typeof text === 'string') joined = joined === undefined ? text : `${joined}, ${text}`
    }
    this.#lengths = lengths
    return joined
  }
}

const { hasOwnProperty } = Object.prototype

function isObject<T>(value: T): value is T & object {
  return typeof value === 'object' && value !== null
}
