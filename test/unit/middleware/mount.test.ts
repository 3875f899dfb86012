/** Apps below path prefixes: which one serves a target, and what is left of it for each reader. */

import type { Socket } from 'node:net'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import express from 'express'
import { Hono } from 'hono'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  connectionInfo,
  fixRequest,
  type FunctionHandler,
  HeaderRewriter,
  mount,
  proxyFix,
  ProxyFixError,
  type ProxyFixOptions,
  stack,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

type Wrap = (handler: FunctionHandler) => FunctionHandler

interface Place {
  readonly app: string
  /** What it routes by. */
  readonly url: string
  /** What a rewriter in front of it reads as prefix. */
  readonly prefix: string
}

/** An app that says its name and what it sees, on both kinds. */
function naming(app: string): (...args: unknown[]) => unknown {
  const reading = Object.assign(new HeaderRewriter(), {
    rewrite: ({ prefix, url }: { prefix: string; url: string }) => ({
      status: 200,
      body: JSON.stringify({ app, url, prefix } satisfies Place),
    }),
  })
  return reading.wrap((_req: unknown, _res?: unknown): unknown => undefined)
}

async function onNode(
  handler: FunctionHandler,
  target: string,
  ...headers: readonly string[]
): Promise<{ status: number; body: string }> {
  const server = http.createServer(handler as http.RequestListener)
  onTestFinished(() => close(server))
  const text = requestText(`GET ${target} HTTP/1.1`, 'Host: app.example', 'Connection: close', ...headers)
  const [response] = parseResponses(await exchange(await listen(server), text))
  return { status: response!.status, body: response!.body }
}

async function onFetch(
  handler: FunctionHandler,
  target: string,
  ...headers: readonly string[]
): Promise<{ status: number; body: string }> {
  const request = new Request(`http://app.example${target}`, {
    headers: headers.map((line) => line.split(': ') as [string, string]),
  })
  const response = await (handler as unknown as (request: Request) => Response | Promise<Response>)(request)
  return { status: response.status, body: await response.text() }
}

const SIDES = [
  { kind: 'Node', ask: onNode },
  { kind: 'Fetch', ask: onFetch },
] as const

