/** How many workers there are after whatever happens, in whatever order: the pool's books, with workers that only stand for some. */

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { BootError, type Member, WorkerPool } from '../../../src/server/workers/pool.ts'

interface Fake extends Member {
  ended?: 'close' | 'last-call' | 'wait'
}

let pool: WorkerPool<Fake>
let started: Fake[]
let said: string[]

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const FAILURE = { code: 4, message: 'The app cannot be loaded.' }

function create(workers: number, oldFirst = false): void {
  started = []
  said = []
  pool = new WorkerPool<Fake>({
    workers,
    oldFirst,
    start(generation) {
      const member: Fake = { pid: started.length + 1, generation, bornAt: Date.now(), state: 'booting', isSpent: false }
      started.push(member)
      return member
    },
    end: (member, { idle }) => void (member.ended = idle),
    say: (line) => said.push(line),
  })
}

function workerOf(pid: number): Fake {
  return started[pid - 1] ?? expect.fail(`Worker ${pid} was never started`)
}

const booted = (...pids: readonly number[]): void => pids.forEach((pid) => pool.hasBooted(workerOf(pid)))
const died = (...pids: readonly number[]): void =>
  pids.forEach((pid) => pool.hasEnded(workerOf(pid), 'was ended by SIGKILL', FAILURE))
const spent = (...pids: readonly number[]): void => pids.forEach((pid) => pool.replace(workerOf(pid), 'it is tired'))

/** Who is there, by their states. */
function books(): Readonly<Record<Fake['state'], number[]>> {
  const pids = (state: Fake['state']): number[] =>
    [...pool.members].filter((one) => one.state === state).map((one) => one.pid)
  return { booting: pids('booting'), serving: pids('serving'), retiring: pids('retiring') }
}

async function running(workers: number, oldFirst = false): Promise<void> {
  create(workers, oldFirst)
  const start = pool.boot()
  booted(...started.map(({ pid }) => pid))
  await start
}

describe('the first workers', () => {
  it('are as many as are wanted', async () => {
    await running(3)
    expect(books()).toEqual({ booting: [], serving: [1, 2, 3], retiring: [] })
  })

  it('fail together when one cannot serve', async () => {
    create(2)
    const start = pool.boot()
    booted(1)
    died(2)
    await expect(start).rejects.toEqual(new BootError(FAILURE))
    expect(pool.abandon().map(({ pid }) => pid)).toEqual([1])
  })

  it('are replaced when they die while others still boot', async () => {
    create(2)
    const start = pool.boot()
    booted(1)
    died(1)
    expect(books()).toEqual({ booting: [2, 3], serving: [], retiring: [] })
    booted(2, 3)
    await start
  })

  it('are started anew by a reload, which those that hang do not hold up', async () => {
    create(1)
    const start = pool.boot()
    pool.reload()
    expect(books()).toEqual({ booting: [2], serving: [], retiring: [1] })
    booted(2)
    await start
    expect(said).toEqual(['Worker 2 serves'])
  })
})

describe('a worker that asks to be replaced', () => {
  it('goes when another one serves', async () => {
    await running(2)
    spent(1)
    expect(books()).toEqual({ booting: [3], serving: [1, 2], retiring: [] })
    booted(3)
    expect(books()).toEqual({ booting: [], serving: [2, 3], retiring: [1] })
    expect(workerOf(1).ended).toBe('wait')
  })

  it('and asks again has one successor', async () => {
    await running(2)
    spent(1, 1)
    expect(books().booting).toEqual([3])
    booted(3)
    spent(1)
    expect(books()).toEqual({ booting: [], serving: [2, 3], retiring: [1] })
  })

  it('leaves as many as are wanted, though another one dies meanwhile', async () => {
    await running(2)
    spent(1)
    died(2)
    expect(books()).toEqual({ booting: [3, 4], serving: [1], retiring: [] })
    booted(3, 4)
    expect(books()).toEqual({ booting: [], serving: [3, 4], retiring: [1] })
  })

  it('gets another successor when the first cannot boot', async () => {
    await running(1)
    spent(1)
    died(2)
    expect(said.slice(-1)).toEqual([FAILURE.message])
    expect(books()).toEqual({ booting: [3], serving: [1], retiring: [] })
    died(3)
    expect(said.slice(-1)).toEqual(['Waiting 1 s before the next worker'])
    vi.advanceTimersByTime(1000)
    booted(4)
    expect(books()).toEqual({ booting: [], serving: [4], retiring: [1] })
  })

  it('while it boots is given up at once', async () => {
    await running(1)
    pool.resize(1)
    spent(2)
    expect(books()).toEqual({ booting: [3], serving: [1], retiring: [2] })
  })
})

