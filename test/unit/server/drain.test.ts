/** How a server stops: what is in flight finishes, what only waits is closed, what hangs is cut. */

import { EventEmitter, once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { drainable } from '../../../src/server/drain.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

interface Waiting {
  readonly port: number
  /** Takes no more connections, and ends those that are there within some milliseconds. */
  drain(timeout: number): Promise<void>
  windDown(): void
  readonly answers: ServerResponse[]
}

/** A server that leaves its answers to the test. */
async function waiting(): Promise<Waiting> {
  const answers: ServerResponse[] = []
  const server = http.createServer((_req, res) => void answers.push(res))
  const { stop, windDown, owe } = drainable(server)
  server.prependListener('request', owe)
  const drain = async (timeout: number): Promise<void> => {
    net.Server.prototype.close.call(server) // http.Server's own would close connections by itself
    await stop({ timeout, idle: 'close' })
  }
  onTestFinished(() => close(server))
  return { port: await listen(server), drain, windDown, answers }
}

/** Asks over a connection that would be kept. */
async function askKeepingAlive(port: number): Promise<IncomingMessage> {
  const agent = new http.Agent({ keepAlive: true })
  onTestFinished(() => agent.destroy())
  const [res] = (await once(http.get({ port, host: '127.0.0.1', agent }), 'response')) as [IncomingMessage] // what it hands over
  return res
}

const LONG = 60_000

it('does not mind where the listeners of an answer are carried', async () => {
  const { port, answers } = await waiting()
  const asked = askKeepingAlive(port)
  await vi.waitFor(() => expect(answers).toHaveLength(1))
  const elsewhere = new EventEmitter()
  for (const listener of answers[0]!.listeners('close')) elsewhere.on('close', listener as () => void)
  expect(elsewhere.emit('close')).toBe(true)
  answers[0]!.end('answered')
  expect(await text(await asked)).toBe('answered')
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void // what the flag puts there

describe('winding down', () => {
  it('answers the next request on an idle connection, as its last one', async () => {
    const { port, windDown, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    client.setEncoding('latin1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.end('one')
    expect(await once(client, 'data')).toStrictEqual([expect.stringMatching(/connection: keep-alive[^]*one$/i)])
    windDown()
    client.write(requestText('GET /2 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]?.end('two')
    expect(await once(client, 'data')).toStrictEqual([expect.stringMatching(/connection: close[^]*two$/i)])
    await once(client, 'close')
  })

  it('leaves a connection open whose answer had promised so', async () => {
    const { port, windDown, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    client.setEncoding('latin1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.write('begun, ')
    await once(client, 'data')
    windDown()
    answers[0]?.end('done')
    client.write(requestText('GET /2 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]?.end('two')
    await once(client, 'close')
  })
})

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

  it('waits for an answer on a connection whose app has closed an earlier one more than once', async () => {
    const { port, drain, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1').setEncoding('latin1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.emit('close')
    answers[0]?.end('one')
    await once(client, 'data')
    client.write(requestText('GET /2 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    const drained = drain(LONG)
    await new Promise((resolve) => setTimeout(resolve, 50)) // time in which it must not be closed
    answers[1]?.end('two')
    expect(await once(client, 'data')).toStrictEqual([expect.stringMatching(/connection: close[^]*two$/i)])
    await drained
  })

  it('tells a connection to close with an answer behind which a later one was destroyed', async () => {
    const { port, drain, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1').setEncoding('latin1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app') + requestText('GET /2 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]?.emit('close') // as newer versions of Node do when it is destroyed
    const drained = drain(LONG)
    answers[0]?.end('one')
    expect(await once(client, 'data')).toStrictEqual([expect.stringMatching(/connection: close[^]*one$/i)])
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

  it('does not cut an answer that is ended but still on its way, whatever ends elsewhere', async () => {
    const { port, drain, answers } = await waiting()
    const slow = net.connect(port, '127.0.0.1')
    slow.write(requestText('GET /big HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    const other = exchange(port, requestText('GET /small HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[0]?.end(Buffer.alloc(20_000_000)) // far more than the kernel takes at once, and nobody has read yet
    const drained = drain(LONG)
    answers[1]?.end('done')
    expect(await other).toMatch(/\r\n\r\ndone$/)
    let received = 0
    slow.on('data', (chunk) => (received += chunk.length))
    await once(slow, 'close')
    expect(received).toBeGreaterThan(20_000_000)
    await drained
  })

  it('answers every request of a pipeline that it has read, and ends the connection with the last', async () => {
    const { port, drain, answers } = await waiting()
    const requests = ['/1', '/2', '/3'].map((path) => requestText(`GET ${path} HTTP/1.1`, 'Host: app'))
    const received = exchange(port, requests.join(''))
    await vi.waitFor(() => expect(answers).toHaveLength(3))
    const drained = drain(LONG)
    for (const res of answers.toReversed()) res.end(`answer to ${res.req.url}`)
    const responses = parseResponses(await received)
    expect(responses.map(({ headers, body }) => [body, headers['connection']])).toStrictEqual([
      ['answer to /1', 'keep-alive'],
      ['answer to /2', 'keep-alive'],
      ['answer to /3', 'close'],
    ])
    await drained
  })

  it('keeps every Set-Cookie line of an answer', async () => {
    const { port, drain, answers } = await waiting()
    const received = exchange(port, requestText('GET / HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    const drained = drain(LONG)
    answers[0]?.writeHead(200, 'OK', ['set-cookie', 'a=1', 'set-cookie', 'b=2']).end() // as srvx does
    expect((await received).match(/^set-cookie: .*$/gm)).toStrictEqual(['set-cookie: a=1', 'set-cookie: b=2'])
    await drained
  })

  it.each([
    { name: 'nothing', sent: '' },
    { name: 'half a head', sent: 'GET / HTTP/1.1\r\nHost: a' },
  ])('does not wait for a connection that has sent $name', async ({ sent }) => {
    const { port, drain } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.write(sent)
    const closed = once(client.resume(), 'close')
    await drain(LONG)
    expect(await closed).toStrictEqual([false])
  })

  it('answers the first request of a client that has just connected, as its last one', async () => {
    const { port, drain, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    await once(client, 'connect')
    const received = text(client)
    const drained = drain(LONG)
    client.write(requestText('GET / HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.end('first')
    expect(await received).toMatch(/connection: close[^]*first$/i)
    await drained
  })

  it('reads what has come on a kept connection before it closes it', async () => {
    const { port, drain, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app'))
    await vi.waitFor(() => expect(answers).toHaveLength(1))
    answers[0]?.end('one')
    await once(client, 'data')
    const received = text(client)
    await new Promise((resolve) => client.write(requestText('GET /2 HTTP/1.1', 'Host: app'), resolve)) // it is with the system
    const drained = drain(LONG)
    await vi.waitFor(() => expect(answers).toHaveLength(2))
    answers[1]?.end('two')
    expect(await received).toMatch(/connection: close[^]*two$/i)
    await drained
  })

  it('lets go of the answers of a connection that is gone, pipelined ones too', async () => {
    const { port, answers } = await waiting()
    const client = net.connect(port, '127.0.0.1')
    client.write(requestText('GET /1 HTTP/1.1', 'Host: app').repeat(10))
    await vi.waitFor(() => expect(answers).toHaveLength(10))
    const references = answers.map((res) => new WeakRef(res))
    const gone = new Promise((resolve) => answers[0]?.req.socket.once('close', resolve))
    client.resetAndDestroy()
    await gone
    answers.length = 0
    await vi.waitFor(() => {
      collectGarbage()
      expect(references.filter((reference) => reference.deref() !== undefined)).toHaveLength(0)
    })
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
