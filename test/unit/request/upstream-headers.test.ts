/**
 * What a proxy that is written on Node sends upstream. The proof is a server behind it: by the same rules it gets the
 * same answer.
 */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  connectionInfo,
  type ConnectionInfo,
  fixRequest,
  forwardingHeaders,
  type ForwardingHeadersOptions,
  ProxyFixError,
  type ProxyFixOptions,
  resolveConnection,
} from '../../../src/index.ts'

type Lines = readonly (readonly [name: string, value: string])[]

/** A Node request as its server makes it, from a peer that a real socket would show. */
function nodeRequest(lines: Lines, peer?: string): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const req = new IncomingMessage(socket)
  req.method = 'GET'
  req.url = '/x'
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    req.headers[key] = key in req.headers ? `${String(req.headers[key])}, ${value}` : value
    req.rawHeaders.push(name, value)
  }
  return req
}

function fetchRequest(lines: Lines): Request {
  const headers = new Headers(lines.map(([name, value]) => [name, value]))
  return new Request('http://app.internal/x', { headers })
}

/** What the server behind reads. */
function upstream(headers: Record<string, string>, options: ProxyFixOptions): ConnectionInfo {
  const peer = { address: '10.0.0.50' }
  return resolveConnection({ peer, scheme: 'http', host: 'upstream.internal:3000', headers }, options)
}

const all = (count: number): ProxyFixOptions => ({
  xFor: count,
  xProto: count,
  xHost: count,
  xPort: count,
  xPrefix: count,
})

interface Answer {
  readonly client: object
  readonly scheme: string
  readonly host: string | undefined
  readonly port: number | undefined
  readonly prefix: string
}

function answer({ client: { address, node }, scheme, host, port, prefix }: ConnectionInfo): Answer {
  return { client: address === undefined ? { node } : { address }, scheme, host, port, prefix }
}

const HOST: Lines = [['Host', 'app.internal:8080']]
const THREE: Lines = [
  ['Host', 'app.internal:8080'],
  ['X-Forwarded-For', '6.6.6.6, 203.0.113.7:4711, [fd00::3]:80, 10.0.0.2'],
  ['X-Forwarded-Proto', 'ws, https, http, http'],
  ['X-Forwarded-Host', 'evil.example, Shop.Example, b, c'],
  ['X-Forwarded-Port', '1, 8443, 80, 80'],
  ['X-Forwarded-Prefix', '/evil, /shop/, /b, /c'],
]
const ELEMENTS: Lines = [
  ['Host', 'app.internal:8080'],
  ['Forwarded', 'for=6.6.6.6;host="evil"'],
  [
    'Forwarded',
    'for="[2001:db8::7]:4711";proto=https;host="shop.example:8443", For="[fd00::3]:80"; proto=http , for=_b',
  ],
]

interface Journey {
  readonly name: string
  readonly lines: Lines
  readonly options: ProxyFixOptions
  /** What this process decided. */
  readonly decided: Answer
  /** How many hops there are from the client to this process. */
  readonly hops: number
}

