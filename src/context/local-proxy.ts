/**
 * How does one name stand for another object in each scope? Werkzeug's `LocalProxy`: whatever is done to the proxy
 * is done to the object that is current at that moment.
 *
 * The real object is always the receiver, and methods run on it: `Request`, `Map`, `Date` and classes with private
 * fields look into the very object they are called on, which no proxy can pass for.
 *
 * What no proxy can do is short (docs/context.md has the list): it is always truthy, `typeof` does not change, `===`
 * compares the proxy itself, and it cannot be frozen. `isBound(proxy)` and `unwrap(proxy)` are for that.
 */

import { Wrappers } from '../request/facade.ts'
import { fail, show } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import { isProbe } from './probe.ts'
import { UNBOUND } from './scope.ts'
import { along, findSource, type Source } from './source.ts'

/** How a local proxy finds its object, and what it is like. */
export interface LocalProxyOptions {
  /** What of the source to stand for: an attribute, or a dotted path. A Local needs one. */
  readonly name?: string | undefined
  /** What the {@link ContextError} says where nothing is bound. */
  readonly unboundMessage?: string | undefined
  /**
   * What `typeof proxy` and `Array.isArray(proxy)` tell, which cannot change with the object: a `'function'` can be
   * called and constructed, an `'array'` is one for `JSON` and `concat`. The others suit any object as well, but
   * libraries that ask `typeof` first take a function for one.
   * @default 'function'
   */
  readonly like?: 'function' | 'object' | 'array' | undefined
}

/** A `ContextVar` or a `LocalStack`, as far as types go. */
type Holder<T> =
  { readonly name: string; set(value: T): object } | { readonly top: T | undefined; push(item: T): number }

/** What is known of a proxy; `current` throws where there is nothing. */
interface Known extends Source {
  current(): unknown
}

const proxies = new WeakMap<object, Known>()

/**
 * A stand-in for what a source has in the current scope: an attribute of a `Local`, the top of a `LocalStack`, the value
 * of a `ContextVar`, or what a function returns, which is called at each use.
 *
 * Where nothing is bound (a function says so by a {@link ContextError}), every use throws a `ContextError`; only
 * `isBound` is `false`, consoles show `<LocalProxy unbound>`, and what `await` and test runners ask of any object is
 * answered as by one without properties: `proxy instanceof User` is `false`.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a source or an option that cannot be.
 * @example
 * const user = localProxy(userVar)
 * user.name // of the user of this request
 * @see Werkzeug's `LocalProxy`.
 */
export function localProxy<T>(
  source: Holder<T> | (() => T),
  options?: LocalProxyOptions & { readonly name?: undefined },
): T
export function localProxy<T, K extends keyof T & string>(
  source: Holder<T> | (() => T),
  options: LocalProxyOptions & { readonly name: K },
): T[K]
export function localProxy<P = unknown>(source: object | (() => unknown), options?: LocalProxyOptions): P
export function localProxy(source: unknown, options: LocalProxyOptions = {}): unknown {
  const { name, unboundMessage, like = 'function', ...others } = options
  if (typeof options !== 'object' || Object.keys(others).length > 0)
    fail(`localProxy takes the options name, unboundMessage and like, not ${show(Object.keys(others)[0] ?? options)}.`)
  if (name !== undefined && (typeof name !== 'string' || name.split('.').includes('')))
    fail(`The name of a local proxy is an attribute or a dotted path, as 'user.name', not ${show(name)}.`)
  if (unboundMessage !== undefined && typeof unboundMessage !== 'string')
    fail(`The unboundMessage of a local proxy is a sentence, not ${show(unboundMessage)}.`)
  if (!Object.hasOwn(TARGETS, like)) fail(`A local proxy is like 'function', 'object' or 'array', not ${show(like)}.`)
  return proxyOf(saying(unboundMessage, sourceOf(source, name)), like)
}

/** Whether a value is a local proxy. */
export function isLocalProxy(value: unknown): boolean {
  return isObject(value) && proxies.has(value)
}

/**
 * Whether a local proxy has an object here. `if (proxy)` cannot ask that, as every proxy is truthy.
 *
 * @returns `true` for what is no local proxy.
 */
export function isBound(proxy: unknown): boolean {
  const known = isObject(proxy) ? proxies.get(proxy) : undefined
  return known === undefined || known.read() !== UNBOUND
}

/**
 * The object that a local proxy stands for now, for whatever compares by `===`, keeps it for later, or looks inside:
 * `fetch(unwrap(request))`, `structuredClone(unwrap(user))`.
 *
 * @returns What is no local proxy is given back as it is.
 * @throws ContextError where nothing is bound.
 * @see Werkzeug's `_get_current_object`.
 */
export function unwrap<T>(proxy: T): T {
  const known = isObject(proxy) ? proxies.get(proxy) : undefined
  return known === undefined ? proxy : (known.current() as T)
}

