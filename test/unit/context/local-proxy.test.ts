/** What a local proxy is where nothing is bound, and what it stands for where something is. */

import { format, inspect, isDeepStrictEqual } from 'node:util'
import { describe, expect, expectTypeOf, it, vi } from 'vitest'
import {
  ContextError,
  ContextVar,
  copyContext,
  isBound,
  isLocalProxy,
  Local,
  localProxy,
  LocalStack,
  unwrap,
} from '../../../src/context/index.ts'
import { ProxyFixError } from '../../../src/index.ts'

interface User {
  name: string
  address: { city: string } | undefined
}

const variable = new ContextVar<User>('user')
const local = new Local<{ user: User }>()
const stack = new LocalStack<User>()
const nobody = (): User => {
  throw new ContextError('Nobody is here.')
}

/** Every source, and how it gets a value in the current scope. */
const SOURCES: readonly { name: string; make(unboundMessage?: string): User; bind?: (user: User) => void }[] = [
  {
    name: 'a ContextVar',
    make: (unboundMessage) => localProxy(variable, { unboundMessage }),
    bind: (user) => void variable.set(user),
  },
  {
    name: 'an attribute of a Local',
    make: (unboundMessage) => local.proxy('user', { unboundMessage }),
    bind: (user) => void (local.user = user),
  },
  {
    name: 'the top of a LocalStack',
    make: (unboundMessage) => stack.proxy(undefined, { unboundMessage }),
    bind: (user) => void stack.push(user),
  },
  { name: 'a function', make: (unboundMessage) => localProxy(nobody, { unboundMessage }) },
  { name: 'another proxy', make: (unboundMessage) => localProxy(localProxy(variable) as never, { unboundMessage }) },
]

const USES: readonly { use: string; run(proxy: User): unknown }[] = [
  { use: 'reading', run: (proxy) => proxy.name },
  { use: 'writing', run: (proxy) => (proxy.name = 'x') },
  { use: 'in', run: (proxy) => 'name' in proxy },
  { use: 'delete', run: (proxy) => Reflect.deleteProperty(proxy, 'name') },
  { use: 'Object.keys', run: (proxy) => Object.keys(proxy) },
  { use: 'spread', run: (proxy) => ({ ...proxy }) },
  { use: 'calling', run: (proxy) => (proxy as unknown as () => void)() },
  { use: 'constructing', run: (proxy) => new (proxy as unknown as new () => object)() },
  { use: 'iterating', run: (proxy) => [...(proxy as unknown as Iterable<unknown>)] },
  { use: 'JSON.stringify', run: (proxy) => JSON.stringify(proxy) },
  { use: 'a template', run: (proxy) => `${proxy as unknown as string}` },
  { use: 'arithmetic', run: (proxy) => (proxy as unknown as number) + 1 },
  { use: 'Reflect.ownKeys', run: (proxy) => Reflect.ownKeys(proxy) },
  { use: 'JSON.stringify of what holds it', run: (proxy) => JSON.stringify({ list: [proxy] }) },
  { use: 'toString', run: (proxy) => proxy.toString() },
  { use: 'Number', run: (proxy) => Number(proxy) },
  { use: 'defineProperty', run: (proxy) => Object.defineProperty(proxy, 'name', { value: 1 }) },
  { use: 'getOwnPropertyDescriptor', run: (proxy) => Object.getOwnPropertyDescriptor(proxy, 'name') },
  { use: 'unwrap', run: (proxy) => unwrap(proxy) },
]

