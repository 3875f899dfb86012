/**
 * A Node request as the app sees it, over real connections. What is sent is written out byte by byte, since the
 * interesting requests are those that no client library would send.
 */

import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { Duplex } from 'node:stream'
import Koa from 'koa'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  clientKey,
  connectionInfo,
  fixRequest,
  proxyFix,
  type ProxyFixOptions,
  unwrapSocket,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

/** Sends a request to a server with one proxyFix, and tells what the app read off it. */
async function ask<T>(
  options: ProxyFixOptions,
  text: string,
  look: (req: IncomingMessage) => T,
): Promise<{ seen: T[]; responses: RawResponse[] }> {
  const seen: T[] = []
  const server = http.createServer(
    proxyFix((req: IncomingMessage, res: http.ServerResponse) => {
      seen.push(look(req))
      res.end()
    }, options),
  )
  onTestFinished(() => close(server))
  const port = await listen(server)
  return { seen, responses: parseResponses(await exchange(port, text)) }
}

function get(...headers: readonly string[]): string {
  return requestText('GET / HTTP/1.1', ...headers, 'Connection: close')
}

/** The lines of a request as pairs, without those that every request of these tests has. */
function lines(req: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = []
  for (let index = 0; index < req.rawHeaders.length; index += 2) {
    const [name = '', value = ''] = req.rawHeaders.slice(index, index + 2)
    if (name !== 'Connection') pairs.push([name, value])
  }
  return pairs
}

/** All the places where Node keeps headers, in one comparable shape. */
function headerStores(req: IncomingMessage): { headers: unknown; distinct: unknown; raw: unknown } {
  const { connection: _1, ...headers } = req.headers
  const { connection: _2, ...distinct } = req.headersDistinct
  return { headers, distinct, raw: lines(req) }
}

function shown({ socket }: { socket: object }): unknown {
  const { remoteAddress, remotePort, remoteFamily, encrypted } = socket as {
    remoteAddress: unknown
    remotePort: unknown
    remoteFamily: unknown
    encrypted: unknown
  }
  return { remoteAddress, remotePort, remoteFamily, encrypted }
}

describe('req.socket and req.connection', () => {
  it.each([
    {
      name: 'a forwarded IPv4 address with a port, over TLS',
      headers: ['X-Forwarded-For: 203.0.113.7:4711', 'X-Forwarded-Proto: https'],
      socket: { remoteAddress: '203.0.113.7', remotePort: 4711, remoteFamily: 'IPv4', encrypted: true },
    },
    {
      name: 'a forwarded IPv6 address, over WebSocket with TLS',
      headers: ['X-Forwarded-For: 2001:DB8::0:1', 'X-Forwarded-Proto: WSS'],
      socket: { remoteAddress: '2001:db8::1', remotePort: undefined, remoteFamily: 'IPv6', encrypted: true },
    },
    {
      name: 'a forwarded address without a port and no scheme',
      headers: ['X-Forwarded-For: 203.0.113.7'],
      socket: { remoteAddress: '203.0.113.7', remotePort: undefined, remoteFamily: 'IPv4', encrypted: false },
    },
    {
      name: 'ws, which is not encrypted',
      headers: ['X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: ws'],
      socket: { remoteAddress: '203.0.113.7', remotePort: undefined, remoteFamily: 'IPv4', encrypted: false },
    },
  ])('show $name', async ({ headers, socket }) => {
    const { seen } = await ask({}, get('Host: app', ...headers), (req) => [
      shown(req),
      // Older names, which Express 4, Koa and morgan read.
      req.connection === req.socket,
      Reflect.get(req, 'client') === req.socket,
      'encrypted' in req.socket,
    ])
    expect(seen).toStrictEqual([[socket, true, true, true]])
  })

  it('show the peer, with its port, when nothing counts', async () => {
    const { seen } = await ask({}, get('Host: app', 'X-Forwarded-For: junk'), (req) => {
      const real = unwrapSocket(req.socket)
      return [req.socket.remoteAddress, req.socket.remotePort === real.remotePort, req.socket.remoteFamily]
    })
    expect(seen).toStrictEqual([['127.0.0.1', true, 'IPv4']])
  })

  it('leave the real socket of the proxy as it is', async () => {
    const { seen } = await ask(
      {},
      get('Host: app', 'X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https'),
      (req) => {
        const real = unwrapSocket(req.socket)
        return [real === req.socket, real.remoteAddress, Object.hasOwn(real, 'remoteAddress'), 'encrypted' in real]
      },
    )
    expect(seen).toStrictEqual([[false, '127.0.0.1', false, false]])
  })

  it('are the real socket with socket: false, while headers and connectionInfo tell the client', async () => {
    const { seen } = await ask(
      { socket: false },
      get('Host: app', 'X-Forwarded-For: 6.6.6.6, 203.0.113.7', 'X-Forwarded-Proto: https'),
      (req) => [
        unwrapSocket(req.socket) === req.socket,
        req.socket.remoteAddress,
        connectionInfo(req).client.address,
        req.headers['x-forwarded-for'],
      ],
    )
    expect(seen).toStrictEqual([[true, '127.0.0.1', '203.0.113.7', '203.0.113.7']])
  })
})

const FORWARDED_LINES = [
  'Host: app.internal:3000',
  'X-Forwarded-For: 6.6.6.6',
  'X-Forwarded-For: 203.0.113.7',
  'X-Forwarded-Proto: http, https',
  'X-FORWARDED-HOST: shop.example:443',
  'X-Forwarded-Port: 443',
  'X-Forwarded-Prefix: /shop/',
  'X-Real-IP: 6.6.6.6',
  'X-Real-IP: 6.6.6.7',
  'Forwarded: for=6.6.6.6',
  'X_Forwarded_For: 6.6.6.6',
  'X-Forwarded.Host: evil.example',
  'Front-End-Https: on',
  'Accept: text/plain',
  'Cookie: a=1',
  'Cookie: b=2',
]

