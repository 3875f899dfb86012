/**
 * The rules of the contract as tables: what was sent, what is believed, why. The peer is 10.0.0.1 over plain
 * HTTP asking for `app.internal`, unless a case says otherwise.
 */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, ConnectionInfo, Field, Verdict } from '../../../src/trust/connection.ts'
import { explain } from '../../../src/trust/explain.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

const FACTS: ConnectionFacts = {
  peer: { address: '10.0.0.1', port: 40000 },
  scheme: 'http',
  host: 'app.internal',
  headers: {},
}

function resolve(
  headers: ConnectionFacts['headers'],
  options: ProxyFixOptions = {},
  facts: Partial<ConnectionFacts> = {},
): ConnectionInfo {
  return resolveConnection({ ...FACTS, ...facts, headers }, options)
}

const ALL_ONE = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 } as const
const PEER = { address: '10.0.0.1', port: 40000 }

describe('rule 1: values are counted from the right', () => {
  it.each<{ name: string; list: string | string[]; xFor: number; client: string; verdict: Verdict }>([
    { name: 'one of one', list: '203.0.113.7', xFor: 1, client: '203.0.113.7', verdict: 'trusted' },
    { name: 'the last of many', list: '6.6.6.6, 203.0.113.7', xFor: 1, client: '203.0.113.7', verdict: 'trusted' },
    {
      name: 'the second from the right of three',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.2',
      xFor: 2,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    {
      name: 'the first when all are ours',
      list: '203.0.113.7,10.0.0.2',
      xFor: 2,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    { name: 'nothing of a list that is one short', list: '6.6.6.6', xFor: 2, client: '10.0.0.1', verdict: 'short' },
    { name: 'nothing of an empty header', list: '', xFor: 1, client: '10.0.0.1', verdict: 'empty' },
    { name: 'nothing of an empty header of two', list: '', xFor: 2, client: '10.0.0.1', verdict: 'short' },
    { name: 'nothing of blanks only', list: ' \t ', xFor: 1, client: '10.0.0.1', verdict: 'empty' },
    {
      name: 'an empty last item, not the one before it',
      list: '6.6.6.6,',
      xFor: 1,
      client: '10.0.0.1',
      verdict: 'empty',
    },
    { name: 'a hole as an item', list: '6.6.6.6, , 10.0.0.2', xFor: 2, client: '10.0.0.1', verdict: 'empty' },
    { name: 'two holes as two items', list: '6.6.6.6,,', xFor: 3, client: '6.6.6.6', verdict: 'trusted' },
    {
      name: 'blanks and tabs away',
      list: '\t 203.0.113.7 \t,\t10.0.0.2 ',
      xFor: 2,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    {
      name: 'several lines as one list',
      list: ['6.6.6.6', '203.0.113.7', '10.0.0.2'],
      xFor: 2,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    {
      name: 'a list in one line and an item in the next',
      list: ['6.6.6.6, 203.0.113.7', '10.0.0.2'],
      xFor: 3,
      client: '6.6.6.6',
      verdict: 'trusted',
    },
    { name: 'an empty last line as an item', list: ['6.6.6.6', ''], xFor: 1, client: '10.0.0.1', verdict: 'empty' },
    {
      name: 'past an opening quote of the client',
      list: '"6.6.6.6, 203.0.113.7',
      xFor: 1,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    {
      name: 'through a quoted string of the client',
      list: '"6.6.6.6, 7.7.7.7", 203.0.113.7',
      xFor: 2,
      client: '10.0.0.1',
      verdict: 'invalid',
    },
    {
      name: 'past backslashes, semicolons and brackets',
      list: '\\", for=6.6.6.6;x, [::1, 203.0.113.7',
      xFor: 1,
      client: '203.0.113.7',
      verdict: 'trusted',
    },
    {
      name: 'no other separator than the comma',
      list: '6.6.6.6; 203.0.113.7',
      xFor: 1,
      client: '10.0.0.1',
      verdict: 'invalid',
    },
    { name: 'no line break as a blank', list: '203.0.113.7\n', xFor: 1, client: '10.0.0.1', verdict: 'invalid' },
    {
      name: 'no no-break space as a blank',
      list: '\u00a0203.0.113.7',
      xFor: 1,
      client: '10.0.0.1',
      verdict: 'invalid',
    },
    {
      name: 'no full-width comma as a comma',
      list: '6.6.6.6，203.0.113.7',
      xFor: 1,
      client: '10.0.0.1',
      verdict: 'invalid',
    },
    { name: 'nothing at count 0', list: '6.6.6.6', xFor: 0, client: '10.0.0.1', verdict: 'not-configured' },
    {
      name: 'a great count of a short list as short',
      list: '1.1.1.1',
      xFor: 9007199254740991,
      client: '10.0.0.1',
      verdict: 'short',
    },
  ])('takes $name', ({ list, xFor, client, verdict }) => {
    const info = resolve({ 'X-Forwarded-For': list }, { xFor })
    expect(info.client.address).toBe(client)
    expect(info.verdicts.for).toBe(verdict)
  })

  it('finds the value behind a hundred thousand values of the client', () => {
    const list = `${'6.6.6.6, '.repeat(100_000)}203.0.113.7, 10.0.0.2`
    expect(resolve({ 'x-forwarded-for': list }, { xFor: 2 }).client).toStrictEqual({ address: '203.0.113.7' })
  })

  it.each(['2001:db8::7', '2001:DB8::7', '2001:db8:0:0::7', '"[2001:db8::7]"'])(
    'gives %s in canonical text, however long the list before it is',
    (value) => {
      for (const length of [0, 1, 1000]) {
        const list = '2001:DB8::6, '.repeat(length) + value
        expect(resolve({ 'x-forwarded-for': list }, { xFor: 1 }).client).toStrictEqual({ address: '2001:db8::7' })
      }
    },
  )

  it('counts each header by its own count', () => {
    const info = resolve(
      {
        'X-Forwarded-For': '203.0.113.7, 10.0.0.3, 10.0.0.2',
        'X-Forwarded-Proto': 'https, http',
        'X-Forwarded-Host': 'evil.example, shop.example',
        'X-Forwarded-Port': '8443, 80',
        'X-Forwarded-Prefix': '/evil, /shop',
      },
      { xFor: 3, xProto: 2, xHost: 1, xPort: 2, xPrefix: 1 },
    )
    expect(info).toMatchObject({
      client: { address: '203.0.113.7' },
      scheme: 'https',
      host: 'shop.example:8443',
      hostname: 'shop.example',
      port: 8443,
      prefix: '/shop',
      verdicts: { for: 'trusted', proto: 'trusted', host: 'trusted', port: 'trusted', prefix: 'trusted' },
    })
  })

  it("has Werkzeug's defaults: one value of For and of Proto, nothing of the others", () => {
    const info = resolve({
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'evil.example',
      'X-Forwarded-Port': '1',
      'X-Forwarded-Prefix': '/evil',
    })
    expect(info).toMatchObject({
      client: { address: '203.0.113.7' },
      scheme: 'https',
      host: 'app.internal',
      port: 443,
      prefix: '',
    })
    expect(info.verdicts).toStrictEqual({
      for: 'trusted',
      proto: 'trusted',
      host: 'not-configured',
      port: 'not-configured',
      prefix: 'not-configured',
    })
  })
})

describe('header sources', () => {
  it.each<{ name: string; headers: ConnectionFacts['headers'] }>([
    { name: 'a Headers object', headers: new Headers({ 'X-Forwarded-For': '6.6.6.6, 203.0.113.7' }) },
    { name: 'a Map', headers: new Map([['x-forwarded-for', '6.6.6.6, 203.0.113.7']]) },
    { name: 'a record in lower case', headers: { 'x-forwarded-for': '6.6.6.6, 203.0.113.7' } },
    { name: 'a record in any case', headers: { 'X-FORWARDED-For': '6.6.6.6, 203.0.113.7' } },
    {
      name: 'a record with two spellings, in order',
      headers: { 'X-Forwarded-For': '6.6.6.6', 'x-forwarded-for': '203.0.113.7' },
    },
    { name: 'a record with a list of lines', headers: { 'x-forwarded-for': ['6.6.6.6', '203.0.113.7'] } },
    {
      name: 'a record without a prototype',
      headers: Object.assign(Object.create(null) as Record<string, string>, {
        'x-forwarded-for': '6.6.6.6, 203.0.113.7',
      }),
    },
    {
      name: 'a record with a header named get',
      headers: { get: 'fetched', 'x-forwarded-for': '6.6.6.6, 203.0.113.7' },
    },
  ])('may be $name', ({ headers }) => {
    expect(resolve(headers, { xFor: 1 }).client).toStrictEqual({ address: '203.0.113.7' })
    expect(resolve(headers, { xFor: 2 }).client).toStrictEqual({ address: '6.6.6.6' })
  })

  it.each<{ name: string; headers: ConnectionFacts['headers'] }>([
    { name: 'an undefined value', headers: { 'x-forwarded-for': undefined } },
    { name: 'a source that gives null', headers: { get: () => null } },
    { name: 'a source that gives undefined', headers: { get: () => undefined } },
    { name: 'a name of the same length', headers: { 'x-forwarded-fox': '6.6.6.6' } },
    { name: 'underscores', headers: { x_forwarded_for: '6.6.6.6' } },
    {
      name: 'a value that is only inherited',
      headers: Object.create({ 'x-forwarded-for': '6.6.6.6' }) as Record<string, string>,
    },
  ])('show no header for $name', ({ headers }) => {
    const info = resolve(headers)
    expect(info.client).toStrictEqual(PEER)
    expect(info.verdicts.for).toBe('absent')
  })
})

describe('a header of no lines', () => {
  const NONE = {
    'X-Forwarded-For': [],
    'X-Forwarded-Proto': [],
    'X-Forwarded-Host': [],
    'X-Forwarded-Port': [],
    'X-Forwarded-Prefix': [],
    Forwarded: [],
    'X-Real-IP': [],
  }
  const ABSENT = { for: 'absent', proto: 'absent', host: 'absent', port: 'absent', prefix: 'absent' }

  it('is absent, not empty', () => {
    const all = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }
    const info = resolve(NONE, all)
    expect([info.verdicts, info.rejected, info.client]).toStrictEqual([ABSENT, [], PEER])
    expect(resolve(NONE, { ...all, xFor: 'trusted', trustedProxies: '10.0.0.0/8' }).verdicts).toStrictEqual(ABSENT)
    expect(resolve(NONE, { forwarded: 1 }).verdicts).toMatchObject({ for: 'absent', proto: 'absent', host: 'absent' })
    expect(resolve(NONE, { clientIpHeader: 'x-real-ip', trustedProxies: '10.0.0.0/8' }).verdicts.for).toBe('absent')
    expect(resolve(NONE, { required: ['for'] }).refusal).toStrictEqual({
      status: 400,
      field: 'for',
      reason: 'X-Forwarded-For is required of the proxy, and it is absent',
    })
  })

  it('adds no value to another of the same name, nor takes one away', () => {
    const headers = { 'X-Forwarded-For': [], 'x-forwarded-for': ['6.6.6.6', '203.0.113.7'], 'X-FORWARDED-FOR': [] }
    expect(resolve(headers, { xFor: 1 }).client.address).toBe('203.0.113.7')
    expect(resolve(headers, { xFor: 2 }).client.address).toBe('6.6.6.6')
    expect(resolve(headers, { xFor: 3 }).verdicts.for).toBe('short')
  })

  it('is no secret', () => {
    expect(resolve({ x: [] }, { secret: { header: 'x', values: 'abcdefghijklmnopqrst' } }).trusted).toBe(false)
  })
})

describe('a header with a name that every object has', () => {
  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__defineGetter__'])(
    '%s finds nothing and throws nothing',
    (clientIpHeader) => {
      const options: ProxyFixOptions = { clientIpHeader, trustedProxies: '10.0.0.0/8' }
      for (const headers of [{}, Object.create(null) as object, { get: () => null }, new Headers()]) {
        const { client, verdicts } = resolve(headers as ConnectionFacts['headers'], options)
        expect([client, verdicts.for]).toStrictEqual([PEER, 'absent'])
      }
      // Where it was sent it is a header like any other.
      const sent = { get: (name: string) => (name === clientIpHeader.toLowerCase() ? '203.0.113.7' : null) }
      expect(resolve(sent, options).client.address).toBe('203.0.113.7')
      expect(resolve({ [clientIpHeader.toUpperCase()]: '203.0.113.7' }, options).client.address).toBe('203.0.113.7')
    },
  )
})

describe('rule 2: X-Forwarded-For', () => {
  it.each<{ value: string; client: { address: string; port?: number } }>([
    { value: '203.0.113.7', client: { address: '203.0.113.7' } },
    { value: '203.0.113.7:4711', client: { address: '203.0.113.7', port: 4711 } },
    { value: '203.0.113.7:0', client: { address: '203.0.113.7' } },
    { value: '"203.0.113.7:65535"', client: { address: '203.0.113.7', port: 65535 } },
    { value: '2001:DB8:0::1', client: { address: '2001:db8::1' } },
    { value: '[2001:db8::1]', client: { address: '2001:db8::1' } },
    { value: '[2001:db8::1]:443', client: { address: '2001:db8::1', port: 443 } },
    { value: '"[2001:db8::1]:0"', client: { address: '2001:db8::1' } },
    { value: '::ffff:203.0.113.7', client: { address: '203.0.113.7' } },
    { value: '[::ffff:cb00:7107]:80', client: { address: '203.0.113.7', port: 80 } },
  ])('reads $value', ({ value, client }) => {
    const info = resolve({ 'X-Forwarded-For': value })
    expect(info.client).toStrictEqual(client)
    expect(info.verdicts.for).toBe('trusted')
    expect(info.rejected).toStrictEqual([])
  })

  it.each([
    'unknown',
    '_hidden',
    'localhost',
    '203.0.113',
    '203.0.113.256',
    '203.0.113.07',
    '0x7f.0.0.1',
    '2130706433',
    '203.0.113.7:',
    '203.0.113.7:00',
    '203.0.113.7:080',
    '203.0.113.7:65536',
    '203.0.113.7:+1',
    '203.0.113.7 :1',
    '2001:db8::1%eth0',
    '[2001:db8::1%25eth0]',
    '[203.0.113.7]',
    '[2001:db8::1',
    '[2001:db8::1]443',
    '2001:db8::1]:443',
    '""203.0.113.7""',
    '"203.0.113.7',
    '203.0.113.7"',
    '" 203.0.113.7"',
    '"',
    '""',
    '203.0.113.7/32',
    '203.0.113.7\0',
    '<script>',
    'for=203.0.113.7',
    '２０３.0.113.7',
  ])('takes %j for no address and stays with the peer', (value) => {
    const info = resolve({ 'X-Forwarded-For': value })
    expect(info.client).toStrictEqual(PEER)
    expect(info.verdicts.for).toBe('invalid')
    expect(info.rejected).toStrictEqual([
      { field: 'for', value, reason: 'it is not an IP address with or without a port' },
    ])
  })

  it.each([
    { peer: { address: '::ffff:10.0.0.1', port: 1 }, shown: { address: '10.0.0.1', port: 1 } },
    { peer: { address: '::FFFF:a00:1' }, shown: { address: '10.0.0.1' } },
    { peer: { address: 'fe80::1%eth0', port: 2 }, shown: { address: 'fe80::1', port: 2 } },
    { peer: { address: '2001:DB8:0:0:0:0:0:1' }, shown: { address: '2001:db8::1' } },
    { peer: {}, shown: {} },
    { peer: { address: '' }, shown: {} },
    { peer: { address: '/run/app.sock' }, shown: {} },
    { peer: { address: 'not an address', port: 80 }, shown: {} },
  ])('shows a peer $peer as $shown', ({ peer, shown }) => {
    const info = resolve({}, {}, { peer })
    expect(info.peer).toStrictEqual(shown)
    expect(info.client).toStrictEqual(shown)
  })

  it('believes a header over a unix socket', () => {
    const info = resolve({ 'X-Forwarded-For': '203.0.113.7' }, {}, { peer: {} })
    expect(info.client).toStrictEqual({ address: '203.0.113.7' })
    expect(info.peer).toStrictEqual({})
  })

  it("never shows the peer's port beside a forwarded address", () => {
    expect(resolve({ 'X-Forwarded-For': '203.0.113.7' }).client.port).toBeUndefined()
  })
})

describe('rule 3: X-Forwarded-Proto', () => {
  it.each<{ value: string; scheme: string; verdict: Verdict }>([
    { value: 'https', scheme: 'https', verdict: 'trusted' },
    { value: 'http', scheme: 'http', verdict: 'trusted' },
    { value: 'wss', scheme: 'wss', verdict: 'trusted' },
    { value: 'ws', scheme: 'ws', verdict: 'trusted' },
    { value: 'HtTpS', scheme: 'https', verdict: 'trusted' },
    { value: 'http, https', scheme: 'https', verdict: 'trusted' },
    { value: 'https, http', scheme: 'http', verdict: 'trusted' },
    { value: 'javascript', scheme: 'http', verdict: 'invalid' },
    { value: 'https://', scheme: 'http', verdict: 'invalid' },
    { value: 'https:', scheme: 'http', verdict: 'invalid' },
    { value: '"https"', scheme: 'http', verdict: 'invalid' },
    { value: 'httpſ', scheme: 'http', verdict: 'invalid' },
    { value: 'https;', scheme: 'http', verdict: 'invalid' },
    { value: 'on', scheme: 'http', verdict: 'invalid' },
    { value: '', scheme: 'http', verdict: 'empty' },
  ])('reads $value as $scheme, $verdict', ({ value, scheme, verdict }) => {
    const info = resolve({ 'X-Forwarded-Proto': value })
    expect(info.scheme).toBe(scheme)
    expect(info.verdicts.proto).toBe(verdict)
  })

  it('may take TLS away: the scheme is what the client typed', () => {
    expect(resolve({ 'X-Forwarded-Proto': 'http' }, {}, { scheme: 'https' })).toMatchObject({
      scheme: 'http',
      port: 80,
    })
  })
})

describe('rule 4: X-Forwarded-Host', () => {
  it.each<{ value: string; host: string; hostname: string; port: number }>([
    { value: 'shop.example', host: 'shop.example', hostname: 'shop.example', port: 80 },
    { value: 'SHOP.Example:8080', host: 'shop.example:8080', hostname: 'shop.example', port: 8080 },
    { value: 'shop.example:80', host: 'shop.example', hostname: 'shop.example', port: 80 },
    { value: 'shop.example:443', host: 'shop.example:443', hostname: 'shop.example', port: 443 },
    { value: 'shop.example.', host: 'shop.example.', hostname: 'shop.example.', port: 80 },
    { value: 'a_b', host: 'a_b', hostname: 'a_b', port: 80 },
    { value: '192.0.2.1:81', host: '192.0.2.1:81', hostname: '192.0.2.1', port: 81 },
    { value: '[2001:DB8:0::1]:81', host: '[2001:db8::1]:81', hostname: '[2001:db8::1]', port: 81 },
    { value: '[::ffff:192.0.2.1]', host: '[::ffff:c000:201]', hostname: '[::ffff:c000:201]', port: 80 },
    { value: 'evil.example, shop.example', host: 'shop.example', hostname: 'shop.example', port: 80 },
  ])('reads $value', ({ value, host, hostname, port }) => {
    const info = resolve({ 'X-Forwarded-Host': value }, { xHost: 1 })
    expect(info).toMatchObject({ host, hostname, port })
    expect(info.verdicts.host).toBe('trusted')
  })

  it.each([
    'good.example@evil.example',
    'evil.example/path',
    'evil.example\\path',
    'evil.example?x',
    'evil.example#x',
    'evil .example',
    'evil\t.example',
    'evil\0.example',
    '%65vil.example',
    'evil.example:',
    'evil.example:0',
    'evil.example:080',
    'evil.example:65536',
    'evil.example:80:80',
    ':80',
    '.',
    '..',
    '.evil.example',
    'evil..example',
    '2001:db8::1',
    '[2001:db8::1',
    '[2001:db8::1]x',
    '[fe80::1%eth0]',
    '[192.0.2.1]',
    '192.0.2',
    '192.0.2.1.',
    '192.0.2.01',
    '0x7f.1',
    'evil.0x1',
    'evil.1',
    '2130706433',
    'bücher.example',
    '"evil.example"',
    '*.example',
    'http://evil.example',
    `${'a'.repeat(64)}.example`,
    `${'a.'.repeat(126)}aa`,
  ])('takes %j for no host and stays with the received one', (value) => {
    const info = resolve({ 'X-Forwarded-Host': value }, { xHost: 1 })
    expect(info).toMatchObject({ host: 'app.internal', hostname: 'app.internal', port: 80 })
    expect(info.verdicts.host).toBe('invalid')
    expect(info.rejected).toMatchObject([{ field: 'host', value: value.slice(0, 256) }])
  })

  it.each<{
    name: string
    received: string | undefined
    host: string | undefined
    hostname: string | undefined
    port: number
  }>([
    { name: 'nothing', received: undefined, host: undefined, hostname: undefined, port: 80 },
    { name: 'an empty text', received: '', host: undefined, hostname: undefined, port: 80 },
    { name: 'an invalid text', received: 'a@b', host: 'a@b', hostname: undefined, port: 80 },
    { name: 'a bare IPv6', received: '2001:db8::a', host: '2001:db8::a', hostname: undefined, port: 80 },
    { name: 'upper case', received: 'APP:8080', host: 'app:8080', hostname: 'app', port: 8080 },
    { name: 'the default port', received: 'app:80', host: 'app', hostname: 'app', port: 80 },
  ])('shows $name received as Host', ({ received, host, hostname, port }) => {
    const info = resolve({}, {}, { host: received })
    expect([info.host, info.hostname, info.port]).toStrictEqual([host, hostname, port])
  })

  it('takes the place of a Host that is missing or invalid', () => {
    for (const host of [undefined, '', 'a@b']) {
      expect(resolve({ 'X-Forwarded-Host': 'shop.example' }, { xHost: 1 }, { host })).toMatchObject({
        host: 'shop.example',
      })
    }
  })
})

describe('rule 5: the port', () => {
  it.each<{ name: string; headers: Record<string, string>; received?: string; host: string; port: number }>([
    { name: 'forwarded', headers: { 'X-Forwarded-Port': '8443' }, host: 'app.internal:8443', port: 8443 },
    {
      name: 'forwarded, over the one in the forwarded host',
      headers: { 'X-Forwarded-Port': '8443', 'X-Forwarded-Host': 'shop.example:81' },
      host: 'shop.example:8443',
      port: 8443,
    },
    {
      name: 'forwarded, over the one in the received host',
      headers: { 'X-Forwarded-Port': '8443' },
      received: 'app.internal:3000',
      host: 'app.internal:8443',
      port: 8443,
    },
    {
      name: 'in the forwarded host',
      headers: { 'X-Forwarded-Host': 'shop.example:81' },
      host: 'shop.example:81',
      port: 81,
    },
    { name: 'in the received host', headers: {}, received: 'app.internal:3000', host: 'app.internal:3000', port: 3000 },
    {
      name: "the scheme's, not the received host's, for a forwarded host without one",
      headers: { 'X-Forwarded-Host': 'shop.example' },
      received: 'app.internal:3000',
      host: 'shop.example',
      port: 80,
    },
    { name: "the forwarded scheme's", headers: { 'X-Forwarded-Proto': 'https' }, host: 'app.internal', port: 443 },
    { name: "that of wss, https's", headers: { 'X-Forwarded-Proto': 'wss' }, host: 'app.internal', port: 443 },
    {
      name: "that of ws, http's",
      headers: { 'X-Forwarded-Proto': 'ws', 'X-Forwarded-Port': '80' },
      host: 'app.internal',
      port: 80,
    },
    {
      name: 'the default of https, dropped from the host',
      headers: { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Port': '443' },
      host: 'app.internal',
      port: 443,
    },
    {
      name: '80 over https, kept in the host',
      headers: { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Port': '80' },
      host: 'app.internal:80',
      port: 80,
    },
    {
      name: 'a received port that the forwarded scheme makes its default, dropped',
      headers: { 'X-Forwarded-Proto': 'https' },
      received: 'app.internal:443',
      host: 'app.internal',
      port: 443,
    },
    { name: 'the last of two', headers: { 'X-Forwarded-Port': '1, 8443' }, host: 'app.internal:8443', port: 8443 },
  ])('is $name', ({ headers, received = 'app.internal', host, port }) => {
    expect(resolve(headers, ALL_ONE, { host: received })).toMatchObject({ host, port })
  })

  it.each(['0', '00', '080', '65536', '99999', '100000', '-1', '+1', '1.0', '1e3', '0x50', '8080a', '"80"', '８０'])(
    'takes %j for no port',
    (value) => {
      const info = resolve({ 'X-Forwarded-Port': value }, { xPort: 1 })
      expect(info).toMatchObject({ host: 'app.internal', port: 80, verdicts: { port: 'invalid' } })
    },
  )

  it('is known without a host', () => {
    const info = resolve({ 'X-Forwarded-Port': '8443' }, { xPort: 1 }, { host: undefined })
    expect([info.host, info.hostname, info.port]).toStrictEqual([undefined, undefined, 8443])
  })

  it('is not appended to a received Host that is invalid', () => {
    expect(resolve({ 'X-Forwarded-Port': '8443' }, { xPort: 1 }, { host: '2001:db8::a' }).host).toBe('2001:db8::a')
  })
})

describe('rule 6: X-Forwarded-Prefix', () => {
  it.each<{ value: string; prefix: string }>([
    { value: '/app', prefix: '/app' },
    { value: '/app/', prefix: '/app' },
    { value: '/', prefix: '' },
    { value: '/a/b-c/d_e/f.g/h~i', prefix: '/a/b-c/d_e/f.g/h~i' },
    { value: '/%C3%A9t%c3%a9', prefix: '/%C3%A9t%c3%a9' },
    { value: '/...', prefix: '/...' },
    { value: '/.well-known', prefix: '/.well-known' },
    { value: '/outer, /inner', prefix: '/inner' },
    { value: `/${'a'.repeat(1023)}`, prefix: `/${'a'.repeat(1023)}` },
  ])('reads $value', ({ value, prefix }) => {
    const info = resolve({ 'X-Forwarded-Prefix': value }, { xPrefix: 1 }, { prefix: '/received' })
    expect(info.prefix).toBe(prefix)
    expect(info.verdicts.prefix).toBe('trusted')
  })

  it.each([
    'app',
    '//evil.example',
    '///',
    '//',
    '/\\evil.example',
    '\\evil.example',
    '/app//x',
    '/app//',
    '/.',
    '/..',
    '/./',
    '/app/..',
    '/app/../x',
    '/%2e%2e/x',
    '/.%2E',
    '/%2e',
    '/app%2fx',
    '/app%5Cx',
    '/app%00',
    '/app%0d%0aSet-Cookie',
    '/app%7f',
    '/app%',
    '/app%4',
    '/app%zz',
    '/app?x',
    '/app#x',
    '/app x',
    '/app\tx',
    '/app\0',
    '/app;x',
    '/app:x',
    '/@evil.example',
    '@evil.example',
    '.evil.example',
    '/été',
    '"/app"',
    'http://evil.example/',
    `/${'a'.repeat(1024)}`,
  ])('takes %j for no prefix and stays with the received one', (value) => {
    const info = resolve({ 'X-Forwarded-Prefix': value }, { xPrefix: 1 }, { prefix: '/received' })
    expect(info.prefix).toBe('/received')
    expect(info.verdicts.prefix).toBe('invalid')
  })

  it.each([
    { received: undefined, prefix: '' },
    { received: '', prefix: '' },
    { received: '/', prefix: '' },
    { received: '/app', prefix: '/app' },
    { received: '/app/', prefix: '/app' },
  ])('only takes the trailing slash off a received $received', ({ received, prefix }) => {
    expect(resolve({}, {}, { prefix: received }).prefix).toBe(prefix)
  })
})

describe('rule 7: what was not believed is told', () => {
  it('lists every value that was short, empty or invalid, in the order of the fields', () => {
    const info = resolve(
      {
        'X-Forwarded-Prefix': '//evil',
        'X-Forwarded-Port': '99999',
        'X-Forwarded-Host': '',
        'X-Forwarded-Proto': 'https',
        'X-Forwarded-For': '6.6.6.6',
      },
      { ...ALL_ONE, xFor: 2, xProto: 3 },
    )
    expect(info.rejected).toStrictEqual([
      { field: 'for', value: '6.6.6.6', reason: 'X-Forwarded-For has 1 value, xFor is 2' },
      { field: 'proto', value: 'https', reason: 'X-Forwarded-Proto has 1 value, xProto is 3' },
      { field: 'host', value: '', reason: 'it is empty' },
      { field: 'port', value: '99999', reason: 'it is not a port from 1 to 65535' },
      { field: 'prefix', value: '//evil', reason: 'it is not a path of plain segments after one slash' },
    ])
    expect(info.verdicts).toStrictEqual({
      for: 'short',
      proto: 'short',
      host: 'empty',
      port: 'invalid',
      prefix: 'invalid',
    })
    expect(info.refusal).toBeUndefined()
  })

  it('cuts each value at 256 characters', () => {
    const text = 'x'.repeat(1000)
    const info = resolve({ 'X-Forwarded-For': text, 'X-Forwarded-Proto': text }, { xFor: 2, xProto: 1 })
    expect(info.rejected.map(({ value }) => value)).toStrictEqual(['x'.repeat(256), 'x'.repeat(256)])
  })

  it('lists nothing that is absent, not configured or trusted', () => {
    const info = resolve({ 'X-Forwarded-For': '203.0.113.7', 'X-Forwarded-Host': 'a@b' }, { xFor: 1 })
    expect(info.rejected).toStrictEqual([])
  })
})

describe('rule 8: a peer that is no IP address', () => {
  const SENT = {
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'shop.example',
  }

  it.each([' ', '0', '1.2.3.4%eth0', 'unix', '/run/app.sock', 'localhost', '10.0.0.1:80', '010.0.0.1'])(
    '%j is believed nothing',
    (address) => {
      const { client, peer, scheme, host, trusted, verdicts, refusal } = resolve(
        SENT,
        { xHost: 1, xPrefix: 1, required: ['for'] },
        { peer: { address, port: 40000 } },
      )
      expect({ client, peer, scheme, host, trusted, verdicts, refusal }).toStrictEqual({
        client: {},
        peer: {},
        scheme: 'http',
        host: 'app.internal',
        trusted: false,
        verdicts: {
          for: 'untrusted-peer',
          proto: 'untrusted-peer',
          host: 'untrusted-peer',
          port: 'not-configured',
          prefix: 'untrusted-peer',
        },
        refusal: undefined,
      })
    },
  )

  it.each([
    ['an empty text', ''],
    ['null', null],
    ['undefined', undefined],
  ] as const)('that is %s is a peer without an address', (_, text) => {
    const address = text as string | undefined
    const decide = (trustedProxies: ProxyFixOptions['trustedProxies']): unknown[] => {
      const { client, peer, trusted, verdicts } = resolve(SENT, { trustedProxies }, { peer: { address, port: 40000 } })
      return [client.address, peer, trusted, verdicts.for]
    }
    const believed = ['203.0.113.7', {}, true, 'trusted']
    const stranger = [undefined, {}, false, 'untrusted-peer']
    expect(decide(undefined)).toStrictEqual(believed)
    expect(decide('unix')).toStrictEqual(believed)
    expect(decide((asked) => asked === '')).toStrictEqual(believed)
    expect(decide(['0.0.0.0/0', '::/0'])).toStrictEqual(stranger)
    expect(decide('loopback, private')).toStrictEqual(stranger)
    expect(decide([])).toStrictEqual(stranger)
    expect(decide(() => false)).toStrictEqual(stranger)
  })

  it('that is absent, as of a unix socket, is believed where there is no trustedProxies', () => {
    const { client, trusted } = resolve(SENT, {}, { peer: {} })
    expect([client, trusted]).toStrictEqual([{ address: '203.0.113.7' }, true])
  })
})

describe('refusal', () => {
  it.each<{
    name: string
    headers: Record<string, string>
    options: ProxyFixOptions
    host?: string
    field: Field | undefined
  }>([
    { name: 'nothing by default', headers: { 'X-Forwarded-For': 'junk' }, options: {}, field: undefined },
    {
      name: 'an invalid value with reject',
      headers: { 'X-Forwarded-For': 'junk' },
      options: { onInvalid: 'reject' },
      field: 'for',
    },
    {
      name: 'the first of two invalid values',
      headers: { 'X-Forwarded-Prefix': 'junk', 'X-Forwarded-Proto': 'junk' },
      options: { ...ALL_ONE, onInvalid: 'reject' },
      field: 'proto',
    },
    {
      name: 'no short list with reject',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { xFor: 2, onInvalid: 'reject' },
      field: undefined,
    },
    {
      name: 'no empty value with reject',
      headers: { 'X-Forwarded-For': '' },
      options: { onInvalid: 'reject' },
      field: undefined,
    },
    {
      name: 'no invalid value of a header that is not configured',
      headers: { 'X-Forwarded-Host': 'a@b' },
      options: { onInvalid: 'reject' },
      field: undefined,
    },
    {
      name: 'no invalid value left of the one that counts',
      headers: { 'X-Forwarded-For': 'junk, 203.0.113.7' },
      options: { onInvalid: 'reject' },
      field: undefined,
    },
    { name: 'a required header that is absent', headers: {}, options: { required: ['for'] }, field: 'for' },
    {
      name: 'a required header that is short',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { xFor: 2, required: ['for'] },
      field: 'for',
    },
    {
      name: 'a required header that is empty',
      headers: { 'X-Forwarded-Proto': '' },
      options: { required: ['proto'] },
      field: 'proto',
    },
    {
      name: 'a required header that is invalid',
      headers: { 'X-Forwarded-Port': '0' },
      options: { xPort: 1, required: ['port'] },
      field: 'port',
    },
    {
      name: 'no required header that is trusted',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { required: ['for'] },
      field: undefined,
    },
    {
      name: 'the empty prefix never, as it is trusted',
      headers: { 'X-Forwarded-Prefix': '/' },
      options: { xPrefix: 1, required: ['prefix'] },
      field: undefined,
    },
    { name: 'a host that is not allowed', headers: {}, options: { allowedHosts: ['shop.example'] }, field: 'host' },
    { name: 'a missing host', headers: {}, host: '', options: { allowedHosts: ['shop.example'] }, field: 'host' },
    {
      name: 'an invalid host',
      headers: {},
      host: 'shop.example@evil',
      options: { allowedHosts: ['shop.example'] },
      field: 'host',
    },
    { name: 'every host for an empty list', headers: {}, options: { allowedHosts: [] }, field: 'host' },
    {
      name: 'no host that is allowed',
      headers: {},
      host: 'SHOP.example.:81',
      options: { allowedHosts: ['shop.example'] },
      field: undefined,
    },
    {
      name: 'no received host when the forwarded one is allowed',
      headers: { 'X-Forwarded-Host': 'shop.example' },
      options: { xHost: 1, allowedHosts: ['shop.example'] },
      field: undefined,
    },
    {
      name: 'a forwarded host that is not allowed, though the received is',
      headers: { 'X-Forwarded-Host': 'evil.example' },
      options: { xHost: 1, allowedHosts: ['app.internal'] },
      field: 'host',
    },
    {
      name: 'an invalid value before a missing required one',
      headers: { 'X-Forwarded-Prefix': 'junk' },
      options: { ...ALL_ONE, onInvalid: 'reject', required: ['for'] },
      field: 'prefix',
    },
    {
      name: 'a missing required header before the host',
      headers: {},
      options: { ...ALL_ONE, required: ['prefix'], allowedHosts: [] },
      field: 'prefix',
    },
    {
      name: 'an invalid value before the host',
      headers: { 'X-Forwarded-Prefix': 'junk' },
      options: { ...ALL_ONE, onInvalid: 'reject', allowedHosts: [] },
      field: 'prefix',
    },
  ])('takes $name', ({ headers, options, host = 'app.internal', field }) => {
    const { refusal } = resolve(headers, options, { host })
    expect(refusal?.field).toBe(field)
    if (field !== undefined) expect(refusal?.status).toBe(400)
  })

  it('leaves the values as they were decided', () => {
    const info = resolve(
      { 'X-Forwarded-For': '203.0.113.7', 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'a@b' },
      { xHost: 1, onInvalid: 'reject' },
    )
    expect(info).toMatchObject({ client: { address: '203.0.113.7' }, scheme: 'https', host: 'app.internal' })
    expect(info.refusal?.field).toBe('host')
  })

  it('repeats no text of the request', () => {
    const text = '<script>alert(1)</script>'
    const { refusal } = resolve({ 'X-Forwarded-For': text }, { onInvalid: 'reject' }, { host: text })
    expect(refusal?.reason).not.toContain('script')
    expect(resolve({}, { allowedHosts: [] }, { host: text }).refusal?.reason).not.toContain('script')
  })
})

describe('the answer', () => {
  it('keeps the facts as they were received', () => {
    const headers = { 'X-Forwarded-For': '203.0.113.7', 'X-Forwarded-Proto': 'https' }
    const info = resolve(headers, {}, { peer: { address: '::ffff:10.0.0.1' }, host: 'APP:80', prefix: '/p/' })
    expect(info.original.peer).toStrictEqual({ address: '::ffff:10.0.0.1' })
    expect(info.original).toMatchObject({ scheme: 'http', host: 'APP:80', prefix: '/p/' })
    expect(info.original.headers).toBe(headers)
  })

  it('is trusted for whoever connects, as there are only counts', () => {
    expect(resolve({}).trusted).toBe(true)
  })

  it('is the same for options and for the policy made of them', () => {
    const options: ProxyFixOptions = { xFor: 2, xHost: 1, allowedHosts: ['shop.example'] }
    const headers = { 'X-Forwarded-For': '203.0.113.7, 10.0.0.2', 'X-Forwarded-Host': 'shop.example' }
    const facts = { ...FACTS, headers }
    const plain = (info: ConnectionInfo): unknown => JSON.parse(JSON.stringify(info)) as unknown
    expect(plain(resolveConnection(facts, trustPolicy(options)))).toStrictEqual(
      plain(resolveConnection(facts, options)),
    )
  })

  it('is plain data when it is written as JSON', () => {
    const info = resolve({ 'X-Forwarded-For': '203.0.113.7' })
    expect(JSON.parse(JSON.stringify(info))).toStrictEqual({
      client: { address: '203.0.113.7' },
      peer: PEER,
      scheme: 'http',
      host: 'app.internal',
      hostname: 'app.internal',
      port: 80,
      prefix: '',
      trusted: true,
      verdicts: {
        for: 'trusted',
        proto: 'absent',
        host: 'not-configured',
        port: 'not-configured',
        prefix: 'not-configured',
      },
      rejected: [],
      original: {
        peer: PEER,
        scheme: 'http',
        host: 'app.internal',
        prefix: '',
        headers: { 'X-Forwarded-For': '203.0.113.7' },
      },
    })
  })

  const KEYS = [
    'client',
    'peer',
    'scheme',
    'host',
    'hostname',
    'port',
    'prefix',
    'trusted',
    'verdicts',
    'rejected',
    'original',
  ]

  it('is plain data: every member its own, and no refusal where there is none', () => {
    const info = resolve({ 'X-Forwarded-For': 'junk' })
    expect(Object.getPrototypeOf(info)).toBe(Object.prototype)
    expect(Reflect.ownKeys(info)).toStrictEqual(KEYS)
    expect(Object.keys(info)).toStrictEqual(KEYS)
    const refused = resolve({ 'X-Forwarded-For': 'junk' }, { onInvalid: 'reject' })
    expect(Object.keys(refused)).toStrictEqual([...KEYS, 'refusal'])
    for (const { value, enumerable } of Object.values(Object.getOwnPropertyDescriptors(refused))) {
      expect([typeof value, enumerable]).not.toContain('function')
      expect(enumerable).toBe(true)
    }
  })

  it('is whole in a copy, a spread and JSON', () => {
    const info = resolve({ 'X-Forwarded-For': 'junk' }, { xHost: 1, onInvalid: 'reject' })
    const expected = {
      client: PEER,
      trusted: true,
      verdicts: {
        for: 'invalid',
        proto: 'absent',
        host: 'absent',
        port: 'not-configured',
        prefix: 'not-configured',
      },
      rejected: [{ field: 'for', value: 'junk', reason: 'it is not an IP address with or without a port' }],
      refusal: {
        status: 400,
        field: 'for',
        reason: 'the value of X-Forwarded-For that counts is invalid: it is not an IP address with or without a port',
      },
      original: { peer: PEER, scheme: 'http', host: 'app.internal', headers: { 'X-Forwarded-For': 'junk' } },
    }
    for (const copy of [
      { ...info },
      Object.assign({}, info),
      structuredClone(info),
      JSON.parse(JSON.stringify(info)) as ConnectionInfo,
    ]) {
      expect(copy).toMatchObject(expected)
      expect(copy).toEqual(info)
    }
  })

  it('stays what it was when the facts are changed', () => {
    const peer = { address: '10.0.0.1', port: 40000 }
    const headers: Record<string, string | string[]> = {
      'X-Forwarded-For': '203.0.113.7, junk',
      'X-Forwarded-Proto': 'x',
    }
    const facts = { peer, scheme: 'http', host: 'app.internal', prefix: '/a', headers }
    const info = resolveConnection(facts, { xFor: 2, required: ['proto'] })
    const before = structuredClone({ ...info, original: { ...info.original, headers: {} } })
    Object.assign(peer, { address: '6.6.6.6', port: 6 })
    Object.assign(facts, { scheme: 'gopher', host: 'evil.example', prefix: '/evil', peer: { address: '6.6.6.6' } })
    headers['X-Forwarded-For'] = '6.6.6.6, 6.6.6.6'
    expect({ ...info, original: { ...info.original, headers: {} } }).toStrictEqual(before)
    expect(info.original.peer).toStrictEqual({ address: '10.0.0.1', port: 40000 })
    expect(info.original.peer).not.toBe(peer)
  })

  it('shares nothing that one reader could change for another', () => {
    const [one, other] = [resolve({ 'X-Forwarded-For': '203.0.113.7' }), resolve({ 'X-Forwarded-For': '203.0.113.8' })]
    for (const part of [one.verdicts, one.rejected]) {
      try {
        Object.assign(part, { for: 'untrusted-peer', length: 1, 0: { field: 'for', value: '', reason: '' } })
      } catch {} // frozen
    }
    expect([other.verdicts.for, other.rejected]).toStrictEqual(['trusted', []])
    expect(resolve({ 'X-Forwarded-For': '203.0.113.9' }).verdicts.for).toBe('trusted')
  })

  it('does not change the facts', () => {
    const facts: ConnectionFacts = Object.freeze({
      peer: Object.freeze({ address: '10.0.0.1' }),
      scheme: 'http',
      host: 'app',
      headers: Object.freeze({ 'x-forwarded-for': '203.0.113.7' }),
    })
    expect(resolveConnection(facts).client.address).toBe('203.0.113.7')
  })

  it('names a connection scheme that is not HTTP without a port', () => {
    const info = resolve({}, {}, { scheme: 'gopher' })
    expect(info).toMatchObject({ scheme: 'gopher', host: 'app.internal' })
    expect(info.port).toBeUndefined()
  })
})

describe('what is no facts', () => {
  it.each<{ name: string; facts: unknown }>([
    { name: 'nothing', facts: undefined },
    { name: 'null', facts: null },
    { name: 'a request', facts: new Request('http://app/') },
    { name: 'a peer that is text', facts: { peer: '10.0.0.1', scheme: 'http', headers: {} } },
    { name: 'a peer that is null', facts: { peer: null, scheme: 'http', headers: {} } },
    { name: 'no scheme', facts: { peer: {}, headers: {} } },
    { name: 'no headers', facts: { peer: {}, scheme: 'http' } },
  ])('is told, whoever decides: $name', ({ facts }) => {
    const told = expect.objectContaining({
      code: 'ERR_PROXYFIX_OPTION',
      message: "A decision needs facts like { peer: { address: '10.0.0.1' }, scheme: 'http', headers: {} }.",
    }) as Error
    expect(() => resolveConnection(facts as ConnectionFacts)).toThrow(told)
    expect(() => explain(facts as ConnectionFacts)).toThrow(told)
  })
})
