/** Which hosts does an app answer for? Where `proxyFix` and its `allowedHosts` are not in the stack, or another app has other hosts. */

import type { RewritableRequest } from '../../request/rewritable-request.ts'
import { allowedHosts } from '../../trust/allowed-hosts.ts'
import { parseAuthority } from '../../trust/authority.ts'
import { type Answer, refused } from '../answer.ts'
import { HeaderRewriter } from '../header-rewriter.ts'

/**
 * Answers 400 to requests for any other host, and to those that name none.
 *
 * @param hosts As the option `allowedHosts` of `proxyFix`: 'example.com', '.example.com' (itself and all below).
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no list of host names.
 * @example
 * mount({ '/admin': stack(admin, allowHosts(['admin.example'])), '/': site })
 */
export function allowHosts(hosts: readonly string[]): HeaderRewriter {
  return new AllowHosts(allowedHosts(hosts, 'The list of allowHosts'))
}

class AllowHosts extends HeaderRewriter {
  readonly #allows: (hostname: string) => boolean

  constructor(allows: (hostname: string) => boolean) {
    super()
    this.#allows = allows
  }

  override rewrite({ host }: RewritableRequest): Answer | undefined {
    const authority = host === undefined ? undefined : parseAuthority(host)
    if (authority !== undefined && this.#allows(authority.hostname)) return undefined
    return refused({ status: 400, reason: 'this host is not served here' })
  }
}