describe.each(SIDES)('mount() for $kind', ({ ask }) => {
  const several = (): FunctionHandler =>
    mount({
      '/app': naming('app'),
      '/app/admin/': naming('admin'),
      '/caf\u00e9': naming('cafe'),
      '/a b': naming('blank'),
      '/': naming('root'),
    })

  const TARGETS: readonly { target: string; place: Place }[] = [
    { target: '/', place: { app: 'root', url: '/', prefix: '' } },
    { target: '/app', place: { app: 'app', url: '/', prefix: '/app' } },
    { target: '/app/', place: { app: 'app', url: '/', prefix: '/app' } },
    { target: '/app?x=1', place: { app: 'app', url: '/?x=1', prefix: '/app' } },
    { target: '/app/x/y?x=/admin', place: { app: 'app', url: '/x/y?x=/admin', prefix: '/app' } },
    { target: '/apple', place: { app: 'root', url: '/apple', prefix: '' } },
    { target: '/app.json', place: { app: 'root', url: '/app.json', prefix: '' } },
    { target: '/App', place: { app: 'root', url: '/App', prefix: '' } },
    { target: '//app', place: { app: 'root', url: '//app', prefix: '' } },
    { target: '//app/x', place: { app: 'root', url: '//app/x', prefix: '' } },
    { target: '/%61pp/x', place: { app: 'app', url: '/x', prefix: '/app' } },
    { target: '/ap%70', place: { app: 'app', url: '/', prefix: '/app' } },
    { target: '/app%2Fx', place: { app: 'root', url: '/app%2Fx', prefix: '' } },
    { target: '/app%2fadmin/x', place: { app: 'root', url: '/app%2fadmin/x', prefix: '' } },
    { target: '/app%00', place: { app: 'root', url: '/app%00', prefix: '' } },
    { target: '/app%', place: { app: 'root', url: '/app%', prefix: '' } },
    { target: '/app/admin', place: { app: 'admin', url: '/', prefix: '/app/admin' } },
    { target: '/app/admin/x', place: { app: 'admin', url: '/x', prefix: '/app/admin' } },
    { target: '/app/%61dmin/x', place: { app: 'admin', url: '/x', prefix: '/app/admin' } },
    { target: '/app//admin/x', place: { app: 'app', url: '/admin/x', prefix: '/app' } },
    { target: '/app//evil.example/x', place: { app: 'app', url: '/evil.example/x', prefix: '/app' } },
    { target: '/app///x//y', place: { app: 'app', url: '/x//y', prefix: '/app' } },
    { target: '/app/%2F/x', place: { app: 'app', url: '/%2F/x', prefix: '/app' } },
    { target: '/app/administrator', place: { app: 'app', url: '/administrator', prefix: '/app' } },
    { target: '/caf%C3%A9/x', place: { app: 'cafe', url: '/x', prefix: '/caf%C3%A9' } },
    { target: '/caf%c3%a9', place: { app: 'cafe', url: '/', prefix: '/caf%C3%A9' } },
    { target: '/a%20b/x', place: { app: 'blank', url: '/x', prefix: '/a%20b' } },
    { target: '/app;v=1/x', place: { app: 'root', url: '/app;v=1/x', prefix: '' } },
  ]

  it.each(TARGETS)('$target is served by $place.app', async ({ target, place }) => {
    expect(JSON.parse((await ask(several(), target)).body)).toStrictEqual(place)
  })

  it('answers 404 in one sentence where nothing is mounted', async () => {
    expect(await ask(mount({ '/app': naming('app') }), '/other')).toStrictEqual({ status: 404, body: 'Not found.\n' })
    expect(await ask(mount({ '/app': naming('app') }), '/apple')).toMatchObject({ status: 404 })
  })

  it('may be nested, each level moving its part', async () => {
    const nested = mount({ '/a': mount({ '/b': naming('ab'), '/': naming('a') }), '/': naming('root') })
    expect(JSON.parse((await ask(nested, '/a/b/c?d')).body)).toStrictEqual({ app: 'ab', url: '/c?d', prefix: '/a/b' })
    expect(JSON.parse((await ask(nested, '/a/bc')).body)).toStrictEqual({ app: 'a', url: '/bc', prefix: '/a' })
  })

  const FORWARDED = [
    'X-Forwarded-For: 203.0.113.7',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Prefix: /proxy',
  ] as const
  const OPTIONS: ProxyFixOptions = { xFor: 1, xHost: 1, xPrefix: 1 }

  /** What connectionInfo says inside. */
  const telling = (): FunctionHandler =>
    Object.assign(new HeaderRewriter(), {
      rewrite: ({ raw, url, headers }: { raw: object; url: string; headers: { get(name: string): string | null } }) => {
        const info = connectionInfo(raw)
        return { status: 200, body: JSON.stringify([url, info.prefix, info.url, headers.get('x-forwarded-prefix')]) }
      },
    }).wrap((_req: unknown, _res?: unknown): unknown => undefined)

  it.each<{ where: string; wrap: Wrap; forwarded: readonly string[]; told: unknown }>([
    {
      where: 'outside',
      wrap: (inner) => proxyFix(mount({ '/app': inner as never }), OPTIONS),
      forwarded: FORWARDED,
      told: ['/x?y', '/proxy/app', 'http://shop.example/proxy/app/x?y', '/proxy/app'],
    },
    {
      where: 'outside, without a forwarded prefix',
      wrap: (inner) => proxyFix(mount({ '/app': inner as never }), OPTIONS),
      forwarded: FORWARDED.slice(0, 2),
      told: ['/x?y', '/app', 'http://shop.example/app/x?y', null],
    },
    {
      where: 'inside, without a forwarded prefix',
      wrap: (inner) => mount({ '/app': proxyFix(inner, { xFor: 1, xHost: 1 }) as never }),
      forwarded: FORWARDED.slice(0, 2),
      told: ['/x?y', '', 'http://shop.example/app/x?y', null],
    },
    {
      where: 'outside, where only connectionInfo knows the prefix',
      wrap: (inner) => proxyFix(mount({ '/app': inner as never }), { ...OPTIONS, prefixMode: 'none' }),
      forwarded: FORWARDED,
      told: ['/x?y', '/proxy/app', 'http://shop.example/proxy/app/x?y', '/proxy/app'],
    },
  ])('gives the public URL with proxyFix $where', async ({ wrap, forwarded, told }) => {
    expect(JSON.parse((await ask(wrap(telling()), '/app/x?y', ...forwarded)).body)).toStrictEqual(told)
  })

  it('tells the target as the client typed it, however it was spelt', async () => {
    const app = proxyFix(mount({ '/app': telling() as never }), { xFor: 1 })
    const [, , url] = JSON.parse((await ask(app, '/%61pp//x')).body) as unknown[]
    expect(url).toBe('http://app.example/%61pp//x')
  })
})

