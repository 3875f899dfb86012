/**
 * Answers that are not as their heads say, byte by byte over both protocols: what Responses bring along that told of
 * another connection or another body, and lengths that are wrong.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import express from 'express'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { HeaderRewriter, stack } from '../../../src/index.ts'
import { type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'
import { close, exchange, listen, parseResponses } from '../../fixtures/raw-http.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => undefined))
afterEach(() => void errors.mockReset())

function said(): string {
  return errors.mock.calls.map((parts) => parts.map(String).join(' ')).join('\n')
}

type NodeApp = (req: IncomingMessage, res: ServerResponse) => unknown
interface FetchApp {
  fetch(request: Request): Response | Promise<Response>
}

async function started(app: NodeApp | FetchApp, options: ServeOptions = {}): Promise<RunningServer> {
  const server = await serve(app as NodeApp, { bind: '127.0.0.1:0', ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return server
}

const get = (target: string, headers = '', method = 'GET'): string =>
  `${method} ${target} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`
const LAST = 'Connection: close\r\n'

/** All that is answered to these bytes. */
async function answersTo({ url }: RunningServer, ...requests: readonly string[]): Promise<string> {
  return await exchange(Number(new URL(url).port), requests.join(''))
}

async function openedHttp2(app: NodeApp | FetchApp): Promise<ClientHttp2Session> {
  const { url } = await started(app, { tls: 'adhoc', http2: true })
  const session = connectHttp2(url, { rejectUnauthorized: false })
  session.on('error', () => undefined)
  onTestFinished(() => session.destroy())
  await once(session, 'connect')
  return session
}

interface Http2Answer {
  readonly head: IncomingHttpHeaders
  readonly body: string
  readonly code: number
}

async function askHttp2(session: ClientHttp2Session, target: string): Promise<Http2Answer> {
  const stream = session.request({ ':path': target })
  stream.on('error', () => undefined)
  let head: IncomingHttpHeaders = {}
  let body = ''
  stream.on('response', (headers) => (head = headers))
  stream.setEncoding('latin1').on('data', (part: string) => (body += part))
  await new Promise((resolve) => stream.once('close', resolve))
  return { head, body, code: stream.rstCode ?? -1 }
}

async function upstream(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  onTestFinished(() => close(server))
  return `http://127.0.0.1:${await listen(server)}`
}

/** What a client would take for the next answer, were it not read as a part of this one. */
const SMUGGLED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!'
const BODY = 'A'.repeat(100) + SMUGGLED

