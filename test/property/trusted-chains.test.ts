/**
 * Non-interference once more, for all that can decide besides plain counts: addresses of trusted proxies, walks,
 * RFC 7239, a secret, one header for the client's address. Whatever a client sends, honest proxies' values behind it
 * are read as if it had sent nothing.
 *
 * Honest means: at least as many proxies as a count without `trustedProxies` says, each of which writes every header
 * that is read; the address of each is in `trustedProxies`, where that is given, and the client's, as the outermost
 * proxy saw it, is not. A count that may be larger than the chain needs each proxy to treat all headers alike.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Field } from '../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { anyText } from './arbitraries.ts'
import {
  answerFrom,
  type Chain,
  chainOf,
  clientLine,
  type Line,
  SECRET,
  SECRET_HEADER,
  throughChain,
} from './chains.ts'
import { OURS, stranger } from './network.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const COUNTS = { for: 'xFor', proto: 'xProto', host: 'xHost', port: 'xPort', prefix: 'xPrefix' } as const

/** More than any chain here is long. */
const anyCount = fc.nat({ max: 6 })
const maxHops = fc.constantFrom(undefined, undefined, 1, 2, 3, 32)

function others(setting: fc.Arbitrary<number | 'trusted'>): fc.Arbitrary<ProxyFixOptions> {
  return fc.record({ xProto: setting, xHost: setting, xPort: setting, xPrefix: setting })
}

/** Adds what decides on refusals, which must not depend on the client either. */
function withRefusals(options: fc.Arbitrary<ProxyFixOptions>): fc.Arbitrary<ProxyFixOptions> {
  return fc
    .tuple(
      options,
      fc.constantFrom('ignore' as const, 'reject' as const),
      fc.constantFrom(undefined, undefined, ['shop.example'], ['.internal'], []),
      fc.subarray<Field>(['for', 'proto', 'host', 'port', 'prefix']),
    )
    .map(([one, onInvalid, hosts, fields]) => {
      const required = fields.filter((field) => isConfigured(one, field))
      return { ...one, onInvalid, required, ...(hosts === undefined ? {} : { allowedHosts: hosts }) }
    })
}

function isConfigured(options: ProxyFixOptions, field: Field): boolean {
  if (options.forwarded !== undefined) return field === 'for' || field === 'proto' || field === 'host'
  if (field === 'for') return options.clientIpHeader !== undefined || options.xFor !== 0
  return (options[COUNTS[field]] ?? (field === 'proto' ? 1 : 0)) !== 0
}

interface Mode {
  readonly name: string
  /** Whether each proxy must treat all headers alike. */
  readonly lockStep?: true
  readonly options: (proxies: number) => fc.Arbitrary<ProxyFixOptions>
}

const MODES: readonly Mode[] = [
  {
    name: 'counts up to the number of proxies, with trustedProxies',
    options: (proxies) =>
      fc
        .tuple(fc.nat({ max: proxies }), others(fc.nat({ max: proxies })))
        .map(([xFor, rest]) => ({ ...rest, xFor, trustedProxies: OURS })),
  },
  {
    name: 'any counts, with trustedProxies',
    lockStep: true,
    options: () =>
      fc
        .tuple(fc.integer({ min: 1, max: 6 }), others(anyCount))
        .map(([xFor, rest]) => ({ ...rest, xFor, trustedProxies: OURS })),
  },
  {
    name: 'a walk, the other headers of the same hop or any count of them',
    options: () =>
      fc
        .tuple(others(fc.oneof(fc.constant('trusted' as const), anyCount)), maxHops)
        .map(([rest, hops]) => ({ ...rest, xFor: 'trusted', trustedProxies: OURS, maxHops: hops })),
  },
  {
    name: 'a count of Forwarded elements',
    options: (proxies) => fc.record({ forwarded: fc.integer({ min: 1, max: proxies }) }),
  },
  {
    name: 'any count of Forwarded elements, with trustedProxies',
    options: () => fc.record({ forwarded: fc.integer({ min: 1, max: 6 }), trustedProxies: fc.constant(OURS) }),
  },
  {
    name: 'a walk through Forwarded elements',
    options: () => maxHops.map((hops) => ({ forwarded: 'trusted', trustedProxies: OURS, maxHops: hops })),
  },
  {
    name: 'a secret, with counts or with a walk',
    options: (proxies) => {
      const count = fc.nat({ max: proxies })
      return fc
        .oneof(
          fc.tuple(count, others(count)).map(([xFor, rest]): ProxyFixOptions => ({ ...rest, xFor })),
          fc.integer({ min: 1, max: proxies }).map((forwarded): ProxyFixOptions => ({ forwarded })),
          others(fc.constantFrom(0, 1, 'trusted' as const)).map((rest): ProxyFixOptions => ({
            ...rest,
            xFor: 'trusted',
            trustedProxies: OURS,
          })),
        )
        .map((options) => ({ ...options, secret: { header: SECRET_HEADER, values: ['another', SECRET] } }))
    },
  },
  {
    name: 'one header for the address of the client',
    options: (proxies) =>
      fc.tuple(others(fc.nat({ max: proxies })), fc.boolean()).map(([rest, isSecret]) => ({
        ...rest,
        clientIpHeader: 'X-Real-IP',
        ...(isSecret ? { secret: { header: SECRET_HEADER, values: SECRET } } : { trustedProxies: OURS }),
      })),
  },
]

