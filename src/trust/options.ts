/**
 * What may be asked for, and is it meant? Every mistake in the options is told here, at construction,
 * in one sentence: an option that is silently ignored is a security hole that nobody sees (Werkzeug
 * once read `x_prefix` with `x_for`'s count; a misspelt `trustProxy` trusts nobody, or everybody).
 */

import { type AddressSet, addressSet, type TrustPredicate } from './address-set.ts'
import { allowedHosts } from './allowed-hosts.ts'
import { type ConnectionInfo, type Field, FIELDS } from './connection.ts'
import { fail, show } from './error.ts'
import { isHeaderName } from './header-text.ts'
import { nearest } from './nearest.ts'
import { checkSecret, type Secret, type SecretOption } from './secret.ts'

/** What a decision that is not plain is reported with. */
export interface DecisionEvent {
  /** The decision, with `rejected` and `refusal` saying what was not plain. */
  readonly info: ConnectionInfo
}

/**
 * How many values of a header to trust, counted from the right; or `'trusted'`: those that came through addresses in
 * `trustedProxies`, however many they are.
 */
export type HopCount = number | 'trusted'

/** How `proxyFix` decides whom to believe, and what it does then. Defaults are Werkzeug's `ProxyFix`'s. */
export interface ProxyFixOptions {
  /**
   * How many values of `X-Forwarded-For` were written by proxies that you run, counted from the right:
   * the Nth is the client. 0: the header is not believed. `'trusted'`: the first that is none of `trustedProxies`.
   * With `trustedProxies` a count skips only values that are trusted proxies. @default 1
   */
  readonly xFor?: HopCount | undefined
  /**
   * The same for `X-Forwarded-Proto`, the client's scheme. `'trusted'`, here and below, takes the value of the very hop
   * that `xFor: 'trusted'` found to be the client: for proxies that each append to the header. Most replace it, and then
   * the count is 1. @default 1
   */
  readonly xProto?: HopCount | undefined
  /** The same for `X-Forwarded-Host`, the host the client asked for. @default 0 */
  readonly xHost?: HopCount | undefined
  /** The same for `X-Forwarded-Port`, the port the client connected to. @default 0 */
  readonly xPort?: HopCount | undefined
  /** The same for `X-Forwarded-Prefix`, the path prefix a proxy cut off. @default 0 */
  readonly xPrefix?: HopCount | undefined
  /**
   * The same for the elements of RFC 7239's `Forwarded`, for proxies that send it. No `X-Forwarded-*` header is read
   * then, so no `x…` option may stand beside it. 0: not used. @default 0
   */
  readonly forwarded?: HopCount | undefined
  /**
   * Who may speak for others at all: addresses, CIDR blocks, `'loopback'`, `'linklocal'`, `'private'` (also called
   * `'uniquelocal'`), `'unix'` (a peer without an address, on a unix socket); as a list, or in text with commas. `[]` is nobody. Or a function that is given an address in canonical text, `''` for
   * none: only `true` trusts, and a throw does not. @default whoever connects (Werkzeug's rule)
   */
  readonly trustedProxies?: string | readonly string[] | TrustPredicate | undefined
  /**
   * A header that only your proxies send, as proof beside the address, and instead of it where the platform shows
   * none. Compared in constant time; the app never sees it. @default no proof asked
   */
  readonly secret?: SecretOption | undefined
  /**
   * A header with the client's address alone (`CF-Connecting-IP`, `X-Real-IP`), read instead of `X-Forwarded-For`.
   * Needs `trustedProxies` or `secret`, as whoever sends it is believed. @default none
   */
  readonly clientIpHeader?: string | undefined
  /** At which value a `'trusted'` walk ends at the latest; counts do not need it. @default 32 */
  readonly maxHops?: number | undefined
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
   * Called with each decision that is not plain: a value was rejected, the request refused, or a peer that is not
   * trusted sent a header that is configured. What it throws is reported as a process warning and does not reach the
   * request. `warnOnce()` makes one that tells the operator. @default none
   */
  readonly onDecision?: ((event: DecisionEvent) => void) | undefined
}

