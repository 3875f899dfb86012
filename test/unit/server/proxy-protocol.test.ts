/**
 * `parseProxyProtocol` where the vectors stop: limits, the last byte of each part, and what TLVs mean. Expected values
 * are written out from the specification.
 */

import { describe, expect, expectTypeOf, it } from 'vitest'
import { crc32c } from '../../../src/server/proxy-protocol/crc32c.ts'
import type { ProxyProtocolAddress } from '../../../src/server/proxy-protocol/header.ts'
import { parseProxyProtocol } from '../../../src/server/proxy-protocol/parse.ts'
import { tlvValues } from '../../../src/server/proxy-protocol/tlv-values.ts'
import { HEADER, sslTlv, tlvBytes, version2, type WrittenTlv } from '../../fixtures/proxy-protocol.ts'

const parse = (bytes: string | Uint8Array): ReturnType<typeof parseProxyProtocol> =>
  parseProxyProtocol(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)

describe('version 1', () => {
  it('names source and destination, and says where the rest begins', () => {
    expect(parse(`${HEADER}GET / HTTP/1.1\r\n`)).toStrictEqual({
      result: 'proxy',
      version: 1,
      family: 'ipv4',
      transport: 'stream',
      source: { address: '203.0.113.7', port: 51234 },
      destination: { address: '192.0.2.1', port: 443 },
      consumed: 44,
      tlvs: [],
    })
  })

  it.each([
    ['0', undefined],
    ['1', 1],
    ['65535', 65535],
  ])('takes port %s', (text, port) => {
    expect(parse(`PROXY TCP4 192.0.2.1 192.0.2.2 ${text} 443\r\n`).source).toStrictEqual(
      port === undefined ? { address: '192.0.2.1' } : { address: '192.0.2.1', port },
    )
  })

  it.each(['00', '01', '65536', '99999', '100000', '+1', '-1', '1.0', '0x50', '', ' 1', '1 ', '1\t', '\u0661'])(
    "refuses port '%s'",
    (text) => {
      expect(parse(Buffer.from(`PROXY TCP4 192.0.2.1 192.0.2.2 ${text} 443\r\n`)).result).toBe('reject')
      expect(parse(Buffer.from(`PROXY TCP4 192.0.2.1 192.0.2.2 443 ${text}\r\n`)).result).toBe('reject')
    },
  )

  it.each([
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['::', '::'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::ffff:cb00:7107', '203.0.113.7'],
    ['64:ff9b::203.0.113.7', '64:ff9b::cb00:7107'],
  ])('gives the IPv6 address %s in canonical text', (text, address) => {
    expect(parse(`PROXY TCP6 ${text} ::1 1 2\r\n`).source).toStrictEqual({ address, port: 1 })
  })

  it.each([
    ['a port for an address', 'TCP4 1 2 3 4'],
    ['IPv6 in TCP4', 'TCP4 ::1 ::1 1 2'],
    ['IPv4 in TCP6', 'TCP6 192.0.2.1 192.0.2.2 1 2'],
    ['a zone', 'TCP6 fe80::1%eth0 fe80::2 1 2'],
    ['brackets', 'TCP6 [::1] [::2] 1 2'],
    ['a host name', 'TCP4 localhost localhost 1 2'],
    ['a field too many', 'TCP4 192.0.2.1 192.0.2.2 1 2 3'],
    ['a blank at the end', 'TCP4 192.0.2.1 192.0.2.2 1 2 '],
    ['two blanks', 'TCP4  192.0.2.1 192.0.2.2 1 2'],
    ['no protocol', ''],
    ['another protocol', 'UDP4 192.0.2.1 192.0.2.2 1 2'],
    ['a bad destination', 'TCP4 192.0.2.1 192.0.2.256 1 2'],
  ])('refuses %s', (_, line) => {
    expect(parse(`PROXY ${line}\r\n`).result).toBe('reject')
  })

  it('takes a line of 107 bytes, its CRLF included, and no longer one', () => {
    const line = (length: number): string => `${'PROXY UNKNOWN '.padEnd(length - 2, 'x')}\r\n`
    expect(parse(line(107))).toStrictEqual({ result: 'local', version: 1, consumed: 107 })
    expect(parse(line(108)).result).toBe('reject')
    expect(parse(line(108).slice(0, 105)).result).toBe('incomplete')
    expect(parse(line(108).slice(0, 106)).result).toBe('reject')
  })

  it.each(['\n', '\rX', '\r\r\n'])('refuses a line that ends in %j', (end) => {
    expect(parse(`PROXY UNKNOWN${end}`).result).toBe('reject')
    expect(parse(`${HEADER.trimEnd()}${end}`).result).toBe('reject')
  })
})

describe('version 2', () => {
  it('names source and destination, and says where the rest begins', () => {
    expect(parse(Buffer.concat([version2(), Buffer.from('GET /')]))).toStrictEqual({
      result: 'proxy',
      version: 2,
      family: 'ipv4',
      transport: 'stream',
      source: { address: '203.0.113.7', port: 51234 },
      destination: { address: '192.0.2.1', port: 443 },
      consumed: 28,
      tlvs: [],
    })
  })

  it('reads a part of a larger buffer', () => {
    const whole = Buffer.concat([Buffer.from('before'), version2({ checksum: true }), Buffer.from('after')])
    expect(parse(whole.subarray(6))).toMatchObject({
      result: 'proxy',
      consumed: 35,
      source: { address: '203.0.113.7' },
    })
  })

  it('keeps nothing of the buffer', () => {
    const bytes = version2({ tlvs: [{ type: 0xe0, value: 'value' }] })
    const { tlvs } = parse(bytes)
    bytes.fill(0)
    expect(tlvs).toStrictEqual([{ type: 0xe0, value: Uint8Array.from(Buffer.from('value')) }])
  })

  it('leaves a port of 0 out', () => {
    const { source, destination } = parse(version2({ sourcePort: 0, destinationPort: 0 }))
    expect([source, destination]).toStrictEqual([{ address: '203.0.113.7' }, { address: '192.0.2.1' }])
  })

  it.each([
    ['2001:db8::1', '2001:db8::1', 'ipv6'],
    ['::ffff:203.0.113.7', '203.0.113.7', 'ipv6'],
    ['::', '::', 'ipv6'],
    ['0.0.0.0', '0.0.0.0', 'ipv4'],
  ])('gives the address %s in canonical text', (source, address, family) => {
    const destination = source.includes(':') ? '::1' : '192.0.2.1'
    expect(parse(version2({ source, destination }))).toMatchObject({ family, source: { address } })
  })

  it('gives the paths of unix sockets, up to their NUL', () => {
    const path = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(108 - text.length)])
    const header = Buffer.concat([version2().subarray(0, 12), Buffer.of(0x21, 0x31, 0, 216)])
    const parsed = parse(Buffer.concat([header, path('/run/app.sock'), path('x'.repeat(108))]))
    expect(parsed).toMatchObject({
      family: 'unix',
      source: { address: '/run/app.sock' },
      destination: { address: 'x'.repeat(108) },
    })
    expect(parse(Buffer.concat([header, path(''), path('\0abstract')]))).toMatchObject({
      source: { address: '' },
      destination: { address: '' },
    })
  })

  it('skips whatever is in a LOCAL header', () => {
    const junk = { command: 0x20, tlvs: [{ type: 0x20, value: '' }] }
    expect(parse(version2(junk))).toStrictEqual({ result: 'local', version: 2, consumed: 31 })
    expect(parse(Buffer.concat([version2().subarray(0, 12), Buffer.of(0x20, 0x11, 0, 0)]))).toStrictEqual({
      result: 'local',
      version: 2,
      consumed: 16,
    })
  })

  it('takes the longest header there can be', () => {
    const value = Buffer.alloc(65535 - 12 - 3, 1)
    expect(parse(version2({ tlvs: [{ type: 0xe0, value }] }))).toMatchObject({ result: 'proxy', consumed: 65551 })
  })
})

