/** The bundled server: which app it takes, where it listens, what an app sees on it, and how it stops. */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Hono } from 'hono'
import type { ServerMiddleware } from 'srvx'
import { serve as serveSrvx } from 'srvx/node'
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, fixRequest, proxyFix, ProxyFixError, type ProxyFixOptions } from '../../../src/index.ts'
import { createServer, type RunningServer, serve, type ServeOptions } from '../../../src/server/index.ts'
import { selfSigned } from '../../../src/server/self-signed.ts'
import { exchange, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

/** An app of any kind, as a caller without types may give it. */
type AnyApp = Parameters<typeof serve>[0]

async function started(app: unknown, options: ServeOptions = {}): Promise<{ server: RunningServer; port: number }> {
  const server = await serve(app as AnyApp, { bind: '127.0.0.1:0', ...options })
  onTestFinished(() => server.close({ timeout: 0 }))
  return { server, port: server.addresses[0]?.port ?? 0 }
}

async function askPort(port: number, ...lines: readonly string[]): Promise<RawResponse | undefined> {
  return parseResponses(await exchange(port, requestText(...lines, 'Connection: close')))[0]
}

interface PlatformRequest extends Request {
  readonly ip?: string
  readonly runtime?: { readonly node?: { readonly req?: IncomingMessage } }
}

describe('request.ip, where the app was wrapped', () => {
  const look = (request: PlatformRequest, env?: { incoming?: IncomingMessage }): Response => {
    const incoming = request.runtime?.node?.req
    return Response.json([
      request.url,
      request.ip,
      incoming?.socket.remoteAddress,
      incoming?.headers['x-forwarded-for'],
      env?.incoming === undefined || env.incoming === incoming,
    ])
  }
  const options: ProxyFixOptions = { xFor: 1, xProto: 1 }
  const wrapped = proxyFix({ fetch: look }, options)

  async function startedBySrvx(middleware: ServerMiddleware[]): Promise<number> {
    const fetch = proxyFix((request: Request) => look(request), options)
    const server = serveSrvx({ fetch, middleware, port: 0, hostname: '127.0.0.1', silent: true })
    onTestFinished(() => server.close(true))
    await server.ready()
    return Number(new URL(server.url ?? '').port)
  }

  const servers: [name: string, start: () => Promise<number>][] = [
    [
      'serve(proxyFix(fetch))',
      async () => (await started(proxyFix((request: Request) => look(request), options))).port,
    ],
    ['serve({ fetch: proxyFix(fetch) })', async () => (await started({ fetch: proxyFix(look, options) })).port],
    ['serve(proxyFix({ fetch }))', async () => (await started(wrapped)).port],
    ['serve(app, { proxyFix })', async () => (await started({ fetch: look }, { proxyFix: options })).port],
    ["srvx's own server", () => startedBySrvx([])],
    [
      "srvx's own server, after something has read URL and address",
      () => startedBySrvx([(request, next) => (request.url === request.ip ? new Response() : next())]),
    ],
  ]

  it.each(
    servers.flatMap(([name, start]) => [
      { name, start, scheme: 'http' },
      { name, start, scheme: 'https' },
    ]),
  )('is the client, of $scheme, in $name', async ({ start, scheme }) => {
    const response = await askPort(
      await start(),
      'GET /x HTTP/1.1',
      'Host: app',
      'X-Forwarded-For: 6.6.6.6, 203.0.113.7',
      `X-Forwarded-Proto: ${scheme}`,
    )
    expect(JSON.parse(response?.body ?? '')).toStrictEqual([
      `${scheme}://app/x`,
      '203.0.113.7',
      '203.0.113.7',
      '203.0.113.7',
      true,
    ])
  })
})

describe('request.url, in the bundled server', () => {
  const look = (request: Request): Response =>
    Response.json([request.url, request.headers.get('host'), connectionInfo(request).url, connectionInfo(request).host])

  it.each([
    {
      name: 'a host with a trailing dot',
      head: ['GET /x HTTP/1.1', 'Host: good.example.'],
      seen: ['http://good.example./x', 'good.example.', 'http://good.example./x', 'good.example.'],
    },
    {
      name: 'a host with a trailing dot and a port',
      head: ['GET /x HTTP/1.1', 'Host: Good.example.:8080'],
      seen: ['http://good.example.:8080/x', 'good.example.:8080', 'http://good.example.:8080/x', 'good.example.:8080'],
    },
    {
      name: 'a forwarded host with a trailing dot',
      head: ['GET /x HTTP/1.1', 'Host: app', 'X-Forwarded-Host: good.example.', 'X-Forwarded-Proto: https'],
      seen: ['https://good.example./x', 'good.example.', 'https://good.example./x', 'good.example.'],
    },
    {
      name: 'a target that is no path',
      head: ['GET *@evil.example/ HTTP/1.1', 'Host: app'],
      seen: ['http://app/*@evil.example/', 'app', 'http://app/*@evil.example/', 'app'],
    },
  ])('names the decided host: $name', async ({ head, seen }) => {
    const options: ProxyFixOptions = { xHost: 1 }
    const apps = [
      { app: look, proxyFix: options },
      { app: proxyFix(look, options) },
      { app: { fetch: proxyFix(look, options) } },
    ]
    for (const { app, ...rest } of apps) {
      const { port } = await started(app, rest)
      const response = await askPort(port, ...head)
      expect([response?.status, response?.body]).toStrictEqual([200, JSON.stringify(seen)])
    }
  })

  it.each([
    { name: 'no Host', head: ['GET http://evil.example/x HTTP/1.0'] },
    { name: 'an empty Host', head: ['GET http://evil.example/x HTTP/1.1', 'Host:'] },
    { name: 'a Host that is none', head: ['GET http://evil.example/x HTTP/1.1', 'Host: app@evil.example'] },
  ])('names localhost where there is $name, not the host of the target', async ({ head }) => {
    const options: ProxyFixOptions = { xHost: 1 }
    for (const wrapped of [true, false]) {
      const { port } = await started(wrapped ? proxyFix(look, options) : look, wrapped ? {} : { proxyFix: options })
      const [url, , publicUrl] = JSON.parse((await askPort(port, ...head))?.body ?? '') as unknown[]
      expect(url).toBe('http://localhost/x')
      expect(publicUrl).toBeNull()
    }
  })
})

describe('a wrapped app inside a router', () => {
  it('keeps the path that the router has cut the mount path off', async () => {
    const look = (request: Request): Response => Response.json([request.url, connectionInfo(request).url])
    const { port } = await started(new Hono().mount('/sub', proxyFix(look, { xFor: 1, xProto: 1 })))
    const response = await askPort(port, 'GET /sub/x?y=1 HTTP/1.1', 'Host: app', 'X-Forwarded-Proto: https')
    expect(JSON.parse(response?.body ?? '')).toStrictEqual(['https://app/x?y=1', 'https://app/sub/x?y=1'])
  })
})

describe('the timeout of close', () => {
  it.each([-1, Number.NaN, '5', null])('is no %s', async (timeout) => {
    const server = await serve((_request: Request) => new Response(), { bind: '127.0.0.1:0' })
    const error: unknown = await server.close({ timeout: timeout as number }).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'ERR_PROXYFIX_OPTION',
      message: expect.stringContaining(`not ${timeout}.`) as string,
    })
    await server.close()
  })

  it('may be without end: a request in flight finishes', async () => {
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answer = resolve
    })
    let finish = (): void => undefined
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const server = await serve(
      async (_request: Request) => {
        answer()
        await finished
        return new Response('done')
      },
      { bind: '127.0.0.1:0' },
    )
    const received = exchange(Number(new URL(server.url).port), requestText('GET / HTTP/1.1', 'Host: app'))
    await asked
    const closed = server.close({ timeout: Infinity })
    // A timer that overflows fires in the next turn of the timers; this one was set after it.
    await new Promise((resolve) => setTimeout(resolve, 5))
    finish()
    expect(parseResponses(await received)).toMatchObject([{ status: 200, body: 'done' }])
    await closed
  })
})

