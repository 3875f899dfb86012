/** How does a Connect middleware stand in a stack? `connect(helmet())` is a middleware like the others. */

import { isNodeRequest } from '../request/node-request.ts'
import { connectionOf } from '../request/node-socket.ts'
import { misuse } from '../request/rewritable-headers.ts'
import { fail, show } from '../trust/error.ts'
import { answerFailure } from './failure.ts'
import {
  type Around,
  type FunctionHandler,
  type Handler,
  isFetchObject,
  markMiddleware,
  type Middleware,
  wrapHandler,
} from './handler.ts'

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
export function connect(middleware: ConnectMiddleware, ...others: readonly never[]): Middleware {
  if (others.length > 0)
    fail('connect takes one middleware: list each by itself, as in stack(app, connect(helmet()), connect(cors())).')
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
  const around: Around = (call, self, args) => through(middleware, name, call, self, args)
  return markMiddleware(<H extends Handler>(handler: H): H => {
    if (isFetchObject(handler))
      fail(`connect(${name}) cannot stand in front of an app with a fetch method: ${IN_FETCH}`)
    return wrapHandler(handler, around, `connect(${name})`)
  })
}

const IN_FETCH =
  'Connect middleware needs (req, res), so take what the framework has for it (Hono: secureHeaders()), or set headers by HeaderRewriter.from({ response: … }).'

function through(
  middleware: ConnectMiddleware,
  name: string,
  call: FunctionHandler,
  self: unknown,
  args: unknown[],
): unknown {
  const [req, second, outer] = args
  if (!isNodeRequest(req)) {
    throw misuse(`connect(${name}) was called without a Node request: ${IN_FETCH}`)
  }
  if (connectionOf(req, second) !== undefined) return Reflect.apply(call, self, args)
  let isCalled = false
  let result: unknown
  const next = (error?: unknown): unknown => {
    if (isCalled) return complain(name)
    isCalled = true
    // Express' names for going on elsewhere, and what is no error to it.
    if (!error || error === 'route' || error === 'router') return (result = Reflect.apply(call, self, args))
    return typeof outer === 'function'
      ? (outer as (error: unknown) => unknown)(error)
      : answerFailure(error, req, second)
  }
  // What it throws before it calls `next` is its own error; after that, the handler's comes up through it.
  const onThrown = (error: unknown): unknown => {
    if (isCalled) throw error
    return next(error)
  }
  let own: unknown
  try {
    own = Reflect.apply(middleware, self, [req, second, next])
  } catch (error) {
    return onThrown(error)
  }
  return own instanceof Promise ? own.then(() => result, onThrown) : (result ?? own)
}

const isDevelopment =
  (globalThis as { process?: { env?: Record<string, string | undefined> } }).process?.env?.['NODE_ENV'] !== 'production'

/** Twice called, the handler would run twice on one request; it is told where a developer sees it. */
function complain(name: string): void {
  if (isDevelopment) throw misuse(`${name} called next() twice: is a return missing behind the first one?`)
}
