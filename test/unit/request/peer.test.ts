/**
 * Who is connected, where a socket shows no address? A peer on a unix socket, which `'unix'` trusts; or a client that
 * reset its TCP connection at once, so that its address is forgotten. **The attack** is to pass for the first that way.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import http, { IncomingMessage } from 'node:http'
import https from 'node:https'
import net, { Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Duplex } from 'node:stream'
import tls from 'node:tls'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, fixRequest, proxyFix, type ProxyFixOptions } from '../../../src/index.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

const HEADERS = ['X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https', 'X-Origin: correct-horse-battery']
const secret = { header: 'X-Origin', values: 'correct-horse-battery' }

/** A request whose socket has those properties, as Node's would. */
function requestOn(properties: object): IncomingMessage {
  const socket = new Socket()
  for (const [name, value] of Object.entries(properties)) Object.defineProperty(socket, name, { value })
  const req = new IncomingMessage(socket)
  req.url = '/'
  for (const [name = '', value = ''] of HEADERS.map((line) => line.split(': '))) {
    req.headers[name.toLowerCase()] = value
    req.rawHeaders.push(name, value)
  }
  return req
}

function clientOf(req: object, options: ProxyFixOptions): unknown {
  const { client, trusted, refusal } = connectionInfo(fixRequest(req as Request, options))
  return { address: client.address, trusted, refusal }
}

const BELIEVED = { address: '203.0.113.7', trusted: true, refusal: undefined }
const NOT_BELIEVED = { address: undefined, trusted: false, refusal: undefined }
const GONE = 'its connection was gone before its address could be read'
const REFUSED = { address: undefined, trusted: false, refusal: { status: 400, field: 'for', reason: GONE } }

describe('a unix socket', () => {
  /** What a server on a unix socket decides. */
  async function ask(options: ProxyFixOptions, waits = false): Promise<unknown> {
    const directory = await mkdtemp(join(tmpdir(), 'proxyfix-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'app.sock')
    let seen: unknown
    const server = http.createServer((req, res) => {
      if (waits) req.socket.once('close', () => (seen = clientOf(req, options)))
      else seen = clientOf(req, options)
      res.end()
    })
    onTestFinished(() => close(server))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await new Promise<void>((resolve, reject) => {
      const socket = connect(path, () => {
        socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS, 'Connection: close'))
      })
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.resume()
    })
    await vi.waitFor(() => expect(seen).toBeDefined())
    return seen
  }

  it.each<{ name: string; options: ProxyFixOptions; expected: object }>([
    { name: "is trusted by 'unix'", options: { trustedProxies: 'unix' }, expected: BELIEVED },
    { name: "is trusted by 'unix' among others", options: { trustedProxies: '10.0.0.1, unix' }, expected: BELIEVED },
    { name: 'is trusted by a predicate', options: { trustedProxies: (address) => address === '' }, expected: BELIEVED },
    { name: 'is trusted where trustedProxies is not set', options: {}, expected: BELIEVED },
    { name: 'is trusted by a secret', options: { trustedProxies: '10.0.0.1', secret }, expected: BELIEVED },
    { name: 'is not trusted by addresses', options: { trustedProxies: 'loopback, private' }, expected: NOT_BELIEVED },
    { name: 'is not trusted where nobody is', options: { trustedProxies: [] }, expected: NOT_BELIEVED },
    {
      name: 'is not trusted where nobody is, with a secret',
      options: { trustedProxies: [], secret },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not trusted with a wrong secret',
      options: { trustedProxies: 'unix', secret: { header: 'X-Origin', values: 'another' } },
      expected: NOT_BELIEVED,
    },
  ])('$name', async ({ options, expected }) => {
    expect(await ask(options)).toStrictEqual(expected)
  })

  it('is one still when the connection is closed: it never had an address to lose', async () => {
    expect(await ask({ trustedProxies: 'unix' }, true)).toStrictEqual(BELIEVED)
  })
})

