/** An address may name senders of its own: what else is set of the PROXY protocol counts for it as well. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest'
import { type ProxyProtocolOptions, serve } from '../../../src/server/index.ts'
import { HEADER } from '../../fixtures/proxy-protocol.ts'
import { exchange, parseResponses, requestText } from '../../fixtures/raw-http.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => undefined))
afterEach(() => void errors.mockReset())

const ASK = requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close')

async function listening(options: ProxyProtocolOptions): Promise<number> {
  const server = await serve(
    ({ socket }: IncomingMessage, res: ServerResponse) =>
      res.end(JSON.stringify([socket.remoteAddress, (socket as TLSSocket).encrypted === true])),
    { bind: 'tcp:0:interface=127.0.0.1:proxyProtocol=127.0.0.1', proxyProtocol: options },
  )
  onTestFinished(() => server.close({ timeout: 0 }))
  return server.addresses[0]?.port ?? 0
}

it('says that TLS ended before, and takes the senders of the address', async () => {
  const port = await listening({ from: '10.9.9.9', tls: true })
  const [answer] = parseResponses(await exchange(port, HEADER + ASK))
  expect(answer?.body).toBe('["203.0.113.7",true]')
})

it('tells of what it refuses', async () => {
  const onRefused = vi.fn<NonNullable<ProxyProtocolOptions['onRefused']>>()
  const port = await listening({ from: '10.9.9.9', onRefused })
  expect(await exchange(port, ASK)).toBe('')
  expect(onRefused.mock.calls.map(([{ sender }]) => sender.address)).toEqual(['127.0.0.1'])
})
