/**
 * What each header holds afterwards (contract rule 10), name by name. Asked of a Fetch request, since its headers
 * are the plainest; that Node's three stores hold the same is in node.test.ts and test/property/one-answer.test.ts.
 */

import http from 'node:http'
import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectionInfo, fixRequest, type ProxyFixOptions } from '../../../src/index.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

const OPTIONS = { xFor: 2, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 } as const

/** The header after a request through two proxies that decided on 203.0.113.7, https, shop.example:8443 and /shop. */
function headerAfter(name: string, mode: NonNullable<ProxyFixOptions['headers']>): string | null {
  const request = new Request('http://app.internal/', {
    headers: {
      'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'shop.example',
      'X-Forwarded-Port': '8443',
      'X-Forwarded-Prefix': '/shop/',
    },
  })
  if (!request.headers.has(name)) request.headers.set(name, 'forged')
  return fixRequest(request, { ...OPTIONS, headers: mode }).headers.get(name)
}

const DECIDED: readonly [name: string, value: string][] = [
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'shop.example:8443'],
  ['X-Forwarded-Port', '8443'],
  ['X-Forwarded-Prefix', '/shop'],
  ['X-Real-IP', '203.0.113.7'],
  ['X-Client-IP', '203.0.113.7'],
  ['X-Cluster-Client-IP', '203.0.113.7'],
  ['True-Client-IP', '203.0.113.7'],
  ['CF-Connecting-IP', '203.0.113.7'],
  ['CF-Connecting-IPv6', '203.0.113.7'],
  ['CF-Pseudo-IPv4', '203.0.113.7'],
  ['Fastly-Client-IP', '203.0.113.7'],
  ['X-Appengine-User-IP', '203.0.113.7'],
]

const GONE = [
  'Forwarded',
  'X-Forwarded',
  'Forwarded-For',
  'X-Forwarded-Protocol',
  'X-Forwarded-Scheme',
  'X-Forwarded-Ssl',
  'X-Forwarded-Server',
  'X-Forwarded-By',
  'X-Original-For',
  'X-Original-Host',
  'X-Original-Proto',
  'X-Url-Scheme',
  'X-Script-Name',
  'Front-End-Https',
] as const

const SPELLED_OTHERWISE = [...DECIDED.map(([name]) => name), ...GONE]
  .filter((name) => name.includes('-'))
  .flatMap((name) => [
    name.replaceAll('-', '_'),
    name.replaceAll('-', '.'),
    name.replace('-', '_'),
    name.replace('-', '.').toUpperCase(),
  ])

const LEFT_ALONE = [
  'X-Forwarded-Fox',
  'X-Forwarded-Foo',
  'X-Real-Ipx',
  'XX-Forwarded-For',
  'XForwardedFor',
  'X-Forwarded-For-2',
  'Forwarded-By',
  'Cf-Ray',
  'Cf-Ipcountry',
  'X-Request-Id',
  'X-Requested-With',
  'Traceparent',
  'Transfer',
  'Via',
  'Cookie',
  'Authorization',
] as const

describe('normalize', () => {
  it.each(DECIDED)('%s holds the one decided value, %s', (name, value) => {
    expect(headerAfter(name, 'normalize')).toBe(value)
    expect(headerAfter(name.toUpperCase(), 'normalize')).toBe(value)
  })

  it.each(GONE)('%s is gone', (name) => {
    expect(headerAfter(name, 'normalize')).toBeNull()
  })

  it.each(SPELLED_OTHERWISE)('%s, which a CGI-style reader takes for the real thing, is gone', (name) => {
    expect(headerAfter(name, 'normalize')).toBeNull()
  })

  it.each(LEFT_ALONE)('%s is left alone', (name) => {
    expect(headerAfter(name, 'normalize')).toBe('forged')
  })

  it('adds none that was not sent', () => {
    const request = new Request('http://app/', {
      headers: { 'x-real-ip': '6.6.6.6', 'x-forwarded-for': '203.0.113.7' },
    })
    expect([...fixRequest(request).headers.keys()]).toStrictEqual(['x-forwarded-for', 'x-real-ip'])
  })

  it('takes away what has no decided value', () => {
    const sent = Object.fromEntries(DECIDED.map(([name]) => [name, 'forged']))
    const { headers } = fixRequest(new Request('http://app/', { headers: sent }))
    expect(Object.fromEntries(headers)).toStrictEqual({
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'app',
      'x-forwarded-port': '80',
    })
  })
})

