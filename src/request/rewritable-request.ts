/**
 * What does a rewriter see of a request, and what may it change? The same for Node and Fetch. Assignments are checked at
 * once and kept apart; they reach the request together, when the rewriter is done: one that fails has changed nothing.
 *
 * On a request that `proxyFix` has fixed, the answer stays one: a new client, scheme or host shows wherever the old
 * one did, and a forwarding header cannot be made to say something else. Before `proxyFix` an assignment changes what it
 * finds as received, so a rewriter there can feed it.
 */

import { canonicalAddress } from '../trust/address.ts'
import { amend, type Amendment } from '../trust/amend.ts'
import { parseAuthority } from '../trust/authority.ts'
import type { Client } from '../trust/connection.ts'
import { parsePrefix } from '../trust/prefix.ts'
import { defaultPort, parseScheme } from '../trust/scheme.ts'
import { NO_FETCH_METHODS } from './fetch-request.ts'
import { type Fix, type FixedConnectionInfo, infoOf } from './fixed.ts'
import { decidedValue, type HeaderRule, HeaderRules } from './forwarding-headers.ts'
import {
  badValue,
  cannotBe,
  type HeaderEntry,
  headerName,
  headerValue,
  IterableHeaders,
  misuse,
  type RewritableHeaders,
  shown,
} from './rewritable-headers.ts'

/** A request as rewriters see it. */
export interface RewritableRequest {
  /** Any but CONNECT, TRACE and TRACK can be assigned. In Fetch a request that becomes GET or HEAD loses its body. */
  method: string
  /** Path and query to route by, as `/path?query`; scheme, host and prefix are not in it. What is assigned is normalised as URLs are. */
  url: string
  /** `http`, `https`, `ws` or `wss` (contract rule 3). */
  scheme: string
  /** The authority as in a Host header; a name or an address, with a port or not, can be assigned (rule 4). */
  host: string | undefined
  /** Where the app is mounted: `''`, or `/app` without a trailing slash (rule 6). */
  prefix: string
  /** Who is behind the request, as far as is known; before `proxyFix` that is the peer. */
  readonly client: RewritableClient
  readonly headers: RewritableHeaders
  /** The decision, when `proxyFix` has seen the request. Believe a header only where `connection?.trusted` is true. */
  readonly connection: FixedConnectionInfo | undefined
  /** The request of the platform: Node's, or the Fetch Request. */
  readonly raw: object
}

/** The client's end of the connection. */
export interface RewritableClient {
  /** An IP address in full form can be assigned (rule 2), which forgets the port; `undefined`: not known. */
  address: string | undefined
  /** 1 to 65535, or `undefined`: not known. */
  port: number | undefined
}

/** Where a draft reads a request. */
export interface RequestSource {
  readonly raw: object
  readonly fix: Fix | undefined
  readonly method: string
  readonly url: string
  readonly scheme: string
  readonly host: string | undefined
  readonly prefix: string
  readonly client: Client
  /** The target as the client typed it. */
  readonly publicTarget: string
  header(name: string): string | undefined
  /** The names of all headers, in lower case; no pseudo-headers. */
  headerNames(): Iterable<string>
}

/** Scheme and host of a request; without a `hostname`, `host` is what was received, and no valid one. */
type Site = Pick<Required<Amendment>, 'scheme' | 'host' | 'hostname' | 'port'>

/** What a rewriter has changed, settled: everything here is to be shown. */
export interface RequestChanges {
  readonly method: string | undefined
  readonly url: string | undefined
  /** Where the app is mounted now, and the target that the client typed. */
  readonly mount: { readonly path: string; readonly publicTarget: string } | undefined
  /** The other end and the scheme, when one of the two is another than before. */
  readonly end: { readonly client: Client; readonly scheme: string } | undefined
  /** Scheme and host, when one of the two is another than before. */
  readonly site: Site | undefined
  /** Headers by name in lower case; `undefined` for one that goes. */
  readonly headers: ReadonlyMap<string, string | undefined>
  /** The fix of a fixed request from now on. */
  readonly fix: Fix | undefined
}

/** A request with what a rewriter has changed so far. */
export class RequestDraft implements RewritableRequest {
  #source: RequestSource
  #isOpen = true
  #method: string | undefined
  #url: string | undefined
  #scheme: string | undefined
  #host: string | undefined
  #prefix: string | undefined
  #publicTarget: string | undefined
  #client: Client | undefined
  #headers: Map<string, string | undefined> | undefined
  #isChanged = false

  constructor(source: RequestSource) {
    this.#source = source
    Object.preventExtensions(this) // what is misspelt is an error
  }

  get raw(): object {
    return this.#source.raw
  }

  get connection(): FixedConnectionInfo | undefined {
    const { fix } = this.#source
    return fix && infoOf(fix)
  }

  get method(): string {
    return this.#method ?? this.#source.method
  }

