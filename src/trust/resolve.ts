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
import { parseAuthority, parseHost } from './authority.ts'
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
import { endFromRight, fromRight, wholeValue } from './list.ts'
import { type ProxyFixOptions, TRUSTED } from './options.ts'
import { trustPolicy, type TrustPolicy } from './policy.ts'
import { parsePort } from './port.ts'
import { parsePrefix, trimPrefix } from './prefix.ts'
import { ELEMENT_GRAMMAR, GRAMMARS, IS_EMPTY, ONE_ADDRESS, shortReason, walkReason } from './reasons.ts'
import { defaultPort, parseScheme } from './scheme.ts'
import { isKnownPeer, isProven } from './trusted-peer.ts'
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

const FLAWS: Readonly<Record<Flaw, number>> = {
  absent: ABSENT,
  short: SHORT,
  empty: EMPTY,
  invalid: INVALID,
  bad: INVALID,
}

const NO_REJECTED: readonly RejectedValue[] = Object.freeze([])
const MAX_REJECTED_TEXT = 256

/**
 * The decision on one request. What every request needs are own fields; the rest is worked out when somebody looks.
 *
 * The constructor decides nothing itself: as short as it is, it is compiled into whoever calls it, which saves 13 ns.
 */
export class Decision implements ConnectionInfo {
  client: Client
  scheme: string
  host: string | undefined
  hostname: string | undefined
  port: number | undefined
  prefix = ''
  trusted = false
  refusal: Refusal | undefined
  /** The place of the client's value, counted from the right; 0: the client is the peer. */
  clientPlace = 0
  readonly #policy: TrustPolicy
  readonly #facts: ReadableFacts
  /** The peer's address in canonical text. */
  readonly #peer: string | undefined
  #verdicts: number
  #rejected: RejectedValue[] | undefined
  /** Whether a peer that is not trusted sent a header that would have counted. */
  #isClaim = false

  constructor(policy: TrustPolicy, facts: ReadableFacts) {
    const { peer, scheme } = facts
    this.#policy = policy
    this.#facts = facts
    this.#peer = canonicalPeer(peer.address)
    this.#verdicts = policy.unread
    this.client = peer
    this.scheme = scheme
    this.#decide(policy, facts)
  }

  #decide(policy: TrustPolicy, facts: ReadableFacts): void {
    const { xFor, xProto, xHost, xPort, xPrefix, walks } = policy
    const peer = this.#peer
    this.trusted = isKnownPeer(policy, facts, peer) && isProven(policy, facts)

    const walk = walks ? this.#walk() : undefined
    const client = walks ? walk?.client : xFor === 0 ? undefined : this.#countedClient()
    this.client = client ?? endpoint(peer, facts.peer.port)
    if (client !== undefined) this.clientPlace = walk?.place ?? xFor

    const scheme = (xProto === 0 ? undefined : this.#value(PROTO, xProto, parseScheme, walk)) ?? facts.scheme
    this.scheme = scheme

    const received = facts.host
    const forwarded =
      xHost === 0 ? undefined : this.#value(HOST, xHost, walk?.element ? parseHost : parseAuthority, walk)
    const authority = forwarded ?? (received ? parseAuthority(received) : undefined)

    const forwardedPort = xPort === 0 ? undefined : this.#value(PORT, xPort, parsePort, walk)
    const schemePort = defaultPort(scheme)
    if (authority === undefined) {
      this.port = forwardedPort ?? schemePort
      this.host = received || undefined
    } else {
      const { hostname } = authority
      const port = forwardedPort ?? authority.port ?? schemePort
      this.port = port
      this.hostname = hostname
      this.host = port === schemePort ? hostname : `${hostname}:${port}`
    }

    const prefix = xPrefix === 0 ? undefined : this.#value(PREFIX, xPrefix, parsePrefix, walk)
    this.prefix = prefix ?? (facts.prefix ? trimPrefix(facts.prefix) : '')

    if (facts.flaw !== undefined || policy.mayRefuse) this.refusal = this.#refuse(policy, facts.flaw)
  }

