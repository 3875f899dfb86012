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

import { canonicalPeer, parseForwardedFor, type Endpoint } from './address.ts'
import { parseAuthority } from './authority.ts'
import {
  type ConnectionFacts,
  type ConnectionInfo,
  type Field,
  FIELDS,
  type Refusal,
  type RejectedValue,
  type Verdict,
} from './connection.ts'
import { countValues, fromRight } from './list.ts'
import { COUNTS, type ProxyFixOptions } from './options.ts'
import { trustPolicy, type TrustPolicy } from './policy.ts'
import { parsePort } from './port.ts'
import { parsePrefix, trimPrefix } from './prefix.ts'
import { defaultPort, parseScheme } from './scheme.ts'

/** Reads one header off a request's facts, all its lines joined in order; the name is given in lower case. */
export type ReadHeader<Facts> = (facts: Facts, name: string) => string | undefined

const HEADERS: Readonly<Record<Field, string>> = {
  for: 'X-Forwarded-For',
  proto: 'X-Forwarded-Proto',
  host: 'X-Forwarded-Host',
  port: 'X-Forwarded-Port',
  prefix: 'X-Forwarded-Prefix',
}

const GRAMMARS: Readonly<Record<Field, string>> = {
  for: 'it is not an IP address with or without a port',
  proto: 'it is not http, https, ws or wss',
  host: 'it is not a host name or address with or without a port',
  port: 'it is not a port from 1 to 65535',
  prefix: 'it is not a path of plain segments after one slash',
}

const [FOR, PROTO, HOST, PORT, PREFIX] = [0, 1, 2, 3, 4] as const // places in FIELDS
const HEADER_KEYS = FIELDS.map((field) => HEADERS[field].toLowerCase())
const VERDICTS: readonly Verdict[] = [
  'trusted',
  'not-configured',
  'untrusted-peer',
  'absent',
  'short',
  'empty',
  'invalid',
]
const [NOT_CONFIGURED, UNTRUSTED_PEER, ABSENT, SHORT, EMPTY, INVALID] = [1, 2, 3, 4, 5, 6] as const // places in VERDICTS

const NO_REJECTED: readonly RejectedValue[] = Object.freeze([])
const MAX_REJECTED_TEXT = 256

/**
 * The decision on one request. What every request needs are own fields, filled once by the constructor;
 * the rest is worked out when somebody looks.
 */
export class Decision implements ConnectionInfo {
  readonly client: Endpoint
  readonly scheme: string
  readonly host: string | undefined
  readonly hostname: string | undefined
  readonly port: number | undefined
  readonly prefix: string
  /** Without `trustedProxies` whoever connects is believed (Werkzeug's rule), unless its address is no address at all. */
  readonly trusted: boolean
  readonly refusal: Refusal | undefined
  readonly #facts: ConnectionFacts
  /** For each field how far it came, three bits each; a number costs nothing to carry. */
  #verdicts = 0
  #rejected: RejectedValue[] | undefined

