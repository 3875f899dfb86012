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

/** What a header tells, of what was decided. */
type Told = 'address' | 'scheme' | 'http-scheme' | 'host' | 'port' | 'prefix' | 'element' | 'nothing'

/** What happens to the header of one name. */
export interface HeaderRule {
  /** What it holds afterwards, where it stays. */
  readonly tells: Told
  /**
   * `own`: the request's own word (Host), not a proxy's; set in every mode and never taken away. `secret`: between a
   * proxy and us, taken away in every mode. `forwarding`: as the mode says.
   */
  readonly kind: 'own' | 'forwarding' | 'secret'
  /** One bit a name, so that a set of them fits a number. */
  readonly bit: number
}

const OWN: Readonly<Record<string, Told>> = {
  Host: 'host',
  ':authority': 'host',
  ':scheme': 'http-scheme',
}

const FORWARDING: Readonly<Record<string, Told>> = {
  'X-Forwarded-For': 'address',
  'X-Forwarded-Proto': 'scheme',
  'X-Forwarded-Host': 'host',
  'X-Forwarded-Port': 'port',
  'X-Forwarded-Prefix': 'prefix',
  'X-Real-IP': 'address',
  'X-Client-IP': 'address',
  'X-Cluster-Client-IP': 'address',
  'True-Client-IP': 'address',
  'CF-Connecting-IP': 'address',
  'CF-Connecting-IPv6': 'address',
  'CF-Pseudo-IPv4': 'address',
  'Fastly-Client-IP': 'address',
  'X-Appengine-User-IP': 'address',
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

/** A name, as it is usually spelt and in lower case, with its rule. */
interface NamedRule {
  readonly name: string
  readonly lower: string
  readonly rule: HeaderRule
}

const GONE: HeaderRule = { tells: 'nothing', kind: 'forwarding', bit: 0 }
const SECRET: HeaderRule = { tells: 'nothing', kind: 'secret', bit: 0 }

let bits = 0
function ruleOf(tells: Told, kind: HeaderRule['kind']): HeaderRule {
  return { tells, kind, bit: 1 << bits++ }
}
function named(name: string, rule: HeaderRule): NamedRule {
  const [lower] = Object.keys({ [name.toLowerCase()]: rule }) // a key is interned: equal ones are compared by address
  return { name, lower: lower!, rule }
}

const COMMON: readonly NamedRule[] = [
  ...Object.entries(OWN).map(([name, tells]) => named(name, ruleOf(tells, 'own'))),
  ...Object.entries(FORWARDING).map(([name, tells]) => named(name, ruleOf(tells, 'forwarding'))),
  ...NOTHING.map((name) => named(name, GONE)),
]
const FORWARDED = ruleOf('element', 'forwarding')
const CLIENT_IP = ruleOf('address', 'forwarding')

/** The usual name, in lower case, of a header in which proxies forward, however it is spelt; `undefined` for others. */
export function forwardingName(name: string): string | undefined {
  const usual = name.toLowerCase().replaceAll(/[_.]/g, '-')
  return COMMON.some(({ lower, rule }) => lower === usual && rule.kind === 'forwarding') ? usual : undefined
}

/** What a policy makes of the headers of a request. */
export class HeaderRules {
  readonly #mode: 'normalize' | 'keep' | 'remove'
  /**
   * The rules by length and last letter of their names: one look passes over nearly all headers of a browser, and no
   * name has to be lowered or hashed (25 ns) on the path of a request.
   */
  readonly #slots: readonly (readonly NamedRule[] | undefined)[]

  private constructor({ checked }: TrustPolicy) {
    const { headers, family, clientIpHeader, secret } = checked
    const others: NamedRule[] = []
    if (secret !== undefined) others.push(named(secret.header, SECRET))
    if (clientIpHeader !== undefined && !COMMON.some(({ lower }) => lower === clientIpHeader.toLowerCase()))
      others.push(named(clientIpHeader, CLIENT_IP))
    if (family === 'forwarded') others.push(named('Forwarded', FORWARDED))
    this.#mode = headers
    // A secret may travel in a header that has another meaning elsewhere, however that one is spelt: the first counts.
    const all = [...others, ...COMMON]
    this.#slots = bySlot(all.filter(({ lower }, index) => all.findIndex((one) => one.lower === lower) === index))
  }

  static readonly #made = new WeakMap<TrustPolicy, HeaderRules>()
  static #last: { readonly policy: TrustPolicy; readonly rules: HeaderRules } | undefined

  /** The rules of a policy, made once. */
  static of(policy: TrustPolicy): HeaderRules {
    if (this.#last?.policy === policy) return this.#last.rules // most programs have one
    let rules = this.#made.get(policy)
    if (rules === undefined) this.#made.set(policy, (rules = new HeaderRules(policy)))
    this.#last = { policy, rules }
    return rules
  }

  /** The rule for a header of this name, in any case; `undefined` for a header that is left alone. */
  find(name: string): HeaderRule | undefined {
    const slot = this.#slots[slotOf(name)]
    if (slot === undefined) return undefined
    const rule = ruleIn(slot, name)
    return rule?.kind === 'forwarding' && this.#mode === 'keep' ? undefined : rule
  }

  /** What the header holds afterwards; `undefined`: it goes. */
  valueAfter(rule: HeaderRule, value: string, decision: Decided): string | undefined {
    if (rule.kind === 'own') return decidedValue(rule, decision) ?? value
    return this.#mode === 'normalize' && decision.trusted ? decidedValue(rule, decision) : undefined
  }
}

/** What the header of a rule tells of a decision; `undefined` when there is nothing to tell. */
export function decidedValue({ tells }: HeaderRule, decision: Decided): string | undefined {
  switch (tells) {
    case 'address':
      return decision.client.address
    case 'scheme':
      return decision.scheme
    case 'http-scheme':
      return httpScheme(decision.scheme)
    case 'host':
      return decision.host
    case 'port':
      return decision.port?.toString()
    case 'prefix':
      return decision.prefix || undefined
    case 'element':
      return element(decision)
    case 'nothing':
      return undefined
  }
}

const SLOTS = 1024

function slotOf(name: string): number {
  return ((name.length << 5) | (name.charCodeAt(name.length - 1) & 31)) & (SLOTS - 1)
}

function bySlot(all: readonly NamedRule[]): readonly (readonly NamedRule[] | undefined)[] {
  const slots = Array.from({ length: SLOTS }, (): NamedRule[] | undefined => undefined)
  for (const one of all) {
    // Of a name that ends with a separator each spelling has a slot.
    const spellings = one.lower.endsWith('-') ? ['-', '_', '.'].map((end) => one.lower.slice(0, -1) + end) : [one.lower]
    for (const spelling of spellings) (slots[slotOf(spelling)] ??= []).push(one)
  }
  return slots
}

function ruleIn(slot: readonly NamedRule[], name: string): HeaderRule | undefined {
  for (const one of slot) if (name === one.lower || name === one.name) return one.rule
  const lower = name.toLowerCase()
  const spelt = slot.find((one) => one.lower === lower)
  if (spelt !== undefined) return spelt.rule
  const dashed = lower.replaceAll(/[_.]/g, '-')
  return slot.some((one) => one.lower === dashed) ? GONE : undefined
}

/** One element of `Forwarded`; it tells no port, which readers of X-Forwarded-For would not see either. */
function element({ client, scheme, host, hostname }: Decided): string | undefined {
  return formatElement({
    for: client.address ?? client.node,
    proto: scheme,
    host: hostname === undefined ? undefined : host,
  })
}