describe.each(SOURCES)('a proxy of $name', ({ make, bind }) => {
  describe.each([
    { where: 'outside any scope', run: <R>(fn: () => R): R => fn() },
    { where: 'in a scope where nothing is bound', run: <R>(fn: () => R): R => copyContext().run(fn) },
  ])('$where', ({ run }) => {
    it.each(USES)('throws a ContextError for $use', ({ run: use }) => {
      run(() => {
        expect(() => use(make())).toThrow(ContextError)
        expect(() => use(make('Log in first.'))).toThrow(new ContextError('Log in first.'))
      })
    })

    it('says that nothing is bound, and can be shown, awaited and probed', async () => {
      await run(async () => {
        const proxy = make()
        expect(isBound(proxy)).toBe(false)
        expect(isLocalProxy(proxy)).toBe(true)
        expect(inspect(proxy)).toBe('<LocalProxy unbound>')
        expect(inspect({ proxy })).toBe('{ proxy: <LocalProxy unbound> }')
        expect(Object.prototype.toString.call(proxy)).toBe('[object LocalProxy]')
        expect((await proxy) === proxy).toBe(true)
        expect((await Promise.resolve(proxy)) === proxy).toBe(true)
        expect((await (async () => Promise.resolve(proxy))()) === proxy).toBe(true)
        expect(proxy).toBe(proxy)
        expect({ proxy }).toHaveProperty('proxy')
        expect(proxy).toBeDefined()
      })
    })
  })

  it('is its object in a scope where it is bound, and there alone', () => {
    if (bind === undefined) return // a function has no scope of its own, and the other proxy is tested by its source
    const proxy = make()
    const ada = { name: 'Ada', address: undefined }
    const fork = copyContext().run(() => {
      bind(ada)
      expect(isBound(proxy)).toBe(true)
      expect(unwrap(proxy)).toBe(ada)
      expect(proxy.name).toBe('Ada')
      proxy.name = 'Ada L.'
      expect(ada.name).toBe('Ada L.')
      return copyContext()
    })
    expect(isBound(proxy)).toBe(false)
    fork.run(() => expect(unwrap(proxy)).toBe(ada))
  })
})

describe.each(['object', 'function', 'array'] as const)('an unbound proxy like %s', (like) => {
  const proxy = localProxy<User>(variable, { like })

  it.each<{ how: string; judge: () => void }>([
    { how: 'not.toBe', judge: () => expect(proxy).not.toBe(1) },
    { how: 'toBe', judge: () => expect(proxy).toBe(proxy) },
    { how: 'toEqual', judge: () => expect(proxy).toEqual(proxy) },
    { how: 'not.toEqual a value', judge: () => expect(proxy).not.toEqual(1) },
    { how: 'not.toEqual an object', judge: () => expect(proxy).not.toEqual({ name: 'Ada' }) },
    { how: 'toEqual, inside an object', judge: () => expect({ proxy }).toEqual({ proxy }) },
    { how: 'not.toEqual, inside an object', judge: () => expect({ proxy }).not.toEqual({ proxy: 1 }) },
    { how: 'toContainEqual', judge: () => expect([proxy]).toContainEqual(proxy) },
    { how: 'toBeInstanceOf', judge: () => expect(proxy).not.toBeInstanceOf(Map) },
  ])('can be judged by $how', ({ judge }) => {
    expect(judge).not.toThrow()
  })

  it('is compared by Node', () => {
    expect(isDeepStrictEqual({ proxy }, { proxy })).toBe(true)
    expect(isDeepStrictEqual({ proxy }, { proxy: {} })).toBe(false)
  })

  it('has none of the properties by which printers tell what to print', () => {
    const asked = proxy as unknown as Record<PropertyKey, unknown>
    for (const key of ['nodeType', '$$typeof', '@@__IMMUTABLE_ITERABLE__@@', '@@__IMMUTABLE_RECORD__@@', 'constructor'])
      expect(asked[key]).toBeUndefined()
    // JSON leaves out a function that has none.
    expect(typeof asked['toJSON']).toBe(like === 'function' ? 'function' : 'undefined')
    expect(Object.getPrototypeOf(proxy)).toBeNull()
  })
})

describe.each(['object', 'array'] as const)('an unbound proxy like %s, in assertions that print it', (like) => {
  const proxy = localProxy<User>(variable, { like })

  it.each<{ judge: () => void; message: string }>([
    { judge: () => expect(proxy).toBe(1), message: 'expected <LocalProxy unbound> to be 1' },
    { judge: () => expect(proxy).toBeUndefined(), message: 'expected <LocalProxy unbound> to be undefined' },
    {
      judge: () => expect({ proxy }).toEqual({}),
      message: 'expected { proxy: <LocalProxy unbound> } to deeply equal {}',
    },
    { judge: () => expect([proxy]).toContain(1), message: 'expected [ <LocalProxy unbound> ] to include 1' },
  ])('is told of as $message', ({ judge, message }) => {
    expect(judge).toThrow(message)
  })

  it('may have been given to a mock, and be found in a list', () => {
    const called = vi.fn<(user: User) => void>()
    called(proxy)
    expect(called).toHaveBeenCalledWith(proxy)
    expect(called).not.toHaveBeenCalledWith(null as never)
    expect([proxy]).toContain(proxy)
  })

  it('is written by %s as by a console', () => {
    expect(format('%s', proxy)).toBe('<LocalProxy unbound>')
  })
})

