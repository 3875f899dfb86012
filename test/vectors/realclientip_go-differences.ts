/**
 * Where proxyfix answers otherwise than realclientip-go, case by case: by which rule of the contract, and why. `ours`
 * holds exactly the fields that differ, with our values written out; the test refuses an entry that has begun to agree.
 */

import type { Difference } from './vectors.ts'

export interface Answer {
  /** `null`: no address is known. */
  readonly client: string | null
  readonly configError: boolean
  /** The address in each element of a Forwarded header, from the left. */
  readonly forList: readonly (string | null)[]
  /** Whether an address is in a list of trusted ones. */
  readonly members: Readonly<Record<string, boolean>>
  readonly isPrivate: boolean
}

const PEER_ZONE = "a peer's zone is cut"
const NO_ZONE = 'an address in a header has no zone, which means something on one machine only'
const UNSPECIFIED = 'no address is set apart, and 0.0.0.0 or :: stands for itself'
const BRACKETS = 'IPv6 in Forwarded stands in brackets'
const NO_BLANK = 'blanks are dropped round a parameter, not inside it'
const WALK_ENDS = 'a value that is no address ends the walk, and nothing left of it is believed'
const PRESENTED = 'a value that is no address ends the walk, and the hop that presented it is the client'
const NO_ADDRESS = 'a peer that shows no address is trusted by unix, a predicate or a secret only'
const ALL_TRUSTED = 'when all are trusted the leftmost is the client'