describe.each<{ when: string; before: (req: IncomingMessage) => unknown }>([
  { when: 'when nobody has read them', before: () => undefined },
  { when: 'when headersDistinct was read before', before: (req) => req.headersDistinct },
  { when: 'when headers were read before', before: (req) => req.headers },
])('headers, headersDistinct and rawHeaders, $when', ({ before }) => {
  async function stores(options: ProxyFixOptions, text: string): Promise<unknown> {
    const seen: unknown[] = []
    const server = http.createServer((req, res) => {
      before(req)
      fixRequest(req, options)
      seen.push(headerStores(req))
      res.end()
    })
    onTestFinished(() => close(server))
    await exchange(await listen(server), text)
    expect(seen).toHaveLength(1)
    return seen[0]
  }

  it('hold the one decided value each after normalize (contract rule 10)', async () => {
    expect(await stores({ xHost: 1, xPort: 1, xPrefix: 1 }, get(...FORWARDED_LINES))).toEqual({
      headers: {
        host: 'shop.example',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'shop.example',
        'x-forwarded-port': '443',
        'x-forwarded-prefix': '/shop',
        'x-real-ip': '203.0.113.7',
        accept: 'text/plain',
        cookie: 'a=1; b=2',
      },
      distinct: {
        host: ['shop.example'],
        'x-forwarded-for': ['203.0.113.7'],
        'x-forwarded-proto': ['https'],
        'x-forwarded-host': ['shop.example'],
        'x-forwarded-port': ['443'],
        'x-forwarded-prefix': ['/shop'],
        'x-real-ip': ['203.0.113.7'],
        accept: ['text/plain'],
        cookie: ['a=1', 'b=2'],
      },
      raw: [
        ['Host', 'shop.example'],
        ['X-Forwarded-For', '203.0.113.7'],
        ['X-Forwarded-Proto', 'https'],
        ['X-FORWARDED-HOST', 'shop.example'],
        ['X-Forwarded-Port', '443'],
        ['X-Forwarded-Prefix', '/shop'],
        ['X-Real-IP', '203.0.113.7'],
        ['Accept', 'text/plain'],
        ['Cookie', 'a=1'],
        ['Cookie', 'b=2'],
      ],
    })
  })

  it('hold none after remove', async () => {
    expect(await stores({ xHost: 1, headers: 'remove' }, get(...FORWARDED_LINES))).toEqual({
      headers: { host: 'shop.example', accept: 'text/plain', cookie: 'a=1; b=2' },
      distinct: { host: ['shop.example'], accept: ['text/plain'], cookie: ['a=1', 'b=2'] },
      raw: [
        ['Host', 'shop.example'],
        ['Accept', 'text/plain'],
        ['Cookie', 'a=1'],
        ['Cookie', 'b=2'],
      ],
    })
  })

  it('hold what was sent after keep, but for the Host', async () => {
    const seen = (await stores({ xHost: 1, headers: 'keep' }, get(...FORWARDED_LINES))) as ReturnType<
      typeof headerStores
    >
    expect(seen.raw).toStrictEqual([
      ['Host', 'shop.example'],
      ...FORWARDED_LINES.slice(1).map((line) => line.split(': ')),
    ])
    expect(seen.headers).toMatchObject({
      host: 'shop.example',
      'x-forwarded-for': '6.6.6.6, 203.0.113.7',
      'x-real-ip': '6.6.6.6, 6.6.6.7',
      forwarded: 'for=6.6.6.6',
      x_forwarded_for: '6.6.6.6',
    })
    expect(seen.distinct).toMatchObject({ host: ['shop.example'], 'x-forwarded-for': ['6.6.6.6', '203.0.113.7'] })
  })

  it('leave one Host of two, the one that was decided on', async () => {
    expect(await stores({}, get('Host: good.example', 'Host: evil.example'))).toEqual({
      headers: { host: 'good.example' },
      distinct: { host: ['good.example'] },
      raw: [['Host', 'good.example']],
    })
  })

  it('gain a Host when an HTTP/1.0 request has none and one is forwarded', async () => {
    const text = requestText('GET / HTTP/1.0', 'X-Forwarded-Host: shop.example', 'Forwarded: host=evil.example')
    expect(await stores({ xHost: 1 }, text)).toEqual({
      headers: { 'x-forwarded-host': 'shop.example', host: 'shop.example' },
      distinct: { 'x-forwarded-host': ['shop.example'], host: ['shop.example'] },
      raw: [
        ['X-Forwarded-Host', 'shop.example'],
        ['Host', 'shop.example'],
      ],
    })
  })

  it('gain a Host beside forwarding headers that are taken away', async () => {
    const text = requestText(
      'GET / HTTP/1.0',
      'X-Forwarded-Host: shop.example',
      'Via: a',
      'Via: b',
      'X_Real_IP: 6.6.6.6',
    )
    expect(await stores({ xHost: 1, headers: 'remove' }, text)).toEqual({
      headers: { via: 'a, b', host: 'shop.example' },
      distinct: { via: ['a', 'b'], host: ['shop.example'] },
      raw: [
        ['Via', 'a'],
        ['Via', 'b'],
        ['Host', 'shop.example'],
      ],
    })
  })

  it('gain none when there is nothing to tell', async () => {
    expect(await stores({ xHost: 1 }, requestText('GET / HTTP/1.0', 'Accept: */*'))).toEqual({
      headers: { accept: '*/*' },
      distinct: { accept: ['*/*'] },
      raw: [['Accept', '*/*']],
    })
  })

  it('fill a Host that was sent empty', async () => {
    expect(await stores({ xHost: 1 }, get('Host:', 'X-Forwarded-Host: shop.example'))).toEqual({
      headers: { host: 'shop.example', 'x-forwarded-host': 'shop.example' },
      distinct: { host: ['shop.example'], 'x-forwarded-host': ['shop.example'] },
      raw: [
        ['Host', 'shop.example'],
        ['X-Forwarded-Host', 'shop.example'],
      ],
    })
  })

  it('survive names that objects have by birth', async () => {
    const text = get('Host: app', '__proto__: x', 'constructor: y', 'toString: z', 'X-Real-IP: 6.6.6.6')
    const seen = (await stores({}, text)) as ReturnType<typeof headerStores>
    expect(seen.raw).toStrictEqual([
      ['Host', 'app'],
      ['__proto__', 'x'],
      ['constructor', 'y'],
      ['toString', 'z'],
      ['X-Real-IP', '127.0.0.1'],
    ])
    expect(seen.distinct).toMatchObject({ 'x-real-ip': ['127.0.0.1'], constructor: ['y'] })
  })
})

describe('the host', () => {
  it.each<{
    name: string
    sent: string[]
    options?: ProxyFixOptions
    host: string | undefined
    url: string | undefined
  }>([
    {
      name: 'received in upper case',
      sent: ['Host: APP.Internal:80'],
      host: 'app.internal',
      url: 'http://app.internal/',
    },
    {
      name: 'without the port that https makes a default',
      sent: ['Host: app.internal:443', 'X-Forwarded-Proto: https'],
      host: 'app.internal',
      url: 'https://app.internal/',
    },
    { name: 'received and invalid, as it is', sent: ['Host: a@evil.example'], host: 'a@evil.example', url: undefined },
    {
      name: 'forwarded',
      sent: ['Host: app.internal', 'X-Forwarded-Host: shop.example, evil.example'],
      options: { xHost: 2 },
      host: 'shop.example',
      url: 'http://shop.example/',
    },
    {
      name: 'received when the forwarded one is none',
      sent: ['Host: app.internal', 'X-Forwarded-Host: evil.example/x'],
      options: { xHost: 1 },
      host: 'app.internal',
      url: 'http://app.internal/',
    },
    {
      name: 'with the forwarded port',
      sent: ['Host: app.internal:3000', 'X-Forwarded-Port: 8443', 'X-Forwarded-Proto: wss'],
      options: { xPort: 1 },
      host: 'app.internal:8443',
      url: 'https://app.internal:8443/',
    },
  ])('is shown $name', async ({ sent, options = {}, host, url }) => {
    const { seen } = await ask(options, get(...sent), (req) => [
      req.headers.host,
      connectionInfo(req).host,
      connectionInfo(req).url,
    ])
    expect(seen).toStrictEqual([[host, host, url]])
  })
})

