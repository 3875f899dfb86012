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

/** What happens to the header of one name. */
export interface HeaderRule {
  /** The value that was decided; `undefined` when there is none. */
  readonly decided: (decision: Decision) => string | undefined
  /** The request's own word (Host), not a proxy's: it is set in every mode and never taken away. */
  readonly own: boolean
  /** One bit a name, so that a set of them fits a number. */
  readonly bit: number
}

type Decided = HeaderRule['decided']

const OWN: Readonly<Record<string, Decided>> = {
  Host: ({ host }) => host,
  ':authority': ({ host }) => host,
  ':scheme': ({ scheme }) => httpScheme(scheme),
}

const VALUES: Readonly<Record<string, Decided>> = {
  'X-Forwarded-For': address,
  'X-Forwarded-Proto': ({ scheme }) => scheme,
  'X-Forwarded-Host': ({ host }) => host,
  'X-Forwarded-Port': ({ port }) => port?.toString(),
  'X-Forwarded-Prefix': ({ prefix }) => prefix || undefined,
  'X-Real-IP': address,
  'X-Client-IP': address,
  'X-Cluster-Client-IP': address,
  'True-Client-IP': address,
  'CF-Connecting-IP': address,
  'CF-Connecting-IPv6': address,
  'CF-Pseudo-IPv4': address,
  'Fastly-Client-IP': address,
  'X-Appengine-User-IP': address,
}

const NOTHING: readonly string[] = [
  'Forwarded',
  'X-Forwarded',
  'Forwarded-For',
  'X-Forwarded-Protocol',
  'X-Forwarded-Scheme',
  'X-Forwarded-Ssl',
  'X-Forwarded-Server',
  'X-Forwarded-By',
  'X-Original-For',
  'X-Original-Host',
  'X-Original-Proto',
  'X-Url-Scheme',
  'X-Script-Name',
  'Front-End-Https',
]

const GONE: HeaderRule = { decided: () => undefined, own: false, bit: 0 }

// Each name as it is usually spelt and in lower case, so that hardly any is lowered on the path of a request.
const RULES = new Map<string, HeaderRule>()
let names = 0
for (const [name, decided] of Object.entries(OWN)) add(name, { decided, own: true, bit: 1 << names++ })
for (const [name, decided] of Object.entries(VALUES)) add(name, { decided, own: false, bit: 1 << names++ })
for (const name of NOTHING) add(name, GONE)

/** The rule for a header of this name, in any case; `undefined` for a header that is left alone. */
export function headerRule(name: string, mode: HeaderMode): HeaderRule | undefined {
  if (!mayHaveRule(name)) return undefined
  const rule = RULES.get(name) ?? lookUp(name)
  return rule === undefined || (mode === 'keep' && !rule.own) ? undefined : rule
}

/** What the header holds afterwards; `undefined`: it goes. */
export function valueAfter(rule: HeaderRule, value: string, decision: Decision, mode: HeaderMode): string | undefined {
  if (rule.own) return rule.decided(decision) ?? value
  return mode === 'normalize' && decision.trusted ? rule.decided(decision) : undefined
}

function lookUp(name: string): HeaderRule | undefined {
  const lower = name.toLowerCase()
  return RULES.get(lower) ?? (RULES.has(lower.replaceAll(/[_.]/g, '-')) ? GONE : undefined)
}

/** Passes over nearly all headers of a browser: forwarding headers have 9 to 20 characters and begin with x, f, t or cf. */
function mayHaveRule(name: string): boolean {
  const { length } = name
  switch (name.charCodeAt(0) | 0x20) {
    case 0x78: // x
    case 0x66: // f
    case 0x74: // t
      return length >= 9 && length <= 20
    case 0x63: // c
      return length >= 9 && length <= 20 && (name.charCodeAt(1) | 0x20) === 0x66 // f
    case 0x68: // h
      return length === 4
    default:
      return name.charCodeAt(0) === 0x3a // a pseudo-header
  }
}

function add(name: string, rule: HeaderRule): void {
  RULES.set(name, rule)
  RULES.set(name.toLowerCase(), rule)
}

function address({ client }: Decision): string | undefined {
  return client.address
}
