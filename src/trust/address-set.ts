/**
 * Which addresses are proxies of ours? The option `trustedProxies`, compiled once to sorted ranges of numbers,
 * so that asking costs a few comparisons however many blocks there are.
 *
 * A set that means something else than it says is the worst mistake in this package, so each entry is read as
 * strictly as a header is: `010.0.0.0/8` is 8.0.0.0/8 to one library and 10.0.0.0/8 to the next (CVE-2021-28918,
 * CVE-2021-29418), so it is refused, and so is a host name, which may mean another address tomorrow.
 */

import { addressRead, canonicalAddress, readPeer, textOfRead } from './address.ts'
import { fail, show } from './error.ts'
import { nearest } from './nearest.ts'

/** Whether an address, in canonical text, is a trusted proxy's; `''` stands for a peer without an address. */
export type TrustPredicate = (address: string) => boolean

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']
const NAMES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  private: PRIVATE,
  uniquelocal: PRIVATE,
}

const UNIX = 'unix'

/** Blocks with fewer bits than these hold far more than anybody's proxies. */
const WIDE = { 4: 3, 6: 7 } as const

/** A block of addresses, as the first and the last number of it. */
interface Block {
  readonly family: 4 | 6
  readonly first: bigint
  readonly last: bigint
}

/** The compiled option. */
export interface AddressSet {
  /** Whether the address that was read last ({@link addressRead}, from `text`) belongs to it. */
  readonly hasRead: (text: string) => boolean
  /** Whether the address of a socket's peer does. */
  readonly hasPeer: (text: string) => boolean
  /** Whether a peer without an address does: on a unix socket, or unknown. */
  readonly hasUnaddressed: () => boolean
  /** Whether nothing at all belongs to it. */
  readonly isEmpty: boolean
  /** What is legal in it and still dangerous. */
  readonly warnings: readonly string[]
}

/**
 * Compiles the option `trustedProxies`.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for whatever is no address, block or name.
 */
export function addressSet(option: unknown): AddressSet {
  if (typeof option === 'function') {
    if (option.constructor.name === 'AsyncFunction') {
      fail('The option trustedProxies cannot be an async function: who is trusted must be known at once.')
    }
    return askedSet(option as TrustPredicate)
  }
  const blocks: Block[] = []
  const warnings: string[] = []
  let unaddressed = false
  for (const entry of entriesOf(option)) {
    if (entry === UNIX) unaddressed = true
    else if (Object.hasOwn(NAMES, entry)) for (const text of NAMES[entry]!) blocks.push(parseBlock(text, []))
    else blocks.push(parseBlock(entry, warnings))
  }
  const hasIPv4 = ipv4Test(merged(blocks, 4))
  const hasIPv6 = ipv6Test(merged(blocks, 6))
  const hasRead = (): boolean => (addressRead.family === 4 ? hasIPv4() : hasIPv6())
  let lastPeer = '' // of those that belong to it: most requests have the peer of the one before
  function hasPeer(text: string): boolean {
    if (text === lastPeer) return true
    if (!readPeer(text) || !hasRead()) return false
    lastPeer = text
    return true
  }
  return {
    hasRead,
    hasPeer,
    hasUnaddressed: () => unaddressed,
    isEmpty: blocks.length === 0 && !unaddressed,
    warnings,
  }
}

/** A set that a function decides about: only `true` is yes, and a throw is no. */
function askedSet(predicate: TrustPredicate): AddressSet {
  function ask(address: string): boolean {
    // The function may itself decide about a connection, and read other addresses.
    const { family, ipv4, port, start, end } = addressRead
    const groups = addressRead.groups.slice()
    try {
      return (predicate(address) as unknown) === true
    } catch {
      return false
    } finally {
      Object.assign(addressRead, { family, ipv4, port, start, end })
      addressRead.groups.set(groups)
    }
  }
  return {
    hasRead: (text) => ask(textOfRead(text)),
    hasPeer: (text) => readPeer(text) && ask(textOfRead(text)),
    hasUnaddressed: () => ask(''),
    isEmpty: false,
    warnings: [],
  }
}

function entriesOf(option: unknown): readonly string[] {
  if (typeof option !== 'string' && !Array.isArray(option)) {
    fail(
      `The option trustedProxies must be addresses, blocks or names like '10.0.0.0/8, loopback', a list of them, or a function (address) => boolean, not ${show(option)}.`,
    )
  }
  const lists: readonly unknown[] = typeof option === 'string' ? [option] : option
  return lists.flatMap((list) => {
    if (typeof list !== 'string') fail(`The option trustedProxies takes addresses as text, not ${show(list)}.`)
    return list.split(',').map((entry) => entry.trim())
  })
}

