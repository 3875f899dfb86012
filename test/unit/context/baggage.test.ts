/** Variables on their way to another process, and back. */

import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CBaggagePropagator } from '@opentelemetry/core'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import { contextBaggage, ContextError, ContextVar, copyContext, requestContext } from '../../../src/context/index.ts'
import { receiveActiveBaggage, withActiveBaggage } from '../../../src/context/opentelemetry.ts'
import { ProxyFixError } from '../../../src/index.ts'

const tenant = new ContextVar<string>('tenant')
const plan = new ContextVar<string>('plan')
const baggage = contextBaggage({ tenant, 'plan.name': plan })

describe('baggage', () => {
  it('has what is bound, beside what others put there', () => {
    expect(baggage.header()).toBe('')
    copyContext().run(() => {
      tenant.set('Ä, b=c;d')
      expect(baggage.header()).toBe('tenant=%C3%84%2C%20b%3Dc%3Bd')
      plan.set('a\ud800b')
      expect(baggage.values()['plan.name']).toBe('a\ud800b')
      expect(baggage.header()).toContain('plan.name=a%EF%BF%BDb')
      plan.set('')
      expect(baggage.values()).toStrictEqual({ tenant: 'Ä, b=c;d', 'plan.name': '' })
      expect(baggage.header(' other = 1;p=2 , tenant=old, bad key=1')).toBe(
        'tenant=%C3%84%2C%20b%3Dc%3Bd,plan.name=,other = 1;p=2',
      )
    })
  })

  it('takes any variable that a text can be set in, and carries texts', () => {
    const anything = new ContextVar('anything')
    const carried = contextBaggage({ anything, tenant })
    copyContext().run(() => {
      carried.receive('anything=text')
      expect(anything.get()).toBe('text')
      expect(carried.header()).toBe('anything=text')
      anything.set(7)
      expect(() => carried.header()).toThrow(ProxyFixError)
      expect(() => carried.values()).toThrow('The baggage anything is a text, not 7: set the variable to String(…).')
    })
    expectTypeOf(contextBaggage).toBeCallableWith({ perhaps: new ContextVar<string | undefined>('perhaps') })
    // @ts-expect-error What is received is a text.
    contextBaggage({ count: new ContextVar<number>('count') })
  })

  it('is received in a scope, names that were not chosen and bad members left out', () => {
    copyContext().run(() => {
      plan.set('before')
      baggage.receive('x=1, tenant = %41da ;secret=1,plan.name=%zz,,=,tenant')
      expect(baggage.values()).toStrictEqual({ tenant: 'Ada', 'plan.name': 'before' })
      baggage.receive(null)
      baggage.set({ tenant: undefined })
      expect(tenant.get()).toBe('Ada')
    })
    expect(() => baggage.receive('tenant=a')).toThrow(ContextError)
    expect(() => baggage.receive('tenant=a')).toThrow(/Baggage was received outside any scope/)
  })

  it.each([
    'a=1;p\r\nInjected: 1',
    'a=1\r\n',
    'a=1;p=1\n',
    'a=1;p q',
    'a=1;=1',
    'a=1;',
    'a=1;p="q"',
    'a=b c',
    'a=ä',
    'a=1;p=\u00a0',
  ])('hands on no member of others that breaks the grammar: %j', (member) => {
    copyContext().run(() => {
      tenant.set('x')
      expect(baggage.header(`${member},k=v;p; q = r\t`)).toBe('tenant=x,k=v;p; q = r')
    })
  })

  it('is received without values that have control characters', () => {
    copyContext().run(() => {
      baggage.receive('tenant=a%0d%0aX,plan.name=fine')
      expect(baggage.values()).toStrictEqual({ 'plan.name': 'fine' })
      for (const value of ['%00', '%1b[31m', '%7f', '%c2%85']) {
        baggage.receive(`plan.name=x${value}`)
        expect(plan.get()).toBe('fine')
      }
      const entry = propagation.createBaggage({ tenant: { value: 'a\nb' } })
      context.with(propagation.setBaggage(context.active(), entry), () => receiveActiveBaggage(baggage))
      expect(tenant.get('nobody')).toBe('nobody')
    })
  })

  it('runs a job with it', async () => {
    const job = copyContext().run(() => {
      tenant.set('Ada')
      return { baggage: baggage.header() }
    })
    const seen = await baggage.run(job.baggage, async () => {
      await turn()
      return tenant.get()
    })
    expect(seen).toBe('Ada')
    expect(baggage.run(undefined, () => tenant.get('nobody'))).toBe('nobody')
  })

  it('carries any text, and never more than is allowed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), (first, second, others) => {
        const header = copyContext().run(() => {
          tenant.set(first)
          plan.set(second)
          return baggage.header(others)
        })
        expect(header.length).toBeLessThanOrEqual(8192)
        expect(baggage.run(header, () => [tenant.get(), plan.get()])).toStrictEqual([first, second])
      }),
    )
    copyContext().run(() => {
      tenant.set('x'.repeat(9000))
      plan.set('short')
      expect(baggage.header()).toBe('')
      tenant.set('a')
      const many = Array.from({ length: 100 }, (_, index) => `k${index}=v`).join(',')
      expect(baggage.header(many).split(',')).toHaveLength(64)
    })
  })

  it.each<{ variables: unknown; message: RegExp }>([
    { variables: { 'a b': tenant }, message: /cannot have the name 'a b'/ },
    { variables: { a: 'b' }, message: /The baggage a must be a ContextVar, not 'b'/ },
    { variables: null, message: /takes variables by name/ },
  ])('refuses $variables', ({ variables, message }) => {
    expect(() => contextBaggage(variables as never)).toThrow(ProxyFixError)
    expect(() => contextBaggage(variables as never)).toThrow(message)
  })
})

