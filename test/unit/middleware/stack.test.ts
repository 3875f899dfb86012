/** Middlewares in a list: their order, what may be listed, and what is said of a mistake. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  allowHosts,
  connect,
  type Handler,
  HeaderRewriter,
  type Middleware,
  mount,
  proxyFix,
  ProxyFixError,
  requestId,
  type RewritableRequest,
  type RewritableResponse,
  stack,
  type StackItem,
} from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'
import { ask, KINDS } from './both-kinds.ts'

/** A rewriter that leaves its name on requests and responses. */
function naming(name: string): HeaderRewriter {
  return Object.assign(new HeaderRewriter(), {
    rewrite: ({ headers }: RewritableRequest) => headers.append('x-order', name),
    rewriteResponse: ({ headers }: RewritableResponse) => headers.append('x-order', name),
  })
}

class First extends HeaderRewriter {
  override rewrite({ headers }: RewritableRequest): void {
    headers.append('x-order', 'First')
  }
}

/** A middleware as people write it by hand, for any handler that is a function. */
function byHand(name: string): StackItem {
  return (handler: (...args: unknown[]) => unknown) => naming(name).wrap(handler)
}

describe.each(KINDS)('a stack around a %s handler', (kind) => {
  const asked = async (wrap: Middleware): Promise<unknown> => {
    const { seen, headers, error } = await ask(kind, wrap, {}, { headers: [['x-order', 'handler']] })
    expect(error).toBeUndefined()
    return [seen.map((one) => one.headers['x-order']), Object.fromEntries(headers)['x-order']]
  }

  it('has the first listed see the request first and the response last', async () => {
    const items = [naming('a'), naming('b'), naming('c')]
    const expected = [['a, b, c'], 'handler, c, b, a']
    expect(await asked(stack(...items))).toStrictEqual(expected)
    expect(await asked((handler) => stack(handler, ...items))).toStrictEqual(expected)
  })

  it('takes instances, classes, the library’s middlewares, middlewares by hand and stacks', async () => {
    const wrap: Middleware = (handler) =>
      stack(handler, naming('a'), First, byHand('b'), proxyFix({ xFor: 1 }), stack(naming('c'), naming('d')))
    expect(await asked(wrap)).toStrictEqual([['a, First, b, c, d'], 'handler, d, c, b, a'])
  })

  it('makes one instance of a class, and wraps any number of handlers with it', async () => {
    const made = vi.fn<() => void>()
    class Counted extends HeaderRewriter {
      constructor() {
        super()
        made()
      }
      override rewrite(): void {}
    }
    const wrap = stack(Counted)
    await ask(kind, wrap)
    await ask(kind, wrap)
    expect(made).toHaveBeenCalledOnce()
  })

  it('begins with a middleware by hand, which could be a Fetch handler by its looks', async () => {
    const wrap = stack(byHand('a'), naming('b')) as Middleware
    expect(await asked(wrap)).toStrictEqual([['a, b'], 'handler, b, a'])
  })

  it('judges the host by where it is listed: the two orders of the guide', async () => {
    const question = { headers: { 'x-forwarded-host': 'shop.example' } }
    const [fix, allow] = [proxyFix({ xHost: 1 }), allowHosts(['shop.example'])]
    expect(await ask(kind, stack(fix, allow), question)).toMatchObject({ status: 200 })
    expect(await ask(kind, stack(allow, fix), question)).toMatchObject({ status: 400, seen: [] })
  })
})

describe('an empty stack', () => {
  const handlers: readonly Handler[] = [
    (_request: Request) => new Response(),
    { fetch: () => new Response() },
    http.createServer(),
    () => undefined,
  ]

  it('is the handler itself', () => {
    for (const handler of handlers) {
      expect(stack()(handler)).toBe(handler)
      expect(stack(handler)).toBe(handler)
    }
  })
})

