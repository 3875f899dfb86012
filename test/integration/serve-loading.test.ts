/** What an app or a config file may do while it is loaded, as whoever starts the server hears of it. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { launch, run } from './program.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-loading-'))
  write('package.json', '{ "type": "module" }')
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(name: string, content: string): void {
  writeFileSync(join(folder, name), content)
}

const SERVE = ['serve', '-b', '127.0.0.1:0']

describe('an app', () => {
  it.each([0, 7])('that ends the process with %i while it is loaded is told of, and no success', async (code) => {
    write('app.js', `\nprocess.exit(${code})`)
    const alone = await run([...SERVE, 'app.js'], folder)
    const sentence = `proxyfix: app.js ended the process while it was loaded, by process.exit(${code}) (app.js:2).\n`
    expect(alone).toStrictEqual({ code: 4, stdout: '', stderr: sentence })
    expect(await run(['serve', '--check-config', 'app.js'], folder)).toStrictEqual(alone)
    for (const workers of ['1', '2'])
      expect(await run([...SERVE, '-w', workers, 'app.js'], folder)).toStrictEqual(alone)
  })

  it('that throws later, while it is loaded, ends the start of workers with 4', async () => {
    write(
      'app.js',
      "setTimeout(() => { throw new Error('late') })\nawait new Promise(() => setInterval(() => {}, 1000))",
    )
    const { code, stderr } = await run([...SERVE, '-w', '2', 'app.js'], folder)
    expect(code).toBe(4)
    expect(stderr.match(/^proxyfix: .*/gm)).toStrictEqual([
      'proxyfix: app.js threw while it was loaded: Error: late (app.js:1).',
    ])
  })

  it('that throws while it is loaded, and catches it itself, ends as any other', async () => {
    write(
      'app.js',
      `process.on('uncaughtException', ({ message }) => console.log('caught', message))
       setTimeout(() => { throw new Error('late') })
       await new Promise((resolve) => process.once('uncaughtException', resolve))
       export default (req, res) => res.end('served')`,
    )
    const server = await launch(['-b', '127.0.0.1:0', 'app.js'], { folder })
    expect(await (await fetch(server.url)).text()).toBe('served')
    server.signal('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0, stdout: 'caught late\n' })
  })

  it('that listens by itself is told of, and served all the same', async () => {
    write(
      'app.js',
      `import { createServer } from 'node:http'
       export default (req, res) => res.end('served')
       createServer().listen(0)`,
    )
    const server = await launch(['-b', '127.0.0.1:0', 'app.js'], { folder })
    expect(await (await fetch(server.url)).text()).toBe('served')
    const { stderr } = await server.stop()
    expect(stderr.match(/^Warning: .*/gm)).toStrictEqual([
      'Warning: app.js listens by itself as well, and who connects there gets past this server: leave out its listen().',
    ])
  })

  it.each([
    ['a factory', 'module.exports = { createApp() { return (q, s) => s.end("served") } }', 'app.cjs'],
    ['a whole', 'const n = "app"\nmodule.exports = { [n]: (q, s) => s.end("served") }', 'app.cjs:default.app'],
    ['several', 'module.exports = { app: (q, s) => s.end("served"), createApp() {} }', 'app.cjs'],
    [
      'a name that is made',
      'const o = {}, n = "app"\no[n] = (q, s) => s.end("served")\nmodule.exports = o',
      'app.cjs:app',
    ],
  ])('of CommonJS is found as its author exports it: %s', async (_, content, spec) => {
    write('app.cjs', content)
    const server = await launch(['-b', '127.0.0.1:0', spec], { folder })
    onTestFinished(async () => void (await server.stop()))
    expect(await (await fetch(server.url)).text()).toBe('served')
    expect(await run([...SERVE, 'app.cjs:nope'], folder)).toMatchObject({
      code: 4,
      stderr: expect.not.stringMatching(/'default'|'module\.exports'/) as string,
    })
  })

  it.each([
    [
      'app.cjs:nope',
      'module.exports = { ["a" + "b"]: 1, port: 80 }',
      "app.cjs has no export 'nope': it exports 'ab', 'port'.",
    ],
    ['app.cjs:toString', 'module.exports = { port: 80 }', "app.cjs has no export 'toString'"],
    ['app.cjs', 'module.exports = { port: 80 }', "app.cjs exports no app (it exports 'port')"],
    ['app.cjs', '', 'app.cjs exports no app: export a handler'],
  ])('of CommonJS is refused by what it exports: %s', async (spec, content, says) => {
    write('app.cjs', content)
    const { code, stderr } = await run([...SERVE, spec], folder)
    expect([code, stderr]).toStrictEqual([4, expect.stringContaining(says)])
  })

  it.each([
    ['a package', 'import "nosuchpackage"', "Cannot find package 'nosuchpackage'"],
    ['a file', 'import "./gone.js"', 'Cannot find module'],
  ])('that lacks %s is told of once', async (_, content, says) => {
    write('app.js', content)
    for (const args of [SERVE, [...SERVE, '-w', '1']]) {
      const { code, stderr } = await run([...args, 'app.js'], folder)
      expect([code, stderr.trimEnd().split('\n')]).toStrictEqual([4, [expect.stringContaining(says)]])
    }
  })

  it('that asks for the client is told what the server lacks, and has it by that', async () => {
    const ours = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)
    write(
      'app.js',
      `import { connectionInfo } from ${ours}\nexport default (q, s) => s.end(connectionInfo(q).client.address)`,
    )
    const plain = await launch(['-b', '127.0.0.1:0', 'app.js'], { folder })
    expect((await fetch(plain.url)).status).toBe(500)
    expect((await plain.stop()).stderr).toContain('under proxyfix serve set --x-for 0')
    const fixed = await launch(['-b', '127.0.0.1:0', '--x-for', '0', 'app.js'], { folder })
    onTestFinished(async () => void (await fixed.stop()))
    const headers = { 'x-forwarded-for': '203.0.113.7' }
    expect(await (await fetch(fixed.url, { headers })).text()).toBe('127.0.0.1')
  })

  it('that changes the folder takes no socket with it', async () => {
    write('app.js', 'process.chdir("/")\nexport default (req, res) => res.end("served")')
    const server = await launch(['-b', 'unix:app.sock', 'app.js'], { folder })
    expect(existsSync(join(folder, 'app.sock'))).toBe(true)
    server.signal('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'app.sock'))).toBe(false)
  })

  it.each([
    ['app.py', 'app = 1', 'app.py is no file that Node can load: give one of JavaScript or TypeScript'],
    ['data.json', '{}', 'data.json holds data, and nothing that could be run'],
    [
      'getter.cjs',
      'exports.__esModule = true\nObject.defineProperty(exports, "app", { enumerable: true, get: () => { throw new Error("late") } })',
      'getter.cjs',
    ],
    ['server.js', 'import http from "node:http"\nexport default http.createServer()', 'a server that answers nothing'],
  ])('%s is refused in one sentence', async (name, content, says) => {
    write(name, content)
    const { code, stderr } = await run([...SERVE, name], folder)
    const [sentence, ...stack] = stderr.trimEnd().split('\n')
    expect(sentence).toMatch(/^proxyfix: .*[.?]$/)
    expect(sentence).toContain(says)
    expect([code, stack.some((line) => line.includes('node:'))]).toStrictEqual([name === 'server.js' ? 2 : 4, false])
  })
})

