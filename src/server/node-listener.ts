/**
 * How is an app called by `node:http`? Node listeners as they are, Fetch handlers over a bridge; what either
 * throws or rejects is answered and shown, and does not take the process down.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { type CallableHandler, isFetchObject } from '../middleware/handler.ts'
import { isFetchResponse } from '../request/fetch-response.ts'
import { ProxyFixError } from '../trust/error.ts'
import type { BridgeOptions, FetchHandler } from './bridge.ts'
import { answerInstead, cutShort, forgetHead, isGone } from './last-answer.ts'
import { node } from './node.ts'

/** A listener of `request` events. */
export type NodeListener = (req: IncomingMessage, res: ServerResponse) => unknown

/**
 * The listener for an app. A function with fewer than two parameters is a Fetch handler, one with two or
 * more a Node listener; an object with a `fetch` method says it without counting.
 */
export function nodeListener(app: CallableHandler, options: BridgeOptions = {}): NodeListener {
  if (isFetchObject(app))
    return fetchListener((request, platform) => Reflect.apply(app.fetch, app, [request, platform]), options)
  return app.length < 2 ? fetchListener(app as unknown as FetchHandler, options) : (app as unknown as NodeListener)
}

/** The listener for a Fetch handler. The bridge is loaded when there is one: Node listeners do without, and start sooner. */
function fetchListener(handler: FetchHandler, options: BridgeOptions): NodeListener {
  let listener: NodeListener | undefined
  const loading = import('./bridge.ts').then(({ bridge }) => (listener = bridge(handler, options)))
  return (incoming, outgoing) =>
    listener === undefined ? loading.then((loaded) => loaded(incoming, outgoing)) : listener(incoming, outgoing)
}

/** Answers a request that failed, before anything was sent; `true` when it has. `target` is that of the request as it came. */
export type ErrorAnswer = (error: unknown, req: IncomingMessage, res: ServerResponse, target: string) => boolean

/**
 * The listener, with whatever it throws or rejects answered 500 and shown on standard error.
 * @param answer Is asked first; absent, or when it does not answer, nothing is told to the client.
 */
export function guarded(listener: NodeListener, answer?: ErrorAnswer): NodeListener {
  return (req, res) => {
    const call = new GuardedCall(req, res, answer)
    if ((res as Guarded)[CALL] === undefined) {
      ;(res as Guarded)[CALL] = call // the outermost, where one server calls another
      res.on('error', onResponseError) // as a handler makes one that writes after the end; without, it would end the process
    }
    if (req.httpVersionMajor === 2) guardStream(req as unknown as Http2ServerRequest)
    try {
      const result = listener(req, res)
      if (isPromise(result)) result.then(refuseResponse).then(undefined, (error: unknown) => call.fail(error))
      else refuseResponse(result)
    } catch (error) {
      call.fail(error)
    }
  }
}

const CALL = Symbol('call')
type Guarded = ServerResponse & { [CALL]?: GuardedCall }

/** What is needed to answer a request whose handler has failed. */
class GuardedCall {
  /** As it came: whoever fixes or mounts the request shows another. */
  readonly #target: string
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #answer: ErrorAnswer | undefined

  constructor(req: IncomingMessage, res: ServerResponse, answer: ErrorAnswer | undefined) {
    const { url = '' } = req
    this.#target = url
    this.#req = req
    this.#res = res
    this.#answer = answer
  }

  fail(error: unknown): void {
    const req = this.#req
    const res = this.#res
    answerError(error, req, res, () => this.#answer?.(error, req, res, this.#target) === true)
  }
}

/**
 * One for all responses, as every listener should be that is added to each request. V8 makes the lists of listeners old at
 * once where those it has seen so far were of connections, which stay, and with them what is stored in them: closures of one
 * request each, too. All that these hold is then kept for a full collection, and quick ones take 15 ms in place of 0.4.
 */
function onResponseError(this: Guarded | undefined, error: unknown): void {
  const call = this?.[CALL]
  // Whoever wraps listeners may lose what they are called on.
  if (call === undefined) console.error('The answer to a request failed:', error)
  else call.fail(error)
}

/** A Fetch handler with two parameters looks like a Node listener, and its answer would be waited for in vain. */
function refuseResponse(result: unknown): void {
  if (!isFetchResponse(result)) return // Node handlers may well give back their `res`
  throw new ProxyFixError(
    'ERR_PROXYFIX_APP',
    'A handler with two parameters is called as (req, res), and this one gave back a Response: serve { fetch: handler } instead.',
  )
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as Partial<PromiseLike<unknown>>).then === 'function'
  )
}

function answerError(error: unknown, req: IncomingMessage, res: ServerResponse, answer: () => boolean): void {
  if (isClientGone(error, res)) return
  const what = `${req.method} ${JSON.stringify(req.url)} failed:`
  if (isMisuse(error)) console.error(`${what} ${error.message}`)
  else console.error(what, error)
  if (res.writableEnded) return // the answer is whole
  if (res.headersSent) {
    cutShort(res) // so that the client does not take half an answer for a whole one
    return
  }
  forgetHead(res)
  if (answer()) return
  answerInstead(res, 500, 'Internal server error.\n')
}

/**
 * Answers for handlers that break requests of HTTP/2, which a framework of HTTP/1 does that makes them its own
 * (`Object.setPrototypeOf(req, …)`): what is left of them fails by itself, later, and would end the process.
 */
function guardStream(req: Http2ServerRequest): void {
  const { stream, method, url } = req // as long as they can be read
  req.on('error', (error) => {
    console.error(`${method} ${JSON.stringify(url)} failed over HTTP/2, which its handler may not take:`, error)
    if (stream.headersSent || stream.destroyed) stream.close(node.http2.constants.NGHTTP2_INTERNAL_ERROR)
    else stream.respond({ ':status': 500 }, { endStream: true })
  })
}

/** Whether it says what is wrong with the app, as this package saw it: no line of its stack is the app's. */
function isMisuse(error: unknown): error is ProxyFixError {
  return error instanceof ProxyFixError && error.code === 'ERR_PROXYFIX_APP' && error.cause === undefined
}

/** Whether the handler only heard, while it read or wrote, that the client has hung up: no fault of the app. */
function isClientGone(error: unknown, res: ServerResponse): boolean {
  if (!isGone(res) || !(error instanceof Error)) return false
  const { name, code } = error as NodeJS.ErrnoException
  return name === 'AbortError' || code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}
