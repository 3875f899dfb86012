/**
 * How is a Fetch Response rewritten? In place where it can be, as platforms send their own Responses faster than copies;
 * by a copy with the same body where its headers are locked (`Response.redirect()`, what `fetch` gave), where its status
 * changes, and where it has no body: then an app may hand out the same Response for every request.
 */

import { isHeaderName } from '../trust/header-text.ts'
import { untrueHeaders } from './fetched.ts'
import { headerName, headerValue, IterableHeaders } from './rewritable-headers.ts'
import { letGo } from './streams.ts'
import { assignedStatus, type ResponseHeaders, type RewritableResponse } from './rewritable-response.ts'

/** Whether a value is a Response: by its shape, as there are Responses of other realms and packages (srvx). */
export function isFetchResponse(value: unknown): value is Response {
  return (
    typeof value === 'object' &&
    value !== null &&
    'status' in value &&
    'headers' in value &&
    typeof (value as Partial<Response>).arrayBuffer === 'function'
  )
}

/** The response as `act` wants it. */
export function rewriteFetchResponse(response: Response, act: (response: RewritableResponse) => void): Response {
  // An upgrade is the platform's own, and a network error has nothing to change.
  if (response.status < 200) return response
  const head = new FetchHead(response)
  try {
    act(head)
  } catch (error) {
    letGo(response.body, response.headers.get('content-type'))
    throw error
  }
  return head.response()
}

class FetchHead implements RewritableResponse {
  readonly raw: Response
  readonly headers: FetchHeaders
  #status: number

  constructor(response: Response) {
    this.raw = response
    this.headers = new FetchHeaders(response)
    this.#status = response.status
  }

  get status(): number {
    return this.#status
  }

  set status(value: number) {
    this.#status = assignedStatus(value)
  }

  response(): Response {
    const { raw, headers } = this
    const status = this.#status
    const isOther = status !== raw.status
    if (!isOther && headers.copy === undefined) return raw
    const hasNoBody = status === 204 || status === 304
    const copy = headers.copy ?? copyHeaders(raw)
    if (isOther && hasNoBody) {
      for (const name of ['content-length', 'transfer-encoding']) copy.delete(name)
      letGo(raw.body, raw.headers.get('content-type'))
    }
    return new Response(hasNoBody ? null : raw.body, {
      status,
      statusText: isOther ? '' : raw.statusText,
      headers: copy,
    })
  }
}

/** Those of a Response that `fetch` gave tell of its body from now on, as the copy does not show where it came from. */
function copyHeaders(response: Response): Headers {
  const copy = new Headers(response.headers)
  for (const name of untrueHeaders(response)) copy.delete(name)
  return copy
}

/** Headers that are copied when they are first changed, if the Response's own must not be. */
class FetchHeaders extends IterableHeaders implements ResponseHeaders {
  readonly #response: Response
  /** Those that were changed, when they are not the Response's own. */
  copy: Headers | undefined

  constructor(response: Response) {
    super()
    this.#response = response
  }

  get(name: string): string | null {
    return isHeaderName(name) ? this.#read.get(name) : null
  }

  has(name: string): boolean {
    return isHeaderName(name) && this.#read.has(name)
  }

  set(name: string, value: string | number): void {
    const lower = headerName(name)
    const checked = headerValue(name, value)
    this.#change((headers) => headers.set(lower, checked))
  }

  append(name: string, value: string | number): void {
    const lower = headerName(name)
    const checked = headerValue(name, value)
    this.#change((headers) => headers.append(lower, checked))
  }

  delete(name: string): void {
    const lower = headerName(name)
    this.#change((headers) => headers.delete(lower))
  }

  getSetCookie(): string[] {
    return this.#read.getSetCookie()
  }

  [Symbol.iterator](): Iterator<readonly [string, string]> {
    return this.#read[Symbol.iterator]()
  }

  get #read(): Headers {
    return this.copy ?? this.#response.headers
  }

  #change(act: (headers: Headers) => void): void {
    if (this.copy === undefined && this.#response.body !== null) {
      try {
        act(this.#response.headers)
        return
      } catch {
        // They are locked.
      }
    }
    this.copy ??= copyHeaders(this.#response)
    act(this.copy)
  }
}
