/**
 * Connections that stop being HTTP: WebSockets by `ws` and socket.io, and tunnels by CONNECT. What owns the connection
 * reads the client from the socket that it was given, so the real socket shows it: over plain TCP and over TLS, with a
 * whole server wrapped or its listeners, whatever the client wrote left of the proxy's values.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, request as httpRequest } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Server as IoServer, Server as SocketIo } from 'socket.io'
import { io as socketIoClient, type Socket as IoClient } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { connectionInfo, type FunctionHandler, proxyFix, type ProxyFixOptions, unwrapSocket } from '../../src/index.ts'
import { selfSignedCertificate } from './certificate.ts'
import { ask } from './wire.ts'

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1 }

const { certificate, key } = selfSignedCertificate('localhost')

type HttpServer = ReturnType<typeof createServer>

/** How the connection between proxy and app is made. */
const LINKS = [
  { link: 'plain TCP', make: (): HttpServer => createServer(), isSecure: false },
  { link: 'TLS', make: (): HttpServer => createSecureServer({ cert: certificate, key }), isSecure: true },
] as const

/** How the server is wrapped, after a library has attached itself. */
const WAYS: readonly { way: string; wrap: (server: HttpServer, options: ProxyFixOptions | undefined) => void }[] = [
  { way: 'a whole server wrapped', wrap: (server, options) => void proxyFix(server, options) },
  {
    way: 'each listener wrapped',
    wrap: (server, options) => {
      for (const event of ['request', 'upgrade', 'connect']) {
        const listeners = server.listeners(event) as FunctionHandler[] // as typed, a Function
        server.removeAllListeners(event)
        // One listener for several events has no overload of `on` to fit.
        for (const listener of listeners) server.on(event as 'request', proxyFix(listener as () => void, options))
      }
    },
  },
]

const SETUPS = LINKS.flatMap(({ link, make, isSecure }) =>
  WAYS.map(({ way, wrap }) => ({ link, make, isSecure, way, wrap })),
)

type Headers = Readonly<Record<string, string>>

interface Seen {
  readonly address: string | undefined
  readonly secure: boolean
  readonly host: string | undefined
}

/** What a client, or a liar, has the proxy say, and who is on the other end then. */
const CASES: readonly { whom: string; headers: Headers; seen: Seen }[] = [
  {
    whom: 'the client that the proxy names',
    headers: {
      'x-forwarded-for': '203.0.113.7:4711',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'chat.example',
    },
    seen: { address: '203.0.113.7', secure: true, host: 'chat.example' },
  },
  {
    whom: 'the client, whatever it wrote itself',
    headers: {
      'x-forwarded-for': '6.6.6.6, 203.0.113.7',
      'x-forwarded-proto': 'http, wss',
      'x-forwarded-host': 'evil.example, chat.example',
      'x-real-ip': '6.6.6.6',
      forwarded: 'for=6.6.6.6;proto=http;host=evil.example',
    },
    seen: { address: '203.0.113.7', secure: true, host: 'chat.example' },
  },
  {
    whom: 'an IPv6 client of a site without TLS, whatever the proxy speaks to the app',
    headers: { 'x-forwarded-for': '[2001:DB8::7]', 'x-forwarded-proto': 'ws', 'x-forwarded-host': 'chat.example' },
    seen: { address: '2001:db8::7', secure: false, host: 'chat.example' },
  },
]

async function listen(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // as it does not listen on a pipe
}

/** Stops with the test; clients have gone by then, or are cut off. */
function stopAfterTest(server: HttpServer): void {
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
}

/** The socket that a WebSocket of `ws` was made on: private, and read by everybody (its own documentation does). */
function socketOf(ws: WebSocket): Socket & { readonly encrypted?: boolean } {
  return Reflect.get(ws, '_socket') as Socket
}

