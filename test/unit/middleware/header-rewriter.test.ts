/** One table of behaviours, run on both kinds of handler: the same rewriter, the same request, the same outcome. */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  type Answer,
  HeaderRewriter,
  proxyFix,
  ProxyFixError,
  type RewritableRequest,
  type RewritableResponse,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'
import { type AppAnswer, ask, HOST, KINDS, type Outcome, PEER, type Question, type Wrap } from './both-kinds.ts'

type Rewrite = (request: RewritableRequest) => Answer | void | Promise<Answer | void>
type RewriteResponse = (response: RewritableResponse, request: RewritableRequest) => void

/** A rewriter of functions. */
function rewriter(rewrite?: Rewrite, rewriteResponse?: RewriteResponse): HeaderRewriter {
  class Rewriter extends HeaderRewriter {}
  return Object.assign(new Rewriter(), rewrite && { rewrite }, rewriteResponse && { rewriteResponse })
}

function wrapping(rewrite?: Rewrite, rewriteResponse?: RewriteResponse): Wrap {
  const one = rewriter(rewrite, rewriteResponse)
  return (handler) => one.wrap(handler)
}

// Each rewriter tells of the values that it was given; there are hundreds here.
let warnings: string[] = []
beforeEach(() => {
  warnings = []
  const spy = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)))
  return () => spy.mockRestore()
})

const UNCHANGED = {
  method: 'GET',
  url: '/',
  scheme: 'http',
  host: HOST,
  client: PEER,
  headers: {},
  body: '',
}

