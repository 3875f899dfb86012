/**
 * The decision agrees with the oracle, a second implementation straight from the contract (rules 1, 2 and 9), on
 * lists that honest proxies wrote and on any others: who is the client, and from which place each field is read.
 */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { chainOf, clientLine, SECRET, SECRET_HEADER, throughChain } from './chains.ts'
import { forwardedElement, headerLines, linesOf } from './facts.ts'
import { anyAddress, OURS, ourAddress, stranger } from './network.ts'
import {
  elementsFromRight,
  type Expected,
  expectedOf,
  type OracleFacts,
  type OracleOptions,
  readElement,
} from './oracle.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const runs = { numRuns: PURE_RUNS }

const count = fc.nat({ max: 4 })
const list = fc.oneof(fc.constant(OURS), fc.subarray([...OURS, 'private', 'linklocal', 'unix']))
const someHops = fc.constantFrom(undefined, undefined, 1, 2, 3)

function others<T>(setting: fc.Arbitrary<T>): fc.Arbitrary<{ xProto: T; xHost: T; xPort: T; xPrefix: T }> {
  return fc.record({ xProto: setting, xHost: setting, xPort: setting, xPrefix: setting })
}

const READINGS: readonly { name: string; options: fc.Arbitrary<OracleOptions> }[] = [
  {
    name: 'counts',
    options: fc.tuple(count, others(count)).map(([xFor, rest]) => ({ ...rest, xFor })),
  },
  {
    name: 'counts, with trustedProxies',
    options: fc
      .tuple(count, others(count), list)
      .map(([xFor, rest, trustedProxies]) => ({ ...rest, xFor, trustedProxies })),
  },
  {
    name: 'walks',
    options: fc
      .tuple(others(fc.oneof(fc.constant('trusted' as const), count)), list, someHops)
      .map(([rest, trustedProxies, maxHops]) => ({ ...rest, xFor: 'trusted', trustedProxies, maxHops })),
  },
  { name: 'counts of elements', options: fc.record({ forwarded: fc.integer({ min: 1, max: 4 }) }) },
  {
    name: 'counts of elements, with trustedProxies',
    options: fc.record({ forwarded: fc.integer({ min: 1, max: 4 }), trustedProxies: list }),
  },
  {
    name: 'walks through elements',
    options: fc.record({ forwarded: fc.constant('trusted' as const), trustedProxies: list, maxHops: someHops }),
  },
  {
    name: 'a secret, alone or with trustedProxies',
    options: fc
      .tuple(others(count), fc.option(list, { nil: undefined }), fc.constantFrom(undefined, 1, 2))
      .map(([rest, trustedProxies, forwarded]) => ({
        ...(forwarded === undefined ? rest : { forwarded }),
        ...(trustedProxies === undefined ? {} : { trustedProxies }),
        secret: { header: SECRET_HEADER, values: ['another', SECRET] },
      })),
  },
  {
    name: 'one header for the address of the client',
    options: fc
      .tuple(others(count), list)
      .map(([rest, trustedProxies]) => ({ ...rest, trustedProxies, clientIpHeader: 'X-Real-IP' })),
  },
]

const peer = fc.oneof(
  { weight: 6, arbitrary: ourAddress },
  { weight: 1, arbitrary: stranger },
  {
    weight: 1,
    arbitrary: fc.constantFrom(undefined, '', '::ffff:10.0.0.1', '::1%lo', 'fe80::1%eth0', 'not an address'),
  },
)

const secretLines = fc.constantFrom(
  undefined,
  [SECRET],
  [SECRET],
  ['another'],
  [SECRET, SECRET],
  [`${SECRET}, another`],
  [''],
  ['wrong'],
  [SECRET.toUpperCase()],
  [SECRET.slice(1)],
)

function decisionOn({ lines, ...facts }: OracleFacts, options: OracleOptions, asRecord: boolean): Expected {
  const headers = asRecord ? lines : { get: (name: string) => lines[name.toLowerCase()]?.join(', ') }
  const { client, trusted, scheme, host, hostname, port, prefix, verdicts, rejected } = resolveConnection(
    { ...facts, headers },
    options as ProxyFixOptions,
  )
  const fields = rejected.map(({ field }) => field)
  return { client, trusted, scheme, host, hostname, port, prefix, verdicts, rejected: fields }
}

function linesByName(lines: readonly (readonly [name: string, value: string])[]): Record<string, string[]> {
  const byName = new Map<string, string[]>()
  for (const [name, value] of lines) {
    byName.set(name.toLowerCase(), [...(byName.get(name.toLowerCase()) ?? []), value])
  }
  return Object.fromEntries(byName)
}

const received = {
  scheme: fc.constantFrom('http', 'https', 'ws', 'wss', 'other'),
  host: fc.constantFrom(undefined, '', 'app.internal:3000', 'APP.internal', 'a@b'),
  prefix: fc.constantFrom(undefined, '', '/base/'),
}

describe('resolveConnection', () => {
  it.each(READINGS)(
    'decides as the oracle does on any lists: $name',
    ({ options }) => {
      fc.assert(
        fc.property(
          peer,
          fc.record(received),
          headerLines,
          secretLines,
          options,
          fc.boolean(),
          (address, rest, headers, secret, settings, asRecord) => {
            const lines = Object.fromEntries(
              Object.entries({ ...headers, ...(secret && { [SECRET_HEADER]: secret }) }).map(([name, values]) => [
                name.toLowerCase(),
                values,
              ]),
            )
            const facts = { peer: { address, port: 40000 }, ...rest, lines }
            expect(decisionOn(facts, settings, asRecord)).toStrictEqual(expectedOf(facts, settings))
          },
        ),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )

  it.each(READINGS)(
    'and on what comes through honest proxies: $name',
    ({ options }) => {
      const chain = fc.integer({ min: 0, max: 4 }).chain((length) => chainOf(length, fc.boolean()))
      fc.assert(
        fc.property(
          anyAddress,
          fc.array(clientLine, { maxLength: 3 }),
          chain,
          options,
          (address, sent, proxies, settings) => {
            const lines = linesByName(throughChain(sent, proxies))
            const facts = { peer: { address: proxies.proxies.at(-1)?.address ?? address }, scheme: 'http', lines }
            expect(decisionOn(facts, settings, true)).toStrictEqual(expectedOf(facts, settings))
          },
        ),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('the oracle', () => {
  /** A forward reader: a quote opens where it comes, and what is escaped does not close it. */
  function elementsForward(text: string): string[] {
    const elements = ['']
    let isQuoted = false
    for (let at = 0; at < text.length; at++) {
      const one = text.charAt(at)
      if (one === ',' && !isQuoted) elements.push('')
      else elements.push(`${elements.pop() ?? ''}${one}${isQuoted && one === '\\' ? text.charAt(++at) : ''}`)
      if (one === '"') isQuoted = !isQuoted
    }
    return elements.map((element) => element.replaceAll(/^[ \t]+|[ \t]+$/g, ''))
  }

  it(
    'reads a legal Forwarded from the right as everybody reads it forward',
    () => {
      fc.assert(
        fc.property(linesOf(forwardedElement), (lines) => {
          const text = lines.join(', ')
          const forward = elementsForward(text)
          if (forward.some((element) => readElement(element) === 'invalid')) return
          expect(elementsFromRight(text)).toStrictEqual(forward.toReversed())
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})
