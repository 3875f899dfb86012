/**
 * How does a stream keep the context that it was made in? Generators and streams run in the context of whoever asks for
 * the next chunk. For a response that is the server, outside of any scope: often from the second chunk on only, so that a
 * small test does not show it.
 */

import { fail, show } from '../trust/error.ts'
import { requireRequestScope } from './current-request.ts'
import type { RequestScope } from './request-scope.ts'
import { currentPlace, type Place, runIn } from './scope.ts'
import { emitIn } from './scoped-emitter.ts'

/**
 * The same stream, whose chunks are made in the context of this request; its teardown waits for the end of the
 * response. Takes a `ReadableStream`, a Node `Readable`, or a generator or iterator, synchronous or not.
 *
 * @throws ContextError outside of a request context.
 * @see Flask's `stream_with_context`.
 * @example
 * return new Response(streamWithContext(ReadableStream.from(rows())))
 * Readable.from(streamWithContext(rows())).pipe(res)
 */
export function streamWithContext<S extends object>(stream: S): S {
  const scope = requireRequestScope('streamWithContext was called')
  const wrapped = wrap(stream, scope, currentPlace()!)
  if (wrapped === undefined)
    fail(`streamWithContext takes a ReadableStream, a Node Readable, a generator or an iterator, not ${show(stream)}.`)
  scope.needExchange().isStreaming = true
  return wrapped as S // of the same kind
}

function wrap(stream: unknown, scope: RequestScope, place: Place): object | undefined {
  if (typeof stream !== 'object' || stream === null) return undefined
  if (isReadableStream(stream)) return webStream(stream, place)
  if (isNodeStream(stream)) return nodeStream(stream, scope, place)
  if (isIterable(stream)) return iterable(stream, place)
  return undefined
}

function isReadableStream(stream: object): stream is ReadableStream<unknown> {
  return typeof (stream as Partial<ReadableStream>).getReader === 'function'
}

function webStream(stream: ReadableStream<unknown>, place: Place): ReadableStream<unknown> {
  const reader = stream.getReader()
  return new ReadableStream<unknown>(
    {
      async pull(controller) {
        const { done, value } = await runIn(place, () => reader.read())
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => runIn(place, () => reader.cancel(reason)),
    },
    { highWaterMark: 0 }, // nothing is made before it is asked for
  )
}

/** What a Node stream is implemented by. */
const INNER_METHODS = ['_read', '_write', '_writev', '_transform', '_flush', '_final', '_destroy'] as const

type Method = (...args: unknown[]) => unknown

type NodeStream = Partial<Record<(typeof INNER_METHODS)[number], Method | null>> & { emit: Method }

function isNodeStream(stream: object): stream is NodeStream {
  return '_readableState' in stream && 'pipe' in stream
}

function nodeStream(stream: NodeStream, scope: RequestScope, place: Place): NodeStream {
  for (const name of INNER_METHODS) {
    const method = stream[name]
    if (typeof method === 'function')
      stream[name] = (...args) => runIn(place, () => Reflect.apply(method, stream, args))
  }
  // What is emitted enters the scope first, and from there whatever lies over it.
  const { emit } = stream
  if (place !== scope) stream.emit = (...args) => runIn(place, () => Reflect.apply(emit, stream, args))
  emitIn(scope, stream)
  return stream
}

interface AnyIterator {
  next(...args: unknown[]): unknown
  return?(value?: unknown): unknown
  throw?(error?: unknown): unknown
}

interface AnyIterable {
  [Symbol.iterator]?(): AnyIterator
  [Symbol.asyncIterator]?(): AnyIterator
}

function isIterable(stream: object): stream is AnyIterable {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = stream as AnyIterable
  return typeof async === 'function' || typeof sync === 'function'
}

/** Each step of an iterator runs in the scope. It can be iterated itself, as generators can. */
function iterable(source: AnyIterable, place: Place): AnyIterator & AnyIterable {
  const symbol = typeof source[Symbol.asyncIterator] === 'function' ? Symbol.asyncIterator : Symbol.iterator
  const inner = runIn(place, () => source[symbol]!())
  const { return: finish, throw: fault } = inner
  return {
    next: (...args) => runIn(place, () => inner.next(...args)),
    ...(finish && { return: (value?: unknown) => runIn(place, () => Reflect.apply(finish, inner, [value])) }),
    ...(fault && { throw: (error?: unknown) => runIn(place, () => Reflect.apply(fault, inner, [error])) }),
    [symbol]() {
      return this
    },
  }
}
