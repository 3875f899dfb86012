/**
 * The decision once more, from the contract's rules 1, 2 and 9 alone: plain, slow, and sharing nothing with `src/`
 * but the grammars of scheme, host, port and prefix, which have references of their own in `parsers.test.ts`.
 * Lists are split whole and walked as arrays, addresses are `ipaddr.js`'s.
 */

import { isIP, isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'
import { parseAuthority } from '../../src/trust/authority.ts'
import { type Client, type Field, FIELDS, type Verdict } from '../../src/trust/connection.ts'
import { parsePort } from '../../src/trust/port.ts'
import { parsePrefix, trimPrefix } from '../../src/trust/prefix.ts'
import { defaultPort, parseScheme } from '../../src/trust/scheme.ts'

type Setting = number | 'trusted'

export interface OracleOptions {
  readonly xFor?: Setting
  readonly xProto?: Setting
  readonly xHost?: Setting
  readonly xPort?: Setting
  readonly xPrefix?: Setting
  readonly forwarded?: Setting
  /** Addresses and CIDR blocks, and the names below. */
  readonly trustedProxies?: readonly string[] | undefined
  readonly maxHops?: number | undefined
  readonly secret?: { readonly header: string; readonly values: readonly string[] } | undefined
  readonly clientIpHeader?: string | undefined
}

export interface OracleFacts {
  readonly peer: { readonly address?: string | undefined; readonly port?: number | undefined }
  readonly scheme: string
  readonly host?: string | undefined
  readonly prefix?: string | undefined
  /** The lines of each header, by its name in lower case. */
  readonly lines: Readonly<Record<string, readonly string[] | undefined>>
}

export interface Expected {
  readonly client: Client
  readonly trusted: boolean
  readonly scheme: string
  readonly host: string | undefined
  readonly hostname: string | undefined
  readonly port: number | undefined
  readonly prefix: string
  readonly verdicts: Readonly<Record<Field, Verdict>>
  /** Fields of the values that must be in `rejected`, in the order of the fields. */
  readonly rejected: readonly Field[]
}

/** What a field's header gave: a text to be read, or why there is none. */
type Chosen = { readonly text: string } | { readonly verdict: Verdict }

const HEADERS: Readonly<Record<Field, string>> = {
  for: 'x-forwarded-for',
  proto: 'x-forwarded-proto',
  host: 'x-forwarded-host',
  port: 'x-forwarded-port',
  prefix: 'x-forwarded-prefix',
}

const NAMED: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  unix: [],
}

export function expectedOf(facts: OracleFacts, options: OracleOptions): Expected {
  const { peer, lines } = facts
  const peerAddress = !peer.address ? undefined : canonical(peer.address.replace(/^([^%]*:[^%]*)%[\s\S]*$/, '$1'))
  const isOurs = (address: string): boolean => (options.trustedProxies ?? []).some((entry) => matches(address, entry))
  const isProven = options.secret === undefined || holdsOne(lines, options.secret)
  const isKnown = !peer.address // an empty text is no address
    ? isUnaddressedKnown(options)
    : peerAddress !== undefined && (options.trustedProxies === undefined || isOurs(peerAddress))
  const trusted = isKnown && isProven

  const settings: Record<Field, Setting> = {
    for: options.xFor ?? 1,
    proto: options.xProto ?? 1,
    host: options.xHost ?? 0,
    port: options.xPort ?? 0,
    prefix: options.xPrefix ?? 0,
  }
  const walked =
    options.forwarded === undefined
      ? walkLists(lines, settings, trusted, options, isOurs)
      : walkElements(lines['forwarded'], options.forwarded, trusted, options, isOurs)
  const { chosen, rejected } = walked

  const verdicts: Partial<Record<Field, Verdict>> = { for: walked.verdict }
  function read<T>(field: Field, parse: (text: string) => T | undefined): T | undefined {
    const one = chosen[field] ?? { verdict: 'not-configured' }
    const value = 'text' in one && one.text !== '' ? parse(one.text) : undefined
    const verdict =
      'verdict' in one ? one.verdict : one.text === '' ? 'empty' : value === undefined ? 'invalid' : 'trusted'
    verdicts[field] = verdict
    if (verdict === 'short' || verdict === 'empty' || verdict === 'invalid') rejected.push(field)
    return value
  }
  const scheme = read('proto', parseScheme) ?? facts.scheme
  const forwardedHost = read('host', parseAuthority)
  const authority = forwardedHost ?? (facts.host === undefined ? undefined : parseAuthority(facts.host))
  const port = read('port', parsePort) ?? authority?.port ?? defaultPort(scheme)
  const prefix = read('prefix', parsePrefix) ?? trimPrefix(facts.prefix ?? '')
  return {
    client: walked.client ?? endpoint(peerAddress, peer.port),
    trusted,
    scheme,
    hostname: authority?.hostname,
    port,
    host:
      authority === undefined
        ? facts.host || undefined
        : port === defaultPort(scheme)
          ? authority.hostname
          : `${authority.hostname}:${String(port)}`,
    prefix,
    verdicts: verdicts as Record<Field, Verdict>, // each field was read above
    rejected: rejected.toSorted((a, b) => FIELDS.indexOf(a) - FIELDS.indexOf(b)),
  }
}

