/** Local and LocalStack beyond what Werkzeug's tests show: as objects of JavaScript, outside scopes, across forks. */

import { inspect } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { ContextError, copyContext, Local, LocalStack, releaseLocal } from '../../../src/context/index.ts'
import { ProxyFixError } from '../../../src/index.ts'

describe('a Local', () => {
  it('lists, shows and serialises what this scope has', () => {
    const local = new Local<{ a: number; b?: number | undefined }>()
    copyContext().run(() => {
      local.a = 1
      local.b = undefined
      expect(Object.keys(local)).toStrictEqual(['a', 'b'])
      expect(Object.entries(local)).toStrictEqual([
        ['a', 1],
        ['b', undefined],
      ])
      expect({ ...local }).toStrictEqual({ a: 1, b: undefined })
      expect(JSON.stringify(local)).toBe('{"a":1}')
      expect(inspect(local)).toBe('Local { a: 1, b: undefined }')
      expect(['a' in local, 'c' in local]).toStrictEqual([true, false])
    })
    expect(Object.keys(local)).toStrictEqual([])
    expect(inspect(local)).toBe('Local {}')
    expect(String(local)).toBe('[object Local]')
    expect(local).toBeInstanceOf(Local)
  })

  it('keeps what a fork writes in the fork, and what the parent writes later from it', async () => {
    const local = new Local<{ a: number; b: number }>()
    await copyContext().run(async () => {
      local.a = 1
      const forked = copyContext().run(async () => {
        local.a = 2
        local.b = 3
        await Promise.resolve()
        return { ...local }
      })
      local.a = 4
      expect(await forked).toStrictEqual({ a: 2, b: 3 })
      expect({ ...local }).toStrictEqual({ a: 4 })
    })
  })

  it('may be awaited and compared, bound or not', async () => {
    const local = new Local<{ a: number }>()
    expect((await local) === local).toBe(true)
    expect(local).toBe(local)
  })

  it('teaches what to do', () => {
    const local = new Local<{ user: string }>()
    expect(() => local.user).toThrow(/The Local’s attribute 'user' was read outside any scope\. Each request has one/)
    expect(() => (local.user = 'Ada')).toThrow(/The attribute 'user' of a Local was set outside any scope/)
    expect(() => Reflect.deleteProperty(local, 'user')).toThrow(ContextError)
    copyContext().run(() => {
      expect(() => local.user).toThrow(
        /is not set in this scope: set it before it is read, or ask with 'user' in local/,
      )
      expect(() => Object.assign(local, { proxy: 1 })).toThrow(/has a method 'proxy'/)
      expect(() => Object.freeze(local)).toThrow(TypeError)
      expect(Reflect.set(local, Symbol('s'), 1)).toBe(false)
    })
  })

  it('takes definitions of plain properties', () => {
    const local = new Local<{ a: number }>()
    copyContext().run(() => {
      Object.defineProperty(local, 'a', { value: 1, configurable: true })
      expect(local.a).toBe(1)
      expect(Reflect.defineProperty(local, 'a', { get: () => 2 })).toBe(false)
      expect(Object.getOwnPropertyDescriptor(local, 'a')).toStrictEqual({
        value: 1,
        configurable: true,
        enumerable: true,
        writable: true,
      })
    })
  })
})

describe('a LocalStack', () => {
  it('has undefined and null for items like any other', () => {
    const stack = new LocalStack<unknown>()
    copyContext().run(() => {
      expect([stack.push(null), stack.push(undefined)]).toStrictEqual([1, 2])
      expect([stack.pop(), stack.pop(), stack.pop()]).toStrictEqual([undefined, null, undefined])
    })
  })

  it('is shared with no fork', () => {
    const stack = new LocalStack<number>()
    copyContext().run(() => {
      stack.push(1)
      copyContext().run(() => {
        expect(stack.push(2)).toBe(2)
        expect([stack.pop(), stack.pop(), stack.pop()]).toStrictEqual([2, 1, undefined])
      })
      expect(stack.top).toBe(1)
    })
    expect(stack.top).toBeUndefined()
  })

  it('is written in scopes alone', () => {
    const stack = new LocalStack<number>()
    expect(() => stack.push(1)).toThrow(/pushed to a LocalStack outside any scope/)
    expect(() => stack.pop()).toThrow(/popped off a LocalStack outside any scope/)
  })
})

describe('releaseLocal', () => {
  it('empties in this scope alone, and does nothing outside any', () => {
    const local = new Local<{ a: number }>()
    copyContext().run(() => {
      local.a = 1
      copyContext().run(() => {
        releaseLocal(local)
        expect('a' in local).toBe(false)
      })
      expect(local.a).toBe(1)
    })
    expect(() => releaseLocal(local)).not.toThrow()
  })

  it.each([{}, undefined, 1, () => undefined])('refuses %s', (other) => {
    expect(() => releaseLocal(other as never)).toThrow(ProxyFixError)
    expect(() => releaseLocal(other as never)).toThrow(/releaseLocal takes a Local or a LocalStack, not/)
  })
})

describe('the names of a Local', () => {
  it('go with the scopes that had them', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const local = new Local()
    const fill = (round: string): void => {
      for (let index = 0; index < 20_000; index++)
        copyContext().run(() => {
          const name = `${'x'.repeat(1000)}${round}${index}`
          local[name] = 1
          expect(local[name]).toBe(1)
          if (index % 2 === 0) delete local[name]
        })
    }
    fill('warm')
    collect()
    const before = process.memoryUsage().heapUsed
    fill('measured')
    collect()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000) // of 20 MB of names
  })

  it('belong to a fork from there on', () => {
    const local = new Local<{ a?: number; b?: number }>()
    copyContext().run(() => {
      local.a = 1
      copyContext().run(() => {
        delete local.a
        local.b = 2
        expect(Object.keys(local)).toStrictEqual(['b'])
        copyContext().run(() => {
          releaseLocal(local)
          expect(Object.keys(local)).toStrictEqual([])
        })
        expect(Object.keys(local)).toStrictEqual(['b'])
      })
      expect(Object.keys(local)).toStrictEqual(['a'])
      expect(() => Reflect.deleteProperty(local, 'b')).toThrow(ContextError)
    })
  })
})
