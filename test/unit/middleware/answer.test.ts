/** An answer on each of the three things that can be answered on: a response, a bare socket, a Fetch platform. */

import http from 'node:http'
import net from 'node:net'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Answer, HeaderRewriter } from '../../../src/index.ts'
import { answerOnSocket, checkAnswer, refused, textAnswer } from '../../../src/middleware/answer.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

/** Bytes that an upgrade request gets back from a rewriter that answers it. */
async function upgraded(answer: () => Answer | Promise<Answer>, method = 'GET'): Promise<string> {
  const server = http.createServer()
  server.on('upgrade', () => undefined)
  Object.assign(new HeaderRewriter(), { rewrite: answer }).wrap(server)
  onTestFinished(() => close(server))
  return await exchange(
    await listen(server),
    requestText(`${method} / HTTP/1.1`, 'Host: app', 'Connection: Upgrade', 'Upgrade: websocket'),
  )
}

const encoder = new TextEncoder()

describe('on the socket of an upgrade', () => {
  it.each<{ what: string; answer: () => Answer | Promise<Answer>; bytes: string }>([
    {
      what: 'a text',
      answer: () => ({ status: 403, headers: { 'X-Why': 'because' }, body: 'no, \u00e9' }),
      bytes:
        'HTTP/1.1 403 Forbidden\r\nconnection: close\r\nx-why: because\r\ncontent-length: 6\r\n\r\nno, \u00c3\u00a9',
    },
    {
      what: 'no body',
      answer: () => ({ status: 404 }),
      bytes: 'HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    },
    {
      what: 'bytes, later',
      answer: async () => ({ status: 401, body: encoder.encode('no') }),
      bytes: 'HTTP/1.1 401 Unauthorized\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno',
    },
    {
      what: 'an unusual status',
      answer: () => ({ status: 451, body: '' }),
      bytes: 'HTTP/1.1 451 Answered\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    },
    {
      what: 'cookies',
      answer: () => ({ status: 200, headers: { 'set-cookie': ['a=1', 'b=2'] } }),
      bytes:
        'HTTP/1.1 200 Answered\r\nconnection: close\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n',
    },
    {
      what: 'framing of the author’s own, which the end of the connection takes the place of',
      answer: () => ({
        status: 403,
        headers: { 'Content-Length': '99', Connection: 'keep-alive', 'Transfer-Encoding': 'chunked' },
        body: 'no',
      }),
      bytes: 'HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno',
    },
    {
      what: 'a stream',
      answer: () =>
        new Response(
          new ReadableStream({
            start(controller) {
              controller.enqueue(encoder.encode('one,'))
              controller.enqueue(encoder.encode('two'))
              controller.close()
            },
          }),
          { status: 503 },
        ),
      bytes: 'HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\none,two',
    },
    {
      what: 'a redirect',
      answer: () => Response.redirect('https://shop.example/', 308),
      bytes:
        'HTTP/1.1 308 Permanent Redirect\r\nconnection: close\r\nlocation: https://shop.example/\r\ncontent-length: 0\r\n\r\n',
    },
  ])('$what is written whole, and the connection ends', async ({ answer, bytes }) => {
    expect(await upgraded(answer)).toBe(bytes)
  })

  it('a client that resets its connection meanwhile does not end the process', async () => {
    let answered = (): void => undefined
    const server = http.createServer()
    server.on('upgrade', () => undefined)
    const asked = new Promise<void>((resolve) => {
      Object.assign(new HeaderRewriter(), {
        rewrite: async () => {
          resolve()
          await new Promise<void>((release) => (answered = release))
          return { status: 403, body: 'x'.repeat(100_000) }
        },
      }).wrap(server)
    })
    onTestFinished(() => close(server))
    const port = await listen(server)
    // Not by once(), which would listen to errors.
    const closed = new Promise<void>((resolve) => {
      server.once('connection', (socket: net.Socket) => void socket.once('close', () => resolve()))
    })
    const client = net.connect(port, '127.0.0.1')
    client.write(requestText('GET / HTTP/1.1', 'Host: app', 'Connection: Upgrade', 'Upgrade: websocket'))
    await asked
    client.resetAndDestroy()
    await closed
    answered()
    await new Promise((resolve) => setImmediate(resolve)) // an error that nobody listens to fails the test run
    expect(server.listening).toBe(true)
  })

  it('a stream is let go of when the client is gone', async () => {
    const cancelled = new Promise<void>((resolve) => {
      const server = net.createServer((socket) => {
        const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
          pull: (controller) => controller.enqueue(new Uint8Array(50_000)),
          cancel: () => resolve(),
        })
        answerOnSocket(socket, { status: 200, headers: [], body })
      })
      onTestFinished(() => close(server))
      void listen(server).then((port) => {
        const client = net.connect(port, '127.0.0.1')
        return client.once('data', () => client.destroy())
      })
    })
    await expect(cancelled).resolves.toBeUndefined()
  })
})

describe('on a response', () => {
  it('a stream waits for a client that reads slowly, and arrives whole', async () => {
    let pulled = 0
    const body = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
      new ReadableStream(
        {
          pull(controller) {
            if (pulled === 400) controller.close()
            else {
              pulled++
              controller.enqueue(new Uint8Array(65_536))
            }
          },
        },
        { highWaterMark: 0 },
      )
    const server = http.createServer(
      Object.assign(new HeaderRewriter(), { rewrite: () => ({ status: 200, body: body() }) }).wrap(() => undefined),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    const [res] = (await once(http.get({ port, agent: false }), 'response')) as [http.IncomingMessage]
    // It is not read: at some point nobody takes more, long before the end.
    let before = -1
    while (pulled !== before) {
      before = pulled
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(pulled).toBeLessThan(400)
    expect((await text(res)).length).toBe(400 * 65_536)
  })

  it('has the length of its bytes, whatever the author says', async () => {
    const server = http.createServer(
      Object.assign(new HeaderRewriter(), {
        rewrite: () => ({ status: 200, headers: { 'content-length': '99' }, body: '\u00e9' }),
      }).wrap(() => undefined),
    )
    onTestFinished(() => close(server))
    expect(
      await exchange(await listen(server), requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
    ).toMatch(/\r\ncontent-length: 2\r\n/i)
  })
})

describe('what is checked', () => {
  it('is given back as data, names in lower case', () => {
    expect(checkAnswer({ status: 205, headers: { 'X-A': ' 1 ' }, body: 'x' }, 'it')).toStrictEqual({
      status: 205,
      headers: [['x-a', '1']],
      body: null,
    })
    expect(checkAnswer({ status: 200 }, 'it')).toStrictEqual({ status: 200, headers: [], body: null })
  })

  it('says whose answer it is', () => {
    expect(() => checkAnswer(undefined, 'rewrite() of Mine')).toThrow(
      'rewrite() of Mine gave back undefined: give back nothing, a Response, or { status: 403, headers, body } with a text for a body.',
    )
    expect(() => checkAnswer({ status: 200, body: 7 }, 'it')).toThrow(
      'it gave back an answer without a status from 200 to 599, or with a body of another kind',
    )
  })

  it('refusals are plain text in one sentence that nobody can sniff', () => {
    expect(refused({ status: 400, reason: 'it is bad' })).toStrictEqual({
      status: 400,
      headers: [
        ['content-type', 'text/plain; charset=utf-8'],
        ['x-content-type-options', 'nosniff'],
      ],
      body: 'Bad request: it is bad.\n',
    })
    expect(textAnswer(404, 'x').status).toBe(404)
  })
})
