/** Which request is this line of a log about? One id a request, the same in this app and in the proxies in front of it. */

import type { RewritableRequest } from '../../request/rewritable-request.ts'
import type { RewritableResponse } from '../../request/rewritable-response.ts'
import { fail, show } from '../../trust/error.ts'
import { isHeaderName } from '../../trust/header-text.ts'
import { HeaderRewriter } from '../header-rewriter.ts'
import { checkOptionNames } from './options.ts'

/** What may be said of `requestId`. */
export interface RequestIdOptions {
  /**
   * The header that holds the id, of requests and responses.
   * @defaultValue 'X-Request-ID'
   */
  readonly header?: string | undefined
  /**
   * Makes an id where no proxy of yours gave one.
   * @defaultValue crypto.randomUUID
   */
  readonly generate?: (() => string) | undefined
}

/** What every log and tracer takes, and cannot break a line or a query. */
const ID = /^[\w.~:+/=@-]{1,128}$/
/** The W3C's: version, trace, parent, flags; all zeros is no trace (Trace Context §3.2.2). */
const TRACEPARENT = /^[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})[\da-f]{16}-[\da-f]{2}(?:-.*)?$/

/**
 * Gives each request an id: the one in its header, or the trace of its `traceparent`, when the peer is a proxy that
 * `proxyFix` trusts; a new one otherwise, in place of whatever a client wrote. The app finds it in the request's header,
 * the client in the response's. So it comes after `proxyFix`; before it every id is a new one.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an option that cannot be.
 * @example
 * stack(app, proxyFix({ xFor: 1, trustedProxies: 'loopback' }), requestId())
 */
export function requestId(options: RequestIdOptions = {}): HeaderRewriter {
  checkOptionNames('requestId', options, ['header', 'generate'])
  const { header = 'X-Request-ID', generate = () => crypto.randomUUID() } = options
  if (typeof header !== 'string' || !isHeaderName(header)) {
    fail(`The option header of requestId must be the name of a header, not ${show(header)}.`)
  }
  if (typeof generate !== 'function')
    fail(`The option generate of requestId must be a function, not ${show(generate)}.`)
  return new RequestId(header, generate)
}

class RequestId extends HeaderRewriter {
  readonly #header: string
  readonly #generate: () => string

  constructor(header: string, generate: () => string) {
    super()
    this.#header = header
    this.#generate = generate
  }

  override rewrite({ headers, connection }: RewritableRequest): void {
    const given = connection?.trusted === true ? headers.get(this.#header) : null
    if (given !== null && ID.test(given)) return
    const trace = connection?.trusted === true ? TRACEPARENT.exec(headers.get('traceparent') ?? '')?.[1] : undefined
    headers.set(this.#header, trace ?? this.#generate())
  }

  override rewriteResponse({ headers }: RewritableResponse, request: RewritableRequest): void {
    headers.set(this.#header, request.headers.get(this.#header)!)
  }
}
