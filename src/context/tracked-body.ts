/** When is the body of a Fetch response over? When it has been read to its end, has failed, or is not wanted any more. */

/**
 * A stream with the chunks of another. Nothing is read before it is asked for.
 * @param onEnd Called once; also when nobody ever reads the stream and it is collected.
 */
export function trackedBody(body: ReadableStream<Uint8Array>, onEnd: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const tracked = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (!done) return controller.enqueue(value)
        } catch (error) {
          onEnd()
          throw error
        }
        controller.close()
        onEnd()
      },
      async cancel(reason) {
        try {
          await reader.cancel(reason)
        } finally {
          onEnd()
        }
      },
    },
    { highWaterMark: 0 },
  )
  unread?.register(tracked, onEnd)
  return tracked
}

/** Some runtimes have none. */
const unread =
  typeof FinalizationRegistry === 'function' ? new FinalizationRegistry<() => void>((onEnd) => onEnd()) : undefined
