/** Fetch handlers over the bridge: what goes over the wire is the same, whenever the body of a Response is made. */

import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { text } from 'node:stream/consumers'
import { createServerAdapter } from '@whatwg-node/server'
import { H3 } from 'h3'
import { Hono } from 'hono'
import { compress } from 'hono/compress'
import { etag } from 'hono/etag'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, HeaderRewriter, stack } from '../../../src/index.ts'
import { type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'
import { exchange } from '../../fixtures/raw-http.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => undefined))
afterEach(() => void errors.mockReset())

type Fetch = (request: Request) => Response | Promise<Response>

async function started(fetch: Fetch, options: ServeOptions = {}): Promise<RunningServer> {
  const server = await serve({ fetch }, { bind: '127.0.0.1:0', ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return server
}

async function overHttp1(app: Fetch, options: ServeOptions, method = 'GET'): Promise<string> {
  const { url } = await started(app, options)
  const ask = (last: string): string =>
    `${method} /path HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n${last}\r\n`
  const answer = await exchange(Number(new URL(url).port), ask('') + ask('Connection: close\r\n'))
  return answer.replaceAll(/\r\nDate: [^\r]+/g, '')
}

async function overHttp2(app: Fetch, options: ServeOptions, method = 'GET'): Promise<[IncomingHttpHeaders, string]> {
  const { url } = await started(app, { ...options, tls: 'adhoc', http2: true })
  const session = connectHttp2(url, { rejectUnauthorized: false })
  onTestFinished(() => session.destroy())
  const stream = session.request({ ':path': '/path', ':method': method, 'accept-encoding': 'gzip' })
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders]
  const { date: _date, ...others } = head
  return [others, await text(stream).catch(() => 'cut short')]
}

const shared = new Map<string, Response>()

/** Handlers by what they answer with; each is asked twice on one connection. */
const HANDLERS: Record<string, Fetch> = {
  'a text': () => new Response('Hello'),
  'a text, later': async () => new Response('Hello'),
  'a text of other letters': () => new Response('Grüße, 你好 \u{1F600}'),
  'an empty text': () => new Response(''),
  'a long text': () => new Response('abc '.repeat(50_000)),
  'a long text of other letters': () => new Response('äöü '.repeat(50_000)),
  bytes: () => new Response(new Uint8Array([0, 1, 254, 255])),
  'many bytes': () => new Response(new Uint8Array(100_000).fill(65)),
  JSON: () => Response.json({ text: 'Grüße' }, { status: 201 }),
  'nothing with 204': () => new Response(null, { status: 204 }),
  'nothing with 304': () => new Response(null, { status: 304, headers: { etag: '"a"' } }),
  'nothing with 200': () => new Response(null),
  'a redirect': () => Response.redirect('http://b.example/', 307),
  'a status text': () => new Response('a', { status: 299, statusText: 'Fine' }),
  'a header of Latin letters': () => new Response('a', { headers: { 'x-name': 'Müller' } }),
  'a header of Latin letters, and a text of others': () => new Response('你', { headers: { 'x-name': 'Müller' } }),
  'two cookies': () =>
    new Response('a', {
      headers: [
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
      ],
    }),
  'its length': () => new Response('abc', { headers: { 'content-length': '3' } }),
  'a length that is too long': () => new Response('abc', { headers: { 'content-length': '9' } }),
  'a length that is too short': () => new Response('abc', { headers: { 'content-length': '1' } }),
  'headers of another connection': () =>
    new Response('abc', {
      headers: { 'transfer-encoding': 'chunked', connection: 'Keep-Alive', 'keep-alive': 'timeout=9' },
    }),
  'the end of the connection': () => new Response('abc', { headers: { connection: 'close' } }),
  'a Blob': () => new Response(new Blob(['abc'], { type: 'text/x-blob' })),
  'a stream': () => new Response(new Blob(['abc']).stream()),
  'a stream that fails at once': () =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.error(new Error('no'))
        },
      }),
    ),
  'a text that was read': async () => {
    const response = new Response('abc')
    await response.text()
    return response
  },
  'a text whose body was looked at': () => {
    const response = new Response('abc')
    return response.body === null ? new Response('none') : response
  },
  'a text whose body another has': () => {
    const response = new Response('abc')
    response.body!.getReader()
    return response
  },
  'a text that was cloned': () => {
    const response = new Response('abc', { headers: { 'x-kept': 'yes' } })
    void response.clone()
    return response
  },
  'the clone of a text': () => new Response('abc', { headers: { 'x-kept': 'yes' } }).clone(),
  'a copy of a text': () => {
    const response = new Response('abc', { status: 404, headers: { 'x-kept': 'yes' } })
    return new Response(response.body, response)
  },
  'headers that were changed': () => {
    const response = new Response('abc')
    response.headers.set('content-type', 'text/css')
    response.headers.append('x-later', 'yes')
    return response
  },
  'no type': () => {
    const response = new Response('abc')
    response.headers.delete('content-type')
    return response
  },
  'the same Response each time': () => {
    const before = shared.get('text') ?? new Response('once')
    shared.set('text', before)
    return before
  },
  'a subclass with its own body': () =>
    new (class extends Response {
      override get body(): Response['body'] {
        return new Blob(['its own']).stream() as Response['body']
      }
    })('not this'),
  'an error': () => Response.error(),
  'a failure': () => {
    throw new Error('no')
  },
  'a failure, later': async () => await Promise.reject(new Error('no')),
  'no Response': () => 'abc' as unknown as Response,
}

