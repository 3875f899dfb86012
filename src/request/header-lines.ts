/** Header lines as Node keeps them, names and values in turn, by name. */

interface WithLines {
  readonly rawHeaders: readonly string[]
  headersDistinct?: unknown
}

/**
 * Has `headersDistinct` follow the lines, which have become others, when it is read: most requests end unread, and to
 * make it takes microseconds and kilobytes.
 *
 * @param isAsMany Whether there are as many lines as Node has read, as far as is known. From that many it makes its own when
 * it is asked.
 */
export function renewDistinct(req: WithLines, isAsMany: boolean): void {
  if (!('headersDistinct' in req)) return // HTTP/2 has none
  if (isAsMany && !Object.hasOwn(req, 'headersDistinct')) req.headersDistinct = undefined
  else Object.defineProperty(req, 'headersDistinct', WHEN_READ)
}

const WHEN_READ: PropertyDescriptor & ThisType<WithLines> = {
  configurable: true,
  get() {
    const owner = ownerOf(this)
    const value = distinct(owner.rawHeaders)
    keep(owner, value)
    return value
  },
  set(value: unknown) {
    keep(this, value)
  },
}

/** Whoever asks may only inherit from the request, which is to go on being followed. */
function ownerOf(heir: WithLines): WithLines {
  return Object.hasOwn(heir, 'headersDistinct') ? heir : ownerOf(Object.getPrototypeOf(heir) as WithLines)
}

function keep(req: WithLines, value: unknown): void {
  Object.defineProperty(req, 'headersDistinct', { value, configurable: true, writable: true })
}

function distinct(lines: readonly string[]): Record<string, string[]> {
  const values: Record<string, string[]> = Object.create(null)
  for (let index = 0; index < lines.length; index += 2)
    (values[lines[index]!.toLowerCase()] ??= []).push(lines[index + 1]!)
  return values
}
