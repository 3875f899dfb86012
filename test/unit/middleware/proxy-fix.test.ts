/** What the wrapper is to the one who wraps, to the one who calls, and to the one who is refused. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { runInNewContext } from 'node:vm'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import {
  connectionInfo,
  type DecisionEvent,
  type Handler,
  proxyFix,
  ProxyFixError,
  type ProxyFixOptions,
  trustPolicy,
  warnOnce,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

/** Sends requests to a listener, one connection each. */
async function serve(listener: http.RequestListener): Promise<(...headers: readonly string[]) => Promise<RawResponse>> {
  const server = http.createServer(listener)
  onTestFinished(() => close(server))
  const port = await listen(server)
  return async (...headers) => {
    const text = requestText('GET /x HTTP/1.1', 'Host: app', 'Connection: close', ...headers)
    const [response] = parseResponses(await exchange(port, text))
    if (response === undefined) throw new Error('no response')
    return response
  }
}

function fetchRequest(headers: Record<string, string> = {}): Request {
  return new Request('http://app/x', { headers })
}

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof ProxyFixError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a wrapped function', () => {
  it('has the type of the one inside', () => {
    const listener = (_req: IncomingMessage, _res: ServerResponse): void => {}
    const handler = async (_request: Request, _env: { key: string }): Promise<Response> => new Response()
    expectTypeOf(proxyFix(listener, { xFor: 1 })).toEqualTypeOf(listener)
    expectTypeOf(proxyFix({ xFor: 1 })(handler)).toEqualTypeOf(handler)
    expectTypeOf(proxyFix(handler)).toEqualTypeOf(handler)
  })

  it('gives an inline Fetch handler the types of its parameters, and keeps those of a Node handler', () => {
    proxyFix((request) => {
      expectTypeOf(request).toEqualTypeOf<Request>()
      return new Response()
    })
    const connect = proxyFix((_req: IncomingMessage, res: ServerResponse, next: () => void) => {
      res.setHeader('server', 'x')
      next()
    })
    expectTypeOf(connect).parameters.toEqualTypeOf<[IncomingMessage, ServerResponse, () => void]>()
    proxyFix({
      fetch: (request) => {
        expectTypeOf(request).toEqualTypeOf<Request>()
        return new Response()
      },
    })
    expectTypeOf(proxyFix(express())).toEqualTypeOf(express())
    expectTypeOf(proxyFix(new Hono())).toEqualTypeOf(new Hono())
    expectTypeOf(proxyFix(async (_request: Request) => new Response())).returns.toEqualTypeOf<Promise<Response>>()
  })

  it('is not made of what is no handler and no options', () => {
    const makers = [
      // @ts-expect-error A text is neither.
      () => proxyFix('x'),
      // @ts-expect-error It is spelt xFor.
      () => proxyFix({ xfor: 1 }),
    ]
    for (const make of makers) expect(make).toThrow(ProxyFixError)
  })

  it('has its name, length, members and prototype', () => {
    const app = express()
    const wrapped = proxyFix(app, { xFor: 1 })
    expect([wrapped.name, wrapped.length]).toStrictEqual([app.name, 3])
    expect(wrapped.listen).toBe(app.listen)
    Object.assign(wrapped, { title: 'shop' })
    expect(Reflect.get(app, 'title')).toBe('shop')
    expect(Object.getPrototypeOf(wrapped)).toBe(Object.getPrototypeOf(app))
    expect(Object.keys(wrapped)).toStrictEqual(Object.keys(app))
    function namedHandler(_request: Request): Response {
      return new Response()
    }
    expect([proxyFix(namedHandler).name, proxyFix(namedHandler).length]).toStrictEqual(['namedHandler', 1])
  })

  it('is called with the same this, arguments and return value', async () => {
    const seen: unknown[] = []
    const returned = Promise.resolve(new Response('ok'))
    const owner = {
      handle: proxyFix(function handle(this: unknown, ...args: unknown[]) {
        seen.push(this, ...args)
        return returned
      }),
    }
    const [env, context] = [{ key: 1 }, { waitUntil: () => {} }]
    const request = fetchRequest()
    expect(owner.handle(request, env, context)).toBe(returned)
    expect(seen).toStrictEqual([owner, request, env, context])
    expect(seen[1]).toBe(request)
    expect(seen[2]).toBe(env)
  })

  it('passes next on to a Connect middleware, and the very request and response', async () => {
    const seen: unknown[] = []
    const middleware = proxyFix((req: IncomingMessage, _res: ServerResponse, next: (error?: Error) => void) => {
      seen.push(req.socket.remoteAddress)
      next()
    })
    const ask = await serve((req, res) => {
      middleware(req, res, () => {
        seen.push(connectionInfo(req).client.address)
        res.end()
      })
    })
    await ask('X-Forwarded-For: 203.0.113.7')
    expect(seen).toStrictEqual(['203.0.113.7', '203.0.113.7'])
  })

  it('throws and rejects what the one inside does', async () => {
    const error = new Error('mine')
    const throws = proxyFix((_request: Request): Response => {
      throw error
    })
    const rejects = proxyFix((_request: Request): Promise<Response> => Promise.reject(error))
    expect(() => throws(fetchRequest())).toThrow(error)
    await expect(rejects(fetchRequest())).rejects.toBe(error)
  })

  it.each([
    { args: [] },
    { args: [undefined] },
    { args: [null, {}] },
    { args: ['GET /'] },
    { args: [{ url: '/' }, {}] },
  ])('says so in one sentence when it is called with $args, which holds no request', ({ args }) => {
    const called = vi.fn<() => void>()
    const wrapped = proxyFix((..._args: unknown[]) => called())
    expect(messageOf(() => wrapped(...args))).toMatch(/^[^.]*called without a request[^.]*\.$/)
    expect(called).not.toHaveBeenCalled()
  })

  it('answers Node and Fetch by the first argument of each call', async () => {
    const seen: unknown[] = []
    const wrapped = proxyFix((request: Request | IncomingMessage, res?: ServerResponse) => {
      seen.push(connectionInfo(request).client.address)
      res?.end()
    })
    const ask = await serve((req, res) => void wrapped(req, res))
    await ask('X-Forwarded-For: 203.0.113.1')
    wrapped(fetchRequest({ 'x-forwarded-for': '203.0.113.2' }))
    expect(seen).toStrictEqual(['203.0.113.1', '203.0.113.2'])
  })
})

