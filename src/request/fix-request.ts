/** Fixing one request by hand, where there is no handler to wrap: hooks, guards, custom servers. */

import { ProxyFixError } from '../trust/error.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { type TrustPolicy, trustPolicy } from '../trust/policy.ts'
import { fixFetchRequest, isFetchRequest } from './fetch.ts'
import { fixNodeRequest } from './node.ts'
import { isNodeRequest } from './node-request.ts'

/**
 * Fixes one request. A Node request is fixed in place and given back; a Fetch request is given back as it
 * is when nothing changes, else a new one. Whether it should be refused is in `connectionInfo(request).refusal`.
 *
 * @param platformArgs What the platform passed to the Fetch handler beside the request.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for options that cannot be, or something that is no request.
 * @example
 * fastify.addHook('onRequest', async (request) => { fixRequest(request.raw, policy) })
 */
export function fixRequest<R extends object>(
  request: R,
  options?: ProxyFixOptions | TrustPolicy,
  ...platformArgs: unknown[]
): R {
  const policy = trustPolicy(options)
  if (isNodeRequest(request)) {
    fixNodeRequest(request, policy)
    return request
  }
  // What comes out is a Request as well, whichever class of Request went in.
  if (isFetchRequest(request)) return fixFetchRequest(request, policy, platformArgs).request as unknown as R
  throw new ProxyFixError(
    'ERR_PROXYFIX_OPTION',
    'fixRequest needs the request itself: a Node request (in Fastify request.raw, in Express req) or a Fetch Request.',
  )
}
