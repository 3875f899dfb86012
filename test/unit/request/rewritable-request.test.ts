/**
 * Rewriters in front of proxyFix feed it, rewriters behind it change its answer; whichever way the request is read
 * afterwards, there is one answer.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import express from 'express'
import { Hono } from 'hono'
import { getRequestListener } from '@hono/node-server'
import Koa from 'koa'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  connectionInfo,
  type Handler,
  HeaderRewriter,
  proxyFix,
  ProxyFixError,
  type ProxyFixOptions,
  type RewritableRequest,
  stack,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

type Rewrite = (request: RewritableRequest) => void

function rewriter(rewrite: Rewrite): HeaderRewriter {
  return Object.assign(new HeaderRewriter(), { rewrite })
}

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }

/** Of a proxy that says everything. */
const FORWARDED = {
  'X-Forwarded-For': '203.0.113.7:4711',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'shop.example',
  'X-Forwarded-Port': '8443',
  'X-Forwarded-Prefix': '/shop',
  'X-Real-IP': '203.0.113.7',
}

/** Every place of a Node request in which somebody may look. */
function readNode(req: IncomingMessage): unknown {
  const { headers, headersDistinct, rawHeaders, socket } = req
  const raw: [string, string][] = []
  for (let index = 0; index < rawHeaders.length; index += 2)
    raw.push([rawHeaders[index]!.toLowerCase(), rawHeaders[index + 1]!])
  const isOf = (name: string): boolean => name === 'host' || name.startsWith('x-')
  const { client, scheme, host, hostname, port, prefix, url } = connectionInfo(req)
  const sorted = (pairs: [string, unknown][]): unknown[] =>
    pairs.filter(([name]) => isOf(name)).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return {
    socket: [socket.remoteAddress, socket.remotePort, socket.remoteFamily, Reflect.get(socket, 'encrypted')],
    connection: [req.connection.remoteAddress, req.connection.remotePort],
    headers: sorted(Object.entries(headers)),
    distinct: sorted(
      Object.entries(headersDistinct).map(([name, values]): [string, unknown] => [name, values!.join()]),
    ),
    raw: sorted(raw),
    path: [req.url, Reflect.get(req, 'baseUrl'), Reflect.get(req, 'originalUrl')],
    info: { client, scheme, host, hostname, port, prefix, url },
  }
}

async function askNode(
  wrap: (handler: http.RequestListener) => http.RequestListener,
  headers: Readonly<Record<string, string>> = {},
  read: (req: IncomingMessage) => unknown = readNode,
): Promise<unknown> {
  let value: unknown
  const server = http.createServer(
    wrap((req, res) => {
      value = read(req)
      res.end()
    }),
  )
  onTestFinished(() => close(server))
  const lines = Object.entries(headers).map((line) => line.join(': '))
  await exchange(
    await listen(server),
    requestText('GET /x?y HTTP/1.1', 'Host: internal', 'Connection: close', ...lines),
  )
  return value
}

