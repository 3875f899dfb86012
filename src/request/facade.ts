/**
 * A facade stands in front of an object and shows some properties of its own; all else is the object itself:
 * reads, writes, `in`, keys, descriptors, prototype. Methods run on the real object, as a facade for `this`
 * cannot reach private fields (Bun's sockets, Hono's app) and would collect what belongs there (listeners).
 *
 * It is a Proxy over the record of shown properties, with one handler for all facades: about 100 ns to make and
 * read twice. A class with a Proxy behind its prototype is faster, but cannot tell which object `in` is asked of
 * (docs/decisions/002).
 */

type AnyFunction = (...args: unknown[]) => unknown

// Registered, so that a second copy of the package finds the real object as well.
const REAL: unique symbol = Symbol.for('proxyfix.real')

/** The properties that a facade shows of its own; the real object is kept among them. */
type Shown = Record<PropertyKey, unknown> & { [REAL]: object }

/**
 * A facade for `real` that shows the own properties of `shown`, an object made for it alone.
 */
export function facade<T extends object>(real: T, shown: object): T {
  const record = shown as Shown
  record[REAL] = unwrap(real)
  return new Proxy(record, handler) as unknown as T // whatever T has, the handler forwards
}

/** The real object behind a facade; any other value is given back as it is. */
export function unwrap<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  return ((value as { [REAL]?: T })[REAL] ?? value) as T
}

const handler: ProxyHandler<Shown> = {
  get(shown, key) {
    if (Object.hasOwn(shown, key)) return shown[key]
    const real = shown[REAL]
    const value: unknown = Reflect.get(real, key, real)
    return typeof value === 'function' && key !== 'constructor' ? bound(value as AnyFunction) : value
  },
  set(shown, key, value) {
    if (Object.hasOwn(shown, key)) return Reflect.set(shown, key, value)
    const real = shown[REAL]
    return Reflect.set(real, key, unbound(value), real)
  },
  has(shown, key) {
    return Object.hasOwn(shown, key) || Reflect.has(shown[REAL], key)
  },
  deleteProperty(shown, key) {
    return !Object.hasOwn(shown, key) && Reflect.deleteProperty(shown[REAL], key)
  },
  defineProperty(shown, key, descriptor) {
    if (descriptor.configurable === false) return false // the language lets no proxy promise that for another object
    return Reflect.defineProperty(Object.hasOwn(shown, key) ? shown : shown[REAL], key, {
      ...descriptor,
      configurable: true,
    })
  },
  getOwnPropertyDescriptor(shown, key) {
    if (key === REAL) return undefined
    const descriptor = Reflect.getOwnPropertyDescriptor(Object.hasOwn(shown, key) ? shown : shown[REAL], key)
    // A proxy may only call a property fixed that its target has fixed, and the record has none.
    return descriptor && { ...descriptor, configurable: true }
  },
  ownKeys(shown) {
    return [...new Set([...Reflect.ownKeys(shown), ...Reflect.ownKeys(shown[REAL])])].filter((key) => key !== REAL)
  },
  getPrototypeOf(shown) {
    return Reflect.getPrototypeOf(shown[REAL])
  },
  setPrototypeOf(shown, prototype) {
    return Reflect.setPrototypeOf(shown[REAL], prototype)
  },
  preventExtensions() {
    return false // the real object must go on
  },
}

// One wrapper a function, for all facades: so `view.on === view.on`, and nothing is made twice.
const wrappers = new WeakMap<AnyFunction, AnyFunction>()
const originals = new WeakMap<AnyFunction, AnyFunction>()

/** The function as seen through a facade: called on one it runs on the real object, and `return this` gives the facade. */
function bound(fn: AnyFunction): AnyFunction {
  let wrapper = wrappers.get(fn)
  if (wrapper === undefined) {
    wrapper = new Proxy(fn, {
      apply(target, self: unknown, args: unknown[]) {
        const real = unwrap(self)
        const result: unknown = Reflect.apply(target, real, args)
        return result === real ? self : result
      },
    })
    wrappers.set(fn, wrapper)
    originals.set(wrapper, fn)
  }
  return wrapper
}

/** A method read off a facade and written back (a patch undone) is stored as it was. */
function unbound(value: unknown): unknown {
  return typeof value === 'function' ? (originals.get(value as AnyFunction) ?? value) : value
}
