/** What a person meets who types `proxyfix`: one sentence for each mistake, and a server that stops politely. */

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Ended, run, type Serving, serving } from './program.ts'
import { ask } from './wire.ts'

const HANDLER = '(req, res) => res.end("served")'

/** The modules that people give to it, in a folder of their own. */
const MODULES = {
  'package.json': '{ "type": "module" }',
  'good.js': `export default ${HANDLER}`,
  'common.cjs': `module.exports = ${HANDLER}`,
  'named.js': `export const app = ${HANDLER}; export const admin = ${HANDLER}; export const settings = { port: 80 }`,
  'typed.ts':
    'const app = (_req: unknown, res: { end(text: string): void }): void => res.end("typed")\nexport default app',
  'throws.js': 'const url = undefined\n\nthrow new Error("no database")',
  'throws.cjs': 'const url = undefined\n\nthrow new Error("no database")',
  'throws-text.js': 'throw "no database"',
  'throws-lines.js': 'throw new Error("no database\\nno cache\\n    at all")',
  'syntax.js': 'export default (req, res) => {',
  'imports-missing.js': 'import "./gone.js"',
  'imports-nothing.js': 'import { gone } from "./good.js"',
  'settings.json': '{ "port": 80 }',
  'exports-nothing.js': 'const app = 1',
  'listens.js': 'import http from "node:http"\nhttp.createServer((q, s) => s.end()).listen(0, "127.0.0.1")',
  'exports-number.js': 'export default 7',
  'exports-object.js': 'export const app = { port: 80 }',
  'exports-other-names.js': `export const server = ${HANDLER}`,
  'never-settles.js': `await new Promise(() => {})\nexport default ${HANDLER}`,
  'folder/app.js': `export default ${HANDLER}`,
}

interface Mistake {
  readonly name: string
  readonly args: readonly string[]
  /** 1 it cannot listen there, 2 it cannot be meant, 4 the app cannot be loaded. */
  readonly code: 1 | 2 | 4
  /** What the sentence says. */
  readonly says: readonly string[]
}

