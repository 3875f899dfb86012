/** Why is the answer what it is? That it is the answer of `resolveConnection` for any input is a property test. */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, Field } from '../../../src/trust/connection.ts'
import { explain, type Explanation } from '../../../src/trust/explain.ts'
import type { ExplainedHop } from '../../../src/trust/explanation.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

const PEER = { address: '10.0.0.1', port: 40000 }
const OURS: ProxyFixOptions = { trustedProxies: '10.0.0.0/8' }
const WALK: ProxyFixOptions = { ...OURS, xFor: 'trusted' }

function explained(
  headers: Readonly<Record<string, string>>,
  options?: ProxyFixOptions,
  facts: Partial<ConnectionFacts> = {},
): Explanation {
  return explain({ peer: PEER, scheme: 'http', host: 'app.internal', headers, ...facts }, options)
}

describe('peer', () => {
  const secret = { header: 'X-Origin', values: 'correct-horse-battery' }
  const right = { 'x-origin': 'correct-horse-battery' }

  it.each<{
    options: ProxyFixOptions
    address?: string | undefined
    headers?: Record<string, string>
    trusted: boolean
    reason: string
  }>([
    { options: {}, address: '10.0.0.1', trusted: true, reason: 'whoever connects is, as trustedProxies is not set' },
    { options: {}, trusted: true, reason: 'whoever connects is, as trustedProxies is not set' },
    { options: {}, address: 'localhost', trusted: false, reason: 'its address is none' },
    { options: { trustedProxies: () => true }, address: ' ', trusted: false, reason: 'its address is none' },
    {
      options: { trustedProxies: () => true },
      address: '',
      trusted: true,
      reason: 'it has no address, and trustedProxies takes such peers',
    },
    { options: OURS, address: '', trusted: false, reason: 'it has no address, and nothing else to know it by' },
    { options: OURS, address: '::ffff:10.0.0.1', trusted: true, reason: 'it is in trustedProxies' },
    { options: OURS, address: '198.51.100.9', trusted: false, reason: 'it is not in trustedProxies' },
    { options: OURS, trusted: false, reason: 'it has no address, and nothing else to know it by' },
    {
      options: { trustedProxies: 'unix' },
      trusted: true,
      reason: 'it has no address, and trustedProxies takes such peers',
    },
    {
      options: { secret },
      address: '198.51.100.9',
      headers: right,
      trusted: true,
      reason: 'the secret header X-Origin is right',
    },
    {
      options: { secret },
      address: '198.51.100.9',
      trusted: false,
      reason: 'the secret header X-Origin is missing, doubled or wrong',
    },
    {
      options: { ...OURS, secret },
      address: '10.0.0.1',
      headers: right,
      trusted: true,
      reason: 'it is in trustedProxies, and the secret header X-Origin is right',
    },
    {
      options: { ...OURS, secret },
      address: '10.0.0.1',
      trusted: false,
      reason: 'the secret header X-Origin is missing, doubled or wrong',
    },
    {
      options: { ...OURS, secret },
      address: '198.51.100.9',
      headers: right,
      trusted: false,
      reason: 'it is not in trustedProxies',
    },
    { options: { ...OURS, secret }, headers: right, trusted: true, reason: 'the secret header X-Origin is right' },
    { options: { ...OURS, secret }, trusted: false, reason: 'the secret header X-Origin is missing, doubled or wrong' },
    {
      options: { trustedProxies: [], secret },
      headers: right,
      trusted: false,
      reason: 'it has no address, and nothing else to know it by',
    },
  ])('of $options at $address: $reason', ({ options, address, headers = {}, trusted, reason }) => {
    const { peer, info } = explained(headers, options, { peer: { address } })
    expect([peer.trusted, peer.reason, info.trusted]).toStrictEqual([trusted, reason, trusted])
  })

  it('is shown in canonical text', () => {
    const { peer } = explained({}, {}, { peer: { address: 'FE80:0::1%eth0', port: 9 } })
    expect([peer.address, peer.port]).toStrictEqual(['fe80::1', 9])
  })
})

/** A hop on one line. */
function line({ place, text, role, reason }: ExplainedHop): string {
  return `${place} ${text} | ${role} | ${reason}`
}

