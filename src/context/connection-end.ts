/**
 * When is a connection gone? For responses that wait behind others on it: Node 20 tells them nothing when it closes. One
 * listener for each connection, however many requests it carries.
 */

/** What is used of a socket. */
interface Closing {
  readonly closed?: boolean
  once(event: 'close', listener: () => void): unknown
}

const waiting = new WeakMap<object, Set<() => void>>()

/**
 * Calls a function when a socket has closed, after all listeners that it has for that; soon, if it had before.
 * @returns What takes the function back; nothing if this is no socket.
 */
export function onConnectionEnd(socket: unknown, fn: () => void): (() => void) | undefined {
  if (!isClosing(socket)) return undefined
  if (socket.closed === true) {
    queueMicrotask(fn) // it tells nobody any more
    return undefined
  }
  const functions = waiting.get(socket) ?? gather(socket)
  functions.add(fn)
  return () => functions.delete(fn)
}

function gather(socket: Closing): Set<() => void> {
  const functions = new Set<() => void>()
  waiting.set(socket, functions)
  socket.once('close', () =>
    queueMicrotask(() => {
      for (const fn of functions) fn()
    }),
  )
  return functions
}

function isClosing(value: unknown): value is Closing {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Closing>).once === 'function'
}
