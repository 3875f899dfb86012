/** What happens for a request beside its handler: before its head goes out, when it is over, in callbacks and in streams. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  afterThisRequest,
  ContextError,
  ContextVar,
  copyCurrentRequestContext,
  g,
  isBound,
  onTeardown,
  request,
  requestContext,
  streamWithContext,
  testRequestContext,
} from '../../../src/context/index.ts'
import { ProxyFixError } from '../../../src/index.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

const servers: net.Server[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const server of servers.splice(0)) await close(server)
})

type NodeHandler = (req: IncomingMessage, res: ServerResponse) => unknown

async function start(handler: NodeHandler): Promise<number> {
  const server = http.createServer(requestContext(handler))
  servers.push(server)
  return await listen(server)
}

function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const fetchApp = (handler: (request: Request) => Response | Promise<Response>) => requestContext(handler)
const ask = (): Request => new Request('http://a/path')

/** Reads a body as a server does, whose client takes its time. */
async function slowly({ body }: Response): Promise<string> {
  let text = ''
  const reader = body!.getReader()
  for (;;) {
    await turn()
    const { done, value } = await reader.read()
    if (done) return text
    text += new TextDecoder().decode(value)
  }
}

/** A stream of so many chunks, each of which tells where it was made. */
function chunks(count: number, onCancel: () => void = () => undefined): ReadableStream<Uint8Array> {
  let made = 0
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (made++ === count) return controller.close()
        return controller.enqueue(new TextEncoder().encode(`${isBound(request) ? 'bound' : 'lost'} `))
      },
      cancel() {
        onCancel()
      },
    },
    { highWaterMark: 1 },
  )
}