describe('remove', () => {
  it.each([...DECIDED.map(([name]) => name), ...GONE])('%s is gone', (name) => {
    expect(headerAfter(name, 'remove')).toBeNull()
  })

  it.each(SPELLED_OTHERWISE)('%s is gone', (name) => {
    expect(headerAfter(name, 'remove')).toBeNull()
  })

  it.each(LEFT_ALONE)('%s is left alone', (name) => {
    expect(headerAfter(name, 'remove')).toBe('forged')
  })
})

describe('keep', () => {
  it.each([...DECIDED.slice(5).map(([name]) => name), ...GONE, ...SPELLED_OTHERWISE, ...LEFT_ALONE])(
    '%s is as it was sent',
    (name) => {
      expect(headerAfter(name, 'keep')).toBe('forged')
    },
  )
})

/** A Fetch request and a real Node request of the same lines, and what is left of them. */
async function leftOf(
  lines: readonly (readonly [name: string, value: string])[],
  options: ProxyFixOptions,
): Promise<{ fetch: unknown; headers: unknown; distinct: unknown; raw: unknown; original: unknown }> {
  const request = fixRequest(
    new Request('http://app/', { headers: lines.map(([name, value]) => [name, value]) }),
    options,
  )
  let node: object = {}
  const server = http.createServer((req, res) => {
    fixRequest(req, options)
    const { host: _1, connection: _2, ...headers } = req.headers
    const { host: _3, connection: _4, ...distinct } = req.headersDistinct
    const pairs = req.rawHeaders.flatMap((name, index, all) => (index % 2 === 0 ? [[name, all[index + 1]]] : []))
    const raw = pairs.filter(([name]) => name !== 'Host' && name !== 'Connection')
    node = { headers, distinct, raw, original: JSON.stringify(connectionInfo(req).original.headers) }
    res.end()
  })
  onTestFinished(() => close(server))
  const text = lines.map(([name, value]) => `${name}: ${value}`)
  await exchange(await listen(server), requestText('GET / HTTP/1.1', 'Host: app', ...text, 'Connection: close'))
  const original = JSON.stringify([...(connectionInfo(request).original.headers as Headers)])
  return {
    headers: undefined,
    distinct: undefined,
    raw: undefined,
    ...node,
    fetch: Object.fromEntries(request.headers),
    original: [original, (node as { original?: unknown }).original],
  }
}

describe('Forwarded, where it is configured', () => {
  const lines = [
    ['Forwarded', 'for=6.6.6.6;host=evil.example'],
    ['FORWARDED', 'for="[2001:DB8::7]:4711";proto=HTTPS;host="Shop.example:8443";by=_x'],
    ['X-Forwarded-For', '6.6.6.6'],
    ['X-Real-IP', '6.6.6.6'],
  ] as const
  const element = 'for="[2001:db8::7]";proto=https;host="shop.example:8443"'

  it('holds one element of what was decided, with the others alike', async () => {
    const { original: _, ...left } = await leftOf(lines, { forwarded: 1 })
    const values = { forwarded: element, 'x-forwarded-for': '2001:db8::7', 'x-real-ip': '2001:db8::7' }
    expect(left).toEqual({
      fetch: values,
      headers: values,
      distinct: { forwarded: [element], 'x-forwarded-for': ['2001:db8::7'], 'x-real-ip': ['2001:db8::7'] },
      raw: [
        ['Forwarded', element],
        ['X-Forwarded-For', '2001:db8::7'],
        ['X-Real-IP', '2001:db8::7'],
      ],
    })
  })

  it.each<{ name: string; sent: string; element: string }>([
    { name: 'IPv4', sent: 'for=203.0.113.7', element: 'for=203.0.113.7;proto=http;host=app' },
    { name: 'a hidden client', sent: 'for="_hidden:80";proto=wss', element: 'for=_hidden;proto=wss;host=app' },
    { name: 'no client', sent: 'for=2001:db8::7', element: 'proto=http;host=app' },
    { name: 'a host that is none', sent: 'for=203.0.113.7;host=""', element: 'for=203.0.113.7;proto=http;host=app' },
  ])('tells $name', ({ sent, element: after }) => {
    const request = new Request('http://app/', { headers: { Forwarded: sent } })
    expect(fixRequest(request, { forwarded: 1 }).headers.get('forwarded')).toBe(after)
  })

  it('tells no host where the one that was received is none', () => {
    const request = new Request('http://app/', { headers: { Forwarded: 'for=203.0.113.7', Host: 'a@evil.example' } })
    expect(fixRequest(request, { forwarded: 1 }).headers.get('forwarded')).toBe('for=203.0.113.7;proto=http')
  })

  it('reads back as what was decided', () => {
    const request = new Request('http://app/', { headers: lines.map(([name, value]) => [name, value]) })
    const once = fixRequest(request, { forwarded: 1 })
    const again = fixRequest(new Request('http://other/', { headers: once.headers }), { forwarded: 1 })
    const { client, scheme, host, port } = connectionInfo(again)
    expect([client, scheme, host, port]).toStrictEqual([{ address: '2001:db8::7' }, 'https', 'shop.example:8443', 8443])
  })

  it.each<{ name: string; options: ProxyFixOptions }>([
    { name: 'with remove', options: { forwarded: 1, headers: 'remove' } },
    { name: 'of a stranger', options: { forwarded: 1, trustedProxies: [] } },
    { name: 'of a stranger, with remove', options: { forwarded: 1, trustedProxies: [], headers: 'remove' } },
  ])('is gone $name', async ({ options }) => {
    expect(await leftOf(lines, options)).toEqual({
      fetch: {},
      headers: {},
      distinct: {},
      raw: [],
      original: [expect.any(String), expect.any(String)],
    })
  })

  it('is kept with keep', async () => {
    const { raw } = await leftOf(lines, { forwarded: 1, headers: 'keep' })
    expect(raw).toStrictEqual(lines)
  })

  it('is not added where it was not sent', async () => {
    const { raw } = await leftOf([['Accept', '*/*']], { forwarded: 1 })
    expect(raw).toStrictEqual([['Accept', '*/*']])
  })

  it.each(['X_Forwarded_For', 'X.Forwarded.For'])('and other spellings are gone: %s', async (name) => {
    const { raw } = await leftOf([[name, '6.6.6.6']], { forwarded: 1 })
    expect(raw).toStrictEqual([])
  })
})

