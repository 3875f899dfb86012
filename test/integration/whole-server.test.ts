/**
 * Whole servers of each protocol that Node serves, wrapped as they are: HTTP/1.1 and HTTP/2, plain and over TLS, and
 * both on one port. Then servers that other code goes on changing: frameworks and socket.io, which replace listeners.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import http2, { type ClientHttp2Session, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import express from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { Server as SocketIo } from 'socket.io'
import { io as socketIoClient } from 'socket.io-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectionInfo, proxyFix, type ProxyFixOptions, unwrapSocket } from '../../src/index.ts'
import { selfSignedCertificate } from './certificate.ts'
import { ask, type HeaderLine, pipeline, requestText } from './wire.ts'

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1 }

const { certificate, key } = selfSignedCertificate('localhost')

/** The request of a liar, as the proxy passes it on, and what is true of it. */
const FORGED = {
  'x-forwarded-for': '6.6.6.6, 203.0.113.7',
  'x-forwarded-proto': 'http, https',
  'x-forwarded-host': 'evil.example, shop.example',
}
const CLIENT = {
  address: '203.0.113.7',
  connectionAddress: '203.0.113.7',
  encrypted: true,
  host: 'shop.example',
  rawHost: 'shop.example',
  url: 'https://shop.example/cart?item=1',
}

type AnyRequest = IncomingMessage | Http2ServerRequest
type AnyResponse = ServerResponse | Http2ServerResponse

/** Waits a little, so that requests overtake each other, and tells all that it sees. */
async function tell(req: AnyRequest, res: AnyResponse): Promise<void> {
  for (let turns = Number(/\d+/.exec(req.url ?? '')?.[0] ?? 0) % 4; turns > 0; turns--) await turn()
  const { socket, headers, rawHeaders } = req
  const raw = rawHeaders.map((text) => text.toLowerCase())
  const report = {
    address: socket.remoteAddress,
    connectionAddress: req.connection.remoteAddress,
    encrypted: 'encrypted' in socket && socket.encrypted,
    host: headers.host,
    rawHost: rawHeaders[raw.indexOf('host') + 1],
    url: connectionInfo(req).url,
    ...('stream' in req && {
      authority: req.authority,
      scheme: req.scheme,
      pseudoHeaders: [headers[':authority'], headers[':scheme'], headers[':path']],
    }),
  }
  res.end(JSON.stringify(report))
}

async function listen(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port // as it does not listen on a pipe
}

function h2Session(url: string): ClientHttp2Session {
  const session = http2.connect(url, { ca: certificate })
  onTestFinished(() => session.destroy())
  return session
}

interface Answer {
  readonly status: number | undefined
  readonly informational: readonly (number | undefined)[]
  readonly body: string
}

/** Sends one request over a session. */
async function askH2(session: ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body = ''): Promise<Answer> {
  const stream = session.request({ ':path': '/', ...headers }, { endStream: false })
  const informational: (number | undefined)[] = []
  let status: number | undefined
  let text = ''
  stream.on('headers', (received) => informational.push(received[':status']))
  stream.once('response', (received) => (status = received[':status']))
  stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  stream.end(body)
  await once(stream, 'end')
  return { status, informational, body: text }
}

const OVER_HTTP1 = [
  { name: 'http.Server', make: (listener: RequestListener): Server => createServer(listener), scheme: 'http' },
  {
    name: 'https.Server',
    make: (listener: RequestListener): Server => createSecureServer({ cert: certificate, key }, listener),
    scheme: 'https',
  },
  {
    name: 'http2.Http2SecureServer that allows HTTP/1',
    make: (listener: RequestListener): NetServer =>
      http2.createSecureServer({ cert: certificate, key, allowHTTP1: true }, listener as never), // takes both kinds
    scheme: 'https',
  },
] as const

