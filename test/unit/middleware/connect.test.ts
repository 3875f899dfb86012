/** Connect's middleware in a stack: what its `next` does, and what becomes of errors. */

import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import cors from 'cors'
import morgan from 'morgan'
import { PassThrough } from 'node:stream'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connect, type FunctionHandler, ProxyFixError, stack } from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

type Next = (error?: unknown) => void
type Listener = (req: IncomingMessage, res: ServerResponse, next?: Next) => unknown

const mine = new Error('mine')

/** Sends a request to a listener; gives the response, and what was thrown or rejected. */
async function ask(
  listener: Listener,
  next?: Next,
  method = 'GET',
): Promise<{ response: RawResponse | undefined; errors: unknown[] }> {
  const errors: unknown[] = []
  const server = http.createServer((req, res) => {
    const failed = (error: unknown): void => {
      errors.push(error)
      res.destroy()
    }
    try {
      void Promise.resolve(next === undefined ? listener(req, res) : listener(req, res, next)).catch(failed)
    } catch (error) {
      failed(error)
    }
  })
  onTestFinished(() => close(server))
  const text = await exchange(
    await listen(server),
    requestText(`${method} /x HTTP/1.1`, 'Host: app', 'Connection: close'),
  )
  const [response] = parseResponses(text)
  return { response, errors }
}

function quiet(): ReturnType<typeof vi.spyOn> {
  const spy = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  onTestFinished(() => spy.mockRestore())
  return spy
}

const handler = (_req: IncomingMessage, res: ServerResponse): unknown => res.end('handler')

