/** Whom does the option `trustedProxies` name? Asked through decisions, as a set has no other use. */

import { describe, expect, it } from 'vitest'
import { addressRead, canonicalAddress, readPeer } from '../../../src/trust/address.ts'
import { addressSet, type TrustPredicate } from '../../../src/trust/address-set.ts'
import { ProxyFixError } from '../../../src/trust/error.ts'
import type { ProxyFixOptions } from '../../../src/trust/options.ts'
import { trustPolicy } from '../../../src/trust/policy.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

/** Whether a peer of that address, `undefined` for none, may speak for others. */
function trusts(trustedProxies: ProxyFixOptions['trustedProxies'], address: string | undefined): boolean {
  return resolveConnection({ peer: { address }, scheme: 'http', headers: {} }, { trustedProxies }).trusted
}

function mistake(trustedProxies: unknown): ProxyFixError {
  try {
    addressSet(trustedProxies)
  } catch (error) {
    if (error instanceof ProxyFixError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

const NEIGHBOURS_OF_PRIVATE = [
  '9.255.255.255',
  '11.0.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '192.169.0.0',
  'fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
  'fe00::',
  '127.0.0.1',
  '::1',
  '169.254.0.1',
  'fe80::1',
  undefined,
]
const PRIVATE = [
  '10.0.0.0',
  '10.255.255.255',
  '172.16.0.0',
  '172.31.255.255',
  '192.168.0.0',
  '192.168.255.255',
  'fc00::',
  'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
]

describe('names', () => {
  it.each<{ name: string; ours: readonly (string | undefined)[]; others: readonly (string | undefined)[] }>([
    {
      name: 'loopback',
      ours: ['127.0.0.0', '127.0.0.1', '127.255.255.255', '::1'],
      others: ['126.255.255.255', '128.0.0.0', '::', '::2', '10.0.0.1', '::ffff:0:1', undefined],
    },
    {
      name: 'linklocal',
      ours: ['169.254.0.0', '169.254.255.255', 'fe80::', 'fe80::1%eth0', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
      others: ['169.253.255.255', '169.255.0.0', 'fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fec0::', '10.0.0.1'],
    },
    { name: 'private', ours: PRIVATE, others: NEIGHBOURS_OF_PRIVATE },
    { name: 'uniquelocal', ours: PRIVATE, others: NEIGHBOURS_OF_PRIVATE },
    { name: 'unix', ours: [undefined, ''], others: ['127.0.0.1', '::1', '/run/app.sock', 'unix', '0.0.0.0', '::'] },
  ])('$name', ({ name, ours, others }) => {
    expect(ours.filter((address) => !trusts(name, address))).toStrictEqual([])
    expect(others.filter((address) => trusts(name, address))).toStrictEqual([])
  })

  it('are no reason for a warning', () => {
    expect(trustPolicy({ trustedProxies: 'loopback, linklocal, private, uniquelocal, unix' }).warnings).toStrictEqual(
      [],
    )
  })
})

describe('lists', () => {
  it.each<{ name: string; trustedProxies: NonNullable<ProxyFixOptions['trustedProxies']> }>([
    { name: 'text with commas', trustedProxies: '10.0.0.1,loopback,fd00::/8,unix' },
    { name: 'text with blanks around the commas', trustedProxies: ' 10.0.0.1 ,\tloopback\n, fd00::/8 ,unix ' },
    { name: 'an array', trustedProxies: ['10.0.0.1', 'loopback', 'fd00::/8', 'unix'] },
    { name: 'an array of texts with commas', trustedProxies: ['10.0.0.1, loopback', 'unix, fd00::/8'] },
    { name: 'an array that cannot be changed', trustedProxies: Object.freeze(['loopback,fd00::/8,unix', '10.0.0.1']) },
  ])('may be $name', ({ trustedProxies }) => {
    const all = ['10.0.0.1', '127.0.0.1', 'fd00::1', undefined, '10.0.0.2', '10.0.0.0', '192.168.0.1', 'fc00::1', '::']
    expect(all.map((address) => trusts(trustedProxies, address))).toStrictEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })

  it('that are empty name nobody, not even on a unix socket', () => {
    const all = ['127.0.0.1', '::1', '0.0.0.0', '::', '255.255.255.255', '10.0.0.1', '', undefined]
    expect(all.filter((address) => trusts([], address))).toStrictEqual([])
  })

  it('are read once: what becomes of the array afterwards changes nothing', () => {
    const list = ['10.0.0.1']
    const policy = trustPolicy({ trustedProxies: list })
    list.push('198.51.100.9')
    const facts = { peer: { address: '198.51.100.9' }, scheme: 'http', headers: {} }
    expect(resolveConnection(facts, policy).trusted).toBe(false)
  })
})

const LAST = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'

describe('blocks', () => {
  it.each<{ block: string | string[]; ours: string[]; others: string[] }>([
    {
      block: '10.0.0.1',
      ours: ['10.0.0.1', '::ffff:10.0.0.1'],
      others: ['10.0.0.0', '10.0.0.2', '1.0.0.10', '::a00:1'],
    },
    { block: '10.0.0.1/32', ours: ['10.0.0.1'], others: ['10.0.0.0', '10.0.0.2'] },
    { block: '10.0.0.2/31', ours: ['10.0.0.2', '10.0.0.3'], others: ['10.0.0.1', '10.0.0.4'] },
    {
      block: '10.0.0.0/8',
      ours: ['10.0.0.0', '10.0.0.1', '10.128.0.0', '10.255.255.255', '::ffff:10.1.2.3', '::FFFF:0a01:0203'],
      others: ['9.255.255.255', '11.0.0.0', '::', '::a00:1', '64:ff9b::a00:1', '2002:a00:1::'],
    },
    // The bit that makes 32-bit numbers negative.
    { block: '128.0.0.0/1', ours: ['128.0.0.0', '255.255.255.255'], others: ['127.255.255.255', '0.0.0.0', '8000::'] },
    { block: '0.0.0.0/1', ours: ['0.0.0.0', '127.255.255.255'], others: ['128.0.0.0', '255.255.255.255', '::'] },
    { block: '255.255.255.255', ours: ['255.255.255.255'], others: ['255.255.255.254', '0.0.0.0', LAST] },
    { block: '0.0.0.0', ours: ['0.0.0.0'], others: ['0.0.0.1', '255.255.255.255', '::'] },
    {
      block: '0.0.0.0/0',
      ours: ['0.0.0.0', '255.255.255.255', '127.0.0.1', '::ffff:1.2.3.4'],
      others: ['::', '::1', LAST],
    },
    // IPv6 blocks never hold IPv4, mapped or not.
    { block: '::/0', ours: ['::', '::1', LAST, '::a00:1'], others: ['10.0.0.1', '0.0.0.0', '::ffff:10.0.0.1'] },
    { block: '2001:db8::1', ours: ['2001:db8::1', '2001:DB8:0:0::1'], others: ['2001:db8::', '2001:db8::2', '::1'] },
    { block: '2001:db8::1/128', ours: ['2001:db8::1'], others: ['2001:db8::', '2001:db8::2'] },
    {
      block: '2001:db8::/32',
      ours: ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8:8000::'],
      others: ['2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db9::', '2001::'],
    },
    {
      block: '2001:db8::40/122',
      ours: ['2001:db8::40', '2001:db8::7f'],
      others: ['2001:db8::3f', '2001:db8::80', '2001:db8::1:40'],
    },
    { block: '::/1', ours: ['::', '7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'], others: ['8000::', LAST, '1.2.3.4'] },
    { block: LAST, ours: [LAST], others: ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe', '::', '255.255.255.255'] },
    { block: 'fe80::/10', ours: ['fe80::1', 'fe80::1%eth0'], others: ['fec0::1%eth0'] },
    // IPv4 in IPv6 form is IPv4.
    { block: '::ffff:10.0.0.1', ours: ['10.0.0.1', '::ffff:10.0.0.1'], others: ['10.0.0.2', '::a00:1'] },
    {
      block: '::ffff:10.0.0.0/104',
      ours: ['10.0.0.0', '10.255.255.255', '::ffff:a01:203'],
      others: ['9.255.255.255', '11.0.0.0', '::'],
    },
    { block: '::FFFF:a00:1/128', ours: ['10.0.0.1'], others: ['10.0.0.0', '10.0.0.2'] },
    { block: '::ffff:0:0/96', ours: ['0.0.0.0', '255.255.255.255', '::ffff:1.2.3.4'], others: ['::', '::1', LAST] },
    // Several that touch, overlap, hold one another or are the same, in any order.
    {
      block: ['10.0.0.2', '10.0.0.1', '10.0.0.3'],
      ours: ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
      others: ['10.0.0.0', '10.0.0.4'],
    },
    {
      block: ['10.0.0.8/30', '10.0.0.0/29', '10.0.0.12/30'],
      ours: ['10.0.0.0', '10.0.0.7', '10.0.0.8', '10.0.0.12', '10.0.0.15'],
      others: ['9.255.255.255', '10.0.0.16'],
    },
    {
      block: ['10.0.0.0/8', '10.0.0.0/24', '10.0.0.1', '10.255.255.255'],
      ours: ['10.0.0.0', '10.0.0.1', '10.0.1.0', '10.255.255.255'],
      others: ['9.255.255.255', '11.0.0.0'],
    },
    {
      block: ['10.0.0.0/24', '10.0.0.0/8', '10.0.0.0/24'],
      ours: ['10.0.0.0', '10.0.1.0', '10.255.255.255'],
      others: ['9.255.255.255', '11.0.0.0'],
    },
    {
      block: ['10.0.0.0/31', '10.0.0.3', '10.0.0.6/31'],
      ours: ['10.0.0.0', '10.0.0.1', '10.0.0.3', '10.0.0.6', '10.0.0.7'],
      others: ['9.255.255.255', '10.0.0.2', '10.0.0.4', '10.0.0.5', '10.0.0.8'],
    },
    {
      block: ['2001:db8::1', '2001:db8::', '2001:db8::4/126', '2001:db8::10/124', '2001:db8::12'],
      ours: ['2001:db8::', '2001:db8::1', '2001:db8::4', '2001:db8::7', '2001:db8::10', '2001:db8::1f'],
      others: ['2001:db8::2', '2001:db8::3', '2001:db8::8', '2001:db8::f', '2001:db8::20', '2001:db7::'],
    },
    {
      block: ['::/1', '8000::/1', '0.0.0.0/1', '128.0.0.0/1'],
      ours: ['::', LAST, '8000::', '0.0.0.0', '128.0.0.0', '255.255.255.255'],
      others: [],
    },
    { block: ['10.0.0.1', 'fd00::1'], ours: ['10.0.0.1', 'fd00::1'], others: ['10.0.0.2', 'fd00::2', '::'] },
  ])('$block', ({ block, ours, others }) => {
    expect(ours.filter((address) => !trusts(block, address))).toStrictEqual([])
    expect(others.filter((address) => trusts(block, address))).toStrictEqual([])
    expect(trusts(block, undefined)).toBe(false)
  })

  it('may be many: the ends of each of a thousand are ours, and what lies between is not', () => {
    const ipv4 = Array.from({ length: 1000 }, (_, index) => `${1 + (index % 100)}.${index >>> 2}.${index & 3}.64/26`)
    const ipv6 = Array.from({ length: 1000 }, (_, index) => `2001:db8:${index.toString(16)}:8000::/49`)
    const policy = trustPolicy({ trustedProxies: [...ipv4, ...ipv6] })
    const asks = (address: string): boolean =>
      resolveConnection({ peer: { address }, scheme: 'http', headers: {} }, policy).trusted
    const ends4 = ipv4.map((block) => block.slice(0, -'64/26'.length))
    const ends6 = ipv6.map((block) => block.slice(0, -':8000::/49'.length))
    expect([...ends4.map((net) => `${net}64`), ...ends4.map((net) => `${net}127`)].every(asks)).toBe(true)
    expect([...ends4.map((net) => `${net}63`), ...ends4.map((net) => `${net}128`)].some(asks)).toBe(false)
    expect([...ends6.map((net) => `${net}:8000::`), ...ends6.map((net) => `${net}:ffff::ffff`)].every(asks)).toBe(true)
    expect([...ends6.map((net) => `${net}:7fff::ffff`), ...ends6.map((net) => `${net}::`)].some(asks)).toBe(false)
  })
})

describe('what is odd about a block is told once, in a sentence', () => {
  const hostBits = (entry: string, bits: number): string =>
    `trustedProxies has '${entry}', which has bits set after the first ${bits}: they are ignored, so the whole block is trusted; write the address alone if you meant one proxy.`
  const wide = (entry: string): string =>
    `trustedProxies has '${entry}', a block far wider than anybody's proxies: whoever is in it can choose its own address; list your proxies only.`

  it.each<{ entries: string; warnings: string[] }>([
    { entries: '10.0.0.1', warnings: [] },
    { entries: '10.0.0.1/32', warnings: [] },
    { entries: '10.0.0.0/8', warnings: [] },
    { entries: '10.0.0.1/31', warnings: [hostBits('10.0.0.1/31', 31)] },
    { entries: '10.255.255.255/8', warnings: [hostBits('10.255.255.255/8', 8)] },
    { entries: '2001:db8::1/64', warnings: [hostBits('2001:db8::1/64', 64)] },
    { entries: '2001:db8::/64', warnings: [] },
    // The number that is told is the one that was written.
    { entries: '::ffff:10.0.0.1/104', warnings: [hostBits('::ffff:10.0.0.1/104', 104)] },
    { entries: '::ffff:10.0.0.0/104', warnings: [] },
    { entries: '0.0.0.0/0', warnings: [wide('0.0.0.0/0')] },
    { entries: '128.0.0.0/2', warnings: [wide('128.0.0.0/2')] },
    { entries: '128.0.0.0/3', warnings: [] },
    { entries: '::/0', warnings: [wide('::/0')] },
    { entries: '2000::/3', warnings: [wide('2000::/3')] },
    { entries: '2000::/8', warnings: [] },
    { entries: '::ffff:0:0/96', warnings: [wide('::ffff:0:0/96')] },
    { entries: '::ffff:0:0/98', warnings: [wide('::ffff:0:0/98')] },
    { entries: '::ffff:0:0/99', warnings: [] },
    { entries: '10.0.0.1/0', warnings: [hostBits('10.0.0.1/0', 0), wide('10.0.0.1/0')] },
    { entries: '10.0.0.1/8, ::/0', warnings: [hostBits('10.0.0.1/8', 8), wide('::/0')] },
  ])('$entries', ({ entries, warnings }) => {
    expect(addressSet(entries).warnings).toStrictEqual(warnings)
  })

  it('the block of unique local addresses is the one that private names, and not too wide', () => {
    expect(addressSet('fc00::/7').warnings).toStrictEqual([])
  })
})

describe('an entry that is none', () => {
  const FULL_FORM =
    "write an IP address or block in full form ('10.0.0.1', '10.0.0.0/8', 'fd00::/8'), or 'loopback', 'linklocal', 'private', 'uniquelocal' or 'unix'."
  const EMPTY = "The option trustedProxies cannot take '', an empty entry: leave it out, or give [] to trust nobody."
  const NO_LIST =
    "The option trustedProxies must be addresses, blocks or names like '10.0.0.0/8, loopback', a list of them, or a function (address) => boolean, not"
  const cannot = (entry: string, rest: string): string => `The option trustedProxies cannot take '${entry}': ${rest}`
  const bits = (entry: string, most: number): string =>
    cannot(entry, `after the slash comes the number of bits that count, 0 to ${most}.`)

  it.each<{ option: unknown; message: string }>([
    {
      option: '*',
      message: cannot(
        '*',
        'leave trustedProxies out to believe whoever connects, or list the addresses of your proxies.',
      ),
    },
    {
      option: '10.0.0.1, *',
      message: cannot(
        '*',
        'leave trustedProxies out to believe whoever connects, or list the addresses of your proxies.',
      ),
    },
    { option: 'localhost', message: cannot('localhost', "host names are not looked up; write 'loopback'.") },
    {
      option: 'fe80::1%eth0',
      message: cannot('fe80::1%eth0', "zones are not compared; write the address without '%' and what follows."),
    },
    {
      option: 'fe80::%eth0/64',
      message: cannot('fe80::%eth0/64', "zones are not compared; write the address without '%' and what follows."),
    },
    // Slips in a name.
    { option: 'Loopback', message: cannot('Loopback', "did you mean 'loopback'?") },
    { option: 'loopbak', message: cannot('loopbak', "did you mean 'loopback'?") },
    { option: 'linkLocal', message: cannot('linkLocal', "did you mean 'linklocal'?") },
    { option: 'privat', message: cannot('privat', "did you mean 'private'?") },
    { option: 'UniqueLocal', message: cannot('UniqueLocal', "did you mean 'uniquelocal'?") },
    { option: 'UNIX', message: cannot('UNIX', "did you mean 'unix'?") },
    // Names that are near none, or look like another thing.
    { option: 'proxy.example', message: cannot('proxy.example', FULL_FORM) },
    { option: 'kubernetes', message: cannot('kubernetes', FULL_FORM) },
    { option: 'link-local', message: cannot('link-local', FULL_FORM) },
    { option: 'constructor', message: cannot('constructor', FULL_FORM) },
    { option: 'toString', message: cannot('toString', FULL_FORM) },
    { option: '__proto__', message: cannot('__proto__', FULL_FORM) },
    // Addresses that two readers take for two (CVE-2021-28918, CVE-2021-29418).
    ...[
      '010.0.0.0/8',
      '10.0.0.01',
      '10',
      '10.1',
      '10.0.0',
      '10.0.0/8',
      '10/8',
      '10.0.0.256',
      '0x0a.0.0.1',
      '167772161',
      '10.0.0.1:80',
      '[::1]',
      '[::1]/128',
      '2001:db8:::1',
      '2001:db8/32',
      '1:2:3:4:5:6:7',
      '10.0.0.*',
      '10.0.0.0-10.0.0.255',
      '10.0.0.1 10.0.0.2',
      '10.0.0.1;10.0.0.2',
      '１０.0.0.1',
      '::ffff:010.0.0.1',
      '/8',
      '/',
    ].map((entry) => ({ option: entry, message: cannot(entry, FULL_FORM) })),
    // What comes after the slash.
    ...['33', '', '-1', '+8', '08', '00', '8.0', '8 8', '1e1', '0x8', '255.0.0.0', '8/8', '100', '1000', '９'].map(
      (length) => ({ option: `10.0.0.0/${length}`, message: bits(`10.0.0.0/${length}`, 32) }),
    ),
    { option: '2001:db8::/129', message: bits('2001:db8::/129', 128) },
    { option: '2001:db8::/ffff::', message: bits('2001:db8::/ffff::', 128) },
    { option: '::ffff:10.0.0.0/129', message: bits('::ffff:10.0.0.0/129', 128) },
    ...['95', '24', '8', '0'].map((length) => ({
      option: `::ffff:10.0.0.0/${length}`,
      message: cannot(
        `::ffff:10.0.0.0/${length}`,
        'an IPv4 address in IPv6 form needs a prefix of 96 to 128 bits; write the IPv4 block itself.',
      ),
    })),
    // Nothing at all.
    { option: '', message: EMPTY },
    { option: ' ', message: EMPTY },
    { option: [''], message: EMPTY },
    { option: '10.0.0.1,', message: EMPTY },
    { option: ',10.0.0.1', message: EMPTY },
    { option: ['10.0.0.1', 'loopback,,unix'], message: EMPTY },
    // No list.
    { option: true, message: `${NO_LIST} true.` },
    { option: false, message: `${NO_LIST} false.` },
    { option: 1, message: `${NO_LIST} 1.` },
    { option: null, message: `${NO_LIST} null.` },
    { option: {}, message: `${NO_LIST} an object.` },
    { option: new Set(['10.0.0.1']), message: `${NO_LIST} an object.` },
    { option: /^10\./, message: `${NO_LIST} an object.` },
    { option: [10], message: 'The option trustedProxies takes addresses as text, not 10.' },
    { option: ['10.0.0.1', undefined], message: 'The option trustedProxies takes addresses as text, not undefined.' },
    { option: [['10.0.0.1']], message: 'The option trustedProxies takes addresses as text, not an array.' },
    { option: [() => true], message: 'The option trustedProxies takes addresses as text, not a function.' },
    // Its promise would never be `true`, so nobody would be trusted and nobody told.
    ...[
      async () => true,
      async function known(): Promise<boolean> {
        return true
      },
      { has: async () => true }.has,
    ].map((option) => ({
      option,
      message: 'The option trustedProxies cannot be an async function: who is trusted must be known at once.',
    })),
  ])('is refused: $option', ({ option, message }) => {
    const error = mistake(option)
    expect([error.code, error.message]).toStrictEqual(['ERR_PROXYFIX_OPTION', message])
  })
})

describe('a predicate', () => {
  /** What it is asked about a request with that peer and list. */
  function asked(
    address: string | undefined,
    list: string,
    answer: (address: string) => boolean = () => true,
  ): string[] {
    const questions: string[] = []
    const trustedProxies: TrustPredicate = (question) => {
      questions.push(question)
      return answer(question)
    }
    resolveConnection(
      { peer: { address }, scheme: 'http', headers: { 'x-forwarded-for': list } },
      { xFor: 'trusted', trustedProxies },
    )
    return questions
  }

  it.each<{ name: string; peer: string | undefined; list: string; questions: string[] }>([
    {
      name: 'IPv4',
      peer: '10.0.0.1',
      list: '203.0.113.7, 10.0.0.2',
      questions: ['10.0.0.1', '10.0.0.2', '203.0.113.7'],
    },
    {
      name: 'IPv4 in IPv6 form',
      peer: '::ffff:10.0.0.1',
      list: '"[::FFFF:a00:2]:80"',
      questions: ['10.0.0.1', '10.0.0.2'],
    },
    { name: 'IPv6', peer: 'FE80:0::1%eth0', list: '[2001:DB8::0:1]:443', questions: ['fe80::1', '2001:db8::1'] },
    { name: 'ports and quotes', peer: '10.0.0.1', list: '"10.0.0.2:80"', questions: ['10.0.0.1', '10.0.0.2'] },
    { name: 'no address', peer: undefined, list: '10.0.0.2', questions: ['', '10.0.0.2'] },
    { name: 'text that is no address: it is not asked', peer: 'localhost', list: '10.0.0.2', questions: [] },
    { name: 'an empty address, which is none', peer: '', list: '10.0.0.2', questions: ['', '10.0.0.2'] },
    {
      name: 'what is no address in the list: it is not asked',
      peer: '10.0.0.1',
      list: '10.0.0.9, unknown',
      questions: ['10.0.0.1'],
    },
  ])('is given canonical text: $name', ({ peer, list, questions }) => {
    expect(asked(peer, list)).toStrictEqual(questions)
  })

  it('is asked no further once it says no', () => {
    expect(asked('10.0.0.1', '1.1.1.1, 2.2.2.2, 10.0.0.2', (address) => address.startsWith('10.'))).toStrictEqual([
      '10.0.0.1',
      '10.0.0.2',
      '2.2.2.2',
    ])
    expect(asked('198.51.100.9', '10.0.0.2', () => false)).toStrictEqual(['198.51.100.9'])
  })

  it.each<{ name: string; answer: unknown; trusted: boolean }>([
    { name: 'true', answer: true, trusted: true },
    { name: 'false', answer: false, trusted: false },
    { name: '1', answer: 1, trusted: false },
    { name: 'a text', answer: 'yes', trusted: false },
    { name: 'an object', answer: {}, trusted: false },
    { name: 'an object of true', answer: Object(true), trusted: false },
    { name: 'a promise of true, as an async function gives', answer: Promise.resolve(true), trusted: false },
    { name: 'undefined', answer: undefined, trusted: false },
    { name: 'null', answer: null, trusted: false },
  ])('that says $name: trusted is $trusted', ({ answer, trusted }) => {
    const predicate = (() => answer) as TrustPredicate
    expect([trusts(predicate, '10.0.0.1'), trusts(predicate, undefined)]).toStrictEqual([trusted, trusted])
  })

  it('that throws says no, for the peer and in the list', () => {
    const throws: TrustPredicate = (address) => {
      if (address === '10.0.0.1') return true
      throw new Error('the database is away')
    }
    expect([trusts(throws, '10.0.0.2'), trusts(throws, undefined)]).toStrictEqual([false, false])
    const facts = { peer: { address: '10.0.0.1' }, scheme: 'http', headers: { 'x-forwarded-for': '6.6.6.6, 10.0.0.2' } }
    expect(resolveConnection(facts, { xFor: 'trusted', trustedProxies: throws }).client).toStrictEqual({
      address: '10.0.0.2',
    })
  })

  it.each<{ name: string; list: string; client: object }>([
    { name: 'IPv4 with a port', list: '203.0.113.7:4711, 10.0.0.2', client: { address: '203.0.113.7', port: 4711 } },
    { name: 'IPv6 with a port', list: '[2001:db8::7]:4711, fd00::2', client: { address: '2001:db8::7', port: 4711 } },
    { name: 'IPv6 without a port', list: '2001:db8::7, fd00::2', client: { address: '2001:db8::7' } },
    {
      name: 'IPv4 in IPv6 form',
      list: '[::ffff:cb00:7107]:4711, 10.0.0.2',
      client: { address: '203.0.113.7', port: 4711 },
    },
    {
      name: 'IPv6 with an IPv4 tail',
      list: '64:ff9b::203.0.113.7, 10.0.0.2',
      client: { address: '64:ff9b::cb00:7107' },
    },
  ])('may itself decide about another connection: $name', ({ list, client }) => {
    const isOurs = (address: string): boolean => address.startsWith('10.') || address.startsWith('fd00:')
    const nosy: TrustPredicate = (address) => {
      for (const other of ['[2001:db8:ffff::1]:9', '198.51.100.9:9', '::ffff:198.51.100.9', 'junk']) {
        resolveConnection(
          { peer: { address: 'fe80::99%1' }, scheme: 'http', headers: { 'x-forwarded-for': `${other}, ${other}` } },
          { xFor: 'trusted', trustedProxies: (one) => one === 'fe80::99' },
        )
      }
      canonicalAddress('2001:db8:aaaa::1')
      if (!isOurs(address)) throw new Error('after it read others')
      return true
    }
    const facts = { peer: { address: '10.0.0.1' }, scheme: 'http', headers: { 'x-forwarded-for': list } }
    expect(resolveConnection(facts, { xFor: 'trusted', trustedProxies: nosy }).client).toStrictEqual(client)
  })

  it('is put in place of what was read, whatever it read itself', () => {
    const { hasRead } = addressSet(() => {
      readPeer('2001:db8::9')
      return true
    })
    expect(readPeer('fd00::1')).toBe(true)
    const before = { ...addressRead, groups: [...addressRead.groups] }
    hasRead('fd00::1')
    expect({ ...addressRead, groups: [...addressRead.groups] }).toStrictEqual(before)
  })

  it('is neither empty nor reason for a warning', () => {
    const set = addressSet(() => false)
    expect([set.isEmpty, set.warnings]).toStrictEqual([false, []])
  })
})
