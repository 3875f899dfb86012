/** What was tried on rewriters by somebody who had only their source: each worked once. */

import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect as connectTo, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { allowHosts, connect, HeaderRewriter, mount } from '../../../src/index.ts'

afterEach(() => void vi.restoreAllMocks())

async function listening(server: Server | http2.Http2Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

/** Sends what no client library would, and gives back all that comes. */
async function raw(port: number, ...lines: string[]): Promise<string> {
  const socket = connectTo(port, '127.0.0.1')
  socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)
  return await text(socket)
}

async function overHttp2(
  port: number,
  headers: http2.OutgoingHttpHeaders,
): Promise<{ headers: http2.IncomingHttpHeaders; body: string }> {
  const session = http2.connect(`http://127.0.0.1:${port}`)
  const stream = session.request(headers)
  const [answered] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
  const body = await text(stream)
  session.close()
  return { headers: answered, body }
}

describe('a header with many blanks inside', () => {
  it('is copied in a time that grows with its length, not with the square of it', () => {
    let seen = ''
    const handler = HeaderRewriter.from({ request: { copy: { 'x-to': 'x-from' } } }).wrap((request: Request) => {
      seen = request.headers.get('x-to') ?? ''
      return new Response()
    })
    const value = `a${' '.repeat(2_000_000)}b` // minutes, where it is the square
    void handler(new Request('http://app/', { headers: { 'x-from': value } }))
    expect(seen).toBe(value)
  })
})

describe('a head that HTTP/2 takes and HTTP/1 refuses', () => {
  class Framed extends HeaderRewriter {
    override rewriteResponse({ headers }: Parameters<NonNullable<HeaderRewriter['rewriteResponse']>>[0]): void {
      headers.set('x-frame-options', 'DENY')
    }
  }

  it.each<{ name: string; head: Parameters<http2.Http2ServerResponse['writeHead']> }>([
    { name: 'a value that is not Latin-1', head: [200, { 'x-name': '日本' }] as never },
    { name: 'a reason of two lines', head: [200, 'line\nbreak'] as never },
  ])('is rewritten: $name', async ({ head }) => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined) // that HTTP/2 has no reasons
    const server = http2.createServer(
      new Framed().wrap((_: http2.Http2ServerRequest, res: http2.Http2ServerResponse) => {
        Reflect.apply(res.writeHead, res, head)
        res.end('x')
      }),
    )
    const { headers } = await overHttp2(await listening(server), { ':path': '/' })
    expect(headers['x-frame-options']).toBe('DENY')
  })
})

describe('an answer', () => {
  it('that is the same Response again is told, and answered 500', async () => {
    const shown = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    const busy = new Response('busy', { status: 503 })
    class Busy extends HeaderRewriter {
      override rewrite(): Response {
        return busy
      }
    }
    const port = await listening(
      http.createServer(new Busy().wrap((_: IncomingMessage, res: ServerResponse) => void res.end())),
    )
    const statuses: number[] = []
    for (let request = 0; request < 2; request++) statuses.push((await fetch(`http://127.0.0.1:${port}/`)).status)
    expect(statuses).toStrictEqual([503, 500])
    expect(String(shown.mock.calls[0]?.at(-1))).toContain('make a new one for each request')
  })

  it.each(['HTTP/1.1', 'HTTP/2'])('that nobody waits for any more is not made: %s', async (version) => {
    let goOn = (): void => undefined
    let asked = (): void => undefined
    const isAsked = new Promise<void>((resolve) => (asked = resolve))
    let cancelled = (): void => undefined
    const isCancelled = new Promise<boolean>((resolve) => (cancelled = () => resolve(true)))
    class Slow extends HeaderRewriter {
      override async rewrite(): Promise<Response> {
        asked()
        await new Promise<void>((resolve) => (goOn = resolve))
        const endless = new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(1000)),
          cancel: () => cancelled(),
        })
        return new Response(endless)
      }
    }
    const handler = new Slow().wrap((_: IncomingMessage, res: ServerResponse) => void res.end())
    let isClosed: Promise<unknown>
    if (version === 'HTTP/2') {
      const server = http2.createServer(handler as never)
      const session = http2.connect(`http://127.0.0.1:${await listening(server)}`)
      const stream = session.request({ ':path': '/' })
      isClosed = once(server, 'stream').then(async ([served]) => await once(served as http2.ServerHttp2Stream, 'close'))
      stream.on('error', () => undefined)
      await isAsked
      stream.close(http2.constants.NGHTTP2_CANCEL)
      onTestFinished(() => void session.destroy())
    } else {
      const server = http.createServer(handler)
      const port = await listening(server)
      isClosed = once(server, 'connection').then(async ([socket]) => await once(socket as never, 'close'))
      const socket = connectTo(port, '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: app\r\n\r\n')
      await isAsked
      socket.destroy()
    }
    await isClosed
    goOn()
    expect(await isCancelled).toBe(true)
  })
})

