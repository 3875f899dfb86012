/** May whoever is connected speak for others? By its address, and by what it proves itself with. */

import type { ReadableFacts } from './facts.ts'
import type { TrustPolicy } from './policy.ts'
import { provenanceOf } from './provenance.ts'

/**
 * Whether this peer is one of those that may speak for others, as far as its address tells.
 *
 * @param peer That address in canonical text.
 */
export function isKnownPeer({ checked }: TrustPolicy, facts: ReadableFacts, peer: string | undefined): boolean {
  const { trustedProxies: proxies, secret } = checked
  const { address } = facts.peer
  if (address) return proxies === undefined ? peer !== undefined : proxies.hasPeer(address)
  if (proxies === undefined) return true
  if (provenanceOf(facts).isPeerUnknown !== true && proxies.hasUnaddressed()) return true
  return secret !== undefined && !proxies.isEmpty // which stands for the address, and has to be proven
}

/** Whether it has proven itself, if that is asked for. */
export function isProven({ checked: { secret } }: TrustPolicy, facts: ReadableFacts): boolean {
  if (secret === undefined) return true
  return facts.flaw === undefined && (provenanceOf(facts).isProven ?? secret.isProvenBy(facts.header(secret.header)))
}
