/**
 * Who watches over the workers? One process listens, accepts and never reads: it hands each connection to a worker. So
 * no connection is refused while workers come and go: what none has taken waits, or goes to the next one.
 */

import cluster, { type Worker } from 'node:cluster'
import type { Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { StopOptions } from '../drain.ts'
import type { BootFailure, FromWorker, ToWorker } from './messages.ts'
import { withNewSpace } from './new-space.ts'
import { type Member as PoolMember, WorkerPool } from './pool.ts'

export interface MasterOptions {
  /** The program that a worker runs, and with what. */
  readonly exec: string
  readonly args: readonly string[]
  /** Where the program was started, so that relative paths mean the same in a worker. */
  readonly cwd: string
  readonly workers: number
  readonly start: Extract<ToWorker, { type: 'start' }>
  /** Milliseconds in which a worker must have loaded the app, and then show that it lives; 0: it need not. */
  readonly timeout: number
  /** Milliseconds that a worker has to finish what is in flight. */
  readonly gracefulTimeout: number
  /** Whether a reload ends the old program before the new one begins, so that no answer comes from old code. */
  readonly oldFirst: boolean
  /** Variables of the workers, beside those of this process; `undefined` for those of this process that they do not get. */
  readonly env?: Readonly<Record<string, string | undefined>>
  say(line: string): void
  /** Is given each message of a worker that is not meant for this one. */
  onMessage?(message: unknown): void
}

/** A connection, and the address that it came by. */
interface Waiting {
  readonly socket: Socket
  readonly index: number
}

interface Member extends PoolMember {
  readonly worker: Worker
  /** Whether it hears what it is told: nothing of the app has run before. */
  isListening: boolean
  /** Ends it when it takes too long to boot. */
  deadline: NodeJS.Timeout | undefined
  /** What it was given and has not taken yet. */
  readonly pending: Map<number, Waiting>
  unanswered: number
  failure: BootFailure | undefined
  readonly ended: Promise<void>
}

/** How many connections wait while no worker serves. */
const MAX_WAITING = 2048
/** Milliseconds in which what a dead worker had said is certainly read. */
const LAST_WORDS = 50
/** What a worker gets beyond its deadline, as it cuts what is left by itself. */
const GRACE = 2000
/** Milliseconds in which whoever ends a whole group has signalled this process too, when one of its workers tells of it. */
const SAME_SIGNAL = 500

export class Master {
  readonly #options: MasterOptions
  readonly #pool: WorkerPool<Member>
  readonly #waiting: Waiting[] = []
  #nextId = 0
  #turn = 0
  #isWindingDown = false

  constructor(options: MasterOptions) {
    this.#options = options
    const { exec, args, cwd, timeout, workers, oldFirst, say } = options
    this.#pool = new WorkerPool<Member>({
      workers,
      oldFirst,
      start: (generation) => this.#start(generation),
      end: (member, { idle, hasServed }) => this.#end(member, idle, hasServed),
      say,
    })
    cluster.setupPrimary({ exec, args: [...args], cwd, execArgv: withNewSpace(workers) })
    if (timeout > 0) setInterval(() => this.#ping(), timeout / 2).unref()
  }

  /**
   * Starts the first workers.
   * @throws BootError when one cannot serve.
   */
  async boot(): Promise<void> {
    try {
      await this.#pool.boot()
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Hands a connection to a worker. */
  take(socket: Socket, index: number): void {
    socket.on('error', () => socket.destroy())
    this.#give({ socket, index })
  }

  /** New workers first, then the old ones finish; where the new ones cannot serve, the old ones stay. */
  reload(): void {
    this.#pool.reload()
  }

  /** One worker more, or one less. */
  resize(by: 1 | -1): void {
    this.#pool.resize(by)
  }

  reopenLogs(): void {
    for (const member of this.#pool.members) this.#send(member, { type: 'reopen-logs' })
  }

  /** Goes on taking connections, but so that they end soon. */
  windDown(): void {
    this.#isWindingDown = true
    for (const member of this.#pool.members) this.#send(member, { type: 'wind-down' })
  }

  /** Resolves when all workers have finished what they had in flight, and ended. */
  async stop(): Promise<void> {
    for (const { socket } of this.#waiting.splice(0)) socket.destroy()
    this.#pool.stop()
    await this.#ended()
  }

  /** Ends all workers at once. */
  async kill(): Promise<void> {
    for (const { worker } of this.#pool.abandon()) worker.process.kill('SIGKILL')
    await this.#ended()
  }

  async #ended(): Promise<void> {
    await Promise.all([...this.#pool.members].map(({ ended }) => ended))
  }

  #start(generation: number): Member {
    const worker = cluster.fork(this.#options.env)
    let onEnded = (): void => undefined
    const member: Member = {
      worker,
      pid: worker.process.pid ?? 0,
      generation,
      bornAt: Date.now(),
      state: 'booting',
      isSpent: false,
      isListening: false,
      deadline: undefined,
      pending: new Map(),
      unanswered: 0,
      failure: undefined,
      ended: new Promise((resolve) => (onEnded = resolve)),
    }
    worker.on('message', (message: FromWorker) => this.#hear(member, message))
    // What it has said before it died may come after the news of its death, that it had taken a connection above all.
    const heardAll = new Promise<void>((resolve) => worker.once('disconnect', resolve))
    const { timeout } = this.#options
    if (timeout > 0) member.deadline = setTimeout(() => this.#endLate(member), timeout)
    const end = (how: string): void => {
      clearTimeout(member.deadline)
      // Where it died with a socket on its way to it, Node never tells that it has heard all.
      const heard = Promise.race([heardAll, wait(LAST_WORDS)])
      void heard.then(() => this.#bequeath(member))
      const judge = (): void => {
        const failure = { code: 3, message: `A worker failed to boot: it ${how} before it served.` }
        this.#pool.hasEnded(member, how, member.failure ?? failure)
        onEnded()
      }
      // What an app did that ended it while it was loaded are its last words.
      if (member.state === 'booting') void heard.then(judge)
      else judge()
    }
    worker.once('exit', (code, signal) => end(signal ? `was ended by ${signal}` : `ended with ${code}`))
    worker.on('error', ({ message }) => {
      // What could not be sent is found in `pending` when it has ended; where no process could be made, none will end.
      if (member.pid === 0 && this.#pool.members.has(member)) end(`could not be started (${message})`)
    })
    return member
  }

  #hear(member: Member, message: FromWorker): void {
    if (message.type === 'hello') {
      member.isListening = true
      member.deadline?.refresh() // what came before is Node's and ours
      this.#send(member, this.#options.start)
    } else if (message.type === 'ready') {
      this.#pool.hasBooted(member)
      if (this.#isWindingDown) this.#send(member, { type: 'wind-down' })
      for (const waiting of this.#waiting.splice(0)) this.#give(waiting)
    } else if (message.type === 'told-to-end') setTimeout(() => this.#endOne(member), SAME_SIGNAL).unref()
    else if (message.type === 'failed') member.failure = message
    else if (message.type === 'taken') this.#taken(member, message.id)
    else if (message.type === 'retire') this.#pool.replace(member, message.reason, message.hasFailed)
    else if (message.type === 'pong') member.unanswered = 0
    else this.#options.onMessage?.(message)
  }

  /** It was told to end by somebody else. Where all are, it is no wish for another one. */
  #endOne(member: Member): void {
    if (this.#isWindingDown || !this.#pool.members.has(member)) return
    this.#pool.replace(member, 'it was sent SIGTERM')
  }

  /** Ends it when it takes too long until it serves. */
  #endLate(member: Member): void {
    if (member.state !== 'booting') return
    const limit = `${this.#options.timeout / 1000} s (--timeout)`
    member.failure = {
      code: 3,
      message: `Worker ${member.pid} has not loaded the app within ${limit}, and was killed.`,
    }
    member.worker.process.kill('SIGKILL')
  }

  /** Others get what a dead worker was given and has not taken. */
  #bequeath({ worker, pending }: Member): void {
    if (worker.process.connected) worker.process.disconnect()
    for (const waiting of pending.values()) this.#give(waiting)
    pending.clear()
  }

  #end(member: Member, idle: StopOptions['idle'], hasServed: boolean): void {
    // It could not hear of it, and has nothing to lose.
    if (!member.isListening) return void member.worker.process.kill('SIGKILL')
    const timeout = hasServed ? this.#options.gracefulTimeout : 0
    this.#send(member, { type: 'stop', timeout, idle })
    const killer = setTimeout(() => {
      this.#options.say(`Worker ${member.pid} did not stop in time and is killed`)
      member.worker.process.kill('SIGKILL')
    }, timeout + GRACE)
    void member.ended.then(() => clearTimeout(killer))
  }

  #give(waiting: Waiting): void {
    const serving = this.#pool.serving()
    const member = serving[this.#turn++ % serving.length]
    if (member !== undefined) return this.#handOver(member, waiting)
    if (this.#waiting.length < MAX_WAITING && !this.#isOver()) this.#waiting.push(waiting)
    else waiting.socket.destroy()
  }

  /** Whether no worker will serve any more. */
  #isOver(): boolean {
    return this.#pool.isStopping && this.#pool.members.size === 0
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
    for (const member of this.#pool.members) {
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
