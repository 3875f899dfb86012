/**
 * Any number of requests, each a program of writes, waits and branches, interleaved in any order: nothing is ever seen
 * outside the scope that it was written in, and nothing is lost inside. Beside each scope goes a plain object that gets
 * every write as well; what a scope shows has to be what that object holds, at every step, wherever the step runs.
 */

import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ContextVar,
  copyContext,
  copyCurrentRequestContext,
  g,
  hasRequestContext,
  isBound,
  Local,
  LocalStack,
  onTeardown,
  request,
  requestContext,
  streamWithContext,
} from '../../src/context/index.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'
import { ScheduledWorld } from './scheduled-world.ts'

const variables = [new ContextVar<number>('first'), new ContextVar<number>('second', { default: -1 })] as const
const local = new Local<{ a?: number; b?: number }>()
const stack = new LocalStack<number>()
const top = stack.proxy()

/** What a scope has to show. */
interface Model {
  readonly url: string
  first?: number
  second?: number
  a?: number
  b?: number
  stack: readonly number[]
  g?: number
}

/** How code gets to run later, or elsewhere, in the scope that it belongs to. */
const BRANCHES = [
  'scheduled promise',
  'microtask',
  'nextTick',
  'immediate',
  'timer',
  'emitter',
  'thenable',
  'generator',
  'async generator',
  'stream',
  'abort signal',
] as const

type Step =
  | { readonly kind: 'write'; readonly what: 'first' | 'second' | 'a' | 'b' | 'push' | 'pop' | 'g' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'wait' }
  | { readonly kind: 'teardown' }
  | {
      readonly kind: 'branch'
      readonly how: (typeof BRANCHES)[number]
      readonly steps: readonly Step[]
      readonly isAwaited: boolean
    }
  | { readonly kind: 'fork'; readonly how: 'run' | 'var.run' | 'from outside'; readonly steps: readonly Step[] }

const steps: fc.Arbitrary<readonly Step[]> = fc.letrec<{ steps: readonly Step[]; step: Step }>((tie) => ({
  steps: fc.array(tie('step'), { maxLength: 5, depthIdentifier: 'steps' }),
  step: fc.oneof(
    { depthSize: 'small', depthIdentifier: 'steps', withCrossShrink: true },
    fc.record({ kind: fc.constant('write'), what: fc.constantFrom('first', 'second', 'a', 'b', 'push', 'pop', 'g') }),
    fc.record({ kind: fc.constant('wait') }),
    fc.record({ kind: fc.constant('reset') }),
    fc.record({ kind: fc.constant('teardown') }),
    fc.record({
      kind: fc.constant('branch'),
      how: fc.constantFrom(...BRANCHES),
      steps: tie('steps'),
      isAwaited: fc.boolean(),
    }),
    fc.record({
      kind: fc.constant('fork'),
      how: fc.constantFrom('run', 'var.run', 'from outside'),
      steps: tie('steps'),
    }),
  ) as fc.Arbitrary<Step>,
})).steps

/** Serves one set of requests in the order that a scheduler chooses. */
class World extends ScheduledWorld {
  /** Functions that are called by code that runs in no scope. */
  readonly #outside: (() => unknown)[] = []
  #value = 0
  teardownsGiven = 0
  teardownsRun = 0

