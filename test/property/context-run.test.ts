/**
 * `ContextVar.run(value, fn)` against a model of a few lines: what runs in it sees that one variable with that value, and all
 * else as if `run` were not there. Programs of writes, resets, runs, forks, waits and branches, in a scope or in none,
 * interleaved in any order; at every step each variable has to have the value that the model says, and each write and
 * reset has to succeed, or to throw, as the model's does.
 */

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ContextError,
  ContextVar,
  copyContext,
  g,
  Local,
  LocalStack,
  testRequestContext,
  type Token,
} from '../../src/context/index.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'
import { ScheduledWorld } from './scheduled-world.ts'

const variables = [new ContextVar<number>('first'), new ContextVar<number>('second'), new ContextVar<number>('third')]
const local = new Local<{ a?: number }>()
const stack = new LocalStack<number>()

/** Where a variable is written: a scope, or one `run` of it. */
type Holder = Map<number, number>

/** A scope of the model. */
interface ModelScope {
  readonly values: Holder
  a?: number
  g?: number
  stack: readonly number[]
  /** Whether it is one of a request. */
  readonly hasRequest: boolean
}

/** Where code of the model runs: in a scope or in none, with the variables that `run` has laid over it. */
interface Place {
  readonly scope: ModelScope | undefined
  readonly over: ReadonlyMap<number, Holder>
}

interface ModelToken {
  readonly token: Token<number>
  readonly variable: number
  readonly holder: Holder
  readonly before: number | undefined
  isUsed: boolean
}

type Step =
  | { readonly kind: 'set' | 'reset one just made'; readonly variable: number }
  | { readonly kind: 'reset'; readonly variable: number; readonly token: number }
  | { readonly kind: 'local' | 'g' | 'push' | 'wait' }
  | { readonly kind: 'run'; readonly variable: number; readonly steps: readonly Step[]; readonly isAwaited: boolean }
  | {
      readonly kind: 'fork' | 'branch' | 'timer' | 'request' | 'from outside'
      readonly steps: readonly Step[]
      readonly isAwaited: boolean
    }

const steps: fc.Arbitrary<readonly Step[]> = fc.letrec<{ steps: readonly Step[]; step: Step }>((tie) => {
  const variable = fc.nat({ max: variables.length - 1 })
  const isAwaited = fc.boolean()
  return {
    steps: fc.array(tie('step'), { maxLength: 6, depthIdentifier: 'steps' }),
    step: fc.oneof(
      { depthSize: 'small', depthIdentifier: 'steps', withCrossShrink: true },
      fc.record({ kind: fc.constantFrom('local', 'g', 'push', 'wait') }),
      fc.record({ kind: fc.constantFrom('set', 'reset one just made'), variable }),
      fc.record({ kind: fc.constant('reset'), variable, token: fc.nat({ max: 9 }) }),
      fc.record({ kind: fc.constant('run'), variable, steps: tie('steps'), isAwaited }),
      fc.record({
        kind: fc.constantFrom('fork', 'branch', 'timer', 'request', 'from outside'),
        steps: tie('steps'),
        isAwaited,
      }),
    ) as fc.Arbitrary<Step>,
  }
}).steps

const NOWHERE: Place = { scope: undefined, over: new Map() }

/** Runs programs in the order that a scheduler chooses. */
class World extends ScheduledWorld {
  readonly #tokens: ModelToken[] = []
  #value = 0

  async start(programs: readonly (readonly Step[])[]): Promise<void> {
    for (const program of programs) this.track(this.#run(program, NOWHERE))
    await this.untilDone()
  }

  async #run(program: readonly Step[], place: Place): Promise<void> {
    for (const step of program) {
      this.#check(place)
      if ('steps' in step) {
        const branch = this.#branch(step, place)
        if (step.isAwaited) await branch
        else this.track(branch)
      } else if (step.kind === 'wait') await this.turn()
      else this.#write(step, place)
    }
    this.#check(place)
  }

