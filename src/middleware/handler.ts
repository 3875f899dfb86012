/**
 * What is a handler, and how is one wrapped so that nobody can tell? A wrapped handler has the type, name,
 * arity and members of the one inside: an Express app still has `listen`, a Hono app its routes.
 */

import { facade, unwrap, Wrappers } from '../request/facade.ts'
import { ProxyFixError } from '../trust/error.ts'
import { isServer, type ServerLike, wrapServer } from './whole-server.ts'

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

/** Whatever can be wrapped. */
export type Handler = CallableHandler | ServerLike

/** A wrapper that gives back what it was given, wrapped. */
export type Middleware = <H extends Handler>(handler: H) => H

// Registered, so that another copy of the package sees it as well.
const MIDDLEWARE = Symbol.for('proxyfix.middleware')

/** Marks a function as a middleware: by its parameters it could as well be a handler. */
export function markMiddleware<F extends (...args: never[]) => unknown>(middleware: F): F {
  return Object.defineProperty(middleware, MIDDLEWARE, { value: true })
}

/** Whether a function is a middleware for certain. */
export function isMarkedMiddleware(value: unknown): value is Middleware {
  return typeof value === 'function' && MIDDLEWARE in value
}

/** Runs around each call of a handler, or each event of a server that carries a request, with its `this` and arguments. */
export type Around = (call: FunctionHandler, self: unknown, args: unknown[]) => unknown

/**
 * Wraps a handler.
 * @param name Whose wrapper it is, for the message when the handler is none.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the value is no handler.
 */
export function wrapHandler<H extends Handler>(handler: H, around: Around, name: string): H {
  if (isServer(handler)) return wrapServer(handler, around)
  if (typeof handler === 'function') return wrapFunction(handler as FunctionHandler, around) as H
  if (isFetchObject(handler) && !('requestIP' in handler)) return wrapFetchObject(handler, around)
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', `${name} cannot wrap ${describeNonHandler(handler)}.`)
}

/** A Proxy, since a plain function would lose the members; it costs 25 ns a call. */
function wrapFunction<F extends FunctionHandler>(handler: F, around: Around): F {
  const traps: ProxyHandler<FunctionHandler> = { apply: around }
  // A handler that is a Proxy itself (GraphQL Yoga, @whatwg-node/server) hands out `apply` and `fetch` bound to what is
  // inside, and Node's emitter calls listeners by their `apply`; a router calls the app that is mounted in it by its
  // `handle` (Express, Connect). None of them must lead past the wrapper.
  if (handler.apply !== Function.prototype.apply || CALLS.some((name) => isFunction(memberOf(handler, name)))) {
    traps.get = membersOf(around)
  }
  return new Proxy(handler, traps) as F // a proxy of an F is one
}

/** Members by which others call a function that is a handler. */
const CALLS: readonly PropertyKey[] = ['fetch', 'handle']

/** The members of a handler, with those that call it wrapped as well. */
function membersOf(around: Around): NonNullable<ProxyHandler<FunctionHandler>['get']> {
  const wrapped = wrappersOf(around)
  return (target, key) => {
    if (key === 'apply' || key === 'call' || key === 'bind') return Function.prototype[key]
    const value: unknown = Reflect.get(target, key, target)
    return CALLS.includes(key) && isFunction(value) ? wrapped.of(value) : value
  }
}

/** A wrapper for each function, the same each time. */
function wrappersOf(around: Around): Wrappers<FunctionHandler> {
  return new Wrappers((member) => wrapFunction(member, (call, self, args) => around(call, unwrap(self), args)))
}

function wrapFetchObject<H extends FetchObject>(app: H, around: Around): H {
  // A wrapper for each fetch the app has had, so that whoever patches it can still call the one before.
  const wrapped = wrappersOf(around)
  const shown = {
    get fetch(): FunctionHandler {
      return wrapped.of(app.fetch)
    },
    set fetch(replacement) {
      app.fetch = wrapped.original(replacement)
    },
  }
  for (const [name, wrap] of OTHER_ENTRANCES) {
    const value = memberOf(app, name)
    if (value === undefined) continue
    const inside = wrap(value, (member) => wrapped.of(member), name)
    if (inside !== undefined)
      Object.defineProperty(shown, name, { value: inside, enumerable: true, configurable: true, writable: true })
  }
  return facade(app, shown)
}

type WrapMember = (member: FunctionHandler) => FunctionHandler

/** Other ways by which requests come into an object with a `fetch` method, and what is shown in their place. */
const OTHER_ENTRANCES: ReadonlyMap<string, (value: unknown, wrap: WrapMember, name: string) => unknown> = new Map([
  ['routes', wrapRoutes],
  ['middleware', wrapList],
  ['listen', refuseToServe],
  ['serve', refuseToServe],
])

/** Bun's table of routes: a handler for each path, or one for each method. A list of routes is a framework's own. */
function wrapRoutes(routes: unknown, wrap: WrapMember): unknown {
  if (!isPlainObject(routes)) return undefined
  return mapValues(routes, (route) =>
    isFunction(route)
      ? wrap(route)
      : isPlainObject(route)
        ? mapValues(route, (one) => (isFunction(one) ? wrap(one) : one))
        : route,
  )
}

/** srvx' list of middleware, each called with the request. */
function wrapList(list: unknown, wrap: WrapMember): unknown {
  return Array.isArray(list) ? list.map((item: unknown) => (isFunction(item) ? wrap(item) : item)) : undefined
}

/** An app that serves itself serves its own `fetch`, and nobody would see that nothing is wrapped. */
function refuseToServe(method: unknown, _: WrapMember, name: string): unknown {
  if (!isFunction(method)) return undefined
  return () => {
    throw new ProxyFixError(
      'ERR_PROXYFIX_OPTION',
      `This app would serve its own fetch, past its wrapper, by ${name}(): give the wrapped app to a server, as in serve({ fetch: app.fetch }).`,
    )
  }
}

function memberOf(value: object, name: PropertyKey): unknown {
  return (value as Record<PropertyKey, unknown>)[name]
}

function isFunction(value: unknown): value is FunctionHandler {
  return typeof value === 'function'
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function mapValues(record: Record<string, unknown>, map: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
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
  if ('requestIP' in value) return 'a server of Bun, which serves already: wrap what is given to Bun.serve()'
  if ('listen' in value && 'address' in value) return 'a server that listens by itself: give the listener that it calls'
  return `an object of another kind: ${wanted}`
}
