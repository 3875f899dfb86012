/**
 * How is a whole server wrapped? Every event that carries a request comes out of `emit`, so that is where requests are
 * fixed: before all listeners, those that are there and those to come, and before whatever else watches the server.
 */

import { isNodeRequest, type NodeRequest } from '../request/node.ts'
import type { ServerLike } from './handler.ts'

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
 * @param admit Fixes a request; `false` when it has refused it, and no listener may see it.
 */
export function wrapServer<S extends ServerLike>(server: S, admit: (req: NodeRequest, second: unknown) => boolean): S {
  const own = Object.hasOwn(server, 'emit') ? (server.emit as Emit) : undefined
  const emit: Emit = function (event, ...args) {
    const [request, second] = args
    if (REQUEST_EVENTS.has(event) && isNodeRequest(request) && !admit(request, second)) return true
    // Looked up now: what is patched into the class later (telemetry) is to see the request as well.
    const inner = own ?? (Object.getPrototypeOf(server) as { emit: Emit }).emit
    return Reflect.apply(inner, this, [event, ...args])
  }
  Object.defineProperty(server, 'emit', { value: emit, configurable: true, writable: true })
  return server
}
