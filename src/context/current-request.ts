/** Which request is this code serving? `request`, `g` and `connection`: local proxies of what its scope has. */

import { connectionInfo, type FixedConnectionInfo, fixOf } from '../request/fixed.ts'
import type { NodeRequest } from '../request/node-request.ts'
import { ContextError } from './context-error.ts'
import { localProxy } from './local-proxy.ts'
import { currentRequestScope, type RequestScope } from './request-scope.ts'
import { HOW_TO_BIND, UNBOUND } from './scope.ts'
import { isSource, type Source } from './source.ts'

/**
 * What `request` and `g` are in your program. Without it, `request` has the properties of a Node and of a Fetch
 * request, and those of `g` are unknown.
 *
 * @example
 * declare module 'proxyfix/context' {
 *   interface ContextTypes {
 *     request: IncomingMessage
 *     g: { user?: User }
 *   }
 * }
 */
export interface ContextTypes {}

/** The type of `request`. */
export type CurrentRequest = ContextTypes extends { request: infer R } ? R : Request & NodeRequest

/** The type of `g`. */
export type CurrentBag = ContextTypes extends { g: infer G } ? G : Record<string, unknown>

/**
 * The request that is being served, as the last rewriter has left it; a local proxy of it. Pass `unwrap(request)` on to what looks inside: `fetch`,
 * `new Request`, `structuredClone`.
 *
 * @throws ContextError at each use outside of a request context.
 */
export const request: CurrentRequest = bound('request', () => currentRequestScope()?.latest ?? UNBOUND)

/**
 * A bag for whatever the app wants to remember while it serves this request, a local proxy; empty at first.
 *
 * @throws ContextError at each use outside of a request context.
 * @see Flask's `g`.
 */
export const g: CurrentBag = bound('g', () => currentRequestScope()?.g ?? UNBOUND)

/**
 * What `proxyFix` has decided about this request, a local proxy of its `connectionInfo`.
 *
 * @throws ContextError at each use outside of a request context, and in one whose request was not fixed.
 */
export const connection: FixedConnectionInfo = bound('connection', currentInfo, () => NOT_FIXED)

/** Whether this code runs in a request context. */
export function hasRequestContext(): boolean {
  return currentRequestScope() !== undefined
}

/**
 * The scope of the request that this code serves.
 * @param what What needs it, for the message.
 */
export function requireRequestScope(what: string): RequestScope {
  const scope = currentRequestScope()
  if (scope === undefined) throw new ContextError(`${what} outside of a request context. ${HOW_TO_ENTER_REQUEST}`)
  return scope
}

/** A scope by itself has no request. */
const HOW_TO_ENTER_REQUEST =
  'Each request has one inside requestContext(handler); other code uses a ContextVar or a Local, and a test calls ' +
  `testRequestContext(request, fn). ${HOW_TO_BIND}`

/** Kept in the scope's table under the fix, as a rewriter may put another in its place: making it takes longer than reading it. */
function currentInfo(): unknown {
  const scope = currentRequestScope()
  if (scope === undefined) return UNBOUND
  const { origin, latest } = scope
  const fix = fixOf(latest)
  if (fix === undefined) return UNBOUND
  const known = origin.read(fix)
  if (known !== UNBOUND) return known
  const info = connectionInfo(latest)
  origin.write(fix, info)
  return info
}

const NOT_FIXED =
  'connection was used in a request that proxyFix has not fixed: wrap with both, proxyFix(requestContext(app), options), proxyFix outside; under proxyfix serve set --x-for 0 or more; ' +
  'in a test call testRequestContext(fixRequest(request, trustPolicy(options)), fn).'

/** A local proxy for something of the current request. */
function bound<T>(name: string, read: () => unknown, missing = () => `${name} has no value.`): T {
  const source: Source = {
    read,
    unbound() {
      requireRequestScope(`${name} was used`)
      return new ContextError(missing())
    },
  }
  const holder = {}
  isSource(holder, () => source)
  return localProxy<T>(holder, { like: 'object' })
}
