/**
 * What the specification says about 124 beginnings of connections, with the cases that the tests of gunicorn, Twisted,
 * nginx and go-proxyproto have. What they read we read, but for the differences that stand in a list with their rule.
 */

import { describe, expect, it } from 'vitest'
import { parseProxyProtocol } from '../../../src/server/proxy-protocol/parse.ts'
import { tlvValues } from '../../../src/server/proxy-protocol/tlv-values.ts'
import { type Answer, knownDifferences } from '../../vectors/proxy_protocol-differences.ts'
import { describeDifferences, differingFields, readVectors, type VectorClass } from '../../vectors/vectors.ts'

interface ProxyProtocolVector {
  readonly name: string
  readonly class: VectorClass
  readonly input_hex: string
  readonly expect: {
    readonly result: Answer['result']
    readonly version?: number
    readonly family?: string
    readonly transport?: string
    readonly src?: string
    readonly src_port?: number
    readonly dst?: string
    readonly dst_port?: number
    readonly consumed?: number
    readonly tlvs?: Answer['tlvs']
    readonly ssl?: {
      readonly client: number
      readonly verify: number
      readonly sub: readonly { readonly type: number; readonly text?: string }[]
    }
  }
}

const vectors = readVectors<ProxyProtocolVector>('proxy_protocol.json')

function bytesOf({ input_hex: hex }: ProxyProtocolVector): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

/** The fields that a vector says something about. */
function theirAnswer({ expect: expected }: ProxyProtocolVector): Partial<Answer> {
  const { result, version, family, transport, src, src_port, dst, dst_port, consumed, tlvs } = expected
  return {
    result,
    ...(version !== undefined && { version }),
    ...(consumed !== undefined && { consumed }),
    ...(family !== undefined && { family }),
    ...(transport !== undefined && { transport: transport === 'dgram' ? 'datagram' : transport }),
    ...(src !== undefined && { source: { address: src, port: src_port ?? null } }),
    ...(dst !== undefined && { destination: { address: dst, port: dst_port ?? null } }),
    ...(tlvs !== undefined && { tlvs }),
  }
}

function ourAnswer(vector: ProxyProtocolVector): Answer {
  const { result, version, family, transport, source, destination, consumed, tlvs } = parseProxyProtocol(
    bytesOf(vector),
  )
  return {
    result,
    version: version ?? null,
    family: family ?? null,
    transport: transport ?? null,
    source: source === undefined ? null : { address: source.address, port: source.port ?? null },
    destination: destination === undefined ? null : { address: destination.address, port: destination.port ?? null },
    consumed: consumed ?? null,
    tlvs: tlvs?.map(({ type, value }) => ({ type, hex: Buffer.from(value).toString('hex') })) ?? null,
  }
}

describe('the 124 beginnings of connections', () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(124)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(124)
  })

  it.each(vectors)('$name', (vector) => {
    const known = knownDifferences.find(({ name }) => name === vector.name)
    expect(differingFields(ourAnswer(vector), theirAnswer(vector))).toStrictEqual(known?.ours ?? {})
  })

  it.each(vectors)('$name: each shorter beginning is incomplete, or has the same answer', (vector) => {
    const bytes = bytesOf(vector)
    const whole = parseProxyProtocol(bytes)
    const decidedAt = Array.from({ length: bytes.length + 1 }, (_, length) => length).find(
      (length) => parseProxyProtocol(bytes.subarray(0, length)).result !== 'incomplete',
    )
    if (whole.result === 'incomplete') {
      expect(decidedAt).toBeUndefined()
      return
    }
    if (whole.consumed !== undefined) expect(decidedAt).toBe(whole.consumed)
    for (let length = decidedAt ?? 0; length <= bytes.length; length++) {
      expect(parseProxyProtocol(bytes.subarray(0, length))).toStrictEqual(whole)
    }
  })
})

describeDifferences(knownDifferences, vectors)

it('every core answer is ours as well, but for the folding of IPv4 in IPv6', () => {
  const differing = new Map(knownDifferences.map(({ name, reason }) => [name, reason]))
  const core = vectors.filter(({ name, class: kind }) => kind === 'core' && differing.has(name))
  expect(core.map(({ name }) => differing.get(name))).toStrictEqual([
    '::ffff:a.b.c.d is given as IPv4',
    '::ffff:a.b.c.d is given as IPv4',
  ])
})

describe('the TLS that the vectors tell of', () => {
  it.each(vectors.filter(({ expect: expected }) => expected.ssl !== undefined))('$name', (vector) => {
    const { client, verify, sub = [] } = vector.expect.ssl ?? {}
    const text = (type: number): string | undefined => sub.find((one) => one.type === type)?.text
    const { tls } = tlvValues(parseProxyProtocol(bytesOf(vector)).tlvs ?? [])
    expect([client! & 1, verify]).toStrictEqual([1, 0])
    expect({
      33: tls?.version,
      34: tls?.clientCertificate?.commonName,
      35: tls?.cipher,
      36: tls?.signatureAlgorithm,
      37: tls?.keyAlgorithm,
      38: tls?.group,
      39: tls?.signatureScheme,
    }).toStrictEqual({
      33: text(33),
      34: text(34),
      35: text(35),
      36: text(36),
      37: text(37),
      38: text(38),
      39: text(39),
    })
  })
})
