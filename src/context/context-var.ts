/** Which value does a name have here? Python's `contextvars.ContextVar`, over scopes. */

import { fail, show } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import {
  currentPlace,
  currentScope,
  type Holder,
  holderToWrite,
  HOW_TO_ENTER,
  Overlay,
  readCurrent,
  runIn,
  UNBOUND,
} from './scope.ts'
import { isSource } from './source.ts'

/** What a ContextVar can be given. */
export interface ContextVarOptions<T> {
  /** The value wherever none was set; `undefined` is one too, if it is written. */
  readonly default?: T
}

/**
 * A variable whose value belongs to the scope it was set in.
 *
 * @example
 * const user = new ContextVar<User>('user')
 * user.set(await findUser(req)) // in a request
 * user.get() // anywhere that request gets to, however late
 */
export class ContextVar<T> {
  /** For messages. */
  readonly name: string
  readonly #default: T | typeof UNBOUND

  /** @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the name is no text or an option is unknown. */
  constructor(name: string, options: ContextVarOptions<T> = {}) {
    if (typeof name !== 'string' || name === '')
      fail(`A ContextVar needs a name, for messages, not ${show(name)}: write new ContextVar('user').`)
    if (typeof options !== 'object' || options === null || Object.keys(options).some((key) => key !== 'default'))
      fail(`A ContextVar takes the option default, and no other: write new ContextVar('${name}', { default: value }).`)
    this.name = name
    this.#default = 'default' in options ? (options.default as T) : UNBOUND
    isSource(this, () => ({ read: () => this.#read(), unbound: () => this.#unbound() }))
  }

  /**
   * The value in the current scope, else the fallback if one is given, else the variable's default.
   * @throws ContextError when there is none of these.
   */
  get(...fallback: readonly [] | readonly [T]): T
  get<F>(fallback: F): T | F
  get(...fallback: readonly unknown[]): unknown {
    const value = fallback.length > 0 ? readCurrent(this) : this.#read()
    if (value !== UNBOUND) return value
    if (fallback.length > 0) return fallback[0]
    throw this.#unbound()
  }

  /**
   * Sets the value in the current scope, or in the innermost `run` of this variable that it is called in.
   * @returns What `reset` takes to undo it.
   * @throws ContextError outside of both.
   */
  set(value: T): Token<T> {
    const holder = holderToWrite(this, `ContextVar '${this.name}' was set`)
    const token = new Token(this, holder, holder.read(this) as T | typeof UNBOUND)
    holder.write(this, value)
    return token
  }

  /**
   * Gives the variable the value back that it had before the `set` which made this token.
   * @throws ContextError when the token is of another variable, scope or run, or was used before.
   */
  reset(token: Token<T>): void {
    if (!(token instanceof Token) || token.variable !== this)
      throw new ContextError(`ContextVar '${this.name}' was reset with something else than a token of its own set().`)
    token.restore(currentPlace()?.holderOf(this))
  }

  /**
   * Calls a function in which, and in all that it starts, this variable has this value; what runs beside it in the same
   * scope does not see that. What the function sets this variable to stays in there. All else is as it would be without:
   * other variables, locals and `g` are those of the current scope, if there is one. It makes no scope:
   * `copyContext().run(fn)` does.
   *
   * @see `AsyncLocalStorage.run`, for this one variable.
   */
  run<R>(value: T, fn: () => R): R {
    if (typeof fn !== 'function')
      fail(`ContextVar.run takes a value and a function, not ${show(fn)}: write run(value, () => …).`)
    return runIn(new Overlay(currentPlace(), this, value), fn)
  }

  #read(): unknown {
    const value = readCurrent(this)
    return value === UNBOUND ? this.#default : value
  }

  #unbound(): ContextError {
    return new ContextError(
      currentScope() === undefined
        ? `ContextVar '${this.name}' was read outside any scope, and has no default. ${HOW_TO_ENTER}`
        : `ContextVar '${this.name}' has no value in this scope: set() it before it is read, give get() a fallback, or the variable a default.`,
    )
  }
}

/** What `ContextVar.set` gives: the way back to the value before. */
export class Token<T> {
  /** The variable that was set. */
  readonly variable: ContextVar<T>
  readonly #holder: Holder
  readonly #before: T | typeof UNBOUND
  #isUsed = false

  /** @internal */
  constructor(variable: ContextVar<T>, holder: Holder, before: T | typeof UNBOUND) {
    this.variable = variable
    this.#holder = holder
    this.#before = before
  }

  /** @internal */
  restore(current: Holder | undefined): void {
    const { name } = this.variable
    if (this.#isUsed)
      throw new ContextError(`ContextVar '${name}' was reset twice with one token: keep one for each set().`)
    if (this.#holder !== current)
      throw new ContextError(
        `ContextVar '${name}' was reset in another scope or run than it was set in: reset() where set() was called, or use run(value, fn).`,
      )
    this.#isUsed = true
    this.#holder.write(this.variable, this.#before)
  }
}
