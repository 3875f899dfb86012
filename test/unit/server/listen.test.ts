/** Listening on every address or on none: whose the path of a unix socket is, what is left open, what never listens. */

import { once } from 'node:events'
import { existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  createServer,
  parseBind,
  type RunningServer,
  serve,
  type ServeOptions,
  type UnstartedServer,
} from '../../../src/server/index.ts'
import { closeAllWhenEmpty, listenOnAll } from '../../../src/server/listen.ts'

let folder: string
let path: string
const servers: RunningServer[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-listen-'))
  path = join(folder, 'a.sock')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close({ timeout: 0 })))
  rmSync(folder, { recursive: true })
})

const saying =
  (answer: string) =>
  (_req: IncomingMessage, res: ServerResponse): void =>
    void res.setHeader('connection', 'close').end(answer)

async function started(answer: string, options: ServeOptions = {}): Promise<RunningServer> {
  const server = await serve(saying(answer), { bind: '127.0.0.1:0', ...options })
  servers.push(server)
  return server
}

async function askPath(socketPath = path): Promise<string> {
  const [res] = (await once(http.get({ socketPath, agent: false }), 'response')) as [IncomingMessage]
  return await text(res)
}

/** A socket that nobody listens on, as a server that was killed leaves one. */
async function leaveStale(): Promise<void> {
  const killed = net.createServer().listen(join(folder, 'b.sock'))
  await once(killed, 'listening')
  linkSync(join(folder, 'b.sock'), path)
  await new Promise((resolve) => killed.close(resolve))
}

async function takenPort(): Promise<number> {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  onTestFinished(() => void taken.close())
  return (taken.address() as AddressInfo).port // as it does not listen on a pipe
}

describe('the path of a unix socket', () => {
  it('is left to the server that has it by then', async () => {
    const first = await started('first', { bind: `unix:${path}` })
    rmSync(path)
    await started('second', { bind: `unix:${path}` })
    await first.close()
    expect(await askPath()).toBe('second')
  })

  it('never goes away for a moment while another server closes', async () => {
    const first = await started('first', { bind: `unix:${path}` })
    rmSync(path)
    await started('second', { bind: `unix:${path}` })
    const asked = Promise.all([first.close(), askPath(), askPath()])
    expect((await asked).slice(1)).toStrictEqual(['second', 'second'])
  })

  it.each([
    ['that nobody listens on', leaveStale],
    ['that is free', async () => undefined],
  ])('%s is taken by one of those that want it at once, and the others are told', async (_, prepare) => {
    await prepare()
    const results = await Promise.allSettled(
      ['a', 'b', 'c', 'd'].map((answer) => started(answer, { bind: `unix:${path}` })),
    )
    const failures = results.filter((result) => result.status === 'rejected')
    expect(failures.map(({ reason }) => (reason as Error).message)).toStrictEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('another program answers there') as string),
    )
    expect(['a', 'b', 'c', 'd'][results.findIndex(({ status }) => status === 'fulfilled')]).toBe(await askPath())
    expect(readdirSync(folder)).toStrictEqual(['a.sock'])
    await servers[0]?.close()
    expect(readdirSync(folder)).toStrictEqual([])
  })

  it('is refused in one sentence where it is a folder or in none', async () => {
    mkdirSync(path)
    await expect(started('', { bind: `unix:${path}` })).rejects.toThrow('it is a folder')
    await expect(started('', { bind: `unix:${folder}/none/a.sock` })).rejects.toThrow('the folder does not exist')
    writeFileSync(join(folder, 'file'), '')
    await expect(started('', { bind: `unix:${folder}/file/a.sock` })).rejects.toThrow('no folder')
    expect(readdirSync(folder)).toStrictEqual(['a.sock', 'file'])
  })

  it('goes at the end of the process, with one listener for all of them', async () => {
    const before = process.listenerCount('exit')
    const binds = Array.from({ length: 12 }, (_, index) => `unix:${join(folder, String(index))}`)
    const server = await started('', { bind: binds })
    expect(process.listenerCount('exit')).toBe(before + 1)
    await server.close()
    expect(process.listenerCount('exit')).toBe(before)
    expect(readdirSync(folder)).toStrictEqual([])
  })
})

