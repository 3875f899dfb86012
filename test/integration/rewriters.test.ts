/**
 * Rewriters where they are used: the CustomProxyFix of Flask's page behind a real nginx, under the frameworks and our own
 * server; and responses that are rewritten, as curl and undici receive them.
 */

import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, type Server } from 'node:net'
import { promisify } from 'node:util'
import { getRequestListener } from '@hono/node-server'
import express from 'express'
import { Hono } from 'hono'
import Koa from 'koa'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import {
  type FetchObject,
  type FunctionHandler,
  HeaderRewriter,
  proxyFix,
  type RewritableRequest,
  stack,
} from '../../src/index.ts'
import { serve } from '../../src/server/index.ts'
import { nginxProgram, type RunningNginx, startNginx } from './nginx.ts'
import { root } from './paths.ts'
import { comparedApp, Noting } from './programs-to-compare.ts'
import { ask } from './wire.ts'

/** As in Flask's documentation, but for the language. */
class CustomProxyFix extends HeaderRewriter {
  override rewrite(request: RewritableRequest): void {
    const host = request.headers.get('x-fhost')
    if (host) request.host = host
  }
}

interface App {
  readonly name: string
  readonly start: () => Promise<{ url: string; close(): Promise<unknown> }>
}

async function listening(server: Server): Promise<{ url: string; close(): Promise<unknown> }> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

const onNode = (listener: RequestListener): Promise<{ url: string; close(): Promise<unknown> }> =>
  listening(http.createServer(listener))

const plain = (req: IncomingMessage, res: ServerResponse): void => void res.end(`${req.headers.host} ${req.url}`)
const inExpress = (): RequestListener => {
  const app = express()
  app.get('/*path', (req, res) => void res.end(`${req.host} ${req.url}`))
  return app
}
const inKoa = (): RequestListener =>
  new Koa({ proxy: false }).use(async (ctx) => void (ctx.body = `${ctx.host} ${ctx.url}`)).callback() as RequestListener
const inHono = (): Hono => new Hono().get('/*', (c) => c.text(`${new URL(c.req.url).host} ${c.req.path}`))
const inFetch = (request: Request): Response => {
  const { host, pathname } = new URL(request.url)
  return new Response(`${host} ${pathname}`)
}
const bridged = (fetch: unknown): RequestListener =>
  getRequestListener(fetch as never, { overrideGlobalObjects: false }) as RequestListener

const served = (app: FunctionHandler | FetchObject): Promise<{ url: string; close(): Promise<unknown> }> =>
  serve(app, { bind: '127.0.0.1:0' })

const APPS: readonly App[] = [
  { name: 'a Node listener', start: () => onNode(new CustomProxyFix().wrap(plain)) },
  { name: 'a whole server', start: () => listening(new CustomProxyFix().wrap(http.createServer(plain))) },
  { name: 'Express', start: () => onNode(new CustomProxyFix().wrap(inExpress())) },
  { name: 'Koa', start: () => onNode(new CustomProxyFix().wrap(inKoa())) },
  { name: 'Hono, under its adapter', start: () => onNode(bridged(new CustomProxyFix().wrap(inHono()).fetch)) },
  { name: 'Hono’s adapter', start: () => onNode(new CustomProxyFix().wrap(bridged(inHono().fetch))) },
  { name: 'a Node listener on our server', start: () => served(new CustomProxyFix().wrap(plain)) },
  { name: 'a Fetch handler on our server', start: () => served(new CustomProxyFix().wrap(inFetch)) },
  { name: 'an object with fetch on our server', start: () => served(new CustomProxyFix().wrap({ fetch: inFetch })) },
  { name: 'Hono on our server', start: () => served(new CustomProxyFix().wrap(inHono())) },
  { name: 'Express on our server', start: () => served(new CustomProxyFix().wrap(inExpress())) },
  {
    name: 'a stack behind proxyFix, on our server',
    start: () => served(stack(inFetch, proxyFix({ xFor: 1, trustedProxies: 'loopback' }), CustomProxyFix)),
  },
  {
    name: 'a stack in front of proxyFix',
    start: () => onNode(stack(inExpress(), CustomProxyFix, proxyFix({ xFor: 1, xProto: 1 }))),
  },
]