describe('a config file', () => {
  it('that ends the process is told of, and no success', async () => {
    write('app.js', 'export default () => {}')
    write('proxyfix.config.js', 'process.exit(0)')
    expect(await run(['serve', '--check-config', 'app.js'], folder)).toStrictEqual({
      code: 2,
      stdout: '',
      stderr:
        'proxyfix: The config file ended the process while it was loaded, by process.exit(0) (proxyfix.config.js:1).\n',
    })
  })

  it('that awaits what never comes is told of', async () => {
    write('app.js', 'export default () => {}')
    write('proxyfix.config.js', 'export default new Promise(() => {})')
    const { code, stderr } = await run([...SERVE, 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([2, expect.stringContaining('it awaits something that never comes')])
  })
})

describe('names from outside', () => {
  it('never reach a terminal as what it obeys', async () => {
    write('\u001b[31mred.mjs', 'const x = 1\nexport { x as "\\u001b[41mcow" }')
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo // as it does not listen on a pipe
    const typed = [
      ['\u001b[31mred.mjs'],
      ['\u001b[31mred.mjs:nope'],
      ['\u001b[31mrde.mjs'],
      ['-b', '\u001b[31mx:1', 'app.js'],
      ['-b', `127.0.0.1:${port}`, '--\u001b[31mx', 'app.js'],
      ['a.js', '\u009b31mb.js'],
      ['-p', '\u001b[31m', 'app.js'],
      ['--config', '\u001b[31m.js', 'app.js'],
      ['--chdir', '\u001b[31m', 'app.js'],
      ['--x-for', '\u001b[31m', 'app.js'],
    ]
    for (const args of typed) {
      const { stderr } = await run(['serve', ...args], folder)
      expect(stderr).toMatch(/^proxyfix: .*\\u00(?:1b|9b).*\n$/)
      // eslint-disable-next-line no-control-regex -- what must not be there
      expect(stderr).not.toMatch(/[\u001b\u009b]/)
    }
    taken.close()
  })
})
