/** What do `request`, `connection` and the fields of a log show when a rewriter runs inside the context? What the app is shown. */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { connection, g, isBound, logFields, request, requestContext, unwrap } from '../../../src/context/index.ts'
import { connect, connectionInfo, HeaderRewriter, mount, proxyFix, realIp, stack } from '../../../src/index.ts'
import { close, listen } from '../../fixtures/raw-http.ts'

const servers: http.Server[] = []

afterEach(async () => {
  for (const server of servers.splice(0)) await close(server)
})

class Move extends HeaderRewriter {
  override rewrite(moved: Parameters<NonNullable<HeaderRewriter['rewrite']>>[0]): void {
    moved.host = 'new.example'
    moved.client.address = '198.51.100.9'
  }
}

const fields = logFields()
const ask = (): Request => new Request('http://old.example/shop/x', { headers: { 'x-forwarded-for': '203.0.113.1' } })

describe('a rewriter inside the context', () => {
  it('is seen by connection and logs of a Node request, though they were asked before', async () => {
    const before: unknown[] = []
    const app = stack(
      (req: IncomingMessage, res: ServerResponse) =>
        res.end(
          JSON.stringify([
            req.socket.remoteAddress,
            connectionInfo(req).client.address,
            connection.client.address,
            fields()['clientAddress'],
          ]),
        ),
      proxyFix({ xFor: 0, trustedProxies: 'loopback' }),
      requestContext(),
      connect((_req, _res, next) => {
        before.push(fields()['clientAddress'])
        next()
      }),
      realIp('X-Real-IP'),
    )
    const server = http.createServer(app)
    servers.push(server)
    const answer = await fetch(`http://127.0.0.1:${await listen(server)}/`, { headers: { 'x-real-ip': '203.0.113.9' } })
    expect(await answer.json()).toStrictEqual(['203.0.113.9', '203.0.113.9', '203.0.113.9', '203.0.113.9'])
    expect(before).toStrictEqual(['127.0.0.1'])
  })

  it('is seen by request and connection of a Fetch request', async () => {
    const app = stack(
      (given: Request) => {
        expect(unwrap(request)).toBe(given)
        return Response.json([given.url, connection.url, connection.client.address, fields()['clientAddress']])
      },
      proxyFix({}),
      requestContext(),
      new Move(),
    )
    expect(await (await app(ask())).json()).toStrictEqual([
      'http://new.example/shop/x',
      'http://new.example/shop/x',
      '198.51.100.9',
      '198.51.100.9',
    ])
  })

  it('so it is when it is mount, or proxyFix itself', async () => {
    const see = (given: Request): Response => Response.json([request.url === given.url, isBound(connection)])
    const mounted = stack(mount({ '/shop': see }), proxyFix({}), requestContext())
    expect(await (await mounted(ask())).json()).toStrictEqual([true, true])
    const fixed = stack(see, requestContext(), proxyFix({ xFor: 1, xHost: 1 }))
    const asked = new Request(ask(), { headers: { 'x-forwarded-host': 'other.example' } })
    expect(await (await fixed(asked)).json()).toStrictEqual([true, true])
  })

  it('leaves the request the one that it was: entered again, it has the same scope', async () => {
    const inner = stack((_request: Request) => Response.json([g['user'], request.url]), new Move(), requestContext())
    const outer = requestContext((given: Request) => {
      g['user'] = 'Ada'
      return inner(given)
    })
    const app = proxyFix(outer, {})
    expect(await (await app(ask())).json()).toStrictEqual(['Ada', 'http://new.example/shop/x'])
  })

  it('another request, made by the app, has a scope of its own', async () => {
    const inner = requestContext((_request: Request) => Response.json(g['user'] ?? 'nobody'))
    const outer = requestContext((given: Request) => {
      g['user'] = 'Ada'
      return inner(new Request(given))
    })
    expect(await (await outer(ask())).json()).toBe('nobody')
  })
})

describe('a Fetch request that is fixed inside the context', () => {
  /** Who the handler is given, and who the context shows, after a wait. */
  const app = requestContext(
    proxyFix(
      async (given: Request) => {
        await new Promise((resolve) => setImmediate(resolve))
        return Response.json([connectionInfo(given).client.address, connection.client.address, request.url])
      },
      { xFor: 1, xProto: 1 },
    ),
  )
  const headersOf = (client: string): Headers =>
    new Headers({ 'x-forwarded-proto': 'https', 'x-forwarded-for': client })
  const platform = { remoteAddress: '127.0.0.1' }
  const call = app as unknown as (request: Request, info: object) => Promise<Response>

  it('is told from others that are proxies of the same one', async () => {
    const base = new Request('http://a.example/batch')
    const part = (client: string): Request =>
      new Proxy(base, {
        get(target, key) {
          if (key === 'headers') return headersOf(client)
          const value: unknown = Reflect.get(target, key, target)
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    const answers = await Promise.all(['1.1.1.1', '2.2.2.2'].map((client) => call(part(client), platform)))
    expect(await Promise.all(answers.map((answer) => answer.json()))).toStrictEqual([
      ['1.1.1.1', '1.1.1.1', 'https://a.example/batch'],
      ['2.2.2.2', '2.2.2.2', 'https://a.example/batch'],
    ])
  })

  it.each<[string, (given: Request) => Request]>([
    ['frozen', (given) => Object.freeze(given)],
    ['sealed', (given) => Object.seal(given)],
    ['a proxy that takes no property', (given) => new Proxy(given, readOnly(given))],
  ])('may be %s', async (_, guard) => {
    const given = guard(new Request('http://a.example/', { headers: headersOf('1.1.1.1') }))
    expect(await (await call(given, platform)).json()).toStrictEqual(['1.1.1.1', '1.1.1.1', 'https://a.example/'])
  })

  function readOnly(real: Request): ProxyHandler<Request> {
    return {
      get(_, key) {
        const value: unknown = Reflect.get(real, key, real)
        return typeof value === 'function' ? (value.bind(real) as unknown) : value
      },
      defineProperty: () => false,
      set: () => false,
    }
  }
})