describe.each(APPS)('CustomProxyFix around $name', ({ start }) => {
  let app: Awaited<ReturnType<App['start']>>
  beforeAll(async () => void (app = await start()))
  afterAll(async () => await app.close())

  it('gives the host that X-FHost names', async () => {
    const question = { to: app.url, target: '/x', host: 'internal.example' }
    expect((await ask({ ...question, headers: [['X-FHost', 'www.example.com']] })).body).toBe('www.example.com /x')
    expect((await ask({ ...question, headers: [['X-FHost', 'www.example.com:8443']] })).body).toBe(
      'www.example.com:8443 /x',
    )
    expect((await ask(question)).body).toBe('internal.example /x')
  })

  it('answers 400 to a host that is none, and lives', async () => {
    const bad = {
      to: app.url,
      target: '/x',
      host: 'internal.example',
      headers: [['X-FHost', 'evil.example/path?']] as const,
    }
    expect(await ask(bad)).toStrictEqual({
      status: 400,
      body: 'Bad request: it holds a value that cannot be used here.\n',
    })
    expect((await ask({ to: app.url, target: '/x', host: 'internal.example' })).status).toBe(200)
  })

  describe.skipIf(nginxProgram === undefined)(
    `behind nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
    () => {
      let nginx: RunningNginx<'fhost'> | undefined
      beforeAll(
        async () => void (nginx = await startNginx('www.example.com', { fhost: { file: 'fhost.conf', app: app.url } })),
      )
      afterAll(async () => await nginx?.stop())

      it('gives the host that the client asked for, whatever the client says of it', async () => {
        const { http: front, https } = nginx!.sites.fhost
        const question = { to: front, target: '/x', host: 'www.example.com' }
        expect((await ask(question)).body).toBe('www.example.com /x')
        expect((await ask({ ...question, headers: [['X-FHost', 'evil.example']] })).body).toBe('www.example.com /x')
        expect((await ask({ ...question, to: https, certificate: nginx!.certificate })).body).toBe('www.example.com /x')
      })
    },
  )
})

/** The programs on a bare server and on one with rewriters. */
const SERVERS: readonly { name: string; listener: () => RequestListener; isNoted: boolean }[] = [
  { name: 'without a rewriter', listener: comparedApp, isNoted: false },
  { name: 'with a rewriter', listener: () => new Noting().wrap(comparedApp()), isNoted: true },
  {
    name: 'with rewriters and proxyFix in a stack',
    listener: () => stack(comparedApp(), proxyFix({ xFor: 1 }), Noting),
    isNoted: true,
  },
]

describe.each(SERVERS)('undici, $name', ({ listener, isNoted }) => {
  let app: Awaited<ReturnType<typeof onNode>>
  beforeAll(async () => void (app = await onNode(listener())))
  afterAll(async () => await app.close())

  const get = (path: string, init?: RequestInit): Promise<Response> =>
    fetch(app.url + path, { redirect: 'manual', ...init })
  const noted = isNoted ? 'response' : null
  const release = async (): Promise<void> => void (await (await get('/release')).text())

  it.each(['/stream', '/gzip'])('%s arrives in parts as they are written', async (path) => {
    const response = await get(path)
    expect(response.headers.get('x-noted')).toBe(noted)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('first,') // while the handler waits for what comes next here
    await release()
    expect((await reader.read()).value).toBe('second')
    expect((await reader.read()).done).toBe(true)
  })

  it('a head that is flushed arrives before its body', async () => {
    const response = await get('/flushed')
    expect([response.headers.get('content-length'), response.headers.get('x-noted')]).toStrictEqual(['4', noted])
    await release()
    expect(await response.text()).toBe('body')
  })

  it('cookies come one by one, statuses without a body have none, redirects go where they went', async () => {
    const page = await get('/')
    const own = ['one=1; Path=/', 'two=2; Path=/']
    expect(page.headers.getSetCookie()).toStrictEqual(isNoted ? [...own, 'rewriter=1; Path=/'] : own)
    for (const [path, status] of [
      ['/nothing', 204],
      ['/same', 304],
    ] as const) {
      const response = await get(path)
      expect([response.status, await response.text(), response.headers.get('x-noted')]).toStrictEqual([
        status,
        '',
        noted,
      ])
    }
    const moved = await get('/moved')
    expect([moved.status, moved.headers.get('location')]).toStrictEqual([302, '/upload-form'])
    expect(await (await get('/moved', { redirect: 'follow' })).text()).toBe('arrived')
    expect((await get('/', { method: 'HEAD' })).headers.get('x-noted')).toBe(noted)
  })

  it('a body that is sent while it is answered comes back as it goes', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(
      undefined,
      { highWaterMark: 4 },
      { highWaterMark: 4 },
    )
    const writer = writable.getWriter()
    await writer.write(new TextEncoder().encode('one'))
    const response = await get('/upload', { method: 'POST', body: readable, duplex: 'half' } as RequestInit)
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('one')
    await writer.write(new TextEncoder().encode('two'))
    expect((await reader.read()).value).toBe('two')
    await writer.close()
    expect((await reader.read()).done).toBe(true)
  })

  it('an error before the head is the page for it, one behind it cuts the body', async () => {
    const before = await get('/error-before')
    expect([before.status, await before.text(), before.headers.get('x-noted')]).toStrictEqual([500, 'failed', noted])
    const after = await get('/error-after')
    const reader = after.body!.getReader()
    expect(new TextDecoder().decode((await reader.read()).value)).toBe('half')
    await release()
    await expect(reader.read()).rejects.toThrow('terminated')
    const short = await get('/error-short')
    await expect(short.text()).rejects.toThrow('terminated')
  })
})

const hasCurl = spawnSync('curl', ['--version']).status === 0

describe.skipIf(!hasCurl).each(SERVERS)(
  `curl${hasCurl ? '' : ' (it is not installed)'}, $name`,
  ({ listener, isNoted }) => {
    let app: Awaited<ReturnType<typeof onNode>>
    beforeAll(async () => void (app = await onNode(listener())))
    afterAll(async () => await app.close())

    /** What curl says, and how it ended; the Date is left out. */
    async function curl(...args: readonly string[]): Promise<{ code: unknown; stdout: string }> {
      try {
        const { stdout } = await promisify(execFile)('curl', ['-sS', '--max-time', '20', ...args])
        return { code: 0, stdout: stdout.replace(/^Date: .*\r\n/gim, '') }
      } catch (error) {
        const { code, stdout } = error as { code: unknown; stdout: string }
        return { code, stdout: stdout.replace(/^Date: .*\r\n/gim, '') }
      }
    }

    const head = (...lines: readonly string[]): string =>
      [
        ...lines.filter((line) => isNoted || !/noted|rewriter/i.test(line)),
        'Connection: keep-alive',
        'Keep-Alive: timeout=5',
      ].join('\r\n')

    it.each([
      {
        path: '/upload-form',
        args: ['-i'],
        sent: () => `${head('HTTP/1.1 200 OK', 'X-Noted: response')}\r\nContent-Length: 7\r\n\r\narrived`,
      },
      { path: '/nothing', args: ['-i'], sent: () => `${head('HTTP/1.1 204 No Content', 'X-Noted: response')}\r\n\r\n` },
      { path: '/nothing', args: ['-I'], sent: () => `${head('HTTP/1.1 204 No Content', 'X-Noted: response')}\r\n\r\n` },
      {
        path: '/early',
        args: ['-i'],
        sent: () =>
          `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\n\r\n${head('HTTP/1.1 200 OK', 'X-Noted: response')}\r\nContent-Length: 4\r\n\r\ndone`,
      },
      {
        path: '/upload',
        args: ['-i', '-d', 'posted', '-H', 'Expect: 100-continue'],
        sent: () =>
          `HTTP/1.1 100 Continue\r\n\r\n${head('HTTP/1.1 200 OK', 'X-Noted: response')}\r\nTransfer-Encoding: chunked\r\n\r\nposted`,
      },
    ])('is sent $path ($args) once, byte by byte', async ({ path, args, sent }) => {
      expect(await curl(...args, app.url + path)).toStrictEqual({ code: 0, stdout: sent() })
    })

    it('reads trailers, which come after the body', async () => {
      const { stdout } = await curl('--raw', '-i', `${app.url}/trailers`)
      expect(stdout).toMatch(/\r\nTrailer: X-Sum\r\n/)
      expect(stdout).toMatch(/\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n$/)
    })

    it('is cut short where the app was', async () => {
      expect(await curl(`${app.url}/error-short`)).toMatchObject({ code: 18, stdout: 'half' }) // CURLE_PARTIAL_FILE
      expect(await curl('-w', '%{http_code}', `${app.url}/error-before`)).toStrictEqual({
        code: 0,
        stdout: 'failed500',
      })
    })
  },
)

describe('HTTP/2 in clear text', () => {
  it.each([
    { name: 'without a rewriter', wrap: (listener: RequestListener) => listener, noted: undefined },
    { name: 'with one', wrap: (listener: RequestListener) => new Noting().wrap(listener), noted: 'response' },
  ])('multiplexes streams that wait for each other, $name', async ({ wrap, noted }) => {
    const server = http2.createServer(wrap(comparedApp()) as never)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/stream' })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    expect(headers['x-noted']).toBe(noted)
    expect(String(((await once(stream, 'data')) as [Buffer])[0])).toBe('first,')
    client.request({ ':path': '/release' }).resume()
    expect(String(((await once(stream, 'data')) as [Buffer])[0])).toBe('second')
    const trailing = client.request({ ':path': '/trailers' })
    trailing.resume()
    expect(((await once(trailing, 'trailers')) as [Record<string, string>])[0]['x-sum']).toBe('7')
  })
})

describe('a process of its own', () => {
  /** Runs a program against the package as it is built. */
  async function run(program: string, nodeEnv: string): Promise<string> {
    const code = `import { connect, HeaderRewriter, stack } from ${JSON.stringify(`file://${root}/dist/index.js`)}
      import http from 'node:http'
      const ask = (port, headers = {}) => new Promise((resolve) =>
        http.get({ port, agent: false, headers }, (res) => res.resume().on('end', () => resolve(res.statusCode))).on('error', (error) => resolve(error.code)))
      const start = (listener) => new Promise((resolve) => {
        const server = http.createServer(listener).listen(0, '127.0.0.1', () => resolve(server))
      })
      ${program}`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
      env: { ...process.env, NODE_ENV: nodeEnv },
      timeout: 20_000,
    })
    return stdout
  }

  const TWICE = `
    let calls = 0
    const app = stack((req, res) => { calls++; res.end() }, connect(function twice(req, res, next) { next(); next() }))
    const server = await start((req, res) => { try { app(req, res) } catch (error) { console.log(error.message) } })
    console.log(await ask(server.address().port), calls)
    server.close()`

  it('hears of a next() that is called twice in development', async () => {
    expect(await run(TWICE, 'development')).toBe(
      'twice called next() twice: is a return missing behind the first one?\n200 1\n',
    )
  })

  it('hears nothing of it in production, where the handler runs once as well', async () => {
    expect(await run(TWICE, 'production')).toBe('200 1\n')
  })

  it.each(['development', 'production'])(
    'does not lose the error of a handler behind an async middleware, in %s',
    async (nodeEnv) => {
      const program = `
      const app = stack(() => { throw new Error('mine') }, connect(async (req, res, next) => { next() }))
      const server = await start((req, res) => Promise.resolve(app(req, res)).then(() => console.log('lost'), (error) => { console.log(error.message); res.writeHead(500).end() }).then(() => res.end()))
      console.log(await ask(server.address().port))
      server.close()`
      expect(await run(program, nodeEnv)).toBe('mine\n500\n')
    },
  )

  it('lives through every value that a client can have a rewriter assign', async () => {
    const program = `
      class Gullible extends HeaderRewriter {
        rewrite(request) {
          const { headers, client } = request
          const value = decodeURIComponent(headers.get('x-value') ?? '')
          switch (headers.get('x-kind')) {
            case 'host': request.host = value; break
            case 'url': request.url = value; break
            case 'client': client.address = value; break
            case 'prefix': request.prefix = value; break
            case 'scheme': request.scheme = value; break
            case 'method': request.method = value; break
            case 'header': headers.set('x-copy', value); break
            case 'name': headers.set(value, '1'); break
            case 'answer': return { status: 200, headers: { location: value } }
          }
        }
      }
      const server = await start(new Gullible().wrap((req, res) => res.end()))
      const { port } = server.address()
      for (const kind of ['host', 'url', 'client', 'prefix', 'scheme', 'method', 'header', 'name', 'answer'])
        for (const value of ['%0d%0aX: y', '%00', '%20', '%e2%82%ac', '%f0%9f%98%80'])
          if (await ask(port, { 'x-kind': kind, 'x-value': value }) !== 400 && value !== '%20') console.log('not 400', kind, value)
      console.log('alive', await ask(port))
      server.close()`
    expect(await run(program, 'production')).toBe('alive 200\n')
  })
})
