/**
 * What is an IP address, and how is it written?
 *
 * One address, one spelling: two texts that mean the same host must never pass as two clients (rate
 * limits, bans) nor slip past an address check. So only the full form is read: four decimal octets
 * without leading zeros (`010.0.0.1` is 8.0.0.1 to one reader and 10.0.0.1 to the next; CVE-2021-28918),
 * IPv6 by RFC 4291 §2.2 without a zone, and all is given back canonical (RFC 5952 §4), with
 * `::ffff:a.b.c.d` folded to IPv4, since a dual-stack socket shows IPv4 clients that way. Other
 * embeddings (`64:ff9b::/96`, `2002::/16`, `::a.b.c.d`) are other hosts and are not folded.
 *
 * Written by hand because it is on the path of every request: about 20 ns for IPv4, where
 * `ipaddr.js` takes 0.5-2 µs, and 13 µs to refuse. That library is the reference in the property tests.
 */

import { parsePort } from './port.ts'

/** An address with the port beside it, as far as each is known. */
export interface Endpoint {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

const DOT = 0x2e
const COLON = 0x3a
const QUOTE = 0x22
const ZERO = 0x30
const NINE = 0x39

// The eight 16-bit groups of the IPv6 text parsed last. Module-level so that parsing allocates nothing;
// each function that fills it is synchronous and its caller reads it before anything else can run.
const groups = new Uint16Array(8)

/** Canonical text of an IP address in full form, or `undefined` when it is none (contract rule 2). */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text, 0, text.length)) return text
  return readIPv6(text, 0, text.length) ? formatFolded() : undefined
}

/** The same for the address of a socket's peer: a zone (`fe80::1%eth0`) is cut first. */
export function canonicalPeer(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const zone = text.includes(':') ? text.indexOf('%') : -1 // only IPv6 has zones
  return canonicalAddress(zone === -1 ? text : text.slice(0, zone))
}

/** Canonical IPv6 as a URL parser spells it, nothing folded; `undefined` when the text is none. */
export function canonicalIPv6(text: string): string | undefined {
  return readIPv6(text, 0, text.length) ? formatIPv6() : undefined
}

/** Whether the text is four decimal octets without leading zeros. */
export function isFullIPv4(text: string): boolean {
  return isIPv4(text, 0, text.length)
}

/**
 * One value of `X-Forwarded-For`: `addr`, `addr:port`, `[v6]` or `[v6]:port`, each once in double
 * quotes or not. Port 0 means unknown. `undefined` for anything else, `unknown` included.
 */
export function parseForwardedFor(value: string): Endpoint | undefined {
  const last = value.length - 1
  if (value.charCodeAt(0) === QUOTE) {
    return last > 0 && value.charCodeAt(last) === QUOTE ? parseEndpoint(value.slice(1, last)) : undefined
  }
  return parseEndpoint(value)
}

function parseEndpoint(text: string): Endpoint | undefined {
  const plain = canonicalAddress(text)
  if (plain !== undefined) return { address: plain }

  let address: string | undefined
  let portAt: number
  if (text.charCodeAt(0) === 0x5b /* [ */) {
    const close = text.indexOf(']')
    if (close === -1 || !readIPv6(text, 1, close)) return undefined
    if (close === text.length - 1) return { address: formatFolded() }
    if (text.charCodeAt(close + 1) !== COLON) return undefined
    address = formatFolded()
    portAt = close + 2
  } else {
    const colon = text.indexOf(':')
    if (colon === -1 || !isIPv4(text, 0, colon)) return undefined
    address = text.slice(0, colon)
    portAt = colon + 1
  }
  const port = text.slice(portAt)
  if (port === '0') return { address }
  const number = parsePort(port)
  return number === undefined ? undefined : { address, port: number }
}

function isIPv4(text: string, start: number, end: number): boolean {
  if (end - start < 7 || end - start > 15) return false
  let octet = 0
  let digits = 0
  let dots = 0
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return false
      octet = digits = 0
      continue
    }
    if (code < ZERO || code > NINE) return false
    if (digits > 0 && octet === 0) return false // a leading zero
    octet = octet * 10 + code - ZERO
    if (octet > 255) return false
    digits++
  }
  return dots === 3 && digits > 0
}

/** Reads `text[start, end)` into `groups`. */
function readIPv6(text: string, start: number, end: number): boolean {
  // '::' is the shortest, eight full groups with an IPv4 tail (45) the longest.
  if (end - start < 2 || end - start > 45) return false
  let count = 0
  let gap = -1
  let index = start

  if (text.charCodeAt(index) === COLON) {
    if (text.charCodeAt(index + 1) !== COLON) return false
    gap = 0
    index += 2
  }
  while (index < end) {
    if (count === 8) return false
    let value = 0
    let digits = 0
    const groupStart = index
    let code = 0
    for (; index < end; index++) {
      code = text.charCodeAt(index)
      const digit = hexDigit(code)
      if (digit === -1) break
      value = value * 16 + digit
      if (++digits > 4) return false
    }
    if (index < end && code === DOT) {
      if (count > 6 || !isIPv4(text, groupStart, end)) return false
      readIPv4Tail(text, groupStart, end, count)
      count += 2
      index = end
      break
    }
    if (digits === 0) return false
    groups[count++] = value
    if (index === end) break
    if (code !== COLON) return false
    index++
    if (index === end) return false // a single colon at the end
    if (text.charCodeAt(index) === COLON) {
      if (gap !== -1) return false
      gap = count
      index++
    }
  }

  if (gap === -1) return count === 8
  if (count === 8) return false // '::' stands for at least one group (RFC 5952 §4.2.2)
  const shift = 8 - count
  groups.copyWithin(gap + shift, gap, count)
  groups.fill(0, gap, gap + shift)
  return true
}

function readIPv4Tail(text: string, start: number, end: number, at: number): void {
  let octets = 0
  let octet = 0
  for (let index = start; index <= end; index++) {
    const code = index === end ? DOT : text.charCodeAt(index)
    if (code !== DOT) {
      octet = octet * 10 + code - ZERO
      continue
    }
    const group = at + (octets >> 1)
    groups[group] = (octets & 1) === 0 ? octet << 8 : groups[group]! | octet
    octets++
    octet = 0
  }
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function formatFolded(): string {
  const [a, b, c, d, e, f, high, low] = groups as unknown as readonly number[] // a typed array of eight destructures as eight numbers
  if ((a! | b! | c! | d! | e!) === 0 && f === 0xffff) {
    return `${high! >> 8}.${high! & 255}.${low! >> 8}.${low! & 255}`
  }
  return formatIPv6()
}

/** RFC 5952 §4: lower case, no leading zeros, the first of the longest runs of two or more zero groups as `::`. */
function formatIPv6(): string {
  let gap = -1
  let gapLength = 1
  for (let index = 0; index < 8;) {
    const runStart = index
    while (index < 8 && groups[index] === 0) index++
    if (index - runStart > gapLength) {
      gap = runStart
      gapLength = index - runStart
    }
    index++
  }
  let text = ''
  for (let index = 0; index < 8; index++) {
    if (index === gap) {
      text += '::'
      index += gapLength - 1
      continue
    }
    if (text !== '' && !text.endsWith(':')) text += ':'
    text += groups[index]!.toString(16)
  }
  return text
}
