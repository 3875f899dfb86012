/**
 * realclientip-go is a reference implementation of "who is the client?", made to be followed in other languages. Its
 * strategies are options of ours (`RightmostTrustedRange` the walk, `RightmostTrustedCount` a count, `SingleIPHeader`
 * is `clientIpHeader`), and its parsers are asked through what a header with one value makes of a request.
 */

import { describe, expect, it } from 'vitest'
import type { ConnectionFacts } from '../../../src/trust/connection.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'
import { type Answer, knownDifferences, withoutCounterpart } from '../../vectors/realclientip_go-differences.ts'
import { describeDifferences, differingFields, headerRecord, readVectors, type Vector } from '../../vectors/vectors.ts'

interface Config {
  readonly strategy?: string
  readonly headerName?: string
  readonly strategies?: readonly { readonly strategy: string }[]
  /** A function of the package that was asked by itself. */
  readonly fn?: string
  readonly ranges?: readonly string[] | null
  readonly ip?: string
}

interface Expected {
  readonly client?: string | null
  readonly config_error?: true
  /** The address in each element of a Forwarded header. */
  readonly for_list?: readonly (string | null)[]
  /** The blocks that a list of trusted addresses means. */
  readonly cidrs?: readonly string[]
  /** Whether the address is private or local. */
  readonly private?: boolean
}

interface Case extends Vector<Expected, Config> {
  /** What RFC 7239 wants, where realclientip-go says that it deviates. */
  readonly rfc_expect?: { readonly for_list: readonly (string | null)[] | string }
}

const vectors = readVectors<Case>('realclientip_go.json')
const hasCounterpart = ({ name }: Case): boolean => !withoutCounterpart.some((case_) => case_.name === name)
const run = vectors.filter(hasCounterpart)

/** The walk of realclientip-go has no end. */
const NO_LIMIT = 1_000_000

/** Go's `RemoteAddr` has address and port in one text, `@` for a unix socket without a name. */
function peerOf(remoteAddr: string | null): ConnectionFacts['peer'] {
  if (remoteAddr === null || remoteAddr === '@') return {}
  const [, ipv6, ipv4, port] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(remoteAddr) ?? []
  const address = ipv6 ?? ipv4
  return address === undefined ? { address: remoteAddr } : { address, port: Number(port) }
}

function factsOf({ peer, scheme, host, headers }: Case): ConnectionFacts {
  return { peer: peerOf(peer), scheme, host, headers: headerRecord(headers) }
}

/** A strategy in our options. Where there is no peer to see, the strategies believe whoever connects. */
function optionsOf({ name, config, neutral }: Case): ProxyFixOptions {
  if (config.strategy === 'RemoteAddr' || config.strategies?.[0]?.strategy === 'RemoteAddr') return { xFor: 0 }
  if (config.strategy === 'SingleIPHeader') return { clientIpHeader: config.headerName, trustedProxies: 'unix' }
  const { trust, source = '', assume_peer_trusted = false } = neutral ?? {}
  const count = trust?.cidrs === undefined ? trust?.hops : 'trusted'
  if (count === undefined) throw new Error(`${name} asks for something else`)
  const unix = assume_peer_trusted ? ['unix'] : []
  const peers: ProxyFixOptions =
    trust?.cidrs === undefined ? {} : { trustedProxies: [...trust.cidrs, ...unix], maxHops: NO_LIMIT }
  if (source === 'x-forwarded') return { ...peers, xFor: count }
  if (source === 'forwarded') return { ...peers, forwarded: count }
  // A list under a name of one's own is what nobody can ask for: a count beside the name of a header.
  return { trustedProxies: unix, ...peers, xFor: count, clientIpHeader: source.slice('list:'.length) }
}

function isConfigError(options: ProxyFixOptions): boolean {
  try {
    trustPolicy(options)
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(ProxyFixError)
    return true
  }
}

function clientOf(facts: ConnectionFacts, options: ProxyFixOptions): string | null {
  return resolveConnection(facts, options).client.address ?? null
}

function forListOf(facts: ConnectionFacts): (string | null)[] {
  const list: (string | null)[] = []
  for (let forwarded = 1; ; forwarded++) {
    const { client, verdicts } = resolveConnection(facts, { forwarded })
    if (verdicts.for === 'short') return list
    list.unshift(client.address ?? null)
  }
}