describe('an address', () => {
  it.each([
    [':0', 'every interface', 'localhost'],
    ['tcp:0', 'every IPv4 interface', 'localhost'],
    ['tcp6:0', 'every IPv6 interface', '[::1]'],
    ['127.0.0.1:0', undefined, '127.0.0.1'],
  ])('%s is told with how far it reaches: %s', async (bind, everywhere, host) => {
    const [listener] = await listenOnAll([parseBind(bind)], { isTls: () => false }, (socket) => socket.destroy())
    onTestFinished(() => listener?.close())
    expect(listener?.everywhere).toBe(everywhere)
    expect(new URL(listener?.address.url ?? '').hostname).toBe(host)
  })
})

describe('a server that cannot listen', () => {
  it('leaves neither log nor listener, nor the connections that came meanwhile', async () => {
    const port = await takenPort()
    const log = join(folder, 'access.log')
    const exits = process.listenerCount('exit')
    const first = net.createServer().listen(0, '127.0.0.1')
    await once(first, 'listening')
    onTestFinished(() => void first.close())
    const closed = new Promise((resolve) => {
      first.once('connection', (socket) => socket.once('close', resolve))
    })
    const second = net.createServer()
    const result = serve(saying('ghost'), { bind: [first, second], accessLog: { to: log } })
    // The second address is found to be in use when the first has taken a connection.
    const { port: free } = first.address() as AddressInfo // as it does not listen on a pipe
    const client = net.connect(free, '127.0.0.1')
    onTestFinished(() => void client.destroy())
    await once(first, 'connection')
    second.listen(port, '127.0.0.1')
    await expect(result).rejects.toThrow('in use')
    await closed
    expect(process.listenerCount('exit')).toBe(exits)
    await expect(serve(saying(''), { bind: `127.0.0.1:${port}`, accessLog: { to: log } })).rejects.toThrow('in use')
    expect(process.listenerCount('exit')).toBe(exits)
  })

  it('opens nothing before it is to listen', () => {
    const log = join(folder, 'access.log')
    createServer(saying(''), { accessLog: { to: log } })
    expect(existsSync(log)).toBe(false)
  })
})

