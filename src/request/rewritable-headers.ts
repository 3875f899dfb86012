/**
 * What are headers to somebody who rewrites them? As Fetch has them (names without case, several lines joined), the
 * same for Node and Fetch, requests and responses. A bad name or value is refused before anything is changed.
 */

import { ProxyFixError, show } from '../trust/error.ts'
import { isHeaderName, isHeaderValue } from '../trust/header-text.ts'

/** One header, its name in lower case. */
export type HeaderEntry = readonly [name: string, value: string]

/** Headers that can be read and changed; iterated as names in lower case with their values. */
export interface RewritableHeaders extends Iterable<HeaderEntry> {
  /** All values of that name, joined by commas; `null` when there is none. */
  get(name: string): string | null
  has(name: string): boolean
  /**
   * Puts one value in place of all there are.
   * @throws ProxyFixError `ERR_PROXYFIX_VALUE` for a name or a value that no header can have.
   */
  set(name: string, value: string | number): void
  /** Adds a value to those there are; throws as `set` does. */
  append(name: string, value: string | number): void
  delete(name: string): void
  entries(): Iterator<HeaderEntry> & Iterable<HeaderEntry>
  keys(): Iterator<string> & Iterable<string>
  values(): Iterator<string> & Iterable<string>
  forEach(fn: (value: string, name: string) => void): void
}

/** What can be said of headers that can be iterated. */
export abstract class IterableHeaders {
  abstract [Symbol.iterator](): Iterator<HeaderEntry>

  *entries(): Generator<HeaderEntry> {
    yield* { [Symbol.iterator]: () => this[Symbol.iterator]() }
  }

  *keys(): Generator<string> {
    for (const [name] of this.entries()) yield name
  }

  *values(): Generator<string> {
    for (const [, value] of this.entries()) yield value
  }

  forEach(fn: (value: string, name: string) => void): void {
    for (const [name, value] of this.entries()) fn(value, name)
  }
}

/** The name in lower case. */
export function headerName(name: unknown): string {
  if (typeof name === 'string' && isHeaderName(name)) return name.toLowerCase()
  throw badValue(`A header cannot be named ${shown(name)}: names are letters, digits and hyphens, like 'X-Request-ID'.`)
}

/**
 * The value without the blanks round it, which are not part of it (RFC 9110 §5.5).
 * @throws ProxyFixError `ERR_PROXYFIX_VALUE` for a text that cannot be, `ERR_PROXYFIX_REWRITE` for anything but texts and
 * numbers, which no request brought along.
 */
export function headerValue(name: string, value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') throw misuse(`The header ${name} cannot have the value ${shown(value)}: give a text.`)
  if (isHeaderValue(value)) return withoutBlanksAround(value)
  throw badValue(
    `The header ${name} cannot have the value ${shown(value)}: leave out line breaks, other controls and what is not Latin-1, or encode them.`,
  )
}

/** By hand: the regular expression for it takes time that grows with the square of the blanks in between. */
function withoutBlanksAround(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

/** What a rewriter assigned that cannot be; it may be the client's own text. */
export function badValue(message: string): ProxyFixError {
  return new ProxyFixError('ERR_PROXYFIX_VALUE', message)
}

/** What a rewriter's author has to mend. */
export function misuse(message: string): ProxyFixError {
  return new ProxyFixError('ERR_PROXYFIX_REWRITE', message)
}

/** What cannot be assigned: a text may be the client's own, anything else is the author's. */
export function cannotBe(value: unknown, message: string): ProxyFixError {
  return typeof value === 'string' ? badValue(message) : misuse(message)
}

/** A value as it can stand in one line of a log, whatever a client made of it. */
export function shown(value: unknown): string {
  return show(typeof value === 'string' ? value.slice(0, 256) : value)
}
