/**
 * A Node request: where its facts come from, and where the answer goes.
 *
 * Everything a library can read is set from the one decision: the socket view, the Host header (and
 * `:authority`, `:scheme` in HTTP/2), the forwarding headers in `headers`, `headersDistinct` and
 * `rawHeaders` alike, and the prefix. Frameworks derive their own getters from these, so none of them has
 * to be told.
 */

import type { Endpoint } from '../trust/address.ts'
import type { Decided } from '../trust/amend.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import type { ReadableFacts } from '../trust/facts.ts'
import { noteProvenance } from '../trust/provenance.ts'
import { decide } from './decide.ts'
import { renewDistinct } from './header-lines.ts'
import { type Fix, fixOf, markFixed, reportTwice } from './fixed.ts'
import { HeaderRules } from './forwarding-headers.ts'
import { originForm, placePrefix } from './prefix-mode.ts'
import { type NodeRequest, textOf } from './node-request.ts'
import { isUnixSocket, showOnConnection, showOnView } from './node-socket.ts'
import type { SocketLike } from './socket-view.ts'

/**
 * Decides about a Node request and shows the answer on it, in place. A request that was fixed before stays
 * as it was decided.
 *
 * @param connection What the listener was given of a connection that the request has for itself (`upgrade`, `connect`):
 * it shows the client, as `ws` and socket.io read it from there.
 */
export function fixNodeRequest(req: NodeRequest, policy: TrustPolicy, connection?: object): Fix {
  const before = fixOf(req)
  if (before !== undefined) {
    reportTwice()
    return before
  }
  const decision = decide(policy, new NodeFacts(req, policy))
  const { prefixMode, socket } = policy.checked
  const publicTarget = showTarget(req, decision.prefix, prefixMode)
  rewriteHeaders(req, decision, HeaderRules.of(policy))
  if (socket && connection !== undefined) showOnConnection(req, connection, decision)
  else if (socket) showOnView(req, decision)
  const fix = { decision, policy, publicTarget }
  markFixed(req, fix)
  return fix
}

/** The facts as received, kept apart from the request, which shows other ones afterwards. */
class NodeFacts implements ReadableFacts {
  readonly peer: Endpoint
  readonly scheme: string
  readonly host: string | undefined
  readonly flaw: string | undefined
  readonly #current: NodeRequest['headers']
  readonly #lines: readonly string[]
  #headers: RawHeaders | undefined

  constructor({ socket, headers, rawHeaders }: NodeRequest, { checked: { trustedProxies, secret } }: TrustPolicy) {
    // Read now: a socket that is gone by the time somebody asks has forgotten its peer.
    this.peer = { address: socket.remoteAddress, port: socket.remotePort }
    this.scheme = socket.encrypted === true ? 'https' : 'http'
    this.host = textOf(headers[':authority'] ?? headers.host) // in this order: RFC 9113 §8.3.1
    this.#lines = rawHeaders.slice()
    // Without trustedProxies it does not matter who is connected.
    const isUnaddressed = trustedProxies !== undefined && !this.peer.address
    this.flaw = mayBeCut(rawHeaders, socket)
      ? 'it has more header lines than this server reads'
      : isUnaddressed && hasLostPeer(socket)
        ? 'its connection was gone before its address could be read'
        : undefined
    this.#current = headers
    if (secret === undefined && !isUnaddressed && this.flaw === undefined) return
    noteProvenance(this.headers, {
      flaw: this.flaw,
      isProven: secret?.isProvenBy(this.headers.take(secret.header)),
      isPeerUnknown: isUnaddressed && !isUnixSocket(socket),
    })
  }

  get headers(): RawHeaders {
    return (this.#headers ??= new RawHeaders(this.#lines))
  }

  header(name: string): string | undefined {
    const value = this.#current[name]
    if (value === undefined || !Object.hasOwn(this.#current, name)) return undefined
    return name.charCodeAt(0) === X || !FIRST_LINE_ONLY.has(name) ? textOf(value) : this.headers.get(name)
  }
}

const X = 0x78

/** Headers of which Node hands on the first line and drops the others: a second one must show. */
const FIRST_LINE_ONLY = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'etag',
  'expires',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'retry-after',
  'server',
  'user-agent',
])

/** Whether a socket without an address had one, over TCP. */
function hasLostPeer(socket: SocketLike): boolean {
  return !isUnixSocket(socket) && (socket.destroyed === true || socket.localAddress !== undefined)
}

const NODE_MAX_LINES = 1000

/**
 * Whether Node may have dropped header lines: older ones do so silently past `server.maxHeadersCount`. The
 * lines that a proxy appends come last, so a client that sends enough of its own before them gets rid of the
 * proxy's: its own would be believed, or, were they all ignored, the client would pass for the proxy. Where
 * exactly as many lines came as Node reads, whether there were more cannot be known.
 */
function mayBeCut(rawHeaders: readonly string[], { server }: SocketLike): boolean {
  const limit = server?.maxHeadersCount ?? NODE_MAX_LINES
  return limit > 0 && rawHeaders.length >= 2 * limit
}

/** Header lines as they came over the wire, readable by name. */
class RawHeaders {
  lines: readonly string[]

