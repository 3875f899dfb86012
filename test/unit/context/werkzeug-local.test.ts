/**
 * Werkzeug's tests/test_local.py, test by test and under its names, as far as JavaScript has the operation. What it has not:
 *
 * - `proxy_binop_int`, `proxy_uop_int`, `proxy_matmul`: no object can define operators; a proxy of a number is converted by
 *   `Symbol.toPrimitive`, so that `proxy + 1` and `-proxy` give what they give for the number, but there is no `divmod`,
 *   no `@` and no reflected form.
 * - `proxy_iop`: `proxy += 1` assigns to the variable that holds the proxy, which cannot be intercepted.
 * - `proxy_hash`, equality: `===`, `Map` and `Set` compare the proxy itself; `unwrap(proxy)` is the object.
 * - `proxy_unbound`, that it is falsy: every object is truthy; `isBound(proxy)` asks.
 * - `proxy_doc`, `proxy_fallback` as to `__doc__` and `__class__`, `proxy_length_hint`: there is no such protocol.
 * - `proxy_context_manager`, `proxy_async_context_manager`: `using` disposes of what it is given, so `Symbol.dispose` of a
 *   proxy runs on the object; the syntax is newer than the oldest Node supported, so the method is called by hand.
 * - threads and greenlets: a worker shares no memory with its parent. Concurrent promises stand for them here.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  ContextError,
  ContextVar,
  copyContext,
  isBound,
  isLocalProxy,
  Local,
  localProxy,
  LocalStack,
  releaseLocal,
  unwrap,
} from '../../../src/context/index.ts'

/** Runs a test in an empty scope, as each of Werkzeug's runs in a fresh context. */
const inScope =
  <R>(fn: () => R): (() => R) =>
  () =>
    copyContext().run(fn)