describe('a wrapped object with a fetch method', () => {
  class App {
    #calls = 0
    routes = ['/']
    name = 'app'

    fetch(request: Request, env?: unknown): Response {
      this.#calls++
      return new Response(
        `${this.#calls} ${this.name} ${request.url} ${request.headers.get('x-forwarded-for')} ${JSON.stringify(env)}`,
      )
    }

    get calls(): number {
      return this.#calls
    }

    reset(): number {
      const before = this.#calls
      this.#calls = 0
      return before
    }

    route(path: string): this {
      this.routes.push(path)
      return this
    }
  }

  const request = (): Request =>
    fetchRequest({ 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-proto': 'https' })

  it('has its type and is an instance of its class', () => {
    const app = new App()
    const wrapped = proxyFix(app)
    expectTypeOf(wrapped).toEqualTypeOf(app)
    expect(wrapped).toBeInstanceOf(App)
    expect(wrapped.constructor).toBe(App)
  })

  it('runs fetch on the object itself, private fields included', async () => {
    const app = new App()
    const wrapped = proxyFix(app)
    expect(await wrapped.fetch(request(), { key: 1 }).text()).toBe('1 app https://app/x 203.0.113.7 {"key":1}')
    expect([app.calls, wrapped.calls]).toStrictEqual([1, 1])
  })

  it('keeps its other members and what is written to them', () => {
    const app = new App()
    const wrapped = proxyFix(app)
    wrapped.name = 'renamed'
    expect(app.name).toBe('renamed')
    expect(wrapped.routes).toBe(app.routes)
    expect(wrapped.fetch).toBe(wrapped.fetch)
    void wrapped.fetch(request())
    expect([wrapped.reset(), app.calls]).toStrictEqual([1, 0])
    expect(Object.keys(wrapped)).toStrictEqual(['fetch', 'routes', 'name']) // so that a copy is wrapped as well
    expect(['fetch' in wrapped, 'nonsense' in wrapped]).toStrictEqual([true, false])
  })

  it('stays wrapped where a method gives back this, or a chain would end outside', async () => {
    const app = new App()
    const wrapped = proxyFix(app)
    expect(wrapped.route('/x')).toBe(wrapped)
    expect(await wrapped.route('/y').fetch(request()).text()).toContain('203.0.113.7')
  })

  it('stays wrapped through the chained methods of Hono, which are arrow functions of the app', async () => {
    const hono = proxyFix(new Hono()).get('/x', (c) => c.text(c.req.url))
    expect(await (await hono.fetch(request())).text()).toBe('https://app/x')
  })

  it('lets fetch be patched, and the patch be undone', async () => {
    const app = new App()
    const wrapped = proxyFix(app)
    const original = wrapped.fetch
    let calls = 0
    // What monitoring agents do: wrap a method, call the one from before, and put it back.
    wrapped.fetch = (received, env) => {
      calls++
      return Reflect.apply(original, wrapped, [received, env])
    }
    expect(await wrapped.fetch(request()).text()).toContain('https://app/x 203.0.113.7')
    wrapped.fetch = original
    expect(await wrapped.fetch(request()).text()).toContain('https://app/x 203.0.113.7')
    expect(calls).toBe(1)
  })

  it('stays fixed when another fetch is put in the place of the one inside', async () => {
    const wrapped = proxyFix(new App())
    wrapped.fetch = (received) => new Response(`replaced ${received.url}`)
    expect(await wrapped.fetch(request()).text()).toBe('replaced https://app/x')
  })

  it('may be frozen', async () => {
    const wrapped = proxyFix(Object.freeze({ fetch: (received: Request) => new Response(received.url) }))
    expect(await wrapped.fetch(request()).text()).toBe('https://app/x')
  })

  it('gives a fetch that works on its own, if the one inside does', async () => {
    const { fetch } = proxyFix({ fetch: (received: Request) => new Response(received.url) })
    expect(await fetch(request()).text()).toBe('https://app/x')
  })

  it('leaves the object alone', async () => {
    const app = new App()
    proxyFix(app)
    expect(await app.fetch(request()).text()).toContain('http://app/x')
  })
})

describe('the middleware form', () => {
  const handler = (request: Request): Response => new Response(connectionInfo(request).client.address)
  const listOf = (): Request => fetchRequest({ 'x-forwarded-for': '6.6.6.6, 203.0.113.1, 203.0.113.2' })

  it.each<{ name: string; wrap: (inner: typeof handler) => typeof handler; client: string }>([
    { name: 'proxyFix(options)', wrap: proxyFix({ xFor: 2 }), client: '203.0.113.1' },
    { name: 'proxyFix(policy)', wrap: proxyFix(trustPolicy({ xFor: 2 })), client: '203.0.113.1' },
    { name: 'proxyFix()', wrap: proxyFix(), client: '203.0.113.2' },
    { name: 'proxyFix({})', wrap: proxyFix({}), client: '203.0.113.2' },
    {
      name: 'options without a prototype',
      wrap: proxyFix(Object.assign(Object.create(null) as ProxyFixOptions, { xFor: 2 })),
      client: '203.0.113.1',
    },
    {
      name: 'proxyFix(handler, policy)',
      wrap: (inner) => proxyFix(inner, trustPolicy({ xFor: 2 })),
      client: '203.0.113.1',
    },
    { name: 'proxyFix(handler)', wrap: (inner) => proxyFix(inner), client: '203.0.113.2' },
  ])('$name wraps', async ({ wrap, client }) => {
    expect(await wrap(handler)(listOf()).text()).toBe(client)
  })

  it('wraps any number of handlers by the same policy', async () => {
    const fix = proxyFix({ xFor: 2 })
    const [one, two] = [fix(handler), fix({ fetch: handler })]
    expect([await one(listOf()).text(), await two.fetch(listOf()).text()]).toStrictEqual(['203.0.113.1', '203.0.113.1'])
  })

  it.each([{ xFor: -1 }, { xfor: 1 }, { headers: 'drop' }])('checks %o at once', (options) => {
    expect(() => proxyFix(options as ProxyFixOptions)).toThrow(ProxyFixError)
    expect(() => proxyFix(handler, options as ProxyFixOptions)).toThrow(ProxyFixError)
  })
})

describe('the middleware form in app.use()', () => {
  it('is a Connect middleware, and wraps handlers still', async () => {
    const fix = proxyFix({ xFor: 1 })
    const app = express()
    app.use(fix)
    app.get('/x', (req, res) => res.json([req.ip, connectionInfo(req).client.address]))
    const ask = await serve(app)
    expect((await ask('X-Forwarded-For: 6.6.6.6, 203.0.113.7')).body).toBe('["203.0.113.7","203.0.113.7"]')
    const wrapped = fix((request: Request) => new Response(connectionInfo(request).client.address))
    expect(await wrapped(fetchRequest({ 'x-forwarded-for': '203.0.113.8' })).text()).toBe('203.0.113.8')
  })

  it('refuses, and the app behind it is not asked', async () => {
    const called = vi.fn<() => void>()
    const app = express()
    app.use(proxyFix({ xFor: 1, onInvalid: 'reject' }))
    app.get('/x', called)
    const { status, body } = await (await serve(app))('X-Forwarded-For: junk')
    expect(status).toBe(400)
    expect(body).toMatch(/^Bad request: [^\n]*X-Forwarded-For[^\n]*\.\n$/)
    expect(called).not.toHaveBeenCalled()
  })

  it('says so when it is called without next', async () => {
    const middleware = proxyFix({ xFor: 1 })
    const listener = middleware as unknown as (req: IncomingMessage, res: ServerResponse) => void
    const thrown = new Promise<unknown>((resolve) => {
      const server = http.createServer((req, res) => {
        try {
          listener(req, res)
        } catch (error) {
          resolve(error)
        }
        res.end()
      })
      onTestFinished(() => close(server))
      void listen(server).then((port) =>
        exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
      )
    })
    expect(await thrown).toMatchObject({
      code: 'ERR_PROXYFIX_OPTION',
      message: expect.stringContaining('give it a handler to wrap') as string,
    })
  })
})

describe('what is no handler', () => {
  class App {
    fetch(): Response {
      return new Response()
    }
  }

  it.each<{ name: string; value: unknown; says: string }>([
    { name: 'null', value: null, says: 'null' },
    { name: 'undefined', value: undefined, says: 'undefined' },
    { name: 'a number', value: 42, says: 'number' },
    { name: 'a text', value: 'app', says: 'string' },
    { name: 'an array', value: [], says: 'object' },
    { name: 'an empty object', value: {}, says: 'object' },
    { name: 'an object with a fetch that is no method', value: { fetch: true }, says: 'object' },
    { name: 'a class', value: App, says: 'a class: give an instance of it' },
    { name: 'a Koa app', value: new Koa({ proxy: false }), says: 'app.callback()' },
    { name: 'a Fastify app', value: fastify(), says: 'app.routing' },
  ])('$name is named in one sentence, with the remedy', ({ value, says }) => {
    // As a caller without types would.
    const message = messageOf(() => proxyFix(value as Handler, { xFor: 1 }))
    expect(message).toContain(says)
    expect(message).toMatch(/^proxyFix cannot wrap .*\.$/)
    expect(message.split(/\.\s/)).toHaveLength(1)
  })

  it('a method that is called class is none', () => {
    const app = {
      class(_req: IncomingMessage, res: ServerResponse): void {
        res.end()
      },
    }
    expect(typeof proxyFix(app.class, { xFor: 1 })).toBe('function')
  })

  it.each<{ name: string; value: unknown; says: string }>([
    { name: 'a Koa app', value: new Koa({ proxy: false }), says: 'app.callback()' },
    { name: 'a Fastify app', value: fastify(), says: 'app.routing' },
    { name: 'an array', value: [], says: 'object' },
    { name: 'a class', value: App, says: 'proxyFix cannot wrap a class' },
  ])('$name is not taken for options when it comes alone', ({ value, says }) => {
    expect(messageOf(() => proxyFix(value as Handler))).toContain(says)
  })
})

describe('a refusal', () => {
  const refused: [string, ProxyFixOptions, string][] = [
    ['an invalid value', { onInvalid: 'reject' }, 'X-Forwarded-For'],
    ['a required header that is missing', { required: ['proto'] }, 'X-Forwarded-Proto'],
    ['a host that is not allowed', { allowedHosts: ['shop.example'] }, 'host'],
  ]

  it.each(refused)('of %s is 400 text/plain in one sentence to a Node client', async (_name, options, says) => {
    const called = vi.fn<() => void>()
    const ask = await serve(proxyFix(called as http.RequestListener, options))
    const { status, headers, body } = await ask('X-Forwarded-For: <script>alert(1)</script>')
    expect(called).not.toHaveBeenCalled()
    expect(status).toBe(400)
    expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' })
    expect(body).toMatch(/^Bad request: [^\n]+\.\n$/)
    expect(body).toContain(says)
    expect(body).not.toContain('script')
  })

  it.each(refused)('of %s is 400 text/plain in one sentence to a Fetch handler', async (_name, options, says) => {
    const called = vi.fn<(request: Request) => Response>()
    const wrapped = proxyFix(called, options)
    const response = wrapped(fetchRequest({ 'x-forwarded-for': '<script>alert(1)</script>' }))
    expect(called).not.toHaveBeenCalled()
    expect(response.status).toBe(400)
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    const body = await response.text()
    expect(body).toMatch(/^Bad request: [^\n]+\.\n$/)
    expect(body).toContain(says)
    expect(body).not.toContain('script')
  })

  it('leaves the connection to the next request', async () => {
    const server = http.createServer(
      proxyFix((_req: IncomingMessage, res: ServerResponse) => void res.end('served'), { onInvalid: 'reject' }),
    )
    onTestFinished(() => close(server))
    const body = 'x'.repeat(1000)
    const answer = await exchange(
      await listen(server),
      requestText('POST / HTTP/1.1', 'Host: app', 'X-Forwarded-For: junk', `Content-Length: ${body.length}`) +
        body +
        requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close'),
    )
    const [first, second] = answer.split(/(?=HTTP\/1\.1 )/)
    expect(first).toMatch(/^HTTP\/1\.1 400 /)
    expect(second).toMatch(/^HTTP\/1\.1 200 .*served$/s)
  })

  it('never calls the handler again when it was wrapped twice', async () => {
    const called = vi.fn<() => void>()
    const inner = proxyFix(called as http.RequestListener)
    const ask = await serve(proxyFix(inner, { onInvalid: 'reject' }))
    expect((await ask('X-Forwarded-For: junk')).status).toBe(400)
    expect(called).not.toHaveBeenCalled()
  })
})

describe('onDecision and the diagnostics channel (contract rule 7)', () => {
  function listenToChannel(): DecisionEvent[] {
    const events: DecisionEvent[] = []
    const onMessage = (message: unknown): void => void events.push(message as DecisionEvent)
    subscribe('proxyfix:decision', onMessage)
    onTestFinished(() => void unsubscribe('proxyfix:decision', onMessage))
    return events
  }

  it.each<{ name: string; headers: Record<string, string>; options: ProxyFixOptions; told: boolean }>([
    { name: 'nothing of a request without forwarding headers', headers: {}, options: {}, told: false },
    { name: 'nothing of values that count', headers: { 'x-forwarded-for': '203.0.113.7' }, options: {}, told: false },
    {
      name: 'nothing of headers that are not configured',
      headers: { 'x-forwarded-host': 'a@b' },
      options: {},
      told: false,
    },
    { name: 'an invalid value', headers: { 'x-forwarded-for': 'junk' }, options: {}, told: true },
    { name: 'a short list', headers: { 'x-forwarded-for': '203.0.113.7' }, options: { xFor: 2 }, told: true },
    { name: 'an empty value', headers: { 'x-forwarded-for': '' }, options: {}, told: true },
    { name: 'a refused host', headers: {}, options: { allowedHosts: [] }, told: true },
    { name: 'a required header that is absent', headers: {}, options: { required: ['for'] }, told: true },
  ])('tell $name', ({ headers, options, told }) => {
    const onDecision = vi.fn<(event: DecisionEvent) => void>()
    const events = listenToChannel()
    void proxyFix((_request: Request) => new Response(), { ...options, onDecision })(fetchRequest(headers))
    expect(onDecision).toHaveBeenCalledTimes(told ? 1 : 0)
    expect(events).toHaveLength(told ? 1 : 0)
  })

  it('tell the whole decision, once a request', async () => {
    const onDecision = vi.fn<(event: DecisionEvent) => void>()
    const events = listenToChannel()
    const listener = proxyFix((_req: IncomingMessage, res: ServerResponse) => void res.end(), {
      onInvalid: 'reject',
      onDecision,
    })
    const ask = await serve(listener)
    await ask('X-Forwarded-For: junk')
    expect(onDecision).toHaveBeenCalledOnce()
    const info = onDecision.mock.calls[0]?.[0].info
    expect(info).toMatchObject({
      client: { address: '127.0.0.1' },
      rejected: [{ field: 'for', value: 'junk' }],
      refusal: { status: 400, field: 'for' },
    })
    expect(events.map((event) => event.info)).toStrictEqual([info])
  })

  it('are not told twice about a request that is fixed twice', () => {
    const onDecision = vi.fn<(event: DecisionEvent) => void>()
    const inner = proxyFix((_request: Request) => new Response(), { onDecision })
    void proxyFix(inner, { onDecision })(fetchRequest({ 'x-forwarded-for': 'junk' }))
    expect(onDecision).toHaveBeenCalledOnce()
  })

  it('that throws decides nothing and is reported as a warning, once for all requests', async () => {
    vi.resetModules() // for a copy that has not warned yet
    const { proxyFix: freshProxyFix } = await import('../../../src/index.ts')
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    onTestFinished(() => emitWarning.mockRestore())
    const onDecision = (): void => {
      throw new Error('mine')
    }
    const wrapped = freshProxyFix((request: Request) => new Response(request.url), { onDecision })
    for (let round = 0; round < 3; round++) {
      expect(await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' })).text()).toBe('http://app/x')
    }
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('mine'), {
      type: 'ProxyFixWarning',
      code: 'PROXYFIX_ON_DECISION',
    })
  })

  it('that rejects is reported as a warning, and as nothing else', async () => {
    vi.resetModules() // for a copy that has not warned yet
    const { proxyFix: freshProxyFix } = await import('../../../src/index.ts')
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    const others = process.listeners('unhandledRejection')
    const onUnhandled = vi.fn<() => void>()
    process.removeAllListeners('unhandledRejection') // the test runner's would end the run
    process.on('unhandledRejection', onUnhandled)
    onTestFinished(() => {
      emitWarning.mockRestore()
      process.removeAllListeners('unhandledRejection')
      for (const listener of others) process.on('unhandledRejection', listener)
    })
    const onDecision = (): Promise<void> => Promise.reject(new Error('mine, later'))
    const wrapped = freshProxyFix((request: Request) => new Response(request.url), { onDecision })
    for (let round = 0; round < 3; round++) {
      expect(await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' })).text()).toBe('http://app/x')
    }
    await new Promise((resolve) => setTimeout(resolve))
    expect(onUnhandled).not.toHaveBeenCalled()
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('mine, later'), {
      type: 'ProxyFixWarning',
      code: 'PROXYFIX_ON_DECISION',
    })
  })

  /** What has a `then` and is no Promise. */
  function thenable(
    then: ((resolve: unknown, reject: (error: unknown) => void) => void) | string | null,
    on: object = {},
  ): object {
    // oxlint-disable-next-line unicorn/no-thenable -- which is what is tested
    return Object.defineProperty(on, 'then', { value: then })
  }

  it.each<{ name: string; onDecision: () => unknown; told: string }>([
    {
      name: 'a thenable that is no Promise and rejects',
      onDecision: () => thenable((_, reject) => reject(new Error('mine, not of Promise'))),
      told: 'mine, not of Promise',
    },
    {
      name: 'a thenable whose then throws',
      onDecision: () =>
        thenable(() => {
          throw new Error('mine, of then')
        }),
      told: 'mine, of then',
    },
    {
      name: 'a function with a then',
      onDecision: () =>
        thenable(
          (_, reject) => reject('no Error'),
          () => {},
        ),
      told: 'something that is no Error',
    },
    {
      name: 'a promise of another realm',
      onDecision: () => runInNewContext("Promise.reject(new Error('mine, of another realm'))") as unknown,
      told: 'onDecision threw',
    },
    {
      name: 'warnOnce, which was not called',
      onDecision: warnOnce as () => unknown,
      told: 'write onDecision: warnOnce().',
    },
  ])('may give $name: told as a warning, and nothing else', async ({ onDecision, told }) => {
    vi.resetModules() // for a copy that has not warned yet
    const { proxyFix: freshProxyFix } = await import('../../../src/index.ts')
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    const others = process.listeners('unhandledRejection')
    const onUnhandled = vi.fn<() => void>()
    process.removeAllListeners('unhandledRejection') // the test runner's would end the run
    process.on('unhandledRejection', onUnhandled)
    onTestFinished(() => {
      emitWarning.mockRestore()
      process.removeAllListeners('unhandledRejection')
      for (const listener of others) process.on('unhandledRejection', listener)
    })
    const wrapped = freshProxyFix((request: Request) => new Response(request.url), { onDecision })
    for (let round = 0; round < 2; round++) {
      expect(await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' })).text()).toBe('http://app/x')
    }
    await new Promise((resolve) => setTimeout(resolve))
    expect(onUnhandled).not.toHaveBeenCalled()
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining(told), {
      type: 'ProxyFixWarning',
      code: 'PROXYFIX_ON_DECISION',
    })
  })

  it.each([undefined, null, 0, '', 'then', {}, thenable('later'), thenable(null)])('may give %o', async (given) => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    onTestFinished(() => emitWarning.mockRestore())
    const onDecision = (() => given) as () => void
    const wrapped = proxyFix((request: Request) => new Response(request.url), { onDecision })
    expect(await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' })).text()).toBe('http://app/x')
    expect(emitWarning).not.toHaveBeenCalled()
  })

  it('is given plain data, which later changes of the request do not reach', async () => {
    const events: DecisionEvent[] = []
    const wrapped = proxyFix((request: Request) => new Response(request.url), {
      onInvalid: 'reject',
      onDecision: (event) => void events.push(event),
    })
    await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' }))
    await wrapped(fetchRequest({ 'x-forwarded-for': '' }))
    const [refused, ignored] = events.map(({ info }) => info)
    expect(Object.getPrototypeOf(refused)).toBe(Object.prototype)
    expect({ ...refused }).toMatchObject({
      verdicts: { for: 'invalid', proto: 'absent', host: 'not-configured' },
      rejected: [{ field: 'for', value: 'junk' }],
      refusal: { status: 400, field: 'for' },
    })
    expect({ ...ignored }).toMatchObject({ verdicts: { for: 'empty' } })
    expect('refusal' in ignored!).toBe(false)
    expect(Object.keys(refused!)).toStrictEqual([...Object.keys(ignored!), 'refusal'])
    expect((JSON.parse(JSON.stringify(refused)) as typeof refused)?.verdicts).toStrictEqual(refused?.verdicts)
  })

  it.each([
    { thrown: undefined },
    { thrown: null },
    { thrown: Object.create(null) as object },
    { thrown: Symbol('mine') },
  ])('may throw $thrown as well', async ({ thrown }) => {
    const emitWarning = vi.spyOn(process, 'emitWarning').mockReturnValue(undefined)
    onTestFinished(() => emitWarning.mockRestore())
    const wrapped = proxyFix((request: Request) => new Response(request.url), {
      onDecision() {
        throw thrown
      },
    })
    expect(await wrapped(fetchRequest({ 'x-forwarded-for': 'junk' })).text()).toBe('http://app/x')
  })
})
