/** How is a request answered that does not reach the app? On a Node response, on the bare socket of an upgrade, as a Response. */

import { isFetchResponse } from '../request/fetch-response.ts'
import type { NodeResponse } from '../request/node-response.ts'
import { letGo } from '../request/streams.ts'
import { headerName, headerValue, misuse } from '../request/rewritable-headers.ts'
import type { Refusal } from '../trust/connection.ts'
import { show } from '../trust/error.ts'

/** An answer, as a rewriter may give it. */
export type Answer = Response | PlainAnswer

/** An answer as plain data, the same for Node and Fetch. */
export interface PlainAnswer {
  /** 200 to 599. */
  readonly status: number
  /** A list of values is a line for each (`Set-Cookie`). */
  readonly headers?:
    Readonly<Record<string, string | readonly string[]>> | Iterable<readonly [string, string]> | undefined
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array> | null | undefined
}

/** An answer whose parts have been looked at. */
export interface CheckedAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | null
  /** The Response that it was given as. */
  readonly response?: Response
}

/** What is used of the socket that an `upgrade` or `connect` listener is given. */
export interface RawSocket {
  on(event: 'error', listener: () => void): unknown
  once(event: 'finish', listener: () => void): unknown
  removeListener(event: 'error', listener: () => void): unknown
  write(chunk: string | Uint8Array): unknown
  end(chunk?: string | Uint8Array): unknown
  destroy(): unknown
}

/**
 * Looks at what a rewriter gave back for an answer.
 * @param owner Whose answer it is, for messages.
 * @throws ProxyFixError `ERR_PROXYFIX_REWRITE` for what is none, `ERR_PROXYFIX_VALUE` for a header that cannot be.
 */
export function checkAnswer(value: unknown, owner: string): CheckedAnswer {
  if (isFetchResponse(value) && value.status >= 200) {
    if (value.bodyUsed || value.body?.locked === true) {
      throw misuse(`${owner} gave back a Response whose body has been read: make a new one for each request.`)
    }
    return {
      status: value.status,
      headers: [...value.headers],
      body: value.body as CheckedAnswer['body'],
      response: value,
    }
  }
  const { status, headers, body = null }: Partial<PlainAnswer> = isObject(value) ? value : {}
  if (typeof status !== 'number' || !Number.isInteger(status) || status < 200 || status > 599 || !isBody(body)) {
    const what =
      isObject(value) && 'status' in value
        ? 'an answer without a status from 200 to 599, or with a body of another kind'
        : show(value)
    throw misuse(
      `${owner} gave back ${what}: give back nothing, a Response, or { status: 403, headers, body } with a text for a body.`,
    )
  }
  return {
    status,
    headers: [...linesOf(headers)],
    body: status === 204 || status === 304 || status === 205 ? null : body,
  }
}

/** What a request is answered with that must not reach the app: 400, as plain text, in one sentence. */
export function refused({ status, reason }: Pick<Refusal, 'status' | 'reason'>): CheckedAnswer {
  // Nothing of the request is repeated in it, so it is ASCII and safe wherever it is shown.
  return textAnswer(status, `Bad request: ${reason}.\n`)
}

/** One sentence as plain text. */
export function textAnswer(status: number, body: string): CheckedAnswer {
  return { status, headers: PLAIN_TEXT, body }
}

const PLAIN_TEXT = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['x-content-type-options', 'nosniff'],
] as const

export function answerOnResponse(
  res: NodeResponse,
  { status, headers, body }: CheckedAnswer,
  isHead: boolean,
): unknown {
  const record: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of headers) {
    const before = record[name]
    record[name] = before === undefined ? value : [...(typeof before === 'string' ? [before] : before), value]
  }
  const length = lengthOf(body, status)
  if (length !== undefined) record['content-length'] = String(length)
  res.writeHead(status, record)
  if (!(body instanceof ReadableStream)) return void res.end(body ?? undefined)
  if (!isHead) return pump(body, res)
  letGo(body, String(record['content-type'] ?? ''))
  return void res.end()
}

