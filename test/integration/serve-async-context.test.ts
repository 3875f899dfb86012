/** Is AsyncLocalStorage of Node as fast in an app that is served as in a program of its own? By what V8 has made of it. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { launch } from './program.ts'

/** Node 24 keeps contexts in frames, whose class has another prototype from when AsyncLocalStorage is first asked for. */
const APP = `
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
const storage = new AsyncLocalStorage()
const isFast = new Function('object', 'return %HasFastProperties(object)')
const internal = createRequire(import.meta.url)
let state = () => 'has none'
try {
  const Frame = internal('internal/async_context_frame')
  state = () => (isFast(Object.getPrototypeOf(Frame)) ? 'fast' : 'slow')
} catch {}
export default (req, res) => storage.run({}, () => process.nextTick(() => res.end(state())))
`

const FLAGS = ['--expose-internals', '--allow-natives-syntax', '--no-warnings']

/** By then V8 has seen what it needs to: some hundreds are enough. */
const REQUESTS = 4000

describe('contexts of an app', () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-async-context-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'app.mjs'), APP)

  it.each([
    ['in one process', []],
    ['in workers', ['-w', '2']],
  ])('are fast %s', async (_, workers) => {
    const server = await launch(['-b', '127.0.0.1:0', ...workers, 'app.mjs'], { folder, flags: FLAGS })
    onTestFinished(async () => void (await server.stop()))
    const ask = async (): Promise<string> => await (await fetch(server.url)).text()
    let state = await ask()
    for (let asked = 1; state === 'slow' && asked < REQUESTS; asked++) state = await ask()
    expect(state).toBe(process.versions.node.startsWith('20.') ? 'has none' : 'fast')
  })
})
