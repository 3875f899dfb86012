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
export const REAL: unique symbol = Symbol.for('proxyfix.real')

/** The properties that a facade shows of its own; the real object is kept among them. */
export type Shown = Record<PropertyKey, unknown> & { [REAL]: object }

/**
 * A facade for `real` that shows the own properties of `shown`, an object made for it alone.
 */
export function facade<T extends object>(real: T, shown: object): T {
  const record = shown as Shown
  record[REAL] = unwrap(real)
  return new Proxy(record, facadeHandler) as unknown as T // whatever T has, the handler forwards
}

/** The real object behind a facade; any other value is given back as it is. */
export function unwrap<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  return ((value as { [REAL]?: T })[REAL] ?? value) as T
}

/** How a facade answers. */
export const facadeHandler: ProxyHandler<Shown> & Required<Pick<ProxyHandler<Shown>, 'get'>> = {
  get(shown, key, receiver) {
    if (Object.hasOwn(shown, key)) return shown[key]
    const real = shown[REAL]
    const value = (real as Readonly<Record<PropertyKey, unknown>>)[key] // 14 ns less than Reflect.get
    if (value === real) return receiver
    return typeof value === 'function' && key !== 'constructor' ? methods.of(value as AnyFunction) : value
  },
  set(shown, key, value, receiver: object) {
    // What only inherits from a facade has what is assigned to it for itself.
    const heir = isHeir(receiver) ? receiver : undefined
    if (Object.hasOwn(shown, key)) return Reflect.set(shown, key, value, heir ?? shown)
    const real = shown[REAL]
    const stored: unknown = typeof value === 'function' ? methods.original(value as AnyFunction) : value
    return Reflect.set(real, key, stored, heir ?? real)
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

/** A facade says that its prototype is that of the real object, which has no such property. */
function isHeir(receiver: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(receiver)
  return prototype !== null && REAL in prototype
}

/**
 * Wrappers of functions, one a function: so `view.on === view.on`, nothing is made twice, and what was read
 * wrapped and is written back (a patch undone) is stored as it was.
 */
export class Wrappers<F extends (...args: never[]) => unknown> {
  readonly #wrap: (fn: F) => F
  readonly #wrappers = new WeakMap<F, F>()
  readonly #originals = new WeakMap<F, F>()

  constructor(wrap: (fn: F) => F) {
    this.#wrap = wrap
  }

  /** The wrapper of a function, the same each time. */
  of(fn: F): F {
    let wrapper = this.#wrappers.get(fn)
    if (wrapper === undefined) {
      wrapper = this.#wrap(fn)
      this.#wrappers.set(fn, wrapper)
      this.#originals.set(wrapper, fn)
    }
    return wrapper
  }

  /** The function that a wrapper is of; any other function is given back as it is. */
  original(fn: F): F {
    return this.#originals.get(fn) ?? fn
  }
}

/** Methods as seen through a facade: called on one they run on the real object, and `return this` gives the facade. */
const methods = new Wrappers<AnyFunction>(
  (method) =>
    new Proxy(method, {
      apply(target, self: unknown, args: unknown[]) {
        const real = unwrap(self)
        // What was read wrapped may come back to be compared with what is there: a listener that was kept on a socket.
        const given = args.map((arg) => (typeof arg === 'function' ? methods.original(arg as AnyFunction) : arg))
        const result: unknown = Reflect.apply(target, real, given)
        return result === real ? self : result
      },
    }),
)