describe('a TCP socket that has forgotten its peer', () => {
  it.each<{ name: string; options: ProxyFixOptions; expected: object }>([
    { name: "'unix'", options: { trustedProxies: 'unix' }, expected: REFUSED },
    { name: 'a predicate', options: { trustedProxies: () => true }, expected: REFUSED },
    { name: 'addresses', options: { trustedProxies: 'loopback' }, expected: REFUSED },
    { name: 'nobody', options: { trustedProxies: [] }, expected: REFUSED },
    { name: 'addresses and a secret', options: { trustedProxies: 'loopback', secret }, expected: REFUSED },
    { name: "'unix' and a secret", options: { trustedProxies: 'unix', secret }, expected: REFUSED },
    { name: 'a secret alone, which asks for no address', options: { secret }, expected: BELIEVED },
    { name: 'whoever connects', options: {}, expected: BELIEVED },
  ])('is what a client gets by a reset, where that believes $name', async ({ options, expected }) => {
    const seen: unknown[] = []
    let done = (): void => {}
    const handled = new Promise<void>((resolve) => (done = resolve))
    const server = http.createServer((req) => {
      // The app looks only when the connection is gone, as behind a queue or an asynchronous hook.
      req.socket.once('close', () => {
        seen.push(req.socket.remoteAddress, clientOf(req, options))
        done()
      })
    })
    onTestFinished(() => close(server))
    const socket = connect(await listen(server), '127.0.0.1')
    socket.on('error', () => {})
    server.once('request', () => socket.resetAndDestroy())
    socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS))
    await handled
    expect(seen).toStrictEqual([undefined, expected])
  })

  it('never reaches the app as a proxy, however early the reset comes', async () => {
    const options = { trustedProxies: 'unix', secret }
    const seen: unknown[] = []
    const server = http.createServer(
      proxyFix((req: IncomingMessage, res: http.ServerResponse) => {
        seen.push(connectionInfo(req).trusted)
        res.end()
      }, options),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    for (let round = 0; round < 30; round++) {
      await new Promise<void>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          // As with SO_LINGER 0: what was sent may be read yet, and who sent it is forgotten.
          socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS))
          if (round % 3 === 0) socket.resetAndDestroy()
          else setTimeout(() => socket.resetAndDestroy(), round % 3)
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(seen).not.toContain(true)
    // The same request over a connection that stays is that of a stranger: 127.0.0.1 is no unix socket.
    await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS, 'Connection: close'))
    expect(seen.at(-1)).toBe(false)
  })

  it('is answered 400, and the app is not called', () => {
    const answered: unknown[] = []
    let isCalled = false
    const res = {
      writeHead: (status: number) => answered.push(status),
      end: (body: string) => answered.push(body),
    }
    const wrapped = proxyFix(
      (_req: IncomingMessage, _res: typeof res) => {
        isCalled = true
      },
      { trustedProxies: 'unix' },
    )
    wrapped(requestOn({ destroyed: true }), res)
    expect([isCalled, ...answered]).toStrictEqual([false, 400, `Bad request: ${GONE}.\n`])
  })

  it.each<{ name: string; socket: object; options: ProxyFixOptions; expected: object }>([
    {
      name: "is refused, not trusted by 'unix', when it is destroyed",
      socket: { destroyed: true },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: "is refused, not trusted by 'unix', when it knows its own address",
      socket: { localAddress: '127.0.0.1' },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused where the server listens on TCP',
      socket: { localAddress: '127.0.0.1', server: { address: () => ({ address: '::', port: 80, family: 'IPv6' }) } },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused where another server accepted it than the one on a path that it was given to',
      socket: {
        destroyed: true,
        _handle: null,
        _server: { address: () => ({ address: '::', port: 80, family: 'IPv6' }) },
        server: { address: () => '/run/app.sock' },
      },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused where the server that accepted it is closed',
      socket: { destroyed: true, _server: { address: () => null }, server: { address: () => '/run/app.sock' } },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused below TLS as well',
      socket: {
        destroyed: true,
        _handle: null,
        _parent: { _handle: null, _server: { address: () => ({ address: '::', port: 80, family: 'IPv6' }) } },
        server: { address: () => '/run/app.sock' },
      },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused when its address is an empty text',
      socket: { remoteAddress: '', destroyed: true },
      options: { trustedProxies: 'unix' },
      expected: REFUSED,
    },
    {
      name: 'is refused whatever a predicate says',
      socket: { destroyed: true },
      options: { trustedProxies: () => true },
      expected: REFUSED,
    },
    {
      name: 'is refused with a secret too',
      socket: { destroyed: true },
      options: { trustedProxies: '10.0.0.1', secret },
      expected: REFUSED,
    },
    {
      name: 'is refused with a secret too when it knows its own address',
      socket: { localAddress: '127.0.0.1' },
      options: { trustedProxies: 'unix', secret },
      expected: REFUSED,
    },
    {
      name: 'is refused for the first header that is configured',
      socket: { destroyed: true },
      options: { xFor: 0, xProto: 0, xPrefix: 1, trustedProxies: 'unix' },
      expected: { ...REFUSED, refusal: { status: 400, field: 'prefix', reason: GONE } },
    },
    {
      name: 'is served where no header is configured',
      socket: { destroyed: true },
      options: { xFor: 0, xProto: 0, trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is trusted by a secret alone',
      socket: { destroyed: true },
      options: { secret },
      expected: BELIEVED,
    },
    {
      name: 'is not trusted by a wrong secret alone',
      socket: { destroyed: true },
      options: { secret: { ...secret, values: 'another-long-random-text' } },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is trusted where trustedProxies is not set',
      socket: { destroyed: true },
      options: {},
      expected: BELIEVED,
    },
    {
      name: 'is judged by its address while it knows that',
      socket: { remoteAddress: '10.0.0.1', destroyed: true },
      options: { trustedProxies: '10.0.0.1', secret },
      expected: BELIEVED,
    },
  ])('$name', ({ socket, options, expected }) => {
    expect(clientOf(requestOn(socket), options)).toStrictEqual(expected)
  })
})