describe('an address that is given twice', () => {
  async function freePort(): Promise<number> {
    const free = net.createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo // as it does not listen on a pipe
    await new Promise((resolve) => free.close(resolve))
    return port
  }

  it.each<[first: string, second: string, says: string]>([
    ['PORT', 'PORT', 'Cannot listen on *:PORT: this server listens on *:PORT already; leave out one of the two.'],
    [
      '127.0.0.1:PORT',
      '127.0.0.1:PORT',
      'Cannot listen on 127.0.0.1:PORT: this server listens on 127.0.0.1:PORT already; leave out one of the two.',
    ],
    [
      ':PORT',
      '127.0.0.1:PORT',
      'Cannot listen on 127.0.0.1:PORT: this server listens on *:PORT already; leave out one of the two.',
    ],
    [
      '127.0.0.1:PORT',
      '0.0.0.0:PORT',
      'Cannot listen on 0.0.0.0:PORT: this server listens on 127.0.0.1:PORT already; leave out one of the two.',
    ],
    [
      '127.0.0.1:PORT',
      ':PORT',
      'Cannot listen on *:PORT: this server listens on 127.0.0.1:PORT already; leave out one of the two.',
    ],
    [
      '[::1]:PORT',
      'tcp6:PORT',
      'Cannot listen on [::]:PORT: this server listens on [::1]:PORT already; leave out one of the two.',
    ],
    [
      '0.0.0.0:PORT',
      'localhost:PORT',
      'Cannot listen on localhost:PORT: this server listens on 0.0.0.0:PORT already; leave out one of the two.',
    ],
    [
      'localhost:PORT',
      'localhost:PORT',
      'Cannot listen on localhost:PORT: this server listens on localhost:PORT already; leave out one of the two.',
    ],
  ])('is said to be that: %s and %s', async (first, second, says) => {
    const port = String(await freePort())
    const bind = [first, second].map((one) => one.replace('PORT', port))
    await expect(started('served', { bind })).rejects.toMatchObject({
      code: 'ERR_PROXYFIX_BIND',
      message: says.replaceAll('PORT', port),
    })
  })

  it('is said to be that: a unix socket, however it is written', async () => {
    const bind = [`unix:${path}`, `unix:${folder}/./a.sock`]
    await expect(started('served', { bind })).rejects.toThrow(
      `Cannot listen on unix:${folder}/./a.sock: this server listens on unix:${path} already; leave out one of the two.`,
    )
  })

  it('is another one where somebody else has it', async () => {
    const port = await takenPort()
    const bind = [`[::1]:${port}`, `127.0.0.1:${port}`]
    await expect(started('served', { bind })).rejects.toThrow(`Cannot listen on 127.0.0.1:${port}: the port is in use`)
  })

  it.each([
    ['[::1]:PORT', '0.0.0.0:PORT'],
    ['tcp6:PORT', '0.0.0.0:PORT'],
    ['tcp6:PORT', '127.0.0.1:PORT'],
    ['tcp6:PORT', 'tcp:PORT'],
  ])('is another one where somebody else has it, and the first is of another family: %s and %s', async (...both) => {
    const port = String(await takenPort())
    const bind = both.map((one) => one.replace('PORT', port))
    await expect(started('served', { bind })).rejects.toThrow(`:${port}: the port is in use; stop the program`)
  })
})

