/** What the README shows must work as it stands there: every JavaScript example is run, and asked. */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from './paths.ts'

const readme = readFileSync(`${root}/README.md`, 'utf8')
// Whole programs: each begins with its imports.
const programs = [...readme.matchAll(/^```js\n(import .*?)^```$/gms)].map(([, code = '']) => code)
const examples = programs.filter((code) => code.includes('8000'))
// Those of the context are run by context-docs.test.ts; those of rewriting need an app.
const others = programs.filter((code) => !/8000|proxyfix\/context|HeaderRewriter/.test(code))

// Inside the package, so that 'proxyfix' is found under its own name.
let folder = ''
beforeAll(() => {
  folder = mkdtempSync(`${root}/test/.readme-`)
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('the examples of the README', () => {
  it('are three: Node, Express, Fetch', () => {
    expect(examples).toHaveLength(3)
  })

  it.each([
    ['Node', 0, '203.0.113.7 over https\n'],
    ['Express', 1, '203.0.113.7 asked for https://www.example.com/?b=1'],
    ['Fetch', 2, '203.0.113.7 asked for https://www.example.com/?b=1'],
  ])('%s: the client, the scheme and the URL come out right', async (name, index, answer) => {
    const port = await freePort()
    const code = examples[index]?.replace('8000', String(port)) ?? ''
    const file = `${folder}/${name}.mjs`
    writeFileSync(file, code)
    const app = spawn(process.execPath, [file], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
    try {
      const response = await askUntilUp(app, port)
      expect(response).toBe(answer)
    } finally {
      app.kill()
      await once(app, 'close')
    }
  })

  it('trust the proxy that runs beside them, and nobody else', () => {
    for (const example of examples) expect(example).toContain("trustedProxies: 'loopback'")
  })

  it('show the warnings about a setting', async () => {
    expect(others).toHaveLength(1)
    const file = `${folder}/warnings.mjs`
    writeFileSync(file, others[0] ?? '')
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: root })
    expect(stdout).toMatch(/^\[\s+'Hop counts believe whoever connects: [^\n]*\n\]\n$/)
  })

  it('show the nginx configuration that the tests run', () => {
    const [, shown = ''] = /^```nginx\n(.*?)^```$/ms.exec(readme) ?? []
    const tested = readFileSync(`${root}/test/fixtures/nginx/flask.conf`, 'utf8')
    expect(shown).toBe(tested)
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('a TCP server has a port')
  return address.port
}

/** The app says nothing when it listens, so it is asked until it answers, or has ended. */
async function askUntilUp(app: ChildProcess, port: number): Promise<string> {
  for (;;) {
    try {
      return await ask(port)
    } catch (error) {
      if (app.exitCode !== null) throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function ask(port: number): Promise<string> {
  return await new Promise((resolve, reject) => {
    const headers = {
      host: 'www.example.com',
      'x-forwarded-for': '6.6.6.6, 203.0.113.7',
      'x-forwarded-proto': 'https',
    }
    request({ host: '127.0.0.1', port, path: '/?b=1', headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text)).on('error', reject)
    })
      .on('error', reject)
      .end()
  })
}