/** A header of one line that is one of the values. */
function holdsOne(lines: OracleFacts['lines'], { header, values }: NonNullable<OracleOptions['secret']>): boolean {
  const [given, ...more] = lines[header.toLowerCase()] ?? []
  return given !== undefined && more.length === 0 && values.includes(given)
}

/** A secret stands for the address where there is none; an empty list is nobody, whatever was proven. */
function isUnaddressedKnown({ trustedProxies, secret }: OracleOptions): boolean {
  if (trustedProxies === undefined) return true
  return trustedProxies.includes('unix') || (secret !== undefined && trustedProxies.length > 0)
}

interface Walked {
  /** Absent: the peer. */
  readonly client?: Client | undefined
  readonly verdict: Verdict
  readonly rejected: Field[]
  readonly chosen: Partial<Record<Field, Chosen>>
}

function walkLists(
  lines: OracleFacts['lines'],
  settings: Readonly<Record<Field, Setting>>,
  trusted: boolean,
  options: OracleOptions,
  isOurs: (address: string) => boolean,
): Walked {
  const rejected: Field[] = []
  let client: Client | undefined
  let place = 0 // where the client stands; 0 is the peer
  let limit = Infinity // no other field is read further left
  let verdict: Verdict
  const values = itemsFromRight(lines[options.clientIpHeader?.toLowerCase() ?? HEADERS.for])
  if (options.clientIpHeader !== undefined && trusted && values !== undefined) {
    const [value = '', ...more] = values
    client = more.length === 0 ? readFor(value) : undefined
    verdict = client !== undefined ? 'trusted' : more.length === 0 && value === '' ? 'empty' : 'invalid'
    if (client === undefined) rejected.push('for')
  } else if (settings.for === 0) verdict = 'not-configured'
  else if (!trusted) verdict = 'untrusted-peer'
  else if (values === undefined) verdict = 'absent'
  else if (settings.for === 'trusted') {
    verdict = 'trusted'
    for (const value of values) {
      const one = readFor(value)
      limit = place + 1
      if (one === undefined) {
        rejected.push('for')
        if (place === 0) verdict = value === '' ? 'empty' : 'invalid'
        break
      }
      place++
      client = one
      if (place === (options.maxHops ?? 32) || !isOurs(one.address)) break
    }
  } else if (options.trustedProxies === undefined) {
    const value = values[settings.for - 1]
    client = value === undefined ? undefined : readFor(value)
    verdict = value === undefined ? 'short' : value === '' ? 'empty' : client === undefined ? 'invalid' : 'trusted'
    if (client === undefined) rejected.push('for')
  } else {
    verdict = 'short'
    for (const [index, value] of values.slice(0, settings.for).entries()) {
      const one = readFor(value)
      const isLast = index + 1 === settings.for
      if (!isLast && one !== undefined && isOurs(one.address)) continue
      limit = index + 1
      client = one
      verdict = value === '' ? 'empty' : one === undefined ? 'invalid' : 'trusted'
      break
    }
    if (verdict !== 'trusted') rejected.push('for')
  }

  const chosen: Partial<Record<Field, Chosen>> = {}
  for (const field of FIELDS) {
    const setting = settings[field]
    if (field === 'for' || setting === 0) continue
    const items = itemsFromRight(lines[HEADERS[field]])
    const at = setting === 'trusted' ? place : Math.min(setting, limit)
    const text = items?.[at - 1]
    chosen[field] = !trusted
      ? { verdict: 'untrusted-peer' }
      : items === undefined || at === 0
        ? { verdict: 'absent' }
        : text === undefined
          ? { verdict: 'short' }
          : { text }
  }
  return { client, verdict, rejected, chosen }
}

