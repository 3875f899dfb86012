/**
 * Where proxyfix answers otherwise than Werkzeug 3.1.8, case by case: by which rule of the contract, and why.
 * `ours` holds exactly the fields that differ, with our values written out; the test refuses an entry that has
 * begun to agree.
 */

/** What is compared of an answer; `null` where there is none. */
export interface Answer {
  readonly address: string | null
  readonly scheme: string
  readonly host: string | null
  readonly prefix: string
  /** The three below only where Werkzeug's `Request` could make a URL of its environ. */
  readonly hostname?: string | null
  readonly port?: number | null
  readonly urlRoot?: string | null
}

export interface KnownDifference {
  readonly name: string
  /** The rule of the contract. */
  readonly rule: number
  readonly reason: string
  readonly ours: Partial<Answer>
}

const HOLE = 'empty items count as items, so that no text of the client can move into the trusted place'
const NO_QUOTING = 'no quoting exists in X-Forwarded-*: a comma splits wherever it stands'
const NO_ADDRESS = 'text that is no IP address never becomes the client; the peer stays'
const PORT_BESIDE = 'the port is taken off the address and given beside it'
const NO_HOST = 'what is no host never becomes one; the received host stays'
const DEFAULT_PORT = "the scheme's default port is dropped from host (contract, ConnectionInfo.host)"
const NO_PREFIX = 'what is no path of plain segments after one slash never becomes a prefix'
const NO_SLASH = 'a prefix has no trailing slash'

export const knownDifferences: readonly KnownDifference[] = [
  { name: 'all', rule: 4, reason: DEFAULT_PORT, ours: { host: 'eggs' } },
  { name: 'for: trailing comma', rule: 1, reason: HOLE, ours: { address: '10.0.0.1' } },
  { name: 'for: trailing comma and space', rule: 1, reason: HOLE, ours: { address: '10.0.0.1' } },
  { name: 'for: empty item in the middle is not counted', rule: 1, reason: HOLE, ours: { address: '10.0.0.1' } },
  { name: 'for: hole lets a client value be counted', rule: 1, reason: HOLE, ours: { address: '10.0.0.1' } },
  { name: 'for: comma inside quotes does not split', rule: 1, reason: NO_QUOTING, ours: { address: '10.0.0.1' } },
  { name: 'for: backslash escape inside quotes', rule: 2, reason: NO_ADDRESS, ours: { address: '10.0.0.1' } },
  { name: 'for: partly quoted item keeps its quotes', rule: 2, reason: NO_ADDRESS, ours: { address: '10.0.0.1' } },
  {
    name: 'for: unclosed quote voids the whole header',
    rule: 1,
    reason: `${NO_QUOTING}, so a stray quote voids nothing`,
    ours: { address: '203.0.113.9' },
  },
  {
    name: 'for: stray quote from client hides the client (2 hops)',
    rule: 1,
    reason: `${NO_QUOTING}, so a stray quote hides nobody`,
    ours: { address: '203.0.113.9' },
  },
  {
    name: 'for: IPv6 in brackets with port is verbatim',
    rule: 2,
    reason: PORT_BESIDE,
    ours: { address: '2001:db8::1' },
  },
  { name: 'for: IPv4 with port is verbatim', rule: 2, reason: PORT_BESIDE, ours: { address: '203.0.113.9' } },
  { name: "for: 'unknown' is verbatim", rule: 2, reason: NO_ADDRESS, ours: { address: '10.0.0.1' } },
  { name: 'for: markup is verbatim', rule: 2, reason: NO_ADDRESS, ours: { address: '10.0.0.1' } },
  { name: 'proto: case is kept', rule: 3, reason: 'a scheme is given in lower case', ours: { scheme: 'https' } },
  {
    name: 'proto: any token is accepted',
    rule: 3,
    reason: 'only http, https, ws and wss are schemes',
    ours: { scheme: 'http', port: 80, urlRoot: 'http://spam/' },
  },
  { name: 'host: bare ipv6 is split at its last colon', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  { name: 'host: trailing colon gives empty port', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  { name: 'host: only a port', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  { name: 'host: non-numeric port', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  { name: 'host: case is kept', rule: 4, reason: 'a host is given in lower case', ours: { host: 'eggs.example' } },
  {
    name: 'host: default http port kept in header, dropped from url',
    rule: 4,
    reason: DEFAULT_PORT,
    ours: { host: 'eggs' },
  },
  { name: 'host: userinfo is verbatim', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  { name: 'host: slash is verbatim', rule: 4, reason: NO_HOST, ours: { host: 'spam' } },
  {
    name: 'host: quoted',
    rule: 1,
    reason: 'no quoting exists in X-Forwarded-*; only X-Forwarded-For values may be quoted (rule 2)',
    ours: { host: 'spam', hostname: 'spam', port: 80, urlRoot: 'http://spam/' },
  },
  {
    name: 'port: default https port is written to Host but not to urls',
    rule: 4,
    reason: DEFAULT_PORT,
    ours: { host: 'spam' },
  },
  {
    name: 'port: bare ipv6 Host is corrupted',
    rule: 4,
    reason: 'an invalid received Host stays in host as text, and nothing is appended to it',
    ours: { host: '2001:db8::a' },
  },
  { name: 'port: garbage is verbatim', rule: 5, reason: 'a port is digits, 1 to 65535', ours: { host: 'spam' } },
  { name: 'prefix: trailing slash kept', rule: 6, reason: NO_SLASH, ours: { prefix: '/ham' } },
  { name: 'prefix: only a slash', rule: 6, reason: NO_SLASH, ours: { prefix: '' } },
  {
    name: 'prefix: without leading slash runs into the host',
    rule: 6,
    reason: NO_PREFIX,
    ours: { prefix: '', hostname: 'spam', urlRoot: 'http://spam/' },
  },
  {
    name: 'prefix: userinfo trick',
    rule: 6,
    reason: NO_PREFIX,
    ours: { prefix: '', hostname: 'spam', urlRoot: 'http://spam/' },
  },
  {
    name: 'prefix: two slashes are verbatim',
    rule: 6,
    reason: NO_PREFIX,
    ours: { prefix: '', urlRoot: 'http://spam/' },
  },
]
