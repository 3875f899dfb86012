/**
 * Did the peer prove itself by something other than its address? A CDN can be told to send a header that only it
 * and the app know (`X-Origin-Verify`), which tells its requests from those of its other customers, who share all of
 * its addresses.
 */

import { fail, show } from './error.ts'

/** The option `secret`, checked. */
export interface Secret {
  /** The name of the header as it was given, and in lower case. */
  readonly name: string
  readonly header: string
  /** Whether the header proves a proxy. The time it takes tells nothing of how much was right. */
  readonly isProvenBy: (given: string | undefined) => boolean
  /** Whether a value is short enough to be guessed. */
  readonly isGuessable: boolean
}

/** The option `secret`: a header that only your proxies send. */
export interface SecretOption {
  /** The name of the header. */
  readonly header: string
  /** What it may hold: one value, or several while they are being changed. */
  readonly values: string | readonly string[]
}

const SAFE_LENGTH = 20

/**
 * Checks the option `secret`. What comes out of it keeps the values to itself: a policy hangs on every fixed request,
 * and requests are printed.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a header that cannot carry it, or a value that is none.
 */
export function checkSecret(option: unknown, headerName: (option: string, value: unknown) => string): Secret {
  if (typeof option !== 'object' || option === null || Array.isArray(option)) {
    fail(`The option secret must be an object like { header: 'X-Origin-Verify', values: 'a long random text' }.`)
  }
  const { header, values, ...others } = option as Readonly<Record<string, unknown>>
  const [other] = Object.keys(others)
  if (other !== undefined) fail(`The option secret has header and values, and no ${other}.`)
  const list: readonly unknown[] = Array.isArray(values) ? values : [values]
  if (list.length === 0) fail('The option secret has no values: give the text that your proxies send.')
  // Their text stays out of the messages: those end up in logs.
  const checked = list.map((value, index) => {
    const which = list.length === 1 ? 'value' : `value ${index + 1}`
    if (value === undefined || value === '') {
      fail(
        `The ${which} of the option secret is ${value === '' ? 'empty' : 'undefined'}: is an environment variable missing?`,
      )
    }
    if (typeof value !== 'string') fail(`The ${which} of the option secret must be text, not ${kindOf(value)}.`)
    if (!/^[\x20-\x7e]+$/.test(value) || value.includes(',') || value !== value.trim()) {
      fail(
        `The ${which} of the option secret has a character that it cannot have: use visible ASCII without commas (one would make two headers look like one), and no blank at either end.`,
      )
    }
    return value
  })
  return {
    name: String(header),
    header: headerName('secret.header', header),
    isProvenBy: (given) => given !== undefined && holds(given, checked),
    isGuessable: checked.some((value) => value.length < SAFE_LENGTH),
  }
}

/** Looks at every value, whichever is right. */
function holds(given: string, values: readonly string[]): boolean {
  let found = false
  for (const value of values) found = isEqual(value, given) || found
  return found
}

/** Looks at all of `value`, wherever the first difference is; no `node:crypto`, which is not everywhere. */
function isEqual(value: string, given: string): boolean {
  let difference = value.length ^ given.length
  // Past the end of what was given charCodeAt is NaN, which `^` takes for 0.
  for (let index = 0; index < value.length; index++) difference |= value.charCodeAt(index) ^ given.charCodeAt(index)
  return difference === 0
}

function kindOf(value: unknown): string {
  return typeof value === 'object' ? show(value) : `a ${typeof value}`
}
