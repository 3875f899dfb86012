/** What is a Node request? As much of one as is read here, so that none of this needs `node:http`. */

import type { SocketLike } from './socket-view.ts'

/** What is read of `http.IncomingMessage` and `http2.Http2ServerRequest`; spelt out so that this file needs no `node:http`. */
export interface NodeRequest {
  readonly headers: { [name: string]: string | string[] | undefined }
  readonly rawHeaders: string[]
  headersDistinct?: unknown
  socket: SocketLike
  /** An old name of the socket, a property of its own in Node. */
  client?: SocketLike
  method?: string | undefined
  url?: string | undefined
  originalUrl?: string
  baseUrl?: string
}

/** Whether this is the first argument of a Node listener. */
export function isNodeRequest(value: unknown): value is NodeRequest {
  return typeof value === 'object' && value !== null && 'rawHeaders' in value && 'socket' in value
}

/** The value of a header as one text. What is no text, as stand-ins of Node's requests may hold, says nothing. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.join(', ') : undefined
}
