/**
 * Where proxyfix answers otherwise than nginx's realip module, case by case: by which rule of the contract, and why.
 * `ours` holds exactly the fields that differ, with our values written out; the test refuses an entry that has begun
 * to agree.
 */

import type { Difference } from './vectors.ts'

export interface Answer {
  readonly client: string | null
  /** The client's own port. */
  readonly port: number | null
}

const COMMAS_ONLY = 'a list is split at commas and nothing else, so that this is one value, and no address'
const HOLE = 'empty items count as items, so that no text of the client can move into the trusted place'
const EMPTY_FIRST = 'an empty item at the left of a list does not void the value at its right end'
const PORT_ZERO = 'port 0 means that the port is unknown, and the address stands'
const BRACKETS = 'an address in brackets may come without a port'
const MAPPED = '::ffff:a.b.c.d is given as IPv4'
const LEADING_ZERO = 'an octet has no leading zeros, since others read it as octal'
const QUOTES = 'a value of X-Forwarded-For may stand in double quotes'
const TAB = 'blank means space or tab, and both are dropped round an item'
const NO_FORBIDDEN = 'no address is set apart, whoever a trusted proxy names is the client'
const ONE_VALUE = 'a list in a header of one value is invalid, since nobody knows which of them the proxy wrote'

const PEER = '127.0.0.1'

export const knownDifferences: readonly Difference<Answer>[] = [
  {
    name: 'nginx 1.22.1 recursive on: 9.9.9.9 1.2.3.4 10.0.0.1',
    rule: 1,
    reason: COMMAS_ONLY,
    ours: { client: PEER },
  },
  { name: 'nginx 1.22.1 recursive on: 1.2.3.4, , 10.0.0.1', rule: 1, reason: HOLE, ours: { client: '10.0.0.1' } },
  { name: 'nginx 1.22.1 recursive on: 1.2.3.4,', rule: 1, reason: HOLE, ours: { client: PEER } },
  { name: 'nginx 1.22.1 recursive off: 1.2.3.4,', rule: 1, reason: HOLE, ours: { client: PEER } },
  { name: 'nginx 1.22.1 recursive on: ,1.2.3.4', rule: 1, reason: EMPTY_FIRST, ours: { client: '1.2.3.4' } },
  { name: 'nginx 1.22.1 recursive off: ,1.2.3.4', rule: 1, reason: EMPTY_FIRST, ours: { client: '1.2.3.4' } },
  { name: 'nginx 1.22.1 recursive on: 1.2.3.4:0', rule: 2, reason: PORT_ZERO, ours: { client: '1.2.3.4' } },
  { name: 'nginx 1.22.1 recursive on: [2001:db8::1]', rule: 2, reason: BRACKETS, ours: { client: '2001:db8::1' } },
  { name: 'nginx 1.22.1 recursive on: ::ffff:1.2.3.4', rule: 2, reason: MAPPED, ours: { client: '1.2.3.4' } },
  {
    name: 'nginx 1.22.1 recursive off: 1.2.3.4, ::ffff:10.0.0.1',
    rule: 2,
    reason: MAPPED,
    ours: { client: '10.0.0.1' },
  },
  { name: 'nginx 1.22.1 recursive on: 010.0.0.1', rule: 2, reason: LEADING_ZERO, ours: { client: PEER } },
  { name: 'nginx 1.22.1 recursive on: 1.2.3.4, 010.0.0.1', rule: 2, reason: LEADING_ZERO, ours: { client: PEER } },
  { name: 'nginx 1.22.1 recursive off: 1.2.3.4, 010.0.0.1', rule: 2, reason: LEADING_ZERO, ours: { client: PEER } },
  { name: 'nginx 1.22.1 recursive on: "1.2.3.4"', rule: 2, reason: QUOTES, ours: { client: '1.2.3.4' } },
  { name: 'nginx 1.22.1 recursive on: \t1.2.3.4\t', rule: 1, reason: TAB, ours: { client: '1.2.3.4' } },
  {
    name: 'nginx 1.22.1 recursive on: 255.255.255.255',
    rule: 2,
    reason: NO_FORBIDDEN,
    ours: { client: '255.255.255.255' },
  },
  {
    name: 'nginx 1.22.1 X-Real-IP: 1.2.3.4, 5.6.7.8',
    rule: 'clientIpHeader',
    reason: ONE_VALUE,
    ours: { client: PEER },
  },
  {
    name: 'nginx 1.22.1 X-Real-IP: 1.2.3.4 || 5.6.7.8',
    rule: 'clientIpHeader',
    reason: ONE_VALUE,
    ours: { client: PEER },
  },
]
