/**
 * Libraries that keep connections, queues and threads of their own, used by many requests at once: each request sees
 * its own context in each callback. Where a library loses it by nature (it calls back from a connection, on behalf of
 * nobody in particular), the callback is bound, as docs/context.md says.
 */

import { EventEmitter, once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { PassThrough, pipeline, Readable, Transform } from 'node:stream'
import { createGzip, gunzipSync, gzip } from 'node:zlib'
import { getRequestListener } from '@hono/node-server'
import { Queue, QueueEvents, Worker } from 'bullmq'
import express, { json } from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { Redis } from 'ioredis'
import Koa from 'koa'
import pg from 'pg'
import { Piscina } from 'piscina'
import postgres from 'postgres'
import { createClient } from 'redis'
import { Agent, fetch as undiciFetch, request as undiciRequest } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import {
  contextBaggage,
  ContextVar,
  copyContext,
  copyCurrentRequestContext,
  isBound,
  request,
  requestContext,
  unwrap,
} from '../../src/context/index.ts'
import { close, listen } from '../fixtures/raw-http.ts'
import { root } from './paths.ts'
import { postgresProgram, redisProgram, type Service, startPostgres, startRedis } from './services.ts'

const REQUESTS = 40

const id = new ContextVar<string>('id')

/** Which request this code serves, as far as it can tell: by the request, and by a variable. */
function here(): string {
  if (!isBound(request)) return 'lost'
  const { headers } = unwrap<unknown>(request) as IncomingMessage
  return `${String(headers['x-id'])} ${id.get('lost')}`
}

type Use = (see: () => void) => Promise<unknown>

/** What a callback of Node's is given, as a promise. */
const called = (start: (done: (error?: unknown) => void) => unknown): Promise<void> =>
  new Promise((resolve, reject) => {
    start((error) => (error instanceof Error ? reject(error) : resolve()))
  })

/** Serves many requests at once, each of which uses a library and looks where it is, so many times. */
async function expectSeen(use: Use, times: number): Promise<void> {
  const server = http.createServer(
    requestContext(async (req: IncomingMessage, res: ServerResponse) => {
      id.set(String(req.headers['x-id']))
      const seen: string[] = []
      try {
        await use(() => seen.push(here()))
        seen.push(here())
        res.end(JSON.stringify(seen))
      } catch (error) {
        res.writeHead(500).end(String(error))
      }
    }),
  )
  const port = await listen(server)
  try {
    const answers = await Promise.all(
      Array.from({ length: REQUESTS }, async (_, index) => {
        const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-id': `${index}` } })
        return response.status === 200 ? await response.json() : await response.text()
      }),
    )
    expect(answers).toStrictEqual(
      Array.from({ length: REQUESTS }, (_, index) => Array.from({ length: times + 1 }, () => `${index} ${index}`)),
    )
  } finally {
    await close(server)
  }
}

interface Case {
  readonly what: string
  /** How often the library's callbacks look where they are. */
  readonly times: number
  readonly use: Use
}

describe('streams and emitters', () => {
  const upstream = http.createServer((req, res) => {
    res.write('first ')
    setImmediate(() => res.end(String(req.headers['x-id'])))
  })
  let port = 0
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  const dispatcher = new Agent({ connections: 2 })

  beforeAll(async () => {
    port = await listen(upstream)
  })
  afterAll(async () => {
    agent.destroy()
    await dispatcher.close()
    await close(upstream)
  })

  it.each<Case>([
    {
      what: 'an EventEmitter that emits in the request',
      times: 1,
      async use(see) {
        const emitter = new EventEmitter()
        emitter.on('event', see)
        await new Promise((resolve) => setImmediate(resolve))
        emitter.emit('event')
      },
    },
    {
      what: 'stream.pipeline with a transform, and its callback',
      times: 4,
      use: (see) =>
        called((done) => {
          const transform = new Transform({
            transform(chunk, _encoding, next) {
              see()
              next(null, chunk)
            },
            flush(next) {
              see()
              next()
            },
          })
          pipeline(Readable.from(['a', 'b']), transform, createGzip(), new PassThrough().resume(), (error) => {
            see()
            done(error)
          })
        }),
    },
    {
      what: 'zlib, in its pool of threads',
      times: 1,
      use: (see) =>
        called((done) =>
          gzip(id.get(), (error, packed) => {
            if (String(gunzipSync(packed)) === id.get()) see()
            done(error)
          }),
        ),
    },
    {
      what: 'http.Agent, with fewer connections than requests, whose callbacks are bound',
      times: 3,
      use: (see) =>
        called((done) => {
          // They come from the connection, which another request may have opened.
          const context = copyContext()
          const headers = { 'x-id': id.get() }
          const onResponse = (res: IncomingMessage): void => {
            see()
            res.once('data', context.wrap(see))
            res.on('end', context.wrap(see))
            res.on('end', done)
          }
          http.get({ port, agent, headers }, context.wrap(onResponse)).on('error', done)
        }),
    },
    {
      what: 'fetch of undici, over kept connections',
      times: 2,
      async use(see) {
        const url = `http://127.0.0.1:${port}/`
        const response = await undiciFetch(url, { dispatcher, headers: { 'x-id': id.get() } })
        see()
        if ((await response.text()) === `first ${id.get()}`) see()
      },
    },
    {
      what: 'request of undici, over kept connections',
      times: 2,
      async use(see) {
        const url = `http://127.0.0.1:${port}/`
        const { body } = await undiciRequest(url, { dispatcher, headers: { 'x-id': id.get() } })
        see()
        if ((await body.text()) === `first ${id.get()}`) see()
      },
    },
  ])('$what', async ({ use, times }) => {
    await expect(expectSeen(use, times)).resolves.toBeUndefined()
  })
})

describe('piscina', () => {
  const pool = new Piscina({ filename: `${root}/test/fixtures/context/double.mjs`, maxThreads: 2 })
  afterAll(async () => await pool.destroy())

  it('gives its results to the request that asked', async () => {
    const use: Use = async (see) => {
      const result: unknown = await pool.run({ value: Number(id.get()) })
      if (result === 2 * Number(id.get())) see()
    }
    await expect(expectSeen(use, 1)).resolves.toBeUndefined()
  })
})

describe.skipIf(postgresProgram === undefined)('PostgreSQL, with fewer connections than requests', () => {
  let service: Service | undefined
  let pool: pg.Pool
  let sql: postgres.Sql

  beforeAll(async () => {
    service = await startPostgres()
    const where = { host: '127.0.0.1', port: service.port, user: 'postgres', database: 'postgres', max: 2 }
    pool = new pg.Pool(where)
    sql = postgres(where)
  })
  afterAll(async () => {
    await pool.end()
    await sql.end()
    await service?.stop()
  })

  it.each<Case>([
    {
      what: 'pg: queries and transactions that are awaited',
      times: 2,
      async use(see) {
        const { rows } = await pool.query<{ id: string }>('select $1::text as id, pg_sleep(0.001)', [id.get()])
        if (rows[0]?.id === id.get()) see()
        const client = await pool.connect()
        try {
          await client.query('begin')
          await client.query('select 1')
          await client.query('commit')
          see()
        } finally {
          client.release()
        }
      },
    },
    {
      what: 'pg: callbacks, which are bound',
      times: 1,
      use: (see) =>
        called((done) => {
          const onResult = (error: Error, { rows }: pg.QueryResult<{ id: string }>): void => {
            if (rows[0]?.id === id.get()) see()
            done(error)
          }
          pool.query('select $1::text as id', [id.get()], copyContext().wrap(onResult))
        }),
    },
    {
      what: 'postgres: queries, transactions and cursors',
      times: 4,
      async use(see) {
        const [row] = await sql<{ id: string }[]>`select ${id.get()}::text as id, pg_sleep(0.001)`
        if (row?.id === id.get()) see()
        // Its callback comes from the connection.
        const work = copyContext().wrap(async (transaction: postgres.TransactionSql) => {
          see()
          await transaction`select 1`
          see()
        })
        await sql.begin(work)
        for await (const rows of sql`select generate_series(1, 3)`.cursor(3)) if (rows.length === 3) see()
      },
    },
  ])('$what', async ({ use, times }) => {
    await expect(expectSeen(use, times)).resolves.toBeUndefined()
  })
})

describe.skipIf(redisProgram === undefined)('Redis', () => {
  let service: Service | undefined
  let ioredis: Redis
  let client: ReturnType<typeof createClient>

  beforeAll(async () => {
    service = await startRedis()
    ioredis = new Redis({ host: '127.0.0.1', port: service.port, maxRetriesPerRequest: null })
    client = createClient({ url: `redis://127.0.0.1:${service.port}` })
    await client.connect()
  })
  afterAll(async () => {
    await ioredis.quit()
    await client.close()
    await service?.stop()
  })

  it.each<Case>([
    {
      what: 'ioredis: commands and pipelines that are awaited',
      times: 2,
      async use(see) {
        await ioredis.set(`io ${id.get()}`, id.get())
        if ((await ioredis.get(`io ${id.get()}`)) === id.get()) see()
        const results = await ioredis.pipeline().get(`io ${id.get()}`).ping().exec()
        if (results?.[0]?.[1] === id.get()) see()
      },
    },
    {
      what: 'ioredis: callbacks',
      times: 1,
      use: (see) =>
        called((done) =>
          ioredis.ping((error) => {
            see()
            done(error)
          }),
        ),
    },
    {
      what: 'redis: commands and transactions',
      times: 2,
      async use(see) {
        await client.set(`redis ${id.get()}`, id.get())
        if ((await client.get(`redis ${id.get()}`)) === id.get()) see()
        const [value] = await client.multi().get(`redis ${id.get()}`).ping().exec()
        if (String(value) === id.get()) see()
      },
    },
  ])('$what', async ({ use, times }) => {
    await expect(expectSeen(use, times)).resolves.toBeUndefined()
  })

  it('BullMQ: what was carried along is there when a job runs, and nothing else', async () => {
    const baggage = contextBaggage({ id })
    const connection = { host: '127.0.0.1', port: service!.port }
    const queue = new Queue<{ baggage: string }, string>('jobs', { connection })
    const events = new QueueEvents('jobs', { connection })
    for (const emitter of [queue, events]) emitter.setMaxListeners(0) // one for each job that is waited for
    const run = async (): Promise<string> => {
      await new Promise((resolve) => setImmediate(resolve))
      return isBound(request) ? 'a request' : id.get('lost')
    }
    const worker = new Worker<{ baggage: string }, string>(
      'jobs',
      async ({ data }) => await baggage.run(data.baggage, run),
      { connection, concurrency: 5 },
    )
    const use: Use = async (see) => {
      const job = await queue.add('job', { baggage: baggage.header() })
      see()
      if ((await job.waitUntilFinished(events)) === id.get()) see()
    }
    try {
      await expect(expectSeen(use, 2)).resolves.toBeUndefined()
    } finally {
      await worker.close()
      await events.close()
      await queue.close()
    }
  })
})

describe('bodies that frameworks parse', () => {
  const report = (body: unknown): unknown => ({ body, isBound: isBound(request), id: id.get('lost') })

  const app = express()
  app.use((req, _res, next) => {
    id.set(String(req.headers['x-id']))
    next()
  })
  app.use(json())
  app.post('/', (req, res) => void res.json(report(req.body)))

  const koa = new Koa()
  koa.use(async (ctx) => {
    id.set(String(ctx.req.headers['x-id']))
    let text = ''
    for await (const chunk of ctx.req) text += String(chunk)
    ctx.body = report(JSON.parse(text))
  })

  const fastify = Fastify()
  fastify.addHook('onRequest', (req, _reply, done) => {
    id.set(String(req.headers['x-id']))
    done()
  })
  fastify.post('/', async (req) => Promise.resolve(report(req.body)))
  afterAll(async () => await fastify.close())

  const hono = new Hono()
  hono.post('/', async (c) => {
    id.set(String(c.req.header('x-id')))
    return Response.json(report(await c.req.json()))
  })

  it.each<{ name: string; listener: () => Promise<unknown> }>([
    { name: 'Express', listener: async () => Promise.resolve(app) },
    { name: 'Koa', listener: async () => Promise.resolve(koa.callback()) },
    {
      name: 'Fastify',
      async listener() {
        await fastify.ready()
        return fastify.routing
      },
    },
    { name: 'Hono', listener: async () => Promise.resolve(getRequestListener(hono.fetch)) },
  ])('leave $name in the context of the request', async ({ listener }) => {
    const server = http.createServer(requestContext((await listener()) as http.RequestListener))
    const port = await listen(server)
    const ask = async (index: number): Promise<unknown> => {
      const body = JSON.stringify({ index, padding: 'x'.repeat(50_000) })
      const headers = { 'content-type': 'application/json', 'x-id': `${index}` }
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, headers })
      const { body: seen, ...rest } = (await response.json()) as { body: { index: number } }
      return { index: seen.index, ...rest }
    }
    try {
      expect(await Promise.all(Array.from({ length: REQUESTS }, (_, index) => ask(index)))).toStrictEqual(
        Array.from({ length: REQUESTS }, (_, index) => ({ index, isBound: true, id: `${index}` })),
      )
    } finally {
      await close(server)
    }
  })
})

