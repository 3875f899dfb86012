/**
 * What proxyFix costs a connection: nothing that can be observed. Programs that destroy, abort, time out, leave bodies
 * unread, wait for 100 Continue, upload, send trailers or reset streams are run as they are, with their listener wrapped
 * and with their server wrapped, and all three must tell the same story. Then what is left in memory afterwards, and
 * what becomes of libraries that know a connection by its socket.
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { connect, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'
import { finished } from 'node:stream'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import stoppable, { type StoppableServer } from 'stoppable'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { requestContext } from '../../src/context/index.ts'
import { proxyFix, type ProxyFixOptions, unwrapSocket } from '../../src/index.ts'
import { selfSignedCertificate } from './certificate.ts'
import { root } from './paths.ts'

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }

/** The lines of a head that proxyFix has something to do with. */
const FORWARDED = [
  'Host: internal.example',
  'X-Forwarded-For: 6.6.6.6, 203.0.113.7:4711',
  'X-Forwarded-Proto: https',
  'X-Forwarded-Host: shop.example',
  'X-Forwarded-Prefix: /shop',
  'X-Real-IP: 6.6.6.6',
].join('\r\n')

/** What a program has at hand. */
interface Tools {
  /** What happened, in order. */
  readonly story: string[]
  /** Starts a server; what it gives opens a connection to it and sends something. */
  start(listener: RequestListener, prepare?: (server: Server) => void): Promise<(text?: string | Buffer) => Socket>
  /** Notes these events in the story. */
  note(name: string, emitter: NodeJS.EventEmitter | null, ...events: string[]): void
  /** Resolves when the story has these lines. */
  told(...lines: readonly string[]): Promise<void>
}

type Program = (tools: Tools) => Promise<unknown>

type MakeServer = (listener: RequestListener) => Server

const BARE: MakeServer = (listener) => createServer(listener)

const WRAPPED: readonly { way: string; make: MakeServer }[] = [
  { way: 'a wrapped listener', make: (listener) => createServer(proxyFix(listener, OPTIONS)) },
  { way: 'a wrapped server', make: (listener) => proxyFix(createServer(listener), OPTIONS) },
  { way: 'a listener in a request context', make: (listener) => createServer(requestContext(listener)) },
  { way: 'a server with request contexts', make: (listener) => requestContext(createServer(listener)) },
]

/** Runs a program to its end, and gives its story. */
async function storyOf(program: Program, make: MakeServer): Promise<string[]> {
  const story: string[] = []
  const servers: Server[] = []
  const clients: Socket[] = []
  const warn = (warning: Error): void => void story.push(`warning: ${warning.message}`)
  process.on('warning', warn)
  try {
    await program({
      story,
      async start(listener, prepare) {
        const server = make(listener)
        prepare?.(server)
        servers.push(server)
        const port = await listen(server)
        return (text) => {
          const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
          socket.on('error', () => {})
          clients.push(socket)
          if (text !== undefined) socket.write(text)
          return socket
        }
      },
      note(name, emitter, ...events) {
        for (const event of events) {
          emitter?.on(event, (error?: NodeJS.ErrnoException) => {
            story.push(`${name} ${event}${error instanceof Error ? `: ${error.code ?? error.message}` : ''}`)
          })
        }
      },
      async told(...lines) {
        while (!lines.every((line) => story.includes(line))) await turn()
      },
    })
  } finally {
    for (const socket of clients) socket.destroy()
    for (const server of servers) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
    await turn() // a warning comes on a tick of its own
    process.off('warning', warn)
  }
  return story
}

async function listen(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port // as it does not listen on a pipe
}

/** A request as it goes over the wire; the connection stays open after it. */
function head(requestLine: string, ...lines: readonly string[]): string {
  return [requestLine, FORWARDED, ...lines, '', ''].join('\r\n')
}

/** The next so many responses on a connection, which have a Content-Length each; without the time of day. */
async function responses(socket: Socket, count: number): Promise<string[]> {
  let text = ''
  const found: string[] = []
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    text += chunk.toString('latin1')
    for (let match; (match = /^HTTP\/1\.1 ([^]*?)\r\n\r\n/.exec(text)) !== null;) {
      const [whole, kept = ''] = match
      const length = Number(/^content-length: (\d+)/im.exec(kept)?.[1] ?? 0)
      if (text.length < whole.length + length) break
      found.push(`${kept.replace(/\r\nDate: .*/i, '')} ${text.slice(whole.length, whole.length + length)}`)
      text = text.slice(whole.length + length)
    }
    if (found.length >= count) return found
  }
}

/** All that comes over a connection until the server ends it, without the time of day. */
async function rest(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  if (!socket.readableEnded && !socket.destroyed) await Promise.race([once(socket, 'end'), once(socket, 'close')])
  return text.replaceAll(/^Date: .*\r\n/gim, '')
}

/** How many listeners each event of a socket has. */
function listenersOn(socket: Socket): string {
  const counts = socket.eventNames().map((event) => `${String(event)} ${socket.listenerCount(event)}`)
  return counts.toSorted().join(', ')
}

