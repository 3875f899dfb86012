/**
 * What speaks HTTP? A server of `node:http`, `https` or `http2` that never listens: connections are given to it, from
 * wherever they were accepted. It refuses what cannot be meant before the app sees it, in one line each.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { unwrapSocket } from '../request/socket-view.ts'
import { refusalOf, type Limits } from './limits.ts'
import { node } from './node.ts'
import type { NodeListener } from './node-listener.ts'

export type UpgradeListener = (req: IncomingMessage, socket: Socket, head: Buffer) => unknown

export interface HttpServerOptions {
  readonly limits: Limits
  readonly tls?: SecureContextOptions | undefined
  readonly http2: boolean
  readonly onRequest: NodeListener
  readonly onUpgrade?: UpgradeListener | undefined
  /** Told of each request that the app never saw. */
  readonly onRefused: (refused: RefusedRequest) => void
}

/** A request that was answered before the app saw it. */
export interface RefusedRequest {
  readonly socket: Socket
  readonly status: number
  /** One clause; it never repeats bytes that came. */
  readonly reason: string
}

const CHECK_INTERVAL = 1000

export function createHttpServer(options: HttpServerOptions): Server {
  const { limits, tls, http2, onRequest, onUpgrade, onRefused } = options
  /** Connections that end with a refusal: what was sent behind it is what somebody wanted to smuggle. */
  const condemned = new WeakSet<Socket>()
  let hasCondemned = false // most servers never have, and need not look
  const listener = (req: IncomingMessage, res: ServerResponse): unknown => {
    if (hasCondemned && condemned.has(unwrapSocket(req.socket))) return undefined
    const refusal = refusalOf(req, limits)
    if (refusal === undefined) return onRequest(req, res)
    const { status, reason } = refusal
    if (req.httpVersionMajor < 2) {
      hasCondemned = true
      condemned.add(unwrapSocket(req.socket))
    }
    onRefused({ socket: req.socket, status, reason })
    res.shouldKeepAlive = false
    res.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
    return res.end(`The request was refused: ${reason}.\n`)
  }
  const { maxHeaderSize, headersTimeout, keepAliveTimeout } = limits
  const requestTimeout = limits.requestTimeout === Infinity ? 0 : limits.requestTimeout
  const timeouts = { headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval: CHECK_INTERVAL }
  const settings = { ...timeouts, maxHeaderSize, insecureHTTPParser: false, noDelay: true }
  const server = make()
  server.maxHeadersCount = limits.maxHeaders + 1 // one more is seen, so that it can be refused
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!condemned.has(socket)) refuse(error, socket, onRefused)
  })
  if (onUpgrade !== undefined) {
    server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
      const refusal = refusalOf(req, limits)
      if (refusal === undefined) return onUpgrade(req, socket, head)
      onRefused({ socket, ...refusal })
      return socket.end(answerOf(refusal.status))
    })
  }
  server.emit('listening') // Node begins to watch its timeouts with this; nothing else hears it
  return server

  function make(): Server {
    if (tls === undefined) return node.http.createServer(settings, listener)
    if (!http2)
      return node.https
        .createServer({ ...settings, ...tls }, listener)
        .on('tlsClientError', onTlsError) as unknown as Server
    const both = node.http2.createSecureServer({
      ...settings,
      ...tls,
      allowHTTP1: true,
      settings: { maxHeaderListSize: maxHeaderSize },
      maxHeaderListPairs: limits.maxHeaders + 8, // with the pseudo headers
    })
    both.on('session', (session: ServerHttp2Session) => {
      session.setTimeout(keepAliveTimeout, () => session.close())
    })
    both.on('tlsClientError', onTlsError)
    both.on('sessionError', () => undefined) // it ends that session; its connection may just be gone
    // Its compatibility requests are Node requests, and what is set above is what it hands on to HTTP/1.
    return Object.assign(both as unknown as Server, timeouts).on('request', listener)
  }

  function onTlsError(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    if (error.code !== 'ECONNRESET') {
      onRefused({ socket, status: 0, reason: `its TLS handshake failed (${error.code ?? 'unknown'})` })
    }
    socket.destroy()
  }
}

const STATUSES: ReadonlyMap<string | undefined, number> = new Map([
  ['HPE_HEADER_OVERFLOW', 431],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 413],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408],
])

const REASONS: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [408, 'Request Timeout'],
  [413, 'Content Too Large'],
  [414, 'URI Too Long'],
  [431, 'Request Header Fields Too Large'],
  [503, 'Service Unavailable'],
  [505, 'HTTP Version Not Supported'],
])

/** Answers bytes that are no request. */
function refuse(
  error: NodeJS.ErrnoException & { readonly reason?: string },
  socket: Socket & { readonly _httpMessage?: ServerResponse | null },
  onRefused: HttpServerOptions['onRefused'],
): void {
  const isLate = error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  const isGone = error.code === 'ECONNRESET' || !socket.writable
  if (isGone || (isLate && socket.bytesRead === 0)) return void socket.destroy() // nobody is there, or has asked for anything
  const status = STATUSES.get(error.code) ?? 400
  onRefused({ socket, status, reason: isLate ? 'it did not come in time' : reasonOf(error) })
  const { _httpMessage: owed } = socket
  // Where an answer is owed to an earlier request, this one would be taken for it, or for a part of it.
  if (owed && (owed.headersSent || owed.req.complete)) socket.destroy()
  else socket.end(answerOf(status), () => socket.destroy())
}

/** The parser's words, which repeat nothing of the request. */
function reasonOf({ reason, code }: NodeJS.ErrnoException & { readonly reason?: string }): string {
  return `it cannot be read: ${reason ?? code ?? 'no reason is known'}`
}

export function answerOf(status: number): string {
  return `HTTP/1.1 ${status} ${REASONS.get(status) ?? 'Error'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`
}