describe('names of headers that an adapter has not put in lower case', () => {
  it('hold what was decided all the same', async () => {
    const options = { xFor: 1, xProto: 1 }
    const app = proxyFix((req: IncomingMessage) => ({ ...req.headers }), options)
    const sent = { 'X-Forwarded-For': '6.6.6.6, 1.2.3.4', 'X-Real-IP': '6.6.6.6', Host: 'a.example' }
    const headers: Record<string, string> = {
      ...sent,
      'x-forwarded-for': sent['X-Forwarded-For'],
      'x-real-ip': sent['X-Real-IP'],
      host: sent.Host,
    }
    const socket = { remoteAddress: '10.0.0.1', remotePort: 1 }
    const req = { headers, rawHeaders: Object.entries(sent).flat(), socket, method: 'GET', url: '/' }
    expect(app(req as never)).toEqual({
      'X-Forwarded-For': '1.2.3.4',
      'X-Real-IP': '1.2.3.4',
      Host: 'a.example',
      'x-forwarded-for': '1.2.3.4',
      'x-real-ip': '1.2.3.4',
      host: 'a.example',
    })
  })
})

describe('headers that a stand-in of a request holds', () => {
  const socket = { remoteAddress: '10.0.0.1', remotePort: 1 }
  const request = (headers: object): IncomingMessage =>
    ({ headers, rawHeaders: [], socket, method: 'GET', url: '/' }) as never

  it.each([443, null, {}, true])('say nothing when they are no text: %j', (value) => {
    const req = request({ host: 'a.example', 'x-forwarded-for': value, 'x-forwarded-port': value, 'x-real-ip': value })
    const { client, port, verdicts } = connectionInfo(fixRequest(req, { xPort: 1 }))
    expect([client.address, port, verdicts.for, verdicts.port]).toStrictEqual(['10.0.0.1', 80, 'absent', 'absent'])
    expect(Object.values(req.headers)).not.toContain(value)
  })

  it('are hidden when they are inherited', () => {
    const forged = { 'x-real-ip': '6.6.6.6', 'x-forwarded-for': '6.6.6.6' }
    const req = request(Object.create(forged) as object)
    const { client } = connectionInfo(fixRequest(req, { trustedProxies: [] }))
    const { 'x-real-ip': realIp, 'x-forwarded-for': forwardedFor } = req.headers
    expect([client.address, realIp, forwardedFor]).toStrictEqual(['10.0.0.1', undefined, undefined])
    expect(forged['x-real-ip']).toBe('6.6.6.6')
  })
})

describe('the request target', () => {
  // RFC 9112 §3.2.2: what stands before the path is the client's own word on what the decision has settled.
  it.each([
    { sent: 'http://evil.example/x?y=1', url: '/x?y=1', publicUrl: 'http://app/x?y=1' },
    { sent: 'HTTPS://evil.example', url: '/', publicUrl: 'http://app/' },
    { sent: 'http://evil.example?y', url: '/?y', publicUrl: 'http://app/?y' },
    { sent: 'http://user:secret@evil.example:81/x', url: '/x', publicUrl: 'http://app/x' },
    { sent: '//evil.example/x', url: '//evil.example/x', publicUrl: 'http://app//evil.example/x' },
    // No form of target at all: whoever puts scheme, host and target together would read another host.
    { sent: '*@evil.example/', url: '/*@evil.example/', publicUrl: 'http://app/*@evil.example/' },
    { sent: '*.evil.example/x?y', url: '/*.evil.example/x?y', publicUrl: 'http://app/*.evil.example/x?y' },
    { sent: '**', url: '/**', publicUrl: 'http://app/**' },
    { sent: '*', url: '/*', publicUrl: 'http://app/*' },
    {
      sent: '/x?u=http://evil.example/',
      url: '/x?u=http://evil.example/',
      publicUrl: 'http://app/x?u=http://evil.example/',
    },
  ])('$sent is shown as $url', async ({ sent, url, publicUrl }) => {
    const text = requestText(`GET ${sent} HTTP/1.1`, 'Host: app', 'Connection: close')
    const { seen } = await ask({}, text, (req) => [req.url, connectionInfo(req).url])
    expect(seen).toStrictEqual([[url, publicUrl]])
  })

  it.each([
    { sent: '*@evil.example/', href: 'http://app/*@evil.example/' },
    { sent: '*', href: 'http://app/*' },
    { sent: 'http://evil.example/x?y=1', href: 'http://app/x?y=1' },
    { sent: '/x?y=1', href: 'http://app/x?y=1' },
  ])('$sent names the decided host alone in Koa as well', async ({ sent, href }) => {
    const seen: unknown[] = []
    const koa = new Koa({ proxy: false }).use(async (ctx) => {
      seen.push([ctx.href, ctx.URL.href, ctx.host, ctx.hostname])
    })
    const server = http.createServer(proxyFix(koa.callback(), {}))
    onTestFinished(() => close(server))
    await exchange(await listen(server), requestText(`GET ${sent} HTTP/1.1`, 'Host: app', 'Connection: close'))
    expect(seen).toStrictEqual([[href, href, 'app', 'app']])
  })

  it('* is a path too: behind a host without a slash it would be part of the host', async () => {
    const text = requestText('OPTIONS * HTTP/1.1', 'Host: app', 'X-Forwarded-Prefix: /shop', 'Connection: close')
    const { seen } = await ask({ xPrefix: 1 }, text, (req) => [req.url, connectionInfo(req).url])
    expect(seen).toStrictEqual([['/*', 'http://app/shop/*']])
  })

  it.each<{ name: string; options: ProxyFixOptions; sent?: string; prefix?: string; expected: unknown }>([
    {
      name: 'mount (the default) tells baseUrl and originalUrl, and leaves url to route by',
      options: {},
      expected: { url: '/x?y=1', baseUrl: '/shop', originalUrl: '/shop/x?y=1', publicUrl: 'http://app/shop/x?y=1' },
    },
    {
      name: 'strip cuts the prefix off',
      options: { prefixMode: 'strip' },
      sent: '/shop/x?y=1',
      expected: { url: '/x?y=1', baseUrl: '/shop', originalUrl: '/shop/x?y=1', publicUrl: 'http://app/shop/x?y=1' },
    },
    {
      name: 'strip leaves a slash of the prefix alone',
      options: { prefixMode: 'strip' },
      sent: '/shop?y=1',
      expected: { url: '/?y=1', baseUrl: '/shop', originalUrl: '/shop?y=1', publicUrl: 'http://app/shop?y=1' },
    },
    {
      name: 'strip cuts on a segment boundary only',
      options: { prefixMode: 'strip' },
      sent: '/shopping',
      expected: { url: '/shopping', baseUrl: undefined, originalUrl: undefined, publicUrl: 'http://app/shopping' },
    },
    {
      name: 'url puts the prefix in front',
      options: { prefixMode: 'url' },
      expected: { url: '/shop/x?y=1', baseUrl: undefined, originalUrl: undefined, publicUrl: 'http://app/shop/x?y=1' },
    },
    {
      name: 'none leaves all to connectionInfo',
      options: { prefixMode: 'none' },
      expected: { url: '/x?y=1', baseUrl: undefined, originalUrl: undefined, publicUrl: 'http://app/shop/x?y=1' },
    },
    {
      name: 'the empty prefix changes nothing',
      options: {},
      prefix: '/',
      expected: { url: '/x?y=1', baseUrl: undefined, originalUrl: undefined, publicUrl: 'http://app/x?y=1' },
    },
    {
      name: 'a prefix that is none changes nothing',
      options: {},
      prefix: '//evil.example',
      expected: { url: '/x?y=1', baseUrl: undefined, originalUrl: undefined, publicUrl: 'http://app/x?y=1' },
    },
  ])('$name', async ({ options, sent = '/x?y=1', prefix = '/shop', expected }) => {
    const text = requestText(`GET ${sent} HTTP/1.1`, 'Host: app', `X-Forwarded-Prefix: ${prefix}`, 'Connection: close')
    const { seen } = await ask({ xPrefix: 1, ...options }, text, (req) => {
      const { baseUrl, originalUrl } = req as { baseUrl?: string; originalUrl?: string }
      return { url: req.url, baseUrl, originalUrl, publicUrl: connectionInfo(req).url }
    })
    expect(seen).toStrictEqual([expected])
  })

  it('inside the mount of a framework keeps the mount path below the prefix', async () => {
    const seen: unknown[] = []
    const server = http.createServer((req, res) => {
      // What Express has done to a request that it passes to app.use('/api', …).
      const mounted = Object.assign(req, { originalUrl: '/api/x', baseUrl: '/api', url: '/x' })
      fixRequest(mounted, { xPrefix: 1 })
      seen.push({
        url: mounted.url,
        baseUrl: mounted.baseUrl,
        originalUrl: mounted.originalUrl,
        publicUrl: connectionInfo(mounted).url,
      })
      res.end()
    })
    onTestFinished(() => close(server))
    await exchange(await listen(server), get('Host: app', 'X-Forwarded-Prefix: /shop'))
    expect(seen).toStrictEqual([
      { url: '/x', baseUrl: '/shop/api', originalUrl: '/shop/api/x', publicUrl: 'http://app/shop/api/x' },
    ])
  })
})

