/**
 * Where proxyfix reads a `Forwarded` header otherwise than a strict parser of RFC 7239 does, case by case: by which rule
 * of the contract, and why. `ours` holds what we read instead, written out; the test refuses an entry that has begun to
 * agree.
 */

import type { Difference } from './vectors.ts'

/** What one element says of the fields that we read; a field that is not in it is absent. */
export type Element =
  /** It breaks the grammar, or names a parameter twice: all its fields are invalid. */
  | 'bad'
  /** It has no parameter. */
  | 'empty'
  | {
      /** Only when it is no node. */
      readonly for?: string
      readonly address?: string
      readonly port?: number
      readonly node?: string
      readonly proto?: string
      readonly host?: string
    }

export interface Answer {
  /** From the left; `'refused'` when none can be read. */
  readonly elements: 'refused' | readonly Element[]
}

const EMPTY_COUNTS = 'an empty element counts as one, so that no element of the client can move into the trusted place'
const LOWER_CASE = 'a host is given in lower case'
const NO_HOST = 'what is no host never becomes one'
const BLANKS = 'blanks round ; are dropped, since many proxies send them'
const UNQUOTED = ': [ and ] may stand outside quotes, since many proxies do not quote addresses'
const THAT_ALONE = 'bad grammar spoils the element it stands in, and no other'
const LEADING_ZERO = 'a port has no leading zeros'

export const knownDifferences: readonly Difference<Answer>[] = [
  { name: 'empty value', rule: 9, reason: EMPTY_COUNTS, ours: { elements: ['empty'] } },
  {
    name: 'leading and trailing comma',
    rule: 9,
    reason: EMPTY_COUNTS,
    ours: { elements: ['empty', { address: '192.0.2.1' }, 'empty'] },
  },
  { name: 'no parameters but semicolons', rule: 9, reason: EMPTY_COUNTS, ours: { elements: ['empty'] } },
  {
    name: 'empty quoted value',
    rule: 1,
    reason: 'a value that is empty is ignored under a verdict of its own, which is not invalid',
    ours: { elements: [{ for: 'empty' }] },
  },
  {
    name: 'upper-case names',
    rule: 4,
    reason: LOWER_CASE,
    ours: { elements: [{ address: '192.0.2.1', proto: 'https', host: 'example.com' }] },
  },
  { name: 'equals sign in quotes', rule: 4, reason: NO_HOST, ours: { elements: [{ host: 'invalid' }] } },
  {
    name: 'blank after ;',
    rule: 9,
    reason: BLANKS,
    ours: { elements: [{ address: '192.0.2.1', proto: 'http' }] },
  },
  {
    name: 'forwarded-parse blanks at ; foo=a;bar=b; baz=c ;qux="d"  ;  norf=e',
    rule: 9,
    reason: BLANKS,
    ours: { elements: [{}] },
  },
  { name: 'unquoted IPv6', rule: 9, reason: UNQUOTED, ours: { elements: [{ address: '2001:db8::1' }] } },
  { name: 'unquoted port', rule: 9, reason: UNQUOTED, ours: { elements: [{ address: '192.0.2.1', port: 80 }] } },
  { name: 'port with leading zeros', rule: 2, reason: LEADING_ZERO, ours: { elements: [{ for: 'invalid' }] } },
  {
    name: 'forwarded-parse error foo="ba"r, foo=baz',
    rule: 9,
    reason: THAT_ALONE,
    ours: { elements: ['bad', {}] },
  },
  { name: 'forwarded-parse error foo=, foo=baz', rule: 9, reason: THAT_ALONE, ours: { elements: ['bad', {}] } },
  { name: 'forwarded-parse error foo="Ω", foo=baz', rule: 9, reason: THAT_ALONE, ours: { elements: ['bad', {}] } },
]