describe('with OpenTelemetry', () => {
  const manager = new AsyncLocalStorageContextManager()

  beforeAll(() => {
    context.setGlobalContextManager(manager.enable())
    propagation.setGlobalPropagator(new W3CBaggagePropagator())
    trace.setGlobalTracerProvider(new BasicTracerProvider())
  })
  afterAll(() => {
    context.disable()
    propagation.disable()
    trace.disable()
  })

  it('the active span and our scope live side by side', async () => {
    const tracer = trace.getTracer('test')
    const app = requestContext(async (request: Request) => {
      tenant.set(request.url)
      const span = trace.getActiveSpan()
      await turn()
      expect(trace.getActiveSpan()).toBe(span)
      return await tracer.startActiveSpan('inner', async (inner) => {
        await turn()
        const seen = [tenant.get(), trace.getActiveSpan() === inner]
        copyContext().run(() => expect(trace.getActiveSpan()).toBe(inner))
        inner.end()
        return Response.json(seen)
      })
    })
    const answers = await Promise.all(
      ['http://a/1', 'http://a/2'].map((url) =>
        tracer.startActiveSpan('outer', async (span) => {
          const answer: unknown = await (await app(new Request(url))).json()
          expect(trace.getActiveSpan()).toBe(span)
          span.end()
          return answer
        }),
      ),
    )
    expect(answers).toStrictEqual([
      ['http://a/1', true],
      ['http://a/2', true],
    ])
  })

  it('variables are sent by its propagator, and received on the other side', async () => {
    const sent: Record<string, string> = {}
    await copyContext().run(async () => {
      tenant.set('Ada & co')
      const other = propagation.createBaggage({ other: { value: '1' } })
      await context.with(propagation.setBaggage(context.active(), other), async () => {
        await withActiveBaggage(baggage, async () => {
          await turn()
          propagation.inject(context.active(), sent)
        })
        expect(propagation.getActiveBaggage()?.getEntry('tenant')).toBeUndefined()
      })
    })
    expect(sent['baggage']?.split(',').toSorted()).toStrictEqual(['other=1', 'tenant=Ada%20%26%20co'])
    const received = context.with(propagation.extract(context.active(), sent), () =>
      copyContext().run(() => {
        receiveActiveBaggage(baggage)
        return baggage.values()
      }),
    )
    expect(received).toStrictEqual({ tenant: 'Ada & co' })
    copyContext().run(() => {
      receiveActiveBaggage(baggage)
      expect(baggage.values()).toStrictEqual({})
    })
  })
})
