/**
 * How are middlewares put together? As a list: the first one sees the request first and the response last.
 * `stack(a, b, c)(handler)` is `a(b(c(handler)))`.
 */

import { isFetchRequest } from '../request/fetch.ts'
import { isNodeRequest } from '../request/node-request.ts'
import { fail, show } from '../trust/error.ts'
import {
  type CallableHandler,
  type FetchHandler,
  type Handler,
  isFetchObject,
  isMarkedMiddleware,
  type Middleware,
  wrapHandler,
} from './handler.ts'
import { HeaderRewriter } from './header-rewriter.ts'
import { isServer } from './whole-server.ts'

/** A wrapper for one kind of handler, as people write them by hand. */
type OwnMiddleware = (handler: never) => CallableHandler

/** What a stack is made of; a class of rewriters is made an instance of without arguments. */
export type StackItem = Middleware | OwnMiddleware | HeaderRewriter | (new () => HeaderRewriter)

/**
 * Puts middlewares together, with a handler in front of them or without.
 *
 * Order is everything. `stack(app, proxyFix({ xHost: 1 }), allowHosts(['shop.example']))` judges the host that the proxy
 * forwarded; `stack(app, allowHosts(['shop.example']), proxyFix({ xHost: 1 }))` the one that the proxy itself asked for.
 *
 * @returns The wrapped handler, or a middleware when no handler was given; an empty stack is the handler itself.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no middleware, naming its place in the list.
 * @example
 * http.createServer(stack(app, proxyFix({ xFor: 1, xProto: 1 }), requestId(), CustomProxyFix)).listen(8000)
 * @example
 * const behindNginx = stack(proxyFix({ xFor: 1, xProto: 1 }), securityRedirect())
 * export default behindNginx({ fetch: (request) => new Response(request.url) })
 */
export function stack<H extends FetchHandler>(handler: H, ...items: StackItem[]): H
export function stack(...items: StackItem[]): Middleware
export function stack<H extends Handler>(handler: H, ...items: StackItem[]): H
export function stack(...items: readonly unknown[]): unknown {
  const [first, ...rest] = items
  if (items.length === 0) return compose([])
  if (isRewriter(first) || isMarkedMiddleware(first)) return compose(items.map(middlewareOf))
  if (isServer(first) || isFetchObject(first)) return compose(rest.map(after(1)))(first)
  if (typeof first !== 'function')
    return fail(
      `stack cannot take ${show(first)}: give a handler first or none, then middlewares, HeaderRewriter classes or instances.`,
    )
  const around = compose(rest.map(after(1)))
  // Connect and Node handlers have two parameters and more, and a middleware one. A Fetch handler has one as well, and
  // which of the two this is shows only when it is called: with a request, or with a handler.
  if (first.length >= 2) return around(first as CallableHandler & Handler)
  if (rest.length === 0) return first // by itself it is both
  const wrapped = around(first as Handler) as (...args: unknown[]) => unknown
  const composed = compose([first as Middleware, around])
  return wrapHandler(
    first as CallableHandler,
    (_, self, args) => (isRequest(args[0]) ? Reflect.apply(wrapped, self, args) : composed(args[0] as Handler)),
    'stack',
  )
}

function isRequest(value: unknown): boolean {
  return isNodeRequest(value) || isFetchRequest(value)
}

function compose(middlewares: readonly Middleware[]): Middleware {
  return (handler) => middlewares.reduceRight((inner, middleware) => middleware(inner), handler)
}

function after(offset: number): (item: unknown, index: number) => Middleware {
  return (item, index) => middlewareOf(item, index + offset)
}

/** The middleware that an item of a stack stands for. */
function middlewareOf(item: unknown, index: number): Middleware {
  const place = `Item ${index + 1} of a stack`
  if (isRewriterClass(item)) return middlewareOf(new item(), index)
  if (isRewriter(item)) return (handler) => item.wrap(handler)
  if (typeof item !== 'function')
    return fail(
      `${place} is ${show(item)}: give a middleware (handler) => handler, a HeaderRewriter class or instance, or connect(…).`,
    )
  if (item.length >= 2 && !isMarkedMiddleware(item)) {
    return fail(
      `${place} (${item.name || 'a function'}) has ${item.length} parameters, where a middleware takes a handler: wrap a Connect middleware as connect(${item.name || 'middleware'}), and give a handler first.`,
    )
  }
  return <H extends Handler>(handler: H): H => {
    const wrapped: unknown = (item as Middleware)(handler)
    if (typeof wrapped === 'function' || isFetchObject(wrapped) || isServer(wrapped)) return wrapped as H
    const what =
      wrapped instanceof Promise
        ? 'a promise: await it before it is listed'
        : `${show(wrapped)} and no handler: is a return missing?`
    return fail(`${place} (${item.name || 'a function'}) gave back ${what}`)
  }
}

function isRewriter(item: unknown): item is HeaderRewriter {
  return (
    isRewriterClass(item) ||
    (typeof item === 'object' && item !== null && typeof (item as Partial<HeaderRewriter>).wrap === 'function')
  )
}

function isRewriterClass(item: unknown): item is new () => HeaderRewriter {
  return (
    typeof item === 'function' &&
    typeof (item as { prototype?: Partial<HeaderRewriter> }).prototype?.wrap === 'function'
  )
}
