/**
 * A Fetch request: where its facts come from, and how the answer is given.
 *
 * A Request cannot be changed in place: its URL is fixed, its headers may be locked (Deno, Workers), and a
 * property defined over `url` is lost by `clone()`. So when something differs, a new Request is made from the
 * old one: method, streamed body, signal and the platform's own fields go over, and nothing is buffered.
 */

import type { Endpoint } from '../trust/address.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import type { Decision, ReadableFacts } from '../trust/resolve.ts'
import { httpScheme } from '../trust/scheme.ts'
import { noteProvenance } from '../trust/provenance.ts'
import { decide } from './decide.ts'
import { type Fix, fixOf, markFixed, reportTwice } from './fixed.ts'
import { HeaderRules } from './forwarding-headers.ts'
import { fixNodeRequest, isNodeRequest, type NodeRequest } from './node.ts'
import { carryRoute } from './platform/bun.ts'
import { platformArgument } from './platform/platform.ts'
import { carryServerFields, type ServerRequest, srvx } from './platform/srvx.ts'
import { placePrefix } from './prefix-mode.ts'

/** Whether this is the first argument of a Fetch handler. */
export function isFetchRequest(value: unknown): value is Request {
  // `url` is not read: a bridge that makes its URL when it is first asked for would make it before the fix.
  return (
    typeof value === 'object' &&
    value !== null &&
    'url' in value &&
    'method' in value &&
    typeof (value as Partial<Request>).headers?.get === 'function'
  )
}

/** A Fetch request that shows the answer, and the fix it shows. */
export interface FixedFetchRequest {
  readonly request: Request
  readonly fix: Fix
  /** What the platform passed along, showing the same. */
  readonly platformArgs: readonly unknown[]
}

/**
 * Decides about a Fetch request, and gives the request that shows the answer: the same one when nothing
 * changes. A request that was fixed before stays as it was decided.
 *
 * @param platformArgs What the platform passed along, where it tells the peer. A Node bridge passes `{ incoming }`: the
 * decision is then made on that Node request, whose socket knows the peer, and both show it.
 */
export function fixFetchRequest(
  request: Request,
  policy: TrustPolicy,
  platformArgs: readonly unknown[] = [],
): FixedFetchRequest {
  const before = fixOf(request)
  if (before !== undefined) {
    reportTwice()
    return { request, fix: before, platformArgs }
  }
  const [first, ...others] = platformArgs
  const { prefixMode } = policy.checked
  const rules = HeaderRules.of(policy)
  const incoming = incomingOf(request, first)
  if (incoming !== undefined) {
    // A Request keeps the path it has: a router may have cut a mount path off it. Only where the fix moves the path
    // is it taken from the Node request, as a Request made before the fix does not show that.
    const movesPath = fixOf(incoming) === undefined && (prefixMode === 'strip' || prefixMode === 'url')
    const fix = fixNodeRequest(incoming, policy)
    const route = movesPath ? routeOf(incoming) : splitUrl(request.url).target
    return { request: showOnRequest(request, fix, NO_HOST, route, rules), fix, platformArgs }
  }
  const platform = platformArgument(first, request)
  const server = srvx(request)
  const decision = decide(policy, new FetchFacts(request, (platform ?? server)?.peer, policy))
  const { authority, target } = splitUrl(request.url)
  const placed = placePrefix(target, decision.prefix, prefixMode)
  const fix = { decision, policy, publicTarget: placed.public }
  const shown = showOnRequest(request, fix, authority || NO_HOST, placed.route, rules)
  server?.show(decision.client, shown)
  if (platform === undefined) return { request: shown, fix, platformArgs }
  return { request: shown, fix, platformArgs: [platform.show(decision.client, shown), ...others] }
}

/**
 * Shows the fix of a Node request on the Fetch request that the bundled server's bridge made from it
 * afterwards. It is right by itself where there is a host, but for one thing: the bridge takes a name with a
 * trailing dot for none, and where there is none it names the socket's own address and port.
 */
export function carryFix(incoming: NodeRequest, request: Request): Request {
  const fix = fixOf(incoming)
  if (fix === undefined) return request
  const { hostname = '.' } = fix.decision
  if (hostname.endsWith('.')) return showOnRequest(request, fix, NO_HOST, splitUrl(request.url).target)
  markFetch(request, fix)
  return request
}

/** The Node request that a bridge made this one from. */
function incomingOf(request: ServerRequest, platform: unknown): NodeRequest | undefined {
  const bindings = platform as { incoming?: unknown; server?: { incoming?: unknown } | null } | null | undefined
  // Hono takes `{ server }` beside values of the app's own as well.
  const incoming = bindings?.incoming ?? bindings?.server?.incoming ?? request.runtime?.node?.req
  return isNodeRequest(incoming) ? incoming : undefined
}

