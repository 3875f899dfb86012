/**
 * What is to be done about the response of a request, before it goes out and when it is over? One exchange a request,
 * shared by all forks of its scope; made when first needed, as most requests ask for nothing.
 */

import { ContextError } from './context-error.ts'
import { type Place, runIn } from './scope.ts'

/** Called when the response is over. */
export type Teardown = () => void | PromiseLike<void>

/** Called with the response before its headers go out; a Fetch handler's may give another in its place. */
export type AfterRequest<R> = (response: R) => unknown

/** A function, and where it was given. */
interface Bound<F> {
  readonly fn: F
  readonly place: Place
}

export class Exchange {
  /** Whether the end of the response is waited for even if there is no teardown yet: one may come out of its stream. */
  isStreaming = false
  readonly #report: (error: AggregateError) => void
  readonly #after: Bound<AfterRequest<unknown>>[] = []
  #teardowns: Bound<Teardown>[] = []
  #cancel: (() => void) | undefined
  #state: 'open' | 'answered' | 'over' = 'open'

  constructor(report: (error: AggregateError) => void) {
    this.#report = report
  }

  get isOver(): boolean {
    return this.#state === 'over'
  }

  /** Whether anything has to be done at the end of the response. */
  get awaitsEnd(): boolean {
    return this.isStreaming || this.#teardowns.length > 0
  }

  /** @returns Whether it is the first. */
  addAfter(fn: AfterRequest<unknown>, place: Place): boolean {
    if (this.#state !== 'open')
      throw new ContextError(
        'afterThisRequest was called when the response had gone out: call it before the first byte is written, or use onTeardown for what comes after.',
      )
    return this.#after.push({ fn, place }) === 1
  }

  /** The functions to call with the response, in the order they came, each where it was given; there are no more after this. */
  takeAfter(): ((response: unknown) => unknown)[] {
    this.#state = this.#state === 'open' ? 'answered' : this.#state
    return this.#after.splice(0).map(
      ({ fn, place }) =>
        (response) =>
          runIn(place, fn, response),
    )
  }

  addTeardown(fn: Teardown, place: Place): void {
    this.#teardowns.push({ fn, place })
    // What comes late is not lost: it runs at once, but not before its caller goes on.
    if (this.isOver && this.#teardowns.length === 1) queueMicrotask(() => this.#runAndReport())
  }

  /** @param cancel Called when the end has come, by which whoever else waits for it need not any more. */
  endedBy(cancel: (() => void) | undefined): void {
    this.#cancel = cancel
  }

  /** The response is over: runs what waits for that, once. */
  end(): void {
    if (this.isOver) return
    this.#state = 'over'
    this.#cancel?.()
    this.#runAndReport()
  }

  /**
   * The same, for whoever can tell their caller of errors.
   * @throws AggregateError of all that were thrown; given as a rejection when a teardown function took its time.
   */
  endHere(): void | Promise<void> {
    if (this.isOver) return undefined
    this.#state = 'over'
    const errors: unknown[] = []
    const rest = runAll(this.#take(), errors)
    return rest === undefined ? throwAll(errors) : rest.then(() => throwAll(errors))
  }

  #runAndReport(): void {
    const errors: unknown[] = []
    const report = (): void => {
      if (errors.length > 0) tell(this.#report, aggregate(errors))
    }
    const rest = runAll(this.#take(), errors)
    if (rest === undefined) report()
    else void rest.then(report)
  }

  #take(): Bound<Teardown>[] {
    const teardowns = this.#teardowns.toReversed()
    this.#teardowns = []
    return teardowns
  }
}

/** Calls all, the one after the other, whatever they throw. A promise only if one of them gave one. */
function runAll(teardowns: readonly Bound<Teardown>[], errors: unknown[], from = 0): Promise<void> | undefined {
  for (let index = from; index < teardowns.length; index++) {
    const { fn, place } = teardowns[index]!
    try {
      const result = runIn(place, fn)
      if (isThenable(result)) {
        return Promise.resolve(result)
          .then(undefined, (error: unknown) => void errors.push(error))
          .then(() => runAll(teardowns, errors, index + 1))
      }
    } catch (error) {
      errors.push(error)
    }
  }
  return undefined
}

/** Reports an error, and what the reporter throws in turn: nobody is there to catch it. */
function tell(report: (error: AggregateError) => unknown, error: AggregateError): void {
  const failed = (thrown: unknown): void =>
    console.error(new AggregateError([thrown, error], 'onTeardownError failed, with what it was told of below.'))
  try {
    const result = report(error)
    if (isThenable(result)) result.then(undefined, failed)
  } catch (thrown) {
    failed(thrown)
  }
}

function throwAll(errors: readonly unknown[]): void {
  if (errors.length > 0) throw aggregate(errors)
}

function aggregate(errors: readonly unknown[]): AggregateError {
  const many = errors.length === 1 ? 'A teardown function' : `${errors.length} teardown functions`
  return new AggregateError(errors, `${many} of a request failed.`)
}

/** Whether something has to be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