/** The counts, by field. */
const COUNTS: Readonly<Record<Field, 'xFor' | 'xProto' | 'xHost' | 'xPort' | 'xPrefix'>> = {
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
  'forwarded',
  'trustedProxies',
  'secret',
  'clientIpHeader',
  'maxHops',
  'required',
  ...Object.keys(CHOICES),
  'allowedHosts',
  'socket',
  'onDecision',
]

/** The place of a value counted from the right, or this: wherever the walk finds the client. */
export const TRUSTED = -1

/** The fields that an element of `Forwarded` speaks of. */
const FORWARDED_FIELDS: ReadonlySet<Field> = new Set(['for', 'proto', 'host'])

/** Options as they were checked: every one there, nothing left to look up. */
export interface CheckedOptions {
  /** For each field how far its header is believed: 0, a count, or {@link TRUSTED}. With `forwarded` that one's. */
  readonly counts: Readonly<Record<Field, number>>
  /** For each field the header that is read. */
  readonly sources: Readonly<Record<Field, string>>
  /** For each field the option that says how far. */
  readonly settings: Readonly<Record<Field, string>>
  readonly family: 'x-forwarded' | 'forwarded'
  readonly trustedProxies: AddressSet | undefined
  readonly secret: Secret | undefined
  /** In lower case. */
  readonly clientIpHeader: string | undefined
  readonly maxHops: number
  readonly required: readonly Field[]
  readonly headers: 'normalize' | 'keep' | 'remove'
  readonly onInvalid: 'ignore' | 'reject'
  readonly allowsHost: ((hostname: string) => boolean) | undefined
  readonly prefixMode: 'mount' | 'strip' | 'url' | 'none'
  readonly socket: boolean
  readonly onDecision: ((event: DecisionEvent) => void) | undefined
}

const SOURCES: Readonly<Record<Field, string>> = {
  for: 'X-Forwarded-For',
  proto: 'X-Forwarded-Proto',
  host: 'X-Forwarded-Host',
  port: 'X-Forwarded-Port',
  prefix: 'X-Forwarded-Prefix',
}

const DEFAULT_MAX_HOPS = 32

/**
 * Checks options from outside, whatever a caller without types may have passed.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, naming option, value and remedy.
 */
export function checkOptions(options: ProxyFixOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null || Symbol.iterator in options) {
    fail(`The options of proxyFix must be an object like { xFor: 1, xProto: 1 }, not ${show(options)}.`)
  }
  for (const name in options) checkName(name) // inherited ones too: they would be read

  const trustedProxies = options.trustedProxies === undefined ? undefined : addressSet(options.trustedProxies)
  const secret = options.secret === undefined ? undefined : checkSecret(options.secret, headerName)
  const family = familyOf(options)
  const clientIpHeader = singleHeader(options)
  if (clientIpHeader !== undefined && clientIpHeader === secret?.header) {
    fail(`The options clientIpHeader and secret both name ${options.clientIpHeader}: they are two headers.`)
  }
  const counts = family === 'forwarded' ? forwardedCounts(options) : xForwardedCounts(options)
  if (family === 'forwarded' && counts.for === TRUSTED) checkWalk('forwarded', trustedProxies)
  if (family === 'x-forwarded') checkLockStep(counts, trustedProxies, clientIpHeader !== undefined)
  const { socket = true, onDecision } = options
  if (typeof socket !== 'boolean') fail(`The option socket must be true or false, not ${show(socket)}.`)
  if (onDecision !== undefined && typeof onDecision !== 'function') {
    fail(`The option onDecision must be a function that takes the event, not ${show(onDecision)}.`)
  }
  const settings = family === 'forwarded' ? mapFields(() => 'forwarded') : COUNTS
  return {
    counts,
    sources: sourcesOf(family, options.clientIpHeader),
    settings: clientIpHeader === undefined ? settings : { ...settings, for: 'clientIpHeader' },
    family,
    trustedProxies,
    secret,
    clientIpHeader,
    maxHops: maxHopsOf(options.maxHops),
    required: requiredFields(options.required, counts, settings),
    headers: choice('headers', options.headers, 'normalize'),
    onInvalid: choice('onInvalid', options.onInvalid, 'ignore'),
    allowsHost:
      options.allowedHosts === undefined ? undefined : allowedHosts(options.allowedHosts, 'The option allowedHosts'),
    prefixMode: choice('prefixMode', options.prefixMode, 'mount'),
    socket,
    onDecision,
  }
}