/** Six short lines at most, now and then one of 64 KB or thousands of them. */
const sentLines: fc.Arbitrary<Line[]> = fc.oneof(
  { weight: 200, arbitrary: fc.array(clientLine, { maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: clientLine.map(([name, value]): Line[] => [[name, `${value},`.repeat(65536 / (value.length + 1))]]),
  },
  { weight: 1, arbitrary: clientLine.map((line): Line[] => Array.from({ length: 3000 }, () => line)) },
)

const addressOfPeer = ({ proxies }: Chain): string => proxies.at(-1)?.address ?? ''

describe('non-interference (contract rules 1, 2 and 9)', () => {
  it.each(MODES)(
    'whatever lines a client sends, the answer is the one for a client that sends none: $name',
    ({ lockStep, options }) => {
      const cases = fc
        .integer({ min: 1, max: 4 })
        .chain((length) =>
          fc.tuple(chainOf(length, lockStep ? fc.constant(true) : fc.boolean()), withRefusals(options(length))),
        )
      fc.assert(
        fc.property(sentLines, cases, fc.boolean(), (sent, [chain, settings], asRecord) => {
          const peer = addressOfPeer(chain)
          expect(answerFrom(peer, throughChain(sent, chain), settings, asRecord)).toStrictEqual(
            answerFrom(peer, throughChain([], chain), settings, asRecord),
          )
        }),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it.each<{ name: string; options: ProxyFixOptions }>([
    { name: 'a count, with trustedProxies', options: { xFor: 5, trustedProxies: OURS } },
    { name: 'a walk', options: { xFor: 'trusted', trustedProxies: OURS } },
    { name: 'a count of elements, with trustedProxies', options: { forwarded: 5, trustedProxies: OURS } },
    { name: 'a walk through elements', options: { forwarded: 'trusted', trustedProxies: OURS } },
  ])(
    'and the client is the one whom the outermost proxy saw: $name',
    ({ options }) => {
      // The other half of the promise: an answer that is always the same could also be always wrong.
      fc.assert(
        fc.property(
          fc.array(clientLine, { maxLength: 4 }),
          fc.integer({ min: 1, max: 4 }).chain((length) => chainOf(length, fc.constant(true))),
          (sent, chain) => {
            // A proxy further in that replaces what came hides the client from everybody behind it.
            const [first, ...inner] = chain.proxies
            if (first === undefined || inner.some(({ ways }) => ways['X-Forwarded-For'] === 'set')) return
            const info = answerFrom(addressOfPeer(chain), throughChain(sent, chain), options, true)
            expect([info.client.address, info.verdicts.for]).toStrictEqual([chain.client, 'trusted'])
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it.each<{ name: string; options: ProxyFixOptions; peer: fc.Arbitrary<string | undefined> }>([
    { name: 'trustedProxies', options: { trustedProxies: OURS }, peer: fc.option(stranger, { nil: undefined }) },
    { name: 'a secret', options: { secret: { header: SECRET_HEADER, values: SECRET } }, peer: stranger },
    {
      name: 'both',
      options: { trustedProxies: OURS, secret: { header: SECRET_HEADER, values: SECRET } },
      peer: fc.oneof(stranger, fc.constantFrom('10.0.0.1', undefined)),
    },
  ])(
    'a client that connects by itself is never believed, whatever it sends: $name',
    ({ options, peer }) => {
      const settings: fc.Arbitrary<ProxyFixOptions> = fc.oneof(
        others(fc.nat({ max: 2 })).map((rest): ProxyFixOptions => ({ ...rest, xFor: 1 })),
        fc.constant<ProxyFixOptions>({ forwarded: 1 }),
        fc.constant<ProxyFixOptions>({ clientIpHeader: 'X-Real-IP', xHost: 1 }),
      )
      fc.assert(
        fc.property(fc.array(clientLine, { maxLength: 6 }), peer, settings, (sent, address, setting) => {
          const both = { ...setting, ...options }
          const answer = answerFrom(address, sent, both, true)
          expect(answer).toStrictEqual(answerFrom(address, [], both, true))
          expect(answer.trusted).toBe(false)
          expect(answer.client).toStrictEqual(address === undefined ? {} : { address, port: 40000 })
          expect(answer.verdicts.for).toBe('untrusted-peer')
        }),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'nor does a secret of one header line too many, or of any text but the right one, pass',
    () => {
      const secret = { header: SECRET_HEADER, values: [SECRET, 'b'] }
      const wrong = anyText.filter((text) => ![SECRET, 'b'].includes(text.replaceAll(/^[ \t]+|[ \t]+$/g, '')))
      const lines = fc.oneof(
        wrong.map((text) => [text]),
        fc.array(fc.oneof(fc.constantFrom(SECRET, 'b', ''), anyText), { minLength: 2, maxLength: 3 }),
      )
      fc.assert(
        fc.property(lines, fc.boolean(), (values, asRecord) => {
          const sent = [...values.map((value): Line => [SECRET_HEADER, value]), ['X-Forwarded-For', '6.6.6.6'] as const]
          expect(answerFrom('10.0.0.1', sent, { secret }, asRecord).client.address).toBe('10.0.0.1')
        }),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
