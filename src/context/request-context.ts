/**
 * How does each request get a scope of its own? This is the one place of the context that knows what a request is: a Node
 * request, whose listeners have to be brought into the scope and whose response tells when it is over; a Fetch request,
 * whose response comes out of the handler.
 *
 * A request never begins with the values of another scope, whichever is current: when requests are pipelined, Node
 * parses one while it still runs the end of the one before.
 */

import {
  asMiddleware,
  type ConnectHandler,
  type FetchHandler,
  type FunctionHandler,
  type Handler,
  type Middleware,
  wrapHandler,
} from '../middleware/handler.ts'
import { isFetchRequest } from '../request/fetch.ts'
import { isNodeRequest, type NodeRequest } from '../request/node-request.ts'
import { letGo } from '../request/streams.ts'
import { fail, show } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import { type Exchange, isThenable } from './exchange.ts'
import { currentRequestScope, type ReportTeardownError, RequestScope } from './request-scope.ts'
import { runIn } from './scope.ts'
import { callBackIn, emitIn, emitterScope } from './scoped-emitter.ts'
import { trackedBody } from './tracked-body.ts'

/** How requests get their scopes. */
export interface RequestContextOptions {
  /** Is told what the teardown functions of a request threw, in one error. @default console.error */
  readonly onTeardownError?: ReportTeardownError | undefined
}

/**
 * Wraps a handler so that each request runs in a scope of its own, where `request`, `g` and `connection` are bound. All
 * that the request gets to is in it: awaits, timers, and the listeners of its Node request and response.
 *
 * Inside `proxyFix`, so that it sees fixed requests: `proxyFix(requestContext(app), { xFor: 1 })`.
 *
 * @param handler Node `(req, res)` or Connect `(req, res, next)`, an `upgrade` listener, a Fetch handler or an object with
 * such a `fetch` method, or a whole server.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when an option or the handler cannot be.
 * @see Flask's request context.
 * @example
 * http.createServer(requestContext((req, res) => res.end(greeting())))
 * const greeting = () => `Hello, ${request.headers['x-name']}`
 */
export function requestContext<H extends FetchHandler>(handler: H, options?: RequestContextOptions): H
export function requestContext<H extends { fetch: FetchHandler }>(handler: H, options?: RequestContextOptions): H
export function requestContext<H extends Handler>(handler: H, options?: RequestContextOptions): H
/**
 * Makes a middleware of these options: it wraps any number of handlers, and is a Connect middleware by itself.
 *
 * @example
 * app.use(requestContext()) // Express
 */
export function requestContext(options?: RequestContextOptions): Middleware & ConnectHandler
export function requestContext(...args: readonly unknown[]): unknown {
  const [first, second] = args
  if (args.length > 1 || !(args.length === 0 || areOptions(first)))
    return wrapHandler(first as Handler, enter(checked(second)), 'requestContext')
  const inScope = enter(checked(first))
  return asMiddleware((handler) => wrapHandler(handler, inScope, 'requestContext'), 'requestContext(options)')
}

/** The same, and calls a function in the scope of each request before its handler. */
export function wrapInScope<H extends Handler>(handler: H, first: () => void): H {
  const inScope = enter(reportToConsole)
  const around: Enter = (call, self, args) => {
    const prepared = (): unknown => {
      first()
      return apply(call, self, args)
    }
    return inScope(prepared, self, args)
  }
  return wrapHandler(handler, around, 'LocalManager')
}

type Enter = (call: FunctionHandler, self: unknown, args: unknown[]) => unknown

/**
 * Calls a function in the scope of a request, as a test does.
 *
 * @param request A Node or a Fetch request; for what asks for its `connection` a fixed one,
 * `fixRequest(request, trustPolicy(options))`.
 * @returns What the function returns. Its teardown functions have run by then: if some of them are asynchronous, let
 * the function be so too, as only a promise can wait for them.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no request or no function.
 * @throws AggregateError of what the teardown functions threw.
 * @see Flask's `test_request_context`.
 * @example
 * await testRequestContext(new Request('http://localhost/?name=Ada'), async () => {
 *   expect(greeting()).toBe('Hello, Ada')
 * })
 */
export function testRequestContext<R>(request: object, fn: () => R): R {
  if (!isNodeRequest(request) && !isFetchRequest(request))
    fail(
      `testRequestContext needs a Node or a Fetch request, not ${show(request)}: write new Request('http://localhost/').`,
    )
  if (typeof fn !== 'function')
    fail(`testRequestContext needs a function, not ${show(fn)}: write testRequestContext(request, () => …).`)
  const scope = new RequestScope(request, undefined, reportToConsole)
  const end = (): void | Promise<void> => scope.needExchange().endHere()
  let result: R
  try {
    result = runIn(scope, fn)
  } catch (error) {
    scope.end() // its errors are reported, as this one is what the caller is told
    throw error
  }
  if (!isThenable(result)) {
    const rest = end()
    if (rest !== undefined) void rest.catch(reportToConsole)
    return result
  }
  return result.then(
    async (value: unknown) => {
      await end()
      return value
    },
    (error: unknown) => {
      scope.end()
      throw error
    },
  ) as R // a promise of the same value
}

/** Options are a plain object: a server or an app that is no handler must not pass for some. */
function areOptions(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || 'fetch' in value || 'listen' in value) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function checked(options: unknown): ReportTeardownError {
  if (options === undefined) return reportToConsole
  if (!areOptions(options)) fail(`requestContext takes an object of options, not ${show(options)}.`)
  const { onTeardownError = reportToConsole, ...others } = options as RequestContextOptions
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) fail(`requestContext has no option '${unknown}': it takes onTeardownError.`)
  if (typeof onTeardownError !== 'function')
    fail(`The option onTeardownError must be a function, not ${show(onTeardownError)}.`)
  return onTeardownError
}

