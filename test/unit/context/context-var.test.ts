/** ContextVar, Token and copyContext: which value a variable has, and where. */

import { Readable } from 'node:stream'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  afterThisRequest,
  ContextError,
  ContextVar,
  copyContext,
  g,
  hasRequestContext,
  Local,
  LocalStack,
  onTeardown,
  releaseLocal,
  requestContext,
  streamWithContext,
  testRequestContext,
  Token,
} from '../../../src/context/index.ts'
import { ProxyFixError } from '../../../src/index.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a ContextVar', () => {
  const user = new ContextVar<string>('user')
  const language = new ContextVar<string | undefined>('language', { default: 'en' })

  it('has the value that was set in this scope, else the fallback, else the default', () => {
    copyContext().run(() => {
      expect(user.get('nobody')).toBe('nobody')
      expect([language.get(), language.get('fr')]).toStrictEqual(['en', 'fr'])
      user.set('Ada')
      language.set('de')
      expect([user.get(), user.get('nobody'), language.get(), language.get('fr')]).toStrictEqual([
        'Ada',
        'Ada',
        'de',
        'de',
      ])
    })
    expect([user.get('nobody'), language.get()]).toStrictEqual(['nobody', 'en'])
  })

  it('takes undefined and null for values', () => {
    const variable = new ContextVar<undefined | null>('variable')
    const withDefault = new ContextVar<undefined>('withDefault', { default: undefined })
    expect(withDefault.get()).toBeUndefined()
    expect(user.get(undefined)).toBeUndefined()
    copyContext().run(() => {
      variable.set(undefined)
      expect(variable.get(null)).toBeUndefined()
      variable.set(null)
      expect(variable.get(undefined)).toBeNull()
    })
  })

  it('teaches where it is bound when it is not', () => {
    expect(() => user.get()).toThrow(ContextError)
    expect(() => user.get()).toThrow(
      /ContextVar 'user' was read outside any scope.*requestContext\(handler\).*copyContext\(\)\.wrap\(fn\)/,
    )
    expect(() => user.set('Ada')).toThrow(/ContextVar 'user' was set outside any scope/)
    copyContext().run(() => expect(() => user.get()).toThrow(/has no value in this scope: set\(\) it before/))
    try {
      user.get()
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyFixError)
      expect((error as ContextError).code).toBe('ERR_PROXYFIX_CONTEXT')
      expect((error as ContextError).name).toBe('ContextError')
    }
    expect(new ProxyFixError('ERR_PROXYFIX_OPTION', 'other')).not.toBeInstanceOf(ContextError)
  })

  it('gets the value before back by its token, once and in the scope it was set in', () => {
    const other = new ContextVar<string>('other')
    copyContext().run(() => {
      const first = user.set('Ada')
      const second = user.set('Grace')
      expect(first).toBeInstanceOf(Token)
      expect(first.variable).toBe(user)
      expect(() => other.reset(second)).toThrow(/something else than a token of its own/)
      expect(() => user.reset({} as never)).toThrow(ContextError)
      expect(() => copyContext().run(() => user.reset(second))).toThrow(/in another scope or run than it was set in/)
      user.reset(second)
      expect(user.get()).toBe('Ada')
      expect(() => user.reset(second)).toThrow(/reset twice with one token/)
      user.reset(first)
      expect(user.get('nobody')).toBe('nobody')
    })
  })

  it('runs a function with a value, in or outside a scope, at once or later', async () => {
    expect(user.run('Ada', () => user.get())).toBe('Ada')
    await copyContext().run(async () => {
      user.set('Grace')
      const seen = await Promise.all(
        ['a', 'b', 'c'].map((name) =>
          user.run(name, async () => {
            await turn()
            return user.get()
          }),
        ),
      )
      expect(seen).toStrictEqual(['a', 'b', 'c'])
      expect(user.get()).toBe('Grace')
      expect(() =>
        user.run('x', () => {
          throw new RangeError('inside')
        }),
      ).toThrow(RangeError)
      expect(user.get()).toBe('Grace')
    })
  })

  it('leaves everything else to the scope that run is called in', () => {
    const other = new ContextVar<string>('other')
    const local = new Local<{ x?: number }>()
    const stack = new LocalStack<number>()
    testRequestContext(new Request('http://h/'), () => {
      user.run('Ada', () => {
        g['a'] = 1
        other.set('o')
        local.x = 1
        stack.push(1)
      })
      expect([g['a'], other.get('unbound'), local.x, stack.top]).toStrictEqual([1, 'o', 1, 1])
      user.run('Ada', () => expect([g['a'], other.get(), local.x, stack.top]).toStrictEqual([1, 'o', 1, 1]))
      user.run('Ada', () => releaseLocal(local))
      expect('x' in local).toBe(false)
    })
  })

  it('needs a scope inside of run as much as outside, for all but the variable itself', () => {
    const other = new ContextVar<string>('other')
    const local = new Local<{ x?: number }>()
    user.run('Ada', () => {
      expect(() => other.set('o')).toThrow(/ContextVar 'other' was set outside any scope/)
      expect(() => other.get()).toThrow(/was read outside any scope/)
      expect(() => (local.x = 1)).toThrow(ContextError)
      expect(() => local.x).toThrow(/was read outside any scope/)
      expect(hasRequestContext()).toBe(false)
      const token = user.set('Grace')
      expect(user.get()).toBe('Grace')
      user.reset(token)
      expect(user.get()).toBe('Ada')
    })
    expect(user.get('nobody')).toBe('nobody')
  })

  it('keeps to itself what it is set to in run, whose tokens are good there alone', () => {
    const other = new ContextVar<string>('other')
    copyContext().run(() => {
      const outside = user.set('outside')
      const inside = user.run('Ada', () => {
        expect(() => user.reset(outside)).toThrow(/in another scope or run/)
        const token = other.run('o', () => user.set('Grace'))
        expect(user.get()).toBe('Grace')
        other.run('p', () => user.reset(token))
        expect(user.get()).toBe('Ada')
        user.run('Eve', () => expect(() => user.reset(user.run('x', () => user.set('y')))).toThrow(/in another scope/))
        return user.set('Hedy')
      })
      expect(user.get()).toBe('outside')
      expect(() => user.reset(inside)).toThrow(/in another scope or run/)
      user.reset(outside)
      expect(user.get('nobody')).toBe('nobody')
    })
  })

  it('is taken out of run by copies of the context, and by what is to happen to the request later', async () => {
    const seen: string[] = []
    const see = (what: string) => (): void => void seen.push(`${what} ${user.get('nobody')}`)
    const app = requestContext((_req: Request) => {
      user.set('outside')
      const body = user.run('Ada', () => {
        onTeardown(see('teardown'))
        afterThisRequest(see('after'))
        copyContext().run(() => {
          see('copy')()
          user.set('Grace')
        })
        queueMicrotask(copyContext().wrap(see('wrapped')))
        const stream = new Readable({
          read() {
            see('read')()
            this.push(null)
          },
        })
        stream.on('end', see('end'))
        const generator = (function* () {
          see('generator')()
          yield new TextEncoder().encode('x')
        })()
        return { stream: streamWithContext(stream), generator: streamWithContext(generator) }
      })
      see('handler')()
      return new Response(
        new ReadableStream({
          async start(controller) {
            for (const chunk of body.generator) controller.enqueue(chunk)
            for await (const _ of body.stream);
            controller.close()
          },
        }),
      )
    })
    const response = await app(new Request('http://h/'))
    expect(await response.text()).toBe('x')
    await turn()
    expect(seen.toSorted()).toStrictEqual([
      'after Ada',
      'copy Ada',
      'end Ada',
      'generator Ada',
      'handler outside',
      'read Ada',
      'teardown Ada',
      'wrapped Ada',
    ])
  })

  it('is run in a run of itself any number of times', async () => {
    const depth = new ContextVar<number>('depth')
    // Each starts the next, as a timer does that sets itself anew: a chain of them would be too long to follow.
    const deeper = async (level: number): Promise<unknown> => {
      await Promise.resolve()
      return level === 20_000
        ? [depth.get(), user.get(), user.get('nobody')]
        : depth.run(level, () => deeper(level + 1))
    }
    await expect(user.run('Ada', () => deeper(0))).resolves.toStrictEqual([19_999, 'Ada', 'Ada'])
  })

  it.each<{ call: () => unknown; message: RegExp }>([
    { call: () => user.run('a', undefined as never), message: /run takes a value and a function, not undefined/ },
    { call: () => new ContextVar(undefined as never), message: /needs a name, for messages, not undefined/ },
    { call: () => new ContextVar(''), message: /needs a name/ },
    { call: () => new ContextVar('a', { defalt: 1 } as never), message: /takes the option default, and no other/ },
    { call: () => new ContextVar('a', 1 as never), message: /takes the option default/ },
  ])('refuses $message', ({ call, message }) => {
    expect(call).toThrow(ProxyFixError)
    expect(call).toThrow(message)
  })

  it('is typed', () => {
    expectTypeOf(() => user.get()).returns.toEqualTypeOf<string>()
    expectTypeOf(() => user.get(null)).returns.toEqualTypeOf<string | null>()
    expectTypeOf(() => user.set('a')).returns.toEqualTypeOf<Token<string>>()
    expectTypeOf(user.run('a', () => 1)).toEqualTypeOf<number>()
    expectTypeOf(copyContext().wrap((a: number, b: string) => a + b.length)).toBeCallableWith(1, 'b')
  })
})

