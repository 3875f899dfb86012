/**
 * Over HTTP/2 the server is as strict as over HTTP/1: with clients that go, wait, never end what they began, ask for too
 * much at once, or ask for nothing again and again.
 */

import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect as connectHttp2,
  constants,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => undefined))
afterEach(() => void errors.mockReset())

/** What was said on standard error. */
function said(): string[] {
  return errors.mock.calls.map((parts) => parts.map(String).join(' '))
}

type NodeApp = (req: IncomingMessage, res: ServerResponse) => unknown

async function started(
  app: NodeApp | { fetch(request: Request): Response | Promise<Response> },
  options: ServeOptions = {},
): Promise<RunningServer> {
  const server = await serve(app as NodeApp, { bind: '127.0.0.1:0', tls: 'adhoc', http2: true, ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return server
}

async function opened(
  server: RunningServer,
  options: ClientSessionOptions & SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = connectHttp2(server.url, { rejectUnauthorized: false, ...options })
  session.on('error', () => undefined) // what it ends with is asked of its events
  onTestFinished(() => session.destroy())
  await once(session, 'connect')
  return session
}

function ask(session: ClientHttp2Session, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const stream = session.request({ ':path': '/', ...headers })
  stream.on('error', () => undefined)
  return stream
}

/** Status and body of a whole answer. */
async function answerOf(stream: ClientHttp2Stream): Promise<[status: unknown, body: string]> {
  const [head] = (await once(stream, 'response')) as [Record<string, unknown>]
  return [head[':status'], await text(stream)]
}

/** Something that happens once. */
function signal(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => undefined
  const promise = new Promise<void>((resolve_) => (resolve = resolve_))
  return { promise, resolve }
}

/** Resolves when it is over, whether it was before or not. */
async function end(
  closing: { readonly closed?: boolean; readonly destroyed: boolean } & NodeJS.EventEmitter,
): Promise<void> {
  if (closing.closed !== true) await new Promise((resolve) => closing.once('close', resolve)) // by an error or not
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const FRAME = { headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 }

function frame(type: number, payload = Buffer.alloc(0), flags = 0, stream = 0): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A connection of HTTP/2 that says what it likes. */
async function openedRaw({ url }: RunningServer): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url)
  const socket = connectTls({ host, port: Number(port), ALPNProtocols: ['h2'], rejectUnauthorized: false })
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'secureConnect')
  expect(socket.alpnProtocol).toBe('h2')
  socket.write(Buffer.concat([PREFACE, frame(FRAME.settings)]))
  return socket
}

/** The code that the connection is ended with, in a frame GOAWAY. */
async function goawayOf(socket: TLSSocket): Promise<number | undefined> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await new Promise((resolve) => socket.once('close', resolve)) // by an error or not
  let code: number | undefined
  for (let rest = Buffer.concat(chunks); rest.length >= 9; rest = rest.subarray(9 + rest.readUIntBE(0, 3))) {
    if (rest[3] === FRAME.goaway) code = rest.readUInt32BE(13)
  }
  return code
}

describe('a client that goes', () => {
  it('ends the answer of a Node handler', async () => {
    const isClosed = signal()
    const server = await started((_req, res) => {
      res.once('close', isClosed.resolve)
      res.write('one')
    })
    const session = await opened(server)
    await once(ask(session), 'data')
    session.destroy()
    await isClosed.promise
    await expect(server.close({ timeout: Infinity })).resolves.toBeUndefined()
  })

  it('cancels the body of a Fetch response, and aborts the signal', async () => {
    const isCancelled = signal()
    const isAborted = signal()
    const server = await started({
      fetch(request) {
        request.signal.addEventListener('abort', isAborted.resolve)
        const body = new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode('data: one\n\n')),
          cancel: isCancelled.resolve,
        })
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      },
    })
    const session = await opened(server)
    await once(ask(session), 'data')
    session.destroy()
    await Promise.all([isCancelled.promise, isAborted.promise])
    await expect(server.close({ timeout: Infinity })).resolves.toBeUndefined()
  })

  it('before its request was whole, or its answer was made, is no failure of the app', async () => {
    const isOver = signal()
    const isAsked = signal()
    const server = await started({
      async fetch(request) {
        isAsked.resolve()
        try {
          return new Response(await request.text())
        } finally {
          setImmediate(isOver.resolve)
        }
      },
    })
    const session = await opened(server)
    const stream = ask(session, { ':method': 'POST' })
    stream.write('half')
    await isAsked.promise
    stream.close(constants.NGHTTP2_CANCEL)
    await isOver.promise
    expect(said()).toEqual([])
  })

  it('while its answer is made takes the answer along', async () => {
    const isAsked = signal()
    const isGone = signal()
    const isCancelled = signal()
    const server = await started({
      async fetch(request) {
        isAsked.resolve()
        request.signal.addEventListener('abort', isGone.resolve)
        await isGone.promise
        return new Response(new ReadableStream({ cancel: isCancelled.resolve }))
      },
    })
    const session = await opened(server)
    const stream = ask(session)
    await isAsked.promise
    stream.close(constants.NGHTTP2_CANCEL)
    await isCancelled.promise
    expect(said()).toEqual([])
  })
})

