/**
 * How much of an answer's body was sent? Counted where the app writes it, as a connection counts heads and the bodies of
 * its neighbours as well. What was still waiting when the connection ended was not sent.
 */

import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { sizeOf } from './exact-response.ts'
import { isHttp2 } from './last-answer.ts'
import { node } from './node.ts'

type Write = (...args: unknown[]) => unknown

/** What was sent of an answer. */
export interface SentBody {
  /** Bytes of the body. */
  readonly bytes: number
  /** Whether the whole answer was handed to the system. */
  readonly isWhole: boolean
}

class Count implements SentBody {
  bytes = 0
  isWhole = false
  written = 0
  /** In HTTP/2 `end` calls `write` for what it is given. */
  isEnding = false
  readonly write: Write
  readonly end: Write

  constructor({ write, end }: Counted) {
    this.write = write
    this.end = end
  }
}

const COUNT = Symbol('count')

/** A response of either protocol. */
type Counted = Record<'write' | 'end', Write> & { [COUNT]?: Count }

/**
 * Counts from the first call on; each call gives the same. On the response itself, whose prototype Express exchanges,
 * and by the same functions for all of them: closures of each would take 3 us more.
 */
export function countBody(response: ServerResponse | Http2ServerResponse): SentBody {
  const counted = response as unknown as Counted
  if (counted[COUNT] !== undefined) return counted[COUNT]
  const count = new Count(counted)
  counted[COUNT] = count
  counted.write = countedWrite
  counted.end = countedEnd
  response.on('finish', onFinish)
  return count
}

function onFinish(this: ServerResponse | Http2ServerResponse): void {
  const count = (this as unknown as Counted)[COUNT]!
  if (!isWhole(this)) return
  count.isWhole = true
  count.bytes = count.written
}

function countedWrite(this: Counted, ...args: unknown[]): unknown {
  const count = this[COUNT]!
  if (count.isEnding) return Reflect.apply(count.write, this, args)
  const size = sizeOf(args)
  count.written += size
  const last = args.at(-1)
  const callback = typeof last === 'function' ? (args.pop() as Write) : undefined
  while (args.length > 1 && args.at(-1) === undefined) args.pop()
  args.push((error?: unknown) => {
    if (!error) count.bytes += size
    callback?.(error)
  })
  return Reflect.apply(count.write, this, args)
}

function countedEnd(this: Counted, ...args: unknown[]): unknown {
  const count = this[COUNT]!
  if (count.isEnding) return Reflect.apply(count.end, this, args)
  count.written += sizeOf(args)
  count.isEnding = true
  try {
    return Reflect.apply(count.end, this, args)
  } finally {
    count.isEnding = false
  }
}

/**
 * Whether all of an answer that has emitted `finish` is with the system. In HTTP/2 each one does whose stream is closed:
 * Node ends it for the app, where its client has gone.
 */
function isWhole(response: ServerResponse | Http2ServerResponse): boolean {
  if (!isHttp2(response)) return true
  const { writableFinished, rstCode } = response.stream
  return writableFinished && rstCode === node.http2.constants.NGHTTP2_NO_ERROR
}
