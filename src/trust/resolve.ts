/**
 * Who is the client? Facts in, decision out: the one place where a header is believed or not.
 *
 * **The model.** Every proxy that you run adds one value to the right of each header it sets, and you
 * say how many do. The value that the outermost of them wrote stands that many places from the right;
 * nobody else could put it there. **The attack** is a client that sends the header itself: its text ends
 * up further left, where it is never read. A list that is shorter than it must be did not come through
 * your proxies, so it is not read at all: taking "the leftmost there is" would be taking the client's word.
 *
 * When in doubt a field stays as received, so the answer falls back to the peer, never to the client.
 */

import { canonicalPeer, type Endpoint, endpointOfRead, parseForwardedFor, readLastIPv4 } from './address.ts'
import { parseAuthority } from './authority.ts'
import {
  type Client,
  type ConnectionFacts,
  type ConnectionInfo,
  type Field,
  FIELDS,
  type Refusal,
  type RejectedValue,
  type Verdict,
} from './connection.ts'
import { PlainFacts, type ReadableFacts } from './facts.ts'
import { elementsFromRight } from './forwarded.ts'
import { countValues, endFromRight, fromRight, wholeValue } from './list.ts'
import { type ProxyFixOptions, TRUSTED } from './options.ts'
import { trustPolicy, type TrustPolicy } from './policy.ts'
import { parsePort } from './port.ts'
import { parsePrefix, trimPrefix } from './prefix.ts'
import { provenanceOf } from './provenance.ts'
import { defaultPort, parseScheme } from './scheme.ts'
import {
  ABSENT,
  EMPTY,
  FOR,
  HOST,
  INVALID,
  pack,
  PORT,
  PREFIX,
  PROTO,
  SHORT,
  unpack,
  UNTRUSTED_PEER,
} from './verdicts.ts'
import { type Flaw, type Walk, walkElements, walkList } from './walk.ts'

const GRAMMARS: Readonly<Record<Field, string>> = {
  for: 'it is not an IP address with or without a port',
  proto: 'it is not http, https, ws or wss',
  host: 'it is not a host name or address with or without a port',
  port: 'it is not a port from 1 to 65535',
  prefix: 'it is not a path of plain segments after one slash',
}
const NODE_GRAMMAR = 'it is not an IP address (IPv6 in brackets), unknown or an _identifier, with or without a port'
const ONE_ADDRESS = 'it is not one IP address with or without a port'
const ELEMENT_GRAMMAR = 'its element breaks the grammar of RFC 7239 or names a parameter twice'

const FLAWS: Readonly<Record<Flaw, number>> = {
  absent: ABSENT,
  short: SHORT,
  empty: EMPTY,
  invalid: INVALID,
  bad: INVALID,
}

const IS_EMPTY = 'it is empty'

const NO_REJECTED: readonly RejectedValue[] = Object.freeze([])
const MAX_REJECTED_TEXT = 256

/**
 * The decision on one request. What every request needs are own fields, filled once by the constructor;
 * the rest is worked out when somebody looks.
 */
export class Decision implements ConnectionInfo {
  readonly client: Client
  readonly scheme: string
  readonly host: string | undefined
  readonly hostname: string | undefined
  readonly port: number | undefined
  readonly prefix: string
  readonly trusted: boolean
  readonly refusal: Refusal | undefined
  readonly #place: number
  readonly #facts: ConnectionFacts
  #verdicts: number
  #rejected: RejectedValue[] | undefined
  /** Whether a peer that is not trusted sent a header that would have counted. */
  #isClaim = false