describe('a Response that fetch gave', () => {
  const ENCODED: Readonly<Record<string, [coding: string, bytes: Buffer]>> = {
    '/gzip': ['gzip', gzipSync(BODY)],
    '/br': ['BR', brotliCompressSync(BODY)],
    '/both': ['gzip, br', brotliCompressSync(gzipSync(BODY))],
    '/unknown': ['x-unknown', Buffer.from(BODY)],
  }
  async function encoding(): Promise<string> {
    return await upstream((req, res) => {
      const [coding, bytes] = ENCODED[req.url!]!
      res.writeHead(200, { 'content-encoding': coding, 'content-length': bytes.length }).end(bytes)
    })
  }

  it.each(['as it is', 'rewritten'])('is sent with what its body is after decoding: %s', async (how) => {
    const from = await encoding()
    const plain: FetchApp = { fetch: (request) => fetch(from + new URL(request.url).pathname) }
    class Marking extends HeaderRewriter {
      override rewriteResponse(response: { headers: { set(name: string, value: string): void } }): void {
        response.headers.set('x-marked', 'yes')
      }
    }
    const app = how === 'rewritten' ? (stack(plain, new Marking()) as FetchApp) : plain
    const server = await started(app)
    for (const target of ['/gzip', '/br', '/both']) {
      const answers = parseResponses(await answersTo(server, get(target), get('/gzip', LAST)))
      expect(answers.map(({ status, body }) => [status, body])).toStrictEqual([
        [200, BODY],
        [200, BODY],
      ])
      for (const { headers } of answers) expect(headers).not.toHaveProperty('content-encoding')
      if (how === 'rewritten') expect(answers[0]!.headers).toMatchObject({ 'x-marked': 'yes' })
    }
    const [unknown] = parseResponses(await answersTo(server, get('/unknown', LAST)))
    expect(unknown).toMatchObject({ body: BODY, headers: { 'content-encoding': 'x-unknown' } })
  })

  it('is told to HEAD as to GET', async () => {
    const from = await encoding()
    const server = await started({ fetch: ({ url, method }) => fetch(from + new URL(url).pathname, { method }) })
    const [answer] = parseResponses(await answersTo(server, get('/gzip', LAST, 'HEAD')))
    expect(answer!.status).toBe(200)
    expect(answer!.headers).not.toHaveProperty('content-encoding')
    expect(answer!.headers).not.toHaveProperty('content-length')
  })

  it('and was copied with its headers by hand is cut short, and nothing comes behind it', async () => {
    const from = await encoding()
    const app: FetchApp = {
      async fetch(request) {
        const { body, headers } = await fetch(from + new URL(request.url).pathname)
        return new Response(body, { headers })
      },
    }
    const answer = await answersTo(await started(app), get('/gzip'), get('/gzip'))
    const [head, body] = answer.split('\r\n\r\n', 2)
    expect(head).toContain(`content-length: ${ENCODED['/gzip']![1].length}`)
    expect(answer).not.toContain('HTTP/1.1 200 OK\r\nContent-Length: 5')
    expect(body!.length).toBeLessThanOrEqual(ENCODED['/gzip']![1].length)
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    expect(said()).toContain('content-length')
  })

  it('brings nothing of its connection along', async () => {
    const from = await upstream((req, res) => {
      res.setHeader('connection', 'keep-alive').setHeader('keep-alive', 'timeout=5')
      if (req.url === '/chunked') res.write('in ')
      res.end('parts')
    })
    const app: FetchApp = { fetch: (request) => fetch(from + new URL(request.url).pathname) }
    const server = await started(app)
    const answers = parseResponses(await answersTo(server, get('/chunked'), get('/whole', LAST)))
    expect(answers.map(({ body, headers }) => [body, headers['connection']])).toStrictEqual([
      ['in parts', 'keep-alive'],
      ['parts', 'close'],
    ])
    const session = await openedHttp2(app)
    for (const [target, body] of [
      ['/chunked', 'in parts'],
      ['/whole', 'parts'],
    ] as const) {
      expect(await askHttp2(session, target)).toMatchObject({ head: { ':status': 200 }, body, code: 0 })
    }
    expect(said()).toBe('')
  })
})

describe('a Response of the app', () => {
  it.each(['chunked', 'gzip, chunked', 'identity'])('does not frame its answer by itself: %s', async (coding) => {
    const app: FetchApp = {
      fetch: () => new Response(BODY, { headers: { 'transfer-encoding': coding, 'proxy-connection': 'keep-alive' } }),
    }
    const answers = parseResponses(await answersTo(await started(app), get('/'), get('/', LAST)))
    expect(answers.map(({ status, body }) => [status, body])).toStrictEqual([
      [200, BODY],
      [200, BODY],
    ])
    expect(await askHttp2(await openedHttp2(app), '/')).toMatchObject({ body: BODY, code: 0 })
  })

  it('may end its connection, and name another protocol', async () => {
    const app: FetchApp = {
      fetch: (request) =>
        new URL(request.url).pathname === '/end'
          ? new Response('end', { headers: { connection: 'close' } })
          : new Response('other', { status: 426, headers: { connection: 'upgrade', upgrade: 'TLS/1.3' } }),
    }
    const answers = await answersTo(await started(app), get('/other'), get('/end'), get('/behind'))
    expect(parseResponses(answers).map(({ status, headers }) => [status, headers['upgrade']])).toStrictEqual([
      [426, 'TLS/1.3'],
      [200, undefined],
    ])
    expect(await askHttp2(await openedHttp2(app), '/other')).toMatchObject({ head: { ':status': 426 }, code: 0 })
  })

  it('that is a network error is answered 500', async () => {
    const app: FetchApp = { fetch: () => Response.error() }
    const [answer] = parseResponses(await answersTo(await started(app), get('/', LAST)))
    expect(answer).toMatchObject({ status: 500 })
    expect(await askHttp2(await openedHttp2(app), '/')).toMatchObject({ head: { ':status': 500 } })
    expect(said()).toContain('Response.error()')
  })
})

