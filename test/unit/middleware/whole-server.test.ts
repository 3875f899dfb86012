/**
 * A whole server, wrapped: each listener of it, present or future, however it was added, is given fixed requests, and
 * in all else the server does what it did before, byte for byte.
 */

import { EventEmitter, once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, onTestFinished, vi } from 'vitest'
import {
  connectionInfo,
  type DecisionEvent,
  fixRequest,
  ProxyFixError,
  proxyFix,
  type ProxyFixOptions,
  trustPolicy,
  unwrapSocket,
} from '../../../src/index.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1 }

/** A request of 203.0.113.7 over https, as the proxy passes it on; the connection closes after it. */
function forwarded(...lines: readonly string[]): string {
  const [requestLine = 'GET / HTTP/1.1', ...rest] = lines
  return requestText(
    requestLine,
    'Host: app.example',
    'X-Forwarded-For: 6.6.6.6, 203.0.113.7',
    'X-Forwarded-Proto: https',
    ...(rest.some((line) => line.startsWith('Connection:')) ? [] : ['Connection: close']),
    ...rest,
  )
}

/** All that a server answers to some bytes, but for the time of day. */
async function answerOf(server: http.Server, text: string): Promise<string> {
  const port = await listen(server)
  const answer = await exchange(port, text)
  await close(server)
  return answer.replaceAll(/^Date: .*$/gim, 'Date: now')
}

/** Answers with the address that the socket shows. */
const tellAddress: http.RequestListener = (req, res) => void res.end(req.socket.remoteAddress)

describe('a wrapped server', () => {
  it('is the server itself, with its own type', () => {
    const plain = http.createServer()
    const secure = https.createServer()
    const h2c = http2.createServer()
    const h2 = http2.createSecureServer()
    expect(proxyFix(plain, OPTIONS)).toBe(plain)
    expect(proxyFix(secure, OPTIONS)).toBe(secure)
    expect(proxyFix(h2c, OPTIONS)).toBe(h2c)
    expect(proxyFix(OPTIONS)(h2)).toBe(h2)
    expectTypeOf(proxyFix(plain, OPTIONS)).toEqualTypeOf<http.Server>()
    expectTypeOf(proxyFix(secure)).toEqualTypeOf<https.Server>()
    expectTypeOf(proxyFix(h2c, OPTIONS)).toEqualTypeOf<http2.Http2Server>()
    expectTypeOf(proxyFix(OPTIONS)(h2)).toEqualTypeOf<http2.Http2SecureServer>()
  })

  it('has the keys that it had', () => {
    const server = http.createServer()
    const before = Object.keys(server)
    proxyFix(server, OPTIONS)
    expect(Object.keys(server)).toStrictEqual(before)
  })

  it('is left alone by options that cannot be', () => {
    const server = http.createServer()
    expect(() => proxyFix(server, { xFor: -1 })).toThrow(ProxyFixError)
    expect(Object.hasOwn(server, 'emit')).toBe(false)
  })
})

/** The ways in which a listener comes to a server. */
const ADDED: readonly { way: string; make: (listener: http.RequestListener) => http.Server }[] = [
  { way: 'given to createServer', make: (listener) => proxyFix(http.createServer(listener), OPTIONS) },
  { way: 'added before', make: (listener) => proxyFix(http.createServer().on('request', listener), OPTIONS) },
  { way: 'added after', make: (listener) => proxyFix(http.createServer(), OPTIONS).on('request', listener) },
  {
    way: 'added by addListener',
    make: (listener) => proxyFix(http.createServer(), OPTIONS).addListener('request', listener),
  },
  { way: 'added by once', make: (listener) => proxyFix(http.createServer(), OPTIONS).once('request', listener) },
  {
    way: 'put before the others',
    make: (listener) => proxyFix(http.createServer(), OPTIONS).prependListener('request', listener),
  },
  {
    way: 'put before the others once',
    make: (listener) => proxyFix(http.createServer().prependOnceListener('request', listener), OPTIONS),
  },
  {
    way: 'put in the place of all others',
    make: (listener) => {
      const server = proxyFix(
        http.createServer((_req, res) => void res.end('the one from before')),
        OPTIONS,
      )
      return server.removeAllListeners('request').on('request', listener)
    },
  },
]

