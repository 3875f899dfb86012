/**
 * What takes most of the time that an answer of a Fetch handler costs? The stream that a Response makes of its text, and
 * that the server reads to its end at once: 5 us to make and as much to read, where the rest of a Response takes 0.7.
 *
 * So the stream is made when somebody asks for it. A Response is Node's own all the same, made by Node's class, with the
 * status and the headers that Node has checked and keeps; only its body, where it is a text or bytes, is kept beside it. Who
 * reads that by `body`, `text()`, `clone()` or any other member gets what Node makes of it, and the server, by `takeBody`,
 * what it was made of.
 */

import { types } from 'node:util'

/** Leads from whatever shows the properties of a late Response to itself. */
const SELF: unique symbol = Symbol('late')

/** What a body is made of. */
export type BodySource = string | Uint8Array<ArrayBuffer>

type ResponseClass = typeof Response
type AnyFunction = (...args: unknown[]) => unknown

let take: ((response: Response) => BodySource | undefined) | undefined

/**
 * What the body of a Response is made of, if nobody has asked for it yet; it counts as read from now on. `undefined` for
 * all others, and where a subclass or a patch shows another body.
 */
export function takeBody(response: Response): BodySource | undefined {
  return take?.(response)
}

/**
 * Has the Responses that are made by the global class from now on make their streams late. Nothing is changed where that is
 * another class than Node's, or locked, or where the platform itself may read a Response past its members, to cache it.
 */
export function makeBodiesLate(): void {
  const { Response } = globalThis
  if (take === undefined && !('caches' in globalThis) && isChangeable(Response)) take = install(Response)
}

/** What tells nothing of the body. Any other member, of a later Node too, is taken to do so. */
const OF_HEAD: ReadonlySet<PropertyKey> = new Set<PropertyKey>([
  'constructor',
  'headers',
  'ok',
  'redirected',
  'status',
  'statusText',
  'type',
  'url',
  Symbol.toStringTag,
  Symbol.for('nodejs.util.inspect.custom'), // reads the others
])

/** Statuses of answers without a body, with which no Response can be made that has one (Fetch §5.5). */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** The getter of a member, whoever of the object and its prototypes has it. */
const { __lookupGetter__: lookUp } = Object.prototype as unknown as {
  __lookupGetter__(this: object, name: string): AnyFunction | undefined
}

/** Whether this is Node's class, and can be put another in place of; `Function.prototype` is what Node's inherits from. */
function isChangeable(Response: ResponseClass): boolean {
  const { prototype } = Response
  return (
    process.versions['bun'] === undefined &&
    process.versions['deno'] === undefined &&
    Object.getPrototypeOf(Response) === Function.prototype &&
    [globalThis, Response, prototype].every(Object.isExtensible) &&
    ['body', 'bodyUsed', 'headers', 'status', 'statusText'].every((name) => getterOf(prototype, name) !== undefined) &&
    Reflect.ownKeys(prototype).every((name) => isConfigurable(prototype, name)) &&
    isConfigurable(Response, 'json') &&
    isConfigurable(globalThis, 'Response')
  )
}

