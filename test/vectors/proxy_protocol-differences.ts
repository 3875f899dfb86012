/**
 * Where proxyfix reads a PROXY protocol header otherwise than the system that a vector is from, case by case: by which
 * rule of the contract or section of the specification, and why. `ours` holds exactly the fields that differ, with our
 * values written out; the test refuses an entry that has begun to agree.
 */

import type { Difference } from './vectors.ts'

/** One end, as an answer shows it. */
interface End {
  readonly address: string
  readonly port: number | null
}

export interface Answer {
  /** `none`: the connection is served without a header. */
  readonly result: 'proxy' | 'local' | 'reject' | 'incomplete' | 'none'
  readonly version: number | null
  readonly family: string | null
  readonly transport: string | null
  readonly source: End | null
  readonly destination: End | null
  readonly consumed: number | null
  readonly tlvs: readonly { readonly type: number; readonly hex: string }[] | null
}

const MAPPED = '::ffff:a.b.c.d is given as IPv4'

export const knownDifferences: readonly Difference<Answer>[] = [
  {
    name: 'gunicorn valid pp_03: no header accepted',
    rule: 'specification §2',
    reason: 'a receiver does not guess whether a header is there, so what begins otherwise is none',
    ours: { result: 'reject' },
  },
  {
    name: 'asgi: INET DGRAM rejected',
    rule: 'parseProxyProtocol',
    reason: 'a datagram family is a valid header; the server refuses it, as it speaks TCP',
    ours: { result: 'proxy' },
  },
  {
    name: 'nginx v2 unknown 2: family 4',
    rule: 'specification §2.2',
    reason: 'families that are not defined are refused, since nobody knows how long their addresses are',
    ours: { result: 'reject' },
  },
  {
    name: 'nginx tlv set with a false CRC32C',
    rule: 'specification §2.2.3',
    reason: 'whoever understands the checksum must refuse a header that it does not match',
    ours: { result: 'reject' },
  },
  {
    name: 'go v2 unix padded by 4 + tail',
    rule: 'specification §2.2',
    reason: 'what follows the addresses is TLVs, and four bytes of padding are a cut one',
    ours: { result: 'reject' },
  },
  {
    name: 'ssl haproxy cipher, IPv4-mapped addresses',
    rule: 2,
    reason: MAPPED,
    ours: {
      source: { address: '10.1.91.14', port: 62588 },
      destination: { address: '10.1.1.159', port: 443 },
    },
  },
  {
    name: 'go v1 TCP4IN6',
    rule: 2,
    reason: MAPPED,
    ours: {
      source: { address: '127.0.0.1', port: 65533 },
      destination: { address: '127.0.0.1', port: 65533 },
    },
  },
]