/** Apps that make, copy, clone and read Responses in their own ways. */
const FRAMEWORKS: Record<string, Fetch> = {
  Hono: new Hono()
    .use(compress(), etag(), async (context, next) => {
      await next()
      context.header('x-after', 'yes')
    })
    .get('/path', (context) => context.text('Grüße '.repeat(500))).fetch,
  'Hono, whose text a middleware changes': new Hono()
    .use(async (context, next) => {
      await next()
      context.res = new Response((await context.res.clone().text()).toUpperCase(), context.res)
    })
    .get('/path', (context) => context.html('<p>Hello</p>', 201, { 'x-kept': 'yes' })).fetch,
  'Hono, which finds nothing': new Hono().fetch,
  'Hono, of JSON': new Hono().get('/path', (context) => context.json({ a: 1 })).fetch,
  h3: async (request) =>
    await new H3()
      .use(async (_event, next) => {
        const value = await next()
        return value instanceof Response ? new Response(`${await value.text()}!`, value) : value
      })
      .get('/path', () => new Response('Hello', { headers: { 'x-kept': 'yes' } }))
      .fetch(request),
  'h3, of an object': async (request) => await new H3().get('/path', () => ({ a: 1 })).fetch(request),
  '@whatwg-node/server': createServerAdapter((_request: Request) => Response.json({ a: 1 })) as unknown as Fetch,
  'a page that waits for a part, as SvelteKit and Remix stream them': () => {
    const encoder = new TextEncoder()
    return new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(encoder.encode('<p>first</p>'))
          await new Promise((resolve) => setImmediate(resolve))
          controller.enqueue(encoder.encode('<p>then</p>'))
          controller.close()
        },
      }),
      { headers: { 'content-type': 'text/html' } },
    )
  },
}

const NATIVE = { nativeResponse: true }
const Native = globalThis.Response
const REWRITER = HeaderRewriter.from({ response: { append: { 'x-rewritten': 'yes' } } })