describe('an answer that fails', () => {
  it('after it has begun does not look whole', async () => {
    const server = await started(async (_req, res) => {
      await new Promise<void>((resolve) => res.write('abc', () => resolve()))
      throw new Error('late')
    })
    const stream = ask(await opened(server))
    await once(stream, 'data')
    await end(stream)
    expect(stream.rstCode).toBe(constants.NGHTTP2_INTERNAL_ERROR)
    expect(said()).toEqual([expect.stringContaining('Error: late')])
  })
})

describe('time', () => {
  it('to ask for something is as long as that for a head', async () => {
    const server = await started((_req, res) => res.end(), { headersTimeout: 50 })
    const socket = await openedRaw(server)
    expect(await goawayOf(socket)).toBe(constants.NGHTTP2_NO_ERROR)
  })

  it.each([true, false])('for the handshake as well (HTTP/2: %s)', async (http2) => {
    const server = await started((_req, res) => res.end(), { http2, headersTimeout: 50 })
    const socket = connect(server.addresses[0]?.port ?? 0, '127.0.0.1').resume()
    await once(socket, 'close')
    expect(said()).toEqual([expect.stringContaining('its TLS handshake failed (ERR_TLS_HANDSHAKE_TIMEOUT)')])
  })

  it('without a question ends a connection, and takes none with it that is being answered', async () => {
    const server = await started(
      (req, res) => {
        res.write('one')
        if (req.url !== '/slow') res.end()
      },
      { keepAliveTimeout: 50 },
    )
    const busy = await opened(server)
    const slow = ask(busy, { ':path': '/slow' })
    await once(slow, 'data')
    const idle = await opened(server)
    await answerOf(ask(idle))
    const [code] = (await once(idle, 'goaway')) as [number]
    expect(code).toBe(constants.NGHTTP2_NO_ERROR)
    await end(idle)
    expect(await answerOf(ask(busy))).toEqual([200, 'one'])
    expect(slow.closed).toBe(false)
  })

  it.each([
    { when: 'where nothing is asked', headersTimeout: 50 },
    { when: 'at the end', headersTimeout: undefined },
  ])('ends connections that their clients do not end, $when', async ({ headersTimeout }) => {
    const server = await started((_req, res) => res.end(), { headersTimeout })
    const { hostname: host, port } = new URL(server.url)
    const below = connect({ host, port: Number(port), allowHalfOpen: true })
    below.on('error', () => undefined)
    const socket = connectTls({ socket: below, ALPNProtocols: ['h2'], rejectUnauthorized: false })
    socket.on('error', () => undefined)
    onTestFinished(() => void below.destroy())
    await once(socket, 'secureConnect')
    socket.write(Buffer.concat([PREFACE, frame(FRAME.settings)]))
    await once(socket, 'data')
    if (headersTimeout !== undefined) await once(socket.resume(), 'end')
    await expect(server.close({ timeout: Infinity })).resolves.toBeUndefined()
  })
})

describe('a request that never ends', () => {
  it('is answered 408, whatever the app does', async () => {
    const server = await started(
      async (req, res) => {
        await text(req).catch(() => undefined)
        res.end('too late')
      },
      { requestTimeout: 60, headersTimeout: 50 },
    )
    const session = await opened(server)
    const stream = ask(session, { ':method': 'POST' })
    stream.write('half')
    expect(await answerOf(stream)).toEqual([408, expect.stringContaining('in time')])
    await end(stream)
    expect(said()).toEqual([expect.stringMatching(/^A request from 127\.0\.0\.1 was refused, answered 408: /)])
  })

  it.each<{ name: string; begin: NodeApp; code: number }>([
    { name: 'begun', begin: (_req, res) => res.write('one'), code: constants.NGHTTP2_INTERNAL_ERROR },
    { name: 'whole', begin: (req, res) => res.end(req.resume().url), code: constants.NGHTTP2_NO_ERROR },
  ])('is ended where its answer is $name', async ({ begin, code }) => {
    const server = await started((req, res) => void begin(req, res), { requestTimeout: 60, headersTimeout: 50 })
    const stream = ask(await opened(server), { ':method': 'POST' })
    stream.write('half')
    await once(stream, 'data')
    await end(stream)
    expect(stream.rstCode).toBe(code)
  })

  it('is told from one whose answer takes its time', async () => {
    const isLate = signal()
    const server = await started(
      async (req, res) => {
        if (req.url === '/half') return
        if (req.url === '/read') await text(req)
        await isLate.promise
        res.end('served')
      },
      { requestTimeout: 60, headersTimeout: 50 },
    )
    const session = await opened(server)
    const answers = Promise.all([
      answerOf(ask(session)),
      answerOf(ask(session, { ':method': 'POST', ':path': '/read' }).end('whole')),
      answerOf(ask(session, { ':method': 'POST', ':path': '/unread' }).end('whole')),
    ])
    const half = ask(session, { ':method': 'POST', ':path': '/half' })
    half.write('half')
    expect(await answerOf(half)).toEqual([408, expect.stringContaining('in time')])
    isLate.resolve()
    expect(await answers).toEqual([1, 2, 3].map(() => [200, 'served']))
  })
})