  constructor(policy: TrustPolicy, facts: ReadableFacts) {
    this.#facts = facts
    this.#verdicts = policy.unread
    this.trusted = isKnownPeer(policy, facts) && isProven(policy, facts)

    const walk = policy.walks ? this.#walk(policy, facts) : undefined
    const client = policy.walks ? walk?.client : this.#countedClient(policy, facts)
    this.client = client ?? endpoint(facts.peer)
    this.#place = client === undefined ? 0 : (walk?.place ?? policy.xFor)

    this.scheme = this.#value(PROTO, policy.xProto, parseScheme, policy, facts, walk) ?? facts.scheme

    const forwarded = this.#value(HOST, policy.xHost, parseAuthority, policy, facts, walk)
    const received = facts.host
    const authority = forwarded ?? (received ? parseAuthority(received) : undefined)

    const port = this.#value(PORT, policy.xPort, parsePort, policy, facts, walk)
    const schemePort = defaultPort(this.scheme)
    this.port = port ?? authority?.port ?? schemePort
    this.hostname = authority?.hostname
    this.host =
      authority === undefined
        ? received || undefined
        : this.port === schemePort
          ? authority.hostname
          : `${authority.hostname}:${this.port}`

    const prefix = this.#value(PREFIX, policy.xPrefix, parsePrefix, policy, facts, walk)
    this.prefix = prefix ?? (facts.prefix ? trimPrefix(facts.prefix) : '')

    this.refusal = facts.flaw !== undefined || policy.mayRefuse ? this.#refuse(policy, facts.flaw) : undefined
  }

  get peer(): Endpoint {
    return endpoint(this.#facts.peer)
  }

  get verdicts(): Readonly<Record<Field, Verdict>> {
    return unpack(this.#verdicts)
  }

  /** Whether there is nothing to tell an operator: no value was rejected, the request not refused, no stranger believed to be a proxy. */
  get isPlain(): boolean {
    return this.#rejected === undefined && this.refusal === undefined && !this.#isClaim
  }

  /** The place of the client's value, counted from the right; 0: the client is the peer. */
  get clientPlace(): number {
    return this.#place
  }

  get rejected(): readonly RejectedValue[] {
    return this.#rejected ?? NO_REJECTED
  }

  get original(): ConnectionInfo['original'] {
    const { peer, scheme, host, prefix = '', headers } = this.#facts
    return { peer: { ...peer }, scheme, host, prefix, headers }
  }

  /** The whole decision as plain data, which no change of the facts reaches. */
  toInfo(): ConnectionInfo {
    const { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal, original } = this
    const info = { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, original }
    return refusal === undefined ? info : { ...info, refusal }
  }

  /** Finds the client by a walk past trusted proxies, or by an element of `Forwarded`. */
  #walk(policy: TrustPolicy, facts: ReadableFacts): Walk | undefined {
    const list = this.#read(FOR, policy, facts)
    if (list === undefined) return undefined
    const { trustedProxies, family } = policy.checked
    const walk: Walk =
      family === 'forwarded' || trustedProxies === undefined
        ? walkElements(list, trustedProxies, policy.limits)
        : walkList(list, trustedProxies, policy.limits)
    const { flaw, text } = walk
    if (facts.trace !== undefined) {
      facts.trace.places[FOR] = walk.place
      facts.trace.end = walk.end
    }
    if (flaw !== undefined) {
      if (walk.client === undefined) this.#judge(FOR, FLAWS[flaw])
      // A count looks past an element that tells no client; a walk ends there.
      if (flaw !== 'absent' || !policy.limits.isCount) this.#reject(FOR, text, walkReason(flaw, text, policy))
    }
    return walk
  }

  /** Finds the client at a place that is counted, or in a header of its own. */
  #countedClient(policy: TrustPolicy, facts: ReadableFacts): Endpoint | undefined {
    const { xFor, readsOne } = policy
    const list = xFor === 0 ? undefined : this.#read(FOR, policy, facts)
    if (list === undefined) return undefined
    if (!readsOne && xFor !== TRUSTED && facts.trace === undefined) {
      const end = endFromRight(list, xFor)
      if (end !== -1 && readLastIPv4(list, end)) return endpointOfRead(list) // as nearly always
    }
    const item = this.#item(FOR, xFor, list, policy, facts, undefined)
    if (item === undefined) return undefined
    return parseForwardedFor(item) ?? this.#invalid(FOR, item, readsOne ? ONE_ADDRESS : GRAMMARS.for)
  }