describe('behind proxyFix, on Node', () => {
  const everything: Rewrite = (request) => {
    request.client.address = '2001:db8::9'
    request.client.port = 9
    request.scheme = 'http'
    request.host = 'other.example:8080'
    request.prefix = '/other'
    request.url = '/z'
  }

  const HEADERS = [
    ['host', 'other.example:8080'],
    ['x-forwarded-for', '2001:db8::9'],
    ['x-forwarded-host', 'other.example:8080'],
    ['x-forwarded-port', '8080'],
    ['x-forwarded-prefix', '/other'],
    ['x-forwarded-proto', 'http'],
    ['x-real-ip', '2001:db8::9'],
  ]

  it('what a rewriter assigns is what every reader finds', async () => {
    expect(
      await askNode((handler) => stack(handler, proxyFix(OPTIONS), rewriter(everything)), FORWARDED),
    ).toStrictEqual({
      socket: ['2001:db8::9', 9, 'IPv6', false],
      connection: ['2001:db8::9', 9],
      headers: HEADERS,
      distinct: HEADERS,
      raw: HEADERS,
      path: ['/z', '/other', '/other/z'],
      info: {
        client: { address: '2001:db8::9', port: 9 },
        scheme: 'http',
        host: 'other.example:8080',
        hostname: 'other.example',
        port: 8080,
        prefix: '/other',
        url: 'http://other.example:8080/other/z',
      },
    })
  })

  it.each<{
    what: string
    rewrite: Rewrite
    changed: Record<string, unknown>
    socket?: unknown
    host?: string
    url?: string
  }>([
    {
      what: 'the client alone',
      rewrite: ({ client }) => void (client.address = '192.0.2.1'),
      changed: { 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1' },
      socket: ['192.0.2.1', undefined, 'IPv4', true],
    },
    {
      what: 'the port of the client alone',
      rewrite: ({ client }) => void (client.port = 5),
      changed: {},
      socket: ['203.0.113.7', 5, 'IPv4', true],
    },
    {
      what: 'the client to nobody',
      rewrite: ({ client }) => void (client.address = undefined),
      changed: { 'x-forwarded-for': undefined, 'x-real-ip': undefined },
      socket: [undefined, undefined, undefined, true],
    },
    {
      what: 'the scheme alone, and the port stays',
      rewrite: (request) => void (request.scheme = 'http'),
      changed: { 'x-forwarded-proto': 'http' },
      socket: ['203.0.113.7', 4711, 'IPv4', false],
      url: 'http://shop.example:8443/shop/x?y',
    },
    {
      what: 'the host to one without a port',
      rewrite: (request) => void (request.host = 'new.example'),
      changed: { host: 'new.example', 'x-forwarded-host': 'new.example', 'x-forwarded-port': '443' },
      url: 'https://new.example/shop/x?y',
    },
    {
      what: 'the prefix to none',
      rewrite: (request) => void (request.prefix = ''),
      changed: { 'x-forwarded-prefix': undefined },
      url: 'https://shop.example:8443/x?y',
    },
    {
      what: 'a forwarding header to what it says already',
      rewrite: ({ headers }) => headers.set('X-Forwarded-For', '203.0.113.7'),
      changed: {},
    },
    {
      what: 'a forwarding header away',
      rewrite: ({ headers }) => headers.delete('x-forwarded-for'),
      changed: { 'x-forwarded-for': undefined },
    },
    {
      what: 'a forwarding header and then what it says',
      rewrite: (request) => {
        request.headers.set('x-client-ip', request.client.address!)
        request.client.address = '192.0.2.1'
      },
      changed: { 'x-client-ip': '192.0.2.1', 'x-forwarded-for': '192.0.2.1', 'x-real-ip': '192.0.2.1' },
      socket: ['192.0.2.1', undefined, 'IPv4', true],
    },
  ])(
    'a rewriter may change $what',
    async ({
      rewrite,
      changed,
      socket = ['203.0.113.7', 4711, 'IPv4', true],
      url = 'https://shop.example:8443/shop/x?y',
    }) => {
      const before: Record<string, string | undefined> = {
        host: 'shop.example:8443',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-host': 'shop.example:8443',
        'x-forwarded-port': '8443',
        'x-forwarded-prefix': '/shop',
        'x-forwarded-proto': 'https',
        'x-real-ip': '203.0.113.7',
      }
      const headers = Object.entries({ ...before, ...changed })
        .filter(([, value]) => value !== undefined)
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
      expect(await askNode((handler) => stack(handler, proxyFix(OPTIONS), rewriter(rewrite)), FORWARDED)).toMatchObject(
        {
          socket,
          headers,
          distinct: headers,
          raw: headers,
          info: { url },
        },
      )
    },
  )

  it('frameworks say the same as connectionInfo', async () => {
    const koa = new Koa({ proxy: false }).use(async (ctx) => {
      ctx.body = [ctx.ip, ctx.protocol, ctx.host, ctx.hostname, ctx.secure]
    })
    const inExpress = express().use(
      (req, res) => void res.json([req.ip, req.protocol, req.get('host'), req.hostname, req.secure]),
    )
    const hono = new Hono<{ Bindings: { incoming: IncomingMessage } }>().get('/*', (c) => {
      const { protocol, host, hostname } = new URL(c.req.url)
      return c.json([c.env.incoming.socket.remoteAddress, protocol.slice(0, -1), host, hostname, protocol === 'https:'])
    })
    const listeners = [
      koa.callback(),
      inExpress,
      getRequestListener(hono.fetch, { overrideGlobalObjects: false }),
    ] as http.RequestListener[]
    for (const listener of listeners) {
      const server = http.createServer(stack(listener, proxyFix(OPTIONS), rewriter(everything)))
      onTestFinished(() => close(server))
      const lines = Object.entries(FORWARDED).map((line) => line.join(': '))
      const [response] = parseResponses(
        await exchange(
          await listen(server),
          requestText('GET /x HTTP/1.1', 'Host: internal', 'Connection: close', ...lines),
        ),
      )
      expect(JSON.parse(response!.body)).toStrictEqual([
        '2001:db8::9',
        'http',
        'other.example:8080',
        'other.example',
        false,
      ])
    }
  })

  it('from an untrusted peer, no forwarding header comes back', async () => {
    const seen = await askNode(
      (handler) =>
        stack(
          handler,
          proxyFix({ ...OPTIONS, trustedProxies: [] }),
          rewriter(({ client }) => void (client.address = '192.0.2.1')),
        ),
      FORWARDED,
    )
    expect(seen).toMatchObject({
      headers: [['host', 'internal']],
      raw: [['host', 'internal']],
      socket: ['192.0.2.1', undefined, 'IPv4', false],
    })
  })

  it('over HTTP/2 the pseudo-headers say the same', async () => {
    const server = http2.createServer(
      stack(
        (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
          const { authority, scheme, url, method, headers, rawHeaders, socket } = req
          const of = (name: string): string | undefined => rawHeaders[rawHeaders.indexOf(name) + 1]
          res.end(
            JSON.stringify({
              authority,
              scheme,
              url,
              method,
              host: headers.host,
              raw: [of(':authority'), of(':scheme'), of(':path'), of(':method')],
              address: socket.remoteAddress,
            }),
          )
        },
        proxyFix(OPTIONS) as never,
        rewriter((request) => {
          everything(request)
          request.method = 'PUT'
        }),
      ),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const lower = Object.fromEntries(Object.entries(FORWARDED).map(([name, value]) => [name.toLowerCase(), value]))
    expect(JSON.parse(await text(client.request({ ':path': '/x?y', ...lower })))).toStrictEqual({
      authority: 'other.example:8080',
      scheme: 'http',
      url: '/z',
      method: 'PUT',
      host: 'other.example:8080',
      raw: ['other.example:8080', 'http', '/z', 'PUT'],
      address: '2001:db8::9',
    })
  })

  it('an upgrade shows it on the real socket, where ws looks', async () => {
    const server = http.createServer()
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, req) => {
      const { remoteAddress, remotePort } = Reflect.get(socket, '_socket') as {
        remoteAddress: string
        remotePort: number
      }
      socket.send(
        JSON.stringify([
          remoteAddress,
          remotePort,
          req.socket.remoteAddress,
          req.headers.host,
          req.url,
          connectionInfo(req).url,
        ]),
      )
    })
    stack(server, proxyFix(OPTIONS), rewriter(everything))
    onTestFinished(() => close(server))
    onTestFinished(() => sockets.close())
    const client = new WebSocket(`ws://127.0.0.1:${await listen(server)}/x`, { headers: FORWARDED })
    onTestFinished(() => client.terminate())
    expect(JSON.parse(String(((await once(client, 'message')) as [Buffer])[0]))).toStrictEqual([
      '2001:db8::9',
      9,
      '2001:db8::9',
      'other.example:8080',
      '/z',
      'http://other.example:8080/other/z',
    ])
  })

  it.each([
    { mode: 'mount', before: '/shop', path: ['/x?y', '/new', '/new/x?y'] },
    { mode: 'strip', before: '', path: ['/x?y', '/new', '/new/x?y'] },
    { mode: 'url', before: '', path: ['/shop/x?y', '/new', '/new/shop/x?y'] },
    { mode: 'none', before: '/shop', path: ['/x?y', undefined, undefined] },
  ] as const)('a prefix is assigned in prefixMode $mode', async ({ mode, before, path }) => {
    const prefixes: string[] = []
    const one = rewriter((request) => {
      prefixes.push(request.prefix)
      request.prefix = '/new'
      prefixes.push(request.prefix)
    })
    const seen = await askNode((handler) => stack(handler, proxyFix({ ...OPTIONS, prefixMode: mode }), one), FORWARDED)
    expect(prefixes).toStrictEqual([before, '/new'])
    expect(seen).toMatchObject({ path, info: { prefix: '/new' } })
  })
})

