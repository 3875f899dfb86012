/**
 * What should a proxy that is written on Node tell the server behind it? Who the client is, as this process decided
 * it, in headers that the server reads by the same rules.
 */

import { parseForwardedFor } from '../trust/address.ts'
import { parseAuthority } from '../trust/authority.ts'
import type { ConnectionInfo } from '../trust/connection.ts'
import { fail, show } from '../trust/error.ts'
import { elementsFromRight, type ForwardedElement, formatElement, parseElement, parseNode } from '../trust/forwarded.ts'
import { valuesFromRight } from '../trust/list.ts'
import { PlainFacts } from '../trust/facts.ts'
import { defaultPort } from '../trust/scheme.ts'
import { type Fix, requireFix } from './fixed.ts'

/** Which headers are made, and how much they tell. */
export interface ForwardingHeadersOptions {
  /** `X-Forwarded-*`, or RFC 7239's `Forwarded`. */
  readonly family: 'x-forwarded' | 'forwarded'
  /**
   * Whether the hops between the client and this process are told as well, this process's peer the last of them, as
   * proxies do that append: the server counts one hop more than this process does. Else one value tells the client, and
   * the server counts 1. What a client wrote is never passed on. @default false
   */
  readonly append?: boolean | undefined
}

/** A request as one hop saw it. */
type Seen = Pick<ConnectionInfo, 'scheme' | 'host' | 'port' | 'prefix'>

const UNKNOWN = 'unknown' // RFC 7239 §6.2; X-Forwarded-For has no other word for it

/**
 * The headers that a proxy sends to the server behind it, names in lower case: set them over the headers of the fixed
 * request, and after whatever its `Connection` header names is taken away. A header of this family that the request still
 * has (`headers: 'keep'`) and that there is nothing to say in is given empty.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_NOT_FIXED` for a request that was not fixed, `ERR_PROXYFIX_OPTION` for another family.
 * @example
 * const headers = { ...req.headers }
 * for (const name of (headers.connection ?? '').split(',')) delete headers[name.trim().toLowerCase()] // RFC 9110 §7.6.1
 * delete headers.connection // or the next hop would take away what it names
 * Object.assign(headers, forwardingHeaders(req, { family: 'x-forwarded' }))
 * req.pipe(http.request({ host: '10.0.0.5', path: req.url, method: req.method, headers }))
 */
export function forwardingHeaders(request: object, options: ForwardingHeadersOptions): Record<string, string> {
  const fix = requireFix(request, 'forwardingHeaders')
  const { family, append = false }: Partial<ForwardingHeadersOptions> = options ?? {}
  const { decision } = fix
  const hops = append ? hopsAfterClient(fix) : []
  const client = decision.client.address ?? decision.client.node ?? UNKNOWN
  if (family === 'forwarded') return { forwarded: elements(client, hops, decision) }
  if (family !== 'x-forwarded') {
    fail(`The option family must be 'x-forwarded' or 'forwarded', not ${show(family)}.`)
  }
  // As many values in each list: what the client's hop is told, and in the last place what this process saw itself.
  const list = (field: keyof Seen, none: string): string | undefined => {
    const decided = decision[field]
    if (decided === undefined || decided === '') return undefined
    const own = hops.length === 0 ? [] : [seen(decision)[field] ?? none]
    return [...Array<unknown>(Math.max(hops.length, 1)).fill(decided), ...own].join(', ')
  }
  const lists: Readonly<Record<string, string | undefined>> = {
    'x-forwarded-for': [client, ...hops].map((node) => parseForwardedFor(node)?.address ?? UNKNOWN).join(', '),
    'x-forwarded-proto': list('scheme', ''),
    'x-forwarded-host': decision.hostname === undefined ? undefined : list('host', decision.host ?? ''),
    'x-forwarded-port': list('port', ''),
    'x-forwarded-prefix': list('prefix', '/'),
  }
  const sent = new PlainFacts({ ...decision.original, headers: (request as Pick<PlainFacts, 'headers'>).headers })
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(lists)) {
    if (value !== undefined) headers[name] = value
    else if (sent.header(name) !== undefined) headers[name] = ''
  }
  return headers
}

/** The hops between the client and this process, the client's neighbour first, our peer last; none when they are one. */
function hopsAfterClient({ decision, policy }: Fix): readonly string[] {
  const { clientPlace, original, peer } = decision
  if (clientPlace === 0) return []
  const header = new PlainFacts(original).header(policy.headerKeys[0]!) ?? ''
  const between =
    policy.checked.family === 'forwarded'
      ? elementsFromRight(header, clientPlace - 1).map(nodeOf)
      : valuesFromRight(header, clientPlace - 1).map((value) => parseForwardedFor(value)?.address ?? UNKNOWN)
  return [...between.toReversed(), peer.address ?? UNKNOWN]
}

function nodeOf(text: string): string {
  const element = parseElement(text, 0, text.length)
  const node = typeof element === 'string' || element.for === undefined ? undefined : parseNode(element.for)
  return node?.address ?? node?.node ?? UNKNOWN
}

/** The request as this process saw it itself. */
function seen({ original }: ConnectionInfo): Seen {
  const { scheme, host = '' } = original
  const authority = parseAuthority(host)
  return {
    scheme,
    host: authority && host.toLowerCase(),
    port: authority?.port ?? defaultPort(scheme),
    prefix: '/',
  }
}

function elements(client: string, hops: readonly string[], decision: ConnectionInfo): string {
  const { scheme, host, hostname } = decision
  const nodes: ForwardedElement[] = [
    { for: client, proto: scheme, host: hostname && host },
    ...hops.map((node) => ({ for: node })),
  ]
  const own = seen(decision)
  if (hops.length > 0) nodes[nodes.length - 1] = { for: hops.at(-1), proto: own.scheme, host: own.host }
  return nodes.map(formatElement).join(', ')
}