/** Answers that promise 20 bytes, or 3, and write 8: in one piece or in several, by either kind of handler. */
const promised = (target: string): number => (target.includes('long') ? 20 : 3)
const STREAMED = (): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const part of ['ab', 'cdef', 'gh']) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })
const FETCH: FetchApp = {
  fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/good') return new Response('good', { headers: { 'content-length': '4' } })
    const body = pathname.includes('parts') ? STREAMED() : 'abcdefgh'
    return new Response(body, { headers: { 'content-length': String(promised(pathname)) } })
  },
}
const NODE: NodeApp = (req, res) => {
  const { url = '' } = req
  const [length, parts] = url === '/good' ? [4, ['good']] : [promised(url), ['ab', 'cdef', 'gh']]
  res.setHeader('content-length', length)
  if (!url.includes('parts')) return void res.end(parts.join(''))
  // As a pipe does it, where nobody catches.
  setImmediate(() => {
    for (const part of parts) res.write(part)
    res.end()
  })
}

/** Which gives each response another prototype. */
const EXPRESS: NodeApp = express().use(NODE)

const FAILED = 'Internal server error.\n'
/** Nothing was sent by the time that it failed. */
const isOneAnswer = (app: NodeApp | FetchApp, target: string): boolean => app !== FETCH && !target.includes('parts')

describe.each([
  ['a Fetch handler', FETCH],
  ['a Node handler', NODE],
  ['an Express app', EXPRESS],
] as const)('a length that is wrong, of %s,', (_, app) => {
  it.each(['/short', '/short/parts', '/long', '/long/parts'])('misleads nobody over HTTP/1: %s', async (target) => {
    const answer = await answersTo(await started(app), get('/good'), get(target), get('/good', LAST))
    const [good = '', bad = '', ...behind] = answer.split(/(?=HTTP\/1\.1 )/)
    expect(good).toMatch(/^HTTP\/1\.1 200 [^]*good$/)
    const [, body = ''] = bad.split('\r\n\r\n')
    if (isOneAnswer(app, target)) {
      expect(bad).toMatch(/^HTTP\/1\.1 500 /)
      expect(body).toBe(FAILED)
      expect(behind).toStrictEqual([expect.stringMatching(/good$/)])
    } else {
      expect(behind).toStrictEqual([])
      expect('abcdefgh'.startsWith(body)).toBe(true)
      expect(body.length).toBeLessThanOrEqual(promised(target))
    }
    expect(said()).toContain('its content-length says')
  })

  it('is none where there is no body', async () => {
    const server = await started(app)
    const answer = await answersTo(server, get('/long', '', 'HEAD'), get('/good', LAST))
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*content-length: 20\r\n[^]*\r\n\r\nHTTP\/1\.1 200 [^]*good$/i)
    expect(said()).toBe('')
  })
})

describe.each([
  ['a Fetch handler', FETCH],
  ['a Node handler', NODE],
] as const)('a length that is wrong, of %s over HTTP/2,', (_, app) => {
  it.each(['/short', '/short/parts', '/long', '/long/parts'])('ends one stream: %s', async (target) => {
    const session = await openedHttp2(app)
    const answers = await Promise.all(['/good', target, '/good'].map((one) => askHttp2(session, one)))
    expect(answers.map(({ body, code }) => [body === 'good' || body === FAILED, code])).toStrictEqual([
      [true, 0],
      isOneAnswer(app, target) ? [true, 0] : [false, 2], // INTERNAL_ERROR
      [true, 0],
    ])
    expect(await askHttp2(session, '/good')).toMatchObject({ body: 'good', code: 0 })
    expect(said()).toContain('its content-length says')
  })
})

it('what Node refuses is left to Node', async () => {
  const server = await started((_req, res) => {
    res.setHeader('content-length', 4)
    try {
      res.end({} as never)
    } catch (error) {
      res.end((error as NodeJS.ErrnoException).code === 'ERR_INVALID_ARG_TYPE' ? 'good' : 'bad!')
    }
  })
  expect(parseResponses(await answersTo(server, get('/', LAST)))).toMatchObject([{ status: 200, body: 'good' }])
})

it('a callback of a write that would be too much hears of it', async () => {
  let failed: unknown
  const server = await started((_req, res) => {
    res.setHeader('content-length', 3).flushHeaders()
    res.write('abcd', (error) => (failed = error))
  })
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.write(get('/'))
  expect(await text(socket)).not.toContain('abcd')
  expect(failed).toMatchObject({ message: expect.stringContaining('its content-length says 3') as string })
})