describe.each(SETUPS)('ws over $link, with $way', ({ make, isSecure, wrap }) => {
  /** Starts an echo that says first what it sees; gives the URL. */
  async function startEcho(options: ProxyFixOptions | undefined, wrapped = true): Promise<string> {
    const server = make()
    const secure = new WeakMap<IncomingMessage, boolean>()
    const wss = new WebSocketServer({
      server,
      verifyClient: (info: { req: IncomingMessage; secure: boolean }) => {
        secure.set(info.req, info.secure)
        return true
      },
    })
    if (wrapped) wrap(server, options)
    wss.on('connection', (ws, req) => {
      const { remoteAddress, remotePort, remoteFamily, encrypted } = socketOf(ws)
      ws.send(
        JSON.stringify({
          remoteAddress,
          remotePort,
          remoteFamily,
          encrypted,
          requestAddress: req.socket.remoteAddress,
          isSameSocket: unwrapSocket(req.socket) === socketOf(ws),
          verifiedAsSecure: secure.get(req),
          host: req.headers.host,
          url: wrapped && connectionInfo(req).url,
        }),
      )
      ws.on('message', (data) => ws.send(`${socketOf(ws).remoteAddress} said ${String(data)}`))
    })
    stopAfterTest(server)
    return `${isSecure ? 'wss' : 'ws'}://localhost:${await listen(server)}`
  }

  /** Connects as the proxy does, to 127.0.0.1, and gives what the server says first. */
  async function open(url: string, headers: Headers): Promise<{ ws: WebSocket; first: unknown }> {
    const ws = new WebSocket(`${url}/room?id=1`, { headers, ca: certificate, family: 4 })
    const [data] = (await once(ws, 'message')) as [Buffer]
    return { ws, first: JSON.parse(String(data)) }
  }

  async function said(ws: WebSocket, text: string): Promise<string> {
    ws.send(text)
    const [data] = (await once(ws, 'message')) as [Buffer]
    return String(data)
  }

  async function hangUp(ws: WebSocket): Promise<void> {
    ws.close()
    await once(ws, 'close')
  }

  it.each(CASES)('shows $whom', async ({ headers, seen: { address, secure, host } }) => {
    const { ws, first } = await open(await startEcho(OPTIONS), headers)
    expect(first).toEqual({
      remoteAddress: address,
      ...(headers['x-forwarded-for'] === '203.0.113.7:4711' && { remotePort: 4711 }),
      remoteFamily: address === '2001:db8::7' ? 'IPv6' : 'IPv4',
      encrypted: secure,
      requestAddress: address,
      isSameSocket: true,
      verifiedAsSecure: secure,
      host,
      url: `${secure ? 'https' : 'http'}://chat.example/room?id=1`,
    })
    await expect(said(ws, 'hello')).resolves.toBe(`${address} said hello`)
    await hangUp(ws)
  })

  it('shows the peer when nobody fixes the request, or nothing is believed of it', async () => {
    const headers = CASES[1]!.headers
    const bare = await open(await startEcho(undefined, false), headers)
    expect(bare.first).toMatchObject({ remoteAddress: '127.0.0.1', requestAddress: '127.0.0.1' })
    await hangUp(bare.ws)
    const unbelieved = await open(await startEcho({ ...OPTIONS, trustedProxies: ['10.0.0.0/8'] }), headers)
    expect(unbelieved.first).toMatchObject({
      remoteAddress: '127.0.0.1',
      remoteFamily: 'IPv4',
      encrypted: isSecure,
      verifiedAsSecure: isSecure,
    })
    await hangUp(unbelieved.ws)
  })

  it('leaves the real socket alone with socket: false, where connectionInfo still knows', async () => {
    const { ws, first } = await open(await startEcho({ ...OPTIONS, socket: false }), CASES[1]!.headers)
    expect(first).toMatchObject({
      remoteAddress: '127.0.0.1',
      requestAddress: '127.0.0.1',
      isSameSocket: true,
      verifiedAsSecure: isSecure,
      host: 'chat.example',
      url: 'https://chat.example/room?id=1',
    })
    await hangUp(ws)
  })

  it('tells twenty clients apart that talk at once', async () => {
    const url = await startEcho(OPTIONS)
    const numbers = Array.from({ length: 20 }, (_, number) => number)
    const clients = await Promise.all(
      numbers.map((number) =>
        open(url, {
          'x-forwarded-for': `6.6.6.6, 203.0.113.${number}`,
          'x-forwarded-proto': number % 2 ? 'wss' : 'ws',
        }),
      ),
    )
    expect(clients.map(({ first }) => first)).toEqual(
      numbers.map((number) =>
        expect.objectContaining({ remoteAddress: `203.0.113.${number}`, encrypted: number % 2 === 1 }),
      ),
    )
    const answers = await Promise.all(clients.map(({ ws }, number) => said(ws, `I am ${number}`)))
    expect(answers).toEqual(numbers.map((number) => `203.0.113.${number} said I am ${number}`))
    await Promise.all(clients.map(({ ws }) => hangUp(ws)))
  })

  it('carries large messages both ways', async () => {
    const { ws } = await open(await startEcho(OPTIONS), CASES[2]!.headers)
    const large = 'x'.repeat(1_000_000)
    const answer = await said(ws, large)
    expect(answer === `2001:db8::7 said ${large}`).toBe(true)
    await hangUp(ws)
  })

  it('refuses with 400 before the library hears of it', async () => {
    const url = await startEcho({ ...OPTIONS, required: ['for'] })
    const ws = new WebSocket(url, { ca: certificate, family: 4 })
    const [, response] = (await once(ws, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(response.statusCode).toBe(400)
    expect(response.headers['content-type']).toBe('text/plain; charset=utf-8')
    response.resume()
    await once(response, 'close')
  })
})

const TRANSPORTS = [
  { by: 'polling', transports: ['polling'], ends: 'polling' },
  { by: 'websocket', transports: ['websocket'], ends: 'websocket' },
  { by: 'polling that is upgraded to websocket', transports: ['polling', 'websocket'], ends: 'websocket' },
]

describe.each(SETUPS)('socket.io over $link, with $way', ({ make, isSecure, wrap }) => {
  async function startIo(options: ProxyFixOptions | undefined): Promise<string> {
    const server = make()
    server.on('request', (req, res) => {
      if (!req.url?.startsWith('/socket.io/')) res.end(`${req.socket.remoteAddress} asked for a page`)
    })
    const io: IoServer = new SocketIo(server)
    if (options !== undefined) wrap(server, options)
    io.on('connection', (socket) => {
      const { address, secure, headers } = socket.handshake
      socket.emit('seen', { address, secure, host: headers.host, forwardedFor: headers['x-forwarded-for'] })
      socket.on('echo', (text: string, reply: (text: string) => void) => reply(`${socket.conn.remoteAddress}: ${text}`))
    })
    onTestFinished(async () => {
      await io.close()
    })
    return `${isSecure ? 'https' : 'http'}://localhost:${await listen(server)}`
  }

  async function open(
    url: string,
    transports: string[],
    headers: Headers,
  ): Promise<{ client: IoClient; seen: unknown }> {
    const client = socketIoClient(url, {
      transports,
      extraHeaders: headers,
      ca: certificate,
      forceNew: true,
      reconnection: false,
    })
    onTestFinished(() => void client.close())
    const seen = await new Promise((resolve, reject) => {
      client.once('seen', resolve)
      client.once('connect_error', reject)
    })
    return { client, seen }
  }

  describe.each(TRANSPORTS)('by $by', ({ transports, ends }) => {
    it.each(CASES)('shows $whom', async ({ headers, seen: expected }) => {
      const { client, seen } = await open(await startIo(OPTIONS), transports, headers)
      expect(seen).toEqual({ ...expected, forwardedFor: expected.address })
      if (client.io.engine.transport.name !== ends)
        await new Promise((resolve) => client.io.engine.once('upgrade', resolve))
      await expect(client.emitWithAck('echo', 'hello')).resolves.toBe(`${expected.address}: hello`)
      expect(client.io.engine.transport.name).toBe(ends)
    })

    it('tells clients apart that talk at once', async () => {
      const url = await startIo(OPTIONS)
      const numbers = [1, 2, 3, 4, 5, 6]
      const clients = await Promise.all(
        numbers.map((number) => open(url, transports, { 'x-forwarded-for': `6.6.6.6, 203.0.113.${number}` })),
      )
      const answers = await Promise.all(clients.map(({ client }) => client.emitWithAck('echo', 'hello')))
      expect(answers).toEqual(numbers.map((number) => `203.0.113.${number}: hello`))
    })

    it('takes the proxy for the client without proxyFix', async () => {
      const { seen } = await open(await startIo(undefined), transports, CASES[0]!.headers)
      expect(seen).toMatchObject({ secure: isSecure, host: expect.stringMatching(/^localhost:\d+$/) })
      expect(['127.0.0.1', '::1', '::ffff:127.0.0.1']).toContain((seen as Seen).address)
    })
  })

  it('leaves the other requests to the other listeners, fixed as well', async () => {
    const url = await startIo(OPTIONS)
    const headers = [['X-Forwarded-For', '203.0.113.7']] as const
    const page = await ask({ to: url, target: '/page', host: 'localhost', headers, certificate })
    expect(page.body).toBe('203.0.113.7 asked for a page')
  })
})

describe.each(SETUPS)('CONNECT over $link, with $way', ({ make, isSecure, wrap }) => {
  /** A proxy of ours: each tunnel begins with what it sees, and then gives back all it is sent. */
  async function startTunnels(options: ProxyFixOptions): Promise<number> {
    const server = make()
    server.on('connect', (req: IncomingMessage, socket: Socket & { encrypted?: boolean }, head: Buffer) => {
      const { remoteAddress, remotePort, remoteFamily, encrypted } = socket
      const { client, host } = connectionInfo(req)
      const seen = {
        remoteAddress,
        remotePort,
        remoteFamily,
        encrypted,
        target: req.url,
        requestAddress: req.socket.remoteAddress,
        isSameSocket: unwrapSocket(req.socket) === socket,
        client: client.address,
        host,
      }
      socket.on('error', () => {})
      socket.write(`HTTP/1.1 200 Connection Established\r\n\r\n${JSON.stringify(seen)}\n${head.toString()}`)
      socket.pipe(socket)
    })
    wrap(server, options)
    stopAfterTest(server)
    return await listen(server)
  }

  /** Opens a tunnel, says something at once, and gives all that comes out of it. */
  async function throughTunnel(port: number, headers: Headers, text: string): Promise<string> {
    const socket = isSecure
      ? connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate })
      : connect({ port, host: '127.0.0.1' })
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`CONNECT inside.example:8443 HTTP/1.1\r\nHost: inside.example:8443\r\n${lines.join('')}\r\n${text}`)
    socket.end()
    let received = ''
    for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) received += chunk
    return received
  }

  it.each([
    {
      headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.7:4711' },
      address: '203.0.113.7',
      port: 4711,
      proto: undefined,
    },
    {
      headers: { 'x-forwarded-for': '203.0.113.8', 'x-forwarded-proto': 'https' },
      address: '203.0.113.8',
      proto: true,
    },
    {
      headers: { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' },
      address: '203.0.113.9',
      proto: false,
    },
  ])('shows the client $address on the tunnel', async ({ headers, address, port, proto }) => {
    const received = await throughTunnel(await startTunnels(OPTIONS), headers as Headers, 'first words')
    const [head = '', body = ''] = received.split('\r\n\r\n')
    const [seen = '', text] = body.split('\n')
    expect(head).toBe('HTTP/1.1 200 Connection Established')
    expect(JSON.parse(seen)).toEqual({
      remoteAddress: address,
      ...(port !== undefined && { remotePort: port }),
      remoteFamily: 'IPv4',
      encrypted: proto ?? isSecure,
      target: 'inside.example:8443',
      requestAddress: address,
      isSameSocket: true,
      client: address,
      host: 'inside.example:8443',
    })
    expect(text).toBe('first words')
  })

  it('tells tunnels apart that are open at once', async () => {
    const port = await startTunnels(OPTIONS)
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8]
    const received = await Promise.all(
      numbers.map((number) => throughTunnel(port, { 'x-forwarded-for': `203.0.113.${number}` }, `I am ${number}`)),
    )
    const told = received.map((text) => /"remoteAddress":"([^"]+)".*\n(.*)$/.exec(text)?.slice(1))
    expect(told).toEqual(numbers.map((number) => [`203.0.113.${number}`, `I am ${number}`]))
  })

  it('refuses with 400, and opens no tunnel', async () => {
    const port = await startTunnels({ ...OPTIONS, onInvalid: 'reject' })
    const received = await throughTunnel(port, { 'x-forwarded-for': 'nobody' }, '')
    expect(received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(received.split('\r\n\r\n')[1]).toMatch(/^Bad request: .*\.\n$/)
  })
})

describe('a tunnel whose inside is served by the same server', () => {
  it('has for its peer the client that the outer proxy named, so that no header from inside is believed', async () => {
    const server = createServer((req, res) => res.end(`${req.socket.remoteAddress}`))
    server.on('connect', (_req, socket: Socket) => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      server.emit('connection', socket)
    })
    proxyFix(server, { xFor: 1, trustedProxies: 'loopback' })
    stopAfterTest(server)
    const port = await listen(server)
    const opening = httpRequest({
      port,
      host: '127.0.0.1',
      method: 'CONNECT',
      path: 'inside.example:80',
      headers: { 'x-forwarded-for': '203.0.113.7' },
    }).end()
    const [, socket] = (await once(opening, 'connect')) as [unknown, Socket]
    socket.end('GET / HTTP/1.1\r\nHost: inside.example\r\nX-Forwarded-For: 127.0.0.1\r\nConnection: close\r\n\r\n')
    let received = ''
    for await (const chunk of socket.setEncoding('utf8') as AsyncIterable<string>) received += chunk
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n203\.0\.113\.7$/)
  })
})