function install(Native: ResponseClass): (response: Response) => BodySource | undefined {
  const { prototype } = Native
  // Node's, as a subclass may have its own, which cannot run before its constructor has.
  const statusOf = getterOf(prototype, 'status') as (this: Response) => number
  const statusTextOf = getterOf(prototype, 'statusText') as (this: Response) => string
  const headersOf = getterOf(prototype, 'headers') as (this: Response) => Headers
  const { has, append } = Headers.prototype

  /** Node 20 keeps what a Response is under symbols, so that a Proxy of one, and what inherits from it, is one as well. */
  const showsThrough = isReadable(Object.create(new Native(null)) as Response)

  class LateResponse extends Native {
    /** `undefined` when it was taken, or has gone into the whole. */
    #source: BodySource | undefined
    /** A Response with the stream, which no app sees. */
    #whole: Response | undefined

    constructor(source: BodySource, init: ResponseInit | undefined, type: string | undefined) {
      super(null, init)
      if (showsThrough) define(this, SELF, { value: this })
      if (BODILESS.has(Reflect.apply(statusOf, this, []))) void new Native(source, init) // throws
      this.#source = source
      if (type === undefined) return
      const headers = Reflect.apply(headersOf, this, [])
      if (!Reflect.apply(has, headers, ['content-type'])) Reflect.apply(append, headers, ['content-type', type])
    }

    static take(response: Response): BodySource | undefined {
      if (!(#source in response) || response.#source === undefined) return undefined
      if (Reflect.apply(lookUp, response, ['body']) !== lateBody) return undefined
      const source = response.#source
      response.#source = undefined
      return source
    }

    /** The late one that this is, or leads to. */
    static #find(value: unknown): LateResponse | undefined {
      if (!isObject(value)) return undefined
      if (#source in value) return value
      return showsThrough ? (value as { [SELF]?: LateResponse })[SELF] : undefined
    }

    static isUnasked(value: unknown): boolean {
      const late = LateResponse.#find(value)
      return late !== undefined && late.#source !== undefined
    }

    /** Whose body is to be read: that of the whole, for one of these. */
    static withBody(value: unknown): unknown {
      const late = LateResponse.#find(value)
      return late === undefined ? value : (late.#whole ??= late.#makeWhole())
    }

    /** The same, with the headers as they are by now: a clone has them, and a Blob or a form is what they say. */
    static withHeaders(value: unknown): unknown {
      const whole = LateResponse.withBody(value)
      if (whole === value) return value
      const { headers } = whole as Response
      for (const name of Array.from(headers.keys())) headers.delete(name)
      for (const [name, text] of Reflect.apply(headersOf, value as Response, [])) headers.append(name, text)
      return whole
    }

    #makeWhole(): Response {
      const whole = new Native(this.#source ?? '', {
        status: Reflect.apply(statusOf, this, []),
        statusText: Reflect.apply(statusTextOf, this, []),
      })
      if (this.#source === undefined) void whole.body!.getReader().cancel() // it was taken: read, and locked by its reader
      this.#source = undefined
      return whole
    }
  }

  const Late: ResponseClass = new Proxy(Native, {
    construct(target, args: [body?: unknown, init?: ResponseInit], newTarget) {
      // Node 20 would take 2.5 us more for an object whose class is a Proxy.
      const made = newTarget === Late ? target : newTarget
      const body = args[0]
      // A spy or an instrumentation that is undone puts back what there was before ours.
      if (!areOurs()) return Reflect.construct(target, args, made) as Response
      if (typeof body === 'string')
        return Reflect.construct(LateResponse, [body, args[1], 'text/plain;charset=UTF-8'], made) as Response
      if (isBytes(body)) return Reflect.construct(LateResponse, [new Uint8Array(body), args[1]], made) as Response
      return Reflect.construct(target, args, made) as Response
    },
  })
  const members = Reflect.ownKeys(prototype).filter((name) => !OF_HEAD.has(name))
  for (const name of members) {
    const withWhat = getterOf(prototype, name) === undefined ? LateResponse.withHeaders : LateResponse.withBody
    change(prototype, name, (member, self, args) => Reflect.apply(member, withWhat(self), args))
  }
  const lateBody = getterOf(prototype, 'body')
  change(prototype, 'bodyUsed', (getter, self) => !LateResponse.isUnasked(self) && Reflect.apply(getter, self, []))
  change(Native, 'json', (json, self, args) => {
    const [data, init] = args as [data?: unknown, init?: ResponseInit | null]
    const text = args.length === 0 || init === null ? undefined : (JSON.stringify(data) as string | undefined)
    if (text === undefined || !areOurs()) return Reflect.apply(json, self, args) // throws where there is no text
    return Reflect.construct(LateResponse, [text, init, 'application/json'], Native)
  })
  const areOurs = watched(prototype, members)
  define(prototype, 'constructor', { value: Late })
  define(globalThis, 'Response', { value: Late, writable: true })
  return (response) => LateResponse.take(response)
}

/** Puts what calls a member, or its getter, in place of it; in all else it is what it was. */
function change(
  object: object,
  name: PropertyKey,
  call: (member: AnyFunction, self: unknown, args: unknown[]) => unknown,
): void {
  const { get, value } = Object.getOwnPropertyDescriptor(object, name)!
  if (get !== undefined) define(object, name, { get: new Proxy(get, { apply: call }) })
  else if (typeof value === 'function')
    define(object, name, { value: new Proxy(value as AnyFunction, { apply: call }) })
}

/** Tells whether members of an object are still what they are now. */
function watched(object: object, names: readonly PropertyKey[]): () => boolean {
  const members = object as Readonly<Record<PropertyKey, unknown>>
  const isGetter = (name: PropertyKey): boolean => getterOf(object, name) !== undefined
  const getters = names.filter(isGetter).map((name) => ({ name, is: getterOf(object, name) }))
  const methods = names.filter((name) => !isGetter(name)).map((name) => ({ name, is: members[name] }))
  return () =>
    methods.every(({ name, is }) => members[name] === is) &&
    getters.every(({ name, is }) => Reflect.apply(lookUp, object, [name]) === is)
}

function define(object: object, name: PropertyKey, attributes: PropertyDescriptor): void {
  Object.defineProperty(object, name, attributes)
}

function isConfigurable(object: object, name: PropertyKey): boolean {
  return Object.getOwnPropertyDescriptor(object, name)?.configurable === true
}

function getterOf(object: object, name: PropertyKey): AnyFunction | undefined {
  return Object.getOwnPropertyDescriptor(object, name)?.get
}

/** Bytes that a body can be made of on every Node: they are copied, as the app may go on to write in them. */
function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value) && value.length > 0 && isOfFixedSize(value.buffer)
}

function isOfFixedSize(buffer: ArrayBufferLike & { readonly resizable?: boolean }): boolean {
  return buffer instanceof ArrayBuffer && buffer.resizable !== true // Node 20 takes no other
}

/** Whether the platform takes this for a Response. */
function isReadable(response: Response): boolean {
  try {
    return response.status > 0
  } catch {
    return false
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