describe('hops', () => {
  const GRAMMAR = 'it is not an IP address with or without a port'

  it.each<{ name: string; headers: Record<string, string>; options: ProxyFixOptions; hops: string[] }>([
    { name: 'none, where no header was sent', headers: {}, options: {}, hops: [] },
    {
      name: 'unread, where none is counted',
      headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7' },
      options: { xFor: 0 },
      hops: ['1 203.0.113.7 | unread | xFor is 0', '2 6.6.6.6 | unread | xFor is 0'],
    },
    {
      name: 'unread, where none is counted, with trustedProxies',
      headers: { 'X-Forwarded-For': '10.0.0.2' },
      options: { ...OURS, xFor: 0 },
      hops: ['1 10.0.0.2 | unread | xFor is 0'],
    },
    {
      name: 'counted',
      headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7 ,10.0.0.2' },
      options: { xFor: 2 },
      hops: [
        '1 10.0.0.2 | proxy | counted as one of your proxies',
        '2 203.0.113.7 | client | the client: xFor is 2',
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'counted, too few',
      headers: { 'X-Forwarded-For': '6.6.6.6, 10.0.0.2' },
      options: { xFor: 3 },
      hops: [
        '1 10.0.0.2 | unread | there are too few values, so none is believed',
        '2 6.6.6.6 | unread | there are too few values, so none is believed',
      ],
    },
    {
      name: 'counted, all ours and too few',
      headers: { 'X-Forwarded-For': '10.0.0.3, 10.0.0.2' },
      options: { ...OURS, xFor: 3 },
      hops: [
        '1 10.0.0.2 | unread | there are too few values, so none is believed',
        '2 10.0.0.3 | unread | there are too few values, so none is believed',
      ],
    },
    {
      name: 'counted, garbage',
      headers: { 'X-Forwarded-For': '6.6.6.6, junk, 10.0.0.2' },
      options: { xFor: 2 },
      hops: [
        '1 10.0.0.2 | proxy | counted as one of your proxies',
        `2 junk | ended | ${GRAMMAR}`,
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'counted, empty',
      headers: { 'X-Forwarded-For': '6.6.6.6,' },
      options: {},
      hops: ['1  | ended | it is empty', '2 6.6.6.6 | unread | nobody vouches for it'],
    },
    {
      name: 'counted, ended early',
      headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2' },
      options: { ...OURS, xFor: 3 },
      hops: [
        '1 10.0.0.2 | proxy | in trustedProxies',
        '2 203.0.113.7 | client | the client: not in trustedProxies, so 2 of the 3 that are counted; list it if it is a proxy of yours',
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'counted, ended at once',
      headers: { 'X-Forwarded-For': '203.0.113.7' },
      options: { ...OURS, xFor: 2 },
      hops: [
        '1 203.0.113.7 | client | the client: not in trustedProxies, so 1 of the 2 that are counted; list it if it is a proxy of yours',
      ],
    },
    {
      name: 'counted, as many as there are',
      headers: { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2' },
      options: { ...OURS, xFor: 2 },
      hops: [
        '1 10.0.0.2 | proxy | in trustedProxies',
        '2 203.0.113.7 | client | the client: xFor is 2',
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'elements, counted, ended early',
      headers: { Forwarded: 'for=203.0.113.7, for=10.0.0.2' },
      options: { ...OURS, forwarded: 3 },
      hops: [
        '1 for=10.0.0.2 | proxy | in trustedProxies',
        '2 for=203.0.113.7 | client | the client: not in trustedProxies, so 2 of the 3 that are counted; list it if it is a proxy of yours',
      ],
    },
    {
      name: 'walked',
      headers: { 'X-Forwarded-For': '6.6.6.6, "[2001:db8::7]:80", 10.0.0.2:1' },
      options: WALK,
      hops: [
        '1 10.0.0.2:1 | proxy | in trustedProxies',
        '2 "[2001:db8::7]:80" | client | the client: not in trustedProxies',
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'walked to the end',
      headers: { 'X-Forwarded-For': '10.0.0.3, 10.0.0.2' },
      options: WALK,
      hops: [
        '1 10.0.0.2 | proxy | in trustedProxies',
        '2 10.0.0.3 | client | the client, though in trustedProxies: who came before it is not told',
      ],
    },
    {
      name: 'walked to maxHops',
      headers: { 'X-Forwarded-For': '10.0.0.3, 10.0.0.2' },
      options: { ...WALK, maxHops: 1 },
      hops: ['1 10.0.0.2 | client | the client: maxHops is 1', '2 10.0.0.3 | unread | nobody vouches for it'],
    },
    {
      name: 'walked to garbage',
      headers: { 'X-Forwarded-For': '6.6.6.6, junk, 10.0.0.2' },
      options: WALK,
      hops: [
        '1 10.0.0.2 | client | the client: the last hop that is known',
        `2 junk | ended | ${GRAMMAR}`,
        '3 6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'walked nowhere',
      headers: { 'X-Forwarded-For': '6.6.6.6, junk' },
      options: WALK,
      hops: [`1 junk | ended | ${GRAMMAR}`, '2 6.6.6.6 | unread | nobody vouches for it'],
    },
    {
      name: 'of a stranger',
      headers: { 'X-Forwarded-For': '6.6.6.6, 10.0.0.2' },
      options: { trustedProxies: '192.168.0.0/16' },
      hops: ['1 10.0.0.2 | unread | the peer is not trusted', '2 6.6.6.6 | unread | the peer is not trusted'],
    },
    {
      name: 'in a header of its own',
      headers: { 'CF-Connecting-IP': '203.0.113.7', 'X-Forwarded-For': '6.6.6.6' },
      options: { ...OURS, clientIpHeader: 'CF-Connecting-IP' },
      hops: ['1 203.0.113.7 | client | the client'],
    },
    {
      name: 'in a header of its own, a list',
      headers: { 'CF-Connecting-IP': '6.6.6.6, 203.0.113.7' },
      options: { ...OURS, clientIpHeader: 'CF-Connecting-IP' },
      hops: ['1 6.6.6.6, 203.0.113.7 | ended | it is not one IP address with or without a port'],
    },
    {
      name: 'elements, counted',
      headers: { Forwarded: 'for=6.6.6.6, proto=https, for="10.0.0.2:1";by=x' },
      options: { forwarded: 2 },
      hops: [
        '1 for="10.0.0.2:1";by=x | proxy | counted as one of your proxies',
        '2 proto=https | ended | it tells no client',
        '3 for=6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'elements, walked',
      headers: { Forwarded: 'for=6.6.6.6, for=_hidden, for="10.0.0.2:1"' },
      options: { ...OURS, forwarded: 'trusted' },
      hops: [
        '1 for="10.0.0.2:1" | proxy | in trustedProxies',
        '2 for=_hidden | client | the client: not in trustedProxies',
        '3 for=6.6.6.6 | unread | nobody vouches for it',
      ],
    },
    {
      name: 'elements, walked to the end',
      headers: { Forwarded: 'for=10.0.0.3, for=10.0.0.2' },
      options: { ...OURS, forwarded: 'trusted' },
      hops: [
        '1 for=10.0.0.2 | proxy | in trustedProxies',
        '2 for=10.0.0.3 | client | the client, though in trustedProxies: who came before it is not told',
      ],
    },
    {
      name: 'elements, walked to one without a for',
      headers: { Forwarded: 'proto=https, for=10.0.0.2' },
      options: { ...OURS, forwarded: 'trusted' },
      hops: [
        '1 for=10.0.0.2 | client | the client: the last hop that is known',
        '2 proto=https | ended | its element has no for parameter',
      ],
    },
    {
      name: 'elements, walked to a bad one',
      headers: { Forwarded: 'for=6.6.6.6", for=10.0.0.2' },
      options: { ...OURS, forwarded: 'trusted' },
      hops: [
        '1 for=10.0.0.2 | client | the client: the last hop that is known',
        '2 for=6.6.6.6" | ended | its element breaks the grammar of RFC 7239 or names a parameter twice',
      ],
    },
  ])('$name', ({ headers, options, hops }) => {
    expect(explained(headers, options).hops.map(line)).toStrictEqual(hops)
  })

  it('that were not read are at most five, however many a client sent', () => {
    const { hops, hopCount } = explained({ 'X-Forwarded-For': `${'6.6.6.6,'.repeat(1000)}203.0.113.7` })
    expect([hops.length, hopCount]).toStrictEqual([6, 1001])
  })

  it('are at most forty, and the client', () => {
    const { hops, hopCount } = explained({ 'X-Forwarded-For': Array(100).fill('6.6.6.6').join() }, { xFor: 60 })
    expect([hops.length, hops.at(-2)?.place, hops.at(-1)?.place, hopCount]).toStrictEqual([41, 40, 60, 100])
    expect(hops.at(-1)?.role).toBe('client')
  })
})

describe('fields', () => {
  /** What is said of one field. */
  function said(explanation: Explanation, wanted: Field): unknown[] {
    const { setting, received, place, verdict, reason, value } = explanation.fields.find(
      ({ field }) => field === wanted,
    )!
    return [setting, received, place, verdict, reason, value]
  }

  it.each<{
    name: string
    field: Field
    headers: Record<string, string>
    options: ProxyFixOptions
    facts?: Partial<ConnectionFacts>
    expected: unknown[]
  }>([
    {
      name: 'trusted',
      field: 'for',
      headers: { 'X-Forwarded-For': '203.0.113.7, 10.0.0.2' },
      options: { xFor: 2 },
      expected: [
        'xFor: 2',
        '203.0.113.7, 10.0.0.2',
        2,
        'trusted',
        'X-Forwarded-For, value 2 from the right',
        '203.0.113.7',
      ],
    },
    {
      name: 'trusted, in a header of its own',
      field: 'for',
      headers: { 'X-REAL-IP': '[2001:db8::7]:80' },
      options: { ...OURS, clientIpHeader: 'X-Real-IP' },
      expected: ['clientIpHeader', '[2001:db8::7]:80', undefined, 'trusted', 'X-Real-IP', '[2001:db8::7]:80'],
    },
    {
      name: 'trusted, by a walk',
      field: 'proto',
      headers: { 'X-Forwarded-For': '203.0.113.7, 10.0.0.2', 'X-Forwarded-Proto': 'https, http' },
      options: { ...WALK, xProto: 'trusted' },
      expected: [
        "xProto: 'trusted'",
        'https, http',
        2,
        'trusted',
        'X-Forwarded-Proto, value 2 from the right',
        'https',
      ],
    },
    {
      name: 'not configured',
      field: 'host',
      headers: { 'X-Forwarded-Host': 'x' },
      options: {},
      expected: ['xHost: 0', 'x', undefined, 'not-configured', 'xHost is 0: the Host header counts', 'app.internal'],
    },
    {
      name: 'not configured, without a host',
      field: 'host',
      headers: {},
      options: {},
      facts: { host: undefined },
      expected: ['xHost: 0', undefined, undefined, 'not-configured', 'xHost is 0', undefined],
    },
    {
      name: 'not told by Forwarded',
      field: 'prefix',
      headers: { Forwarded: 'for=a' },
      options: { forwarded: 1 },
      expected: ['forwarded: 1', undefined, undefined, 'not-configured', 'Forwarded does not tell it', ''],
    },
    {
      name: 'not told by Forwarded, which tells the port of the host',
      field: 'port',
      headers: { Forwarded: 'host="a:81"' },
      options: { forwarded: 1 },
      expected: [
        'forwarded: 1',
        undefined,
        undefined,
        'not-configured',
        'Forwarded does not tell it: the one in the host counts',
        '81',
      ],
    },
    {
      name: 'not configured, of a scheme that has no port',
      field: 'port',
      headers: {},
      options: {},
      facts: { scheme: 'gopher' },
      expected: ['xPort: 0', undefined, undefined, 'not-configured', 'xPort is 0', undefined],
    },
    {
      name: 'not configured, where one was received',
      field: 'prefix',
      headers: {},
      options: {},
      facts: { prefix: '/app/' },
      expected: [
        'xPrefix: 0',
        undefined,
        undefined,
        'not-configured',
        'xPrefix is 0: the one that was received counts',
        '/app',
      ],
    },
    {
      name: 'of a stranger that sent it',
      field: 'proto',
      headers: { 'X-Forwarded-Proto': 'https' },
      options: { trustedProxies: [] },
      expected: [
        'xProto: 1',
        'https',
        undefined,
        'untrusted-peer',
        "X-Forwarded-Proto was sent by a peer that may not speak for others: the connection's own counts",
        'http',
      ],
    },
    {
      name: 'of a stranger that did not send it',
      field: 'for',
      headers: {},
      options: { trustedProxies: [] },
      expected: [
        'xFor: 1',
        undefined,
        undefined,
        'untrusted-peer',
        'the peer may not speak for others: the peer is the client',
        '10.0.0.1:40000',
      ],
    },
    {
      name: 'not sent',
      field: 'port',
      headers: {},
      options: { xPort: 1 },
      expected: ['xPort: 1', undefined, undefined, 'absent', 'X-Forwarded-Port was not sent: it is that of http', '80'],
    },
    {
      name: 'of the peer, which is the client',
      field: 'proto',
      headers: { 'X-Forwarded-For': 'junk', 'X-Forwarded-Proto': 'https' },
      options: { ...WALK, xProto: 'trusted' },
      expected: [
        "xProto: 'trusted'",
        'https',
        undefined,
        'absent',
        "no header tells it of the peer, which is the client: the connection's own counts",
        'http',
      ],
    },
    {
      name: 'missing in the element',
      field: 'host',
      headers: { Forwarded: 'for=203.0.113.7' },
      options: { forwarded: 1 },
      expected: [
        'forwarded: 1',
        'for=203.0.113.7',
        1,
        'absent',
        'Forwarded does not tell it there: the Host header counts',
        'app.internal',
      ],
    },
    {
      name: 'short',
      field: 'for',
      headers: { 'X-Forwarded-For': '6.6.6.6' },
      options: { xFor: 2 },
      expected: [
        'xFor: 2',
        '6.6.6.6',
        2,
        'short',
        'X-Forwarded-For has 1 value, xFor is 2: the peer is the client',
        '10.0.0.1:40000',
      ],
    },
    {
      name: 'empty',
      field: 'prefix',
      headers: { 'X-Forwarded-Prefix': '' },
      options: { xPrefix: 1 },
      expected: ['xPrefix: 1', '', 1, 'empty', 'it is empty', ''],
    },
    {
      name: 'invalid',
      field: 'host',
      headers: { 'X-Forwarded-Host': 'a@b' },
      options: { xHost: 1 },
      expected: [
        'xHost: 1',
        'a@b',
        1,
        'invalid',
        'it is not a host name or address with or without a port: the Host header counts',
        'app.internal',
      ],
    },
    {
      name: 'a client that a proxy hides',
      field: 'for',
      headers: { Forwarded: 'for="_hidden:80"' },
      options: { forwarded: 1 },
      expected: ['forwarded: 1', 'for="_hidden:80"', 1, 'trusted', 'Forwarded, value 1 from the right', '_hidden:80'],
    },
    {
      name: 'nobody known',
      field: 'for',
      headers: {},
      options: {},
      facts: { peer: {} },
      expected: [
        'xFor: 1',
        undefined,
        undefined,
        'absent',
        'X-Forwarded-For was not sent: the peer is the client',
        undefined,
      ],
    },
  ])('$field, $name', ({ field, headers, options, facts = {}, expected }) => {
    expect(said(explained(headers, options, facts), field)).toStrictEqual(expected)
  })

  it('are five, in order, each with its header', () => {
    const { fields } = explained({}, { forwarded: 1 })
    expect(explained({}).fields.map(({ field, header }) => `${field} ${header}`)).toStrictEqual([
      'for X-Forwarded-For',
      'proto X-Forwarded-Proto',
      'host X-Forwarded-Host',
      'port X-Forwarded-Port',
      'prefix X-Forwarded-Prefix',
    ])
    expect(new Set(fields.map(({ header }) => header))).toStrictEqual(new Set(['Forwarded']))
  })
})

describe('otherCounts', () => {
  it('are what each count would have given, the one that is set marked', () => {
    const headers = { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2', 'X-Forwarded-Proto': 'https, http' }
    const counts = explained(headers, { xFor: 2, xProto: 2, xHost: 1 }).otherCounts
    expect(
      counts.map(({ hops, isSet, client, scheme, verdicts }) => [
        hops,
        isSet,
        client.address,
        scheme,
        verdicts.proto,
        verdicts.host,
      ]),
    ).toStrictEqual([
      [0, false, '10.0.0.1', 'https', 'trusted', 'absent'],
      [1, false, '10.0.0.2', 'https', 'trusted', 'absent'],
      [2, true, '203.0.113.7', 'https', 'trusted', 'absent'],
      [3, false, '6.6.6.6', 'https', 'trusted', 'absent'],
    ])
  })

  /** The counts on one line each. */
  function told(headers: Readonly<Record<string, string>>, options: ProxyFixOptions): string[] {
    return explained(headers, options).otherCounts.map(
      ({ hops, client, scheme, host, port, prefix }) =>
        `${hops}: ${client.address} ${scheme} ${host} ${port} ${prefix || '/'}`,
    )
  }

  const THREE = {
    'X-Forwarded-For': '203.0.113.7, 10.0.0.3, 10.0.0.2',
    'X-Forwarded-Proto': 'wss, https, http',
    'X-Forwarded-Host': 'c, b, a',
    'X-Forwarded-Port': '3, 2, 1',
    'X-Forwarded-Prefix': '/c, /b, /a',
  }

  it('change only the client where the others have counts of their own', () => {
    expect(told(THREE, { xFor: 1, xProto: 2, xHost: 3, xPort: 1, xPrefix: 2 })).toStrictEqual([
      '0: 10.0.0.1 https c:1 1 /b',
      '1: 10.0.0.2 https c:1 1 /b',
      '2: 10.0.0.3 https c:1 1 /b',
      '3: 203.0.113.7 https c:1 1 /b',
    ])
  })

  it('change the fields that go by the client as well', () => {
    expect(told(THREE, { ...WALK, xProto: 'trusted', xHost: 'trusted', xPort: 1, xPrefix: 'trusted' })).toStrictEqual([
      '0: 10.0.0.1 http app.internal:1 1 /',
      '1: 10.0.0.2 http a:1 1 /a',
      '2: 10.0.0.3 https b:1 1 /b',
      '3: 203.0.113.7 wss c:1 1 /c',
    ])
    expect(told(THREE, { ...WALK, xProto: 1, xHost: 0, xPrefix: 'trusted' })).toStrictEqual([
      '0: 10.0.0.1 http app.internal 80 /',
      '1: 10.0.0.2 http app.internal 80 /a',
      '2: 10.0.0.3 http app.internal 80 /b',
      '3: 203.0.113.7 http app.internal 80 /c',
    ])
  })

  it('change all that elements tell', () => {
    const headers = {
      Forwarded: 'for=203.0.113.7;proto=https;host=b, for=10.0.0.2;proto=http;host=a',
      'X-Forwarded-Port': '9',
    }
    const expected = ['0: 10.0.0.1 http app.internal 80 /', '1: 10.0.0.2 http a 80 /', '2: 203.0.113.7 https b 443 /']
    expect(told(headers, { forwarded: 1 })).toStrictEqual(expected)
    expect(told(headers, { ...OURS, forwarded: 'trusted' })).toStrictEqual(expected)
  })

  it('read nothing of a field that is not configured, whatever the count', () => {
    expect(told(THREE, { xFor: 0, xProto: 0 })).toStrictEqual([
      '0: 10.0.0.1 http app.internal 80 /',
      '1: 10.0.0.2 http app.internal 80 /',
      '2: 10.0.0.3 http app.internal 80 /',
      '3: 203.0.113.7 http app.internal 80 /',
    ])
  })

  it.each<{ name: string; headers: Record<string, string>; options: ProxyFixOptions; counts: string[] }>([
    {
      name: 'those that are sent, where no client is read',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { xFor: 0 },
      counts: ['> 0', '1'],
    },
    {
      name: 'none and nothing else, where no client is read and nothing was sent',
      headers: {},
      options: { xFor: 0 },
      counts: ['> 0'],
    },
    {
      name: 'none for a header of its own',
      headers: { 'X-Real-IP': '1.1.1.1' },
      options: { ...OURS, clientIpHeader: 'X-Real-IP' },
      counts: [],
    },
    { name: 'none and the one that is set, where nothing was sent', headers: {}, options: {}, counts: ['0', '> 1'] },
    {
      name: 'the one that is set, beyond the values',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { xFor: 5 },
      counts: ['0', '1', '2', '3', '4', '> 5'],
    },
    {
      name: 'up to ten, and the one that is set far beyond the values',
      headers: { 'X-Forwarded-For': '1.1.1.1' },
      options: { xFor: 11 },
      counts: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '> 11'],
    },
    {
      name: 'up to ten, which is set',
      headers: { 'X-Forwarded-For': Array(20).fill('1.1.1.1').join() },
      options: { xFor: 10 },
      counts: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '> 10'],
    },
    {
      name: 'not without end, however many a client sent',
      headers: { 'X-Forwarded-For': Array(5000).fill('1.1.1.1').join() },
      options: {},
      counts: ['0', '> 1', '2', '3', '4', '5', '6', '7', '8', '9', '10'],
    },
    {
      name: 'ten at most, and the one that is set',
      headers: { 'X-Forwarded-For': Array(20).fill('1.1.1.1').join() },
      options: { xFor: 15 },
      counts: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '> 15'],
    },
    {
      name: 'the hop that a walk found',
      headers: { 'X-Forwarded-For': '1.1.1.1, 10.0.0.2' },
      options: WALK,
      counts: ['0', '1', '> 2'],
    },
    {
      name: 'none, which a walk that found nobody comes to',
      headers: { 'X-Forwarded-For': '1.1.1.1, junk' },
      options: WALK,
      counts: ['> 0', '1', '2'],
    },
    {
      name: 'those of elements',
      headers: { Forwarded: 'for="1.1.1.1,", for=10.0.0.2' },
      options: { forwarded: 1 },
      counts: ['0', '> 1', '2'],
    },
  ])('are $name', ({ headers, options, counts }) => {
    const { otherCounts } = explained(headers, options)
    expect(otherCounts.map(({ hops, isSet }) => (isSet ? `> ${hops}` : `${hops}`))).toStrictEqual(counts)
  })

  it('show what is set as it was decided, wherever the walk ended', () => {
    const headers = {
      'X-Forwarded-For': '6.6.6.6, junk, 10.0.0.2',
      'X-Forwarded-Proto': 'wss, https, http',
      'X-Forwarded-Host': 'c, b, a',
    }
    for (const options of [
      {},
      { xFor: 5, required: ['for'] as const },
      { ...WALK, xProto: 'trusted' as const, xHost: 'trusted' as const, onInvalid: 'reject' as const },
      { ...WALK, xProto: 2, xHost: 3 },
      { ...OURS, xFor: 3, xProto: 3, xHost: 2 },
    ]) {
      const { info, otherCounts } = explained(headers, options)
      const { hops: _, isSet: __, refusal, ...rest } = otherCounts.find(({ isSet }) => isSet)!
      const { client, scheme, host, port, prefix, verdicts } = info
      expect(rest).toStrictEqual({ client, scheme, host, port, prefix, verdicts })
      expect(refusal).toBe(info.refusal)
    }
  })
})

describe('the explanation', () => {
  it('holds the decision of resolveConnection, of options and of a policy', () => {
    const facts = { peer: PEER, scheme: 'http', headers: { 'X-Forwarded-For': '203.0.113.7' } }
    const expected = JSON.stringify(resolveConnection(facts, OURS))
    expect(JSON.stringify(explain(facts, OURS).info)).toBe(expected)
    expect(JSON.stringify(explain(facts, trustPolicy(OURS)).info)).toBe(expected)
    expect(JSON.stringify(explain(facts).info)).toBe(JSON.stringify(resolveConnection(facts)))
  })

  it('holds it as plain data', () => {
    const headers = { 'X-Forwarded-For': 'junk' }
    const { info } = explained(headers, { onInvalid: 'reject' })
    expect({ ...info }).toStrictEqual(
      resolveConnection({ peer: PEER, scheme: 'http', host: 'app.internal', headers }, { onInvalid: 'reject' }),
    )
    expect(Object.getPrototypeOf(info)).toBe(Object.prototype)
    expect('refusal' in explained(headers).info).toBe(false)
  })

  it('is JSON without the headers as they were received, which hold what nobody should paste', () => {
    const secret = { header: 'X-Origin', values: 'correct-horse-battery' }
    const headers = {
      Cookie: 'session=4d5e6f',
      Authorization: 'Bearer 4d5e6f',
      'X-Origin': 'correct-horse-battery',
      'X-Forwarded-For': '203.0.113.7',
    }
    const explanation = explained(headers, { ...OURS, secret })
    const text = JSON.stringify(explanation)
    for (const ours of ['4d5e6f', 'correct-horse', 'Cookie', 'Bearer']) expect(text).not.toContain(ours)
    const parsed = JSON.parse(text) as Record<string, Record<string, unknown>>
    expect(Object.keys(parsed)).toStrictEqual(['info', 'peer', 'fields', 'hops', 'hopCount', 'otherCounts', 'warnings'])
    expect(parsed['info']?.['original']).toStrictEqual({
      peer: { address: '10.0.0.1', port: 40000 },
      scheme: 'http',
      host: 'app.internal',
      prefix: '',
    })
    expect(parsed['info']).toMatchObject({ client: { address: '203.0.113.7' }, trusted: true })
    expect(parsed['fields']).toHaveLength(5)
    // The explanation itself still has them, for who asks.
    expect(explanation.info.original.headers).toBe(headers)
    expect(String(explanation)).not.toContain('4d5e6f')
  })

  it('holds the warnings of the policy', () => {
    expect(explained({}, OURS).warnings).toStrictEqual([])
    expect(explained({}, { trustedProxies: [] }).warnings).toStrictEqual([
      'trustedProxies is empty, so nobody is believed and no header is ever read.',
    ])
  })
})

describe('the table', () => {
  it('of a count, with all parts', () => {
    const headers = { 'X-Forwarded-For': '6.6.6.6, 203.0.113.7, 10.0.0.2', 'X-Forwarded-Proto': 'https' }
    expect(String(explained(headers, { ...OURS, xFor: 2, headers: 'keep' }))).toBe(`Peer
  10.0.0.1:40000  trusted  it is in trustedProxies

X-Forwarded-For, from the right (xFor: 2)
  1  10.0.0.2     in trustedProxies
  2  203.0.113.7  the client: xFor is 2
  3  6.6.6.6      nobody vouches for it

Decision
  client  203.0.113.7   trusted         X-Forwarded-For, value 2 from the right
  scheme  https         trusted         X-Forwarded-Proto, value 1 from the
                                        right
  host    app.internal  not-configured  xHost is 0: the Host header counts
  port    443           not-configured  xPort is 0: it is that of https
  prefix  (none)        not-configured  xPrefix is 0

With other hop counts for the client
     0  10.0.0.1     not-configured     https://app.internal
     1  10.0.0.2     would be believed  https://app.internal
  >  2  203.0.113.7  trusted            https://app.internal
     3  203.0.113.7  would be believed  https://app.internal
  A higher count is right only if your own proxies wrote that many values:
  further left stands what the client sent.

Warnings
  headers is 'keep', so the app finds the forwarding headers as they were sent:
  whatever reads them by itself may believe the client.`)
  })

  it('of a stranger that is refused', () => {
    const options: ProxyFixOptions = { trustedProxies: '10.0.0.2', allowedHosts: ['shop.example'] }
    expect(String(explained({ 'X-Forwarded-For': ',x' }, options, { prefix: '/app' }))).toBe(`Peer
  10.0.0.1:40000  not trusted  it is not in trustedProxies

X-Forwarded-For, from the right (xFor: 1)
  1  x        the peer is not trusted
  2  (empty)  the peer is not trusted

Decision
  client  10.0.0.1:40000  untrusted-peer  X-Forwarded-For was sent by a peer
                                          that may not speak for others: the
                                          peer is the client
  scheme  http            untrusted-peer  the peer may not speak for others: the
                                          connection's own counts
  host    app.internal    not-configured  xHost is 0: the Host header counts
  port    80              not-configured  xPort is 0: it is that of http
  prefix  /app            not-configured  xPrefix is 0: the one that was
                                          received counts
  refused with 400  this host is not served here`)
  })

  it('of a header of its own, at 120 columns', () => {
    const options: ProxyFixOptions = { trustedProxies: 'unix', clientIpHeader: 'X-Real-IP' }
    const explanation = explained({ 'X-Real-IP': '2001:db8::7' }, options, { peer: {}, host: undefined })
    expect(explanation.toString({ width: 120 })).toBe(`Peer
  no address  trusted  it has no address, and trustedProxies takes such peers

X-Real-IP (clientIpHeader)
  1  2001:db8::7  the client

Decision
  client  2001:db8::7  trusted         X-Real-IP
  scheme  http         absent          X-Forwarded-Proto was not sent: the connection's own counts
  host    (none)       not-configured  xHost is 0
  port    80           not-configured  xPort is 0: it is that of http
  prefix  (none)       not-configured  xPrefix is 0`)
  })

  it('tells how many values are not shown', () => {
    const text = String(explained({ 'X-Forwarded-For': '1.1.1.1,'.repeat(20) }, { xFor: 2 }))
    expect(text).toContain('\n  7  1.1.1.1  nobody vouches for it\n  and 14 more\n')
  })

  it('says where a count would have been refused, and where there is no host', () => {
    const options: ProxyFixOptions = { ...OURS, required: ['for'] }
    const facts = { peer: { address: '10.0.0.1' }, host: undefined }
    const text = String(explained({ 'X-Forwarded-For': '1.1.1.1' }, options, facts))
    expect(text).toContain('\n     0  10.0.0.1  not-configured, refused  http://(no host)\n')
    expect(text).toContain('\n  >  1  1.1.1.1   trusted                  http://(no host)')
  })

  it('says where no client is known', () => {
    const text = String(explained({ Forwarded: 'for=unknown' }, { forwarded: 1 }, { peer: {}, host: 'a' }))
    expect(text).toContain('\n     0  (none)   not-configured  http://a\n  >  1  unknown  trusted         http://a\n')
  })

  it('cuts no address where the line has room for it', () => {
    const options: ProxyFixOptions = { ...OURS, required: ['for'] }
    const text = String(explained({ 'X-Forwarded-For': '203.0.113.137' }, options, { host: 'a' }))
    expect(text).toContain('\n     0  10.0.0.1       not-configured, refused  http://a\n')
    expect(text).toContain('\n  >  1  203.0.113.137  trusted                  http://a')
  })

  const HIGHER = [
    '  A higher count is right only if your own proxies wrote that many values:',
    '  further left stands what the client sent.',
  ].join('\n')

  it('has no other counts of a stranger, or of a header of its own', () => {
    for (const [headers, options] of [
      [{ 'X-Forwarded-For': '203.0.113.7' }, { trustedProxies: '192.0.2.1' }],
      [{ 'X-Real-IP': '203.0.113.7' }, { ...OURS, clientIpHeader: 'X-Real-IP' }],
    ] as const) {
      expect(String(explained(headers, options))).not.toMatch(/other hop counts|higher count/)
    }
  })

  it('says of no client that is read how it would be, and when that is right', () => {
    const text = String(explained({ 'X-Forwarded-For': '203.0.113.7' }, { ...OURS, xFor: 0, xProto: 0 }))
    expect(text).toContain('\nX-Forwarded-For, from the right (xFor: 0)\n  1  203.0.113.7  xFor is 0\n')
    expect(text).toContain(`
With other hop counts for the client
  >  0  10.0.0.1     not-configured     http://app.internal
     1  203.0.113.7  would be believed  http://app.internal
${HIGHER}`)
  })

  it('says of other counts what they would not believe as it is', () => {
    const text = String(explained({ 'X-Forwarded-For': ',junk,203.0.113.7' }, { xFor: 1 }))
    expect(text).toContain(`
     0  10.0.0.1     not-configured  http://app.internal
  >  1  203.0.113.7  trusted         http://app.internal
     2  10.0.0.1     invalid         http://app.internal
     3  10.0.0.1     empty           http://app.internal
${HIGHER}`)
  })

  it('cuts no address, field or verdict, and puts the last column below where there is no room beside', () => {
    const address = '2001:db8:1111:2222:3333:4444:5555:6666'
    const explanation = explained(
      { 'X-Forwarded-For': `6.6.6.6, [${address}]:65535`, 'X-Forwarded-Host': `${'long-name.'.repeat(8)}example` },
      { xHost: 1, trustedProxies: 'fd00:1111:2222:3333:4444:5555:6666:7777', xFor: 1 },
      { peer: { address: 'fd00:1111:2222:3333:4444:5555:6666:7777', port: 65535 } },
    )
    for (const width of [1, 40, 41, 45, 50, 60, 80, 100, 120, 200]) {
      const lines = explanation.toString({ width }).split('\n')
      for (const whole of [
        '[fd00:1111:2222:3333:4444:5555:6666:7777]:65535',
        `[${address}]:65535`,
        'trusted',
        'client',
        'scheme',
        'host',
        'port',
        'prefix',
        'not-configured',
        'would be believed',
      ]) {
        // One that is longer than a line has nowhere to stand whole.
        if (whole.length <= Math.max(width, 40) - 4) {
          expect([width, whole, lines.some((one) => one.includes(whole))]).toStrictEqual([width, whole, true])
        }
      }
    }
    const narrow = explanation.toString({ width: 60 })
    expect(narrow).toContain(`Peer
  [fd00:1111:2222:3333:4444:5555:6666:7777]:65535  trusted
    it is in trustedProxies
`)
    expect(narrow).toContain(`Decision
  client
    [2001:db8:1111:2222:3333:4444:5555:6666]:65535
    trusted
    X-Forwarded-For, value 1 from the right
  scheme
    http
    absent
    X-Forwarded-Proto was not sent: the connection's own
    counts
`)
    expect(narrow).toContain(`
     2  2001:db8:1111:2222:3333:4444:5555:6666
    would be believed
    http://long-name.long-name.long-name.long-name.long-name
    .long-name.long-name.long-name.example
  A higher count is right only if your own proxies wrote
  that many values: further left stands what the client
  sent.`)
  })

  it('shows at most eight lines of what a client sent', () => {
    const host = 'x'.repeat(3000)
    const text = explained({ 'X-Forwarded-For': '203.0.113.7' }, {}, { host }).toString({ width: 40 })
    const [, counts = ''] = text.split('With other hop counts for the client\n')
    expect(counts.split('\n').slice(0, 10)).toStrictEqual([
      '     0  10.0.0.1     not-configured',
      `    http://${'x'.repeat(29)}`,
      ...Array<string>(6).fill(`    ${'x'.repeat(36)}`),
      `    ${'x'.repeat(33)}...`,
      '  >  1  203.0.113.7  trusted',
    ])
  })

  it.each([
    { text: 'a  b', shown: 'a \\u{20}b' },
    { text: 'a     b', shown: 'a \\u{20}\\u{20}\\u{20}\\u{20}b' },
    { text: 'a b c', shown: 'a b c' },
  ])('shows a run of blanks as what it is, as it would look like the end of a column: $shown', ({ text, shown }) => {
    expect(explained({ 'X-Forwarded-For': text }).toString({ width: 120 })).toContain(`\n  1  ${shown}  it is`)
  })

  it('is drawn at any width, whatever a client sent', () => {
    const tooLong: [width: number, longest: number][] = []
    const texts = ['x'.repeat(2000), ' '.repeat(2000), '\u202e'.repeat(500), 'a b '.repeat(400), `${'x'.repeat(39)} y`]
    for (const text of texts) {
      const explanations = [
        explained({ 'X-Forwarded-For': `${text},${text}z`, 'X-Forwarded-Host': text }, { ...OURS, xFor: 2, xHost: 1 }),
        explained({ Forwarded: `for="_${text}", for=_${'h'.repeat(300)}` }, { forwarded: 1, onInvalid: 'reject' }),
        explained({}, { required: ['for'], headers: 'keep' }, { host: text, scheme: text, prefix: text }),
      ]
      for (const explanation of explanations) {
        for (let width = -1; width <= 200; width++) {
          const longest = Math.max(
            ...explanation
              .toString({ width })
              .split('\n')
              .map(({ length }) => length),
          )
          if (longest > Math.max(width, 40)) tooLong.push([width, longest])
        }
      }
    }
    expect(tooLong).toStrictEqual([])
  })

  it.each([
    { text: '\x1b[2J', shown: '\\u{1b}[2J' },
    { text: 'a\r\nDecision\n', shown: 'a\\u{d}\\u{a}Decision\\u{a}' },
    { text: 'a\u202eb\u200bc', shown: 'a\\u{202e}b\\u{200b}c' },
    { text: 'é\u{1f600}\ud800', shown: '\\u{e9}\\u{1f600}\\u{d800}' },
    { text: 'a   b', shown: 'a \\u{20}\\u{20}b' },
    { text: '\x7f\x9b31m', shown: '\\u{7f}\\u{9b}31m' },
  ])('draws nothing that a client wrote: $shown', ({ text, shown }) => {
    const table = explained({ 'X-Forwarded-For': text }).toString({ width: 200 })
    expect(table).toContain(`\n  1  ${shown}`)
    expect(table).toMatch(/^[\x20-\x7e\n]*$/)
    // The same number of lines as with an innocent text.
    const plain = explained({ 'X-Forwarded-For': 'junk' }).toString({ width: 200 })
    expect(table.split('\n')).toHaveLength(plain.split('\n').length)
    // All the other places that show what was received.
    const facts = { peer: { address: text }, host: text, scheme: text, prefix: text }
    expect(explained({ Forwarded: text }, { forwarded: 1 }, facts).toString({ color: false })).toMatch(
      /^[\x20-\x7e\n]*$/,
    )
  })

  it.each([
    [undefined, 80],
    [0, 40],
    [39, 40],
    [40, 40],
    [41, 41],
    [60, 60],
    [100, 100],
    [200, 200],
  ])('of width %s has lines of at most %s characters', (width, most) => {
    const long = 'x'.repeat(3000)
    const headers = { 'X-Forwarded-For': `${long}, ${long}, 10.0.0.2`, 'X-Forwarded-Host': long }
    const options: ProxyFixOptions = { ...OURS, xFor: 2, xHost: 1, onInvalid: 'reject', maxHops: 3 }
    const text = explained(headers, options, { host: long, prefix: long }).toString({ width })
    const lengths = text.split('\n').map((one) => one.length)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(most)
    expect(text).not.toMatch(/ $/m)
  })

  it('has colours when asked, and none else', () => {
    const explanation = explained({ 'X-Forwarded-For': 'x, 203.0.113.7', 'X-Forwarded-Proto': 'y' }, {})
    const text = explanation.toString({ color: true })
    expect(explanation.toString({ color: false })).not.toContain('\x1b')
    expect(explanation.toString()).toBe(explanation.toString({ width: 80, color: false }))
    // eslint-disable-next-line no-control-regex
    expect(text.replaceAll(/\x1b\[[0-9]+m/g, '')).toBe(explanation.toString())
    for (const part of [
      '\x1b[1mPeer\x1b[0m',
      '\x1b[32mtrusted\x1b[0m',
      '\x1b[32m203.0.113.7\x1b[0m',
      '\x1b[2mnobody vouches for it\x1b[0m',
      '\x1b[31minvalid\x1b[0m',
      '\x1b[1m>\x1b[0m',
      '\x1b[33mHop counts believe',
    ]) {
      expect(text).toContain(part)
    }
    const stranger = explained({ 'X-Forwarded-For': 'x' }, { trustedProxies: [], allowedHosts: [] })
    expect(stranger.toString({ color: true })).toContain('\x1b[31mnot trusted\x1b[0m')
    expect(stranger.toString({ color: true })).toContain('\x1b[31mrefused with 400\x1b[0m')
    expect(explained({ 'X-Forwarded-For': 'x' }).toString({ color: true })).toContain('\x1b[31mx\x1b[0m')
  })
})
