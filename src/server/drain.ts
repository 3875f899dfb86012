/**
 * How does a server stop without losing an answer? It answers every request that it has read, tells clients which
 * answer is the last on their connection, and closes each connection once nothing is owed on it.
 *
 * A client that keeps a connection may send its next request at the very moment in which the server closes it, and
 * that request is lost. So where there is time, idle connections are not closed: their next request is answered, as
 * the last one (`windDown`). Where there is none, they are (`stop`).
 *
 * Node's own `closeIdleConnections` is not used: it takes a connection for idle whose answer has been ended but is
 * still on its way out, and cuts a download short.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { unwrapSocket } from '../request/socket-view.ts'
import { dropWaiting } from './proxy-protocol/receive.ts'

export interface StopOptions {
  /** Milliseconds, after which what is left is cut off; `Infinity` for never. */
  readonly timeout: number
  /** Whether idle connections are closed, or wait for one more request or for their own timeout. */
  readonly idle: 'close' | 'wait'
}

/** Stops one server. */
export interface Drain {
  readonly isDraining: boolean
  /** Goes on serving, but so that connections end: each answer is the last one of its connection. */
  windDown(): void
  /** Resolves when all connections are gone. It does not keep new ones away: that is whoever listens. */
  stop(options: StopOptions): Promise<void>
}

/** RFC 6455 §5.5.1: a close frame of a server, with status 1001, going away (§7.4.1). */
const GOING_AWAY = Buffer.of(0x88, 0x02, 0x03, 0xe9)

/** Watches a server from its start, as only then all its connections and answers are known. */
export function drainable(server: Server): Drain {
  /** Every connection, as it came. */
  const open = new Set<Socket>()
  /** Those that have not finished their TLS handshake. */
  const handshaking = new Set<Socket>()
  /** The answers that are owed on each connection that speaks HTTP/1, in the order of their requests. */
  const owed = new Map<Socket, Set<ServerResponse>>()
  const sessions = new Set<ServerHttp2Session>()
  /** WebSockets, with what had been written before they were asked for. */
  const webSockets = new Map<Socket, number>()
  let state: 'serving' | 'winding-down' | 'stopping' = 'serving'
  const waitingForEnd: (() => void)[] = []
  const isTls = 'setSecureContext' in server

  function watch(socket: Socket): void {
    owed.set(socket, new Set())
    // With its connection an answer is gone, though Node 20 does not close each one of a pipeline.
    socket.once('close', () => owed.delete(socket))
  }

  server.on('connection', (socket: Socket) => {
    open.add(socket)
    if (isTls) handshaking.add(socket)
    else watch(socket)
    socket.once('close', () => {
      open.delete(socket)
      handshaking.delete(socket)
      if (open.size === 0) for (const resolve of waitingForEnd.splice(0)) resolve()
    })
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const { _parent: below } = socket as { readonly _parent?: Socket } // Node's types do not know it
    if (below !== undefined) handshaking.delete(below)
    if (socket.alpnProtocol !== 'h2') watch(socket)
  })
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    if (state !== 'serving') session.close()
  })
  server.prependListener('request', (req: IncomingMessage, res: ServerResponse) => {
    if (req.httpVersionMajor > 1) return
    const socket = unwrapSocket(req.socket) // a preload may have fixed the request before
    const answers = owed.get(socket)
    if (answers === undefined) return
    if (state !== 'serving') markLast(res, [...answers].at(-1))
    answers.add(res)
    res.once('close', () => {
      answers.delete(res)
      if (state === 'stopping' && answers.size === 0) socket.destroySoon()
    })
  })
  server.prependListener('upgrade', (req: IncomingMessage) => {
    const socket = unwrapSocket(req.socket)
    owed.delete(socket) // it speaks another protocol from now on, and whoever speaks it ends it
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') return
    webSockets.set(socket, socket.bytesWritten)
    socket.once('close', () => webSockets.delete(socket))
  })

  function windDown(): void {
    if (state !== 'serving') return
    state = 'winding-down'
    for (const answers of owed.values()) {
      const last = [...answers].at(-1)
      if (last !== undefined) markLast(last)
    }
    for (const session of sessions) session.close() // GOAWAY: what is in flight is answered
    for (const [socket, written] of webSockets) {
      if (socket.writable && socket.bytesWritten > written) socket.write(GOING_AWAY)
    }
  }

  async function stop({ timeout, idle }: StopOptions): Promise<void> {
    windDown()
    dropWaiting(server)
    if (idle === 'close') {
      state = 'stopping'
      for (const socket of handshaking) socket.destroy()
      for (const [socket, answers] of owed) {
        if (answers.size === 0) socket.destroySoon() // idle, or still in the middle of a request's head
      }
    }
    if (open.size > 0) {
      const gone = new Promise<void>((resolve) => waitingForEnd.push(resolve))
      const cut = (): void => {
        for (const session of sessions) session.destroy()
        for (const socket of open) socket.destroy()
      }
      // A timer of more than 2^31 - 1 ms would fire at once.
      const deadline = timeout < 2 ** 31 ? setTimeout(cut, timeout) : undefined
      await gone
      clearTimeout(deadline)
    }
    server.close(() => undefined) // Node's half of closing, which ends its timers; all connections are gone
  }

  return {
    get isDraining() {
      return state !== 'serving'
    },
    windDown,
    stop,
  }
}

/**
 * Lets one answer say `Connection: close`, and the one before it on the same connection not: the connection
 * ends with the first that says so. Not by a header of ours: with one set, Node 20 keeps only the last of the
 * Set-Cookie lines that a `writeHead` is given.
 */
function markLast(last: ServerResponse, before?: ServerResponse): void {
  if (before !== undefined && !before.headersSent) before.shouldKeepAlive = true
  if (!last.headersSent) last.shouldKeepAlive = false
}