describe('a handler', () => {
  function silenced(): ReturnType<typeof vi.spyOn> {
    const error = vi.spyOn(console, 'error').mockReturnValue(undefined)
    onTestFinished(() => error.mockRestore())
    return error
  }
  const GET = ['GET /x HTTP/1.1', 'Host: app'] as const
  const FAILED = { status: 500, body: 'Internal server error.\n' }

  it.each([
    { kind: 'at once', app: (_request: Request, _env: unknown) => new Response('lost') },
    { kind: 'by a promise', app: async (_request: Request, _env: unknown) => new Response('lost') },
  ])('of two parameters that gives back a Response $kind is told what to do instead', async ({ app }) => {
    const error = silenced()
    const { port } = await started(app)
    expect(await askPort(port, ...GET)).toMatchObject(FAILED)
    expect(error).toHaveBeenCalledOnce()
    expect(error.mock.calls[0]).toStrictEqual([
      'GET "/x" failed: A handler with two parameters is called as (req, res), and this one gave back a Response: serve { fetch: handler } instead.',
    ])
  })

  it('whose errors are heard by a wrapper that loses the response is shown all the same', async () => {
    const error = silenced()
    const lost = new Error('lost')
    const { port } = await started((_req: IncomingMessage, res: ServerResponse) => {
      const [listener] = res.listeners('error')
      ;(listener as (...args: unknown[]) => void)(lost) // its `this` is no response
      res.end('done')
    })
    expect(await askPort(port, ...GET)).toMatchObject({ status: 200, body: 'done' })
    expect(error).toHaveBeenCalledExactlyOnceWith('The answer to a request failed:', lost)
  })

  it.each<[kind: string, given: unknown, says: string]>([
    ['a text', 'hello', 'a string, not a Response: write new Response(text).'],
    ['a number', 42, 'a number, not a Response: write new Response(text).'],
    ['an object', { a: 1 }, 'an object, not a Response: write Response.json(value).'],
    ['an array', [1], 'an array, not a Response: write Response.json(value).'],
    ['bytes', Buffer.from('hello'), 'bytes, not a Response: write new Response(body).'],
    ['a stream', new ReadableStream(), 'a stream, not a Response: write new Response(body).'],
    ['null', null, 'null, not a Response: write new Response(null).'],
    ['nothing', undefined, 'undefined, not a Response: did you forget return?'],
    ['a function', () => 'hello', 'a function, not a Response: is it a factory? Then call it, as in app.js:NAME().'],
    ['a network error', Response.error(), 'a network error, as Response.error() is.'],
  ])(
    'for Fetch that gives back %s is told what to write, without a stack that is not its own',
    async (_, given, says) => {
      const error = silenced()
      const { port } = await started(async (_request: Request) => given)
      expect(await askPort(port, ...GET)).toMatchObject(FAILED)
      expect(error.mock.calls).toStrictEqual([[`GET "/x" failed: The Fetch handler gave back ${says}`]])
    },
  )

  it('that throws an error of this package is shown where', async () => {
    const error = silenced()
    const { port } = await started((request: Request) => Response.json(connectionInfo(new Request(request.url))))
    expect(await askPort(port, ...GET)).toMatchObject(FAILED)
    expect(error.mock.calls[0]?.[1]).toMatchObject({ code: 'ERR_PROXYFIX_NOT_FIXED' })
  })

  it.each<{ kind: string; app: http.RequestListener }>([
    { kind: 'its res', app: (_req, res) => res.end('served') },
    { kind: 'a promise of its res', app: async (_req, res) => res.end('served') },
    { kind: 'undefined', app: (_req, res) => void res.end('served') },
    { kind: 'a promise of undefined', app: async (_req, res) => void res.end('served') },
  ])('for Node may give back $kind', async ({ app }) => {
    const error = silenced()
    const { port } = await started(app)
    expect(await askPort(port, ...GET)).toMatchObject({ status: 200, body: 'served' })
    expect(error).not.toHaveBeenCalled()
  })

  const fails = (): never => {
    throw new Error('mine')
  }
  it.each([
    { kind: 'Node handler that throws', app: (_req: unknown, _res: unknown) => fails() },
    { kind: 'Node handler that rejects', app: async (_req: unknown, _res: unknown) => fails() },
    { kind: 'Fetch handler that throws', app: (_request: unknown) => fails() },
    { kind: 'Fetch handler that rejects', app: async (_request: unknown) => fails() },
    { kind: 'fetch method that throws', app: { fetch: () => fails() } },
    { kind: 'Fetch handler that gives back nothing', app: (_request: unknown) => undefined },
  ])('of a kind that fails is answered 500, time and again: $kind', async ({ app }) => {
    const error = silenced()
    const { port } = await started(app)
    expect(await askPort(port, ...GET)).toMatchObject(FAILED)
    expect(await askPort(port, ...GET)).toMatchObject(FAILED)
    expect(error).toHaveBeenCalledTimes(2)
  })

  const broken = new Error('database lost')

  it('whose stream fails before it has begun is answered 500', async () => {
    const error = silenced()
    const streams = [
      (): ReadableStream => new ReadableStream({ start: (controller) => controller.error(broken) }),
      (): ReadableStream => new ReadableStream({ pull: () => Promise.reject(broken) }),
    ]
    const { port } = await started((_request: Request) => new Response(streams[error.mock.calls.length]?.()))
    for (const calls of [1, 2]) {
      expect(await askPort(port, ...GET)).toMatchObject(FAILED)
      expect(error).toHaveBeenCalledTimes(calls)
    }
    expect(error).toHaveBeenCalledWith('GET "/x" failed:', broken)
  })

  it('whose stream breaks has its connection cut, and the error shown', async () => {
    const error = silenced()
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue('begun'),
      pull: async (controller) => {
        await nextTurn()
        controller.error(broken)
      },
    })
    const { port } = await started((_request: Request) => new Response(stream))
    expect(await exchange(port, requestText(...GET))).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*begun\r\n$/) // no last chunk
    await vi.waitFor(() => expect(error).toHaveBeenCalledWith('GET "/x" failed:', broken))
  })

  it.each([
    { kind: 'a text', body: 'h\u00e9llo' },
    { kind: 'bytes that are no text', body: Uint8Array.of(0xff, 0, 0xc3) },
    { kind: 'no bytes', body: '' },
    { kind: 'more than goes with its head', body: 'x'.repeat(100_000) },
  ])('whose answer is $kind has its length told', async ({ body }) => {
    const { port } = await started((_request: Request) => new Response(body))
    const bytes = Buffer.from(body as string) // either is taken
    expect(await askPort(port, ...GET)).toMatchObject({
      headers: { 'content-length': String(bytes.length) },
      body: bytes.toString('latin1'),
    })
  })

  it('whose stream has nothing to say yet has its head sent', async () => {
    let controller: ReadableStreamDefaultController | undefined
    const stream = new ReadableStream({ start: (given) => void (controller = given) })
    const { port } = await started((_request: Request) => new Response(stream))
    const [response] = (await once(http.get({ port, host: '127.0.0.1', agent: false }), 'response')) as [
      IncomingMessage,
    ]
    controller?.enqueue('late')
    controller?.close()
    expect(await text(response)).toBe('late')
  })

  it('whose stream nobody reads any more is told', async () => {
    let cancel = (): void => undefined
    const cancelled = new Promise<void>((resolve) => (cancel = resolve))
    const stream = new ReadableStream({ start: (controller) => controller.enqueue('begun'), cancel })
    const { port } = await started((_request: Request) => new Response(stream))
    const req = http.get({ port, host: '127.0.0.1', agent: false })
    req.on('error', () => undefined)
    const [response] = (await once(req, 'response')) as [IncomingMessage]
    await once(response, 'data')
    req.destroy()
    await expect(cancelled).resolves.toBeUndefined()
  })

  it('whose Response has no words for its status has those of HTTP', async () => {
    const { port } = await started((request: Request) =>
      request.url.endsWith('/x') ? new Response(null, { status: 418 }) : new Response('', { statusText: 'Mine' }),
    )
    expect(await exchange(port, requestText(...GET, 'Connection: close'))).toMatch(/^HTTP\/1\.1 418 I'm a Teapot\r\n/)
    expect(await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close'))).toMatch(
      /^HTTP\/1\.1 200 Mine\r\n/,
    )
  })

  it.each([
    { kind: 'sets headers of its own', set: (res: ServerResponse) => res.setHeader('set-cookie', 'a=b') },
    { kind: 'sets a length', set: (res: ServerResponse) => res.setHeader('content-length', 5) },
    { kind: 'sets an encoding', set: (res: ServerResponse) => res.setHeader('content-encoding', 'gzip') },
    { kind: 'sets a transfer', set: (res: ServerResponse) => res.setHeader('transfer-encoding', 'identity') },
    { kind: 'sets words that cannot be sent', set: (res: ServerResponse) => (res.statusMessage = 'a\r\nb: c') },
    { kind: 'sets a date', set: (res: ServerResponse) => res.setHeader('date', 'never') },
  ])('that $kind and throws leaves none of it in the answer, nor in the next one', async ({ set }) => {
    silenced()
    const { port } = await started((req: IncomingMessage, res: ServerResponse) => {
      if (req.url === '/next') return res.end('next')
      set(res)
      return fails()
    })
    const received = await exchange(
      port,
      requestText(...GET) + requestText('GET /next HTTP/1.1', 'Host: app', 'Connection: close'),
    )
    const [failed, next] = parseResponses(received)
    expect(failed).toMatchObject({ ...FAILED, headers: { 'content-length': '23', connection: 'keep-alive' } })
    const names = ['connection', 'content-length', 'content-type', 'date', 'keep-alive']
    expect(Object.keys(failed?.headers ?? {}).toSorted()).toStrictEqual(names)
    expect(failed?.headers['date']).toMatch(/ GMT$/)
    expect(next).toMatchObject({ status: 200, body: 'next' })
  })

  it('that writes after its end loses nothing, and its error is shown', async () => {
    const error = silenced()
    const { port } = await started((_req: IncomingMessage, res: ServerResponse) => {
      res.end('whole')
      res.write('and more')
    })
    expect(await askPort(port, ...GET)).toMatchObject({ status: 200, body: 'whole' })
    await vi.waitFor(() =>
      expect(error).toHaveBeenCalledWith('GET "/x" failed:', expect.objectContaining({ message: 'write after end' })),
    )
  })

  it('that fails after its end has answered', async () => {
    const error = silenced()
    const { port } = await started((_req: IncomingMessage, res: ServerResponse) => {
      res.end('whole'.repeat(100_000))
      fails()
    })
    expect((await askPort(port, ...GET))?.body).toHaveLength(500_000)
    expect(error).toHaveBeenCalledTimes(1)
  })

  it.each(['TRACE', 'CONNECT'])('for Fetch is not asked %s, which no Request can be', async (method) => {
    silenced()
    const { port } = await started(proxyFix((_request: Request) => new Response('asked')))
    const target = method === 'CONNECT' ? 'app:443' : '/x'
    const received = await exchange(
      port,
      requestText(`${method} ${target} HTTP/1.1`, 'Host: app.', 'Connection: close'),
    )
    expect(received).toMatch(/^HTTP\/1\.1 501 /)
  })

  it('that fails after its headers were sent has its connection cut', async () => {
    silenced()
    const { port } = await started(async (_req: IncomingMessage, res: ServerResponse) => {
      res.writeHead(200, { 'content-length': 100 })
      await new Promise((resolve) => res.write('begun', resolve))
      fails()
    })
    expect(await exchange(port, requestText(...GET))).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nbegun$/)
  })
})

