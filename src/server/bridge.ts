/** How is a Fetch handler called by `node:http`? With a Request made of what came, and its Response is sent. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { types } from 'node:util'
import { carryFix } from '../request/fetch.ts'
import { isFetchResponse } from '../request/fetch-response.ts'
import { NO_FETCH_METHODS } from '../request/fetch-request.ts'
import { isThenable } from '../request/thenable.ts'
import { ProxyFixError } from '../trust/error.ts'
import { bridgedRequest } from './bridged-request.ts'
import { makeBodiesLate } from './late-body.ts'
import { sendResponse } from './send-response.ts'

export type FetchHandler = (
  request: Request,
  platform: { incoming: IncomingMessage; outgoing: ServerResponse },
) => unknown

/** How it is to be called. */
export interface BridgeOptions {
  /** Leave the global class of Responses as it is. @default false */
  readonly nativeResponse?: boolean
}

/**
 * Calls a Fetch handler with a Request made from the Node request, as it stands after `proxyFix`: so it shows
 * the client without any work of its own. The second argument is the one that Hono's Node adapter passes.
 */
export function bridge(
  handler: FetchHandler,
  { nativeResponse = false }: BridgeOptions = {},
): (incoming: IncomingMessage, outgoing: ServerResponse) => unknown {
  if (!nativeResponse) makeBodiesLate()
  return (incoming, outgoing) => {
    if (incoming.method !== undefined && NO_FETCH_METHODS.has(incoming.method)) {
      outgoing.writeHead(501, { 'content-type': 'text/plain; charset=utf-8' }).end('Not implemented.\n')
      return undefined
    }
    const request = carryFix(incoming, bridgedRequest(incoming, outgoing))
    const result = handler(request, { incoming, outgoing })
    return isThenable(result) ? result.then((response) => send(outgoing, response)) : send(outgoing, result)
  }
}

function send(outgoing: ServerResponse, response: unknown): void | Promise<void> {
  if (isFetchResponse(response)) return sendResponse(outgoing, response)
  throw new ProxyFixError('ERR_PROXYFIX_APP', `The Fetch handler gave back ${whatIs(response)}`)
}

/** What it was, and what to write in its place. */
function whatIs(value: unknown): string {
  const [kind, hint] = kindOf(value)
  return `${kind}, not a Response: ${hint}`
}

function kindOf(value: unknown): readonly [kind: string, hint: string] {
  if (value === undefined) return ['undefined', 'did you forget return?']
  if (value === null) return ['null', 'write new Response(null).']
  if (typeof value === 'function') return ['a function', 'is it a factory? Then call it, as in app.js:NAME().']
  if (typeof value !== 'object') return [`a ${typeof value}`, 'write new Response(text).']
  if (value instanceof ReadableStream) return ['a stream', 'write new Response(body).']
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) return ['bytes', 'write new Response(body).']
  return [Array.isArray(value) ? 'an array' : 'an object', 'write Response.json(value).']
}
