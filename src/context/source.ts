/** What can a local proxy stand for? Whatever tells its current value, or why it has none. */

import { ContextError } from './context-error.ts'
import { UNBOUND } from './scope.ts'

/** Where a local proxy finds its object, each time anew. */
export interface Source<T = unknown> {
  read(): T | typeof UNBOUND
  /** The error for a use where there is no value. */
  unbound(): ContextError
}

/**
 * The source of what has current values.
 * @param path The dotted name of a proxy; whoever has several values takes the first part off to tell which.
 */
export type FindSource = (path: string[]) => Source

const sources = new WeakMap<object, FindSource>()

/** Makes something a source for local proxies. */
export function isSource(holder: object, find: FindSource): void {
  sources.set(holder, find)
}

/** The source of a variable, a local or a stack; none for anything else. */
export function findSource(holder: unknown, path: string[]): Source | undefined {
  return sources.get(holder as object)?.(path) // a WeakMap has nothing under what is no object
}

/** A source along a path. Where the path breaks off, before its last part, nothing is bound. */
export function along(path: readonly string[], source: Source): Source {
  if (path.length === 0) return source
  return {
    read() {
      let value = source.read()
      for (const part of path) {
        if (value === UNBOUND || value === undefined || value === null) return UNBOUND
        value = (value as Record<string, unknown>)[part]
      }
      return value
    },
    unbound() {
      if (source.read() === UNBOUND) return source.unbound()
      return new ContextError(
        `The path '${path.join('.')}' of a local proxy breaks off: a part before its last is not there.`,
      )
    },
  }
}