  #write(step: Exclude<Step, { readonly steps: unknown } | { readonly kind: 'wait' }>, place: Place): void {
    const value = ++this.#value
    const { scope } = place
    switch (step.kind) {
      case 'local':
        this.#inScope(scope !== undefined, () => (local.a = value))
        if (scope !== undefined) scope.a = value
        break
      case 'g':
        this.#inScope(scope?.hasRequest === true, () => (g['g'] = value))
        if (scope?.hasRequest === true) scope.g = value
        break
      case 'push':
        this.#inScope(scope !== undefined, () => stack.push(value))
        if (scope !== undefined) scope.stack = [...scope.stack, value]
        break
      case 'set':
        this.#set(step.variable, place)
        break
      case 'reset one just made': {
        const token = this.#set(step.variable, place)
        if (token !== undefined) this.#reset(token, step.variable, place)
        break
      }
      case 'reset': {
        const token = this.#tokens[step.token % Math.max(this.#tokens.length, 1)]
        if (token !== undefined) this.#reset(token, step.variable, place)
        break
      }
    }
  }

  /** Where there is no scope a write has to throw, and to teach. */
  #inScope(is: boolean, write: () => unknown): void {
    if (is) write()
    else assert.throws(write, (error) => error instanceof ContextError && /outside/.test(error.message))
  }

  #set(variable: number, place: Place): ModelToken | undefined {
    const value = ++this.#value
    const holder = holderOf(variable, place)
    let token: Token<number> | undefined
    this.#inScope(holder !== undefined, () => (token = variables[variable]!.set(value)))
    if (holder === undefined) return undefined
    const made = { token: token!, variable, holder, before: holder.get(variable), isUsed: false }
    holder.set(variable, value)
    this.#tokens.push(made)
    return made
  }

  #reset(token: ModelToken, variable: number, place: Place): void {
    const { holder, before } = token
    const reset = (): void => variables[variable]!.reset(token.token)
    if (token.variable !== variable || token.isUsed || holder !== holderOf(variable, place)) {
      assert.throws(reset, ContextError)
      return
    }
    reset()
    token.isUsed = true
    if (before === undefined) holder.delete(variable)
    else holder.set(variable, before)
  }

  async #branch(step: Extract<Step, { readonly steps: unknown }>, place: Place): Promise<void> {
    const run = (there: Place): Promise<void> => this.#run(step.steps, there)
    switch (step.kind) {
      case 'branch':
        return run(place)
      case 'timer':
        return new Promise((resolve, reject) => setTimeout(() => void run(place).then(resolve, reject), 0))
      case 'run': {
        const { variable } = step
        const value = ++this.#value
        const over = new Map([...place.over, [variable, new Map([[variable, value]])] as const])
        return variables[variable]!.run(value, () => run({ ...place, over }))
      }
      case 'fork': {
        const forked = { scope: fork(place), over: NOWHERE.over }
        return copyContext().run(() => run(forked))
      }
      case 'from outside': {
        const forked = { scope: fork(place), over: NOWHERE.over }
        const wrapped = copyContext().wrap(() => run(forked))
        await this.turn()
        return wrapped()
      }
      case 'request': {
        const scope = { values: new Map(), stack: [], hasRequest: true }
        return testRequestContext(new Request('http://localhost/'), () => run({ scope, over: NOWHERE.over }))
      }
    }
  }

  /** What code sees here is what the model says. */
  #check({ scope, over }: Place): void {
    const seen = {
      variables: variables.map((variable) => variable.get(undefined)),
      local: { ...local },
      top: stack.top,
      g: scope?.hasRequest === true ? g['g'] : undefined,
    }
    assert.deepEqual(seen, {
      variables: variables.map((_, index) => holderOf(index, { scope, over })?.get(index)),
      local: scope?.a === undefined ? {} : { a: scope.a },
      top: scope?.stack.at(-1),
      g: scope?.g,
    })
  }
}

function holderOf(variable: number, { scope, over }: Place): Holder | undefined {
  return over.get(variable) ?? scope?.values
}

/** A scope that begins with all that is seen here. */
function fork({ scope, over }: Place): ModelScope {
  const values = new Map(scope?.values)
  for (const holder of over.values()) for (const [variable, value] of holder) values.set(variable, value)
  return { stack: [], hasRequest: false, ...scope, values }
}

describe('ContextVar.run', () => {
  it(
    'gives one variable a value for what runs in it, and changes nothing else',
    async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.scheduler(),
          fc.array(steps, { minLength: 1, maxLength: 3 }),
          async (scheduler, programs) => {
            const world = new World(scheduler)
            await world.start(programs)
            expect(world.complaints).toStrictEqual([])
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
