/**
 * What must hold of every decision, whatever the facts and the options: it is total, its answers keep their grammar
 * and stand as they are when they are fed back in, a larger set of trusted proxies is the only thing that moves the
 * client to the left, and one address is one address however it is written.
 */

import fc from 'fast-check'
import ipaddr from 'ipaddr.js'
import { describe, expect, it } from 'vitest'
import { canonicalAddress } from '../../src/trust/address.ts'
import { parseAuthority } from '../../src/trust/authority.ts'
import { type ConnectionInfo, type Field, FIELDS, type Verdict } from '../../src/trust/connection.ts'
import { formatElement } from '../../src/trust/forwarded.ts'
import type { ProxyFixOptions } from '../../src/trust/options.ts'
import { trustPolicy } from '../../src/trust/policy.ts'
import { parsePrefix, trimPrefix } from '../../src/trust/prefix.ts'
import { resolveConnection } from '../../src/trust/resolve.ts'
import { withoutOriginal } from './chains.ts'
import { anyFacts, legalOptions } from './facts.ts'
import { mappedSpellings, OURS, spelling, type Spelling, writeFor } from './network.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS } from './runs.ts'

const runs = { numRuns: PURE_RUNS }

const VERDICTS: readonly Verdict[] = [
  'trusted',
  'not-configured',
  'untrusted-peer',
  'absent',
  'short',
  'empty',
  'invalid',
]
const SCHEMES = ['http', 'https', 'ws', 'wss']

