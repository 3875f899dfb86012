/** The scope of a request, for each kind of request: what is bound in it, who runs in it, and when it is over. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net, { type Socket } from 'node:net'
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import {
  afterThisRequest,
  connection,
  ContextError,
  ContextVar,
  copyCurrentRequestContext,
  g,
  hasRequestContext,
  isBound,
  Local,
  LocalManager,
  LocalStack,
  onTeardown,
  request,
  requestContext,
  testRequestContext,
  unwrap,
} from '../../../src/context/index.ts'
import { fixRequest, proxyFix, ProxyFixError, trustPolicy } from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

const servers: net.Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await close(server)
})

async function start(listener: http.RequestListener): Promise<number> {
  const server = http.createServer(listener)
  servers.push(server)
  return await listen(server)
}

const get = async (port: number, path = '/', headers: HeadersInit = {}): Promise<Response> =>
  await fetch(`http://127.0.0.1:${port}${path}`, { headers })

/** A promise, and what settles it. */
function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

const number = new ContextVar<number>('number')

/** An answer out of a function that knows nothing of requests. */
const greeting = (): string => `${(request as unknown as IncomingMessage).url} ${String(g['name'])} ${number.get(0)}`

describe('a Node request', () => {
  it('is bound with its g, in all that it starts', async () => {
    const port = await start(
      requestContext(async (req: IncomingMessage, res: ServerResponse) => {
        expect(unwrap(request)).toBe(req)
        g['name'] = req.headers['x-name']
        number.set(Number(req.headers['x-number']))
        await new Promise((resolve) => setTimeout(resolve, 1))
        process.nextTick(() => setImmediate(() => void Promise.resolve().then(() => res.end(greeting()))))
      }),
    )
    const answers = await Promise.all(
      [1, 2, 3].map(async (n) => (await get(port, `/${n}`, { 'x-name': `client ${n}`, 'x-number': `${n}` })).text()),
    )
    expect(answers).toStrictEqual(['/1 client 1 1', '/2 client 2 2', '/3 client 3 3'])
    expect(hasRequestContext()).toBe(false)
  })

  it('is seen by the listeners of request and response, whenever and however they were added', async () => {
    const story: string[] = []
    const over = deferred()
    const port = await start((req, res) => {
      const note = (event: string) => () => story.push(`${event}: ${isBound(request) ? request.url : 'lost'}`)
      req.on('end', note('end, added before'))
      requestContext((_req: IncomingMessage, _res: ServerResponse) => {
        req.once('end', note('end, once'))
        req.prependListener('end', note('end, first'))
        req.prependOnceListener('close', note('req close'))
        res.on('prefinish', note('prefinish'))
        res.addListener('finish', note('finish'))
        res.on('close', () => {
          note('close')()
          over.resolve()
        })
        const removed = note('removed')
        req.on('close', removed)
        req.off('close', removed)
        req.once('end', removed)
        req.removeListener('end', removed)
        setTimeout(() => {
          req.on('end', () => {
            note('end, added later')()
            res.end('body', note('end callback'))
          })
          req.on('data', note('data'))
        }, 1)
      })(req, res)
    })
    await (await fetch(`http://127.0.0.1:${port}/x`, { method: 'POST', body: 'hello' })).text()
    await over.promise
    expect(story.toSorted()).toStrictEqual(
      [
        'data: /x',
        'end, first: /x',
        'end, added before: /x',
        'end, once: /x',
        'end, added later: /x',
        'end callback: /x',
        'prefinish: /x',
        'finish: /x',
        'req close: /x',
        'close: /x',
      ].toSorted(),
    )
  })

  it('leaves the emitters of Node as they were: counts, names, returned values, errors', async () => {
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        const listener = (): void => undefined
        req.on('data', listener)
        expect(req.listeners('data')).toStrictEqual([listener])
        expect(req.rawListeners('data')).toStrictEqual([listener])
        expect(req.emit('nobody listens')).toBe(false)
        expect(req.emit('data', Buffer.from(''))).toBe(true)
        expect(() => req.emit('error', new RangeError('of its own'))).toThrow(RangeError)
        res.on('custom', () => {
          throw new RangeError('of a listener')
        })
        expect(() => res.emit('custom')).toThrow(RangeError)
        res.end()
      }),
    )
    expect((await get(port)).status).toBe(200)
  })

  it('respects an emit that somebody wrapped before', async () => {
    const events: unknown[] = []
    const port = await start((req, res) => {
      const { emit } = res
      res.emit = function (event: string, ...args: unknown[]) {
        events.push(event)
        return Reflect.apply(emit, this, [event, ...args]) as boolean
      }
      requestContext((_req: IncomingMessage, _res: ServerResponse) => {
        res.on('finish', () => events.push(unwrap(request) === (req as unknown)))
        res.end()
      })(req, res)
    })
    await get(port)
    await vi.waitFor(() => expect(events).toContain('close'))
    expect(events).toContain(true)
  })

  it('never begins with the values of another, pipelined on one connection', async () => {
    const seen: unknown[] = []
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        seen.push([req.url, { ...g }, number.get(-1)])
        g['leak'] = req.url
        number.set(seen.length)
        req.resume()
        setImmediate(() => res.end(greeting()))
      }),
    )
    const text =
      Array.from(
        { length: 20 },
        (_, index) => `POST /${index} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc`,
      ).join('') + requestText('GET /last HTTP/1.1', 'Host: a', 'Connection: close')
    const responses = parseResponses(await exchange(port, text))
    expect(responses.map(({ body }) => body.split(' ')[0])).toStrictEqual([
      ...Array.from({ length: 20 }, (_, index) => `/${index}`),
      '/last',
    ])
    expect(seen).toStrictEqual([...Array.from({ length: 20 }, (_, index) => [`/${index}`, {}, -1]), ['/last', {}, -1]])
  })

  it('runs the callbacks of write and end, which are no listeners, pipelined on one connection', async () => {
    const seen: unknown[] = []
    const port = await start(
      requestContext((req: IncomingMessage, res: ServerResponse) => {
        const note = (what: string) => () => seen.push([req.url, what, request.url])
        res.write('a', note('written'))
        res.end('b', 'latin1', note('ended'))
      }),
    )
    const text = ['/0', '/1', '/2'].map((path) => requestText(`GET ${path} HTTP/1.1`, 'Host: a')).join('')
    await exchange(port, text + requestText('GET /3 HTTP/1.1', 'Host: a', 'Connection: close'))
    const expected = ['/0', '/1', '/2', '/3'].flatMap((path) => [
      [path, 'written', path],
      [path, 'ended', path],
    ])
    expect(seen.toSorted()).toStrictEqual(expected.toSorted())
  })

  it('has one scope, however often it is wrapped; another request inside has its own', async () => {
    const inner = requestContext((_request: Request) => {
      expect(g['name']).toBeUndefined()
      return Response.json({ inner: request.url })
    })
    const port = await start(
      requestContext(
        requestContext(async (req: IncomingMessage, res: ServerResponse) => {
          g['name'] = 'outer'
          requestContext((_req: IncomingMessage, _res: ServerResponse) => expect(g['name']).toBe('outer'))(req, res)
          const answer: unknown = await (await inner(new Request('http://inner/'))).json()
          res.end(JSON.stringify([answer, g['name'], request.url]))
        }),
      ),
    )
    expect(await (await get(port, '/outer')).json()).toStrictEqual([{ inner: 'http://inner/' }, 'outer', '/outer'])
  })

  it('is bound in a Connect middleware, and in all that follow', async () => {
    const use = requestContext()
    const port = await start((req, res) => use(req, res, () => setImmediate(() => res.end(String(request.url)))))
    expect(await (await get(port, '/connect')).text()).toBe('/connect')
    expect(use.length).toBe(3)
  })

  it('is bound in the listeners of a wrapped server, upgrades included', async () => {
    const server = requestContext(http.createServer())
    servers.push(server)
    server.on('request', (_req, res) => res.end(String(request.url)))
    const ended = deferred<string>()
    server.on('upgrade', (req, socket) => {
      onTeardown(() => ended.resolve(`${request.url} is over`))
      socket.on('data', (chunk) =>
        socket.end(`${String(chunk)} heard at ${request.url} ${unwrap(request) === (req as unknown)}`),
      )
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
    })
    const port = await listen(server)
    expect(await (await get(port, '/plain')).text()).toBe('/plain')
    const req = http.request({ port, path: '/socket', headers: { Connection: 'Upgrade', Upgrade: 'echo' } }).end()
    const [, socket] = (await once(req, 'upgrade')) as [unknown, Socket]
    socket.write('hello')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toBe('hello heard at /socket true')
    expect(await ended.promise).toBe('/socket is over')
  })

  it('is bound over HTTP/2, with its hooks', async () => {
    const over = deferred()
    const server = http2.createServer(
      requestContext((_req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
        afterThisRequest<typeof res>((response) => void response.setHeader('x-path', request.url))
        onTeardown(() => over.resolve())
        res.on('finish', () => expect(request.url).toBe('/two'))
        res.end('text')
      }) as never,
    )
    servers.push(server)
    const client = http2.connect(`http://127.0.0.1:${await listen(server)}`)
    const stream = client.request({ ':path': '/two' })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    expect(headers['x-path']).toBe('/two')
    stream.resume()
    await over.promise
    client.close()
  })
})

