/**
 * A Fetch request: where its facts come from, and how the answer is given.
 *
 * A Request cannot be changed in place: its URL is fixed, its headers may be locked (Deno, Workers), and a
 * property defined over `url` is lost by `clone()`. So when something differs, a new Request is made from the
 * old one: method, streamed body, signal and the platform's own fields go over, and nothing is buffered.
 */

import type { Endpoint } from '../trust/address.ts'
import type { Decided } from '../trust/amend.ts'
import { parseAuthority } from '../trust/authority.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import type { ReadableFacts } from '../trust/facts.ts'
import { httpScheme } from '../trust/scheme.ts'
import { noteProvenance } from '../trust/provenance.ts'
import { decide } from './decide.ts'
import { markFetch, NO_HOST, remake, splitUrl } from './fetch-request.ts'
import { type Fix, fixOf, reportTwice } from './fixed.ts'
import { HeaderRules } from './forwarding-headers.ts'
import { fixNodeRequest } from './node.ts'
import { isNodeRequest, type NodeRequest } from './node-request.ts'
import { platformArgument } from './platform/platform.ts'
import { carryServerFields, type ServerRequest, srvx } from './platform/srvx.ts'
import { originForm, placePrefix } from './prefix-mode.ts'
import { type Rewritten, rewrittenOf } from './rewritten.ts'

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
  const [first, ...others] = platformArgs
  const before = fixOf(request)
  if (before !== undefined) {
    reportTwice()
    const platform = incomingOf(request, first) === undefined ? platformArgument(first, request) : undefined
    const shown = platform === undefined ? platformArgs : [platform.show(before.decision.client, request), ...others]
    return { request, fix: before, platformArgs: shown }
  }
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
  const { client: peer = (platform ?? server)?.peer, mount } = rewrittenOf(request)
  const decision = decide(policy, new FetchFacts(request, peer, policy))
  const { authority, target } = splitUrl(request.url)
  const placed = placePrefix(target, decision.prefix, prefixMode)
  const fix = { decision, policy, publicTarget: placed.public, ...(mount && below(mount, decision.prefix, prefixMode)) }
  const shown = showOnRequest(request, fix, authority || NO_HOST, placed.route, rules)
  server?.show(decision.client, shown)
  if (platform === undefined) return { request: shown, fix, platformArgs }
  return { request: shown, fix, platformArgs: [platform.show(decision.client, shown), ...others] }
}

/** What a request that was mounted further down before the fix has for its target and its mount path. */
function below(
  { path, publicTarget }: NonNullable<Rewritten['mount']>,
  prefix: string,
  mode: Parameters<typeof placePrefix>[2],
): Pick<Fix, 'publicTarget' | 'mountPath'> {
  const placed = placePrefix(publicTarget, prefix, mode)
  return {
    publicTarget: placed.public,
    mountPath: (mode === 'url' || placed.public === publicTarget ? '' : prefix) + path,
  }
}

/**
 * Shows the fix of a Node request on the Fetch request that the bundled server's bridge made from it
 * afterwards. It is right by itself where there is a host, but for one thing: the bridge takes a name with a
 * trailing dot for none, and where there is none it names the socket's own address and port.
 */
export function carryFix(incoming: NodeRequest, request: Request): Request {
  const fix = fixOf(incoming)
  if (fix === undefined) return showReceived(incoming, request)
  const { hostname = '.' } = fix.decision
  if (hostname.endsWith('.')) return showOnRequest(request, fix, NO_HOST, splitUrl(request.url).target)
  markFetch(request, fix)
  return request
}

/**
 * Shows a request that was not fixed as it was received, by the same rules: its Host, where that is one, and the path of
 * its target. What the bridge writes of others throws in `new URL(request.url)`, or names the host of the target.
 */
function showReceived({ url = '/', headers, socket }: NodeRequest, request: Request): Request {
  const host = headers[':authority'] ?? headers.host
  const hostname = typeof host === 'string' ? parseAuthority(host)?.hostname : undefined
  if (hostname?.endsWith('.') === false && url.startsWith('/')) return request
  const { encrypted = false, remoteAddress: address } = socket
  const authority = hostname === undefined ? NO_HOST : host
  const text = `${encrypted ? 'https' : 'http'}://${authority}${originForm(url)}`
  const shown = remake(request, { url: text, changes: [], isHost: hostname !== undefined })
  carryServerFields(request, shown, { address })
  return shown
}

/** The Node request that a bridge made this one from. */
export function incomingOf(request: ServerRequest, platform: unknown): NodeRequest | undefined {
  const bindings = platform as { incoming?: unknown; server?: { incoming?: unknown } | null } | null | undefined
  // Hono takes `{ server }` beside values of the app's own as well.
  const incoming = bindings?.incoming ?? bindings?.server?.incoming ?? request.runtime?.node?.req
  return isNodeRequest(incoming) ? incoming : undefined
}

/** What a fixed Node request routes by, as it stands in a URL: `*` is no path, and a URL has one. */
function routeOf({ url = '/' }: NodeRequest): string {
  return url.startsWith('/') ? url : `/${url}`
}

/**
 * @param fallback The authority of the URL when there is no valid host.
 * @param rules What becomes of the headers, if they are not right already.
 */
function showOnRequest(request: Request, fix: Fix, fallback: string, route: string, rules?: HeaderRules): Request {
  const { hostname, host, scheme } = fix.decision
  const url = `${httpScheme(scheme)}://${hostname === undefined ? fallback : host}${route}`
  const changes = rules === undefined ? [] : headerChanges(request.headers, fix.decision, rules)
  const shown = remake(request, { url, changes, isHost: hostname !== undefined })
  carryServerFields(request, shown, fix.decision.client)
  markFetch(shown, fix)
  return shown
}

function headerChanges(
  headers: Headers,
  decision: Decided,
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
