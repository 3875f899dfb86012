/**
 * What is a scope? One mutable table of values, seen by all that runs in it: across awaits, timers, streams and
 * callbacks, and by nothing outside.
 *
 * One AsyncLocalStorage carries where code runs, whatever the number of variables: since Node 24 each further
 * one makes every `run` slower. Nothing here calls `enterWith`, whose value leaks into the caller.
 *
 * ```
 * scope ──► { user: Ada, language: 'en' }        a write is seen wherever this scope is current
 *   ├─ fork ──► { user: Ada, language: 'fr' }    begins with what its parent had, keeps its writes to itself
 *   └─ overlay { language: 'de' }                one variable is another's; the rest is read from, and written to, the scope
 * ```
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { ContextError } from './context-error.ts'

/** Instead of a value where there is none; `undefined` and `null` are values. */
export const UNBOUND: unique symbol = Symbol('unbound')

/** What a value is kept under: whatever binds values is its own key, so nothing has to be named or numbered. */
export type Key = object

/** What has a variable's value: a scope, or a run of that variable. */
export interface Holder {
  read(key: Key): unknown
  /** Binds a value; `UNBOUND` takes away what there was. */
  write(key: Key, value: unknown): void
}

/** Where code runs: in a scope, or in an overlay over one, or over none. */
export interface Place {
  /** The scope that is written to, if there is one. */
  readonly scope: Scope | undefined
  read(key: Key): unknown
  table(key: Key): ReadonlyMap<string, unknown> | undefined
  /** What has the value of a variable that can be run here; none where it could not be set. */
  holderOf(key: Key): Holder | undefined
  /** Whose values lie over the scope. */
  readonly over: ReadonlyMap<Key, Holder> | undefined
  /** A scope with the values of this place. */
  fork(): Scope
}

/** Values in it are never changed in place, so that a fork can share them. */
export class Scope implements Place, Holder {
  declare private values: Map<Key, unknown> | undefined
  declare private tables: Map<Key, Map<string, unknown>> | undefined

  /** @param parent Whose values to begin with. */
  constructor(parent?: Scope) {
    const values = parent === undefined ? undefined : parent.values
    this.values = values === undefined ? undefined : new Map(values)
    const tables = parent === undefined ? undefined : parent.tables
    this.tables = tables === undefined ? undefined : copyOf(tables)
  }

  get scope(): this {
    return this
  }

  get over(): undefined {
    return undefined
  }

  holderOf(): this {
    return this
  }

  fork(): Scope {
    return new Scope(this)
  }

  read(key: Key): unknown {
    const { values } = this
    if (values === undefined) return UNBOUND
    const value = values.get(key)
    return value === undefined && !values.has(key) ? UNBOUND : value
  }

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

/**
 * Single variables laid over a scope, or over none, by `run`. A variable is run again in place of the run before, whose
 * value nobody sees in there: so it grows with the number of variables, and not with that of runs within runs.
 */
export class Overlay implements Place {
  readonly scope: Scope | undefined
  readonly over: ReadonlyMap<Key, Holder>

  /**
   * @param under What it is laid over.
   * @param key The variable that has a value of its own.
   */
  constructor(under: Place | undefined, key: Key, value: unknown) {
    this.scope = under?.scope
    this.over = new Map(under?.over).set(key, new Cell(value))
  }

  read(key: Key): unknown {
    const holder = this.holderOf(key)
    return holder === undefined ? UNBOUND : holder.read(key)
  }

  table(key: Key): ReadonlyMap<string, unknown> | undefined {
    return this.scope?.table(key)
  }

  holderOf(key: Key): Holder | undefined {
    return this.over.get(key) ?? this.scope
  }

  fork(): Scope {
    const scope = this.scope?.fork() ?? new Scope()
    for (const [key, holder] of this.over) scope.write(key, holder.read(key))
    return scope
  }
}

/** One variable's value in one run of it. */
class Cell implements Holder {
  #value: unknown

  constructor(value: unknown) {
    this.#value = value
  }

  read(): unknown {
    return this.#value
  }

  write(_: Key, value: unknown): void {
    this.#value = value
  }
}

function copyOf(tables: Map<Key, Map<string, unknown>>): Map<Key, Map<string, unknown>> {
  const copy = new Map<Key, Map<string, unknown>>()
  for (const [key, table] of tables) copy.set(key, new Map(table))
  return copy
}

const storage = new AsyncLocalStorage<Place>()

/** Where this code runs, for what is to run there later. */
export function currentPlace(): Place | undefined {
  return storage.getStore()
}

/** The scope that this code runs in, if any. */
export function currentScope(): Scope | undefined {
  return storage.getStore()?.scope
}

/** Calls a function in a place. */
export function runIn<A extends unknown[], R>(place: Place, fn: (...args: A) => R, ...args: A): R {
  return storage.run(place, fn, ...args)
}

/** A scope of its own, with the values that are seen here. */
export function forkCurrent(): Scope {
  return storage.getStore()?.fork() ?? new Scope()
}

/** Reads a value where this code runs; `UNBOUND` outside any scope. */
export function readCurrent(key: Key): unknown {
  const place = storage.getStore()
  return place === undefined ? UNBOUND : place.read(key)
}

/**
 * The scope to write to.
 * @param what What is written, for the message.
 * @throws ContextError outside any scope.
 */
export function scopeToWrite(what: string): Scope {
  return storage.getStore()?.scope ?? nowhere(what)
}

/** The same, for a variable that may have a value of its own here. */
export function holderToWrite(key: Key, what: string): Holder {
  return storage.getStore()?.holderOf(key) ?? nowhere(what)
}

function nowhere(what: string): never {
  throw new ContextError(`${what} outside any scope. ${HOW_TO_ENTER}`)
}

/** What to do where code has lost the scope that it should have. */
export const HOW_TO_BIND =
  'If this does run for a request, a callback came from outside it: bind that one with copyContext().wrap(fn).'

/** What to do where there is no scope. */
export const HOW_TO_ENTER: string =
  'Each request has one inside requestContext(handler) or a LocalManager’s middleware; other code gets one by copyContext().run(fn). ' +
  HOW_TO_BIND