describe('a listener of a wrapped server', () => {
  it.each(ADDED)('that was $way sees the client', async ({ make }) => {
    expect(await answerOf(make(tellAddress), forwarded())).toMatch(/\r\n\r\n203\.0\.113\.7$/)
  })

  it('is found among the listeners as it was given, and can be removed', () => {
    const [before, after, single] = [vi.fn<() => void>(), vi.fn<() => void>(), vi.fn<() => void>()]
    const server = proxyFix(http.createServer(before), OPTIONS).on('request', after).once('request', single)
    expect(server.listeners('request')).toStrictEqual([before, after, single])
    server.off('request', before).removeListener('request', single)
    expect(server.listeners('request')).toStrictEqual([after])
    expect(server.rawListeners('request')).toStrictEqual([after])
    expect(server.listenerCount('request')).toBe(1)
    expect(server.listenerCount('upgrade')).toBe(0)
  })

  it('that was removed is not called, and one added by once is called once', async () => {
    const removed = vi.fn<() => void>()
    const single = vi.fn<() => void>()
    const server = proxyFix(http.createServer(removed), OPTIONS).once('request', single).on('request', tellAddress)
    server.off('request', removed)
    const answers = await answerOf(server, forwarded('GET / HTTP/1.1', 'Connection: keep-alive') + forwarded())
    expect(answers.match(/203\.0\.113\.7/g)).toHaveLength(2)
    expect(removed).not.toHaveBeenCalled()
    expect(single).toHaveBeenCalledOnce()
  })

  it('has the server for this, and the very request and response that the other listeners have', async () => {
    const seen: unknown[][] = []
    const note = function (this: unknown, ...args: unknown[]): void {
      seen.push([this, ...args])
    }
    const server = http.createServer(note)
    proxyFix(server, OPTIONS).on('request', note).on('request', tellAddress)
    await answerOf(server, forwarded())
    expect(seen).toHaveLength(2)
    expect(seen[0]?.[0]).toBe(server)
    expect(seen[1]?.every((value, index) => value === seen[0]?.[index])).toBe(true)
    expect(seen[0]?.[1]).toBeInstanceOf(http.IncomingMessage)
    expect(seen[0]?.[2]).toBeInstanceOf(http.ServerResponse)
  })

  it('shares one decision with all others', async () => {
    const events: DecisionEvent[] = []
    const warn = vi.spyOn(process, 'emitWarning')
    onTestFinished(() => warn.mockRestore())
    const options = { ...OPTIONS, onDecision: (event: DecisionEvent) => void events.push(event) }
    const server = proxyFix(http.createServer(), options)
    const infos: unknown[] = []
    for (let count = 0; count < 3; count++)
      server.on('request', (req) => infos.push(connectionInfo(req).client.address))
    server.on('request', tellAddress)
    // A value that is rejected is worth telling.
    await answerOf(
      server,
      requestText(
        'GET / HTTP/1.1',
        'Host: a',
        'X-Forwarded-For: 203.0.113.7',
        'X-Forwarded-Proto: gopher',
        'Connection: close',
      ),
    )
    expect(infos).toStrictEqual(['203.0.113.7', '203.0.113.7', '203.0.113.7'])
    expect(events).toHaveLength(1)
    expect(warn).not.toHaveBeenCalled()
  })

  it('may be a promise that waits for the event', async () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    const answer = answerOf(server, forwarded())
    const [req, res] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
    res.end(`by await: ${req.socket.remoteAddress}`)
    expect(await answer).toMatch(/by await: 203\.0\.113\.7$/)
  })

  it('may throw, to whoever emitted the request', () => {
    const failure = new Error('no answer')
    const server = proxyFix(
      http.createServer(() => {
        throw failure
      }),
      OPTIONS,
    )
    expect(() => server.emit('request', aRequest(), {} as ServerResponse)).toThrow(failure)
  })

  it('that rejects is caught by a server that captures rejections', async () => {
    const make = (): http.Server => http.createServer(() => Promise.reject(new Error('no answer')))
    const captured = EventEmitter.captureRejections
    EventEmitter.captureRejections = true
    onTestFinished(() => void (EventEmitter.captureRejections = captured))
    const bare = await answerOf(make(), forwarded())
    expect(bare).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(await answerOf(proxyFix(make(), OPTIONS), forwarded())).toBe(bare)
  })
})

/** A request as Node hands one on, from the machine itself. */
function aRequest(headers: Readonly<Record<string, string>> = { 'x-forwarded-for': '203.0.113.7' }): IncomingMessage {
  const socket = {
    remoteAddress: '127.0.0.1',
    remotePort: 1,
    on: () => socket,
    once: () => socket,
  } as unknown as Socket
  const req = new http.IncomingMessage(socket)
  Object.assign(req, { url: '/', method: 'GET', httpVersion: '1.1' })
  req.headers = { host: 'app.example', ...headers }
  req.rawHeaders = Object.entries(req.headers).flat() as string[] // no header here has a list
  return req
}