describe('allowHosts without proxyFix', () => {
  const hosts = allowHosts(['shop.example'])
  const told = (req: IncomingMessage | http2.Http2ServerRequest, res: ServerResponse): void => {
    const { ':authority': authority, host } = req.headers as Record<string, string | undefined>
    res.end(JSON.stringify({ authority, host, url: req.url }))
  }

  it('leaves one host over HTTP/2, that which was judged', async () => {
    const port = await listening(http2.createServer(hosts.wrap(told as never) as never))
    const { body } = await overHttp2(port, { ':path': '/', ':authority': 'shop.example', host: 'evil.example' })
    expect(JSON.parse(body)).toStrictEqual({ authority: 'shop.example', host: 'shop.example', url: '/' })
  })

  it('leaves no host in the target', async () => {
    const port = await listening(http.createServer(hosts.wrap(told)))
    const answer = await raw(port, 'GET http://evil.example/x?y HTTP/1.1', 'Host: shop.example')
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toStrictEqual({ host: 'shop.example', url: '/x?y' })
  })

  it('leaves one host in a Request', async () => {
    const handler = hosts.wrap((request: Request) => new Response(request.url))
    const response = await handler(new Request('http://evil.example/x', { headers: { host: 'shop.example' } }))
    expect(await response.text()).toBe('http://shop.example/x')
  })
})

describe('mount', () => {
  const named = (name: string) => (req: IncomingMessage, res: ServerResponse) =>
    void res.end(`${name} ${new URL(req.url ?? '', 'http://host').pathname} ${req.url}`)
  const app = mount({ '/admin': named('admin'), '/': named('site') })

  it.each([
    ['/admin#x', 'admin / /#x'],
    ['/x/../admin', 'admin / /'],
    ['/x/%2e%2E/admin/y?q=/../z', 'admin /y /y?q=/../z'],
    ['/admin/../x', 'site /x /x'],
    ['/x\\..\\admin', 'admin / /'],
    ['/admin/\\evil.example', 'admin /evil.example /evil.example'],
    ['/...', 'site /... /...'],
  ])('serves %s by the app that its URL names', async (target, expected) => {
    const port = await listening(http.createServer(app))
    const answer = await raw(port, `GET ${target} HTTP/1.1`, 'Host: app')
    expect(answer.split('\r\n\r\n')[1]).toBe(expected)
  })
})

describe('connect', () => {
  it.each([[false], [''], [0], ['route'], ['router']])('goes on after next(%j), as Express does', async (given) => {
    const passing = connect((_req: never, _res: never, next: (error?: unknown) => void) => next(given))
    const port = await listening(
      http.createServer(passing((_: IncomingMessage, res: ServerResponse) => void res.end('served'))),
    )
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('served')
  })
})

describe('a rewriter inside of a bridge', () => {
  it('lets go of the body when rewriteResponse fails', async () => {
    let isCancelled = false
    class Failing extends HeaderRewriter {
      override rewriteResponse(): void {
        throw new Error('mine')
      }
    }
    const body = new ReadableStream({ cancel: () => void (isCancelled = true) })
    const handler = new Failing().wrap(
      async ({ signal }: Request) => await Promise.resolve(new Response(signal.aborted ? null : body)),
    )
    await expect(handler(new Request('http://app/'))).rejects.toThrow('mine')
    expect(isCancelled).toBe(true)
  })
})

describe('a handler that throws nothing at all', () => {
  class Watching extends HeaderRewriter {
    override rewriteResponse(): void {}
  }

  it('throws it through a rewriter of responses, whose error it is not', async () => {
    const shown = vi.spyOn(console, 'error').mockImplementation(() => undefined)
    let outcome: Promise<unknown> = Promise.resolve('not called')
    const wrapped = new Watching().wrap(
      async (_req: IncomingMessage, _res: ServerResponse) => await Promise.reject<void>(),
    )
    const server = http.createServer((req, res) => {
      outcome = wrapped(req, res).then(
        () => 'answered',
        (error: unknown) => [error],
      )
      res.end()
    })
    await fetch(`http://127.0.0.1:${await listening(server)}/`)
    expect(await outcome).toStrictEqual([undefined])
    expect(shown).not.toHaveBeenCalled()
  })
})
