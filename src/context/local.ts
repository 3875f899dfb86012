/** Which values belong to this scope, by name? Werkzeug's `Local`: a namespace whose attributes are the scope's own. */

import { fail } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import { localProxy, type LocalProxyOptions } from './local-proxy.ts'
import { isProbe } from './probe.ts'
import { isReleasedBy } from './release-local.ts'
import { currentPlace, currentScope, HOW_TO_ENTER, type Key, scopeToWrite, UNBOUND } from './scope.ts'
import { isSource, type Source } from './source.ts'

/** What a Local has beside its attributes. */
interface LocalMembers<T extends object> {
  /**
   * A proxy for an attribute, or for what a dotted path leads to from one (`'user.address'`).
   * @see {@link localProxy}
   */
  proxy<K extends keyof T & string>(name: K, options?: Omit<LocalProxyOptions, 'name'>): T[K]
  proxy<P = unknown>(path: string, options?: Omit<LocalProxyOptions, 'name'>): P
}

/** A namespace whose attributes belong to the scope they were set in. */
export type Local<T extends object = Record<string, unknown>> = T & LocalMembers<T>

class LocalNamespace {
  constructor() {
    // Names are kept in the scopes, and go with them: whoever names attributes by what clients send must not fill a table.
    const key: Key = {}
    const target: object = Object.create(new.target.prototype, membersOf(key))
    const local = new Proxy(target, trapsOf(key))
    isSource(local, (path) => attributeSource(key, path.shift()))
    isReleasedBy(local, () => currentScope()?.table(key)?.clear())
    return local as LocalNamespace
  }

  get [Symbol.toStringTag](): string {
    return 'Local'
  }
}

/**
 * A namespace whose attributes belong to the scope they were set in. Reading one that this scope has not throws a
 * {@link ContextError}; `name in local` asks. So does deleting it; setting throws outside any scope.
 *
 * @example
 * const local = new Local<{ user: User }>()
 * local.user = await findUser(req) // in a request
 * local.user.name // anywhere that request gets to
 * @see Werkzeug's `Local`.
 */
export const Local: new <T extends object = Record<string, unknown>>() => Local<T> = LocalNamespace as never
Object.defineProperty(LocalNamespace, 'name', { value: 'Local' })

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

function read(key: Key, name: string): unknown {
  const table = currentPlace()?.table(key)
  if (table === undefined) return UNBOUND
  const value = table.get(name)
  return value === undefined && !table.has(name) ? UNBOUND : value
}

function namesHere(key: Key): string[] {
  return [...(currentScope()?.table(key)?.keys() ?? [])]
}

function unbound(name: string): ContextError {
  return new ContextError(
    currentScope() === undefined
      ? `The Local’s attribute '${name}' was read outside any scope. ${HOW_TO_ENTER}`
      : `The Local’s attribute '${name}' is not set in this scope: set it before it is read, or ask with '${name}' in local.`,
  )
}

/** Under the traps, which let nothing but these through. */
function membersOf(key: Key): PropertyDescriptorMap {
  const member = (value: unknown): PropertyDescriptor => ({ value, configurable: true })
  return {
    proxy: member(function proxy(this: Local, name: string, options?: Omit<LocalProxyOptions, 'name'>): unknown {
      return localProxy(this, { ...options, name })
    }),
    [INSPECT]: member((_depth: number, options: object, inspect: (value: unknown, options: object) => string) => {
      const shown = Object.fromEntries(namesHere(key).map((name) => [name, read(key, name)]))
      return `Local ${inspect(shown, options)}`
    }),
  }
}

function attributeSource(key: Key, name: string | undefined): Source {
  if (name === undefined)
    fail(
      "A Local has many values: name the one to stand for, localProxy(local, { name: 'user' }) or local.proxy('user').",
    )
  return { read: () => read(key, name), unbound: () => unbound(name) }
}

function trapsOf(key: Key): ProxyHandler<object> {
  function set(_: object, name: PropertyKey, value: unknown): boolean {
    if (typeof name !== 'string') return false
    if (name === 'proxy') fail("A Local has a method 'proxy': give the attribute another name.")
    scopeToWrite(`The attribute '${name}' of a Local was set`).needTable(key).set(name, value)
    return true
  }
  return {
    get(target, name) {
      const value = typeof name === 'string' ? read(key, name) : UNBOUND
      if (value !== UNBOUND) return value
      if (typeof name === 'symbol' || name in target || isProbe(name)) return Reflect.get(target, name)
      throw unbound(name)
    },
    set,
    has: (_, name) => typeof name === 'string' && read(key, name) !== UNBOUND,
    deleteProperty(_, name) {
      if (typeof name !== 'string') return true
      const scope = scopeToWrite(`The attribute '${name}' of a Local was deleted`)
      if (scope.table(key)?.delete(name) !== true) throw unbound(name)
      return true
    },
    ownKeys: () => namesHere(key),
    getOwnPropertyDescriptor(_, name) {
      const value = typeof name === 'string' ? read(key, name) : UNBOUND
      return value === UNBOUND ? undefined : { value, configurable: true, enumerable: true, writable: true }
    },
    defineProperty(target, name, descriptor) {
      return 'value' in descriptor && descriptor.configurable !== false && set(target, name, descriptor.value)
    },
    preventExtensions: () => false, // scopes to come have attributes of their own
  }
}