describe('a peer that is no IP address', () => {
  it.each(['normalize', 'remove'] as const)('has its forwarding headers taken away with headers: %s', (mode) => {
    const socket = new net.Socket()
    Object.defineProperty(socket, 'remoteAddress', { value: '1.2.3.4%eth0' })
    const req = new http.IncomingMessage(socket)
    req.rawHeaders.push('Host', 'app', 'X-Forwarded-For', '203.0.113.7', 'X-Real-IP', '203.0.113.7')
    Object.assign(req.headers, { host: 'app', 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7' })
    req.url = '/'
    const { client, trusted, verdicts, refusal } = connectionInfo(fixRequest(req, { headers: mode, required: ['for'] }))
    expect([client, trusted, verdicts.for, refusal]).toStrictEqual([{}, false, 'untrusted-peer', undefined])
    expect(req.socket.remoteAddress).toBeUndefined()
    expect(headerStores(req)).toEqual({ headers: { host: 'app' }, distinct: { host: ['app'] }, raw: [['Host', 'app']] })
  })
})

describe('as many header lines as Node reads, or more', () => {
  // Older Nodes silently drop the lines after the 1000th (server.maxHeadersCount), newer ones answer 431. A proxy
  // that appends its own line at the end loses it, and the client's line is left: contract rule 1, several lines
  // are one list. Were all of them ignored, the client would pass for the proxy.
  it.each([
    { maxHeadersCount: null, limit: 1000 },
    { maxHeadersCount: 20, limit: 20 },
  ])('are refused, whatever they say ($maxHeadersCount)', async ({ maxHeadersCount, limit }) => {
    const server = http.createServer(
      proxyFix((req: IncomingMessage, res: http.ServerResponse) => void res.end(req.socket.remoteAddress)),
    )
    server.maxHeadersCount = maxHeadersCount
    onTestFinished(() => close(server))
    const port = await listen(server)
    for (const lineCount of [9, 18, 19, 20, 21, 22, 44, 998, 999, 1000, 1001, 1002, 1500, 2500]) {
      const padding = Array.from({ length: lineCount - 4 }, () => 'a:')
      const text = get('Host: app', 'X-Forwarded-For: 6.6.6.6', ...padding, 'X-Forwarded-For: 203.0.113.7')
      const [response] = parseResponses(await exchange(port, text))
      const { status, body } = response ?? {}
      if (lineCount < limit) expect([lineCount, status, body]).toStrictEqual([lineCount, 200, '203.0.113.7'])
      else expect(status, `${lineCount} lines`).toBeOneOf(lineCount === limit ? [400] : [400, 431])
    }
  })

  it('are told from the others in the answer', async () => {
    const padding = Array.from({ length: 998 }, () => 'a:')
    const { seen, responses } = await ask({}, get('Host: app', ...padding), (req) => req.url)
    expect(seen).toStrictEqual([])
    expect(responses).toMatchObject([
      { status: 400, body: 'Bad request: it has more header lines than this server reads.\n' },
    ])
  })

  it('are served where no count is above 0, with the peer for the client', async () => {
    const padding = Array.from({ length: 997 }, () => 'a:')
    const { seen } = await ask(
      { xFor: 0, xProto: 0 },
      get('Host: app', 'X-Forwarded-For: 6.6.6.6', ...padding),
      (req) => [
        req.rawHeaders.length >= 1998, // that of X-Forwarded-For is still there, with the peer
        req.socket.remoteAddress,
        req.headers['x-forwarded-for'],
        connectionInfo(req).refusal,
      ],
    )
    expect(seen).toStrictEqual([[true, '127.0.0.1', '127.0.0.1', undefined]])
  })

  const CUT = 'it has more header lines than this server reads'

  // Nobody acts on a refusal here, so what such a request says must not be believed either.
  it.each<{ name: string; lines: number; options?: ProxyFixOptions; client: string; refusal: unknown }>([
    {
      name: 'as many lines as Node reads',
      lines: 1000,
      client: '10.0.0.1',
      refusal: { status: 400, field: 'for', reason: CUT },
    },
    { name: 'one line fewer', lines: 999, client: '203.0.113.7', refusal: undefined },
    {
      name: 'as many lines, where another header counts',
      lines: 1000,
      options: { xFor: 0, xProto: 0, xPrefix: 1 },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'prefix', reason: CUT },
    },
    {
      name: 'as many lines, of a stranger',
      lines: 1000,
      options: { trustedProxies: '192.0.2.1' },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'for', reason: CUT },
    },
    {
      name: 'as many lines, where nobody is trusted',
      lines: 1000,
      options: { trustedProxies: [], xFor: 0 },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'proto', reason: CUT },
    },
    {
      name: 'more lines, without the secret',
      lines: 1001,
      options: { secret: { header: 'x-origin', values: 'correct-horse-battery' } },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'for', reason: CUT },
    },
    {
      name: 'as many lines, of elements',
      lines: 1000,
      options: { forwarded: 1 },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'for', reason: CUT },
    },
    {
      name: 'as many lines, in a header of its own',
      lines: 1000,
      options: { clientIpHeader: 'X-Real-IP', trustedProxies: '192.0.2.1', xProto: 0 },
      client: '10.0.0.1',
      refusal: { status: 400, field: 'for', reason: CUT },
    },
    {
      name: 'one line fewer, of a stranger',
      lines: 999,
      options: { trustedProxies: '192.0.2.1' },
      client: '10.0.0.1',
      refusal: undefined,
    },
    {
      name: 'as many lines, where none counts',
      lines: 1000,
      options: { xFor: 0, xProto: 0 },
      client: '10.0.0.1',
      refusal: undefined,
    },
  ])('of $name make $client the client for fixRequest', ({ lines: count, options = {}, client, refusal }) => {
    // A newer Node answers 431 before anybody is asked, so what an older one hands on is made by hand.
    const socket = new net.Socket()
    Object.defineProperty(socket, 'remoteAddress', { value: '10.0.0.1' })
    const req = new http.IncomingMessage(socket)
    req.rawHeaders.push('Host', 'app', 'X-Forwarded-For', '203.0.113.7')
    while (req.rawHeaders.length < 2 * count) req.rawHeaders.push('a', '')
    Object.assign(req.headers, { host: 'app', 'x-forwarded-for': '203.0.113.7' })
    req.url = '/'
    const info = connectionInfo(fixRequest(req, options))
    expect([info.client.address, info.refusal]).toStrictEqual([client, refusal])
    expect(req.headers['x-forwarded-for']).not.toBe('6.6.6.6')
    expect(req.headers['x-forwarded-for']).toBe(info.trusted ? client : undefined)
  })
})

