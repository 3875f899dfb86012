/** A request whose answer was complete before its body was: what is wrong with the rest of it is no second answer. */

import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'
import { parseResponses } from '../../fixtures/raw-http.ts'

const errors = vi.spyOn(console, 'error')
let folder: string
beforeEach(() => {
  errors.mockImplementation(() => undefined)
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-early-'))
})
afterEach(() => {
  errors.mockReset()
  rmSync(folder, { recursive: true })
})

function said(): string[] {
  return errors.mock.calls.map((parts) => parts.map(String).join(' '))
}

type NodeApp = (req: IncomingMessage, res: ServerResponse) => unknown

/** Answers without reading the body. */
const early: NodeApp = (_req, res) => res.end('early')
/** Answers, and reads the body all the same. */
const readingOn: NodeApp = (req, res) => {
  req.on('data', () => undefined).on('error', () => undefined)
  res.end('early')
}
/** More than the system takes at once. */
const large: NodeApp = (_req, res) => res.end('x'.repeat(8_000_000))

async function started(app: NodeApp, options: ServeOptions = {}): Promise<RunningServer> {
  const accessLog = { to: join(folder, 'log'), format: '%(r)s %(s)s' }
  const server = await serve(app, { bind: '127.0.0.1:0', accessLog, ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return server
}

/** What the log has in the end. */
async function logged(server: RunningServer): Promise<string> {
  await server.close()
  return readFileSync(join(folder, 'log'), 'utf8')
}

async function opened({ url }: RunningServer): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

const HEAD = 'POST /x HTTP/1.1\r\nHost: a\r\n'
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`
const CHUNK = `14\r\n${'x'.repeat(20)}\r\n`
const SMUGGLED = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n'

describe('a body that turns out too long after its answer', () => {
  it.each<[name: string, app: NodeApp, length: number]>([
    ['not read', early, 5],
    ['read', readingOn, 5],
    ['long in coming', large, 8_000_000],
  ])('leaves the answer whole, and ends the connection: %s', async (_, app, length) => {
    const server = await started(app, { maxBody: 10 })
    const socket = await opened(server)
    socket.write(`${CHUNKED}${CHUNK}0\r\n\r\n${SMUGGLED}`)
    const answers = parseResponses(await text(socket))
    expect(answers.map(({ status, body }) => [status, body.length])).toStrictEqual([[200, length]])
    expect(said()).toStrictEqual([
      'A request from 127.0.0.1 was answered, and its connection is closed: its body is longer than 10 bytes.',
    ])
    expect(await logged(server)).toBe('POST /x HTTP/1.1 200\n')
  })

  it('does so where it comes later, too', async () => {
    const server = await started(readingOn, { maxBody: 10 })
    const socket = await opened(server)
    socket.write(CHUNKED)
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.write(`${CHUNK}0\r\n\r\n${SMUGGLED}`)
    expect(parseResponses(String(first) + (await text(socket)))).toMatchObject([{ status: 200, body: 'early' }])
    expect(said()).toStrictEqual([expect.stringContaining('was answered, and its connection is closed: its body')])
    expect(await logged(server)).toBe('POST /x HTTP/1.1 200\n')
  })
})

describe('a client that does not read its answer', () => {
  /** An app whose answer nobody reads, as it is more than both systems take for their programs. */
  const unread: NodeApp = (_req, res) => res.end(Buffer.alloc(20_000_000, 'x'))

  /** Sends a body until its connection ends, so much every 5 ms; what the other end has taken in, and whether it ended first. */
  async function sendWithoutEnd(socket: Socket, chunk: string, most: number): Promise<string> {
    socket.pause().on('error', () => undefined)
    const closed = new Promise((resolve) => socket.once('close', resolve)) // after an error, too
    const timer = setInterval(() => {
      if (socket.bytesWritten - socket.writableLength > most) socket.destroy()
      else if (socket.writable && socket.writableLength < 1_000_000) socket.write(chunk)
    }, 5)
    socket.write(CHUNKED)
    await closed
    clearInterval(timer)
    return socket.bytesWritten - socket.writableLength > most ? 'more was taken' : 'ended'
  }
  const said413 = [
    'A request from 127.0.0.1 was answered, and its connection is closed: its body is longer than 10 bytes.',
  ]

  it('is cut, where it falls silent', async () => {
    const server = await started(unread, { maxBody: 10 })
    const socket = await opened(server)
    socket.pause().on('error', () => undefined)
    // It hears of the end only when it sends or reads; the access log has its line with the end.
    socket.write(CHUNKED + CHUNK)
    await vi.waitFor(() => expect(readFileSync(join(folder, 'log'), 'utf8')).not.toBe(''), 30_000)
    expect(said()).toStrictEqual(said413)
  }, 40_000)

  it.each<[name: string, app: NodeApp]>([
    ['that is not read', unread],
    ['that is read', (req, res) => unread(req.resume(), res)],
  ])(
    'may not send much more of a body %s',
    async (_, app) => {
      const server = await started(app, { maxBody: 10 })
      const socket = await opened(server)
      const chunk = `40000\r\n${'x'.repeat(0x40000)}\r\n`
      expect(await sendWithoutEnd(socket, chunk, 100_000_000)).toBe('ended')
      expect(said()).toStrictEqual(said413)
    },
    40_000,
  )

  it('may not send little for long', async () => {
    const server = await started(unread, { maxBody: 10 })
    const socket = await opened(server)
    expect(await sendWithoutEnd(socket, CHUNK, 1_000_000)).toBe('ended')
    expect(said()).toStrictEqual(said413)
  }, 40_000)

  it('is held to the time of a request', async () => {
    // It cannot send so much in the time of a request, and could in the time that it has after an answer.
    const server = await started(unread, { maxBody: 10, requestTimeout: 50, headersTimeout: 50 })
    const socket = await opened(server)
    expect(await sendWithoutEnd(socket, CHUNK, 40_000)).toBe('ended')
    expect(said()).toStrictEqual(said413)
  }, 40_000)
})

describe('a body whose answer has begun, and is not whole', () => {
  it('is not said to be answered', async () => {
    const server = await started((_req, res) => res.write('begun'), { maxBody: 10 })
    const socket = await opened(server)
    socket.write(`${CHUNKED}`)
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(String(first)).toMatch(/^HTTP\/1\.1 200 /)
    socket.write(CHUNK)
    await text(socket).catch(() => undefined)
    expect(said()).toStrictEqual(['A request from 127.0.0.1 was refused: its body is longer than 10 bytes.'])
  })
})

describe('a rest of a body after its answer', () => {
  it.each([
    ['does not come', 'Content-Length: 10\r\n\r\nhel', '', 'it did not come in time'],
    [
      'cannot be read',
      'Transfer-Encoding: chunked\r\n\r\n',
      'zz\r\n',
      'it cannot be read: Invalid character in chunk size',
    ],
  ])('that %s is no second answer', async (_, sent, rest, reason) => {
    const server = await started(early, { requestTimeout: 50, headersTimeout: 50 })
    const socket = await opened(server)
    socket.write(HEAD + sent)
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.write(rest)
    expect(parseResponses(String(first) + (await text(socket)))).toMatchObject([{ status: 200, body: 'early' }])
    expect(said()).toStrictEqual([`A request from 127.0.0.1 was answered, and its connection is closed: ${reason}.`])
    expect(await logged(server)).toBe('POST /x HTTP/1.1 200\n')
  })

  it('is told from a next request, which is answered 408 where it does not come', async () => {
    const server = await started(early, { requestTimeout: 50, headersTimeout: 50 })
    const socket = await opened(server)
    socket.write(`${HEAD}Content-Length: 3\r\n\r\nall`)
    const [first] = (await once(socket, 'data')) as [Buffer]
    socket.write('GET /')
    expect(parseResponses(String(first) + (await text(socket)))).toMatchObject([{ status: 200 }, { status: 408 }])
    expect(said()).toStrictEqual(['A request from 127.0.0.1 was refused, answered 408: it did not come in time.'])
    expect(await logged(server)).toBe('POST /x HTTP/1.1 200\n- 408\n')
  })
})
