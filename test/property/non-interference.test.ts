/**
 * Nothing that a client sends can change the answer, as long as each proxy writes each header that is counted
 * and no more are counted than there are proxies. This is the promise of the whole package (contract rule 1).
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ConnectionInfo } from '../../src/trust/connection.ts'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { anyText, COUNTED_HEADERS, type CountedHeader, forwardingName, otherName, proxyValues } from './arbitraries.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

type Line = readonly [name: string, value: string]

/** What a proxy does with the header of a request that comes in, and with what it writes. */
interface Step {
  /** Replace what came; add to its last line; write a line of its own below. */
  readonly way: 'set' | 'append' | 'append without a blank' | 'line'
  readonly value: string
}

type Proxy = Readonly<Record<CountedHeader, Step>>

const proxy: fc.Arbitrary<Proxy> = fc.record(
  Object.fromEntries(
    COUNTED_HEADERS.map((name) => [
      name,
      fc.record({
        way: fc.constantFrom<Step['way'][]>('append', 'append', 'append without a blank', 'line', 'set'),
        value: proxyValues[name],
      }),
    ]),
  ) as Record<CountedHeader, fc.Arbitrary<Step>>, // one entry for each name, which fromEntries cannot tell
)

/** The lines of a request after it came through a proxy. */
function passThrough(lines: readonly Line[], { proxy: steps }: { readonly proxy: Proxy }): Line[] {
  let passed = [...lines]
  for (const name of COUNTED_HEADERS) {
    const { way, value } = steps[name]
    const isSame = ([other]: Line): boolean => other.toLowerCase() === name.toLowerCase()
    const last = passed.findLastIndex(isSame)
    const lastLine = passed[last]
    if (way === 'set') passed = [...passed.filter((line) => !isSame(line)), [name, value]]
    else if (way === 'line' || lastLine === undefined) passed.push([name, value])
    else passed[last] = [lastLine[0], `${lastLine[1]}${way === 'append' ? ', ' : ','}${value}`]
  }
  return passed
}

/** Lines as the sources of `resolveConnection` hold them: joined in a Map, or as lists under each spelling. */
function answer(lines: readonly Line[], options: ProxyFixOptions, asRecord: boolean): Omit<ConnectionInfo, 'original'> {
  const byName = new Map<string, string[]>()
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    const values = byName.get(key)
    if (values === undefined) byName.set(key, [value])
    else values.push(value)
  }
  const headers = asRecord
    ? Object.fromEntries(byName)
    : { get: (name: string) => byName.get(name.toLowerCase())?.join(', ') }
  const info = resolveConnection(
    { peer: { address: '10.0.0.1', port: 40000 }, scheme: 'http', host: 'app.internal:3000', headers },
    options,
  )
  const { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal } = info
  return { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal }
}

/** Options that count no header more often than there are proxies, in every other combination. */
function optionsFor(proxies: number): fc.Arbitrary<ProxyFixOptions> {
  const count = fc.nat({ max: proxies })
  return fc
    .record({
      xFor: count,
      xProto: count,
      xHost: count,
      xPort: count,
      xPrefix: count,
      onInvalid: fc.constantFrom('ignore' as const, 'reject' as const),
      headers: fc.constantFrom('normalize' as const, 'keep' as const, 'remove' as const),
      hosts: fc.constantFrom<(readonly string[] | undefined)[]>(undefined, ['shop.example'], ['.internal'], []),
      mayRequire: fc.subarray(['for', 'proto', 'host', 'port', 'prefix'] as const),
    })
    .map(({ hosts, mayRequire, ...options }) => {
      const counts = {
        for: options.xFor,
        proto: options.xProto,
        host: options.xHost,
        port: options.xPort,
        prefix: options.xPrefix,
      }
      const required = mayRequire.filter((field) => counts[field] > 0)
      return { ...options, required, ...(hosts === undefined ? {} : { allowedHosts: hosts }) }
    })
}

const clientLine: fc.Arbitrary<Line> = fc.tuple(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...COUNTED_HEADERS) },
    { weight: 2, arbitrary: forwardingName },
    otherName,
  ),
  anyText,
)

const chains = fc
  .integer({ min: 1, max: 4 })
  .chain((length) =>
    fc.record({ proxies: fc.array(proxy, { minLength: length, maxLength: length }), options: optionsFor(length) }),
  )

function throughChain(client: readonly Line[], proxies: readonly Proxy[]): Line[] {
  return proxies.reduce<Line[]>((lines, one) => passThrough(lines, { proxy: one }), [...client])
}

describe('non-interference (contract rule 1)', () => {
  it(
    'whatever lines a client sends, the answer is the one for a client that sends none',
    () => {
      fc.assert(
        fc.property(
          fc.array(clientLine, { maxLength: 6 }),
          chains,
          fc.boolean(),
          (client, { proxies, options }, asRecord) => {
            const withClient = answer(throughChain(client, proxies), options, asRecord)
            const without = answer(throughChain([], proxies), options, asRecord)
            expect(withClient).toStrictEqual(without)
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'nor do thousands of lines or one long line of them change it',
    () => {
      fc.assert(
        fc.property(
          clientLine,
          fc.integer({ min: 1000, max: 5000 }),
          fc.boolean(),
          chains,
          ([name, value], times, oneLine, chain) => {
            const client: Line[] = oneLine
              ? [[name, Array.from({ length: times }, () => value.slice(0, 20)).join(',')]]
              : Array.from({ length: times }, () => [name, value.slice(0, 20)])
            const withClient = answer(throughChain(client, chain.proxies), chain.options, true)
            expect(withClient).toStrictEqual(answer(throughChain([], chain.proxies), chain.options, true))
          },
        ),
        { numRuns: Math.ceil(PURE_RUNS / 50) },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'and the client is the one whom the outermost counted proxy saw',
    () => {
      // The other half of the promise: an answer that is always the same could also be always wrong.
      fc.assert(
        fc.property(
          fc.array(clientLine, { maxLength: 4 }),
          fc.array(fc.ipV4(), { minLength: 1, maxLength: 5 }),
          fc.nat(),
          (client, seen, pick) => {
            const xFor = (pick % seen.length) + 1
            const lines = [...client, ...seen.map((address): Line => ['X-Forwarded-For', address])]
            expect(answer(lines, { xFor }, true).client).toStrictEqual({ address: seen[seen.length - xFor] })
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
