/** Which request is this line of a log about? One id a request, the same in this app and in the proxies in front of it. */

import { misuse, shown } from '../../request/rewritable-headers.ts'
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
  readonly generate?: (() => string | number) | undefined
}

/** What every log and tracer takes, and cannot break a line or a query. */
const ID = /^[\w.~:+/=@-]{1,128}$/
/** The W3C's: version, trace, parent, flags. */
const TRACEPARENT = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/

/** The trace of a `traceparent` that has one: all zeros is none, and only a version to come says more (Trace Context §3.2). */
function traceOf(text: string | null): string | undefined {
  const [, version, trace, parent, more] = TRACEPARENT.exec(text ?? '') ?? []
  if (version === 'ff' || (version === '00' && more !== undefined)) return undefined
  return trace === undefined || /^0+$/.test(trace) || /^0+$/.test(parent!) ? undefined : trace
}

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
  checkOptionNames('requestId', options, ['header', 'generate'], "{ header: 'X-Request-ID' }")
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
  readonly #generate: () => string | number

  constructor(header: string, generate: () => string | number) {
    super()
    this.#header = header
    this.#generate = generate
  }

  override rewrite({ headers, connection }: RewritableRequest): void {
    const isTrusted = connection?.trusted === true
    const given = isTrusted ? headers.get(this.#header) : null
    if (given !== null && ID.test(given)) return
    const trace = isTrusted ? traceOf(headers.get('traceparent')) : undefined
    headers.set(this.#header, trace ?? checkedId(this.#generate()))
  }

  override rewriteResponse({ headers }: RewritableResponse, request: RewritableRequest): void {
    const id = request.headers.get(this.#header)
    if (id !== null) headers.set(this.#header, id)
  }
}

function checkedId(id: unknown): string {
  const text = typeof id === 'number' || typeof id === 'bigint' ? String(id) : id
  if (typeof text === 'string' && ID.test(text)) return text
  throw misuse(
    `The function generate of requestId gave ${shown(id)}: an id is a text of 1 to 128 letters, digits and any of . ~ : + / = @ - _.`,
  )
}
