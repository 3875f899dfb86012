/**
 * By how many ways do requests come into an app? **The bug** is a way past the wrapper: a router that calls a sub-app by
 * its `handle`, a server that reads `routes` or `middleware` off the object that it is given, an app that serves itself.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import connect from 'connect'
import express from 'express'
import express4 from 'express4'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, type Handler, proxyFix, ProxyFixError } from '../../../src/index.ts'
import { close, exchange, listen, parseResponses, requestText } from '../../fixtures/raw-http.ts'

function messageOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    if (error instanceof ProxyFixError) return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('an app that is mounted in another one', () => {
  const tell = (req: IncomingMessage, res: ServerResponse): void =>
    void res.end(`${req.socket.remoteAddress} ${req.headers['x-forwarded-for']}`)

  /** Gives a parent with a wrapped sub-app below `/api`. */
  type Mount = (wrap: <H extends Handler>(sub: H) => H) => http.RequestListener

  const FRAMEWORKS: readonly { name: string; mount: Mount }[] = [
    { name: 'Express 5', mount: (wrap) => express().use('/api', wrap(express().get('/who', tell))) },
    { name: 'Express 4', mount: (wrap) => express4().use('/api', wrap(express4().get('/who', tell))) },
    { name: 'Connect', mount: (wrap) => connect().use('/api', wrap(connect().use(tell))) },
    {
      name: 'Express 5, two levels down',
      mount: (wrap) => express().use('/', express().use('/api', wrap(express().get('/who', tell)))),
    },
  ]

  async function ask(parent: http.RequestListener): Promise<unknown> {
    const server = http.createServer(parent)
    onTestFinished(() => close(server))
    const sent = ['Host: app', 'X-Forwarded-For: 6.6.6.6, 203.0.113.7', 'Connection: close']
    const answer = await exchange(await listen(server), requestText('GET /api/who HTTP/1.1', ...sent))
    const [response] = parseResponses(answer)
    return { status: response?.status, body: response?.body }
  }

  it.each(FRAMEWORKS)('$name: shows the client', async ({ mount }) => {
    const parent = mount((sub) => proxyFix(sub, { xFor: 1 }))
    expect(await ask(parent)).toStrictEqual({ status: 200, body: '203.0.113.7 203.0.113.7' })
  })

  it.each(FRAMEWORKS)('$name: is not asked what is refused', async ({ mount }) => {
    const parent = mount((sub) => proxyFix(sub, { allowedHosts: ['shop.example'] }))
    expect(await ask(parent)).toStrictEqual({ status: 400, body: 'Bad request: this host is not served here.\n' })
  })

  it('has the same handle each time, and all else as it is', () => {
    const sub = Object.assign(express4(), { handle: tell, mountpath: '/api' })
    const wrapped = proxyFix(sub, { xFor: 1 })
    expect(wrapped.handle).toBe(wrapped.handle)
    expect(wrapped.handle).not.toBe(tell)
    expect([wrapped.use, wrapped.mountpath]).toStrictEqual([sub.use, '/api'])
  })

  it('may have a handle that is no function', () => {
    const listener = Object.assign(() => undefined, { handle: 'its name' })
    expect(proxyFix(listener, { xFor: 1 }).handle).toBe('its name')
  })
})

const SENT = { 'x-forwarded-for': '6.6.6.6, 203.0.113.7', 'x-forwarded-proto': 'https' }
const received = (): Request => new Request('http://app/x', { headers: SENT })
const look = (request: Request): Response =>
  new Response(`${request.url} ${connectionInfo(request).client.address} ${request.headers.get('x-forwarded-for')}`)
const SEEN = 'https://app/x 203.0.113.7 203.0.113.7'

describe("Bun's routes", () => {
  const icon = new Response('an icon')
  const app = {
    fetch: look,
    routes: { '/who': look, '/methods': { GET: look, POST: look, HEAD: icon }, '/icon': icon, '/off': false },
  }

  it('are wrapped, each alone and each by its method', async () => {
    const { routes } = proxyFix(app, { xFor: 1, xProto: 1 })
    for (const route of [routes['/who'], routes['/methods'].GET, routes['/methods'].POST]) {
      expect(await route(received()).text()).toBe(SEEN)
    }
  })

  it('refuse', async () => {
    const called = vi.fn<(request: Request) => Response>()
    const { routes } = proxyFix({ fetch: look, routes: { '/who': called } }, { allowedHosts: ['shop.example'] })
    expect(routes['/who'](received()).status).toBe(400)
    expect(called).not.toHaveBeenCalled()
  })

  it('show the client where Bun tells who is connected', () => {
    const seen: unknown[] = []
    const server = { requestIP: (_request: Request) => ({ address: '10.0.0.1', family: 'IPv4', port: 1 }) }
    const route = (request: Request, passed?: typeof server): Response => {
      seen.push(passed?.requestIP(request))
      return new Response()
    }
    const wrapped = proxyFix({ fetch: look, routes: { '/who': route } }, { trustedProxies: '10.0.0.1' })
    wrapped.routes['/who'](received(), server)
    expect(seen).toStrictEqual([{ address: '203.0.113.7', family: 'IPv4', port: 0 }])
  })

  it('stay what they are where nothing is called', () => {
    const { routes } = proxyFix(app, { xFor: 1 })
    expect(Object.keys(routes)).toStrictEqual(['/who', '/methods', '/icon', '/off'])
    expect([routes['/icon'], routes['/methods'].HEAD, routes['/off']]).toStrictEqual([icon, icon, false])
    expect(routes['/icon']).toBe(icon)
    expect([app.routes['/who'], app.routes['/methods'].GET]).toStrictEqual([look, look]) // the app's own are its own
  })

  it('are wrapped in a copy of the object as well', async () => {
    const { routes }: Pick<typeof app, 'routes'> = { ...proxyFix(app, { xFor: 1, xProto: 1 }) }
    expect(await routes['/who'](received()).text()).toBe(SEEN)
  })

  it.each([{ routes: ['/', '/x'] }, { routes: new Map([['/', look]]) }, { routes: '/x' }, { routes: null }])(
    "that are a framework's own stay: $routes",
    ({ routes }) => {
      expect(proxyFix({ fetch: look, routes }, { xFor: 1 }).routes).toBe(routes)
    },
  )
})