describe.each(KINDS)('requests of a %s handler', (kind) => {
  interface Reading {
    readonly what: string
    readonly question?: Question
    readonly read: (request: RewritableRequest) => unknown
    readonly is: unknown
  }

  const READINGS: readonly Reading[] = [
    { what: 'method', question: { method: 'DELETE' }, read: ({ method }) => method, is: 'DELETE' },
    { what: 'url', question: { target: '/a%20b//c?q=1&q=2' }, read: ({ url }) => url, is: '/a%20b//c?q=1&q=2' },
    { what: 'scheme', read: ({ scheme }) => scheme, is: 'http' },
    { what: 'host', read: ({ host }) => host, is: HOST },
    { what: 'prefix', read: ({ prefix }) => prefix, is: '' },
    { what: 'client.address', read: ({ client }) => client.address, is: PEER },
    { what: 'client.port', read: ({ client }) => typeof client.port, is: 'number' },
    { what: 'connection before proxyFix', read: ({ connection }) => connection, is: undefined },
    {
      what: 'a header in any case',
      question: { headers: { 'X-Custom': 'one' } },
      read: ({ headers }) => [headers.get('x-CUSTOM'), headers.has('X-CUSTOM')],
      is: ['one', true],
    },
    {
      what: 'a header that is not there',
      read: ({ headers }) => [headers.get('x-custom'), headers.has('x-custom')],
      is: [null, false],
    },
    {
      what: 'a name that no header has',
      read: ({ headers }) => [headers.get('no name'), headers.has('no name'), headers.get(''), headers.get('é')],
      is: [null, false, null, null],
    },
    {
      what: 'names that objects have anyway',
      read: ({ headers }) => ['constructor', 'toString', '__proto__'].map((name) => headers.get(name)),
      is: [null, null, null],
    },
    { what: 'the header host', read: ({ headers }) => [headers.get('Host'), headers.has('host')], is: [HOST, true] },
    {
      what: 'all headers, by iteration',
      question: { headers: { 'X-One': '1', 'X-Two': '2' } },
      read: ({ headers }) => [...headers].filter(([name]) => name.startsWith('x-') || name === 'host').toSorted(),
      is: [
        ['host', HOST],
        ['x-one', '1'],
        ['x-two', '2'],
      ],
    },
    {
      what: 'what it has assigned',
      read: (request) => {
        request.method = 'put'
        request.url = '/other?x'
        request.scheme = 'HTTPS'
        request.host = 'SHOP.example:443'
        request.prefix = '/app/'
        request.client.address = '2001:DB8:0::7'
        request.client.port = 4711
        const { method, url, scheme, host, prefix, client, headers } = request
        return [method, url, scheme, host, prefix, client.address, client.port, headers.get('host')]
      },
      is: ['PUT', '/other?x', 'https', 'shop.example', '/app', '2001:db8::7', 4711, 'shop.example'],
    },
    {
      what: 'headers that it has changed, by name and by iteration',
      question: { headers: { 'X-One': '1', 'X-Two': '2', 'X-Three': '3' } },
      read: ({ headers }) => {
        headers.set('x-one', 'A')
        headers.append('x-two', 'B')
        headers.delete('x-three')
        headers.set('x-four', ' \tD ')
        headers.append('X-Five', 'E')
        const names = ['X-One', 'X-Two', 'X-Three', 'X-Four', 'X-Five']
        const listed = [...headers].filter(([name]) => name.startsWith('x-')).toSorted()
        return [names.map((name) => headers.get(name)), names.map((name) => headers.has(name)), listed]
      },
      is: [
        ['A', '2, B', null, 'D', 'E'],
        [true, true, false, true, true],
        [
          ['x-five', 'E'],
          ['x-four', 'D'],
          ['x-one', 'A'],
          ['x-two', '2, B'],
        ],
      ],
    },
    {
      what: 'the port of a client that is given another address: none',
      read: ({ client }) => {
        client.address = '203.0.113.7'
        return client.port
      },
      is: undefined,
    },
    {
      what: 'a cookie that is appended',
      question: { headers: { cookie: 'a=1' } },
      read: ({ headers }) => {
        headers.append('Cookie', 'b=2')
        return headers.get('cookie')
      },
      is: 'a=1; b=2',
    },
  ]

  it.each(READINGS)('can be read: $what', async ({ question, read, is }) => {
    let value: unknown
    const { error, status } = await ask(
      kind,
      wrapping((request) => void (value = read(request))),
      question,
    )
    expect(error).toBeUndefined()
    expect(status).toBe(200)
    expect(value).toStrictEqual(is)
  })

  it('are handed to the rewriter with the request of the platform', async () => {
    const raws: unknown[] = []
    await ask(
      kind,
      wrapping(({ raw }) => void raws.push(raw)),
    )
    expect(raws).toStrictEqual([kind === 'Node' ? expect.any(http.IncomingMessage) : expect.any(Request)])
  })

  interface Change {
    readonly what: string
    readonly question?: Question
    readonly rewrite: Rewrite
    /** What the handler reads that is another than without a rewriter. */
    readonly seen: Partial<Outcome['seen'][number]>
  }

  const CHANGES: readonly Change[] = [
    { what: 'nothing', rewrite: () => undefined, seen: {} },
    { what: 'the method', rewrite: (request) => void (request.method = 'PATCH'), seen: { method: 'PATCH' } },
    {
      what: 'the method, in lower case',
      rewrite: (request) => void (request.method = 'post'),
      seen: { method: 'POST' },
    },
    {
      what: 'the method of a request with a body',
      question: { method: 'POST', body: 'all of it' },
      rewrite: (request) => void (request.method = 'PUT'),
      seen: { method: 'PUT', body: 'all of it' },
    },
    { what: 'the url', rewrite: (request) => void (request.url = '/b?c=d'), seen: { url: '/b?c=d' } },
    {
      what: 'the url to one that is normalised',
      rewrite: (request) => void (request.url = '/a/../b/./ü'),
      seen: { url: '/b/%C3%BC' },
    },
    {
      what: 'the scheme',
      rewrite: (request) => void (request.scheme = 'https'),
      seen: { scheme: 'https' },
    },
    {
      what: 'the host',
      rewrite: (request) => void (request.host = 'Shop.Example:8443'),
      seen: { host: 'shop.example:8443' },
    },
    {
      what: 'the host with the port of the scheme',
      rewrite: (request) => void (request.host = 'shop.example:80'),
      seen: { host: 'shop.example' },
    },
    {
      what: 'the host to an IPv6 address',
      rewrite: (request) => void (request.host = '[2001:DB8::1]:8080'),
      seen: { host: '[2001:db8::1]:8080' },
    },
    {
      what: 'the host by its header',
      rewrite: ({ headers }) => headers.set('HOST', 'shop.example'),
      seen: { host: 'shop.example' },
    },
    {
      what: 'scheme and host, where the port was that of the scheme before',
      rewrite: (request) => {
        request.host = 'shop.example:80'
        request.scheme = 'https'
      },
      seen: { scheme: 'https', host: 'shop.example:80' },
    },
    {
      what: 'the address of the client',
      rewrite: ({ client }) => void (client.address = '2001:DB8::0007'),
      seen: { client: '2001:db8::7' },
    },
    {
      what: 'the address of the client to a mapped one',
      rewrite: ({ client }) => void (client.address = '::ffff:203.0.113.7'),
      seen: { client: '203.0.113.7' },
    },
    {
      what: 'headers',
      question: { headers: { 'x-one': '1', 'x-two': '2', 'x-three': '3' } },
      rewrite: ({ headers }) => {
        headers.set('X-ONE', 'A')
        headers.append('x-two', 'B')
        headers.delete('X-Three')
        headers.set('x-four', 'D')
        headers.delete('x-nonsense')
      },
      seen: { headers: { 'x-four': 'D', 'x-one': 'A', 'x-two': '2, B' } },
    },
    {
      what: 'a header to the empty text',
      rewrite: ({ headers }) => headers.set('x-one', ''),
      seen: { headers: { 'x-one': '' } },
    },
    {
      what: 'a header to Latin-1',
      rewrite: ({ headers }) => headers.set('x-one', 'caf\u00e9'),
      seen: { headers: { 'x-one': 'caf\u00e9' } },
    },
    {
      what: 'everything, and the body stays',
      question: { method: 'POST', body: 'the body', headers: { 'x-one': '1' } },
      rewrite: (request) => {
        request.method = 'PUT'
        request.url = '/b'
        request.scheme = 'https'
        request.host = 'shop.example'
        request.client.address = '203.0.113.7'
        request.headers.set('x-one', 'A')
      },
      seen: {
        method: 'PUT',
        url: '/b',
        scheme: 'https',
        host: 'shop.example',
        client: '203.0.113.7',
        headers: { 'x-one': 'A' },
        body: 'the body',
      },
    },
    {
      what: 'something after a wait',
      rewrite: async (request) => {
        await Promise.resolve()
        request.host = 'late.example'
      },
      seen: { host: 'late.example' },
    },
    {
      what: 'something after a wait for the event loop, with a body that comes meanwhile',
      question: { method: 'POST', body: 'x'.repeat(100_000) },
      rewrite: async (request) => {
        await new Promise((resolve) => setImmediate(resolve))
        await new Promise((resolve) => setImmediate(resolve))
        request.url = '/late'
      },
      seen: { method: 'POST', url: '/late', body: 'x'.repeat(100_000) },
    },
  ]

  it.each(CHANGES)('reach the handler changed: $what', async ({ question = {}, rewrite, seen }) => {
    const outcome = await ask(kind, wrapping(rewrite), question, { body: 'done' })
    expect(outcome.error).toBeUndefined()
    expect(outcome.seen).toStrictEqual([{ ...UNCHANGED, ...seen }])
    expect(outcome).toMatchObject({ status: 200, body: 'done' })
  })

  it('show the changes of one rewriter to the next, prefix and client included', async () => {
    const read: unknown[] = []
    const [first, second] = [
      rewriter((request) => {
        request.method = 'PUT'
        request.url = '/b'
        request.scheme = 'https'
        request.host = 'shop.example:8443'
        request.prefix = '/app'
        request.client.address = '203.0.113.7'
        request.client.port = 4711
        request.headers.set('x-one', '1')
      }),
      rewriter(({ method, url, scheme, host, prefix, client, headers }) => {
        read.push(method, url, scheme, host, prefix, client.address, client.port, headers.get('x-one'))
      }),
    ]
    await ask(kind, (handler) => first.wrap(second.wrap(handler)))
    expect(read).toStrictEqual(['PUT', '/b', 'https', 'shop.example:8443', '/app', '203.0.113.7', 4711, '1'])
  })

  it('are called once each, and one that is kept says so when it is changed later', async () => {
    const kept: RewritableRequest[] = []
    await ask(
      kind,
      wrapping((request) => void kept.push(request)),
    )
    await ask(
      kind,
      wrapping((request) => void kept.push(request)),
    )
    expect(kept).toHaveLength(2)
    const [request] = kept
    const actions: (() => unknown)[] = [
      () => (request!.host = 'late.example'),
      () => (request!.client.address = '203.0.113.7'),
      () => request!.headers.set('x-late', '1'),
      () => request!.headers.delete('x-late'),
    ]
    for (const action of actions) {
      expect(errorOf(action)).toMatchObject({
        code: 'ERR_PROXYFIX_REWRITE',
        message: expect.stringMatching(oneSentence) as string,
      })
    }
    expect(request!.host).toBe(HOST)
  })

  interface BadValue {
    readonly what: string
    readonly assign: (request: RewritableRequest) => void
  }

  const BAD_VALUES: readonly BadValue[] = [
    ...[
      'a@b',
      'a/b',
      'a b',
      'a\r\nX: y',
      'a\u0000',
      'a\\b',
      'a%2eb',
      '2001:db8::1',
      'b\u00fccher.example',
      '',
      'a:',
      'a:0',
      'a:65536',
      'a..b',
      '1.2.3',
      '0x7f.1',
      '-'.repeat(64),
      'a?b',
      'a#b',
    ].map((host) => ({
      what: `the host ${JSON.stringify(host)}`,
      assign: (request: RewritableRequest) => void (request.host = host),
    })),
    { what: 'a bad host by its header', assign: ({ headers }) => headers.set('host', 'a@b') },
    { what: 'two hosts by the header', assign: ({ headers }) => headers.append('host', 'b.example') },
    ...['ftp', '', 'https:', 'http\r\n', 'javascript', 'https ', 'httpſ'].map((scheme) => ({
      what: `the scheme ${JSON.stringify(scheme)}`,
      assign: (request: RewritableRequest) => void (request.scheme = scheme),
    })),
    ...[
      'app',
      '//app',
      '/a//b',
      '/a/..',
      '/a/%2e%2E/b',
      '/a%2fb',
      '/a%5Cb',
      '/a\\b',
      '/a?b',
      '/a#b',
      '/a b',
      '/a\r\n',
      '/%00',
      '/%zz',
      `/${'a'.repeat(1024)}`,
    ].map((prefix) => ({
      what: `the prefix ${JSON.stringify(prefix).slice(0, 30)}`,
      assign: (request: RewritableRequest) => void (request.prefix = prefix),
    })),
    ...[
      '',
      'localhost',
      '1.2.3',
      '01.2.3.4',
      '1.2.3.4:80',
      '[::1]',
      'fe80::1%eth0',
      '::ffff:1.2.3.400',
      '1.2.3.4\r\n',
      'unknown',
    ].map((address) => ({
      what: `the client's address ${JSON.stringify(address)}`,
      assign: ({ client }: RewritableRequest) => void (client.address = address),
    })),
    ...[0, 65_536, -1, 1.5, Number.NaN].map((port) => ({
      what: `the client's port ${JSON.stringify(port)} (${String(port)})`,
      assign: ({ client }: RewritableRequest) => void (client.port = port),
    })),
    {
      what: 'the port of a client without an address',
      assign: ({ client }) => {
        client.address = undefined
        client.port = 80
      },
    },
    ...[
      '',
      'x',
      'http://evil.example/',
      '*',
      '/a b',
      '/a\r\nX: y',
      '/a\u0000',
      '/a#b',
      '/a\\b',
      '/\ud800',
      '/a\u2028',
    ].map((url) => ({
      what: `the url ${JSON.stringify(url)}`,
      assign: (request: RewritableRequest) => void (request.url = url),
    })),
    ...['', 'GET /', 'A\r\nB', 'CONNECT', 'trace', 'Track', 'G\u0000', 'GÉT'].map((method) => ({
      what: `the method ${JSON.stringify(method)}`,
      assign: (request: RewritableRequest) => void (request.method = method),
    })),
    ...['a\r\nX: y', 'a\nb', 'a\rb', 'a\u0000b', '\u007f', '\u0001', '\u20ac', '\u{1f600}'].map((value) => ({
      what: `the header value ${JSON.stringify(value) ?? 'undefined'}`,
      assign: ({ headers }: RewritableRequest) => headers.set('x-one', value),
    })),
    ...['', 'a b', 'a:', 'a\r\n', 'a\u0000', 'é', '"a"', ':path'].map((name) => ({
      what: `the header name ${JSON.stringify(name)}`,
      assign: ({ headers }: RewritableRequest) => headers.append(name, '1'),
    })),
    { what: 'a bad name to delete', assign: ({ headers }) => headers.delete('a\r\nb') },
  ]

  it.each(BAD_VALUES)('are answered 400 when a rewriter assigns $what', async ({ assign }) => {
    let message = ''
    const wrap = wrapping((request) => {
      try {
        assign(request)
      } catch (error) {
        message = (error as Error).message
        throw error
      }
    })
    const outcome = await ask(kind, wrap)
    expect(outcome.error).toBeUndefined()
    expect(outcome.status).toBe(400)
    expect(outcome.headers).toStrictEqual([
      ['content-type', 'text/plain; charset=utf-8'],
      ['x-content-type-options', 'nosniff'],
    ])
    expect(outcome.body).toMatch(oneSentenceLine)
    expect(outcome.seen).toStrictEqual([])
    expect(message).toMatch(oneSentence)
    expect(message).not.toMatch(controls)
  })

  it.each(BAD_VALUES)('have nothing changed by half when $what is caught', async ({ assign }) => {
    let code: unknown
    const wrap = wrapping((request) => {
      const before = [request.method, request.url, request.scheme, request.host, request.prefix, [...request.headers]]
      request.client.address = PEER
      try {
        assign(request)
      } catch (error) {
        code = (error as ProxyFixError).code
      }
      expect([
        request.method,
        request.url,
        request.scheme,
        request.host,
        request.prefix,
        [...request.headers],
      ]).toStrictEqual(before)
    })
    const { seen, error } = await ask(kind, wrap)
    expect(error).toBeUndefined()
    expect(code).toBe('ERR_PROXYFIX_VALUE')
    expect(seen).toMatchObject([{ method: 'GET', url: '/', scheme: 'http', host: HOST, headers: {} }])
  })

  it.each<BadValue>([
    { what: 'a host', assign: (request) => void (request.host = 7 as unknown as string) },
    { what: 'a host by its header', assign: ({ headers }) => headers.set('host', undefined as unknown as string) },
    { what: 'a scheme', assign: (request) => void (request.scheme = null as unknown as string) },
    { what: 'a prefix', assign: (request) => void (request.prefix = ['/a'] as unknown as string) },
    { what: 'a url', assign: (request) => void (request.url = new URL('http://a/') as unknown as string) },
    { what: 'a method', assign: (request) => void (request.method = Symbol.iterator as unknown as string) },
    { what: 'an address', assign: ({ client }) => void (client.address = 7 as unknown as string) },
    { what: 'a client', assign: (request) => void Reflect.set(request, 'client', { address: '203.0.113.7' }) },
    { what: 'a value', assign: ({ headers }) => headers.set('x-one', undefined as unknown as string) },
    { what: 'a list of values', assign: ({ headers }) => headers.append('x-one', ['1'] as unknown as string) },
  ])('are failed by what no client can have sent in the place of a text: $what', async ({ assign }) => {
    const outcome = await ask(kind, wrapping(assign))
    expect(outcome.error).toMatchObject({
      code: 'ERR_PROXYFIX_REWRITE',
      message: expect.stringMatching(oneSentence) as string,
    })
    expect(outcome).toMatchObject({ status: failedOn(kind), seen: [] })
  })

  it('have no other members, so that a misspelt one is an error', async () => {
    for (const assign of [
      (request: RewritableRequest) => void Object.assign(request, { hostname: 'evil.example' }),
      ({ client }: RewritableRequest) => void Object.assign(client, { ip: '203.0.113.7' }),
      ({ headers }: RewritableRequest) => void Object.assign(headers, { 'x-a': '1' }),
    ]) {
      expect(await ask(kind, wrapping(assign))).toMatchObject({ error: expect.any(TypeError) as unknown, seen: [] })
    }
  })

  it('have headers that are walked through as those of Fetch, and take numbers', async () => {
    let walked: unknown
    const wrap = wrapping(({ headers }) => {
      headers.set('x-one', 1)
      headers.append('x-one', 2)
      const isOwn = (name: string): boolean => name.startsWith('x-')
      const each: unknown[] = []
      headers.forEach((value, name) => isOwn(name) && each.push([name, value]))
      walked = [
        [...headers.entries()].filter(([name]) => isOwn(name)),
        [...headers.keys()].filter(isOwn),
        [...headers.values()].filter((value) => value === '1, 2'),
        each,
      ]
    })
    const { seen } = await ask(kind, wrap)
    expect(walked).toStrictEqual([[['x-one', '1, 2']], ['x-one'], ['1, 2'], [['x-one', '1, 2']]])
    expect(seen[0]?.headers).toStrictEqual({ 'x-one': '1, 2' })
  })

  it('keep what was assigned before a bad value from the handler, as it is not called, and from the next request', async () => {
    const wrap = wrapping((request) => {
      if (request.url !== '/bad') return
      request.headers.set('x-half', 'done')
      request.host = 'a@b'
    })
    expect(await ask(kind, wrap, { target: '/bad' })).toMatchObject({ status: 400, seen: [] })
    expect((await ask(kind, wrap)).seen).toStrictEqual([UNCHANGED])
  })

  it('have a bad value told once for each kind of it, as clients could fill a log by it', async () => {
    const wrap = wrapping((request) => {
      if (request.url.startsWith('/host')) request.host = decodeURIComponent(request.url.slice(5))
      else request.prefix = '//'
    })
    for (const target of ['/host%20a', '/host%20b', '/prefix', '/host%0d%0ac', '/prefix'])
      await ask(kind, wrap, { target })
    expect(warnings).toHaveLength(2)
    for (const warning of warnings) {
      expect(warning).toContain('Rewriter assigned')
      expect(warning).not.toMatch(controls)
    }
    expect(warnings[0]).toContain('The host of a request cannot be')
    expect(warnings[1]).toContain('The prefix of a request cannot be')
  })

  it.each([
    { when: 'at once', rewrite: (request: RewritableRequest) => void (request.host = 'a@b') },
    {
      when: 'after a wait',
      rewrite: async (request: RewritableRequest) => {
        await Promise.resolve()
        request.host = 'a@b'
      },
    },
  ])('are answered 400 for a bad value that comes $when, and the response is rewritten', async ({ rewrite }) => {
    const wrap = wrapping(rewrite, ({ headers }) => headers.set('x-rewritten', 'yes'))
    const outcome = await ask(kind, wrap)
    expect(outcome).toMatchObject({ status: 400, seen: [] })
    expect(outcome.headers).toContainEqual(['x-rewritten', 'yes'])
  })

  it('cannot have the Host taken away, which is the author to mend', async () => {
    const { error, seen } = await ask(
      kind,
      wrapping(({ headers }) => headers.delete('host')),
    )
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_REWRITE', message: expect.stringMatching(oneSentence) as string })
    expect(seen).toStrictEqual([])
  })
})

