/**
 * Where proxyfix ends an attack otherwise than recommended, case by case: by which rule of the contract, and why. `ours`
 * holds exactly the fields that differ, with our values written out, and `comesOut` what comes out although the vector
 * says that it must not; the test refuses an entry that has begun to agree.
 */

import type { Difference } from './vectors.ts'

/** The configurations that the attacks are run under. */
export type PolicyName =
  'mapped' | 'others counted' | 'counted' | 'counted, from whoever connects' | 'nobody' | 'nothing read'

/** What may have to stay inside. */
export interface Secret {
  readonly client: string | undefined
  readonly scheme: string
  readonly host: string | undefined
  readonly prefix: string
}

export interface Answer {
  readonly client?: string | null
  readonly port?: number | null
  readonly scheme?: string
  readonly host?: string | null
  readonly prefix?: string
  readonly origin?: string
  readonly configError?: boolean
  /** Whether the client's address was found invalid. */
  readonly invalid?: boolean
  /** Whether a value ended the walk. */
  readonly stopped?: boolean
  readonly flag?: string | null
}

interface AttackDifference extends Difference<Answer> {
  readonly comesOut?: Partial<Record<PolicyName, Partial<Secret>>>
}

const PEER = '10.0.0.1'

const PEER_STAYS = 'where no header names a client it is the peer, whose address is a fact, and the verdict says why'
const HOLE = 'empty items count as items, so that no text of the client can move into the trusted place'

export const knownDifferences: readonly AttackDifference[] = [
  {
    name: 'untrusted peer sends everything',
    rule: 5,
    reason: "port is the effective one, the scheme's default where none is written",
    ours: { port: 80 },
  },
  { name: 'fewer entries than hops', rule: 1, reason: PEER_STAYS, ours: { client: PEER } },
  {
    name: 'Connection names X-Forwarded-For',
    rule: 7,
    reason: 'what is reported is what was not believed, and the Connection header is not read at all',
    ours: { flag: null },
  },
  ...[
    "'010.0.0.1'",
    "'167772161'",
    "'10.0.0.1.'",
    "'10.0.0.1%00'",
    "'١٠.0.0.1'",
    "' 10.0.0.1\\x0b'",
    "'::ffff:0a00:0001%eth0'",
  ].map((entry) => ({
    name: `trusted-looking entry ${entry}`,
    rule: 2,
    reason: PEER_STAYS,
    ours: { client: PEER },
  })),
  {
    name: 'trusted-looking entry \'"10.0.0.1"\'',
    rule: 2,
    reason: 'a value of X-Forwarded-For may stand in double quotes, so this is an address, and a trusted one',
    ours: { client: '6.6.6.6', stopped: false },
    comesOut: { mapped: { client: '6.6.6.6' }, 'others counted': { client: '6.6.6.6' } },
  },
  { name: 'empty entries', rule: 1, reason: HOLE, ours: { client: PEER } },
  { name: 'comma padding with hops 2', rule: 1, reason: HOLE, ours: { client: PEER } },
  { name: '16 KiB of blanks', rule: 2, reason: PEER_STAYS, ours: { client: PEER } },
  { name: 'semicolon in quotes', rule: 9, reason: PEER_STAYS, ours: { client: PEER } },
  {
    name: 'quote opened in an earlier element by the client',
    rule: 9,
    reason: "elements are cut off from the right, so a quote of the client's spoils its own element and no other",
    ours: { client: '203.0.113.7', invalid: false },
  },
  {
    name: 'no trust configured',
    rule: 'trustedProxies',
    reason: "the defaults are Werkzeug's: one proxy in front, whoever connects, and a warning that says so",
    ours: { client: '6.6.6.6', scheme: 'https' },
    comesOut: { mapped: { client: '6.6.6.6', scheme: 'https' } },
  },
]