  get peer(): Endpoint {
    return endpoint(this.#peer, this.#facts.peer.port)
  }

  get verdicts(): Readonly<Record<Field, Verdict>> {
    return unpack(this.#verdicts)
  }

  /** Whether there is nothing to tell an operator: no value was rejected, the request not refused, no stranger believed to be a proxy. */
  get isPlain(): boolean {
    return this.#rejected === undefined && this.refusal === undefined && !this.#isClaim
  }

  get rejected(): readonly RejectedValue[] {
    return this.#rejected ?? NO_REJECTED
  }

  get original(): ConnectionInfo['original'] {
    return this.#info().original
  }

  /** The whole decision as plain data, a copy for each caller: a log that masks an address in it masks no other's. */
  toInfo(): ConnectionInfo {
    const info = this.#info()
    const { client, rejected, refusal } = info
    const values = rejected.map(({ field, value, reason }) => ({ field, value, reason }))
    const copy = { ...info, client: { ...client }, rejected: values }
    return refusal === undefined ? copy : { ...copy, refusal: { ...refusal } }
  }

  /** The same of a decision that nobody keeps. */
  static infoOf(policy: TrustPolicy, facts: ReadableFacts): ConnectionInfo {
    return new Decision(policy, facts).#info()
  }

  #info(): ConnectionInfo {
    const { client, scheme, host, hostname, port, prefix, trusted, refusal } = this
    const facts = this.#facts
    const verdicts = unpack(this.#verdicts)
    const rejected = this.#rejected ?? NO_REJECTED
    const { peer: received, prefix: prefixReceived = '' } = facts
    // Not by the getters, which take 15 ns more.
    const peer = endpoint(this.#peer, received.port)
    const original = {
      peer: { ...received },
      scheme: facts.scheme,
      host: facts.host,
      prefix: prefixReceived,
      headers: facts.headers,
    }
    if (refusal === undefined) {
      return { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, original }
    }
    return { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, original, refusal }
  }

  /** Finds the client by a walk past trusted proxies, or by an element of `Forwarded`. */
  #walk(): Walk | undefined {
    const policy = this.#policy
    const facts = this.#facts
    const list = this.#read(FOR)
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
  #countedClient(): Endpoint | undefined {
    const { xFor, readsOne } = this.#policy
    const list = this.#read(FOR)
    if (list === undefined) return undefined
    if (!readsOne && xFor !== TRUSTED && this.#facts.trace === undefined) {
      const end = endFromRight(list, xFor)
      if (end !== -1 && readLastIPv4(list, end)) return endpointOfRead(list) // as nearly always
    }
    const item = this.#item(FOR, xFor, list, undefined)
    if (item === undefined) return undefined
    return parseForwardedFor(item) ?? this.#invalid(FOR, item, readsOne ? ONE_ADDRESS : GRAMMARS.for)
  }

  /** The text of the header that tells about a field, if this peer is believed and it was sent. */
  #read(index: number): string | undefined {
    const policy = this.#policy
    const facts = this.#facts
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
    walk: Walk | undefined,
  ): T | undefined {
    let item: string | undefined
    if (walk?.element !== undefined) {
      item = this.#parameter(index, count, walk)
    } else {
      const list = this.#read(index)
      if (list === undefined) return undefined
      // No grammar has a comma or a blank: a text that parses whole is the one value there is, and need not be searched.
      const whole = count === 1 && this.#facts.trace === undefined ? parse(list) : undefined
      if (whole !== undefined) return whole
      item = this.#item(index, count, list, walk)
    }
    return item === undefined ? undefined : (parse(item) ?? this.#invalid(index, item))
  }

  /** The value in a header of which `count` values are to be believed. */
  #item(index: number, count: number, list: string, walk: Walk | undefined): string | undefined {
    const policy = this.#policy
    const facts = this.#facts
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
  #parameter(index: number, count: number, walk: Walk): string | undefined {
    const { flaw, text, element } = walk
    const { trace } = this.#facts
    if (trace !== undefined) trace.places[index] = placeOf(count, walk)
    if (flaw === 'short') {
      this.#reject(index, text, shortReason(text, index, this.#policy))
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
  return Decision.infoOf(trustPolicy(options), new PlainFacts(facts))
}

/** The place of a field's value, counted from the right; 0: the client is the peer, of whom no header tells. */
function placeOf(count: number, walk: Walk | undefined): number {
  if (count === TRUSTED) return walk?.place ?? 0
  return walk === undefined ? count : Math.min(count, walk.end)
}

/** An endpoint of a canonical address. Without an address a port says nothing. */
function endpoint(address: string | undefined, port: number | undefined): Endpoint {
  if (address === undefined) return {}
  return port === undefined ? { address } : { address, port }
}