const JOURNEYS: readonly Journey[] = [
  {
    name: 'a client of our own',
    lines: HOST,
    options: {},
    decided: {
      client: { address: '198.51.100.9' },
      scheme: 'http',
      host: 'app.internal:8080',
      port: 8080,
      prefix: '',
    },
    hops: 0,
  },
  {
    name: 'a stranger that claims much',
    lines: THREE,
    options: { ...all(3), trustedProxies: '10.0.0.0/8' },
    decided: {
      client: { address: '198.51.100.9' },
      scheme: 'http',
      host: 'app.internal:8080',
      port: 8080,
      prefix: '',
    },
    hops: 0,
  },
  {
    name: 'behind one proxy',
    lines: [...HOST, ['X-Forwarded-For', '6.6.6.6, 2001:DB8::7'], ['X-Forwarded-Proto', 'HTTPS']],
    options: {},
    decided: { client: { address: '2001:db8::7' }, scheme: 'https', host: 'app.internal:8080', port: 8080, prefix: '' },
    hops: 1,
  },
  {
    name: 'behind three proxies',
    lines: THREE,
    options: all(3),
    decided: {
      client: { address: '203.0.113.7' },
      scheme: 'https',
      host: 'shop.example:8443',
      port: 8443,
      prefix: '/shop',
    },
    hops: 3,
  },
  {
    name: 'behind a walk',
    lines: THREE,
    options: {
      xFor: 'trusted',
      xProto: 'trusted',
      xHost: 'trusted',
      xPort: 'trusted',
      xPrefix: 'trusted',
      trustedProxies: ['10.0.0.0/8', 'fd00::/8', '198.51.100.9'],
    },
    decided: {
      client: { address: '203.0.113.7' },
      scheme: 'https',
      host: 'shop.example:8443',
      port: 8443,
      prefix: '/shop',
    },
    hops: 3,
  },
  {
    name: 'behind a list that is short',
    lines: [...HOST, ['X-Forwarded-For', '6.6.6.6']],
    options: { xFor: 2 },
    decided: {
      client: { address: '198.51.100.9' },
      scheme: 'http',
      host: 'app.internal:8080',
      port: 8080,
      prefix: '',
    },
    hops: 0,
  },
  {
    name: 'told by a header of its own',
    lines: [...HOST, ['CF-Connecting-IP', '203.0.113.7'], ['X-Forwarded-For', '6.6.6.6, 7.7.7.7']],
    options: { clientIpHeader: 'CF-Connecting-IP', trustedProxies: () => true },
    decided: { client: { address: '203.0.113.7' }, scheme: 'http', host: 'app.internal:8080', port: 8080, prefix: '' },
    hops: 1,
  },
  {
    name: 'told by Forwarded',
    lines: ELEMENTS,
    options: { forwarded: 3 },
    decided: {
      client: { address: '2001:db8::7' },
      scheme: 'https',
      host: 'shop.example:8443',
      port: 8443,
      prefix: '',
    },
    hops: 3,
  },
  {
    name: 'with the default port of its scheme',
    lines: [...HOST, ['X-Forwarded-Proto', 'wss'], ['X-Forwarded-Host', '[2001:DB8::1]:443']],
    options: { xHost: 1 },
    decided: { client: { address: '198.51.100.9' }, scheme: 'wss', host: '[2001:db8::1]', port: 443, prefix: '' },
    hops: 0,
  },
]

describe('one value each', () => {
  it.each(JOURNEYS)('tells a server that counts 1 about a client $name', ({ lines, options, decided }) => {
    const req = fixRequest(nodeRequest(lines, '198.51.100.9'), options)
    expect(answer(connectionInfo(req))).toStrictEqual(decided)
    expect(answer(upstream(forwardingHeaders(req, { family: 'x-forwarded' }), all(1)))).toStrictEqual(decided)
    // Forwarded has no prefix.
    expect(answer(upstream(forwardingHeaders(req, { family: 'forwarded' }), { forwarded: 1 }))).toStrictEqual({
      ...decided,
      prefix: '',
    })
  })
})

