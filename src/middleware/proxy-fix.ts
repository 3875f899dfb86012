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
import { NO_FETCH_METHODS } from '../request/fetch-request.ts'
import { fixNodeRequest } from '../request/node.ts'
import { isNodeRequest, type NodeRequest } from '../request/node-request.ts'
import type { NodeResponse } from '../request/node-response.ts'
import { connectionOf } from '../request/node-socket.ts'
import { answerAsResponse, answerOnResponse, answerOnSocket, type RawSocket, refused, textAnswer } from './answer.ts'
import {
  type FetchHandler,
  type FunctionHandler,
  type Handler,
  markMiddleware,
  type Middleware,
  wrapHandler,
} from './handler.ts'

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
  return markMiddleware(function proxyFixMiddleware(subject: Handler, res: unknown, next: unknown): unknown {
    return isNodeRequest(subject) ? connect(subject, res, next) : wrap(subject, policy)
  })
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
    // No Request can be made with such a method, only platforms do, and a fixed one is made anew.
    if (NO_FETCH_METHODS.has(received.method)) return answerAsResponse(textAnswer(501, 'Not implemented.\n'))
    const { request, fix, platformArgs } = fixFetchRequest(received, policy, args.slice(1))
    const { refusal } = fix.decision
    if (refusal !== undefined) return answerAsResponse(refused(refusal))
    return Reflect.apply(call, self, [request, ...platformArgs])
  }

  return wrapHandler(handler, fixed, 'proxyFix')
}

/**
 * Fixes a Node request.
 * @param second The response; an upgrade or connect listener has the request's own socket there.
 * @returns Whether the app may see it; `false` when it was refused and answered.
 */
function admit(req: NodeRequest, second: unknown, policy: TrustPolicy): boolean {
  const connection = connectionOf(req, second)
  const { refusal } = fixNodeRequest(req, policy, connection).decision
  if (refusal === undefined) return true
  if (connection !== undefined) answerOnSocket(second as RawSocket, refused(refusal))
  else answerOnResponse(second as NodeResponse, refused(refusal), req.method === 'HEAD')
  return false
}