describe('a clientIpHeader of its own', () => {
  const secret = { header: 'X-Origin-Verify', values: 'correct-horse-battery' }
  const lines = [
    ['Y-Client', '[2001:DB8::7]:80'],
    ['X-Forwarded-For', '6.6.6.6'],
    ['Y-Clients', 'theirs'],
    ['X-Origin-Verify', 'correct-horse-battery'],
  ] as const

  it('holds the decided address', async () => {
    const { original: _, ...left } = await leftOf(lines, { clientIpHeader: 'y-CLIENT', secret })
    const values = { 'y-client': '2001:db8::7', 'x-forwarded-for': '2001:db8::7', 'y-clients': 'theirs' }
    expect(left).toEqual({
      fetch: values,
      headers: values,
      distinct: { 'y-client': ['2001:db8::7'], 'x-forwarded-for': ['2001:db8::7'], 'y-clients': ['theirs'] },
      raw: [
        ['Y-Client', '2001:db8::7'],
        ['X-Forwarded-For', '2001:db8::7'],
        ['Y-Clients', 'theirs'],
      ],
    })
  })

  it.each<{ name: string; options: ProxyFixOptions }>([
    { name: 'with remove', options: { clientIpHeader: 'Y-Client', secret, headers: 'remove' } },
    { name: 'of a stranger', options: { clientIpHeader: 'Y-Client', secret: { ...secret, values: 'another' } } },
  ])('is gone $name', async ({ options }) => {
    const { fetch, raw } = await leftOf(lines, options)
    expect({ fetch, raw }).toEqual({ fetch: { 'y-clients': 'theirs' }, raw: [['Y-Clients', 'theirs']] })
  })

  it('is kept with keep', async () => {
    const { raw } = await leftOf(lines, { clientIpHeader: 'Y-Client', secret, headers: 'keep' })
    expect(raw).toStrictEqual(lines.slice(0, 3))
  })

  it('is left alone by those who do not read it', async () => {
    const { raw } = await leftOf([['Y-Client', '6.6.6.6']], {})
    expect(raw).toStrictEqual([['Y-Client', '6.6.6.6']])
  })

  it.each(['Y_Client', 'Y.CLIENT'])('and another spelling of it is gone: %s', async (name) => {
    const { raw } = await leftOf([[name, '6.6.6.6']], { clientIpHeader: 'Y-Client', secret })
    expect(raw).toStrictEqual([])
  })

  it.each([
    { configured: 'Y_Client', sent: 'Y-Client' },
    { configured: 'y.client', sent: 'Y_Client' },
    { configured: 'Y-Client_', sent: 'y-client.' },
  ])('and another spelling is gone where $configured is the usual one: $sent', async ({ configured, sent }) => {
    const { fetch, raw } = await leftOf([[sent, '6.6.6.6']], { clientIpHeader: configured, secret })
    expect({ fetch, raw }).toEqual({ fetch: {}, raw: [] })
  })

  it('of two lines is invalid and becomes one', async () => {
    const two = [
      ['Y-Client', '6.6.6.6'],
      ['Y-Client', '7.7.7.7'],
      ['X-Origin-Verify', 'correct-horse-battery'],
    ] as const
    const { fetch, raw } = await leftOf(two, { clientIpHeader: 'Y-Client', secret })
    expect({ fetch, raw }).toEqual({ fetch: {}, raw: [['Y-Client', '127.0.0.1']] })
  })
})

