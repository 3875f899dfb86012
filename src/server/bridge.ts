/** How is a Fetch handler called by `node:http`? With a Request made of what came, and its Response is sent. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { NodeRequest } from 'srvx/node'
import { carryFix } from '../request/fetch.ts'
import { isFetchResponse } from '../request/fetch-response.ts'
import { NO_FETCH_METHODS } from '../request/fetch-request.ts'
import { sendResponse } from './send-response.ts'

export type FetchHandler = (
  request: Request,
  platform: { incoming: IncomingMessage; outgoing: ServerResponse },
) => unknown

/**
 * Calls a Fetch handler with a Request made from the Node request, as it stands after `proxyFix`: so it shows
 * the client without any work of its own. The second argument is the one that Hono's Node adapter passes.
 */
export function bridge(handler: FetchHandler): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    if (incoming.method !== undefined && NO_FETCH_METHODS.has(incoming.method)) {
      outgoing.writeHead(501, { 'content-type': 'text/plain; charset=utf-8' }).end('Not implemented.\n')
      return
    }
    const request = carryFix(incoming, new NodeRequest({ req: incoming, res: outgoing }))
    const response = await handler(request, { incoming, outgoing })
    if (!isFetchResponse(response)) {
      const hint =
        typeof response === 'function'
          ? 'is it a factory? Then call it, as in app.js:NAME().'
          : 'did you forget return?'
      throw new TypeError(`The Fetch handler gave back ${typeof response}, not a Response: ${hint}`)
    }
    await sendResponse(outgoing, response)
  }
}