  private constructor(
    policy: TrustPolicy,
    facts: ConnectionFacts,
    read: ReadHeader<ConnectionFacts>,
    flaw: string | undefined,
  ) {
    this.#facts = facts
    const { address } = facts.peer
    const peerAddress = canonicalPeer(address)
    this.trusted = address === undefined || peerAddress !== undefined
    const header = flaw === undefined ? read : nothing

    const forItem = this.#select(FOR, policy.xFor, facts, header)
    const client = forItem === undefined ? undefined : (parseForwardedFor(forItem) ?? this.#invalid(FOR, forItem))
    this.client = client ?? endpoint(peerAddress, facts.peer.port)

    const protoItem = this.#select(PROTO, policy.xProto, facts, header)
    const scheme = protoItem === undefined ? undefined : (parseScheme(protoItem) ?? this.#invalid(PROTO, protoItem))
    this.scheme = scheme ?? facts.scheme

    const hostItem = this.#select(HOST, policy.xHost, facts, header)
    const forwarded = hostItem === undefined ? undefined : (parseAuthority(hostItem) ?? this.#invalid(HOST, hostItem))
    const received = facts.host
    const authority = forwarded ?? (received ? parseAuthority(received) : undefined)

    const portItem = this.#select(PORT, policy.xPort, facts, header)
    const port = portItem === undefined ? undefined : (parsePort(portItem) ?? this.#invalid(PORT, portItem))
    const schemePort = defaultPort(this.scheme)
    this.port = port ?? authority?.port ?? schemePort
    this.hostname = authority?.hostname
    this.host =
      authority === undefined
        ? received || undefined
        : this.port === schemePort
          ? authority.hostname
          : `${authority.hostname}:${this.port}`

    const prefixItem = this.#select(PREFIX, policy.xPrefix, facts, header)
    const prefix = prefixItem === undefined ? undefined : (parsePrefix(prefixItem) ?? this.#invalid(PREFIX, prefixItem))
    this.prefix = prefix ?? (facts.prefix ? trimPrefix(facts.prefix) : '')

    this.refusal = flaw === undefined && !policy.mayRefuse ? undefined : this.#refuse(policy, flaw)
  }

  /**
   * Decides about facts of any kind, given how a header is read off that kind.
   * @param flaw Why these headers cannot be judged. If any is configured the request is refused: neither what they
   * say nor that they say nothing can be believed.
   */
  static of<Facts extends ConnectionFacts>(
    policy: TrustPolicy,
    facts: Facts,
    read: ReadHeader<Facts>,
    flaw?: string,
  ): Decision {
    // The reader is only ever called with the facts that came with it.
    return new Decision(policy, facts, read as ReadHeader<ConnectionFacts>, flaw)
  }

  get peer(): Endpoint {
    const { address, port } = this.#facts.peer
    return endpoint(canonicalPeer(address), port)
  }

  get verdicts(): Readonly<Record<Field, Verdict>> {
    return {
      for: this.#verdict(FOR),
      proto: this.#verdict(PROTO),
      host: this.#verdict(HOST),
      port: this.#verdict(PORT),
      prefix: this.#verdict(PREFIX),
    }
  }

  /** Whether there is nothing to tell an operator: no value was rejected, the request not refused. */
  get isPlain(): boolean {
    return this.#rejected === undefined && this.refusal === undefined
  }

  get rejected(): readonly RejectedValue[] {
    return this.#rejected ?? NO_REJECTED
  }

  get original(): ConnectionInfo['original'] {
    const { peer, scheme, host, prefix = '', headers } = this.#facts
    return { peer, scheme, host, prefix, headers }
  }

  /** The whole decision as plain data, for logs. */
  toJSON(): ConnectionInfo {
    const { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal, original } = this
    return { client, peer, scheme, host, hostname, port, prefix, trusted, verdicts, rejected, refusal, original }
  }

  static {
    // What console.log shows: all of it, not only the own fields.
    Object.defineProperty(this.prototype, Symbol.for('nodejs.util.inspect.custom'), { value: this.prototype.toJSON })
  }

  /** The value of a field's header that is to be believed; else the verdict says why there is none. */
  #select(index: number, count: number, facts: ConnectionFacts, read: ReadHeader<ConnectionFacts>): string | undefined {
    if (count === 0) return this.#judge(index, NOT_CONFIGURED)
    if (!this.trusted) return this.#judge(index, UNTRUSTED_PEER)
    const list = read(facts, HEADER_KEYS[index]!)
    if (list === undefined) return this.#judge(index, ABSENT)
    const item = fromRight(list, count)
    if (item === undefined) {
      const values = countValues(list)
      const field = FIELDS[index]!
      this.#reject(
        index,
        list,
        `${HEADERS[field]} has ${values === 1 ? '1 value' : `${values} values`}, ${COUNTS[field]} is ${count}`,
      )
      return this.#judge(index, SHORT)
    }
    if (item === '') {
      this.#reject(index, item, 'it is empty')
      return this.#judge(index, EMPTY)
    }
    return item
  }

  #invalid(index: number, item: string): undefined {
    this.#reject(index, item, GRAMMARS[FIELDS[index]!])
    return this.#judge(index, INVALID)
  }

  #judge(index: number, verdict: number): undefined {
    this.#verdicts |= verdict << (index * 3)
  }

  #verdict(index: number): Verdict {
    return VERDICTS[(this.#verdicts >> (index * 3)) & 7]!
  }

  #reject(index: number, value: string, reason: string): void {
    this.#rejected ??= []
    this.#rejected.push({ field: FIELDS[index]!, value: value.slice(0, MAX_REJECTED_TEXT), reason })
  }

  /** The first reason, in the order of contract rule 7, why this request must not reach the app. */
  #refuse({ checked }: TrustPolicy, flaw: string | undefined): Refusal | undefined {
    const { verdicts } = this
    if (flaw !== undefined) {
      const field = FIELDS.find((one) => checked.counts[one] > 0)
      if (field !== undefined) return { status: 400, field, reason: flaw }
    }
    if (checked.onInvalid === 'reject') {
      const field = FIELDS.find((one) => verdicts[one] === 'invalid')
      if (field !== undefined) {
        return {
          status: 400,
          field,
          reason: `the value of ${HEADERS[field]} that counts is invalid: ${GRAMMARS[field]}`,
        }
      }
    }
    const missing = this.trusted ? checked.required.find((field) => verdicts[field] !== 'trusted') : undefined
    if (missing !== undefined) {
      return {
        status: 400,
        field: missing,
        reason: `${HEADERS[missing]} is required of the proxy, and it is ${verdicts[missing]}`,
      }
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
  return Decision.of(trustPolicy(options), facts, readHeader)
}

/** One header of any source; names match without case. */
function readHeader({ headers }: ConnectionFacts, name: string): string | undefined {
  if (typeof headers.get === 'function') return headers.get(name) ?? undefined
  const record = headers as Readonly<Record<string, unknown>>
  let joined: string | undefined
  for (const key in record) {
    if (key.length !== name.length || (key !== name && key.toLowerCase() !== name)) continue
    if (!Object.hasOwn(record, key)) continue
    const value = record[key]
    const text = Array.isArray(value) ? value.join(', ') : value
    if (typeof text === 'string') joined = joined === undefined ? text : `${joined}, ${text}`
  }
  return joined
}

/** What is read of headers that cannot be judged. */
function nothing(): undefined {}

/** An endpoint in canonical text. Without an address a port says nothing. */
function endpoint(address: string | undefined, port: number | undefined): Endpoint {
  if (address === undefined) return {}
  return port === undefined ? { address } : { address, port }
}
