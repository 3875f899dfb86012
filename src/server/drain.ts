/**
 * How does a server stop without losing an answer? It answers every request that has come, tells clients which answer is
 * the last on their connection, and closes each connection once nothing is owed on it.
 *
 * A client that keeps a connection may send its next request at the very moment in which the server closes it, and
 * that request is lost. So where there is time, idle connections are not closed: their next request is answered, as
 * the last one (`windDown`). Where there is little, they are given a last call, and where there is none they are closed
 * once what has come on them is read (`stop`). A connection that was never asked anything is not idle: whoever opened it
 * is about to ask.
 *
 * Node's own `closeIdleConnections` is not used: it takes a connection for idle whose answer has been ended but is
 * still on its way out, and cuts a download short.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { node } from './node.ts'
import { unwrapSocket } from '../request/socket-view.ts'

export interface StopOptions {
  /** Milliseconds, after which what is left is cut off; `Infinity` for never. */
  readonly timeout: number
  /** Whether idle connections are closed, after a second in which they may ask once more, or with their own timeout. */
  readonly idle: 'close' | 'last-call' | 'wait'
}

/** Stops one server. */
export interface Drain {
  readonly isDraining: boolean
  /** Gives the server a connection. */
  take(socket: Socket): void
  /** Is told of each request before anybody answers it. Not by a listener of its own: with two, an event takes 0.1 µs more. */
  owe(req: IncomingMessage, res: ServerResponse): void
  /** Goes on serving, but so that connections end: each answer is the last one of its connection. */
  windDown(): void
  /** Resolves when all connections are gone. It does not keep new ones away: that is whoever listens. */
  stop(options: StopOptions): Promise<void>
}

/** RFC 6455 §5.5.1: a close frame of a server, with status 1001, going away (§7.4.1). */
const GOING_AWAY = Buffer.of(0x88, 0x02, 0x03, 0xe9)

/** Milliseconds in which a client may ask that is connected and has not asked. */
const LAST_CALL = 1000

/** A connection that speaks HTTP/1. */
class Asked {
  readonly socket: Socket
  /** The answers that are owed on it, in the order of their requests. */
  readonly answers: ServerResponse[] = []
  /** Whether it has ever been asked anything. */
  isUsed = false

  constructor(socket: Socket) {
    this.socket = socket
  }
}

const ASKED = Symbol('asked')
type Owed = ServerResponse & { [ASKED]?: Asked }