describe('behind proxyFix, what was decided', () => {
  const SPOOFS: readonly { what: string; rewrite: Rewrite; options?: ProxyFixOptions }[] = [
    { what: 'X-Forwarded-For to another value', rewrite: ({ headers }) => headers.set('X-Forwarded-For', '6.6.6.6') },
    { what: 'X-Forwarded-For by a value more', rewrite: ({ headers }) => headers.append('x-forwarded-for', '6.6.6.6') },
    { what: 'X-Forwarded-Host', rewrite: ({ headers }) => headers.set('x-forwarded-host', 'evil.example') },
    { what: 'X-Forwarded-Proto', rewrite: ({ headers }) => headers.set('x-forwarded-proto', 'ftp') },
    { what: 'X-Real-IP', rewrite: ({ headers }) => headers.set('x-real-ip', '6.6.6.6') },
    { what: 'a spelling with underscores', rewrite: ({ headers }) => headers.set('X_Forwarded_For', '203.0.113.7') },
    { what: 'Forwarded', rewrite: ({ headers }) => headers.set('forwarded', 'for=6.6.6.6') },
    { what: 'X-Forwarded-Ssl', rewrite: ({ headers }) => headers.set('x-forwarded-ssl', 'on') },
    {
      what: 'the header of clientIpHeader',
      rewrite: ({ headers }) => headers.set('x-vendor', '6.6.6.6'),
      options: { clientIpHeader: 'X-Vendor', trustedProxies: 'loopback' },
    },
  ]

  it.each(SPOOFS)('cannot be contradicted: $what', async ({ rewrite, options = OPTIONS }) => {
    const errors: ProxyFixError[] = []
    const one = rewriter((request) => {
      try {
        rewrite(request)
      } catch (error) {
        errors.push(error as ProxyFixError)
      }
    })
    const node = await askNode(
      (handler) => stack(handler, proxyFix(options), one),
      { 'X-Forwarded-For': '203.0.113.7', 'X-Vendor': '203.0.113.7' },
      ({ headers }) => JSON.stringify(headers),
    )
    const app = stack((request: Request) => new Response(JSON.stringify([...request.headers])), proxyFix(options), one)
    const fetched = await (
      await app(
        new Request('http://internal/', { headers: { 'X-Forwarded-For': '203.0.113.7', 'X-Vendor': '203.0.113.7' } }),
      )
    ).text()
    expect(errors.map(({ code }) => code)).toStrictEqual(['ERR_PROXYFIX_REWRITE', 'ERR_PROXYFIX_REWRITE'])
    expect(errors[0]!.message).toMatch(
      /^The header [\w-]+ of a fixed request holds what was decided: [^.\n]*(?:\.[a-z][^.\n]*)*\.$/,
    )
    for (const seen of [node as string, fetched]) expect(seen).not.toMatch(/6\.6\.6\.6|evil|_forwarded|"ftp"|ssl/)
  })

  it('is not undone where allowedHosts has the hosts', async () => {
    const called = vi.fn<(request: Request) => Response>(() => new Response())
    const options: ProxyFixOptions = { xHost: 1, allowedHosts: ['.shop.example'] }
    const call = (host: string): Response | Promise<Response> =>
      stack(
        called,
        proxyFix(options),
        rewriter((request) => void (request.host = host)),
      )(new Request('http://shop.example/'))
    const byHeader = stack(
      called,
      proxyFix(options),
      rewriter(({ headers }) => headers.set('Host', 'evil.example')),
    )
    expect((await call('evil.example')).status).toBe(400)
    expect((await call('evilshop.example')).status).toBe(400)
    expect((await byHeader(new Request('http://shop.example/'))).status).toBe(400)
    expect(called).not.toHaveBeenCalled()
    expect((await call('WWW.shop.example.:8443')).status).toBe(200)
    expect(called).toHaveBeenCalledOnce()
  })

  it('stands when proxyFix comes a second time, with what the rewriter made of it', async () => {
    const app = stack(
      (request: Request) => new Response(connectionInfo(request).client.address),
      proxyFix({ xFor: 1 }),
      rewriter(({ client }) => void (client.address = '192.0.2.1')),
      proxyFix({ xFor: 1 }),
    )
    expect(
      await (await app(new Request('http://internal/', { headers: { 'x-forwarded-for': '203.0.113.7' } }))).text(),
    ).toBe('192.0.2.1')
  })

  it('may be written over in the mode keep, which says nothing of headers', async () => {
    const seen = await askNode(
      (handler) =>
        stack(
          handler,
          proxyFix({ ...OPTIONS, headers: 'keep' }),
          rewriter(({ headers }) => headers.set('x-forwarded-for', '6.6.6.6')),
        ),
      FORWARDED,
      (req) => [req.headers['x-forwarded-for'], req.socket.remoteAddress],
    )
    expect(seen).toStrictEqual(['6.6.6.6', '203.0.113.7'])
  })
})