describe('connection', () => {
  it('is what proxyFix decided, outside of the context', async () => {
    const port = await start(
      proxyFix(
        requestContext((_req: IncomingMessage, res: ServerResponse) =>
          res.end(JSON.stringify([connection.client.address, connection.scheme, connection.url, isBound(connection)])),
        ),
        { xFor: 1, xProto: 1, xHost: 1 },
      ),
    )
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.example' }
    expect(await (await get(port, '/x', headers)).json()).toStrictEqual([
      '203.0.113.7',
      'https',
      'https://a.example/x',
      true,
    ])
    const app = proxyFix(
      requestContext((_request: Request) => new Response(connection.client.address)),
      { xFor: 1 },
    )
    expect(await (await app(new Request('http://a/', { headers }))).text()).toBe('203.0.113.7')
  })

  it('teaches where the request was not fixed', () => {
    testRequestContext(new Request('http://a/'), () => {
      expect(isBound(connection)).toBe(false)
      expect(() => connection.client).toThrow(ContextError)
      expect(() => connection.client).toThrow(/proxyFix\(requestContext\(app\), options\)/)
      expect(() => connection.client).toThrow('under proxyfix serve set --x-for 0')
    })
    expect(() => connection.client).toThrow(/connection was used outside of a request context/)
  })
})

