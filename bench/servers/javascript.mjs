/**
 * One server of JavaScript, under its own setting for one trusted proxy: `node javascript.mjs NAME PORT`. Where a server
 * has no such setting the handler reads the headers itself, as apps do there.
 */

import cluster from 'node:cluster'
import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import { isIP } from 'node:net'
import { fixByHand } from '../lib/by-hand.mjs'
import { fetchApp, nodeApp, send } from './apps.mjs'

const ADDRESS = '127.0.0.1'
const HOPS = { xFor: 1, xProto: 1, xHost: 1 }
const [name, port] = process.argv.slice(2)

const listen = (app) => createServer(app).listen(Number(port), ADDRESS)

const servers = {
  'node:http': () => listen(nodeApp),
  async proxyFix() {
    const { proxyFix } = await import('../../dist/index.js')
    listen(proxyFix(nodeApp, HOPS))
  },
  'fix by hand': () => listen(fixByHand(nodeApp)),
  'fix and run by hand': () => listen(fixedAndRun()),
  async requestContext() {
    const { proxyFix } = await import('../../dist/index.js')
    const { requestContext } = await import('../../dist/context/index.js')
    listen(proxyFix(requestContext(nodeApp), HOPS))
  },
  'node:cluster': () => inTwoWorkers(nodeApp),
  'node:cluster, fix and run by hand': () => inTwoWorkers(fixedAndRun()),
  async express() {
    const { default: express } = await import('express')
    const app = express().set('trust proxy', 'loopback').disable('x-powered-by')
    app.get('/path', (req, res) => send(res, req.ip, req.protocol, req.host))
    app.listen(Number(port), ADDRESS)
  },
  async fastify() {
    const { default: fastify } = await import('fastify')
    const app = fastify({ trustProxy: 'loopback' })
    app.get('/path', (request, reply) => {
      reply.type('text/plain').send(`${request.ip} ${request.protocol} ${request.host}`)
    })
    await app.listen({ port: Number(port), host: ADDRESS })
  },
  async koa() {
    const { default: Koa } = await import('koa')
    const app = new Koa({ proxy: true, maxIpsCount: 1 })
    app.use((context) => {
      context.type = 'text/plain'
      context.body = `${context.ip} ${context.protocol} ${context.host}`
    })
    app.listen(Number(port), ADDRESS)
  },
  async hono() {
    const { Hono } = await import('hono')
    const { serve } = await import('@hono/node-server')
    const app = new Hono()
    app.get('/path', (context) => context.text(answerByHand((header) => context.req.header(header))))
    serve({ fetch: app.fetch, port: Number(port), hostname: ADDRESS })
  },
  async '@hono/node-server'() {
    const { serve } = await import('@hono/node-server')
    const init = { headers: { 'content-type': 'text/plain' } }
    const app = ({ headers }) =>
      new Response(
        answerByHand((header) => headers.get(header)),
        init,
      )
    serve({ fetch: app, port: Number(port), hostname: ADDRESS })
  },
  async srvx() {
    const { serve } = await import('srvx/node')
    serve({
      fetch: fetchApp(({ ip }) => ip),
      trustProxy: 'loopback',
      port: Number(port),
      hostname: ADDRESS,
      silent: true,
    })
  },
  async 'srvx, FastResponse'() {
    const { serve, FastResponse } = await import('srvx/node')
    const app = fetchApp(({ ip }) => ip, FastResponse)
    serve({ fetch: app, trustProxy: 'loopback', port: Number(port), hostname: ADDRESS, silent: true })
  },
}

/** The app behind all that proxyFix and requestContext do for requests as expected. */
function fixedAndRun() {
  const storage = new AsyncLocalStorage()
  return fixByHand((req, res) => storage.run({ req, res }, nodeApp, req, res))
}

function inTwoWorkers(app) {
  if (cluster.isWorker) listen(app)
  else for (let worker = 0; worker < 2; worker++) cluster.fork()
}

function answerByHand(header) {
  const lastOf = (list = '') => list.slice(list.lastIndexOf(',') + 1).trim()
  const address = lastOf(header('x-forwarded-for'))
  const scheme = lastOf(header('x-forwarded-proto'))
  const host = lastOf(header('x-forwarded-host'))
  const isGood = isIP(address) !== 0 && (scheme === 'http' || scheme === 'https') && /^[\w.-]+$/.test(host)
  return isGood ? `${address} ${scheme} ${host}` : 'nobody'
}

await servers[name]()