describe('the number', () => {
  it('comes out right when it is raised and lowered at once', async () => {
    await running(2)
    pool.resize(1)
    pool.resize(-1)
    expect(books()).toEqual({ booting: [], serving: [1, 2], retiring: [3] })
    died(3)
    expect(books()).toEqual({ booting: [], serving: [1, 2], retiring: [] })
    expect(said.slice(-2)).toEqual(['3 workers from now on', '2 workers from now on']) // and no failed boot
  })

  it('is at least one, and at most what a machine can bear', async () => {
    await running(1)
    pool.resize(-1)
    expect(books().serving).toEqual([1])
    create(256)
    void pool.boot()
    pool.resize(1)
    expect([started.length, said]).toEqual([256, ['256 workers are the most there can be']])
  })

  it('can change during a reload', async () => {
    await running(2)
    pool.reload()
    pool.resize(-1)
    expect(books()).toEqual({ booting: [4], serving: [1, 2], retiring: [3] })
    booted(4)
    expect(books()).toEqual({ booting: [], serving: [4], retiring: [3, 1, 2].toSorted() })
  })
})

describe('a reload', () => {
  it('ends the old workers when all new ones serve, and not before', async () => {
    await running(2)
    pool.reload()
    booted(3)
    expect(books()).toEqual({ booting: [4], serving: [1, 2, 3], retiring: [] })
    booted(4)
    expect(books()).toEqual({ booting: [], serving: [3, 4], retiring: [1, 2] })
    expect(said.slice(-1)).toEqual(['Reloaded'])
  })

  it('that fails leaves the old workers, and ends the new ones', async () => {
    await running(2)
    pool.reload()
    booted(3)
    died(4)
    expect(books()).toEqual({ booting: [], serving: [1, 2], retiring: [3] })
    expect(said.slice(-2)).toEqual([FAILURE.message, 'Not reloaded: the workers from before go on'])
    died(1)
    expect(books()).toEqual({ booting: [5], serving: [2], retiring: [3] })
  })

  it('that hangs is given up for the next one', async () => {
    await running(1)
    pool.reload()
    pool.reload()
    expect(books()).toEqual({ booting: [3], serving: [1], retiring: [2] })
    died(2)
    booted(3)
    expect(books()).toEqual({ booting: [], serving: [3], retiring: [1] })
    expect(said).toEqual(['Worker 1 serves', 'Worker 3 serves', 'Reloaded'])
  })

  it('ends with as many as are wanted when old workers ask to be replaced, die, or both', async () => {
    await running(2)
    spent(1)
    pool.reload()
    spent(2)
    died(1)
    booted(...books().booting)
    expect(books()).toEqual({ booting: [], serving: [4, 5], retiring: [3, 2].toSorted() })
  })

  it('does not wait for a pause that deaths have brought', async () => {
    await running(1)
    died(1)
    died(2)
    expect(books().booting).toEqual([])
    pool.reload()
    expect(books().booting).toEqual([3])
    vi.advanceTimersByTime(60_000)
    expect(books().booting).toEqual([3])
  })

  it('ends the old program first where no answer may come from old code', async () => {
    await running(1, true)
    pool.reload()
    expect(books()).toEqual({ booting: [], serving: [], retiring: [1] })
    expect(workerOf(1).ended).toBe('close')
    pool.reload() // once more, while it ends
    died(1)
    expect(books()).toEqual({ booting: [2], serving: [], retiring: [] })
    booted(2)
    expect(said.slice(-1)).toEqual(['Reloaded'])
  })
})