describe('a Fetch request', () => {
  it('is bound in functions and objects, in all that they start, with this and the platform’s arguments', async () => {
    const app = requestContext({
      greet: 'hello',
      async fetch(received: Request, env: { name: string }) {
        expect(unwrap(request)).toBe(received)
        g['name'] = env.name
        await new Promise((resolve) => setTimeout(resolve, 1))
        return new Response(`${this.greet} ${request.headers.get('x-name')} ${String(g['name'])}`)
      },
    } as {
      greet: string
      fetch: (request: Request, env: { name: string }) => Promise<Response>
    } as never) as unknown as {
      fetch: (request: Request, env: { name: string }) => Promise<Response>
    }
    const ask = async (name: string): Promise<string> =>
      await (await app.fetch(new Request('http://a/', { headers: { 'x-name': name } }), { name })).text()
    expect(await Promise.all(['Ada', 'Grace'].map(ask))).toStrictEqual(['hello Ada Ada', 'hello Grace Grace'])
  })

  it('gets the very response of the handler where nothing was asked for', async () => {
    const response = new Response('same')
    expect(requestContext((_request: Request) => response)(new Request('http://a/'))).toBe(response)
    expect(await requestContext(async (_request: Request) => Promise.resolve(response))(new Request('http://a/'))).toBe(
      response,
    )
    expect(
      requestContext(((_request: Request) => undefined) as never as (request: Request) => Response)(
        new Request('http://a/'),
      ),
    ).toBeUndefined()
  })

  it('passes errors on, after its teardown', async () => {
    const story: string[] = []
    const app = (error: 'thrown' | 'rejected') =>
      requestContext((_request: Request): Promise<Response> => {
        onTeardown(() => void story.push(`${error} torn down`))
        if (error === 'thrown') throw new RangeError(error)
        return Promise.reject(new RangeError(error))
      })
    expect(() => app('thrown')(new Request('http://a/'))).toThrow('thrown')
    await expect(app('rejected')(new Request('http://a/'))).rejects.toThrow('rejected')
    expect(story).toStrictEqual(['thrown torn down', 'rejected torn down'])
  })
})

