/** What is said while other people's code is loaded. What it is said of is real in test/integration/serve-loading.test.ts. */

import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { whileLoading } from '../../../src/cli/while-loading.ts'

function muted(): readonly string[] {
  const lines: string[] = []
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((line) => lines.push(String(line)) > 0)
  vi.useFakeTimers()
  onTestFinished(() => {
    spy.mockRestore()
    vi.useRealTimers()
  })
  return lines
}

describe('loading', () => {
  it('that takes long is told of once, and may end all the same', async () => {
    const lines = muted()
    const { promise, resolve } = withResolve()
    const loading = whileLoading('\u001b[31mapp.js', 4, () => promise)
    vi.advanceTimersByTime(100_000)
    resolve('app')
    expect(await loading).toBe('app')
    expect(lines).toStrictEqual(['\\u001b[31mapp.js is still being loaded: it may await something that never comes.\n'])
  })

  it('that is done is not told of, and leaves nothing behind', async () => {
    const lines = muted()
    const before = process.listenerCount('exit')
    expect(await whileLoading('app.js', 4, async () => 'app')).toBe('app')
    await expect(
      whileLoading('app.js', 4, async () => {
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await whileLoading('app.js', 4, async () => {
      // As Node does for an error that is thrown, which the app may catch itself then.
      const monitors = process.listeners('uncaughtExceptionMonitor')
      for (const message of ['one', 'two']) {
        for (const monitor of monitors) monitor.call(process, new Error(message), 'uncaughtException')
      }
    })
    vi.advanceTimersByTime(100_000)
    expect([lines, process.listenerCount('exit')]).toStrictEqual([[], before])
  })
})

function withResolve(): { readonly promise: Promise<string>; readonly resolve: (value: string) => void } {
  let resolve: (value: string) => void = () => undefined
  const promise = new Promise<string>((settle) => (resolve = settle))
  return { promise, resolve }
}
