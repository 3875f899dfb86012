/** What lies on top here? Werkzeug's `LocalStack`: a stack that each scope has for itself. */

import { ContextError } from './context-error.ts'
import { localProxy, type LocalProxyOptions } from './local-proxy.ts'
import { isReleasedBy } from './release-local.ts'
import { currentScope, HOW_TO_ENTER, readCurrent, scopeToWrite, UNBOUND } from './scope.ts'
import { isSource } from './source.ts'

/** An item and those below it; never changed, so that scopes can share it, and a push costs the same at any height. */
interface Layer<T> {
  readonly item: T
  readonly below: Layer<T> | undefined
  readonly height: number
}

/**
 * A stack of values in the current scope. `undefined` and `null` are items like any other.
 *
 * @example
 * const transactions = new LocalStack<Transaction>()
 * const transaction = transactions.proxy()
 * @see Werkzeug's `LocalStack`.
 */
export class LocalStack<T> {
  constructor() {
    isSource(this, () => ({ read: () => this.#read(), unbound: emptyStack }))
    isReleasedBy(this, () => currentScope()?.write(this, UNBOUND))
  }

  /** The item on top; `undefined` when the stack is empty. */
  get top(): T | undefined {
    return this.#layer()?.item
  }

  /**
   * Puts an item on top.
   * @returns How many there are now.
   * @throws ContextError outside any scope.
   */
  push(item: T): number {
    const scope = scopeToWrite('An item was pushed to a LocalStack')
    const below = this.#layer()
    const height = (below?.height ?? 0) + 1
    scope.write(this, { item, below, height } satisfies Layer<T>)
    return height
  }

  /**
   * Takes the item on top away.
   * @returns It; `undefined` when the stack is empty.
   * @throws ContextError outside any scope.
   */
  pop(): T | undefined {
    const scope = scopeToWrite('An item was popped off a LocalStack')
    const layer = this.#layer()
    if (layer !== undefined) scope.write(this, layer.below ?? UNBOUND)
    return layer?.item
  }

  /**
   * A proxy for the item on top, or for what a dotted path leads to from it.
   * @see {@link localProxy}
   */
  proxy(): T
  proxy(name: undefined, options?: Omit<LocalProxyOptions, 'name'>): T
  proxy<K extends keyof T & string>(name: K, options?: Omit<LocalProxyOptions, 'name'>): T[K]
  proxy<P = unknown>(path: string, options?: Omit<LocalProxyOptions, 'name'>): P
  proxy(name?: string, options?: Omit<LocalProxyOptions, 'name'>): unknown {
    return localProxy(this, { ...options, name })
  }

  #layer(): Layer<T> | undefined {
    const layer = readCurrent(this)
    return layer === UNBOUND ? undefined : (layer as Layer<T>) // nobody else writes under this key
  }

  #read(): T | typeof UNBOUND {
    const layer = this.#layer()
    return layer === undefined ? UNBOUND : layer.item
  }
}

function emptyStack(): ContextError {
  return new ContextError(
    currentScope() === undefined
      ? `The top of a LocalStack was used outside any scope. ${HOW_TO_ENTER}`
      : 'The top of a LocalStack was used while the stack is empty in this scope: push() an item before.',
  )
}
