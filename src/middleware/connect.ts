/** How does a Connect middleware stand in a stack? `connect(helmet())` is a middleware like the others. */

import { isNodeRequest, type NodeRequest } from '../request/node-request.ts'
import type { NodeResponse } from '../request/node-response.ts'
import { connectionOf } from '../request/node-socket.ts'
import { misuse } from '../request/rewritable-request.ts'
import { fail, show } from '../trust/error.ts'
import { answerOnResponse, textAnswer } from './answer.ts'
import { type FunctionHandler, type Handler, markMiddleware, type Middleware, wrapHandler } from './handler.ts'

/** A middleware of Connect and Express: `(req, res, next)`. */
export type ConnectMiddleware = (req: never, res: never, next: (error?: unknown) => void) => unknown

/**
 * Makes a middleware of one for Connect, for Node handlers. Its `next()` calls the handler. Its `next(error)` goes to the
 * `next` that the handler was called with; where there is none the request is answered with the error's `status`, 500
 * without one, and what is no fault of the client's is shown on standard error.
 *
 * `upgrade` and `connect` events, which have no response, go past it.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no such middleware.
 * @example
 * stack(app, proxyFix({ xFor: 1 }), connect(helmet()), connect(cors()))
 */
export function connect(middleware: ConnectMiddleware): Middleware {
  if (typeof middleware !== 'function') {
    fail(
      `connect needs a middleware (req, res, next), not ${show(middleware)}: call the function that makes it, as in connect(helmet()).`,
    )
  }
  if (middleware.length > 3) {
    fail(
      'connect cannot take a middleware for errors (error, req, res, next): errors go on to the next of whoever calls the handler.',
    )
  }
  const name = middleware.name || 'middleware'
  return markMiddleware(<H extends Handler>(handler: H): H =>
    wrapHandler(handler, (call, self, args) => through(middleware, name, call, self, args), `connect(${name})`),
  )
}

function through(
  middleware: ConnectMiddleware,
  name: string,
  call: FunctionHandler,
  self: unknown,
  args: unknown[],
): unknown {
  const [req, second, outer] = args
  if (!isNodeRequest(req)) {
    throw misuse(
      `connect(${name}) was called without a Node request: Connect middleware needs (req, res), which a Fetch handler has not.`,
    )
  }
  if (connectionOf(req, second) !== undefined) return Reflect.apply(call, self, args)
  let isCalled = false
  let result: unknown
  const next = (error?: unknown): unknown => {
    if (isCalled) return complain(name)
    isCalled = true
    if (error === undefined || error === null) return (result = Reflect.apply(call, self, args))
    return typeof outer === 'function'
      ? (outer as (error: unknown) => unknown)(error)
      : answerError(error, req, second as NodeResponse)
  }
  const own: unknown = Reflect.apply(middleware, self, [req, second, next])
  // A middleware that is async may fail before it calls next, and Connect of old would not hear of it.
  return own instanceof Promise ? own.then(() => result, next) : (result ?? own)
}

const isDevelopment =
  (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.['NODE_ENV'] !== 'production'

/** Twice called, the handler would run twice on one request; it is told where a developer sees it. */
function complain(name: string): void {
  if (isDevelopment) throw misuse(`${name} called next() twice: is a return missing behind the first one?`)
}

function answerError(error: unknown, req: NodeRequest, res: NodeResponse): void {
  const { status, statusCode } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  const given = [status, statusCode].find((code) => typeof code === 'number' && code >= 400 && code <= 599) as
    number | undefined
  const code = given ?? 500
  if (code >= 500) console.error(`${req.method} ${JSON.stringify(req.url)} failed:`, error)
  if (res.headersSent) {
    res.destroy() // cut short, so that the client does not take half an answer for a whole one
    return
  }
  for (const header of res.getHeaderNames()) res.removeHeader(header)
  answerOnResponse(
    res,
    textAnswer(code, code >= 500 ? 'Internal server error.\n' : 'Bad request.\n'),
    req.method === 'HEAD',
  )
}
