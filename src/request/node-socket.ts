/**
 * Where does a Node request show its client's end of the connection? On a view of the socket, as other requests use the
 * same one; on the real socket where the request has the connection for itself.
 */

import type { Decided } from '../trust/amend.ts'
import { isSecure } from '../trust/scheme.ts'
import type { NodeRequest } from './node-request.ts'
import { familyOf, type SocketLike, socketView, unwrapSocket } from './socket-view.ts'

type Shown = Pick<Decided, 'client' | 'scheme'>

/** Gives the request a view of its socket. */
export function showOnView(req: NodeRequest, { client, scheme }: Shown): void {
  const view = socketView(req.socket, client.address, client.port, isSecure(scheme))
  if (req.client !== undefined || Object.hasOwn(req, 'socket')) {
    if (req.client !== undefined) req.client = view
    req.socket = view
    return
  }
  // HTTP/2's compatibility requests have getters there, two that know nothing of each other.
  const property = { value: view, configurable: true, writable: true }
  Object.defineProperties(req, { socket: property, connection: property })
}

/**
 * Shows the client on the real socket, where libraries of WebSockets look, and on the stream that a listener was given
 * in its place.
 */
export function showOnConnection({ socket }: NodeRequest, connection: object, { client, scheme }: Shown): void {
  const own = (value: unknown): PropertyDescriptor => ({ value, configurable: true, enumerable: true, writable: true })
  const properties = {
    remoteAddress: own(client.address),
    remotePort: own(client.port),
    remoteFamily: own(familyOf(client.address)),
    encrypted: own(isSecure(scheme)),
  }
  const real = unwrapSocket(socket)
  Object.defineProperties(real, properties)
  if (unwrapSocket(connection) !== real) Object.defineProperties(connection, properties)
}

/**
 * Whether a socket is known to be a unix socket. That it has no address says nothing: a client that resets its connection
 * at once has its address forgotten, and must not pass for a proxy that way. Nor does it where the server listens on a
 * unix socket: it may be given connections of others.
 */
export function isUnixSocket(socket: SocketLike): boolean {
  const { server, _server, _handle, _parent } = socket
  const handle = _handle?.constructor.name
  if (handle === 'Pipe') return true
  if (handle === 'TCP') return false
  if (_parent) return isUnixSocket(_parent) // TLS over it
  // Closed, it still tells which server accepted it: `null` if none did, as the program opened it or another process did.
  // Bun's leave that undefined; a stream of the program's own, which anybody may be behind, has no such property.
  const acceptor = '_server' in socket && _server === undefined ? server : _server
  return typeof acceptor?.address?.() === 'string'
}

/**
 * The connection that an `upgrade` or `connect` listener is given for its second argument, where others have a response:
 * the request's own socket, or from Node 26 on, when the request has a body, a stream over it.
 */
export function connectionOf(req: NodeRequest, second: unknown): object | undefined {
  if (typeof second !== 'object' || second === null) return undefined
  const { writeHead, destroy } = second as { writeHead?: unknown; destroy?: unknown }
  if (writeHead !== undefined) return undefined // a response, as nearly always
  return unwrapSocket(second) === unwrapSocket(req.socket) || typeof destroy === 'function' ? second : undefined
}
