/**
 * What speaks HTTP? A server of `node:http`, `https` or `http2` that never listens: connections are given to it, from
 * wherever they were accepted. It refuses what cannot be meant before the app sees it, in one line each.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { unwrapSocket } from '../request/socket-view.ts'
import { createHttp2Server } from './http2-server.ts'
import { abandon, answerLast, answerOnSocket, isHttp2, type Refusal, refusalText } from './last-answer.ts'
import { type Limits, refusalOf } from './limits.ts'
import { node } from './node.ts'
import type { NodeListener } from './node-listener.ts'

export type UpgradeListener = (req: IncomingMessage, socket: Socket, head: Buffer) => unknown

export interface HttpServerOptions {
  readonly limits: Limits
  readonly tls?: SecureContextOptions | undefined
  readonly http2: boolean
  readonly onRequest: NodeListener
  readonly onUpgrade?: UpgradeListener | undefined
  /** Told of each request that the app never sees, before it is answered. */
  readonly onRefused: (refused: RefusedRequest) => void
}

/** A request that is answered before the app has seen it; with status 0 it is not answered. */
export interface RefusedRequest extends Refusal {
  readonly socket: Socket
  /** Absent where it could not be read. */
  readonly req?: IncomingMessage
  /** Absent where it is answered on the connection itself. */
  readonly res?: ServerResponse
}

const CHECK_INTERVAL = 1000

export function createHttpServer(options: HttpServerOptions): Server {
  const { limits, tls, http2, onRequest, onUpgrade, onRefused } = options
  /** Connections that end with a refusal: what was sent behind it is what somebody wanted to smuggle. */
  const condemned = new WeakSet<Socket>()
  let hasCondemned = false // most servers never have, and need not look
  const condemn = (socket: Socket): void => {
    hasCondemned = true
    condemned.add(socket)
  }
  const isCondemned = ({ socket }: IncomingMessage): boolean => hasCondemned && condemned.has(unwrapSocket(socket))

  function refuseRequest(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
    const { socket } = req
    if (!isHttp2(res)) condemn(unwrapSocket(socket))
    onRefused({ socket, req, res, ...refusal })
    answerLast(res, refusal.status, refusalText(refusal.reason))
  }
  function refuseSocket(socket: Socket, refusal: Refusal, req?: IncomingMessage): void {
    condemn(socket)
    onRefused({ socket, ...(req && { req }), ...refusal })
    answerOnSocket(socket, refusal)
  }

  const listener = (req: IncomingMessage, res: ServerResponse): unknown => {
    if (isCondemned(req)) return undefined
    const refusal = refusalOf(req, limits)
    if (refusal !== undefined) return refuseRequest(req, res, refusal)
    if (isHttp2(req)) nameHost(req)
    return onRequest(req, res)
  }
  const { maxHeaderSize, headersTimeout, keepAliveTimeout } = limits
  const requestTimeout = limits.requestTimeout === Infinity ? 0 : limits.requestTimeout
  const timeouts = { headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval: CHECK_INTERVAL }
  // What has no Host is refused as everything else is.
  const settings = { ...timeouts, maxHeaderSize, insecureHTTPParser: false, requireHostHeader: false }
  const http1 = { ...settings, noDelay: true, ServerResponse: PhrasedResponse }
  const server = make()
  server.maxHeadersCount = limits.maxHeaders + 1 // one more is seen, so that it can be refused
  server.on('clientError', (error: ClientError, socket: UnreadableSocket) => {
    if (condemned.has(socket)) return
    const refusal = refusalOfBytes(error, socket)
    if (refusal === undefined) return void socket.destroy()
    const { _httpMessage: owed } = socket
    // Where an answer is owed to an earlier request, this one would be taken for it, or for a part of it.
    if (!owed || !(owed.headersSent || owed.req.complete)) return refuseSocket(socket, refusal)
    onRefused({ socket, ...refusal })
    socket.destroy()
  })
  if (onUpgrade !== undefined) {
    server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
      if (isCondemned(req)) return abandon(socket)
      const { _httpMessage: owed } = socket as UnreadableSocket
      if (owed) {
        // Whoever speaks the other protocol would begin before that answer.
        onRefused({ socket, status: 0, reason: 'it asks for an upgrade before an earlier answer was sent' })
        return socket.destroy()
      }
      const refusal = refusalOf(req, limits)
      return refusal === undefined ? onUpgrade(req, socket, head) : refuseSocket(socket, refusal, req)
    })
  }
  server.on('connect', (req: IncomingMessage, to: Socket | ServerResponse) => {
    const refusal = { status: 501, reason: 'it asks for a tunnel' }
    if (!(to instanceof Socket)) refuseRequest(req, to, refusal)
    else if (isCondemned(req)) abandon(to)
    else refuseSocket(to, refusal, req)
  })
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    // Who asks before it sends a body is told before it does.
    if (!isCondemned(req) && refusalOf(req, limits) === undefined) res.writeContinue()
    server.emit('request', req, res)
  })
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    if (!isCondemned(req))
      refuseRequest(req, res, { status: 417, reason: 'it expects something else than to continue' })
  })
  server.emit('listening') // Node begins to watch its timeouts with this; nothing else hears it
  return server

  function make(): Server {
    if (tls === undefined) return node.http.createServer(http1, listener)
    const secure = { ...tls, handshakeTimeout: headersTimeout }
    if (!http2)
      return node.https
        .createServer({ ...http1, ...secure }, listener)
        .on('tlsClientError', onTlsError) as unknown as Server
    const Http1ServerResponse = PhrasedResponse as typeof ServerResponse // whose requests are any
    const both = createHttp2Server({ ...secure, Http1ServerResponse }, settings, limits, (socket) =>
      onRefused({ socket, status: 0, reason: 'its connection sends frames without end that ask for nothing' }),
    )
    return both.on('request', listener).on('tlsClientError', onTlsError)
  }

  function onTlsError(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    if (error.code !== 'ECONNRESET') {
      onRefused({ socket, status: 0, reason: `its TLS handshake failed (${error.code ?? 'unknown'})` })
    }
    socket.destroy()
  }
}

/** A response that says in words what its status means: Fetch responses seldom do by themselves. */
class PhrasedResponse extends node.http.ServerResponse {
  override writeHead(status: number, ...rest: unknown[]): this {
    if (rest[0] === '') rest.shift()
    return Reflect.apply(super.writeHead, this, [status, ...rest]) as this
  }
}

/** Gives the authority of HTTP/2 the name that all readers of Node requests look for. */
function nameHost({ headers, rawHeaders }: IncomingMessage): void {
  const { ':authority': authority, host } = headers
  if (typeof authority !== 'string' || host !== undefined) return
  headers.host = authority
  rawHeaders.push('host', authority)
}

const STATUSES: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
])

type ClientError = NodeJS.ErrnoException & { readonly reason?: string }
type UnreadableSocket = Socket & { readonly _httpMessage?: ServerResponse | null }

/** How bytes are answered that are no request; not at all where nobody is there, or has asked for anything. */
function refusalOfBytes({ code, reason }: ClientError, { writable, bytesRead }: Socket): Refusal | undefined {
  const isLate = code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const isOfParser = isLate || code?.startsWith('HPE_') === true // Node tells of handshakes that failed as well
  if (!isOfParser || !writable || (isLate && bytesRead === 0)) return undefined
  if (isLate) return { status: 408, reason: 'it did not come in time' }
  // The parser's words, which repeat nothing of the request.
  return { status: STATUSES.get(code) ?? 400, reason: `it cannot be read: ${reason ?? code ?? 'no reason is known'}` }
}