  set method(value: string) {
    this.#open('method')
    if (typeof value !== 'string' || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value) || isOnlyNodes(value)) {
      throw cannotBe(value, `The method of a request cannot be ${shown(value)}: give one like 'GET' or 'POST'.`)
    }
    this.#method = /^(?:get|head|post|put|delete|options)$/i.test(value) ? value.toUpperCase() : value // Fetch §2.2.1
  }

  get url(): string {
    return this.#url ?? this.#source.url
  }

  set url(value: string) {
    this.#open('url')
    this.#url = normalTarget(value)
  }

  get scheme(): string {
    return this.#scheme ?? this.#source.scheme
  }

  set scheme(value: string) {
    this.#open('scheme')
    const scheme = typeof value === 'string' ? parseScheme(value) : undefined
    if (scheme === undefined) {
      throw cannotBe(value, `The scheme of a request cannot be ${shown(value)}: give 'http', 'https', 'ws' or 'wss'.`)
    }
    this.#scheme = scheme
  }

  get host(): string | undefined {
    return settle(this.scheme, this.#host ?? this.#source.host).host
  }

  set host(value: string) {
    this.#open('host')
    const authority = typeof value === 'string' ? parseAuthority(value) : undefined
    if (authority === undefined) {
      throw cannotBe(
        value,
        `The host of a request cannot be ${shown(value)}: give a name or an address, with a port or not, like 'shop.example:8443'.`,
      )
    }
    const { fix } = this.#source
    if (fix?.policy.checked.allowsHost?.(authority.hostname) === false) {
      throw badValue(`The host of a request cannot be ${shown(value)}: allowedHosts does not have it.`)
    }
    this.#host = value
  }

  get prefix(): string {
    return this.#prefix ?? this.#source.prefix
  }

  set prefix(value: string) {
    this.#open('prefix')
    const prefix = typeof value === 'string' ? (value === '' ? '' : parsePrefix(value)) : undefined
    if (prefix === undefined) {
      throw cannotBe(
        value,
        `The prefix of a request cannot be ${shown(value)}: give a path like '/app', or '' for none.`,
      )
    }
    this.#prefix = prefix
    this.#publicTarget = undefined
  }

  /** Mounts the app one level further down: `path` moves from the url to the prefix, and what the client typed stays. */
  descend(path: string, url: string): void {
    this.#open('prefix')
    this.#publicTarget = this.#source.publicTarget
    this.#prefix = this.prefix + path
    this.#url = url
  }

  get client(): RewritableClient {
    const read = (): Client => this.#client ?? this.#source.client
    const write = (client: Client): void => {
      this.#open('client')
      this.#client = client
    }
    return Object.preventExtensions({
      get address() {
        return read().address
      },
      set address(value) {
        const address = typeof value === 'string' ? canonicalAddress(value) : undefined
        if (address === undefined && value !== undefined) {
          throw cannotBe(
            value,
            `The client of a request cannot have the address ${shown(value)}: give an IP address in full form, like '203.0.113.7' or '2001:db8::7'.`,
          )
        }
        write(address === undefined ? {} : { address })
      },
      get port() {
        return read().port
      },
      set port(value) {
        const { address } = read()
        if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= 65535)) {
          throw badValue(`The client of a request cannot have the port ${shown(value)}: give a number from 1 to 65535.`)
        }
        if (value !== undefined && address === undefined) {
          throw badValue('The client of a request cannot have a port without an address: assign client.address first.')
        }
        write(value === undefined ? { address } : { address, port: value })
      },
    })
  }

  set client(value: unknown) {
    throw misuse(`The client of a request cannot be ${shown(value)}: assign client.address and client.port.`)
  }

  get headers(): RewritableHeaders {
    return new DraftHeaders(this)
  }

  /** @internal */
  header(name: string): string | undefined {
    if (name === 'host') return this.host
    return this.#headers?.has(name) === true ? this.#headers.get(name) : this.#source.header(name)
  }

  /** @internal */
  *headerEntries(): Generator<readonly [string, string]> {
    const names = new Set(this.#source.headerNames())
    if (this.host !== undefined) names.add('host')
    for (const name of this.#headers?.keys() ?? []) names.add(name)
    for (const name of names) {
      const value = this.header(name)
      if (value !== undefined) yield [name, value]
    }
  }

  /** @internal */
  changeHeader(name: string, value: string | undefined): void {
    this.#open(`header ${name}`)
    if (name === 'host') {
      if (value !== undefined) this.host = value
      else throw misuse('A request has a host, which cannot be deleted: assign another one to request.host.')
      return
    }
    const { fix } = this.#source
    const rule = fix && HeaderRules.of(fix.policy).find(name)
    if (rule?.kind === 'forwarding' && value !== undefined && value !== this.#decidedFor(rule)) {
      throw misuse(
        `The header ${name} of a fixed request holds what was decided: assign request.client.address, scheme, host or prefix instead, or set the header before proxyFix.`,
      )
    }
    this.#headers ??= new Map()
    this.#headers.set(name, value)
  }

  /**
   * Ends the time in which the request can be changed.
   * @returns What to change; `undefined` for nothing.
   */
  close(): RequestChanges | undefined {
    this.#isOpen = false
    if (!this.#isChanged) return undefined
    const site = this.#site()
    const isEnd = this.#scheme !== undefined || this.#client !== undefined
    const mount =
      this.#prefix === undefined
        ? undefined
        : { path: this.#prefix, publicTarget: this.#publicTarget ?? this.#prefix + this.url }
    const fix = site !== undefined || isEnd || mount !== undefined ? this.#fixAfter(site, mount) : undefined
    return {
      method: this.#method,
      url: this.#url,
      mount,
      end: isEnd ? { client: this.#client ?? this.#source.client, scheme: this.scheme } : undefined,
      site,
      headers: fix === undefined ? (this.#headers ?? NO_HEADERS) : this.#headersAfter(fix),
      fix,
    }
  }

  /** From now on the draft shows this source, as it has become. */
  follow(source: RequestSource): void {
    this.#source = source
  }

  #open(what: string): void {
    if (!this.#isOpen) {
      throw misuse(`The ${what} of a request cannot be changed once it was passed on: change it in rewrite().`)
    }
    this.#isChanged = true
  }

  #site(): Site | undefined {
    if (this.#scheme === undefined && this.#host === undefined) return undefined
    return settle(this.scheme, this.#host ?? this.#source.host)
  }

  #amendment(site: Site | undefined): Amendment {
    return {
      ...site,
      ...(this.#client && { client: this.#client }),
      ...(this.#prefix !== undefined && { prefix: this.#prefix }),
    }
  }

  #decidedFor(rule: HeaderRule): string | undefined {
    return decidedValue(rule, amend(this.#source.fix!.decision, this.#amendment(this.#site())))
  }

  #fixAfter(site: Site | undefined, mount: RequestChanges['mount']): Fix | undefined {
    const { fix } = this.#source
    if (fix === undefined) return undefined
    return {
      ...fix,
      decision: amend(fix.decision, this.#amendment(site)),
      ...(mount && { publicTarget: mount.publicTarget, mountPath: mount.path }),
    }
  }

  /** The headers that are another afterwards: those of the rewriter, and those that say what was decided. */
  #headersAfter(fix: Fix): ReadonlyMap<string, string | undefined> {
    const headers = this.#headers ?? new Map<string, string | undefined>()
    const rules = HeaderRules.of(fix.policy)
    for (const [name, value] of headers) {
      const rule = rules.find(name)
      if (rule?.kind === 'forwarding' && value !== undefined) headers.set(name, decidedValue(rule, fix.decision))
    }
    for (const name of this.#source.headerNames()) {
      const rule = rules.find(name)
      if (rule?.kind === 'forwarding' && !headers.has(name)) {
        headers.set(name, rules.valueAfter(rule, '', fix.decision))
      }
    }
    return headers
  }
}

const NO_HEADERS: ReadonlyMap<string, string | undefined> = new Map()

class DraftHeaders extends IterableHeaders implements RewritableHeaders {
  readonly #draft: RequestDraft

  constructor(draft: RequestDraft) {
    super()
    this.#draft = draft
    Object.preventExtensions(this)
  }

  get(name: string): string | null {
    return this.#draft.header(String(name).toLowerCase()) ?? null
  }

  has(name: string): boolean {
    return this.get(name) !== null
  }

  set(name: string, value: string | number): void {
    const lower = headerName(name)
    this.#draft.changeHeader(lower, headerValue(name, value))
  }

  append(name: string, value: string | number): void {
    const lower = headerName(name)
    const before = this.get(lower)
    const after = headerValue(name, value)
    this.#draft.changeHeader(lower, before === null ? after : `${before}${lower === 'cookie' ? '; ' : ', '}${after}`)
  }

  delete(name: string): void {
    this.#draft.changeHeader(headerName(name), undefined)
  }

  [Symbol.iterator](): Iterator<HeaderEntry> {
    return this.#draft.headerEntries()
  }
}

function isOnlyNodes(method: string): boolean {
  return NO_FETCH_METHODS.has(method.toUpperCase())
}

/** A target as a URL carries it, so that Node and Fetch handlers route by the same text. */
function normalTarget(value: unknown): string {
  if (typeof value === 'string' && /^\/[^\\#\s\p{C}]*$/u.test(value)) {
    const { pathname, search } = new URL(`http://host${value}`)
    return pathname + search
  }
  throw cannotBe(
    value,
    `The url of a request cannot be ${shown(value)}: give path and query, like '/path?query'; scheme, host and prefix have properties of their own.`,
  )
}

/** Host and port of a scheme and the text of a Host header (contract rules 4 and 5). */
function settle(scheme: string, text: string | undefined): Site {
  const authority = text === undefined ? undefined : parseAuthority(text)
  const schemePort = defaultPort(scheme)
  const port = authority?.port ?? schemePort
  if (authority === undefined) return { scheme, host: text, hostname: undefined, port }
  const { hostname } = authority
  return { scheme, host: port === schemePort ? hostname : `${hostname}:${port}`, hostname, port }
}
