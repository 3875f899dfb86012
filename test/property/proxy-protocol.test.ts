/**
 * The PROXY protocol, against any bytes at all: the reader answers and never throws, an answer once given stays, what a
 * proxy writes comes back as it was written, and what stands behind a header changes nothing about it. The headers are
 * written by code that shares no line with the reader. On the wire: whoever is not listed cannot change what is seen of
 * anybody by any header.
 */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionInfo, proxyFix } from '../../src/index.ts'
import {
  parseProxyProtocol,
  proxyProtocol,
  proxyProtocolInfo,
  type Tlv,
  tlvValues,
} from '../../src/server/proxy-protocol/index.ts'
import { sslTlv, tlvBytes, version2, type WrittenTlv } from '../fixtures/proxy-protocol.ts'
import { parseResponses } from '../fixtures/raw-http.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS, WIRE_RUNS } from './runs.ts'

const pure = { numRuns: PURE_RUNS }

const port = fc.oneof(fc.nat({ max: 65535 }), fc.constantFrom(0, 1, 443, 65535))
const byteLists = fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes))

/** Any TLV that a proxy may send, known or not. */
const tlv: fc.Arbitrary<WrittenTlv> = fc.oneof(
  fc.record({
    // Not those whose value is checked.
    type: fc.nat({ max: 255 }).filter((type) => type !== 0x03 && type !== 0x20),
    value: byteLists,
  }),
  fc
    .tuple(
      fc.nat({ max: 7 }),
      fc.nat({ max: 1 }),
      fc.array(fc.record({ type: fc.nat({ max: 255 }), value: byteLists }), { maxLength: 4 }),
    )
    .map(([client, verify, tlvs]) => sslTlv(client, verify, tlvs)),
)

interface Written {
  readonly bytes: Buffer
  readonly version: 1 | 2
  readonly family: 'ipv4' | 'ipv6'
  /** As they were written: no canonical text. */
  readonly source: readonly [address: string, port: number]
  readonly destination: readonly [address: string, port: number]
  readonly tlvs: readonly WrittenTlv[]
}

const ipv6 = fc.oneof(
  // The reference takes ::a.b.c.d for IPv4, which it is not.
  fc.ipV6().filter((text) => !/^::\d+\./.test(text)),
  fc.ipV4().map((text) => `::ffff:${text}`),
)

/** A header as a proxy writes one, with what it wrote. */
const written: fc.Arbitrary<Written> = fc
  .record({
    version: fc.constantFrom(1 as const, 2 as const),
    ends: fc.oneof(
      fc.tuple(fc.constant('ipv4' as const), fc.ipV4(), fc.ipV4()),
      fc.tuple(fc.constant('ipv6' as const), ipv6, ipv6),
    ),
    sourcePort: port,
    destinationPort: port,
    tlvs: fc.array(tlv, { maxLength: 4 }),
    checksum: fc.boolean(),
  })
  .map(({ version, ends: [family, source, destination], sourcePort, destinationPort, tlvs, checksum }) => ({
    version,
    family,
    source: [source, sourcePort],
    destination: [destination, destinationPort],
    tlvs: version === 1 ? [] : tlvs,
    bytes:
      version === 1
        ? Buffer.from(
            `PROXY ${family === 'ipv4' ? 'TCP4' : 'TCP6'} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`,
          )
        : version2({ source, destination, sourcePort, destinationPort, tlvs, checksum }),
  }))

/** Bytes that are nearly a header: one that was written, cut, changed or followed by others; and any at all. */
const anyBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 2,
    // The first 16 bytes are what everything else hangs on.
    arbitrary: fc
      .tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }), fc.nat({ max: 300 }), fc.uint8Array({ maxLength: 300 }))
      .map(([command, kind, length, rest]) =>
        Buffer.concat([
          Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'),
          Buffer.of(command % 2 === 0 ? command : 0x20 | (command & 1), kind & 0x33, length >> 8, length & 255),
          rest,
        ]),
      ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(written, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }), fc.nat(), byteLists)
      .map(([{ bytes }, changes, cut, rest]) => {
        const changed = Buffer.from(bytes)
        for (const [at, value] of changes) changed[at % changed.length] = value
        return Buffer.concat([cut % 4 === 0 ? changed.subarray(0, cut % changed.length) : changed, rest])
      }),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(
        fc.constantFrom(
          'TCP4',
          'TCP6',
          'UNKNOWN',
          '1.2.3.4',
          '::1',
          '0',
          '80',
          '65536',
          '\r',
          '\n',
          '\r\n',
          ' ',
          '  ',
          'x',
        ),
        {
          maxLength: 12,
        },
      )
      .map((words) => Buffer.from(`PROXY ${words.join(' ').replaceAll(/ (?=[\r\n])/g, '')}`)),
  },
)