describe('a worker that dies young', () => {
  it('is replaced at once the first time, then after 1, 2, 4 … 30 s', async () => {
    await running(1)
    died(1)
    expect(books().booting).toEqual([2])
    for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
      const before = started.length
      died(before)
      expect(said.slice(-1)).toEqual([`Waiting ${seconds} s before the next worker`])
      vi.advanceTimersByTime(seconds * 1000 - 1)
      expect(started.length).toBe(before)
      vi.advanceTimersByTime(1)
      expect(started.length).toBe(before + 1)
    }
  })

  it('or fails young is waited with in the same way, and serves meanwhile', async () => {
    await running(1)
    const failed = (pid: number): void => pool.replace(workerOf(pid), 'the app threw', true)
    failed(1)
    expect(books()).toEqual({ booting: [2], serving: [1], retiring: [] })
    booted(2)
    for (const seconds of [1, 2, 4, 8]) {
      const before = started.length
      failed(before)
      failed(before) // as it fails again and again
      expect(said.slice(-1)).toEqual([`Waiting ${seconds} s before the next worker`])
      vi.advanceTimersByTime(seconds * 1000 - 1)
      expect([started.length, books().serving]).toEqual([before, [before]])
      vi.advanceTimersByTime(1)
      expect(started.length).toBe(before + 1)
      booted(before + 1)
      expect(books().serving).toEqual([before + 1])
    }
  })

  it('or has served enough is no failure: another one begins at once', async () => {
    await running(1)
    for (const pid of [1, 2, 3, 4]) {
      spent(pid)
      expect(books().booting).toEqual([pid + 1])
      booted(pid + 1)
    }
  })

  it('counts no more once one has lived', async () => {
    await running(1)
    died(1)
    booted(2)
    vi.advanceTimersByTime(10_000)
    died(2)
    booted(3)
    died(3)
    expect(books().booting).toEqual([4])
  })
})

describe('a stop', () => {
  it('ends all, and starts nobody, whatever happens then', async () => {
    await running(2)
    pool.resize(1)
    pool.stop()
    expect(books()).toEqual({ booting: [], serving: [], retiring: [1, 2, 3] })
    const before = said.length
    pool.reload()
    pool.resize(1)
    pool.hasBooted(workerOf(3))
    died(1, 2, 3)
    expect([pool.members.size, started.length, said.length]).toEqual([0, 3, before])
  })

  it('during a pause starts nobody', async () => {
    await running(1)
    died(1)
    died(2)
    pool.stop()
    vi.advanceTimersByTime(60_000)
    expect(started.length).toBe(2)
  })
})

/** Once everything that has begun is through, as many serve as are wanted, whatever happened in whatever order. */
it.each([[false], [true]])('as many serve as are wanted after any events (old ones first: %s)', (oldFirst) => {
  const pick = fc.nat()
  const event = fc.oneof(
    fc.record({ does: fc.constantFrom('boots', 'dies', 'is spent'), pick }),
    fc.record({ does: fc.constantFrom('reload', 'more', 'fewer'), pick }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(event, { maxLength: 40 }), (workers, events) => {
      create(workers, oldFirst)
      void pool.boot()
      booted(...started.map(({ pid }) => pid))
      let wanted = workers
      for (const { does, pick: n } of events) {
        const living = [...pool.members]
        const one = living[n % living.length]
        if (does === 'reload') pool.reload()
        else if (does === 'more') pool.resize(1)
        else if (does === 'fewer') pool.resize(-1)
        else if (one === undefined) vi.advanceTimersByTime(30_000)
        else if (does === 'boots') pool.hasBooted(one)
        else if (does === 'dies') pool.hasEnded(one, 'died', FAILURE)
        else pool.replace(one, 'it is tired')
        if (does === 'more') wanted++
        if (does === 'fewer') wanted = Math.max(1, wanted - 1)
      }
      for (let steps = 0; steps < 20; steps++) {
        for (const one of pool.members) if (one.state === 'retiring') pool.hasEnded(one, 'ended', FAILURE)
        for (const one of pool.members) pool.hasBooted(one)
        vi.advanceTimersByTime(30_000)
      }
      expect(books()).toEqual({ booting: [], retiring: [], serving: expect.any(Array) as unknown })
      expect(books().serving).toHaveLength(wanted)
    }),
  )
})
