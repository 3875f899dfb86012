/**
 * Zero lost requests: HAProxy, with the configuration of examples/, in front of two instances of two workers, under
 * load, while each instance is reloaded, restarted, and one of its workers is killed.
 */

import { once } from 'node:events'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { root } from './paths.ts'
import { launch, type Serving } from './program.ts'
import { programNamed } from './proxy-protocol-senders.ts'

/** Tells who answers; `/slow` begins an answer and goes on with it when told to. */
const APP = `
export default async (req, res) => {
  if (req.url === '/slow') {
    res.write('begun by ' + process.pid + ', ')
    process.once('SIGUSR2', () => res.end('done'))
    return
  }
  if (req.method === 'POST') {
    let length = 0
    for await (const chunk of req) length += chunk.length
    return res.end(process.pid + ' ' + length)
  }
  setTimeout(() => res.end(process.pid + ' ' + req.socket.remoteAddress), 5)
}
`

const haproxy = programNamed('haproxy')
const CLIENT = '127.0.0.1'
/** How many ask at once. */
const CLIENTS = 12

let folder: string
let ports: number[]
let instances: Serving[]
let proxy: ChildProcess

async function freePort(): Promise<number> {
  const server = createServer().listen(0, CLIENT)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  server.close()
  await once(server, 'close')
  return port
}

async function instance(port: number): Promise<Serving> {
  const flags = ['-w', '2', '--health', '/healthz', '--shutdown-delay', '2', '--x-for', '1', '--trust', 'loopback']
  return await launch(['-b', `${CLIENT}:${port}`, ...flags, 'app.js'], { folder })
}

async function listens(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, CLIENT)
    const isOpen = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    if (isOpen === true) return
    await wait(20)
  }
}

/** Clients that ask as fast as they are answered, on kept connections, until they are stopped. */
class Load {
  readonly failures: string[] = []
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  readonly #over = new AbortController()
  readonly #clients: readonly Promise<void>[]
  /** The processes that have answered. */
  readonly #workers = new Set<string>()
  served = 0

  constructor(url: string) {
    this.#clients = Array.from({ length: CLIENTS }, (_, index) => this.#ask(url, index % 4 === 0))
  }

  async #ask(url: string, isPost: boolean): Promise<void> {
    const isOver = (): boolean => this.#over.signal.aborted || this.failures.length > 100
    while (!isOver()) {
      try {
        const method = isPost ? 'POST' : 'GET'
        const req = request(url, { agent: this.#agent, method })
        if (isPost) req.write('x'.repeat(5000))
        req.end()
        const [res] = (await once(req, 'response')) as [IncomingMessage]
        const body = await text(res)
        this.#workers.add(/^\d+/.exec(body)?.[0] ?? '')
        if (res.statusCode === 200 && (isPost ? / 5000$/ : / 127\.0\.0\.1$/).test(body)) this.served++
        else this.failures.push(`${method} ${res.statusCode} ${body}`)
      } catch (error) {
        this.failures.push(String(error))
      }
    }
  }

  /** Resolves when so many more requests have been answered. */
  async more(count: number): Promise<void> {
    const enough = this.served + count
    while (this.served < enough && this.failures.length <= 100) await wait(10)
  }

  /** Resolves when so many more processes have answered than before. */
  async answeredBy(count: number): Promise<void> {
    const enough = this.#workers.size + count
    while (this.#workers.size < enough && this.failures.length <= 100) await wait(10)
  }

  async stop(): Promise<readonly string[]> {
    this.#over.abort()
    await Promise.all(this.#clients)
    this.#agent.destroy()
    return this.failures
  }
}

describe.skipIf(haproxy === undefined)('behind HAProxy', () => {
  let url: string
  let load: Load

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'proxyfix-haproxy-'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'app.js'), APP)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** @param retries How often HAProxy may ask again. Without, nothing but the server itself keeps requests from being lost. */
  async function started({ retries }: { readonly retries: number }): Promise<void> {
    ports = [await freePort(), await freePort()]
    const front = await freePort()
    url = `http://${CLIENT}:${front}/`
    instances = await Promise.all(ports.map(instance))
    const [configuration, file] = [readFileSync(`${root}/examples/deploy/haproxy.cfg`, 'utf8'), join(folder, 'cfg')]
    writeFileSync(
      file,
      configuration
        .replace('retries 3', `retries ${retries}`)
        .replace('bind :80', `bind ${CLIENT}:${front}`)
        .replaceAll('127.0.0.1:8001', `${CLIENT}:${ports[0]}`)
        .replaceAll('127.0.0.1:8002', `${CLIENT}:${ports[1]}`),
    )
    proxy = spawn(haproxy ?? '', ['-db', '-q', '-f', file], { stdio: 'ignore' })
    await listens(front)
    load = new Load(url)
    await load.answeredBy(4) // all workers of both
  }
  afterEach(async () => {
    await load.stop()
    await Promise.all(instances.map((one) => one.stop()))
    proxy.kill('SIGKILL')
    await once(proxy, 'exit')
  })

  it('loses nothing while each instance is reloaded by SIGHUP', async () => {
    await started({ retries: 0 })
    for (const one of instances) {
      one.signal('SIGHUP')
      await one.said('Reloaded')
      await load.more(50)
    }
    expect(await load.stop()).toStrictEqual([])
  })

  it('loses nothing while each instance is stopped by SIGTERM and started again', async () => {
    await started({ retries: 0 })
    for (const [index, port] of ports.entries()) {
      instances[index]?.signal('SIGTERM')
      expect(await instances[index]?.ended).toMatchObject({ code: 0 })
      await load.more(50)
      const isBack = load.answeredBy(1)
      instances[index] = await instance(port)
      await isBack // the next one may go when this one serves
    }
    expect(await load.stop()).toStrictEqual([])
  })

  it('loses what a worker had in flight that is killed by SIGKILL, and nothing else', async () => {
    await started({ retries: 3 })
    const slow = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const [res] = (await once(get(`${url}slow`, { agent: false }), 'response')) as [IncomingMessage]
        const [begun] = (await once(res, 'data')) as [Buffer]
        const rest = text(res).catch(() => 'cut')
        return { pid: Number(/begun by (\d+)/.exec(String(begun))?.[1]), rest }
      }),
    )
    const killed = slow[0]?.pid ?? 0
    const others = [...new Set(slow.map(({ pid }) => pid))].filter((pid) => pid !== killed)
    process.kill(killed, 'SIGKILL')
    await Promise.race(instances.map((one) => one.said(`Worker ${killed} was ended by SIGKILL`)))
    await load.more(100)
    for (const pid of others) process.kill(pid, 'SIGUSR2')
    for (const { pid, rest } of slow) expect([pid, await rest]).toStrictEqual([pid, pid === killed ? 'cut' : 'done'])
    expect(others.length).toBeGreaterThan(0)
    // A POST that the killed worker had begun to read cannot be asked again, nor can an answer that it had begun be ended.
    const failures = await load.stop()
    expect(failures.filter((failure) => !/^POST 502|socket hang up/.test(failure))).toStrictEqual([])
    expect(failures.length).toBeLessThanOrEqual(CLIENTS) // each had one request in flight
  })
})