/** @param warnings Takes what is odd about the block. */
function parseBlock(entry: string, warnings: string[]): Block {
  const slash = entry.indexOf('/')
  const text = slash === -1 ? entry : entry.slice(0, slash)
  const address = canonicalAddress(text)
  if (address === undefined) fail(notAnAddress(entry, text))
  const { family } = addressRead
  const isMapped = family === 4 && text.includes(':')
  const bits = family === 4 ? 32 : 128
  const written = slash === -1 ? undefined : prefixLength(entry, slash + 1, isMapped ? 128 : bits)
  const length = written === undefined ? bits : isMapped ? written - 96 : written
  if (length < 0) {
    fail(
      `The option trustedProxies cannot take ${show(entry)}: an IPv4 address in IPv6 form needs a prefix of 96 to 128 bits; write the IPv4 block itself.`,
    )
  }
  const value = valueOfRead()
  const hostMask = (1n << BigInt(bits - length)) - 1n
  const first = value & ~hostMask
  if (first !== value) {
    warnings.push(
      `trustedProxies has ${show(entry)}, which has bits set after the first ${written}: they are ignored, so the whole block is trusted; write the address alone if you meant one proxy.`,
    )
  }
  if (length < WIDE[family]) {
    warnings.push(
      `trustedProxies has ${show(entry)}, a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.`,
    )
  }
  return { family, first, last: first | hostMask }
}

function notAnAddress(entry: string, text: string): string {
  const cannot = `The option trustedProxies cannot take ${show(entry)}`
  if (entry === '') return `${cannot}, an empty entry: leave it out, or give [] to trust nobody.`
  if (entry === '*') {
    return `${cannot}: leave trustedProxies out to believe whoever connects, or list the addresses of your proxies.`
  }
  if (entry === 'localhost') return `${cannot}: host names are not looked up; write 'loopback'.`
  if (text.includes('%')) return `${cannot}: zones are not compared; write the address without '%' and what follows.`
  const near = /^[a-z]+$/i.test(entry) ? nearest(entry, [...Object.keys(NAMES), UNIX]) : undefined
  return near === undefined
    ? `${cannot}: write an IP address or block in full form ('10.0.0.1', '10.0.0.0/8', 'fd00::/8'), or 'loopback', 'linklocal', 'private', 'uniquelocal' or 'unix'.`
    : `${cannot}: did you mean '${near}'?`
}

function prefixLength(entry: string, start: number, most: number): number {
  const text = entry.slice(start)
  const length = /^(0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : Infinity
  if (length <= most) return length
  return fail(
    `The option trustedProxies cannot take ${show(entry)}: after the slash comes the number of bits that count, 0 to ${most}.`,
  )
}

function valueOfRead(): bigint {
  if (addressRead.family === 4) return BigInt(addressRead.ipv4 >>> 0)
  return addressRead.groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** Blocks of one family, sorted, those that touch or overlap made one. */
function merged(blocks: readonly Block[], family: 4 | 6): readonly Block[] {
  const sorted = blocks.filter((block) => block.family === family).toSorted((a, b) => (a.first < b.first ? -1 : 1))
  const ranges: Block[] = []
  for (const block of sorted) {
    const before = ranges.at(-1)
    if (before === undefined || block.first > before.last + 1n) ranges.push(block)
    else if (block.last > before.last) ranges[ranges.length - 1] = { ...before, last: block.last }
  }
  return ranges
}

/** A test of the IPv4 address that was read last, by binary search. */
function ipv4Test(ranges: readonly Block[]): () => boolean {
  const firsts = Uint32Array.from(ranges, ({ first }) => Number(first))
  const lasts = Uint32Array.from(ranges, ({ last }) => Number(last))
  return () => {
    const address = addressRead.ipv4 >>> 0
    let low = 0
    let high = lasts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (lasts[middle]! < address) low = middle + 1
      else high = middle
    }
    return low < lasts.length && firsts[low]! <= address
  }
}

/** The same for IPv6, whose numbers are compared group by group. */
function ipv6Test(ranges: readonly Block[]): () => boolean {
  const firsts = ranges.map(({ first }) => groupsOf(first))
  const lasts = ranges.map(({ last }) => groupsOf(last))
  return () => {
    const { groups } = addressRead
    let low = 0
    let high = lasts.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBelow(lasts[middle]!, groups)) low = middle + 1
      else high = middle
    }
    return low < lasts.length && !isBelow(groups, firsts[low]!)
  }
}

function groupsOf(value: bigint): Uint16Array {
  return Uint16Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn))
}

function isBelow(a: Uint16Array, b: Uint16Array): boolean {
  for (let index = 0; index < 8; index++) if (a[index] !== b[index]) return a[index]! < b[index]!
  return false
}
