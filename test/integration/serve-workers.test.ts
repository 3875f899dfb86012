/** What an operator does to a server with workers, by real signals to real processes, and what clients notice of it. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { launch, run, type Serving } from './program.ts'
import { ask } from './wire.ts'

const APP = `
import { readFileSync } from 'node:fs'
const { version } = JSON.parse(readFileSync(new URL('version.json', import.meta.url), 'utf8'))
if (version === 'broken') throw new Error('no database')
if (version === 'gone') process.exit(7)
if (version === 'killed') process.kill(process.pid, 'SIGKILL')
import { getHeapSpaceStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'
process.on('SIGTERM', () => console.log('told to end'))
export default (req, res) => {
  if (req.url === '/pid') return res.end(String(process.pid))
  if (req.url === '/version') return res.end(version)
  if (req.url === '/new-space')
    return res.end(String(getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size))
  if (req.url === '/thread')
    return new Worker("require('node:worker_threads').parentPort.postMessage('here')", { eval: true, execArgv: [...process.execArgv] })
      .on('message', (text) => res.end(text))
      .on('error', (error) => res.end(String(error)))
  if (req.url === '/crash') process.exit(9)
  if (req.url === '/spin') for (;;);
  if (req.url === '/never') return
  if (req.url === '/slow') {
    res.write('begun, ')
    process.once('SIGUSR2', () => res.end('done'))
    return
  }
  res.end('served')
}
`

let folder: string
let server: Serving

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-workers-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.js'), APP)
  version('one')
})
afterEach(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})

function version(name: string): void {
  writeFileSync(join(folder, 'version.json'), JSON.stringify({ version: name }))
}

async function started(...args: readonly string[]): Promise<Serving> {
  server = await launch(['-b', '127.0.0.1:0', ...args, 'app.js'], { folder })
  return server
}

async function body(target: string): Promise<string> {
  return (await ask({ to: server.url, host: 'a.example', target })).body
}

async function pids(count: number): Promise<number[]> {
  const seen = new Set<number>()
  while (seen.size < count) seen.add(Number(await body('/pid')))
  return [...seen]
}

/** Whether a process is there. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await wait(20)
}

async function begun(target = '/slow', agent = new Agent()): Promise<IncomingMessage> {
  const [res] = (await once(get(server.url + target, { agent }), 'response')) as [IncomingMessage]
  await once(res, 'readable')
  return res
}

describe('memory for new objects', () => {
  async function newSpace(env: Record<string, string> = {}): Promise<number> {
    server = await launch(['-b', '127.0.0.1:0', '-w', '1', 'app.js'], { folder, env })
    return Number(await body('/new-space')) / 2 ** 20
  }

  it('is more than V8 begins with', async () => {
    expect(await newSpace()).toBe(16)
  })

  it('is as much as the operator says', async () => {
    expect(await newSpace({ NODE_OPTIONS: '--max-semi-space-size=8' })).toBeLessThan(16)
  })

  it('does not come into the way of threads that the app starts as it was started itself', async () => {
    await started('-w', '1')
    expect(await body('/thread')).toBe('here')
  })
})

describe('a worker that dies', () => {
  it.each([['SIGKILL'], ['SIGSEGV']] as const)('by %s is replaced, and the parent goes on', async (signal) => {
    await started('-w', '2')
    const [first = 0] = await pids(2)
    process.kill(first, signal)
    await server.said(`Worker ${first} was ended by ${signal}; another one takes its place`)
    await server.said(' serves', 3)
    const now = await pids(2)
    expect(now).not.toContain(first)
    server.signal('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect(now.filter(isAlive)).toStrictEqual([])
  })

  it('leaves a connection waiting until the next one is there, even when it was the only one', async () => {
    await started('-w', '1')
    const [only = 0] = await pids(1)
    process.kill(only, 'SIGKILL')
    expect(await body('/')).toBe('served') // connected while nobody served, or to a worker that was dying
  })

  it('is not replaced at once when it dies again and again', async () => {
    await started('-w', '1')
    for (let death = 1; death <= 2; death++) {
      await ask({ to: server.url, host: 'a.example', target: '/crash' }).catch(() => undefined)
      await server.said('ended with 9', death)
    }
    await server.said('Waiting 1 s before the next worker')
    expect(await body('/')).toBe('served')
  })

  it('by standing still is killed and replaced', async () => {
    await started('-w', '1', '--timeout', '3')
    const [only = 0] = await pids(1)
    const spinning = ask({ to: server.url, host: 'a.example', target: '/spin' }).catch((error: Error) => error.message)
    await server.said(`Worker ${only} does not respond and is killed`)
    expect(await spinning).toMatch(/ECONNRESET|hang up/)
    expect(await body('/')).toBe('served')
  })
})

describe('a start that fails', () => {
  it('because the app throws ends with 4, its sentence and its own stack', async () => {
    version('broken')
    const { code, stderr } = await run(['serve', '-w', '2', '-b', '127.0.0.1:0', 'app.js'], folder)
    expect(code).toBe(4)
    expect(stderr).toContain('proxyfix: ')
    expect(stderr).toContain('no database')
    expect(stderr).toContain('app.js:4')
    expect(stderr).not.toContain('Listening')
  })

  it('because the app ends its process ends with 4, told once', async () => {
    version('gone')
    const { code, stderr } = await run(['serve', '-w', '2', '-b', '127.0.0.1:0', 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([
      4,
      'proxyfix: app.js ended the process while it was loaded, by process.exit(7) (app.js:5).\n',
    ])
  })

  it('because a worker is ended while it starts ends with 3', async () => {
    version('killed')
    const { code, stderr } = await run(['serve', '-w', '2', '-b', '127.0.0.1:0', 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([
      3,
      'proxyfix: A worker failed to boot: it was ended by SIGKILL before it served.\n',
    ])
  })

  it('because an address is taken ends with 1', async () => {
    await started('-w', '1')
    const address = server.url.replace('http://', '')
    const { code, stderr } = await run(['serve', '-w', '2', '-b', '127.0.0.1:0', '-b', address, 'app.js'], folder)
    expect([code, stderr]).toStrictEqual([
      1,
      expect.stringContaining(`Cannot listen on ${address}: the port is in use`),
    ])
  })
})

describe('SIGHUP', () => {
  it('starts new workers with the new code before the old ones go, who finish what they have', async () => {
    await started('-w', '2')
    const old = await pids(2)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const idle = (await once(get(`${server.url}/version`, { agent }), 'response')) as [IncomingMessage]
    expect(await text(idle[0])).toBe('one')
    const inFlight = await begun()
    version('two')
    server.signal('SIGHUP')
    await server.said('Reloaded')
    expect(await body('/version')).toBe('two')

    // The connection from before is answered once more by who has it, and then ends.
    const again = (await once(get(`${server.url}/version`, { agent }), 'response')) as [IncomingMessage]
    expect([await text(again[0]), again[0].headers.connection]).toStrictEqual(['one', 'close'])
    for (const pid of old.filter(isAlive)) process.kill(pid, 'SIGUSR2')
    expect(await text(inFlight)).toBe('begun, done')
    agent.destroy()
    await Promise.all(old.map(gone))
    expect(await pids(2)).toHaveLength(2)
  })

  it('loses no request under load, on kept connections and on new ones', async () => {
    await started('-w', '2')
    const kept = new Agent({ keepAlive: true })
    const failures: string[] = []
    const over = new AbortController()
    let served = 0
    const load = async (agent: Agent | false): Promise<void> => {
      while (!over.signal.aborted) {
        try {
          const [res] = (await once(get(`${server.url}/`, { agent }), 'response')) as [IncomingMessage]
          if ((await text(res)) === 'served') served++
          else failures.push(`status ${res.statusCode}`)
        } catch (error) {
          failures.push(String(error))
        }
      }
    }
    const clients = [kept, kept, kept, false as const, false as const].map(load)
    for (let times = 1; times <= 3; times++) {
      server.signal('SIGHUP')
      await server.said('Reloaded', times)
    }
    over.abort()
    await Promise.all(clients)
    kept.destroy()
    expect([failures, served > 10]).toStrictEqual([[], true])
  })

  it('keeps the old workers when the new code cannot be loaded', async () => {
    await started('-w', '2')
    const old = await pids(2)
    version('broken')
    server.signal('SIGHUP')
    await server.said('Not reloaded: the workers from before go on')
    expect(await server.said('no database')).toContain('app.js:4')
    expect((await pids(2)).toSorted()).toStrictEqual(old.toSorted())
    version('two')
    server.signal('SIGHUP')
    await server.said('Reloaded')
    expect(await body('/version')).toBe('two')
  })

  it('without workers reloads nothing but certificates and logs, and says so', async () => {
    await started()
    server.signal('SIGHUP')
    await server.said('the app is reloaded where there are workers (-w 1)')
    expect(await body('/')).toBe('served')
  })
})

describe('SIGTTIN and SIGTTOU', () => {
  it('make it one worker more, and one less', async () => {
    await started('-w', '1')
    server.signal('SIGTTIN')
    await server.said('2 workers from now on')
    const both = await pids(2)
    server.signal('SIGTTOU')
    await server.said('1 worker from now on')
    while (both.filter(isAlive).length > 1) await wait(20)
    server.signal('SIGTTOU') // the last one stays
    expect(await body('/')).toBe('served')
  })

  it('let the one that goes finish what it has', async () => {
    await started('-w', '2')
    const both = await pids(2)
    const inFlight = await Promise.all(Array.from({ length: 4 }, async () => await begun()))
    server.signal('SIGTTOU')
    await server.said('1 worker from now on')
    for (const pid of both) process.kill(pid, 'SIGUSR2')
    for (const res of inFlight) expect(await text(res)).toBe('begun, done')
    while (both.filter(isAlive).length > 1) await wait(20)
    expect(await body('/')).toBe('served')
  })
})

/** Asks until nobody takes connections any more: those that come before are answered. */
async function refused(): Promise<string> {
  for (;;) {
    try {
      await body('/')
    } catch (error) {
      return String(error)
    }
  }
}

