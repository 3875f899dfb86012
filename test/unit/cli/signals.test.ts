/** What signals to stop mean, by when they come: how a program hears them, whatever the processes do. */

import type { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { heedSignals, type Served } from '../../../src/cli/signals.ts'

const SIGNALS = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const
type Signal = keyof typeof SIGNALS

let before: Map<string | symbol, Set<unknown>>
let done: string[]

beforeEach(() => {
  vi.useFakeTimers()
  before = new Map(process.eventNames().map((name) => [name, new Set<unknown>(process.listeners(name as Signal))]))
  done = []
  vi.spyOn(process, 'exit').mockImplementation((code) => void done.push(`exit ${code}`) as never)
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
})
afterEach(() => {
  for (const name of process.eventNames() as Signal[]) {
    for (const listener of process.listeners(name)) {
      if (before.get(name)?.has(listener) !== true) process.off(name, listener)
    }
  }
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** Something that serves, and has a request in flight that never ends. */
function serving(): void {
  const served: Served = {
    windDown: () => void done.push('winds down'),
    stop: () => new Promise(() => done.push('stops')),
    kill: async () => void done.push('is killed'),
    reload: () => undefined,
    reopenLogs: () => undefined,
    resize: () => undefined,
  }
  heedSignals().serve(served, 0)
}

async function send(signal: Signal): Promise<void> {
  ;(process as EventEmitter).emit(signal, signal, SIGNALS[signal]) // as Node does, whose types know no number
  await vi.advanceTimersByTimeAsync(0)
}

describe('a second signal to stop', () => {
  it.each<[first: Signal, second: Signal]>([
    ['SIGTERM', 'SIGTERM'], // GNU timeout: to the program, and to its group
    ['SIGINT', 'SIGINT'], // a terminal, and npm, which passes it on
    ['SIGINT', 'SIGTERM'], // a terminal, and a supervisor that ends what it has started
  ])('right after the first is the same wish: %s, %s', async (first, second) => {
    serving()
    await send(first)
    await send(second)
    await vi.advanceTimersByTimeAsync(99)
    await send(second)
    expect(done).toStrictEqual(['winds down', 'stops'])
  })

  it.each<[first: Signal, second: Signal, code: number]>([
    ['SIGTERM', 'SIGTERM', 143],
    ['SIGTERM', 'SIGINT', 130],
    ['SIGINT', 'SIGQUIT', 131],
  ])('later is a hurry: %s, %s', async (first, second, code) => {
    serving()
    await send(first)
    await vi.advanceTimersByTimeAsync(50)
    await send(second) // does not put it off
    await vi.advanceTimersByTimeAsync(50)
    await send(second)
    expect(done).toStrictEqual(['winds down', 'stops', 'is killed', `exit ${code}`])
  })
})