describe('requestContext', () => {
  it.each<{ call: () => unknown; message: RegExp }>([
    { call: () => requestContext(undefined as never, {}), message: /requestContext cannot wrap undefined/ },
    {
      call: () => requestContext({ onTeardown: 1 } as never),
      message: /has no option 'onTeardown': it takes onTeardownError/,
    },
    {
      call: () => requestContext({ onTeardownError: 1 as never }),
      message: /onTeardownError must be a function, not 1/,
    },
    { call: () => requestContext(() => new Response(), 1 as never), message: /an object of options, not 1/ },
    {
      call: () => requestContext((_request: Request) => new Response())('x' as never),
      message: /its first argument must be a Node or a Fetch request/,
    },
    { call: () => testRequestContext({}, () => 1), message: /testRequestContext needs a Node or a Fetch request/ },
    {
      call: () => testRequestContext(new Request('http://a/'), undefined as never),
      message: /testRequestContext needs a function, not undefined: write testRequestContext\(request, \(\) => …\)/,
    },
  ])('refuses $message', ({ call, message }) => {
    expect(call).toThrow(ProxyFixError)
    expect(call).toThrow(message)
  })

  it('keeps the type of what it wraps, and types an inline Fetch handler', () => {
    const listener: http.RequestListener = () => undefined
    expectTypeOf(requestContext(listener)).toEqualTypeOf<http.RequestListener>()
    expectTypeOf(requestContext((received) => new Response(received.url))).parameters.toEqualTypeOf<[Request]>()
    expectTypeOf(requestContext(http.createServer())).toEqualTypeOf<http.Server>()
    expectTypeOf(
      requestContext({ onTeardownError: (error) => expectTypeOf(error).toEqualTypeOf<AggregateError>() }),
    ).toBeFunction()
  })
})

describe('outside of a request context', () => {
  it.each([
    { name: 'request', use: () => request.url },
    { name: 'g', use: () => g['name'] },
    { name: 'connection', use: () => connection.client },
    { name: 'onTeardown', use: () => onTeardown(() => undefined) },
    { name: 'afterThisRequest', use: () => afterThisRequest(() => undefined) },
    { name: 'copyCurrentRequestContext', use: () => copyCurrentRequestContext(() => undefined) },
  ])('$name teaches where it is bound', ({ name, use }) => {
    expect(use).toThrow(ContextError)
    expect(use).toThrow(
      new RegExp(
        `^${name} was (used|called) outside of a request context\\. Each request has one inside requestContext\\(handler\\); other code uses a ContextVar or a Local, and a test calls testRequestContext\\(request, fn\\)\\. If`,
      ),
    )
  })

  it('nothing is bound', () => {
    expect([hasRequestContext(), isBound(request), isBound(g), isBound(connection)]).toStrictEqual([
      false,
      false,
      false,
      false,
    ])
  })
})