describe.each(OVER_HTTP1)('a whole $name, over HTTP/1.1', ({ make, scheme }) => {
  it('shows the client to the listener', async () => {
    const port = await listen(proxyFix(make(tell) as Server, OPTIONS))
    const headers = Object.entries(FORGED)
    const to = `${scheme}://127.0.0.1:${port}`
    const { body } = await ask({ to, target: '/cart?item=1', host: 'localhost', headers, certificate })
    expect(JSON.parse(body)).toEqual(CLIENT)
  })

  it('shows what is so when the proxy says nothing', async () => {
    const port = await listen(proxyFix(make(tell) as Server, OPTIONS))
    const { body } = await ask({ to: `${scheme}://127.0.0.1:${port}`, host: 'localhost', certificate })
    expect(JSON.parse(body)).toEqual({
      address: '127.0.0.1',
      connectionAddress: '127.0.0.1',
      encrypted: scheme === 'https',
      host: 'localhost',
      rawHost: 'localhost',
      url: `${scheme}://localhost/`,
    })
  })
})

const OVER_HTTP2 = [
  { name: 'http2.Http2Server', make: () => http2.createServer(), scheme: 'http' },
  {
    name: 'http2.Http2SecureServer',
    make: () => http2.createSecureServer({ cert: certificate, key }),
    scheme: 'https',
  },
  {
    name: 'http2.Http2SecureServer that allows HTTP/1',
    make: () => http2.createSecureServer({ cert: certificate, key, allowHTTP1: true }),
    scheme: 'https',
  },
] as const

