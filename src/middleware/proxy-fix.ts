/**
 * Trust exactly the proxies that you run.
 *
 * **Warning.** Set each count to the number of proxies of yours that set that header, and let nobody reach
 * the app around them. A count that is too high believes what the client itself wrote: its address, the
 * host in password-reset links, whether cookies are secure. A count that is too low shows the proxy for the client.
 */

import { ProxyFixError } from '../trust/error.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { TrustPolicy, trustPolicy } from '../trust/policy.ts'
import { fixFetchRequest, isFetchRequest } from '../request/fetch.ts'
import { fixNodeRequest, isNodeRequest, type NodeRequest } from '../request/node.ts'
import { unwrapSocket } from '../request/socket-view.ts'
import {
  type CallableHandler,
  type FetchHandler,
  type FunctionHandler,
  type Handler,
  type Middleware,
  wrapHandler,
} from './handler.ts'
import { isServer, wrapServer } from './whole-server.ts'
import { type NodeResponse, type RawSocket, refusalResponse, refuseOnSocket, refuseWith } from './refusal.ts'

/**
 * Wraps a handler so that every way to read a request gives the same, trusted answer: who the client is, and
 * which scheme, host, port and prefix it asked for.
 *
 * @param handler Node `(req, res)` or Connect `(req, res, next)`, an `upgrade` listener `(req, socket, head)`,
 * Fetch `(Request) => Response`, an object with such a `fetch` method, or a whole server of `node:http`, `https` or
 * `http2`, whose listeners, present and future, are all served fixed requests. It is given back with its own type.
 * @param options How many proxies to trust for each header, or a policy. Absent: Werkzeug's defaults, one
 * value of `X-Forwarded-For` and one of `X-Forwarded-Proto`.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when an option or the handler cannot be.
 * @see Werkzeug's `ProxyFix`, whose counting this follows.
 * @example
 * http.createServer(proxyFix(app, { xFor: 1, xProto: 1, xHost: 1 })).listen(8000)
 * @example
 * const behindNginx = proxyFix({ xFor: 1, xProto: 1 }) // a middleware
 * export default behindNginx({ fetch: (request) => new Response(request.url) })
 */
// A parameter that is not annotated takes its type from the first signature that could fit: so a Fetch handler's
// is a Request. TypeScript has no way to give (req, res) theirs as well; they are annotated.
export function proxyFix<H extends FetchHandler>(handler: H, options?: ProxyFixOptions | TrustPolicy): H
export function proxyFix<H extends { fetch: FetchHandler }>(handler: H, options?: ProxyFixOptions | TrustPolicy): H
export function proxyFix<H extends Handler>(handler: H, options?: ProxyFixOptions | TrustPolicy): H
/**
 * Makes a middleware of these options: it wraps any number of handlers, and is a Connect middleware by itself.
 *
 * @example
 * app.use(proxyFix({ xFor: 1, xProto: 1 })) // Express, before everything that reads the request
 */
export function proxyFix(options?: ProxyFixOptions | TrustPolicy): Middleware & ConnectMiddleware
export function proxyFix(...args: readonly unknown[]): unknown {
  const [first, second] = args as [unknown, (ProxyFixOptions | TrustPolicy)?]
  if (args.length > 1 || !(args.length === 0 || areOptions(first))) return wrap(first as Handler, trustPolicy(second))
  const policy = trustPolicy(first as ProxyFixOptions | TrustPolicy | undefined)
  const connect = wrap((_req: unknown, _res: unknown, proceed: unknown) => {
    if (typeof proceed === 'function') return proceed() as unknown
    throw new ProxyFixError(
      'ERR_PROXYFIX_OPTION',
      'proxyFix(options) was called as a handler, without a next function: give it a handler to wrap, or give it to app.use().',
    )
  }, policy)
  // Three parameters: restify takes one with fewer for a handler that never calls `next`.
  return function proxyFixMiddleware(subject: Handler, res: unknown, next: unknown): unknown {
    return isNodeRequest(subject) ? connect(subject, res, next) : wrap(subject, policy)
  }
}

/** What `app.use()` takes. */
type ConnectMiddleware = (req: NodeRequest, res: NodeResponse, next: (error?: unknown) => void) => void

/** Options are a plain object: a server or an app that is no handler must not pass for some. */
function areOptions(value: unknown): boolean {
  if (value instanceof TrustPolicy) return true
  if (typeof value !== 'object' || value === null || 'fetch' in value || 'listen' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function wrap<H extends Handler>(handler: H, policy: TrustPolicy): H {
  if (isServer(handler)) return wrapServer(handler, (req, second) => admit(req, second, policy))

  function fixed(call: FunctionHandler, self: unknown, args: unknown[]): unknown {
    const request = args[0]
    if (isNodeRequest(request)) return callNode(call, self, args, request)
    if (isFetchRequest(request)) return callFetch(call, self, args, request)
    throw new ProxyFixError(
      'ERR_PROXYFIX_OPTION',
      'A handler wrapped by proxyFix was called without a request: its first argument must be a Node or a Fetch request.',
    )
  }

  function callNode(call: FunctionHandler, self: unknown, args: unknown[], req: NodeRequest): unknown {
    return admit(req, args[1], policy) ? Reflect.apply(call, self, args) : undefined
  }

  function callFetch(call: FunctionHandler, self: unknown, args: unknown[], received: Request): unknown {
    const { request, fix, platformArgs } = fixFetchRequest(received, policy, args.slice(1))
    const { refusal } = fix.decision
    if (refusal !== undefined) return refusalResponse(refusal)
    return Reflect.apply(call, self, [request, ...platformArgs])
  }

  return wrapHandler(handler as CallableHandler, fixed, 'proxyFix') as H // it is no server
}

/**
 * Fixes a Node request.
 * @param second The response; an upgrade or connect listener has the request's own socket there.
 * @returns Whether the app may see it; `false` when it was refused and answered.
 */
function admit(req: NodeRequest, second: unknown, policy: TrustPolicy): boolean {
  const ownsConnection = second !== undefined && unwrapSocket(second) === unwrapSocket(req.socket)
  const { refusal } = fixNodeRequest(req, policy, ownsConnection).decision
  if (refusal === undefined) return true
  if (ownsConnection) refuseOnSocket(second as RawSocket, refusal)
  else refuseWith(second as NodeResponse, refusal)
  return false
}
