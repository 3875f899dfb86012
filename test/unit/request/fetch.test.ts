/**
 * A Fetch request as the app sees it: the same request, but for what the proxies vouch for.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  connectionInfo,
  fixRequest,
  HeaderRewriter,
  proxyFix,
  type ProxyFixOptions,
  type RewritableRequest,
  stack,
  unwrapSocket,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

describe('request.url', () => {
  it.each<{ name: string; received?: string; headers: Record<string, string>; options?: ProxyFixOptions; url: string }>(
    [
      {
        name: 'has the forwarded scheme',
        headers: { 'x-forwarded-proto': 'https' },
        url: 'https://app.internal/x?y=1',
      },
      { name: 'writes wss as https', headers: { 'x-forwarded-proto': 'wss' }, url: 'https://app.internal/x?y=1' },
      { name: 'writes ws as http', headers: { 'x-forwarded-proto': 'ws' }, url: 'http://app.internal/x?y=1' },
      {
        name: 'has the forwarded host',
        headers: { 'x-forwarded-host': 'SHOP.example:8443' },
        options: { xHost: 1 },
        url: 'http://shop.example:8443/x?y=1',
      },
      {
        name: 'has the forwarded port',
        headers: { 'x-forwarded-port': '8443' },
        options: { xPort: 1 },
        url: 'http://app.internal:8443/x?y=1',
      },
      {
        name: "drops the forwarded scheme's default port",
        received: 'http://app.internal:443/x',
        headers: { 'x-forwarded-proto': 'https' },
        url: 'https://app.internal/x',
      },
      {
        name: 'has the host of the Host header, where there is one',
        headers: { host: 'shop.example' },
        url: 'http://shop.example/x?y=1',
      },
      {
        name: 'keeps its host beside a Host header that is none',
        headers: { host: 'a@evil.example', 'x-forwarded-proto': 'https' },
        url: 'https://app.internal/x?y=1',
      },
      {
        name: 'keeps a path that looks like a host',
        received: 'http://app.internal//evil.example/x',
        headers: { 'x-forwarded-proto': 'https' },
        url: 'https://app.internal//evil.example/x',
      },
      {
        name: 'leaves the path to route by',
        headers: { 'x-forwarded-prefix': '/shop' },
        options: { xPrefix: 1 },
        url: 'http://app.internal/x?y=1',
      },
      {
        name: 'has lost the prefix with strip',
        received: 'http://app.internal/shop/x?y=1',
        headers: { 'x-forwarded-prefix': '/shop' },
        options: { xPrefix: 1, prefixMode: 'strip' },
        url: 'http://app.internal/x?y=1',
      },
      {
        name: 'keeps a path that only begins like the prefix with strip',
        received: 'http://app.internal/shopping',
        headers: { 'x-forwarded-prefix': '/shop' },
        options: { xPrefix: 1, prefixMode: 'strip' },
        url: 'http://app.internal/shopping',
      },
      {
        name: 'has the prefix in front with url',
        headers: { 'x-forwarded-prefix': '/shop' },
        options: { xPrefix: 1, prefixMode: 'url' },
        url: 'http://app.internal/shop/x?y=1',
      },
      {
        name: 'has no prefix with none',
        headers: { 'x-forwarded-prefix': '/shop' },
        options: { xPrefix: 1, prefixMode: 'none' },
        url: 'http://app.internal/x?y=1',
      },
    ],
  )('$name', ({ received = 'http://app.internal/x?y=1', headers, options = {}, url }) => {
    expect(fixRequest(new Request(received, { headers }), options).url).toBe(url)
  })

  it.each([
    { mode: 'mount', received: 'http://app.internal/x?y' },
    { mode: 'url', received: 'http://app.internal/x?y' },
    { mode: 'none', received: 'http://app.internal/x?y' },
    { mode: 'strip', received: 'http://app.internal/shop/x?y' },
  ] as const)('and the public URL has the prefix once with $mode', ({ mode, received }) => {
    const request = new Request(received, { headers: { 'x-forwarded-prefix': '/shop', 'x-forwarded-proto': 'https' } })
    const info = connectionInfo(fixRequest(request, { xPrefix: 1, prefixMode: mode }))
    expect([info.url, info.prefix]).toStrictEqual(['https://app.internal/shop/x?y', '/shop'])
  })
})

describe('a request whose url is a bare path, as Bun gives it without a host', () => {
  /** The least of a Request that a handler may be given. */
  function pathRequest(url: string, headers: Record<string, string> = {}): Request {
    const request = new Request('http://unused.example/', { headers })
    return Object.defineProperty(request, 'url', { value: url })
  }

  it.each([
    { path: '/x', url: 'http://localhost/x' },
    { path: '/a://evil.example/p', url: 'http://localhost/a://evil.example/p' },
    { path: '//evil.example/p', url: 'http://localhost//evil.example/p' },
  ])('takes no scheme and no host from $path', ({ path, url }) => {
    const fixed = fixRequest(pathRequest(path))
    const { scheme, host, url: publicUrl } = connectionInfo(fixed)
    expect([fixed.url, scheme, host, publicUrl]).toStrictEqual([url, 'http', undefined, undefined])
  })

  it('has the forwarded scheme and host', () => {
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' }
    const fixed = fixRequest(pathRequest('/a://evil.example/p', headers), { xHost: 1 })
    expect([fixed.url, connectionInfo(fixed).url]).toStrictEqual([
      'https://shop.example/a://evil.example/p',
      'https://shop.example/a://evil.example/p',
    ])
  })
})