it('leaves it to the language to refuse what cannot be iterated, where a proxy is like an object', () => {
  const proxy = localProxy<Iterable<unknown>>(variable as never, { like: 'object' })
  expect(() => [...proxy]).toThrow(TypeError)
})

describe('localProxy', () => {
  it('gives the same function each time, which runs on the real object', () => {
    class Counter {
      #count = 0
      up(): number {
        return ++this.#count
      }
    }
    const counter = localProxy(() => new Counter())
    expect(counter.up).toBe(counter.up)
    expect(counter.up()).toBe(1)
    const { up } = counter
    expect(Reflect.apply(up, new Counter(), [])).toBe(1)
    expect(() => Reflect.apply(up, undefined, [])).toThrow(TypeError)
  })

  it('reads what a function returns at each use', () => {
    let count = 0
    const proxy = localProxy(() => ({ count: ++count }))
    expect([proxy.count, proxy.count]).toStrictEqual([1, 2])
  })

  it('hands on what a function throws, unless it is a ContextError', () => {
    const proxy = localProxy((): User => {
      throw new RangeError('of its own')
    })
    expect(() => proxy.name).toThrow(RangeError)
    expect(() => isBound(proxy)).toThrow(RangeError)
  })

  it('follows a dotted path', () => {
    const city = local.proxy<string>('user.address.city')
    copyContext().run(() => {
      expect(isBound(city)).toBe(false)
      local.user = { name: 'Ada', address: { city: 'London' } }
      expect(`${city}`).toBe('London')
      expect(city.length).toBe(6)
      local.user.address = undefined
      expect(isBound(city)).toBe(false)
      expect(() => city.length).toThrow("'address.city'")
      stack.push(local.user)
      expect(`${stack.proxy('name')}`).toBe('Ada')
      expect(`${localProxy(() => local.user, { name: 'name' })}`).toBe('Ada')
    })
  })

  it('takes undefined and null for values', async () => {
    const nothing = new ContextVar<unknown>('nothing')
    const proxy = localProxy(nothing) as { x: number }
    await copyContext().run(async () => {
      for (const value of [undefined, null]) {
        nothing.set(value)
        expect(isBound(proxy)).toBe(true)
        expect(unwrap(proxy)).toBe(value)
        expect(inspect(proxy)).toBe(String(value))
        expect(`${proxy as never}`).toBe(String(value))
        expect(() => proxy.x).toThrow(TypeError)
        expect((await proxy) === proxy).toBe(true)
      }
    })
  })

  it('is like what it is told to be', () => {
    const list = localProxy(() => [1, 2], { like: 'array' })
    const object = localProxy(() => ({ a: 1 }), { like: 'object' })
    const either = localProxy(() => ({ a: 1 }))
    expect([typeof list, typeof object, typeof either]).toStrictEqual(['object', 'object', 'function'])
    expect(Array.isArray(list)).toBe(true)
    expect(list).toStrictEqual([1, 2])
    expect(object).toStrictEqual({ a: 1 })
    expect(JSON.stringify({ list, object, either })).toBe('{"list":[1,2],"object":{"a":1},"either":{"a":1}}')
  })

  it('cannot be frozen, as other scopes have other objects', () => {
    const object = { a: 1 }
    const proxy = localProxy(() => object)
    expect(() => Object.freeze(proxy)).toThrow(TypeError)
    expect(Object.isFrozen(proxy)).toBe(false)
    expect(Object.isFrozen(object)).toBe(false)
    expect(Reflect.defineProperty(proxy, 'b', { value: 1, configurable: false })).toBe(false)
    expect('b' in object).toBe(false)
  })

  it('is unwrapped to its object, and anything else to itself', () => {
    const map = new Map()
    expect(unwrap(localProxy(() => map))).toBe(map)
    expect(unwrap(localProxy(localProxy(() => map) as never))).toBe(map)
    expect([unwrap(map), unwrap(1), unwrap(undefined)]).toStrictEqual([map, 1, undefined])
    expect([isLocalProxy(map), isLocalProxy(null), isBound(map), isBound(undefined)]).toStrictEqual([
      false,
      false,
      true,
      true,
    ])
  })

  it.each<{ call: () => unknown; message: RegExp }>([
    {
      call: () => localProxy(1 as never),
      message: /cannot stand for 1: give a Local, a LocalStack, a ContextVar or a function/,
    },
    { call: () => localProxy({} as never), message: /cannot stand for an object/ },
    { call: () => localProxy(new Local()), message: /name the one to stand for/ },
    { call: () => localProxy(variable, { name: 'a..b' }), message: /a dotted path.*'a\.\.b'/ },
    {
      call: () => localProxy(variable, { unboundMessage: 1 as never }),
      message: /unboundMessage .* is a sentence, not 1/,
    },
    {
      call: () => localProxy(variable, { like: 'map' as never }),
      message: /'function', 'object' or 'array', not 'map'/,
    },
    {
      call: () => localProxy(variable, { nam: 'x' } as never),
      message: /takes the options name, unboundMessage and like, not 'nam'/,
    },
    { call: () => localProxy(variable, 'name' as never), message: /takes the options/ },
  ])('refuses what cannot be: $message', ({ call, message }) => {
    expect(call).toThrow(ProxyFixError)
    expect(call).toThrow(message)
    expect(call).not.toThrow(ContextError)
  })

  it('has the type of what it stands for', () => {
    expectTypeOf(localProxy(variable)).toEqualTypeOf<User>()
    expectTypeOf(localProxy(variable, { name: 'name' })).toEqualTypeOf<string>()
    expectTypeOf(localProxy(variable, { like: 'object' })).toEqualTypeOf<User>()
    expectTypeOf(localProxy(() => new Map<string, number>())).toEqualTypeOf<Map<string, number>>()
    expectTypeOf(stack.proxy()).toEqualTypeOf<User>()
    expectTypeOf(stack.proxy('name')).toEqualTypeOf<string>()
    expectTypeOf(local.proxy('user')).toEqualTypeOf<User>()
    expectTypeOf(() => local.user).returns.toEqualTypeOf<User>()
    expectTypeOf(unwrap<User>).returns.toEqualTypeOf<User>()
  })
})

