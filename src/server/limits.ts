/**
 * How much may one client ask of the server? Every limit has a default that no honest client meets. What goes beyond
 * is answered with the status that says so, and the connection ends.
 */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { unwrapSocket } from '../request/socket-view.ts'
import { fail, show } from '../trust/error.ts'
import { answerForApp, cutShort, endAfterAnswer, isAnswered, isHttp2, type Refusal } from './last-answer.ts'
import { node } from './node.ts'
import type { NodeListener } from './node-listener.ts'

const Http1Request = node.http.IncomingMessage

export interface Limits {
  /** Bytes of the request line and all headers together; beyond: 431. @default 16384 */
  readonly maxHeaderSize: number
  /** How many header lines; beyond: 431, where Node would drop the rest unseen. @default 100 */
  readonly maxHeaders: number
  /** Characters of the request's target; beyond: 414. @default 8192 */
  readonly maxTarget: number
  /** Bytes of a request's body; beyond: 413. @default Infinity */
  readonly maxBody: number
  /** Milliseconds in which the head of a request must have come; beyond: 408. @default 20000 */
  readonly headersTimeout: number
  /** Milliseconds in which a whole request must have come, its body too; beyond: 408. `Infinity`: no limit. @default 300000 */
  readonly requestTimeout: number
  /** Milliseconds in which the app must begin its answer; beyond: 503. @default Infinity */
  readonly responseTimeout: number
  /** Milliseconds that a connection is kept on which nothing is asked; longer than the proxy in front keeps it. @default 75000 */
  readonly keepAliveTimeout: number
}

export const DEFAULT_LIMITS: Limits = {
  maxHeaderSize: 16_384,
  maxHeaders: 100,
  maxTarget: 8192,
  maxBody: Infinity,
  headersTimeout: 20_000,
  requestTimeout: 300_000,
  responseTimeout: Infinity,
  keepAliveTimeout: 75_000,
}

/** Limits that may be left open. */
const MAY_BE_INFINITE: ReadonlySet<keyof Limits> = new Set(['maxBody', 'requestTimeout', 'responseTimeout'])

/** Checks the limits that are given, and adds the others. */
export function limitsFrom(given: { readonly [name in keyof Limits]?: number | undefined }): Limits {
  const limits = { ...DEFAULT_LIMITS }
  for (const name of Object.keys(limits) as (keyof Limits)[]) {
    const value = given[name]
    if (value === undefined) continue
    const isInfinite = value === Infinity && MAY_BE_INFINITE.has(name)
    if (!isInfinite && !(Number.isSafeInteger(value) && value > 0 && value < 2 ** 31)) {
      const unit = name.endsWith('Timeout') ? ' of milliseconds' : ''
      fail(
        `The option ${name} must be a whole number${unit}, 1 or more${MAY_BE_INFINITE.has(name) ? ', or Infinity' : ''}, not ${show(value)}.`,
      )
    }
    limits[name] = value
  }
  if (limits.requestTimeout < limits.headersTimeout) {
    fail('The option requestTimeout cannot be shorter than headersTimeout: the head is a part of the request.')
  }
  return limits
}

/**
 * What Node lets through although it cannot be meant, or lets another server read otherwise than this one: the ways in
 * which requests are smuggled (RFC 9112 §11.2). Node refuses the others itself.
 */