describe('a request whose url is a host and port, as Bun gives the target of a CONNECT', () => {
  it.each(['evil.example:443', 'evil.example', 'm', ':80', '.evil.example', ''])(
    'takes nothing of %j, neither into the host nor into the path',
    (url) => {
      const request = new Request('http://unused.example/', {
        headers: { host: 'app', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' },
      })
      const fixed = fixRequest(Object.defineProperty(request, 'url', { value: url }), { xHost: 1 })
      const { original, host, url: publicUrl } = connectionInfo(fixed)
      expect([fixed.url, host, publicUrl]).toStrictEqual([
        'https://shop.example/',
        'shop.example',
        'https://shop.example/',
      ])
      expect([original.scheme, original.host]).toStrictEqual(['http', 'app'])
    },
  )
})

const FORWARDED = {
  'x-forwarded-for': '6.6.6.6, 203.0.113.7',
  'x-forwarded-proto': 'http, https',
  'x-real-ip': '6.6.6.6',
  'cf-connecting-ip': '6.6.6.6',
  forwarded: 'for=6.6.6.6',
  x_forwarded_for: '6.6.6.6',
  'x-forwarded.host': 'evil.example',
  'x-request-id': 'abc',
}

describe('request.headers', () => {
  it.each<{ mode: NonNullable<ProxyFixOptions['headers']>; headers: Record<string, string> }>([
    {
      mode: 'normalize',
      headers: {
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-proto': 'https',
        'x-real-ip': '203.0.113.7',
        'cf-connecting-ip': '203.0.113.7',
        'x-request-id': 'abc',
      },
    },
    { mode: 'remove', headers: { 'x-request-id': 'abc' } },
    { mode: 'keep', headers: FORWARDED },
  ])('are as contract rule 10 has it with $mode', ({ mode, headers }) => {
    const request = fixRequest(new Request('http://app/', { headers: FORWARDED }), { headers: mode })
    expect(Object.fromEntries(request.headers)).toStrictEqual(headers)
    expect(connectionInfo(request).client).toStrictEqual({ address: '203.0.113.7' })
  })

  it('lose what holds an address where no client is known', () => {
    const headers = { 'x-forwarded-for': 'junk', 'x-real-ip': '6.6.6.6' }
    expect([...fixRequest(new Request('http://app/', { headers })).headers]).toStrictEqual([])
  })

  it('have the decided Host, and gain none', () => {
    const headers = { host: 'app.internal:3000', 'x-forwarded-host': 'shop.example' }
    expect(fixRequest(new Request('http://app/', { headers }), { xHost: 1 }).headers.get('host')).toBe('shop.example')
    expect(fixRequest(new Request('http://app/', { headers: FORWARDED })).headers.has('host')).toBe(false)
  })

  it('keep several cookies apart', () => {
    const request = new Request('http://app/', { headers: FORWARDED })
    request.headers.append('set-cookie', 'a=1')
    request.headers.append('set-cookie', 'b=2')
    expect(fixRequest(request).headers.getSetCookie()).toStrictEqual(['a=1', 'b=2'])
  })

  it('of the request that came in stay untouched', () => {
    const request = new Request('http://app/', { headers: FORWARDED })
    const fixed = fixRequest(request)
    expect(fixed).not.toBe(request)
    expect(request.url).toBe('http://app/')
    expect(Object.fromEntries(request.headers)).toStrictEqual(FORWARDED)
    expect(connectionInfo(fixed).original.headers).toBe(request.headers)
  })
})

describe('a request that needs no change', () => {
  it.each<{ name: string; headers: Record<string, string>; options?: ProxyFixOptions }>([
    { name: 'no forwarding headers', headers: { accept: '*/*', cookie: 'a=1' } },
    { name: 'headers that are kept', headers: { 'x-forwarded-for': '203.0.113.7' }, options: { headers: 'keep' } },
    {
      name: 'headers that say what is decided',
      headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'http' },
    },
    { name: 'a Host that is the one of the URL', headers: { host: 'app.internal' } },
  ])('comes back as it is: $name', ({ headers, options = {} }) => {
    const request = new Request('http://app.internal/x', { headers })
    expect(fixRequest(request, options)).toBe(request)
    expect(connectionInfo(request).url).toBe('http://app.internal/x')
  })

  it('comes back as it is when it was fixed before (contract rule 11)', () => {
    const once = fixRequest(new Request('http://app/', { headers: FORWARDED }), { xFor: 1, headers: 'keep' })
    const twice = fixRequest(once, { xFor: 2, headers: 'keep' })
    expect(twice).toBe(once)
    expect(connectionInfo(twice).client).toStrictEqual({ address: '203.0.113.7' })
  })
})