describe('handlers', () => {
  it('of one parameter that come first are told from middlewares when they are called', async () => {
    const app = stack((request) => new Response(request.headers.get('x-order')), naming('a'), naming('b'))
    const response = await app(new Request('http://app.example/'))
    expect([await response.text(), response.headers.get('x-order')]).toStrictEqual(['a, b', 'b, a'])
  })

  it('with a fetch method are wrapped as such', async () => {
    const app = stack(
      { fetch: (request: Request) => new Response(request.headers.get('x-order')), name: 'app' },
      naming('a'),
    )
    expect(app.name).toBe('app')
    expect(await app.fetch(new Request('http://app.example/')).text()).toBe('a')
  })

  it('that are whole servers are wrapped in place, in order, WebSockets too', async () => {
    const server = http.createServer((req, res) => res.end(String(req.headers['x-order'])))
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket, req) => socket.send(String(req.headers['x-order'])))
    expect(stack(server, naming('a'), naming('b'), proxyFix({ xFor: 1 }))).toBe(server)
    onTestFinished(() => close(server))
    onTestFinished(() => sockets.close())
    const port = await listen(server)
    const [response] = parseResponses(
      await exchange(port, requestText('GET / HTTP/1.1', 'Host: app', 'Connection: close')),
    )
    expect(response).toMatchObject({ body: 'a, b', headers: { 'x-order': expect.stringContaining('') as string } })
    const client = new WebSocket(`ws://127.0.0.1:${port}/`)
    onTestFinished(() => client.terminate())
    expect(String(((await once(client, 'message')) as [Buffer])[0])).toBe('a, b')
  })

  it('that are whole servers are refused an upgrade by a rewriter, at once or after a wait', async () => {
    for (const wait of [false, true]) {
      const server = http.createServer()
      const sockets = new WebSocketServer({ server })
      const connected = vi.fn<() => void>()
      sockets.on('connection', connected)
      const answer = { status: 403, headers: { 'x-why': 'because' }, body: 'no' }
      stack(server, Object.assign(new HeaderRewriter(), { rewrite: () => (wait ? Promise.resolve(answer) : answer) }))
      onTestFinished(() => close(server))
      onTestFinished(() => sockets.close())
      await listen(server)
      const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      client.on('error', () => undefined)
      const [, res] = (await once(client, 'unexpected-response')) as [unknown, IncomingMessage]
      expect([res.statusCode, res.headers['x-why'], res.headers['content-length']]).toStrictEqual([403, 'because', '2'])
      expect(connected).not.toHaveBeenCalled()
      client.terminate()
    }
  })
})