describe.each([
  ['SIGTERM', 15],
  ['SIGINT', 2],
  ['SIGQUIT', 3],
] as const)('%s', (signal, number) => {
  it('lets workers finish what is in flight, closes what is idle, takes nothing new, and ends with 0', async () => {
    await started('-w', '2')
    const workers = await pids(2)
    const agent = new Agent({ keepAlive: true })
    await text(((await once(get(`${server.url}/`, { agent }), 'response')) as [IncomingMessage])[0])
    const inFlight = await begun()
    server.signal(signal)
    await server.said(`${signal}: finishing`)
    await expect(refused()).resolves.toMatch(/ECONNREFUSED|ECONNRESET/)
    for (const pid of workers) if (isAlive(pid)) process.kill(pid, 'SIGUSR2')
    expect(await text(inFlight)).toBe('begun, done')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect(workers.filter(isAlive)).toStrictEqual([])
    agent.destroy()
  })

  it('ends everything at once when it comes later again', async () => {
    await started('-w', '2')
    const workers = await pids(2)
    const inFlight = await begun()
    server.signal(signal)
    await server.said(`${signal}: finishing`)
    const again = setInterval(() => server.signal(signal), 100)
    try {
      await expect(text(inFlight)).rejects.toThrow('aborted')
      expect(await server.ended).toMatchObject({ code: 128 + number })
    } finally {
      clearInterval(again)
    }
    expect(workers.filter(isAlive)).toStrictEqual([])
  })
})