describe('mount() on Node', () => {
  const reads = (req: IncomingMessage, res: ServerResponse): void =>
    void res.end(JSON.stringify([req.url, Reflect.get(req, 'baseUrl'), Reflect.get(req, 'originalUrl')]))

  it('shows the mount as frameworks do', async () => {
    expect((await onNode(mount({ '/app': reads, '/': reads }), '/app/x?y')).body).toBe('["/x?y","/app","/app/x?y"]')
    expect((await onNode(mount({ '/app': reads, '/': reads }), '/x?y')).body).toBe('["/x?y",null,null]')
    expect(
      (await onNode(proxyFix(mount({ '/app': reads }), { xPrefix: 1 }), '/app/x', 'X-Forwarded-Prefix: /p')).body,
    ).toBe('["/x","/p/app","/p/app/x"]')
  })

  it('is what Express goes by, inside and outside', async () => {
    const inner = express()
    inner.get('/x', (req, res) => res.json([req.url, req.baseUrl, req.originalUrl, req.path]))
    const router = express()
    router.get('/y', (req, res) => res.json([req.url, req.baseUrl, req.originalUrl]))
    inner.use('/r', router)
    const app = proxyFix(mount({ '/app': inner }), { xPrefix: 1 })
    expect((await onNode(app, '/app/x?q', 'X-Forwarded-Prefix: /p')).body).toBe('["/x?q","/p/app","/p/app/x?q","/x"]')
    expect((await onNode(app, '/app/r/y', 'X-Forwarded-Prefix: /p')).body).toBe('["/y","/p/app/r","/p/app/r/y"]')
    const outer = express()
    outer.use('/out', mount({ '/app': reads }))
    expect((await onNode(outer, '/out/app/x')).body).toBe('["/x","/out/app","/out/app/x"]')
  })

  it('goes on to next where nothing is mounted', async () => {
    const app = express()
    app.use(mount({ '/app': reads }))
    app.get('/other', (_req, res) => res.end('next'))
    expect(await onNode(app, '/other')).toStrictEqual({ status: 200, body: 'next' })
  })

  it('has `*` below the root alone', async () => {
    const server = http.createServer(mount({ '/app': reads, '/': reads }))
    onTestFinished(() => close(server))
    const [response] = parseResponses(
      await exchange(await listen(server), requestText('OPTIONS * HTTP/1.1', 'Host: app', 'Connection: close')),
    )
    expect(response?.body).toBe('["*",null,null]')
  })

  it('takes targets in absolute form by their path', async () => {
    expect((await onNode(mount({ '/app': reads, '/': reads }), 'http://evil.example/app/x')).body).toBe(
      '["/x","/app","/app/x"]',
    )
  })

  it('serves upgrades, and refuses those below nothing', async () => {
    const server = http.createServer()
    const sockets = new WebSocketServer({ noServer: true })
    server.on(
      'upgrade',
      mount({
        '/chat': (req: IncomingMessage, socket: Socket, head: Buffer) =>
          sockets.handleUpgrade(req, socket, head, (ws) => ws.send(`${req.url} ${Reflect.get(req, 'baseUrl')}`)),
      }),
    )
    onTestFinished(() => close(server))
    onTestFinished(() => sockets.close())
    const port = await listen(server)
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat/room`)
    onTestFinished(() => client.terminate())
    expect(String(((await once(client, 'message')) as [Buffer])[0])).toBe('/room /chat')
    const refused = new WebSocket(`ws://127.0.0.1:${port}/chatter`)
    refused.on('error', () => undefined)
    const [, res] = (await once(refused, 'unexpected-response')) as [unknown, IncomingMessage]
    expect(res.statusCode).toBe(404)
    refused.terminate()
  })

  it.each([
    { app: { fetch: (_request: Request) => new Response() }, why: 'has a fetch method' },
    { app: (_request: Request) => new Response(), why: 'gave back a Response' },
    { app: async (_request: Request) => new Response(), why: 'gave back a Response' },
  ])('answers 500 when a Fetch app is called with a Node request, as it $why', async ({ app, why }) => {
    const shown = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    onTestFinished(() => shown.mockRestore())
    const other = (_req: IncomingMessage, res: ServerResponse): void => void res.end('Node')
    const mounted = mount<FunctionHandler | { fetch: FunctionHandler }>({ '/': app, '/node': other }) as FunctionHandler
    expect((await onNode(mounted, '/')).status).toBe(500)
    const [error] = shown.mock.calls.map((args) => args.at(-1) as ProxyFixError)
    expect(error?.code).toBe('ERR_PROXYFIX_REWRITE')
    expect(error?.message).toContain(`The app mounted at '/' ${why}, and was called with a Node request`)
    expect(await onNode(mounted, '/node')).toMatchObject({ status: 200, body: 'Node' })
  })

  it('takes Node apps however they take what they are given', async () => {
    const hello = (_req: IncomingMessage, res: ServerResponse): void => void res.end('hello')
    const mounted = mount<FunctionHandler>({
      '/rest': (...args: [IncomingMessage, ServerResponse]) => hello(...args),
      '/one': (req: IncomingMessage, ...[res]: [ServerResponse]) => hello(req, res),
      '/async': async (_req: IncomingMessage, res: ServerResponse) => res.end('hello'),
    })
    for (const path of ['/rest', '/one', '/async'])
      expect(await onNode(mounted, path)).toMatchObject({ status: 200, body: 'hello' })
  })
})

