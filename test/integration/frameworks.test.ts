/** Unmodified apps of the frameworks that people use, with their own trust settings from off to the most gullible. */

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import express, { type Application, Router } from 'express'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { describe, expect, it } from 'vitest'
import { type FetchObject, type FunctionHandler, proxyFix, type ProxyFixOptions } from '../../src/index.ts'
import { serve } from '../../src/server/index.ts'
import { CLIENT, describeFramework, LIAR, PEER, type Report, type RunningApp } from './framework-suite.ts'
import { ask } from './wire.ts'

type Listener = RequestListener & FunctionHandler

/** A handler, wrapped if there are options. */
function fixed<H extends FunctionHandler | FetchObject>(handler: H, options: ProxyFixOptions | undefined): H {
  return options === undefined ? handler : proxyFix(handler, options)
}

async function listening(server: Server): Promise<RunningApp> {
  if (!server.listening) await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  return { url: `http://127.0.0.1:${port}`, close: () => new Promise((resolve) => server.close(resolve)) }
}

/** Serves a listener with node:http alone. */
async function served(listener: Listener): Promise<RunningApp> {
  return await listening(createServer(listener).listen(0, '127.0.0.1'))
}

const onNodeHttp = {
  'wrapped, on node:http': async (listener: Listener, options?: ProxyFixOptions) =>
    await served(fixed(listener, options)),
}

const onOurServer = {
  'on our server, which wraps it': async (app: FunctionHandler | FetchObject, options?: ProxyFixOptions) =>
    await serve(app, { bind: '127.0.0.1:0', ...(options !== undefined && { proxyFix: options }) }),
}

/** What an app puts together from a scheme, a host and a target. */
function report(ip: string | undefined, protocol: string, host: string, hostname: string, target: string): Report {
  return { ip, protocol, host, hostname, url: `${protocol}://${host}${target}` }
}

/** Believes the leftmost value of a header before what it saw itself, as apps without a framework's help do. */
function leftmost(header: string | string[] | undefined, seen: string): string {
  return String(header ?? seen)
    .split(',')[0]!
    .trim()
}

describeFramework<Listener>({
  name: 'node:http',
  settings: [
    {
      name: 'reading the socket and Host',
      app: () => async (req, res) => {
        await turn()
        const { socket, headers } = req
        const { host = '' } = headers
        const scheme = 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'
        res.end(JSON.stringify(report(socket.remoteAddress, scheme, host, host.replace(/:\d+$/, ''), req.url ?? '')))
      },
      withoutProxyFix: PEER,
    },
    {
      name: 'reading X-Forwarded-* by itself, from the left',
      app: () => async (req, res) => {
        await turn()
        const { socket, headers } = req
        const ip = leftmost(headers['x-forwarded-for'], socket.remoteAddress ?? '')
        const scheme = leftmost(headers['x-forwarded-proto'], 'http')
        const host = leftmost(headers['x-forwarded-host'], headers.host ?? '')
        res.end(JSON.stringify(report(ip, scheme, host, host.replace(/:\d+$/, ''), req.url ?? '')))
      },
      withoutProxyFix: LIAR,
    },
  ],
  ways: { ...onNodeHttp, ...onOurServer },
})

function expressApp(trustProxy: boolean | number | string): Application {
  const app = express().set('trust proxy', trustProxy)
  return app.get('/{*path}', (req, res) => {
    setImmediate(() => res.json(report(req.ip, req.protocol, req.host, req.hostname, req.originalUrl)))
  })
}

describeFramework({
  name: 'Express 5',
  settings: [
    { name: 'trust proxy false', app: () => expressApp(false), withoutProxyFix: PEER },
    {
      name: 'trust proxy 1',
      app: () => expressApp(1),
      withoutProxyFix: { ...LIAR, ip: '203.0.113.7' }, // one count for the address, none for the rest
    },
    {
      name: 'trust proxy loopback',
      app: () => expressApp('loopback'),
      withoutProxyFix: { ...LIAR, ip: '203.0.113.7' },
    },
    { name: 'trust proxy true', app: () => expressApp(true), withoutProxyFix: LIAR },
  ],
  ways: {
    ...onNodeHttp,
    'wrapped, listening by itself': async (app: Application, options) =>
      await listening(fixed(app, options).listen(0, '127.0.0.1')),
    ...onOurServer,
  },
})

function koaApp(proxy: boolean): Listener {
  const app = new Koa({ proxy })
  app.use(async (ctx) => {
    await turn()
    const { ip, protocol, host, hostname, href: url } = ctx
    ctx.body = { ip, protocol, host, hostname, url } satisfies Report
  })
  return app.callback()
}

describeFramework({
  name: 'Koa',
  settings: [
    { name: 'proxy false', app: () => koaApp(false), withoutProxyFix: PEER },
    { name: 'proxy true', app: () => koaApp(true), withoutProxyFix: LIAR },
  ],
  ways: { ...onNodeHttp, ...onOurServer },
})

type TrustProxy = NonNullable<FastifyServerOptions['trustProxy']>

/** A Fastify app takes the wrapping when it is made (`serverFactory`) or after (`routing`). */
type MakeFastify = (serverFactory?: (handler: RequestListener) => Server) => FastifyInstance

