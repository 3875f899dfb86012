/**
 * What is a handler, and how is one wrapped so that nobody can tell? A wrapped handler has the type, name,
 * arity and members of the one inside: an Express app still has `listen`, a Hono app its routes.
 */

import { facade, unwrap, Wrappers } from '../request/facade.ts'
import { isNodeRequest } from '../request/node-request.ts'
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

/** What `app.use()` takes. */
export type ConnectHandler = (req: object, res: object, next: (error?: unknown) => void) => void

/**
 * Makes a middleware of a function that wraps handlers; with a request for its first argument it is one of Connect's, in front
 * of whatever `next` calls.
 * @param name Whose it is, for the message when there is no `next`.
 */
export function asMiddleware(wrap: Middleware, name: string): Middleware & ConnectHandler {
  function proceed(_req: unknown, _res: unknown, next: unknown): unknown {
    if (typeof next === 'function') return next() as unknown
    throw new ProxyFixError(
      'ERR_PROXYFIX_OPTION',
      `${name} was called as a handler, without a next function: give it a handler to wrap, or give it to app.use().`,
    )
  }
  let connect: typeof proceed | undefined
  // Three parameters: restify takes one with fewer for a handler that never calls `next`.
  function middleware(subject: Handler, res: unknown, next: unknown): unknown {
    if (!isNodeRequest(subject)) return wrap(subject)
    connect ??= wrap(proceed)
    return connect(subject, res, next)
  }
  return markMiddleware(middleware) as Middleware & ConnectHandler // which it is by its first argument
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
  if (typeof handler === 'function' && !isClass(handler)) return wrapFunction(handler as FunctionHandler, around) as H
  if (isFetchObject(handler) && !('requestIP' in handler)) return wrapFetchObject(handler, around)
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', `${name} cannot wrap ${describeNonHandler(handler)}.`)
}

/** A Proxy, since a plain function would lose the members, those that come later above all; it costs 25 ns and 64 bytes a call. */
function wrapFunction<F extends FunctionHandler>(handler: F, around: Around): F {
  const traps: ProxyHandler<FunctionHandler> = { apply: around }
  // A handler that is a Proxy itself (GraphQL Yoga, @whatwg-node/server) hands out `apply` and `fetch` bound to what is
  // inside, and Node's emitter calls listeners by their `apply`; a router calls the app that is mounted in it by its
  // `handle` (Express, Connect). None of them must lead past the wrapper.
  if (handler.apply !== Function.prototype.apply || CALLS.some((name) => isFunction(memberOf(handler, name)))) {
    Object.assign(traps, membersThrough(around))
  }
  return new Proxy(handler, traps) as F // a proxy of an F is one
}

/** Members by which others call a function that is a handler. */
const CALLS: readonly PropertyKey[] = ['fetch', 'handle']

/** The members of a handler, with those that call it wrapped as well. */
function membersThrough(around: Around): Pick<Required<ProxyHandler<FunctionHandler>>, 'get' | 'set'> {
  const wrapped = wrappersOf(around)
  return {
    get(target, key) {
      if (key === 'apply' || key === 'call' || key === 'bind') return Function.prototype[key]
      const value: unknown = Reflect.get(target, key, target)
      return CALLS.includes(key) && isFunction(value) ? wrapped.of(value) : value
    },
    // What was read wrapped and is written back (a patch undone) is stored as it was.
    set: (target, key, value) => Reflect.set(target, key, isFunction(value) ? wrapped.original(value) : value, target),
  }
}

/** A wrapper for each function, the same each time. */
function wrappersOf(around: Around): Wrappers<FunctionHandler> {
  return new Wrappers((member) => wrapFunction(member, (call, self, args) => around(call, unwrap(self), args)))
}