describe('behind proxyFix, on Fetch', () => {
  const everything: Rewrite = (request) => {
    request.client.address = '2001:db8::9'
    request.client.port = 9
    request.scheme = 'http'
    request.host = 'other.example:8080'
    request.prefix = '/other'
    request.url = '/z'
  }
  type Call = (request: Request, ...args: unknown[]) => Promise<unknown>

  /** An app of any platform, wrapped in the usual order. */
  function wrapped(look: Call): Call {
    let value: unknown
    const app = async (request: Request, ...args: unknown[]): Promise<Response> => {
      value = await look(request, ...args)
      return new Response()
    }
    const stacked = stack(app as Handler, proxyFix(OPTIONS), rewriter(everything)) as typeof app
    return async (request, ...args) => {
      await stacked(request, ...args)
      return value
    }
  }

  const request = (init: RequestInit = {}): Request =>
    new Request('http://internal/x?y', { headers: FORWARDED, ...init })
  const INFO = {
    client: { address: '2001:db8::9', port: 9 },
    scheme: 'http',
    host: 'other.example:8080',
    hostname: 'other.example',
    port: 8080,
    prefix: '/other',
    url: 'http://other.example:8080/other/z',
  }

  it('URL, headers, the clone and connectionInfo agree', async () => {
    const seen = await wrapped(async (given) =>
      [given, given.clone()].map((one) => ({
        url: one.url,
        headers: Object.fromEntries(one.headers),
        info: connectionInfo(one),
      })),
    )(request())
    const each = {
      url: 'http://other.example:8080/z',
      headers: {
        'x-forwarded-for': '2001:db8::9',
        'x-forwarded-host': 'other.example:8080',
        'x-forwarded-port': '8080',
        'x-forwarded-prefix': '/other',
        'x-forwarded-proto': 'http',
        'x-real-ip': '2001:db8::9',
      },
      info: expect.objectContaining(INFO) as unknown,
    }
    expect(seen).toStrictEqual([each, each])
  })

  it('a streamed body, the method and the signal survive', async () => {
    const controller = new AbortController()
    const body = new ReadableStream({
      start(stream) {
        stream.enqueue(new TextEncoder().encode('body'))
        stream.close()
      },
    })
    const seen = await wrapped(async (given) => {
      const read = await given.text()
      const aborted = new Promise((resolve) => given.signal.addEventListener('abort', () => resolve('aborted')))
      controller.abort()
      return [given.method, read, await aborted]
    })(request({ method: 'POST', body, duplex: 'half', signal: controller.signal } as RequestInit))
    expect(seen).toStrictEqual(['POST', 'body', 'aborted'])
  })

  it('Deno’s info shows the client', async () => {
    const info = { remoteAddr: { transport: 'tcp', hostname: '127.0.0.1', port: 50_000 }, completed: Promise.resolve() }
    const seen = await wrapped(async (_, given) => (given as typeof info).remoteAddr)(request(), info)
    expect(seen).toStrictEqual({ transport: 'tcp', hostname: '2001:db8::9', port: 9 })
    expect(info.remoteAddr.hostname).toBe('127.0.0.1')
  })

  it('Bun’s server shows the client, and upgrades the Request that it made', async () => {
    const upgraded: unknown[] = []
    const server = {
      requestIP: (_one: Request) => ({ address: '127.0.0.1', family: 'IPv4', port: 50_000 }),
      upgrade: (one: Request) => upgraded.push(one) > 0,
    }
    const received = request()
    const seen = await wrapped(async (given, own) => {
      ;(own as typeof server).upgrade(given)
      return [(own as typeof server).requestIP(given), (own as typeof server).requestIP(given.clone())]
    })(received, server)
    const client = { address: '2001:db8::9', family: 'IPv6', port: 9 }
    expect(seen).toStrictEqual([client, client])
    expect(upgraded).toStrictEqual([received])
    expect(upgraded[0]).toBe(received)
  })

  it('Remix’ client shows the client', async () => {
    const seen = await wrapped(async (_, client) => client)(request(), {
      address: '127.0.0.1',
      family: 'IPv4',
      port: 50_000,
    })
    expect(seen).toStrictEqual({ address: '2001:db8::9', family: 'IPv6', port: 9 })
  })

  it('Hono’s { incoming } shows it on the Node request as well', async () => {
    const seen: unknown[] = []
    const app = stack(
      {
        fetch: (given: Request, { incoming }: { incoming: IncomingMessage }) => {
          seen.push(
            given.url,
            incoming.socket.remoteAddress,
            incoming.headers.host,
            incoming.headers['x-forwarded-for'],
            connectionInfo(incoming).url,
            connectionInfo(given).url,
          )
          return new Response()
        },
      },
      proxyFix(OPTIONS),
      rewriter(everything),
    )
    const server = http.createServer(
      getRequestListener(app.fetch as never, { overrideGlobalObjects: false }) as http.RequestListener,
    )
    onTestFinished(() => close(server))
    const lines = Object.entries(FORWARDED).map((line) => line.join(': '))
    await exchange(
      await listen(server),
      requestText('GET /x?y HTTP/1.1', 'Host: internal', 'Connection: close', ...lines),
    )
    expect(seen).toStrictEqual([
      'http://other.example:8080/z',
      '2001:db8::9',
      'other.example:8080',
      '2001:db8::9',
      'http://other.example:8080/other/z',
      'http://other.example:8080/other/z',
    ])
  })

  it('srvx’ ip shows the client', async () => {
    const received = Object.assign(request(), {
      runtime: { name: 'deno', deno: { info: { remoteAddr: { transport: 'tcp', hostname: '127.0.0.1', port: 1 } } } },
    })
    const seen = await wrapped(async (given) => [
      Reflect.get(given, 'ip'),
      (Reflect.get(given, 'runtime') as typeof received.runtime).deno.info.remoteAddr.hostname,
    ])(received)
    expect(seen).toStrictEqual(['2001:db8::9', '2001:db8::9'])
  })
})