describe("srvx' middleware", () => {
  type SrvxMiddleware = (request: Request, next: () => Response) => Response

  it('sees what the app sees, and calls the next one', async () => {
    const seen: unknown[] = []
    const note: SrvxMiddleware = (request, next) => {
      seen.push([request.url, connectionInfo(request).client.address])
      return next()
    }
    const app = proxyFix({ fetch: look, middleware: [note, note] }, { xFor: 1, xProto: 1 })
    // As srvx does: the same request to each of them, and to the app at last.
    const request = received()
    const call = (index: number): Response =>
      app.middleware[index]?.(request, () => call(index + 1)) ?? app.fetch(request)
    expect(await call(0).text()).toBe(SEEN)
    expect(seen).toStrictEqual(Array.from({ length: 2 }, () => ['https://app/x', '203.0.113.7']))
  })

  it('is asked once, about the very request that the app is given', async () => {
    const seen: unknown[] = []
    const note: SrvxMiddleware = (request, next) => {
      seen.push(request)
      return next()
    }
    const last = (request: Request): Response => (seen.push(request), new Response())
    const app = proxyFix({ fetch: last, middleware: [note, note] }, { xFor: 1, xProto: 1 })
    expect(app.middleware).toEqual([]) // what srvx calls
    await app.fetch(received())
    expect([seen.length, new Set(seen).size]).toStrictEqual([3, 1])
  })

  it('may answer by itself', async () => {
    const app = proxyFix({ fetch: look, middleware: [() => new Response('mine')] }, { xFor: 1 })
    expect(await app.fetch(received()).text()).toBe('mine')
  })

  it('is not asked what is refused', () => {
    const called = vi.fn<SrvxMiddleware>()
    const app = proxyFix({ fetch: look, middleware: [called] }, { allowedHosts: ['shop.example'] })
    expect(app.fetch(received()).status).toBe(400)
    expect(called).not.toHaveBeenCalled()
  })

  it('may be something else', () => {
    expect(proxyFix({ fetch: look, middleware: 'a name' }, { xFor: 1 }).middleware).toBe('a name')
  })
})

describe('an app that serves itself', () => {
  class Serving {
    served = 0
    fetch(request: Request): Response {
      return look(request)
    }
    listen(_port: number): void {
      this.served++
    }
    serve(): void {
      this.served++
    }
  }

  it.each(['listen', 'serve'] as const)('says by %s() that nothing would be fixed, and serves nothing', (name) => {
    const app = new Serving()
    const wrapped = proxyFix(app, { xFor: 1 })
    const message = messageOf(() => wrapped[name](0))
    expect(message).toContain(`by ${name}()`)
    expect(message).toContain('serve({ fetch: app.fetch })')
    expect(message.split(/\.\s/)).toHaveLength(1)
    expect(app.served).toBe(0)
  })

  it('can be given to a server all the same', async () => {
    const { fetch } = proxyFix(new Serving(), { xFor: 1, xProto: 1 })
    expect(await fetch(received()).text()).toBe(SEEN)
  })

  it('may have other things under these names', () => {
    const app = { fetch: look, listen: 8000, serve: { static: true } }
    const { listen: port, serve } = proxyFix(app, { xFor: 1 })
    expect([port, serve]).toStrictEqual([8000, app.serve])
  })

  it('is refused where it serves already, as the server that Bun.serve() gives', () => {
    const server = { fetch: look, requestIP: () => null, port: 8000 }
    const message = messageOf(() => proxyFix(server, { xFor: 1 }))
    expect(message).toBe(
      'proxyFix cannot wrap a server of Bun, which serves already: wrap what is given to Bun.serve().',
    )
  })
})

describe('a getter that gives back the app', () => {
  it('gives the wrapped one, or what is called on it would go past the wrapper', async () => {
    class App {
      fetch(request: Request): Response {
        return look(request)
      }
      get self(): this {
        return this
      }
    }
    const wrapped = proxyFix(new App(), { xFor: 1, xProto: 1 })
    expect(wrapped.self).toBe(wrapped)
    expect(await wrapped.self.fetch(received()).text()).toBe(SEEN)
  })
})

describe('a method that no Request can be made with', () => {
  /** As platforms make them: nobody else can. */
  const requestBy = (method: string): Request => Object.defineProperty(received(), 'method', { value: method })

  it.each(['CONNECT', 'TRACE', 'TRACK', 'trace', 'Connect'])(
    '%s is answered 501, and the app is not asked',
    async (method) => {
      const called = vi.fn<(request: Request) => Response>()
      const response = proxyFix(called, { xFor: 1, xProto: 1 })(requestBy(method))
      expect([response.status, await response.text()]).toStrictEqual([501, 'Not implemented.\n'])
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
      expect(called).not.toHaveBeenCalled()
    },
  )
})
