/**
 * What is a handler, and how is one wrapped so that nobody can tell? A wrapped handler has the type, name,
 * arity and members of the one inside: an Express app still has `listen`, a Hono app its routes.
 */

import { facade, unwrap, Wrappers } from '../request/facade.ts'
import { ProxyFixError } from '../trust/error.ts'

/** A Fetch handler; platforms pass more arguments. */
export type FetchHandler = (request: Request) => Response | Promise<Response>

/**
 * Anything that answers requests by being called: `(req, res)`, `(req, res, next)`, `(req, socket, head)`,
 * `(request, …platformArgs)`.
 */
export type FunctionHandler = (...args: never[]) => unknown

/** An object that answers requests by its `fetch` method. */
export interface FetchObject {
  fetch: FunctionHandler
}

/** Whatever is called with requests. */
export type CallableHandler = FunctionHandler | FetchObject

/** A server of `node:http`, `node:https` or `node:http2`. */
export interface ServerLike {
  readonly listening: boolean
  address(): unknown
  emit(event: never, ...args: never[]): boolean
}

/** Whatever `proxyFix` can wrap. */
export type Handler = CallableHandler | ServerLike

/** A wrapper that gives back what it was given, wrapped. */
export type Middleware = <H extends Handler>(handler: H) => H

/** Runs around each call of a handler, with the `this` and the arguments of the call. */
export type Around = (call: FunctionHandler, self: unknown, args: unknown[]) => unknown

/**
 * Wraps a handler.
 * @param name Whose wrapper it is, for the message when the handler is none.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the value is no handler.
 */
export function wrapHandler<H extends CallableHandler>(handler: H, around: Around, name: string): H {
  if (typeof handler === 'function') return wrapFunction(handler as FunctionHandler, around) as H
  if (isFetchObject(handler)) return wrapFetchObject(handler, around)
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', `${name} cannot wrap ${describeNonHandler(handler)}.`)
}

/** A Proxy, since a plain function would lose the members; it costs 25 ns a call. */
function wrapFunction<F extends FunctionHandler>(handler: F, around: Around): F {
  const traps: ProxyHandler<FunctionHandler> = { apply: around }
  // A handler that is a Proxy itself (GraphQL Yoga, @whatwg-node/server) hands out `apply` and `fetch` bound to what is
  // inside, and Node's emitter calls listeners by their `apply`: neither must lead past the wrapper.
  if (handler.apply !== Function.prototype.apply || hasFetch(handler)) traps.get = membersOf(around)
  return new Proxy(handler, traps) as F // a proxy of an F is one
}

/** The members of a handler, with those that call it wrapped as well. */
function membersOf(around: Around): NonNullable<ProxyHandler<FunctionHandler>['get']> {
  const fetches = new Wrappers<FunctionHandler>((fetch) =>
    wrapFunction(fetch, (call, self, args) => around(call, unwrap(self), args)),
  )
  return (target, key) => {
    if (key === 'apply' || key === 'call' || key === 'bind') return Function.prototype[key]
    const value: unknown = Reflect.get(target, key, target)
    return key === 'fetch' && typeof value === 'function' ? fetches.of(value as FunctionHandler) : value
  }
}

function hasFetch(handler: FunctionHandler): boolean {
  return typeof (handler as Partial<FetchObject>).fetch === 'function'
}

function wrapFetchObject<H extends FetchObject>(app: H, around: Around): H {
  // A wrapper for each fetch the app has had, so that whoever patches it can still call the one before.
  const wrappers = new Wrappers<FunctionHandler>((fetch) =>
    wrapFunction(fetch, (call, self, args) => around(call, unwrap(self), args)),
  )
  return facade(app, {
    get fetch(): FunctionHandler {
      return wrappers.of(app.fetch)
    },
    set fetch(replacement) {
      app.fetch = wrappers.original(replacement)
    },
  })
}

/** Whether a value can be called with requests. */
export function isHandler(value: unknown): value is CallableHandler {
  return typeof value === 'function' || isFetchObject(value)
}

/** Whether a handler is an object that answers by its `fetch` method. */
export function isFetchObject(value: unknown): value is FetchObject {
  return typeof value === 'object' && value !== null && typeof (value as Partial<FetchObject>).fetch === 'function'
}

/** What a value is that is no handler, and what to give instead; a clause for after a verb. */
export function describeNonHandler(value: unknown): string {
  const wanted = 'give a function (req, res), a function (request) => Response, or an object with a fetch method'
  if (value instanceof Promise) return 'a promise: await it first'
  if (value === null || typeof value !== 'object')
    return `${value === null || value === undefined ? String(value) : `a ${typeof value}`}: ${wanted}`
  if ('listen' in value && 'callback' in value) return 'a Koa app: give its app.callback()'
  if ('listen' in value && 'routing' in value) return 'a Fastify app: give its app.routing, after await app.ready()'
  if ('listen' in value && 'address' in value) return 'a server that listens by itself: give the listener that it calls'
  return `an object of another kind: ${wanted}`
}
