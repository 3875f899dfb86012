/**
 * Which headers of a Fetch Response are not sent? Those that told of another connection, or of another body: a Response
 * that `fetch` gave has them. How an answer is framed, and whether its connection stays, is decided here.
 */

import { untrueHeaders } from '../request/fetched.ts'

/** RFC 9112 §6.1 and §9.6; `Keep-Alive` makes promises for a connection that is not this one. */
const OF_CONNECTION = ['transfer-encoding', 'keep-alive', 'proxy-connection']
const FRAMING: ReadonlySet<string> = new Set(OF_CONNECTION)
/** RFC 9113 §8.2.2: a request whose answer has one of them has failed. */
const HTTP1_ONLY: ReadonlySet<string> = new Set([...OF_CONNECTION, 'connection', 'upgrade'])

/**
 * The lines that are, names and values in turn.
 * @param isMade Whether the app has made it: to ask for its URL takes 0.6 us.
 */
export function headerLines(response: Response, isHttp2: boolean, isMade: boolean): string[] {
  const untrue = isMade ? NONE : untrueHeaders(response)
  const ofConnection = isHttp2 ? HTTP1_ONLY : FRAMING
  const lines: string[] = []
  for (const [name, value] of response.headers) {
    if (ofConnection.has(name) || untrue.has(name) || saysNothing(name, value)) continue
    lines.push(name, value)
  }
  return lines
}

const NONE: ReadonlySet<string> = new Set()

/** Whether it says what goes without saying: Node would let the connection stay, though the server is about to stop. */
function saysNothing(name: string, value: string): boolean {
  return name === 'connection' && value.trim().toLowerCase() === 'keep-alive'
}
