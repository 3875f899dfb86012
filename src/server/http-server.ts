/**
 * What speaks HTTP? A server of `node:http`, `https` or `http2` that never listens: connections are given to it, from
 * wherever they were accepted. It refuses what cannot be meant before the app sees it, in one line each.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { ExactResponse } from './exact-response.ts'
import { createHttp2Server } from './http2-server.ts'
import {
  abandon,
  answerForApp,
  answerLast,
  answerOnSocket,
  isCondemned,
  isHttp2,
  type Refusal,
  refusalText,
} from './last-answer.ts'
import { type Limits, refusalOf } from './limits.ts'
import { node } from './node.ts'
import type { NodeListener } from './node-listener.ts'

export type UpgradeListener = (req: IncomingMessage, socket: Socket, head: Buffer) => unknown

export interface HttpServerOptions {
  readonly limits: Limits
  readonly tls?: SecureContextOptions | undefined
  readonly http2: boolean
  /** Told of each request that may be the app's before anybody answers it. */
  readonly onArrival: (req: IncomingMessage, res: ServerResponse) => void
  readonly onRequest: NodeListener
  readonly onUpgrade?: UpgradeListener | undefined
  /** Told of each request that the app never sees, before it is answered. */
  readonly onRefused: (refused: RefusedRequest) => void
}

/** A request that is answered before the app has; with status 0 it is not answered. */
export interface RefusedRequest extends Refusal {
  readonly socket: Socket
  /** Absent where it could not be read. */
  readonly req?: IncomingMessage
  /** Absent where it is answered on the connection itself. */
  readonly res?: ServerResponse
  /** Whether the app has seen its head already, and only its body is refused. */
  readonly hasBegun?: boolean
}

const CHECK_INTERVAL = 1000

export function createHttpServer(options: HttpServerOptions): Server {
  const { limits, tls, http2, onArrival, onRequest, onUpgrade, onRefused } = options
  function refuseRequest(req: IncomingMessage, res: ServerResponse, refusal: Refusal): void {
    const { socket } = req
    onRefused({ socket, req, res, ...refusal })
    answerLast(res, refusal.status, refusalText(refusal.reason))
  }
  function refuseSocket(socket: Socket, refusal: Refusal, req?: IncomingMessage): void {
    onRefused({ socket, ...(req && { req }), ...refusal })
    answerOnSocket(socket, refusal)
  }
  /** Whether what speaks another protocol from now on may be answered: not where that would come before an answer that is owed. */
  function isNext(req: IncomingMessage, socket: Socket, wish: string): boolean {
    if (isCondemned(req.socket)) {
      abandon(socket)
      return false
    }
    const { _httpMessage: owed } = socket as UnreadableSocket
    if (!owed) return true
    onRefused({ socket, status: 0, reason: `it asks for ${wish} before an earlier answer was sent` })
    socket.destroy()
    return false
  }

  const listener = (req: IncomingMessage, res: ServerResponse): unknown => {
    onArrival(req, res)
    if (isCondemned(req.socket)) return undefined
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
  const Http1ServerResponse = ExactResponse as typeof ServerResponse // whose requests are any
  const http1 = { ...settings, noDelay: true, ServerResponse: Http1ServerResponse }
  const server = make()
  server.maxHeadersCount = limits.maxHeaders + 1 // one more is seen, so that it can be refused
  server.on('clientError', (error: ClientError, socket: UnreadableSocket) => {
    if (isCondemned(socket)) {
      // Node tells of it once. Whoever has the answer is given the time to read it; nobody, to let it wait.
      if (error.code === LATE && !socket.writableFinished) socket.destroy()
      return
    }
    const refusal = refusalOfBytes(error, socket)
    if (refusal === undefined) return void socket.destroy()
    const { _httpMessage: owed, parser } = socket
    // Where none is owed, what it was reading is the next request, or the rest of one that the app has answered already.
    if (!owed) return refuseSocket(socket, { ...refusal, isAnswered: parser?.incoming?.complete === false })
    if (!owed.headersSent && !owed.req.complete) {
      // It is the body of the request whose answer is owed, which the app has begun with.
      onRefused({ socket, hasBegun: true, ...refusal })
      return answerForApp(owed, refusal.status, refusalText(refusal.reason))
    }
    // Where an answer is owed to an earlier request, this one would be taken for it, or for a part of it.
    onRefused({ socket, ...refusal, status: 0 })
    socket.destroy()
  })
  if (onUpgrade !== undefined) {
    server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
      if (!isNext(req, socket, 'an upgrade')) return
      const refusal = refusalOf(req, limits)
      return refusal === undefined ? onUpgrade(req, socket, head) : refuseSocket(socket, refusal, req)
    })
  }
  server.on('connect', (req: IncomingMessage, to: Socket | ServerResponse) => {
    const refusal = { status: 501, reason: 'it asks for a tunnel' }
    if (!(to instanceof Socket)) refuseRequest(req, to, refusal)
    else if (isNext(req, to, 'a tunnel')) refuseSocket(to, refusal, req)
  })
  server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
    // Who asks before it sends a body is told before it does.
    if (!isCondemned(req.socket) && refusalOf(req, limits) === undefined) res.writeContinue()
    server.emit('request', req, res)
  })
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    if (!isCondemned(req.socket))
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

/** Gives the authority of HTTP/2 the name that all readers of Node requests look for. */
function nameHost({ headers, rawHeaders }: IncomingMessage): void {
  const { ':authority': authority, host } = headers
  if (typeof authority !== 'string' || host !== undefined) return
  headers.host = authority
  rawHeaders.push('host', authority)
}

/** What Node calls a request that did not come in time. */
const LATE = 'ERR_HTTP_REQUEST_TIMEOUT'

const STATUSES: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
])

type ClientError = NodeJS.ErrnoException & { readonly reason?: string }
/** With what Node knows of its connections, and its types do not. */
type UnreadableSocket = Socket & {
  readonly _httpMessage?: ServerResponse | null
  readonly parser?: { readonly incoming?: IncomingMessage | null } | null
}

/** How bytes are answered that are no request; not at all where nobody is there, or has asked for anything. */
function refusalOfBytes({ code, reason }: ClientError, { writable, bytesRead }: Socket): Refusal | undefined {
  const isLate = code === LATE
  const isOfParser = isLate || code?.startsWith('HPE_') === true // Node tells of handshakes that failed as well
  if (!isOfParser || !writable || (isLate && bytesRead === 0)) return undefined
  if (isLate) return { status: 408, reason: 'it did not come in time' }
  // The parser's words, which repeat nothing of the request.
  return { status: STATUSES.get(code) ?? 400, reason: `it cannot be read: ${reason ?? code ?? 'no reason is known'}` }
}