const MISTAKES: readonly Mistake[] = [
  { name: 'no command', args: [], code: 2, says: ['command', '--help'] },
  { name: 'an unknown command', args: ['frobnicate'], code: 2, says: ["'frobnicate'", '--help'] },
  { name: 'a misspelt command', args: ['serv', 'good.js'], code: 2, says: ["'serv'", 'did you mean serve?'] },
  { name: 'an app for a command', args: ['good.js'], code: 2, says: ["'good.js'", 'write proxyfix serve good.js.'] },
  { name: 'an export for a command', args: ['app:x'], code: 2, says: ['write proxyfix serve app:x.'] },
  { name: 'help for a command', args: ['help'], code: 2, says: ["'help'", 'write proxyfix --help.'] },
  { name: 'version for a command', args: ['version'], code: 2, says: ["'version'", 'write proxyfix --version.'] },
  // Names that objects have by birth.
  { name: 'constructor for a command', args: ['constructor'], code: 2, says: ["'constructor'", '--help'] },
  { name: 'toString for a command', args: ['toString'], code: 2, says: ["'toString'", '--help'] },
  { name: '__proto__ for a command', args: ['__proto__'], code: 2, says: ["'__proto__'", '--help'] },
  {
    name: 'constructor for an option',
    args: ['serve', '--constructor', 'good.js'],
    code: 2,
    says: ['--constructor', '--help'],
  },
  {
    name: '__proto__ for an option',
    args: ['serve', '--__proto__=1', 'good.js'],
    code: 2,
    says: ['--__proto__', 'did you mean'],
  },
  {
    name: 'a port as other servers take it',
    args: ['serve', '--port', '3000', 'good.js'],
    code: 2,
    says: ['--port', '-b :PORT'],
  },
  { name: 'a port by its letter', args: ['serve', '-p', '3000', 'good.js'], code: 2, says: ['-p', '-b :PORT'] },

  { name: 'no module', args: ['serve'], code: 2, says: ['module', 'missing'] },
  { name: 'two modules', args: ['serve', 'good.js', 'named.js'], code: 2, says: ["'named.js'"] },
  { name: 'an unknown option', args: ['serve', '--frobnicate', 'good.js'], code: 2, says: ['--frobnicate', '--help'] },
  {
    name: 'a misspelt option',
    args: ['serve', '--x-fro', '1', 'good.js'],
    code: 2,
    says: ['--x-fro', 'did you mean --x-for?'],
  },
  { name: 'an unknown letter', args: ['serve', '-x', 'good.js'], code: 2, says: ['-x'] },
  { name: 'a negative count', args: ['serve', '--x-for', '-1', 'good.js'], code: 2, says: ['--x-for', "'-1'"] },
  { name: 'a negative count after =', args: ['serve', '--x-for=-1', 'good.js'], code: 2, says: ['--x-for', "'-1'"] },
  { name: 'half a proxy', args: ['serve', '--x-for', '1.5', 'good.js'], code: 2, says: ['--x-for', "'1.5'"] },
  { name: 'a count in words', args: ['serve', '--x-proto', 'one', 'good.js'], code: 2, says: ['--x-proto', "'one'"] },
  { name: 'an empty count', args: ['serve', '--x-host', '', 'good.js'], code: 2, says: ['--x-host', "''"] },
  { name: 'a module for a count', args: ['serve', '--x-port', 'good.js'], code: 2, says: ['--x-port', "'good.js'"] },
  { name: 'a count left out', args: ['serve', 'good.js', '--x-prefix'], code: 2, says: ['--x-prefix'] },
  {
    name: 'a count given twice',
    args: ['serve', '--x-for', '1', '--x-for', '2', 'good.js'],
    code: 2,
    says: ['--x-for', 'twice'],
  },

  { name: 'an address that is no port', args: ['serve', '-b', 'localhost', 'good.js'], code: 2, says: ["'localhost'"] },
  {
    name: 'an IPv6 address without brackets',
    args: ['serve', '-b', '::1', 'good.js'],
    code: 2,
    says: ["'::1'", '[::1]'],
  },
  {
    name: 'a port that is too high',
    args: ['serve', '-b', 'localhost:99999', 'good.js'],
    code: 2,
    says: ["'localhost:99999'", '65535'],
  },
  {
    name: 'a file descriptor that is not open',
    args: ['serve', '-b', 'fd:99', 'good.js'],
    code: 1,
    says: ['fd:99', 'no such file descriptor'],
  },
  { name: 'systemd without systemd', args: ['serve', '-b', 'systemd', 'good.js'], code: 2, says: ['LISTEN_FDS'] },
  {
    name: 'a unix socket where a file is',
    args: ['serve', '-b', 'unix:settings.json', 'good.js'],
    code: 1,
    says: ['unix:settings.json', 'no socket'],
  },
  {
    name: 'a unix socket in a folder that is missing',
    args: ['serve', '-b', 'unix:gone/app.sock', 'good.js'],
    code: 1,
    says: ['unix:gone/app.sock'],
  },
  { name: 'TLS without files', args: ['serve', '-b', 'ssl:8443', 'good.js'], code: 2, says: ["'ssl:8443'", 'certKey'] },
  {
    name: 'a certificate without a key',
    args: ['serve', '--cert', 'good.js', 'good.js'],
    code: 2,
    says: ['--cert', '--key'],
  },
  { name: 'a key without a certificate', args: ['serve', '--key', 'good.js', 'good.js'], code: 2, says: ['--cert'] },
  {
    name: 'a key beside adhoc',
    args: ['serve', '--cert', 'adhoc', '--key', 'good.js', 'good.js'],
    code: 2,
    says: ['--key', 'adhoc'],
  },
  {
    name: 'a certificate that is missing',
    args: ['serve', '--cert', 'gone.pem', '--key', 'gone.pem', 'good.js'],
    code: 2,
    says: ["'gone.pem'", 'no such file'],
  },
  {
    name: 'a certificate that is none',
    args: ['serve', '--cert', 'good.js', '--key', 'good.js', 'good.js'],
    code: 2,
    says: ["'good.js'", 'PEM'],
  },
  { name: 'HTTP/2 without TLS', args: ['serve', '--http2', 'good.js'], code: 2, says: ['--http2', 'TLS'] },

  { name: 'a kind of worker', args: ['serve', '-k', 'gevent', 'good.js'], code: 2, says: ['-k', 'event loop'] },
  { name: 'another kind', args: ['serve', '-k', 'eventlet', 'good.js'], code: 2, says: ['-k', 'event loop'] },
  {
    name: 'a kind of worker, spelt out',
    args: ['serve', '--worker-class=gthread', 'good.js'],
    code: 2,
    says: ['--worker-class', 'event loop'],
  },
  { name: 'a master', args: ['serve', '--master', 'good.js'], code: 2, says: ['--master', '-w'] },
  { name: 'threads', args: ['serve', '--threads', '2', 'good.js'], code: 2, says: ['--threads', '-w N'] },
  { name: 'a daemon', args: ['serve', '--daemon', 'good.js'], code: 2, says: ['--daemon', 'systemd'] },
  { name: 'no workers', args: ['serve', '-w', '0', 'good.js'], code: 2, says: ['--workers', "'0'"] },
  { name: 'half a worker', args: ['serve', '-w', '1.5', 'good.js'], code: 2, says: ['--workers', "'1.5'"] },
  { name: 'processes and workers', args: ['serve', '-w', '1', '-p', '1', 'good.js'], code: 2, says: ['-w', '-p'] },
  {
    name: 'what only workers can do',
    args: ['serve', '--max-requests', '5', 'good.js'],
    code: 2,
    says: ['--max-requests', '-w 1'],
  },
  {
    name: 'a jitter alone',
    args: ['serve', '-w', '1', '--max-requests-jitter', '5', 'good.js'],
    code: 2,
    says: ['--max-requests-jitter', '--max-requests'],
  },
  { name: 'a duration in words', args: ['serve', '--headers-timeout', 'soon', 'good.js'], code: 2, says: ["'soon'"] },
  {
    name: 'a head that may take longer than the whole request',
    args: ['serve', '--headers-timeout', '9', '--request-timeout', '5', 'good.js'],
    code: 2,
    says: ['--request-timeout', '--headers-timeout'],
  },
  { name: 'a size in words', args: ['serve', '--max-body', 'much', 'good.js'], code: 2, says: ["'much'", '1m'] },
  { name: 'a folder to begin in', args: ['serve', '--chdir', 'gone', 'good.js'], code: 2, says: ['gone', 'no such'] },
  { name: 'a config file', args: ['serve', '-c', 'gone.js', 'good.js'], code: 2, says: ['gone.js'] },
  { name: 'a file of variables', args: ['serve', '--dotenv', 'gone', 'good.js'], code: 2, says: ['gone'] },
  {
    name: 'PROXY headers from anybody',
    args: ['serve', '--proxy-protocol', '*', 'good.js'],
    code: 2,
    says: ['--proxy-protocol', "'*'"],
  },
  {
    name: 'a format without a log',
    args: ['serve', '--access-log-format', 'json', 'good.js'],
    code: 2,
    says: ['--access-log-format', '--access-log -'],
  },
  { name: 'a health check that is no path', args: ['serve', '--health', 'up', 'good.js'], code: 2, says: ["'up'"] },
  {
    name: 'files of a folder that is missing',
    args: ['serve', '--static', '/a=gone', 'good.js'],
    code: 2,
    says: ['gone'],
  },
  {
    name: 'a flag that is taken back at once',
    args: ['serve', '--http2', '--no-http2', 'good.js'],
    code: 2,
    says: ['--http2'],
  },
  {
    name: 'a URL to listen on',
    args: ['serve', '-b', 'http://127.0.0.1:8000', 'good.js'],
    code: 2,
    says: ["'http://127.0.0.1:8000'", 'URL'],
  },
  {
    name: 'an address of another machine',
    args: ['serve', '-b', '203.0.113.7:8000', 'good.js'],
    code: 1,
    says: ['203.0.113.7:8000'],
  },

  { name: 'a module that is missing', args: ['serve', 'gone.js'], code: 4, says: ['gone.js'] },
  {
    name: 'a package that is not installed',
    args: ['serve', '@acme/site:app'],
    code: 4,
    says: ['@acme/site', 'no such package'],
  },
  { name: 'a folder', args: ['serve', 'folder'], code: 4, says: ['folder'] },
  { name: 'an empty export name', args: ['serve', 'named.js:'], code: 4, says: ["'named.js:'"] },
  { name: 'a module that throws', args: ['serve', 'throws.js'], code: 4, says: ['no database', 'throws.js:3'] },
  {
    name: 'a CommonJS module that throws',
    args: ['serve', 'throws.cjs'],
    code: 4,
    says: ['no database', 'throws.cjs:3'],
  },
  { name: 'a module that throws text', args: ['serve', 'throws-text.js'], code: 4, says: ['no database'] },
  { name: 'a module that throws many lines', args: ['serve', 'throws-lines.js'], code: 4, says: ['no database'] },
  { name: 'a module with a syntax error', args: ['serve', 'syntax.js'], code: 4, says: ['syntax.js', 'SyntaxError'] },
  { name: 'a module whose import is missing', args: ['serve', 'imports-missing.js'], code: 4, says: ['gone.js'] },
  {
    name: 'a module that imports what is not exported',
    args: ['serve', 'imports-nothing.js'],
    code: 4,
    says: ['imports-nothing.js', 'gone'],
  },
  { name: 'a JSON file', args: ['serve', 'settings.json'], code: 4, says: ['settings.json'] },
  { name: 'a module that exports nothing', args: ['serve', 'exports-nothing.js'], code: 4, says: ['exports no app'] },
  {
    name: 'a program that listens',
    args: ['serve', 'listens.js'],
    code: 4,
    says: ['listens.js exports no app, and listens by itself: export', 'or start it with node itself'],
  },
  {
    name: 'a module that exports a number',
    args: ['serve', 'exports-number.js'],
    code: 4,
    says: ["'default'", 'number'],
  },
  { name: 'a module that exports settings', args: ['serve', 'exports-object.js'], code: 4, says: ["'app'", 'object'] },
  {
    name: 'a module that exports an app under another name',
    args: ['serve', 'exports-other-names.js'],
    code: 4,
    says: ['exports-other-names.js'],
  },
  {
    name: 'an export that is not there',
    args: ['serve', 'named.js:amdin'],
    code: 4,
    says: ["'amdin'", "did you mean 'admin'?"],
  },
  { name: 'an export that is no app', args: ['serve', 'named.js:settings'], code: 4, says: ["'settings'", 'object'] },
  {
    name: 'a module that never finishes loading',
    args: ['serve', 'never-settles.js'],
    code: 4,
    says: ['never-settles.js'],
  },
]