/** What a fixed Node request routes by, as it stands in a URL: `*` is no path, and a URL has one. */
function routeOf({ url = '/' }: NodeRequest): string {
  return url.startsWith('/') ? url : `/${url}`
}

/** The authority in the URL of a Node request that names no valid host: nothing that the client could choose. */
const NO_HOST = 'localhost'

/**
 * @param fallback The authority of the URL when there is no valid host.
 * @param rules What becomes of the headers, if they are not right already.
 */
function showOnRequest(request: Request, fix: Fix, fallback: string, route: string, rules?: HeaderRules): Request {
  const { hostname, host, scheme } = fix.decision
  const url = new URL(`${httpScheme(scheme)}://${hostname === undefined ? fallback : host}${route}`).href
  const changes = rules === undefined ? [] : headerChanges(request.headers, fix.decision, rules)
  if (url === request.url && changes.length === 0) {
    carryServerFields(request, request, fix.decision.client)
    markFetch(request, fix)
    return request
  }
  // A bridge makes the real Request, with the URL of the Host as it was received, when another Request is made from it:
  // where that is no host it would throw, so then it is only read.
  const shown = new Request(url, hostname === undefined ? plainInit(request) : request)
  for (const [name, value] of changes) {
    if (value === undefined) shown.headers.delete(name)
    else shown.headers.set(name, value)
  }
  carryServerFields(request, shown, fix.decision.client)
  markFetch(shown, fix)
  return shown
}

/** As much of a request as can be read without making the Request behind it. */
function plainInit({ method, headers, body, signal }: Request): RequestInit {
  const init = { method, headers, signal }
  return body === null ? init : ({ ...init, body, duplex: 'half' } as RequestInit) // which not all types of it have
}

/** Marks a Fetch request, whose clones are fixed requests too. */
function markFetch(request: Request, fix: Fix): void {
  markFixed(request, fix)
  Object.defineProperty(request, 'clone', { value: cloneFixed, configurable: true, writable: true })
}

/** `Request.prototype.clone`, with the fix carried over (contract rule 11). */
function cloneFixed(this: Request): Request {
  const { clone } = Object.getPrototypeOf(this) as Request
  const copy = Reflect.apply(clone, this, [])
  const fix = fixOf(this)
  if (fix !== undefined) markFetch(copy, fix)
  carryRoute(this, copy)
  return copy
}

function headerChanges(
  headers: Headers,
  decision: Decision,
  rules: HeaderRules,
): [name: string, value: string | undefined][] {
  const changes: [string, string | undefined][] = []
  for (const [name, value] of headers) {
    const rule = rules.find(name)
    if (rule === undefined) continue
    const after = rules.valueAfter(rule, value, decision)
    if (after !== value) changes.push([name, after])
  }
  return changes
}

/**
 * Scheme, authority and the rest of a Request's URL, which has no userinfo. Bun gives a bare path when there is no host;
 * on a unix socket Deno writes `http+unix`, and for the host that the client names none of, the path of the socket.
 */
function splitUrl(url: string): { scheme: string; authority: string; target: string } {
  if (url.startsWith('/')) return { scheme: 'http', authority: '', target: url }
  const schemeEnd = url.indexOf('://')
  const pathAt = url.indexOf('/', schemeEnd + 3)
  const scheme = url.slice(0, schemeEnd)
  const target = url.slice(pathAt)
  if (scheme === 'http+unix') return { scheme: 'http', authority: '', target }
  return { scheme, authority: url.slice(schemeEnd + 3, pathAt), target }
}

/** The facts as received. `headers` are the request's own: nothing here changes them, an app that is given them may. */
class FetchFacts implements ReadableFacts {
  readonly peer: Endpoint
  readonly scheme: string
  readonly host: string
  readonly headers: Headers

  constructor(
    { url, headers }: Request,
    peer: Endpoint | undefined,
    { checked: { secret, trustedProxies } }: TrustPolicy,
  ) {
    this.peer = peer ?? {}
    const { scheme, authority } = splitUrl(url)
    this.scheme = scheme
    this.host = headers.get('host') || authority
    this.headers = headers
    if (secret !== undefined) {
      // What proves a proxy is not for whoever looks at the original.
      this.headers = new Headers(headers)
      this.headers.delete(secret.header)
    }
    if (secret === undefined && trustedProxies === undefined) return
    const isProven = secret?.isProvenBy(headers.get(secret.header) ?? undefined)
    noteProvenance(this.headers, { isProven, isPeerUnknown: peer === undefined }) // as a plain Request shows none
  }

  header(name: string): string | undefined {
    return this.headers.get(name) ?? undefined
  }
}
