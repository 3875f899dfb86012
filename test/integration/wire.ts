/**
 * Speaking HTTP/1.1 as clients and proxies do, and as `fetch` would not: from a chosen address, with header
 * lines in the spelling and number given, pipelined.
 */

import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'

/** A header line; the same name may come twice. */
export type HeaderLine = readonly [name: string, value: string]

export interface Response {
  readonly status: number
  readonly body: string
}

export interface Question {
  /** The address to connect from. */
  readonly from?: string
  /** Where the server is, as in `http://127.0.0.1:8000`. */
  readonly to: string
  /** The request target. @default '/' */
  readonly target?: string
  readonly host: string
  readonly headers?: readonly HeaderLine[]
  /** The certificate to accept, over TLS. */
  readonly certificate?: string
}

/** Sends one GET request over a connection of its own. */
export async function ask({ from, to, target = '/', host, headers = [], certificate }: Question): Promise<Response> {
  const { protocol, hostname, port } = new URL(to)
  const req = (protocol === 'https:' ? httpsRequest : httpRequest)({
    agent: false,
    host: hostname.replaceAll(/[[\]]/g, ''),
    port,
    path: target,
    headers: [['Host', host], ...headers].flat(),
    ...(from !== undefined && { localAddress: from }),
    ...(protocol === 'https:' && { ca: certificate, servername: host }),
  })
  return await new Promise((resolve, reject) => {
    req.once('error', reject)
    req.once('response', (res) => {
      let body = ''
      res.setEncoding('utf8')
      res.on('data', (text: string) => (body += text))
      res.once('error', reject)
      res.once('end', () => resolve({ status: res.statusCode ?? 0, body }))
    })
    req.end()
  })
}

/** Sends requests over one connection, none waiting for an answer, and gives the answers in order. */
export async function pipeline(to: string, requests: readonly string[]): Promise<Response[]> {
  const { hostname, port } = new URL(to)
  const socket = connect({ host: hostname, port: Number(port) })
  await once(socket, 'connect')
  const bytes = Buffer.from(requests.join(''), 'latin1')
  // In pieces that end anywhere in a request, as a busy network cuts them.
  for (let at = 0; at < bytes.length; at += 1009) socket.write(bytes.subarray(at, at + 1009))

  const responses: Response[] = []
  let unread: Buffer = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    unread = Buffer.concat([unread, chunk])
    for (let read = readResponse(unread); read !== undefined; read = readResponse(unread)) {
      responses.push(read.response)
      unread = unread.subarray(read.length)
    }
    if (responses.length === requests.length) break
  }
  socket.destroy()
  return responses
}

/** A GET request as it goes over the wire. */
export function requestText(target: string, headers: readonly HeaderLine[]): string {
  return `GET ${target} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
}

/** The first whole response in some bytes, and how many of them it takes. */
function readResponse(bytes: Buffer): { response: Response; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = bytes.toString('latin1', 0, headEnd)
  const status = Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length))
  const start = headEnd + 4

  const contentLength = /^content-length: (\d+)$/im.exec(head)?.[1]
  if (contentLength !== undefined) {
    const length = start + Number(contentLength)
    return bytes.length < length
      ? undefined
      : { response: { status, body: bytes.toString('utf8', start, length) }, length }
  }
  if (!/^transfer-encoding: chunked$/im.test(head)) throw new Error(`A response of unknown length: ${head}`)
  let body = ''
  for (let at = start; ;) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd === -1) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const end = lineEnd + 2 + size
    if (bytes.length < end + 2) return undefined
    body += bytes.toString('utf8', lineEnd + 2, end)
    at = end + 2
    if (size === 0) return { response: { status, body }, length: at }
  }
}