describe('signals to a whole group', () => {
  it('are one wish: two of them cut nothing, and no worker is replaced', async () => {
    await started('-w', '1')
    const [worker = 0] = await pids(1)
    const inFlight = await begun()
    server.signal('SIGSTOP') // so that all has come when it looks
    process.kill(worker, 'SIGTERM')
    await server.wrote('told to end')
    server.signal('SIGTERM')
    server.signal('SIGINT')
    server.signal('SIGCONT')
    await server.said(': finishing')
    process.kill(worker, 'SIGUSR2')
    expect(await text(inFlight)).toBe('begun, done')
    const { code, stderr } = await server.ended
    expect([code, stderr.split(': finishing').length - 1]).toStrictEqual([0, 1])
    expect(stderr).not.toContain('is replaced')
  })
})

describe('a deadline', () => {
  it.each([['with workers', ['-w', '1']] as const, ['without workers', []] as const])(
    'cuts what is in flight %s',
    async (_, args) => {
      await started(...args, '--graceful-timeout', '0.2')
      const inFlight = await begun()
      server.signal('SIGTERM')
      await expect(text(inFlight)).rejects.toThrow('aborted')
      expect(await server.ended).toMatchObject({ code: 0 })
    },
  )

  it('kills a worker that does not even hear of it', async () => {
    await started('-w', '1', '--graceful-timeout', '0.1', '--timeout', '0')
    const [only = 0] = await pids(1)
    const spinning = ask({ to: server.url, host: 'a.example', target: '/spin' }).catch(() => 'cut')
    await wait(100) // the worker tells nobody that it has begun to spin
    server.signal('SIGTERM')
    await server.said(`Worker ${only} did not stop in time and is killed`)
    expect([await spinning, (await server.ended).code]).toStrictEqual(['cut', 0])
  })
})

