/**
 * What does `req.socket` show? A view of the real socket, made for one request: address, port, family and
 * `encrypted` are the client's, all else is the socket itself.
 *
 * One keep-alive connection from a proxy carries requests of many clients, several of them in flight at
 * once. A property defined on the shared socket would make request 1 report request 2's client. So each
 * request gets a view of its own, and methods run on the real socket: a view as `this` breaks sockets with
 * private fields (Bun) and the bookkeeping of listeners (what an `Object.create(socket)` view does).
 *
 * The view is a Proxy over a small record, with one handler for all: 20 ns to make, 20 ns a read. A class
 * with a Proxy behind its prototype reads faster, but cannot tell which socket `in` is asked of (docs/decisions/002).
 */

/** The part of a socket that names its other end. */
export interface SocketLike {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly encrypted?: boolean
  readonly server?: { readonly maxHeadersCount?: number | null | undefined } | undefined
}

/** What the view shows in place of the socket's own. */
export interface Shown {
  remoteAddress: string | undefined
  remotePort: number | undefined
  remoteFamily: string | undefined
  encrypted: boolean
}

type AnyFunction = (...args: unknown[]) => unknown

// Registered, so that a second copy of the package finds the real socket as well.
const REAL: unique symbol = Symbol.for('proxyfix.socket')

class ViewRecord implements Shown {
  remoteAddress: string | undefined
  remotePort: number | undefined
  remoteFamily: string | undefined
  encrypted: boolean
  readonly [REAL]: object

  constructor(socket: object, address: string | undefined, port: number | undefined, encrypted: boolean) {
    this.remoteAddress = address
    this.remotePort = port
    this.remoteFamily = familyOf(address)
    this.encrypted = encrypted
    this[REAL] = socket
  }
}

/** A view of `socket` that shows another end. */
export function socketView<Socket extends object>(
  socket: Socket,
  address: string | undefined,
  port: number | undefined,
  encrypted: boolean,
): Socket {
  // The handler forwards everything that a Socket has, so the proxy is one to whoever holds it.
  return new Proxy(new ViewRecord(unwrapSocket(socket), address, port, encrypted), handler) as unknown as Socket
}

/**
 * The real socket behind a view; any other value is given back as it is. For code that compares sockets by
 * identity: `unwrapSocket(req.socket) === res.socket`.
 */
export function unwrapSocket<Socket>(socket: Socket): Socket {
  if (typeof socket !== 'object' || socket === null) return socket
  // On a view, REAL is read off the record behind it; no other object has that symbol.
  return ((socket as { [REAL]?: Socket })[REAL] ?? socket) as Socket
}

/** What sockets call the family of an address. */
export function familyOf(address: string | undefined): 'IPv4' | 'IPv6' | undefined {
  return address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4'
}

const handler: ProxyHandler<ViewRecord> = {
  get(record, key) {
    switch (key) {
      case 'remoteAddress':
        return record.remoteAddress
      case 'remotePort':
        return record.remotePort
      case 'remoteFamily':
        return record.remoteFamily
      case 'encrypted':
        return record.encrypted
      case REAL:
        return record[REAL]
    }
    const socket = record[REAL]
    const value: unknown = Reflect.get(socket, key, socket)
    return typeof value === 'function' && key !== 'constructor' ? bound(value as AnyFunction) : value
  },
  set(record, key, value) {
    if (isShown(key)) return Reflect.set(record, key, value)
    const socket = record[REAL]
    return Reflect.set(socket, key, unbound(value), socket)
  },
  has(record, key) {
    return isShown(key) || Reflect.has(record[REAL], key)
  },
  deleteProperty(record, key) {
    return !isShown(key) && Reflect.deleteProperty(record[REAL], key)
  },
  defineProperty(record, key, descriptor) {
    if (isShown(key)) return Reflect.defineProperty(record, key, { ...descriptor, configurable: true })
    return Reflect.defineProperty(record[REAL], key, { ...descriptor, configurable: true })
  },
  getOwnPropertyDescriptor(record, key) {
    if (isShown(key)) return Reflect.getOwnPropertyDescriptor(record, key)
    const descriptor = Reflect.getOwnPropertyDescriptor(record[REAL], key)
    // A proxy may only call a property fixed that its target has fixed; the record never has.
    return descriptor && { ...descriptor, configurable: true }
  },
  ownKeys(record) {
    return [...new Set([...SHOWN, ...Reflect.ownKeys(record[REAL])])]
  },
  getPrototypeOf(record) {
    return Reflect.getPrototypeOf(record[REAL])
  },
  setPrototypeOf(record, prototype) {
    return Reflect.setPrototypeOf(record[REAL], prototype)
  },
  preventExtensions() {
    return false
  },
}

const SHOWN = ['remoteAddress', 'remotePort', 'remoteFamily', 'encrypted'] as const

function isShown(key: string | symbol): key is (typeof SHOWN)[number] {
  return key === 'encrypted' || key === 'remoteAddress' || key === 'remotePort' || key === 'remoteFamily'
}

// One wrapper a function, for all sockets: so `view.on === view.on`, and nothing is made twice.
const wrappers = new WeakMap<AnyFunction, AnyFunction>()
const originals = new WeakMap<AnyFunction, AnyFunction>()

/** The function as seen through a view: called on a view it runs on the real socket, and `return this` gives the view. */
function bound(fn: AnyFunction): AnyFunction {
  let wrapper = wrappers.get(fn)
  if (wrapper === undefined) {
    wrapper = new Proxy(fn, {
      apply(target, self: unknown, args: unknown[]) {
        const socket = unwrapSocket(self)
        const result: unknown = Reflect.apply(target, socket, args)
        return result === socket ? self : result
      },
    })
    wrappers.set(fn, wrapper)
    originals.set(wrapper, fn)
  }
  return wrapper
}

/** A method read off a view and written back (a patch undone) is stored as it was. */
function unbound(value: unknown): unknown {
  return typeof value === 'function' ? (originals.get(value as AnyFunction) ?? value) : value
}
