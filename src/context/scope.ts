/**
 * What is a scope? One mutable table of values, seen by all that runs in it: across awaits, timers, streams and
 * callbacks, and by nothing outside.
 *
 * One AsyncLocalStorage carries the current scope, whatever the number of variables: since Node 24 each further
 * one makes every `run` slower. Nothing here calls `enterWith`, whose value leaks into the caller.
 *
 * ```
 * scope ──► { user: Ada, language: 'en' }        a write is seen wherever this scope is current
 *   └─ fork ──► { user: Ada, language: 'fr' }    begins with what its parent had, keeps its writes to itself
 * ```
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { ContextError } from './context-error.ts'

/** Instead of a value where there is none; `undefined` and `null` are values. */
export const UNBOUND: unique symbol = Symbol('unbound')

/** What a value is kept under: whatever binds values is its own key, so nothing has to be named or numbered. */
export type Key = object

/** Values in it are never changed in place, so that a fork can share them. */
export class Scope {
  declare private values: Map<Key, unknown> | undefined
  declare private tables: Map<Key, Map<string, unknown>> | undefined

  /** @param parent Whose values to begin with. */
  constructor(parent?: Scope) {
    const values = parent === undefined ? undefined : parent.values
    this.values = values === undefined ? undefined : new Map(values)
    const tables = parent === undefined ? undefined : parent.tables
    this.tables = tables === undefined ? undefined : copyOf(tables)
  }

  /** A scope with the values of this one. */
  fork(): Scope {
    return new Scope(this)
  }

  read(key: Key): unknown {
    const { values } = this
    if (values === undefined) return UNBOUND
    const value = values.get(key)
    return value === undefined && !values.has(key) ? UNBOUND : value
  }

  /** Binds a value; `UNBOUND` takes away what there was. */
  write(key: Key, value: unknown): void {
    if (value === UNBOUND) this.values?.delete(key)
    else (this.values ??= new Map()).set(key, value)
  }

  /** Values by name, for what binds any number of them; this scope's own, to be changed in place. */
  table(key: Key): Map<string, unknown> | undefined {
    return this.tables === undefined ? undefined : this.tables.get(key)
  }

  /** The same, to write to. */
  needTable(key: Key): Map<string, unknown> {
    let table = this.table(key)
    if (table === undefined) (this.tables ??= new Map()).set(key, (table = new Map()))
    return table
  }
}

function copyOf(tables: Map<Key, Map<string, unknown>>): Map<Key, Map<string, unknown>> {
  const copy = new Map<Key, Map<string, unknown>>()
  for (const [key, table] of tables) copy.set(key, new Map(table))
  return copy
}

const storage = new AsyncLocalStorage<Scope>()

/** The scope that this code runs in, if any. */
export function currentScope(): Scope | undefined {
  return storage.getStore()
}

/** Calls a function in a scope. */
export function runIn<A extends unknown[], R>(scope: Scope, fn: (...args: A) => R, ...args: A): R {
  return storage.run(scope, fn, ...args)
}

/** Reads a value in the current scope; `UNBOUND` outside any. */
export function readCurrent(key: Key): unknown {
  const scope = storage.getStore()
  return scope === undefined ? UNBOUND : scope.read(key)
}

/**
 * The scope to write to.
 * @param what What is written, for the message.
 * @throws ContextError outside any scope.
 */
export function scopeToWrite(what: string): Scope {
  const scope = storage.getStore()
  if (scope === undefined) throw new ContextError(`${what} outside any scope. ${HOW_TO_ENTER}`)
  return scope
}

/** What to do where there is no scope. */
export const HOW_TO_ENTER: string =
  'Each request has one inside requestContext(handler) or a LocalManager’s middleware; other code gets one by copyContext().run(fn). ' +
  'If this does run for a request, a callback came from outside it: bind that one with copyContext().wrap(fn).'
