/**
 * Which header holds the client's address, beside those that `proxyFix` reads? One that only a proxy of yours sets
 * (nginx' `X-Real-IP`, a CDN's own).
 *
 * **Warning.** Such a header holds one value, which a client can send as well. It is believed of a peer that is proven to
 * be a proxy of yours, by `trustedProxies` or `secret` of the `proxyFix` in front of this, and of nobody else.
 */

import { fixOf } from '../../request/fixed.ts'
import { reportOnce } from '../../request/report-once.ts'
import type { RewritableRequest } from '../../request/rewritable-request.ts'
import { canonicalAddress } from '../../trust/address.ts'
import { fail, show } from '../../trust/error.ts'
import { isHeaderName } from '../../trust/header-text.ts'
import { PlainFacts } from '../../trust/facts.ts'
import { HeaderRewriter } from '../header-rewriter.ts'

/**
 * Takes the client's address from a header, as it was received from a trusted proxy. What is no single IP address is
 * ignored, and the client stays as decided. For a policy by itself there is `proxyFix({ clientIpHeader })`.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no header name.
 * @example
 * stack(app, proxyFix({ xFor: 0, trustedProxies: 'loopback' }), realIp('X-Real-IP'))
 */
export function realIp(header: string): HeaderRewriter {
  if (typeof header !== 'string' || !isHeaderName(header)) {
    fail(`realIp needs the name of a header, like 'X-Real-IP', not ${show(header)}.`)
  }
  return new RealIp(header)
}

class RealIp extends HeaderRewriter {
  readonly #header: string

  constructor(header: string) {
    super()
    this.#header = header
  }

  override rewrite(request: RewritableRequest): void {
    const fix = fixOf(request.raw)
    const { trustedProxies, secret } = fix?.policy.checked ?? {}
    if (fix === undefined || (trustedProxies === undefined && secret === undefined)) {
      reportOnce(
        'PROXYFIX_REAL_IP',
        `realIp('${this.#header}') believes proxies alone, and no proxyFix with trustedProxies or secret runs before it: it changes nothing.`,
      )
      return
    }
    const { trusted, original } = fix.decision
    const text = trusted ? new PlainFacts(original).header(this.#header.toLowerCase()) : undefined
    const address = text === undefined ? undefined : canonicalAddress(text)
    if (address !== undefined) request.client.address = address
  }
}