describe.each(KINDS)('answers of a rewriter in front of a %s handler', (kind) => {
  const bytes = new TextEncoder().encode('bytes')
  const stream = (): ReadableStream<Uint8Array<ArrayBuffer>> =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('one,'))
        controller.enqueue(new TextEncoder().encode('two'))
        controller.close()
      },
    })

  const ANSWERS: readonly { what: string; answer: () => Answer | Promise<Answer>; reply: Partial<Outcome> }[] = [
    {
      what: 'a Response',
      answer: () => new Response('no', { status: 403, headers: { 'x-why': 'because' } }),
      reply: {
        status: 403,
        headers: [
          ['content-type', 'text/plain;charset=UTF-8'],
          ['x-why', 'because'],
        ],
        body: 'no',
      },
    },
    {
      what: 'a Response without a body',
      answer: () => new Response(null, { status: 204 }),
      reply: { status: 204, headers: [], body: '' },
    },
    {
      what: 'Response.redirect(), which is immutable',
      answer: () => Response.redirect('https://shop.example/x', 307),
      reply: { status: 307, headers: [['location', 'https://shop.example/x']], body: '' },
    },
    {
      what: 'Response.json()',
      answer: () => Response.json({ a: 1 }, { status: 402 }),
      reply: { status: 402, headers: [['content-type', 'application/json']], body: '{"a":1}' },
    },
    {
      what: 'a Response with several cookies',
      answer: () =>
        new Response(null, {
          headers: [
            ['set-cookie', 'a=1'],
            ['set-cookie', 'b=2'],
          ],
        }),
      reply: {
        status: 200,
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
        body: '',
      },
    },
    {
      what: 'a Response with a stream',
      answer: () => new Response(stream()),
      reply: { status: 200, headers: [], body: 'one,two' },
    },
    {
      what: 'plain data with a status alone',
      answer: () => ({ status: 404 }),
      reply: { status: 404, headers: [], body: '' },
    },
    {
      what: 'plain data',
      answer: () => ({ status: 403, headers: { 'Content-Type': 'text/html', 'x-why': 'because' }, body: '<p>no' }),
      reply: {
        status: 403,
        headers: [
          ['content-type', 'text/html'],
          ['x-why', 'because'],
        ],
        body: '<p>no',
      },
    },
    {
      what: 'plain data with lists of values',
      answer: () => ({
        status: 200,
        headers: { 'set-cookie': ['a=1', 'b=2'], 'content-type': 'text/plain' },
        body: 'x',
      }),
      reply: {
        status: 200,
        headers: [
          ['content-type', 'text/plain'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
        body: 'x',
      },
    },
    {
      what: 'plain data with headers as pairs',
      answer: () => ({
        status: 200,
        headers: [
          ['content-type', 'text/plain'],
          ['Set-Cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
        body: 'x',
      }),
      reply: {
        status: 200,
        headers: [
          ['content-type', 'text/plain'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
        body: 'x',
      },
    },
    {
      what: 'plain data with Headers',
      answer: () => ({ status: 200, headers: new Headers({ 'content-type': 'text/plain', b: '2' }), body: 'x' }),
      reply: {
        status: 200,
        headers: [
          ['b', '2'],
          ['content-type', 'text/plain'],
        ],
        body: 'x',
      },
    },
    {
      what: 'headers named as members of every object are',
      answer: () => ({
        status: 200,
        headers: [
          ['constructor', '1'],
          ['hasownproperty', '2'],
          ['valueof', '3'],
        ],
      }),
      reply: {
        status: 200,
        headers: [
          ['constructor', '1'],
          ['hasownproperty', '2'],
          ['valueof', '3'],
        ],
        body: '',
      },
    },
    { what: 'bytes', answer: () => ({ status: 200, body: bytes }), reply: { status: 200, headers: [], body: 'bytes' } },
    {
      what: 'a stream',
      answer: () => ({ status: 200, body: stream() }),
      reply: { status: 200, headers: [], body: 'one,two' },
    },
    {
      what: 'a body of 204, which is dropped',
      answer: () => ({ status: 204, body: 'x' }),
      reply: { status: 204, headers: [], body: '' },
    },
    {
      what: 'a body of 304, which is dropped',
      answer: () => ({ status: 304, body: 'x' }),
      reply: { status: 304, headers: [], body: '' },
    },
    {
      what: 'a promise of a Response',
      answer: async () => Response.json(1),
      reply: { status: 200, headers: [['content-type', 'application/json']], body: '1' },
    },
    {
      what: 'a promise of plain data',
      answer: async () => ({ status: 451, headers: { 'x-a': 'b' }, body: null }),
      reply: { status: 451, headers: [['x-a', 'b']], body: '' },
    },
  ]

  it.each(ANSWERS)('are sent, and the handler is not called: $what', async ({ answer, reply }) => {
    const outcome = await ask(kind, wrapping(answer))
    expect(outcome.error).toBeUndefined()
    const { status, body } = outcome
    // A text for the body of a Response brings a content-type, which Fetch adds by itself to plain data.
    const headers = outcome.headers.filter(
      ([name, value]) => reply.headers!.some(([known]) => known === name) || value !== 'text/plain;charset=UTF-8',
    )
    expect({ status, headers, body }).toStrictEqual(reply)
    expect(outcome.seen).toStrictEqual([])
  })

  it.each(ANSWERS)('are sent to HEAD without their body: $what', async ({ answer, reply }) => {
    const { error, status, body } = await ask(kind, wrapping(answer), { method: 'HEAD' })
    expect(error).toBeUndefined()
    expect([status, body]).toStrictEqual([reply.status, ''])
  })

  it('have their own responses rewritten, and leave out what was assigned to the request', async () => {
    const wrap = wrapping(
      (request) => {
        request.headers.set('x-one', '1')
        return { status: 200, headers: { 'x-a': '1' }, body: 'x' }
      },
      (response, request) => {
        response.status = 418
        response.headers.set('x-request', request.headers.get('x-one')!)
        response.headers.delete('x-a')
      },
    )
    const outcome = await ask(kind, wrap)
    expect(outcome).toMatchObject({ status: 418, body: 'x', seen: [] })
    expect(Object.fromEntries(outcome.headers)).toMatchObject({ 'x-request': '1' })
    expect(Object.fromEntries(outcome.headers)).not.toHaveProperty('x-a')
  })

  it.each([
    { what: 'null', answer: null },
    { what: 'a text', answer: 'no' },
    { what: 'true', answer: true },
    { what: 'an object without a status', answer: { body: 'x' } },
    { what: 'a status of 101', answer: { status: 101 } },
    { what: 'a status of 600', answer: { status: 600 } },
    { what: 'a status that is a text', answer: { status: '200' } },
    { what: 'a fraction', answer: { status: 200.5 } },
    { what: 'a body of another kind', answer: { status: 200, body: { a: 1 } } },
    { what: 'a network error', answer: Response.error() },
    { what: 'the request itself', answer: 'request' },
  ])('that are none are the author to mend: $what', async ({ answer, what }) => {
    for (const rewrite of [
      (request: RewritableRequest) => (what === 'the request itself' ? request : answer) as Answer,
      async (request: RewritableRequest) => (what === 'the request itself' ? request : answer) as Answer,
    ]) {
      const { error, seen } = await ask(kind, wrapping(rewrite))
      expect(error).toMatchObject({
        code: 'ERR_PROXYFIX_REWRITE',
        message: expect.stringMatching(oneSentence) as string,
      })
      expect((error as Error).message).toContain('rewrite() of Rewriter')
      expect(seen).toStrictEqual([])
    }
  })

  it.each([
    { what: 'a value with a line break', headers: { 'x-a': 'a\r\nset-cookie: evil=1' } },
    { what: 'a value with NUL', headers: { 'x-a': 'a\u0000' } },
    { what: 'a name with a blank', headers: { 'x a': 'a' } },
    { what: 'a list with a bad value', headers: { 'x-a': ['ok', '\n'] } },
    { what: 'a name that is none', headers: { '': 'a' } },
  ])('with a header that cannot be are answered 400: $what', async ({ headers }) => {
    const outcome = await ask(
      kind,
      wrapping(() => ({ status: 200, headers, body: 'x' })),
    )
    expect(outcome).toMatchObject({ status: 400, seen: [] })
    expect(outcome.error).toBeUndefined()
    expect(outcome.body).toMatch(oneSentenceLine)
  })
})

describe.each(KINDS)('responses of a %s handler', (kind) => {
  interface Rewriting {
    readonly what: string
    readonly answer?: AppAnswer
    readonly question?: Question
    readonly rewriteResponse: RewriteResponse
    readonly reply: Partial<Outcome>
  }

  const COOKIES: AppAnswer = {
    headers: [
      ['set-cookie', 'a=1; expires=Thu, 01 Jan 2099 00:00:00 GMT'],
      ['set-cookie', 'b=2'],
    ],
  }

  const REWRITINGS: readonly Rewriting[] = [
    {
      what: 'nothing',
      answer: { status: 202, headers: [['x-a', '1']], body: 'x' },
      rewriteResponse: () => undefined,
      reply: { status: 202, headers: [['x-a', '1']], body: 'x' },
    },
    {
      what: 'a header set, one replaced, one appended, one deleted',
      answer: {
        headers: [
          ['X-A', '1'],
          ['X-B', '2'],
          ['X-C', '3'],
        ],
        body: 'x',
      },
      rewriteResponse: ({ headers }) => {
        headers.set('x-a', 'A')
        headers.append('x-b', 'B')
        headers.delete('x-c')
        headers.set('X-D', ' D\t')
        headers.delete('x-nonsense')
      },
      reply: {
        status: 200,
        headers: [
          ['x-a', 'A'],
          ['x-b', '2, B'],
          ['x-d', 'D'],
        ],
        body: 'x',
      },
    },
    {
      what: 'a cookie appended to two',
      answer: COOKIES,
      rewriteResponse: ({ headers }) => headers.append('Set-Cookie', 'c=3'),
      reply: {
        headers: [
          ['set-cookie', 'a=1; expires=Thu, 01 Jan 2099 00:00:00 GMT'],
          ['set-cookie', 'b=2'],
          ['set-cookie', 'c=3'],
        ],
      },
    },
    {
      what: 'all cookies replaced by one',
      answer: COOKIES,
      rewriteResponse: ({ headers }) => headers.set('set-cookie', 'c=3'),
      reply: { headers: [['set-cookie', 'c=3']] },
    },
    {
      what: 'each cookie changed',
      answer: COOKIES,
      rewriteResponse: ({ headers }) => {
        const cookies = headers.getSetCookie()
        headers.delete('set-cookie')
        for (const cookie of cookies) headers.append('set-cookie', `${cookie}; Secure`)
      },
      reply: {
        headers: [
          ['set-cookie', 'a=1; expires=Thu, 01 Jan 2099 00:00:00 GMT; Secure'],
          ['set-cookie', 'b=2; Secure'],
        ],
      },
    },
    {
      what: 'the status',
      answer: { status: 200, body: 'x' },
      rewriteResponse: (response) => void (response.status = 404),
      reply: { status: 404, body: 'x' },
    },
    {
      what: 'the status to 204, without the body',
      answer: { status: 200, headers: [['x-a', '1']], body: 'x' },
      rewriteResponse: (response) => void (response.status = 204),
      reply: { status: 204, headers: [['x-a', '1']], body: '' },
    },
    {
      what: 'the status to 304, without the body',
      answer: { status: 200, headers: [['etag', '"1"']], body: 'x' },
      rewriteResponse: (response) => void (response.status = 304),
      reply: { status: 304, headers: [['etag', '"1"']], body: '' },
    },
    {
      what: 'the status from 204',
      answer: { status: 204, body: null },
      rewriteResponse: (response) => void (response.status = 200),
      reply: { status: 200, headers: [], body: '' },
    },
    {
      what: 'a header of 204',
      answer: { status: 204, body: null },
      rewriteResponse: ({ headers }) => headers.set('x-a', '1'),
      reply: { status: 204, headers: [['x-a', '1']], body: '' },
    },
    {
      what: 'a header of 304',
      answer: { status: 304, body: null },
      rewriteResponse: ({ headers }) => headers.set('x-a', '1'),
      reply: { status: 304, headers: [['x-a', '1']], body: '' },
    },
    {
      what: 'a header of the answer to HEAD',
      question: { method: 'HEAD' },
      answer: { body: 'x' },
      rewriteResponse: ({ headers }) => headers.set('x-a', '1'),
      reply: { status: 200, headers: [['x-a', '1']], body: '' },
    },
    {
      what: 'by what the request was',
      question: { target: '/api', headers: { 'x-one': '1' } },
      rewriteResponse: ({ headers }, request) =>
        headers.set('x-a', [request.method, request.url, request.host, request.headers.get('x-one')].join(' ')),
      reply: { headers: [['x-a', `GET /api ${HOST} 1`]] },
    },
    {
      what: 'by what it is',
      answer: {
        status: 201,
        headers: [
          ['x-a', '1'],
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
        ],
      },
      rewriteResponse: (response) => {
        const { headers, status } = response
        const cookies = [...headers].filter(([name]) => name === 'set-cookie').map(([, value]) => value)
        const read = [
          headers.get('X-A'),
          headers.has('x-A'),
          headers.get('no'),
          headers.has('no'),
          headers.get('set-cookie'),
        ]
        headers.set('x-b', [status, ...read, cookies.join('|'), headers.getSetCookie().length].join(' '))
        headers.delete('set-cookie')
        headers.set('x-c', String(headers.getSetCookie().length))
      },
      reply: {
        status: 201,
        headers: [
          ['x-a', '1'],
          ['x-b', '201 1 true  false a=1, b=2 a=1|b=2 2'],
          ['x-c', '0'],
        ],
      },
    },
    {
      what: 'names that cannot be, which are not there',
      rewriteResponse: ({ headers }) => {
        headers.set('x-a', JSON.stringify([headers.get('no name'), headers.has('no name'), headers.get('')]))
      },
      reply: { headers: [['x-a', '[null,false,null]']] },
    },
  ]

  it.each(REWRITINGS)('can be rewritten: $what', async ({ question, answer, rewriteResponse, reply }) => {
    const outcome = await ask(kind, wrapping(undefined, rewriteResponse), question, answer)
    expect(outcome.error).toBeUndefined()
    expect(outcome).toMatchObject(reply)
  })

  it('show what rewrite() made of the request, and can change it no more', async () => {
    const seen: unknown[] = []
    const wrap = wrapping(
      (request) => {
        request.url = '/b'
        request.host = 'shop.example'
        request.scheme = 'https'
        request.client.address = '203.0.113.7'
        request.prefix = '/app'
        request.headers.set('x-one', '1')
      },
      (_, request) => {
        const { url, host, scheme, client, prefix, headers } = request
        seen.push(url, host, scheme, client.address, prefix, headers.get('x-one'))
        seen.push(errorOf(() => (request.host = 'x.example')).code)
      },
    )
    await ask(kind, wrap)
    expect(seen).toStrictEqual(['/b', 'shop.example', 'https', '203.0.113.7', '/app', '1', 'ERR_PROXYFIX_REWRITE'])
  })

  it('show the request as rewrite() left it, whatever comes after moves it', async () => {
    const seen: unknown[] = []
    const outer = rewriter(undefined, (_, { url, host, prefix, method, headers, client }) => {
      seen.push([url, host, prefix, method, headers.get('x-one'), client.address])
    })
    const inner = rewriter((request) => {
      request.url = '/inner'
      request.host = 'inner.example'
      request.prefix = '/inner'
      request.method = 'PUT'
      request.headers.delete('x-one')
      request.client.address = '203.0.113.7'
    })
    await ask(kind, (handler) => outer.wrap(inner.wrap(handler)), { target: '/outer', headers: { 'x-one': '1' } })
    expect(seen).toStrictEqual([['/outer', HOST, '', 'GET', '1', PEER]])
  })

  it('go through the inner rewriter first, and each sees what the one before made of them', async () => {
    const order: unknown[] = []
    const named = (name: string): HeaderRewriter =>
      rewriter(undefined, (response) => {
        order.push([name, response.status, response.headers.get('x-by')])
        response.headers.append('x-by', name)
        response.status += 1
      })
    const [a, b, c] = [named('a'), named('b'), named('c')]
    const outcome = await ask(kind, (handler) => a.wrap(b.wrap(c.wrap(handler))))
    expect(order).toStrictEqual([
      ['c', 200, null],
      ['b', 201, 'c'],
      ['a', 202, 'c, b'],
    ])
    expect(outcome).toMatchObject({ status: 203, headers: [['x-by', 'c, b, a']] })
  })

  it.each([100, 101, 199, 205, 600, 0, 200.5, Number.NaN, '200' as unknown as number])(
    'cannot have the status %s',
    async (status) => {
      let error: ProxyFixError | undefined
      const outcome = await ask(
        kind,
        wrapping(undefined, (response) => {
          error = errorOf(() => (response.status = status))
        }),
        {},
        { status: 201 },
      )
      expect(error).toMatchObject({
        code: 'ERR_PROXYFIX_REWRITE',
        message: expect.stringMatching(oneSentence) as string,
      })
      expect(outcome.status).toBe(201)
    },
  )

  it.each([
    { name: 'x-a', value: 'a\r\nset-cookie: evil=1' },
    { name: 'x-a', value: 'a\nb' },
    { name: 'x-a', value: 'a\u0000' },
    { name: 'x-a', value: '\u20ac' },
    { name: 'x a', value: 'a' },
    { name: '', value: 'a' },
    { name: 'a\r\nb', value: 'a' },
  ])('cannot have the header $name: $value', async ({ name, value }) => {
    const errors: ProxyFixError[] = []
    const wrap = wrapping(undefined, ({ headers }) => {
      errors.push(
        errorOf(() => headers.set(name, value)),
        errorOf(() => headers.append(name, value)),
      )
    })
    const outcome = await ask(kind, wrap, {}, { headers: [['x-a', 'before']], body: 'x' })
    expect(errors).toHaveLength(2)
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'ERR_PROXYFIX_VALUE', message: expect.stringMatching(oneSentence) as string })
      expect(error.message).not.toMatch(controls)
    }
    expect(outcome).toMatchObject({ status: 200, headers: [['x-a', 'before']], body: 'x' })
  })

  it('cannot wait', async () => {
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const late = async (): Promise<void> => {
      await Promise.resolve()
      throw new Error('late')
    }
    const { error } = await ask(kind, wrapping(undefined, late as unknown as RewriteResponse))
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_REWRITE', message: expect.stringMatching(oneSentence) as string })
    expect((error as Error).message).toContain('rewriteResponse() of Rewriter gave back a promise')
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).not.toHaveBeenCalled()
  })

  it('end as the handler does when the rewriter fails', async () => {
    const mine = new Error('mine')
    const wrap = wrapping(undefined, () => {
      throw mine
    })
    const outcome = await ask(kind, wrap, {}, { body: 'x' })
    expect(outcome.error).toBe(mine)
    expect(outcome.status).toBe(failedOn(kind))
  })
})