/** The reference: canonical text of an address, IPv4 taken out of IPv6. */
function canonical(text: string): string {
  const address = ipaddr.process(text)
  return address.kind() === 'ipv4' ? address.toString() : (address as ipaddr.IPv6).toRFC5952String()
}

function endpoint([address, number]: readonly [string, number]): object {
  return number === 0 ? { address: canonical(address) } : { address: canonical(address), port: number }
}

const plainTlvs = (tlvs: readonly Tlv[] | undefined): unknown =>
  tlvs?.filter(({ type }) => type !== 3).map(({ type, value }) => [type, Buffer.from(value).toString('hex')])

describe('parseProxyProtocol', { timeout: PROPERTY_TIMEOUT }, () => {
  it('has one of four answers for any bytes, with what belongs to it', () => {
    const seen = new Set<string>()
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const parsed = parseProxyProtocol(bytes)
        seen.add(`${parsed.result} ${parsed.version}`)
        if (parsed.result === 'reject' || parsed.result === 'incomplete') {
          expect(Object.keys(parsed).toSorted()).toStrictEqual(['reason', 'result'])
          expect(parsed.reason).toMatch(/^(it|its|the|one) .*[^.]$/)
          return
        }
        expect(parsed.consumed).toBeGreaterThan(0)
        expect(parsed.consumed).toBeLessThanOrEqual(bytes.length)
        if (parsed.result === 'local') return
        for (const { address, port: number } of [parsed.source, parsed.destination]) {
          if (parsed.family !== 'unix') expect(canonical(address)).toBe(address)
          if (number !== undefined) expect(number >= 1 && number <= 65535).toBe(true)
        }
        expect(typeof tlvValues(parsed.tlvs)).toBe('object')
      }),
      pure,
    )
    // Bytes that all get the same answer would show nothing.
    expect([...seen].toSorted()).toStrictEqual([
      'incomplete undefined',
      'local 1',
      'local 2',
      'proxy 1',
      'proxy 2',
      'reject undefined',
    ])
  })

  it('gives the same answer for every beginning that is not incomplete', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const whole = parseProxyProtocol(bytes)
        for (let length = 0; length < bytes.length; length++) {
          const parsed = parseProxyProtocol(bytes.subarray(0, length))
          if (parsed.result === 'incomplete') continue
          expect(parsed).toStrictEqual(whole)
          if (whole.consumed !== undefined) expect(length).toBeGreaterThanOrEqual(whole.consumed)
        }
      }),
      pure,
    )
  })

  it('reads what a proxy writes', () => {
    fc.assert(
      fc.property(written, ({ bytes, version, family, source, destination, tlvs }) => {
        const parsed = parseProxyProtocol(bytes)
        expect({ ...parsed, tlvs: plainTlvs(parsed.tlvs) }).toStrictEqual({
          result: 'proxy',
          version,
          family,
          transport: 'stream',
          source: endpoint(source),
          destination: endpoint(destination),
          consumed: bytes.length,
          tlvs: tlvs.map(({ type, value }) => [type, Buffer.from(value as Uint8Array).toString('hex')]),
        })
      }),
      pure,
    )
  })

  it('is not swayed by what stands behind the header', () => {
    fc.assert(
      fc.property(written, anyBytes, ({ bytes }, rest) => {
        expect(parseProxyProtocol(Buffer.concat([bytes, rest]))).toStrictEqual(parseProxyProtocol(bytes))
      }),
      pure,
    )
  })

  it('refuses a header of which any one bit was changed, where there is a checksum', () => {
    fc.assert(
      fc.property(
        fc.ipV4(),
        port,
        fc.array(fc.record({ type: fc.constantFrom(0x01, 0x02, 0x30, 0xe0), value: byteLists }), { maxLength: 3 }),
        fc.nat(),
        (source, sourcePort, tlvs, where) => {
          const bytes = version2({ source, sourcePort, tlvs, checksum: true })
          const bit = (where % (8 * (bytes.length - 16))) + 8 * 16 // behind the fixed part, which says how to read the rest
          // A type that is changed may be the checksum's own: then there is none.
          if (bit >> 3 === 28) return
          bytes[bit >> 3]! ^= 1 << (bit & 7)
          expect(parseProxyProtocol(bytes).result).toBe('reject')
        },
      ),
      pure,
    )
  })
})