/** What the options are called elsewhere, where the nearest name would be another's. */
const ELSEWHERE = new Map([
  ['trust', 'trustedProxies'],
  ['trustproxy', 'trustedProxies'],
  ['proxies', 'trustedProxies'],
  ['xforwardedfor', 'xFor'],
  ['xforwardedproto', 'xProto'],
  ['xforwardedhost', 'xHost'],
  ['xforwardedport', 'xPort'],
  ['xforwardedprefix', 'xPrefix'],
  ['ipheader', 'clientIpHeader'],
  ['hosts', 'allowedHosts'],
])

function checkName(name: string): void {
  if (KNOWN.includes(name)) return
  const near = ELSEWHERE.get(name.toLowerCase().replaceAll(/[_\s-]/g, '')) ?? nearest(name, KNOWN)
  fail(
    near === undefined
      ? `There is no option ${name}: proxyFix knows ${KNOWN.join(', ')}.`
      : `There is no option ${name}: did you mean ${near}?`,
  )
}

/** `forwarded` and the others exclude each other: reading either when the one is missing lets the client choose. */
function familyOf(options: ProxyFixOptions): CheckedOptions['family'] {
  if (countOf('forwarded', options.forwarded, 0) === 0) return 'x-forwarded'
  const others = [...Object.values(COUNTS), 'clientIpHeader'] as const
  const beside = others.find((name) => options[name] !== undefined)
  if (beside !== undefined) {
    fail(
      `The options forwarded and ${beside} exclude each other: with both, a client could choose which header is believed; keep the one that your proxies set.`,
    )
  }
  return 'forwarded'
}

function forwardedCounts(options: ProxyFixOptions): CheckedOptions['counts'] {
  const places = countOf('forwarded', options.forwarded, 0)
  return mapFields((field) => (FORWARDED_FIELDS.has(field) ? places : 0))
}

function xForwardedCounts(options: ProxyFixOptions): CheckedOptions['counts'] {
  return {
    for: countOf('xFor', options.xFor, 1),
    proto: countOf('xProto', options.xProto, 1),
    host: countOf('xHost', options.xHost, 0),
    port: countOf('xPort', options.xPort, 0),
    prefix: countOf('xPrefix', options.xPrefix, 0),
  }
}

/** The fields that take the value of the hop that a walk finds need the walk. */
function checkLockStep(counts: CheckedOptions['counts'], trustedProxies: AddressSet | undefined, isOne: boolean): void {
  const field = FIELDS.find((one) => counts[one] === TRUSTED)
  if (field === undefined) return
  checkWalk(COUNTS[field], trustedProxies)
  if (counts.for === TRUSTED) return
  fail(
    isOne
      ? `The option ${COUNTS[field]} is 'trusted', which takes the value of the hop that a walk finds, and beside clientIpHeader there is no walk: give a number.`
      : `The option ${COUNTS[field]} is 'trusted', so xFor must be 'trusted' too: its walk finds the hop whose value ${COUNTS[field]} takes.`,
  )
}

