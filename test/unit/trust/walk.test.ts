/**
 * How far do the addresses of our proxies reach in `X-Forwarded-For`, and what else is believed then? (contract rule 2)
 * Ours are 10.0.0.0/8 and fd00::/8; the peer is 10.0.0.1, unless a case says otherwise.
 */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts, ConnectionInfo, Field, Verdict } from '../../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

const PEER = { address: '10.0.0.1', port: 40000 }
const OURS = '10.0.0.0/8, fd00::/8'

function decide(
  headers: Readonly<Record<string, string | readonly string[]>>,
  options: ProxyFixOptions,
  peer: ConnectionFacts['peer'] = PEER,
): ConnectionInfo {
  const facts = { peer, scheme: 'http', host: 'app.internal', headers }
  return resolveConnection(facts, { trustedProxies: OURS, ...options })
}

interface Case {
  readonly name: string
  readonly list: string | readonly string[]
  readonly client: object
  readonly verdict: Verdict
  /** The value of the For field that was rejected, if any. */
  readonly rejected?: string
}

/** What is told of the client, as a case has it. */
function told(info: ConnectionInfo): object {
  return {
    client: info.client,
    verdict: info.verdicts.for,
    rejected: info.rejected.filter(({ field }) => field === 'for').map(({ value }) => value),
  }
}

function expected({ client, verdict, rejected }: Case): object {
  return { client, verdict, rejected: rejected === undefined ? [] : [rejected] }
}

