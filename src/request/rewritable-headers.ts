/**
 * What are headers to somebody who rewrites them? As Fetch has them (names without case, several lines joined), the
 * same for Node and Fetch, requests and responses. A bad name or value is refused before anything is changed.
 */

import { ProxyFixError, show } from '../trust/error.ts'
import { isHeaderName, isHeaderValue } from '../trust/header-text.ts'

/** Headers that can be read and changed; iterated as names in lower case with their values. */
export interface RewritableHeaders extends Iterable<readonly [name: string, value: string]> {
  /** All values of that name, joined by commas; `null` when there is none. */
  get(name: string): string | null
  has(name: string): boolean
  /**
   * Puts one value in place of all there are.
   * @throws ProxyFixError `ERR_PROXYFIX_VALUE` for a name or a value that no header can have.
   */
  set(name: string, value: string): void
  /** Adds a value to those there are; throws as `set` does. */
  append(name: string, value: string): void
  delete(name: string): void
}

/** The name in lower case. */
export function headerName(name: unknown): string {
  if (typeof name === 'string' && isHeaderName(name)) return name.toLowerCase()
  throw badValue(`A header cannot be named ${show(name)}: names are letters, digits and hyphens, like 'X-Request-ID'.`)
}

/** The value without the blanks round it, which are not part of it (RFC 9110 §5.5). */
export function headerValue(name: string, value: unknown): string {
  if (typeof value === 'string' && isHeaderValue(value)) return value.replace(/^[\t ]+|[\t ]+$/g, '')
  const remedy =
    typeof value === 'string'
      ? 'leave out line breaks, other controls and what is not Latin-1, or encode them'
      : 'give a text'
  throw badValue(`The header ${name} cannot have the value ${shown(value)}: ${remedy}.`)
}

/** What a rewriter assigned that cannot be; it may be the client's own text. */
export function badValue(message: string): ProxyFixError {
  return new ProxyFixError('ERR_PROXYFIX_VALUE', message)
}

/** A value as it can stand in one line of a log. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 256)) : show(value)
}
