/** How does a client that came over http get to https? By a redirect, and by HSTS it will not come over http again (RFC 6797). */

import type { RewritableRequest } from '../../request/rewritable-request.ts'
import type { RewritableResponse } from '../../request/rewritable-response.ts'
import { parseAuthority } from '../../trust/authority.ts'
import { fail, show } from '../../trust/error.ts'
import { isSecure } from '../../trust/scheme.ts'
import { type Answer, refused } from '../answer.ts'
import { HeaderRewriter } from '../header-rewriter.ts'
import { checkOptionNames } from './options.ts'

/** What may be said of `securityRedirect`. */
export interface SecurityRedirectOptions {
  /**
   * The status of the redirect: 308 and 307 keep method and body, 301 and 308 are remembered by clients.
   * @defaultValue 308
   */
  readonly status?: 301 | 302 | 307 | 308 | undefined
  /**
   * The public port of https.
   * @defaultValue 443
   */
  readonly port?: number | undefined
  /**
   * What `Strict-Transport-Security` says over https; `false`: it is not sent. Where the app sends one itself, that one
   * stands.
   * @defaultValue { maxAge: 15_552_000 }
   */
  readonly hsts?: false | HstsOptions | undefined
}

/** How long, and for which names, clients are to come over https alone. */
export interface HstsOptions {
  /** In seconds; 0 has clients forget it. */
  readonly maxAge: number
  /** All names below this host as well. @defaultValue false */
  readonly includeSubDomains?: boolean | undefined
  /** Asks browsers to ship the host in their lists, which is hard to take back. @defaultValue false */
  readonly preload?: boolean | undefined
}

const STATUSES: ReadonlySet<unknown> = new Set([301, 302, 307, 308])
const HALF_A_YEAR = 15_552_000

/**
 * Redirects http to https, by the scheme that the client used: so it comes after `proxyFix`, which knows it; before, or
 * without `xProto`, it would redirect for ever behind a proxy that ends TLS. The redirect goes to the host that was asked
 * for: `allowedHosts` or `allowHosts` in front of it see to it that this is one of yours.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an option that cannot be.
 * @example
 * stack(app, proxyFix({ xProto: 1, allowedHosts: ['shop.example'] }), securityRedirect())
 */
export function securityRedirect(options: SecurityRedirectOptions = {}): HeaderRewriter {
  checkOptionNames('securityRedirect', options, ['status', 'port', 'hsts'])
  const { status = 308, port = 443, hsts = { maxAge: HALF_A_YEAR } } = options
  if (!STATUSES.has(status)) {
    fail(`The option status of securityRedirect must be 301, 302, 307 or 308, not ${show(status)}.`)
  }
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    fail(`The option port of securityRedirect must be a number from 1 to 65535, not ${show(port)}.`)
  }
  return new SecurityRedirect(status, port, hsts === false ? undefined : policyText(hsts))
}

class SecurityRedirect extends HeaderRewriter {
  readonly #status: number
  readonly #port: string
  readonly #hsts: string | undefined

  constructor(status: number, port: number, hsts: string | undefined) {
    super()
    this.#status = status
    this.#port = port === 443 ? '' : `:${port}`
    this.#hsts = hsts
  }

  override rewrite({ scheme, host, prefix, url }: RewritableRequest): Answer | undefined {
    if (isSecure(scheme)) return undefined
    const authority = host === undefined ? undefined : parseAuthority(host)
    if (authority === undefined) return refused({ status: 400, reason: 'it names no valid host' })
    const path = url.startsWith('/') ? url : '/'
    const location = `https://${authority.hostname}${this.#port}${prefix}${path}`
    return { status: this.#status, headers: { ...PLAIN_TEXT, location }, body: `See ${location}\n` }
  }

  override rewriteResponse({ headers }: RewritableResponse, { scheme }: RewritableRequest): void {
    // Over http it would be ignored, and must not be sent (RFC 6797 §7.2).
    if (this.#hsts === undefined || !isSecure(scheme) || headers.has(HSTS)) return
    headers.set(HSTS, this.#hsts)
  }
}

const HSTS = 'Strict-Transport-Security'
const PLAIN_TEXT = { 'content-type': 'text/plain; charset=utf-8' }

function policyText(hsts: HstsOptions): string {
  checkOptionNames('hsts of securityRedirect', hsts, ['maxAge', 'includeSubDomains', 'preload'])
  const { maxAge, includeSubDomains = false, preload = false } = hsts
  if (!Number.isInteger(maxAge) || maxAge < 0) {
    fail(`The option hsts.maxAge of securityRedirect must be a whole number of seconds, not ${show(maxAge)}.`)
  }
  return `max-age=${maxAge}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}
