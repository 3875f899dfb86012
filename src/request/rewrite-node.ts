/** How is a Node request rewritten? In place, wherever its readers look. */

import { canonicalPeer } from '../trust/address.ts'
import type { Client } from '../trust/connection.ts'
import { httpScheme } from '../trust/scheme.ts'
import { type Fix, fixOf, markFixed } from './fixed.ts'
import { distinct } from './header-lines.ts'
import type { NodeRequest } from './node-request.ts'
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
    if (!Object.hasOwn(headers, name)) return undefined
    const value = headers[name]
    return typeof value === 'object' ? value.join(', ') : value
  }

  *headerNames(): Generator<string> {
    for (const name in this.raw.headers) if (!name.startsWith(':')) yield name
  }
}

/**
 * Shows what a rewriter has changed.
 * @param connection What the listener was given of a connection that the request has for itself (`upgrade`, `connect`).
 */
export function rewriteNode(req: NodeRequest, changes: RequestChanges, connection?: object): void {
  const { method, url, mount, end, fix } = changes
  const before = fixOf(req)
  if (method !== undefined) req.method = method
  if (url !== undefined) req.url = url
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
): Map<string, string | undefined> {
  const all = new Map(headers)
  if (site?.host !== undefined) all.set('host', site.host)
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
  const missing = new Map(changes)
  let end = 0
  for (let index = 0; index < lines.length; index += 2) {
    const name = lines[index]!
    const lower = name.toLowerCase()
    let value: string | undefined = lines[index + 1]!
    if (changes.has(lower)) {
      if (!missing.delete(lower)) continue
      value = changes.get(lower)
      if (value === undefined) continue
    }
    lines[end++] = name
    lines[end++] = value
  }
  lines.length = end
  for (const [name, value] of missing) if (value !== undefined) lines.push(name, value)
  for (const [name, value] of changes) {
    if (value === undefined) delete headers[name]
    else headers[name] = name === 'set-cookie' ? [value] : value
  }
  if ('headersDistinct' in req) req.headersDistinct = distinct(lines) // HTTP/2 has none
}