describe('onTeardown', () => {
  it('runs when a Node response was sent, last given first, in the scope, once', async () => {
    const story: string[] = []
    const over = deferred()
    const port = await start((_req, res) => {
      onTeardown(() => over.resolve())
      onTeardown(() => void story.push(`first at ${request.url}`))
      onTeardown(async () => {
        await turn()
        story.push(`second at ${request.url}`)
      })
      res.on('close', () => story.push('closed'))
      res.end('sent')
      story.push('handled')
    })
    await fetch(`http://127.0.0.1:${port}/x`)
    await over.promise
    expect(story).toStrictEqual(['handled', 'closed', 'second at /x', 'first at /x'])
  })

  it('runs when the client of a Node request is gone', async () => {
    const arrived = deferred()
    const over = deferred<string>()
    const port = await start(() => {
      onTeardown(() => over.resolve(`gone from ${request.url}`))
      arrived.resolve()
    })
    const socket = net.connect(port, '127.0.0.1')
    socket.write(requestText('GET /x HTTP/1.1', 'Host: a'))
    await arrived.promise
    socket.destroy()
    expect(await over.promise).toBe('gone from /x')
  })

  it('runs for functions that are given when the response is over already', async () => {
    const over = deferred<string>()
    const port = await start((_req, res) => {
      res.on('close', () => setTimeout(() => onTeardown(() => over.resolve('late')), 1))
      res.end()
    })
    await fetch(`http://127.0.0.1:${port}/`)
    expect(await over.promise).toBe('late')
    const late = deferred<string>()
    fetchApp(() => {
      setTimeout(() => onTeardown(() => late.resolve(request.url)), 1)
      return new Response('body')
    })(ask())
    expect(await late.promise).toBe('http://a/path')
  })

  it('of a Fetch request runs when its body has been read, not before', async () => {
    const story: string[] = []
    const app = fetchApp(() => {
      onTeardown(() => void story.push('over'))
      return new Response(chunks(3), { status: 201, headers: { a: '1' } })
    })
    const response = await app(ask())
    expect([response.status, response.headers.get('a')]).toStrictEqual([201, '1'])
    await turn()
    expect(story).toStrictEqual([])
    expect((await response.text()).trim().split(' ')).toHaveLength(3)
    expect(story).toStrictEqual(['over'])
  })

  it.each<{ when: string; response: () => Response; finish: (response: Response) => unknown }>([
    {
      when: 'its body is cancelled',
      response: () => new Response(chunks(9)),
      finish: async ({ body }) => await body?.cancel(),
    },
    {
      when: 'its body fails',
      response: () => new Response(new ReadableStream({ pull: () => Promise.reject(new RangeError('broken')) })),
      finish: (response) => expect(response.text()).rejects.toThrow('broken'),
    },
    { when: 'there is no body', response: () => new Response(null, { status: 204 }), finish: turn },
    {
      when: 'there is a body that ends at once',
      response: () => new Response(''),
      finish: (response) => response.text(),
    },
    { when: 'the response is an error', response: () => Response.error(), finish: turn },
  ])('of a Fetch request runs when $when', async ({ response, finish }) => {
    const run = vi.fn<() => void>()
    const app = fetchApp(async () => {
      await turn()
      onTeardown(run)
      return response()
    })
    await finish(await app(ask()))
    expect(run).toHaveBeenCalledTimes(1)
  })

  it('of a Fetch request runs when it is aborted, even if nobody reads the body', async () => {
    const controller = new AbortController()
    const over = deferred()
    const app = fetchApp(() => {
      onTeardown(() => over.resolve())
      return new Response(chunks(9))
    })
    const response = await app(new Request('http://a/', { signal: controller.signal }))
    controller.abort()
    await over.promise
    expect(response.bodyUsed).toBe(false)
  })

  it('runs all, whatever they throw, and reports one AggregateError', async () => {
    const reported = deferred<AggregateError>()
    const story: string[] = []
    const app = requestContext(
      (_request: Request) => {
        onTeardown(() => void story.push('last'))
        onTeardown(() => {
          throw new RangeError('thrown')
        })
        onTeardown(async () => {
          await turn()
          throw new RangeError('rejected')
        })
        return new Response('text')
      },
      { onTeardownError: reported.resolve },
    )
    await (await app(ask())).text()
    const error = await reported.promise
    expect(error).toBeInstanceOf(AggregateError)
    expect(error.message).toBe('2 teardown functions of a request failed.')
    expect(error.errors.map(String)).toStrictEqual(['RangeError: rejected', 'RangeError: thrown'])
    expect(story).toStrictEqual(['last'])
  })

  it('reports to the console where nobody else is told', async () => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const app = fetchApp(() => {
      onTeardown(() => {
        throw new RangeError('thrown')
      })
      return new Response('text')
    })
    await (await app(ask())).text()
    expect(logged).toHaveBeenCalledTimes(1)
    expect((logged.mock.calls[0]![0] as AggregateError).errors.map(String)).toStrictEqual(['RangeError: thrown'])
  })

  it('is shared by all forks of a request, and runs in the one that it was given in', async () => {
    const value = new ContextVar<string>('value')
    const story: string[] = []
    const app = fetchApp(() => {
      value.set('outer')
      copyCurrentRequestContext(() => {
        value.set('inner')
        onTeardown(() => void story.push(value.get()))
      })()
      onTeardown(() => void story.push(value.get()))
      return new Response('text')
    })
    await (await app(ask())).text()
    expect(story).toStrictEqual(['outer', 'inner'])
  })
})