/** A walk needs to know whom to trust. */
function checkWalk(name: string, trustedProxies: AddressSet | undefined): void {
  if (trustedProxies !== undefined) return
  fail(`The option ${name} is 'trusted', so trustedProxies must say who is: list the addresses of your proxies.`)
}

function sourcesOf(family: CheckedOptions['family'], clientIpHeader: string | undefined): CheckedOptions['sources'] {
  if (family === 'forwarded') return mapFields(() => 'Forwarded')
  return clientIpHeader === undefined ? SOURCES : { ...SOURCES, for: clientIpHeader }
}

function mapFields<T>(of: (field: Field) => T): Readonly<Record<Field, T>> {
  return { for: of('for'), proto: of('proto'), host: of('host'), port: of('port'), prefix: of('prefix') }
}

/** The option `clientIpHeader`, in lower case. */
function singleHeader({ clientIpHeader, xFor, trustedProxies, secret }: ProxyFixOptions): string | undefined {
  if (clientIpHeader === undefined) return undefined
  const name = headerName('clientIpHeader', clientIpHeader)
  if (xFor !== undefined) {
    fail(
      'The options clientIpHeader and xFor exclude each other: the client is read from one header; leave out the one that your proxies do not set.',
    )
  }
  if (trustedProxies === undefined && secret === undefined) {
    fail(
      `The option clientIpHeader believes whoever sends ${clientIpHeader}, so it needs trustedProxies or secret: say who may.`,
    )
  }
  return name
}

/** Headers that mean something else, or that hold a list with rules of its own. */
const TAKEN: readonly string[] = [...Object.values(SOURCES), 'Forwarded', 'Host', 'Cookie', 'Set-Cookie', 'Connection']

/** The name of a header that an option names, in lower case. */
function headerName(option: string, value: unknown): string {
  if (typeof value !== 'string' || !isHeaderName(value)) {
    const example = option === 'clientIpHeader' ? 'X-Real-IP' : 'X-Origin-Verify'
    fail(`The option ${option} must be the name of a header, like '${example}', not ${show(value)}.`)
  }
  const lower = value.toLowerCase()
  const taken = TAKEN.find((name) => name.toLowerCase() === lower)
  if (taken === SOURCES.for && option === 'clientIpHeader') {
    fail('The option clientIpHeader cannot be X-Forwarded-For, which is a list: use xFor.')
  }
  if (taken !== undefined) fail(`The option ${option} cannot be ${taken}, which has a meaning of its own.`)
  return lower
}

function maxHopsOf(value: unknown): number {
  if (value === undefined) return DEFAULT_MAX_HOPS
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  return fail(`The option maxHops must be a whole number of values, 1 or more, not ${show(value)}.`)
}

function countOf(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback
  if (value === 'trusted') return TRUSTED
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  if (typeof value === 'string' && /^\d+$/.test(value)) {
    fail(`The option ${name} must be a number, not the text ${show(value)}: write Number(…) around it.`)
  }
  return fail(
    `The option ${name} must be a whole number of proxies, 0 or more, or 'trusted', not ${show(value)}: give 0 to ignore the header, 1 for one proxy.`,
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

function requiredFields(
  value: unknown,
  counts: CheckedOptions['counts'],
  settings: CheckedOptions['settings'],
): readonly Field[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) fail(`The option required must be a list like ['for', 'proto'], not ${show(value)}.`)
  return value.map((entry: unknown) => {
    const field = FIELDS.find((one) => one === entry)
    if (field === undefined) {
      fail(`The option required takes ${FIELDS.map(show).join(', ')}, not ${show(entry)}.`)
    }
    if (counts[field] === 0) {
      fail(
        settings[field] === 'forwarded'
          ? `The option required names ${show(field)}, which the Forwarded header does not tell: drop ${show(field)}.`
          : `The option required names ${show(field)}, but ${settings[field]} is 0: set ${settings[field]} or drop ${show(field)}.`,
      )
    }
    return field
  })
}