describe('an already fixed request (contract rule 11)', () => {
  it.each<NonNullable<ProxyFixOptions['headers']>>(['normalize', 'keep', 'remove'])(
    'keeps the first decision with headers: %s',
    async (headers) => {
      const seen: unknown[] = []
      const inner = proxyFix(
        (req: IncomingMessage, res: http.ServerResponse) => {
          const { baseUrl, originalUrl } = req as { baseUrl?: string; originalUrl?: string }
          seen.push([
            connectionInfo(req).client,
            shown(req),
            req.headers.host,
            req.url,
            baseUrl,
            originalUrl,
            connectionInfo(req).url,
          ])
          res.end()
        },
        { xFor: 2, xHost: 2, xPrefix: 1, headers },
      )
      const server = http.createServer(proxyFix(inner, { xFor: 1, xHost: 1, xPrefix: 1, headers }))
      onTestFinished(() => close(server))
      await exchange(
        await listen(server),
        get(
          'Host: app',
          'X-Forwarded-For: 6.6.6.6, 203.0.113.7',
          'X-Forwarded-Host: evil.example, shop.example',
          'X-Forwarded-Prefix: /shop',
        ),
      )
      expect(seen).toStrictEqual([
        [
          { address: '203.0.113.7' },
          { remoteAddress: '203.0.113.7', remotePort: undefined, remoteFamily: 'IPv4', encrypted: false },
          'shop.example',
          '/',
          '/shop',
          '/shop/',
          'http://shop.example/shop/',
        ],
      ])
    },
  )

  it('is reported once, as a warning of the process', async () => {
    vi.resetModules()
    const { proxyFix: freshProxyFix } = await import('../../../src/index.ts')
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    onTestFinished(() => emitWarning.mockRestore())
    const server = http.createServer(
      freshProxyFix(freshProxyFix((_req: IncomingMessage, res: http.ServerResponse) => void res.end())),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    for (let round = 0; round < 3; round++) await exchange(port, get('Host: app'))
    expect(emitWarning.mock.calls).toHaveLength(1)
    expect(emitWarning.mock.calls[0]).toMatchObject([
      expect.stringContaining('already'),
      { type: 'ProxyFixWarning', code: 'PROXYFIX_TWICE' },
    ])
  })

  it('is seen to be fixed by another copy of the package', async () => {
    vi.resetModules()
    const copy = await import('../../../src/index.ts')
    expect(copy.connectionInfo).not.toBe(connectionInfo)
    const { seen } = await ask({}, get('Host: app', 'X-Forwarded-For: 6.6.6.6, 203.0.113.7'), (req) => {
      copy.fixRequest(req, { xFor: 2 })
      return [copy.connectionInfo(req).client, req.socket.remoteAddress]
    })
    expect(seen).toStrictEqual([[{ address: '203.0.113.7' }, '203.0.113.7']])
  })
})

describe('original', () => {
  it('keeps peer, scheme, host and header lines as they were received', async () => {
    const { seen } = await ask(
      { xHost: 1 },
      get(
        'Host: APP:80',
        'X-Forwarded-For: 6.6.6.6',
        'X-Forwarded-For: 203.0.113.7',
        'X-Forwarded-Host: shop.example',
        'Forwarded: for=x',
      ),
      (req) => {
        const { original } = connectionInfo(req)
        const header = (name: string): unknown => (original.headers as { get(name: string): unknown }).get(name)
        return [
          original.peer.address,
          original.peer.port === unwrapSocket(req.socket).remotePort,
          original.scheme,
          original.host,
          original.prefix,
          header('Host'),
          header('x-forwarded-for'),
          header('FORWARDED'),
          header('missing'),
        ]
      },
    )
    expect(seen).toStrictEqual([
      ['127.0.0.1', true, 'http', 'APP:80', '', 'APP:80', '6.6.6.6, 203.0.113.7', 'for=x', undefined],
    ])
  })
})

describe('what a decision is told in', () => {
  it('can be changed without changing what anybody else is told', async () => {
    const mask = ({ client }: { client: object }): void => void Object.assign(client, { address: '0.0.0.0' })
    const { seen } = await ask(
      { onInvalid: 'ignore', onDecision: ({ info }) => mask(info) },
      get('Host: app', 'X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: gopher'),
      (req) => {
        const info = connectionInfo(req)
        mask(info)
        Object.assign(info.rejected[0]!, { value: '' })
        const { client, rejected } = connectionInfo(req)
        return [client.address, rejected[0]?.value, clientKey(req), req.socket.remoteAddress]
      },
    )
    expect(seen).toStrictEqual([['203.0.113.7', 'gopher', '203.0.113.7', '203.0.113.7']])
  })
})

describe('connectionInfo and fixRequest', () => {
  it.each([
    { value: {} },
    { value: new Request('http://app/') },
    { value: null },
    { value: undefined },
    { value: 'GET /' },
  ])('refuse $value, which no proxyFix has seen', ({ value }) => {
    // As a caller without types would.
    expect(() => connectionInfo(value as object)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_NOT_FIXED', name: 'ProxyFixError' }),
    )
  })

  it.each([{ value: {} }, { value: { headers: {} } }, { value: [] }, { value: () => undefined }])(
    'fixRequest refuses $value, which is no request',
    ({ value }) => {
      expect(() => fixRequest(value as never)).toThrow(expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION' }))
    },
  )

  it('fixRequest gives back the same Node request', async () => {
    const seen: unknown[] = []
    const server = http.createServer((req, res) => {
      seen.push(fixRequest(req, { xFor: 1 }) === req, req.socket.remoteAddress)
      res.end()
    })
    onTestFinished(() => close(server))
    await exchange(await listen(server), get('Host: app', 'X-Forwarded-For: 203.0.113.7'))
    expect(seen).toStrictEqual([true, '203.0.113.7'])
  })
})

describe('keep-alive requests that keep a listener on their socket', () => {
  it('replace it, each the one of the request before, so that there is never more than one', async () => {
    const text = Array.from({ length: 15 }, (_, index) =>
      requestText('GET / HTTP/1.1', 'Host: app', ...(index === 14 ? ['Connection: close'] : [])),
    ).join('')
    const counts: number[] = []
    const { responses } = await ask({}, text, ({ socket }: { socket: net.Socket & { kept?: () => void } }) => {
      if (socket.kept !== undefined) socket.removeListener('lookup', socket.kept)
      const listener = (): void => undefined
      socket.kept = listener
      socket.on('lookup', listener)
      counts.push(unwrapSocket(socket).listenerCount('lookup'))
    })
    expect(responses).toHaveLength(15)
    expect(new Set(counts)).toStrictEqual(new Set([1]))
  })
})

describe('bodies and aborts', () => {
  it('arrive through the view as they would without it', async () => {
    const seen: string[] = []
    const server = http.createServer(
      proxyFix(async (req: IncomingMessage, res: http.ServerResponse) => {
        let length = 0
        for await (const chunk of req) length += (chunk as Buffer).length
        seen.push(`${length} from ${req.socket.remoteAddress}`)
        res.end()
      }),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    const body = 'x'.repeat(1_000_000)
    await exchange(
      port,
      requestText(
        'POST / HTTP/1.1',
        'Host: app',
        'X-Forwarded-For: 203.0.113.7',
        'Connection: close',
        `Content-Length: ${body.length}`,
      ) + body,
    )
    expect(seen).toStrictEqual(['1000000 from 203.0.113.7'])
  })

  it('destroy, setTimeout and close reach the real socket', async () => {
    const events: string[] = []
    const server = http.createServer(
      proxyFix((req: IncomingMessage) => {
        req.setTimeout(60_000)
        req.on('close', () => events.push(`close ${req.socket.remoteAddress}`))
        req.socket.on('close', () => events.push('socket close'))
        req.destroy()
      }),
    )
    onTestFinished(() => close(server))
    expect(await exchange(await listen(server), get('Host: app', 'X-Forwarded-For: 203.0.113.7'))).toBe('')
    await vi.waitFor(() => expect(events.toSorted()).toStrictEqual(['close 203.0.113.7', 'socket close']))
  })
})

describe('upgrade and connect', () => {
  function handshake(...headers: readonly string[]): string {
    return requestText('GET /ws HTTP/1.1', 'Host: app', 'Connection: Upgrade', 'Upgrade: websocket', ...headers)
  }

  async function upgrade(
    options: ProxyFixOptions,
    event: 'upgrade' | 'connect',
    text: string,
    listeners = 1,
  ): Promise<{ seen: unknown[]; answer: string }> {
    const seen: unknown[] = []
    const server = http.createServer()
    for (let index = 0; index < listeners; index++) {
      server.on(
        event,
        proxyFix((req: IncomingMessage, socket: Duplex, head: Buffer) => {
          seen.push([
            shown({ socket }),
            req.socket === socket,
            req.connection === socket,
            req.headers['x-forwarded-for'],
            head.length,
            req.url,
          ])
          if (index === listeners - 1) socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        }, options),
      )
    }
    onTestFinished(() => close(server))
    return { seen, answer: await exchange(await listen(server), text) }
  }

  const CLIENT = { remoteAddress: '203.0.113.7', remotePort: 4711, remoteFamily: 'IPv4', encrypted: true }

  it.each([{ listeners: 1 }, { listeners: 2 }])(
    'show the client on the real socket, to $listeners listeners',
    async ({ listeners }) => {
      const text = handshake('X-Forwarded-For: 6.6.6.6, 203.0.113.7:4711', 'X-Forwarded-Proto: wss')
      const { seen, answer } = await upgrade({}, 'upgrade', text, listeners)
      // ws and socket.io read the socket argument, so a view on the request would not be enough.
      expect(seen).toStrictEqual(Array.from({ length: listeners }, () => [CLIENT, true, true, '203.0.113.7', 0, '/ws']))
      expect(answer).toMatch(/^HTTP\/1\.1 101 /)
    },
  )

  it('show it to a CONNECT listener as well', async () => {
    const text = requestText(
      'CONNECT db.internal:5432 HTTP/1.1',
      'Host: app',
      'X-Forwarded-For: 203.0.113.7:4711',
      'X-Forwarded-Proto: https',
    )
    const { seen } = await upgrade({}, 'connect', text)
    expect(seen).toStrictEqual([[CLIENT, true, true, '203.0.113.7', 0, 'db.internal:5432']])
  })

  it('answer a refusal with 400, end the socket, and never call the listener', async () => {
    const { seen, answer } = await upgrade({ onInvalid: 'reject' }, 'upgrade', handshake('X-Forwarded-For: <script>'))
    expect(seen).toStrictEqual([])
    const [response] = parseResponses(answer)
    expect(response).toMatchObject({
      status: 400,
      headers: { 'content-type': 'text/plain; charset=utf-8', connection: 'close' },
    })
    expect(response?.body).toMatch(/^Bad request: [^\n]*X-Forwarded-For[^\n]*\.\n$/)
    expect(answer).not.toContain('script')
  })

  it('leave the real socket alone with socket: false', async () => {
    const text = handshake('X-Forwarded-For: 203.0.113.7:4711', 'X-Forwarded-Proto: wss')
    const seen: unknown[] = []
    const server = http.createServer()
    server.on(
      'upgrade',
      proxyFix(
        (req: IncomingMessage, socket: net.Socket) => {
          seen.push([socket.remoteAddress, Object.hasOwn(socket, 'remoteAddress'), 'encrypted' in socket])
          seen.push([connectionInfo(req).client.address, req.headers['x-forwarded-for']])
          socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
        },
        { socket: false },
      ),
    )
    onTestFinished(() => close(server))
    await exchange(await listen(server), text)
    expect(seen).toStrictEqual([
      ['127.0.0.1', false, false],
      ['203.0.113.7', '203.0.113.7'],
    ])
  })

  it('leave the requests that came before on the connection with their own clients', async () => {
    const seen: unknown[] = []
    const views: (() => unknown)[] = []
    const policy: ProxyFixOptions = { xFor: 1 }
    const server = http.createServer(
      proxyFix((req: IncomingMessage, res: http.ServerResponse) => {
        views.push(() => req.socket.remoteAddress)
        res.end()
      }, policy),
    )
    server.on(
      'upgrade',
      proxyFix((_req: IncomingMessage, socket: Duplex) => {
        seen.push(shown({ socket }), ...views.map((view) => view()))
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      }, policy),
    )
    onTestFinished(() => close(server))
    await exchange(
      await listen(server),
      requestText('GET / HTTP/1.1', 'Host: app', 'X-Forwarded-For: 203.0.113.1') +
        handshake('X-Forwarded-For: 203.0.113.2'),
    )
    expect(seen).toStrictEqual([
      { remoteAddress: '203.0.113.2', remotePort: undefined, remoteFamily: 'IPv4', encrypted: false },
      '203.0.113.1',
    ])
  })
})

/**
 * Node 26 gives a listener a stream over the socket, not the socket, when the upgrade request has a body that has not come
 * yet. **The bug** was to take that stream for a response, and to end the process by `res.writeHead`.
 */
describe('an upgrade whose listener is given a stream over the socket', () => {
  class StreamOver extends Duplex {
    readonly #socket: Duplex

    constructor(socket: Duplex) {
      super()
      this.#socket = socket
    }
    override _read(): void {}
    override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
      this.#socket.write(chunk, encoding, done)
    }
    override _final(done: () => void): void {
      this.#socket.end(done)
    }
    override _destroy(error: Error | null, done: (error: Error | null) => void): void {
      this.#socket.destroy()
      done(error)
    }
  }

  type Listener = (req: IncomingMessage, socket: Duplex, head: Buffer) => void

  const FORMS: readonly { name: string; wrap: (listener: Listener, options: ProxyFixOptions) => Listener }[] = [
    { name: 'listener', wrap: proxyFix },
    {
      name: 'server',
      wrap(listener, options) {
        const server = proxyFix(http.createServer().on('upgrade', listener), options)
        return (...args) => server.emit('upgrade', ...args)
      },
    },
  ]

  /** Sends an upgrade with a body that never comes whole, and gives what was answered. */
  async function upgrade(listener: Listener, forwarded: string): Promise<string> {
    const server = http.createServer()
    server.on('upgrade', (req, socket, head) => listener(req, new StreamOver(socket), head))
    onTestFinished(() => close(server))
    const sent = ['Host: app', 'Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 9']
    return await exchange(await listen(server), requestText('GET /ws HTTP/1.1', ...sent, forwarded))
  }

  it.each(FORMS)('shows the client on both, to a wrapped $name', async ({ wrap }) => {
    const seen: unknown[] = []
    const listener = wrap(
      (req, stream) => {
        seen.push(stream instanceof StreamOver, shown(req), shown({ socket: stream }))
        seen.push(shown({ socket: unwrapSocket(req.socket) }), req.socket === unwrapSocket(req.socket))
        stream.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      },
      { xFor: 1 },
    )
    expect(await upgrade(listener, 'X-Forwarded-For: 6.6.6.6, 203.0.113.7:4711')).toMatch(/^HTTP\/1\.1 101 /)
    const client = { remoteAddress: '203.0.113.7', remotePort: 4711, remoteFamily: 'IPv4', encrypted: false }
    expect(seen).toStrictEqual([true, client, client, client, true])
  })

  it.each(FORMS)('is refused with 400 through the stream, by a wrapped $name', async ({ wrap }) => {
    const called = vi.fn<Listener>()
    const answer = await upgrade(wrap(called, { xFor: 1, onInvalid: 'reject' }), 'X-Forwarded-For: junk')
    const [response] = parseResponses(answer)
    expect(response).toMatchObject({ status: 400, headers: { connection: 'close' } })
    expect(response?.body).toMatch(/^Bad request: [^\n]*X-Forwarded-For[^\n]*\.\n$/)
    expect(called).not.toHaveBeenCalled()
  })

  it.each(FORMS)('leaves both alone with socket: false, to a wrapped $name', async ({ wrap }) => {
    const seen: unknown[] = []
    const listener = wrap(
      (req, stream) => {
        seen.push(Object.hasOwn(stream, 'remoteAddress'), req.socket.remoteAddress)
        seen.push(connectionInfo(req).client.address)
        stream.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      },
      { xFor: 1, socket: false },
    )
    await upgrade(listener, 'X-Forwarded-For: 203.0.113.7')
    expect(seen).toStrictEqual([false, '127.0.0.1', '203.0.113.7'])
  })
})

describe.each([
  {
    event: 'upgrade',
    head: requestText('GET /ws HTTP/1.1', 'Host: app', 'Connection: Upgrade', 'Upgrade: websocket'),
  },
  { event: 'connect', head: requestText('CONNECT db.internal:5432 HTTP/1.1', 'Host: app') },
] as const)('a refused $event', ({ event, head }) => {
  /** Collects what would end the process; the test runner listens there too, and would end the run. */
  function uncaughtErrors(): unknown[] {
    const errors: unknown[] = []
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => void errors.push(error))
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const listener of others) process.on('uncaughtException', listener)
    })
    return errors
  }

  interface Refusing {
    readonly port: number
    readonly listener: ReturnType<typeof vi.fn>
    /** The server's end of the one connection, once its request is there. */
    readonly socket: Promise<Duplex>
  }

  async function refusing(): Promise<Refusing> {
    const server = http.createServer()
    const listener = vi.fn<(req: IncomingMessage, socket: Duplex, head: Buffer) => void>()
    const socket = new Promise<Duplex>((resolve) => {
      server.on(event, (_req: IncomingMessage, duplex: Duplex) => resolve(duplex))
    })
    server.on(event, proxyFix(listener, { allowedHosts: ['shop.example'] }))
    onTestFinished(async () => {
      void socket.then((duplex) => duplex.destroy())
      await close(server)
    })
    return { port: await listen(server), listener, socket }
  }

  it('is answered 400 before its connection ends', async () => {
    const { port, listener, socket } = await refusing()
    const answer = await exchange(port, head)
    expect(parseResponses(answer)).toMatchObject([
      { status: 400, headers: { connection: 'close' }, body: 'Bad request: this host is not served here.\n' },
    ])
    expect((await socket).destroyed).toBe(true)
    expect(listener).not.toHaveBeenCalled()
  })

  it.each<{ name: string; act: (client: net.Socket, accepted: Promise<Duplex>) => unknown }>([
    // Node calls the listener in the turn in which it has read the head: the reset meets the answer.
    { name: 'resets the connection after its head', act: (client, accepted) => accepted.then(() => reset(client)) },
    { name: 'resets the connection after the answer', act: (client) => client.once('data', () => reset(client)) },
    { name: 'never closes its side', act: (client) => client.resume() },
  ])('leaves neither an error nor a connection behind when the client $name', async ({ act }) => {
    const errors = uncaughtErrors()
    const { port, socket } = await refusing()
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    client.on('error', () => undefined)
    onTestFinished(() => void client.destroy())
    act(client, socket)
    client.write(head)
    const accepted = await socket
    await vi.waitFor(() => expect([accepted.destroyed, accepted.closed]).toStrictEqual([true, true]))
    expect(errors).toStrictEqual([])
  })

  function reset(client: net.Socket): void {
    client.resetAndDestroy()
  }
})

