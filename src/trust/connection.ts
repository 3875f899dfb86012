/**
 * What goes into a decision and what comes out of it: the words that the whole package speaks.
 */

import type { Endpoint } from './address.ts'

/** Something to read header values from: a `Headers` object, or a record of names (any case) to values. */
export type HeaderSource =
  { get(name: string): string | null | undefined } | Readonly<Record<string, string | readonly string[] | undefined>>

/** What a request shows before anybody is believed. */
export interface ConnectionFacts {
  /** Who is connected: the socket's other end. No address: a unix socket, or unknown. */
  readonly peer: Endpoint
  /** The scheme of the connection itself: `https` when the socket speaks TLS. */
  readonly scheme: string
  /** The Host header, or `:authority` in HTTP/2, as received. */
  readonly host?: string | undefined
  /** The path prefix that the platform mounted the app at, as received. */
  readonly prefix?: string | undefined
  readonly headers: HeaderSource
}

/** The five things that proxies report about the client's own request. */
export type Field = 'for' | 'proto' | 'host' | 'port' | 'prefix'

/** In the order in which values are decided, reported and refused. */
export const FIELDS: readonly Field[] = ['for', 'proto', 'host', 'port', 'prefix']

/** What they tell, as people say it. */
export const FIELD_NAMES: Readonly<Record<Field, string>> = {
  for: 'address',
  proto: 'scheme',
  host: 'host',
  port: 'port',
  prefix: 'prefix',
}

/** Why a field has the value it has; the first that applies, in the order of the list after `trusted`. */
export type Verdict =
  /** A value that a trusted hop vouches for was used. */
  | 'trusted'
  /** Its count is 0. */
  | 'not-configured'
  /** The peer is none of ours. */
  | 'untrusted-peer'
  /** The header was not sent. */
  | 'absent'
  /** The header has fewer values than are trusted: somebody is missing from the chain. */
  | 'short'
  /** The value that counts is empty. */
  | 'empty'
  /** The value that counts breaks its grammar. */
  | 'invalid'

/** One value that was looked at and not used. */
export interface RejectedValue {
  readonly field: Field
  /** The text, cut at 256 characters. It may be the client's own: escape it before it is shown. */
  readonly value: string
  /** One clause that says what was wrong. */
  readonly reason: string
}

/** What a request that must not reach the app is answered with. */
export interface Refusal {
  readonly status: 400
  readonly field: Field
  /** One clause that says why; it never repeats text that came with the request. */
  readonly reason: string
}

/** Who the client is, as far as it is known. */
export interface Client extends Endpoint {
  /** An RFC 7239 node that is no address: `unknown`, or an `_obfuscated` identifier. */
  readonly node?: string | undefined
}

/** The decision: who the client is, and what it asked for, as far as trusted hops vouch for it. */
export interface ConnectionInfo {
  readonly client: Client
  /** Who is connected, in canonical text. */
  readonly peer: Endpoint
  readonly scheme: string
  /**
   * The authority as a Host header carries it: lower case, IPv6 canonical, the scheme's default port
   * dropped. An invalid Host that was received stays here as text, with `hostname` undefined.
   */
  readonly host: string | undefined
  /** The host without its port; IPv6 in brackets. */
  readonly hostname: string | undefined
  /** The effective port: forwarded, else written in the host, else the scheme's default. */
  readonly port: number | undefined
  /** `''`, or `/app` without a trailing slash. */
  readonly prefix: string
  /** Whether the peer may speak for others at all. */
  readonly trusted: boolean
  readonly verdicts: Readonly<Record<Field, Verdict>>
  /** Every value that was short, empty or invalid, or ended a walk because it is no address. */
  readonly rejected: readonly RejectedValue[]
  /** Set when the request must not reach the app. The values above stay as decided. */
  readonly refusal?: Refusal | undefined
  /** As received, before anything was decided. */
  readonly original: Required<Pick<ConnectionFacts, 'peer' | 'scheme' | 'prefix' | 'headers'>> &
    Pick<ConnectionFacts, 'host'>
}