const stripsTypes = 'typescript' in process.features && Boolean(process.features.typescript)

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-cli-'))
  for (const [file, content] of Object.entries(MODULES)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), `${content}\n`)
  }
})
afterAll(() => rmSync(folder, { recursive: true }))

/** How the program ends that tells a mistake: one sentence with these parts, no stack trace, no file of our own. */
function told({ code, says }: Pick<Mistake, 'code' | 'says'>): Ended {
  const parts = says.map((part) => `(?=.*${part.replaceAll(/[^\w ]/g, '\\$&')})`).join('')
  // What the app itself threw is shown with its own stack, after the sentence.
  const rest = code === 4 ? '(?:(?!.*(node:|dist\\/)).*\\n)*' : ''
  const sentence = new RegExp(
    `^${parts}(?!.*(node:|modules\\/|load-app|dist\\/|:\\d+:\\d+))proxyfix: [^\\n]+[.?]\\n${rest}$`,
  )
  return { code, stdout: '', stderr: expect.stringMatching(sentence) as string }
}

describe('a mistake is told in one sentence', () => {
  for (const { name, args, ...mistake } of MISTAKES) {
    it(`${name}`, async () => {
      expect(await run(args, folder)).toEqual(told(mistake))
    })
  }

  it('a port in use', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo // as it does not listen on a pipe
    const address = `127.0.0.1:${port}`
    const ended = await run(['serve', '-b', address, 'good.js'], folder)
    other.close()
    expect(ended).toEqual(told({ code: 1, says: [address, 'in use'] }))
  })
})