describe('HTTP/2 requests', () => {
  async function askHttp2(
    options: ProxyFixOptions,
    headers: http2.OutgoingHttpHeaders,
    look: (req: http2.Http2ServerRequest) => unknown,
  ): Promise<unknown[]> {
    const seen: unknown[] = []
    const server = http2.createServer(
      proxyFix((req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
        seen.push(look(req))
        res.end()
      }, options),
    )
    onTestFinished(() => close(server))
    await sendHttp2(await listen(server), headers)
    return seen
  }

  async function sendHttp2(port: number, headers: http2.OutgoingHttpHeaders): Promise<void> {
    const session = http2.connect(`http://127.0.0.1:${port}`)
    onTestFinished(() => session.destroy())
    await new Promise<void>((resolve, reject) => {
      const stream = session.request(headers)
      stream.on('error', reject)
      stream.on('end', () => resolve())
      stream.resume()
    })
  }

  const LOOK = (req: http2.Http2ServerRequest): unknown => [
    shown(req),
    req.connection.remoteAddress,
    req.headers[':authority'],
    req.authority,
    req.headers.host,
    req.headers[':scheme'],
    req.scheme,
    req.headers['x-forwarded-for'],
    connectionInfo(req).url,
  ]

  it('show the client on socket, connection, :authority, :scheme and headers', async () => {
    const seen = await askHttp2(
      { xHost: 1 },
      {
        ':path': '/x',
        ':authority': 'app.internal',
        'x-forwarded-for': '6.6.6.6, 203.0.113.7:4711',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'shop.example',
      },
      LOOK,
    )
    expect(seen).toStrictEqual([
      [
        { remoteAddress: '203.0.113.7', remotePort: 4711, remoteFamily: 'IPv4', encrypted: true },
        '203.0.113.7',
        'shop.example',
        'shop.example',
        'shop.example',
        'https',
        'https',
        '203.0.113.7',
        'https://shop.example/x',
      ],
    ])
  })

  /** All that a request says about its own URL. */
  const URL_PARTS = (req: http2.Http2ServerRequest): unknown => {
    const raw = new Map<string, string[]>()
    for (let index = 0; index < req.rawHeaders.length; index += 2) {
      const name = (req.rawHeaders[index] ?? '').toLowerCase()
      raw.set(name, [...(raw.get(name) ?? []), req.rawHeaders[index + 1] ?? ''])
    }
    return {
      authority: [req.authority, req.headers[':authority'], ...(raw.get(':authority') ?? [])],
      host: [req.headers.host, ...(raw.get('host') ?? [])],
      scheme: [req.scheme, req.headers[':scheme'], ...(raw.get(':scheme') ?? [])],
      path: [req.url, req.headers[':path'], ...(raw.get(':path') ?? [])],
      url: connectionInfo(req).url,
    }
  }

  it.each<{ name: string; options?: ProxyFixOptions; sent: http2.OutgoingHttpHeaders; host: string; path: string }>([
    {
      name: ':authority beats host (RFC 9113 §8.3.1)',
      sent: { ':path': '/x', ':authority': 'app.internal', host: 'evil.example' },
      host: 'app.internal',
      path: '/x',
    },
    {
      name: 'a forwarded host beats both',
      options: { xHost: 1 },
      sent: { ':path': '/x', ':authority': 'app.internal', host: 'evil.example', 'x-forwarded-host': 'shop.example' },
      host: 'shop.example',
      path: '/x',
    },
    {
      // nghttp2 lets it through beside a scheme that it does not know.
      name: 'a :path that is no path becomes one',
      sent: { ':scheme': 'x', ':path': '.evil.example/x', ':authority': 'app.internal' },
      host: 'app.internal',
      path: '/.evil.example/x',
    },
    {
      name: 'a :path in absolute form loses the host',
      sent: { ':scheme': 'x', ':path': 'http://evil.example/x', ':authority': 'app.internal' },
      host: 'app.internal',
      path: '/x',
    },
  ])('agree everywhere: $name', async ({ options = {}, sent, host, path }) => {
    expect(await askHttp2(options, sent, URL_PARTS)).toStrictEqual([
      {
        authority: [host, host, host],
        host: [host, host],
        scheme: ['http', 'http', 'http'],
        path: [path, path, path],
        url: `http://${host}${path}`,
      },
    ])
  })

  it('agree where there is no :scheme, as in a CONNECT', async () => {
    const seen: unknown[] = []
    const server = http2.createServer(() => undefined) // without a listener of requests there is no `connect` either
    server.on(
      'connect',
      proxyFix(
        (req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
          seen.push(URL_PARTS(req))
          res.end()
        },
        { xHost: 1 },
      ),
    )
    onTestFinished(() => close(server))
    await sendHttp2(await listen(server), {
      ':method': 'CONNECT',
      ':authority': 'db.internal:5432',
      'x-forwarded-host': 'shop.example',
    })
    expect(seen).toStrictEqual([
      {
        authority: ['shop.example', 'shop.example', 'shop.example'],
        host: ['shop.example', 'shop.example'],
        scheme: [undefined, undefined],
        path: [undefined, undefined],
        url: 'http://shop.example',
      },
    ])
  })

  /** RFC 8441: a WebSocket over HTTP/2. Unlike any other CONNECT, it has a path. */
  async function openWebSocket(options: ProxyFixOptions, sent: http2.OutgoingHttpHeaders): Promise<unknown[]> {
    const seen: unknown[] = []
    const server = http2.createServer({ settings: { enableConnectProtocol: true } }, () => undefined)
    server.on(
      'connect',
      proxyFix((req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
        const { baseUrl, originalUrl } = req as { baseUrl?: string; originalUrl?: string }
        seen.push({ path: [req.url, req.headers[':path']], baseUrl, originalUrl, publicUrl: connectionInfo(req).url })
        res.end()
      }, options),
    )
    onTestFinished(() => close(server))
    const session = http2.connect(`http://127.0.0.1:${await listen(server)}`)
    onTestFinished(() => session.destroy())
    await once(session, 'remoteSettings') // it may not be asked for before
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':authority': 'app', ...sent })
    await once(stream.resume(), 'end')
    return seen
  }

  it.each<{
    name: string
    prefixMode?: ProxyFixOptions['prefixMode']
    sent: http2.OutgoingHttpHeaders
    expected: object
  }>([
    {
      name: 'is mounted',
      sent: { ':path': '/chat' },
      expected: { path: ['/chat', '/chat'], baseUrl: '/shop', originalUrl: '/shop/chat' },
    },
    {
      name: 'loses the prefix with strip',
      prefixMode: 'strip',
      sent: { ':path': '/shop/chat' },
      expected: { path: ['/chat', '/chat'], baseUrl: '/shop', originalUrl: '/shop/chat' },
    },
    {
      name: 'has the prefix in front with url',
      prefixMode: 'url',
      sent: { ':path': '/chat' },
      expected: { path: ['/shop/chat', '/shop/chat'], baseUrl: undefined, originalUrl: undefined },
    },
    {
      // nghttp2 lets it through beside a scheme that it does not know.
      name: 'takes no host from a :path in absolute form',
      sent: { ':scheme': 'x', ':path': 'http://evil.example/chat' },
      expected: { path: ['/chat', '/chat'], baseUrl: '/shop', originalUrl: '/shop/chat' },
    },
  ])('a WebSocket over HTTP/2 $name', async ({ prefixMode = 'mount', sent, expected }) => {
    const forwarded = { 'x-forwarded-prefix': '/shop' }
    expect(await openWebSocket({ xPrefix: 1, prefixMode }, { ':scheme': 'http', ...sent, ...forwarded })).toStrictEqual(
      [{ ...expected, publicUrl: 'http://app/shop/chat' }],
    )
  })

  it('a WebSocket over HTTP/2 has a path, whatever its target was', async () => {
    const sent = { ':scheme': 'x', ':path': '*@evil.example/chat' }
    expect(await openWebSocket({}, sent)).toMatchObject([
      { path: ['/*@evil.example/chat', '/*@evil.example/chat'], publicUrl: 'http://app/*@evil.example/chat' },
    ])
  })

  it('agree in rawHeaders too', async () => {
    const seen = await askHttp2(
      { xHost: 1 },
      {
        ':path': '/x',
        ':authority': 'app.internal',
        'x-forwarded-host': 'shop.example',
        'x-forwarded-proto': 'https',
        'x-real-ip': '6.6.6.6',
      },
      (req) => {
        const pairs = new Map<string, string>()
        for (let index = 0; index < req.rawHeaders.length; index += 2) {
          pairs.set((req.rawHeaders[index] ?? '').toLowerCase(), req.rawHeaders[index + 1] ?? '')
        }
        return Object.fromEntries(pairs)
      },
    )
    expect(seen).toStrictEqual([
      {
        ':path': '/x',
        ':authority': 'shop.example',
        ':method': 'GET',
        ':scheme': 'https',
        'x-forwarded-host': 'shop.example',
        'x-forwarded-proto': 'https',
        'x-real-ip': '127.0.0.1',
        host: 'shop.example',
      },
    ])
  })
})