function fastifyApp(trustProxy: TrustProxy): MakeFastify {
  return (serverFactory) => {
    const app = Fastify({ trustProxy, ...(serverFactory !== undefined && { serverFactory }) })
    app.get('/*', (request, reply) => {
      setImmediate(() => {
        const { ip, protocol, host, hostname, originalUrl } = request
        void reply.send(report(ip, protocol, host, hostname, originalUrl))
      })
    })
    return app
  }
}

describeFramework<MakeFastify>({
  name: 'Fastify',
  settings: [
    { name: 'trustProxy false', app: () => fastifyApp(false), withoutProxyFix: PEER },
    { name: 'trustProxy loopback', app: () => fastifyApp('loopback'), withoutProxyFix: CLIENT },
    { name: 'trustProxy true', app: () => fastifyApp(true), withoutProxyFix: { ...CLIENT, ip: '6.6.6.6' } },
  ],
  ways: {
    'wrapped by serverFactory': async (make, options) => {
      const app = make((handler) => createServer(fixed(handler as Listener, options)))
      return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
    },
    'wrapped routing, on node:http': async (make, options) => {
      const app = make()
      await app.ready()
      return await served(fixed(app.routing as Listener, options))
    },
    'routing, on our server': async (make, options) => {
      const app = make()
      await app.ready()
      return await onOurServer['on our server, which wraps it'](app.routing as Listener, options)
    },
  },
})

type HonoApp = Hono<{ Bindings: HttpBindings }>

function honoApp(): HonoApp {
  const app: HonoApp = new Hono()
  return app.get('/*', async (c) => {
    await turn()
    const { protocol, host, hostname } = new URL(c.req.url)
    const { remote } = getConnInfo(c)
    return c.json({ ip: remote.address, protocol: protocol.slice(0, -1), host, hostname, url: c.req.url })
  })
}

function gullibleHonoApp(): HonoApp {
  const app: HonoApp = new Hono()
  return app.get('/*', async (c) => {
    await turn()
    const url = new URL(c.req.url)
    const ip = leftmost(c.req.header('x-forwarded-for'), getConnInfo(c).remote.address ?? '')
    const scheme = leftmost(c.req.header('x-forwarded-proto'), 'http')
    const host = leftmost(c.req.header('x-forwarded-host'), url.host)
    return c.json(report(ip, scheme, host, host.replace(/:\d+$/, ''), url.pathname + url.search))
  })
}

describeFramework<HonoApp>({
  name: 'Hono',
  settings: [
    { name: 'reading getConnInfo and the URL', app: honoApp, withoutProxyFix: PEER },
    { name: 'reading X-Forwarded-* by itself, from the left', app: gullibleHonoApp, withoutProxyFix: LIAR },
  ],
  ways: {
    'under its Node adapter, which is wrapped': async (app, options) =>
      await served(fixed(getRequestListener(app.fetch, { overrideGlobalObjects: false }) as Listener, options)),
    'wrapped, under its Node adapter': async (app, options) =>
      await served(getRequestListener(fixed(app, options).fetch, { overrideGlobalObjects: false }) as Listener),
    'fetch wrapped, under its Node adapter': async (app, options) =>
      await served(getRequestListener(fixed(app.fetch, options), { overrideGlobalObjects: false }) as Listener),
    ...onOurServer,
    'wrapped, on our server': async (app, options) => await serve(fixed(app, options), { bind: '127.0.0.1:0' }),
  },
})

describe('a path prefix that the proxy cut off', () => {
  const OPTIONS: ProxyFixOptions = { xPrefix: 1 }

  async function answer({ url, close }: RunningApp): Promise<unknown> {
    const headers = [['X-Forwarded-Prefix', '/evil, /shop']] as const
    try {
      const { body } = await ask({ to: url, target: '/blog/7?page=2', host: 'internal.example', headers })
      return JSON.parse(body)
    } finally {
      await close()
    }
  }

  it('is where an Express app and its routers are mounted', async () => {
    const blog = Router().get('/:id', ({ baseUrl, originalUrl, url }, res) => res.json({ baseUrl, originalUrl, url }))
    const app = express().use('/blog', blog)
    expect(await answer(await served(proxyFix(app as Listener, OPTIONS)))).toEqual({
      baseUrl: '/shop/blog',
      originalUrl: '/shop/blog/7?page=2',
      url: '/7?page=2',
    })
  })

  it('is in the original URL of a Fastify request, and not in the one that is routed', async () => {
    const app = Fastify().get('/blog/:id', ({ originalUrl, url }) => ({ originalUrl, url }))
    await app.ready()
    expect(await answer(await served(proxyFix(app.routing as Listener, OPTIONS)))).toEqual({
      originalUrl: '/shop/blog/7?page=2',
      url: '/blog/7?page=2',
    })
  })

  it('is not in the path that a Hono app routes by', async () => {
    const app = new Hono().get('/blog/:id', (c) => c.json({ url: c.req.url }))
    expect(await answer(await onOurServer['on our server, which wraps it'](app, OPTIONS))).toEqual({
      url: 'http://internal.example/blog/7?page=2',
    })
  })
})
