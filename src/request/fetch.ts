/**
 * A Fetch request: where its facts come from, and how the answer is given.
 *
 * A Request cannot be changed in place: its URL is fixed, its headers may be locked (Deno, Workers), and a
 * property defined over `url` is lost by `clone()`. So when something differs, a new Request is made from the
 * old one: method, streamed body, signal and the platform's own fields go over, and nothing is buffered.
 */

import type { Endpoint } from '../trust/address.ts'
import type { ConnectionFacts } from '../trust/connection.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import type { Decision } from '../trust/resolve.ts'
import { httpScheme } from '../trust/scheme.ts'
import { decide } from './decide.ts'
import { type Fix, fixOf, markFixed, reportTwice } from './fixed.ts'
import { forwardingHeader, type HeaderMode, valueAfter } from './forwarding-headers.ts'
import { fixNodeRequest, isNodeRequest, type NodeRequest } from './node.ts'
import { placePrefix } from './prefix-mode.ts'

/** Whether this is the first argument of a Fetch handler. */
export function isFetchRequest(value: unknown): value is Request {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Partial<Request>).url === 'string' &&
    typeof (value as Partial<Request>).headers?.get === 'function'
  )
}

/**
 * Decides about a Fetch request, and gives the request that shows the answer: the same one when nothing
 * changes. A request that was fixed before stays as it was decided.
 *
 * @param platform What the platform passed along. A Node bridge passes `{ incoming }`: the decision is then
 * made on that Node request, whose socket knows the peer, and both show it.
 */
export function fixFetchRequest(request: Request, policy: TrustPolicy, platform?: unknown): Request {
  if (fixOf(request) !== undefined) {
    reportTwice()
    return request
  }
  const incoming = (platform as { incoming?: unknown } | null | undefined)?.incoming
  if (isNodeRequest(incoming)) return fixOverIncoming(request, incoming, policy)

  const decision = decide(policy, new FetchFacts(request), readHeader)
  const target = targetOf(request.url)
  const placed = placePrefix(target, decision.prefix, policy.checked.prefixMode)
  return showFix(request, { decision, publicTarget: placed.public }, placed.route, policy.checked.headers)
}

/** Fixes the Node request behind a Fetch request, and lets the Fetch request show the same. */
function fixOverIncoming(request: Request, incoming: NodeRequest, policy: TrustPolicy): Request {
  const { headers, prefixMode } = policy.checked
  // A Request made after the fix shows it already. Of one made before, the path may have to move as well; it is
  // read only then, since the bundled server's Requests are made lazily and would be made too early by the look.
  const movesPath = fixOf(incoming) === undefined && (prefixMode === 'strip' || prefixMode === 'url')
  const target = movesPath ? targetOf(request.url) : undefined
  const fix = fixNodeRequest(incoming, policy)
  const route =
    target === undefined ? targetOf(request.url) : placePrefix(target, fix.decision.prefix, prefixMode).route
  return showFix(request, fix, route, headers)
}

/** Scheme, authority and the rest of an absolute URL as a URL parser writes it; a Request's has no userinfo. */
function splitUrl(url: string): { scheme: string; authority: string; target: string } {
  const schemeEnd = url.indexOf('://')
  const pathAt = url.indexOf('/', schemeEnd + 3)
  return { scheme: url.slice(0, schemeEnd), authority: url.slice(schemeEnd + 3, pathAt), target: url.slice(pathAt) }
}

function targetOf(url: string): string {
  return splitUrl(url).target
}

function showFix(request: Request, fix: Fix, route: string, mode: HeaderMode): Request {
  const { hostname, host, scheme } = fix.decision
  const authority = hostname === undefined ? splitUrl(request.url).authority : host
  const url = `${httpScheme(scheme)}://${authority}${route}`
  const changes = headerChanges(request.headers, fix.decision, mode)

  let fixed = request
  if (url !== request.url || changes.length > 0) {
    fixed = new Request(url, request)
    for (const [name, value] of changes) {
      if (value === undefined) fixed.headers.delete(name)
      else fixed.headers.set(name, value)
    }
  }
  markFixed(fixed, fix)
  return fixed
}

function headerChanges(
  headers: Headers,
  decision: Decision,
  mode: HeaderMode,
): [name: string, value: string | undefined][] {
  const changes: [string, string | undefined][] = []
  for (const [name, value] of headers) {
    const header = forwardingHeader(name)
    const after =
      name === 'host'
        ? (decision.host ?? value)
        : header === undefined || mode === 'keep'
          ? value
          : valueAfter(header, decision, mode)
    if (after !== value) changes.push([name, after])
  }
  return changes
}

/** The facts as received; the request itself is never changed, so it keeps them. */
class FetchFacts implements ConnectionFacts {
  readonly peer: Endpoint = {} // a plain Request shows none
  readonly scheme: string
  readonly host: string
  readonly headers: Headers

  constructor({ url, headers }: Request) {
    const { scheme, authority } = splitUrl(url)
    this.scheme = scheme
    this.host = headers.get('host') || authority
    this.headers = headers
  }
}

function readHeader({ headers }: FetchFacts, name: string): string | undefined {
  return headers.get(name) ?? undefined
}

/** Puts the fix of a Node request on the Fetch request that a bridge made from it afterwards. */
export function carryFix(incoming: object, request: Request): void {
  const fix: Fix | undefined = fixOf(incoming)
  if (fix !== undefined) markFixed(request, fix)
}
