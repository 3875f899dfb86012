/**
 * One truth on every runtime and each of its platforms: the client where that platform shows it, the public URL, and
 * streams, signals and upgrades that go on as if nobody had wrapped anything. One suite for all of them; what a
 * platform does not have is said in its row of the table.
 *
 * Bun, Deno and workerd come as npm packages, with a program for each kind of machine. Where there is none for this
 * one, its tests are skipped, and their title says why.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket } from 'ws'
import { exchange, requestText as rawText } from '../fixtures/raw-http.ts'
import { builtFilesOf, root } from './paths.ts'
import { ask, type HeaderLine, pipeline, requestText } from './wire.ts'

type RuntimeName = 'Node' | 'Bun' | 'Deno' | 'workerd'

interface Platform {
  readonly name: string
  readonly runtime: RuntimeName
  /** The program, in test/fixtures/runtimes. */
  readonly file: string
  /** Whether it tells the peer, and shows the client in its place. @default true */
  readonly hasPeer?: boolean
  /** Whether its place for the client has a port as well. @default true */
  readonly hasPort?: boolean
  /** Whether its requests are Fetch requests. @default true */
  readonly isFetch?: boolean
  /** Whether it listens on unix sockets, and can tell such a peer from none. @default false */
  readonly hasUnix?: boolean
  /** Whether the runtime itself takes one of its requests in `new Request(request)`. @default true */
  readonly hasCopy?: boolean
  /** Whether the runtime itself tells an app by `request.signal` that the client is gone. @default true */
  readonly hasSignal?: boolean
  /** The path of its WebSocket, if it has one. */
  readonly socketPath?: string
  /** Whether the runtime makes its Requests itself, of any method, and refuses none. @default false */
  readonly makesRequests?: boolean
  /** Whether the program has routes beside its handler. @default false */
  readonly hasRoutes?: boolean
  /** Whether the program also passes what the platform did as one of several things. @default false */
  readonly hasNested?: boolean
}

const PLATFORMS: readonly Platform[] = [
  { name: 'node:http', runtime: 'Node', file: 'node-http.js', isFetch: false, hasUnix: true },
  { name: '@hono/node-server', runtime: 'Node', file: 'hono-node.js', hasUnix: true, hasNested: true },
  { name: '@remix-run/node-fetch-server', runtime: 'Node', file: 'remix.js' },
  { name: 'srvx', runtime: 'Node', file: 'srvx.js', hasPort: false, hasCopy: false },
  {
    name: 'Bun.serve',
    runtime: 'Bun',
    file: 'bun.js',
    hasUnix: true,
    socketPath: '/socket',
    makesRequests: true,
    hasRoutes: true,
  },
  { name: 'bun file.js', runtime: 'Bun', file: 'default-export.js', makesRequests: true, hasRoutes: true },
  { name: 'hono/bun', runtime: 'Bun', file: 'hono-bun.js', socketPath: '/socket', hasNested: true },
  { name: 'srvx', runtime: 'Bun', file: 'srvx.js', hasPort: false },
  { name: 'node:http', runtime: 'Bun', file: 'node-http.js', isFetch: false, hasUnix: true },
  {
    name: 'Deno.serve',
    runtime: 'Deno',
    file: 'deno.js',
    hasUnix: true,
    socketPath: '/socket',
    makesRequests: true,
  },
  { name: 'deno serve', runtime: 'Deno', file: 'default-export.js', makesRequests: true },
  { name: 'hono/deno', runtime: 'Deno', file: 'hono-deno.js', socketPath: '/socket' },
  { name: 'srvx', runtime: 'Deno', file: 'srvx.js', hasPort: false },
  { name: 'node:http', runtime: 'Deno', file: 'node-http.js', isFetch: false, hasUnix: true },
  { name: 'Workers', runtime: 'workerd', file: 'worker.js', hasPeer: false, hasPort: false, hasSignal: false },
]

/** A program, and its version, or why there is none. */
interface Runtime {
  readonly program: string
  readonly version: string
  readonly isThere: boolean
}

const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const RUNTIMES: Readonly<Record<RuntimeName, Runtime>> = {
  Node: { program: process.execPath, version: process.versions.node, isThere: true },
  Bun: lookUp(bin('bun')),
  Deno: lookUp(bin('deno')),
  workerd: lookUp(bin('workerd')),
}