  async serve(programs: readonly (readonly Step[])[]): Promise<void> {
    const app = requestContext(async (received: Request) => {
      const model: Model = { url: received.url, stack: [] }
      await this.#run(programs[Number(new URL(received.url).pathname.slice(1))]!, model)
      let rows = 0
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          this.#check(model)
          if (rows++ < 2) controller.enqueue(new Uint8Array([rows]))
          else controller.close()
        },
      })
      return new Response(streamWithContext(body))
    })
    for (const index of programs.keys()) this.track(this.#client(app, index))
    await this.untilDone(() => {
      for (const call of this.#outside.splice(0)) {
        this.#nothingHere()
        this.track(Promise.resolve().then(call))
      }
    })
    this.#nothingHere()
  }

  /** Asks and reads the answer, in no scope. */
  async #client(app: (request: Request) => Promise<Response>, index: number): Promise<void> {
    await this.turn()
    this.#nothingHere()
    const { body } = await app(new Request(`http://a/${index}`))
    const reader = body!.getReader()
    for (;;) {
      await this.turn()
      const { done } = await reader.read()
      this.#nothingHere()
      if (done) return
    }
  }

  async #run(program: readonly Step[], model: Model): Promise<void> {
    for (const step of program) {
      this.#check(model)
      switch (step.kind) {
        case 'write':
          this.#write(step.what, model)
          break
        case 'reset':
          variables[0].reset(variables[0].set(++this.#value))
          break
        case 'wait':
          await this.turn()
          break
        case 'teardown':
          this.teardownsGiven++
          onTeardown(() => {
            this.teardownsRun++
            this.#check(model)
          })
          break
        case 'branch': {
          const branch = this.#branch(step.how, () => this.#run(step.steps, model))
          if (step.isAwaited) await branch
          else this.track(branch)
          break
        }
        case 'fork':
          this.#fork(step.how, step.steps, model)
          break
      }
      this.#check(model)
    }
  }

  #write(what: (Step & { kind: 'write' })['what'], model: Model): void {
    const value = ++this.#value
    if (what === 'first') variables[0].set((model.first = value))
    else if (what === 'second') variables[1].set((model.second = value))
    else if (what === 'a') local.a = model.a = value
    else if (what === 'b') local.b = model.b = value
    else if (what === 'g') g['g'] = model.g = value
    else if (what === 'push') stack.push((model.stack = [...model.stack, value]).at(-1)!)
    else {
      assert.equal(stack.pop(), model.stack.at(-1))
      model.stack = model.stack.slice(0, -1)
    }
  }

  #fork(how: 'run' | 'var.run' | 'from outside', program: readonly Step[], model: Model): void {
    const forked = { ...model }
    let own: number
    // The same scope, with one variable of its own.
    const over = new Proxy(model, {
      get: (scope, key) => (key === 'first' ? own : (Reflect.get(scope, key) as unknown)),
      set: (scope, key, value: never) => (key === 'first' ? ((own = value), true) : Reflect.set(scope, key, value)),
      ownKeys: (scope) => [...new Set([...Reflect.ownKeys(scope), 'first'])],
      getOwnPropertyDescriptor: (scope, key) =>
        key === 'first'
          ? { value: own, enumerable: true, configurable: true }
          : Reflect.getOwnPropertyDescriptor(scope, key),
    })
    if (how === 'run') this.track(copyContext().run(() => this.#run(program, forked)))
    else if (how === 'var.run') this.track(variables[0].run((own = ++this.#value), () => this.#run(program, over)))
    else this.#outside.push(copyCurrentRequestContext(() => this.#run(program, forked)))
  }

  /** Runs a function in one of the ways that have to keep the scope. */
  #branch(how: (typeof BRANCHES)[number], fn: () => Promise<void>): Promise<void> {
    const called = (call: (run: () => void) => unknown): Promise<void> =>
      new Promise((resolve, reject) => {
        call(() => void fn().then(resolve, reject))
      })
    switch (how) {
      case 'scheduled promise':
        return this.turn().then(fn)
      case 'microtask':
        return called(queueMicrotask)
      case 'nextTick':
        return called((run) => process.nextTick(run))
      case 'immediate':
        return called(setImmediate)
      case 'timer':
        return called((run) => setTimeout(run, 0))
      case 'emitter':
        return called((run) => new EventEmitter().once('event', run).emit('event'))
      case 'abort signal':
        return called((run) => {
          const controller = new AbortController()
          controller.signal.addEventListener('abort', run)
          controller.abort()
        })
      case 'thenable':
        return (async () => {
          // oxlint-disable-next-line unicorn/no-thenable -- it is what is tested
          await { then: (resolve: () => void) => void this.turn().then(resolve) }
          await fn()
        })()
      case 'generator':
        return (async () => {
          const generator = (function* () {
            yield fn()
          })()
          for (const step of generator) await step
        })()
      case 'async generator':
        return (async () => {
          const generator = (async function* () {
            yield 1
            await fn()
            yield 2
          })()
          for await (const step of generator) assert.ok(step > 0)
        })()
      case 'stream':
        return (async () => {
          const stream = new ReadableStream<number>({
            async start(controller) {
              await fn()
              controller.enqueue(1)
              controller.close()
            },
          })
          for await (const chunk of stream) assert.equal(chunk, 1)
        })()
    }
  }

  /** What this scope shows is what was written in it. */
  #check(model: Model): void {
    const shown = {
      url: request.url,
      first: variables[0].get(undefined),
      second: variables[1].get(),
      local: { ...local },
      top: stack.top,
      isTopBound: isBound(top),
      g: g['g'],
    }
    assert.deepEqual(shown, {
      url: model.url,
      first: model.first,
      second: model.second ?? -1,
      local: { ...('a' in model && { a: model.a }), ...('b' in model && { b: model.b }) },
      top: model.stack.at(-1),
      isTopBound: model.stack.length > 0,
      g: model.g,
    })
  }

  /** In no scope nothing is bound. */
  #nothingHere(): void {
    const seen = [hasRequestContext(), isBound(request), isBound(g), isBound(top), variables[0].get(-2), { ...local }]
    if (JSON.stringify(seen) !== '[false,false,false,false,-2,{}]') this.complaints.push(seen)
  }
}

describe('context locals', () => {
  it(
    'are seen in their scope and nowhere else, however requests are interleaved',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.array(steps, { minLength: 1, maxLength: 4 }),
          async (scheduler, programs) => {
            const world = new World(scheduler)
            await world.serve(programs)
            expect(world.complaints).toStrictEqual([])
            expect(world.teardownsRun).toBe(world.teardownsGiven)
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
