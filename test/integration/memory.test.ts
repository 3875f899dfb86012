/**
 * Does a server keep anything of the requests it has served? A short run of bench/memory.mjs, which serves a million: what
 * one small object a request would add is several megabytes here as well.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { root } from './paths.ts'

const MEGABYTE = 2 ** 20

/** A server that has little of the machine takes its time; nothing is asserted on it. */
const SLOW = { timeout: 240_000 }

interface Measured {
  readonly requests: number
  readonly before: number
  readonly after: number
}

describe('the heap after garbage collection', () => {
  it('is no larger after many thousand requests, over one connection and each over a fresh one', SLOW, async () => {
    const args = ['--expose-gc', 'bench/memory.mjs', '60000', '15000']
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(child, 'close')
    const { keepAlive, fresh, warnings } = JSON.parse(output) as Record<'keepAlive' | 'fresh', Measured> & {
      readonly warnings: readonly string[]
    }
    expect(keepAlive.requests + fresh.requests).toBe(75_000)
    expect(keepAlive.after - keepAlive.before).toBeLessThan(MEGABYTE)
    expect(fresh.after - fresh.before).toBeLessThan(MEGABYTE / 2)
    expect(warnings).toEqual([]) // nor was a listener left behind with each request
  })
})
