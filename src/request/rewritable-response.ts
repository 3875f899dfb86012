/** What does a rewriter see of a response? Status and headers, before they are sent; the same for Node and Fetch. */

import { badValue, type RewritableHeaders, shown } from './rewritable-headers.ts'

/** The headers of a response. */
export interface ResponseHeaders extends RewritableHeaders {
  /** Each `Set-Cookie` by itself: they cannot be joined. `append` adds another one. */
  getSetCookie(): string[]
}

/** A response whose head has not been sent. */
export interface RewritableResponse {
  /** 200 to 599 can be assigned, but for 205; 204 and 304 drop the body. */
  status: number
  readonly headers: ResponseHeaders
  /** The response of the platform: Node's, or the Fetch Response. */
  readonly raw: object
}

/** A status that was assigned. */
export function assignedStatus(value: unknown): number {
  // 205 has no body, and Node would send the one there is.
  if (typeof value === 'number' && Number.isInteger(value) && value >= 200 && value <= 599 && value !== 205)
    return value
  throw badValue(
    `The status of a response cannot be ${shown(value)}: give a whole number from 200 to 599, but for 205.`,
  )
}