describe('functions seen through a proxy', () => {
  it.each<{ what: string; make: () => Record<PropertyKey, unknown> }>([
    { what: 'a plain object', make: () => ({}) },
    { what: 'an object without a prototype', make: () => Object.create(null) as Record<PropertyKey, unknown> },
    { what: 'a list', make: () => [] as never },
  ])('are the very ones that were put into $what', ({ make }) => {
    const kept = new ContextVar<Record<PropertyKey, unknown>>('kept')
    const proxy = localProxy(kept)
    const fn = (): number => 1
    copyContext().run(() => {
      kept.set(make())
      proxy[0] = fn
      expect(proxy[0]).toBe(fn)
      expect(Object.values(proxy)[0]).toBe(fn)
    })
  })

  it('run on the real object where they are its methods', () => {
    class Secret {
      #value = 1
      own = function (this: unknown): unknown {
        return this
      }
      get value(): number {
        return this.#value
      }
      read(): number {
        return this.#value
      }
    }
    const kept = new ContextVar<Secret>('kept')
    const proxy = localProxy(kept)
    copyContext().run(() => {
      const real = new Secret()
      kept.set(real)
      expect([proxy.read(), proxy.value, proxy.own() === real]).toStrictEqual([1, 1, true])
    })
  })

  it('may be proxies themselves, bound or not', () => {
    const names = new Local<{ user: User }>()
    const user = names.proxy('user')
    const bag = localProxy(() => ({ user }))
    const other = localProxy(
      () =>
        new (class {
          user = user
        })(),
    )
    copyContext().run(() => {
      expect([bag.user === user, other.user === user, isBound(other.user)]).toStrictEqual([true, true, false])
      names.user = { name: 'Ada', address: undefined }
      expect([bag.user.name, other.user.name]).toStrictEqual(['Ada', 'Ada'])
    })
  })
})

describe('what inherits from a proxy', () => {
  it('is written by itself, and is what getters and setters are called on', () => {
    class Self {
      told: unknown
      get self(): unknown {
        return this
      }
      set self(value: unknown) {
        this.told = value
      }
    }
    const kept = new ContextVar<Self>('kept')
    const proxy = localProxy(kept)
    copyContext().run(() => {
      const real = new Self()
      kept.set(real)
      const child = Object.create(proxy) as Self & { extra?: number }
      child.extra = 2
      child.self = 'set'
      expect([Object.keys(real), real.told]).toStrictEqual([['told'], undefined])
      expect([Object.keys(child), child.told, child.self === child]).toStrictEqual([['extra', 'told'], 'set', true])
      expect(proxy.self).toBe(real)
      proxy.self = 'real'
      expect(real.told).toBe('real')
    })
  })

  it('reads what a text has', () => {
    const child = Object.create(localProxy(() => 'text') as never) as string
    expect(child.length).toBe(4)
  })
})
