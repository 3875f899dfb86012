/** How is a Node request rewritten? In place, wherever its readers look. */

import { canonicalPeer } from '../trust/address.ts'
import type { Client } from '../trust/connection.ts'
import { httpScheme } from '../trust/scheme.ts'
import { type Fix, fixOf, markFixed } from './fixed.ts'
import { renewDistinct } from './header-lines.ts'
import { type NodeRequest, textOf } from './node-request.ts'
import { showOnConnection, showOnView } from './node-socket.ts'
import { originForm } from './prefix-mode.ts'
import type { RequestChanges, RequestSource } from './rewritable-request.ts'

/** What a draft reads of a Node request. */
export class NodeSource implements RequestSource {
  readonly raw: NodeRequest

  constructor(req: NodeRequest) {
    this.raw = req
  }

  get fix(): Fix | undefined {
    return fixOf(this.raw)
  }

  get method(): string {
    return this.raw.method ?? 'GET'
  }

  get url(): string {
    const { url = '/', method } = this.raw
    return method === 'CONNECT' && this.raw.headers[':protocol'] === undefined ? url : originForm(url)
  }

  get scheme(): string {
    return this.fix?.decision.scheme ?? (this.raw.socket.encrypted === true ? 'https' : 'http')
  }

  get host(): string | undefined {
    const { fix } = this
    if (fix !== undefined) return fix.decision.host
    return this.header(':authority') ?? (this.header('host') || undefined)
  }

  get prefix(): string {
    const { fix } = this
    // In this mode nobody but connectionInfo knows of it; a framework may have mounted the app further down all the same.
    const hidden = fix?.policy.checked.prefixMode === 'none' ? fix.decision.prefix : ''
    return hidden + (this.raw.baseUrl ?? '')
  }

  get client(): Client {
    const { fix } = this
    if (fix !== undefined) return fix.decision.client
    const { remoteAddress, remotePort } = this.raw.socket
    const address = canonicalPeer(remoteAddress)
    return address === undefined ? {} : { address, port: remotePort }
  }

  get publicTarget(): string {
    return (
      this.fix?.publicTarget ??
      (this.raw.originalUrl === undefined ? this.prefix + this.url : originForm(this.raw.originalUrl))
    )
  }

  header(name: string): string | undefined {
    const { headers } = this.raw
    return Object.hasOwn(headers, name) ? textOf(headers[name]) : undefined
  }

  headerNames(): Iterable<string> {
    return Object.keys(this.raw.headers).filter(isNoPseudoHeader)
  }
}

/** The same of a request as it is now, whatever comes after: a framework that mounts an app moves the request in place. */
export class NodeSnapshot implements RequestSource {
  readonly raw: NodeRequest
  readonly fix: Fix | undefined
  readonly method: string
  readonly url: string
  readonly scheme: string
  readonly host: string | undefined
  readonly prefix: string
  readonly client: Client
  readonly publicTarget: string
  readonly #names: readonly string[]
  readonly #values: readonly (string | string[] | undefined)[]

  constructor(req: NodeRequest) {
    const { headers } = req
    const source = new NodeSource(req)
    this.raw = req
    this.fix = source.fix
    this.method = source.method
    this.url = source.url
    this.scheme = source.scheme
    this.host = source.host
    this.prefix = source.prefix
    this.client = source.client
    this.publicTarget = source.publicTarget
    // Two lists take 250 ns. A copy of the record takes 1350 once a header was deleted of it, though 30 until then.
    this.#names = Object.keys(headers)
    this.#values = this.#names.map((name) => headers[name])
  }

  header(name: string): string | undefined {
    return textOf(this.#values[this.#names.indexOf(name)])
  }

  headerNames(): Iterable<string> {
    return this.#names.filter(isNoPseudoHeader)
  }
}

function isNoPseudoHeader(name: string): boolean {
  return !name.startsWith(':')
}

/**
 * Shows what a rewriter has changed.
 * @param connection What the listener was given of a connection that the request has for itself (`upgrade`, `connect`).
 */
export function rewriteNode(req: NodeRequest, changes: RequestChanges, connection?: object): void {
  const { method, url, mount, end, site, headers, fix } = changes
  const before = fixOf(req)
  if (method !== undefined) req.method = method
  if (url !== undefined) req.url = url
  // A target may name a host as well, and there is to be one.
  else if (site !== undefined && req.url !== undefined) req.url = new NodeSource(req).url
  if (mount !== undefined && before?.policy.checked.prefixMode !== 'none') {
    req.baseUrl = mount.path
    req.originalUrl = mount.publicTarget
  }
  if (headers.size > 0 || site?.host !== undefined) changeHeaders(req, headers, site?.host)
  if (isHttp2(req)) changePseudoHeaders(req, changes)
  if (end !== undefined && before?.policy.checked.socket !== false) {
    if (connection === undefined) showOnView(req, end)
    else showOnConnection(req, connection, end)
  }
  if (fix !== undefined) markFixed(req, fix)
}

function changeHeaders(req: NodeRequest, headers: RequestChanges['headers'], host: string | undefined): void {
  const { length } = req.rawHeaders
  for (const [name, value] of headers) changeHeader(req, name, value)
  if (host !== undefined) changeHeader(req, 'host', host)
  renewDistinct(req, req.rawHeaders.length === length)
}

function isHttp2({ headers }: NodeRequest): boolean {
  return headers[':method'] !== undefined || headers[':authority'] !== undefined
}

/** Those in which HTTP/2 says the same; such a request has no `headersDistinct`. */
function changePseudoHeaders(req: NodeRequest, { method, url, site }: RequestChanges): void {
  const says = { ':authority': site?.host, ':scheme': site && httpScheme(site.scheme), ':path': url, ':method': method }
  for (const [name, value] of Object.entries(says)) {
    if (value !== undefined && Object.hasOwn(req.headers, name)) changeHeader(req, name, value)
  }
}

/** In `headers` and `rawHeaders` alike; of each name one line is left. */
function changeHeader({ headers, rawHeaders }: NodeRequest, name: string, value: string | undefined): void {
  changeLine(rawHeaders, name, value)
  if (value === undefined) delete headers[name]
  else headers[name] = name === 'set-cookie' ? [value] : value
}

/** The first line of that name has the value, and the others go. */
function changeLine(lines: string[], name: string, value: string | undefined): void {
  const { length } = lines
  let isMissing = value !== undefined
  let end = 0
  for (let index = 0; index < length; index += 2) {
    const spelt = lines[index]!
    // Nearly all names are of another length, and need not be lowered.
    if (spelt.length === name.length && spelt.toLowerCase() === name) {
      if (!isMissing) continue
      isMissing = false
      lines[index + 1] = value!
    }
    if (end !== index) {
      lines[end] = spelt
      lines[end + 1] = lines[index + 1]!
    }
    end += 2
  }
  if (end !== length) lines.length = end
  if (isMissing) lines.push(name, value!)
}