describe("Werkzeug's tests of local", () => {
  it(
    'basic_local',
    inScope(async () => {
      const ns = new Local<{ foo: number }>()
      ns.foo = 0
      const values: number[] = []
      const value_setter = async (idx: number): Promise<void> => {
        await delay(0.01 * idx)
        ns.foo = idx
        await delay(0.02)
        values.push(ns.foo)
      }
      await Promise.all([1, 2, 3].map((index) => copyContext().run(value_setter, index)))
      expect(values.toSorted((a, b) => a - b)).toStrictEqual([1, 2, 3])

      Reflect.deleteProperty(ns, 'foo')
      expect(() => ns.foo).toThrow(ContextError)
      expect(() => Reflect.deleteProperty(ns, 'foo')).toThrow(ContextError)
      releaseLocal(ns)
    }),
  )

  it(
    'basic_local_asyncio',
    inScope(async () => {
      const ns = new Local<{ foo: number }>()
      ns.foo = 0
      const values: number[] = []
      const set = async (value: number): Promise<void> => {
        await Promise.resolve()
        ns.foo = value
        await Promise.resolve()
        values.push(ns.foo)
      }
      await Promise.all([1, 2, 3].map((value) => copyContext().run(set, value)))
      expect(values.toSorted((a, b) => a - b)).toStrictEqual([1, 2, 3])
      expect(ns.foo).toBe(0)
    }),
  )

  it(
    'local_release',
    inScope(() => {
      const local = new Local<{ foo: number }>()
      local.foo = 42
      releaseLocal(local)
      expect('foo' in local).toBe(false)

      const stack = new LocalStack<number>()
      stack.push(42)
      releaseLocal(stack)
      expect(stack.top).toBeUndefined()
    }),
  )

  it(
    'local_stack',
    inScope(() => {
      const stack = new LocalStack<number>()
      expect(stack.top).toBeUndefined()
      stack.push(42)
      expect(stack.top).toBe(42)
      stack.push(23)
      expect(stack.top).toBe(23)
      expect(stack.pop()).toBe(23)
      expect(stack.top).toBe(42)
      const proxy = stack.proxy()
      expect(unwrap(proxy)).toBe(42)
      expect(stack.pop()).toBe(42)
      expect(stack.pop()).toBeUndefined()
      expect(stack.pop()).toBeUndefined()
      expect(stack.top).toBeUndefined()
      expect(inspect(proxy)).toBe('<LocalProxy unbound>')
    }),
  )

  it(
    'local_stack_asyncio',
    inScope(async () => {
      const stack = new LocalStack<number>()
      stack.push(1)
      const task = async (): Promise<number> => {
        await Promise.resolve()
        return stack.push(1)
      }
      const heights = await Promise.all([1, 2, 3].map(() => copyContext().run(task)))
      expect(heights).toStrictEqual([2, 2, 2])
      expect(stack.pop()).toBe(1)
      expect(stack.top).toBeUndefined()
    }),
  )

  it(
    'proxy_local',
    inScope(() => {
      const ns = new Local<{ foo: number[] }>()
      ns.foo = []
      const proxy = ns.proxy('foo')
      proxy.push(42)
      proxy.push(23)
      proxy.splice(1, 1, 2, 3)
      expect([...proxy]).toStrictEqual([42, 2, 3])
      ns.foo = [...ns.foo, 1]
      expect([...proxy]).toStrictEqual([42, 2, 3, 1])
      proxy.push(1)
      expect(ns.foo).toStrictEqual([42, 2, 3, 1, 1])
      expect(unwrap(proxy)).toBe(ns.foo)
      expect(unwrap(localProxy(ns, { name: 'foo' }))).toBe(ns.foo)
    }),
  )

  it('proxy_callable', () => {
    let value = [42]
    const proxy = localProxy(() => value)
    expect([...proxy]).toStrictEqual([42])
    expect(unwrap(proxy)).toBe(value)
    value = [23]
    expect([...proxy]).toStrictEqual([23])
    expect(unwrap(proxy)).toBe(value)
  })

  it(
    'proxy_wrapped: a member of that name is the object’s own',
    inScope(() => {
      const variable = new ContextVar<{ wrapped?: string }>('wrapped')
      const proxy = localProxy(variable)
      expect(() => proxy.wrapped).toThrow(ContextError)
      variable.set({})
      expect(proxy.wrapped).toBeUndefined()
      variable.set({ wrapped: 'example' })
      expect(proxy.wrapped).toBe('example')
    }),
  )

  it(
    'proxy_fallback and proxy_unbound',
    inScope(() => {
      const ns = new Local<{ value: number }>()
      const proxy = ns.proxy('value')
      expect(inspect(proxy)).toBe('<LocalProxy unbound>')
      expect(isLocalProxy(proxy)).toBe(true)
      expect(isBound(proxy)).toBe(false)
      ns.value = 42
      expect(inspect(proxy)).toBe('42')
      expect(isLocalProxy(proxy)).toBe(true)
      expect(isBound(proxy)).toBe(true)
    }),
  )

  it(
    'proxy_type',
    inScope(() => {
      const variable = new ContextVar<number[]>('list')
      const proxy = localProxy(variable)
      variable.set([])
      expect(proxy).toBeInstanceOf(Array)
      expect(proxy.constructor).toBe(Array)
      expect(isLocalProxy(proxy)).toBe(true)
    }),
  )

  it(
    'proxy_string_representations',
    inScope(() => {
      const ns = new Local<{ list: object; number: number }>()
      ns.list = { toString: () => 'a text', [inspect.custom]: () => 'a shown text' }
      expect(String(ns.proxy('list'))).toBe('a text')
      expect(`${ns.proxy('list') as never}`).toBe('a text')
      expect(inspect(ns.proxy('list'))).toBe('a shown text')
      ns.number = 255
      expect(ns.proxy('number').toString(2)).toBe('11111111')
      expect(ns.proxy('number').toString(8)).toBe('377')
      expect(ns.proxy('number').toString(16)).toBe('ff')
    }),
  )

  it(
    'proxy_binop_int and proxy_uop_int, as far as a number is asked for',
    inScope(() => {
      const ns = new Local<{ n: number }>()
      ns.n = 2
      const n = ns.proxy('n')
      expect([n + 5, 5 + n, n - 5, 5 - n, n * 5, n / 4, n % 2, n ** 3, n << 1, n | 1, n & 3, n ^ 1]).toStrictEqual([
        7, 7, -3, 3, 10, 0.5, 0, 8, 4, 3, 2, 3,
      ])
      expect([n < 5, n <= 2, n > 5, n >= 2]).toStrictEqual([true, true, false, true])
      expect([-n, +n, ~n]).toStrictEqual([-2, 2, -3])
    }),
  )

  it(
    'proxy_numeric',
    inScope(() => {
      const ns = new Local<{ n: number }>()
      ns.n = 1.6
      const n = ns.proxy('n')
      expect([
        Number(n),
        Math.round(n),
        Math.trunc(n),
        Math.floor(n),
        Math.ceil(n),
        parseInt(String(n), 10),
      ]).toStrictEqual([1.6, 2, 1, 1, 2, 1])
      ns.n = 1
      expect(['a', 'b', 'c'][n]).toBe('b')
    }),
  )

  it(
    'proxy_str',
    inScope(() => {
      const ns = new Local<{ text: string }>()
      ns.text = 'one'
      const text = ns.proxy('text')
      expect([text + ' two', 'zero ' + text, text.repeat(2), text.length, [...text], text[0]]).toStrictEqual([
        'one two',
        'zero one',
        'oneone',
        3,
        ['o', 'n', 'e'],
        'o',
      ])
    }),
  )

  it(
    'proxy_list',
    inScope(() => {
      const ns = new Local<{ list: number[] }>()
      ns.list = [1, 2, 3]
      const list = ns.proxy('list')
      expect(list.length).toBe(3)
      expect([list[0], list.includes(3), list.includes(4), list.indexOf(2)]).toStrictEqual([1, true, false, 1])
      expect([...list]).toStrictEqual([1, 2, 3])
      expect(list.toReversed()).toStrictEqual([3, 2, 1])
      list[0] = 4
      expect(ns.list).toStrictEqual([4, 2, 3])
      Reflect.deleteProperty(list, 1)
      expect(1 in ns.list).toBe(false)
      list.push(5, 6)
      expect(list.concat([7]).join()).toBe('4,,3,5,6,7')
      expect([0].concat(list).length).toBe(6)
      list.length = 0
      expect(ns.list).toStrictEqual([])
    }),
  )

  it(
    'proxy_copy',
    inScope(() => {
      const ns = new Local<{ nested: { inner: number[] } }>()
      ns.nested = { inner: [1] }
      const shallow = { ...ns.proxy('nested') }
      const deep = structuredClone(unwrap(ns.proxy('nested')))
      ns.nested.inner.push(2)
      expect(shallow).toStrictEqual({ inner: [1, 2] })
      expect(deep).toStrictEqual({ inner: [1] })
    }),
  )

  it(
    'proxy_iterator',
    inScope(() => {
      const ns = new Local<{ it: Iterator<number> }>()
      ns.it = [1, 2][Symbol.iterator]()
      const iterator = ns.proxy('it')
      expect(iterator.next()).toStrictEqual({ value: 1, done: false })
      expect(iterator.next()).toStrictEqual({ value: 2, done: false })
      expect(iterator.next()).toStrictEqual({ value: undefined, done: true })
    }),
  )

  it(
    'proxy_context_manager and proxy_async_context_manager, their methods',
    inScope(async () => {
      class Resource {
        #isOpen = true
        dispose(): boolean {
          this.#isOpen = false
          return this.#isOpen
        }
        async disposeLater(): Promise<boolean> {
          return await Promise.resolve(this.dispose())
        }
      }
      const ns = new Local<{ resource: Resource }>()
      ns.resource = new Resource()
      expect(ns.proxy('resource').dispose()).toBe(false)
      expect(await ns.proxy('resource').disposeLater()).toBe(false)
    }),
  )

  it(
    'proxy_class',
    inScope(() => {
      class Base {
        kind = 'base'
      }
      class Animal extends Base {
        static kingdom = 'animalia'
        readonly #name: string
        constructor(name: string) {
          super()
          this.#name = name
        }
        call(): string {
          return this.#name
        }
      }
      const ns = new Local<{ type: typeof Animal }>()
      ns.type = Animal
      const Proxied = ns.proxy('type')
      const animal = new Proxied('cat')
      expect(animal.call()).toBe('cat')
      expect(animal).toBeInstanceOf(Animal)
      expect(animal instanceof Proxied).toBe(true)
      expect(Object.getPrototypeOf(animal)).toBe(Animal.prototype)
      expect(Proxied.kingdom).toBe('animalia')
      expect(Proxied.name).toBe('Animal')
      expect(Proxied.prototype).toBe(Animal.prototype)
      expect(Object.getPrototypeOf(Proxied)).toBe(Base)
      class Cat extends Proxied {}
      expect(new Cat('tom').call()).toBe('tom')
      expect(new Cat('tom')).toBeInstanceOf(Animal)
    }),
  )

  it(
    'proxy_attributes',
    inScope(() => {
      class Example {
        values: Record<string, number> = {}
        get x(): number | undefined {
          return this.values['x']
        }
        set x(value: number) {
          this.values['x'] = value
        }
        get never(): number {
          throw new TypeError('of the object')
        }
      }
      const ns = new Local<{ example: Example }>()
      ns.example = new Example()
      const example = ns.proxy('example')
      example.x = 1
      expect(ns.example.values).toStrictEqual({ x: 1 })
      expect(example.x).toBe(1)
      expect(Object.keys(example)).toStrictEqual(['values'])
      expect('x' in example).toBe(true)
      expect(() => example.never).toThrow('of the object')
      Reflect.deleteProperty(example, 'values')
      expect('values' in ns.example).toBe(false)
    }),
  )

  it(
    'proxy_await',
    inScope(async () => {
      const ns = new Local<{ later: Promise<string> }>()
      ns.later = Promise.resolve('done')
      expect(await ns.proxy('later')).toBe('done')
    }),
  )

  it(
    'proxy_aiter',
    inScope(async () => {
      const ns = new Local<{ rows: AsyncIterable<number> }>()
      ns.rows = (async function* () {
        yield await Promise.resolve(1)
        yield 2
      })()
      const seen: number[] = []
      for await (const row of ns.proxy('rows')) seen.push(row)
      expect(seen).toStrictEqual([1, 2])
    }),
  )
})
