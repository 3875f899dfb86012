/** Is AsyncLocalStorage of Node as fast in an app that is served as in a program of its own? By what V8 has made of it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { root } from './paths.ts'
import { launch } from './program.ts'

/** Node 24 keeps contexts in frames, whose class is given another prototype when somebody first asks for contexts. */
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

/** A program that serves an app which it loads late. */
const PROGRAM = `
import { serve } from '${pathToFileURL(join(root, 'dist', 'server', 'index.js')).href}'
for (let tick = 0; tick < 100; tick++) await new Promise((resolve) => process.nextTick(resolve))
const { default: app } = await import('./app.mjs')
process.stdout.write((await serve(app, { bind: '127.0.0.1:0' })).url)
`

const FLAGS = ['--expose-internals', '--allow-natives-syntax', '--no-warnings']

/** By then V8 has seen what it needs to: a few are enough. */
const REQUESTS = 2000

const BEST = process.versions.node.startsWith('20.') ? 'has none' : 'fast'

describe('contexts of an app', () => {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-async-context-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'app.mjs'), APP)
  writeFileSync(join(folder, 'program.mjs'), PROGRAM)

  it.each([
    ['in one process', []],
    ['in workers, which load it late', ['-w', '2']],
  ])('are fast %s', async (_, workers) => {
    const server = await launch(['-b', '127.0.0.1:0', ...workers, 'app.mjs'], { folder, flags: FLAGS })
    onTestFinished(async () => void (await server.stop()))
    expect(await stateOf(server.url)).toBe(BEST)
  })

  it('are fast in a program that loads it late', async () => {
    const child = spawn(process.execPath, [...FLAGS, 'program.mjs'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(async () => {
      child.kill('SIGKILL')
      await once(child, 'close')
    })
    const [url] = (await once(child.stdout, 'data')) as [Buffer] // what it hands over
    expect(await stateOf(String(url))).toBe(BEST)
  })
})

async function stateOf(url: string): Promise<string> {
  const ask = async (): Promise<string> => await (await fetch(url)).text()
  let state = await ask()
  for (let asked = 1; state === 'slow' && asked < REQUESTS; asked++) state = await ask()
  return state
}
