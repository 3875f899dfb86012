/** Which values belong to this scope, by name? Werkzeug's `Local`: a namespace whose attributes are the scope's own. */

import { fail } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import { localProxy, type LocalProxyOptions } from './local-proxy.ts'
import { isProbe } from './probe.ts'
import { isReleasedBy } from './release-local.ts'
import { currentScope, HOW_TO_ENTER, type Key, readCurrent, scopeToWrite, UNBOUND } from './scope.ts'
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
    const keys = new Map<string, Key>()
    const target: object = Object.create(new.target.prototype, membersOf(keys))
    const local = new Proxy(target, trapsOf(keys))
    isSource(local, (path) => attributeSource(keys, path.shift()))
    isReleasedBy(local, () => release(keys))
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

type Keys = Map<string, Key>

function read(keys: Keys, name: string): unknown {
  const key = keys.get(name)
  return key === undefined ? UNBOUND : readCurrent(key)
}

function keyOf(keys: Keys, name: string): Key {
  let key = keys.get(name)
  if (key === undefined) keys.set(name, (key = { name }))
  return key
}

function namesIn(keys: Keys): string[] {
  const scope = currentScope()
  if (scope === undefined) return []
  return [...keys].filter(([, key]) => scope.read(key) !== UNBOUND).map(([name]) => name)
}

function unbound(name: string): ContextError {
  return new ContextError(
    currentScope() === undefined
      ? `The Local’s attribute '${name}' was read outside any scope. ${HOW_TO_ENTER}`
      : `The Local’s attribute '${name}' is not set in this scope: set it before it is read, or ask with '${name}' in local.`,
  )
}

/** Under the traps, which let nothing but these through. */
function membersOf(keys: Keys): PropertyDescriptorMap {
  const member = (value: unknown): PropertyDescriptor => ({ value, configurable: true })
  return {
    proxy: member(function proxy(this: Local, name: string, options?: Omit<LocalProxyOptions, 'name'>): unknown {
      return localProxy(this, { ...options, name })
    }),
    [INSPECT]: member((_depth: number, options: object, inspect: (value: unknown, options: object) => string) => {
      const shown = Object.fromEntries(namesIn(keys).map((name) => [name, read(keys, name)]))
      return `Local ${inspect(shown, options)}`
    }),
  }
}

function attributeSource(keys: Keys, name: string | undefined): Source {
  if (name === undefined)
    fail(
      "A Local has many values: name the one to stand for, localProxy(local, { name: 'user' }) or local.proxy('user').",
    )
  const key = keyOf(keys, name)
  return { read: () => readCurrent(key), unbound: () => unbound(name) }
}

function release(keys: Keys): void {
  const scope = currentScope()
  if (scope !== undefined) for (const key of keys.values()) scope.write(key, UNBOUND)
}

function trapsOf(keys: Keys): ProxyHandler<object> {
  function set(_: object, name: PropertyKey, value: unknown): boolean {
    if (typeof name !== 'string') return false
    if (name === 'proxy') fail("A Local has a method 'proxy': give the attribute another name.")
    scopeToWrite(`The attribute '${name}' of a Local was set`).write(keyOf(keys, name), value)
    return true
  }
  return {
    get(target, name) {
      const value = typeof name === 'string' ? read(keys, name) : UNBOUND
      if (value !== UNBOUND) return value
      if (typeof name === 'symbol' || name in target || isProbe(name) || name === 'toJSON')
        return Reflect.get(target, name)
      throw unbound(name)
    },
    set,
    has: (_, name) => typeof name === 'string' && read(keys, name) !== UNBOUND,
    deleteProperty(_, name) {
      if (typeof name !== 'string') return true
      const scope = scopeToWrite(`The attribute '${name}' of a Local was deleted`)
      if (read(keys, name) === UNBOUND) throw unbound(name)
      scope.write(keyOf(keys, name), UNBOUND)
      return true
    },
    ownKeys: () => namesIn(keys),
    getOwnPropertyDescriptor(_, name) {
      const value = typeof name === 'string' ? read(keys, name) : UNBOUND
      return value === UNBOUND ? undefined : { value, configurable: true, enumerable: true, writable: true }
    },
    defineProperty(target, name, descriptor) {
      return 'value' in descriptor && descriptor.configurable !== false && set(target, name, descriptor.value)
    },
    preventExtensions: () => false, // scopes to come have attributes of their own
  }
}
