/**
 * Which headers say who the client is and what it asked for, and what do they hold afterwards?
 *
 * Fixing `req.socket` is half of the work: libraries read a dozen headers by themselves (`request-ip`
 * alone tries eleven before the socket), and each one left as the client sent it is a second, forged
 * answer. So every such header is set to the decided value or taken away (contract rule 10). Spellings
 * with `_` or `.` are taken away too: CGI-style readers and some proxies take `X_Forwarded_For` for the
 * real thing (CVE-2025-64484, CVE-2026-33433).
 */

import type { Decision } from '../trust/resolve.ts'
import { httpScheme } from '../trust/scheme.ts'

/** What becomes of the forwarding headers. */
export type HeaderMode = 'normalize' | 'keep' | 'remove'

/** Gives the value that was decided; `undefined` when there is none. */
type Decided = (decision: Decision) => string | undefined

const address: Decided = ({ client }) => client.address
const host: Decided = (decision) => decision.host
const scheme: Decided = (decision) => decision.scheme
const port: Decided = (decision) => decision.port?.toString()
const prefix: Decided = (decision) => decision.prefix || undefined
const nothing: Decided = () => undefined

/** Headers that are the request's own: always set, never taken away. */
const OWN: ReadonlyMap<string, Decided> = new Map([
  ['host', host],
  [':authority', host],
  [':scheme', (decision) => httpScheme(decision.scheme)],
])

const FORWARDING: ReadonlyMap<string, Decided> = new Map([
  ['x-forwarded-for', address],
  ['x-forwarded-proto', scheme],
  ['x-forwarded-host', host],
  ['x-forwarded-port', port],
  ['x-forwarded-prefix', prefix],
  ['x-real-ip', address],
  ['x-client-ip', address],
  ['x-cluster-client-ip', address],
  ['true-client-ip', address],
  ['cf-connecting-ip', address],
  ['cf-connecting-ipv6', address],
  ['cf-pseudo-ipv4', address],
  ['fastly-client-ip', address],
  ['x-appengine-user-ip', address],
  ['forwarded', nothing],
  ['x-forwarded', nothing],
  ['forwarded-for', nothing],
  ['x-forwarded-protocol', nothing],
  ['x-forwarded-scheme', nothing],
  ['x-forwarded-ssl', nothing],
  ['x-forwarded-server', nothing],
  ['x-forwarded-by', nothing],
  ['x-original-for', nothing],
  ['x-original-host', nothing],
  ['x-original-proto', nothing],
  ['x-url-scheme', nothing],
  ['x-script-name', nothing],
  ['front-end-https', nothing],
])

/** What a header is after the decision: its new value, `null` when it goes, `undefined` when it stays as it is. */
export function rewrittenHeader(name: string, decision: Decision, mode: HeaderMode): string | null | undefined {
  if (!mayBeRewritten(name)) return undefined
  const lower = name.toLowerCase()
  const own = OWN.get(lower)
  if (own !== undefined) return own(decision)
  if (mode === 'keep') return undefined
  const forwarding = FORWARDING.get(lower)
  if (forwarding !== undefined) return (mode === 'normalize' ? forwarding(decision) : undefined) ?? null
  return FORWARDING.has(lower.replaceAll(/[_.]/g, '-')) ? null : undefined
}

/** Passes over nearly all headers of a browser's request before a lower-case copy is made. */
function mayBeRewritten(name: string): boolean {
  switch (name.charCodeAt(0) | 0x20) {
    case 0x78: // x
    case 0x66: // f
    case 0x74: // t
      return name.length >= 9 && name.length <= 20
    case 0x63: // cf-…, not connection, content-…, cookie, cache-control
      return (name.charCodeAt(1) | 0x20) === 0x66
    case 0x68: // host
      return name.length === 4
    case 0x3a: // :authority, :scheme
      return true
    default:
      return false
  }
}
