/** How long did the app take until it answered? `Server-Timing`, which browsers show beside their own times (W3C Server Timing). */

import type { RewritableRequest } from '../../request/rewritable-request.ts'
import type { RewritableResponse } from '../../request/rewritable-response.ts'
import { fail, show } from '../../trust/error.ts'
import { isHeaderName } from '../../trust/header-text.ts'
import { HeaderRewriter } from '../header-rewriter.ts'

/**
 * Adds the milliseconds from the request to the head of its response to `Server-Timing`, beside what the app says
 * there itself.
 *
 * @param name What the time is called. Anybody can read it, so an app whose time gives secrets away goes without.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a name that is no token.
 * @example
 * stack(app, serverTiming(), proxyFix({ xFor: 1 }))
 */
export function serverTiming(name = 'app'): HeaderRewriter {
  if (typeof name !== 'string' || !isHeaderName(name)) {
    fail(`serverTiming needs a name of letters, digits and hyphens, like 'app', not ${show(name)}.`)
  }
  return new ServerTiming(name)
}

class ServerTiming extends HeaderRewriter {
  readonly #name: string
  readonly #begins = new WeakMap<RewritableRequest, number>()

  constructor(name: string) {
    super()
    this.#name = name
  }

  override rewrite(request: RewritableRequest): void {
    this.#begins.set(request, performance.now())
  }

  override rewriteResponse({ headers }: RewritableResponse, request: RewritableRequest): void {
    const duration = performance.now() - this.#begins.get(request)!
    headers.append('Server-Timing', `${this.#name};dur=${duration.toFixed(1)}`)
  }
}
