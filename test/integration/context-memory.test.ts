/** What a million requests leave in memory: nothing. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { root } from './paths.ts'

const REQUESTS = 1_000_000

/** Compiled code and the weak references of the test itself; one byte a request would be as much. */
const SLACK_BYTES = 1_000_000

describe('memory', () => {
  it('does not grow with requests that end, are aborted, or whose streams nobody reads', async () => {
    const args = ['--expose-gc', 'test/fixtures/context/memory.mjs', `${REQUESTS}`]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root })
    const { heap, ...counts } = JSON.parse(stdout) as { heap: number[] }
    expect(counts).toStrictEqual({ requests: REQUESTS, alive: 0, sampled: REQUESTS / 1000, withoutTeardown: 0 })
    // By the second tenth all code is compiled.
    expect(heap.at(-1)! - heap[1]!).toBeLessThan(SLACK_BYTES)
  }, 300_000)
})