function reportToConsole(error: unknown): void {
  console.error(error)
}

function enter(report: ReportTeardownError): Enter {
  return function inRequestScope(call, self, args) {
    const request = args[0]
    // Wrapped twice, or in a server that is wrapped: one request has one scope.
    if (currentRequestScope()?.isOf(request) === true) return Reflect.apply(call, self, args)
    if (isNodeRequest(request)) {
      const response = args[1] as object | undefined
      const carried = carriedScope(request, response)
      if (carried !== undefined) return runIn(carried, apply, call, self, args)
      const scope = new RequestScope(request, response, report)
      emitIn(scope, request)
      emitIn(scope, response)
      callBackIn(scope, response)
      if (!isGone(request, response)) return runIn(scope, apply, call, self, args)
      try {
        return runIn(scope, apply, call, self, args)
      } finally {
        queueMicrotask(() => scope.end()) // no event will
      }
    }
    if (isFetchRequest(request)) {
      const scope = new RequestScope(request, undefined, report)
      try {
        return settle(scope, runIn(scope, apply, call, self, args))
      } catch (error) {
        scope.end()
        throw error
      }
    }
    return fail(
      'A handler wrapped by requestContext was called without a request: its first argument must be a Node or a Fetch request.',
    )
  }
}

const apply: Enter = Reflect.apply

/** The scope that a Node request has already, where a callback from elsewhere has lost it. */
function carriedScope(request: object, response: object | undefined): RequestScope | undefined {
  const scope = emitterScope(request)
  if (!(scope instanceof RequestScope) || scope.request !== request || scope.response !== response) return undefined
  return scope.origin
}

/** Whether the client left before the context was entered: what waited in front of it saw the response close. */
function isGone(request: NodeRequest, response: Leaving | undefined): boolean {
  if (response === undefined) return false
  // A response that waits for its turn has no socket yet. That of the request is a view, which takes longer to read.
  const connection = response.stream ?? response.socket ?? (request.socket as Leaving | null)
  return response.destroyed === true || connection?.destroyed === true
}

/** What is asked of a response or a socket. */
interface Leaving {
  readonly destroyed?: boolean
  /** Of HTTP/2, where a connection outlives it. */
  readonly stream?: Leaving | null
  readonly socket?: Leaving | null
}

/** Whatever a Fetch handler gave: its response is now known, or there will be none. */
function settle(scope: RequestScope, result: unknown): unknown {
  if (!isThenable(result)) return conclude(scope, result)
  return result
    .then((response) => conclude(scope, response))
    .then(undefined, (error: unknown) => {
      scope.end()
      throw error
    })
}

function conclude(scope: RequestScope, response: unknown): unknown {
  const { exchange } = scope
  if (exchange === undefined || !isResponse(response)) {
    scope.end()
    return response
  }
  const final = applyAll(exchange.takeAfter(), response, scope)
  return isThenable(final) ? final.then((other) => endWith(other, scope, exchange)) : endWith(final, scope, exchange)
}

function isResponse(value: unknown): value is Response {
  return typeof value === 'object' && value !== null && 'status' in value && 'headers' in value && 'body' in value
}

/** What the functions make of a response, the one after the other. */
function applyAll(
  calls: readonly ((response: unknown) => unknown)[],
  first: Response,
  scope: RequestScope,
): Response | PromiseLike<Response> {
  const [call, ...others] = calls
  if (call === undefined) return first
  const before = withOwnHeaders(first)
  const release = (): void => letGo(before.body, before.headers.get('content-type'))
  const fault = (error: unknown): never => {
    release()
    throw error
  }
  const proceed = (result: unknown): Response | PromiseLike<Response> => {
    const after = given(result) ?? before
    // The other may be made of this one's body, and read that late.
    if (after.body !== before.body) scope.needExchange().addTeardown(release, scope)
    return applyAll(others, after, scope)
  }
  try {
    const result = call(before)
    return isThenable(result) ? result.then(proceed).then(undefined, fault) : proceed(result)
  } catch (error) {
    return fault(error)
  }
}

function given(result: unknown): Response | undefined {
  if (result === undefined || isResponse(result)) return result
  throw new ContextError(
    `A function of afterThisRequest returned ${show(result)}: return a Response, or nothing to keep the one it was given.`,
  )
}

/**
 * A response whose headers can be changed: those of a fetched one or of a redirect are locked, and one without a body may be
 * what the app hands out for every request.
 */
function withOwnHeaders(response: Response): Response {
  if (response.status < 200) return response // a network error has none, an upgrade is the platform's own
  if (response.body === null) return new Response(null, response)
  try {
    response.headers.delete('proxyfix-locked') // throws where they are, though nobody sends it
    return response
  } catch {
    return new Response(response.body, response)
  }
}

/** Ends the scope when this response is over: its body read, given up or never wanted, or its client gone. */
function endWith(response: Response, scope: RequestScope, exchange: Exchange): Response {
  if (!exchange.awaitsEnd) {
    scope.end()
    return response
  }
  const end = (): void => scope.end()
  if (response.body === null) {
    queueMicrotask(end)
    return response
  }
  const { signal } = scope.request as Partial<Request>
  signal?.addEventListener('abort', end, { once: true })
  if (signal?.aborted === true) queueMicrotask(end)
  return new Response(
    trackedBody(response.body, () => {
      signal?.removeEventListener('abort', end)
      end()
    }),
    response,
  )
}