/** Each of them, in each of these ways. */
const WAYS: Record<string, (fetch: Fetch, options: ServeOptions) => Promise<unknown>> = {
  'HTTP/1': (fetch, options) => overHttp1(fetch, options),
  // The length of a body that is made late is told here as well.
  'HTTP/1, HEAD': async (fetch, options) =>
    (await overHttp1(fetch, options, 'HEAD')).replaceAll(/\r\ncontent-length: \d+/gi, ''),
  'HTTP/1, rewritten': (fetch, options) => overHttp1(stack({ fetch }, REWRITER).fetch, options),
  'HTTP/2': (fetch, options) => overHttp2(fetch, options),
  'HTTP/2, HEAD': async (fetch, options) => {
    const [{ 'content-length': _length, ...head }, body] = await overHttp2(fetch, options, 'HEAD')
    return [head, body]
  },
}

describe('a Fetch handler', () => {
  it('has the global Response of Node with nativeResponse, as Node handlers have', async () => {
    await started(() => new Response('a'), NATIVE)
    const server = await serve((_req: unknown, res: { end(): void }) => res.end(), { bind: '127.0.0.1:0' })
    onTestFinished(() => server.close({ timeout: 0 }))
    await fetch(server.url)
    expect(globalThis.Response).toBe(Native)
  })

  // One after the other: what Node's own class gives cannot be had any more once another is in its place.
  it('is answered the same, whenever bodies are made', { timeout: 60_000 }, async () => {
    const ask = async (options: ServeOptions): Promise<Map<string, unknown>> => {
      const answers = new Map<string, unknown>()
      for (const [way, act] of Object.entries(WAYS)) {
        for (const [name, handler] of Object.entries({ ...HANDLERS, ...FRAMEWORKS })) {
          shared.clear()
          answers.set(`${name}, ${way}`, await act(handler, options))
        }
      }
      return answers
    }
    const native = await ask(NATIVE)
    expect(globalThis.Response).toBe(Native)
    const late = await ask({})
    expect(globalThis.Response).not.toBe(Native)
    for (const [name, answer] of native) expect([name, late.get(name)]).toEqual([name, answer])
    expect(native.get('a text, HTTP/1')).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain;charset=UTF-8\r\n/)
    expect(native.get('Hono, HTTP/1')).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[^]*content-encoding: gzip\r\n[^]*x-after: yes\r\n/,
    )
    expect(native.get('Hono, whose text a middleware changes, HTTP/1')).toMatch(/201 Created[^]*<P>HELLO<\/P>/)
    expect(native.get('h3, HTTP/1')).toMatch(/x-kept: yes[^]*Hello!/)
    expect(native.get('@whatwg-node/server, HTTP/1')).toContain('{"a":1}')
    expect(String(native.get('a text, HTTP/1')).match(/\r\ncontent-length: 5\r\n[^]*?\r\n\r\nHello/g)).toHaveLength(2)
  })

  it('is told the length of a body that HEAD does not give', async () => {
    expect(await overHttp1(() => new Response('Grüße'), {}, 'HEAD')).toMatch(/\r\ncontent-length: 7\r\n/)
  })
})

