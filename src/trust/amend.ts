/**
 * What does a decision say once the app's own code has changed some of it? A rewriter that runs after `proxyFix` may
 * put another host or client in place of the decided one. Whoever asks gets the new values; verdicts, rejected values
 * and what was received still tell of the headers.
 */

import type { ConnectionInfo } from './connection.ts'

/** A decision, as those who show it read it. */
export interface Decided extends ConnectionInfo {
  /** The whole decision as plain data, a copy for each caller. */
  toInfo(): ConnectionInfo
  /** The place of the client's value in its header, counted from the right; 0: the client is the peer. */
  readonly clientPlace: number
}

/** What can be changed of a decision. */
export type Amendment = Partial<Pick<ConnectionInfo, 'client' | 'scheme' | 'host' | 'hostname' | 'port' | 'prefix'>>

/** The decision with these values in place of its own. */
export function amend(decision: Decided, amendment: Amendment): Decided {
  const info = { ...decision.toInfo(), ...amendment }
  const toInfo = (): ConnectionInfo => ({ ...decision.toInfo(), ...amendment, client: { ...info.client } })
  return { ...info, clientPlace: placeAfter(decision, amendment), toInfo }
}

/** Whoever spoke for a client that was put in place of the peer is a hop after it. */
function placeAfter({ clientPlace, peer }: Decided, { client }: Amendment): number {
  if (client === undefined) return clientPlace
  return client.address === peer.address ? 0 : Math.max(clientPlace, 1)
}
