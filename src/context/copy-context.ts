/** How does code run with the values of here, and keep its own to itself? Python's `copy_context`. */

import { forkCurrent, runIn, type Scope } from './scope.ts'

/**
 * The values of a scope as they were when `copyContext` was called.
 */
export class Context {
  readonly #scope: Scope

  /** @internal */
  constructor(scope: Scope) {
    this.#scope = scope
  }

  /**
   * Calls a function in a new scope that begins with these values. What it writes is seen by all that it starts, and
   * nowhere else; each run has a scope of its own.
   */
  run<A extends unknown[], R>(fn: (...args: A) => R, ...args: A): R {
    return runIn(this.#scope.fork(), fn, ...args)
  }

  /**
   * A function that does the same each time it is called, with its own `this`: for callbacks that would be called
   * from elsewhere (pools, queues, emitters).
   */
  wrap<This, A extends unknown[], R>(fn: (this: This, ...args: A) => R): (this: This, ...args: A) => R {
    const scope = this.#scope
    return function inContext(this: This, ...args: A): R {
      return runIn(scope.fork(), () => Reflect.apply(fn, this, args))
    }
  }
}

/**
 * Copies the values of the current scope; outside any there are none, and `copyContext().run(fn)` gives `fn` an
 * empty scope.
 *
 * @example
 * const context = copyContext()
 * pool.query(text, context.wrap((error, rows) => render(rows)))
 */
export function copyContext(): Context {
  return new Context(forkCurrent())
}
