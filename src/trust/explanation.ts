/** What an explanation says: the peer, each value, each field, each other count, and the reasons. */

import type { Endpoint } from './address.ts'
import type { ConnectionInfo, Field, Verdict } from './connection.ts'

/** The peer, and why it is believed or not. */
export interface ExplainedPeer extends Endpoint {
  readonly trusted: boolean
  readonly reason: string
}

/** One value of the header that tells the client, and what it was taken for. */
export interface ExplainedHop {
  /** Counted from the right; 1 is the value that the peer vouches for. */
  readonly place: number
  /** The value as it was sent, blanks around it removed. It may be the client's own text: escape it before it is shown. */
  readonly text: string
  /**
   * `proxy`: passed over as one of yours. `client`: this is the client. `ended`: no address, so it went no further.
   * `unread`: nobody vouches for it.
   */
  readonly role: 'proxy' | 'client' | 'ended' | 'unread'
  readonly reason: string
}

/** One field of the decision. */
export interface ExplainedField {
  readonly field: Field
  /** The header that is read for it. */
  readonly header: string
  /** The option that says how far, and what it is set to. */
  readonly setting: string
  /** What the header held, if it was sent. */
  readonly received: string | undefined
  /** The place of the value that was looked at, counted from the right, where there was one. */
  readonly place: number | undefined
  readonly verdict: Verdict
  readonly reason: string
  /** What the field is now, as text. */
  readonly value: string | undefined
}

/** What another hop count would have given. */
export interface OtherCount extends Pick<
  ConnectionInfo,
  'client' | 'scheme' | 'host' | 'port' | 'prefix' | 'verdicts' | 'refusal'
> {
  readonly hops: number
  /** Whether it is the one that is set, or that a walk came to. */
  readonly isSet: boolean
}

/** A decision with its reasons. */
export interface ExplainedDecision {
  /** What `resolveConnection` gives for the same facts and options. */
  readonly info: ConnectionInfo
  readonly peer: ExplainedPeer
  readonly fields: readonly ExplainedField[]
  /** The values of the header that tells the client, from the right: those that were read and the next few, 41 at most. */
  readonly hops: readonly ExplainedHop[]
  /** How many values there are in all. */
  readonly hopCount: number
  /**
   * What 0, 1, … hops would have given, for as many values as there are, ten at most, and the count that is set; none
   * where the client stands in a header of its own.
   */
  readonly otherCounts: readonly OtherCount[]
  /** What is dangerous in the options. */
  readonly warnings: readonly string[]
}