describe('help', () => {
  it.each([
    { args: ['--help'], says: 'Usage: proxyfix COMMAND' },
    { args: ['serve', '--help'], says: 'Usage: proxyfix serve' },
    { args: ['serve', '-h'], says: '--x-for' },
  ])('is what $args prints', async ({ args, says }) => {
    expect(await run(args)).toEqual({ code: 0, stdout: expect.stringContaining(says) as string, stderr: '' })
  })
})

describe('a server', () => {
  let server: Serving | undefined

  afterEach(async () => {
    await server?.stop()
    server = undefined
  })

  it.each([
    { module: 'good.js', is: 'a module' },
    { module: 'common.cjs', is: 'a CommonJS module' },
    { module: 'good', is: 'a module without its ending' },
    { module: 'named.js', is: 'an export with a usual name' },
    { module: 'named.js:admin', is: 'an export that is named' },
  ])('serves $is', async ({ module }) => {
    server = await serving(join(folder, module))
    expect(await ask({ to: server.url, host: 'a.example' })).toEqual({ status: 200, body: 'served' })
  })

  it('serves a TypeScript module where Node strips types, and says so where it does not', async () => {
    if (stripsTypes) {
      server = await serving(join(folder, 'typed.ts'))
      expect(await ask({ to: server.url, host: 'a.example' })).toEqual({ status: 200, body: 'typed' })
    } else {
      const ended = await run(['serve', 'typed.ts'], folder)
      expect(ended).toEqual(told({ code: 4, says: ['typed.ts', 'TypeScript', process.version] }))
    }
  })

  /** A request whose answer has begun. */
  async function begun(url: string): Promise<IncomingMessage> {
    const [res] = (await once(get(url), 'response')) as [IncomingMessage] // what the event hands over
    await once(res, 'readable')
    return res
  }

  /** Resolves when nobody is let in any more: those that had come before the signal still are, and may be us. */
  async function refused(url: string): Promise<void> {
    for (;;) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      const error = await once(socket, 'connect').catch((reason: NodeJS.ErrnoException) => reason)
      socket.on('error', () => undefined).destroy()
      // In the very moment in which it ends to listen the system resets instead.
      if (!(error instanceof Error) || error.code === 'ECONNRESET') continue
      return expect(error).toMatchObject({ code: 'ECONNREFUSED' })
    }
  }

  describe.each([
    { signal: 'SIGTERM', number: 15 },
    { signal: 'SIGINT', number: 2 },
  ] as const)('on $signal', ({ signal, number }) => {
    it.each([
      { handler: 'a Node handler', app: 'waiting.js' },
      { handler: 'a Fetch handler', app: 'waiting.js:viaFetch' },
    ])('lets $handler finish its request, takes no more and ends with 0', async ({ app }) => {
      server = await serving(`test/fixtures/apps/${app}`)
      const inFlight = await begun(server.url)
      server.signal(signal)
      await server.said(`${signal}: finishing`)

      await refused(server.url)
      server.signal('SIGUSR2')

      expect(await text(inFlight)).toBe('begun, done')
      expect(await server.ended).toMatchObject({ code: 0 })
    })

    it('does not wait for a connection on which nothing is asked', async () => {
      server = await serving(join(folder, 'good.js'))
      const agent = new Agent({ keepAlive: true })
      const [res] = (await once(get(server.url, { agent }), 'response')) as [IncomingMessage]
      expect(await text(res)).toBe('served')
      server.signal(signal)
      expect(await server.ended).toMatchObject({ code: 0 })
      agent.destroy()
    })

    it('gives up at once when it comes again later', async () => {
      const stopping = await serving('test/fixtures/apps/waiting.js')
      server = stopping
      const inFlight = await begun(server.url)
      server.signal(signal)
      await server.said(`${signal}: finishing`)
      const again = setInterval(() => stopping.signal(signal), 100)
      try {
        await expect(text(inFlight)).rejects.toThrow('aborted')
        expect(await server.ended).toMatchObject({ code: 128 + number })
      } finally {
        clearInterval(again)
      }
    })
  })
})