describe('what cannot be served', () => {
  it.each<{ name: string; start: () => unknown; says: string }>([
    { name: 'a bind that is a number', start: () => serveAny(handler, { bind: 8000 }), says: '8000' },
    { name: 'a bind that is null', start: () => serveAny(handler, { bind: null }), says: 'null' },
    { name: 'a list with a number', start: () => serveAny(handler, { bind: [8000] }), says: '8000' },
    { name: 'an empty list', start: () => serveAny(handler, { bind: [] }), says: 'empty' },
    { name: 'null for options', start: () => serveAny(handler, null), says: 'null' },
    { name: 'a number for options', start: () => serveAny(handler, 3000), says: '3000' },
    { name: 'a text for options', start: () => serveAny(handler, '8000'), says: '8000' },
    { name: 'an unknown option', start: () => serveAny(handler, { port: 8000 }), says: "'port'" },
    { name: 'a bad policy', start: () => serveAny(handler, { proxyFix: { xFor: -1 } }), says: 'xFor' },
    { name: 'a promise', start: () => serveAny(Promise.resolve(handler), {}), says: 'await it first' },
    { name: 'a promise to wrap', start: () => proxyFix(Promise.resolve(handler) as never, {}), says: 'await it first' },
    { name: 'a number for an app', start: () => serveAny(5, {}), says: 'number' },
    {
      name: 'a Response for a request',
      start: () => fixRequest(new Response('a') as never),
      says: 'the request itself',
    },
  ])('is told in one sentence: $name', async ({ start, says }) => {
    const error: unknown = await (async () => start())().catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ProxyFixError)
    const { code, message } = error as ProxyFixError
    expect(code).toBe('ERR_PROXYFIX_OPTION')
    expect(message).toMatch(/^[A-Za-z][^\n]*[.?]$/)
    expect(message).toContain(says)
  })

  const handler = (_request: Request): Response => new Response()

  /** As a caller without types would. What was started by mistake is stopped. */
  async function serveAny(app: unknown, options: unknown): Promise<void> {
    const server = await serve(app as AnyApp, options as ServeOptions)
    await server.close()
  }

  it('does not compile', () => {
    // @ts-expect-error A number is no app.
    expect(() => createServer(5)).toThrow(ProxyFixError)
  })
})