export function refusalOf(req: IncomingMessage, limits: Limits): Refusal | undefined {
  const { rawHeaders, httpVersionMajor, httpVersion, headers, url = '' } = req
  const isHttp1 = req instanceof Http1Request // whatever its first line says
  let lines = 0
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
    if (isHttp1 || !name.startsWith(':')) lines++
  }
  if (lines > limits.maxHeaders) return { status: 431, reason: `it has more than ${limits.maxHeaders} header lines` }
  if (url.length > limits.maxTarget) {
    return { status: 414, reason: `its target is longer than ${limits.maxTarget} characters` }
  }
  if (isHttp1 && httpVersionMajor !== 1) return { status: 505, reason: `it is of HTTP/${httpVersion}` }
  if (hosts > 1) return { status: 400, reason: 'it has two Host headers' } // RFC 9112 §3.2
  if (hosts === 0 && httpVersion === '1.1') return { status: 400, reason: 'it has no Host header' } // the same
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) {
    return { status: 400, reason: 'it has Transfer-Encoding in HTTP/1.0' } // RFC 9112 §6.1
  }
  if (!isHttp1 && hosts > 0 && isOtherHost(headers)) {
    return { status: 400, reason: 'its Host header is another than its :authority' } // RFC 9113 §8.3.1
  }
  if (Number(headers['content-length'] ?? 0) > limits.maxBody) {
    return { status: 413, reason: `its body is longer than ${limits.maxBody} bytes` }
  }
  return undefined
}

function isOtherHost({ host, ':authority': authority }: IncomingHttpHeaders): boolean {
  return typeof authority === 'string' && authority.toLowerCase() !== host?.toLowerCase()
}

/** The listener, with bodies and answers held to their limits. `onExceeded` is told what was answered instead of the app, if anything. */
export function limited(
  listener: NodeListener,
  { maxBody, requestTimeout, responseTimeout }: Limits,
  http2: boolean,
  onExceeded: (req: IncomingMessage, refusal: Refusal) => void,
): NodeListener {
  /** Ends a request whose body is more or later than it may be. */
  function refuseBody(req: IncomingMessage, res: ServerResponse, { status, reason }: Refusal, text: string): void {
    if (isAnswered(res)) {
      onExceeded(req, { status, reason, isAnswered: true })
      endAfterAnswer(res)
    } else if (res.headersSent) {
      onExceeded(req, { status: 0, reason })
      cutShort(res)
    } else {
      onExceeded(req, { status, reason })
      answerForApp(res, status, text)
    }
  }

  const timesBodies = http2 && requestTimeout !== Infinity // Node does so for HTTP/1 alone
  if (maxBody === Infinity && responseTimeout === Infinity && !timesBodies) return listener
  return (req, res) => {
    if (timesBodies && isHttp2(req) && !req.stream.endAfterHeaders) {
      const { stream } = req
      const timer = setTimeout(() => {
        if (stream.state.remoteClose === 1) return // it is here, and the app has not read it
        const refusal = { status: 408, reason: 'it did not come in time' }
        refuseBody(req, res, refusal, 'The request did not come in time.\n')
      }, requestTimeout)
      const clear = (): void => clearTimeout(timer)
      req.once('end', clear).once('close', clear)
    }
    if (responseTimeout !== Infinity) {
      const timer = setTimeout(() => {
        if (res.headersSent || res.destroyed) return
        onExceeded(req, { status: 503, reason: `the app has not begun to answer within ${responseTimeout} ms` })
        answerForApp(res, 503, 'The app did not answer in time.\n')
      }, responseTimeout)
      res.once('close', () => clearTimeout(timer))
    }
    if (maxBody !== Infinity && req.headers['content-length'] === undefined) {
      countBody(req, maxBody, () => {
        forget(req, res)
        const refusal = { status: 413, reason: `its body is longer than ${maxBody} bytes` }
        refuseBody(req, res, refusal, 'The body is too long.\n')
      })
    }
    return listener(req, res)
  }
}

/** A body of unknown length is counted as it comes; nobody is handed what is beyond the limit. */
function countBody(req: IncomingMessage, maxBody: number, onExceeded: () => void): void {
  const push = req.push.bind(req)
  let length = 0
  let isOver = false
  req.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (isOver) return true
    length += chunk?.length ?? 0
    if (length <= maxBody) return push(chunk, encoding)
    isOver = true
    onExceeded()
    return true
  }
}

/** Whoever still reads the body hears of its end with the connection, as Node has it: a whole one would only have come. */
function forget(req: IncomingMessage, res: ServerResponse): void {
  const end = (): void => void req.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  if (isHttp2(res)) res.stream.once('close', end)
  else unwrapSocket(req.socket).once('close', end)
}