describe('afterThisRequest', () => {
  const raw = async (handler: NodeHandler): Promise<string> => {
    const port = await start(handler)
    return (await exchange(port, requestText('GET / HTTP/1.1', 'Host: a', 'Connection: close'))).replace(
      /Date: .*\r\n/,
      '',
    )
  }

  it.each<{ way: string; send: (res: ServerResponse) => unknown }>([
    { way: 'end', send: (res) => res.setHeader('X-A', '1').end('text') },
    { way: 'write', send: (res) => (res.setHeader('X-A', '1').write('te'), res.end('xt')) },
    { way: 'writeHead with an object', send: (res) => res.writeHead(200, { 'X-A': '1' }).end('text') },
    { way: 'writeHead with a message', send: (res) => res.writeHead(200, 'Fine', { 'X-A': '1' }).end('text') },
    { way: 'writeHead with an array', send: (res) => res.writeHead(200, ['X-A', '1']).end('text') },
    { way: 'flushHeaders', send: (res) => (res.setHeader('X-A', '1').flushHeaders(), res.end('text')) },
  ])('sees a Node response before its head goes out by $way', async ({ send }) => {
    const seen: unknown[] = []
    const text = await raw((_req, res) => {
      afterThisRequest<ServerResponse>((response) => {
        seen.push(response === res, response.headersSent, response.statusCode, response.getHeader('x-a'), request.url)
        response.statusCode = 203
        response.setHeader('X-B', '2')
      })
      afterThisRequest<ServerResponse>((response) => void response.setHeader('X-C', String(response.getHeader('x-b'))))
      send(res)
    })
    expect(seen).toStrictEqual([true, false, 200, '1', '/'])
    expect(text).toMatch(/^HTTP\/1\.1 203 .*\r\nX-A: 1\r\nX-B: 2\r\nX-C: 2\r\n/)
    expect(text).toMatch(/text|te\r\n/)
  })

  it.each<{ what: string; send: (res: ServerResponse) => unknown }>([
    {
      what: 'an array, of repeated names',
      send: (res) => res.writeHead(202, 'Taken', ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-CaSe', 'z']),
    },
    {
      what: 'an object, over what was set before',
      send: (res) => {
        res.setHeader('Set-Cookie', 'old=1')
        res.setHeader('X-Kept', 'yes')
        res.writeHead(202, { 'Set-Cookie': ['a=1', 'b=2'], 'X-CaSe': 'z' })
      },
    },
    { what: 'a message alone', send: (res) => res.writeHead(299, 'Odd') },
  ])('leaves what writeHead was given as it was: $what', async ({ send }) => {
    const whole = (prepare: () => void): NodeHandler => {
      return (_req, res) => {
        prepare()
        send(res)
        res.end('x')
      }
    }
    const plain = await raw(whole(() => undefined))
    const hooked = await raw(whole(() => afterThisRequest(() => undefined)))
    expect(hooked.split('\r\n').toSorted()).toStrictEqual(plain.split('\r\n').toSorted())
  })

  it('cannot take its time on Node, nor come too late, nor serve an upgrade', async () => {
    const errors: unknown[] = []
    const attempt = (fn: () => unknown): void => {
      try {
        fn()
      } catch (error) {
        errors.push(error)
      }
    }
    await raw((_req, res) => {
      afterThisRequest(async () => Promise.resolve())
      attempt(() => res.end('text'))
      res.end('text')
      attempt(() => afterThisRequest(() => undefined))
    })
    expect(errors.map((error) => (error as ContextError).message)).toStrictEqual([
      expect.stringMatching(/gave a promise, and Node sends the head at once/),
      expect.stringMatching(/when the headers had been sent/),
    ])
    expect(errors.every((error) => error instanceof ContextError)).toBe(true)
  })

  it('sees and may replace the response of a Fetch handler, in order', async () => {
    const app = fetchApp(async () => {
      afterThisRequest((response) => response.headers.append('x-a', request.url))
      afterThisRequest(async (response) => {
        await turn()
        return new Response(`${await response.text()} and more`, response)
      })
      afterThisRequest((response) => void response.headers.append('x-b', String(response.headers.get('x-a'))))
      await turn()
      return new Response('text', { status: 201 })
    })
    const response = await app(ask())
    expect([response.status, response.headers.get('x-b'), await response.text()]).toStrictEqual([
      201,
      'http://a/path',
      'text and more',
    ])
  })

  it('can change headers that are locked, and keeps each cookie', async () => {
    const app = fetchApp(() => {
      afterThisRequest((response) => response.headers.append('set-cookie', 'b=2'))
      afterThisRequest((response) => response.headers.append('set-cookie', 'c=3'))
      return Response.redirect('http://b/', 303)
    })
    const { status, headers } = await app(ask())
    expect([status, headers.get('location'), headers.getSetCookie()]).toStrictEqual([303, 'http://b/', ['b=2', 'c=3']])
  })

  it('fails the request that it fails, and tears it down', async () => {
    const torn = vi.fn<() => void>()
    const app = (after: () => unknown) =>
      fetchApp(async () => {
        onTeardown(torn)
        afterThisRequest(after)
        return Promise.resolve(new Response('text'))
      })
    await expect(
      app(() => {
        throw new RangeError('after')
      })(ask()),
    ).rejects.toThrow('after')
    await expect(app(() => 1)(ask())).rejects.toThrow(/returned 1: return a Response, or nothing/)
    expect(torn).toHaveBeenCalledTimes(2)
  })

  it('teaches when the response of a Fetch handler has gone out', async () => {
    const failed = deferred<unknown>()
    fetchApp(() => {
      onTeardown(() => {
        try {
          afterThisRequest(() => undefined)
        } catch (error) {
          failed.resolve(error)
        }
      })
      return new Response(null)
    })(ask())
    expect(String(await failed.promise)).toMatch(
      /ContextError: afterThisRequest was called when the response had gone out/,
    )
  })
})

describe('copyCurrentRequestContext', () => {
  it('keeps the request for a callback from elsewhere, and what that writes from the request', async () => {
    const queue: (() => string)[] = []
    const app = fetchApp(async () => {
      g['name'] = 'Ada'
      queue.push(
        copyCurrentRequestContext(() => {
          const before = String(g['name'])
          g['name'] = 'changed'
          return `${request.url} ${before}`
        }),
      )
      await turn()
      return Response.json(g['name'])
    })
    const response = await app(ask())
    expect(await response.json()).toBe('Ada')
    expect([queue[0]!(), queue[0]!()]).toStrictEqual(['http://a/path Ada', 'http://a/path Ada'])
  })
})

describe('streamWithContext', () => {
  async function* rows(): AsyncGenerator<string> {
    try {
      for (let row = 0; row < 3; row++) {
        await turn()
        yield `${isBound(request) ? 'bound' : 'lost'} `
      }
    } finally {
      g['closed'] = true
      onTeardown(() => void story.push(`torn down ${String(g['closed'])}`))
    }
  }
  const story: string[] = []

  afterEach(() => void story.splice(0))

  it('is needed: without it the second chunk is made outside', async () => {
    const app = fetchApp(() => new Response(chunks(4)))
    expect(await slowly(await app(ask()))).toBe('bound lost lost lost ')
  })

  it('makes each chunk of a ReadableStream in the context', async () => {
    const app = fetchApp(() => new Response(streamWithContext(chunks(4))))
    expect(await slowly(await app(ask()))).toBe('bound bound bound bound ')
  })

  it('cancels in the context', async () => {
    const cancelled = deferred<boolean>()
    const app = fetchApp(() => new Response(streamWithContext(chunks(4, () => cancelled.resolve(isBound(request))))))
    const { body } = await app(ask())
    await body!.cancel()
    expect(await cancelled.promise).toBe(true)
  })

  it('runs each step of a generator in the context, and waits for its end with the teardown', async () => {
    const app = fetchApp(() => {
      const encoded = (async function* () {
        for await (const row of rows()) yield new TextEncoder().encode(row)
      })()
      return new Response(Readable.toWeb(Readable.from(streamWithContext(encoded))) as never)
    })
    const response = await app(ask())
    expect(await response.text()).toBe('bound bound bound ')
    await vi.waitFor(() => expect(story).toStrictEqual(['torn down true']))
  })

  it('ends a generator that nobody wants any more in the context', async () => {
    await testRequestContext(ask(), async () => {
      const stream = streamWithContext(rows())
      await stream.next()
      await stream.return(undefined)
      expect(g['closed']).toBe(true)
    })
    expect(story).toStrictEqual(['torn down true'])
  })

  it('takes generators and iterables that are not asynchronous', async () => {
    function* where(): Generator<boolean> {
      yield isBound(request)
      yield isBound(request)
    }
    const [generator, list] = testRequestContext(ask(), () => [streamWithContext(where()), streamWithContext([1, 2])])
    expect([...generator]).toStrictEqual([true, true])
    expect([...list]).toStrictEqual([1, 2])
  })

  it('keeps a Node stream in the context, however it is read', async () => {
    const port = await start(async (_req, res) => {
      let left = 3
      const stream = streamWithContext(
        new Readable({
          read() {
            setImmediate(() => this.push(left-- > 0 ? `${isBound(request) ? 'bound' : 'lost'} ` : null))
          },
        }),
      )
      stream.on('end', () => ((res as ServerResponse & { told?: boolean }).told = isBound(request)))
      await pipeline(stream, res)
    })
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('bound bound bound ')
  })

  it('refuses what is no stream', () => {
    testRequestContext(ask(), () => {
      expect(() => streamWithContext({})).toThrow(ProxyFixError)
      expect(() => streamWithContext('text' as never)).toThrow(
        /takes a ReadableStream, a Node Readable, a generator or an iterator, not 'text'/,
      )
    })
    expect(() => streamWithContext(chunks(1))).toThrow(/streamWithContext was called outside of a request context/)
  })
})

describe('over HTTP/2', () => {
  it('sees the head, and the end of an aborted stream', async () => {
    const arrived = deferred()
    const over = deferred()
    const server = http2.createServer(
      requestContext((_req: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
        onTeardown(() => over.resolve())
        afterThisRequest<typeof res>((response) => void response.setHeader('x-status', String(response.statusCode)))
        res.writeHead(201, { 'x-a': '1' })
        res.write('first')
        arrived.resolve()
      }) as never,
    )
    servers.push(server)
    const client = http2.connect(`http://127.0.0.1:${await listen(server)}`)
    const stream = client.request({ ':path': '/' })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    expect([headers[':status'], headers['x-a'], headers['x-status']]).toStrictEqual([201, '1', '201'])
    await arrived.promise
    stream.close(http2.constants.NGHTTP2_CANCEL)
    await over.promise
    client.close()
  })
})

describe('a response that afterThisRequest changes', () => {
  it('is not the one that the app hands out for every request', async () => {
    const shared = new Response(null, { status: 204 })
    const app = fetchApp((asked) => {
      const user = new URL(asked.url).searchParams.get('user')
      if (user !== null) afterThisRequest((response) => response.headers.append('set-cookie', `id=${user}`))
      return shared
    })
    const cookies: string[][] = []
    for (const query of ['?user=ada', '?user=grace', ''])
      cookies.push((await app(new Request(`http://a/${query}`))).headers.getSetCookie())
    expect(cookies).toStrictEqual([['id=ada'], ['id=grace'], []])
    expect(shared.headers.getSetCookie()).toStrictEqual([])
  })

  it('is left alone where it has nothing to change', async () => {
    const failed = Response.error()
    const app = fetchApp(() => {
      afterThisRequest(() => undefined)
      return failed
    })
    expect(await app(ask())).toBe(failed)
  })

  const after: readonly { how: string; fn: () => unknown; fails: RegExp | undefined }[] = [
    {
      how: 'throws',
      fails: /after/,
      fn: () => {
        throw new RangeError('after')
      },
    },
    { how: 'rejects', fails: /after/, fn: () => Promise.reject(new RangeError('after')) },
    { how: 'returns what is none', fails: /returned 1/, fn: () => 1 },
    { how: 'returns another', fails: undefined, fn: () => new Response('other') },
    { how: 'returns another that has no body', fails: undefined, fn: () => new Response(null) },
    { how: 'gives another, later', fails: undefined, fn: () => Promise.resolve(new Response('other')) },
  ]

  it.each(after)('has its body let go where a function $how', async ({ fn, fails }) => {
    const cancelled = deferred<string>()
    const app = fetchApp(() => {
      afterThisRequest(fn)
      return new Response(chunks(9, () => cancelled.resolve('cancelled')))
    })
    const asked = Promise.resolve().then(() => app(ask()))
    if (fails === undefined) await (await asked).text()
    else await expect(asked).rejects.toThrow(fails)
    expect(await cancelled.promise).toBe('cancelled')
  })

  it('keeps the body that another is made of, however late it reads that', async () => {
    const app = fetchApp(() => {
      afterThisRequest(({ body }) => {
        const upper = async function* (): AsyncGenerator<Uint8Array> {
          for await (const chunk of body as unknown as AsyncIterable<Uint8Array>)
            yield new TextEncoder().encode(new TextDecoder().decode(chunk).toUpperCase())
        }
        return new Response(Readable.toWeb(Readable.from(upper(), { highWaterMark: 0 })) as never)
      })
      afterThisRequest((response) => new Response(response.body, { status: 201 }))
      return new Response('text')
    })
    const response = await app(ask())
    await turn()
    expect([response.status, await response.text()]).toStrictEqual([201, 'TEXT'])
  })
})

describe('an onTeardownError that fails itself', () => {
  it.each<{ how: string; report: () => void }>([
    {
      how: 'throws',
      report: () => {
        throw new TypeError('reporter')
      },
    },
    { how: 'rejects', report: () => Promise.reject(new TypeError('reporter')) },
  ])('is reported with what it was told of: one that $how', async ({ report }) => {
    const logged = deferred<AggregateError>()
    vi.spyOn(console, 'error').mockImplementation(logged.resolve)
    const server = http.createServer(
      requestContext(
        (_req: IncomingMessage, res: ServerResponse) => {
          onTeardown(() => {
            throw new RangeError('thrown')
          })
          res.end('x')
        },
        { onTeardownError: report },
      ),
    )
    servers.push(server)
    const port = await listen(server)
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('x')
    const [thrown, told] = (await logged.promise).errors as [unknown, AggregateError]
    expect(String(thrown)).toBe('TypeError: reporter')
    expect(told.errors.map(String)).toStrictEqual(['RangeError: thrown'])
  })
})
