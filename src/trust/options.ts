/**
 * What may be asked for, and is it meant? Every mistake in the options is told here, at construction,
 * in one sentence: an option that is silently ignored is a security hole that nobody sees (Werkzeug
 * once read `x_prefix` with `x_for`'s count; a misspelt `trustProxy` trusts nobody, or everybody).
 */

import { parseAuthority } from './authority.ts'
import { FIELDS, type ConnectionInfo, type Field } from './connection.ts'
import { ProxyFixError } from './error.ts'
import { nearest } from './nearest.ts'

/** What a decision that is not plain is reported with. */
export interface DecisionEvent {
  /** The decision, with `rejected` and `refusal` saying what was not plain. */
  readonly info: ConnectionInfo
}

/** How `proxyFix` decides whom to believe, and what it does then. Defaults are Werkzeug's `ProxyFix`'s. */
export interface ProxyFixOptions {
  /**
   * How many values of `X-Forwarded-For` were written by proxies that you run, counted from the right:
   * the Nth is the client. 0: the header is not believed. @default 1
   */
  readonly xFor?: number | undefined
  /** The same for `X-Forwarded-Proto`, the client's scheme. @default 1 */
  readonly xProto?: number | undefined
  /** The same for `X-Forwarded-Host`, the host the client asked for. @default 0 */
  readonly xHost?: number | undefined
  /** The same for `X-Forwarded-Port`, the port the client connected to. @default 0 */
  readonly xPort?: number | undefined
  /** The same for `X-Forwarded-Prefix`, the path prefix a proxy cut off. @default 0 */
  readonly xPrefix?: number | undefined
  /**
   * Fields that your proxies always send. A request where the verdict on one of them is not `trusted` is
   * an operator's error and answered 400. A field that is not configured throws. @default none
   */
  readonly required?: readonly Field[] | undefined
  /**
   * What the app finds in the forwarding headers afterwards. `normalize`: each that was sent and that we
   * understand holds the one decided value, all others are gone, so whatever reads them by itself agrees.
   * `remove`: none is left. `keep`: untouched, as Werkzeug leaves them; a reader of its own may then be
   * fooled. @default 'normalize'
   */
  readonly headers?: 'normalize' | 'keep' | 'remove' | undefined
  /**
   * What happens when a value that counts breaks its grammar. `ignore`: the field stays as received.
   * `reject`: 400, and the app is never called. @default 'ignore'
   */
  readonly onInvalid?: 'ignore' | 'reject' | undefined
  /**
   * Hosts that may be asked for: `example.com`, or `.example.com` for it and all names below. Compared
   * without case, port and trailing dot; international names may be written as such. Any other final
   * host, a missing or an invalid one is answered 400. `[]` allows none. @default any host
   */
  readonly allowedHosts?: readonly string[] | undefined
  /**
   * Where a trusted prefix goes. `mount`: `req.baseUrl` and `req.originalUrl`, for a proxy that cut it off.
   * `strip`: the same for a proxy that did not; it is cut from `req.url` on a segment boundary. `url`: put
   * in front of `req.url`, for apps that mount themselves. `none`: only `connectionInfo` knows it.
   * @default 'mount'
   */
  readonly prefixMode?: 'mount' | 'strip' | 'url' | 'none' | undefined
  /** Whether `req.socket` becomes a per-request view that shows the client. @default true */
  readonly socket?: boolean | undefined
  /**
   * Called with each decision that is not plain: a value was rejected or the request refused. What it
   * throws is reported as a process warning and does not reach the request.
   */
  readonly onDecision?: ((event: DecisionEvent) => void) | undefined
}

/** The counts, by field. */
export const COUNTS: Readonly<Record<Field, 'xFor' | 'xProto' | 'xHost' | 'xPort' | 'xPrefix'>> = {
  for: 'xFor',
  proto: 'xProto',
  host: 'xHost',
  port: 'xPort',
  prefix: 'xPrefix',
}

const CHOICES = {
  headers: ['normalize', 'keep', 'remove'],
  onInvalid: ['ignore', 'reject'],
  prefixMode: ['mount', 'strip', 'url', 'none'],
} as const

const KNOWN: readonly string[] = [
  ...Object.values(COUNTS),
  ...Object.keys(CHOICES),
  'required',
  'allowedHosts',
  'socket',
  'onDecision',
]

// Part of the design, not of this release. They must throw until they work: ignored, each would trust too much.
const PLANNED = new Set(['forwarded', 'trustedProxies', 'secret', 'clientIpHeader', 'maxHops'])

/** Options as they were checked: every one there, nothing left to look up. */
export interface CheckedOptions {
  readonly counts: Readonly<Record<Field, number>>
  readonly required: readonly Field[]
  readonly headers: 'normalize' | 'keep' | 'remove'
  readonly onInvalid: 'ignore' | 'reject'
  readonly allowsHost: ((hostname: string) => boolean) | undefined
  readonly prefixMode: 'mount' | 'strip' | 'url' | 'none'
  readonly socket: boolean
  readonly onDecision: ((event: DecisionEvent) => void) | undefined
}

/**
 * Checks options from outside, whatever a caller without types may have passed.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, naming option, value and remedy.
 */