describe('TLVs', () => {
  it('know the check value of CRC32C', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa) // RFC 3720 appendix B.4
    expect(crc32c(Buffer.alloc(0))).toBe(0)
  })

  it('are checked by their CRC32C, wherever it stands', () => {
    const right = version2({ checksum: true, tlvs: [{ type: 0xe0, value: 'a' }] })
    expect(parse(right).result).toBe('proxy')
    for (const at of [17, 20, 30, 38]) {
      const wrong = Buffer.from(right)
      wrong[at]! ^= 1
      expect(parse(wrong).result, `with byte ${at} changed`).toBe('reject')
    }
  })

  it('have one CRC32C that counts, the first', () => {
    const right = version2({ checksum: true, tlvs: [{ type: 3, value: Buffer.alloc(4) }] })
    expect(parse(right).result).toBe('proxy')
  })

  it.each([0, 3, 5])('are refused with a CRC32C of %i bytes', (length) => {
    expect(parse(version2({ tlvs: [{ type: 3, value: Buffer.alloc(length) }] })).result).toBe('reject')
  })

  it('have a UNIQUE_ID of 128 bytes at most', () => {
    const withId = (length: number): Buffer => version2({ tlvs: [{ type: 5, value: 'i'.repeat(length) }] })
    expect([parse(withId(128)).result, parse(withId(129)).result]).toStrictEqual(['proxy', 'reject'])
  })

  it.each([
    ['a type alone', Buffer.of(0xe0)],
    ['half a length', Buffer.of(0xe0, 0)],
    ['a value that is missing', Buffer.of(0xe0, 0, 1)],
    ['a value that is cut', Buffer.of(0xe0, 0, 3, 1, 2)],
    ['an SSL TLV without its fixed part', tlvBytes({ type: 0x20, value: Buffer.alloc(4) })],
    ['an SSL TLV with a cut one inside', tlvBytes({ type: 0x20, value: Buffer.of(1, 0, 0, 0, 0, 0x21, 0, 9, 1) })],
  ])('are refused with %s', (_, bytes) => {
    const header = version2()
    const body = Buffer.concat([header, bytes])
    body.writeUInt16BE(12 + bytes.length, 14)
    expect(parse(body).result).toBe('reject')
  })
})

