/** What is thrown when something of a context is used where there is none, or where it has no value? */

import { ProxyFixError } from '../trust/error.ts'

// A registered symbol, so that `instanceof` also holds between two copies of the package.
const BRAND = Symbol.for('proxyfix.ContextError')

/**
 * A context local was used where it is not bound. The message names it, says where it is bound, and what to do.
 *
 * @example
 * try {
 *   user.get()
 * } catch (error) {
 *   if (error instanceof ContextError) console.error(error.message)
 * }
 */
export class ContextError extends ProxyFixError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_PROXYFIX_CONTEXT', message, options)
    this.name = 'ContextError'
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ContextError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && BRAND in value
  }
}