/** The number that an address is; written in full or with `::`. */
function numberOf(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((number, octet) => number * 256n + BigInt(octet), 0n)
  const [left = [], right = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0')
  return [...left, ...zeros, ...right].reduce((number, group) => number * 65536n + BigInt(`0x${group}`), 0n)
}

function addressOf(number: bigint, bits: 32 | 128): string {
  const size = bits === 32 ? 8 : 16
  const parts = Array.from({ length: bits / size }, (_, index) =>
    ((number >> BigInt(bits - size * (index + 1))) & ((1n << BigInt(size)) - 1n)).toString(bits === 32 ? 10 : 16),
  )
  return parts.join(bits === 32 ? '.' : ':')
}

interface Block {
  readonly bits: 32 | 128
  readonly first: bigint
  readonly last: bigint
}

function blockOf(cidr: string): Block {
  const [address = '', length = ''] = cidr.split('/')
  const bits = address.includes(':') ? 128 : 32
  const first = numberOf(address)
  return { bits, first, last: first + (1n << BigInt(bits - Number(length))) - 1n }
}

/** Whether the addresses at and beside the ends of each block, and a few others, are in one of the blocks. */
function membersOf(cidrs: readonly string[]): Record<string, boolean> {
  const blocks = cidrs.map(blockOf)
  const members: Record<string, boolean> = { '127.0.0.1': false, '::1': false, '8.8.8.8': false }
  for (const { bits, first, last } of blocks) {
    for (const number of [first - 1n, first, last, last + 1n]) {
      members[addressOf(number, bits)] = blocks.some(
        (block) => block.bits === bits && block.first <= number && number <= block.last,
      )
    }
  }
  return members
}

function isTrusted(address: string, trustedProxies: ProxyFixOptions['trustedProxies']): boolean {
  return resolveConnection({ peer: { address }, scheme: 'http', headers: {} }, { trustedProxies }).trusted
}

function theirAnswer({ expect: { client, config_error, for_list, cidrs, private: isPrivate } }: Case): Partial<Answer> {
  if (config_error !== undefined) return { configError: true }
  if (for_list !== undefined) return { forList: for_list }
  if (cidrs !== undefined) return { members: membersOf(cidrs) }
  return isPrivate === undefined ? { client: client ?? null } : { isPrivate }
}

function ourAnswer(vector: Case): Partial<Answer> {
  const { config, expect: theirs } = vector
  const facts = factsOf(vector)
  switch (config.fn) {
    case 'parseForwardedListItem':
      return { client: clientOf(facts, { forwarded: 1 }) }
    case 'goodIPAddr':
      return { client: clientOf(facts, { xFor: 1 }) }
    case 'getIPAddrList':
      return { forList: forListOf(facts) }
    case 'isPrivateOrLocal':
      return { isPrivate: isTrusted(config.ip ?? '', 'loopback, linklocal, private') }
    case 'AddressesAndRangesToIPNets': {
      // To Go no list is an empty one. To us it would be whoever connects.
      const trustedProxies = config.ranges ?? []
      if (isConfigError({ trustedProxies })) return { configError: true }
      const addresses = Object.keys(membersOf(theirs.cidrs ?? []))
      return {
        configError: false,
        members: Object.fromEntries(addresses.map((address) => [address, isTrusted(address, trustedProxies)])),
      }
    }
    default: {
      const options = optionsOf(vector)
      if (isConfigError(options)) return { configError: true }
      return { configError: false, client: clientOf(facts, options) }
    }
  }
}

describe('the 175 answers of realclientip-go', () => {
  it('are all there', () => {
    expect(vectors).toHaveLength(175)
    expect(new Set(vectors.map(({ name }) => name)).size).toBe(175)
  })

  it.each(run)('$name', (vector) => {
    const known = knownDifferences.find(({ name }) => name === vector.name)
    expect(differingFields(ourAnswer(vector), theirAnswer(vector))).toStrictEqual(known?.ours ?? {})
  })
})

describe('where realclientip-go says that it deviates from RFC 7239', () => {
  const ours: Readonly<Record<string, readonly (string | null)[]>> = {
    // Rule 9: elements are cut off from the right, so a quote that is never closed spoils its own element only.
    'Forwarded list: Unmatched quote': [null, '2.2.2.2'],
    // Rule 9: `[` and `:` are accepted outside quotes, the field sends them.
    'Forwarded list: Disallowed characters in unquoted value (like colons and square brackets': [
      '2607:f8b0:4004:83f::200e',
    ],
  }

  it.each(vectors.filter(({ rfc_expect }) => rfc_expect !== undefined))('we do as the RFC wants, $name', (vector) => {
    expect(forListOf(factsOf(vector))).toStrictEqual(ours[vector.name] ?? vector.rfc_expect?.for_list)
  })
})

describeDifferences(knownDifferences, run)

describe('the list of cases without a counterpart', () => {
  it('has one reason for each, and none that is run', () => {
    expect(vectors.length - run.length).toBe(withoutCounterpart.length)
    for (const { name, reason } of withoutCounterpart) expect(reason, name).toMatch(/^\S.*[^.\s]$/)
  })
})