describe.each(KINDS)('errors in front of a %s handler', (kind) => {
  const mine = new Error('mine')

  it.each<{ what: string; rewrite: Rewrite }>([
    {
      what: 'thrown',
      rewrite: () => {
        throw mine
      },
    },
    { what: 'rejected with', rewrite: () => Promise.reject(mine) },
    {
      what: 'thrown after something was assigned',
      rewrite: (request) => {
        request.host = 'half.example'
        throw mine
      },
    },
  ])('are those that rewrite() has $what', async ({ rewrite }) => {
    const { error, seen, status } = await ask(kind, wrapping(rewrite))
    expect(error).toBe(mine)
    expect(seen).toStrictEqual([])
    expect(status).toBe(failedOn(kind))
  })

  it('are answered with their own status on Node', async () => {
    if (kind === 'Fetch')
      return expect(
        (
          await ask(
            kind,
            wrapping(() => Promise.reject(mine)),
          )
        ).error,
      ).toBe(mine)
    const refusing = wrapping(() => {
      throw Object.assign(new Error('mine'), { status: 403 })
    })
    const outcome = await ask(kind, refusing)
    expect(outcome).toMatchObject({ status: 403, seen: [], body: expect.not.stringContaining('mine') as string })
    expect(outcome.error).toBeUndefined() // no fault of ours is shown
    return undefined
  })

  it.each<{ what: string; rewrite: Rewrite }>([
    { what: 'at once', rewrite: () => undefined },
    { what: 'after a wait', rewrite: async () => undefined },
  ])('are those of the handler, which is called $what', async ({ rewrite }) => {
    const wrap: Wrap = (handler) => {
      const failing = new Proxy(handler as () => unknown, {
        apply() {
          throw mine
        },
      })
      return wrapping(rewrite, () => undefined)(failing) as typeof handler
    }
    expect((await ask(kind, wrap)).error).toBe(mine)
  })
})

