/**
 * Who watches over the workers? One process listens, accepts and never reads: it hands each connection to a worker. So
 * no connection is refused while workers come and go: what none has taken waits, or goes to the next one.
 */

import cluster, { type Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { StopOptions } from '../drain.ts'
import type { BootFailure, FromWorker, ToWorker } from './messages.ts'

export interface MasterOptions {
  /** The program that a worker runs, and with what. */
  readonly exec: string
  readonly args: readonly string[]
  /** Where the program was started, so that relative paths mean the same in a worker. */
  readonly cwd: string
  readonly workers: number
  readonly start: Extract<ToWorker, { type: 'start' }>
  /** Milliseconds in which a worker must show that it lives; 0: it need not. */
  readonly timeout: number
  /** Milliseconds that a worker has to finish what is in flight. */
  readonly gracefulTimeout: number
  /** Whether a reload ends the old program before the new one begins, so that no answer comes from old code. */
  readonly oldFirst: boolean
  /** Variables of the workers, beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  say(line: string): void
  /** Is given each message of a worker that is not meant for this one. */
  onMessage?(message: unknown): void
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

/** A connection, and the address that it came by. */
interface Waiting {
  readonly socket: Socket
  readonly index: number
}

interface Member {
  readonly worker: Worker
  readonly pid: number
  state: 'booting' | 'serving' | 'retiring'
  /** What it was given and has not taken yet. */
  readonly pending: Map<number, Waiting>
  readonly bornAt: number
  unanswered: number
  failure: BootFailure | undefined
  readonly ended: Promise<void>
}

/** A worker that lives shorter than this was not worth it. */
const SHORT_LIFE = 10_000
const LONGEST_PAUSE = 30_000
/** How many connections wait while no worker serves. */
const MAX_WAITING = 2048
/** Milliseconds in which what a dead worker had said is certainly read. */
const LAST_WORDS = 50
/** What a worker gets beyond its deadline, as it cuts what is left by itself. */
const GRACE = 2000

export class Master {
  readonly #options: MasterOptions
  readonly #members = new Set<Member>()
  readonly #waiting: Waiting[] = []
  /** How many workers there should be. */
  #wanted: number
  /** How many deaths in a row came too early. */
  #earlyDeaths = 0
  /** Replacements that wait for their time. */
  #planned = 0
  #nextId = 0
  #turn = 0
  #state: 'starting' | 'running' | 'stopping' = 'starting'
  #reloading: Promise<void> | undefined
  #reloadAgain = false

  constructor(options: MasterOptions) {
    this.#options = options
    this.#wanted = options.workers
    const { exec, args, cwd, timeout } = options
    cluster.setupPrimary({ exec, args: [...args], cwd })
    if (timeout > 0) setInterval(() => this.#ping(), timeout / 2).unref()
  }

  /**
   * Starts the first workers.
   * @throws BootError when one cannot serve.
   */
  async boot(): Promise<void> {
    try {
      await this.#spawnAll(this.#wanted)
    } catch (error) {
      await this.kill()
      throw error
    }
    if (this.#state === 'starting') this.#state = 'running'
    this.#fill() // for those that have died while others started
    if (this.#reloadAgain) void this.reload()
  }

  /** Hands a connection to a worker. */
  take(socket: Socket, index: number): void {
    socket.on('error', () => socket.destroy())
    this.#give({ socket, index })
  }

  /** New workers first, then the old ones finish; where the new ones cannot serve, the old ones stay. */
  async reload(): Promise<void> {
    if (this.#state === 'stopping') return
    if (this.#state === 'starting' || this.#reloading !== undefined) {
      this.#reloadAgain = true
      return await this.#reloading
    }
    this.#reloadAgain = false
    this.#reloading = this.#reloadAll()
    await this.#reloading
    this.#reloading = undefined
    this.#fill()
    if (this.#reloadAgain) await this.reload()
  }

  /** One worker more, or one less. */
  resize(by: 1 | -1): void {
    if (this.#state !== 'running' || this.#wanted + by < 1) return
    this.#wanted += by
    this.#options.say(`${this.#wanted} ${this.#wanted === 1 ? 'worker' : 'workers'} from now on`)
    this.#fill()
    const serving = this.#serving()
    if (serving.length > this.#wanted) this.#retire(serving[0]!)
  }

  reopenLogs(): void {
    for (const member of this.#members) this.#send(member, { type: 'reopen-logs' })
  }

  /** Goes on taking connections, but so that they end soon. */
  windDown(): void {
    this.#state = 'stopping'
    for (const member of this.#members) this.#send(member, { type: 'wind-down' })
  }

  /** Resolves when all workers have finished what they had in flight, and ended. */
  async stop(): Promise<void> {
    this.#state = 'stopping'
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
    const members = [...this.#members]
    for (const member of members) this.#end(member, 'last-call')
    await Promise.all(members.map(({ ended }) => ended))
  }

  /** Ends all workers at once. */
  async kill(): Promise<void> {
    this.#state = 'stopping'
    const members = [...this.#members]
    for (const { worker } of members) worker.process.kill('SIGKILL')
    await Promise.all(members.map(({ ended }) => ended))
  }

  #serving(): Member[] {
    return [...this.#members].filter(({ state }) => state === 'serving')
  }

  async #spawnAll(count: number): Promise<Member[]> {
    const attempts = await Promise.allSettled(Array.from({ length: count }, () => this.#spawn()))
    const failed = attempts.find((attempt) => attempt.status === 'rejected')
    const born = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []))
    if (failed === undefined) return born
    for (const member of born) this.#retire(member)
    throw failed.reason as Error
  }

  /** @throws BootError when it ends before it serves. */
  async #spawn(): Promise<Member> {
    const worker = cluster.fork(this.#options.env)
    const died = resolvers<void>()
    const booted = resolvers<Member>()
    const member: Member = {
      worker,
      pid: worker.process.pid ?? 0,
      state: 'booting',
      pending: new Map(),
      bornAt: Date.now(),
      unanswered: 0,
      failure: undefined,
      ended: died.promise,
    }
    this.#members.add(member)
    worker.on('error', () => undefined) // what could not be sent is found in `pending` when it has ended
    worker.on('message', (message: FromWorker) => {
      if (message.type === 'hello') this.#send(member, this.#options.start)
      else if (message.type === 'ready') {
        if (member.state === 'booting') {
          member.state = 'serving'
          this.#options.say(`Worker ${member.pid} serves`)
        }
        booted.resolve(member)
        for (const waiting of this.#waiting.splice(0)) this.#give(waiting)
      } else if (message.type === 'failed') member.failure = message
      else if (message.type === 'taken') this.#taken(member, message.id)
      else if (message.type === 'retire') this.#replace(member, message.reason)
      else if (message.type === 'pong') member.unanswered = 0
      else this.#options.onMessage?.(message)
    })
    // What it has said before it died may come after the news of its death, that it had taken a connection above all.
    const heardAll = new Promise<void>((resolve) => worker.once('disconnect', resolve))
    worker.once('exit', (code, signal) => {
      this.#members.delete(member)
      const how = signal ? `was ended by ${signal}` : `ended with ${code}`
      // Where it died with a socket on its way to it, Node never tells that it has heard all.
      void Promise.race([heardAll, wait(LAST_WORDS)]).then(() => this.#bequeath(member))
      died.resolve()
      const failure = member.failure ?? { code: 3, message: `A worker failed to boot: it ${how} before it served.` }
      booted.reject(new BootError(failure))
      if (member.state === 'serving') this.#mourn(member, how)
    })
    return await booted.promise
  }

  /** Others get what a dead worker was given and has not taken. */
  #bequeath({ worker, pending }: Member): void {
    if (worker.process.connected) worker.process.disconnect()
    for (const waiting of pending.values()) this.#give(waiting)
    pending.clear()
  }

  /** A worker has died that should have lived. */
  #mourn({ pid, bornAt }: Member, how: string): void {
    if (this.#state === 'stopping') return
    this.#options.say(`Worker ${pid} ${how}; another one takes its place`)
    if (Date.now() - bornAt >= SHORT_LIFE) this.#earlyDeaths = 0
    else this.#earlyDeaths++
    this.#fill()
  }

  /** Starts as many workers as are missing, later if the last ones did not live long. */
  #fill(): void {
    if (this.#state !== 'running' || this.#reloading !== undefined) return
    const living = [...this.#members].filter(({ state }) => state !== 'retiring').length
    for (let missing = this.#wanted - living - this.#planned; missing > 0; missing--) {
      this.#planned++
      const pause = this.#earlyDeaths < 2 ? 0 : Math.min(1000 * 2 ** (this.#earlyDeaths - 2), LONGEST_PAUSE)
      if (pause > 0) this.#options.say(`Waiting ${pause / 1000} s before the next worker`)
      setTimeout(() => {
        this.#planned--
        if (this.#state === 'running') void this.#spawnOne()
      }, pause)
    }
  }

  async #spawnOne(): Promise<Member | undefined> {
    try {
      return await this.#spawn()
    } catch (error) {
      if (this.#state !== 'running') return undefined
      this.#tell(error as BootError) // as it throws no other
      this.#earlyDeaths++
      this.#fill()
      return undefined
    }
  }

  /** Replaces one worker that wants it, by one that serves before it goes. */
  async #replaceOne(member: Member, reason: string): Promise<void> {
    this.#options.say(`Worker ${member.pid} is replaced: ${reason}`)
    this.#planned++ // so that nobody else fills the gap
    const successor = await this.#spawnOne()
    this.#planned--
    if (successor === undefined || member.state !== 'serving') return
    this.#retire(member)
  }

  #replace(member: Member, reason: string): void {
    if (this.#state === 'running' && member.state === 'serving') void this.#replaceOne(member, reason)
  }

  async #reloadAll(): Promise<void> {
    const old = [...this.#members].filter(({ state }) => state !== 'retiring')
    if (this.#options.oldFirst) {
      for (const member of old) this.#retire(member, 'close')
      await Promise.all(old.map(({ ended }) => ended))
    }
    try {
      await this.#spawnAll(this.#wanted)
      for (const member of old) if (member.state !== 'retiring') this.#retire(member)
      this.#earlyDeaths = 0
      if (this.#state === 'running') this.#options.say('Reloaded')
    } catch (error) {
      this.#tell(error as BootError) // as it throws no other
      this.#options.say(this.#options.oldFirst ? 'Not reloaded' : 'Not reloaded: the workers from before go on')
    }
  }

  #tell({ failure }: BootError): void {
    this.#options.say(failure.message)
    if (failure.stack !== undefined) this.#options.say(failure.stack)
  }

  #retire(member: Member, idle: StopOptions['idle'] = 'wait'): void {
    if (member.state === 'retiring') return
    this.#end(member, idle)
  }

  #end(member: Member, idle: StopOptions['idle']): void {
    member.state = 'retiring'
    const { gracefulTimeout } = this.#options
    this.#send(member, { type: 'stop', timeout: gracefulTimeout, idle })
    const killer = setTimeout(() => {
      this.#options.say(`Worker ${member.pid} did not stop in time and is killed`)
      member.worker.process.kill('SIGKILL')
    }, gracefulTimeout + GRACE)
    void member.ended.then(() => clearTimeout(killer))
  }

  #give(waiting: Waiting): void {
    const serving = this.#serving()
    const member = serving[this.#turn++ % serving.length]
    if (member !== undefined) return this.#handOver(member, waiting)
    if (this.#waiting.length < MAX_WAITING && !this.#isEnding()) this.#waiting.push(waiting)
    else waiting.socket.destroy()
  }

  /** Whether no worker will serve any more. */
  #isEnding(): boolean {
    return this.#state === 'stopping' && this.#members.size === 0
  }

  #handOver(member: Member, waiting: Waiting): void {
    const id = this.#nextId++
    member.pending.set(id, waiting)
    const message: ToWorker = { type: 'connection', id, index: waiting.index }
    // It stays open here until the worker says that it has it. What it never takes is found when it has ended.
    member.worker.process.send?.(message, waiting.socket, { keepOpen: true }, () => undefined)
  }

  #taken(member: Member, id: number): void {
    member.pending.get(id)?.socket.destroy() // this process's end of it
    member.pending.delete(id)
  }

  #ping(): void {
    for (const member of this.#members) {
      if (member.state === 'booting') continue
      if (member.unanswered >= 2) {
        this.#options.say(`Worker ${member.pid} does not respond and is killed`)
        member.worker.process.kill('SIGKILL')
        continue
      }
      member.unanswered++
      this.#send(member, { type: 'ping' })
    }
  }

  #send({ worker }: Member, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message, () => undefined)
  }
}

interface Resolvers<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function resolvers<T>(): Resolvers<T> {
  let resolve!: Resolvers<T>['resolve']
  let reject!: Resolvers<T>['reject']
  const promise = new Promise<T>((onValue, onError) => {
    resolve = onValue
    reject = onError
  })
  return { promise, resolve, reject }
}