describe('in front of proxyFix, a rewriter feeds it', () => {
  const vendor = rewriter(({ headers }) => {
    const address = headers.get('x-vendor-ip')
    if (address !== null) headers.set('X-Forwarded-For', address)
  })
  const VENDOR = { 'X-Vendor-IP': '203.0.113.7', 'X-Forwarded-For': '6.6.6.6' }

  it('by a vendor’s header', async () => {
    const seen = await askNode(
      (handler) => stack(handler, vendor, proxyFix({ xFor: 1 })),
      VENDOR,
      (req) => [req.socket.remoteAddress, req.headers['x-forwarded-for']],
    )
    expect(seen).toStrictEqual(['203.0.113.7', '203.0.113.7'])
    const app = stack(
      (request: Request) => new Response(connectionInfo(request).client.address),
      vendor,
      proxyFix({ xFor: 1 }),
    )
    expect(await (await app(new Request('http://internal/', { headers: VENDOR }))).text()).toBe('203.0.113.7')
  })

  it('by a table', async () => {
    const table = HeaderRewriter.from({ request: { copy: { 'X-Forwarded-For': 'X-Vendor-IP' } } })
    const seen = await askNode(
      (handler) => stack(handler, table, proxyFix({ xFor: 1 })),
      VENDOR,
      (req) => req.socket.remoteAddress,
    )
    expect(seen).toBe('203.0.113.7')
  })

  it('with the address of the peer, which is judged as that', async () => {
    const peer = rewriter(({ client }) => {
      client.address = '10.0.0.1'
      client.port = 7
    })
    const options: ProxyFixOptions = { xFor: 'trusted', trustedProxies: '10.0.0.0/8' }
    const look = (request: object): unknown => {
      const { client, peer: own, trusted } = connectionInfo(request)
      return [client, own, trusted]
    }
    const expected = [{ address: '203.0.113.7' }, { address: '10.0.0.1', port: 7 }, true]
    expect(
      await askNode((handler) => stack(handler, peer, proxyFix(options)), { 'X-Forwarded-For': '203.0.113.7' }, look),
    ).toStrictEqual(expected)
    const results: unknown[] = []
    const app = stack((request: Request) => (results.push(look(request)), new Response()), peer, proxyFix(options))
    await app(new Request('http://internal/', { headers: { 'X-Forwarded-For': '203.0.113.7' } }))
    expect(results).toStrictEqual([expected])
  })

  it('with scheme, host and prefix as received', async () => {
    const received = rewriter((request) => {
      request.scheme = 'https'
      request.host = 'Front.Example:8443'
      request.prefix = '/front'
    })
    const look = (request: object): unknown => {
      const { scheme, host, port, url, original } = connectionInfo(request)
      return [scheme, host, port, url, original.scheme, original.host]
    }
    const expected = [
      'https',
      'front.example:8443',
      8443,
      'https://front.example:8443/front/x?y',
      'https',
      'front.example:8443',
    ]
    expect(await askNode((handler) => stack(handler, received, proxyFix({ xFor: 1 })), {}, look)).toStrictEqual(
      expected,
    )
    const results: unknown[] = []
    const app = stack(
      (request: Request) => (results.push(look(request)), new Response()),
      received,
      proxyFix({ xFor: 1 }),
    )
    await app(new Request('http://internal/x?y'))
    expect(results).toStrictEqual([expected])
  })

  it('and a client it made up is nobody when the peer has to be a proxy', async () => {
    const made = rewriter(({ client }) => void (client.address = '203.0.113.66'))
    const seen = await askNode(
      (handler) => stack(handler, made, proxyFix({ xFor: 1, trustedProxies: 'loopback' })),
      { 'X-Forwarded-For': '6.6.6.6' },
      (req) => [req.socket.remoteAddress, connectionInfo(req).trusted],
    )
    expect(seen).toStrictEqual(['203.0.113.66', false])
  })
})

