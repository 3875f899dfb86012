/**
 * What is legal in the options and still dangerous? Said once, at construction, in one sentence each: an operator can show
 * it, and nobody has to know it.
 */

import { FIELD_NAMES, FIELDS } from './connection.ts'
import { type CheckedOptions, type ProxyFixOptions, TRUSTED } from './options.ts'

/** How the warning begins that is about nothing where nobody but this machine can connect. */
export const WHOEVER_CONNECTS = 'Hop counts believe whoever connects'

/** What is legal and still likely to hurt. */
export function warningsFor(checked: CheckedOptions, options: ProxyFixOptions): readonly string[] {
  const { counts, settings, trustedProxies, secret } = checked
  const warnings = [...(trustedProxies?.warnings ?? [])]
  const isRead = FIELDS.some((field) => counts[field] !== 0)
  const read = listed(FIELDS.filter((field) => counts[field] !== 0).map((field) => FIELD_NAMES[field]))
  if (isRead && trustedProxies === undefined && secret === undefined) {
    warnings.push(
      `${WHOEVER_CONNECTS}: make sure that only your own proxies can reach this port, or anyone who does can choose its ${read}; better, list them in trustedProxies.`,
    )
  }
  if (!isRead && (trustedProxies !== undefined || secret !== undefined)) {
    warnings.push('No header is believed, as every count is 0: trustedProxies and secret do nothing alone.')
  }
  if (trustedProxies?.isEmpty === true) {
    warnings.push('trustedProxies is empty, so nobody is believed and no header is ever read.')
  }
  if (secret?.isGuessable === true) {
    warnings.push('A value of secret has fewer than 20 characters and may be guessed: use a long random text.')
  }
  for (const field of FIELDS) {
    const count = counts[field]
    if (checked.family === 'forwarded' || field === 'for' || count < 2) continue
    if (counts.for === 0 || checked.clientIpHeader !== undefined) {
      const beside = counts.for === 0 ? 'while xFor is 0' : 'beside clientIpHeader'
      warnings.push(
        `${settings[field]} is ${count} ${beside}: nothing shows that a request came through ${count} proxies, so a client behind fewer of them writes the value itself.`,
      )
    } else if (counts.for !== TRUSTED && count > counts.for) {
      warnings.push(
        `${settings[field]} is ${count} while xFor is ${counts.for}: that value was written further away from you than the client's address, by whoever stands there.`,
      )
    }
  }
  if (options.maxHops !== undefined && counts.for !== TRUSTED) {
    warnings.push("maxHops ends a 'trusted' walk, and there is none: counts say themselves how far they go.")
  }
  if (isRead && checked.headers === 'keep') {
    warnings.push(
      "headers is 'keep', so the app finds the forwarding headers as they were sent: whatever reads them by itself may believe the client.",
    )
  }
  return warnings
}

/** A list as people write it: `address and scheme`. */
function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}