describe("xFor: 'trusted'", () => {
  it.each<Case & { maxHops?: number }>([
    {
      name: 'the one value',
      list: '203.0.113.7:4711',
      client: { address: '203.0.113.7', port: 4711 },
      verdict: 'trusted',
    },
    {
      name: 'the first from the right that is not ours',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.3, 10.0.0.2',
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the last value when that is not ours',
      list: '10.0.0.9, 203.0.113.7',
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'past our addresses in all forms',
      list: '[2001:db8::7]:4711, "[FD00:0::1]:80",\tfd00::2 , 10.0.0.2:80, ::ffff:10.0.0.3, "10.0.0.4"',
      client: { address: '2001:db8::7', port: 4711 },
      verdict: 'trusted',
    },
    {
      name: 'over several lines',
      list: ['6.6.6.6', '203.0.113.7, 10.0.0.3', '10.0.0.2'],
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the leftmost when all are ours',
      list: '10.0.0.4:1, 10.0.0.3:2, 10.0.0.2:3',
      client: { address: '10.0.0.4', port: 1 },
      verdict: 'trusted',
    },
    { name: 'the one value when it is ours', list: '10.0.0.2', client: { address: '10.0.0.2' }, verdict: 'trusted' },
    // Garbage at each place.
    {
      name: 'the peer, where the last value is no address',
      list: '6.6.6.6, 10.0.0.2, unknown',
      client: PEER,
      verdict: 'invalid',
      rejected: 'unknown',
    },
    {
      name: 'the peer, where the last value is empty',
      list: '6.6.6.6, 10.0.0.2,',
      client: PEER,
      verdict: 'empty',
      rejected: '',
    },
    { name: 'the peer, where the header is empty', list: '', client: PEER, verdict: 'empty', rejected: '' },
    {
      name: 'the peer, where the last line is empty',
      list: ['10.0.0.2', ' '],
      client: PEER,
      verdict: 'empty',
      rejected: '',
    },
    {
      name: 'the hop that presented garbage, with its port',
      list: '6.6.6.6, localhost, 10.0.0.2:8080',
      client: { address: '10.0.0.2', port: 8080 },
      verdict: 'trusted',
      rejected: 'localhost',
    },
    {
      name: 'the hop that presented an empty value',
      list: '6.6.6.6, , 10.0.0.2',
      client: { address: '10.0.0.2' },
      verdict: 'trusted',
      rejected: '',
    },
    {
      name: 'the hop that presented an empty value, left of all others',
      list: ',"[fd00::2]:80",10.0.0.2',
      client: { address: 'fd00::2', port: 80 },
      verdict: 'trusted',
      rejected: '',
    },
    {
      name: 'the hop that presented garbage, left of all others',
      list: '<script>, fd00::3, 10.0.0.2',
      client: { address: 'fd00::3' },
      verdict: 'trusted',
      rejected: '<script>',
    },
    {
      name: 'what garbage stands left of, unread',
      list: 'junk, 203.0.113.7, 10.0.0.2',
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'a list of garbage and our own forms, the nearest',
      list: '10.0.0.3, 010.0.0.4, 10.0.0.2',
      client: { address: '10.0.0.2' },
      verdict: 'trusted',
      rejected: '010.0.0.4',
    },
    // maxHops.
    {
      name: 'the last at maxHops: 1, whatever it is',
      list: '6.6.6.6, 10.0.0.2',
      maxHops: 1,
      client: { address: '10.0.0.2' },
      verdict: 'trusted',
    },
    {
      name: 'the second at maxHops: 2',
      list: '6.6.6.6, 10.0.0.4, 10.0.0.3, 10.0.0.2',
      maxHops: 2,
      client: { address: '10.0.0.3' },
      verdict: 'trusted',
    },
    {
      name: 'the third at maxHops: 3, which is the leftmost',
      list: '203.0.113.7, 10.0.0.3, 10.0.0.2',
      maxHops: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the leftmost before maxHops',
      list: '10.0.0.3, 10.0.0.2',
      maxHops: 3,
      client: { address: '10.0.0.3' },
      verdict: 'trusted',
    },
    {
      name: 'the first that is not ours before maxHops',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.2',
      maxHops: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the hop before garbage at maxHops',
      list: 'junk, 10.0.0.2',
      maxHops: 2,
      client: { address: '10.0.0.2' },
      verdict: 'trusted',
      rejected: 'junk',
    },
    {
      name: 'the peer at garbage at maxHops: 1',
      list: '10.0.0.2, junk',
      maxHops: 1,
      client: PEER,
      verdict: 'invalid',
      rejected: 'junk',
    },
    {
      name: 'the 32nd by default',
      list: Array.from({ length: 40 }, (_, index) => `10.0.1.${40 - index}`),
      client: { address: '10.0.1.32' },
      verdict: 'trusted',
    },
    {
      name: 'the 32nd by default, of a list of 32',
      list: ['203.0.113.7', ...Array<string>(31).fill('10.0.0.2')],
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'nothing that would be the 33rd',
      list: ['6.6.6.6', '10.9.9.9', ...Array<string>(31).fill('10.0.0.2')],
      client: { address: '10.9.9.9' },
      verdict: 'trusted',
    },
  ])('takes $name', ({ maxHops, ...each }) => {
    expect(told(decide({ 'X-Forwarded-For': each.list }, { xFor: 'trusted', maxHops }))).toStrictEqual(expected(each))
  })

  it('is the peer where the header was not sent', () => {
    expect(told(decide({}, { xFor: 'trusted' }))).toStrictEqual({ client: PEER, verdict: 'absent', rejected: [] })
  })

  it('reads no more of a long list than it walks', () => {
    const list = `${'6.6.6.6,'.repeat(200_000)}203.0.113.7,10.0.0.2`
    // Were it all read each time, the test would not end: bench/decide.mjs has the figures.
    for (let repeat = 0; repeat < 1000; repeat++) decide({ 'x-forwarded-for': list }, { xFor: 'trusted' })
    expect(decide({ 'x-forwarded-for': list }, { xFor: 'trusted' }).client).toStrictEqual({ address: '203.0.113.7' })
  })

  it('walks on over a value that is far from its comma', () => {
    for (const blanks of [30, 40, 46, 47, 48, 49, 50, 60, 1000]) {
      const list = `6.6.6.6,203.0.113.7,${' '.repeat(blanks)}10.0.0.2`
      expect(decide({ 'x-forwarded-for': list }, { xFor: 'trusted' }).client).toStrictEqual({ address: '203.0.113.7' })
    }
  })
})

