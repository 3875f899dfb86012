/** What else can be said to `serve`, and what it makes of apps that are late, loud, or more than a handler. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createServer, parseBind, type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'
import { proxyFix } from '../../../src/index.ts'
import { exchange, parseResponses, requestText } from '../../fixtures/raw-http.ts'

type AnyApp = Parameters<typeof serve>[0]

async function started(app: unknown, options: ServeOptions = {}): Promise<{ server: RunningServer; port: number }> {
  const server = await serve(app as AnyApp, { bind: '127.0.0.1:0', ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return { server, port: server.addresses[0]?.port ?? 0 }
}

function muted(): { readonly lines: string[] } {
  const lines: string[] = []
  const spy = vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(String(line)))
  onTestFinished(() => spy.mockRestore())
  return { lines }
}

const app = (_req: IncomingMessage, res: ServerResponse): void => void res.end('served')

describe('who a refused request is from', () => {
  const twoHosts = requestText('GET / HTTP/1.1', 'Host: a', 'Host: b')

  it('is no unix socket where a client of TCP has reset its connection', async () => {
    const { lines } = muted()
    const { port } = await started(app)
    for (let count = 0; count < 10; count++) {
      const socket = net.connect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.write(twoHosts, () => socket.resetAndDestroy())
      await once(socket, 'close')
    }
    await vi.waitFor(() => expect(lines.length).toBeGreaterThan(0))
    for (const line of lines) expect(line).toMatch(/^A request from (127\.0\.0\.1|a peer that is gone) was refused/)
  })

  it('is one where it is one', async () => {
    const { lines } = muted()
    const path = join(mkdtempSync(join(tmpdir(), 'proxyfix-serve-')), 'app.sock')
    await started(app, { bind: `unix:${path}` })
    const socket = net.connect(path)
    socket.write(twoHosts)
    await text(socket)
    expect(lines).toStrictEqual([expect.stringMatching(/^A request from a unix socket was refused, answered 400: /)])
  })
})

describe('addresses', () => {
  it('can be what parseBind gives, and several kinds at once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'proxyfix-serve-'))
    const path = join(folder, 'app.sock')
    const server = await serve(app, { bind: [parseBind('127.0.0.1:0'), `unix:${path}`] })
    const req = http.get({ socketPath: path, agent: false })
    expect(await text(((await once(req, 'response')) as [IncomingMessage])[0])).toBe('served')
    expect(server.addresses).toStrictEqual([
      { address: '127.0.0.1', family: 'IPv4', port: expect.any(Number) as number, url: server.url },
      { address: path, family: 'unix', url: `unix:${path}` },
    ])
    await server.close()
    rmSync(folder, { recursive: true })
  })

  it('can be a server that is only about to listen, and is closed with this one', async () => {
    const listening = net.createServer().listen(0, '127.0.0.1')
    const server = await serve(app, { bind: listening })
    const { port } = listening.address() as AddressInfo // as it does not listen on a pipe
    expect(server.addresses[0]?.port).toBe(port)
    // A half-closed connection is answered, though this server was not made for HTTP.
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.end(requestText('GET / HTTP/1.1', 'Host: a'))
    expect(await text(client)).toMatch(/served$/)
    await server.close()
    expect([listening.listening, listening.listenerCount('connection')]).toStrictEqual([false, 0])
  })

  it('are told in a sentence when such a server cannot listen', async () => {
    const taken = net.createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as AddressInfo // as it does not listen on a pipe
    await expect(serve(app, { bind: net.createServer().listen(port, '127.0.0.1') })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_BIND', message: expect.stringContaining('in use') as string }),
    )
  })
})

it('a factory that is served for a handler is told of', async () => {
  const spy = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  onTestFinished(() => spy.mockRestore())
  const { port } = await started(async (_name: string) => app)
  await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))
  expect(spy.mock.calls.flat().map(String).join('\n')).toContain('is it a factory? Then call it')
})

describe('senders of PROXY headers that an address has of its own', () => {
  it('leave all else that was said of the PROXY protocol as it is', async () => {
    muted()
    const reasons: string[] = []
    const { port } = await started(
      (req: IncomingMessage, res: ServerResponse) => void res.end(req.socket.remoteAddress),
      {
        bind: 'tcp:0:interface=127.0.0.1:proxyProtocol=127.0.0.1',
        proxyProtocol: { from: '192.0.2.1', onRefused: ({ reason }) => reasons.push(reason) },
      },
    )
    const get = requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close')
    expect(await exchange(port, `PROXY TCP4 203.0.113.7 192.0.2.9 4000 80\r\n${get}`)).toMatch(/203\.0\.113\.7$/)
    await exchange(port, get).catch(() => '') // without a header it is reset
    await vi.waitFor(() => expect(reasons).toHaveLength(1))
  })
})

describe('an app that is late', () => {
  it('is answered for, and may go on as if nothing had happened', async () => {
    const { lines } = muted()
    const wentOn: string[] = []
    const late = async (_req: IncomingMessage, res: ServerResponse): Promise<void> => {
      res.setHeader('x-early', '1')
      await once(res, 'finish') // of the answer in its place
      res.setHeader('x-late', '1')
      res.writeHead(200, { 'x-late': '2' })
      res.flushHeaders()
      res.write('late', () => wentOn.push('written'))
      res.end('end')
    }
    const { port } = await started(late, { responseTimeout: 50 })
    const [response] = parseResponses(await exchange(port, requestText('GET / HTTP/1.1', 'Host: a')))
    expect(response).toMatchObject({ status: 503, body: 'The app did not answer in time.\n' })
    expect(response?.headers).not.toHaveProperty('x-early')
    await vi.waitFor(() => expect(wentOn).toStrictEqual(['written']))
    expect(lines).toStrictEqual([
      'A request from 127.0.0.1 was refused, answered 503: the app has not begun to answer within 50 ms.',
    ])
  })

  it('is cut off where the answer for it cannot be sent, as it is rewritten by something that throws', async () => {
    const { lines } = muted()
    const rewriting = (_req: IncomingMessage, res: ServerResponse): void => {
      res.writeHead = () => {
        throw new Error('not this one')
      }
    }
    const { port } = await started(rewriting, { responseTimeout: 50 })
    expect(await exchange(port, requestText('GET / HTTP/1.1', 'Host: a'))).toBe('')
    expect(lines.some((line) => line.startsWith('The answer 503 could not be sent:'))).toBe(true)
  })

  it('is told with who is connected, whomever the app is shown, and logged once', async () => {
    const { lines } = muted()
    const log = join(mkdtempSync(join(tmpdir(), 'proxyfix-late-')), 'log')
    const { port } = await started((_req: unknown, _res: unknown) => undefined, {
      responseTimeout: 50,
      proxyFix: { xFor: 1 },
      accessLog: { to: log, format: '%(h)s %(s)s' },
    })
    await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'X-Forwarded-For: 203.0.113.9'))
    expect(lines).toStrictEqual([expect.stringContaining('A request from 127.0.0.1 was refused')])
    await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toBe('203.0.113.9 503\n'))
  })

  it('is not, once its answer has begun', async () => {
    const stream = async (_req: IncomingMessage, res: ServerResponse): Promise<void> => {
      res.write('begun, ')
      await wait(60)
      res.end('done')
    }
    const { port } = await started(stream, { responseTimeout: 20 })
    const [response] = parseResponses(
      await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close')),
    )
    expect(response).toMatchObject({ status: 200, body: 'begun, done' })
  })
})

describe('a body that is too long', () => {
  it.each([
    ['a Node handler', async (req: IncomingMessage, res: ServerResponse) => void res.end(await text(req))],
    ['a Fetch handler', async (request: Request) => new Response(await request.text())],
  ])('never gets to %s', async (_, handler) => {
    muted()
    const { port } = await started(handler, { maxBody: 10 })
    const head = ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'] as const
    const sent = `${requestText(...head)}6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n`
    expect(parseResponses(await exchange(port, sent))).toMatchObject([{ status: 413 }])
    const fitting = `${requestText(...head, 'Connection: close')}6\r\nabcdef\r\n0\r\n\r\n`
    expect(parseResponses(await exchange(port, fitting))).toMatchObject([{ status: 200, body: 'abcdef' }])
  })
})

describe('upgrades', () => {
  const REQUEST = requestText(
    'GET /chat HTTP/1.1',
    'Host: a',
    'Connection: Upgrade',
    'Upgrade: echo',
    'X-Forwarded-For: 203.0.113.7',
  )
  const upgrade = (req: IncomingMessage, socket: Socket): void => {
    socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${req.url} ${req.socket.remoteAddress}`)
  }

  it.each([
    [
      'a handler with an upgrade function',
      () => Object.assign((req: IncomingMessage, res: ServerResponse) => app(req, res), { upgrade }),
    ],
    ['an object with fetch and upgrade', () => ({ fetch: () => new Response('served'), upgrade })],
    ['a server that does not listen', () => http.createServer(app).on('upgrade', upgrade)],
  ])('come to %s, fixed', async (_, make) => {
    const { port } = await started(make(), { proxyFix: { xFor: 1 } })
    expect(await exchange(port, REQUEST)).toMatch(/101 Switching Protocols\r\n\r\n\/chat 203\.0\.113\.7$/)
    expect(await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))).toMatch(/served/)
  })

  it('are ordinary requests for an app that has none', async () => {
    const { port } = await started(app)
    expect(await exchange(port, REQUEST.replace('Connection: Upgrade', 'Connection: close'))).toMatch(/served$/)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no')
      },
    ],
  ])('end their connection alone where the app %s', async (_, failing) => {
    const spy = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    onTestFinished(() => spy.mockRestore())
    const { port } = await started(
      Object.assign((req: IncomingMessage, res: ServerResponse) => app(req, res), { upgrade: failing }),
    )
    expect(await exchange(port, REQUEST)).toBe('')
    expect(spy).toHaveBeenCalledWith('Upgrade of "/chat" failed:', expect.any(Error))
    expect(await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))).toMatch(/served$/)
  })
})

describe('what cannot be', () => {
  it.each<[name: string, options: unknown, says: string]>([
    ['a port as a number', { bind: 8000 }, "':8000' for a port and { fd: 8000 } for a socket"],
    ['an address that is no address', { bind: { host: 'a' } }, 'bind names no address'],
    ['a negative fd', { bind: { fd: -1 } }, 'fd of the option bind must be the number of a file descriptor, not -1'],
    [
      'a host by another name',
      { bind: { port: 0, hostname: '127.0.0.1' } },
      "no member 'hostname': did you mean host?",
    ],
    ['a misspelt member', { bind: { port: 0, hots: '127.0.0.1' } }, "no member 'hots': did you mean host?"],
    ['a host that was not set', { bind: { port: 0, host: undefined } }, 'must be a name or an address'],
    ['a host that is empty', { bind: { port: 0, host: '' } }, 'must be a name or an address'],
    ['a host that is a number', { bind: { port: 0, host: 5 } }, 'must be a name or an address'],
    ['a host in brackets', { bind: { port: 0, host: '[::1]' } }, 'IPv6 without brackets'],
    ['a host that is every one', { bind: { port: 0, host: '*' } }, 'without it, every interface'],
    ['a port that is none', { bind: { port: 99_999 } }, '0 to 65535, not 99999'],
    ['a port in text', { bind: { port: '80' } }, "0 to 65535, not '80'"],
    ['ipv6Only in words', { bind: { port: 0, ipv6Only: 'yes' } }, 'must be true or false'],
    ['a mode in text', { bind: { path: 'a.sock', mode: '660' } }, "a number like 0o660, not '660'"],
    ['a mode that is not octal', { bind: { path: 'a.sock', mode: 660 } }, 'a number like 0o660, not 660'],
    ['a path with a zero in it', { bind: { path: 'a\0b' } }, String.raw`not 'a\u0000b'`],
    ['a path that is too long', { bind: { path: 'x'.repeat(97) } }, 'of 96 bytes at most'],
    ['a path called unix', { bind: { unix: 'a.sock' } }, 'did you mean path?'],
    ['two addresses in one', { bind: { port: 0, path: 'a.sock' } }, 'an object of its own'],
    ['a mode of a port', { bind: { port: 0, mode: 0o660 } }, 'does not go with it'],
    ['a backlog of an address in text', { bind: { fd: 3, backlog: 'x' } }, 'backlog of the option bind'],
    ['a backlog of an address below 1', { bind: { fd: 3, backlog: -1 } }, 'backlog of the option bind'],
    ['senders of an address that are anybody', { bind: { port: 0, proxyProtocol: ['*'] } }, "cannot take '*'"],
    ['senders of an address that are nobody', { bind: { port: 0, proxyProtocol: [] } }, 'empty entry'],
    ['a certificate of an address without key', { bind: { port: 0, tls: { cert: 'c.pem' } } }, 'key is missing'],
    ['systemd: false', { bind: { systemd: false } }, 'must be true, not false'],
    ['an address that is null', { bind: [null] }, 'not null'],
    ['a log by another name', { accessLog: { file: 'x' } }, "no member 'file': did you mean to?"],
    ['a log that is no file', { accessLog: { to: 5 } }, "must be the path of a file, or '-', not 5"],
    ['color in words', { accessLog: { color: 'yes' } }, 'color of the option accessLog must be true or false'],
    ['certificates of clients', { tls: { cert: 'c', key: 'k', ca: 'ca' } }, "are the proxy's work"],
    ['a member of tls that is not', { tls: { crt: 'c', key: 'k' } }, 'did you mean cert?'],
    ['a certificate that is a number', { tls: { cert: 1, key: 'k' } }, 'must be the path of a file, or what it holds'],
    ['port', { port: 1 }, 'did you mean bind?'],
    ['a misspelt limit', { maxBoddy: 1 }, 'did you mean maxBody?'],
    ['a backlog of 0', { backlog: 0 }, 'backlog'],
    ['a limit of 0', { maxHeaders: 0 }, 'maxHeaders must be a whole number, 1 or more'],
    ['a limit in words', { headersTimeout: '5s' }, 'headersTimeout must be a whole number of milliseconds'],
    ['no limit where there must be one', { headersTimeout: Infinity }, 'headersTimeout'],
    ['half a millisecond', { keepAliveTimeout: 0.5 }, 'keepAliveTimeout'],
    ['a request shorter than its head', { headersTimeout: 10, requestTimeout: 5 }, 'cannot be shorter'],
    ['HTTP/2 without TLS', { http2: true }, 'needs TLS'],
    ['http2 in words', { http2: 'yes' }, 'http2 must be true or false'],
    ['nativeResponse in words', { nativeResponse: 'yes' }, 'nativeResponse must be true or false'],
    ['TLS in words', { tls: 'yes' }, "'adhoc'"],
    ['a log as text', { accessLog: 'access.log' }, 'accessLog must be an object'],
    ['a format that is none', { accessLog: { format: '%(nothing)s' } }, 'nothing'],
    ['a health check that is no path', { health: 'up' }, "'up'"],
    ['senders of PROXY headers that are nobody', { proxyProtocol: '' }, 'empty entry'],
    ['senders that are anybody', { proxyProtocol: ['*'] }, "cannot take '*'"],
    ['certificates that are missing', { bind: 'ssl:0:privateKey=/gone:certKey=/gone' }, 'no such file'],
  ])('is told in one sentence: %s', async (_, options, says) => {
    const error: unknown = await serve(app, options as ServeOptions).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string })
    expect((error as Error).message).toMatch(/^[^\n]+[.?]$/)
  })

  it('is judged by what it says at that moment', async () => {
    const bind = { port: 0, host: '127.0.0.1' }
    const unstarted = createServer(app, { bind })
    bind.host = '0.0.0.0'
    const server = await unstarted.listen()
    onTestFinished(() => server.close())
    expect(server.addresses[0]?.address).toBe('127.0.0.1')
  })

  it('is a server that listens by itself', async () => {
    const server = http.createServer(app).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    await expect(serve(server)).rejects.toThrow('a server that listens by itself')
  })

  it('is not a server that was fixed as a whole', async () => {
    const { port } = await started(
      proxyFix(
        http.createServer((req, res) => res.end(req.socket.remoteAddress)),
        { xFor: 1 },
      ),
    )
    const answer = await exchange(
      port,
      requestText('GET / HTTP/1.1', 'Host: a', 'X-Forwarded-For: 203.0.113.7', 'Connection: close'),
    )
    expect(answer).toMatch(/203\.0\.113\.7$/)
  })
})