/** Watches a server from its start, as only then all its connections and answers are known. */
export function drainable(server: Server): Drain {
  /** Every connection, as it came. */
  const open = new Set<Socket>()
  /** Those that have not begun with HTTP: the PROXY protocol or TLS comes first. */
  const arriving = new Set<Socket>()
  const http1 = new Map<Socket, Asked>()
  const sessions = new Set<ServerHttp2Session>()
  /** WebSockets, with what had been written before they were asked for. */
  const webSockets = new Map<Socket, number>()
  let state: 'serving' | 'winding-down' | 'stopping' = 'serving'
  let idle: StopOptions['idle'] = 'wait'
  const waitingForEnd: (() => void)[] = []
  const isTls = 'setSecureContext' in server

  function enter(socket: Socket): void {
    if (open.has(socket)) return
    open.add(socket)
    arriving.add(socket)
    socket.once('close', () => {
      open.delete(socket)
      arriving.delete(socket)
      if (open.size === 0) for (const resolve of waitingForEnd.splice(0)) resolve()
    })
    if (state === 'stopping') lastCall(socket)
  }

  function watch(socket: Socket): void {
    http1.set(socket, new Asked(socket))
    // With its connection an answer is gone, though Node 20 does not close each one of a pipeline.
    socket.once('close', () => http1.delete(socket))
    if (state === 'stopping') lastCall(socket)
  }

  /** Closes a connection on which nothing is asked for a while. */
  function lastCall(socket: Socket): void {
    const timer = setTimeout(() => {
      if (arriving.has(socket)) socket.destroy()
      else if (http1.get(socket)?.answers.length === 0) socket.destroySoon()
    }, LAST_CALL)
    socket.once('close', () => clearTimeout(timer))
  }

  /** Ends a connection on which nothing is owed. */
  function dismiss({ socket, isUsed }: Asked): void {
    if (idle === 'close' && isUsed) socket.destroySoon()
    else lastCall(socket)
  }

  server.on('connection', (socket: Socket) => {
    enter(socket)
    if (isTls) return
    arriving.delete(socket)
    watch(socket)
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    const { _parent: below } = socket as { readonly _parent?: Socket } // Node's types do not know it
    if (below !== undefined) {
      arriving.delete(below)
      socket.once('close', () => below.destroy()) // Node may leave it open where its client has reset it
    }
    if (socket.alpnProtocol !== 'h2') watch(socket)
  })
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.once('close', () => sessions.delete(session))
    if (state !== 'serving') goAway(session)
  })
  function owe(req: IncomingMessage, res: ServerResponse): void {
    if (req.httpVersionMajor > 1) return
    const asked = http1.get(unwrapSocket(req.socket)) // a preload may have fixed the request before
    if (asked === undefined) return
    const { answers } = asked
    asked.isUsed = true
    if (state !== 'serving') markLast(res, answers.at(-1))
    answers.push(res)
    ;(res as Owed)[ASKED] = asked
    res.on('close', onAnswered)
  }
  // One listener for all answers, which keeps nothing of a request.
  function onAnswered(this: Owed): void {
    const asked = this[ASKED]
    if (asked === undefined) return // somebody has carried the listeners of an answer elsewhere
    const { answers, socket } = asked
    if (answers.length === 1 && answers[0] === this) {
      answers.pop() // as nearly always; `splice` takes 60 ns
    } else {
      const index = answers.indexOf(this)
      if (index === -1) return // an app may emit the event as well
      answers.splice(index, 1)
    }
    // Unless the connection is gone, or speaks another protocol.
    if (state === 'stopping' && answers.length === 0 && http1.has(socket)) dismiss(asked)
  }
  // With a listener for upgrades, Node leaves them all to it. Without, they are requests like others.
  if (server.listenerCount('upgrade') > 0) server.prependListener('upgrade', onUpgrade)

  function onUpgrade(req: IncomingMessage): void {
    const socket = unwrapSocket(req.socket)
    http1.delete(socket) // it speaks another protocol from now on, and whoever speaks it ends it
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') return
    webSockets.set(socket, socket.bytesWritten)
    socket.once('close', () => webSockets.delete(socket))
  }

  /** GOAWAY: what is in flight is answered, and what was sent before the client heard of it. */
  function goAway(session: ServerHttp2Session): void {
    if (session.closed || session.destroyed) return
    session.goaway(node.http2.constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1) // RFC 9113 §6.8
    const timer = setTimeout(() => session.close(), LAST_CALL)
    session.once('close', () => clearTimeout(timer))
  }

  function windDown(): void {
    if (state !== 'serving') return
    state = 'winding-down'
    for (const { answers } of http1.values()) {
      const last = answers.at(-1)
      if (last !== undefined) markLast(last)
    }
    for (const session of sessions) goAway(session)
    for (const [socket, written] of webSockets) {
      if (socket.writable && socket.bytesWritten > written) socket.write(GOING_AWAY)
    }
  }

  async function stop({ timeout, ...how }: StopOptions): Promise<void> {
    windDown()
    const cut = (): void => {
      for (const session of sessions) session.destroy()
      for (const socket of open) socket.destroy()
    }
    // A timer of more than 2^31 - 1 ms would fire at once.
    const deadline = timeout < 2 ** 31 ? setTimeout(cut, timeout) : undefined
    if (how.idle !== 'wait') {
      await nextTurn() // the one that is under way may be past the reading
      await nextTurn()
      ;({ idle } = how)
      state = 'stopping'
      for (const socket of arriving) lastCall(socket)
      for (const asked of http1.values()) if (asked.answers.length === 0) dismiss(asked)
    }
    if (open.size > 0) await new Promise<void>((resolve) => waitingForEnd.push(resolve))
    clearTimeout(deadline)
    server.close(() => undefined) // Node's half of closing, which ends its timers; all connections are gone
  }

  return {
    get isDraining() {
      return state !== 'serving'
    },
    take(socket) {
      enter(socket)
      server.emit('connection', socket)
    },
    owe,
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