export function checkOptions(options: ProxyFixOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    fail(`The options of proxyFix must be an object like { xFor: 1, xProto: 1 }, not ${show(options)}.`)
  }
  for (const name in options) checkName(name) // inherited ones too: they would be read

  const counts = {
    for: count('xFor', options.xFor, 1),
    proto: count('xProto', options.xProto, 1),
    host: count('xHost', options.xHost, 0),
    port: count('xPort', options.xPort, 0),
    prefix: count('xPrefix', options.xPrefix, 0),
  }
  const { socket = true, onDecision } = options
  if (typeof socket !== 'boolean') fail(`The option socket must be true or false, not ${show(socket)}.`)
  if (onDecision !== undefined && typeof onDecision !== 'function') {
    fail(`The option onDecision must be a function that takes the event, not ${show(onDecision)}.`)
  }
  return {
    counts,
    required: requiredFields(options.required, counts),
    headers: choice('headers', options.headers, 'normalize'),
    onInvalid: choice('onInvalid', options.onInvalid, 'ignore'),
    allowsHost: hostMatcher(options.allowedHosts),
    prefixMode: choice('prefixMode', options.prefixMode, 'mount'),
    socket,
    onDecision,
  }
}

/** What is legal and still likely to hurt. */
export function warningsFor({ counts }: CheckedOptions): readonly string[] {
  const warnings: string[] = []
  if (FIELDS.some((field) => counts[field] > 0)) {
    warnings.push(
      'Hop counts believe whoever connects: make sure that only your own proxies can reach this port, or anyone who does can choose its address.',
    )
  }
  for (const field of FIELDS) {
    if (field !== 'for' && counts[field] > 1 && counts.for === 0) {
      warnings.push(
        `${COUNTS[field]} is ${counts[field]} while xFor is 0: nothing shows that a request came through ${counts[field]} proxies, so a client behind fewer of them writes the value itself.`,
      )
    }
  }
  return warnings
}

function checkName(name: string): void {
  if (KNOWN.includes(name)) return
  if (PLANNED.has(name)) {
    fail(`The option ${name} is not in this release of proxyfix: leave it out and count hops, or wait for it.`)
  }
  const near = nearest(name, [...KNOWN, ...PLANNED])
  fail(
    near === undefined
      ? `There is no option ${show(name)}: proxyFix knows ${KNOWN.join(', ')}.`
      : `There is no option ${show(name)}: did you mean ${near}?`,
  )
}

function count(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (value === 'trusted') {
    fail(`The option ${name} cannot be 'trusted' in this release of proxyfix: give the number of your proxies instead.`)
  }
  fail(
    `The option ${name} must be a whole number of proxies, 0 or more, not ${show(value)}: give 0 to ignore the header, 1 for one proxy.`,
  )
}

function choice<Name extends keyof typeof CHOICES>(
  name: Name,
  value: unknown,
  fallback: (typeof CHOICES)[Name][number],
): (typeof CHOICES)[Name][number] {
  if (value === undefined) return fallback
  const choices: readonly (typeof CHOICES)[Name][number][] = CHOICES[name]
  const chosen = choices.find((one) => one === value)
  if (chosen === undefined) {
    fail(`The option ${name} must be ${choices.map(show).join(' or ')}, not ${show(value)}.`)
  }
  return chosen
}

function requiredFields(value: unknown, counts: Readonly<Record<Field, number>>): readonly Field[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) fail(`The option required must be a list like ['for', 'proto'], not ${show(value)}.`)
  return value.map((entry: unknown) => {
    const field = FIELDS.find((one) => one === entry)
    if (field === undefined) {
      fail(`The option required takes ${FIELDS.map(show).join(', ')}, not ${show(entry)}.`)
    }
    if (counts[field] === 0) {
      fail(
        `The option required names ${show(field)}, but ${COUNTS[field]} is 0: set ${COUNTS[field]} or drop ${show(field)}.`,
      )
    }
    return field
  })
}

function hostMatcher(value: unknown): ((hostname: string) => boolean) | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value)) {
    fail(`The option allowedHosts must be a list like ['example.com', '.example.org'], not ${show(value)}.`)
  }
  const exact = new Set<string>()
  const below = new Set<string>()
  for (const entry of value as readonly unknown[]) {
    const text =
      typeof entry === 'string' ? entry : fail(`The option allowedHosts takes host names, not ${show(entry)}.`)
    const subdomains = text.startsWith('.')
    const name = allowedName(text, subdomains ? text.slice(1) : text)
    exact.add(name)
    if (subdomains) below.add(name)
  }
  return (hostname) => {
    const name = withoutTrailingDot(hostname)
    if (exact.has(name)) return true
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      if (below.has(name.slice(dot + 1))) return true
    }
    return false
  }
}

function allowedName(entry: string, text: string): string {
  const authority = parseAuthority(text) ?? parseAuthority(toAscii(text) ?? '')
  if (authority === undefined) {
    fail(
      `The option allowedHosts cannot take ${show(entry)}: write a host name like 'example.com', '.example.com' for all names below it, or an address ('[::1]' in brackets).`,
    )
  }
  if (authority.port !== undefined) {
    fail(
      `The option allowedHosts cannot take ${show(entry)}: ports are not compared, so write ${show(authority.hostname)}.`,
    )
  }
  return withoutTrailingDot(authority.hostname)
}

/** An international name in the form that goes over the wire (UTS #46), which only a URL parser knows. */
function toAscii(text: string): string | undefined {
  // Letters, marks, digits, dots and hyphens, some of them not ASCII: nothing that the parser could take for syntax
  // or repair, as it would 192.0.2.
  if (!/^[\p{L}\p{M}\p{N}.\-_]+$/u.test(text) || /^[\x20-\x7e]*$/.test(text)) return undefined
  try {
    return new URL(`http://${text}/`).hostname
  } catch {
    return undefined
  }
}

function withoutTrailingDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}

function fail(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', message)
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}
