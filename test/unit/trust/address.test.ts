/** What is an address, and how is it written? More of the same, at random, is in test/property/parsers.test.ts. */

import { describe, expect, it } from 'vitest'
import {
  canonicalAddress,
  canonicalIPv6,
  canonicalPeer,
  isFullIPv4,
  networkOf,
  parseForwardedFor,
} from '../../../src/trust/address.ts'

describe('canonicalAddress', () => {
  it.each([
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['203.0.113.7', '203.0.113.7'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['2001:DB8::A', '2001:db8::a'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    // RFC 5952 §4.2.2: one zero group is not compressed.
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    // RFC 5952 §4.2.3: the longest run, the first of two that are equally long.
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:cb00:7107', '203.0.113.7'],
    ['0:0:0:0:0:ffff:cb00:7107', '203.0.113.7'],
    // Other embeddings are other hosts: NAT64, 6to4, IPv4-compatible, and mapped but for one bit.
    ['64:ff9b::203.0.113.7', '64:ff9b::cb00:7107'],
    ['2002:cb00:7107::', '2002:cb00:7107::'],
    ['::203.0.113.7', '::cb00:7107'],
    ['::fffe:203.0.113.7', '::fffe:cb00:7107'],
    ['1::ffff:203.0.113.7', '1::ffff:cb00:7107'],
    ['1:2:3:4:5:6:203.0.113.7', '1:2:3:4:5:6:cb00:7107'],
    ['1:2:3:4:5::203.0.113.7', '1:2:3:4:5:0:cb00:7107'],
    ['ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ])('%s is written %s', (text, address) => {
    expect(canonicalAddress(text)).toBe(address)
  })

  it.each([
    '',
    ' ',
    '.',
    '...',
    '1',
    '1.2.3',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    '1.2.3.4.5',
    '1.2.3.4.',
    '01.2.3.4',
    '1.2.3.00',
    '1.2.3.256',
    '1.2.3.1000',
    '1.2.3.-4',
    '1.2.3.+4',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.4\0',
    '1.2.3.4\n',
    '0x1.2.3.4',
    '1.2.3.0x4',
    '1e1.2.3.4',
    '٣.2.3.4',
    '１.2.3.4',
    '2130706433',
    '0x7f000001',
    '127.1',
    ':',
    ':::',
    '::1::',
    '1::2::3',
    ':1',
    '1:',
    ':1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1:2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8',
    '12345::',
    '::12345',
    '::g',
    '::-1',
    '::1%eth0',
    'fe80::1%25eth0',
    '[::1]',
    '::1/128',
    '::1.2.3',
    '::1.2.3.4.5',
    '::01.2.3.4',
    '::1.2.3.256',
    '::1.2.3.4:5',
    '1.2.3.4::',
    '1:2:3:4:5:6:7:1.2.3.4',
    '1:2:3:4:5:6::1.2.3.4:1',
    '::ffff:0x7f.0.0.1',
    '1'.repeat(1000),
    ':'.repeat(1000),
    `${'0'.repeat(1000)}::1`,
  ])('%j is no address', (text) => {
    expect(canonicalAddress(text)).toBeUndefined()
  })

  it('remembers nothing of the text before', () => {
    expect(canonicalAddress('1:2:3:4:5:6:7:8')).toBe('1:2:3:4:5:6:7:8')
    expect(canonicalAddress('1:2:3:4:5:6:7:x')).toBeUndefined()
    expect(canonicalAddress('::')).toBe('::')
    expect(canonicalAddress('9::1')).toBe('9::1')
  })
})

describe('canonicalPeer', () => {
  it.each([
    [undefined, undefined],
    ['', undefined],
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['fe80::1%eth0', 'fe80::1'],
    ['fe80::1%', 'fe80::1'],
    ['::ffff:203.0.113.7%1', '203.0.113.7'],
    ['1.2.3.4%eth0', undefined], // only IPv6 has zones
    ['%eth0', undefined],
    ['/run/app.sock', undefined],
    ['localhost', undefined],
  ])('%s is written %s', (text, address) => {
    expect(canonicalPeer(text)).toBe(address)
  })
})

describe('canonicalIPv6', () => {
  it.each([
    ['::1', '::1'],
    ['::FFFF:203.0.113.7', '::ffff:cb00:7107'],
    ['::203.0.113.7', '::cb00:7107'],
    ['203.0.113.7', undefined],
    ['::1%eth0', undefined],
    ['', undefined],
  ])('%s is written %s, nothing folded', (text, address) => {
    expect(canonicalIPv6(text)).toBe(address)
  })
})

describe('isFullIPv4', () => {
  it.each([
    ['203.0.113.7', true],
    ['0.0.0.0', true],
    ['203.0.113.07', false],
    ['203.0.113', false],
    ['::1', false],
    ['', false],
  ])('of %s is %s', (text, isFull) => {
    expect(isFullIPv4(text)).toBe(isFull)
  })
})

describe('parseForwardedFor', () => {
  it.each([
    ['1.2.3.4:1', { address: '1.2.3.4', port: 1 }],
    ['1.2.3.4:0', { address: '1.2.3.4' }],
    ['"1.2.3.4"', { address: '1.2.3.4' }],
    ['[::1]', { address: '::1' }],
    ['"[::ffff:1.2.3.4]:65535"', { address: '1.2.3.4', port: 65535 }],
    // All of it is the address: a port needs brackets beside IPv6.
    ['::1:80', { address: '::1:80' }],
    ['2001:db8::1:8080', { address: '2001:db8::1:8080' }],
  ])('reads %s', (text, endpoint) => {
    expect(parseForwardedFor(text)).toStrictEqual(endpoint)
  })

  it.each([
    '',
    '"',
    '""',
    '"1.2.3.4',
    '1.2.3.4"',
    "'1.2.3.4'",
    '"1.2.3.4":80',
    '[]',
    '[]:80',
    '[',
    ']',
    '[::1',
    '[::1]]',
    '[::1]:',
    '[::1]: 80',
    '[::1%1]:80',
    '[1.2.3.4]:80',
    '1.2.3.4:80:80',
    ':80',
  ])('reads nothing in %j', (text) => {
    expect(parseForwardedFor(text)).toBeUndefined()
  })
})

describe('networkOf', () => {
  it.each<[string, number, string | undefined]>([
    ['203.0.113.7', 56, '203.0.113.7'],
    ['203.0.113.7', 1, '203.0.113.7'],
    ['::ffff:203.0.113.7', 1, '203.0.113.7'],
    ['2001:db8:1:ffff:2::3', 56, '2001:db8:1:ff00::/56'],
    ['2001:db8:1:ffff:2::3', 64, '2001:db8:1:ffff::/64'],
    ['2001:db8:1:ffff:2::3', 48, '2001:db8:1::/48'],
    ['2001:db8:1:ffff:2::3', 49, '2001:db8:1:8000::/49'],
    ['2001:db8:1:ffff:2::3', 63, '2001:db8:1:fffe::/63'],
    ['2001:db8:1:ffff:2::3', 65, '2001:db8:1:ffff::/65'],
    ['2001:db8:1:ffff:ffff::3', 65, '2001:db8:1:ffff:8000::/65'],
    ['2001:db8::3', 128, '2001:db8::3/128'],
    ['2001:db8::3', 127, '2001:db8::2/127'],
    ['ffff::1', 1, '8000::/1'],
    ['7fff::1', 1, '::/1'],
    ['fe80::1%eth0', 56, 'fe80::/56'],
    ['localhost', 56, undefined],
    ['', 56, undefined],
  ])('of %s with %i bits is %s', (text, bits, network) => {
    expect(networkOf(text, bits)).toBe(network)
  })
})
