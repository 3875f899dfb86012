/** Unmodified apps of the frameworks that people use, with their own trust settings from off to the most gullible. */

import { createServer } from 'node:http'
import express, { Router } from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import { proxyFix, type ProxyFixOptions } from '../../src/index.ts'
import { describeFramework } from './framework-suite.ts'
import { send } from './frameworks/client.ts'
import { connectApps, polkaApps } from './frameworks/connect.ts'
import { express5, expressFour } from './frameworks/express.ts'
import { fastify } from './frameworks/fastify.ts'
import { h3, h3Version1 } from './frameworks/h3.ts'
import { hono } from './frameworks/hono.ts'
import { koa } from './frameworks/koa.ts'
import { nest } from './frameworks/nest.ts'
import { nodeHttp, nodeHttp2, nodeHttp2Secure, nodeHttp2SecureHttp1, nodeHttps } from './frameworks/node.ts'
import { remix, remixHandler } from './frameworks/remix.ts'
import { restify } from './frameworks/restify.ts'
import { type Listener, listening, onOurServer, type RunningApp, wrapped } from './frameworks/running.ts'
import { srvx } from './frameworks/srvx.ts'
import { graphqlYoga, graphqlYogaFetch, whatwg, whatwgFetch } from './frameworks/whatwg.ts'

describeFramework(nodeHttp)
describeFramework(nodeHttps)
describeFramework(nodeHttp2)
describeFramework(nodeHttp2Secure)
describeFramework(nodeHttp2SecureHttp1)
describeFramework(express5)
describeFramework(expressFour)
describeFramework(connectApps)
describeFramework(polkaApps)
describeFramework(restify)
describeFramework(nest)
describeFramework(fastify)
describeFramework(koa)
describeFramework(hono)
describeFramework(h3Version1)
describeFramework(h3)
describeFramework(srvx)
describeFramework(remix)
describeFramework(remixHandler)
describeFramework(whatwg)
describeFramework(whatwgFetch)
describeFramework(graphqlYoga)
describeFramework(graphqlYogaFetch)

describe('a path prefix that the proxy cut off', () => {
  const OPTIONS: ProxyFixOptions = { xPrefix: 1 }

  async function answer(running: RunningApp): Promise<unknown> {
    const headers = [['X-Forwarded-Prefix', '/evil, /shop']] as const
    try {
      const [{ body } = { body: '' }] = await send(running, [
        { target: '/blog/7?page=2', host: 'internal.example', headers },
      ])
      return JSON.parse(body)
    } finally {
      await running.close()
    }
  }

  const blog = Router().get('/:id', ({ baseUrl, originalUrl, url }, res) => res.json({ baseUrl, originalUrl, url }))

  it('is where an Express app and its routers are mounted', async () => {
    const app = express().use('/blog', blog)
    expect(await answer(await wrapped(app as Listener, OPTIONS))).toEqual({
      baseUrl: '/shop/blog',
      originalUrl: '/shop/blog/7?page=2',
      url: '/7?page=2',
    })
  })

  it('is lost to the base URL of routers in an Express app that was mounted before its middleware ran', async () => {
    const app = express().use(proxyFix(OPTIONS)).use('/blog', blog)
    expect(await answer(await listening(createServer(app)))).toEqual({
      baseUrl: '/blog',
      originalUrl: '/shop/blog/7?page=2',
      url: '/7?page=2',
    })
  })

  it('is in the original URL of a Fastify request, and not in the one that is routed', async () => {
    const app = Fastify().get('/blog/:id', ({ originalUrl, url }) => ({ originalUrl, url }))
    await app.ready()
    expect(await answer(await wrapped(app.routing as Listener, OPTIONS))).toEqual({
      originalUrl: '/shop/blog/7?page=2',
      url: '/blog/7?page=2',
    })
  })

  it('is not in the path that a Hono app routes by', async () => {
    const app = new Hono().get('/blog/:id', (c) => c.json({ url: c.req.url }))
    expect(await answer(await onOurServer(app, OPTIONS))).toEqual({ url: 'http://internal.example/blog/7?page=2' })
  })
})