describe('mistakes', () => {
  function connectMiddleware(_req: IncomingMessage, _res: ServerResponse, next: () => void): void {
    next()
  }
  function nothing(): void {}
  async function late(handler: Handler): Promise<Handler> {
    return handler
  }
  const handler = (_req: IncomingMessage, res: ServerResponse): unknown => res.end()
  const list =
    (...items: readonly unknown[]): (() => unknown) =>
    () =>
      (stack as (...all: readonly unknown[]) => Middleware)(...items)
  const applied =
    (...items: readonly unknown[]): (() => unknown) =>
    () =>
      (stack as (...all: readonly unknown[]) => Middleware)(...items)(handler)

  const MISTAKES: readonly { what: string; make: () => unknown; says: string }[] = [
    {
      what: 'undefined first',
      make: list(undefined),
      says: 'stack cannot take undefined: give a handler first or none',
    },
    { what: 'an object first', make: list({}), says: 'stack cannot take an object' },
    { what: 'a text first', make: list('app'), says: "stack cannot take 'app'" },
    { what: 'a promise first', make: list(Promise.resolve(handler)), says: 'stack cannot take' },
    {
      what: 'undefined behind a handler',
      make: list(handler, undefined),
      says: 'Item 2 of a stack is undefined: give a middleware (handler) => handler, a HeaderRewriter class or instance, or connect(…).',
    },
    { what: 'a number behind a rewriter', make: list(naming('a'), 7), says: 'Item 2 of a stack is 7' },
    {
      what: 'an object far behind',
      make: list(handler, naming('a'), naming('b'), {}),
      says: 'Item 4 of a stack is an object',
    },
    {
      what: 'a Connect middleware without connect()',
      make: list(handler, connectMiddleware),
      says: 'Item 2 of a stack (connectMiddleware) has 3 parameters, where a middleware takes a handler: wrap a Connect middleware as connect(connectMiddleware)',
    },
    {
      what: 'a Node handler that is not first',
      make: list(naming('a'), handler),
      says: 'Item 2 of a stack (handler) has 2 parameters',
    },
    {
      what: 'a middleware that gives back nothing',
      make: list(handler, nothing),
      says: 'Item 2 of a stack (nothing) gave back undefined and no handler: is a return missing?',
    },
    {
      what: 'a middleware that gives back a promise',
      make: list(handler, late),
      says: 'Item 2 of a stack (late) gave back a promise: await it before it is listed',
    },
    {
      what: 'a middleware that gives back an object',
      make: list(handler, () => ({})),
      says: 'Item 2 of a stack (a function) gave back an object and no handler',
    },
    {
      what: 'a first middleware that gives back nothing',
      make: applied(nothing, naming('a')),
      says: 'Item 1 of a stack (nothing) gave back undefined and no handler: is a return missing?',
    },
    {
      what: 'a first middleware that gives back a promise',
      make: applied(late, naming('a')),
      says: 'Item 1 of a stack (late) gave back a promise',
    },
    {
      what: 'a rewriter without methods',
      make: list(handler, HeaderRewriter),
      says: 'HeaderRewriter has neither a method rewrite nor rewriteResponse',
    },
    { what: 'what is no handler to a stack', make: () => stack(naming('a'))(7 as never), says: 'cannot wrap a number' },
  ]

  it.each(MISTAKES)('are named: $what', ({ make, says }) => {
    const error = errorOf(make)
    expect(error.message).toContain(says)
    expect(error.message).toMatch(/^[^.\n]*(?:\.[^ \n][^.\n]*)*[.?]?$/)
    expect(['ERR_PROXYFIX_OPTION', 'ERR_PROXYFIX_REWRITE']).toContain(error.code)
  })

  it('throw what the constructor of a class throws', () => {
    class Failing extends HeaderRewriter {
      constructor() {
        super()
        throw new RangeError('mine')
      }
    }
    expect(list(handler, Failing)).toThrow(RangeError)
  })
})

describe('a stack of everything', () => {
  it('holds together: servers below mounts below rewriters', async () => {
    const read = (req: IncomingMessage, res: ServerResponse): void =>
      void res.end([req.url, Reflect.get(req, 'baseUrl'), req.headers['x-order'], req.socket.remoteAddress].join(' '))
    const app = stack(
      mount({ '/a': stack(read, naming('in')), '/': read }),
      proxyFix({ xFor: 1, xPrefix: 1 }),
      requestId(),
      connect((_req: IncomingMessage, res: ServerResponse, next: () => void) => {
        res.setHeader('x-connect', '1')
        next()
      }),
      naming('out'),
    )
    const server = http.createServer(app)
    onTestFinished(() => close(server))
    const text = requestText(
      'GET /a/b HTTP/1.1',
      'Host: app',
      'Connection: close',
      'X-Forwarded-For: 203.0.113.7',
      'X-Forwarded-Prefix: /p',
    )
    const [response] = parseResponses(await exchange(await listen(server), text))
    expect(response?.body).toBe('/b /p/a out, in 203.0.113.7')
    expect(response?.headers).toMatchObject({
      'x-connect': '1',
      'x-request-id': expect.stringMatching(/^[\da-f-]{36}$/) as string,
    })
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
