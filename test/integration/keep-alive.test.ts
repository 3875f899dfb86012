/**
 * One connection, many clients. A proxy keeps few connections to an app and sends the requests of all its
 * clients over them, several in flight at once, and handlers finish in any order. What one request shows may
 * never depend on another's: each answer must name its own client, before and after the handler waited.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectionInfo, type FunctionHandler, proxyFix, type ProxyFixOptions } from '../../src/index.ts'
import { serve } from '../../src/server/index.ts'
import { pipeline, requestText } from './wire.ts'

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }

/** Waits as long as a test wants it to, by the path of the request. */
type Wait = (path: string) => Promise<unknown>

interface Running {
  readonly url: string
  close(): Promise<unknown>
}

/** All ways to read a Node request, in one line. */
function seenOnNode(req: IncomingMessage & { originalUrl?: string }): string {
  const { socket, headers, headersDistinct, rawHeaders } = req
  const info = connectionInfo(req)
  return [
    socket.remoteAddress,
    req.connection.remoteAddress,
    socket.remotePort,
    socket.remoteFamily,
    'encrypted' in socket && socket.encrypted,
    headers.host,
    headersDistinct['host']?.join(),
    rawHeaders[rawHeaders.indexOf('Host') + 1],
    headers['x-forwarded-for'],
    req.originalUrl,
    info.client.address,
    info.url,
  ].join(' ')
}

function expectedOnNode({ address, port, scheme, host, path }: Client): string {
  const isSecure = scheme === 'https'
  const url = `${scheme}://${host}/shop${path}`
  return `${address} ${address} ${port} IPv4 ${isSecure} ${host} ${host} ${host} ${address} /shop${path} ${address} ${url}`
}

/** What is read of a Fetch handler's second argument. */
interface Platform {
  readonly incoming: Pick<IncomingMessage, 'socket'>
}

/** All ways to read a Fetch request and what comes with it, in one line. */
function seenByFetch(request: Request, { incoming }: Platform): string {
  const { remoteAddress, remotePort } = incoming.socket
  const { headers } = request
  const info = connectionInfo(request)
  return [
    remoteAddress,
    remotePort,
    request.url,
    headers.get('host'),
    headers.get('x-forwarded-for'),
    info.client.address,
    info.url,
  ].join(' ')
}

function expectedByFetch({ address, port, scheme, host, path }: Client): string {
  const origin = `${scheme}://${host}`
  return `${address} ${port} ${origin}${path} ${host} ${address} ${address} ${origin}/shop${path}`
}

function nodeHandler(wait: Wait): RequestListener & FunctionHandler {
  return async (req, res) => {
    const before = seenOnNode(req)
    await wait(req.url ?? '')
    res.end(JSON.stringify({ before, after: seenOnNode(req) }))
  }
}

function fetchHandler(wait: Wait) {
  return async (request: Request, env: Platform): Promise<Response> => {
    const before = seenByFetch(request, env)
    await wait(new URL(request.url).pathname)
    return Response.json({ before, after: seenByFetch(request, env) })
  }
}

async function served(listener: RequestListener): Promise<Running> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  return { url: `http://127.0.0.1:${port}`, close: () => new Promise((resolve) => server.close(resolve)) }
}

const ON_OUR_SERVER = { bind: '127.0.0.1:0', proxyFix: OPTIONS }

const SERVERS = [
  {
    name: 'a Node handler on node:http',
    start: (wait: Wait): Promise<Running> => served(proxyFix(nodeHandler(wait), OPTIONS)),
    expected: expectedOnNode,
  },
  {
    name: 'a Node handler on our server',
    start: (wait: Wait): Promise<Running> => serve(nodeHandler(wait), ON_OUR_SERVER),
    expected: expectedOnNode,
  },
  {
    name: 'a Fetch handler on our server',
    start: (wait: Wait): Promise<Running> => serve({ fetch: fetchHandler(wait) }, ON_OUR_SERVER),
    expected: expectedByFetch,
  },
  {
    name: "a Fetch handler on Hono's Node adapter",
    start: (wait: Wait): Promise<Running> => {
      const fixed = proxyFix(fetchHandler(wait), OPTIONS)
      return served(getRequestListener(fixed, { overrideGlobalObjects: false }))
    },
    expected: expectedByFetch,
  },
]

/** One of many clients, each unlike its neighbours in everything that a proxy tells. */
interface Client {
  readonly address: string
  readonly port: number
  readonly scheme: string
  readonly host: string
  readonly path: string
}

function clientNumber(number: number): Client {
  return {
    address: `10.${number % 7}.${(number >> 8) & 255}.${number & 255}`,
    port: 1024 + number,
    scheme: number % 2 === 0 ? 'https' : 'http',
    host: `site-${number % 13}.example${number % 3 === 0 ? ':8443' : ''}`,
    path: `/requests/${number}`,
  }
}

/** The request of a client that lies, as the proxy passes it on. */
function forwarded({ address, port, scheme, host, path }: Client): string {
  return requestText(path, [
    ['Host', 'internal.example'],
    ['X-Forwarded-For', `6.6.6.6, ${address}:${port}`],
    ['X-Forwarded-Proto', `ftp, ${scheme}`],
    ['X-Forwarded-Host', `evil.example, ${host}`],
    ['X-Forwarded-Prefix', '/evil, /shop'],
  ])
}

describe.each(SERVERS)('$name', ({ start, expected }) => {
  let running: Running
  let wait: Wait

  beforeEach(async () => {
    running = await start((path) => wait(path))
  })
  afterEach(() => running.close())

  it('answers each of twenty pipelined requests for its own client, when the last handler finishes first', async () => {
    const clients = Array.from({ length: 20 }, (_, number) => clientNumber(number))
    const waiting: (() => void)[] = []
    wait = () =>
      new Promise<void>((resolve) => {
        waiting.push(resolve)
        if (waiting.length === clients.length) for (const release of waiting.toReversed()) release()
      })

    const responses = await pipeline(running.url, clients.map(forwarded))

    expect(responses.map(({ body }) => JSON.parse(body) as unknown)).toEqual(
      clients.map((client) => ({ before: expected(client), after: expected(client) })),
    )
  })

  it('answers each of 4000 requests on eight busy connections for its own client', async () => {
    const finished: string[] = []
    wait = async (path) => {
      const turns = (Number(path.slice('/requests/'.length)) * 7) % 5
      for (let count = 0; count < turns; count++) await turn()
      finished.push(path)
    }

    const wrong: string[] = []
    const sendOverOneConnection = async (clients: readonly Client[]): Promise<number> => {
      const responses = await pipeline(running.url, clients.map(forwarded))
      for (const [index, { status, body }] of responses.entries()) {
        const right = expected(clients[index]!)
        if (status !== 200 || body !== JSON.stringify({ before: right, after: right }))
          wrong.push(`${right}, it answered ${status} ${body}`)
      }
      return responses.length
    }
    const connections = Array.from({ length: 8 }, (_connection, first) =>
      Array.from({ length: 500 }, (_client, index) => clientNumber(first + 8 * index)),
    )
    const answered = await Promise.all(connections.map(sendOverOneConnection))

    expect(answered).toEqual([500, 500, 500, 500, 500, 500, 500, 500])
    expect(wrong).toEqual([])
    const ofTheFirst = finished.filter((path) => Number(path.slice('/requests/'.length)) % 8 === 0)
    const asSent = connections[0]!.map(({ path }) => path)
    expect(ofTheFirst).not.toEqual(asSent) // requests overtook each other
  })
})
