/**
 * What went wrong, said once: the one error class of the package.
 *
 * Every message is one sentence that names what was given, why it cannot be, and what to write
 * instead. Programs tell the cases apart by `code`, never by the text.
 */

/** The codes a {@link ProxyFixError} can carry. */
export type ProxyFixErrorCode =
  /** An option, a policy or a handler that cannot be used; thrown at construction. */
  | 'ERR_PROXYFIX_OPTION'
  /** `connectionInfo` was asked about a request that no `proxyFix` has seen. */
  | 'ERR_PROXYFIX_NOT_FIXED'
  /** A rewriter assigned a value to a request or a response that it cannot have; nothing was changed. */
  | 'ERR_PROXYFIX_VALUE'
  /** A rewriter or a middleware broke its contract: what it changed is decided or passed on, or what it gave back is nothing that can be. */
  | 'ERR_PROXYFIX_REWRITE'
  /** The bundled server cannot listen where it was told to. */
  | 'ERR_PROXYFIX_BIND'
  /** The bundled server cannot load the app, or what it loaded is none, or gives back no answer. */
  | 'ERR_PROXYFIX_APP'
  /** A context local was used where it is not bound: a `ContextError` of `proxyfix/context`. */
  | 'ERR_PROXYFIX_CONTEXT'

// A registered symbol, so that `instanceof` also holds between two copies of the package.
const BRAND = Symbol.for('proxyfix.ProxyFixError')

/**
 * A mistake in how proxyfix was set up or called. It is never thrown because of what a client sent, but for
 * `ERR_PROXYFIX_VALUE`, where a rewriter assigns what a client sent.
 *
 * @example
 * try {
 *   proxyFix(app, { xFor: -1 })
 * } catch (error) {
 *   if (error instanceof ProxyFixError) console.error(error.code, error.message)
 * }
 */
export class ProxyFixError extends TypeError {
  /** Which kind of mistake it was; stable across releases. */
  readonly code: ProxyFixErrorCode

  constructor(code: ProxyFixErrorCode, message: string, options?: ErrorOptions) {
    super(printable(message), options)
    this.name = 'ProxyFixError'
    this.code = code
  }

  static {
    Object.defineProperty(this.prototype, BRAND, { value: true })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== ProxyFixError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

/** Throws for an option that cannot be. */
export function fail(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', message)
}

/** A value from outside, as messages show it: in one line, whatever is in it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${printable(value)}'`
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}

/**
 * Text as messages have it, wherever it is from: in one line, with nothing that a terminal would obey, and nothing that
 * turns round how it reads.
 */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, escape)
}

function escape(character: string): string {
  const code = character.codePointAt(0)!.toString(16)
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
}