describe('on the wire', { timeout: PROPERTY_TIMEOUT }, () => {
  let server: Server
  let serverPort: number

  beforeAll(async () => {
    const app = proxyFix(
      createServer((req, res) => {
        const { client, peer } = connectionInfo(req)
        res.end(
          JSON.stringify([client.address, peer.address, req.socket.remoteAddress, proxyProtocolInfo(req)?.source]),
        )
      }),
      { xFor: 1, trustedProxies: '127.0.0.2' },
    )
    server = proxyProtocol(app, { from: '127.0.0.2', others: 'serve', onRefused: () => undefined })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    serverPort = (server.address() as AddressInfo).port
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  /** What is answered to bytes that come in these parts. */
  async function answersTo(localAddress: string, parts: readonly Uint8Array[]): Promise<unknown[]> {
    const socket = connect({ port: serverPort, host: '127.0.0.1', localAddress, noDelay: true })
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString('latin1')))
    socket.on('error', () => undefined) // whoever is refused early is reset
    const closed = new Promise((resolve) => socket.on('close', resolve))
    for (const part of parts) {
      socket.write(part)
      await new Promise((resolve) => setImmediate(resolve))
    }
    socket.end()
    await closed
    return parseResponses(text).map(({ status, body }) => (status === 200 ? (JSON.parse(body) as unknown) : status))
  }

  const REQUEST = Buffer.from(
    'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n',
  )

  it('a header of whoever is not listed makes a bad request, and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          written.map(({ bytes }) => bytes),
          anyBytes,
        ),
        async (bytes) => {
          const answers = await answersTo('127.0.0.9', [bytes, REQUEST])
          // Bytes that begin a request of their own, or none, may be answered; the stranger is itself in all answers.
          const itself = answers.filter((answer) => typeof answer !== 'number')
          expect(itself).toStrictEqual(itself.map(() => ['127.0.0.9', '127.0.0.9', '127.0.0.9', null]))
          expect(answers).toStrictEqual(parseProxyProtocol(bytes).result === 'proxy' ? [400] : answers)
        },
      ),
      { numRuns: WIRE_RUNS },
    )
  })

  it('a header of a listed sender is read wherever it is cut, and its source is judged', async () => {
    await fc.assert(
      fc.asyncProperty(written, fc.array(fc.nat(), { maxLength: 4 }), async ({ bytes, source }, cuts) => {
        const whole = Buffer.concat([bytes, REQUEST])
        const places = [0, ...cuts.map((cut) => cut % whole.length).toSorted((a, b) => a - b), whole.length]
        const parts = places.slice(1).map((place, index) => whole.subarray(places[index], place))
        const address = canonical(source[0])
        const client = address === '127.0.0.2' ? '6.6.6.6' : address
        expect(
          await answersTo(
            '127.0.0.2',
            parts.filter(({ length }) => length > 0),
          ),
        ).toStrictEqual([[client, address, address, endpoint(source)]])
      }),
      { numRuns: WIRE_RUNS },
    )
  })
})

it('writes what the specification shows', () => {
  expect(
    version2({ source: '2001:db8::1', destination: '::', sourcePort: 258, destinationPort: 1 }).toString('hex'),
  ).toBe(
    '0d0a0d0a000d0a515549540a21210024' +
      '20010db8000000000000000000000001' +
      '00000000000000000000000000000000' +
      '01020001',
  )
  expect(tlvBytes({ type: 2, value: 'a' }).toString('hex')).toBe('02000161')
})