/** Programs, and what each tells among other things. */
const PROGRAMS: readonly { what: string; program: Program; tells: readonly string[] }[] = [
  {
    what: 'three hundred requests on one connection: listeners do not gather on it',
    async program({ story, start }) {
      let real: Socket | undefined
      const client = (
        await start(
          (req, res) => {
            req.resume()
            req.on('end', () => res.end('served'))
          },
          (server) => server.on('connection', (socket: Socket) => (real = socket)),
        )
      )()
      const counts: string[] = []
      for (let round = 0; round < 300; round++) {
        client.write(`${head('POST / HTTP/1.1', 'Content-Length: 5')}hello`)
        await responses(client, 1)
        counts.push(listenersOn(real!))
      }
      story.push(counts[0]!, counts[299]!, `kinds of counts: ${new Set(counts).size}`)
    },
    tells: ['kinds of counts: 1'],
  },
  {
    what: 'a handler that destroys its request',
    async program({ story, start, note, told }) {
      const connection = await start((req, res) => {
        note('req', req, 'aborted', 'error', 'end', 'close')
        note('res', res, 'error', 'finish', 'close')
        note('socket', unwrapSocket(req.socket), 'error', 'close')
        story.push(`returns itself: ${req.destroy() === req}`)
        story.push(`destroyed: ${req.destroyed} ${req.socket.destroyed} ${res.socket?.destroyed}`)
      })
      const client = connection(`${head('POST / HTTP/1.1', 'Content-Length: 10')}hello`)
      const text = await rest(client)
      await told('req close', 'res close', 'socket close')
      story.push(`client got '${text}'`)
    },
    tells: ['returns itself: true', 'destroyed: true true true', 'req close', "client got ''"],
  },
  {
    what: 'a handler that destroys its request with an error',
    async program({ story, start, note, told }) {
      const connection = await start((req, res) => {
        note('req', req, 'aborted', 'error', 'end', 'close')
        note('res', res, 'error', 'finish', 'close')
        note('socket', unwrapSocket(req.socket), 'error', 'close')
        req.destroy(new Error('enough'))
      })
      const client = connection(`${head('POST / HTTP/1.1', 'Content-Length: 10')}hello`)
      await rest(client)
      await told('req close', 'res close', 'socket close')
      story.push(`client: ${client.destroyed}`)
    },
    tells: ['req error: enough', 'req close', 'res close', 'socket close'],
  },
  {
    what: 'a handler that destroys its socket, and one that ends it',
    async program({ story, start, note, told }) {
      const connection = await start((req, res) => {
        note(`req ${req.url}`, req, 'aborted', 'error', 'close')
        note(`res ${req.url}`, res, 'error', 'close')
        if (req.url === '/destroy') req.socket.destroy()
        else req.socket.end('raw')
      })
      const destroyed = await rest(connection(head('GET /destroy HTTP/1.1')))
      await told('res /destroy close')
      const ended = connection(head('GET /end HTTP/1.1'))
      const text = await rest(ended)
      ended.end()
      await told('res /end close')
      story.push(`client got '${destroyed}' and '${text}'`)
    },
    tells: ["client got '' and 'raw'"],
  },
  {
    what: 'a client that goes away in the middle of its body',
    async program({ story, start, note, told }) {
      const connection = await start((req, res) => {
        note('req', req, 'aborted', 'error', 'end', 'close')
        note('res', res, 'error', 'finish', 'close')
        note('socket', unwrapSocket(req.socket), 'close')
        finished(req, (error) => story.push(`finished(req): ${error?.code}`))
        finished(res, (error) => story.push(`finished(res): ${error?.code}`))
        finished(req.socket, (error) => story.push(`finished(req.socket): ${error?.code}`))
        req.on('data', (chunk: Buffer) => story.push(`data ${String(chunk)}`))
        req.on('close', () => story.push(`flags: ${req.aborted} ${req.complete} ${req.destroyed} ${req.readableEnded}`))
      })
      const client = connection(`${head('POST / HTTP/1.1', 'Content-Length: 10')}hello`)
      await told('data hello')
      client.resetAndDestroy()
      await told('req close', 'res close', 'socket close')
      await turn()
    },
    tells: ['data hello', 'req aborted', 'req error: ECONNRESET', 'req close', 'flags: true false true false'],
  },
  {
    what: 'a client that goes away while it waits for the answer',
    async program({ story, start, note, told }) {
      const connection = await start((req, res) => {
        note('req', req, 'aborted', 'error', 'close')
        note('res', res, 'error', 'finish', 'close')
        const signal: unknown = Reflect.get(req, 'signal') // newer Nodes have one
        if (signal instanceof AbortSignal) signal.addEventListener('abort', () => story.push('req.signal aborted'))
        res.write('begun')
      })
      const client = connection(head('GET / HTTP/1.1'))
      await once(client, 'data')
      client.destroy()
      await told('req close', 'res close')
      await turn()
    },
    tells: ['res close'],
  },
  {
    what: 'a client that ends its side and still gets the answer',
    async program({ story, start }) {
      const connection = await start(async (_req, res) => {
        await turn()
        res.end('served')
      })
      const client = connection()
      client.end(head('GET / HTTP/1.1'))
      story.push(await rest(client))
    },
    tells: [expect.stringMatching(/^HTTP\/1\.1 200 OK\r\n[^]*served$/) as string],
  },
  {
    what: 'timeouts of requests, responses, sockets and servers',
    async program({ story, start, told }) {
      const connection = await start(
        (req, res) => {
          const late = (what: string) => () => {
            story.push(what)
            res.writeHead(503).end('late')
          }
          if (req.url === '/request')
            story.push(`returns itself: ${req.setTimeout(20, late('request timed out')) === req}`)
          if (req.url === '/response') res.setTimeout(20, late('response timed out'))
          if (req.url === '/socket')
            story.push(`returns itself: ${req.socket.setTimeout(20, late('socket timed out')) === req.socket}`)
          if (req.url === '/event') req.setTimeout(20).on('timeout', late('timeout event'))
        },
        (server) => server.on('clientError', () => {}),
      )
      for (const path of ['/request', '/response', '/socket', '/event']) {
        const client = connection(head(`POST ${path} HTTP/1.1`, 'Connection: close', 'Content-Length: 5'))
        story.push(await rest(client))
        client.end()
      }
      const silent = await start(
        () => {},
        (server) => {
          server.setTimeout(20)
          server.on('timeout', (socket: Socket) => {
            story.push(`server timed out: ${socket === unwrapSocket(socket)} ${socket.remoteAddress}`)
            socket.destroy()
          })
        },
      )
      await rest(silent(head('GET / HTTP/1.1')))
      await told('server timed out: true 127.0.0.1')
    },
    tells: ['request timed out', 'response timed out', 'socket timed out', 'timeout event'],
  },
  {
    what: 'bodies that nobody reads, on a connection that is kept alive',
    async program({ story, start }) {
      const client = (
        await start((req, res) => {
          res.end(`${req.method} ${req.url}`)
        })
      )()
      for (let round = 0; round < 5; round++) {
        client.write(head(`POST /unread/${round} HTTP/1.1`, 'Content-Length: 300000'))
        client.write(Buffer.alloc(300_000))
        story.push(...(await responses(client, 1)))
        client.write(head(`GET /next/${round} HTTP/1.1`))
        story.push(...(await responses(client, 1)))
      }
    },
    tells: [expect.stringMatching(/^200 OK\r\n[^]* POST \/unread\/0$/) as string],
  },
  {
    what: 'Expect: 100-continue, from a client that waits for it',
    async program({ story, start }) {
      let port = 0
      await start(
        (req, res) => {
          let length = 0
          req.on('data', (chunk: Buffer) => (length += chunk.length))
          req.on('end', () => res.end(`${length} bytes of ${req.method}`))
        },
        (server) => server.on('listening', () => ({ port } = server.address() as AddressInfo)),
      )
      const headers = { expect: '100-continue', 'x-forwarded-for': '203.0.113.7', 'content-length': 100_000 }
      const sent = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers, agent: false })
      sent.on('continue', () => {
        story.push('continue')
        sent.end(Buffer.alloc(100_000))
      })
      sent.flushHeaders()
      const [res] = (await once(sent, 'response')) as [NodeJS.ReadableStream]
      for await (const text of res.setEncoding('utf8')) story.push(String(text))
    },
    tells: ['continue', '100000 bytes of POST'],
  },
  {
    what: 'an upload of 20 MB that is not read at first: it waits outside, and arrives whole',
    async program({ story, start, told }) {
      const size = 20_000_000
      const body = Buffer.alloc(size, 'proxyfix')
      const connection = await start(async (req, res) => {
        const real = unwrapSocket(req.socket)
        // Until nothing moves any more: what has come in by then is what was not held back.
        for (let before = -1, idle = 0; idle < 200; idle = real.bytesRead === before ? idle + 1 : 0) {
          before = real.bytesRead
          await turn()
        }
        story.push(`held back: ${real.bytesRead < size / 2} ${req.socket.bytesRead === real.bytesRead}`)
        const hash = createHash('sha256')
        let length = 0
        for await (const chunk of req as AsyncIterable<Buffer>) {
          hash.update(chunk)
          length += chunk.length
          if (length % 7 === 0) await turn()
        }
        story.push(`read ${length} bytes: ${hash.digest('hex') === createHash('sha256').update(body).digest('hex')}`)
        res.end('served')
      })
      const client = connection(head('POST / HTTP/1.1', `Content-Length: ${size}`))
      client.write(body, () => story.push('sent'))
      story.push(...(await responses(client, 1)))
      await told('sent')
    },
    tells: ['held back: true true', 'read 20000000 bytes: true'],
  },
  {
    what: 'an upload that is paused, resumed and piped back',
    async program({ story, start }) {
      const connection = await start((req, res) => {
        req.pause()
        story.push(`paused: ${req.isPaused()}`)
        setImmediate(() => req.pipe(res))
      })
      const client = connection(head('POST / HTTP/1.0', 'Content-Length: 3000000'))
      client.write(Buffer.alloc(3_000_000, 'x'))
      const text = await rest(client)
      story.push(`echoed: ${text.endsWith(`\r\n\r\n${'x'.repeat(3_000_000)}`)}`)
    },
    tells: ['paused: true', 'echoed: true'],
  },
  {
    what: 'trailers, which are no headers whatever they are called',
    async program({ story, start }) {
      const connection = await start(async (req, res) => {
        for await (const chunk of req as AsyncIterable<Buffer>) story.push(`body ${String(chunk)}`)
        story.push(JSON.stringify([req.trailers, req.rawTrailers, req.trailersDistinct]))
        story.push(`hash among headers: ${'x-hash' in req.headers}`)
        res.writeHead(200, { trailer: 'x-sum' })
        res.write('served')
        res.addTrailers({ 'x-sum': '7' })
        res.end()
      })
      const lines = ['Transfer-Encoding: chunked', 'Trailer: X-Hash', 'Connection: close']
      const trailers = 'X-Hash: abc\r\nX-Hash: def\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n'
      story.push(await rest(connection(`${head('POST / HTTP/1.1', ...lines)}5\r\nhello\r\n0\r\n${trailers}`)))
    },
    tells: [
      'body hello',
      'hash among headers: false',
      expect.stringMatching(/6\r\nserved\r\n0\r\nx-sum: 7\r\n\r\n$/) as string,
    ],
  },
  {
    what: 'twelve pipelined requests, answered in the wrong order',
    async program({ story, start, note, told }) {
      const waiting: (() => void)[] = []
      const connection = await start((req, res) => {
        note(`res ${req.url}`, res, 'finish')
        req.resume()
        waiting.push(() => res.end(`answer to ${req.url}`))
        if (waiting.length === 12) for (const answer of waiting.toReversed()) answer()
      })
      const requests = Array.from({ length: 12 }, (_, index) =>
        index % 3 === 0
          ? `${head(`POST /${index} HTTP/1.1`, 'Content-Length: 5')}hello`
          : head(`GET /${index} HTTP/1.1`),
      )
      const client = connection(requests.join(''))
      story.push(...(await responses(client, 12)))
      await told('res /11 finish')
    },
    tells: ['res /0 finish', 'res /11 finish', expect.stringMatching(/ answer to \/11$/) as string],
  },
  {
    what: 'more requests than a connection may carry',
    async program({ story, start }) {
      const connection = await start(
        (req, res) => res.end(`served ${req.url}`),
        (server) => {
          server.maxRequestsPerSocket = 2
          server.on('dropRequest', (req: { url: string }) => story.push(`dropped ${req.url}`))
        },
      )
      const client = connection(['/1', '/2', '/3'].map((path) => head(`GET ${path} HTTP/1.1`)).join(''))
      story.push(...(await responses(client, 3)))
    },
    tells: ['dropped /3'],
  },
  {
    what: 'a body that is no HTTP in the middle',
    async program({ story, start, note, told }) {
      const connection = await start(
        (req, res) => {
          note('req', req, 'aborted', 'error', 'end', 'close')
          note('res', res, 'error', 'finish', 'close')
          req.on('data', (chunk: Buffer) => story.push(`data ${String(chunk)}`))
        },
        (server) => {
          server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
            story.push(`clientError ${error.code} of ${(socket as Socket).remoteAddress}`)
            socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
          })
        },
      )
      const client = connection(`${head('POST / HTTP/1.1', 'Transfer-Encoding: chunked')}5\r\nhello\r\nnonsense\r\n`)
      const text = await rest(client)
      client.end()
      await told('req close')
      story.push(text)
    },
    tells: ['data hello', 'clientError HPE_INVALID_CHUNK_SIZE of 127.0.0.1'],
  },
  {
    what: 'an upgrade and a CONNECT: what is on the socket that is handed over',
    async program({ story, start }) {
      const take =
        (what: string) =>
        (_req: unknown, socket: Socket): void => {
          story.push(`${what}: ${listenersOn(socket)} ${socket.isPaused()} ${socket.timeout} ${socket.allowHalfOpen}`)
          socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${what}`)
        }
      const connection = await start(
        (_req, res) => res.end('served'),
        (server) => server.on('upgrade', take('upgrade')).on('connect', take('connect')),
      )
      const client = connection(head('GET / HTTP/1.1'))
      story.push(...(await responses(client, 1)))
      client.write(head('GET /ws HTTP/1.1', 'Connection: Upgrade', 'Upgrade: echo'))
      story.push(await rest(client))
      story.push(await rest(connection(head('CONNECT inside.example:443 HTTP/1.1'))))
    },
    tells: ['HTTP/1.1 101 Switching Protocols\r\n\r\nupgrade', 'HTTP/1.1 101 Switching Protocols\r\n\r\nconnect'],
  },
  {
    what: 'stream.finished on the socket of a request',
    async program({ story, start, told }) {
      const connection = await start((req, res) => {
        const before = listenersOn(unwrapSocket(req.socket))
        const forget = finished(req.socket, () => story.push('never told'))
        story.push(`listens: ${listenersOn(unwrapSocket(req.socket)) !== before}`)
        forget()
        story.push(`forgets: ${listenersOn(unwrapSocket(req.socket)) === before}`)
        finished(req.socket, (error) => story.push(`code: ${error?.code}`, 'socket finished'))
        res.end('served')
      })
      const client = connection(head('GET / HTTP/1.1', 'Connection: close'))
      story.push(await rest(client))
      client.end()
      await told('socket finished')
    },
    tells: ['listens: true', 'forgets: true', 'socket finished'],
  },
  {
    what: 'a server that closes: idle connections go, answers under way arrive',
    async program({ story, start, told }) {
      let stop = (): void => {}
      let release = (): void => {}
      const connection = await start(
        async (req, res) => {
          story.push(`asked ${req.url}`)
          if (req.url === '/slow') await new Promise<void>((resolve) => (release = resolve))
          res.end('served')
        },
        (server) => {
          stop = () => {
            server.close()
            server.closeIdleConnections()
          }
        },
      )
      const idle = connection(head('GET / HTTP/1.1'))
      await responses(idle, 1)
      const busy = connection(head('GET / HTTP/1.1'))
      await responses(busy, 1)
      busy.write(head('GET /slow HTTP/1.1'))
      await told('asked /slow')
      stop()
      story.push(`idle: '${await rest(idle)}'`)
      release()
      story.push(...(await responses(busy, 1)))
    },
    tells: ["idle: ''", expect.stringMatching(/^200 OK\r\n[^]* served$/) as string],
  },
]

describe.each(WRAPPED)('$way', ({ make }) => {
  it.each(PROGRAMS)('changes nothing about $what', async ({ program, tells }) => {
    const expected = await storyOf(program, BARE)
    expect(expected).toEqual(expect.arrayContaining([...tells]))
    expect(await storyOf(program, make)).toEqual(expected)
  })
})

type Http2Listener = (req: Http2ServerRequest, res: Http2ServerResponse) => void

const HTTP2_WAYS: readonly { way: string; make: (listener: Http2Listener) => http2.Http2Server }[] = [
  { way: 'a wrapped listener', make: (listener) => http2.createServer(proxyFix(listener, OPTIONS)) },
  { way: 'a wrapped server', make: (listener) => proxyFix(http2.createServer(listener), OPTIONS) },
]

/** Runs a client and a server over one session of HTTP/2, and tells what happened on the server. */
async function storyOfResets(make: (listener: Http2Listener) => http2.Http2Server): Promise<string[]> {
  const story: string[] = []
  const told = async (line: string): Promise<void> => {
    while (!story.includes(line)) await turn()
  }
  let real: Socket | undefined
  const server = make((req, res) => {
    const { url } = req
    const tell = (what: string) => (error?: NodeJS.ErrnoException) =>
      void story.push(`${url} ${what}${error instanceof Error ? `: ${error.code}` : ''}`)
    for (const event of ['aborted', 'error', 'end', 'close']) req.on(event, tell(`req ${event}`))
    for (const event of ['error', 'finish', 'close']) res.on(event, tell(`res ${event}`))
    // What is left of a stream that is gone tells nothing of the client, and must not throw.
    res.on('close', () => story.push(`${url} after: ${typeof req.socket} ${req.socket.destroyed} ${req.destroyed}`))
    req.on('data', tell('req data'))
    if (url === '/destroyed') req.destroy()
    if (url === '/closed') res.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM)
    if (url === '/timeout') req.setTimeout(20, () => res.stream.close())
    if (url?.startsWith('/served')) {
      req.resume()
      req.on('end', () => res.end(`served ${url}`))
    }
  })
  server.on('connection', (socket: Socket) => (real = socket))
  const session = http2.connect(`http://127.0.0.1:${await listen(server)}`)
  try {
    const send = (path: string, text?: string): http2.ClientHttp2Stream => {
      const headers = { ':path': path, ':method': 'POST', 'x-forwarded-for': '6.6.6.6, 203.0.113.7' }
      const stream = session.request(headers, { endStream: false })
      stream.on('error', () => {})
      if (text !== undefined) stream.write(text)
      return stream
    }
    const served = async (path: string): Promise<void> => {
      const stream = send(path).setEncoding('utf8').end('hello')
      let text = ''
      stream.on('data', (chunk: string) => (text += chunk))
      await once(stream, 'close')
      story.push(text)
    }

    await served('/served/first')
    const before = listenersOn(real!)
    for (const path of ['/cancelled', '/destroyed', '/closed', '/timeout']) {
      const stream = send(path, 'hello')
      if (path === '/cancelled') {
        await told('/cancelled req data')
        stream.close(http2.constants.NGHTTP2_CANCEL)
      }
      if (path === '/destroyed') {
        await told('/destroyed req close') // which leaves the stream to the response
        stream.close(http2.constants.NGHTTP2_NO_ERROR)
      }
      await told(`${path} res close`)
    }
    // Many at once, each reset at once, as an attacker does (CVE-2023-44487).
    const many = Array.from({ length: 40 }, (_, index) => send(`/many/${index}`))
    for (const stream of many) {
      stream.close(http2.constants.NGHTTP2_CANCEL)
      if (!stream.destroyed) await once(stream, 'close')
    }
    await served('/served/last')
    story.push(`listeners gathered: ${listenersOn(real!) !== before}`)
  } finally {
    session.destroy()
    await new Promise<void>((resolve) => void server.close(() => resolve()))
  }
  return story.filter((line) => !line.startsWith('/many/'))
}

describe.each(HTTP2_WAYS)('$way over HTTP/2', ({ make }) => {
  it('changes nothing about streams that are reset, destroyed, closed or timed out', async () => {
    const expected = await storyOfResets((listener) => http2.createServer(listener))
    expect(expected).toEqual(
      expect.arrayContaining(['/cancelled req aborted', '/destroyed res close', 'served /served/last']),
    )
    expect(expected).toContain('listeners gathered: false')
    expect(await storyOfResets(make)).toEqual(expected)
  })
})

/** Serves requests, collects garbage, and counts what is left: of `req.socket`, of requests, and of real sockets. */
const COUNT_WHAT_IS_LEFT = `
  import { once } from 'node:events'
  import { Agent, createServer, request } from 'node:http'
  import { setTimeout as wait } from 'node:timers/promises'
  import { proxyFix, unwrapSocket } from 'proxyfix'

  const options = { xFor: 1, xProto: 1, xHost: 1 }
  const ways = {
    'a wrapped listener': (listener) => createServer(proxyFix(listener, options)),
    'a wrapped server': (listener) => proxyFix(createServer(listener), options),
  }
  const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-host': 'shop.example' }

  async function alive(refs) {
    for (let round = 0; round < 10; round++) {
      await wait(1)
      gc()
    }
    return new Set(refs.map((ref) => ref.deref()).filter((value) => value !== undefined)).size
  }

  async function ask(port, agent) {
    const sent = request({ port, host: '127.0.0.1', agent, headers, method: 'POST' }).end('hello')
    const [res] = await once(sent, 'response')
    res.resume()
    await once(res, 'end')
  }

  const report = {}
  for (const [way, make] of Object.entries(ways)) {
    const shown = [], requests = [], real = []
    const server = make((req, res) => {
      shown.push(new WeakRef(req.socket))
      requests.push(new WeakRef(req))
      real.push(new WeakRef(unwrapSocket(req.socket)))
      req.on('end', () => res.end(req.socket.remoteAddress)).resume()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address()
    const count = async () => ({ shown: await alive(shown), requests: await alive(requests), real: await alive(real) })

    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let round = 0; round < 300; round++) await ask(port, agent)
    const whileOpen = await count()
    agent.destroy()
    for (let round = 0; round < 100; round++) await ask(port, false)
    while ((await new Promise((resolve) => server.getConnections((_, left) => resolve(left)))) > 0) await wait(1)
    report[way] = { whileOpen, afterwards: await count() }
    server.close()
  }
  console.log(JSON.stringify(report))`

describe('memory', () => {
  it('holds no view and no request longer than the request, and no socket longer than the connection', async () => {
    const args = ['--expose-gc', '--input-type=module', '--eval', COUNT_WHAT_IS_LEFT]
    // From the root of the package, where 'proxyfix' is found under its own name.
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(child, 'close')
    const left = {
      whileOpen: { shown: 0, requests: 0, real: 1 },
      afterwards: { shown: 0, requests: 0, real: 0 },
    }
    expect(JSON.parse(output)).toEqual({ 'a wrapped listener': left, 'a wrapped server': left })
  })
})

const { certificate, key } = selfSignedCertificate('localhost')

const LINKS = [
  { link: 'http', makeServer: (listener?: RequestListener) => createServer(listener) },
  {
    link: 'https',
    makeServer: (listener?: RequestListener): Server => createSecureServer({ cert: certificate, key }, listener),
  },
] as const

/** What docs/sockets.md says to do right after `stoppable(server)`. */
function countByRealSockets(server: StoppableServer): StoppableServer {
  const count = server.listeners('request').at(-1) as (req: { socket: Socket }, res: unknown) => void // stoppable's own
  server.off('request', count)
  server.on('request', (req, res) => count({ socket: unwrapSocket(req.socket) }, res))
  return server
}

type MakeEmpty = (listener?: RequestListener) => Server

/** The ways to have both proxyFix and stoppable, and what becomes of an answer that is under way when the server stops. */
const STOPPING: readonly {
  way: string
  make: (makeServer: MakeEmpty, app: RequestListener) => StoppableServer
  outcome: { answer: string; isGraceful: boolean; entries: number }
}[] = [
  {
    way: 'stoppable alone',
    make: (makeServer, app) => stoppable(makeServer(app), 300),
    outcome: { answer: '127.0.0.1', isGraceful: true, entries: 1 },
  },
  {
    way: 'a wrapped listener: the answer is cut off',
    make: (makeServer, app) => stoppable(makeServer(proxyFix(app, OPTIONS)), 300),
    outcome: { answer: '', isGraceful: true, entries: 4 },
  },
  {
    way: 'a wrapped listener that comes second: the grace period runs out',
    make: (makeServer, app) => stoppable(makeServer(), 300).on('request', proxyFix(app, OPTIONS)),
    outcome: { answer: '203.0.113.7', isGraceful: false, entries: 4 },
  },
  {
    way: 'a wrapped server: the answer is cut off',
    make: (makeServer, app) => stoppable(proxyFix(makeServer(app), OPTIONS), 300),
    outcome: { answer: '', isGraceful: true, entries: 4 },
  },
  {
    way: 'a server that is wrapped second: the answer is cut off',
    make: (makeServer, app) => proxyFix(stoppable(makeServer(app), 300), OPTIONS),
    outcome: { answer: '', isGraceful: true, entries: 4 },
  },
  {
    way: 'a wrapped listener, and real sockets for stoppable',
    make: (makeServer, app) => countByRealSockets(stoppable(makeServer(proxyFix(app, OPTIONS)), 300)),
    outcome: { answer: '203.0.113.7', isGraceful: true, entries: 1 },
  },
  {
    way: 'a wrapped server, and real sockets for stoppable',
    make: (makeServer, app) => countByRealSockets(stoppable(proxyFix(makeServer(app), OPTIONS), 300)),
    outcome: { answer: '203.0.113.7', isGraceful: true, entries: 1 },
  },
  {
    way: 'a server that is wrapped second, and real sockets for stoppable',
    make: (makeServer, app) => proxyFix(countByRealSockets(stoppable(makeServer(app), 300)), OPTIONS),
    outcome: { answer: '203.0.113.7', isGraceful: true, entries: 1 },
  },
  {
    way: 'a wrapped listener with socket: false',
    make: (makeServer, app) => stoppable(makeServer(proxyFix(app, { ...OPTIONS, socket: false })), 300),
    outcome: { answer: '127.0.0.1', isGraceful: true, entries: 1 },
  },
  {
    way: 'a wrapped server with socket: false',
    make: (makeServer, app) => stoppable(proxyFix(makeServer(app), { ...OPTIONS, socket: false }), 300),
    outcome: { answer: '127.0.0.1', isGraceful: true, entries: 1 },
  },
]

describe.each(LINKS)('stoppable on $link', ({ link, makeServer }) => {
  it.each(STOPPING)('with $way', async ({ make, outcome }) => {
    let asked = (): void => {}
    let release = (): void => {}
    const server = make(makeServer, async (req, res) => {
      if (req.url === '/slow') {
        asked()
        await new Promise<void>((resolve) => (release = resolve))
      }
      res.end(req.socket.remoteAddress)
    })
    const port = await listen(server)
    const client =
      link === 'http'
        ? connect(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: certificate })
    client.on('error', () => {})
    for (let round = 0; round < 3; round++) {
      client.write(head('GET / HTTP/1.1'))
      await responses(client, 1)
    }
    const entries = (Reflect.get(server, '_pendingSockets') as Map<unknown, number>).size
    const slow = new Promise<void>((resolve) => (asked = resolve))
    client.write(head('GET /slow HTTP/1.1'))
    await slow
    const text = rest(client)
    const closed = once(client, 'close')
    const stopped = new Promise((resolve) => server.stop((_error, isGraceful) => resolve(isGraceful)))
    // Until stoppable has ended what it takes for idle, if it does; it begins on the next turn.
    for (let turns = 0; turns < 20; turns++) await turn()
    release()
    const isGraceful = await stopped
    const answer = bodyOf(await text)
    client.destroy()
    await closed
    expect({ answer, isGraceful, entries }).toEqual(outcome)
  })
})

function bodyOf(text: string): string {
  return text.split('\r\n\r\n')[1] ?? ''
}

/** The programs of docs/sockets.md: each begins with its imports. */
const page = readFileSync(`${root}/docs/sockets.md`, 'utf8')
const shown = [...page.matchAll(/^```js\n(import [^]*?)^```$/gm)].map(([, code = '']) => code)

/** An app that has an answer under way when it is told to stop. */
const SLOW_APP = `
  export function app(req, res) {
    const answer = () => res.end(\`\${req.url} of \${req.socket.remoteAddress}\`)
    if (req.url !== '/slow') return answer()
    res.write('asked, ')
    process.once('SIGTERM', () => setTimeout(answer, 50))
  }`

/** A program that does not know of proxyfix. */
const UNEDITED = `
  import { createServer } from 'node:http'
  import stoppable from 'stoppable'
  import { app } from './app.js'

  const server = stoppable(createServer(app), 10_000).listen(8000, '127.0.0.1')
  process.once('SIGTERM', () => server.stop())`

describe('the programs of docs/sockets.md', () => {
  // Inside the package, so that 'proxyfix' is found under its own name.
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(`${root}/test/.sockets-`)
    writeFileSync(`${folder}/app.js`, SLOW_APP)
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** Starts a program, and gives it and a way to ask it, always over the same connection. */
  async function start(code: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    const port = await freePort()
    const file = `${folder}/server-${port}.js`
    writeFileSync(file, code.replace('8000', String(port)))
    const child = spawn(process.execPath, [...args, file], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => {
      agent.destroy()
      child.kill('SIGKILL')
    })
    const ask = async (path: string): Promise<IncomingMessage> => {
      const headers = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-proto': 'http, https' }
      for (;;) {
        try {
          const [res] = await once(httpRequest({ port, host: '127.0.0.1', path, headers, agent }).end(), 'response')
          return (res as IncomingMessage).setEncoding('utf8')
        } catch (error) {
          if (child.exitCode !== null) throw error
          await wait(50) // it does not listen yet
        }
      }
    }
    return { child, ask }
  }

  /** Stops a program in the middle of an answer: what comes of it, and how the program ended. */
  async function stopInTheMiddle({ child, ask }: Awaited<ReturnType<typeof start>>): Promise<string[]> {
    const answers = [await textOf(await ask('/fast'))]
    const res = await ask('/slow')
    const [begun] = (await once(res, 'data')) as [string]
    const ended = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
    child.kill('SIGTERM')
    const ending = await textOf(res).catch((error: Error) => error.message)
    const [code, signal] = await ended
    return [...answers, begun + ending, `ended by ${signal ?? code}`]
  }

  it('are three: stoppable, terminus, socket: false', () => {
    const told = shown.map((code) => /import .* from '(stoppable|@godaddy\/terminus|express)'/.exec(code)?.[1])
    expect(told).toEqual(['stoppable', '@godaddy/terminus', 'express'])
  })

  it('with stoppable finish the answers under way', async () => {
    expect(await stopInTheMiddle(await start(shown[0]!))).toEqual([
      '/fast of 203.0.113.7',
      'asked, /slow of 203.0.113.7',
      'ended by 0',
    ])
  })

  it.each([
    { wrapped: 'server', replace: '' },
    { wrapped: 'listener', replace: 'createServer(proxyFix(app, { xFor: 1, xProto: 1 }))' },
  ])(
    'with terminus and a wrapped $wrapped finish the answers under way, and answer the health check',
    async ({ replace }) => {
      const asShown = 'proxyFix(createServer(app), { xFor: 1, xProto: 1 })'
      expect(shown[1]).toContain(asShown)
      const program = await start(shown[1]!.replace(asShown, replace || asShown))
      await expect(ask200(program.ask('/healthz'))).resolves.toBe('{"status":"ok"}')
      expect(await stopInTheMiddle(program)).toEqual([
        '/fast of 203.0.113.7',
        'asked, /slow of 203.0.113.7',
        'ended by SIGTERM',
      ])
    },
  )

  it.each([
    { library: 'stoppable', index: 0 },
    { library: 'terminus', index: 1 },
  ])('cut the answers off without the lines that show $library the real sockets', async ({ index }) => {
    const program = await start(shown[index]!.replace('\ncountByRealSockets(server)\n', '\n'))
    const [fast, slow] = await stopInTheMiddle(program)
    expect([fast, slow]).toEqual(['/fast of 203.0.113.7', 'asked, aborted'])
  })

  it('with socket: false tell the client by Express, and end', async () => {
    const { child, ask } = await start(shown[2]!)
    await expect(ask200(ask('/'))).resolves.toBe('203.0.113.7 over https')
    child.kill('SIGTERM')
    const [code] = (await once(child, 'close')) as [number | null]
    expect(code).toBe(0)
  })

  it('that nobody edits finish the answers under way with PROXYFIX_SOCKET=false', async () => {
    const env = { PROXYFIX_X_FOR: '1', PROXYFIX_TRUSTED_PROXIES: 'loopback', PROXYFIX_SOCKET: 'false' }
    const program = await start(UNEDITED, ['--import', 'proxyfix/auto'], env)
    expect(await stopInTheMiddle(program)).toEqual(['/fast of 127.0.0.1', 'asked, /slow of 127.0.0.1', 'ended by 0'])
  })
})

async function ask200(asked: Promise<IncomingMessage>): Promise<string> {
  const res = await asked
  expect(res.statusCode).toBe(200)
  return await textOf(res)
}

async function textOf(res: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of res as AsyncIterable<string>) text += chunk
  return text
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  server.close()
  await once(server, 'close')
  return port
}
