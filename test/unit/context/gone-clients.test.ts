/** When is a request over whose client had left before it got its scope? After its handler's turn: no event will tell. */

import express from 'express'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net, { type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { g, Local, LocalManager, onTeardown, requestContext } from '../../../src/context/index.ts'
import { onConnectionEnd } from '../../../src/context/connection-end.ts'
import { close, listen, requestText } from '../../fixtures/raw-http.ts'

const servers: net.Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await close(server)
})

function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Once it has closed, by whatever error. */
const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve))

/** Sends a request and leaves as soon as the server has it. */
async function leave(server: net.Server, arrived: Promise<unknown>, text: string): Promise<void> {
  servers.push(server)
  const client = net.connect(await listen(server), '127.0.0.1')
  client.on('error', () => undefined)
  client.write(text)
  await arrived
  client.resetAndDestroy()
}

const GET = requestText('GET / HTTP/1.1', 'Host: a')

/** A handler that tells when its teardown has run, and what it saw. */
function teardownOf(): {
  handler: (first: unknown, second: { end(text: string): unknown }) => void
  seen: Promise<unknown>
} {
  const seen = deferred<unknown>()
  return {
    seen: seen.promise,
    handler(_req, response) {
      onTeardown(() => seen.resolve(g['user']))
      g['user'] = 'Ada'
      response.end('x')
    },
  }
}

describe('the teardown of a request whose client had left', () => {
  it('runs for a Node listener', async () => {
    const { handler, seen } = teardownOf()
    const arrived = deferred()
    const app = requestContext(handler as http.RequestListener)
    const server = http.createServer(async (req, res) => {
      arrived.resolve()
      await once(res, 'close')
      await turn()
      app(req, res)
    })
    await leave(server, arrived.promise, GET)
    expect(await seen).toBe('Ada')
  })

  it('runs where the handler fails', async () => {
    const torn = deferred()
    const arrived = deferred()
    const app = requestContext((_req: IncomingMessage, _res: ServerResponse) => {
      onTeardown(torn.resolve)
      throw new RangeError('handler')
    })
    const failed = deferred<unknown>()
    const server = http.createServer(async (req, res) => {
      arrived.resolve()
      await once(res, 'close')
      try {
        app(req, res)
      } catch (error) {
        failed.resolve(error)
      }
    })
    await leave(server, arrived.promise, GET)
    await torn.promise
    expect(await failed.promise).toBeInstanceOf(RangeError)
  })

  it('runs for a response that waits behind another, on Node 20 too', async () => {
    const { handler, seen } = teardownOf()
    const arrived = deferred()
    const app = requestContext(handler as http.RequestListener)
    const server = http.createServer(async (req, res) => {
      if (req.url === '/1') return
      arrived.resolve()
      const { socket } = req
      await closed(socket)
      await turn()
      app(req, res)
    })
    await leave(server, arrived.promise, GET.replace('/', '/1') + GET.replace('/', '/2'))
    expect(await seen).toBe('Ada')
  })

  it('runs where the connection closes after the scope was entered, and before anyone asks for it', async () => {
    const torn = deferred<unknown>()
    const arrived = deferred()
    const server = http.createServer(
      requestContext(async (req: IncomingMessage, _res: ServerResponse) => {
        if (req.url === '/1') return
        arrived.resolve()
        await closed(req.socket)
        await turn()
        g['user'] = 'Ada'
        onTeardown(() => torn.resolve(g['user']))
      }),
    )
    await leave(server, arrived.promise, GET.replace('/', '/1') + GET.replace('/', '/2'))
    expect(await torn.promise).toBe('Ada')
  })

  it('runs for an upgrade', async () => {
    const { handler, seen } = teardownOf()
    const arrived = deferred()
    const app = requestContext(handler as (req: IncomingMessage, socket: Socket) => void)
    const server = http.createServer().on('upgrade', async (req: IncomingMessage, socket: Socket) => {
      socket.on('error', () => undefined)
      arrived.resolve()
      await closed(socket)
      await turn()
      app(req, socket)
    })
    await leave(server, arrived.promise, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: x'))
    expect(await seen).toBe('Ada')
  })

  it('runs in Express', async () => {
    const { handler, seen } = teardownOf()
    const arrived = deferred()
    const app = express()
    app.use((_req, res, next) => {
      arrived.resolve()
      res.on('close', () => setImmediate(next))
    })
    app.use(requestContext())
    app.use((req, res) => handler(req, res))
    await leave(http.createServer(app), arrived.promise, GET)
    expect(await seen).toBe('Ada')
  })

  it('runs over HTTP/2, whose connection lives on', async () => {
    const { handler, seen } = teardownOf()
    const arrived = deferred()
    const app = requestContext(handler as never) as (req: unknown, res: unknown) => void
    const server = http2.createServer(async (req, res) => {
      arrived.resolve()
      await once(res, 'close')
      await turn()
      app(req, res)
    })
    servers.push(server)
    const client = http2.connect(`http://127.0.0.1:${await listen(server)}`)
    const stream = client.request({ ':path': '/' })
    stream.on('error', () => undefined)
    await arrived.promise
    stream.close(http2.constants.NGHTTP2_CANCEL)
    expect(await seen).toBe('Ada')
    client.close()
  })

  it('releases the locals of a LocalManager', async () => {
    const released = deferred<boolean>()
    const arrived = deferred()
    const local = new Local<{ user: string }>()
    const manager = new LocalManager(local)
    const app = manager.middleware((_req: IncomingMessage, res: ServerResponse) => {
      onTeardown(() => void setImmediate(() => released.resolve('user' in local)))
      local.user = 'Ada'
      res.end()
    })
    const server = http.createServer(async (req, res) => {
      arrived.resolve()
      await once(res, 'close')
      app(req, res)
    })
    await leave(server, arrived.promise, GET)
    expect(await released.promise).toBe(false)
  })
})

describe('the teardown of a request whose client is there', () => {
  it('does not run before the response is over', async () => {
    const story: string[] = []
    const over = deferred()
    const server = http.createServer(
      requestContext((_req: IncomingMessage, res: ServerResponse) => {
        onTeardown(() => {
          story.push('torn down')
          over.resolve()
        })
        setImmediate(() => {
          story.push('answers')
          res.end('x')
        })
      }),
    )
    servers.push(server)
    await (await fetch(`http://127.0.0.1:${await listen(server)}/`)).text()
    await over.promise
    expect(story).toStrictEqual(['answers', 'torn down'])
  })
})

describe('onConnectionEnd', () => {
  it('calls soon for a socket that has closed already', async () => {
    const socket = new net.Socket()
    socket.destroy()
    await once(socket, 'close')
    const story: string[] = []
    const called = deferred()
    onConnectionEnd(socket, () => {
      story.push('called')
      called.resolve()
    })
    story.push('went on')
    await called.promise
    expect(story).toStrictEqual(['went on', 'called'])
  })
})
