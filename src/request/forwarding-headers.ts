/**
 * Which headers say who the client is and what it asked for, and what do they hold afterwards?
 *
 * Fixing `req.socket` is half of the work: libraries read a dozen headers by themselves (`request-ip`
 * alone tries eleven before the socket), and each one left as the client sent it is a second, forged
 * answer. So every such header is set to the decided value or taken away (contract rule 10). Spellings
 * with `_` or `.` are taken away too: CGI-style readers and some proxies take `X_Forwarded_For` for the
 * real thing (CVE-2025-64484, CVE-2026-33433).
 */

import type { Decided } from '../trust/amend.ts'
import { formatElement } from '../trust/forwarded.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import { httpScheme } from '../trust/scheme.ts'

/** What happens to the header of one name. */
export interface HeaderRule {
  /** The value that was decided; `undefined` when there is none. */
  readonly decided: (decision: Decided) => string | undefined
  /**
   * `own`: the request's own word (Host), not a proxy's; set in every mode and never taken away. `secret`: between a
   * proxy and us, taken away in every mode. `forwarding`: as the mode says.
   */
  readonly kind: 'own' | 'forwarding' | 'secret'
  /** One bit a name, so that a set of them fits a number. */
  readonly bit: number
}

type ValueOf = HeaderRule['decided']

const OWN: Readonly<Record<string, ValueOf>> = {
  Host: ({ host }) => host,
  ':authority': ({ host }) => host,
  ':scheme': ({ scheme }) => httpScheme(scheme),
}

const VALUES: Readonly<Record<string, ValueOf>> = {
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

const GONE: HeaderRule = { decided: () => undefined, kind: 'forwarding', bit: 0 }
const SECRET: HeaderRule = { decided: () => undefined, kind: 'secret', bit: 0 }

// Each name as it is usually spelt and in lower case, so that hardly any is lowered on the path of a request.
const COMMON = new Map<string, HeaderRule>()
let names = 0
for (const [name, decided] of Object.entries(OWN)) add(COMMON, name, { decided, kind: 'own', bit: 1 << names++ })
for (const [name, decided] of Object.entries(VALUES))
  add(COMMON, name, { decided, kind: 'forwarding', bit: 1 << names++ })
for (const name of NOTHING) add(COMMON, name, GONE)
const FORWARDED: HeaderRule = { decided: element, kind: 'forwarding', bit: 1 << names++ }
const CLIENT_IP: HeaderRule = { decided: address, kind: 'forwarding', bit: 1 << names++ }

/** The usual name, in lower case, of a header in which proxies forward, however it is spelt; `undefined` for others. */
export function forwardingName(name: string): string | undefined {
  const usual = name.toLowerCase().replaceAll(/[_.]/g, '-')
  return COMMON.get(usual)?.kind === 'forwarding' ? usual : undefined
}

/** What a policy makes of the headers of a request. */
export class HeaderRules {
  readonly #mode: 'normalize' | 'keep' | 'remove'
  readonly #rules: ReadonlyMap<string, HeaderRule>
  /** The lengths of the names that only this policy has rules for. */
  readonly #lengths: readonly number[]

  private constructor({ checked }: TrustPolicy) {
    const { headers, family, clientIpHeader, secret } = checked
    const others: [name: string, rule: HeaderRule][] = []
    if (family === 'forwarded') others.push(['Forwarded', FORWARDED])
    if (clientIpHeader !== undefined && !COMMON.has(clientIpHeader)) others.push([clientIpHeader, CLIENT_IP])
    if (secret !== undefined) others.push([secret.header, SECRET])
    const rules = others.length === 0 ? COMMON : new Map(COMMON)
    for (const [name, rule] of others) {
      // However it is spelt: a secret may travel in a header that has another meaning elsewhere.
      for (const known of COMMON.keys()) if (known.toLowerCase() === name.toLowerCase()) rules.set(known, rule)
      add(rules, name, rule)
    }
    this.#mode = headers
    this.#rules = rules
    this.#lengths = others.map(([name]) => name.length)
  }

  static readonly #made = new WeakMap<TrustPolicy, HeaderRules>()

  /** The rules of a policy, made once. */
  static of(policy: TrustPolicy): HeaderRules {
    let rules = this.#made.get(policy)
    if (rules === undefined) this.#made.set(policy, (rules = new HeaderRules(policy)))
    return rules
  }

  /** The rule for a header of this name, in any case; `undefined` for a header that is left alone. */
  find(name: string): HeaderRule | undefined {
    if (!mayHaveRule(name) && !this.#lengths.includes(name.length)) return undefined
    const rule = this.#rules.get(name) ?? this.#lookUp(name)
    return rule?.kind === 'forwarding' && this.#mode === 'keep' ? undefined : rule
  }

  /** What the header holds afterwards; `undefined`: it goes. */
  valueAfter({ kind, decided }: HeaderRule, value: string, decision: Decided): string | undefined {
    if (kind === 'own') return decided(decision) ?? value
    return this.#mode === 'normalize' && decision.trusted ? decided(decision) : undefined
  }

  #lookUp(name: string): HeaderRule | undefined {
    const lower = name.toLowerCase()
    return this.#rules.get(lower) ?? (this.#rules.has(lower.replaceAll(/[_.]/g, '-')) ? GONE : undefined)
  }
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

function add(rules: Map<string, HeaderRule>, name: string, rule: HeaderRule): void {
  rules.set(name, rule)
  rules.set(name.toLowerCase(), rule)
}

function address({ client }: Decided): string | undefined {
  return client.address
}

/** One element of `Forwarded`; it tells no port, which readers of X-Forwarded-For would not see either. */
function element({ client, scheme, host, hostname }: Decided): string | undefined {
  return formatElement({
    for: client.address ?? client.node,
    proto: scheme,
    host: hostname === undefined ? undefined : host,
  })
}
