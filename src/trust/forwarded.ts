/**
 * What does an element of RFC 7239's `Forwarded` say?
 *
 * Each proxy appends one element, `for=192.0.2.60;proto=https;host=example.com`, and values may be quoted. **The
 * attack** is a quote: read from the left, one `"` that the client sends swallows the elements of the proxies after it,
 * or splits them (CVE-2026-32762). So elements are cut off from the right, where the proxies' own are: a `"` that is met
 * there closes a string which begins at the nearest unescaped `"` to its left, and nothing of the client's can stand
 * between the two. What cannot be read that way is one bad element, and only that.
 *
 * Read by hand, and not by `forwarded-parse`: see docs/decisions/005.
 */

import { canonicalAddress, isFullIPv4 } from './address.ts'
import type { Client } from './connection.ts'
import { cut, dropBlanks, skipBlanks, trimBlanks } from './list.ts'
import { parsePort } from './port.ts'

/** What one element says; a parameter that is not there is `undefined`. */
export interface ForwardedElement {
  readonly for?: string | undefined
  readonly proto?: string | undefined
  readonly host?: string | undefined
}

const TAB = 0x09
const QUOTE = 0x22
const COMMA = 0x2c
const SEMICOLON = 0x3b
const EQUALS = 0x3d
const OPEN = 0x5b
const BACKSLASH = 0x5c
const UNDERSCORE = 0x5f

