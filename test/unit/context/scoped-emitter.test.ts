/** In which scope do callbacks run that Node calls for a connection? In that of the request that gave them. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type net from 'node:net'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { g, isBound, onTeardown, request, requestContext, unwrap } from '../../../src/context/index.ts'
import { RequestScope } from '../../../src/context/request-scope.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

const servers: net.Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await close(server)
})

type NodeHandler = (req: IncomingMessage, res: ServerResponse) => unknown

async function start(handler: NodeHandler): Promise<number> {
  const server = http.createServer(handler)
  servers.push(server)
  return await listen(server)
}

function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

const TWO = `${requestText('GET /1 HTTP/1.1', 'Host: a')}${requestText('GET /2 HTTP/1.1', 'Host: a', 'Connection: close')}`

/** What each callback of the second of two pipelined requests sees, which the first one's end sends. */
async function pipelined(send: (res: ServerResponse, see: () => void) => void): Promise<unknown[]> {
  const seen: unknown[] = []
  let first: ServerResponse | undefined
  const port = await start(
    requestContext((req: IncomingMessage, res: ServerResponse) => {
      if (req.url === '/1') {
        first = res
        return
      }
      send(res, () => seen.push(isBound(request) ? unwrap(request).url : 'nobody'))
      first!.end('one')
    }),
  )
  await exchange(port, TWO)
  return seen
}

describe('of pipelined requests', () => {
  it.each<{ what: string; send: (res: ServerResponse, see: () => void) => unknown }>([
    { what: 'write', send: (res, see) => res.write('a', see) },
    { what: 'write, with an encoding', send: (res, see) => res.write('a', 'latin1', see) },
    { what: 'write, wrapped by what hands on undefined', send: (res, see) => res.write('a', see as never, undefined) },
    { what: 'end', send: (res, see) => res.end(see) },
    { what: 'end, wrapped by what hands on undefined', send: (res, see) => res.end('a', see as never, undefined) },
    { what: 'writeContinue', send: (res, see) => res.writeContinue(see) },
    {
      what: 'writeProcessing',
      send: (res, see) => (res as unknown as { writeProcessing(callback: () => void): void }).writeProcessing(see),
    },
    { what: 'writeEarlyHints', send: (res, see) => res.writeEarlyHints({ link: '</a.css>; rel=preload' }, see) },
  ])('the callback of $what runs for the request that gave it', async ({ send }) => {
    const seen = await pipelined((res, see) => {
      send(res, see)
      if (!res.writableEnded) res.end()
    })
    expect(seen).toStrictEqual(['/2'])
  })

  it('so it does where the method of one response was wrapped before', async () => {
    const seen: unknown[] = []
    const waiting: ServerResponse[] = []
    const app = requestContext((req: IncomingMessage, res: ServerResponse) => {
      waiting.push(res)
      if (req.url === '/1') return
      res.writeContinue(() => seen.push(isBound(request) ? unwrap(request).url : 'nobody'))
      for (const response of waiting) response.end('x')
    })
    const port = await start((req, res) => {
      const { writeContinue, writeProcessing, writeEarlyHints } = res
      Object.assign(res, { writeContinue, writeProcessing, writeEarlyHints })
      app(req, res)
    })
    await exchange(port, TWO)
    expect(seen).toStrictEqual(['/2'])
  })
})

describe('a request that is entered again where its scope was lost', () => {
  it('has the scope that it had', async () => {
    const queue: (() => void)[] = []
    const story: unknown[] = []
    const over = deferred()
    const inner = requestContext((_req: IncomingMessage, res: ServerResponse) => {
      story.push(g['user'])
      onTeardown(() => void story.push('inner'))
      res.end('x')
    })
    const outer = requestContext((req: IncomingMessage, res: ServerResponse) => {
      g['user'] = 'Ada'
      onTeardown(() => {
        story.push('outer')
        over.resolve()
      })
      queue.push(() => void inner(req, res))
    })
    const port = await start((req, res) => {
      outer(req, res)
      expect(isBound(request)).toBe(false)
      for (const call of queue.splice(0)) call()
    })
    // The connection stays open, so that it is the response that ends the scope.
    const agent = new http.Agent({ keepAlive: true })
    const answered = new Promise((resolve) => {
      http.get({ port, host: '127.0.0.1', agent }, (response) => response.resume().on('end', resolve))
    })
    await over.promise
    await answered
    agent.destroy()
    expect(story).toStrictEqual(['Ada', 'inner', 'outer'])
  })

  it('has one of its own for another response, as tests make them', async () => {
    const users: unknown[] = []
    let kept: IncomingMessage | undefined
    const app = requestContext((req: IncomingMessage, res: ServerResponse) => {
      users.push(g['user'])
      g['user'] = req.url
      res.end()
    })
    const port = await start((req, res) => {
      kept ??= req
      app(kept, res)
    })
    await exchange(port, requestText('GET /1 HTTP/1.1', 'Host: a', 'Connection: close'))
    await exchange(port, requestText('GET /2 HTTP/1.1', 'Host: a', 'Connection: close'))
    expect(users).toStrictEqual([undefined, undefined])
  })
})