describe('the secret', () => {
  const VALUE = 'correct-horse-battery-staple'

  it.each(
    (['normalize', 'keep', 'remove'] as const).flatMap((headers) =>
      (['X-Origin-Verify', 'Authorization', 'Via', 'X-Real-IP', 'q'] as const).flatMap((header) =>
        (['right', 'wrong', 'doubled'] as const).map((sent) => ({ headers, header, sent })),
      ),
    ),
  )('in $header, $sent, is gone with $headers', async ({ headers, header, sent }) => {
    const value = sent === 'wrong' ? `${VALUE}x` : VALUE
    const lines = [
      ['Accept', '*/*'],
      [header.toUpperCase(), value],
      ...(sent === 'doubled' ? ([[header, value]] as const) : []),
      ['X-Forwarded-For', '203.0.113.7'],
    ] as const
    const {
      fetch,
      headers: read,
      distinct,
      raw,
      original,
    } = await leftOf(lines, { headers, secret: { header, values: VALUE } })
    const isTrusted = sent === 'right'
    const forwarded =
      headers === 'keep' || (headers === 'normalize' && isTrusted) ? { 'x-forwarded-for': '203.0.113.7' } : {}
    expect(fetch).toEqual({ accept: '*/*', ...forwarded })
    expect(read).toEqual({ accept: '*/*', ...forwarded })
    expect(distinct).toEqual({
      accept: ['*/*'],
      ...(Object.keys(forwarded).length > 0 && { 'x-forwarded-for': ['203.0.113.7'] }),
    })
    expect(raw).toStrictEqual([
      ['Accept', '*/*'],
      ...(Object.keys(forwarded).length > 0 ? [['X-Forwarded-For', '203.0.113.7']] : []),
    ])
    expect(String(original)).not.toContain(VALUE)
    expect(String(original)).toContain('203.0.113.7')
  })

  it.each(['X-Real-IP', 'X-REAL-IP', 'x-real-ip', 'True-Client-IP', 'X-Forwarded-Server'])(
    'may be in a header that else tells of the client, spelt %s',
    async (header) => {
      const secret = { header, values: VALUE }
      for (const headers of ['normalize', 'keep', 'remove'] as const) {
        const left = await leftOf([[header, VALUE]], { headers, secret })
        expect(left).toMatchObject({ fetch: {}, headers: {}, distinct: {}, raw: [] })
        expect(JSON.stringify(left)).not.toContain(VALUE)
      }
    },
  )

  it.each(
    ['X-Origin-Verify', 'X-Real-IP', 'X-Forwarded-Server', 'CF-Connecting-IP', 'Front-End-Https'].flatMap((header) =>
      [header, header.toLowerCase(), header.toUpperCase(), header.replace(/^./, (sign) => sign.toLowerCase())].flatMap(
        (named, _, spellings) => spellings.map((sent) => ({ named, sent })),
      ),
    ),
  )('named $named is gone where $sent was sent', async ({ named, sent }) => {
    for (const headers of ['normalize', 'keep', 'remove'] as const) {
      const left = await leftOf([[sent, VALUE]], { headers, secret: { header: named, values: VALUE } })
      expect(left).toMatchObject({ fetch: {}, headers: {}, distinct: {}, raw: [] })
      expect(JSON.stringify(left)).not.toContain(VALUE)
    }
  })

  it('does not take a header of another name with it, nor is one made of it', async () => {
    const lines = [
      ['X-Origin-Verified', 'yes'],
      ['X-Origin-Verifx', 'yes'],
    ] as const
    const { raw } = await leftOf(lines, { secret: { header: 'X-Origin-Verify', values: VALUE } })
    expect(raw).toStrictEqual(lines)
  })

  it('stays out of what is told of a decision', async () => {
    const told: unknown[] = []
    const lines = [
      ['X-Origin-Verify', VALUE],
      ['X-Forwarded-For', 'junk'],
    ] as const
    await leftOf(lines, {
      secret: { header: 'X-Origin-Verify', values: VALUE },
      onDecision: ({ info }) => told.push(JSON.stringify(info), inspect(info, { depth: 9, showHidden: true })),
    })
    expect(told).toHaveLength(4)
    expect(told.join()).not.toContain(VALUE)
  })
})
