/**
 * What does a server of HTTP/2 need beside what Node gives it? Node's clocks and limits are for HTTP/1: a connection of
 * HTTP/2 may stay for as long as it likes without asking, ask for as much as it likes at once, and send frames for ever
 * that ask for nothing. Here it is held to the same limits as one of HTTP/1, and to those that only HTTP/2 needs.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { SecureServerOptions, ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { exactHttp2Response } from './exact-response.ts'
import { endLingering } from './last-answer.ts'
import type { Limits } from './limits.ts'
import { node } from './node.ts'

/** How many requests of one connection may be under way: as few as RFC 9113 §6.5.2 advises. A further one waits at its client. */
const MAX_STREAMS = 100

/** How many frames of PING and SETTINGS, each of which is answered, a connection may send in how many milliseconds. */
const MAX_PROBES = 1000
const PROBE_INTERVAL = 10_000

/** Names that begin with a colon, which a client of HTTP/1 sends in the first line. */
const MAX_PSEUDO_HEADERS = 8

/** What Node's HTTP/1 reads of its server, and of this one. */
export interface Http1Settings extends Pick<Limits, 'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout'> {
  readonly maxHeaderSize: number
  readonly connectionsCheckingInterval: number
  readonly insecureHTTPParser: boolean
  readonly requireHostHeader: boolean
}

type Options = Pick<
  SecureServerOptions<typeof IncomingMessage, typeof ServerResponse>,
  'Http1ServerResponse' | 'handshakeTimeout'
>

/**
 * A server of both protocols, as clients choose in the handshake of TLS. Its requests are those of `node:http`, or like
 * them.
 * @param onBusy Is told of a connection that is ended as it makes work without asking for anything.
 */
export function createHttp2Server(
  options: Options & SecureContextOptions,
  settings: Http1Settings,
  { maxHeaders, headersTimeout, keepAliveTimeout }: Limits,
  onBusy: (socket: Socket) => void,
): Server {
  const server = node.http2.createSecureServer({
    ...settings,
    ...options,
    allowHTTP1: true,
    Http2ServerResponse: exactHttp2Response(),
    settings: { maxHeaderListSize: settings.maxHeaderSize, maxConcurrentStreams: MAX_STREAMS },
    maxHeaderListPairs: maxHeaders + MAX_PSEUDO_HEADERS,
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol !== 'h2') return
    // Who ends half of a connection of HTTP/1 has asked all and waits for the answer; of HTTP/2, has gone.
    socket.allowHalfOpen = false
    socket.once('finish', () => endLingering(socket)) // Node waits for ever
  })
  server.on('session', (session: ServerHttp2Session) => {
    endIdle(session, headersTimeout, keepAliveTimeout)
    endBusy(session, onBusy)
  })
  server.on('sessionError', () => undefined) // it ends that session; its connection may just be gone
  return Object.assign(server as unknown as Server, settings)
}

/** Ends a connection on which nothing is asked: soon where nothing ever was. */
function endIdle(session: ServerHttp2Session, timeToAsk: number, timeToAskAgain: number): void {
  // Not `close`, which waits for the client to end the connection as well.
  const end = (): void => session.destroy(undefined, node.http2.constants.NGHTTP2_NO_ERROR)
  let open = 0
  let timer = setTimeout(end, timeToAsk)
  session.on('stream', (stream) => {
    clearTimeout(timer)
    open++
    stream.once('close', () => {
      open--
      if (open === 0 && !session.destroyed) timer = setTimeout(end, timeToAskAgain)
    })
  })
  session.once('close', () => clearTimeout(timer))
}

/** Ends a connection that makes work without asking for anything (CVE-2019-9512, CVE-2019-9515). */
function endBusy(session: ServerHttp2Session, onBusy: (socket: Socket) => void): void {
  let since = 0
  let count = 0
  const onProbe = (): void => {
    const now = performance.now()
    if (now - since > PROBE_INTERVAL) [since, count] = [now, 0]
    count++
    if (count <= MAX_PROBES || session.destroyed) return
    onBusy(session.socket as Socket)
    session.destroy(undefined, node.http2.constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }
  session.on('ping', onProbe)
  session.on('remoteSettings', onProbe)
}