describe('a rewriter', () => {
  it('is no rewriter without one of its methods, which is said when it wraps', () => {
    class Misspelt extends HeaderRewriter {
      rewrit(): void {}
    }
    const error = errorOf(() => new Misspelt().wrap(() => new Response()))
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_REWRITE', message: expect.stringMatching(oneSentence) as string })
    expect(error.message).toContain('Misspelt has neither a method rewrite nor rewriteResponse')
    expect(errorOf(() => new HeaderRewriter().wrap(() => new Response())).code).toBe('ERR_PROXYFIX_REWRITE')
  })

  it.each([undefined, null, 'app', 7, {}, Promise.resolve()])('wraps handlers, not %o', (handler) => {
    const error = errorOf(() => rewriter(() => undefined).wrap(handler as unknown as () => void))
    expect(error).toMatchObject({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringMatching(oneSentence) as string })
    expect(error.message).toContain('Rewriter cannot wrap')
  })

  it('says so when its handler is called without a request', () => {
    const wrapped = rewriter(() => undefined).wrap((..._args: unknown[]) => undefined)
    for (const args of [[], [null], ['/'], [{}]]) {
      expect(errorOf(() => wrapped(...args))).toMatchObject({
        code: 'ERR_PROXYFIX_REWRITE',
        message: expect.stringMatching(oneSentence) as string,
      })
    }
  })

  it('leaves type, name, length, this, arguments and what is given back as they are', async () => {
    const seen: unknown[] = []
    async function handler(this: unknown, request: Request, ...rest: unknown[]): Promise<Response> {
      seen.push(this, request, ...rest)
      return new Response('x')
    }
    const wrapped = rewriter(() => undefined).wrap(handler)
    expect([wrapped.name, wrapped.length]).toStrictEqual(['handler', 1])
    const [self, env, context] = [{}, { key: 1 }, { waitUntil: () => {} }]
    const request = new Request('http://app.example/')
    const response = await Reflect.apply(wrapped, self, [request, env, context])
    expect(await response.text()).toBe('x')
    expect(seen).toStrictEqual([self, request, env, context])
    expect(seen[0]).toBe(self)
    expect(seen[1]).toBe(request)
    expect(seen[2]).toBe(env)
  })

  it('passes on what a Fetch handler answers that is no Response, and the very Response when nothing is changed', async () => {
    const one = rewriter(undefined, () => undefined)
    const response = new Response('x')
    expect(one.wrap((_request: Request) => response)(new Request('http://app.example/'))).toBe(response)
    const odd = one.wrap((_request: Request): Response => undefined as unknown as Response)
    expect(odd(new Request('http://app.example/'))).toBeUndefined()
  })

  it('wraps an object with fetch, which keeps its private fields', async () => {
    class App {
      #count = 0
      fetch(request: Request): Response {
        return new Response(`${++this.#count} ${request.headers.get('x-one')}`)
      }
    }
    const app = rewriter(({ headers }) => headers.set('x-one', '1')).wrap(new App())
    expect(await app.fetch(new Request('http://app.example/')).text()).toBe('1 1')
    expect(await app.fetch(new Request('http://app.example/')).text()).toBe('2 1')
    expect(app).toBeInstanceOf(App)
  })

  it('wraps any number of handlers and keeps nothing between requests', async () => {
    const one = rewriter((request) => {
      if (request.url === '/changed') request.host = 'changed.example'
    })
    const [first, second] = [1, 2].map((id) =>
      one.wrap(async (request: Request) => {
        await Promise.resolve()
        return new Response(`${id} ${new URL(request.url).host}`)
      }),
    )
    const answers = await Promise.all(
      ['/changed', '/', '/changed', '/'].flatMap((path) =>
        [first!, second!].map(async (app) => await (await app(new Request(`http://app.example${path}`))).text()),
      ),
    )
    expect(answers).toStrictEqual([
      '1 changed.example',
      '2 changed.example',
      '1 app.example',
      '2 app.example',
      '1 changed.example',
      '2 changed.example',
      '1 app.example',
      '2 app.example',
    ])
  })

  it('sees each request of a pipeline on one connection by itself', async () => {
    const one = rewriter(
      async (request) => {
        const { client } = request
        if (request.url === '/slow') await new Promise((resolve) => setImmediate(resolve))
        client.address = request.headers.get('x-client')!
      },
      ({ headers }, { client }) => headers.set('x-client', client.address!),
    )
    const server = http.createServer(
      one.wrap((req: IncomingMessage, res: ServerResponse) => res.end(req.socket.remoteAddress)),
    )
    onTestFinished(() => close(server))
    const port = await listen(server)
    const line = (path: string, client: string, more = ''): string =>
      `GET ${path} HTTP/1.1\r\nHost: app\r\nX-Client: ${client}\r\n${more}\r\n`
    const text =
      line('/slow', '203.0.113.1') + line('/', '203.0.113.2') + line('/slow', '203.0.113.3', 'Connection: close\r\n')
    const responses = parseResponses(await exchange(port, text))
    expect(responses.map(({ body, headers }) => [body, headers['x-client']])).toStrictEqual([
      ['203.0.113.1', '203.0.113.1'],
      ['203.0.113.2', '203.0.113.2'],
      ['203.0.113.3', '203.0.113.3'],
    ])
  })
})