/**
 * A server may listen on a path, for its proxy, and be given connections that another one accepted: port sharing, sticky
 * sessions, a PROXY protocol. **The attack** is to reset one of these: it has no address either, on a server that
 * listens on a unix socket.
 */
describe('a connection that was given to a server on a unix socket', () => {
  // A key that both know beforehand takes no certificate.
  const psk = Buffer.from('0123456789abcdef')
  const TLS = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const

  const KINDS = {
    HTTP: {
      create: (listener: http.RequestListener): http.Server => http.createServer(listener),
      dial: (options: net.NetConnectOpts): Socket => connect(options),
    },
    HTTPS: {
      create: (listener: http.RequestListener): http.Server =>
        https.createServer({ ...TLS, pskCallback: () => psk }, listener),
      dial: (options: net.NetConnectOpts): Socket =>
        tls.connect({
          ...TLS,
          ...options,
          pskCallback: () => ({ psk, identity: 'test' }),
          checkServerIdentity: () => undefined,
        }),
    },
  } as const

  /** What is decided about a request, at once and when its connection is gone. */
  async function ask(kind: keyof typeof KINDS, way: 'its path' | 'TCP', late: boolean): Promise<unknown> {
    const directory = await mkdtemp(join(tmpdir(), 'proxyfix-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'app.sock')
    const { create, dial } = KINDS[kind]
    let told = (_seen: unknown): void => {}
    const seen = new Promise<unknown>((resolve) => (told = resolve))
    const server = create((req) => {
      const tell = (): void => told(clientOf(req, { trustedProxies: 'unix' }))
      if (!late) tell()
      else req.socket.once('close', tell).destroy()
    })
    const front = net.createServer((socket) => server.emit('connection', socket))
    onTestFinished(() => close(front))
    onTestFinished(() => close(server))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const port = await listen(front)
    const client = dial(way === 'TCP' ? { port, host: '127.0.0.1' } : { path })
    onTestFinished(() => void client.destroy())
    client.on('error', () => {})
    client.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS))
    return await seen
  }

  it('is refused when it is gone, also where no server accepted it: the program opened it itself', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'proxyfix-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    let told = (_seen: unknown): void => {}
    const seen = new Promise<unknown>((resolve) => (told = resolve))
    const server = http.createServer((req) => {
      req.socket.once('close', () => told(clientOf(req, { trustedProxies: 'unix' }))).destroy()
    })
    onTestFinished(() => close(server))
    await new Promise<void>((resolve) => server.listen(join(directory, 'app.sock'), resolve))
    // A relay, into which the program dials out, hands it the requests of whoever comes.
    const relay = net.createServer((socket) => {
      socket.on('error', () => {})
      socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS))
    })
    onTestFinished(() => close(relay))
    server.emit('connection', connect(await listen(relay), '127.0.0.1'))
    expect(await seen).toStrictEqual(REFUSED)
  })

  it('is nobody known where it is a stream of the program: who is behind it has no address to show', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'proxyfix-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const seen: unknown[] = []
    const server = http.createServer((req, res) => {
      seen.push(clientOf(req, { trustedProxies: 'unix' }))
      res.end()
    })
    onTestFinished(() => close(server))
    await new Promise<void>((resolve) => server.listen(join(directory, 'app.sock'), resolve))
    const front = net.createServer((socket) => {
      server.emit('connection', Duplex.from({ readable: socket, writable: socket }))
    })
    onTestFinished(() => close(front))
    await exchange(await listen(front), requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS, 'Connection: close'))
    expect(seen).toStrictEqual([NOT_BELIEVED])
  })

  describe.each(['HTTP', 'HTTPS'] as const)('over %s', (kind) => {
    it('is refused when it is gone: it is no unix socket', async () => {
      expect(await ask(kind, 'TCP', true)).toStrictEqual(REFUSED)
    })

    it('is judged by its address while it has one', async () => {
      expect(await ask(kind, 'TCP', false)).toStrictEqual({ ...NOT_BELIEVED, address: '127.0.0.1' })
    })

    it.each([{ late: false }, { late: true }])(
      'leaves the others on the unix socket, gone: $late',
      async ({ late }) => {
        expect(await ask(kind, 'its path', late)).toStrictEqual(BELIEVED)
      },
    )
  })
})