/** Rule 1: the lines are one list, split at commas and nothing else; blank is space or tab. The last value first. */
function itemsFromRight(lines: readonly string[] | undefined): string[] | undefined {
  if (lines === undefined || lines.length === 0) return undefined
  return lines.join(',').split(',').map(trimmed).toReversed()
}

function trimmed(text: string): string {
  return /^[ \t]*([\s\S]*?)[ \t]*$/.exec(text)?.[1] ?? ''
}

function walkElements(
  lines: readonly string[] | undefined,
  setting: Setting,
  trusted: boolean,
  options: OracleOptions,
  isOurs: (address: string) => boolean,
): Walked {
  const all = (verdict: Verdict, isRejected = false): Walked => ({
    verdict,
    rejected: isRejected ? ['for'] : [],
    chosen: { proto: { verdict }, host: { verdict } },
  })
  if (!trusted) return all('untrusted-peer')
  if (lines === undefined || lines.length === 0) return all('absent')
  const elements = elementsFromRight(lines.join(','))

  if (setting === 'trusted') {
    let last: { element: Map<string, string>; client: Client } | undefined
    let ended: Verdict | undefined // why the walk ended at a value that names nobody
    for (const [index, text] of elements.entries()) {
      const element = readElement(text)
      const node = typeof element === 'string' ? undefined : readNode(element.get('for'))
      if (typeof element === 'string' || node === undefined) {
        ended = typeof element === 'string' ? element : verdictOf(element.get('for'), node)
        break
      }
      last = { element, client: node }
      if (index + 1 === (options.maxHops ?? 32) || node.address === undefined || !isOurs(node.address)) break
    }
    const rejected: Field[] = ended === undefined ? [] : ['for']
    if (last === undefined) return { ...all('absent'), verdict: ended ?? 'absent', rejected }
    return { client: last.client, verdict: 'trusted', rejected, chosen: parametersOf(last.element) }
  }

  for (const [index, text] of elements.slice(0, setting).entries()) {
    const element = readElement(text)
    const node = typeof element === 'string' ? undefined : readNode(element.get('for'))
    const isSkipped = options.trustedProxies !== undefined && node?.address !== undefined && isOurs(node.address)
    if (index + 1 < setting && (options.trustedProxies === undefined || isSkipped)) continue
    if (typeof element === 'string') return all(element, true)
    const verdict = verdictOf(element.get('for'), node)
    return {
      client: node,
      verdict,
      rejected: verdict === 'trusted' || verdict === 'absent' ? [] : ['for'],
      chosen: parametersOf(element),
    }
  }
  return all('short', true)
}

function parametersOf(element: ReadonlyMap<string, string>): Partial<Record<Field, Chosen>> {
  const parameter = (name: string): Chosen => {
    const text = element.get(name)
    return text === undefined ? { verdict: 'absent' } : { text }
  }
  return { proto: parameter('proto'), host: parameter('host') }
}

function verdictOf(text: string | undefined, node: Client | undefined): Verdict {
  if (node !== undefined) return 'trusted'
  return text === undefined ? 'absent' : text === '' ? 'empty' : 'invalid'
}

/** Rule 9: cut at the commas outside quotes, where a quote met from the right opens at the nearest one not escaped. */
export function elementsFromRight(text: string): string[] {
  const elements: string[] = []
  let end = text.length
  for (let at = text.length - 1; at >= 0; at--) {
    if (text[at] === ',') {
      elements.push(text.slice(at + 1, end))
      end = at
    } else if (text[at] === '"') {
      at--
      while (at >= 0 && (text[at] !== '"' || slashesBefore(text, at) % 2 === 1)) at--
    }
  }
  return [...elements, text.slice(0, end)].map(trimmed)
}

