/** What else is to happen for this request: before its response goes out, when it is over, in a callback, in a stream? */

import { isNodeResponse, type NodeResponse, onHead } from '../request/node-response.ts'
import { unwrapSocket } from '../request/socket-view.ts'
import { fail, show } from '../trust/error.ts'
import { onConnectionEnd } from './connection-end.ts'
import { ContextError } from './context-error.ts'
import { copyContext } from './copy-context.ts'
import { requireRequestScope } from './current-request.ts'
import { type AfterRequest, type Exchange, isThenable, type Teardown } from './exchange.ts'
import { currentPlace } from './scope.ts'

/**
 * Has a function called when the response of this request is over: sent, aborted, or its stream cancelled. It runs
 * once, where it was given: in that scope, and in that `run` of a ContextVar. Those given last run first, and all run,
 * whatever the others throw. What they throw is reported as one `AggregateError` to `onTeardownError`. What is given after
 * the end runs at once.
 *
 * @throws ContextError outside of a request context.
 * @see Flask's `teardown_request`.
 * @example
 * const client = await pool.connect()
 * onTeardown(() => client.release())
 */
export function onTeardown(fn: Teardown): void {
  requireFunction('onTeardown', fn)
  const scope = requireRequestScope('onTeardown was called')
  const exchange = scope.needExchange()
  if (!exchange.awaitsEnd && scope.response !== undefined) {
    const { socket } = scope.request as { socket?: unknown }
    exchange.endedBy(onConnectionEnd(unwrapSocket(socket), () => scope.end()))
  }
  exchange.addTeardown(fn, currentPlace()!)
}

/**
 * Has a function called with the response of this request before its headers go out: Node's, to set headers and the
 * status; or that of a Fetch handler, to change, or to return another.
 *
 * @throws ContextError outside of a request context, and when the response has gone out.
 * @see Flask's `after_this_request`.
 * @example
 * afterThisRequest((response) => response.headers.append('set-cookie', cookie)) // Fetch
 * afterThisRequest((res) => res.setHeader('set-cookie', cookie)) // Node
 */
export function afterThisRequest<R = Response>(fn: AfterRequest<R>): void {
  requireFunction('afterThisRequest', fn)
  const scope = requireRequestScope('afterThisRequest was called')
  const { response } = scope
  if (response !== undefined && !isNodeResponse(response))
    throw new ContextError('afterThisRequest was called for an upgrade, which has no response: write to its socket.')
  if (response?.headersSent === true)
    throw new ContextError(
      'afterThisRequest was called when the headers had been sent: call it before the first byte is written.',
    )
  const exchange = scope.needExchange()
  const isFirst = exchange.addAfter(fn as AfterRequest<unknown>, currentPlace()!)
  if (!isFirst || response === undefined) return
  onHead(response, (status) => {
    response.statusCode = status
    callAll(exchange, response)
    return response.statusCode
  })
}

function callAll(exchange: Exchange, response: NodeResponse): void {
  for (const call of exchange.takeAfter()) {
    if (isThenable(call(response)))
      throw new ContextError(
        'A function of afterThisRequest gave a promise, and Node sends the head at once: do what takes time before the response is written.',
      )
  }
}

/**
 * A function that runs in a copy of this request's context whenever it is called, even after the response: in a queue,
 * a pool, an emitter. It has the same request; what it writes to `g` and to variables it keeps to itself.
 *
 * @throws ContextError outside of a request context.
 * @see Flask's `copy_current_request_context`.
 */
export function copyCurrentRequestContext<This, A extends unknown[], R>(
  fn: (this: This, ...args: A) => R,
): (this: This, ...args: A) => R {
  requireFunction('copyCurrentRequestContext', fn)
  requireRequestScope('copyCurrentRequestContext was called')
  return copyContext().wrap(fn)
}

function requireFunction(name: string, fn: unknown): void {
  if (typeof fn !== 'function') fail(`${name} takes a function, not ${show(fn)}.`)
}
