/**
 * nginx's realip module is what most people compare with: `real_ip_recursive on` is our walk, `off` is a count of 1,
 * and `set_real_ip_from` is `trustedProxies`. What nginx answered, we answer, but for the differences that stand in a
 * list with their rule.
 */

import { describe, expect, it } from 'vitest'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'
import { type Answer, knownDifferences } from '../../vectors/nginx-differences.ts'
import { describeDifferences, differingFields, headerRecord, readVectors, type Vector } from '../../vectors/vectors.ts'

interface Expected {
  readonly client: string
  readonly port?: number | null
}

const vectors = readVectors<Vector<Expected>>('nginx.json')

/** nginx walks as far as the header goes. */
const NO_LIMIT = 1_000_000

function optionsOf({ name, neutral }: Vector<Expected>): ProxyFixOptions {
  const { trust, peers, source } = neutral ?? {}
  if (trust?.cidrs !== undefined) return { xFor: 'trusted', trustedProxies: trust.cidrs, maxHops: NO_LIMIT }
  if (trust?.hops === undefined || peers === undefined) throw new Error(`${name} asks for something else`)
  return source?.startsWith('single:')
    ? { clientIpHeader: source.slice('single:'.length), trustedProxies: peers }
    : { xFor: trust.hops, trustedProxies: peers }
}

function ourAnswer(vector: Vector<Expected>): Answer {
  const { peer, scheme, host, headers } = vector
  const facts = { peer: { address: peer ?? '' }, scheme, host, headers: headerRecord(headers) }
  const { client } = resolveConnection(facts, optionsOf(vector))
  return { client: client.address ?? null, port: client.port ?? null }
}

describe("the 87 answers of nginx's realip module", () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(87)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(87)
  })

  it.each(vectors)('$name', (vector) => {
    const known = knownDifferences.find(({ name }) => name === vector.name)
    expect(differingFields(ourAnswer(vector), vector.expect)).toStrictEqual(known?.ours ?? {})
  })
})

describeDifferences(knownDifferences, vectors)

it('every core answer is ours as well', () => {
  const differing = new Set(knownDifferences.map(({ name }) => name))
  expect(vectors.filter(({ name, class: kind }) => kind === 'core' && differing.has(name))).toStrictEqual([])
})
