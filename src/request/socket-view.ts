/**
 * What does `req.socket` show? A view of the real socket, made for one request: address, port, family and
 * `encrypted` are the client's, all else is the socket itself.
 *
 * One keep-alive connection from a proxy carries requests of many clients, several of them in flight at
 * once. A property defined on the shared socket would make request 1 report request 2's client. So each
 * request gets a view of its own.
 */

import { facadeHandler, REAL, type Shown, unwrap } from './facade.ts'

/** What is read of a socket. */
export interface SocketLike {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly destroyed?: boolean
  readonly encrypted?: boolean
  readonly server?:
    { readonly maxHeadersCount?: number | null | undefined; readonly address?: () => unknown } | undefined
  /** The server that accepted it, where `server` is the one that it was given to. */
  readonly _server?: { readonly address?: () => unknown } | null | undefined
  /** Node's own end of it, a `Pipe` where it is a unix socket, `null` when it is closed. */
  readonly _handle?: object | null | undefined
  /** The socket below one that speaks TLS. */
  readonly _parent?: SocketLike | null | undefined
}

/** The client as a socket shows its other end, and the real socket. */
class ShownClient {
  remoteAddress: string | undefined
  remotePort: number | undefined
  remoteFamily: 'IPv4' | 'IPv6' | undefined
  encrypted: boolean;
  [REAL]: object

  constructor(socket: object, address: string | undefined, port: number | undefined, encrypted: boolean) {
    this.remoteAddress = address
    this.remotePort = port
    this.remoteFamily = familyOf(address)
    this.encrypted = encrypted
    this[REAL] = socket
  }
}

/** What Node reads of the socket of each request by itself. */
interface NodesOwn {
  readonly server?: unknown
  readonly parser?: unknown
  readonly destroyed?: unknown
  readonly readable?: unknown
}

const handler: ProxyHandler<ShownClient & Shown> = {
  ...facadeHandler,
  // What is read of every request stands here by its name: such a read takes half of what it takes by any name.
  get(shown, key, receiver) {
    switch (key) {
      case 'remoteAddress':
        return shown.remoteAddress
      case 'encrypted':
        return shown.encrypted
      case 'parser':
        return (shown[REAL] as NodesOwn).parser
      case 'server':
        return (shown[REAL] as NodesOwn).server
      case 'destroyed':
        return (shown[REAL] as NodesOwn).destroyed
      case 'readable':
        return (shown[REAL] as NodesOwn).readable
    }
    return facadeHandler.get(shown, key, receiver)
  },
}

/** A view of `socket` that shows another end. */
export function socketView<Socket extends object>(
  socket: Socket,
  address: string | undefined,
  port: number | undefined,
  encrypted: boolean,
): Socket {
  const shown = new ShownClient(unwrap(socket), address, port, encrypted)
  return new Proxy(shown as ShownClient & Shown, handler) as unknown as Socket
}

/**
 * The real socket behind a view; any other value is given back as it is. For code that compares sockets by
 * identity: `unwrapSocket(req.socket) === res.socket`.
 */
export function unwrapSocket<Socket>(socket: Socket): Socket {
  return unwrap(socket)
}

/** What sockets call the family of an address. */
export function familyOf(address: string | undefined): 'IPv4' | 'IPv6' | undefined {
  return address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4'
}
