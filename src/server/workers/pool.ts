/**
 * How many workers are there, and how many should there be? Whatever happens, a birth, a death, a wish, a reload, the same
 * question is asked again (`#reconcile`), and the difference is started or retired. So no event has to know what
 * others are under way.
 *
 * A worker is fresh when it runs the code that is wanted and has not asked to be replaced. As many fresh ones are kept
 * as are wanted; the others serve until these do. A reload is a new generation: the old one goes when all of the new
 * serve, and is fresh again when the new one is given up.
 */

import type { StopOptions } from '../drain.ts'
import { MOST_WORKERS } from '../settings.ts'
import type { BootFailure } from './messages.ts'

/** A worker, as far as the pool knows it. */
export interface Member {
  readonly pid: number
  /** Which code it runs. */
  readonly generation: number
  readonly bornAt: number
  state: 'booting' | 'serving' | 'retiring'
  /** Whether it has asked to be replaced. */
  isSpent: boolean
}

export interface PoolOptions<M extends Member> {
  readonly workers: number
  /** Whether old workers end before new ones begin, so that no answer comes from old code. */
  readonly oldFirst: boolean
  /** Starts a worker, which boots. */
  start(generation: number): M
  /** Ends a worker, which has been serving or has not. */
  end(member: M, how: { readonly idle: StopOptions['idle']; readonly hasServed: boolean }): void
  say(line: string): void
}

/** A process that could not be started. */
export class BootError extends Error {
  override readonly name = 'BootError'
  readonly failure: BootFailure

  constructor(failure: BootFailure) {
    super(failure.message)
    this.failure = failure
  }
}

/** A worker that lives shorter than this was not worth it. */
const SHORT_LIFE = 10_000
const LONGEST_PAUSE = 30_000

export class WorkerPool<M extends Member> {
  readonly members: Set<M> = new Set()
  readonly #options: PoolOptions<M>
  #wanted: number
  /** The code that is wanted, and the last one that all workers have served with; 0: none yet. */
  #generation = 1
  #established = 0
  #latest = 1
  /** How many deaths in a row came too early, and until when nobody is started for that. */
  #earlyDeaths = 0
  #pausedUntil = 0
  #pause: NodeJS.Timeout | undefined
  #isStopping = false
  #onBooted: () => void = () => undefined
  #onBootFailed: (error: BootError) => void = () => undefined

  constructor(options: PoolOptions<M>) {
    this.#options = options
    this.#wanted = options.workers
  }

  get isStopping(): boolean {
    return this.#isStopping
  }

  serving(): M[] {
    return [...this.members].filter(({ state }) => state === 'serving')
  }

