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

/** What becomes of the forwarding headers. */
export type HeaderMode = 'normalize' | 'keep' | 'remove'

/** A name that means forwarding. */
export interface ForwardingHeader {
  /** The value that was decided; `undefined` when there is none, and the header goes. */
  readonly decided: (decision: Decision) => string | undefined
  /** One bit a name, so that a set of them fits a number. */
  readonly bit: number
}

const HOLDS_NOTHING: ForwardingHeader = { decided: () => undefined, bit: 0 }

const VALUES: Readonly<Record<string, ForwardingHeader['decided']>> = {
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

// Each name as it is usually spelt and in lower case, so that hardly any is lowered on the path of a request.
const NAMES = new Map<string, ForwardingHeader>()
for (const name of NOTHING) add(name, HOLDS_NOTHING)
for (const [index, [name, decided]] of Object.entries(VALUES).entries()) add(name, { decided, bit: 1 << index })

/** The forwarding header of this name, in any case; `undefined` for a name that says nothing about forwarding. */
export function forwardingHeader(name: string): ForwardingHeader | undefined {
  if (!mayBeForwarding(name)) return undefined
  const known = NAMES.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  return NAMES.get(lower) ?? (NAMES.has(lower.replaceAll(/[_.]/g, '-')) ? HOLDS_NOTHING : undefined)
}

/** What the header holds afterwards; `undefined`: it goes. */
export function valueAfter(header: ForwardingHeader, decision: Decision, mode: HeaderMode): string | undefined {
  return mode === 'remove' ? undefined : header.decided(decision)
}

/** Passes over nearly all headers of a browser: our names have 9 to 20 characters and begin with x, f, t or cf. */
function mayBeForwarding(name: string): boolean {
  if (name.length < 9 || name.length > 20) return false
  const first = name.charCodeAt(0) | 0x20
  if (first === 0x63) return (name.charCodeAt(1) | 0x20) === 0x66
  return first === 0x78 || first === 0x66 || first === 0x74
}

function add(name: string, header: ForwardingHeader): void {
  NAMES.set(name, header)
  NAMES.set(name.toLowerCase(), header)
}

function address({ client }: Decision): string | undefined {
  return client.address
}