function wrapFetchObject<H extends FetchObject>(app: H, around: Around): H {
  // A wrapper for each fetch the app has had, so that whoever patches it can still call the one before.
  const wrapped = wrappersOf(around)
  const whole = new Wrappers<FunctionHandler>((fetch) => behindMiddleware(app, fetch))
  const hasMiddleware = Array.isArray(memberOf(app, 'middleware'))
  const shown = {
    get fetch(): FunctionHandler {
      return wrapped.of(hasMiddleware ? whole.of(app.fetch) : app.fetch)
    },
    set fetch(replacement) {
      app.fetch = whole.original(wrapped.original(replacement))
    },
  }
  const show = (name: string, value: unknown): unknown =>
    Object.defineProperty(shown, name, { value, enumerable: true, configurable: true, writable: true })
  if (hasMiddleware) show('middleware', [])
  const routes = memberOf(app, 'routes')
  if (isPlainObject(routes))
    show(
      'routes',
      wrapRoutes(routes, (route) => wrapped.of(route)),
    )
  for (const name of SERVING) if (isFunction(memberOf(app, name))) show(name, () => refuseToServe(name))
  return facade(app, shown)
}

/**
 * srvx gives each of an app's middleware, and its fetch at last, the request that it made itself: each would be wrapped by
 * itself. So the list is run here, inside of one wrapper, and srvx is shown none.
 */
function behindMiddleware(app: FetchObject, fetch: FunctionHandler): FunctionHandler {
  return function fetchBehindMiddleware(this: unknown, ...args: unknown[]): unknown {
    const [request, ...others] = args
    const list = memberOf(app, 'middleware') as readonly FunctionHandler[]
    const step = (index: number): unknown => {
      const middleware = list[index]
      if (middleware === undefined) return Reflect.apply(fetch, this, [request, ...others])
      return Reflect.apply(middleware, undefined, [request, () => step(index + 1)])
    }
    return step(0)
  }
}

/** Methods by which an app serves its own `fetch`, where nobody would see that nothing is wrapped. */
const SERVING = ['listen', 'serve']

function refuseToServe(name: string): never {
  throw new ProxyFixError(
    'ERR_PROXYFIX_OPTION',
    `This app would serve its own fetch, past its wrapper, by ${name}(): give the wrapped app to a server, as in serve({ fetch: app.fetch }).`,
  )
}

/** Bun's table of routes: a handler for each path, or one for each method. A list of routes is a framework's own. */
function wrapRoutes(
  routes: Record<string, unknown>,
  wrap: (route: FunctionHandler) => FunctionHandler,
): Record<string, unknown> {
  const wrapOne = (route: unknown): unknown => (isFunction(route) ? wrap(route) : route)
  return mapValues(routes, (route) => (isPlainObject(route) ? mapValues(route, wrapOne) : wrapOne(route)))
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
  return typeof value === 'function' ? !isClass(value) : isFetchObject(value)
}

/** A class is a function, and fails at every request; a method may be called `class`. */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b(?!\s*\()/.test(Function.prototype.toString.call(value))
}

/** Whether a handler is an object that answers by its `fetch` method. */
export function isFetchObject(value: unknown): value is FetchObject {
  return typeof value === 'object' && value !== null && typeof (value as Partial<FetchObject>).fetch === 'function'
}

/** What a value is that is no handler, and what to give instead; a clause for after a verb. */
export function describeNonHandler(value: unknown): string {
  const wanted = 'give a function (req, res), a function (request) => Response, or an object with a fetch method'
  if (isClass(value)) return 'a class: give an instance of it, or a function that takes requests'
  if (value instanceof Promise) return 'a promise: await it first'
  if (value === null || typeof value !== 'object')
    return `${value === null || value === undefined ? String(value) : `a ${typeof value}`}: ${wanted}`
  if ('listen' in value && 'callback' in value) return 'a Koa app: give its app.callback()'
  if ('listen' in value && 'routing' in value) return 'a Fastify app: give its app.routing, after await app.ready()'
  if ('requestIP' in value) return 'a server of Bun, which serves already: wrap what is given to Bun.serve()'
  if ('listen' in value && 'address' in value) return 'a server that listens by itself: give the listener that it calls'
  return `an object of another kind: ${wanted}`
}