function sourceOf(source: unknown, name: string | undefined): Source {
  const path = name?.split('.') ?? []
  const found = proxies.get(source as object) ?? findSource(source, path)
  if (found !== undefined) return along(path, found)
  if (typeof source === 'function') return along(path, returnedBy(source as () => unknown))
  fail(
    `localProxy cannot stand for ${show(source)}: give a Local, a LocalStack, a ContextVar or a function that returns the object.`,
  )
}

/** A function tells that it has nothing by throwing a ContextError, which is then what to show. */
function returnedBy(fn: () => unknown): Source {
  return {
    read() {
      try {
        return fn()
      } catch (error) {
        if (error instanceof ContextError) return UNBOUND
        throw error
      }
    },
    unbound() {
      try {
        fn()
      } catch (error) {
        if (error instanceof ContextError) return error
      }
      return new ContextError('The function behind a local proxy had no object for it.')
    },
  }
}

function saying(message: string | undefined, source: Source): Source {
  if (message === undefined) return source
  return { read: source.read, unbound: () => new ContextError(message, { cause: source.unbound() }) }
}

/** Fresh for each proxy: what the language lets a proxy tell depends on the properties that its target cannot lose. */
const TARGETS = {
  object: (): object => ({}),
  array: (): object => [],
  // A function that can be constructed has a property `prototype` that it cannot lose, unless it is a bound one.
  function: (): object => {
    const target = Reflect.apply(Function.prototype.bind, function () {}, []) as object
    Reflect.deleteProperty(target, 'name')
    Reflect.deleteProperty(target, 'length')
    return target
  },
}

/** What a proxy is like. */
type Kind = keyof typeof TARGETS

const INSPECT = Symbol.for('nodejs.util.inspect.custom')

function proxyOf(source: Source, like: Kind): object {
  const traps = new Traps(source, like)
  const target = TARGETS[like]()
  traps.proxy = new Proxy(target, traps)
  proxies.set(traps.proxy, traps)
  // A console looks behind a proxy, at its target.
  Object.defineProperty(target, INSPECT, { value: inspection(traps.read), configurable: true })
  return traps.proxy
}

/** What a proxy does. `this` of a trap is the object that the traps are on, so one set of functions serves all proxies. */
class Traps implements Known, ProxyHandler<object> {
  /** A field, and the first: V8 looks it up at each read, and finds it 4 ns later among the fourteen of the class. */
  readonly get = getOf
  readonly read: () => unknown
  readonly unbound: () => ContextError
  readonly like: Kind
  proxy!: object

  constructor(source: Source, like: Kind) {
    this.read = source.read
    this.unbound = source.unbound
    this.like = like
  }

  current(): unknown {
    const real = this.read()
    if (real === UNBOUND) throw this.unbound()
    return real
  }

  /** A primitive value is an object as far as one asks it for properties. */
  currentObject(): object {
    return Object(this.current()) as object
  }

  set(_: object, key: PropertyKey, value: unknown, receiver: unknown): boolean {
    const real = this.current()
    if (!isObject(real)) return false
    const stored: unknown = typeof value === 'function' ? methods.original(value as AnyFunction) : value
    return Reflect.set(real, key, stored, receiver === this.proxy ? real : receiver)
  }

  has(_: object, key: PropertyKey): boolean {
    return isProbe(key) && this.read() === UNBOUND ? key === INSPECT : Reflect.has(this.currentObject(), key)
  }

  deleteProperty(_: object, key: PropertyKey): boolean {
    return Reflect.deleteProperty(this.currentObject(), key)
  }

  defineProperty(_: object, key: PropertyKey, descriptor: PropertyDescriptor): boolean {
    // The language lets no proxy promise for another object that a property stays.
    return descriptor.configurable !== false && Reflect.defineProperty(this.currentObject(), key, descriptor)
  }

  getOwnPropertyDescriptor(_: object, key: PropertyKey): PropertyDescriptor | undefined {
    const descriptor = Reflect.getOwnPropertyDescriptor(this.currentObject(), key)
    if (descriptor === undefined) return undefined
    if (this.like === 'array' && key === 'length') return { ...descriptor, writable: true }
    return { ...descriptor, configurable: true }
  }

  ownKeys(): (string | symbol)[] {
    return Reflect.ownKeys(this.currentObject())
  }

  getPrototypeOf(): object | null {
    // Vitest and Jest ask `instanceof Error` of whatever they compare.
    const real = this.read()
    return real === UNBOUND ? null : (Reflect.getPrototypeOf(Object(real) as object) as object | null)
  }

  setPrototypeOf(_: object, prototype: object | null): boolean {
    return Reflect.setPrototypeOf(this.currentObject(), prototype)
  }

  preventExtensions(): boolean {
    return false // the object would be closed for all, the proxy could not tell
  }

  apply(_: object, self: unknown, args: unknown[]): unknown {
    return Reflect.apply(this.current() as AnyFunction, self, args)
  }

