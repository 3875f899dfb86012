/** What the pages show of the context works as it stands there. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { root } from './paths.ts'
import { serving } from './program.ts'

/** The programs of a page: blocks that begin with their imports. */
const programsOf = (page: string): string[] =>
  [...readFileSync(`${root}/${page}`, 'utf8').matchAll(/^```js\n(import .*?)^```$/gms)].map(([, code = '']) => code)

// Inside the package, so that 'proxyfix' is found under its own name.
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(`${root}/test/.readme-`)
})
afterAll(() => rmSync(folder, { recursive: true }))

const HEADERS = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-proto': 'https', 'x-user': 'Ada' }

describe('the pages on the context', () => {
  it('the README: a Fetch app that logs who was served', async () => {
    const code = programsOf('README.md').find((program) => program.includes('proxyfix/context'))
    const file = `${folder}/readme.mjs`
    writeFileSync(file, code!)
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined)
    const { default: app } = (await import(pathToFileURL(file).href)) as {
      default: (request: Request) => Promise<Response>
    }
    const response = await app(new Request('http://a/path', { headers: HEADERS }))
    expect(await response.text()).toBe('Hello Ada')
    await vi.waitFor(() => expect(log).toHaveBeenCalledWith('203.0.113.7 Ada https://a/path: served'))
    log.mockRestore()
  })

  it('docs/context.md: a Node app, audited', async () => {
    const [code] = programsOf('docs/context.md')
    const port = await freePort()
    const file = `${folder}/node.mjs`
    writeFileSync(file, code!.replace('8000', String(port)))
    const app = spawn(process.execPath, [file], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      expect(await answer(app, `http://127.0.0.1:${port}/path`)).toBe('hello\n')
      const [said] = (await once(app.stdout, 'data')) as [Buffer]
      expect(said.toString()).toBe('203.0.113.7 GET /path: served by Ada\n')
    } finally {
      app.kill()
    }
  })

  it('docs/context.md: what is imported elsewhere is there', async () => {
    const names = programsOf('docs/context.md').flatMap((code) =>
      [...code.matchAll(/^import \{(.*)\} from 'proxyfix\/context'$/gm)].flatMap(([, list = '']) => list.split(',')),
    )
    const context: object = (await import('../../src/context/index.ts')) as object
    expect(names.length).toBeGreaterThan(8)
    for (const name of names) expect(context).toHaveProperty(name.trim())
  })

  it('examples/context.js, as its head says', async () => {
    const app = await serving('--x-for', '1', '--trust', 'loopback', 'examples/context.js')
    try {
      const response = await fetch(`${app.url}/hello?name=Ada`, { headers: HEADERS })
      expect(await response.text()).toBe('Hello Ada at 203.0.113.7, you asked for /hello\n')
      expect(response.headers.get('x-greeted')).toBe('Ada')
    } finally {
      const { stdout } = await app.stop()
      expect(stdout).toContain('greeted Ada')
    }
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  server.close()
  await once(server, 'close')
  return port
}

/** The app says nothing when it listens, so it is asked until it answers, or has ended. */
async function answer(app: ChildProcess, url: string): Promise<string> {
  for (;;) {
    try {
      return await (await fetch(url, { headers: HEADERS })).text()
    } catch (error) {
      if (app.exitCode !== null) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
