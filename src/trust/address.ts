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

import { cut, isBlank } from './list.ts'
import { readPort } from './port.ts'

/** An address with the port beside it, as far as each is known. */
export interface Endpoint {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

const COMMA = 0x2c
const DOT = 0x2e
const COLON = 0x3a
const QUOTE = 0x22
const OPEN = 0x5b
const LOWER = 0x20
const ZERO = 0x30
const NINE = 0x39

/**
 * The address that was read last. There is one for all, so that reading allocates nothing: whoever has read
 * an address uses it before anything else can read another.
 */
export interface AddressRead {
  /** IPv6 that holds an IPv4 address (`::ffff:a.b.c.d`) counts as IPv4. */
  family: 4 | 6
  /** The 32 bits of an IPv4 address. */
  ipv4: number
  /** The eight 16-bit groups of an IPv6 address. */
  readonly groups: Uint16Array
  /** The port beside it; 0 when none is known. */
  port: number
  /** Where the address stands in the text, if that is canonical already; else both are the same. */
  start: number
  end: number
}

export const addressRead: AddressRead = {
  family: 4,
  ipv4: 0,
  groups: new Uint16Array(8),
  port: 0,
  start: 0,
  end: 0,
}
const { groups } = addressRead

/** Canonical text of an IP address in full form, or `undefined` when it is none (contract rule 2). */
export function canonicalAddress(text: string): string | undefined {
  return readAddress(text, 0, text.length) ? textOfRead(text) : undefined
}

// Most requests have the peer of the one before: a proxy.
let lastPeer: string | undefined
let lastPeerText: string | undefined

/** The same for the address of a socket's peer: a zone (`fe80::1%eth0`) is cut first. */
export function canonicalPeer(text: string | undefined): string | undefined {
  if (text !== lastPeer) {
    // Read first: where that throws (the stack is used up), nothing may be remembered under this text.
    const read = text && readPeer(text) ? textOfRead(text) : undefined
    lastPeer = text
    lastPeerText = read
  }
  return lastPeerText
}

/**
 * The network that an address belongs to: for IPv4 the address itself, for IPv6 its first `bits` bits, as in
 * `2001:db8:0:ff00::/56`. `undefined` for what is no address.
 */
export function networkOf(text: string, bits: number): string | undefined {
  if (!readPeer(text)) return undefined
  if (addressRead.family === 4) return textOfRead(text)
  for (let index = 0; index < 8; index++) {
    const kept = Math.min(Math.max(bits - 16 * index, 0), 16)
    groups[index]! &= 0xffff << (16 - kept)
  }
  return `${formatIPv6()}/${bits}`
}

/** Canonical IPv6 as a URL parser spells it, nothing folded; `undefined` when the text is none. */
export function canonicalIPv6(text: string): string | undefined {
  if (!readIPv6(text, 0, text.length)) return undefined
  return addressRead.end === text.length ? text : formatIPv6()
}

/** Whether the text is four decimal octets without leading zeros. */
export function isFullIPv4(text: string): boolean {
  return readIPv4(text, 0, text.length)
}

/**
 * One value of `X-Forwarded-For`: `addr`, `addr:port`, `[v6]` or `[v6]:port`, each once in double
 * quotes or not. Port 0 means unknown. `undefined` for anything else, `unknown` included.
 */
export function parseForwardedFor(value: string): Endpoint | undefined {
  return readForwardedFor(value, 0, value.length) ? endpointOfRead(value) : undefined
}

/** Reads `text[start, end)` as one value of `X-Forwarded-For`. */
export function readForwardedFor(text: string, start: number, end: number): boolean {
  if (text.charCodeAt(start) !== QUOTE) return readEndpoint(text, start, end)
  return end - start > 1 && text.charCodeAt(end - 1) === QUOTE && readEndpoint(text, start + 1, end - 1)
}

/**
 * Reads the IPv4 address that stands last in a list that ends at `end`: from the right, so that cutting it off and reading
 * it is one pass. `false` for everything else that may be a value as well ({@link readForwardedFor}).
 */
export function readLastIPv4(list: string, end: number): boolean {
  let address = 0
  let index = end - 1
  // Octet by octet, digit by digit: a loop that has to find out at each character where it is takes a fifth longer.
  for (let shift = 0; ; shift += 8) {
    let octet = digitAt(list, index)
    if (octet === -1) return false
    const tens = digitAt(list, --index)
    if (tens !== -1) {
      octet += tens * 10
      const hundreds = digitAt(list, --index)
      if (hundreds !== -1) {
        octet += hundreds * 100
        index--
      }
      if (octet > 255 || octet < (hundreds === -1 ? 10 : 100)) return false // a leading zero
    }
    address |= octet << shift
    if (shift === 24) break
    if (index < 0 || list.charCodeAt(index--) !== DOT) return false
  }
  const start = index + 1
  while (index >= 0 && isBlank(list.charCodeAt(index))) index--
  if (index >= 0 && list.charCodeAt(index) !== COMMA) return false
  addressRead.family = 4
  addressRead.ipv4 = address
  addressRead.port = 0
  addressRead.start = start
  addressRead.end = end
  return true
}

/** The decimal digit at a place, -1 where there is none. */
function digitAt(text: string, index: number): number {
  if (index < 0) return -1
  const digit = text.charCodeAt(index) - ZERO
  return digit >= 0 && digit <= 9 ? digit : -1
}

/** The address that was read last from `text`, with its port. */
export function endpointOfRead(text: string): Endpoint {
  const { port } = addressRead
  const address = textOfRead(text)
  return port === 0 ? { address } : { address, port }
}

/** Canonical text of the address that was read last from `text`. */
export function textOfRead(text: string): string {
  const { family, ipv4, start, end } = addressRead
  if (start !== end) return cut(text, start, end) // as nearly always
  if (family === 6) return formatIPv6()
  return `${ipv4 >>> 24}.${(ipv4 >>> 16) & 255}.${(ipv4 >>> 8) & 255}.${ipv4 & 255}`
}

/** Reads the address of a socket's peer. */
export function readPeer(text: string): boolean {
  if (readIPv4(text, 0, text.length)) return true
  const zone = text.indexOf('%')
  return readIPv6(text, 0, zone === -1 ? text.length : zone) && fold()
}

function readAddress(text: string, start: number, end: number): boolean {
  return readIPv4(text, start, end) || (readIPv6(text, start, end) && fold())
}

/** `addr`, `addr:port`, `[v6]` or `[v6]:port`. */
function readEndpoint(text: string, start: number, end: number): boolean {
  addressRead.port = 0
  if (readIPv4(text, start, end)) return true // as nearly always
  if (text.charCodeAt(start) === OPEN) {
    const close = text.indexOf(']', start)
    if (close === -1 || close >= end || !readIPv6(text, start + 1, close)) return false
    return fold() && (close === end - 1 || readPortAfter(text, close + 1, end))
  }
  const colon = text.indexOf(':', start)
  if (colon === -1 || colon >= end) return false
  if (readIPv4(text, start, colon)) return readPortAfter(text, colon, end)
  return readIPv6(text, start, end) && fold()
}

function readPortAfter(text: string, colon: number, end: number): boolean {
  if (text.charCodeAt(colon) !== COLON) return false
  if (end - colon === 2 && text.charCodeAt(colon + 1) === ZERO) return true // unknown
  addressRead.port = readPort(text, colon + 1, end)
  return addressRead.port !== 0
}

function readIPv4(text: string, start: number, end: number): boolean {
  if (end - start < 7 || end - start > 15) return false
  let address = 0
  let octet = 0
  let digits = 0
  let dots = 0
  for (let index = start; index < end; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return false
      address = (address << 8) | octet
      octet = digits = 0
      continue
    }
    if (code < ZERO || code > NINE) return false
    if (digits > 0 && octet === 0) return false // a leading zero
    octet = octet * 10 + code - ZERO
    if (octet > 255) return false
    digits++
  }
  if (dots !== 3 || digits === 0) return false
  addressRead.family = 4
  addressRead.ipv4 = (address << 8) | octet
  addressRead.start = start
  addressRead.end = end
  return true
}