describe('a request that nothing can be written on', () => {
  const WAYS: readonly { how: string; close: (request: Request) => Request }[] = [
    { how: 'frozen', close: (request) => Object.freeze(request) },
    { how: 'sealed', close: (request) => Object.seal(request) },
    { how: 'not extensible', close: (request) => Object.preventExtensions(request) },
  ]

  it.each(WAYS)('is fixed by one like it: $how', async ({ close: closed }) => {
    const request = closed(new Request('http://app/x?q', { method: 'PUT', headers: { accept: '*/*' }, body: 'hello' }))
    const fixed = fixRequest(request, { xFor: 1 })
    expect(connectionInfo(fixed).url).toBe('http://app/x?q')
    expect([fixed.url, fixed.method, fixed.headers.get('accept')]).toStrictEqual(['http://app/x?q', 'PUT', '*/*'])
    expect(connectionInfo(fixed.clone())).toStrictEqual(connectionInfo(fixed))
    expect(await fixed.text()).toBe('hello')
  })

  it.each(WAYS)('is given a client by a rewriter, before proxyFix and after it: $how', async ({ close: closed }) => {
    const rewriter = Object.assign(new HeaderRewriter(), {
      rewrite: ({ client }: RewritableRequest) => void (client.address = '203.0.113.7'),
    })
    const handler = (request: Request): Response => Response.json(connectionInfo(request).client)
    for (const items of [
      [rewriter, proxyFix()],
      [proxyFix(), rewriter],
    ]) {
      const response = await stack(handler, ...items)(closed(new Request('http://app/')))
      expect(await response.json()).toStrictEqual({ address: '203.0.113.7' })
    }
  })
})