function slashesBefore(text: string, at: number): number {
  let slashes = 0
  while (text[at - 1 - slashes] === '\\') slashes++
  return slashes
}

const TOKEN = "!#$%&'*+.^_`|~0-9A-Za-z-"
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"'
const PAIR = new RegExp(`[ \\t]*(?:([${TOKEN}]+)=([:[\\]${TOKEN}]+|${QUOTED}))?[ \\t]*(?:;|$)`, 'y')

/** RFC 7239 §4, read forward: names in lower case to values, or why there are none. */
export function readElement(text: string): Map<string, string> | 'empty' | 'invalid' {
  const pairs = new Map<string, string>()
  for (PAIR.lastIndex = 0; PAIR.lastIndex < text.length;) {
    const pair = PAIR.exec(text)
    if (pair === null) return 'invalid'
    const [, name, value = ''] = pair
    if (name === undefined) continue
    if (pairs.has(name.toLowerCase())) return 'invalid'
    pairs.set(name.toLowerCase(), value.startsWith('"') ? value.slice(1, -1).replaceAll(/\\([\s\S])/g, '$1') : value)
  }
  return pairs.size === 0 ? 'empty' : pairs
}

/** RFC 7239 §6. */
function readNode(text: string | undefined): Client | undefined {
  if (text === undefined) return undefined
  const [, name, port] = /^(\[[^\]]*\]|[^:]*)(?::(0|[1-9][0-9]{0,4}|_[A-Za-z0-9._-]+))?$/.exec(text) ?? []
  if (name === undefined || Number(port) > 65535) return undefined
  const known = port === undefined || port === '0' || port.startsWith('_') ? {} : { port: Number(port) }
  if (/^(?:unknown|_[A-Za-z0-9._-]+)$/i.test(name)) return { node: name.replace(/^unknown$/i, 'unknown'), ...known }
  const address = name.startsWith('[') ? canonical(name.slice(1, -1)) : isIPv4(name) ? name : undefined
  return address === undefined || (name.startsWith('[') && !name.includes(':')) ? undefined : { address, ...known }
}

/** Rule 2, the values of X-Forwarded-For. */
function readFor(value: string): { address: string; port?: number } | undefined {
  const text = /^"([\s\S]*)"$/.exec(value)?.[1] ?? value
  const plain = canonical(text)
  if (plain !== undefined) return { address: plain }
  const bracketed = /^\[([^\]]*)\](?::([0-9]+))?$/.exec(text)
  const dotted = /^([0-9.]+):([0-9]+)$/.exec(text)
  const [, inner = '', port] = bracketed ?? dotted ?? []
  if (bracketed === null ? !isIPv4(inner) : !isIPv6(inner)) return undefined
  const address = canonical(inner)
  if (address === undefined) return undefined
  if (port === undefined || port === '0') return { address }
  return /^[1-9][0-9]{0,4}$/.test(port) && Number(port) <= 65535 ? { address, port: Number(port) } : undefined
}

function canonical(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined
  if (isIPv4(text)) return text
  // ipaddr.js alone reads `::1.2.3.4` as mapped, so it is asked about the URL parser's text, which has no dots.
  const address = ipaddr.IPv6.parse(new URL(`http://[${text}]/`).hostname.slice(1, -1))
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toRFC5952String()
}

function matches(address: string, entry: string): boolean {
  const named = NAMED[entry]
  if (named !== undefined) return named.some((one) => matches(address, one))
  const one = ipaddr.parse(address)
  const [base = '', bits] = entry.split('/')
  const block = ipaddr.parse(base)
  return (
    one.kind() === block.kind() &&
    one.match(block, bits === undefined ? (block.kind() === 'ipv4' ? 32 : 128) : Number(bits))
  )
}

function endpoint(address: string | undefined, port: number | undefined): Client {
  if (address === undefined) return {}
  return port === undefined ? { address } : { address, port }
}
