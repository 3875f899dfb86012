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

/** Counts from now on; the function tells how many bytes so far. */
export function countBody(response: ServerResponse | Http2ServerResponse): () => number {
  const counted = response as unknown as Record<'write' | 'end', Write> // of either protocol
  const { write, end } = counted
  let written = 0
  let sent = 0
  let isEnding = false
  response.once('finish', () => {
    if (isWhole(response)) sent = written
  })

  counted.write = function (...args) {
    // In HTTP/2 `end` calls `write` for what it is given.
    if (isEnding) return Reflect.apply(write, this, args)
    const size = sizeOf(args)
    written += size
    const last = args.at(-1)
    const callback = typeof last === 'function' ? (args.pop() as Write) : undefined
    while (args.length > 1 && args.at(-1) === undefined) args.pop()
    args.push((error?: unknown) => {
      if (!error) sent += size
      callback?.(error)
    })
    return Reflect.apply(write, this, args)
  }

  counted.end = function (...args) {
    if (isEnding) return Reflect.apply(end, this, args)
    written += sizeOf(args)
    isEnding = true
    try {
      return Reflect.apply(end, this, args)
    } finally {
      isEnding = false
    }
  }
  return () => sent
}

/**
 * Whether all of an answer that has emitted `finish` is with the system. In HTTP/2 each one does whose stream is closed:
 * Node ends it for the app, where its client has gone.
 */
export function isWhole(response: ServerResponse | Http2ServerResponse): boolean {
  if (!isHttp2(response)) return true
  const { writableFinished, rstCode } = response.stream
  return writableFinished && rstCode === node.http2.constants.NGHTTP2_NO_ERROR
}