describe('what a changed request keeps', () => {
  const headers = FORWARDED

  it('method, redirect, credentials, cache, referrer and integrity', () => {
    const request = new Request('http://app/', {
      method: 'DELETE',
      headers,
      redirect: 'manual',
      credentials: 'include',
      referrer: '',
      integrity: 'sha256-x',
      keepalive: true,
    })
    const fixed = fixRequest(request)
    expect(fixed).toBeInstanceOf(Request)
    for (const name of [
      'method',
      'redirect',
      'credentials',
      'cache',
      'referrer',
      'integrity',
      'keepalive',
      'mode',
    ] as const) {
      expect(fixed[name], name).toBe(request[name])
    }
  })

  it('a body of text', async () => {
    const request = new Request('http://app/', { method: 'POST', headers, body: 'hello' })
    const fixed = fixRequest(request)
    expect(fixed.headers.get('content-type')).toBe('text/plain;charset=UTF-8')
    expect(await fixed.text()).toBe('hello')
  })

  it('a form', async () => {
    const body = new FormData()
    body.set('name', 'value')
    const form = await fixRequest(new Request('http://app/', { method: 'POST', headers, body })).formData()
    expect(form.get('name')).toBe('value')
  })

  it('a streamed body, of which nothing is read ahead of the app', async () => {
    let pulled = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled++
          controller.enqueue(new TextEncoder().encode(`chunk ${pulled};`))
          if (pulled === 3) controller.close()
        },
      },
      { highWaterMark: 0 },
    )
    const init = { method: 'POST', headers, body, duplex: 'half' as const }
    const fixed = fixRequest(new Request('http://app/', init))
    await new Promise((resolve) => setImmediate(resolve))
    expect(pulled).toBe(0)
    const reader = fixed.body?.getReader()
    const first = await reader?.read()
    expect(new TextDecoder().decode(first?.value as Uint8Array)).toBe('chunk 1;')
    expect(pulled).toBe(1)
    const second = await reader?.read()
    expect(new TextDecoder().decode(second?.value as Uint8Array)).toBe('chunk 2;')
    expect(pulled).toBe(2)
  })

  it('a cancelled body reaches its source', async () => {
    const cancel = vi.fn<(reason: unknown) => void>()
    const body = new ReadableStream({ cancel }, { highWaterMark: 0 })
    const init = { method: 'POST', headers, body, duplex: 'half' as const }
    const fixed = fixRequest(new Request('http://app/', init))
    await fixed.body?.cancel('enough')
    expect(cancel).toHaveBeenCalledExactlyOnceWith('enough')
  })

  it('its signal', () => {
    const controller = new AbortController()
    const fixed = fixRequest(new Request('http://app/', { headers, signal: controller.signal }))
    const aborted = vi.fn<() => void>()
    fixed.signal.addEventListener('abort', aborted)
    expect(fixed.signal.aborted).toBe(false)
    controller.abort('gone')
    expect([fixed.signal.aborted, fixed.signal.reason]).toStrictEqual([true, 'gone'])
    expect(aborted).toHaveBeenCalledOnce()
  })

  it.each([{ headers: {} }, { headers: { 'x-forwarded-proto': 'https' } }])(
    'cf, with $headers',
    ({ headers: sent }) => {
      const cf = { country: 'NZ' }
      const request = Object.assign(new Request('http://app/', { method: 'POST', body: 'x', headers: sent }), { cf })
      const fixed = fixRequest(request, {})
      const cfOf = (one: Request): unknown => (one as { cf?: unknown }).cf
      expect([cfOf(fixed), 'cf' in fixRequest(new Request('http://app/', { headers: sent }))]).toStrictEqual([
        cf,
        false,
      ])
      expect(fixed === request || cfOf(fixed.clone()) === cf).toBe(true)
    },
  )

  it('clone, and new Request made of it: URL, headers and body are the fixed ones', async () => {
    const fixed = fixRequest(new Request('http://app/x', { method: 'POST', headers, body: 'hello' }))
    const clone = fixed.clone()
    expect([
      clone.url,
      clone.method,
      clone.headers.get('x-forwarded-for'),
      clone.headers.get('x-real-ip'),
    ]).toStrictEqual(['https://app/x', 'POST', '203.0.113.7', '203.0.113.7'])
    expect([await clone.text(), await fixed.clone().text()]).toStrictEqual(['hello', 'hello'])
    expect(new Request(fixed).url).toBe('https://app/x')
  })
})

