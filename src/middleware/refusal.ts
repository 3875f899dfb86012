/** How is a request answered that must not reach the app? 400, as plain text, in one sentence. */

import type { Refusal } from '../trust/connection.ts'

/** What is used of `http.ServerResponse`. */
export interface NodeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
}

/** What is used of the socket that an `upgrade` or `connect` listener is given. */
export interface RawSocket {
  on(event: 'error', listener: () => void): unknown
  once(event: 'finish', listener: () => void): unknown
  end(text: string): unknown
  destroy(): unknown
}

export function refuseWith(res: NodeResponse, refusal: Refusal): void {
  res.writeHead(refusal.status, HEADERS)
  res.end(sentence(refusal))
}

export function refuseOnSocket(socket: RawSocket, refusal: Refusal): void {
  const body = sentence(refusal)
  const head = [`HTTP/1.1 ${refusal.status} Bad Request`, 'connection: close', `content-length: ${body.length}`]
  for (const [name, value] of Object.entries(HEADERS)) head.push(`${name}: ${value}`)
  // Node has taken its own listeners off this socket: a client that resets it must not end the process, nor one
  // that never closes its side hold it open.
  socket.on('error', () => undefined)
  socket.once('finish', () => socket.destroy())
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

export function refusalResponse(refusal: Refusal): Response {
  return new Response(sentence(refusal), { status: refusal.status, headers: HEADERS })
}

const HEADERS = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/** Nothing of the request is repeated in it, so it is ASCII and safe wherever it is shown. */
function sentence({ reason }: Refusal): string {
  return `Bad request: ${reason}.\n`
}