describe('createServer', () => {
  /** One that is closed when the test is over. */
  function made(options: ServeOptions = {}): UnstartedServer {
    const server = createServer(saying('served'), { bind: '127.0.0.1:0', ...options })
    servers.push(server)
    return server
  }

  it('gives the very server that listens after listen()', async () => {
    const server = made({ bind: ['127.0.0.1:0', '127.0.0.1:0'] })
    expect(await server.listen()).toBe(server)
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(server.addresses).toHaveLength(2)
    for (const { url } of server.addresses) expect(await (await fetch(url)).text()).toBe('served')
    await server.close()
    await expect(fetch(server.url)).rejects.toThrow('fetch failed')
  })

  it('knows no address before', () => {
    const server = made()
    for (const read of [() => server.url, () => server.addresses, () => server.reloadCertificates()]) {
      expect(read).toThrow(expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION' }))
      expect(read).toThrow('The server does not listen yet: await its listen() first.')
    }
    expect(() => inspect(server)).not.toThrow()
  })

  it('can be copied and printed as JSON, also before', async () => {
    const server = made()
    expect(JSON.stringify({ server })).toBe('{"server":{}}')
    const { listen } = { ...server }
    expect(await listen()).toBe(server)
    expect([JSON.stringify(server), 'url' in server, 'addresses' in server]).toStrictEqual(['{}', true, true])
  })

  it('listens once, however often it is told to, and again after it was closed', async () => {
    const server = made({ health: '/health' })
    await Promise.all([server.listen(), server.listen()])
    const { url } = server
    await server.listen()
    expect(server.url).toBe(url)
    await server.close()
    await expect(fetch(url)).rejects.toThrow('fetch failed')
    await server.listen()
    expect((await fetch(`${server.url}/health`)).status).toBe(200)
  })

  it('is closed already before it listens', async () => {
    const server = made()
    await expect(server.close()).resolves.toBeUndefined()
    await expect(server[Symbol.asyncDispose]()).resolves.toBeUndefined()
    await server.listen()
    expect(await (await fetch(server.url)).text()).toBe('served')
  })

  it('that is closed while it starts does not listen afterwards', async () => {
    const server = made()
    const listening = server.listen()
    await server.close()
    expect(await listening).toBe(server)
    await expect(fetch(server.url)).rejects.toThrow('fetch failed')
  })

  it('that is closed again while it is to listen again hurries the first close too', async () => {
    let asked = (): void => undefined
    const arrived = new Promise<void>((resolve) => (asked = resolve))
    const server = createServer((_req: IncomingMessage, _res: ServerResponse) => asked(), { bind: '127.0.0.1:0' }) // it never answers
    await server.listen()
    const answer = fetch(server.url)
    await arrived
    const first = server.close({ timeout: Infinity })
    const again = server.listen()
    const second = server.close({ timeout: 0 })
    await expect(answer).rejects.toThrow('fetch failed')
    await Promise.all([first, again, second])
    await expect(fetch(server.url)).rejects.toThrow('fetch failed')
  })

  it('that could not listen can be closed, and told to listen again', async () => {
    const first = made()
    await first.listen()
    const second = made({ bind: first.url.replace('http://', '') })
    const attempt = second.listen()
    await expect(second.close()).resolves.toBeUndefined()
    await expect(attempt).rejects.toMatchObject({ code: 'ERR_PROXYFIX_BIND' })
    await second.close()
    await first.close()
    expect((await second.listen()).url).toBe(first.url)
  })

  it('ends at the end of the block that it is used in', async () => {
    let url = ''
    const block = async (): Promise<void> => {
      await using server = made()
      ;({ url } = await server.listen())
      expect((await fetch(url)).status).toBe(200)
    }
    await block()
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  it('has methods that need no this, as those of serve', async () => {
    const { listen, close, reloadCertificates } = made()
    const { url } = await listen()
    reloadCertificates()
    await close()
    await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  it.each<[given: readonly unknown[], says: string]>([
    [[3000], "listen takes nothing: write createServer(app, { bind: ':3000' })."],
    [['3000'], "listen takes nothing: write createServer(app, { bind: ':3000' })."],
    [[3000, '127.0.0.1'], "listen takes nothing: write createServer(app, { bind: '127.0.0.1:3000' })."],
    [[3000, '::1', () => undefined], "listen takes nothing: write createServer(app, { bind: '[::1]:3000' })."],
    [[3000, () => undefined], "listen takes nothing: write createServer(app, { bind: ':3000' })."],
    [
      [{ port: 3000 }],
      "listen takes nothing: say where to createServer, as in createServer(app, { bind: ':8000' }), and await listen().",
    ],
    [
      [() => undefined],
      "listen takes nothing: say where to createServer, as in createServer(app, { bind: ':8000' }), and await listen().",
    ],
  ])('refuses listen(%j)', async (given, says) => {
    const { listen } = made() as unknown as { listen(...args: readonly unknown[]): Promise<unknown> }
    await expect(listen(...given)).rejects.toMatchObject({ code: 'ERR_PROXYFIX_OPTION', message: says })
  })

  it.each<[given: unknown, says: string]>([
    [1000, 'close takes an object: write close({ timeout: 1000 }).'],
    [null, 'close takes an object, as in close({ timeout: 10000 }), not null.'],
    [() => undefined, 'close takes an object, as in close({ timeout: 10000 }), not a function: await it.'],
    [{ timout: 5 }, "close has no option 'timout': did you mean timeout?"],
    [{ force: true }, "close has no option 'force': there is timeout."],
  ])('refuses close(%j), and goes on listening', async (given, says) => {
    const server = made()
    const close = async (): Promise<void> => await server.close(given as object)
    await expect(close()).rejects.toMatchObject({ code: 'ERR_PROXYFIX_OPTION', message: says })
    await server.listen()
    await expect(close()).rejects.toThrow(says)
    expect((await fetch(server.url)).status).toBe(200)
  })

  it.each<[name: string, app: unknown, says: string]>([
    ['a class', class extends Map {}, 'a class'],
    ['a server without a handler', http.createServer(), 'answers nothing'],
  ])('refuses %s', (_, app, says) => {
    expect(() => createServer(app as http.Server)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string }),
    )
  })
})

describe('a server that was given', () => {
  it.each<[name: string, bind: () => net.Server]>([
    ['http', () => http.createServer().listen(0, '127.0.0.1')],
    ['tls', () => tls.createServer().listen(0, '127.0.0.1')],
  ])('is refused when it reads its connections itself: %s', async (_, make) => {
    const given = make()
    onTestFinished(() => void given.close())
    await expect(serve(saying(''), { bind: given })).rejects.toThrow('reads its connections itself')
  })

  it('is not waited for when it never listens, and is left as it was', async () => {
    vi.useFakeTimers()
    onTestFinished(() => void vi.useRealTimers())
    const given = net.createServer()
    const result = serve(saying(''), { bind: given }).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await result).toMatchObject({
      code: 'ERR_PROXYFIX_BIND',
      message: 'Cannot listen on the server that was given: it does not listen; call its listen() first.',
    })
    expect(given.eventNames()).toStrictEqual(net.createServer().eventNames())
  })

  it('is left as it was when it listens, errors of it too', async () => {
    const given = net.createServer().listen(0, '127.0.0.1')
    const server = await serve(saying(''), { bind: given })
    await server.close()
    expect(given.eventNames()).toStrictEqual(net.createServer().eventNames())
  })
})

describe('a file descriptor', () => {
  it('that this process listens on already is told of, with what to give instead', async () => {
    const listening = net.createServer().listen(0, '127.0.0.1')
    await once(listening, 'listening')
    onTestFinished(() => void listening.close())
    const { _handle: handle } = listening as unknown as { readonly _handle: { readonly fd: number } } // Node's own end
    await expect(started('served', { bind: { fd: handle.fd } })).rejects.toMatchObject({
      code: 'ERR_PROXYFIX_BIND',
      message: `Cannot listen on fd:${handle.fd}: this process has that socket in use already; give the net.Server that holds it, as in { bind: server }.`,
    })
    expect(listening.listening).toBe(true)
  })
})

describe('a listener that is to close when it is empty', () => {
  it('does not wait until nobody comes any more', async () => {
    let time = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => time)
    onTestFinished(() => clock.mockRestore())
    let isOver = false
    let port = 0
    let count = 0
    const come = (): void => {
      if (isOver) return
      const client = net.connect(port, '127.0.0.1')
      client.on('error', () => undefined).on('close', come)
    }
    const [listener] = await listenOnAll([parseBind('127.0.0.1:0')], { isTls: () => false }, (socket) => {
      count++
      time += 100 // what an app takes for each
      socket.on('error', () => undefined).destroy()
    })
    port = listener!.address.port ?? 0
    for (let clients = 0; clients < 30; clients++) come()
    await vi.waitFor(() => expect(count).toBeGreaterThan(60))
    const before = count
    const left = await closeAllWhenEmpty([listener!], 30_000)
    isOver = true
    expect(count - before).toBeLessThan(200) // as many as come in a second, and in the turn that ends it
    expect(left).toBeLessThan(30_000)
    await expect(once(net.connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED')
  })

  it.each([
    [1000, 700],
    [100, 0],
    [Infinity, Infinity],
  ])('takes its time of what there is for all: of %d ms, %d ms are left', async (timeout, left) => {
    let time = 0
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => time)
    onTestFinished(() => clock.mockRestore())
    const given: number[] = []
    const closeWhenEmpty = async (of: number): Promise<void> => {
      given.push(of)
      time = 300
    }
    expect(await closeAllWhenEmpty([{ closeWhenEmpty }, { closeWhenEmpty }], timeout)).toBe(left)
    expect(given).toStrictEqual([timeout, timeout])
  })
})