  /** The text of the header that tells about a field, if this peer is believed and it was sent. */
  #read(index: number, policy: TrustPolicy, facts: ReadableFacts): string | undefined {
    const list = facts.flaw === undefined ? facts.header(policy.headerKeys[index]!) : undefined
    if (this.trusted) return list ?? this.#judge(index, ABSENT)
    if (list !== undefined) this.#isClaim = true
    return this.#judge(index, UNTRUSTED_PEER)
  }

  /** What a field's header says, as far as it is to be believed; else the verdict says why it says nothing. */
  #value<T>(
    index: number,
    count: number,
    parse: (text: string) => T | undefined,
    policy: TrustPolicy,
    facts: ReadableFacts,
    walk: Walk | undefined,
  ): T | undefined {
    if (count === 0) return undefined
    let item: string | undefined
    if (walk?.element !== undefined) {
      item = this.#parameter(index, count, policy, facts, walk)
    } else {
      const list = this.#read(index, policy, facts)
      if (list === undefined) return undefined
      // No grammar has a comma or a blank: a text that parses whole is the one value there is, and need not be searched.
      const whole = count === 1 && facts.trace === undefined ? parse(list) : undefined
      if (whole !== undefined) return whole
      item = this.#item(index, count, list, policy, facts, walk)
    }
    return item === undefined ? undefined : (parse(item) ?? this.#invalid(index, item))
  }

  /** The value in a header of which `count` values are to be believed. */
  #item(
    index: number,
    count: number,
    list: string,
    policy: TrustPolicy,
    facts: ReadableFacts,
    walk: Walk | undefined,
  ): string | undefined {
    const place = placeOf(count, walk)
    if (facts.trace !== undefined) facts.trace.places[index] = place
    if (place === 0) return this.#judge(index, ABSENT) // the client is the peer, of whom no header tells
    const item = index === FOR && policy.readsOne ? wholeValue(list) : fromRight(list, place)
    if (item === undefined) {
      this.#reject(index, list, shortReason(list, index, policy))
      return this.#judge(index, SHORT)
    }
    return item === '' ? this.#empty(index) : item
  }

  /** The same in the element of `Forwarded` that a walk chose. */
  #parameter(index: number, count: number, policy: TrustPolicy, facts: ReadableFacts, walk: Walk): string | undefined {
    const { flaw, text, element } = walk
    if (facts.trace !== undefined) facts.trace.places[index] = placeOf(count, walk)
    if (flaw === 'short') {
      this.#reject(index, text, shortReason(text, index, policy))
      return this.#judge(index, SHORT)
    }
    if (element === 'empty') return this.#empty(index, text)
    if (element === 'bad') return this.#invalid(index, text, ELEMENT_GRAMMAR)
    if (typeof element !== 'object') return this.#judge(index, ABSENT) // the client is the peer
    const value = index === PROTO ? element.proto : element.host
    if (value === undefined) return this.#judge(index, ABSENT)
    return value === '' ? this.#empty(index) : value
  }

  #empty(index: number, text = ''): undefined {
    this.#reject(index, text, IS_EMPTY)
    return this.#judge(index, EMPTY)
  }

  #invalid(index: number, item: string, reason: string = GRAMMARS[FIELDS[index]!]): undefined {
    this.#reject(index, item, reason)
    return this.#judge(index, INVALID)
  }

  #judge(index: number, verdict: number): undefined {
    this.#verdicts |= pack(index, verdict)
  }

  #reject(index: number, value: string, reason: string): void {
    this.#rejected ??= []
    this.#rejected.push({ field: FIELDS[index]!, value: value.slice(0, MAX_REJECTED_TEXT), reason })
  }

  /** The first reason, in the order of contract rule 7, why this request must not reach the app. */
  #refuse({ checked }: TrustPolicy, flaw: string | undefined): Refusal | undefined {
    const { verdicts } = this
    if (flaw !== undefined) {
      const field = FIELDS.find((one) => checked.counts[one] !== 0)
      if (field !== undefined) return { status: 400, field, reason: flaw }
    }
    if (checked.onInvalid === 'reject') {
      const invalid = this.rejected.find(({ field }) => verdicts[field] === 'invalid')
      if (invalid !== undefined) {
        const { field, reason } = invalid
        return {
          status: 400,
          field,
          reason: `the value of ${checked.sources[field]} that counts is invalid: ${reason}`,
        }
      }
    }
    const missing = this.trusted ? checked.required.find((field) => verdicts[field] !== 'trusted') : undefined
    if (missing !== undefined) {
      const source = checked.sources[missing]
      const what = source === 'Forwarded' ? `the ${missing} parameter of Forwarded` : source
      return { status: 400, field: missing, reason: `${what} is required of the proxy, and it is ${verdicts[missing]}` }
    }
    if (checked.allowsHost !== undefined && !(this.hostname !== undefined && checked.allowsHost(this.hostname))) {
      return { status: 400, field: 'host', reason: 'this host is not served here' }
    }
    return undefined
  }
}