describe('tlvValues', () => {
  const valuesOf = (...tlvs: readonly WrittenTlv[]): ReturnType<typeof tlvValues> =>
    tlvValues(parse(version2({ tlvs })).tlvs ?? [])

  it('gives text for what is text', () => {
    expect(
      valuesOf(
        { type: 1, value: 'h2' },
        { type: 2, value: 'bücher.example' },
        { type: 5, value: 'a1b2' },
        { type: 0x30, value: 'blue' },
        { type: 0x99, value: 'unknown' },
      ),
    ).toStrictEqual({ alpn: 'h2', authority: 'bücher.example', uniqueId: 'a1b2', networkNamespace: 'blue' })
  })

  it('leaves out what was not told, and what is no text', () => {
    expect(valuesOf()).toStrictEqual({})
    expect(valuesOf({ type: 2, value: Buffer.of(0xff, 0xfe) }, { type: 5, value: Buffer.of(0x80) })).toStrictEqual({})
  })

  it('takes the first of several', () => {
    expect(valuesOf({ type: 2, value: 'a.example' }, { type: 2, value: 'b.example' })).toStrictEqual({
      authority: 'a.example',
    })
  })

  const SPOKEN = [
    { type: 0x21, value: 'TLSv1.3' },
    { type: 0x22, value: 'client.example' },
    { type: 0x28, value: Buffer.of(0x30, 0) },
  ]
  const CERTIFICATE = { commonName: 'client.example', der: Uint8Array.of(0x30, 0) }

  it.each([
    ['no TLS', 0, 0, undefined],
    ['certificate flags without TLS', 6, 0, undefined],
    ['TLS without a certificate', 1, 0, { version: 'TLSv1.3' }],
    ['a certificate that was not verified', 3, 1, { version: 'TLSv1.3' }],
    ['a verified certificate', 3, 0, { version: 'TLSv1.3', clientCertificate: CERTIFICATE }],
    ['one of a resumed session', 5, 0, { version: 'TLSv1.3', clientCertificate: CERTIFICATE }],
  ])('tells of %s', (_, client, verify, tls) => {
    expect(valuesOf(sslTlv(client, verify, SPOKEN)).tls).toStrictEqual(tls)
  })

  it('does not throw for TLVs that no parser has seen', () => {
    expect(tlvValues([{ type: 0x20, value: Uint8Array.of() }])).toStrictEqual({})
    expect(tlvValues([{ type: 0x20, value: Uint8Array.of(1, 0, 0, 0, 0, 9) }])).toStrictEqual({})
  })
})

describe('what it begins with', () => {
  it.each(['', 'P', 'PROXY', 'PROXY ', '\r', '\r\n\r\n\0\r\nQUIT', '\r\n\r\n\0\r\nQUIT\n'])(
    '%j is incomplete',
    (text) => {
      expect(parse(text)).toMatchObject({
        result: 'incomplete',
        reason: expect.stringMatching(/^the |^its /) as string,
      })
    },
  )

  it.each(['p', 'PROXY\r\n', 'PROXYv2', '\r\n\r\n\0\r\nQUIT\r', '\n', '\x16\x03\x01', 'GET / HTTP/1.1\r\n\r\n'])(
    '%j is no header',
    (text) => {
      expect(parse(text).result).toBe('reject')
    },
  )
})

it.each([
  [undefined],
  [null],
  [HEADER],
  [42],
  [1n],
  [Symbol('bytes')],
  [{}],
  [[...Buffer.from(HEADER)]],
  [Buffer.from(HEADER).buffer],
  [new DataView(new ArrayBuffer(64))],
  [new Uint16Array(64)],
  [new Proxy(Buffer.from(HEADER), {})],
  [Object.create(Uint8Array.prototype)],
])('refuses what is no bytes (case %#) instead of throwing', (given: unknown) => {
  expect(parseProxyProtocol(given as Uint8Array)).toStrictEqual({
    result: 'reject',
    reason: 'it is no bytes: a Uint8Array, such as a Buffer, is what can be read',
  })
})

it('has types that tell a header from none', () => {
  const parsed = parse(HEADER)
  expectTypeOf(parsed.source).toEqualTypeOf<ProxyProtocolAddress | undefined>()
  if (parsed.result === 'proxy') expectTypeOf(parsed.source).toEqualTypeOf<ProxyProtocolAddress>()
  if (parsed.result === 'reject' || parsed.result === 'incomplete') expectTypeOf(parsed.reason).toEqualTypeOf<string>()
  else expectTypeOf(parsed.consumed).toEqualTypeOf<number>()
  expect(parsed.source?.address).toBe('203.0.113.7')
})