describe('an answer', () => {
  const cookies = (): Response =>
    new Response('a', {
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
    })

  it('has all of its cookies beside headers that the handler has set on Node’s response', async () => {
    const server = await serve(
      {
        fetch: (_request: Request, { outgoing }: Platform) => {
          outgoing.setHeader('x-id', '1')
          return cookies()
        },
      },
      { bind: '127.0.0.1:0' },
    )
    onTestFinished(() => server.close({ timeout: 0 }))
    const { headers } = await fetch(server.url)
    expect([headers.getSetCookie(), headers.get('x-id')]).toEqual([['a=1', 'b=2'], '1'])
  })

  it('has no length beside a framing that the handler has set', async () => {
    const server = await serve(
      {
        fetch: (_request: Request, { outgoing }: Platform) => {
          outgoing.setHeader('transfer-encoding', 'chunked')
          return new Response('abc')
        },
      },
      { bind: '127.0.0.1:0' },
    )
    onTestFinished(() => server.close({ timeout: 0 }))
    const response = await fetch(server.url)
    expect([response.headers.get('content-length'), await response.text()]).toEqual([null, 'abc'])
  })

  it('that the handler has sent by itself is not complained of when it gives a Response as well', async () => {
    const server = await serve(
      {
        fetch: (_request: Request, { outgoing }: Platform) => {
          outgoing.end('own')
          return new Response('other')
        },
      },
      { bind: '127.0.0.1:0' },
    )
    onTestFinished(() => server.close({ timeout: 0 }))
    expect(await (await fetch(server.url)).text()).toBe('own')
    expect(errors).not.toHaveBeenCalled()
  })

  it('of a form that nobody takes does not end the process', async () => {
    const uncaught: unknown[] = []
    const note = (error: unknown): void => void uncaught.push(error)
    process.on('uncaughtException', note).on('unhandledRejection', note)
    onTestFinished(() => void process.off('uncaughtException', note).off('unhandledRejection', note))
    const form = new FormData()
    form.set('a', 'b')
    form.set('file', new Blob(['x'.repeat(2 ** 20)]))
    const { url } = await started(() => new Response(form))
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200)
    const controller = new AbortController()
    const gone = await fetch(url, { signal: controller.signal })
    controller.abort()
    await gone.text().catch(() => undefined)
    expect(await (await fetch(url)).text()).toContain('name="a"')
    await new Promise((resolve) => setImmediate(resolve))
    expect(uncaught).toEqual([])
  })
})

interface Platform {
  readonly outgoing: ServerResponse
}

describe('the Request of a Fetch handler', () => {
  const FORWARDED = {
    'x-forwarded-for': '203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'www.example.com',
  }
  const TRUST = { xFor: 1, xProto: 1, xHost: 1 }

  /** What a handler finds in its request. */
  async function found<R>(read: (request: Request) => R | Promise<R>, proxyFix: object, target = '/a?b'): Promise<R> {
    let result: R | undefined
    const { url } = await started(
      async (request) => {
        result = await read(request)
        return new Response('read')
      },
      { proxyFix: { ...TRUST, ...proxyFix } },
    )
    await (await fetch(url + target, { headers: FORWARDED })).text()
    return result!
  }

  const shows = (request: Request): unknown => ({
    url: request.url,
    ofRouters: (request as { _url?: URL })._url?.href, // oxlint-disable-line no-underscore-dangle -- srvx calls it so
    ip: (request as { ip?: string }).ip,
    info: connectionInfo(request).url,
    copy: new Request(request.url, request).url,
  })

  it.each([{}, { socket: false }, { headers: 'keep' }, { headers: 'keep', socket: false }])(
    'shows the decision in every way, with %o',
    async (options) => {
      const url = 'https://www.example.com/a?b'
      expect(await found(shows, options)).toEqual({ url, ofRouters: url, ip: '203.0.113.9', info: url, copy: url })
    },
  )

  it('has its URL as Node would write it', async () => {
    expect(await found(({ url }) => url, {}, "/a/../%7Eb?c='d'")).toBe('https://www.example.com/%7Eb?c=%27d%27')
  })

  it('has clones that are fixed', async () => {
    const read = (request: Request): unknown => {
      const copy = request.clone()
      return [copy.url, connectionInfo(copy).client.address, connectionInfo(copy.clone()).client.address]
    }
    expect(await found(read, {})).toEqual(['https://www.example.com/a?b', '203.0.113.9', '203.0.113.9'])
  })

  it('is a Request', async () => {
    const read = (request: Request): unknown => [
      request instanceof Request,
      request.constructor.name,
      Object.keys(request),
    ]
    expect(await found(read, {})).toEqual([true, 'Request', ['runtime', 'waitUntil']])
  })

  it('takes the URL that a router puts there', async () => {
    const read = (request: Request): unknown => {
      void request.url
      Object.assign(request, { _url: new URL('http://b.example/c') })
      return request.url
    }
    expect(await found(read, {})).toBe('http://b.example/c')
  })
})