  constructor(lines: readonly string[]) {
    this.lines = lines
  }

  /** All lines of that name (any case), joined in order. */
  get(name: string): string | undefined {
    const lower = name.toLowerCase()
    const values = this.lines.filter((_, index) => index % 2 === 1 && this.lines[index - 1]!.toLowerCase() === lower)
    return values.length === 0 ? undefined : values.join(', ')
  }

  /** The same, and takes it away: what proves a proxy is not for whoever looks at the original. */
  take(name: string): string | undefined {
    const value = this.get(name)
    const isOther = (index: number): boolean => this.lines[index - (index % 2)]!.toLowerCase() !== name
    if (value !== undefined) this.lines = this.lines.filter((_, index) => isOther(index))
    return value
  }

  /** The lines, names and values in turn. */
  toJSON(): readonly string[] {
    return this.lines
  }
}

/** Sets Host and the forwarding headers to what was decided, wherever they are read from. */
function rewriteHeaders(req: NodeRequest, decision: Decided, rules: HeaderRules): void {
  const { headers, rawHeaders } = req
  const linesBefore = rawHeaders.length
  if (headers.host === undefined && decision.host !== undefined) {
    headers.host = decision.host
    rawHeaders.push('Host', decision.host)
  }
  const done = rewriteLines(req, decision, rules)
  for (const name in headers) {
    const rule = rules.find(name)
    // Node's own names are in lower case; an adapter's may be as they were typed.
    if (rule === undefined || ((rule.bit & done) !== 0 && name === rule.name)) continue
    const value = textOf(headers[name]) ?? ''
    const after = rules.valueAfter(rule, value, decision)
    if (after === undefined) {
      delete headers[name]
      if (headers[name] !== undefined) headers[name] = undefined // inherited
    } else if (after !== value) headers[name] = after
  }
  renewDistinct(req, rawHeaders.length === linesBefore)
}

/**
 * In place, as an HTTP/2 request has no setter for its lines. Of each name that has a rule one line is left, with what
 * `headers` hold as well. Gives the bits of these names.
 */
function rewriteLines({ headers, rawHeaders: lines, url }: NodeRequest, decision: Decided, rules: HeaderRules): number {
  const { length } = lines
  let seen = 0
  let end = 0
  for (let index = 0; index < length; index += 2) {
    const name = lines[index]!
    const rule = rules.find(name)
    if (rule !== undefined) {
      const value = rules.valueAfter(rule, lines[index + 1]!, decision)
      // Of several lines Node hands on the first Host, and of the others all: one answer is one line.
      if (value === undefined || (seen & rule.bit) !== 0) continue
      seen |= rule.bit
      lines[index + 1] = value
      const shown = headers[rule.name]
      if (shown !== undefined && shown !== value) headers[rule.name] = value // 20 ns to store
    } else if (name === ':path' && url !== undefined) lines[index + 1] = url
    if (end !== index) {
      lines[end] = name
      lines[end + 1] = lines[index + 1]!
    }
    end += 2
  }
  if (end !== length) lines.length = end
  return seen
}

/** Shows the target to route by, and gives back the one that the client typed. */
function showTarget(req: NodeRequest, prefix: string, mode: NonNullable<ProxyFixOptions['prefixMode']>): string {
  if (req.url === undefined || isTunnel(req)) return '' // there is no path
  const url = originForm(req.url)
  if (url !== req.url) req.url = url
  // Inside a framework's mount, `url` has lost the mount path and `originalUrl` is the whole.
  const whole = req.originalUrl === undefined ? url : originForm(req.originalUrl)
  if (req.originalUrl !== undefined && whole !== req.originalUrl) req.originalUrl = whole
  if (prefix === '') return whole // as on nearly every request

  const { route, mounted } = placePrefix(url, prefix, mode)
  const publicTarget = placePrefix(whole, prefix, mode).public
  req.url = route
  if (mounted) req.baseUrl = prefix + (req.baseUrl ?? '')
  // In mode 'url', only where a framework made one before of the target without the prefix.
  if (mounted || (mode === 'url' && req.originalUrl !== undefined)) req.originalUrl = publicTarget
  return publicTarget
}

/** A CONNECT names the host to be connected with; but for one that opens a WebSocket over HTTP/2 (RFC 8441 §4). */
function isTunnel({ method, headers }: NodeRequest): boolean {
  return method === 'CONNECT' && headers[':protocol'] === undefined
}