describe('a Connect middleware that is wrapped', () => {
  const mine = new Error('mine')

  /** Runs a wrapped middleware as Connect of old does: it catches what is thrown, and does not look at promises. */
  async function run(
    wrapped: (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => unknown,
  ): Promise<{ next: unknown[]; unhandled: number; status: number | undefined }> {
    const calls: unknown[] = []
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)
    onTestFinished(() => void process.off('unhandledRejection', unhandled))
    const server = http.createServer((req, res) => {
      const next = (error?: unknown): void => {
        calls.push(error)
        res.statusCode = error === undefined ? 404 : 500
        res.end()
      }
      try {
        void wrapped(req, res, next)
      } catch (error) {
        next(error)
      }
      // A promise that nobody looks at leaves the request open.
      setImmediate(() => setImmediate(() => setImmediate(() => res.end())))
    })
    onTestFinished(() => close(server))
    const port = await listen(server)
    const [response] = parseResponses(
      await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
    )
    return { next: calls, unhandled: unhandled.mock.calls.length, status: response?.status }
  }

  type Connect = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => unknown

  const pass: Connect = (_req, _res, next) => next()
  const fails: Connect = () => {
    throw mine
  }
  const throwing: Rewrite = () => {
    throw mine
  }

  it.each<{ what: string; rewrite: Rewrite; middleware: Connect; next: unknown[] }>([
    { what: 'nothing', rewrite: () => undefined, middleware: pass, next: [undefined] },
    { what: 'nothing, after a wait', rewrite: async () => undefined, middleware: pass, next: [undefined] },
    { what: 'what rewrite() threw', rewrite: throwing, middleware: pass, next: [mine] },
    { what: 'what rewrite() was rejected with', rewrite: () => Promise.reject(mine), middleware: pass, next: [mine] },
    { what: 'what the middleware threw', rewrite: () => undefined, middleware: fails, next: [mine] },
    {
      what: 'what the middleware threw, called after a wait',
      rewrite: async () => undefined,
      middleware: fails,
      next: [mine],
    },
  ])('gives its next $what', async ({ rewrite, middleware, next }) => {
    const outcome = await run(rewriter(rewrite).wrap(middleware))
    expect(outcome).toStrictEqual({ next, unhandled: 0, status: next[0] === undefined ? 404 : 500 })
  })

  it('has its next not called for a bad value', async () => {
    const outcome = await run(rewriter((request) => void (request.host = 'a@b')).wrap(pass))
    expect(outcome).toStrictEqual({ next: [], unhandled: 0, status: 400 })
  })
})

