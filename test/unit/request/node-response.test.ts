/** The head of a Node response is rewritten once, whichever way it is written, over HTTP/1.1 and HTTP/2. */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { text } from 'node:stream/consumers'
import { createGzip, gunzipSync } from 'node:zlib'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { HeaderRewriter, type RewritableRequest, type RewritableResponse } from '../../../src/index.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

type RewriteResponse = (response: RewritableResponse, request: RewritableRequest) => void
type Listener = (req: IncomingMessage, res: ServerResponse) => unknown

function rewriting(rewriteResponse: RewriteResponse): HeaderRewriter {
  return Object.assign(new HeaderRewriter(), { rewriteResponse })
}

/** What goes over the wire, without the Date. */
async function wire(
  listener: Listener,
  request = requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close'),
): Promise<string> {
  const server = http.createServer((req, res) => void listener(req, res))
  onTestFinished(() => close(server))
  return (await exchange(await listen(server), request)).replace(/^Date: .*\r\n/gim, '')
}

const mark: RewriteResponse = ({ headers, status }) => headers.set('x-status', String(status))

/** A response as the wire has it. */
function lines(...head: readonly string[]): string {
  return head.map((line) => `${line}\r\n`).join('')
}

describe('the head', () => {
  const WAYS: readonly { how: string; listener: Listener; sent: string }[] = [
    {
      how: 'end()',
      listener: (_, res) => res.end('x'),
      sent: lines('HTTP/1.1 200 OK', 'x-status: 200', 'Connection: close', 'Content-Length: 1', '', 'x').slice(0, -2),
    },
    {
      how: 'end() of an empty response',
      listener: (_, res) => res.end(),
      sent: lines('HTTP/1.1 200 OK', 'x-status: 200', 'Connection: close', 'Content-Length: 0', ''),
    },
    {
      how: 'write()',
      listener: (_, res) => {
        res.write('x')
        res.end('y')
      },
      sent: lines(
        'HTTP/1.1 200 OK',
        'x-status: 200',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '1',
        'x',
        '1',
        'y',
        '0',
        '',
      ),
    },
    {
      how: 'flushHeaders()',
      listener: (_, res) => {
        res.statusCode = 201
        res.flushHeaders()
        res.end()
      },
      sent: lines(
        'HTTP/1.1 201 Created',
        'x-status: 201',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '0',
        '',
      ),
    },
    {
      how: 'a pipe',
      listener: (_, res) => Readable.from(['x']).pipe(res),
      sent: lines(
        'HTTP/1.1 200 OK',
        'x-status: 200',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '1',
        'x',
        '0',
        '',
      ),
    },
    {
      how: 'writeHead(status)',
      listener: (_, res) => res.writeHead(404).end(),
      sent: lines(
        'HTTP/1.1 404 Not Found',
        'x-status: 404',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '0',
        '',
      ),
    },
    {
      how: 'writeHead(status, reason)',
      listener: (_, res) => res.writeHead(404, 'Gone fishing').end(),
      sent: lines(
        'HTTP/1.1 404 Gone fishing',
        'x-status: 404',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '0',
        '',
      ),
    },
    {
      how: 'writeHead(status, headers)',
      listener: (_, res) =>
        res.writeHead(200, { 'X-A': '1', 'Set-Cookie': ['a=1', 'b=2'], 'Content-Length': 1 }).end('x'),
      sent: lines(
        'HTTP/1.1 200 OK',
        'X-A: 1',
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        'Content-Length: 1',
        'x-status: 200',
        'Connection: close',
        '',
        'x',
      ).slice(0, -2),
    },
    {
      how: 'writeHead(status, reason, headers)',
      listener: (_, res) => res.writeHead(200, 'Fine', { 'X-A': '1', 'Content-Length': 0 }).end(),
      sent: lines('HTTP/1.1 200 Fine', 'X-A: 1', 'Content-Length: 0', 'x-status: 200', 'Connection: close', ''),
    },
    {
      how: 'writeHead(status, names and values in turn)',
      listener: (_, res) =>
        res.writeHead(200, ['X-A', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Content-Length', '0']).end(),
      sent: lines(
        'HTTP/1.1 200 OK',
        'X-A: 1',
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        'Content-Length: 0',
        'x-status: 200',
        'Connection: close',
        '',
      ),
    },
    {
      how: 'writeHead(status, pairs)',
      listener: (_, res) => {
        const pairs = [
          ['X-A', '1'],
          ['Set-Cookie', 'a=1'],
          ['Set-Cookie', 'b=2'],
          ['Content-Length', '0'],
        ]
        res.writeHead(200, pairs as unknown as string[]).end()
      },
      sent: lines(
        'HTTP/1.1 200 OK',
        'X-A: 1',
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        'Content-Length: 0',
        'x-status: 200',
        'Connection: close',
        '',
      ),
    },
    {
      how: 'setHeader() and writeHead(status, headers), which win',
      listener: (_, res) => {
        res.setHeader('X-A', 'before')
        res.setHeader('X-B', '2')
        res.writeHead(200, { 'x-a': '1', 'Content-Length': 0 }).end()
      },
      sent: lines('HTTP/1.1 200 OK', 'x-a: 1', 'X-B: 2', 'Content-Length: 0', 'x-status: 200', 'Connection: close', ''),
    },
    {
      how: 'appendHeader()',
      listener: (_, res) => {
        res.appendHeader('X-A', '1').appendHeader('X-A', '2').appendHeader('Content-Length', '0')
        res.end()
      },
      sent: lines('HTTP/1.1 200 OK', 'X-A: 1', 'X-A: 2', 'Content-Length: 0', 'x-status: 200', 'Connection: close', ''),
    },
  ]

  it.each(WAYS)('is rewritten when it is written by $how', async ({ listener, sent }) => {
    expect(await wire(rewriting(mark).wrap(listener))).toBe(sent)
  })

  it.each(WAYS)('is the same but for what was rewritten, by $how', async ({ listener, sent }) => {
    expect(await wire(listener)).toBe(sent.replace(/x-status: .*\r\n/, ''))
  })

  it.each(WAYS)('is rewritten once, by $how', async ({ listener }) => {
    const rewrite = vi.fn<RewriteResponse>()
    await wire(rewriting(rewrite).wrap(listener))
    expect(rewrite).toHaveBeenCalledOnce()
  })

  it.each<{ how: string; headers: object }>([
    { how: 'a record', headers: { 'X-A': '1', 'X-B': '2', 'x-a': ['3', '4'] } },
    { how: 'names and values in turn', headers: ['X-A', '1', 'X-B', '2', 'x-a', ['3', '4']] },
    {
      how: 'pairs',
      headers: [
        ['X-A', '1'],
        ['X-B', '2'],
        ['x-a', ['3', '4']],
      ],
    },
  ])('has all values of a name that differs in case, spelt as it came first: $how', async ({ headers }) => {
    const listener: Listener = (_, res) => res.writeHead(200, headers as http.OutgoingHttpHeaders).end()
    expect(await wire(rewriting(() => undefined).wrap(listener))).toBe(
      lines(
        'HTTP/1.1 200 OK',
        'X-A: 1',
        'X-A: 3',
        'X-A: 4',
        'X-B: 2',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '0',
        '',
      ),
    )
  })

  it('has the reason of the status that was assigned', async () => {
    const teapot = rewriting((response) => void (response.status = 418))
    expect(
      await wire(teapot.wrap((_: IncomingMessage, res: ServerResponse) => res.writeHead(200, 'Fine').end())),
    ).toMatch(/^HTTP\/1\.1 418 I'm a Teapot\r\n/)
    expect(
      await wire(teapot.wrap((_: IncomingMessage, res: ServerResponse) => ((res.statusMessage = 'Fine'), res.end()))),
    ).toMatch(/^HTTP\/1\.1 418 I'm a Teapot\r\n/)
  })

  it.each([204, 304])('that becomes %i has no body and no framing, whatever was written', async (status) => {
    const empty = rewriting((response) => void (response.status = status))
    const listener = (_: IncomingMessage, res: ServerResponse): void => {
      res.writeHead(200, { 'Content-Length': 3, 'X-A': '1' })
      res.write('a')
      res.end('bc')
    }
    expect(await wire(empty.wrap(listener))).toBe(
      lines(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}`, 'X-A: 1', 'Connection: close', ''),
    )
  })

  it('of 1xx goes past it, and the last one is rewritten', async () => {
    const rewrite = vi.fn<RewriteResponse>(mark)
    const sent = await wire(
      rewriting(rewrite).wrap((_: IncomingMessage, res: ServerResponse) => {
        res.writeContinue()
        res.writeProcessing()
        res.writeEarlyHints({ link: '</a.css>; rel=preload' })
        res.end()
      }),
    )
    expect(sent).toBe(
      lines(
        'HTTP/1.1 100 Continue',
        '',
        'HTTP/1.1 102 Processing',
        '',
        'HTTP/1.1 103 Early Hints',
        'Link: </a.css>; rel=preload',
        '',
      ) + lines('HTTP/1.1 200 OK', 'x-status: 200', 'Connection: close', 'Content-Length: 0', ''),
    )
    expect(rewrite).toHaveBeenCalledOnce()
  })

  it('answers Expect: 100-continue as before', async () => {
    const server = http.createServer(
      rewriting(mark).wrap((req: IncomingMessage, res: ServerResponse) => void req.pipe(res)),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    const req = http.request({ port, method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 3 } })
    req.flushHeaders()
    await once(req, 'continue')
    req.end('abc')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect([res.statusCode, res.headers['x-status'], await text(res)]).toStrictEqual([200, '200', 'abc'])
  })

  it('keeps trailers', async () => {
    const sent = await wire(
      rewriting(mark).wrap((_: IncomingMessage, res: ServerResponse) => {
        res.writeHead(200, { Trailer: 'X-Sum' })
        res.write('x')
        res.addTrailers({ 'X-Sum': '7' })
        res.end()
      }),
    )
    expect(sent).toBe(
      lines(
        'HTTP/1.1 200 OK',
        'Trailer: X-Sum',
        'x-status: 200',
        'Connection: close',
        'Transfer-Encoding: chunked',
        '',
        '1',
        'x',
        '0',
        'X-Sum: 7',
        '',
      ),
    )
  })

  it('lets a middleware that compresses decide when the head is written', async () => {
    const order: (string | null)[] = []
    const app = rewriting(
      ({ headers }) => void order.push(headers.get('content-encoding'), headers.get('content-length')),
    ).wrap((_: IncomingMessage, res: ServerResponse) => {
      compressing(res)
      res.setHeader('Content-Length', 4)
      res.write('body')
      res.end()
    })
    const server = http.createServer(app)
    onTestFinished(() => close(server))
    const port = await listen(server)
    const [res] = (await once(http.get({ port }), 'response')) as [IncomingMessage]
    const parts: Buffer[] = []
    for await (const part of res as AsyncIterable<Buffer>) parts.push(part)
    expect(gunzipSync(Buffer.concat(parts)).toString()).toBe('body')
    expect(res.headers['content-encoding']).toBe('gzip')
    expect(order).toStrictEqual(['gzip', null])
  })

  it('is out when a later call changes it, which throws as without', async () => {
    const codes: unknown[] = []
    const listener = (_: IncomingMessage, res: ServerResponse): void => {
      res.write('x')
      for (const late of [() => res.setHeader('x-a', '1'), () => res.writeHead(500), () => res.removeHeader('x-a')]) {
        try {
          late()
        } catch (error) {
          codes.push((error as { code?: string }).code)
        }
      }
      res.end()
    }
    expect(await wire(rewriting(mark).wrap(listener))).toMatch(/^HTTP\/1\.1 200 OK\r\nx-status: 200\r\n/)
    expect(codes).toStrictEqual(['ERR_HTTP_HEADERS_SENT', 'ERR_HTTP_HEADERS_SENT', 'ERR_HTTP_HEADERS_SENT'])
  })

  it('cannot be rewritten after it was sent', async () => {
    const kept: RewritableResponse[] = []
    await wire(
      rewriting((response) => void kept.push(response)).wrap((_: IncomingMessage, res: ServerResponse) => res.end()),
    )
    expect(() => kept[0]!.headers.set('x-a', '1')).toThrow(/headers after they are sent|ERR_HTTP_HEADERS_SENT/)
  })
})

/** A client that goes away with the first bytes. */
function leaveEarly(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.write(requestText('GET / HTTP/1.1', 'Host: app'))
  return socket.once('data', () => socket.destroy())
}

/** As `compression` does it: what is written goes through a gzip, whose first output writes the head. */
function compressing(res: ServerResponse): void {
  const gzip = createGzip()
  const { write, end, writeHead } = res
  res.writeHead = function (this: ServerResponse, ...args: never[]) {
    res.setHeader('Content-Encoding', 'gzip')
    res.removeHeader('Content-Length')
    return Reflect.apply(writeHead, this, args) as ServerResponse
  } as ServerResponse['writeHead']
  gzip.on('data', (part: Buffer) => void Reflect.apply(write, res, [part]))
  gzip.on('end', () => void Reflect.apply(end, res, []))
  res.write = ((part: string) => gzip.write(part)) as ServerResponse['write']
  res.end = (() => (gzip.end(), res)) as unknown as ServerResponse['end']
}

describe('a head that fails', () => {
  const page = (res: ServerResponse): void => void res.writeHead(500, { 'Content-Length': 2 }).end('no')
  const PAGE = lines(
    'HTTP/1.1 500 Internal Server Error',
    'Content-Length: 2',
    'x-status: 500',
    'Connection: close',
    '',
    'no',
  ).slice(0, -2)

  const FAILURES: readonly { what: string; head: (res: ServerResponse) => unknown; code: string }[] = [
    {
      what: 'a bad value',
      head: (res) => res.writeHead(200, { 'X-Secret': '1', 'X-Bad': 'a\nb' }),
      code: 'ERR_INVALID_CHAR',
    },
    {
      what: 'a bad name',
      head: (res) => res.writeHead(200, { 'X-Secret': '1', 'x bad': 'a' }),
      code: 'ERR_INVALID_HTTP_TOKEN',
    },
    {
      what: 'a bad value in a list',
      head: (res) => res.writeHead(200, ['X-Secret', '1', 'X-Bad', 'a\nb']),
      code: 'ERR_INVALID_CHAR',
    },
    {
      what: 'a list that is cut',
      head: (res) => res.writeHead(200, ['X-Secret', '1', 'X-B']),
      code: 'ERR_INVALID_ARG_VALUE',
    },
    {
      what: 'a bad status',
      head: (res) => res.writeHead(99, { 'X-Secret': '1' }),
      code: 'ERR_HTTP_INVALID_STATUS_CODE',
    },
    { what: 'a bad reason', head: (res) => res.writeHead(200, 'a\nb', { 'X-Secret': '1' }), code: 'ERR_INVALID_CHAR' },
  ]

  it.each(FAILURES)(
    'by $what throws as without a rewriter, and the page that is sent instead is rewritten',
    async ({ head, code }) => {
      const codes: unknown[] = []
      const listener = (_: IncomingMessage, res: ServerResponse): void => {
        try {
          head(res)
        } catch (error) {
          codes.push((error as { code?: string }).code)
          // Of Node's own the reason stays; a program that shows its own page has it replaced.
          res.statusMessage = ''
          page(res)
        }
      }
      expect(await wire(listener)).toBe(PAGE.replace(/x-status: .*\r\n/, ''))
      expect(await wire(rewriting(mark).wrap(listener))).toBe(PAGE)
      expect(codes).toStrictEqual([code, code])
    },
  )

  it('keeps both spellings of a name, as without a rewriter', async () => {
    const listener = (_: IncomingMessage, res: ServerResponse): unknown =>
      res.writeHead(200, { 'Set-Cookie': 'a=1', 'set-cookie': 'b=2' }).end()
    const cookies = (sent: string): string[] => sent.match(/^set-cookie: .*$/gim) ?? []
    expect(cookies(await wire(listener))).toHaveLength(2)
    expect(cookies(await wire(rewriting(mark).wrap(listener)))).toHaveLength(2)
  })

  it('by the rewriter is the error of whoever wrote it, and nothing of it was sent', async () => {
    const mine = new Error('mine')
    const errors: unknown[] = []
    const fails = rewriting(({ headers, status }) => {
      headers.set('x-half', '1')
      if (status === 200) throw mine
    })
    const sent = await wire(
      fails.wrap((_: IncomingMessage, res: ServerResponse) => {
        try {
          res.end('secret')
        } catch (error) {
          errors.push(error, res.headersSent)
          for (const name of res.getHeaderNames()) res.removeHeader(name)
          page(res)
        }
      }),
    )
    expect(errors).toStrictEqual([mine, false])
    expect(sent).toMatch(/^HTTP\/1\.1 500 /)
    expect(sent).not.toContain('secret')
  })
})

describe('a connection', () => {
  it('that stays open has each response rewritten by itself', async () => {
    const app = rewriting(({ headers }, { url }) => headers.set('x-url', url)).wrap(
      (req: IncomingMessage, res: ServerResponse) => {
        req.resume().once('end', () => res.end(req.url))
      },
    )
    const server = http.createServer(app)
    onTestFinished(() => close(server))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const port = await listen(server)
    const sockets = new Set<unknown>()
    for (const path of ['/a', '/b', '/c']) {
      const req = http.request({ port, path, agent, method: 'POST' })
      req.end('body')
      const [res] = (await once(req, 'response')) as [IncomingMessage]
      sockets.add(res.socket)
      expect([res.headers['x-url'], await text(res)]).toStrictEqual([path, path])
    }
    expect(sockets.size).toBe(1)
  })

  it('that is aborted while the response streams tells the handler, as without', async () => {
    const stories: string[][] = []
    for (const wrap of [(listener: Listener) => listener, (listener: Listener) => rewriting(mark).wrap(listener)]) {
      const story: string[] = []
      stories.push(story)
      const closed = new Promise<void>((resolve) => {
        const server = http.createServer((req, res) => {
          wrap((_, given) => {
            const body = new PassThrough()
            body.write('first')
            pipeline(body, given).catch((error: { code?: string }) => {
              story.push(`pipeline ${error.code}`)
              resolve()
            })
            given.once('close', () => story.push(`close ${given.writableFinished}`))
          })(req, res)
        })
        onTestFinished(() => close(server))
        void listen(server).then(leaveEarly)
      })
      await closed
    }
    expect(stories[1]).toStrictEqual(stories[0])
    expect(stories[0]).toContain('pipeline ERR_STREAM_PREMATURE_CLOSE')
  })

  it('whose answer of a rewriter is a stream lets go of it when the client is gone', async () => {
    const cancelled = new Promise<void>((resolve) => {
      const endless = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
          cancel: () => resolve(),
        })
      const rewriter = Object.assign(new HeaderRewriter(), { rewrite: () => ({ status: 200, body: endless() }) })
      const server = http.createServer(rewriter.wrap((_req: IncomingMessage, _res: ServerResponse) => undefined))
      onTestFinished(() => close(server))
      void listen(server).then(leaveEarly)
    })
    await expect(cancelled).resolves.toBeUndefined()
  })

  it('is cut short when the stream of an answer fails, and the process lives', async () => {
    const failing = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => controller.enqueue(new TextEncoder().encode('part')),
      pull: (controller) => controller.error(new Error('mine')),
    })
    const rewriter = Object.assign(new HeaderRewriter(), { rewrite: () => ({ status: 200, body: failing }) })
    const sent = await wire(rewriter.wrap((_req: IncomingMessage, _res: ServerResponse) => undefined))
    expect(sent).not.toMatch(/\r\n0\r\n\r\n$/)
  })

  it.each(['HEAD', 'GET'])(
    'does not end the process when a stream that is let go of fails at that (%s)',
    async (method) => {
      const unhandled = vi.fn<(reason: unknown) => void>()
      process.on('unhandledRejection', unhandled)
      onTestFinished(() => void process.off('unhandledRejection', unhandled))
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        cancel() {
          throw new Error('mine')
        },
      })
      const rewriter = Object.assign(new HeaderRewriter(), {
        rewrite: () => ({ status: method === 'HEAD' ? 200 : 204, body }),
      })
      await wire(
        rewriter.wrap((_req: IncomingMessage, _res: ServerResponse) => undefined),
        requestText(`${method} / HTTP/1.1`, 'Host: app', 'Connection: close'),
      )
      await new Promise((resolve) => setImmediate(resolve))
      expect(unhandled).not.toHaveBeenCalled()
    },
  )
})

describe('over HTTP/2', () => {
  type Http2Listener = (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => unknown

  async function ask(
    listener: Http2Listener,
    method = 'GET',
  ): Promise<{ headers: http2.IncomingHttpHeaders; trailers: unknown; body: string; info: unknown[] }> {
    const server = http2.createServer((req, res) => void listener(req, res))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':method': method, ':path': '/' })
    const info: unknown[] = []
    stream.on('headers', (headers: http2.IncomingHttpHeaders) => info.push(headers[':status']))
    let trailers: unknown
    stream.on('trailers', (given: http2.IncomingHttpHeaders) => (trailers = Object.fromEntries(Object.entries(given))))
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    return { headers, body: await text(stream), trailers, info }
  }

  const WAYS: readonly { how: string; listener: Http2Listener }[] = [
    { how: 'end()', listener: (_, res) => res.end('x') },
    { how: 'write()', listener: (_, res) => (res.write('x'), res.end()) },
    { how: 'writeHead(status, headers)', listener: (_, res) => res.writeHead(200, { 'x-a': '1' }).end('x') },
    { how: 'writeHead(status, list)', listener: (_, res) => res.writeHead(200, ['x-a', '1'] as never).end('x') },
    { how: 'flushHeaders()', listener: (_, res) => ((res as unknown as ServerResponse).flushHeaders(), res.end('x')) },
    { how: 'respond by hand after setHeader()', listener: (_, res) => (res.setHeader('x-a', '1'), res.end('x')) },
  ]

  it.each(WAYS)('a head is rewritten once, by $how', async ({ listener }) => {
    const rewrite = vi.fn<RewriteResponse>(mark)
    const { headers, body } = await ask(rewriting(rewrite).wrap(listener))
    expect(headers).toMatchObject({ ':status': 200, 'x-status': '200' })
    expect(body).toBe('x')
    expect(rewrite).toHaveBeenCalledOnce()
  })

  it('keeps cookies, trailers, early hints, and HEAD', async () => {
    const listener: Http2Listener = (_, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' })
      res.setHeader('set-cookie', ['a=1', 'b=2'])
      res.write('x')
      res.addTrailers({ 'x-sum': '7' })
      res.end()
    }
    const wrapped = rewriting(({ headers }) => headers.append('set-cookie', 'c=3')).wrap(listener)
    const { headers, trailers, body, info } = await ask(wrapped)
    expect(headers['set-cookie']).toStrictEqual(['a=1', 'b=2', 'c=3'])
    expect(trailers).toStrictEqual({ 'x-sum': '7' })
    expect([body, info]).toStrictEqual(['x', [103]])
    expect(
      (
        await ask(
          rewriting(mark).wrap((_: unknown, res: http2.Http2ServerResponse) => res.end()),
          'HEAD',
        )
      ).headers,
    ).toMatchObject({ 'x-status': '200' })
  })

  it.each([204, 304])('a status of %i drops the body, and warns of nothing', async (status) => {
    const warnings: unknown[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning.message)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const empty = rewriting((response) => void (response.status = status))
    const { headers, body } = await ask(
      empty.wrap(
        (_: unknown, res: http2.Http2ServerResponse) => (res.setHeader('content-length', '3'), res.end('abc')),
      ),
    )
    expect(headers[':status']).toBe(status)
    expect(headers['content-length']).toBeUndefined()
    expect(body).toBe('')
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toStrictEqual([])
  })

  it('answers of a rewriter are sent, without what HTTP/2 forbids', async () => {
    const rewriter = Object.assign(new HeaderRewriter(), {
      rewrite: () => ({ status: 403, headers: { 'set-cookie': ['a=1', 'b=2'], 'x-a': '1' }, body: 'no' }),
    })
    const { headers, body } = await ask(
      rewriter.wrap((_: unknown, res: http2.Http2ServerResponse) => res.end('handler')),
    )
    expect(headers).toMatchObject({ ':status': 403, 'set-cookie': ['a=1', 'b=2'], 'x-a': '1' })
    expect(body).toBe('no')
  })
})