describe.each(OVER_HTTP2)('a whole $name, over HTTP/2', ({ make, scheme }) => {
  /** A server that is wrapped before or after its listeners are there. */
  async function start(
    program: (server: http2.Http2Server | http2.Http2SecureServer) => void,
    options: ProxyFixOptions | undefined = OPTIONS,
    when: 'first' | 'last' | 'never' = 'last',
  ): Promise<ClientHttp2Session> {
    const server: http2.Http2Server | http2.Http2SecureServer = make()
    if (when === 'first') proxyFix(server, options)
    program(server)
    if (when === 'last') proxyFix(server, options)
    return h2Session(`${scheme}://localhost:${await listen(server)}`)
  }

  it.each(['first', 'last'] as const)('shows the client to the listener, wrapped %s', async (when) => {
    const session = await start((server) => void server.on('request', tell), OPTIONS, when)
    const { status, body } = await askH2(session, { ...FORGED, ':path': '/cart?item=1' })
    expect(status).toBe(200)
    expect(JSON.parse(body)).toEqual({
      ...CLIENT,
      authority: 'shop.example',
      scheme: 'https',
      pseudoHeaders: ['shop.example', 'https', '/cart?item=1'],
    })
  })

  it('tells a hundred streams of one session apart', async () => {
    const session = await start((server) => void server.on('request', tell))
    const numbers = Array.from({ length: 100 }, (_, number) => number)
    const answers = await Promise.all(
      numbers.map((number) =>
        askH2(session, {
          ':path': `/${number}`,
          'x-forwarded-for': `6.6.6.6, 203.0.113.${number}`,
          'x-forwarded-proto': number % 2 ? 'https' : 'http',
          'x-forwarded-host': `site-${number}.example`,
        }),
      ),
    )
    expect(answers.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
      numbers.map((number) =>
        expect.objectContaining({
          address: `203.0.113.${number}`,
          encrypted: number % 2 === 1,
          authority: `site-${number}.example`,
          url: `${number % 2 ? 'https' : 'http'}://site-${number}.example/${number}`,
        }),
      ),
    )
  })

  it('leaves the session and its socket as they are', async () => {
    const session = await start((server) => {
      server.on('request', (req: Http2ServerRequest, res: Http2ServerResponse) => {
        res.end(`${req.stream.session?.socket.remoteAddress} ${String(unwrapSocket(req.socket).remoteAddress)}`)
      })
    })
    await expect(askH2(session, FORGED)).resolves.toMatchObject({ body: '127.0.0.1 127.0.0.1' })
  })

  it.each(['first', 'last', 'never'] as const)(
    'answers expectations and CONNECT as Node does, wrapped %s',
    async (when) => {
      const bare = await start((server) => void server.on('request', (_req, res) => res.end('served')), OPTIONS, when)
      const expecting = { ':method': 'POST', expect: '100-continue' }
      await expect(askH2(bare, expecting, 'hello')).resolves.toEqual({
        status: 200,
        informational: [100],
        body: 'served',
      })
      await expect(askH2(bare, { expect: 'tea' })).resolves.toMatchObject({ status: 417 })
      const tunnel = bare.request({ ':method': 'CONNECT', ':authority': 'inside.example:443' })
      const [headers] = (await once(tunnel, 'response')) as [http2.IncomingHttpHeaders & { ':status'?: number }]
      expect(headers[':status']).toBe(405)
    },
  )

  it('shows the client to the listeners of checkContinue, checkExpectation and connect', async () => {
    const session = await start((server) => {
      const answer = (how: string) => (req: Http2ServerRequest, res: Http2ServerResponse) => {
        if (how === 'checkContinue') res.writeContinue()
        res.end(`${how} of ${req.socket.remoteAddress}`)
      }
      server.on('request', answer('request'))
      for (const event of ['checkContinue', 'checkExpectation', 'connect']) server.on(event, answer(event))
    })
    await expect(askH2(session, { ...FORGED, ':method': 'POST', expect: '100-continue' })).resolves.toEqual({
      status: 200,
      informational: [100],
      body: 'checkContinue of 203.0.113.7',
    })
    await expect(askH2(session, { ...FORGED, expect: 'tea' })).resolves.toMatchObject({
      body: 'checkExpectation of 203.0.113.7',
    })
    const tunnel = session.request({ ...FORGED, ':method': 'CONNECT', ':authority': 'inside.example:443' })
    let received = ''
    tunnel.setEncoding('utf8').on('data', (text: string) => (received += text))
    await once(tunnel, 'end')
    expect(received).toBe('connect of 203.0.113.7')
  })

  it.each([
    { event: 'request', headers: {} },
    { event: 'checkContinue', headers: { expect: '100-continue' } },
    { event: 'checkExpectation', headers: { expect: 'tea' } },
  ])('refuses what comes by $event, and serves the next one', async ({ event, headers }) => {
    const called: string[] = []
    const session = await start(
      (server) => {
        server.on(event, () => called.push(event))
        server.on('request', (_req, res) => res.end('served'))
      },
      { ...OPTIONS, required: ['for'] },
    )
    const refused = await askH2(session, headers)
    expect(refused).toMatchObject({ status: 400, informational: [] })
    expect(refused.body).toMatch(/^Bad request: .*\.\n$/)
    expect(called).toEqual([])
    const honest = await askH2(session, { 'x-forwarded-for': '203.0.113.7' })
    expect(honest).toEqual({ status: 200, informational: [], body: 'served' })
  })

  it('leaves listeners of the core API to read the stream as it came', async () => {
    const session = await start((server) => {
      server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
        stream.respond({ ':status': 200 })
        stream.end(headers['x-forwarded-for'])
      })
    })
    await expect(askH2(session, FORGED)).resolves.toMatchObject({ body: '6.6.6.6, 203.0.113.7' })
  })
})

describe('two clients pipelined on one connection to a whole server', () => {
  it('are told apart, when the second answer is ready first', async () => {
    const port = await listen(proxyFix(createServer(tell), OPTIONS))
    const from = (path: string, address: string): string =>
      requestText(path, [
        ['Host', 'internal.example'],
        ['X-Forwarded-For', address],
        ['X-Forwarded-Host', 'shop.example'],
      ])
    const responses = await pipeline(`http://127.0.0.1:${port}`, [from('/3', '203.0.113.1'), from('/0', '203.0.113.2')])
    expect(responses.map(({ body }) => (JSON.parse(body) as { address: string }).address)).toEqual([
      '203.0.113.1',
      '203.0.113.2',
    ])
  })
})

