/**
 * Which headers of a Fetch Response are not sent? Those that told of another connection, or of another body: a Response
 * that `fetch` gave has them. How an answer is framed, and whether its connection stays, is decided here.
 */

import { untrueHeaders } from '../request/fetched.ts'

/** RFC 9112 §6.1 and §9.6; `Keep-Alive` makes promises for a connection that is not this one. */
const OF_CONNECTION = ['transfer-encoding', 'keep-alive', 'proxy-connection']
const FRAMING: ReadonlySet<string> = new Set(OF_CONNECTION)
const STAYING: ReadonlySet<string> = new Set([...OF_CONNECTION, 'connection'])
/** RFC 9113 §8.2.2: a request whose answer has one of them has failed. */
const HTTP1_ONLY: ReadonlySet<string> = new Set([...OF_CONNECTION, 'connection', 'upgrade'])

/** The names of those that are not. */
export function headersLeftOut(response: Response, isHttp2: boolean): ReadonlySet<string> {
  const untrue = untrueHeaders(response)
  const ofConnection = isHttp2 ? HTTP1_ONLY : staysOpen(response) ? STAYING : FRAMING
  return untrue.size === 0 ? ofConnection : new Set([...ofConnection, ...untrue])
}

/** Whether it says what goes without saying: Node would let the connection stay, though the server is about to stop. */
function staysOpen({ headers }: Response): boolean {
  return headers.get('connection')?.trim().toLowerCase() === 'keep-alive'
}
