/**
 * What is a host? The authority of a Host header: a name, an IPv4 address or a bracketed IPv6 address,
 * with a port or not (contract rule 4; RFC 9110 §7.2).
 *
 * The text is judged before any URL parser sees it. A URL parser repairs: `evil.com/x` becomes a path,
 * `a@b` a user, `1.2.3` the address 1.2.0.3, `%65ggs` a host named eggs; whoever lets it judge hands the
 * client a way to say one thing to the check and another to the link that is built afterwards.
 */

import { canonicalIPv6, isFullIPv4 } from './address.ts'
import { parsePort } from './port.ts'

/** A host taken apart: the name or address (IPv6 in brackets), and the port if one was written. */
export interface Authority {
  readonly hostname: string
  readonly port: number | undefined
}

const MAX_LABEL = 63 // RFC 1035 §2.3.4
const MAX_NAME = 253

export function parseAuthority(text: string): Authority | undefined {
  if (text.charCodeAt(0) === 0x5b /* [ */) return parseBracketed(text)
  const colon = text.indexOf(':')
  const hostname = parseName(colon === -1 ? text : text.slice(0, colon))
  if (hostname === undefined) return undefined
  return withPort(hostname, text, colon)
}

function parseBracketed(text: string): Authority | undefined {
  const close = text.indexOf(']')
  if (close === -1) return undefined
  const address = canonicalIPv6(text.slice(1, close))
  if (address === undefined) return undefined
  const after = close + 1 === text.length ? -1 : close + 1
  if (after !== -1 && text.charCodeAt(after) !== 0x3a /* : */) return undefined
  return withPort(`[${address}]`, text, after)
}

/** `colon` is where the port's colon stands, -1 when there is none. */
function withPort(hostname: string, text: string, colon: number): Authority | undefined {
  if (colon === -1) return { hostname, port: undefined }
  const port = parsePort(text.slice(colon + 1))
  return port === undefined ? undefined : { hostname, port }
}

/** A host name or a full IPv4 address in lower case, or `undefined`. */
function parseName(text: string): string | undefined {
  const length = text.length
  if (length === 0 || length > MAX_NAME + 1) return undefined
  let labelStart = 0
  let lastLabel = 0
  let upper = false
  let punycode = false
  for (let index = 0; index <= length; index++) {
    const code = index === length ? 0x2e : text.charCodeAt(index)
    if (code === 0x2e /* . */) {
      if (index === labelStart) {
        // One trailing dot closes a name; any other empty label is none.
        if (index === length && index > 0) break
        return undefined
      }
      if (index - labelStart > MAX_LABEL) return undefined
      // A label in punycode is legal or not by rules (UTS #46) that only a URL parser carries.
      punycode ||= index - labelStart > 3 && text.slice(labelStart, labelStart + 4).toLowerCase() === 'xn--'
      lastLabel = labelStart
      labelStart = index + 1
    } else if (code >= 0x41 && code <= 0x5a) {
      upper = true
    } else if (!isNameCharacter(code)) {
      return undefined
    }
  }
  const dotted = text.charCodeAt(length - 1) === 0x2e
  if (length - (dotted ? 1 : 0) > MAX_NAME) return undefined
  const name = upper ? text.toLowerCase() : text
  if (isNumeric(name, lastLabel, dotted ? length - 1 : length)) return isFullIPv4(name) ? name : undefined
  return punycode && !isUnchangedByUrl(name) ? undefined : name
}

/** a-z, 0-9, `-`, `_`; upper case was seen to before. */
function isNameCharacter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x5f
}

/** Whether the label is a number, decimal or 0x…: a URL parser then takes the whole name for IPv4 (WHATWG URL §3.5). */
function isNumeric(name: string, start: number, end: number): boolean {
  const hex = name.charCodeAt(start) === 0x30 && name.charCodeAt(start + 1) === 0x78
  for (let index = hex ? start + 2 : start; index < end; index++) {
    const code = name.charCodeAt(index)
    const digit = code >= 0x30 && code <= 0x39
    if (!digit && !(hex && code >= 0x61 && code <= 0x66)) return false
  }
  return true
}

function isUnchangedByUrl(name: string): boolean {
  try {
    return new URL(`http://${name}/`).hostname === name
  } catch {
    return false
  }
}
