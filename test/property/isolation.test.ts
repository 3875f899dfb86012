/**
 * Requests of many clients on one keep-alive connection, as a proxy sends them: each knows its own client, however
 * the answers are interleaved and however late it looks (contract rule 12). A property defined on the shared socket
 * would show one client the address, and so the rate limit or the session, of another.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionInfo, proxyFix, trustPolicy } from '../../src/index.ts'
import { close, exchange, listen, parseResponses } from '../fixtures/raw-http.ts'
import { PROPERTY_TIMEOUT, WIRE_RUNS } from './runs.ts'

interface Client {
  readonly address: string
  readonly port: number | undefined
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly prefix: string
  /** When this request is answered among the others. */
  readonly rank: number
  /** How many turns of the event loop pass before that. */
  readonly turns: number
  readonly isPost: boolean
}

const client: fc.Arbitrary<Client> = fc.record({
  address: fc.oneof(
    fc.ipV4(),
    fc.integer({ min: 1, max: 0xffff }).map((group) => `2001:db8::${group.toString(16)}`),
  ),
  port: fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
  scheme: fc.constantFrom('http', 'https'),
  host: fc.nat({ max: 999 }).map((number) => `tenant${number}.example`),
  prefix: fc.constantFrom('', '/a', '/b/c'),
  rank: fc.nat(),
  turns: fc.nat({ max: 3 }),
  isPost: fc.boolean(),
})

function requestOf({ address, port, scheme, host, prefix, isPost }: Client, index: number, isLast: boolean): string {
  const node = address.includes(':') ? `[${address}]` : address
  const body = isPost ? `body ${index}` : ''
  return [
    `${isPost ? 'POST' : 'GET'} /${index} HTTP/1.1`,
    'Host: app.internal',
    `X-Forwarded-For: 6.6.6.6, ${port === undefined ? node : `${node}:${port}`}`,
    `X-Forwarded-Proto: ${scheme}`,
    `X-Forwarded-Host: ${host}`,
    `X-Forwarded-Prefix: ${prefix === '' ? '/' : prefix}`,
    `X-Real-IP: 6.6.6.6`,
    `Content-Length: ${body.length}`,
    ...(isLast ? ['Connection: close'] : []),
    '',
    body,
  ].join('\r\n')
}

/** What each way of reading must tell, written from what the proxy sent. */
function expectedOf({ address, port, scheme, host, prefix, isPost }: Client, index: number): unknown {
  const reading = {
    address,
    port: port ?? null,
    family: address.includes(':') ? 'IPv6' : 'IPv4',
    encrypted: scheme === 'https',
    info: address,
    forwardedFor: address,
    realIp: address,
    host,
    url: `${scheme}://${host}${prefix}/${index}`,
    originalUrl: prefix === '' ? null : `${prefix}/${index}`,
  }
  return { early: reading, late: reading, body: isPost ? `body ${index}` : '' }
}

function read(req: IncomingMessage): unknown {
  const info = connectionInfo(req)
  return {
    address: req.socket.remoteAddress ?? null,
    port: req.connection.remotePort ?? null,
    family: req.socket.remoteFamily ?? null,
    encrypted: Reflect.get(req.socket, 'encrypted') as unknown,
    info: info.client.address ?? null,
    forwardedFor: req.headers['x-forwarded-for'] ?? null,
    realIp: req.headersDistinct['x-real-ip']?.join() ?? null,
    host: req.headers.host ?? null,
    url: info.url ?? null,
    originalUrl: (req as { originalUrl?: string }).originalUrl ?? null,
  }
}

const policy = trustPolicy({ xHost: 1, xPrefix: 1 })

describe('isolation (contract rule 12)', () => {
  let port = 0
  let clients: readonly Client[] = []
  let arrived = 0
  let answered = 0
  let order: readonly number[] = []

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const index = Number(req.url?.slice(1))
    const early = read(req)
    arrived++
    let body = ''
    for await (const chunk of req) body += String(chunk)
    // Late: every other request of the connection has arrived, and those before it in the order are answered.
    while (arrived < clients.length || order[answered] !== index) await nextTurn()
    for (let turn = clients[index]?.turns ?? 0; turn > 0; turn--) await nextTurn()
    res.end(JSON.stringify({ early, late: read(req), body }))
    answered++
  }

  const server = http.createServer(
    proxyFix((req: IncomingMessage, res: ServerResponse) => void answer(req, res), policy),
  )
  beforeAll(async () => {
    port = await listen(server)
  })
  afterAll(() => close(server))

  it(
    'pipelined requests of many clients on one connection each name their own, early and late',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(client, { minLength: 2, maxLength: 12 }), async (drawn) => {
          clients = drawn
          arrived = answered = 0
          order = drawn.map((_, index) => index).toSorted((a, b) => (drawn[a]?.rank ?? 0) - (drawn[b]?.rank ?? 0))
          const text = drawn.map((one, index) => requestOf(one, index, index === drawn.length - 1)).join('')
          const responses = parseResponses(await exchange(port, text))
          expect(responses.map(({ body }) => JSON.parse(body) as unknown)).toStrictEqual(drawn.map(expectedOf))
        }),
        { numRuns: WIRE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