describe('testRequestContext', () => {
  it('runs a function in the context of a request, and tears it down', async () => {
    const story: string[] = []
    const result = testRequestContext(new Request('http://a/?name=Ada'), () => {
      onTeardown(() => void story.push('first'))
      onTeardown(() => void story.push('second'))
      return new URL(request.url).searchParams.get('name')
    })
    expect(result).toBe('Ada')
    expect(story).toStrictEqual(['second', 'first'])
    const later = testRequestContext(new Request('http://a/'), async () => {
      onTeardown(async () => {
        await Promise.resolve()
        story.push(`async ${request.url}`)
      })
      return await Promise.resolve(1)
    })
    expect(await later).toBe(1)
    expect(story.at(-1)).toBe('async http://a/')
  })

  it('shows a connection where the request was fixed, and says how to where it was not', () => {
    const fixed = fixRequest(
      new Request('http://a/', { headers: { 'x-forwarded-for': '203.0.113.7' } }),
      trustPolicy({ xFor: 1 }),
    )
    expect(testRequestContext(fixed, () => connection.client.address)).toBe('203.0.113.7')
    expect(() => testRequestContext(new Request('http://a/'), () => connection.client)).toThrow(
      /; in a test call testRequestContext\(fixRequest\(request, trustPolicy\(options\)\), fn\)\.$/,
    )
  })

  it('throws what the teardown functions threw, all in one', async () => {
    const bad = (message: string) => () => {
      throw new RangeError(message)
    }
    const run = (): void =>
      testRequestContext(new Request('http://a/'), () => {
        onTeardown(bad('one'))
        onTeardown(() => undefined)
        onTeardown(bad('two'))
      })
    expect(run).toThrow(AggregateError)
    try {
      run()
    } catch (error) {
      expect((error as AggregateError).errors.map(String)).toStrictEqual(['RangeError: two', 'RangeError: one'])
    }
    await expect(
      testRequestContext(new Request('http://a/'), async () => {
        onTeardown(async () => Promise.reject(new RangeError('later')))
        await Promise.resolve()
      }),
    ).rejects.toThrow('A teardown function of a request failed.')
  })
})

describe('LocalManager', () => {
  it('gives each request a scope, and empties its locals when the response is over', async () => {
    const local = new Local<{ user: string }>()
    const stack = new LocalStack<number>()
    const manager = new LocalManager([local])
    manager.locals.push(stack)
    const left = deferred<unknown>()
    const { middleware } = manager
    const app = middleware(async (_request: Request) => {
      onTeardown(() => left.resolve(['first', { ...local }])) // runs after what was given later
      local.user = 'Ada'
      stack.push(1)
      const copy = copyCurrentRequestContext(() => [{ ...local }, stack.top])
      await Promise.resolve()
      return Response.json([{ ...local }, stack.top, copy()])
    })
    const response = await app(new Request('http://a/'))
    expect(await response.json()).toStrictEqual([{ user: 'Ada' }, 1, [{ user: 'Ada' }, 1]])
    expect(await left.promise).toStrictEqual(['first', { user: 'Ada' }])
  })

  it('manages one Local or any number of them, and nothing else', () => {
    const local = new Local()
    expect(new LocalManager(local).locals).toStrictEqual([local])
    expect(new LocalManager(new Set([local, new LocalStack()])).locals).toHaveLength(2)
    expect(new LocalManager().locals).toStrictEqual([])
    expect(() => new LocalManager([{}])).toThrow(/manages Locals and LocalStacks, not an object/)
    expect(() => new LocalManager(new ContextVar('a'))).toThrow(ProxyFixError)
    testRequestContext(new Request('http://a/'), () => {
      Object.assign(local, { a: 1 })
      new LocalManager(local).cleanup()
      expect('a' in local).toBe(false)
    })
  })
})