describe('too much at once', () => {
  it('is refused, and the client told how much', async () => {
    let open = 0
    let most = 0
    const release = signal()
    const server = await started(async (_req, res) => {
      most = Math.max(most, ++open)
      await release.promise
      open--
      res.end()
    })
    // Asks before it has heard of the limit.
    const session = connectHttp2(server.url, { rejectUnauthorized: false, peerMaxConcurrentStreams: 1000 })
    session.on('error', () => undefined)
    onTestFinished(() => session.destroy())
    const streams = Array.from({ length: 150 }, () => ask(session))
    const refused = streams.slice(100)
    await Promise.all(refused.map(end))
    expect(new Set(refused.map(({ rstCode }) => rstCode))).toEqual(new Set([constants.NGHTTP2_REFUSED_STREAM]))
    expect(session.remoteSettings.maxConcurrentStreams).toBe(100)
    release.resolve()
    await Promise.all(streams.slice(0, 100).map(answerOf))
    expect(most).toBe(100)
  })

  it.each<{ what: string; type: number; payload?: Buffer<ArrayBuffer> }>([
    { what: 'PING', type: FRAME.ping, payload: Buffer.alloc(8) },
    { what: 'SETTINGS', type: FRAME.settings },
  ])('of $what ends the connection', async ({ type, payload }) => {
    const server = await started((_req, res) => res.end())
    const socket = await openedRaw(server)
    socket.write(Buffer.concat(Array.from({ length: 5000 }, () => frame(type, payload))))
    await end(socket.resume())
    expect(said()).toEqual([expect.stringContaining('sends frames without end that ask for nothing')])
  })

  it('of requests that are taken back at once ends the connection (CVE-2023-44487)', async () => {
    let asked = 0
    // Node 20 hears no more of such a connection, but leaves it open: until it is idle for too long.
    const options = { keepAliveTimeout: 50 }
    const server = await started((_req, res) => {
      asked++
      res.end()
    }, options)
    const socket = await openedRaw(server)
    // GET https://a/, in the static table of HPACK, and CANCEL.
    const head = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x61])
    for (let count = 0; count < 20_000 && !socket.destroyed; count++) {
      const id = 2 * count + 1
      const cancel = Buffer.of(0, 0, 0, constants.NGHTTP2_CANCEL)
      socket.write(Buffer.concat([frame(FRAME.headers, head, 0x5, id), frame(FRAME.reset, cancel, 0, id)]))
      if (count % 50 === 0) await turn()
    }
    await end(socket.resume())
    expect(asked).toBeGreaterThan(0)
    expect(asked).toBeLessThan(2000)
    expect(await answerOf(ask(await opened(server)))).toEqual([200, ''])
  })
})

describe('header lines', () => {
  it.each([
    { count: 20, status: 200 },
    { count: 21, status: 431 },
  ])('are counted without those that HTTP/2 adds: $count', async ({ count, status }) => {
    const server = await started((_req, res) => res.end(), { maxHeaders: 20 })
    const headers = Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']))
    const [seen] = await answerOf(ask(await opened(server), headers))
    expect(seen).toBe(status)
  })
})

describe('HTTP/1.1 beside it', () => {
  async function answerTo({ url }: RunningServer, ...lines: readonly string[]): Promise<string> {
    const { hostname: host, port } = new URL(url)
    const socket = connectTls({ host, port: Number(port), ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
    socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)
    return await text(socket)
  }

  it.each([
    { what: 'no Host', lines: ['GET / HTTP/1.1'], status: 400 },
    { what: 'a head that is too long', lines: ['GET / HTTP/1.1', 'Host: a', `X: ${'y'.repeat(9000)}`], status: 431 },
    { what: 'HTTP/2.0 in its bytes', lines: ['GET / HTTP/2.0', 'Host: a', 'Host: b'], status: 505 },
    { what: 'nothing wrong', lines: ['GET / HTTP/1.1', 'Host: a'], status: 200 },
  ])('is held to the same: $what', async ({ lines, status }) => {
    const server = await started((_req, res) => res.end(), { maxHeaderSize: 4096 })
    expect(await answerTo(server, ...lines)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })

  it('may have a longer head where that is allowed', async () => {
    const server = await started((_req, res) => res.end(), { maxHeaderSize: 65_536 })
    const answer = await answerTo(server, 'GET / HTTP/1.1', 'Host: a', `X: ${'y'.repeat(40_000)}`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('is answered to a client that has ended its half', async () => {
    const server = await started((_req, res) => res.end('served'))
    const { hostname: host, port } = new URL(server.url)
    const below = connect({ host, port: Number(port), allowHalfOpen: true })
    const socket = connectTls({ socket: below, ALPNProtocols: ['http/1.1'], rejectUnauthorized: false })
    socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await text(socket)).toMatch(/served$/)
  })
})