describe('ws', () => {
  it('hears each message in the context of the upgrade that it came by', async () => {
    const sockets = new WebSocketServer({ noServer: true })
    const server = http.createServer()
    const upgrade = (req: IncomingMessage, socket: import('node:stream').Duplex, head: Buffer): void => {
      id.set(String(req.headers['x-id']))
      sockets.handleUpgrade(req, socket, head, (client) => {
        client.on('message', (text: Buffer) => client.send(`${String(text)}: ${here()}`))
      })
    }
    server.on('upgrade', requestContext(upgrade))
    const port = await listen(server)
    const clients = Array.from(
      { length: 10 },
      (_, index) => new WebSocket(`ws://127.0.0.1:${port}`, { headers: { 'x-id': `${index}` } }),
    )
    try {
      await Promise.all(clients.map((client) => once(client, 'open')))
      for (const round of ['first', 'second']) {
        const answers = await Promise.all(
          clients.map(async (client) => {
            const answer = once(client, 'message') as Promise<[Buffer]>
            client.send(round)
            return String((await answer)[0])
          }),
        )
        expect(answers).toStrictEqual(clients.map((_, index) => `${round}: ${index} ${index}`))
      }
    } finally {
      for (const client of clients) client.terminate()
      sockets.close()
      await close(server)
    }
  })
})

describe('a queue that calls back from elsewhere', () => {
  it('loses the context, but for the callback that is bound', async () => {
    // As pools do: whoever comes first starts the work of all.
    const waiting: (() => void)[] = []
    const enqueue = (callback: () => void): void => {
      if (waiting.push(callback) === 1) setTimeout(() => waiting.splice(0).forEach((call) => call()), 5)
    }
    let isOwn = 0
    const use: Use = (see) =>
      called((done) => {
        const own = id.get()
        enqueue(() => {
          if (id.get('lost') === own) isOwn++
        })
        const callback = (): void => {
          see()
          done()
        }
        enqueue(copyCurrentRequestContext(callback))
      })
    await expect(expectSeen(use, 1)).resolves.toBeUndefined()
    expect(isOwn).toBeLessThan(REQUESTS)
  })
})