describe('after proxyFix', () => {
  it('a rewriter sees the decision, and realises by it whom to believe', async () => {
    const seen: unknown[] = []
    const one = rewriter(({ connection, client, scheme, host }) => {
      seen.push(connection?.trusted, connection?.client.address, client.address, scheme, host)
    })
    for (const kind of KINDS) {
      await ask(kind, (handler) => proxyFix(one.wrap(handler), { xFor: 1, xProto: 1, xHost: 1 }), {
        headers: { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'shop.example' },
      })
    }
    const each = [true, '203.0.113.7', '203.0.113.7', 'https', 'shop.example']
    expect(seen).toStrictEqual([...each, ...each])
  })
})

describe('whole servers', () => {
  it('are wrapped for listeners that are there and those to come', async () => {
    const server = http.createServer((req, res) => {
      res.setHeader('x-first', req.headers['x-one'] ?? '')
    })
    rewriter(
      ({ headers }) => headers.set('x-one', '1'),
      ({ headers }) => headers.set('x-two', '2'),
    ).wrap(server)
    server.on('request', (req: IncomingMessage, res: ServerResponse) => res.end(`${req.headers['x-one']}`))
    onTestFinished(() => close(server))
    await listen(server)
    const { port } = server.address() as AddressInfo
    const [response] = parseResponses(
      await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
    )
    expect(response).toMatchObject({ status: 200, body: '1', headers: { 'x-first': '1', 'x-two': '2' } })
  })

  it('are answered for by a rewriter, after a wait as well, and their listeners not called', async () => {
    for (const wait of [false, true]) {
      const listener = vi.fn<() => void>()
      const server = http.createServer(listener)
      rewriter(() => (wait ? Promise.resolve({ status: 403, body: 'no' }) : { status: 403, body: 'no' })).wrap(server)
      onTestFinished(() => close(server))
      const port = await listen(server)
      const [response] = parseResponses(
        await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
      )
      expect(response).toMatchObject({ status: 403, body: 'no' })
      expect(listener).not.toHaveBeenCalled()
    }
  })
})

/** A failure of a rewriter is answered on Node; a Fetch platform answers it by itself. */
function failedOn(kind: string): 500 | undefined {
  return kind === 'Node' ? 500 : undefined
}

function errorOf(action: () => unknown): ProxyFixError {
  try {
    action()
  } catch (error) {
    if (error instanceof ProxyFixError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** One sentence: it has one full stop or question mark that nothing follows, or text without a blank. */
const oneSentence = /^\w(?:[^.?\n]|[.?](?=\S))*[.?]$/
const oneSentenceLine = /^\w(?:[^.?\n]|[.?](?=\S))*[.?]\n$/
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const controls = /[\x00-\x1f\x7f]/