describe('a scope', () => {
  const value = new ContextVar<number>('value')

  it('is seen by all that runs in it, across awaits, timers and callbacks', async () => {
    await copyContext().run(async () => {
      value.set(1)
      await turn()
      const inner = async (): Promise<void> => {
        await turn()
        value.set(2) // seen by whoever awaits it
      }
      await inner()
      expect(value.get()).toBe(2)
      const late = new Promise<number>((resolve) => setTimeout(() => resolve(value.get()), 1))
      value.set(3)
      expect(await late).toBe(3)
      expect(await new Promise((resolve) => process.nextTick(() => resolve(value.get())))).toBe(3)
    })
  })

  it('is begun by each run with the values as they were copied', () => {
    copyContext().run(() => {
      value.set(1)
      const context = copyContext()
      value.set(2)
      expect(context.run(() => value.get())).toBe(1)
      context.run(() => value.set(3))
      expect(context.run(() => value.get())).toBe(1)
      expect(value.get()).toBe(2)
    })
  })

  it('is taken along by a wrapped function, with its own this and arguments', () => {
    const add = copyContext().run(() => {
      value.set(40)
      return copyContext().wrap(function (this: { offset: number }, more: number) {
        return value.get() + this.offset + more
      })
    })
    expect(add.call({ offset: 1 }, 1)).toBe(42)
    expect(() => value.get()).toThrow(ContextError)
  })

  it('is empty where it is copied from nowhere, and passes on arguments, results and errors', () => {
    expect(copyContext().run((a, b) => [a, b, value.get(0)], 1, 2)).toStrictEqual([1, 2, 0])
    expect(() =>
      copyContext().run(() => {
        throw new RangeError('inside')
      }),
    ).toThrow(RangeError)
  })

  it('does not cost more with more variables that it does not hold', () => {
    const many = Array.from({ length: 1000 }, (_, index) => new ContextVar<number>(`variable ${index}`))
    copyContext().run(() => {
      for (const [index, variable] of many.entries()) variable.set(index)
      copyContext().run(() => {
        for (const variable of many) variable.set(-1)
      })
      expect(many.every((variable, index) => variable.get() === index)).toBe(true)
    })
  })
})