describe('--shutdown-delay', () => {
  it.each([['with workers', ['-w', '2']] as const, ['without workers', []] as const])(
    'goes on serving after SIGTERM, while the health check says 503, %s',
    async (_, args) => {
      await started(...args, '--shutdown-delay', '1', '--health', '/healthz')
      expect((await ask({ to: server.url, host: 'a.example', target: '/healthz' })).status).toBe(200)
      server.signal('SIGTERM')
      await server.said('SIGTERM: finishing')
      let status = 200
      while (status === 200) status = (await ask({ to: server.url, host: 'a.example', target: '/healthz' })).status
      expect(status).toBe(503)
      const [res] = (await once(get(`${server.url}/`, { agent: new Agent({ keepAlive: true }) }), 'response')) as [
        IncomingMessage,
      ]
      expect([await text(res), res.headers.connection]).toStrictEqual(['served', 'close'])
      expect(await server.ended).toMatchObject({ code: 0 })
    },
  )
})

describe('--max-requests', () => {
  it('replaces a worker that has served so many, and loses none', async () => {
    await started('-w', '1', '--max-requests', '5', '--max-requests-jitter', '2')
    const [first = 0] = await pids(1)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const seen = new Set<string>()
    while (seen.size < 2) {
      const [res] = (await once(get(`${server.url}/pid`, { agent }), 'response')) as [IncomingMessage]
      seen.add(await text(res))
    }
    expect(await server.said('is replaced')).toMatch(
      new RegExp(`Worker ${first} is replaced: it has served [5-7] requests`),
    )
    agent.destroy()
    await gone(first)
  })

  it('replaces them after different numbers with a jitter, so that they do not all go at once', async () => {
    await started('-w', '1', '--max-requests', '2', '--max-requests-jitter', '4')
    const served = new Set<string>()
    for (let times = 1; served.size < 2; times++) {
      await pids(2)
      const said = await server.said('is replaced: it has served', times)
      for (const [, count = ''] of said.matchAll(/is replaced: it has served (\d+) requests/g)) served.add(count)
    }
    expect([...served].filter((count) => Number(count) < 2 || Number(count) > 6)).toStrictEqual([])
  })
})

describe('a worker that is sent a signal itself', () => {
  it('is replaced by SIGTERM, and leaves the other ones to its parent', async () => {
    await started('-w', '1')
    const [first = 0] = await pids(1)
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGHUP'] as const) process.kill(first, signal)
    expect(await pids(1)).toStrictEqual([first])
    process.kill(first, 'SIGTERM')
    await server.said(`Worker ${first} is replaced: it was sent SIGTERM`)
    await gone(first)
    expect(await body('/')).toBe('served')
  })

  it('ends with its parent', async () => {
    await started('-w', '2')
    const workers = await pids(2)
    server.signal('SIGKILL')
    await Promise.all(workers.map(gone))
    expect(workers.filter(isAlive)).toStrictEqual([])
  })
})