describe('server.emit', () => {
  it('returns whether anybody listens', () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    expect(server.emit('request', aRequest(), {} as ServerResponse)).toBe(false)
    server.on('request', () => {})
    expect(server.emit('request', aRequest(), {} as ServerResponse)).toBe(true)
    expect([server.emit('of nobody'), server.on('of mine', () => {}).emit('of mine')]).toStrictEqual([false, true])
  })

  it('passes on all arguments, also of a request event that has no request', () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    const seen: unknown[] = []
    server.on('request', (...args: unknown[]) => seen.push(args))
    server.on('upgrade', (...args: unknown[]) => seen.push(args))
    server.on('of mine', (...args: unknown[]) => seen.push(args))
    server.emit('request')
    server.emit('upgrade', 1, 2, 3)
    server.emit('of mine', 1, 2, 3, 4, 5, 6)
    expect(seen).toStrictEqual([[], [1, 2, 3], [1, 2, 3, 4, 5, 6]])
  })

  it('throws an error that nobody listens for', () => {
    const failure = new Error('in use')
    expect(() => proxyFix(http.createServer(), OPTIONS).emit('error', failure)).toThrow(failure)
  })

  it('fixes no request of other events', () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    const req = aRequest()
    server.emit('dropRequest', req, {} as Socket)
    server.emit('of mine', req)
    expect(() => connectionInfo(req)).toThrow(ProxyFixError)
  })

  it('of a subclass is called, and with a fixed request', () => {
    const seen: unknown[] = []
    class Watched extends http.Server {
      override emit(event: string, ...args: unknown[]): boolean {
        seen.push([this, event, (args[0] as IncomingMessage).socket.remoteAddress])
        return Reflect.apply(http.Server.prototype.emit, this, [event, ...args]) as boolean
      }
    }
    const server = proxyFix(new Watched(), OPTIONS)
    server.emit('request', aRequest(), {} as ServerResponse)
    expect(seen).toStrictEqual([[server, 'request', '203.0.113.7']])
  })

  it.each([{ when: 'before' }, { when: 'after' }])(
    'that was patched into the class $when is called too',
    ({ when }) => {
      const original = http.Server.prototype.emit
      const seen: unknown[] = []
      const patch = (): void => {
        http.Server.prototype.emit = function (event: string, ...args: unknown[]) {
          seen.push([event, (args[0] as IncomingMessage).socket.remoteAddress])
          return Reflect.apply(original, this, [event, ...args]) as boolean
        }
      }
      onTestFinished(() => {
        http.Server.prototype.emit = original
      })
      if (when === 'before') patch()
      const server = proxyFix(http.createServer(), OPTIONS)
      if (when === 'after') patch()
      server.emit('request', aRequest(), {} as ServerResponse)
      expect(seen).toStrictEqual([['request', '203.0.113.7']])
    },
  )

  it('that was patched into the server itself is called too', () => {
    const server = http.createServer()
    const seen: unknown[] = []
    const original = server.emit
    server.emit = function (event: string, ...args: unknown[]) {
      seen.push([event, (args[0] as IncomingMessage).socket.remoteAddress])
      return Reflect.apply(original, this, [event, ...args]) as boolean
    }
    proxyFix(server, OPTIONS).emit('request', aRequest(), {} as ServerResponse)
    expect(seen).toStrictEqual([['request', '203.0.113.7']])
  })

  it('works on an object that inherits from the server', () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    const listener = vi.fn<() => void>()
    server.on('request', listener)
    const heir = Object.create(server) as http.Server
    expect(heir.emit('request', aRequest(), {} as ServerResponse)).toBe(true)
    expect(listener).toHaveBeenCalledOnce()
  })
})

type Program = (server: http.Server) => void

const echo: http.RequestListener = (req, res) => {
  let body = ''
  req.setEncoding('utf8').on('data', (text: string) => (body += text))
  req.on('end', () => res.end(`${req.method} ${req.url} ${body}`))
}

