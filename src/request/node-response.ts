/**
 * When are status and headers of a Node response final? When its head is written, by `writeHead` or by the first byte of
 * the body, `flushHeaders` or `end`, all of which Node leads through `writeHead`. There they can be changed a last time.
 */

import { assignedStatus, type ResponseHeaders, type RewritableResponse } from './rewritable-response.ts'
import { headerName, headerValue } from './rewritable-headers.ts'

/** What is used of `http.ServerResponse` and `http2.Http2ServerResponse`. */
export interface NodeResponse {
  statusCode: number
  statusMessage: string
  readonly headersSent: boolean
  readonly destroyed?: boolean
  getHeader(name: string): number | string | readonly string[] | undefined
  getHeaderNames(): string[]
  hasHeader(name: string): boolean
  setHeader(name: string, value: string | readonly string[]): unknown
  removeHeader(name: string): void
  writeHead(status: number, ...rest: unknown[]): unknown
  write(chunk: Uint8Array): boolean
  end(body?: string | Uint8Array): unknown
  destroy(error?: Error): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  removeListener(event: 'close' | 'drain', listener: () => void): unknown
}

/** Calls `act` once, before the head of a response goes out; 1xx are no such heads. */
export function beforeHead(res: NodeResponse, act: (response: RewritableResponse) => void): void {
  const { writeHead } = res
  let isDone = false
  res.writeHead = function (this: NodeResponse, ...args: [status: number, ...rest: unknown[]]): unknown {
    const status = Number(args[0]) | 0 // as Node reads it
    if (isDone || res.headersSent || status < 200 || status > 999) return Reflect.apply(writeHead, this, args)
    isDone = true
    const [, second, third] = args
    const reason = typeof second === 'string' ? second : undefined
    setAll(res, third ?? (reason === undefined ? second : undefined))
    const response = new NodeHead(res, status)
    act(response)
    if (response.status === status)
      return Reflect.apply(writeHead, this, reason === undefined ? [status] : [status, reason])
    if (Object.hasOwn(res, 'statusMessage')) res.statusMessage = '' // that of the status before; HTTP/2 has none
    if (hasNoBody(response.status)) for (const name of FRAMING) res.removeHeader(name)
    return Reflect.apply(writeHead, this, [response.status])
  }
}

const FRAMING = ['content-length', 'transfer-encoding']

function hasNoBody(status: number): boolean {
  return status === 204 || status === 304
}

/** Headers as `writeHead` takes them: a record, names and values in turn, or pairs. */
function setAll(res: NodeResponse, headers: unknown): void {
  if (typeof headers !== 'object' || headers === null) return
  if (!Array.isArray(headers)) {
    for (const [name, value] of Object.entries(headers)) if (name) res.setHeader(name, value as string)
    return
  }
  const list = headers as readonly unknown[]
  if (!Array.isArray(list[0]) && list.length % 2 !== 0)
    throw new TypeError('The headers of writeHead are no names and values in turn.')
  const lines = new Map<string, { name: string; values: string[] }>()
  for (const [name, value] of Array.isArray(list[0]) ? (list as [string, string | string[]][]) : pairs(list)) {
    const known = lines.get(name.toLowerCase())
    const values = Array.isArray(value) ? value : [value]
    if (known === undefined) lines.set(name.toLowerCase(), { name, values: [...values] })
    else known.values.push(...values)
  }
  for (const { name, values } of lines.values()) res.setHeader(name, values.length === 1 ? values[0]! : values)
}

function* pairs(flat: readonly unknown[]): Generator<[string, string | string[]]> {
  for (let index = 0; index < flat.length; index += 2)
    yield [flat[index] as string, flat[index + 1] as string | string[]]
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

class NodeHeaders implements ResponseHeaders {
  readonly #res: NodeResponse

  constructor(res: NodeResponse) {
    this.#res = res
  }

  get(name: string): string | null {
    const value = this.#res.getHeader(String(name))
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : String(value)
  }

  has(name: string): boolean {
    return this.#res.hasHeader(String(name))
  }

  set(name: string, value: string): void {
    headerName(name)
    this.#res.setHeader(name, headerValue(name, value))
  }

  append(name: string, value: string): void {
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
