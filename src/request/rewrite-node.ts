/** How is a Node request rewritten? In place, wherever its readers look. */

import { canonicalPeer } from '../trust/address.ts'
import type { Client } from '../trust/connection.ts'
import { httpScheme } from '../trust/scheme.ts'
import { type Fix, fixOf, markFixed } from './fixed.ts'
import { renewDistinct } from './header-lines.ts'
import type { NodeRequest } from './node-request.ts'
import { connectedEnd, showOnConnection, showOnView } from './node-socket.ts'
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
    return this.fix?.decision.scheme ?? (connectedEnd(this.raw.socket).encrypted === true ? 'https' : 'http')
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
    const { remoteAddress, remotePort } = connectedEnd(this.raw.socket)
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
    return headerOf(this.raw.headers, name)
  }

  headerNames(): Iterable<string> {
    return namesOf(this.raw.headers)
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
  readonly #headers: NodeRequest['headers']

  constructor(req: NodeRequest) {
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
    this.#headers = { ...req.headers }
  }

  header(name: string): string | undefined {
    return headerOf(this.#headers, name)
  }

  headerNames(): Iterable<string> {
    return namesOf(this.#headers)
  }
}

function headerOf(headers: NodeRequest['headers'], name: string): string | undefined {
  if (!Object.hasOwn(headers, name)) return undefined
  const value = headers[name]
  return typeof value === 'object' ? value.join(', ') : value
}

function namesOf(headers: NodeRequest['headers']): readonly string[] {
  return Object.keys(headers).filter((name) => !name.startsWith(':'))
}

/**
 * Shows what a rewriter has changed.
 * @param connection What the listener was given of a connection that the request has for itself (`upgrade`, `connect`).
 */
export function rewriteNode(req: NodeRequest, changes: RequestChanges, connection?: object): void {
  const { method, url, mount, end, site, fix } = changes
  const before = fixOf(req)
  if (method !== undefined) req.method = method
  if (url !== undefined) req.url = url
  // A target may name a host as well, and there is to be one.
  else if (site !== undefined && req.url !== undefined) req.url = new NodeSource(req).url
  if (mount !== undefined && before?.policy.checked.prefixMode !== 'none') {
    req.baseUrl = mount.path
    req.originalUrl = mount.publicTarget
  }
  changeHeaders(req, withPseudoHeaders(req, changes))
  if (end !== undefined && before?.policy.checked.socket !== false) {
    if (connection === undefined) showOnView(req, end)
    else showOnConnection(req, connection, end)
  }
  if (fix !== undefined) markFixed(req, fix)
}

/** The headers to change, with those in which HTTP/2 says the same. */
function withPseudoHeaders(
  { headers: present }: NodeRequest,
  { method, url, site, headers }: RequestChanges,
): ReadonlyMap<string, string | undefined> {
  const isHttp2 = present[':method'] !== undefined || present[':authority'] !== undefined
  if (site?.host === undefined && !isHttp2) return headers
  const all = new Map(headers)
  if (site?.host !== undefined) all.set('host', site.host)
  if (!isHttp2) return all
  const says = { ':authority': site?.host, ':scheme': site && httpScheme(site.scheme), ':path': url, ':method': method }
  for (const [name, value] of Object.entries(says)) {
    if (value !== undefined && Object.hasOwn(present, name)) all.set(name, value)
  }
  return all
}

/** In `headers`, `headersDistinct` and `rawHeaders` alike; of each name one line is left. */
function changeHeaders(req: NodeRequest, changes: ReadonlyMap<string, string | undefined>): void {
  if (changes.size === 0) return
  const { headers, rawHeaders: lines } = req
  const { length } = lines
  const missing = new Set(changes.keys())
  const lengths = new Set([...missing].map((name) => name.length))
  let end = 0
  for (let index = 0; index < length; index += 2) {
    const name = lines[index]!
    let value: string | undefined = lines[index + 1]!
    // Nearly all names are of another length; to lower one and look it up takes 80 ns.
    const lower = lengths.has(name.length) ? name.toLowerCase() : undefined
    if (lower !== undefined && changes.has(lower)) {
      if (!missing.delete(lower)) continue
      value = changes.get(lower)
      if (value === undefined) continue
    }
    lines[end++] = name
    lines[end++] = value
  }
  lines.length = end
  for (const name of missing) {
    const value = changes.get(name)
    if (value !== undefined) lines.push(name, value)
  }
  for (const [name, value] of changes) {
    if (value === undefined) delete headers[name]
    else headers[name] = name === 'set-cookie' ? [value] : value
  }
  renewDistinct(req, lines.length === length)
}