function defaultPortOf(scheme: string): number | undefined {
  if (!SCHEMES.includes(scheme)) return undefined
  return scheme.endsWith('s') && scheme !== 'ws' ? 443 : 80
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

describe('resolveConnection', () => {
  it(
    'is total under all options, and each part of the answer keeps its grammar',
    () => {
      fc.assert(
        fc.property(anyFacts, legalOptions, (facts, options) => {
          const info = resolveConnection(facts, options)
          const { client, peer, scheme, host, hostname, port, prefix, verdicts, rejected, refusal } = info
          for (const one of [client, peer]) {
            if (one.address !== undefined) expect(canonicalAddress(one.address)).toBe(one.address)
            if (one.port !== undefined) expect(isPort(one.port)).toBe(true)
          }
          if (peer.address === undefined) expect(peer.port).toBeUndefined()
          if (client.address === undefined && client.node === undefined) expect(client.port).toBeUndefined()
          if (client.node !== undefined) {
            expect(client.node).toMatch(/^(?:unknown|_[A-Za-z0-9._-]+)$/)
            expect([client.address, verdicts.for]).toStrictEqual([undefined, 'trusted'])
          }

          if (verdicts.proto === 'trusted') expect(SCHEMES).toContain(scheme)
          else expect(scheme).toBe(facts.scheme)
          if (hostname === undefined) expect(host).toBe(facts.host || undefined)
          else {
            expect(parseAuthority(hostname)).toStrictEqual({ hostname, port: undefined })
            expect(host).toBe(port === defaultPortOf(scheme) ? hostname : `${hostname}:${String(port)}`)
          }
          if (verdicts.host === 'trusted') expect(hostname).toBeDefined()
          if (port === undefined) expect(SCHEMES).not.toContain(scheme)
          else expect(isPort(port)).toBe(true)
          if (verdicts.prefix === 'trusted') expect(parsePrefix(prefix === '' ? '/' : prefix)).toBe(prefix)
          else expect(prefix).toBe(trimPrefix(facts.prefix ?? ''))

          expect(Object.keys(verdicts)).toStrictEqual([...FIELDS])
          for (const field of FIELDS) expect(VERDICTS).toContain(verdicts[field])
          if (!info.trusted) {
            expect(client).toStrictEqual(peer)
            expect(FIELDS.filter((field) => !['not-configured', 'untrusted-peer'].includes(verdicts[field]))).toEqual(
              [],
            )
            expect(rejected).toStrictEqual([])
          }
          for (const one of rejected) {
            expect(FIELDS).toContain(one.field)
            expect(one.value.length).toBeLessThanOrEqual(256)
            expect(one.reason).toMatch(/^[ -~]+$/)
          }
          for (const field of FIELDS) {
            const mustTell = ['short', 'empty', 'invalid'].includes(verdicts[field])
            const told = rejected.filter((one) => one.field === field).length
            // Besides those, a value may have ended a walk that found the client, or an element without `for`.
            if (field === 'for' && !mustTell && isWalk(options)) expect(told).toBeLessThanOrEqual(1)
            else expect(told, field).toBe(mustTell ? 1 : 0)
          }
          if (refusal !== undefined) {
            expect(refusal.status).toBe(400)
            expect(FIELDS).toContain(refusal.field)
            expect(refusal.reason).toMatch(/^[ -~]+$/)
          }
          expect(refusal?.field).toBe(refusedField(info, options))
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'gives an answer that stands when it is sent in again',
    () => {
      const once = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }
      fc.assert(
        fc.property(anyFacts, legalOptions, fc.boolean(), (facts, options, asRecord) => {
          const { client, peer, scheme, host, hostname, port, prefix, verdicts } = resolveConnection(facts, options)
          const { address } = client
          const ported = client.port === undefined ? '' : `:${client.port}`
          const sent = {
            'X-Forwarded-For': address === undefined ? undefined : ported === '' ? address : `[${address}]${ported}`,
            'X-Forwarded-Proto': SCHEMES.includes(scheme) ? scheme : undefined,
            'X-Forwarded-Host': hostname === undefined ? undefined : host,
            'X-Forwarded-Port': port === undefined ? undefined : String(port),
            'X-Forwarded-Prefix': verdicts.prefix === 'trusted' ? prefix || '/' : undefined,
          }
          if (address !== undefined && !address.includes(':')) sent['X-Forwarded-For'] = `${address}${ported}`
          const lower = new Map(Object.entries(sent).map(([name, value]) => [name.toLowerCase(), value]))
          const headers = asRecord ? sent : { get: (name: string) => lower.get(name) }
          const again = resolveConnection(
            { peer: { address: '10.0.0.1' }, scheme: facts.scheme, host: facts.host, prefix: facts.prefix, headers },
            once,
          )
          const answer = { client, scheme, host, hostname, port, prefix }
          expect({
            client: address === undefined ? client : again.client,
            scheme: again.scheme,
            host: again.host,
            hostname: again.hostname,
            port: again.port,
            prefix: again.prefix,
          }).toStrictEqual(answer)

          const element = formatElement({
            for: address ?? client.node,
            proto: SCHEMES.includes(scheme) ? scheme : undefined,
            host: hostname === undefined ? undefined : host,
          })
          const told = resolveConnection(
            { peer: {}, scheme: facts.scheme, host: facts.host, headers: { Forwarded: element } },
            { forwarded: 1 },
          )
          expect([told.client.address, told.client.node, told.scheme, told.host, told.hostname]).toStrictEqual([
            address,
            client.node,
            scheme,
            host,
            hostname,
          ])

          const asReceived = resolveConnection({ peer: client, scheme, host, prefix, headers: {} }, once)
          expect(asReceived.client).toStrictEqual(client.node === undefined ? client : {})
          expect([asReceived.scheme, asReceived.host, asReceived.hostname, asReceived.prefix]).toStrictEqual([
            scheme,
            host,
            hostname,
            prefix,
          ])
          expect(resolveConnection({ peer, scheme, headers: {} }, {}).peer).toStrictEqual(peer)
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

function isWalk({ xFor, forwarded }: ProxyFixOptions): boolean {
  return xFor === 'trusted' || forwarded === 'trusted'
}

/** Rule 7: invalid, then required, then allowedHosts. */
function refusedField(info: ConnectionInfo, options: ProxyFixOptions): Field | undefined {
  const { verdicts, hostname, trusted } = info
  const invalid = FIELDS.find((field) => verdicts[field] === 'invalid')
  if (options.onInvalid === 'reject' && invalid !== undefined) return invalid
  const missing = trusted ? options.required?.find((field) => verdicts[field] !== 'trusted') : undefined
  if (missing !== undefined) return missing
  if (options.allowedHosts === undefined) return undefined
  const name = hostname?.replace(/\.$/, '')
  const isAllowed = options.allowedHosts.some((entry) =>
    entry.startsWith('.') ? name !== undefined && `.${name}`.endsWith(entry) : name === entry,
  )
  return isAllowed ? undefined : 'host'
}

/** How far left the client and each field were read from; 0 is what the request itself shows. */
interface Places {
  readonly for: number
  readonly host: number
  readonly port: number
  readonly prefix: number
}

/** Lists in which each value tells its place, counted from the right; `undefined` stands for one that is no value. */
interface Told {
  /** Whether the address at each place is one of ours. */
  readonly hops: readonly (boolean | undefined)[]
  readonly host: readonly boolean[]
  readonly port: readonly boolean[]
  readonly prefix: readonly boolean[]
}

const isValue = fc.constantFrom(true, true, true, true, false)
const told: fc.Arbitrary<Told> = fc.record({
  hops: fc.array(fc.constantFrom(true, true, true, false, undefined), { maxLength: 6 }),
  host: fc.array(isValue, { maxLength: 6 }),
  port: fc.array(isValue, { maxLength: 6 }),
  prefix: fc.array(isValue, { maxLength: 6 }),
})

const oursAt = (place: number): string => `10.0.0.${place}`

function placesOf({ hops, host, port, prefix }: Told, options: ProxyFixOptions): Places {
  const list = (values: readonly (string | undefined)[], none: string): string | undefined =>
    values.length === 0
      ? undefined
      : values
          .map((value) => value ?? none)
          .toReversed()
          .join(', ')
  const addresses = hops.map((isOurs, index) =>
    isOurs === undefined ? undefined : isOurs ? oursAt(index + 1) : `203.0.113.${index + 1}`,
  )
  const info = resolveConnection(
    {
      peer: { address: '10.9.9.9' },
      scheme: 'http',
      headers: {
        'X-Forwarded-For': list(addresses, '?'),
        'X-Forwarded-Host': list(
          host.map((is, index) => (is ? `h${index + 1}` : undefined)),
          'a b',
        ),
        'X-Forwarded-Port': list(
          port.map((is, index) => (is ? `800${index + 1}` : undefined)),
          '0',
        ),
        'X-Forwarded-Prefix': list(
          prefix.map((is, index) => (is ? `/p${index + 1}` : undefined)),
          '..',
        ),
        Forwarded: list(
          addresses.map(
            (address, index) => address && `for=${address};host=${host[index] === true ? `h${index + 1}` : '/'}`,
          ),
          'for=?;for=?',
        ),
      },
    },
    options,
  )
  const { client, hostname, port: decided, prefix: mounted } = info
  return {
    for: client.address === '10.9.9.9' ? 0 : Number(client.address?.split('.').at(-1)),
    host: hostname === undefined ? 0 : Number(hostname.slice(1)),
    port: decided === 80 ? 0 : Number(decided) - 8000,
    prefix: mounted === '' ? 0 : Number(mounted.slice(2)),
  }
}

const NAMES = ['for', 'host', 'port', 'prefix'] as const

describe('trustedProxies', () => {
  const six = [1, 2, 3, 4, 5, 6].map(oursAt)
  const count = fc.nat({ max: 5 })
  const counts = fc.record({ xFor: count, xHost: count, xPort: count, xPrefix: count })

  it(
    'beside counts never moves the client or a field to the left of where the count alone reads it',
    () => {
      fc.assert(
        fc.property(told, counts, fc.subarray(six), (lists, options, ours) => {
          const alone = placesOf(lists, options)
          const checked = placesOf(lists, { ...options, trustedProxies: ['10.9.9.9', ...ours] })
          const limits = { for: options.xFor, host: options.xHost, port: options.xPort, prefix: options.xPrefix }
          // A count alone ignores a list too short, or a bad value, where the walk may end nearer at a good one.
          for (const name of NAMES) expect(checked[name], name).toBeLessThanOrEqual(alone[name] || limits[name])
          expect(placesOf(lists, { ...options, trustedProxies: ours })).toStrictEqual({
            for: 0,
            host: 0,
            port: 0,
            prefix: 0,
          })
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'beside a count of elements never moves the client or the host to the left of where the count alone reads it',
    () => {
      fc.assert(
        fc.property(told, fc.integer({ min: 1, max: 5 }), fc.subarray(six), (lists, forwarded, ours) => {
          const alone = placesOf(lists, { forwarded })
          const checked = placesOf(lists, { forwarded, trustedProxies: ['10.9.9.9', ...ours] })
          for (const name of ['for', 'host'] as const) {
            expect(checked[name], name).toBeLessThanOrEqual(alone[name] || forwarded)
          }
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'of fewer addresses never trusts more: client and fields only move to the right',
    () => {
      const setting = fc.oneof(fc.constant('trusted' as const), count)
      const reading: fc.Arbitrary<ProxyFixOptions> = fc.oneof(
        fc
          .record({ xHost: setting, xPort: setting, xPrefix: setting })
          .map((rest): ProxyFixOptions => ({ ...rest, xFor: 'trusted' })),
        fc.constant<ProxyFixOptions>({ forwarded: 'trusted' }),
        counts,
        fc.integer({ min: 1, max: 5 }).map((forwarded): ProxyFixOptions => ({ forwarded })),
      )
      fc.assert(
        fc.property(told, reading, fc.subarray(six), fc.func(fc.boolean()), (lists, options, more, keeps) => {
          const peer = '10.9.9.9'
          const large = placesOf(lists, { ...options, trustedProxies: [peer, ...more] })
          const fewer = [peer, ...more.filter((address) => keeps(address))]
          const small = placesOf(lists, { ...options, trustedProxies: fewer })
          // A count finds a list of trusted addresses alone too short, or a bad value at its place, and believes
          // nobody; with fewer addresses the walk ends before that, at a value that somebody trusted wrote.
          expect(small.for).toBeLessThanOrEqual(isWalk(options) ? large.for : large.for || Infinity)
          for (const name of NAMES) expect(small[name], name).toBeLessThanOrEqual(large[name] || Infinity)
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('a walk', () => {
  it(
    'reads no field further left than where the client stands, those of the same hop nowhere else',
    () => {
      const count = fc.integer({ min: 1, max: 6 })
      fc.assert(
        fc.property(told, count, fc.subarray([1, 2, 3, 4, 5, 6].map(oursAt)), (lists, xPrefix, ours) => {
          if (lists.hops.length === 0) return // nobody is told, so nothing tells where to stop
          const places = placesOf(lists, {
            xFor: 'trusted',
            xHost: 'trusted',
            xPort: 'trusted',
            xPrefix,
            trustedProxies: ['10.9.9.9', ...ours],
          })
          expect([0, places.for]).toContain(places.host)
          expect([0, places.for]).toContain(places.port)
          // A value that is no address ends the walk at its own place, one to the left of the client.
          const isEnded = lists.hops.length > places.for && lists.hops[places.for] === undefined
          expect(places.prefix).toBeLessThanOrEqual(places.for + (isEnded ? 1 : 0))
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('a predicate', () => {
  it(
    'is given canonical text, and decides as a list does, though it decides on other connections itself',
    () => {
      fc.assert(
        fc.property(anyFacts, legalOptions, anyFacts, (facts, options, other) => {
          if (options.secret !== undefined) return // an empty list beside it is nobody; a predicate is never empty
          const list = [...OURS, 'unix']
          const policy = trustPolicy({ trustedProxies: list })
          const trustedProxies = (address: string): boolean => {
            if (address !== '') expect(canonicalAddress(address)).toBe(address)
            const peer = address === '' ? {} : { address }
            const { trusted } = resolveConnection({ peer, scheme: 'http', headers: {} }, policy)
            resolveConnection(other, options)
            return trusted
          }
          expect(withoutOriginal(resolveConnection(facts, { ...options, trustedProxies }))).toStrictEqual(
            withoutOriginal(resolveConnection(facts, { ...options, trustedProxies: list })),
          )
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('IPv4 written as mapped IPv6', () => {
  const v4 = fc.constantFrom('10.0.0.1', '10.255.0.2', '192.0.2.7', '192.0.2.8', '203.0.113.7', '127.0.0.1', '0.0.0.0')
  const block = fc.oneof(
    v4.map((address) => [address, undefined] as const),
    fc.tuple(v4, fc.integer({ min: 0, max: 32 })),
  )
  const reading = fc.constantFrom<ProxyFixOptions[]>(
    { xFor: 1 },
    { xFor: 3 },
    { xFor: 'trusted', xProto: 'trusted', xHost: 2 },
    { forwarded: 2 },
    { forwarded: 'trusted' },
    { clientIpHeader: 'X-Real-IP' },
  )
  const cases = fc.record({
    peer: v4,
    hops: fc.array(fc.tuple(v4, spelling), { maxLength: 4 }),
    blocks: fc.array(block, { maxLength: 3 }),
    reading,
    /** Which of the texts is taken for one address after the other. */
    texts: fc.array(fc.nat({ max: 5 }), { minLength: 10, maxLength: 10 }),
  })

  it(
    'never makes a difference: peer, header values, addresses and blocks of trustedProxies',
    () => {
      fc.assert(
        fc.property(cases, ({ peer, hops, blocks, reading: options, texts }) => {
          /** `text`: what an address is written as, given its place among all that are written. */
          const decide = (text: (address: string, index: number) => string): unknown => {
            const values = hops.map(([address, how], index) =>
              writeFor(text(address, index), { ...(how as Spelling), text: 0 }),
            )
            const elements = hops.map(([address, { port }], index) => {
              const node = text(address, index)
              const ported = port === undefined ? '' : `:${port}`
              return `for="${node.includes(':') ? `[${node}]` : node}${ported}";host=h${index}`
            })
            const trustedProxies = blocks.map(([address, bits], index) => {
              const base = text(address, index + 4)
              return bits === undefined ? base : `${base}/${base.includes(':') ? bits + 96 : bits}`
            })
            const { rejected, ...answer } = withoutOriginal(
              resolveConnection(
                {
                  peer: { address: text(peer, 8), port: 1 },
                  scheme: 'http',
                  headers: {
                    'X-Forwarded-For': values,
                    'X-Forwarded-Proto': ['https', 'http'],
                    'X-Forwarded-Host': ['a', 'b', 'c'],
                    Forwarded: elements,
                    'X-Real-IP': values.at(0),
                  },
                },
                { ...options, trustedProxies },
              ),
            )
            return { ...answer, rejected: rejected.map(({ field, reason }) => ({ field, reason })) }
          }
          const mapped = decide((address, index) => {
            const all = [address, ...mappedSpellings(address)]
            return all[texts[index] ?? 0] ?? address
          })
          expect(mapped).toStrictEqual(decide((address) => address))
        }),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('a set of addresses', () => {
  /** Addresses as numbers: their bits are flipped next to where blocks begin and end. */
  interface Family {
    readonly size: 32 | 128
    readonly write: (bits: bigint) => string
  }
  const V4: Family = {
    size: 32,
    write: (bits) => [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 255n)).join('.'),
  }
  const V6: Family = {
    size: 128,
    write: (bits) =>
      [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n].map((shift) => ((bits >> shift) & 0xffffn).toString(16)).join(':'),
  }

  interface Drawn {
    readonly family: Family
    readonly bits: bigint
    readonly length: number
    readonly entry: string
    readonly isBlock: boolean
  }

  // Few bases, so that blocks lie in each other and side by side.
  const BASES4 = [0n, 0x0a000000n, 0xc0000200n, 0xffffffffn]
  const BASES6 = [0n, 1n, 0x20010db800aa0000n << 64n, 0xfd00n << 112n, (1n << 128n) - 1n]
  const drawnBlock: fc.Arbitrary<Drawn> = fc
    .record({
      isV4: fc.boolean(),
      base: fc.nat({ max: 4 }),
      flips: fc.array(fc.nat({ max: 127 }), { maxLength: 3 }),
      length: fc.nat({ max: 128 }),
      isBlock: fc.boolean(),
    })
    .map(({ isV4, base, flips, length, isBlock }) => {
      const family = isV4 ? V4 : V6
      const bases = isV4 ? BASES4 : BASES6
      const bits = flips.reduce(
        (bit, flip) => bit ^ (1n << BigInt(flip % family.size)),
        bases[base % bases.length] ?? 0n,
      )
      const used = isBlock ? length % (family.size + 1) : family.size
      return { family, bits, length: used, isBlock, entry: `${family.write(bits)}${isBlock ? `/${used}` : ''}` }
    })

  /** The first and last address of a block, and those just outside. */
  function edgesOf({ family, bits, length }: Drawn): string[] {
    const host = BigInt(family.size - length)
    const first = (bits >> host) << host
    const last = first | ((1n << host) - 1n)
    const max = (1n << BigInt(family.size)) - 1n
    return [bits, first, last, ...(first > 0n ? [first - 1n] : []), ...(last < max ? [last + 1n] : [])].map(
      family.write,
    )
  }

  it(
    'holds what ipaddr.js finds in one of its blocks, in each of them and at its edges',
    () => {
      fc.assert(
        fc.property(
          fc.array(drawnBlock, { minLength: 1, maxLength: 6 }),
          fc.array(drawnBlock, { maxLength: 2 }),
          fc.boolean(),
          (blocks, more, asText) => {
            const entries = blocks.map(({ entry }) => entry)
            const references = blocks.map(
              ({ family, bits, length }) => [ipaddr.parse(family.write(bits)), length] as const,
            )
            const trustedProxies = asText ? entries.join(', ') : entries
            const policy = trustPolicy({ trustedProxies })
            const wrong = [...blocks, ...more].flatMap(edgesOf).filter((address) => {
              const parsed = ipaddr.process(address) // folds mapped IPv4, as rule 2 does
              const isHeld = references.some(
                ([base, length]) => base.kind() === parsed.kind() && parsed.match(base, length),
              )
              return resolveConnection({ peer: { address }, scheme: 'http', headers: {} }, policy).trusted !== isHeld
            })
            expect(wrong).toStrictEqual([])
          },
        ),
        runs,
      )
    },
    PROPERTY_TIMEOUT,
  )
})