describe('append', () => {
  it.each(JOURNEYS)(
    'tells a server that counts one hop more about a client $name',
    ({ lines, options, decided, hops }) => {
      const req = fixRequest(nodeRequest(lines, '198.51.100.9'), options)
      const lists = forwardingHeaders(req, { family: 'x-forwarded', append: true })
      expect(answer(upstream(lists, all(hops + 1)))).toStrictEqual(decided)
      // Nothing stands left of it, so nothing of the client's own does.
      expect(upstream(lists, all(hops + 2)).verdicts.for).toBe('short')
      const elements = forwardingHeaders(req, { family: 'forwarded', append: true })
      expect(answer(upstream(elements, { forwarded: hops + 1 }))).toStrictEqual({ ...decided, prefix: '' })
      expect(upstream(elements, { forwarded: hops + 2 }).verdicts.for).toBe('short')
    },
  )

  it.each<{ name: string; lines: Lines; options: ProxyFixOptions; lists: object; forwarded: string }>([
    {
      name: 'nothing between the client and this process',
      lines: HOST,
      options: {},
      lists: {
        'x-forwarded-for': '198.51.100.9',
        'x-forwarded-proto': 'http',
        'x-forwarded-host': 'app.internal:8080',
        'x-forwarded-port': '8080',
      },
      forwarded: 'for=198.51.100.9;proto=http;host="app.internal:8080"',
    },
    {
      name: 'three proxies, this process seeing the request itself in the last place',
      lines: THREE,
      options: all(3),
      lists: {
        'x-forwarded-for': '203.0.113.7, fd00::3, 10.0.0.2, 198.51.100.9',
        'x-forwarded-proto': 'https, https, https, http',
        'x-forwarded-host': 'shop.example:8443, shop.example:8443, shop.example:8443, app.internal:8080',
        'x-forwarded-port': '8443, 8443, 8443, 8080',
        'x-forwarded-prefix': '/shop, /shop, /shop, /',
      },
      forwarded:
        'for=203.0.113.7;proto=https;host="shop.example:8443", for="[fd00::3]", for=10.0.0.2, for=198.51.100.9;proto=http;host="app.internal:8080"',
    },
    {
      name: 'hops that are no addresses, in their places',
      lines: [...HOST, ['X-Forwarded-For', '203.0.113.7, unknown, , _b, 10.0.0.2:80']],
      options: { xFor: 5 },
      lists: {
        'x-forwarded-for': '203.0.113.7, unknown, unknown, unknown, 10.0.0.2, 198.51.100.9',
        'x-forwarded-proto': 'http, http, http, http, http, http',
        'x-forwarded-host': Array(6).fill('app.internal:8080').join(', '),
        'x-forwarded-port': '8080, 8080, 8080, 8080, 8080, 8080',
      },
      forwarded:
        'for=203.0.113.7;proto=http;host="app.internal:8080", for=unknown, for=unknown, for=unknown, for=10.0.0.2, for=198.51.100.9;proto=http;host="app.internal:8080"',
    },
    {
      name: 'elements of all kinds between',
      lines: [
        ['Host', 'APP'],
        ['Forwarded', 'for=_client, for=_b, , ==, proto=http, for="[2001:db8::5]:_x", for=10.0.0.256'],
      ],
      options: { forwarded: 7 },
      lists: {
        'x-forwarded-for': 'unknown, unknown, unknown, unknown, unknown, 2001:db8::5, unknown, 198.51.100.9',
        'x-forwarded-proto': Array(8).fill('http').join(', '),
        'x-forwarded-host': Array(8).fill('app').join(', '),
        'x-forwarded-port': Array(8).fill('80').join(', '),
      },
      forwarded:
        'for=_client;proto=http;host=app, for=_b, for=unknown, for=unknown, for=unknown, for="[2001:db8::5]", for=unknown, for=198.51.100.9;proto=http;host=app',
    },
    {
      name: 'a host that only a proxy told',
      lines: [
        ['X-Forwarded-For', '203.0.113.7'],
        ['X-Forwarded-Host', 'shop.example'],
      ],
      options: { xHost: 1 },
      lists: {
        'x-forwarded-for': '203.0.113.7, 198.51.100.9',
        'x-forwarded-proto': 'http, http',
        'x-forwarded-host': 'shop.example, shop.example',
        'x-forwarded-port': '80, 80',
      },
      forwarded: 'for=203.0.113.7;proto=http;host=shop.example, for=198.51.100.9;proto=http',
    },
    {
      name: 'no host at all',
      lines: [['X-Forwarded-For', '203.0.113.7']],
      options: {},
      lists: {
        'x-forwarded-for': '203.0.113.7, 198.51.100.9',
        'x-forwarded-proto': 'http, http',
        'x-forwarded-port': '80, 80',
      },
      forwarded: 'for=203.0.113.7;proto=http, for=198.51.100.9;proto=http',
    },
  ])('writes $name', ({ lines, options, lists, forwarded }) => {
    const req = fixRequest(nodeRequest(lines, '198.51.100.9'), options)
    expect(forwardingHeaders(req, { family: 'x-forwarded', append: true })).toStrictEqual(lists)
    expect(forwardingHeaders(req, { family: 'forwarded', append: true })).toStrictEqual({ forwarded })
  })

  it('tells unknown for a peer without an address', () => {
    const req = fixRequest(nodeRequest([...HOST, ['X-Forwarded-For', '203.0.113.7']]))
    expect(forwardingHeaders(req, { family: 'x-forwarded', append: true })['x-forwarded-for']).toBe(
      '203.0.113.7, unknown',
    )
    expect(forwardingHeaders(req, { family: 'forwarded', append: true })['forwarded']).toBe(
      'for=203.0.113.7;proto=http;host="app.internal:8080", for=unknown;proto=http;host="app.internal:8080"',
    )
  })
})

