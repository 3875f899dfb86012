/**
 * When are status and headers of a Node response final? When its head is written, by `writeHead` or by the first byte of
 * the body, `flushHeaders` or `end`, all of which Node leads through `writeHead`. There they can be changed a last time.
 */

import { assignedStatus, type ResponseHeaders, type RewritableResponse } from './rewritable-response.ts'
import { headerName, headerValue, IterableHeaders } from './rewritable-headers.ts'

/** What is used of `http.ServerResponse` and `http2.Http2ServerResponse`. */
export interface NodeResponse {
  statusCode: number
  statusMessage: string
  readonly headersSent: boolean
  readonly destroyed?: boolean
  getHeader(name: string): number | string | readonly string[] | undefined
  getHeaderNames(): string[]
  hasHeader(name: string): boolean
  setHeader(name: string, value: number | string | readonly string[]): unknown
  removeHeader(name: string): void
  writeHead(status: number, ...rest: unknown[]): unknown
  write(chunk: Uint8Array): boolean
  end(body?: string | Uint8Array): unknown
  destroy(error?: Error): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  removeListener(event: 'close' | 'drain', listener: () => void): unknown
}

/** Whether the second argument of a listener is a response, and not the socket of an upgrade. */
export function isNodeResponse(value: unknown): value is NodeResponse {
  return typeof value === 'object' && value !== null && 'headersSent' in value && 'writeHead' in value
}

/** Calls `act` once, before the head of a response goes out. */
export function beforeHead(res: NodeResponse, act: (response: RewritableResponse) => void): void {
  onHead(res, (status) => {
    const response = new NodeHead(res, status)
    act(response)
    return response.status
  })
}

/**
 * Calls `act` once, before the head of a response goes out; 1xx are no such heads. The response has all its headers by
 * then.
 * @param act Is given the status, and gives back the one to send.
 */
export function onHead(res: NodeResponse, act: (status: number) => number): void {
  const { writeHead } = res
  let isDone = false
  res.writeHead = function (this: NodeResponse, ...args: [status: number, ...rest: unknown[]]): unknown {
    const given = Number(args[0]) | 0 // as Node reads it
    const [, second, third] = args
    const reason = typeof second === 'string' ? second : undefined
    const headers = third ?? (reason === undefined ? second : undefined)
    if (isDone || res.headersSent || given < 200 || given > 999 || lacksValue(headers)) {
      return Reflect.apply(writeHead, this, args)
    }
    const before = headersOf(res)
    let hasActed = true
    try {
      setHeaders(res, headers, before.length === 0)
      const message = ownMessage(res)
      isDone = true
      hasActed = false
      const status = act(given)
      hasActed = true
      const isOther = status !== given
      if (isOther && message !== undefined && ownMessage(res) === message) res.statusMessage = '' // that of the status before
      if (isOther && hasNoBody(status)) for (const name of FRAMING) res.removeHeader(name)
      return Reflect.apply(writeHead, this, reason === undefined || isOther ? [status] : [status, reason])
    } catch (error) {
      // What Node refuses has changed nothing, and the head that is written in its place is seen as well; but for one that
      // `act` itself has failed on.
      if (!res.headersSent) restore(res, before)
      if (hasActed) isDone = false
      throw error
    }
  }
}

type Headers = readonly (readonly [name: string, value: Value])[]

function headersOf(res: NodeResponse): Headers {
  return res.getHeaderNames().map((name) => [name, res.getHeader(name)!])
}

function restore(res: NodeResponse, headers: Headers): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  for (const [name, value] of headers) res.setHeader(name, value)
}

/** The reason phrase that was set; HTTP/2 has none, and warns whoever asks. */
function ownMessage(res: NodeResponse): string | undefined {
  return Object.hasOwn(res, 'statusMessage') ? res.statusMessage : undefined
}

const FRAMING = ['content-length', 'transfer-encoding']

function hasNoBody(status: number): boolean {
  return status === 204 || status === 304
}

type Value = string | number | readonly string[]

/** Whether names and values in turn end with a name, which Node refuses. */
function lacksValue(headers: unknown): boolean {
  return Array.isArray(headers) && !Array.isArray(headers[0]) && headers.length % 2 !== 0
}

/**
 * Sets headers as `writeHead` takes them: a record, names and values in turn, or pairs.
 * @param isFirst Whether there are no headers yet: Node then sends names that differ in case both, which replace each
 * other where there are.
 */
function setHeaders(res: NodeResponse, headers: unknown, isFirst: boolean): void {
  if (typeof headers !== 'object' || headers === null) return
  if (Array.isArray(headers)) {
    const given = [...pairs(headers)]
    const names = given.map(([name]) => name)
    for (const name of names) res.removeHeader(name) // as Node does
    for (const [name, value] of given) addHeader(res, name, value, names)
    return
  }
  const record = headers as Readonly<Record<string, Value>>
  const names = Object.keys(record)
  for (const name of names) {
    if (name === '') continue
    if (isFirst) addHeader(res, name, record[name]!, names)
    else res.setHeader(name, record[name]!)
  }
}

/** @param names All that are set with it: of those that differ in case the first one stays. */
function addHeader(res: NodeResponse, name: string, value: Value, names: readonly string[]): void {
  const before = res.getHeader(name)
  if (before === undefined) {
    res.setHeader(name, value)
    return
  }
  const lower = name.toLowerCase()
  const first = names.find((one) => one.toLowerCase() === lower)!
  res.setHeader(first, [before, value].flat() as string[])
}

function* pairs(list: readonly unknown[]): Generator<[string, Value]> {
  if (Array.isArray(list[0])) yield* list as [string, Value][]
  else for (let index = 0; index < list.length; index += 2) yield [list[index] as string, list[index + 1] as Value]
}

/** A head that is about to be written. */
class NodeHead implements RewritableResponse {
  readonly raw: NodeResponse
  readonly headers: ResponseHeaders
  #status: number

  constructor(res: NodeResponse, status: number) {
    this.raw = res
    this.headers = new NodeHeaders(res)
    this.#status = status
  }

  get status(): number {
    return this.#status
  }

  set status(value: number) {
    this.#status = assignedStatus(value)
  }
}

class NodeHeaders extends IterableHeaders implements ResponseHeaders {
  readonly #res: NodeResponse

  constructor(res: NodeResponse) {
    super()
    this.#res = res
  }

  get(name: string): string | null {
    const value = this.#res.getHeader(String(name))
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : String(value)
  }

  has(name: string): boolean {
    return this.#res.hasHeader(String(name))
  }

  set(name: string, value: string | number): void {
    headerName(name)
    this.#res.setHeader(name, headerValue(name, value))
  }

  append(name: string, value: string | number): void {
    headerName(name)
    const after = headerValue(name, value)
    const before = this.#res.getHeader(name)
    this.#res.setHeader(
      name,
      before === undefined ? after : [...(Array.isArray(before) ? before : [String(before)]), after],
    )
  }

  delete(name: string): void {
    this.#res.removeHeader(headerName(name))
  }

  getSetCookie(): string[] {
    const value = this.#res.getHeader('set-cookie')
    return value === undefined ? [] : Array.isArray(value) ? [...value] : [String(value)]
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    for (const name of this.#res.getHeaderNames()) {
      if (name === 'set-cookie') for (const cookie of this.getSetCookie()) yield [name, cookie]
      else yield [name.toLowerCase(), this.get(name)!]
    }
  }
}
