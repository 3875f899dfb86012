/** `stack(a, b, c)(handler)` is `a(b(c(handler)))`, whatever a, b and c are and whatever the request is. */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  connect,
  type Handler,
  HeaderRewriter,
  proxyFix,
  type RewritableRequest,
  type RewritableResponse,
  stack,
  type StackItem,
} from '../../src/index.ts'
import { close, exchange, listen } from '../fixtures/raw-http.ts'
import { PROPERTY_TIMEOUT, WIRE_RUNS } from './runs.ts'

/** An item of a stack, and the function that it stands for. */
interface Item {
  readonly name: string
  readonly item: StackItem
  readonly wrap: (handler: Handler) => Handler
}

/** Does something to requests and responses that shows where it stood. */
function doing(id: number, deed: string): HeaderRewriter {
  return Object.assign(new HeaderRewriter(), {
    rewrite(request: RewritableRequest) {
      request.headers.append('x-order', `${id}`)
      if (deed === 'host') request.host = `h${id}.example`
      if (deed === 'client') request.client.address = `203.0.113.${id}`
      if (deed === 'url') request.url = `/u${id}${request.url}`
      if (deed === 'answer' && request.headers.get('x-order') === '1, 2') return { status: 203, body: `answer ${id}` }
      if (deed === 'wait') return Promise.resolve()
      return undefined
    },
    rewriteResponse(response: RewritableResponse) {
      response.headers.append('x-order', `${id}`)
      if (deed === 'status') response.status = 200 + (response.status % 3) + 1
    },
  })
}

const deeds = fc.constantFrom('nothing', 'host', 'client', 'url', 'answer', 'wait', 'status')
const ids = fc.integer({ min: 1, max: 4 })

const rewriters: fc.Arbitrary<Item> = fc.tuple(ids, deeds).map(([id, deed]) => {
  const item = doing(id, deed)
  return { name: `${deed} ${id}`, item, wrap: (handler) => item.wrap(handler) }
})
const classes: fc.Arbitrary<Item> = fc.tuple(ids, deeds).map(([id, deed]) => {
  class One extends HeaderRewriter {
    constructor() {
      super()
      Object.assign(this, doing(id, deed))
    }
  }
  return { name: `class ${deed} ${id}`, item: One, wrap: (handler) => new One().wrap(handler) }
})
const byHand: fc.Arbitrary<Item> = fc.tuple(ids, deeds).map(([id, deed]) => {
  const wrap = (handler: Handler): Handler => doing(id, deed).wrap(handler)
  return { name: `by hand ${deed} ${id}`, item: wrap as unknown as StackItem, wrap }
})
const fixes: fc.Arbitrary<Item> = fc.constantFrom(1, 2).map((xFor) => {
  const wrap = proxyFix({ xFor, xHost: 1 })
  return { name: `proxyFix ${xFor}`, item: wrap, wrap }
})
const connects: fc.Arbitrary<Item> = ids.map((id) => {
  const wrap = connect((_req: IncomingMessage, res: ServerResponse, next: () => void) => {
    res.appendHeader('x-connect', `${id}`)
    next()
  })
  return { name: `connect ${id}`, item: wrap, wrap }
})
/** A stack in a stack. */
const nested = (items: fc.Arbitrary<Item>): fc.Arbitrary<Item> =>
  fc.array(items, { maxLength: 3 }).map((list) => {
    const wrap = stack(...list.map(({ item }) => item))
    // An empty list of middlewares is one, that changes nothing.
    return {
      name: `[${list.map(({ name }) => name).join()}]`,
      item: wrap,
      wrap: (handler) => list.reduceRight((inner, one) => one.wrap(inner), handler),
    }
  })

const fetchItems = fc.oneof(rewriters, classes, byHand, fixes)
const nodeItems = fc.oneof(fetchItems, connects)

const FORWARDED = { 'x-forwarded-for': '192.0.2.1, 192.0.2.2', 'x-forwarded-host': 'shop.example' }

describe('a stack', () => {
  it(
    'is its items applied one to the other, on Fetch',
    async () => {
      const handler = async (request: Request, info: { remoteAddr: { hostname: string } }): Promise<Response> =>
        new Response(JSON.stringify([request.url, [...request.headers], info.remoteAddr.hostname]))
      const call = async (app: typeof handler): Promise<unknown> => {
        const remoteAddr = { transport: 'tcp', hostname: '127.0.0.1', port: 50_000 }
        const response = await app(new Request('http://app.example/x', { headers: FORWARDED }), { remoteAddr })
        return [response.status, [...response.headers], await response.text()]
      }
      await fc.assert(
        fc.asyncProperty(fc.array(fc.oneof(fetchItems, nested(fetchItems)), { maxLength: 5 }), async (items) => {
          const list = items.map(({ item }) => item)
          const applied = await call(items.reduceRight((inner, { wrap }) => wrap(inner) as typeof handler, handler))
          expect(await call(stack(handler as Handler, ...list) as typeof handler)).toStrictEqual(applied)
          expect(await call(stack(...list)(handler))).toStrictEqual(applied)
        }),
        { numRuns: WIRE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'is its items applied one to the other, on Node',
    async () => {
      const handler = (req: IncomingMessage, res: ServerResponse): void =>
        void res.end(JSON.stringify([req.url, req.headers, req.rawHeaders, req.socket.remoteAddress]))
      let current = handler
      const server = http.createServer((req, res) => current(req, res))
      const port = await listen(server)
      const call = async (app: typeof handler): Promise<string> => {
        current = app
        const headers = Object.entries(FORWARDED).map(([name, value]) => `${name}: ${value}`)
        const text = ['GET /x HTTP/1.1', 'Host: app.example', 'Connection: close', ...headers, '', ''].join('\r\n')
        return (await exchange(port, text)).replace(/^Date: .*\r\n/im, '')
      }
      try {
        await fc.assert(
          fc.asyncProperty(fc.array(fc.oneof(nodeItems, nested(nodeItems)), { maxLength: 5 }), async (items) => {
            const list = items.map(({ item }) => item)
            const applied = await call(items.reduceRight((inner, { wrap }) => wrap(inner) as typeof handler, handler))
            expect(applied).toMatch(/^HTTP\/1\.1 20/)
            expect(await call(stack(handler, ...list))).toBe(applied)
            expect(await call(stack(...list)(handler))).toBe(applied)
          }),
          { numRuns: WIRE_RUNS },
        )
      } finally {
        await close(server)
      }
    },
    PROPERTY_TIMEOUT,
  )
})