export const knownDifferences: readonly Difference<Answer>[] = [
  { name: 'RemoteAddr: IPv6 with zone and no port', rule: 2, reason: PEER_ZONE, ours: { client: 'fe80::1111' } },
  { name: 'RemoteAddr: IPv6 with zone and port', rule: 2, reason: PEER_ZONE, ours: { client: 'fe80::2222' } },
  { name: 'RemoteAddr: Fail: zero RemoteAddr IP', rule: 2, reason: UNSPECIFIED, ours: { client: '0.0.0.0' } },
  { name: 'RemoteAddr: Fail: unspecified RemoteAddr IP', rule: 2, reason: UNSPECIFIED, ours: { client: '::' } },

  { name: 'SingleIPHeader: IPv6 with zone and no port', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'SingleIPHeader: IPv6 with zone and port', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'SingleIPHeader: Fail: zero IP', rule: 2, reason: UNSPECIFIED, ours: { client: '0.0.0.0' } },

  { name: 'RightmostNonPrivate: IPv6 with no port', rule: 9, reason: BRACKETS, ours: { client: null } },
  { name: 'RightmostNonPrivate: IPv6 with port and zone', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'RightmostNonPrivate: IPv6 with port and zone, no quotes', rule: 2, reason: NO_ZONE, ours: { client: null } },
  {
    name: 'RightmostNonPrivate: IPv4-mapped IPv6 in IPv6 (hex) form',
    rule: 9,
    reason: BRACKETS,
    ours: { client: null },
  },
  { name: 'RightmostNonPrivate: XFF: rightmost not desirable', rule: 2, reason: WALK_ENDS, ours: { client: null } },
  {
    name: 'RightmostNonPrivate: Forwarded: rightmost not desirable',
    rule: 9,
    reason: BRACKETS,
    ours: { client: null },
  },
  { name: 'RightmostNonPrivate: Fail: XFF: none acceptable', rule: 2, reason: PRESENTED, ours: { client: '::' } },
  {
    name: 'RightmostNonPrivate: Fail: Forwarded: none acceptable',
    rule: 2,
    reason: PRESENTED,
    ours: { client: '0.0.0.0' },
  },
  {
    name: 'RightmostNonPrivate: Fail: XFF: no header',
    rule: 8,
    reason: 'of an untrusted peer nothing is read, and it is the client itself',
    ours: { client: '9.9.9.9' },
  },

  {
    name: 'RightmostTrustedCount: Fail: zero value at count index',
    rule: 2,
    reason: UNSPECIFIED,
    ours: { client: '0.0.0.0' },
  },
  {
    name: 'RightmostTrustedCount: Error: zero trustedCount',
    rule: 'xFor',
    reason: 'a count of 0 is how a header is not read',
    ours: { configError: false },
  },

  {
    name: 'RightmostTrustedRange: Many kinds of ranges',
    rule: 9,
    reason: `${BRACKETS}, so that the last element names no address and ends the walk`,
    ours: { client: null },
  },
  {
    name: 'RightmostTrustedRange: Peer untrusted IPv6 with zone: returns peer with zone',
    rule: 2,
    reason: PEER_ZONE,
    ours: { client: 'fe80::1' },
  },
  {
    name: 'RightmostTrustedRange: Peer Unix socket: walks header as normal',
    rule: 8,
    reason: NO_ADDRESS,
    ours: { client: null },
  },
  {
    name: 'RightmostTrustedRange: Peer garbage: walks header as normal',
    rule: 8,
    reason: 'text that is no IP address is never trusted and gives no address',
    ours: { client: null },
  },
  {
    name: 'RightmostTrustedRange: Peer unspecified IP: walks header as normal',
    rule: 8,
    reason: 'a peer is trusted when its address is listed, and 0.0.0.0 is not',
    ours: { client: '0.0.0.0' },
  },
  {
    name: 'RightmostTrustedRange: Fail: no non-trusted IP',
    rule: 2,
    reason: ALL_TRUSTED,
    ours: { client: '2.2.2.2' },
  },
  {
    name: 'RightmostTrustedRange: Fail: rightmost non-trusted IP invalid',
    rule: 2,
    reason: PRESENTED,
    ours: { client: '2.2.2.2' },
  },
  {
    name: 'RightmostTrustedRange: Fail: rightmost non-trusted IP unspecified',
    rule: 2,
    reason: UNSPECIFIED,
    ours: { client: '::' },
  },

  {
    name: 'Forwarded element for=: IPv6 with quotes, no brackets, and no port',
    rule: 9,
    reason: BRACKETS,
    ours: { client: null },
  },
  {
    name: 'Forwarded element for=: IPv6 with port, quotes, and zone',
    rule: 2,
    reason: NO_ZONE,
    ours: { client: null },
  },
  {
    name: 'Forwarded element for=: IPv6 with zone, no quotes, no port',
    rule: 2,
    reason: NO_ZONE,
    ours: { client: null },
  },
  {
    name: 'Forwarded element for=: Multiple IPv6 directives',
    rule: 9,
    reason: BRACKETS,
    ours: { client: null },
  },
  {
    name: 'Forwarded element for=: RFC deviation: Incorrect whitespace',
    rule: 9,
    reason: NO_BLANK,
    ours: { client: null },
  },

  {
    name: 'Forwarded list: Comma in quotes',
    rule: 9,
    reason: 'a comma in quotes does not end an element',
    ours: { forList: [null, '4.4.4.4'] },
  },
  {
    name: 'Forwarded list: Invalid characters',
    rule: 9,
    reason: 'bad grammar spoils its element',
    ours: { forList: [null, '2.2.2.2'] },
  },
  {
    name: 'Forwarded list: Duplicate token',
    rule: 9,
    reason: 'a parameter that is given twice spoils its element',
    ours: { forList: [null, '3.3.3.3'] },
  },
  {
    name: 'Forwarded list: Escaped character',
    rule: 9,
    reason: 'a backslash in quotes stands before the character that is meant',
    ours: { forList: ['3.3.3.3'] },
  },
  { name: 'Forwarded list: Equal sign spaces', rule: 9, reason: NO_BLANK, ours: { forList: [null, null] } },
  { name: 'Forwarded list: IPv6 brackets', rule: 9, reason: BRACKETS, ours: { forList: [null] } },
  {
    name: 'Forwarded list: IPv4 brackets',
    rule: 9,
    reason: 'only IPv6 stands in brackets',
    ours: { forList: [null] },
  },

  { name: 'goodIPAddr: Empty zone', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'goodIPAddr: With zone', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'goodIPAddr: With zone and port', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'goodIPAddr: Bad port (is discarded)', rule: 2, reason: NO_ZONE, ours: { client: null } },
  { name: 'goodIPAddr: Error: Zero address', rule: 2, reason: UNSPECIFIED, ours: { client: '0.0.0.0' } },
  { name: 'goodIPAddr: Error: Unspecified address', rule: 2, reason: UNSPECIFIED, ours: { client: '::' } },

  {
    name: 'isPrivateOrLocal: IPv4 RFC 2544 benchmarking',
    rule: 'trustedProxies',
    reason: "no name stands for all reserved blocks, and 'private' is what RFC 1918 and RFC 4193 call so",
    ours: { isPrivate: false },
  },
]

const LEFTMOST = 'the leftmost value is text of the client, so there is no option that takes it'
const CHAIN = 'there is one source of the client: a second to fall back on is one that a client can choose'

/** What cannot be asked for. */
export const withoutCounterpart: readonly { readonly name: string; readonly reason: string }[] = [
  { name: 'LeftmostNonPrivate: IPv4 with port', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv4 with no port', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv6 with port', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv6 with no port', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv6 with port and zone', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv6 with port and zone, no quotes', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv4-mapped IPv6', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv4-mapped IPv6 with port', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: IPv4-mapped IPv6 in IPv6 (hex) form', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: NAT64 IPv4-mapped IPv6', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: XFF: leftmost not desirable', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Forwarded: leftmost not desirable', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Fail: XFF: none acceptable', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Fail: Forwarded: none acceptable', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Fail: XFF: no header', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Fail: Forwarded: no header', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Error: empty header name', reason: LEFTMOST },
  { name: 'LeftmostNonPrivate: Error: invalid header', reason: LEFTMOST },
  { name: 'Chain: Multiple strategies', reason: CHAIN },
  { name: 'Chain: Fail: No strategies', reason: CHAIN },
  { name: 'Chain: Fail: Multiple strategies, all fail', reason: CHAIN },
]