// Which characters may stand where, one bit a place: a look into a table is a third of the comparisons.
const IN_TOKEN = 1 // RFC 9110 §5.6.2
const IN_VALUE = 2 // a token, and the three characters of addresses that are no part of one
const IN_QUOTES = 4 // RFC 9110 §5.6.4: the tab, the blank, visible ASCII, and bytes beyond ASCII
const CHARACTERS = new Uint8Array(256)
for (let code = 0; code < 256; code++) {
  const sign = String.fromCharCode(code)
  const isToken = /[!#$%&'*+\-.^_`|~0-9a-z]/i.test(sign)
  if (isToken) CHARACTERS[code]! |= IN_TOKEN
  if (isToken || ':[]'.includes(sign)) CHARACTERS[code]! |= IN_VALUE
  if (code === TAB || (code >= 0x20 && code <= 0x7e) || code >= 0x80) CHARACTERS[code]! |= IN_QUOTES
}

/** Whether a character may stand in a place. */
function may(code: number, place: number): boolean {
  return code < 256 && (CHARACTERS[code]! & place) !== 0
}

/**
 * Where the element that ends before `end` starts; -1 when a quote in it has no opening one: then all that is left
 * is one bad element.
 */
export function elementStart(header: string, end: number): number {
  for (let index = end - 1; index >= 0; index--) {
    const code = header.charCodeAt(index)
    if (code === COMMA) return index + 1
    if (code !== QUOTE) continue
    index = openingQuote(header, index)
    if (index === -1) return -1
  }
  return 0
}

/** The last elements of a header, at most `most`, from the right, blanks around them removed. */
export function elementsFromRight(header: string, most: number): string[] {
  const elements: string[] = []
  for (let end = header.length; end >= 0 && elements.length < most;) {
    const start = Math.max(elementStart(header, end), 0)
    elements.push(trimBlanks(header, start, end))
    end = start - 1
  }
  return elements
}

/** The nearest `"` to the left of `close` that no odd number of backslashes escapes, -1 when there is none. */
function openingQuote(header: string, close: number): number {
  for (let index = close - 1; index >= 0; index--) {
    if (header.charCodeAt(index) !== QUOTE) continue
    let slashes = index
    while (slashes > 0 && header.charCodeAt(slashes - 1) === BACKSLASH) slashes--
    if (((index - slashes) & 1) === 0) return index
    index = slashes
  }
  return -1
}

/**
 * Reads the element in `header[from, to)`: `'empty'` when it has no parameter, `'bad'` when it breaks the grammar of
 * RFC 7239 §4 or names a parameter twice. Wider than that grammar in two things that the field sends: blanks round
 * `;`, and `:` `[` `]` outside quotes.
 */
export function parseElement(header: string, from: number, to: number): ForwardedElement | 'empty' | 'bad' {
  const end = dropBlanks(header, from, to)
  let forValue: string | undefined
  let proto: string | undefined
  let host: string | undefined
  let others: Set<string> | undefined
  let isEmpty = true

  for (let index = skipBlanks(header, from, end); index < end; index = skipBlanks(header, index + 1, end)) {
    if (header.charCodeAt(index) === SEMICOLON) continue // an empty parameter, which the grammar has
    const nameStart = index
    while (index < end && may(header.charCodeAt(index), IN_TOKEN)) index++
    const nameEnd = index
    if (nameEnd === nameStart || nameEnd === end || header.charCodeAt(nameEnd) !== EQUALS) return 'bad'
    const valueStart = nameEnd + 1
    const valueEnd = skipValue(header, valueStart, end)
    if (valueEnd === -1) return 'bad'
    isEmpty = false

    if (isName('for', header, nameStart, nameEnd)) {
      if (forValue !== undefined) return 'bad'
      forValue = valueOf(header, valueStart, valueEnd)
    } else if (isName('proto', header, nameStart, nameEnd)) {
      if (proto !== undefined) return 'bad'
      proto = valueOf(header, valueStart, valueEnd)
    } else if (isName('host', header, nameStart, nameEnd)) {
      if (host !== undefined) return 'bad'
      host = valueOf(header, valueStart, valueEnd)
    } else {
      const name = header.slice(nameStart, nameEnd).toLowerCase()
      others ??= new Set()
      if (others.has(name)) return 'bad'
      others.add(name)
    }

    index = skipBlanks(header, valueEnd, end)
    if (index < end && header.charCodeAt(index) !== SEMICOLON) return 'bad'
  }
  return isEmpty ? 'empty' : { for: forValue, proto, host }
}

/**
 * A node of RFC 7239 §6: an address (IPv6 in brackets), `unknown`, or an `_obfuscated` identifier, with a port or not.
 * An obfuscated port, or port 0, tells none. `undefined` for anything else.
 */
export function parseNode(node: string): Client | undefined {
  if (isFullIPv4(node)) return { address: node } // as nearly always
  const colon = node.indexOf(':', node.lastIndexOf(']') + 1)
  const name = colon === -1 ? node : node.slice(0, colon)
  const port = colon === -1 ? 0 : nodePort(node.slice(colon + 1))
  if (port === undefined) return undefined
  const address = nodeAddress(name)
  if (address !== undefined) return port === 0 ? { address } : { address, port }
  const other = name.toLowerCase() === 'unknown' ? 'unknown' : name
  if (other !== 'unknown' && !isObfuscated(other)) return undefined
  return port === 0 ? { node: other } : { node: other, port }
}

function nodeAddress(name: string): string | undefined {
  if (name.charCodeAt(0) !== OPEN) return isFullIPv4(name) ? name : undefined
  const inside = name.slice(1, -1)
  return name.endsWith(']') && inside.includes(':') ? canonicalAddress(inside) : undefined
}

/** 0 when the port is not told, `undefined` when it is none. */
function nodePort(text: string): number | undefined {
  return text === '0' || isObfuscated(text) ? 0 : parsePort(text)
}

/** `_` and at least one letter, digit, `.`, `_` or `-`. */
function isObfuscated(text: string): boolean {
  if (text.length < 2 || text.charCodeAt(0) !== UNDERSCORE) return false
  for (let index = 1; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (!isLetterOrDigit(code) && code !== UNDERSCORE && code !== 0x2d && code !== 0x2e) return false
  }
  return true
}

/**
 * Writes an element: of an address (IPv6 without brackets) or another node, a scheme and a host, as far as there
 * are any.
 */
export function formatElement({ for: node, proto, host }: ForwardedElement): string {
  const parameters: string[] = []
  if (node !== undefined) parameters.push(`for=${formatValue(node.includes(':') ? `[${node}]` : node)}`)
  if (proto !== undefined) parameters.push(`proto=${formatValue(proto)}`)
  if (host !== undefined) parameters.push(`host=${formatValue(host)}`)
  return parameters.join(';')
}

function formatValue(text: string): string {
  for (let index = 0; index < text.length; index++) {
    if (!may(text.charCodeAt(index), IN_TOKEN)) return `"${text.replaceAll(/["\\]/g, '\\$&')}"`
  }
  return text === '' ? '""' : text
}

/** Whether a parameter has this name, in any case: looked at where it stands, as a slice of its own costs 20 ns. */
function isName(name: string, header: string, start: number, end: number): boolean {
  if (end - start !== name.length) return false
  for (let index = 0; index < name.length; index++) {
    if ((header.charCodeAt(start + index) | 0x20) !== name.charCodeAt(index)) return false
  }
  return true
}

/** Where the value that starts at `start` ends; -1 when there is none. */
function skipValue(header: string, start: number, end: number): number {
  if (header.charCodeAt(start) === QUOTE) return skipQuoted(header, start, end)
  let index = start
  while (index < end && may(header.charCodeAt(index), IN_VALUE)) index++
  return index === start ? -1 : index
}

/** RFC 9110 §5.6.4. */
function skipQuoted(header: string, start: number, end: number): number {
  for (let index = start + 1; index < end; index++) {
    const code = header.charCodeAt(index)
    if (code === QUOTE) return index + 1
    if (code === BACKSLASH) index++
    if (index === end || !may(header.charCodeAt(index), IN_QUOTES)) return -1
  }
  return -1
}

function valueOf(header: string, start: number, end: number): string {
  if (header.charCodeAt(start) !== QUOTE) return cut(header, start, end)
  const inside = cut(header, start + 1, end - 1)
  return inside.includes('\\') ? inside.replaceAll(/\\(.)/gs, '$1') : inside
}

function isLetterOrDigit(code: number): boolean {
  const lower = code | 0x20
  return (lower >= 0x61 && lower <= 0x7a) || (code >= 0x30 && code <= 0x39)
}