describe('a clone of a fixed request (contract rule 11)', () => {
  it.each<{ name: string; headers: Record<string, string> }>([
    { name: 'that was changed', headers: { ...FORWARDED, 'x-forwarded-prefix': '/shop' } },
    { name: 'that came back as it is', headers: {} },
  ])('$name is a fixed request, and so is a clone of it', ({ headers }) => {
    const options: ProxyFixOptions = { xPrefix: 1, prefixMode: 'url' }
    const fixed = fixRequest(new Request('http://app/x', { headers }), options)
    const clones = [fixed.clone(), fixed.clone().clone()]
    for (const clone of clones) {
      expect(clone).not.toBe(fixed)
      expect(connectionInfo(clone)).toStrictEqual(connectionInfo(fixed))
      const again = fixRequest(clone, options)
      expect(again).toBe(clone)
      expect(again.url).toBe(fixed.url)
    }
  })
})

describe('a Node bridge that passes { incoming }', () => {
  interface Bindings {
    readonly incoming: IncomingMessage
    readonly outgoing: ServerResponse
  }
  type App = (request: Request, bindings: Bindings) => Response | Promise<Response>

  /** The least that a bridge does: what @hono/node-server does as well. */
  function bridge(app: App): http.RequestListener {
    return async (incoming, outgoing) => {
      const headers = new Headers()
      for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
        headers.append(incoming.rawHeaders[index] ?? '', incoming.rawHeaders[index + 1] ?? '')
      }
      const request = new Request(`http://${incoming.headers.host}${incoming.url}`, { headers })
      const response = await app(request, { incoming, outgoing })
      outgoing.writeHead(response.status, Object.fromEntries(response.headers))
      outgoing.end(await response.text())
    }
  }

  async function ask(
    listener: http.RequestListener,
    path: string,
    ...headers: readonly string[]
  ): Promise<{ status: number; body: unknown }> {
    const server = http.createServer(listener)
    onTestFinished(() => close(server))
    const text = requestText(`GET ${path} HTTP/1.1`, 'Host: app', 'Connection: close', ...headers)
    const [response] = parseResponses(await exchange(await listen(server), text))
    const { status = 0, body = '' } = response ?? {}
    return { status, body: status === 200 ? (JSON.parse(body) as unknown) : body }
  }

  const look: App = (request, { incoming }) => {
    const info = connectionInfo(request)
    return Response.json({
      url: request.url,
      publicUrl: info.url,
      headers: [request.headers.get('host'), request.headers.get('x-forwarded-for')],
      client: info.client,
      isPeer: info.peer.address === '127.0.0.1' && unwrapSocket(incoming.socket).remoteAddress === '127.0.0.1',
      incoming: [incoming.socket.remoteAddress, incoming.headers.host, incoming.headers['x-forwarded-for']],
      incomingUrl: connectionInfo(incoming).url,
    })
  }

  const SENT = [
    'X-Forwarded-For: 6.6.6.6, 203.0.113.7',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: shop.example',
    'X-Forwarded-Prefix: /shop',
  ]
  const options: ProxyFixOptions = { xHost: 1, xPrefix: 1 }

  it('gives both requests the same client', async () => {
    expect(await ask(bridge(proxyFix(look, options)), '/x', ...SENT)).toStrictEqual({
      status: 200,
      body: {
        url: 'https://shop.example/x',
        publicUrl: 'https://shop.example/shop/x',
        headers: ['shop.example', '203.0.113.7'],
        client: { address: '203.0.113.7' },
        isPeer: true,
        incoming: ['203.0.113.7', 'shop.example', '203.0.113.7'],
        incomingUrl: 'https://shop.example/shop/x',
      },
    })
  })

  it('knows the peer where nothing counts', async () => {
    const { body } = await ask(bridge(proxyFix(look, options)), '/x')
    expect(body).toMatchObject({
      url: 'http://app/x',
      client: { address: '127.0.0.1' },
      incoming: ['127.0.0.1', 'app', null],
    })
  })

  it('refuses', async () => {
    const { status, body } = await ask(bridge(proxyFix(look, { allowedHosts: ['shop.example'] })), '/x')
    expect([status, body]).toStrictEqual([400, 'Bad request: this host is not served here.\n'])
  })

  it.each([
    { mode: 'mount', path: '/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'none', path: '/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'url', path: '/x', url: 'https://shop.example/shop/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'strip', path: '/shop/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    {
      mode: 'strip',
      path: '/shop/shop/x',
      url: 'https://shop.example/shop/x',
      publicUrl: 'https://shop.example/shop/shop/x',
    },
  ] as const)('places the prefix once with $mode on $path, around the app', async ({ mode, path, url, publicUrl }) => {
    const { body } = await ask(bridge(proxyFix(look, { ...options, prefixMode: mode })), path, ...SENT)
    expect(body).toMatchObject({ url, publicUrl, incomingUrl: publicUrl })
  })

  // Contract rule 11: the first decision stands, and a decision has its place in the URL only once.
  it.each([
    { mode: 'mount', path: '/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'none', path: '/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'url', path: '/x', url: 'https://shop.example/shop/x', publicUrl: 'https://shop.example/shop/x' },
    { mode: 'strip', path: '/shop/x', url: 'https://shop.example/x', publicUrl: 'https://shop.example/shop/x' },
    {
      mode: 'strip',
      path: '/shop/shop/x',
      url: 'https://shop.example/shop/x',
      publicUrl: 'https://shop.example/shop/shop/x',
    },
  ] as const)(
    'places the prefix once with $mode on $path, around the app and the listener',
    async ({ mode, path, url, publicUrl }) => {
      const all = { ...options, prefixMode: mode }
      const { body } = await ask(proxyFix(bridge(proxyFix(look, all)), all), path, ...SENT)
      expect(body).toMatchObject({ url, publicUrl, incomingUrl: publicUrl, client: { address: '203.0.113.7' } })
    },
  )

  // The host in an absolute-form target is the client's own word on what the decision has settled.
  it.each([
    { name: 'no Host in HTTP/1.0', head: ['GET http://evil.example/x HTTP/1.0'], url: 'http://localhost/x' },
    { name: 'an empty Host', head: ['GET http://evil.example/x HTTP/1.1', 'Host:'], url: 'http://localhost/x' },
    { name: 'an invalid Host', head: ['GET http://evil.example/x HTTP/1.1', 'Host: a b'], url: 'http://localhost/x' },
    { name: 'a Host', head: ['GET http://evil.example/x HTTP/1.1', 'Host: app'], url: 'http://app/x' },
  ])('never names the host of the target: $name', async ({ head, url }) => {
    const seen: unknown[] = []
    const inner = proxyFix((request: Request, _bindings: { incoming: IncomingMessage }) => {
      seen.push(request.url, connectionInfo(request).url)
      return new Response()
    })
    const server = http.createServer((incoming, outgoing) => {
      // What bridges do with such a target: they take it for the URL.
      void inner(new Request(new URL(incoming.url ?? '/', 'http://app')), { incoming })
      outgoing.end()
    })
    onTestFinished(() => close(server))
    await exchange(await listen(server), requestText(...head, 'Connection: close'))
    expect(seen).toStrictEqual([url, url.includes('localhost') ? undefined : url])
  })

  it('is no bridge when incoming is no request', () => {
    const request = new Request('http://app/', { headers: FORWARDED })
    const fixed = fixRequest(request, {}, { incoming: { socket: 1 } })
    expect(connectionInfo(fixed).client).toStrictEqual({ address: '203.0.113.7' })
    for (const platform of [undefined, null, 1, 'env', { incoming: null }]) {
      expect(fixRequest(new Request('http://app/'), {}, platform).url).toBe('http://app/')
    }
  })
})