/** As many bytes as are known to come; `undefined` for a stream, and where there can be none. */
function lengthOf(body: CheckedAnswer['body'], status: number): number | undefined {
  if (body === null) return status === 204 || status === 304 ? undefined : 0
  if (typeof body === 'string') return new TextEncoder().encode(body).byteLength
  return body instanceof Uint8Array ? body.byteLength : undefined
}

/** The answer that a Fetch handler gives. */
export function answerAsResponse({ status, headers, body, response }: CheckedAnswer): Response {
  // The type of a body has no name where there is no DOM.
  const content = body as ConstructorParameters<typeof Response>[0]
  return response ?? new Response(content, { status, headers: headers as [string, string][] })
}

/** Writes an answer to the socket of an upgrade, and ends the connection. */
export function answerOnSocket(socket: RawSocket, { status, headers, body }: CheckedAnswer): unknown {
  const head = [`HTTP/1.1 ${status} ${REASONS[status] ?? 'Answered'}`, 'connection: close']
  for (const [name, value] of headers) if (!ENDED_WITH_CONNECTION.has(name)) head.push(`${name}: ${value}`)
  if (!(body instanceof ReadableStream)) head.push(`content-length: ${lengthOf(body, 200) ?? 0}`)
  // Node has taken its own listeners off this socket: a client that resets it must not end the process, nor one
  // that never closes its side hold it open.
  socket.on('error', () => undefined)
  socket.once('finish', () => socket.destroy())
  const text = `${head.join('\r\n')}\r\n\r\n`
  if (typeof body === 'string' || body === null) return void socket.end(text + (body ?? ''))
  socket.write(text)
  return body instanceof ReadableStream ? pump(body, socket as RawSocket & Writable) : void socket.end(body)
}

const ENDED_WITH_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
])

/** For the answers that upgrades get; any other reason is as good (RFC 9112 §4). */
const REASONS: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** As much of a writable stream as is used here. */
interface Writable {
  readonly destroyed?: boolean
  readonly closed?: boolean
  readonly stream?: { readonly destroyed?: boolean } | undefined
  write(chunk: Uint8Array): unknown
  end(): unknown
  destroy(error?: Error): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  removeListener(event: 'close' | 'drain', listener: () => void): unknown
}

/** Sends a stream no faster than it is taken, and lets go of it when the other side is gone. */
async function pump(body: ReadableStream<Uint8Array>, to: Writable): Promise<void> {
  let leave: (() => void) | undefined
  try {
    const reader = body.getReader()
    leave = (): void => void reader.cancel().catch(() => undefined)
    to.once('close', leave)
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (isGone(to)) return leave()
      if (to.write(part.value) === false && !isGone(to)) await roomOf(to)
    }
    to.end()
  } catch (error) {
    to.destroy(error instanceof Error ? error : new Error(String(error))) // cut short, so that nobody takes it for the whole
  } finally {
    if (leave !== undefined) to.removeListener('close', leave)
  }
}

/** Whether nobody is there any more; a response of HTTP/2 does not tell by itself. */
function isGone({ destroyed, closed, stream }: Writable): boolean {
  return destroyed === true || closed === true || stream?.destroyed === true
}

async function roomOf(stream: Writable): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.removeListener('drain', done)
      stream.removeListener('close', done)
      resolve()
    }
    stream.once('drain', done)
    stream.once('close', done)
  })
}

function* linesOf(headers: PlainAnswer['headers']): Generator<readonly [string, string]> {
  if (headers === undefined) return
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers)
  for (const [name, value] of entries) {
    const lower = headerName(name)
    for (const one of Array.isArray(value) ? (value as readonly unknown[]) : [value])
      yield [lower, headerValue(name, one)]
  }
}

function isBody(body: unknown): boolean {
  return body === null || typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
