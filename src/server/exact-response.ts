/**
 * What if an answer has another length than its head has promised? A connection that is kept would show the rest of it as
 * the beginning of the next answer, or take the beginning of the next one for its rest; and one of HTTP/2 would end with
 * all that is under way on it. So what is too much is never sent, and what is too little does not look whole.
 */

import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { Socket } from 'node:net'
import { node } from './node.ts'

type Write = (...args: unknown[]) => unknown

/**
 * Of HTTP/1. It says in words what its status means, too: Fetch responses seldom do by themselves.
 *
 * What checks stands on each response itself, whose prototype Express exchanges for one of its own.
 */
export class ExactResponse extends node.http.ServerResponse {
  // What Node knows of an answer whose head is made, and its types do not.
  declare readonly _contentLength: number | null
  declare readonly _hasBody: boolean
  #length = 0

  constructor(...args: ConstructorParameters<typeof ServerResponse>) {
    super(...args)
    this.write = ExactResponse.#write
    this.end = ExactResponse.#end
    this.assignSocket = ExactResponse.#assignSocket
  }

  override writeHead(status: number, ...rest: unknown[]): this {
    if (rest[0] === '') rest.shift()
    return Reflect.apply(super.writeHead, this, [status, ...rest]) as this
  }

  static #write(this: ExactResponse, ...args: unknown[]): boolean {
    if (!this.#isExact(args, false)) return false
    return Reflect.apply(inherited(this).write as Write, this, args) as boolean
  }

  static #end<This extends ExactResponse>(this: This, ...args: unknown[]): This {
    if (!this.#isExact(args, true)) return this
    return Reflect.apply(inherited(this).end as Write, this, args) as This
  }

  /** Its turn has come, after the answers to earlier requests: where it has failed meanwhile, the connection ends here. */
  static #assignSocket(this: ExactResponse, socket: Socket): void {
    if (this.destroyed) socket.destroySoon()
    else inherited(this).assignSocket.call(this, socket)
  }

  // Node's own check (`strictContentLength`) passes over what is written before the head is made.
  #isExact(args: readonly unknown[], isEnd: boolean): boolean {
    const { _hasBody: hasBody } = this
    if (this.destroyed || this.writableEnded || !hasBody || isBodiless(this.statusCode) || !isChunk(args[0]))
      return true
    const length = this.#length + sizeOf(args)
    if (!holds(this, args, length, this.#promised(), isEnd)) return false
    this.#length = length
    return true
  }

  #promised(): unknown {
    const { _contentLength: sent } = this
    if (this.headersSent) return this.chunkedEncoding ? undefined : sent
    return this.hasHeader('transfer-encoding') ? undefined : this.getHeader('content-length')
  }
}

function inherited(response: ServerResponse): ServerResponse {
  return Object.getPrototypeOf(response) as ServerResponse
}

/** The class of answers over HTTP/2. Made once it is needed, as loading HTTP/2 takes time. */
export function exactHttp2Response(): typeof Http2ServerResponse {
  class ExactHttp2Response extends node.http2.Http2ServerResponse {
    #length = 0
    #isEnding = false

    override write(...args: unknown[]): boolean {
      if (!this.#isExact(args, false)) return false
      return Reflect.apply(super.write as Write, this, args) as boolean
    }

    override end(...args: unknown[]): this {
      if (!this.#isExact(args, true)) return this
      this.#isEnding = true // it calls `write` for what it is given, which is counted
      return Reflect.apply(super.end as Write, this, args) as this
    }

    #isExact(args: readonly unknown[], isEnd: boolean): boolean {
      const { stream, statusCode } = this
      const { headRequest } = stream as { readonly headRequest?: boolean } // Node's types do not know it
      if (this.#isEnding || stream.destroyed || headRequest === true || isBodiless(statusCode)) return true
      if (!isChunk(args[0])) return true
      const length = this.#length + sizeOf(args)
      if (!holds(this, args, length, this.getHeader('content-length'), isEnd)) return false
      this.#length = length
      return true
    }
  }
  return ExactHttp2Response as typeof Http2ServerResponse // whose requests are any
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304
}

/** Whether Node takes it, or a callback in its place; for anything else it throws. */
function isChunk(value: unknown): boolean {
  if (value === undefined || value === null || value instanceof Uint8Array) return true
  return typeof value === 'string' || typeof value === 'function'
}

/** Whether an answer may go on; where it may not, it fails, as nobody catches what `write` throws into a pipe or a timer. */
function holds(
  response: ServerResponse | Http2ServerResponse,
  args: readonly unknown[],
  length: number,
  promised: unknown,
  isEnd: boolean,
): boolean {
  if (promised === undefined || promised === null) return true
  if (isEnd ? length === Number(promised) : length <= Number(promised)) return true
  const has = isEnd ? `has ${length} bytes` : `has ${length} bytes or more`
  const error = new Error(`The body of the answer ${has}, and its content-length says ${String(promised)}.`)
  const done = args.findLast((arg) => typeof arg === 'function') as ((error: unknown) => void) | undefined
  if (done !== undefined) process.nextTick(done, error)
  response.emit('error', error)
  return false
}

/** Bytes of what `write` and `end` were given. */
export function sizeOf(args: readonly unknown[]): number {
  const chunk = args[0]
  if (typeof chunk !== 'string') return ArrayBuffer.isView(chunk) ? chunk.byteLength : 0
  const encoding = args[1]
  return byteLength(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}

// Not by its name of each time: `Buffer` is an accessor of the global object.
const { byteLength } = Buffer