function lookUp(program: string): Runtime {
  try {
    const text = execFileSync(program, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return { program, version: /\d[\d.-]+/.exec(text)?.[0] ?? text, isThere: true }
  } catch {
    return { program, version: 'of which npm ci installed no program that runs here', isThere: false }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'proxyfix-runtimes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A program that listens. */
interface Running {
  readonly url: string
  stop(): Promise<unknown>
}

/** Runs a platform's program until it listens. */
async function start({ runtime, file, name }: Platform, socketPath?: string): Promise<Running> {
  const path = join(root, 'test', 'fixtures', 'runtimes', file)
  const rest = socketPath === undefined ? [] : [socketPath]
  const args: Readonly<Record<RuntimeName, () => readonly string[]>> = {
    Node: () => [path, ...rest],
    Bun: () => [path, ...rest],
    Deno: () =>
      name === 'deno serve' ? ['serve', '-A', '--host=127.0.0.1', '--port=0', path] : ['run', '-A', path, ...rest],
    workerd: () => ['serve', workerConfig(path), `--import-path=${root}`, '--control-fd=3'],
  }
  const child = spawn(RUNTIMES[runtime].program, args[runtime](), {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', DENO_DIR: join(folder, 'deno'), DENO_NO_UPDATE_CHECK: '1', PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  const stop = (): Promise<unknown> => {
    child.kill('SIGKILL')
    return ended
  }
  try {
    return { url: await listeningUrl(child, ended), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Each program says where it listens in its own way: ours, Bun's, Deno's, and workerd on a channel of its own. */
const LISTENING = /listening on (\S+)|Started .*(http:\/\/\S+:\d+)|Listening on (http:\/\/\S+:\d+)|"port":(\d+)/

async function listeningUrl(child: ChildProcess, ended: Promise<unknown>): Promise<string> {
  let said = ''
  return await new Promise((resolve, reject) => {
    for (const stream of child.stdio as (Readable | null)[]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said += text
        const [whole, ours, bun, deno, port] = LISTENING.exec(said) ?? []
        if (whole === undefined || !/\s$/.test(said)) return
        resolve((ours ?? bun ?? deno ?? `http://127.0.0.1:${port}`).replace('localhost', '127.0.0.1'))
      })
    }
    void ended.then(() => reject(new Error(`It ended without listening: ${said}`)))
  })
}

/** A configuration of workerd: the program, and the built package, module by module. */
function workerConfig(path: string): string {
  const dist = builtFilesOf('index')
  const main = path.slice(root.length + 1)
  const modules = [main, main.replace(/[^/]*$/, 'app.js'), ...dist]
  const lines = modules.map((name) => `    (name = "${name}", esModule = embed "/${name}")`)
  const config = join(folder, 'workerd.capnp')
  writeFileSync(
    config,
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (cfBlobHeader = "x-cf"), service = "main")]
);
const worker :Workerd.Worker = (
  modules = [
${lines.join(',\n')}
  ],
  bindings = [(name = "TOKEN", text = "a binding")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["enable_request_signal"]
);
`,
  )
  return config
}

/** What a liar sends that no proxy overwrites: none of it may count. */
const FORGED: readonly HeaderLine[] = [
  ['X-Real-IP', '6.6.6.6'],
  ['CF-Connecting-IP', '6.6.6.6'],
  ['X-Client-IP', '6.6.6.6'],
  ['X_Forwarded_For', '6.6.6.6'],
  ['Forwarded', 'for=6.6.6.6;proto=http;host=evil.example'],
]

/** Two clients behind one proxy, which appends to what they wrote themselves. */
const FIRST: readonly HeaderLine[] = [
  ['Host', 'internal.example'],
  ['X-Forwarded-For', '6.6.6.6, 203.0.113.1:4711'],
  ['X-Forwarded-Proto', 'http, https'],
  ['X-Forwarded-Host', 'evil.example, one.example'],
  ['X-Forwarded-Port', '6666, 8443'],
  ['X-Forwarded-Prefix', '/evil, /shop'],
  ...FORGED,
]
const SECOND: readonly HeaderLine[] = [
  ['Host', 'internal.example'],
  ['X-Forwarded-For', '6.6.6.6'],
  ['X-Forwarded-For', '[2001:DB8::2]:4712'],
  ['X-Forwarded-Proto', 'http'],
  ['X-Forwarded-Host', 'two.example'],
  ...FORGED,
]

/** What is sent where only some peers may speak. */
const SENT: readonly HeaderLine[] = [
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'shop.example'],
]

/** Of what a platform does not have there is no test, not one that is skipped: that would hide a runtime that is missing. */
const where = (has = false): readonly object[] => (has ? [{}] : [])

for (const platform of PLATFORMS) {
  const { name, runtime, socketPath, hasUnix = false } = platform
  const { hasPeer = true, hasPort = true, isFetch = true, hasCopy = true, hasSignal = true } = platform
  const { version, isThere } = RUNTIMES[runtime]
  /** Programs that the runtime itself starts have one policy only. */
  const hasPolicies = platform.file !== 'default-export.js'

  describe.skipIf(!isThere)(`${name} on ${runtime} ${version}`, () => {
    let running: Running

    beforeAll(async () => {
      running = await start(platform)
    })
    afterAll(() => running.stop())

    async function look(headers: readonly HeaderLine[], from?: string, target = '/x'): Promise<unknown> {
      const { status, body } = await ask({
        to: running.url,
        target,
        host: 'internal.example',
        headers,
        ...(from !== undefined && { from }),
      })
      return status === 200 ? (JSON.parse(body) as unknown) : [status, body]
    }

    /** What of a report this platform can show. */
    const seen = (address: string, port: number): object => (hasPort ? { address, port } : { address })

    it('shows two clients, whose requests share a connection, each its own', async () => {
      const responses = await pipeline(running.url, [
        requestText('/first?a=1', FIRST),
        requestText('/second?b=2', SECOND),
        requestText('/third', FIRST),
      ])
      const [first, second, third] = responses.map(({ body }) => JSON.parse(body) as unknown)
      expect(first).toMatchObject({
        url: 'https://one.example:8443/first?a=1',
        publicUrl: 'https://one.example:8443/shop/first?a=1',
        prefix: '/shop',
        host: 'one.example:8443',
        forwardedFor: '203.0.113.1',
        realIp: '203.0.113.1',
        client: { address: '203.0.113.1', port: 4711 },
        seen: seen('203.0.113.1', 4711),
      })
      expect(second).toMatchObject({
        url: 'http://two.example/second?b=2',
        publicUrl: 'http://two.example/second?b=2',
        prefix: '',
        host: 'two.example',
        forwardedFor: '2001:db8::2',
        realIp: '2001:db8::2',
        client: { address: '2001:db8::2', port: 4712 },
        seen: seen('2001:db8::2', 4712),
      })
      expect(third).toMatchObject({ url: 'https://one.example:8443/third', seen: seen('203.0.113.1', 4711) })
    })

    it('takes no host from the target', async () => {
      const report = await look(SECOND.slice(1, -FORGED.length), undefined, 'http://evil.example/x')
      // Remix's adapter makes a path of all that stands behind the scheme.
      const url: unknown = expect.stringMatching(/^http:\/\/two\.example\/(x$|\/evil\.example\/x$)/)
      expect(report).toMatchObject({ url, host: 'two.example' })
    })

    it.each(where(hasPeer))('shows the peer where nothing was forwarded', async () => {
      expect(await look([])).toMatchObject({
        url: 'http://internal.example/x',
        client: { address: '127.0.0.1', port: expect.any(Number) as number },
        seen: seen('127.0.0.1', expect.any(Number) as number),
      })
    })

    it.each(where(isFetch))('shows the same on a clone and on a copy', async () => {
      expect(await look(SECOND.slice(1))).toMatchObject({
        clone: ['http://two.example/x', '2001:db8::2', '2001:db8::2'],
        copy: hasCopy ? ['http://two.example/x', '2001:db8::2'] : 'cannot be copied',
      })
    })

    describe.each(where(hasPolicies))('by whom to trust', () => {
      it('believes a proxy at a trusted address, and no one else', async () => {
        const headers: readonly HeaderLine[] = [['X-Policy', 'by address'], ...SENT]
        expect(await look(headers, '127.0.0.1')).toMatchObject({
          url: 'http://internal.example/x',
          trusted: false,
          forwardedFor: null,
          ...(hasPeer && { client: { address: '127.0.0.1' }, seen: { address: '127.0.0.1' } }),
        })
        const isBelieved = hasPeer
        expect(await look(headers, '127.0.0.2')).toMatchObject(
          isBelieved
            ? {
                url: 'https://shop.example/x',
                trusted: true,
                forwardedFor: '203.0.113.7',
                client: { address: '203.0.113.7' },
                seen: { address: '203.0.113.7' },
              }
            : { url: 'http://internal.example/x', trusted: false, client: {}, seen: {} },
        )
      })

      it('walks over trusted proxies, from the peer on', async () => {
        const headers: readonly HeaderLine[] = [
          ['X-Policy', 'walked'],
          ['X-Forwarded-For', '6.6.6.6, 203.0.113.7, 10.0.0.2'],
          ['X-Forwarded-Proto', 'http, https, http'],
        ]
        expect(await look(headers)).toMatchObject(
          hasPeer
            ? {
                url: 'https://internal.example/x',
                client: { address: '203.0.113.7' },
                seen: { address: '203.0.113.7' },
              }
            : { url: 'http://internal.example/x', trusted: false, client: {}, seen: {} },
        )
      })

      it('believes who proves itself, as far as the peer may speak, and keeps the proof', async () => {
        const headers: readonly HeaderLine[] = [['X-Policy', 'by secret'], ...SENT]
        const proof: HeaderLine = ['X-Proof', 'open-sesame']
        // Where nobody can tell the peer, the proof stands for it.
        expect(await look([...headers, proof], '127.0.0.2')).toMatchObject({
          url: 'https://shop.example/x',
          client: { address: '203.0.113.7' },
          proof: null,
        })
        expect(await look([...headers, ['X-Proof', 'open']], '127.0.0.2')).toMatchObject({
          trusted: false,
          proof: null,
        })
        expect(await look([...headers, proof], '127.0.0.1')).toMatchObject({ trusted: !hasPeer, proof: null })
      })

      it('refuses a host that is not served', async () => {
        expect(await look([['X-Policy', 'one host']])).toStrictEqual([
          400,
          'Bad request: this host is not served here.\n',
        ])
      })

      it.each(where(hasUnix))('knows a proxy on a unix socket', async () => {
        const path = join(folder, `${name.replaceAll(/\W/g, '-')}-${runtime}.sock`)
        const listening = await start(platform, path)
        onTestFinished(async () => void (await listening.stop()))
        const headers = [['Host', 'internal.example'], ...SENT]
        const report = {
          url: 'https://shop.example/x',
          trusted: true,
          client: { address: '203.0.113.7' },
          seen: { address: '203.0.113.7' },
        }
        expect(await askOn(path, [['X-Policy', 'by unix socket'], ...headers])).toMatchObject(report)
        expect(await askOn(path, [['X-Policy', 'counted'], ...headers])).toMatchObject(report)
        expect(await askOn(path, [['X-Policy', 'by address'], ...headers])).toMatchObject({
          url: 'http://internal.example/x',
          trusted: false,
          client: {},
          seen: {},
        })
        expect(await look([['X-Policy', 'by unix socket'], ...SENT])).toMatchObject({ trusted: false })
      })

      it.each(where(platform.hasNested))('finds the peer among other things as well', async () => {
        const headers: readonly HeaderLine[] = [['X-Policy', 'by address'], ['X-Nested', '1'], ...SENT]
        expect(await look(headers, '127.0.0.2')).toMatchObject({ trusted: true, seen: { address: '203.0.113.7' } })
        expect(await look(headers, '127.0.0.1')).toMatchObject({ trusted: false, seen: { address: '127.0.0.1' } })
      })
    })

    describe.each(where(isFetch))('of what streams', () => {
      it('gives the app each part of a body as it comes', async () => {
        const req = open('POST', '/upload')
        req.write('first part')
        await progressOf({ received: 'first part' })
        req.end(', second part')
        expect(JSON.parse(await textOf(req))).toMatchObject({ method: 'POST', received: 'first part, second part' })
      })

      it('sends each part of a response as it comes, and tells the app when nobody reads on', async () => {
        const req = open('GET', '/download')
        req.end()
        const [response] = (await once(req, 'response')) as [http.IncomingMessage]
        const [part] = (await once(response.setEncoding('utf8'), 'data')) as [string]
        expect(part).toMatch(/^more and /)
        req.destroy()
        await progressOf({ cancelled: true })
      })

      it.each(where(hasSignal))('tells the app by its signal that the client is gone', async () => {
        const req = open('GET', '/wait')
        req.on('error', () => undefined)
        req.end()
        await progressOf({ aborted: false })
        req.destroy()
        await progressOf({ aborted: true })
        expect(req.destroyed).toBe(true)
      })

      function open(method: string, path: string): http.ClientRequest {
        const { hostname, port } = new URL(running.url)
        const headers = {
          'X-Forwarded-For': '203.0.113.7',
          'X-Forwarded-Proto': 'https',
          'Transfer-Encoding': 'chunked',
        }
        return http.request({ agent: false, hostname, port, method, path, headers })
      }

      /** Resolves when the app has come that far. */
      async function progressOf(wanted: Readonly<Record<string, unknown>>): Promise<void> {
        await expect.poll(() => look([], undefined, '/progress'), { timeout: 20_000 }).toMatchObject(wanted)
      }
    })

    it.each(where(socketPath !== undefined))(
      'upgrades to a WebSocket, whose client is the one that was forwarded',
      async () => {
        const socket = new WebSocket(`${running.url.replace('http', 'ws')}${socketPath}`, {
          headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7:4711', 'X-Forwarded-Proto': 'https' },
        })
        onTestFinished(() => socket.terminate())
        const [hello] = (await once(socket, 'message')) as [Buffer]
        expect(JSON.parse(hello.toString())).toMatchObject({
          url: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+\/socket$/) as string,
          address: '203.0.113.7',
          port: 4711,
          passed: '203.0.113.7',
        })
        socket.send('you there')
        const [echo] = (await once(socket, 'message')) as [Buffer]
        expect(echo.toString()).toBe('heard you there')
      },
    )

    it.each(where(platform.file === 'node-http.js'))('shows the client on the socket of an upgrade', async () => {
      const { hostname, port } = new URL(running.url)
      const headers = { Connection: 'Upgrade', Upgrade: 'websocket', 'X-Forwarded-For': '6.6.6.6, 203.0.113.7' }
      const req = http.request({ agent: false, hostname, port, headers }).end()
      const [, socket, head] = (await once(req, 'upgrade')) as [unknown, Readable, Buffer]
      let text = head.toString()
      for await (const chunk of socket) text += String(chunk)
      expect(text).toBe('203.0.113.7')
    })

    // Where a runtime makes Requests itself, it makes such as nobody else can make, and a fixed one is made anew.
    describe.each(where(platform.makesRequests))('a method that no Request can be made with', () => {
      it.each(['TRACE /x', 'CONNECT evil.example:443'])('%s is answered 501', async (line) => {
        const text = rawText(`${line} HTTP/1.1`, 'Host: internal.example', 'Connection: close')
        const answer = await exchange(Number(new URL(running.url).port), text)
        expect(answer).toMatch(/^HTTP\/1\.1 501 .*\r\n\r\nNot implemented\.\n$/s)
      })

      it('and it answers the next one', async () => {
        expect(await look(SENT)).toMatchObject({ url: 'https://shop.example/x' })
      })
    })

    describe.each(where(platform.hasRoutes))('in routes', () => {
      it.each([
        { path: '/items/7', url: 'https://shop.example/items/7', id: '7' },
        { path: '/methods/8', url: 'https://shop.example/methods/8', id: '8' },
      ])('keeps parameters and cookies at $path', async ({ path, url, id }) => {
        const { hostname, port } = new URL(running.url)
        const headers = { ...Object.fromEntries(SENT), Cookie: 'a=1' }
        const req = http.request({ agent: false, hostname, port, path, headers }).end()
        const [response] = (await once(req, 'response')) as [http.IncomingMessage]
        expect(response.headers['set-cookie']).toStrictEqual(['seen=yes; Path=/; SameSite=Lax'])
        const report: unknown = JSON.parse(await textOf(response))
        expect(report).toStrictEqual({ url, address: '203.0.113.7', id, cookie: '1', clone: id })
      })
    })

    it.each(where(platform.file === 'worker.js'))('leaves cf, the environment and the context', async () => {
      const headers: readonly HeaderLine[] = [...SENT, ['X-CF', '{"country":"NZ"}']]
      expect(await look(headers)).toMatchObject({
        url: 'https://shop.example/x',
        cf: { country: 'NZ' },
        token: 'a binding',
        waits: 'function',
      })
    })
  })
}

async function askOn(socketPath: string, headers: readonly (readonly string[])[]): Promise<unknown> {
  return JSON.parse(await textOf(http.request({ agent: false, socketPath, path: '/x', headers: headers.flat() }).end()))
}

async function textOf(source: http.ClientRequest | http.IncomingMessage): Promise<string> {
  const [response] =
    source instanceof http.ClientRequest ? ((await once(source, 'response')) as [http.IncomingMessage]) : [source]
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return text
}
