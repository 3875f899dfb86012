/**
 * How is a whole server wrapped? Every event that carries a request comes out of `emit`, so that is where requests are
 * met: before all listeners, those that are there and those to come, and before whatever else watches the server.
 */

import { isNodeRequest } from '../request/node-request.ts'

/** A server of `node:http`, `node:https` or `node:http2`. */
export interface ServerLike {
  readonly listening: boolean
  address(): unknown
  emit(event: never, ...args: never[]): boolean
}

type Emit = (this: object, event: unknown, ...args: unknown[]) => boolean

/** Events whose first argument is a request, and whose second is its response or its socket. */
const REQUEST_EVENTS: ReadonlySet<unknown> = new Set([
  'request',
  'upgrade',
  'connect',
  'checkContinue',
  'checkExpectation',
])

export function isServer(value: unknown): value is ServerLike {
  return (
    typeof value === 'object' &&
    value !== null &&
    'listening' in value &&
    typeof (value as Partial<ServerLike>).address === 'function' &&
    typeof (value as Partial<ServerLike>).emit === 'function'
  )
}

/**
 * Wraps a server in place.
 * @param around Runs around each event that carries a request; `call` gives the listeners what it is called with.
 */
export function wrapServer<S extends ServerLike>(
  server: S,
  around: (call: (...args: never[]) => unknown, self: unknown, args: unknown[]) => unknown,
): S {
  const own = Object.hasOwn(server, 'emit') ? (server.emit as Emit) : undefined
  const emit: Emit = function (event, ...args) {
    // Looked up now: what is patched into the class later (telemetry) is to see the request as well.
    const inner = own ?? (Object.getPrototypeOf(server) as { emit: Emit }).emit
    if (!REQUEST_EVENTS.has(event) || !isNodeRequest(args[0])) return Reflect.apply(inner, this, [event, ...args])
    const call = (...given: unknown[]): boolean => Reflect.apply(inner, this, [event, ...given])
    return around(call, this, args) !== false // whoever answers the request by itself has heard the event
  }
  Object.defineProperty(server, 'emit', { value: emit, configurable: true, writable: true })
  return server
}
