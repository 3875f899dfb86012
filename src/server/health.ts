/**
 * Shall a load balancer send requests here? 200 while the server serves, 503 once it drains: a proxy in front, or
 * Kubernetes, takes it out before its last connection closes.
 *
 * Asked before anything else looks at the request: probes come by address with any Host or none, and from no trusted
 * proxy.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { originForm } from '../request/prefix-mode.ts'
import { fail, show } from '../trust/error.ts'

/** Answers a request if it is one of the probes'; tells whether it was. */
export type HealthCheck = (req: IncomingMessage, res: ServerResponse) => boolean

/**
 * Makes the check.
 * @param path The whole path, as in `/healthz`; a query after it makes no difference.
 * @param isServing `false` once the server drains.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for something that is no path.
 */
export function healthCheck(path: string, isServing: () => boolean): HealthCheck {
  if (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)) {
    fail(`The option health must be a path like '/healthz', not ${show(path)}.`)
  }
  return (req, res) => {
    if (req.url === undefined || pathOf(req.url) !== path) return false
    const isAsked = req.method === 'GET' || req.method === 'HEAD'
    const [status, text] = !isAsked
      ? [405, 'Method not allowed.\n']
      : isServing()
        ? [200, 'OK\n']
        : [503, 'Draining.\n']
    res.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      ...(!isAsked && { allow: 'GET, HEAD' }),
    })
    res.end(req.method === 'HEAD' ? undefined : text)
    return true
  }
}

function pathOf(target: string): string {
  return originForm(target).split('?', 1)[0]!
}
