/** How does a server stop without losing a request? It takes no more, lets those in flight finish, then goes. */

import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Stops a server; `timeout` in milliseconds, after which what is left is cut off. */
export type Drain = (timeout: number) => Promise<void>

/** Watches a server from its start, as only then all its connections and answers are known. */
export function drainable(server: Server): Drain {
  const sockets = new Set<Socket>()
  const answers = new Set<ServerResponse>()
  let draining = false

  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.prependListener('request', (_req, res: ServerResponse) => {
    if (draining) res.setHeader('connection', 'close')
    answers.add(res)
    res.once('close', () => {
      answers.delete(res)
      // Its connection was told to stay before the end was known; once idle, it can go.
      if (draining) setImmediate(() => server.closeIdleConnections())
    })
  })

  return async (timeout) => {
    draining = true
    for (const res of answers) if (!res.headersSent) res.setHeader('connection', 'close')
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeIdleConnections()
    const deadline = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, timeout)
    await closed
    clearTimeout(deadline)
  }
}