  /**
   * Starts the first workers; resolves when all serve.
   * @throws BootError when one cannot.
   */
  async boot(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#onBooted = resolve
      this.#onBootFailed = reject
      this.#reconcile()
    })
  }

  /** New workers first, then the old ones finish. A reload that is under way is given up for this one. */
  reload(): void {
    this.#generation = ++this.#latest
    this.#endPause()
    this.#reconcile()
  }

  /** One worker more, or one less. */
  resize(by: 1 | -1): void {
    const wanted = this.#wanted + by
    if (this.#isStopping || wanted < 1) return
    if (wanted > MOST_WORKERS) return this.#options.say(`${MOST_WORKERS} workers are the most there can be`)
    this.#wanted = wanted
    this.#options.say(`${wanted} ${wanted === 1 ? 'worker' : 'workers'} from now on`)
    this.#reconcile()
  }

  /** It serves from now on. */
  hasBooted(member: M): void {
    if (member.state !== 'booting') return
    member.state = 'serving'
    this.#options.say(`Worker ${member.pid} serves`)
    this.#reconcile()
  }

  /** It goes as soon as another one serves in its place. One that has failed is as one that has died: it may have to wait. */
  replace(member: M, reason: string, hasFailed = false): void {
    if (this.#isStopping || member.state === 'retiring' || member.isSpent) return
    member.isSpent = true
    this.#options.say(`Worker ${member.pid} is replaced: ${reason}`)
    if (hasFailed) this.#countLife(member)
    this.#reconcile()
  }

  /** It has ended. `failure` says why, where it has not served. */
  hasEnded(member: M, how: string, failure: BootFailure): void {
    this.members.delete(member)
    if (this.#isStopping) return
    if (member.state === 'serving') {
      this.#options.say(`Worker ${member.pid} ${how}; another one takes its place`)
      this.#countLife(member)
    } else if (member.state === 'booting') {
      if (this.#established === 0) return this.#onBootFailed(new BootError(failure))
      this.#hasFailed(failure)
    }
    this.#reconcile()
  }

  /** Nobody is started any more, and all that are there are ended. */
  stop(): void {
    this.#isStopping = true
    this.#endPause()
    for (const member of this.members) this.#retire(member, 'last-call')
  }

  /** Nobody is started any more. Whoever asks ends all that are there. */
  abandon(): M[] {
    this.#isStopping = true
    this.#endPause()
    for (const member of this.members) member.state = 'retiring'
    return [...this.members]
  }

  #reconcile(): void {
    if (this.#isStopping) return
    const { oldFirst } = this.#options
    const living = [...this.members].filter(({ state }) => state !== 'retiring')
    const fresh = living.filter((member) => this.#isFresh(member))
    const freshServing = fresh.filter(({ state }) => state === 'serving')
    if (freshServing.length >= this.#wanted) this.#establish()

    for (const member of this.#dispensable(living, freshServing.length))
      this.#retire(member, oldFirst ? 'close' : 'wait')
    const tooMany = fresh.length - this.#wanted
    const booting = fresh.filter(({ state }) => state === 'booting')
    for (const member of [...booting, ...freshServing].slice(0, Math.max(0, tooMany))) this.#retire(member, 'wait')

    if (oldFirst && [...this.members].some((member) => !this.#isFresh(member))) return // asked again when they have ended
    if (tooMany < 0) this.#start(-tooMany)
  }

  #isFresh({ state, generation, isSpent }: M): boolean {
    return state !== 'retiring' && generation === this.#generation && !isSpent
  }

  /** Those that are not fresh, without as many as are still needed. */
  #dispensable(living: readonly M[], freshServing: number): M[] {
    const stale = living.filter((member) => !this.#isFresh(member))
    const serving = stale.filter(({ state }) => state === 'serving')
    const needed = this.#isReloading() ? serving.length : Math.max(0, this.#wanted - freshServing)
    const dispensable = this.#options.oldFirst ? serving : serving.slice(0, Math.max(0, serving.length - needed))
    return [...stale.filter(({ state }) => state === 'booting'), ...dispensable]
  }

  #isReloading(): boolean {
    return this.#generation !== this.#established
  }

  /** All workers that are wanted serve with the code that is wanted. */
  #establish(): void {
    if (!this.#isReloading()) return
    const isFirst = this.#established === 0
    this.#established = this.#generation
    this.#earlyDeaths = 0
    if (isFirst) this.#onBooted()
    else this.#options.say('Reloaded')
  }

  /** A worker could not be started, though others had been: with the code that is wanted, as no other is started. */
  #hasFailed({ message, stack }: BootFailure): void {
    const { say, oldFirst } = this.#options
    say(message)
    if (stack !== undefined) say(stack)
    if (!this.#isReloading()) return this.#countEarlyDeath()
    this.#generation = this.#established
    say(oldFirst ? 'Not reloaded' : 'Not reloaded: the workers from before go on')
  }

  #countLife({ bornAt }: M): void {
    if (Date.now() - bornAt < SHORT_LIFE) this.#countEarlyDeath()
    else this.#earlyDeaths = 0
  }

  #countEarlyDeath(): void {
    this.#earlyDeaths++
    const pause = this.#earlyDeaths < 2 ? 0 : Math.min(1000 * 2 ** (this.#earlyDeaths - 2), LONGEST_PAUSE)
    this.#pausedUntil = Date.now() + pause
  }

  /** Starts so many, later if the last ones did not live long. */
  #start(count: number): void {
    if (this.#pause !== undefined) return
    const pause = this.#pausedUntil - Date.now()
    if (pause > 0) {
      this.#options.say(`Waiting ${Math.ceil(pause / 1000)} s before the next worker`)
      this.#pause = setTimeout(() => {
        this.#endPause()
        this.#reconcile()
      }, pause)
      return
    }
    for (let started = 0; started < count; started++) this.members.add(this.#options.start(this.#generation))
  }

  #endPause(): void {
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#pausedUntil = 0
  }

  #retire(member: M, idle: StopOptions['idle']): void {
    if (member.state === 'retiring') return
    const hasServed = member.state === 'serving'
    member.state = 'retiring'
    this.#options.end(member, { idle, hasServed })
  }
}