/**
 * Who is the client of a request with these facts, and what did it ask for? Pure, and total: whatever the
 * headers hold, it answers.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for options that cannot be.
 * @example
 * const info = resolveConnection(
 *   { peer: { address: '10.0.0.1' }, scheme: 'http', host: 'app', headers: { 'X-Forwarded-For': '203.0.113.7' } },
 *   { xFor: 1 },
 * )
 * info.client.address // '203.0.113.7'
 */
export function resolveConnection(facts: ConnectionFacts, options?: ProxyFixOptions | TrustPolicy): ConnectionInfo {
  return new Decision(trustPolicy(options), new PlainFacts(facts)).toInfo()
}

/** Whether this peer is one of those that may speak for others, as far as its address tells. */
export function isKnownPeer({ checked }: TrustPolicy, facts: ReadableFacts): boolean {
  const { trustedProxies: proxies, secret } = checked
  const { address } = facts.peer
  if (address) return proxies === undefined ? canonicalPeer(address) !== undefined : proxies.hasPeer(address)
  if (proxies === undefined) return true
  if (provenanceOf(facts).isPeerUnknown !== true && proxies.hasUnaddressed()) return true
  return secret !== undefined && !proxies.isEmpty // which stands for the address, and has to be proven
}

/** Whether it has proven itself, if that is asked for. */
export function isProven({ checked: { secret } }: TrustPolicy, facts: ReadableFacts): boolean {
  if (secret === undefined) return true
  return facts.flaw === undefined && (provenanceOf(facts).isProven ?? secret.isProvenBy(facts.header(secret.header)))
}

/** The place of a field's value, counted from the right; 0: the client is the peer, of whom no header tells. */
function placeOf(count: number, walk: Walk | undefined): number {
  if (count === TRUSTED) return walk?.place ?? 0
  return walk === undefined ? count : Math.min(count, walk.end)
}

function shortReason(list: string, index: number, { checked }: TrustPolicy): string {
  const field = FIELDS[index]!
  const values = checked.family === 'forwarded' ? elementsFromRight(list, Infinity).length : countValues(list)
  const count = checked.counts[field]
  const wanted = count === TRUSTED ? 'the client stands further left' : `${checked.settings[field]} is ${count}`
  return `${checked.sources[field]} has ${values === 1 ? '1 value' : `${values} values`}, ${wanted}`
}

function walkReason(flaw: Flaw, text: string, policy: TrustPolicy): string {
  switch (flaw) {
    case 'short':
      return shortReason(text, FOR, policy)
    case 'absent':
      return 'its element has no for parameter'
    case 'empty':
      return IS_EMPTY
    case 'bad':
      return ELEMENT_GRAMMAR
    case 'invalid':
      return policy.checked.family === 'forwarded' ? NODE_GRAMMAR : GRAMMARS.for
  }
}

/** An endpoint in canonical text. Without an address a port says nothing. */
function endpoint({ address: text, port }: Endpoint): Endpoint {
  const address = canonicalPeer(text)
  if (address === undefined) return {}
  return port === undefined ? { address } : { address, port }
}
