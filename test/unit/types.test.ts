/** The types are part of the product: what they take and give, as a program in TypeScript sees it. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  allowHosts,
  type Answer,
  type Client,
  clientKey,
  connect,
  connectionAttributes,
  type ConnectionAttributes,
  connectionInfo,
  type ConnectionInfo,
  type DecisionEvent,
  explain,
  type Explanation,
  type FixedConnectionInfo,
  forwardingHeaders,
  HeaderRewriter,
  type Middleware,
  mount,
  proxyFix,
  ProxyFixError,
  type ProxyFixOptions,
  requestId,
  resolveConnection,
  type ResponseHeaders,
  type RewritableHeaders,
  type RewritableRequest,
  type RewritableResponse,
  securityRedirect,
  stack,
  type TrustPolicy,
  trustPolicy,
  warnOnce,
} from '../../src/index.ts'

const FACTS = { peer: {}, scheme: 'http', headers: {} }

describe('options', () => {
  it('take counts, the walk, addresses in each form, and undefined for what is not set', () => {
    expectTypeOf<{ xFor: 'trusted'; xHost: 2; trustedProxies: readonly string[] }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ trustedProxies: (address: string) => boolean }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ secret: { header: string; values: readonly string[] } }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ xFor: undefined; forwarded: 1; maxHops: undefined }>().toExtend<ProxyFixOptions>()
    expectTypeOf<{ onDecision: (event: DecisionEvent) => void }>().toExtend<ProxyFixOptions>()
  })

  it('refuse what would throw', () => {
    expectTypeOf<{ xFor: 'Trusted' }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ xFor: '1' }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ trustedProxies: RegExp }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ secret: string }>().not.toExtend<ProxyFixOptions>()
    expectTypeOf<{ headers: 'strip' }>().not.toExtend<ProxyFixOptions>()
  })
})

describe('functions', () => {
  it('give what they say', () => {
    expectTypeOf(trustPolicy({ xFor: 1 })).toEqualTypeOf<TrustPolicy>()
    expectTypeOf(resolveConnection(FACTS)).toEqualTypeOf<ConnectionInfo>()
    expectTypeOf(explain(FACTS, trustPolicy())).toEqualTypeOf<Explanation>()
    expectTypeOf(explain(FACTS).info).toEqualTypeOf<ConnectionInfo>()
    expectTypeOf(connectionInfo).returns.toExtend<ConnectionInfo>()
    expectTypeOf(connectionAttributes(resolveConnection(FACTS))).toEqualTypeOf<ConnectionAttributes>()
    expectTypeOf(resolveConnection(FACTS).client).toEqualTypeOf<Client>()
    expectTypeOf(warnOnce()).toExtend<NonNullable<ProxyFixOptions['onDecision']>>()
  })

  it('take a request of either kind', () => {
    expectTypeOf(clientKey).toBeCallableWith('203.0.113.7')
    expectTypeOf(clientKey).toBeCallableWith({} as IncomingMessage, { ipv6Subnet: 64 })
    expectTypeOf(clientKey).toBeCallableWith({} as Request)
    expectTypeOf(forwardingHeaders).toBeCallableWith({} as IncomingMessage, { family: 'forwarded', append: true })
    expectTypeOf(forwardingHeaders).returns.toEqualTypeOf<Record<string, string>>()
  })
})

describe('rewriters', () => {
  class Typed extends HeaderRewriter {
    override rewrite(request: RewritableRequest): Answer | undefined {
      expectTypeOf(request.headers).toEqualTypeOf<RewritableHeaders>()
      expectTypeOf(request.headers.get('x')).toEqualTypeOf<string | null>()
      expectTypeOf(request.host).toEqualTypeOf<string | undefined>()
      expectTypeOf(request.client.port).toEqualTypeOf<number | undefined>()
      expectTypeOf(request.connection).toEqualTypeOf<FixedConnectionInfo | undefined>()
      return undefined
    }
    override rewriteResponse(response: RewritableResponse, request: RewritableRequest): void {
      expectTypeOf(response.headers).toEqualTypeOf<ResponseHeaders>()
      expectTypeOf(response.status).toEqualTypeOf<number>()
      expectTypeOf(request.url).toEqualTypeOf<string>()
    }
  }

  const listener = (_req: IncomingMessage, _res: ServerResponse): void => {}
  const handler = async (_request: Request, _env: { key: string }): Promise<Response> => new Response()

  it('give back what they wrap', () => {
    expectTypeOf(new Typed().wrap(listener)).toEqualTypeOf(listener)
    expectTypeOf(new Typed().wrap(handler)).toEqualTypeOf(handler)
    expectTypeOf(new Typed().wrap({ fetch: handler, name: 'app' })).toEqualTypeOf<{
      fetch: typeof handler
      name: string
    }>()
    expectTypeOf(new Typed().wrap(createServer())).toEqualTypeOf<Server>()
    expectTypeOf(HeaderRewriter.from({ response: { remove: ['Server'] } })).toEqualTypeOf<HeaderRewriter>()
    expectTypeOf(requestId()).toEqualTypeOf<HeaderRewriter>()
  })

  it('may answer with a Response, plain data or a promise of either', () => {
    expectTypeOf<Response>().toExtend<Answer>()
    expectTypeOf<{ status: 403 }>().toExtend<Answer>()
    expectTypeOf<{ status: 200; headers: { 'set-cookie': string[] }; body: string }>().toExtend<Answer>()
    expectTypeOf<{ status: 200; headers: Headers; body: ReadableStream<Uint8Array<ArrayBuffer>> }>().toExtend<Answer>()
    expectTypeOf<{ body: string }>().not.toExtend<Answer>()
    expectTypeOf<{ status: string }>().not.toExtend<Answer>()
    expectTypeOf<{ status: 200; body: number }>().not.toExtend<Answer>()
    class Late extends HeaderRewriter {
      override async rewrite(): Promise<Answer | void> {}
    }
    expectTypeOf<Late>().toExtend<HeaderRewriter>()
  })

  it('are refused by the compiler as by the program', () => {
    const wrong = [
      // @ts-expect-error What it wraps is no handler.
      () => new Typed().wrap('app'),
      // @ts-expect-error It is spelt remove.
      () => HeaderRewriter.from({ response: { delete: ['Server'] } }),
      // @ts-expect-error A list takes names.
      () => HeaderRewriter.from({ response: { remove: 'Server' } }),
      // @ts-expect-error The options are an object.
      () => securityRedirect(308),
      // @ts-expect-error This status says that the answer is elsewhere.
      () => securityRedirect({ status: 303 }),
      // @ts-expect-error A list of hosts.
      () => allowHosts('shop.example'),
    ]
    for (const make of wrong) expect(make).toThrow(ProxyFixError)
    class Misspelt extends HeaderRewriter {
      // @ts-expect-error It answers with nothing that is an answer.
      override rewrite(): number {
        return 7
      }
    }
    class Undone extends HeaderRewriter {
      override rewriteResponse({ headers }: RewritableResponse, request: RewritableRequest): void {
        // @ts-expect-error The end of the connection is there, and has parts.
        request.client = { address: '203.0.113.7', port: 7 }
        // @ts-expect-error The value is a text.
        headers.set('x-a', undefined)
      }
    }
    expectTypeOf<Misspelt>().toExtend<object>()
    expectTypeOf<Undone>().toExtend<HeaderRewriter>()
  })
})

describe('stack, mount and connect', () => {
  const listener = (_req: IncomingMessage, _res: ServerResponse): void => {}
  const handler = (_request: Request): Response => new Response()
  const middleware = (_req: IncomingMessage, _res: ServerResponse, next: () => void): void => next()

  it('give back the type of the handler, or a middleware', () => {
    expectTypeOf(stack(listener, proxyFix({ xFor: 1 }), requestId(), connect(middleware))).toEqualTypeOf(listener)
    expectTypeOf(stack(handler, proxyFix({ xFor: 1 }))).toEqualTypeOf(handler)
    expectTypeOf(stack(proxyFix({ xFor: 1 }), requestId())).toExtend<Middleware>()
    expectTypeOf(stack(proxyFix({ xFor: 1 }), requestId())(listener)).toEqualTypeOf(listener)
    expectTypeOf(stack(createServer(), proxyFix())).toEqualTypeOf<Server>()
    expectTypeOf(stack({ fetch: handler, name: 'app' }, proxyFix())).toEqualTypeOf<{
      fetch: typeof handler
      name: string
    }>()
    expectTypeOf(connect(middleware)).toEqualTypeOf<Middleware>()
    expectTypeOf(mount({ '/a': listener, '/': listener })).toEqualTypeOf(listener)
    expectTypeOf(mount({ '/a': handler })).toEqualTypeOf(handler)
    expectTypeOf(mount({ '/a': { fetch: handler } })).toEqualTypeOf(handler)
  })

  it('give an inline Fetch handler the type of its parameter', () => {
    stack((request) => {
      expectTypeOf(request).toEqualTypeOf<Request>()
      return new Response()
    }, requestId())
  })

  it('are refused by the compiler as by the program', () => {
    const wrong = [
      // @ts-expect-error A text is no middleware.
      () => stack(handler, 'helmet'),
      // @ts-expect-error It needs connect().
      () => stack(listener, middleware),
      // @ts-expect-error A Connect middleware has three parameters.
      () => connect({}),
      // @ts-expect-error An object of paths and apps.
      () => mount(handler),
      // @ts-expect-error A number is no app.
      () => mount({ '/': 7 }),
    ]
    for (const make of wrong) expect(make).toThrow(ProxyFixError)
  })
})
