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
  /** One bit a name, so that a set of them fits a number; 0 for all names that nothing is told in. */
  readonly bit: number
  /** The name in lower case; empty where a name is only spelt like one that has a rule. */
  readonly name: string
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

/** A rule, findable by the name that its header is usually spelt. */
interface NamedRule extends HeaderRule {
  readonly spelt: string
}

let bits = 0
function nextBit(): number {
  return 1 << bits++
}
function named(
  spelt: string,
  tells: Told,
  kind: HeaderRule['kind'],
  bit: number = tells === 'nothing' ? 0 : nextBit(),
): NamedRule {
  const [name] = Object.keys({ [spelt.toLowerCase()]: kind }) // a key is interned: equal ones are compared by address
  return { spelt, name: name!, tells, kind, bit }
}

const COMMON: readonly NamedRule[] = [
  ...Object.entries(OWN).map(([name, tells]) => named(name, tells, 'own')),
  ...Object.entries(FORWARDING).map(([name, tells]) => named(name, tells, 'forwarding')),
  ...NOTHING.map((name) => named(name, 'nothing', 'forwarding')),
]
const MISSPELT = named('', 'nothing', 'forwarding')
const FORWARDED = named('Forwarded', 'element', 'forwarding')
/** Of whatever header a policy names for the client's address. */
const CLIENT_IP = nextBit()

/** The usual name, in lower case, of a header in which proxies forward, however it is spelt; `undefined` for others. */
export function forwardingName(name: string): string | undefined {
  const usual = dashed(name.toLowerCase())
  return COMMON.some(({ name: known, kind }) => known === usual && kind === 'forwarding') ? usual : undefined
}

/** What a policy makes of the headers of a request. */
export class HeaderRules {
  readonly #mode: 'normalize' | 'keep' | 'remove'
  /** Where the rules for names of one length and last letter are in the list of lists; 0: there is none. */
  readonly #slots: Uint8Array
  readonly #rules: readonly (readonly NamedRule[])[]

  private constructor({ checked }: TrustPolicy) {
    const { headers, family, clientIpHeader, secret } = checked
    const others: NamedRule[] = []
    if (secret !== undefined) others.push(named(secret.header, 'nothing', 'secret'))
    if (clientIpHeader !== undefined && !COMMON.some(({ name }) => name === clientIpHeader.toLowerCase()))
      others.push(named(clientIpHeader, 'address', 'forwarding', CLIENT_IP))
    if (family === 'forwarded') others.push(FORWARDED)
    this.#mode = headers
    // A secret may travel in a header that has another meaning elsewhere, however that one is spelt: the first counts.
    const all = [...others, ...COMMON]
    const found = bySlot(all.filter(({ name }, index) => all.findIndex((one) => one.name === name) === index))
    this.#slots = found.slots
    this.#rules = found.rules
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
    const slot = this.#slots[slotOf(name)]!
    if (slot === 0) return undefined
    const rule = ruleIn(this.#rules[slot]!, name)
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

/**
 * One look passes over nearly all headers of a browser, and no name has to be lowered or hashed (25 ns) on the path of a
 * request. A byte for each slot, as what is looked up once a request is no longer in the cache when it takes 8 KB.
 */
function slotOf(name: string): number {
  return ((name.length << 5) | (name.charCodeAt(name.length - 1) & 31)) & (SLOTS - 1)
}

function bySlot(all: readonly NamedRule[]): { slots: Uint8Array; rules: readonly (readonly NamedRule[])[] } {
  const slots = new Uint8Array(SLOTS)
  const rules: NamedRule[][] = [[]]
  for (const one of all) {
    // Of a name that ends with a separator each spelling has a slot.
    const spellings = /[-_.]$/.test(one.name) ? ['-', '_', '.'].map((end) => one.name.slice(0, -1) + end) : [one.name]
    for (const spelling of spellings) {
      const slot = slotOf(spelling)
      if (slots[slot] === 0) slots[slot] = rules.push([]) - 1
      rules[slots[slot]!]!.push(one)
    }
  }
  return { slots, rules }
}

function ruleIn(slot: readonly NamedRule[], name: string): HeaderRule | undefined {
  for (let index = 0; index < slot.length; index++) {
    const one = slot[index]!
    if (name === one.spelt || name === one.name) return one
  }
  const lower = name.toLowerCase()
  const spelt = slot.find((one) => one.name === lower)
  if (spelt !== undefined) return spelt
  const usual = dashed(lower)
  return slot.some((one) => dashed(one.name) === usual) ? MISSPELT : undefined
}

/** Spellings that differ in separators are one name to CGI-style readers. */
function dashed(name: string): string {
  return name.replaceAll(/[_.]/g, '-')
}

/** One element of `Forwarded`; it tells no port, which readers of X-Forwarded-For would not see either. */
function element({ client, scheme, host, hostname }: Decided): string | undefined {
  return formatElement({
    for: client.address ?? client.node,
    proto: scheme,
    host: hostname === undefined ? undefined : host,
  })
}