describe('the types of inline apps', () => {
  it('are those of a Fetch handler, also in an object', () => {
    createServer((request) => {
      expectTypeOf(request).toEqualTypeOf<Request>()
      return new Response()
    })
    createServer({
      fetch: (request, env) => {
        expectTypeOf(request).toEqualTypeOf<Request>()
        expectTypeOf(env.incoming).toEqualTypeOf<IncomingMessage>()
        return new Response()
      },
    })
    expectTypeOf(serve).returns.toEqualTypeOf<Promise<RunningServer>>()
  })

  it('take a Node handler', () => {
    const server = createServer((_req: IncomingMessage, res: ServerResponse) => res.end())
    expectTypeOf(server.listen).returns.toEqualTypeOf<Promise<RunningServer>>()
  })
})

describe('a server', () => {
  const app = (_req: IncomingMessage, res: ServerResponse): void => void res.end('served')

  /** Whether nobody listens there any more. */
  async function isFree(port: number): Promise<boolean> {
    const probe = net.createServer().listen(port, '127.0.0.1')
    await once(probe, 'listening')
    await new Promise((resolve) => probe.close(resolve))
    return true
  }

  it('listens on every address it is given', async () => {
    const { server } = await started(app, { bind: ['127.0.0.1:0', 'localhost:0', '127.0.0.1:0'] })
    expect(server.addresses).toHaveLength(3)
    expect(server.url).toBe(`http://127.0.0.1:${server.addresses[0]?.port}`)
    for (const index of [0, 2]) {
      const response = await askPort(server.addresses[index]?.port ?? 0, 'GET / HTTP/1.1', 'Host: app')
      expect(response).toMatchObject({ status: 200, body: 'served' })
    }
  })

  it('listens nowhere when one of its addresses is in use', async () => {
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const taken = (other.address() as AddressInfo).port
    const spare = net.createServer().listen(0, '127.0.0.1')
    await once(spare, 'listening')
    const { port } = spare.address() as AddressInfo
    await new Promise((resolve) => spare.close(resolve))

    await expect(serve(app, { bind: [`127.0.0.1:${port}`, `127.0.0.1:${taken}`] })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_BIND', message: expect.stringContaining(`${taken}`) as string }),
    )
    expect(await isFree(port)).toBe(true)
  })

  it('may be closed again', async () => {
    const { server, port } = await started(app)
    await Promise.all([server.close(), server.close()])
    await server.close()
    expect(await isFree(port)).toBe(true)
  })

  it('is closed by Symbol.asyncDispose', async () => {
    const { server, port } = await started(app)
    await server[Symbol.asyncDispose]()
    expect(await isFree(port)).toBe(true)
  })

  it('changes its certificate without closing a connection, and keeps the old one when the new one cannot be used', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'proxyfix-serve-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
    const write = (): string => {
      const { cert, key } = selfSigned(['localhost'])
      writeFileSync(tls.cert, cert)
      writeFileSync(tls.key, key)
      return new X509Certificate(cert).fingerprint256
    }
    const [first, { server, port }] = [write(), await started(app, { tls })]
    const before = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    onTestFinished(() => void before.destroy())
    await once(before, 'secureConnect')
    const shown = async (): Promise<string> => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { fingerprint256 } = socket.getPeerCertificate()
      socket.destroy()
      return fingerprint256
    }
    expect(await shown()).toBe(first)
    const second = write()
    server.reloadCertificates()
    expect(await shown()).toBe(second)

    writeFileSync(tls.key, selfSigned(['localhost']).key)
    expect(() => server.reloadCertificates()).toThrow('they are not a pair')
    expect(await shown()).toBe(second)
    before.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await text(before)).toMatch(/served$/)
  })
})