describe('a count with trustedProxies', () => {
  it.each<Case & { xFor: number }>([
    {
      name: 'the last, whoever it is',
      list: '6.6.6.6, 10.0.0.2',
      xFor: 1,
      client: { address: '10.0.0.2' },
      verdict: 'trusted',
    },
    {
      name: 'the last, which is not ours',
      list: '6.6.6.6, 203.0.113.7',
      xFor: 1,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the second past one of ours',
      list: '6.6.6.6, 203.0.113.7:1, 10.0.0.2',
      xFor: 2,
      client: { address: '203.0.113.7', port: 1 },
      verdict: 'trusted',
    },
    {
      name: 'the second, which is ours itself',
      list: '6.6.6.6, 10.0.0.3, 10.0.0.2',
      xFor: 2,
      client: { address: '10.0.0.3' },
      verdict: 'trusted',
    },
    {
      name: 'the third past two of ours',
      list: '203.0.113.7, fd00::2, "10.0.0.2:80"',
      xFor: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the first that is not ours, where that comes earlier',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.2',
      xFor: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the first of three that is not ours',
      list: '6.6.6.6, 10.0.0.2, 203.0.113.7',
      xFor: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'the leftmost of too few, where it is not ours',
      list: '203.0.113.7, 10.0.0.2',
      xFor: 3,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
    {
      name: 'nothing of too few, where all are ours',
      list: '10.0.0.3, 10.0.0.2',
      xFor: 3,
      client: PEER,
      verdict: 'short',
      rejected: '10.0.0.3, 10.0.0.2',
    },
    {
      name: 'nothing of one that is ours',
      list: '10.0.0.2',
      xFor: 2,
      client: PEER,
      verdict: 'short',
      rejected: '10.0.0.2',
    },
    {
      name: 'nothing where the counted value is no address',
      list: '6.6.6.6, unknown, 10.0.0.2',
      xFor: 2,
      client: PEER,
      verdict: 'invalid',
      rejected: 'unknown',
    },
    {
      name: 'nothing where the counted value is empty',
      list: '6.6.6.6, , 10.0.0.2',
      xFor: 2,
      client: PEER,
      verdict: 'empty',
      rejected: '',
    },
    {
      name: 'nothing where a value before it is no address',
      list: '6.6.6.6, 10.0.0.3, unknown, 10.0.0.2',
      xFor: 4,
      client: PEER,
      verdict: 'invalid',
      rejected: 'unknown',
    },
    {
      name: 'nothing where a value before it is empty',
      list: '6.6.6.6,,10.0.0.2',
      xFor: 3,
      client: PEER,
      verdict: 'empty',
      rejected: '',
    },
    { name: 'nothing of an empty header', list: '', xFor: 2, client: PEER, verdict: 'empty', rejected: '' },
    {
      name: 'the 40th: counts do not heed maxHops',
      list: ['6.6.6.6', '203.0.113.7', ...Array<string>(39).fill('10.0.0.2')],
      xFor: 40,
      client: { address: '203.0.113.7' },
      verdict: 'trusted',
    },
  ])('takes $name', ({ xFor, ...each }) => {
    expect(told(decide({ 'X-Forwarded-For': each.list }, { xFor }))).toStrictEqual(expected(each))
  })

  it('that is the one value of Werkzeug by default', () => {
    expect(decide({ 'X-Forwarded-For': '6.6.6.6, 203.0.113.7' }, {}).client).toStrictEqual({ address: '203.0.113.7' })
  })

  it.each<{ options: ProxyFixOptions; list: string; reason: string }>([
    { options: { xFor: 3 }, list: '10.0.0.3, 10.0.0.2', reason: 'X-Forwarded-For has 2 values, xFor is 3' },
    { options: { xFor: 2 }, list: '10.0.0.2', reason: 'X-Forwarded-For has 1 value, xFor is 2' },
    { options: { xFor: 2 }, list: 'x, 10.0.0.2', reason: 'it is not an IP address with or without a port' },
    { options: { xFor: 2 }, list: ', 10.0.0.2', reason: 'it is empty' },
    { options: { xFor: 'trusted' }, list: 'x, 10.0.0.2', reason: 'it is not an IP address with or without a port' },
    { options: { xFor: 'trusted' }, list: ', 10.0.0.2', reason: 'it is empty' },
  ])('tells why not: $list with $options', ({ options, list, reason }) => {
    expect(decide({ 'X-Forwarded-For': list }, options).rejected.map((one) => one.reason)).toStrictEqual([reason])
  })
})

describe('other fields beside a walk', () => {
  const LISTS = {
    'X-Forwarded-Proto': 'wss, https, ws, http',
    'X-Forwarded-Host': 'd.example, c.example, b.example, a.example',
    'X-Forwarded-Port': '4444, 3333, 2222, 1111',
    'X-Forwarded-Prefix': '/d, /c, /b, /a',
  }

  function others({ scheme, hostname, port, prefix, verdicts }: ConnectionInfo): object {
    const { proto, ...rest } = verdicts
    return { scheme, hostname, port, prefix, verdicts: [proto, rest.host, rest.port, rest.prefix].join(' ') }
  }

  const AT: Readonly<Record<1 | 2 | 3 | 4, object>> = {
    1: { scheme: 'http', hostname: 'a.example', port: 1111, prefix: '/a' },
    2: { scheme: 'ws', hostname: 'b.example', port: 2222, prefix: '/b' },
    3: { scheme: 'https', hostname: 'c.example', port: 3333, prefix: '/c' },
    4: { scheme: 'wss', hostname: 'd.example', port: 4444, prefix: '/d' },
  }
  const RECEIVED = { scheme: 'http', hostname: 'app.internal', port: 80, prefix: '' }
  const ALL_TRUSTED = 'trusted trusted trusted trusted'
  const step: ProxyFixOptions = {
    xFor: 'trusted',
    xProto: 'trusted',
    xHost: 'trusted',
    xPort: 'trusted',
    xPrefix: 'trusted',
  }
  const counts = (count: number): ProxyFixOptions => ({ xProto: count, xHost: count, xPort: count, xPrefix: count })

  it.each<{ name: string; list?: string; options: ProxyFixOptions; fields: object }>([
    // In step with the client.
    {
      name: 'in step: the only hop',
      list: '203.0.113.7',
      options: step,
      fields: { ...AT[1], verdicts: ALL_TRUSTED },
    },
    {
      name: 'in step: the third hop',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.3, 10.0.0.2',
      options: step,
      fields: { ...AT[3], verdicts: ALL_TRUSTED },
    },
    {
      name: 'in step: all ours, the leftmost',
      list: '10.0.0.3, 10.0.0.2',
      options: step,
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'in step: at maxHops',
      list: '10.0.0.4, 10.0.0.3, 10.0.0.2',
      options: { ...step, maxHops: 2 },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'in step: at the hop that presented garbage, not at the garbage',
      list: '6.6.6.6, junk, 10.0.0.3, 10.0.0.2',
      options: step,
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'in step: none where the client is the peer, as the last value is garbage',
      list: '6.6.6.6, junk',
      options: step,
      fields: { ...RECEIVED, verdicts: 'absent absent absent absent' },
    },
    {
      name: 'in step: none where the client is the peer, as the last value is empty',
      list: '6.6.6.6,',
      options: step,
      fields: { ...RECEIVED, verdicts: 'absent absent absent absent' },
    },
    {
      name: 'in step: none where the client is the peer, as nothing was sent',
      options: step,
      fields: { ...RECEIVED, verdicts: 'absent absent absent absent' },
    },
    {
      name: 'in step: too few values of the others',
      list: '203.0.113.7, 10.0.0.5, 10.0.0.4, 10.0.0.3, 10.0.0.2',
      options: step,
      fields: { ...RECEIVED, verdicts: 'short short short short' },
    },
    // Counts stop where the walk ended.
    {
      name: 'a count below the walk',
      list: '203.0.113.7, 10.0.0.3, 10.0.0.2',
      options: { xFor: 'trusted', ...counts(2) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count as far as the walk',
      list: '203.0.113.7, 10.0.0.3, 10.0.0.2',
      options: { xFor: 'trusted', ...counts(3) },
      fields: { ...AT[3], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond the walk',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.2',
      options: { xFor: 'trusted', ...counts(4) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond a walk that ended in garbage: as far as the garbage',
      list: '6.6.6.6, junk, 10.0.0.2',
      options: { xFor: 'trusted', ...counts(4) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond garbage at the last place',
      list: '6.6.6.6, junk',
      options: { xFor: 'trusted', ...counts(4) },
      fields: { ...AT[1], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond an empty last value',
      list: '6.6.6.6,',
      options: { xFor: 'trusted', ...counts(2) },
      fields: { ...AT[1], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count where no list was sent',
      options: { xFor: 'trusted', ...counts(4) },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count of 0',
      list: '203.0.113.7',
      options: { xFor: 'trusted', ...counts(0) },
      fields: { ...RECEIVED, verdicts: 'not-configured not-configured not-configured not-configured' },
    },
    // Beside a count of the client.
    {
      name: 'a count beyond that of the client',
      list: '203.0.113.7, 10.0.0.2',
      options: { xFor: 2, ...counts(4) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond an early end',
      list: '6.6.6.6, 7.7.7.7, 203.0.113.7',
      options: { xFor: 3, ...counts(3) },
      fields: { ...AT[1], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count as far as an early end',
      list: '6.6.6.6, 203.0.113.7, 10.0.0.2',
      options: { xFor: 3, ...counts(2) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond garbage',
      list: '6.6.6.6, junk, 10.0.0.2',
      options: { xFor: 3, ...counts(3) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond an empty value',
      list: '6.6.6.6, , 10.0.0.2',
      options: { xFor: 3, ...counts(3) },
      fields: { ...AT[2], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beside a short list, which sets no limit',
      list: '10.0.0.2',
      options: { xFor: 2, ...counts(4) },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beside no list',
      options: { xFor: 2, ...counts(4) },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
    {
      name: 'a count beyond its own list',
      list: '203.0.113.7',
      options: { xFor: 0, ...counts(5) },
      fields: { ...RECEIVED, verdicts: 'short short short short' },
    },
    {
      name: 'a count where xFor is 0',
      list: '203.0.113.7',
      options: { xFor: 0, ...counts(4) },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
    // Without trustedProxies each counts by itself.
    {
      name: 'counts alone',
      list: '203.0.113.7',
      options: { xFor: 1, ...counts(4), trustedProxies: undefined },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
    {
      name: 'counts alone beside garbage',
      list: 'junk',
      options: { xFor: 1, ...counts(3), trustedProxies: undefined },
      fields: { ...AT[3], verdicts: ALL_TRUSTED },
    },
    // Beside a header of its own.
    {
      name: 'counts beside a header of its own',
      list: '6.6.6.6, 203.0.113.7',
      options: { clientIpHeader: 'X-Real-IP', ...counts(4) },
      fields: { ...AT[4], verdicts: ALL_TRUSTED },
    },
  ])('$name', ({ list, options, fields }) => {
    const sent = list === undefined ? LISTS : { ...LISTS, 'X-Forwarded-For': list }
    expect(others(decide(sent, options))).toStrictEqual(fields)
  })

  it('some in step, some by counts', () => {
    const info = decide(
      { ...LISTS, 'X-Forwarded-For': '203.0.113.7, 10.0.0.3, 10.0.0.2' },
      { xFor: 'trusted', xProto: 1, xHost: 'trusted', xPort: 2, xPrefix: 9 },
    )
    expect(others(info)).toStrictEqual({
      scheme: 'http',
      hostname: 'c.example',
      port: 2222,
      prefix: '/c',
      verdicts: ALL_TRUSTED,
    })
  })

  it.each<{ field: Field; header: string; value: string; reason: string }>([
    {
      field: 'proto',
      header: 'X-Forwarded-Proto',
      value: 'https',
      reason: 'X-Forwarded-Proto has 1 value, the client stands further left',
    },
    {
      field: 'host',
      header: 'X-Forwarded-Host',
      value: 'a, b',
      reason: 'X-Forwarded-Host has 2 values, the client stands further left',
    },
  ])('tell why they are short: $field', ({ field, header, value, reason }) => {
    const info = decide({ 'X-Forwarded-For': '203.0.113.7, 10.0.0.3, 10.0.0.2', [header]: value }, step)
    expect(info.rejected).toStrictEqual([{ field, value, reason }])
  })

  it('may be empty or invalid at the place of the client', () => {
    const info = decide(
      { 'X-Forwarded-For': '203.0.113.7, 10.0.0.2', 'X-Forwarded-Proto': ',https', 'X-Forwarded-Host': 'a@b, c' },
      step,
    )
    expect([info.verdicts.proto, info.verdicts.host, info.verdicts.port]).toStrictEqual(['empty', 'invalid', 'absent'])
  })
})

describe('clientIpHeader', () => {
  const options: ProxyFixOptions = { clientIpHeader: 'CF-Connecting-IP' }

  it.each<Case>([
    { name: 'an address', list: '203.0.113.7', client: { address: '203.0.113.7' }, verdict: 'trusted' },
    {
      name: 'an address with a port',
      list: '203.0.113.7:4711',
      client: { address: '203.0.113.7', port: 4711 },
      verdict: 'trusted',
    },
    { name: 'IPv6', list: ' 2001:DB8:0::7\t', client: { address: '2001:db8::7' }, verdict: 'trusted' },
    {
      name: 'IPv6 in brackets with a port',
      list: '[2001:db8::7]:4711',
      client: { address: '2001:db8::7', port: 4711 },
      verdict: 'trusted',
    },
    { name: 'an address of ours', list: '10.0.0.2', client: { address: '10.0.0.2' }, verdict: 'trusted' },
    {
      name: 'no list',
      list: '6.6.6.6, 203.0.113.7',
      client: PEER,
      verdict: 'invalid',
      rejected: '6.6.6.6, 203.0.113.7',
    },
    {
      name: 'no list with one value and a comma',
      list: '203.0.113.7,',
      client: PEER,
      verdict: 'invalid',
      rejected: '203.0.113.7,',
    },
    {
      name: 'no two lines',
      list: ['6.6.6.6', '203.0.113.7'],
      client: PEER,
      verdict: 'invalid',
      rejected: '6.6.6.6, 203.0.113.7',
    },
    { name: 'no name', list: 'unknown', client: PEER, verdict: 'invalid', rejected: 'unknown' },
    { name: 'nothing that is empty', list: '', client: PEER, verdict: 'empty', rejected: '' },
    { name: 'nothing that is blank', list: ' \t ', client: PEER, verdict: 'empty', rejected: '' },
  ])('holds $name', (each) => {
    expect(told(decide({ 'cf-connecting-ip': each.list, 'X-Forwarded-For': '6.6.6.6' }, options))).toStrictEqual(
      expected(each),
    )
  })

  it('that was not sent leaves the peer, whatever X-Forwarded-For says', () => {
    const info = decide({ 'X-Forwarded-For': '6.6.6.6', 'X-Real-IP': '6.6.6.6' }, options)
    expect([info.client, info.verdicts.for]).toStrictEqual([PEER, 'absent'])
  })

  it('is not believed from a stranger', () => {
    const info = decide({ 'CF-Connecting-IP': '6.6.6.6' }, options, { address: '198.51.100.9' })
    expect([info.client, info.verdicts.for]).toStrictEqual([{ address: '198.51.100.9' }, 'untrusted-peer'])
  })

  it('that is required and absent is an error of the proxy', () => {
    const { refusal } = decide({}, { ...options, required: ['for'] })
    expect(refusal).toStrictEqual({
      status: 400,
      field: 'for',
      reason: 'CF-Connecting-IP is required of the proxy, and it is absent',
    })
  })
})

const SECRET = 'correct-horse-battery-staple'

describe('rule 8: who may speak', () => {
  const HEADERS = {
    'X-Forwarded-For': '203.0.113.7',
    'X-Forwarded-Proto': 'https',
    Forwarded: 'for=203.0.113.7;proto=https',
    'X-Real-IP': '203.0.113.7',
  }

  function trusts(options: ProxyFixOptions, address: string | undefined, sent: object = {}): boolean {
    const facts = { peer: { address }, scheme: 'http', headers: { ...HEADERS, ...sent } }
    const info = resolveConnection(facts, options)
    // Being trusted and being believed are one thing.
    expect(info.client.address === '203.0.113.7').toBe(info.trusted)
    expect(info.scheme).toBe(info.trusted ? 'https' : 'http')
    expect(info.verdicts.for).toBe(info.trusted ? 'trusted' : 'untrusted-peer')
    return info.trusted
  }

  it.each<{ name: string; address: string | undefined; trusted: boolean }>([
    { name: 'an address of ours', address: '10.0.0.1', trusted: true },
    { name: 'an address of ours in IPv6 form', address: '::ffff:10.0.0.1', trusted: true },
    { name: 'an address of ours in IPv6 form, in hex', address: '::FFFF:0A00:0001', trusted: true },
    { name: 'an address of ours in IPv6 form, with a zone', address: '::ffff:10.0.0.1%2', trusted: true },
    { name: 'IPv6 of ours', address: 'fd00::1', trusted: true },
    { name: 'IPv6 of ours, in full', address: 'FD00:0:0:0:0:0:0:1', trusted: true },
    { name: 'IPv6 of ours, with a zone', address: 'fd00::1%eth0', trusted: true },
    { name: 'a stranger', address: '198.51.100.9', trusted: false },
    { name: 'a stranger in IPv6', address: '2001:db8::9', trusted: false },
    { name: 'an IPv6 host that embeds our address otherwise', address: '::10.0.0.1', trusted: false },
    { name: 'an IPv4 address with a zone', address: '10.0.0.1%eth0', trusted: false },
    { name: 'an address with a port', address: '10.0.0.1:80', trusted: false },
    { name: 'an address with a leading zero', address: '10.0.0.01', trusted: false },
    { name: 'a block', address: '10.0.0.0/8', trusted: false },
    { name: 'a name', address: 'localhost', trusted: false },
    { name: 'a path', address: '/run/10.0.0.1', trusted: false },
    { name: 'an empty text', address: '', trusted: false },
    { name: 'no address', address: undefined, trusted: false },
  ])('$name: $trusted', ({ address, trusted }) => {
    expect(trusts({ trustedProxies: OURS }, address)).toBe(trusted)
    expect(trusts({ trustedProxies: OURS, xFor: 'trusted' }, address)).toBe(trusted)
    expect(trusts({ trustedProxies: OURS, clientIpHeader: 'x-real-ip' }, address)).toBe(trusted)
    expect(trusts({ trustedProxies: OURS, forwarded: 1 }, address)).toBe(trusted)
    expect(trusts({ trustedProxies: OURS, forwarded: 'trusted' }, address)).toBe(trusted)
  })

  it("a peer without an address is trusted by 'unix', and text that is none is not", () => {
    expect(trusts({ trustedProxies: 'unix' }, undefined)).toBe(true)
    expect(trusts({ trustedProxies: ['10.0.0.0/8', 'unix'] }, undefined)).toBe(true)
    expect(trusts({ trustedProxies: 'unix' }, '')).toBe(true)
    expect(trusts({ trustedProxies: 'unix' }, null as unknown as undefined)).toBe(true)
    for (const text of ['unix', ' ', '0', '/run/app.sock', 'null', 'undefined', '\0']) {
      expect(trusts({ trustedProxies: 'unix' }, text)).toBe(false)
    }
  })

  it('text that is no address gives no client either, and no port', () => {
    const facts = { peer: { address: 'somewhere', port: 80 }, scheme: 'http', headers: HEADERS }
    const { client, peer } = resolveConnection(facts, { trustedProxies: () => true })
    expect({ client, peer }).toStrictEqual({ client: {}, peer: {} })
  })

  describe('secret', () => {
    const secret = { header: 'X-Origin-Verify', values: ['another-long-random-text', SECRET] }
    const right = { 'x-origin-verify': SECRET }

    it.each<{ name: string; sent: object; trusted: boolean }>([
      { name: 'right', sent: right, trusted: true },
      { name: 'right, by the other value', sent: { 'X-ORIGIN-VERIFY': 'another-long-random-text' }, trusted: true },
      { name: 'right, in a list of one line', sent: { 'x-origin-verify': [SECRET] }, trusted: true },
      { name: 'missing', sent: {}, trusted: false },
      { name: 'undefined', sent: { 'x-origin-verify': undefined }, trusted: false },
      { name: 'empty', sent: { 'x-origin-verify': '' }, trusted: false },
      { name: 'one character short', sent: { 'x-origin-verify': SECRET.slice(0, -1) }, trusted: false },
      { name: 'one character long', sent: { 'x-origin-verify': `${SECRET}x` }, trusted: false },
      { name: 'followed by a NUL', sent: { 'x-origin-verify': `${SECRET}\0` }, trusted: false },
      { name: 'followed by a blank', sent: { 'x-origin-verify': `${SECRET} ` }, trusted: false },
      { name: 'wrong in the first character', sent: { 'x-origin-verify': `X${SECRET.slice(1)}` }, trusted: false },
      { name: 'wrong in the last character', sent: { 'x-origin-verify': `${SECRET.slice(0, -1)}X` }, trusted: false },
      { name: 'wrong in the middle', sent: { 'x-origin-verify': SECRET.replace('-', '_') }, trusted: false },
      { name: 'in upper case', sent: { 'x-origin-verify': SECRET.toUpperCase() }, trusted: false },
      {
        name: 'wrong in two characters that would cancel out',
        sent: { 'x-origin-verify': `oc${SECRET.slice(2)}` },
        trusted: false,
      },
      { name: 'doubled in one line', sent: { 'x-origin-verify': `${SECRET}, ${SECRET}` }, trusted: false },
      { name: 'doubled in two lines', sent: { 'x-origin-verify': [SECRET, SECRET] }, trusted: false },
      {
        name: 'doubled in two spellings',
        sent: { 'x-origin-verify': SECRET, 'X-Origin-Verify': SECRET },
        trusted: false,
      },
      { name: 'beside a wrong one', sent: { 'x-origin-verify': [SECRET, 'wrong'] }, trusted: false },
      { name: 'in a header of another name', sent: { 'x-origin': SECRET, x_origin_verify: SECRET }, trusted: false },
    ])('$name: $trusted', ({ sent, trusted }) => {
      for (const address of ['198.51.100.9', 'fd00::1', undefined]) {
        expect(trusts({ secret }, address, sent)).toBe(trusted)
        expect(trusts({ secret, clientIpHeader: 'x-real-ip' }, address, sent)).toBe(trusted)
      }
      expect(trusts({ secret, trustedProxies: OURS }, '10.0.0.1', sent)).toBe(trusted)
      expect(trusts({ secret, trustedProxies: OURS, xFor: 'trusted' }, '10.0.0.1', sent)).toBe(trusted)
    })

    it.each<{
      name: string
      trustedProxies: ProxyFixOptions['trustedProxies']
      address: string | undefined
      trusted: boolean
    }>([
      { name: 'and an address of ours', trustedProxies: OURS, address: '10.0.0.1', trusted: true },
      { name: 'and a stranger', trustedProxies: OURS, address: '198.51.100.9', trusted: false },
      { name: 'and no address, for which it stands', trustedProxies: OURS, address: undefined, trusted: true },
      {
        name: 'and text that is no address, for which it does not stand',
        trustedProxies: OURS,
        address: ' ',
        trusted: false,
      },
      { name: 'and an empty text, which is no address', trustedProxies: OURS, address: '', trusted: true },
      { name: 'where nobody is trusted, and an empty text', trustedProxies: [], address: '', trusted: false },
      { name: 'and a name', trustedProxies: OURS, address: 'localhost', trusted: false },
      { name: 'where nobody is trusted', trustedProxies: [], address: '10.0.0.1', trusted: false },
      { name: 'where nobody is trusted, and no address', trustedProxies: [], address: undefined, trusted: false },
      { name: 'where only unix sockets are', trustedProxies: 'unix', address: undefined, trusted: true },
      {
        name: 'where only unix sockets are, and an address',
        trustedProxies: 'unix',
        address: '10.0.0.1',
        trusted: false,
      },
      {
        name: 'and a predicate that says no, of an address',
        trustedProxies: () => false,
        address: '10.0.0.1',
        trusted: false,
      },
      { name: 'and a predicate that says yes', trustedProxies: () => true, address: '10.0.0.1', trusted: true },
    ])('right, $name: $trusted', ({ trustedProxies, address, trusted }) => {
      expect(trusts({ secret, trustedProxies }, address, right)).toBe(trusted)
      // It never helps to have it wrong.
      expect(trusts({ secret, trustedProxies }, address, { 'x-origin-verify': 'wrong' })).toBe(false)
      expect(trusts({ secret, trustedProxies }, address)).toBe(false)
    })

    it('may be one value', () => {
      const one = { header: 'x', values: SECRET }
      expect(trusts({ secret: one }, '198.51.100.9', { X: SECRET })).toBe(true)
      expect(trusts({ secret: one }, '198.51.100.9', { X: 'x' })).toBe(false)
    })

    it('is copied: what becomes of the option afterwards changes nothing', () => {
      const values = [SECRET]
      const facts = { peer: {}, scheme: 'http', headers: { x: 'new-long-random-text' } }
      const options = { secret: { header: 'x', values } }
      const before = resolveConnection(facts, options).trusted
      values.push('new-long-random-text')
      expect([before, resolveConnection(facts, options).trusted]).toStrictEqual([false, true])
    })
  })

  it('a field that is not configured is that, not untrusted', () => {
    const facts = { peer: { address: '198.51.100.9' }, scheme: 'http', headers: HEADERS }
    expect(resolveConnection(facts, { trustedProxies: OURS, xProto: 0 }).verdicts).toStrictEqual({
      for: 'untrusted-peer',
      proto: 'not-configured',
      host: 'not-configured',
      port: 'not-configured',
      prefix: 'not-configured',
    })
    expect(resolveConnection(facts, { trustedProxies: OURS, forwarded: 1 }).verdicts).toStrictEqual({
      for: 'untrusted-peer',
      proto: 'untrusted-peer',
      host: 'untrusted-peer',
      port: 'not-configured',
      prefix: 'not-configured',
    })
  })

  it('nothing is required of a stranger, and nothing it sends is rejected', () => {
    const facts = {
      peer: { address: '198.51.100.9' },
      scheme: 'http',
      host: 'app',
      headers: { 'X-Forwarded-For': 'x' },
    }
    const { refusal, rejected } = resolveConnection(facts, {
      trustedProxies: OURS,
      required: ['for', 'proto'],
      onInvalid: 'reject',
    })
    expect([refusal, rejected]).toStrictEqual([undefined, []])
  })

  it('a host that is not allowed is refused of a stranger too', () => {
    const facts = { peer: { address: '198.51.100.9' }, scheme: 'http', host: 'evil.example', headers: {} }
    expect(resolveConnection(facts, { trustedProxies: OURS, allowedHosts: ['shop.example'] }).refusal?.field).toBe(
      'host',
    )
  })
})