describe('mount() on Fetch', () => {
  it('mounts objects and functions, with what the platform passes along', async () => {
    const hono = new Hono<{ Bindings: { key: string } }>().get('/x', (c) => c.text(`${c.req.path} ${c.env.key}`))
    const app = mount<FunctionHandler | { fetch: FunctionHandler }>({
      '/hono': hono,
      '/f': (_request: Request, env: { key: string }) => new Response(env.key),
    })
    const call = async (path: string): Promise<string> =>
      await (
        await (app as unknown as (request: Request, env: object) => Promise<Response>)(
          new Request(`http://app.example${path}`),
          { key: 'K' },
        )
      ).text()
    expect(await call('/hono/x')).toBe('/x K')
    expect(await call('/f')).toBe('K')
  })

  it('keeps body, method and signal', async () => {
    const app = mount({
      '/app': async (request: Request) =>
        new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`),
    })
    expect(await (await app(new Request('http://app.example/app/x', { method: 'POST', body: 'body' }))).text()).toBe(
      'POST /x body',
    )
  })

  it('keeps the decision on the clone', async () => {
    const app = proxyFix(mount({ '/app': (request: Request) => new Response(connectionInfo(request.clone()).url) }), {
      xFor: 1,
    })
    expect(await app(new Request('http://app.example/app/x')).text()).toBe('http://app.example/app/x')
    const inside = mount({
      '/app': (request: Request) => new Response(connectionInfo(fixRequest(request.clone(), { xFor: 1 })).url),
    })
    expect(await inside(new Request('http://app.example/app/x')).text()).toBe('http://app.example/app/x')
  })
})

describe('what mount() is given', () => {
  const handler = (_request: Request): Response => new Response()
  class Shop {
    fetch = handler
  }

  it.each([
    { apps: undefined, says: 'mount needs an object of paths and apps' },
    {
      apps: {},
      says: "mount needs an object of paths and apps like { '/shop': shop, '/': site }, not one without paths.",
    },
    { apps: { app: handler }, says: "mount cannot take the path 'app': write one like '/shop' or '/'." },
    { apps: { '': handler }, says: "mount cannot take the path ''" },
    { apps: { '//app': handler }, says: "mount cannot take the path '//app'" },
    { apps: { '/a/../b': handler }, says: "mount cannot take the path '/a/../b'" },
    { apps: { '/a?b': handler }, says: "mount cannot take the path '/a?b'" },
    { apps: { '/\ud800': handler }, says: 'mount cannot take the path' },
    { apps: { '/app': 7 }, says: "mount cannot take what is at '/app', a number" },
    {
      apps: { '/app': Shop },
      says: "mount cannot take what is at '/app', a class: give an instance of it, or a function that takes requests.",
    },
    { apps: { '/app': undefined }, says: "mount cannot take what is at '/app', undefined" },
    {
      apps: { '/app': http.createServer() },
      says: "mount cannot take what is at '/app', a server that listens by itself",
    },
    {
      apps: { '/app': handler, '/app/': handler },
      says: "mount has two apps at one path: '/app' and '/app/' are the same.",
    },
    {
      apps: { '/app': handler, '/%61pp': handler },
      says: "mount has two apps at one path: '/app' and '/%61pp' are the same.",
    },
  ])('is checked: $says', ({ apps, says }) => {
    const error = errorOf(() => mount(apps as never))
    expect(error.code).toBe('ERR_PROXYFIX_OPTION')
    expect(error.message).toContain(says)
    expect(error.message).not.toMatch(/\n/)
  })

  it('may take what platforms pass or not', async () => {
    const platform = (_request: Request, _env: unknown): Response => new Response('platform')
    const app = mount({ '/a': platform, '/b': (..._args) => new Response('rest'), '/c': handler })
    await expect(onFetch(app as never, '/a')).resolves.toStrictEqual({ status: 200, body: 'platform' })
    await expect(onFetch(app as never, '/b')).resolves.toStrictEqual({ status: 200, body: 'rest' })
    expect(app).toHaveLength(2)
  })

  it('has to be called with a request', () => {
    const app = mount({ '/': handler }) as unknown as (...args: unknown[]) => unknown
    for (const args of [[], [null], ['/']]) expect(errorOf(() => app(...args)).code).toBe('ERR_PROXYFIX_REWRITE')
  })

  it('is seen in the number of parameters', () => {
    const node = (_req: IncomingMessage, res: ServerResponse): unknown => res.end()
    expect(mount({ '/': handler })).toHaveLength(1)
    expect(mount({ '/': node })).toHaveLength(2)
    expect(stack(mount({ '/': node }), proxyFix({ xFor: 1 }))).toHaveLength(2)
  })
})

function errorOf(action: () => unknown): ProxyFixError {
  try {
    action()
  } catch (error) {
    if (error instanceof ProxyFixError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