const LINES: readonly HeaderLine[] = Object.entries(FORGED)

/** Servers that a framework makes, or is put on. */
const FRAMEWORKS: readonly { name: string; start: () => Promise<number> }[] = [
  {
    name: 'Express by app.listen()',
    start: async () => {
      const app = express()
      app.get('/cart', (req, res) => res.json([req.ip, req.protocol, req.host]))
      const server = proxyFix(app.listen(0, '127.0.0.1'), OPTIONS)
      await once(server, 'listening')
      onTestFinished(() => void server.close())
      return (server.address() as AddressInfo).port
    },
  },
  {
    name: 'Koa, put on a server that is wrapped already',
    start: async () => {
      const app = new Koa({ proxy: false })
      app.use(async (ctx) => void (ctx.body = JSON.stringify([ctx.ip, ctx.protocol, ctx.host])))
      return await listen(proxyFix(createServer(), OPTIONS).on('request', app.callback()))
    },
  },
  {
    name: 'Fastify, whose server is wrapped when it listens',
    start: async () => {
      const app = fastify()
      app.get('/cart', (request) => [request.ip, request.protocol, request.host])
      await app.listen({ port: 0, host: '127.0.0.1' })
      proxyFix(app.server, OPTIONS)
      onTestFinished(() => app.close())
      return (app.server.address() as AddressInfo).port
    },
  },
  {
    name: 'Fastify, on a server that its factory wraps',
    start: async () => {
      const app = fastify({ serverFactory: (handler) => proxyFix(createServer(handler), OPTIONS) })
      app.get('/cart', (request) => [request.ip, request.protocol, request.host])
      await app.listen({ port: 0, host: '127.0.0.1' })
      onTestFinished(() => app.close())
      return (app.server.address() as AddressInfo).port
    },
  },
]

describe('a whole server of a framework', () => {
  it.each(FRAMEWORKS)('reports the client: $name', async ({ start }) => {
    const port = await start()
    const answer = await ask({ to: `http://127.0.0.1:${port}`, target: '/cart', host: 'internal', headers: LINES })
    expect(JSON.parse(answer.body)).toEqual(['203.0.113.7', 'https', 'shop.example'])
  })
})

describe('a library that replaces the listeners of a server', () => {
  it.each([
    { when: 'before', wrapAt: 0 },
    { when: 'after', wrapAt: 1 },
    { when: 'after, and again by a second one,', wrapAt: 1 },
  ])('finds every listener in its place when the server is wrapped $when', async ({ when, wrapAt }) => {
    const server = createServer(tell)
    if (wrapAt === 0) proxyFix(server, OPTIONS)
    expect(server.listeners('request')).toEqual([tell])
    const attach = (path: string): void => {
      const io = new SocketIo(server, { path })
      io.on('connection', (socket) => socket.emit('seen', [socket.handshake.address, socket.handshake.secure]))
      onTestFinished(async () => {
        await io.close()
      })
    }
    attach('/first')
    if (wrapAt === 1) proxyFix(server, OPTIONS)
    if (when.startsWith('after,')) attach('/second')
    expect(server.listenerCount('request')).toBe(1) // it has put one of its own in the place of all
    const url = `http://localhost:${await listen(server)}`

    for (const path of when.startsWith('after,') ? ['/first', '/second'] : ['/first']) {
      for (const transport of ['polling', 'websocket']) {
        const client = socketIoClient(url, { path, transports: [transport], extraHeaders: FORGED, forceNew: true })
        const seen = await new Promise((resolve, reject) => {
          client.once('seen', resolve)
          client.once('connect_error', reject)
        })
        client.close()
        expect(seen, `${path} by ${transport}`).toEqual(['203.0.113.7', true])
      }
    }
    const page = await ask({ to: url, target: '/cart?item=1', host: 'internal', headers: LINES })
    expect(JSON.parse(page.body)).toEqual(CLIENT)
  })
})