describe('SIGUSR1', () => {
  it.each([['with workers', ['-w', '2']] as const, ['without workers', []] as const])(
    'opens the access log again %s',
    async (_, args) => {
      const [log, moved] = [join(folder, 'access.log'), join(folder, 'access.log.1')]
      await started(...args, '--access-log', 'access.log', '--access-log-format', 'common')
      await body('/before')
      while (!readFileSync(log, 'utf8').includes('/before')) await wait(10)
      renameSync(log, moved)
      server.signal('SIGUSR1')
      while (!existsSync(log) || !readFileSync(log, 'utf8').includes('/after')) await body('/after')
      expect(readFileSync(moved, 'utf8')).toMatch(/^127\.0\.0\.1 - - \[[^\]]+\] "GET \/before HTTP\/1\.1" 200 6\n/)
    },
  )
})

describe('WebSockets', () => {
  it.each([['with workers', ['-w', '1']] as const, ['without workers', []] as const])(
    'are told to go when the server stops %s',
    async (_, args) => {
      server = await launch(['-b', '127.0.0.1:0', ...args, 'test/fixtures/apps/sockets.js'])
      const socket = new WebSocket(server.url.replace('http', 'ws'))
      expect(String((await once(socket, 'message'))[0])).toBe('hello')
      const closed = once(socket, 'close')
      server.signal('SIGTERM')
      expect((await closed)[0]).toBe(1001)
      expect(await server.ended).toMatchObject({ code: 0 })
    },
  )

  it('are told to go by workers that a reload replaces, and find the new ones', async () => {
    server = await launch(['-b', '127.0.0.1:0', '-w', '1', 'test/fixtures/apps/sockets.js'])
    const url = server.url.replace('http', 'ws')
    const socket = new WebSocket(url)
    await once(socket, 'message')
    const closed = once(socket, 'close')
    server.signal('SIGHUP')
    expect((await closed)[0]).toBe(1001)
    const again = new WebSocket(url)
    expect(String((await once(again, 'message'))[0])).toBe('hello')
    again.terminate()
  })
})

describe('a pid file', () => {
  it('holds the number of the process while it runs, and is nobody else’s meanwhile', async () => {
    await started('-w', '1', '--pid', 'app.pid')
    expect(readFileSync(join(folder, 'app.pid'), 'utf8')).toBe(`${server.pid}\n`)
    const second = await run(['serve', '-b', '127.0.0.1:0', '--pid', 'app.pid', 'app.js'], folder)
    expect([second.code, second.stderr]).toStrictEqual([1, expect.stringContaining(`belongs to process ${server.pid}`)])
    server.signal('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
    expect(existsSync(join(folder, 'app.pid'))).toBe(false)
  })

  it('of a process that is gone is taken over', async () => {
    writeFileSync(join(folder, 'app.pid'), '4194305\n') // beyond the highest there can be
    await started('--pid', 'app.pid')
    expect(readFileSync(join(folder, 'app.pid'), 'utf8')).toBe(`${server.pid}\n`)
  })
})

describe('a connection', () => {
  it('goes to another worker when the one that it was given to has died before it took it', async () => {
    await started('-w', '2', '--timeout', '0')
    const both = await pids(2)
    for (const pid of both) process.kill(pid, 'SIGSTOP') // neither takes anything
    const url = new URL(server.url)
    const sockets: Socket[] = Array.from({ length: 4 }, () => connect(Number(url.port), url.hostname))
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const answers = sockets.map((socket) => text(socket))
    for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    process.kill(both[0]!, 'SIGKILL')
    await server.said('another one takes its place')
    process.kill(both[1]!, 'SIGCONT')
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/served$/)
  })
})
