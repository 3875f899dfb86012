/**
 * Has this request been fixed, and what was decided? The decision travels on the request itself, under a
 * registered symbol, so that two copies of the package (an app's and the server's) agree (contract rule 11).
 */

import type { Decided } from '../trust/amend.ts'
import type { ConnectionInfo } from '../trust/connection.ts'
import { ProxyFixError } from '../trust/error.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import { httpScheme } from '../trust/scheme.ts'
import { reportOnce } from './report-once.ts'

const FIXED = Symbol.for('proxyfix.fixed')

/** What stays with a request once it is fixed. */
export interface Fix {
  readonly decision: Decided
  /** What it was decided by. */
  readonly policy: TrustPolicy
  /** The request target as the client typed it: prefix and path, with the query. */
  readonly publicTarget: string
  /** Where the app is mounted, when a rewriter has moved it; else that follows from the decision. */
  readonly mountPath?: string | undefined
}

interface Fixable {
  [FIXED]?: Fix
}

/** The decision on a request that was fixed, with the URL that the client typed. */
export interface FixedConnectionInfo extends ConnectionInfo {
  /**
   * The public URL, prefix included; `ws` and `wss` are written `http` and `https`, as in a Fetch
   * `request.url`. `undefined` when the request names no valid host.
   */
  readonly url: string | undefined
}

export function fixOf(request: object): Fix | undefined {
  return (request as Fixable)[FIXED]
}

export function markFixed(request: object, fix: Fix): void {
  const fixable: Fixable = request
  fixable[FIXED] = fix
}

/** The first decision stands; that there was a second call is told once, as it hints at two wrappers. */
export function reportTwice(): void {
  reportOnce(
    'PROXYFIX_TWICE',
    'A request came to proxyFix that was fixed already: the first decision stands, and the options of the second are not applied. Wrap the app, or the server, or set options of the bundled server or PROXYFIX_ variables: one of these.',
  )
}

/**
 * Who the client of a fixed request is, what it asked for, and why we believe it.
 *
 * @param request A Node or Fetch request that `proxyFix` or `fixRequest` has fixed, or one made from it
 * by the bundled server, or its `clone()`. What `new Request(request)` makes has lost its decision.
 * @throws ProxyFixError `ERR_PROXYFIX_NOT_FIXED` for any other.
 * @example
 * const { client, url } = connectionInfo(req)
 * console.log(`${client.address} asked for ${url}`)
 */
export function connectionInfo(request: object): FixedConnectionInfo {
  return infoOf(requireFix(request, 'connectionInfo'))
}

/** A fix as people are told of it. */
export function infoOf({ decision, publicTarget }: Fix): FixedConnectionInfo {
  const { hostname, host, scheme } = decision
  const url = hostname === undefined ? undefined : `${httpScheme(scheme)}://${host}${publicTarget}`
  return { ...decision.toInfo(), url }
}

/**
 * The fix of a request.
 * @param asker The function that needs it, for the message.
 * @throws ProxyFixError `ERR_PROXYFIX_NOT_FIXED` when it has none.
 */
export function requireFix(request: unknown, asker: string): Fix {
  const fix = typeof request === 'object' && request !== null ? fixOf(request) : undefined
  if (fix !== undefined) return fix
  throw new ProxyFixError(
    'ERR_PROXYFIX_NOT_FIXED',
    `${asker} needs a request that proxyFix has fixed: wrap the handler with proxyFix(handler, options), under proxyfix serve set --x-for 0 or more, and pass the request that it was given (under another Node bridge the Node request, in Hono c.env.incoming).`,
  )
}
