/** How a server stops: what is in flight finishes, what only waits is closed, what hangs is cut. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Drain, drainable } from '../../../src/server/drain.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

/** A server that leaves its answers to the test. */
async function waiting(): Promise<{ port: number; drain: Drain; answers: ServerResponse[] }> {
  const answers: ServerResponse[] = []
  const server = http.createServer((_req, res) => void answers.push(res))
  const drain = drainable(server)
  onTestFinished(() => close(server))
  return { port: await listen(server), drain, answers }
}

/** Asks over a connection that would be kept. */
async function askKeepingAlive(port: number): Promise<IncomingMessage> {
  const agent = new http.Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const [res] = (await once(http.get({ port, host: '127.0.0.1', agent }), 'response')) as [IncomingMessage] // what it hands over
  return res
}

const LONG = 60_000

describe('draining', () => {
  it('lets a request in flight finish, and tells its connection to close', async () => {
    const { port, drain, answers } = await waiting()
    const response = askKeepingAlive(port)
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    const drained = drain(LONG)
    answers[0]?.end('done')
    const res = await response
    expect([res.statusCode, res.headers.connection, await text(res)]).toStrictEqual([200, 'close', 'done'])
    await drained
  })

  it('lets an answer finish that had begun, and closes its connection then', async () => {
    const { port, drain, answers } = await waiting()
    const response = askKeepingAlive(port)
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.write('begun, ')
    const res = await response
    const drained = drain(LONG)
    answers[0]?.end('done')
    expect([res.headers.connection, await text(res)]).toStrictEqual(['keep-alive', 'begun, done'])
    await drained
  })

  it('closes a connection on which nothing is asked', async () => {
    const { port, drain, answers } = await waiting()
    const response = askKeepingAlive(port)
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.end('done')
    const res = await response
    const closed = once(res.socket, 'close')
    expect(await text(res)).toBe('done')
    await drain(LONG)
    await closed
  })

  it('takes no more connections', async () => {
    const { port, drain } = await waiting()
    await drain(LONG)
    const client = net.connect(port, '127.0.0.1')
    await expect(once(client, 'connect')).rejects.toThrow('ECONNREFUSED')
  })

  it('cuts what is left when the time is over', async () => {
    const { port, drain, answers } = await waiting()
    const answer = exchange(port, requestText('GET / HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    await drain(0)
    expect(await answer).toBe('')
  })
})