/** Reads `text[start, end)` into `groups`. */
function readIPv6(text: string, start: number, end: number): boolean {
  // '::' is the shortest, eight full groups with an IPv4 tail (45) the longest.
  if (end - start < 2 || end - start > 45) return false
  let count = 0
  let gap = -1
  let index = start
  let isShort = true // no group begins with a zero that says nothing, none is written as IPv4
  let codes = LOWER // digits and small letters have that bit, capital ones have not

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
      codes &= code
      if (++digits > 4) return false
    }
    if (digits > 1 && text.charCodeAt(groupStart) === ZERO) isShort = false
    if (index < end && code === DOT) {
      if (count > 6 || !readIPv4(text, groupStart, end)) return false
      groups[count++] = addressRead.ipv4 >>> 16
      groups[count++] = addressRead.ipv4 & 0xffff
      isShort = false
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

  const shift = 8 - count
  if (gap === -1 ? shift !== 0 : shift === 0) return false // '::' stands for at least one group (RFC 5952 §4.2.2)
  // Moved by hand: `copyWithin` and `fill` cost 30 ns each to call.
  if (gap !== -1) {
    for (let place = 7; place >= gap; place--) groups[place] = place >= gap + shift ? groups[place - shift]! : 0
  }
  // Nearly all is written as it should be: to cut that out takes 20 ns, to write it anew 100.
  const isKept = isShort && codes === LOWER && longestRun() === (gap === -1 ? 0 : gap * 16 + shift)
  addressRead.start = isKept ? start : 0
  addressRead.end = isKept ? end : 0
  return true
}

function hexDigit(code: number): number {
  if (code >= ZERO && code <= NINE) return code - ZERO
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Takes the groups for what they mean: `::ffff:a.b.c.d` is IPv4, all other embeddings are hosts of their own. */
function fold(): true {
  addressRead.family = 6
  if (groups[5] === 0xffff && (groups[0]! | groups[1]! | groups[2]! | groups[3]! | groups[4]!) === 0) {
    addressRead.family = 4
    addressRead.ipv4 = (groups[6]! << 16) | groups[7]!
    addressRead.start = addressRead.end = 0 // not written as IPv4
  }
  return true
}

/** The first of the longest runs of two or more zero groups: 16 times where it begins, and its length; 0: there is none. */
function longestRun(): number {
  let run = 0
  let longest = 1
  for (let index = 0; index < 8; index++) {
    const begin = index
    while (index < 8 && groups[index] === 0) index++
    if (index - begin > longest) {
      longest = index - begin
      run = begin * 16 + longest
    }
  }
  return run
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zero groups as `::`. */
function formatIPv6(): string {
  const run = longestRun()
  const gap = run === 0 ? -1 : run >> 4
  let text = ''
  let separator = ''
  for (let index = 0; index < 8; index++) {
    if (index === gap) {
      text += '::'
      separator = ''
      index += (run & 15) - 1
    } else {
      text += separator + groups[index]!.toString(16)
      separator = ':'
    }
  }
  return text
}