describe('a client without an address', () => {
  it('that nobody knows is unknown', () => {
    const req = fixRequest(nodeRequest(HOST))
    expect(forwardingHeaders(req, { family: 'x-forwarded' })).toStrictEqual({
      'x-forwarded-for': 'unknown',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'app.internal:8080',
      'x-forwarded-port': '8080',
    })
    const headers = forwardingHeaders(req, { family: 'forwarded' })
    expect(headers).toStrictEqual({ forwarded: 'for=unknown;proto=http;host="app.internal:8080"' })
    expect(upstream(headers, { forwarded: 1 }).client).toStrictEqual({ node: 'unknown' })
  })

  it('that a proxy hides keeps its name in Forwarded', () => {
    const req = fixRequest(nodeRequest([...HOST, ['Forwarded', 'for="_hidden:80"']], '10.0.0.1'), { forwarded: 1 })
    const headers = forwardingHeaders(req, { family: 'forwarded' })
    expect(upstream(headers, { forwarded: 1 }).client).toStrictEqual({ node: '_hidden' })
    expect(forwardingHeaders(req, { family: 'x-forwarded' })['x-forwarded-for']).toBe('unknown')
  })
})

describe('a Host that is none', () => {
  it.each(['a@evil.example', 'shop.example, evil.example', 'evil.example:', '[::1'])(
    'is not passed on as one that a proxy vouches for: %s',
    (host) => {
      const req = fixRequest(nodeRequest([['Host', host]], '198.51.100.9'))
      for (const append of [false, true]) {
        expect(forwardingHeaders(req, { family: 'x-forwarded', append })).toStrictEqual({
          'x-forwarded-for': '198.51.100.9',
          'x-forwarded-proto': 'http',
          'x-forwarded-port': '80',
        })
        expect(forwardingHeaders(req, { family: 'forwarded', append })).toStrictEqual({
          forwarded: 'for=198.51.100.9;proto=http',
        })
      }
    },
  )

  it('is not passed on where hops are told either, nor does it move the values of the others', () => {
    const lines: Lines = [
      ['Host', 'shop.example, evil.example'],
      ['X-Forwarded-For', '203.0.113.7'],
      ['X-Forwarded-Host', 'good.example'],
    ]
    const req = fixRequest(nodeRequest(lines, '198.51.100.9'), { xHost: 1 })
    const headers = forwardingHeaders(req, { family: 'x-forwarded', append: true })
    expect(headers['x-forwarded-host']).toBe('good.example, good.example')
    expect(upstream(headers, all(2)).host).toBe('good.example')
  })
})

describe('a Host that is none beside a header that a client wrote', () => {
  const lines: Lines = [
    ['Host', 'a@evil.example'],
    ['X-Forwarded-Host', 'evil.example'],
    ['X-Forwarded-Prefix', '/evil'],
  ]

  it.each<{ name: string; make: () => object; host: object }>([
    {
      name: 'kept',
      make: () => fixRequest(nodeRequest(lines, '10.0.0.1'), { headers: 'keep' }),
      host: { 'x-forwarded-host': '', 'x-forwarded-prefix': '' },
    },
    {
      name: 'normalized, which is the Host as it was received',
      make: () => fixRequest(nodeRequest(lines, '10.0.0.1')),
      host: { 'x-forwarded-host': '' },
    },
    {
      name: 'of a stranger',
      make: () => fixRequest(nodeRequest(lines, '10.0.0.1'), { trustedProxies: '192.0.2.1' }),
      host: {},
    },
    {
      name: 'removed',
      make: () => fixRequest(nodeRequest(lines, '10.0.0.1'), { headers: 'remove' }),
      host: {},
    },
  ])('is passed on as neither ($name)', ({ make, host }) => {
    const request = make()
    for (const append of [false, true]) {
      const headers = forwardingHeaders(request, { family: 'x-forwarded', append })
      expect(JSON.stringify(headers)).not.toContain('evil')
      expect(forwardingHeaders(request, { family: 'forwarded', append })['forwarded']).not.toContain('evil')
      const { 'x-forwarded-host': shown, 'x-forwarded-prefix': prefix } = headers
      expect({
        ...(shown !== undefined && { 'x-forwarded-host': shown }),
        ...(prefix !== undefined && { 'x-forwarded-prefix': prefix }),
      }).toStrictEqual(host)
    }
  })
})