describe('a stream that shows nothing', () => {
  /** A handle as Node's own are: objects of classes that cannot be had otherwise. */
  const handle = (name: string): object => ({ constructor: { name } })

  it.each<{ name: string; socket: object; options: ProxyFixOptions; expected: object }>([
    { name: "is not trusted by 'unix'", socket: {}, options: { trustedProxies: 'unix' }, expected: NOT_BELIEVED },
    {
      name: 'is not trusted by a predicate',
      socket: {},
      options: { trustedProxies: () => true },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not trusted by addresses',
      socket: {},
      options: { trustedProxies: '0.0.0.0/0, ::/0' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is trusted by a secret, which stands for the address',
      socket: {},
      options: { trustedProxies: '10.0.0.1', secret },
      expected: BELIEVED,
    },
    {
      name: 'is not trusted by a wrong secret',
      socket: {},
      options: { trustedProxies: 'unix', secret: { ...secret, values: 'another-long-random-text' } },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not trusted where nobody is',
      socket: {},
      options: { trustedProxies: [], secret },
      expected: NOT_BELIEVED,
    },
    { name: 'is trusted where trustedProxies is not set', socket: {}, options: {}, expected: BELIEVED },
    {
      name: 'is not on one because the server listens on a path: it may have been given to it',
      socket: { server: { address: () => '/run/app.sock' } },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is on one where the server listens on a path, as Bun tells nothing else',
      socket: { _server: undefined, server: { address: () => '/run/app.sock' } },
      options: { trustedProxies: 'unix' },
      expected: BELIEVED,
    },
    {
      name: 'is on a unix socket where its handle is a pipe',
      socket: { _handle: handle('Pipe') },
      options: { trustedProxies: 'unix' },
      expected: BELIEVED,
    },
    {
      name: 'is not on one where its handle is another',
      socket: { _handle: handle('TCP') },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not on one where its handle is another, though the server listens on a path',
      socket: { _handle: handle('TCP'), server: { address: () => '/run/app.sock' } },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not on one where TLS runs over another, though the server listens on a path',
      socket: {
        _handle: handle('TLSWrap'),
        _parent: { _handle: handle('TCP') },
        server: { address: () => '/run/app.sock' },
      },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is on a unix socket where TLS runs over a pipe',
      socket: { _handle: handle('TLSWrap'), _parent: { _handle: handle('Pipe') } },
      options: { trustedProxies: 'unix' },
      expected: BELIEVED,
    },
    {
      name: 'is on a unix socket where the server that accepted it listens on a path',
      socket: {
        _handle: null,
        _server: { address: () => '/run/app.sock' },
        server: { address: () => ({ address: '::', port: 80, family: 'IPv6' }) },
      },
      options: { trustedProxies: 'unix' },
      expected: BELIEVED,
    },
    {
      name: 'is not on one where the server does not listen',
      socket: { server: { address: () => null } },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not on one where the server says nothing',
      socket: { server: {} },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
  ])('$name', ({ socket, options, expected }) => {
    expect(clientOf(requestOn(socket), options)).toStrictEqual(expected)
  })
})

describe('a plain Fetch request, which shows no peer', () => {
  const request = (): Request =>
    new Request('http://app/', {
      headers: HEADERS.map((line) => line.split(': ') as [string, string]),
    })

  it.each<{ name: string; options: ProxyFixOptions; expected: object }>([
    { name: "is not trusted by 'unix'", options: { trustedProxies: 'unix' }, expected: NOT_BELIEVED },
    { name: 'is not trusted by a predicate', options: { trustedProxies: () => true }, expected: NOT_BELIEVED },
    { name: 'is not trusted by addresses', options: { trustedProxies: '0.0.0.0/0, ::/0' }, expected: NOT_BELIEVED },
    { name: 'is trusted by a secret', options: { secret }, expected: BELIEVED },
    {
      name: 'is trusted by a secret beside addresses',
      options: { trustedProxies: '10.0.0.1', secret },
      expected: BELIEVED,
    },
    { name: 'is not trusted where nobody is', options: { trustedProxies: [], secret }, expected: NOT_BELIEVED },
    { name: 'is trusted where trustedProxies is not set', options: {}, expected: BELIEVED },
  ])('$name', ({ options, expected }) => {
    expect(clientOf(request(), options)).toStrictEqual(expected)
  })
})