describe('the method of a Fetch request', () => {
  it.each(['GET', 'HEAD'])('that becomes %s loses its body and what describes it', async (method) => {
    const app = rewriter((request) => void (request.method = method)).wrap(
      async (request: Request) =>
        new Response(`${request.method} ${request.body === null} ${[...request.headers.keys()].join()}`),
    )
    const request = new Request('http://internal/', {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'text/plain', 'x-a': '1' },
    })
    expect(await (await app(request)).text()).toBe(`${method} true x-a`)
  })

  it('may be changed where the stream of the body fails when it is let go of', async () => {
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const body = new ReadableStream({
      cancel() {
        throw new Error('mine')
      },
    })
    const app = rewriter((request) => void (request.method = 'GET')).wrap(
      (request: Request) => new Response(request.method),
    )
    expect(
      await (
        await app(new Request('http://internal/', { method: 'POST', body, duplex: 'half' } as RequestInit))
      ).text(),
    ).toBe('GET')
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('is the same object where nothing is assigned, and where what is assigned is what it was', async () => {
    const seen: unknown[] = []
    const received = new Request('http://internal/x')
    const same = rewriter((request) => void (request.url = '/x'))
    await same.wrap((request: Request) => (seen.push(request), new Response()))(received)
    await rewriter(() => undefined).wrap((request: Request) => (seen.push(request), new Response()))(received)
    expect(seen[0]).toBe(received)
    expect(seen[1]).toBe(received)
  })
})

it('a rewriter inside Express sees its mount, and may answer', async () => {
  const app = express()
  app.use(
    '/api',
    rewriter(({ prefix, url, headers }) => headers.set('x-seen', `${prefix} ${url}`)).wrap(
      (req: IncomingMessage, res: ServerResponse, _next: () => void) => res.end(req.headers['x-seen']),
    ),
  )
  const server = http.createServer(app)
  onTestFinished(() => close(server))
  const [response] = parseResponses(
    await exchange(await listen(server), requestText('GET /api/x?y HTTP/1.1', 'Host: app', 'Connection: close')),
  )
  expect(response?.body).toBe('/api /x?y')
})