describe('a header that there is nothing to say in', () => {
  const lines: Lines = [...HOST, ['X-Forwarded-Prefix', '/evil'], ['X-Forwarded-For', '203.0.113.7']]

  it.each<{ name: string; make: () => object }>([
    { name: 'Node', make: () => fixRequest(nodeRequest(lines, '10.0.0.1'), { headers: 'keep' }) },
    { name: 'Fetch', make: () => fixRequest(fetchRequest(lines), { headers: 'keep' }) },
  ])('is given empty where the request still has it ($name), so that what it holds is not passed on', ({ make }) => {
    const headers = forwardingHeaders(make(), { family: 'x-forwarded' })
    expect(headers['x-forwarded-prefix']).toBe('')
    expect(upstream(headers, all(1)).prefix).toBe('')
  })

  it.each<{ name: string; make: () => object }>([
    { name: 'Node, normalize', make: () => fixRequest(nodeRequest(lines, '10.0.0.1')) },
    { name: 'Node, remove', make: () => fixRequest(nodeRequest(lines, '10.0.0.1'), { headers: 'remove' }) },
    { name: 'Fetch, normalize', make: () => fixRequest(fetchRequest(lines)) },
    { name: 'Fetch, remove', make: () => fixRequest(fetchRequest(lines), { headers: 'remove' }) },
  ])('is not given where the request has lost it: $name', ({ make }) => {
    expect(Object.keys(forwardingHeaders(make(), { family: 'x-forwarded' }))).toStrictEqual([
      'x-forwarded-for',
      'x-forwarded-proto',
      'x-forwarded-host',
      'x-forwarded-port',
    ])
  })
})

describe('a Fetch request', () => {
  it.each<{ family: ForwardingHeadersOptions['family']; append: boolean; count: ProxyFixOptions }>([
    { family: 'x-forwarded', append: false, count: all(1) },
    { family: 'x-forwarded', append: true, count: all(4) },
    { family: 'forwarded', append: false, count: { forwarded: 1 } },
    { family: 'forwarded', append: true, count: { forwarded: 4 } },
  ])('is told alike: $family, append $append', ({ family, append, count }) => {
    const request = fixRequest(fetchRequest(THREE), all(3))
    const { client, scheme, host, port } = upstream(forwardingHeaders(request, { family, append }), count)
    expect({ client, scheme, host, port }).toStrictEqual({
      client: { address: '203.0.113.7' },
      scheme: 'https',
      host: 'shop.example:8443',
      port: 8443,
    })
  })

  it('and its clone as well', () => {
    const request = fixRequest(fetchRequest(THREE), all(3)).clone()
    expect(forwardingHeaders(request, { family: 'x-forwarded' })['x-forwarded-for']).toBe('203.0.113.7')
  })
})

describe('mistakes', () => {
  const notFixed = expect.objectContaining({ code: 'ERR_PROXYFIX_NOT_FIXED' }) as Error

  it.each<{ value: unknown }>([{ value: {} }, { value: null }, { value: undefined }, { value: 'x' }])(
    'a request that nobody fixed: $value',
    ({ value }) => {
      const ask = (): unknown => forwardingHeaders(value as object, { family: 'forwarded' })
      expect(ask).toThrow(ProxyFixError)
      expect(ask).toThrow(notFixed)
      expect(ask).toThrow(/^forwardingHeaders needs a request that proxyFix has fixed: /)
    },
  )

  it.each([
    { family: undefined, shown: 'undefined' },
    { family: 'X-Forwarded', shown: "'X-Forwarded'" },
    { family: 'both', shown: "'both'" },
  ])('another family: $family', ({ family, shown }) => {
    const req = fixRequest(nodeRequest(HOST))
    expect(() => forwardingHeaders(req, { family } as unknown as ForwardingHeadersOptions)).toThrow(
      expect.objectContaining({
        code: 'ERR_PROXYFIX_OPTION',
        message: `The option family must be 'x-forwarded' or 'forwarded', not ${shown}.`,
      }) as Error,
    )
  })
})
