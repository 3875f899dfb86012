/**
 * How does a server stop without losing an answer? It takes no new connection, answers every request it has
 * read, and closes each connection once nothing is owed on it.
 *
 * Node's own `closeIdleConnections` is not used: it takes a connection for idle whose answer has been ended
 * but is still on its way out, and cuts a download short.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { unwrapSocket } from '../request/socket-view.ts'

/** Stops a server; `timeout` in milliseconds, after which what is left is cut off, `Infinity` for never. */
export type Drain = (timeout: number) => Promise<void>

/** Watches a server from its start, as only then all its connections and answers are known. */
export function drainable(server: Server): Drain {
  /** The answers that are owed on each connection, in the order of their requests. */
  const owed = new Map<Socket, Set<ServerResponse>>()
  let draining = false

  server.on('connection', (socket: Socket) => {
    owed.set(socket, new Set())
    // With its connection an answer is gone, though Node 20 does not close each one of a pipeline.
    socket.once('close', () => owed.delete(socket))
  })
  server.prependListener('request', (req: IncomingMessage, res: ServerResponse) => {
    const socket = unwrapSocket(req.socket) // a preload may have fixed the request before
    const answers = owed.get(socket)
    if (answers === undefined) return
    if (draining) markLast(res, [...answers].at(-1))
    answers.add(res)
    res.once('close', () => {
      answers.delete(res)
      if (draining && answers.size === 0) socket.destroySoon()
    })
  })

  return async (timeout) => {
    draining = true
    const closed = new Promise<void>((resolve) => {
      NetServer.prototype.close.call(server, () => resolve())
    })
    for (const [socket, answers] of owed) {
      const last = [...answers].at(-1)
      if (last === undefined)
        socket.destroySoon() // idle, or still in the middle of a request's head
      else markLast(last)
    }
    const cut = (): void => {
      for (const socket of owed.keys()) socket.destroy()
    }
    // A timer of more than 2^31 - 1 ms would fire at once.
    const deadline = timeout < 2 ** 31 ? setTimeout(cut, timeout) : undefined
    await closed
    clearTimeout(deadline)
    server.close(() => undefined) // Node's half of closing, which ends its timers; all connections are gone
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