  construct(_: object, args: unknown[], newTarget: unknown): object {
    const real = this.current() as Newable
    return Reflect.construct(real, args, newTarget === this.proxy ? real : (newTarget as Newable)) as object
  }
}

function getOf(this: Traps, target: object, key: PropertyKey, receiver: unknown): unknown {
  const real = this.read()
  if (real === UNBOUND) return probed(this, target, key)
  if (real === undefined || real === null) return ofNothing(real, key)
  // What inherits from the proxy is the receiver of its own getters.
  const value: unknown =
    receiver === this.proxy ? propertyOf(real as Fields, key) : Reflect.get(Object(real) as object, key, receiver)
  if (typeof value === 'function')
    return key === 'constructor' || isStored(real, key) ? value : methods.of(value as AnyFunction)
  return value === undefined ? standIn(real, key, this.like) : value
}

/** What is told where nothing is bound to those who only look. */
function probed({ like, unbound }: Traps, target: object, key: PropertyKey): unknown {
  switch (key) {
    case Symbol.toStringTag:
      return 'LocalProxy'
    case INSPECT:
      return Reflect.get(target, INSPECT) // Chai prints by it
    case Symbol.iterator:
      // Vitest and Jest ask it of objects that they compare. What is iterated throws all the same, a TypeError.
      if (like === 'object') return undefined
      break
    case 'toJSON':
      return like === 'function' ? unwrapThis : undefined // JSON leaves functions out without a word
  }
  if (isProbe(key)) return undefined
  throw unbound()
}

/**
 * A property of an object. What is most asked of a request stands here by its name, under which V8 remembers where it lies:
 * under a key it searches, which takes 12 ns among the fields of a Node request.
 */
function propertyOf(real: Fields, key: PropertyKey): unknown {
  switch (key) {
    case 'method':
      return real['method']
    case 'url':
      return real['url']
    case 'headers':
      return real['headers']
    default:
      return real[key]
  }
}

type Fields = Record<PropertyKey, unknown>
type AnyFunction = (...args: unknown[]) => unknown
type Newable = new (...args: unknown[]) => object
type Inspect = (value: unknown, options: object) => string

function isObject(value: unknown): value is object {
  return typeof value === 'function' || (typeof value === 'object' && value !== null)
}

/** Methods as seen through a proxy: called on one, they run on the real object. The same each time they are read. */
const methods = new Wrappers<AnyFunction>((method) =>
  proxies.has(method) || isConstructor(method)
    ? method
    : new Proxy(method, {
        apply: (target, self: unknown, args: unknown[]) => Reflect.apply(target, unwrap(self), args),
      }),
)

/**
 * Whether a function lies in a plain object or a list: that was put there to be got back, and there is nothing inside of such
 * an object which only its own methods could see.
 */
function isStored(real: unknown, key: PropertyKey): boolean {
  if (!isObject(real)) return false
  if (!Array.isArray(real)) {
    const prototype: unknown = Object.getPrototypeOf(real)
    if (prototype !== Object.prototype && prototype !== null) return false
  }
  return Object.hasOwn(real, key) && 'value' in Reflect.getOwnPropertyDescriptor(real, key)!
}

/** Whether a function is a class, which is called on nothing, and is compared by its identity. */
function isConstructor(fn: AnyFunction): boolean {
  return Object.getOwnPropertyDescriptor(fn, 'prototype')?.writable === false
}

/** What the language asks objects for that have it not, but would be told something else of the proxy's target. */
function standIn(real: unknown, key: PropertyKey, like: Kind): unknown {
  switch (key) {
    case Symbol.toStringTag:
      return Object.prototype.toString.call(real).slice(8, -1)
    case Symbol.isConcatSpreadable:
      return Array.isArray(real) ? true : undefined
    case Symbol.toPrimitive:
      return isObject(real) ? undefined : () => real
    case 'toJSON':
      return typeof real === typeOf(like) && Array.isArray(real) === (like === 'array') ? undefined : unwrapThis
    default:
      return undefined
  }
}

function typeOf(like: Kind): string {
  return like === 'function' ? 'function' : 'object'
}

function unwrapThis(this: unknown): unknown {
  return unwrap(this)
}

/** `undefined` and `null` have no properties, but can be awaited and written in a text. */
function ofNothing(real: unknown, key: PropertyKey): unknown {
  if (key === Symbol.toPrimitive) return () => real
  if (key === 'toJSON') return unwrapThis
  if (isProbe(key)) return undefined
  return (real as Fields)[key] // throws what it would throw
}

function inspection(read: () => unknown): (depth: number, options: object, inspect: Inspect) => unknown {
  return (depth, options, inspect) => {
    const real = read()
    if (real === UNBOUND) return '<LocalProxy unbound>'
    // An object is shown as if it stood there itself; of anything else Node would show the bare text.
    return typeof real === 'object' && real !== null ? real : inspect(real, { ...options, depth })
  }
}