/** Programs that must answer the same bytes, wrapped or not. */
const SAME: readonly { what: string; program: Program; request: string; answer: RegExp }[] = [
  {
    what: 'answers 100 by itself where nobody listens for checkContinue',
    program: (server) => server.on('request', echo),
    request: `${forwarded('POST / HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5')}hello`,
    answer: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*POST \/ hello$/,
  },
  {
    what: 'asks the listener for checkContinue, and no other',
    program: (server) => {
      server.on('request', (_req, res) => res.end('wrong'))
      server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
        res.writeContinue()
        echo(req, res)
      })
    },
    request: `${forwarded('POST /checked HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5')}hello`,
    answer: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*POST \/checked hello$/,
  },
  {
    what: 'lets checkContinue decline',
    program: (server) => {
      server.on('checkContinue', (_req: IncomingMessage, res: ServerResponse) => res.writeHead(413).end())
    },
    request: forwarded('POST / HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5'),
    answer: /^HTTP\/1\.1 413 Payload Too Large\r\n/,
  },
  {
    what: 'lets checkContinue hand on to the request listeners',
    program: (server) => {
      server.on('request', echo)
      server.on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
        res.writeContinue()
        server.emit('request', req, res)
      })
    },
    request: `${forwarded('POST / HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5')}hello`,
    answer: /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*POST \/ hello$/,
  },
  {
    what: 'answers 417 by itself where nobody listens for checkExpectation',
    program: (server) => server.on('request', echo),
    request: forwarded('GET / HTTP/1.1', 'Expect: tea'),
    answer: /^HTTP\/1\.1 417 Expectation Failed\r\n/,
  },
  {
    what: 'asks the listener for checkExpectation',
    program: (server) => {
      server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => res.end(`${req.headers.expect}`))
    },
    request: forwarded('GET / HTTP/1.1', 'Expect: tea'),
    answer: /^HTTP\/1\.1 200 OK\r\n[^]*tea$/,
  },
  {
    what: 'serves an upgrade that nobody listens for as a request',
    program: (server) => server.on('request', echo),
    request: forwarded('GET /ws HTTP/1.1', 'Connection: close, Upgrade', 'Upgrade: websocket'),
    answer: /^HTTP\/1\.1 200 OK\r\n[^]*GET \/ws $/,
  },
  {
    what: 'hands an upgrade and what came with it to its listener',
    program: (server) => {
      server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
        socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${req.url} ${head.toString()}`)
      })
    },
    request: `${forwarded('GET /ws HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket')}first bytes`,
    answer: /^HTTP\/1\.1 101 Switching Protocols\r\n\r\n\/ws first bytes$/,
  },
  {
    what: 'drops a CONNECT that nobody listens for',
    program: (server) => server.on('request', echo),
    request: forwarded('CONNECT inside.example:443 HTTP/1.1'),
    answer: /^$/,
  },
  {
    what: 'hands a CONNECT and what came with it to its listener',
    program: (server) => {
      server.on('connect', (req: IncomingMessage, socket: Socket, head: Buffer) => {
        socket.end(`HTTP/1.1 200 OK\r\n\r\n${req.url} ${head.toString()}`)
      })
    },
    request: `${forwarded('CONNECT inside.example:443 HTTP/1.1')}first bytes`,
    answer: /^HTTP\/1\.1 200 OK\r\n\r\ninside\.example:443 first bytes$/,
  },
  {
    what: 'answers what is no HTTP by itself',
    program: (server) => server.on('request', echo),
    request: 'nonsense\r\n\r\n',
    answer: /^HTTP\/1\.1 400 Bad Request\r\nConnection: close\r\n\r\n$/,
  },
  {
    what: 'hands what is no HTTP to the listener for clientError',
    program: (server) => {
      server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
        socket.end(`${error.code} of ${(socket as Socket).remoteAddress}`)
      })
    },
    request: 'nonsense\r\n\r\n',
    answer: /^HPE_INVALID_METHOD of 127\.0\.0\.1$/,
  },
]

describe('a wrapped server does what it did before, byte for byte: it', () => {
  it.each(SAME)('$what', async ({ program, request, answer }) => {
    const [bare, wrapped, wrappedFirst] = [http.createServer(), http.createServer(), http.createServer()]
    program(bare)
    program(wrapped)
    proxyFix(wrapped, OPTIONS)
    proxyFix(wrappedFirst, OPTIONS)
    program(wrappedFirst)
    const expected = await answerOf(bare, request)
    expect(expected).toMatch(answer)
    expect(await answerOf(wrapped, request)).toBe(expected)
    expect(await answerOf(wrappedFirst, request)).toBe(expected)
  })
})

/** Each event that carries a request, and what makes it. */
const EVENTS = [
  { event: 'request', request: (...lines: string[]) => forwarded('GET / HTTP/1.1', ...lines) },
  {
    event: 'checkContinue',
    request: (...lines: string[]) =>
      forwarded('POST / HTTP/1.1', 'Expect: 100-continue', 'Content-Length: 5', ...lines),
  },
  { event: 'checkExpectation', request: (...lines: string[]) => forwarded('GET / HTTP/1.1', 'Expect: tea', ...lines) },
  {
    event: 'upgrade',
    request: (...lines: string[]) => forwarded('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', ...lines),
  },
  { event: 'connect', request: (...lines: string[]) => forwarded('CONNECT inside.example:443 HTTP/1.1', ...lines) },
] as const

describe.each(EVENTS)('the event $event', ({ event, request }) => {
  it('shows the client on the request, and on the socket that it owns', async () => {
    const server = proxyFix(http.createServer(), OPTIONS)
    const seen: unknown[] = []
    server.on(event as 'request', (req: IncomingMessage, second: ServerResponse | Socket) => {
      const socket = second instanceof http.ServerResponse ? second.socket : second
      seen.push(req.socket.remoteAddress, connectionInfo(req).scheme, unwrapSocket(req.socket) === socket)
      seen.push(socket?.remoteAddress)
      socket?.end()
    })
    await answerOf(server, request())
    const ownsConnection = event === 'upgrade' || event === 'connect'
    expect(seen).toStrictEqual(['203.0.113.7', 'https', true, ownsConnection ? '203.0.113.7' : '127.0.0.1'])
  })

  it('is refused with 400 before any listener or watcher', async () => {
    const server = proxyFix(http.createServer(), { ...OPTIONS, allowedHosts: ['other.example'] })
    const listener = vi.fn<() => void>()
    const watcher = vi.fn<() => void>()
    const request100 = vi.fn<() => void>()
    server.on(event, listener)
    server.prependListener(event, watcher)
    if (event !== 'request') server.on('request', request100)
    const answer = await answerOf(server, request())
    // Not so much as a 100 Continue before it.
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    const [head = '', body] = answer.split('\r\n\r\n')
    expect(head.toLowerCase()).toContain('content-type: text/plain; charset=utf-8')
    expect(body).toMatch(/Bad request: .*\.\n/)
    expect([listener, watcher, request100].map(({ mock }) => mock.calls.length)).toStrictEqual([0, 0, 0])
  })
})

describe('emit of a refused request', () => {
  it('returns true: it has been answered', () => {
    const server = proxyFix(http.createServer(), { ...OPTIONS, required: ['for'] })
    const res = { writeHead: vi.fn<() => void>(), end: vi.fn<() => void>() }
    expect(server.emit('request', aRequest({}), res as unknown as ServerResponse)).toBe(true)
    expect(res.writeHead).toHaveBeenCalledExactlyOnceWith(400, expect.anything())
    expect(res.end).toHaveBeenCalledOnce()
  })
})

describe('wrapped twice', () => {
  let warn: ReturnType<typeof vi.spyOn>
  beforeEach(() => {
    warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
  })
  afterEach(() => warn.mockRestore())

  it.each([
    {
      what: 'a server',
      make: (): http.Server => proxyFix(proxyFix(http.createServer(tellAddress), { xFor: 2 }), { xFor: 1 }),
    },
    {
      what: 'a server and its listener',
      make: (): http.Server => proxyFix(http.createServer(proxyFix(tellAddress, { xFor: 2 })), { xFor: 1 }),
    },
    {
      what: 'a server whose listener fixes by hand',
      make: (): http.Server => {
        const policy = trustPolicy({ xFor: 2 })
        return proxyFix(
          http.createServer((req, res) => tellAddress(fixRequest(req, policy), res as never)),
          { xFor: 1 },
        )
      },
    },
  ])('$what is decided by the outermost wrapper', async ({ make }) => {
    expect(await answerOf(make(), forwarded())).toMatch(/\r\n\r\n203\.0\.113\.7$/)
  })

  it('a server refuses once', async () => {
    const strict: ProxyFixOptions = { ...OPTIONS, allowedHosts: ['other.example'] }
    const server = proxyFix(proxyFix(http.createServer(proxyFix(tellAddress, strict)), strict), strict)
    const answer = await answerOf(server, forwarded())
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('an upgrade shows the client of the first decision on its socket', async () => {
    const server = proxyFix(proxyFix(http.createServer(), { xFor: 2 }), { xFor: 1 })
    server.on('upgrade', (_req: IncomingMessage, socket: Socket) => socket.end(`${socket.remoteAddress}`))
    const answer = await answerOf(server, forwarded('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket'))
    expect(answer).toBe('203.0.113.7')
  })
})