describe('an emit that telemetry has put in place of Node’s', () => {
  it.each(['before', 'after'])('hears all events, %s this was loaded', async (when) => {
    const { emit } = EventEmitter.prototype
    onTestFinished(() => void (EventEmitter.prototype.emit = emit))
    const heard: unknown[] = []
    let watched: ServerResponse | undefined
    const patch = (): void => {
      EventEmitter.prototype.emit = function (event, ...args) {
        if ((this as unknown) === watched) heard.push(event)
        return Reflect.apply(emit, this, [event, ...args]) as boolean
      }
    }
    vi.resetModules()
    if (when === 'before') patch()
    const fresh = await import('../../../src/context/index.ts')
    if (when === 'after') patch()
    const over = deferred()
    const port = await start(
      fresh.requestContext((_req: IncomingMessage, res: ServerResponse) => {
        watched = res
        fresh.onTeardown(() => over.resolve())
        res.end('x')
      }),
    )
    await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))
    await over.promise
    expect(heard).toStrictEqual(['prefinish', 'finish', 'close'])
  })
})

describe('the end of a request whose response went out first', () => {
  /** Which listeners saw the request, and how often a scope was entered, for the second of two requests. */
  async function ended(hear: (req: IncomingMessage, res: ServerResponse, see: () => void) => void): Promise<object> {
    const seen: unknown[] = []
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        if (req.url === '/2') hear(req, res, () => seen.push(isBound(request) ? unwrap(request).url : 'nobody'))
        res.end('ok')
      }),
    )
    await exchange(port, requestText('GET /1 HTTP/1.1', 'Host: a', 'Connection: close'))
    const run = vi.spyOn(AsyncLocalStorage.prototype, 'run')
    await exchange(port, requestText('GET /2 HTTP/1.1', 'Host: a', 'Connection: close'))
    const entered = run.mock.calls.filter(([scope]) => scope instanceof RequestScope).length
    run.mockRestore()
    return { seen, entered }
  }

  it('enters no scope for the listener of Node itself', async () => {
    expect(await ended(() => undefined)).toStrictEqual({ seen: [], entered: 1 })
  })

  it('is told to Node, which lets go of the request', async () => {
    const parsers: { readonly incoming: unknown }[] = []
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        parsers.push((req.socket as unknown as { parser: { incoming: unknown } }).parser)
        res.end('ok')
      }),
    )
    const agent = new http.Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    for (let count = 0; count < 3; count++) {
      await new Promise((resolve) => http.get({ port, agent }, (res) => res.resume().once('end', resolve)))
      await vi.waitFor(() => expect(parsers.map(({ incoming }) => incoming)).toStrictEqual(parsers.map(() => null)))
    }
    expect(parsers).toHaveLength(3)
  })

  it('enters it for any other, alone or not', async () => {
    expect(await ended((req, _res, see) => req.on('end', see))).toStrictEqual({ seen: ['/2'], entered: 2 })
    expect(await ended((req, res, see) => res.on('finish', () => req.on('end', see)))).toStrictEqual({
      seen: ['/2'],
      entered: 2,
    })
    expect(
      await ended((req, res, see) => res.on('close', () => req.removeAllListeners('end').on('end', see))),
    ).toStrictEqual({ seen: ['/2'], entered: 2 })
  })
})

describe('what inherits from a request or a response', () => {
  it('hears what it listens to, in the scope', async () => {
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        const heir = Object.create(req) as IncomingMessage
        let text = ''
        heir.on('data', (chunk: Buffer) => (text += `${String(chunk)} of ${unwrap(request).url}`))
        heir.on('end', () => res.end(text))
      }),
    )
    const answer = await exchange(
      port,
      `${requestText('POST /x HTTP/1.1', 'Host: a', 'Content-Length: 2', 'Connection: close')}hi`,
    )
    expect(answer).toMatch(/hi of \/x$/)
  })

  it('comes to what stands in the class, however many heirs there are', async () => {
    const told: unknown[] = []
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        const heir = Object.create(Object.create(req) as object) as IncomingMessage
        told.push(heir.emit('nobody'))
        heir.once('somebody', () => told.push(isBound(request)))
        told.push(heir.emit('somebody'))
        res.end()
      }),
    )
    await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))
    expect(told).toStrictEqual([false, true, true])
  })
})

it('a stand-in of a response, which does not count its listeners, has them called', () => {
  const listeners: (() => void)[] = []
  const response = {
    headersSent: false,
    writeHead: () => undefined,
    write: () => undefined,
    on: (_event: string, listener: () => void) => void listeners.push(listener),
    emit: (_event: string) => listeners.map((listener) => listener()).length > 0,
    end: () => response.emit('finish'),
  }
  const heard: unknown[] = []
  const app = requestContext((_req: IncomingMessage, res: ServerResponse) => {
    res.on('finish', () => heard.push(isBound(request)))
    res.end()
  })
  app(new http.IncomingMessage(new Socket()), response as never)
  expect(heard).toStrictEqual([true])
})