describe('connect()', () => {
  it('runs other people’s middleware in the order listed', async () => {
    const log = new PassThrough()
    const order: string[] = []
    const app = stack(
      handler,
      connect(morgan('tiny', { stream: log })),
      connect(cors({ origin: 'https://shop.example' })),
      connect((_req: IncomingMessage, _res: ServerResponse, next: Next) => {
        order.push('third')
        next()
      }),
    )
    const { response } = await ask(app)
    expect(response).toMatchObject({
      status: 200,
      body: 'handler',
      headers: { 'access-control-allow-origin': 'https://shop.example' },
    })
    expect(order).toStrictEqual(['third'])
    expect(String(log.read())).toMatch(/^GET \/x 200 /)
  })

  it('lets a middleware answer by itself', async () => {
    const called = vi.fn<() => void>()
    const app = connect((_req: IncomingMessage, res: ServerResponse, _next: Next) => void res.end('mine'))(
      called as unknown as Listener,
    )
    expect((await ask(app)).response).toMatchObject({ body: 'mine' })
    expect(called).not.toHaveBeenCalled()
  })

  it.each([
    { what: 'an error', error: mine, status: 500, isShown: true },
    { what: 'a text', error: 'mine', status: 500, isShown: true },
    {
      what: 'an error with a status',
      error: Object.assign(new Error('mine'), { status: 403 }),
      status: 403,
      isShown: false,
    },
    { what: 'an error with a statusCode', error: { statusCode: 413 }, status: 413, isShown: false },
    { what: 'an error with a status of 503', error: { status: 503 }, status: 503, isShown: true },
    { what: 'an error with a status of 200', error: { status: 200 }, status: 500, isShown: true },
  ])('answers $what that next() is given, once there is nobody else to', async ({ error, status, isShown }) => {
    const spy = quiet()
    const app = connect((_req: IncomingMessage, res: ServerResponse, next: Next) => {
      res.setHeader('x-half', '1')
      next(error)
    })(handler)
    const { response, errors } = await ask(app)
    expect(errors).toStrictEqual([])
    expect(response?.status).toBe(status)
    expect(response?.headers).not.toHaveProperty('x-half')
    expect(response?.headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(response?.body).not.toContain('mine')
    expect(spy).toHaveBeenCalledTimes(isShown ? 1 : 0)
  })

  it('gives an error to the next of whoever called the handler', async () => {
    const next = vi.fn<Next>()
    const app = connect((_req: IncomingMessage, _res: ServerResponse, own: Next) => own(mine))(handler)
    await ask((req, res) => {
      Reflect.apply(app as Listener, undefined, [req, res, next])
      res.end()
    })
    expect(next.mock.calls).toStrictEqual([[mine]])
  })

  it('cuts a response short that has begun when next() is given an error', async () => {
    quiet()
    const app = connect((_req: IncomingMessage, res: ServerResponse, next: Next) => {
      res.write('half')
      next(mine)
    })(handler)
    const server = http.createServer(app)
    onTestFinished(() => close(server))
    const sent = await exchange(await listen(server), requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close'))
    expect(sent).not.toMatch(/0\r\n\r\n$/)
  })

  it('cuts it short over HTTP/2 too, where an end is told from a failure by its code', async () => {
    quiet()
    const app = connect((_req: IncomingMessage, res: ServerResponse, next: Next) => {
      res.write('half')
      next(mine)
    })(handler)
    const server = http2.createServer(app as never).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/' }).resume()
    stream.on('error', () => undefined)
    await new Promise((resolve) => stream.once('close', resolve))
    expect(stream.rstCode).not.toBe(http2.constants.NGHTTP2_NO_ERROR)
  })

  it.each<{ what: string; middleware: (req: IncomingMessage, res: ServerResponse, next: Next) => unknown }>([
    {
      what: 'throws',
      middleware: () => {
        throw mine
      },
    },
    { what: 'is rejected', middleware: () => Promise.reject(mine) },
  ])('answers for a middleware that $what, as Connect does', async ({ middleware }) => {
    quiet()
    const { response, errors } = await ask(connect(middleware)(handler))
    expect(errors).toStrictEqual([])
    expect(response).toMatchObject({ status: 500 })
  })

  it.each<{ what: string; middleware: (req: IncomingMessage, res: ServerResponse, next: Next) => unknown }>([
    { what: 'a middleware', middleware: (_req, _res, next) => next() },
    { what: 'an async middleware', middleware: async (_req, _res, next) => next() },
    {
      what: 'an async middleware that waits',
      middleware: async (_req, _res, next) => {
        await Promise.resolve()
        next()
      },
    },
  ])('passes on what the handler throws behind $what, and nothing else', async ({ middleware }) => {
    quiet()
    const app = connect(middleware)(() => {
      throw mine
    })
    const { errors } = await ask(app)
    expect(errors).toStrictEqual([mine])
  })

  it('gives back what the handler does, behind an async middleware too', async () => {
    const results: unknown[] = []
    const app = (middleware: (req: IncomingMessage, res: ServerResponse, next: Next) => unknown): Listener =>
      connect(middleware)((_req: IncomingMessage, res: ServerResponse) => {
        res.end()
        return 'result'
      })
    for (const one of [
      (_req: IncomingMessage, _res: ServerResponse, next: Next) => next(),
      async (_req: IncomingMessage, _res: ServerResponse, next: Next) => next(),
    ]) {
      const wrapped = app(one)
      await ask(async (req, res) => void results.push(await wrapped(req, res)))
    }
    expect(results).toStrictEqual(['result', 'result'])
  })

  it('says so when next() is called twice, and the handler runs once', async () => {
    const called = vi.fn<(req: IncomingMessage, res: ServerResponse) => unknown>((_req, res) => res.end('once'))
    function twice(_req: IncomingMessage, _res: ServerResponse, next: Next): void {
      next()
      next()
    }
    const { errors } = await ask(connect(twice)(called))
    expect(called).toHaveBeenCalledOnce()
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({
      code: 'ERR_PROXYFIX_REWRITE',
      message: 'twice called next() twice: is a return missing behind the first one?',
    })
  })

  it('lets upgrades go past it, to whom they belong', () => {
    const middleware = vi.fn<() => void>()
    const seen: unknown[] = []
    const listener = connect(middleware)((...args: unknown[]) => void seen.push(...args))
    const socket = { remoteAddress: '127.0.0.1' }
    const req = { rawHeaders: [], headers: {}, socket }
    const head = Buffer.alloc(0)
    Reflect.apply(listener, undefined, [req, socket, head])
    expect(seen).toStrictEqual([req, socket, head])
    expect(middleware).not.toHaveBeenCalled()
  })

  it.each([
    { what: 'nothing', value: undefined, says: 'connect needs a middleware (req, res, next), not undefined' },
    { what: 'an object', value: {}, says: 'connect needs a middleware (req, res, next), not an object' },
    {
      what: 'a middleware for errors',
      value: (_e: unknown, _r: unknown, _s: unknown, _n: unknown) => undefined,
      says: 'connect cannot take a middleware for errors',
    },
  ])('refuses $what', ({ value, says }) => {
    const error = errorOf(() => connect(value as never))
    expect(error.code).toBe('ERR_PROXYFIX_OPTION')
    expect(error.message).toContain(says)
  })

  it('needs Node requests', () => {
    function helmet(_req: never, _res: never, next: Next): void {
      next()
    }
    const wrapped = connect(helmet)((_request: Request) => new Response())
    const error = errorOf(() => wrapped(new Request('http://app.example/')))
    expect(error.code).toBe('ERR_PROXYFIX_REWRITE')
    expect(error.message).toContain(
      'connect(helmet) was called without a Node request: Connect middleware needs (req, res), so take what the framework has for it',
    )
    const inFetch = errorOf(() => connect(helmet)({ fetch: () => new Response() }))
    expect(inFetch.message).toContain('connect(helmet) cannot stand in front of an app with a fetch method')
    const two = errorOf(() => (connect as (...all: unknown[]) => unknown)(helmet, helmet))
    expect(two.message).toContain('connect takes one middleware: list each by itself')
    expect(errorOf(() => connect(helmet)({} as unknown as FunctionHandler)).message).toContain(
      'connect(helmet) cannot wrap',
    )
  })
})

function errorOf(action: () => unknown): ProxyFixError {
  try {
    action()
  } catch (error) {
    if (error instanceof ProxyFixError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
