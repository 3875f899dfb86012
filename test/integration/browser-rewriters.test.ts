/**
 * Rewritten responses as a browser receives them: over HTTP/1.1 and over HTTP/2, from a bare server and from one with
 * rewriters, which have to tell it the same, but for what was rewritten.
 */

import { once } from 'node:events'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxyFix, securityRedirect, serverTiming, stack } from '../../src/index.ts'
import { selfSignedCertificate } from './certificate.ts'
import { chromiumProgram, type Page, type RunningChromium, startChromium } from './chromium.ts'
import { comparedApp, Noting } from './programs-to-compare.ts'

const { certificate: cert, key } = selfSignedCertificate('localhost')

type Wrap = (listener: RequestListener) => RequestListener

const WRAPS: readonly { what: string; wrap: Wrap; noted: string | null }[] = [
  { what: 'without a rewriter', wrap: (listener) => listener, noted: null },
  { what: 'with a rewriter', wrap: (listener) => new Noting().wrap(listener), noted: 'response' },
  {
    what: 'with a stack',
    wrap: (listener) => stack(listener, proxyFix({ xFor: 1 }), Noting, serverTiming()),
    noted: 'response',
  },
]
const PROTOCOLS: readonly { protocol: string; scheme: string; serve: (listener: RequestListener) => Server }[] = [
  { protocol: 'http/1.1', scheme: 'http', serve: (listener) => http.createServer(listener) },
  { protocol: 'h2', scheme: 'https', serve: (listener) => http2.createSecureServer({ cert, key }, listener as never) },
]
const SETUPS = PROTOCOLS.flatMap((protocol) => WRAPS.map((wrap) => ({ ...protocol, ...wrap })))

describe.skipIf(chromiumProgram === undefined)(
  `in Chromium${chromiumProgram === undefined ? ' (it is not installed)' : ''}`,
  () => {
    let chromium: RunningChromium | undefined
    beforeAll(async () => void (chromium = await startChromium()))
    afterAll(async () => await chromium?.stop())

    describe.each(SETUPS)('over $protocol, $what', ({ protocol, scheme, serve, wrap, noted }) => {
      let server: Server
      let page: Page
      let origin: string
      beforeAll(async () => {
        server = serve(wrap(comparedApp())).listen(0, '127.0.0.1')
        await once(server, 'listening')
        origin = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
        page = await chromium!.open(`${origin}/`)
      })
      afterAll(async () => {
        await page.close()
        if (server instanceof http.Server) server.closeAllConnections()
        server.close()
      })

      it('a page is loaded by that protocol, with its cookies', async () => {
        const seen = await page.run(() => {
          const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
          return {
            title: document.title,
            protocol: entry!.nextHopProtocol,
            cookies: document.cookie.split('; ').toSorted(),
          }
        }, undefined)
        const cookies = noted === null ? ['one=1', 'two=2'] : ['one=1', 'rewriter=1', 'two=2']
        expect(seen).toStrictEqual({ title: 'compared', protocol, cookies })
      })

      it.each(['/stream', '/gzip'])('%s arrives in parts as they are written, a header once', async (path) => {
        const seen = await page.run(async (target) => {
          const response = await fetch(target)
          const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
          const first = await reader.read() // while the handler waits for what comes next here
          await fetch('/release')
          const second = await reader.read()
          const { done } = await reader.read()
          return { noted: response.headers.get('x-noted'), first: first.value, second: second.value, done }
        }, path)
        expect(seen).toStrictEqual({ noted, first: 'first,', second: 'second', done: true })
      })

      it('events arrive as they are sent', async () => {
        const seen = await page.run(async () => {
          const source = new EventSource('/events')
          const next = (): Promise<unknown> =>
            new Promise((resolve) => source.addEventListener('message', ({ data }) => resolve(data), { once: true }))
          const first = await next()
          const second = next()
          await fetch('/release')
          const all = [first, await second]
          source.close()
          return all
        }, undefined)
        expect(seen).toStrictEqual(['first', 'second'])
      })

      it('a head that is flushed arrives before its body', async () => {
        const seen = await page.run(async () => {
          const response = await fetch('/flushed')
          const length = response.headers.get('content-length')
          await fetch('/release')
          return [length, await response.text()]
        }, undefined)
        expect(seen).toStrictEqual(['4', 'body'])
      })

      it('uploads come back, redirects are followed, statuses without a body have none', async () => {
        const seen = await page.run(async () => {
          const upload = await fetch('/upload', { method: 'POST', body: 'x'.repeat(300_000) })
          const moved = await fetch('/moved')
          const nothing = await fetch('/nothing')
          return {
            upload: (await upload.text()).length,
            moved: [moved.redirected, await moved.text()],
            cookie: document.cookie.includes('moved=1'),
            nothing: [nothing.status, await nothing.text()],
          }
        }, undefined)
        expect(seen).toStrictEqual({ upload: 300_000, moved: [true, 'arrived'], cookie: true, nothing: [204, ''] })
      })

      it('an error before the head is the page for it, one behind it breaks the body off', async () => {
        const seen = await page.run(async () => {
          const before = await fetch('/error-before')
          const after = await fetch('/error-after')
          const reader = after.body!.pipeThrough(new TextDecoderStream()).getReader()
          const first = await reader.read()
          await fetch('/release')
          const rest = await reader.read().then(
            () => 'more',
            (error: Error) => error.name,
          )
          const short = await fetch('/error-short')
            .then(async (response) => await response.text())
            .catch((error: Error) => error.name)
          return {
            before: [before.status, await before.text(), before.headers.get('x-noted')],
            first: first.value,
            rest,
            short,
          }
        }, undefined)
        expect(seen).toStrictEqual({
          before: [500, 'failed', noted],
          first: 'half',
          rest: 'TypeError',
          short: 'TypeError',
        })
      })
    })

    it('Server-Timing is where the browser’s own times are', async () => {
      const listener = (_: IncomingMessage, res: ServerResponse): void =>
        void res.end('<!doctype html><title>timed</title>')
      const server = http.createServer(stack(listener, serverTiming('app'))).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const page = await chromium!.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
      const names = await page.run(() => {
        const [entry] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
        return entry!.serverTiming.map(({ name, duration }) => [name, duration >= 0])
      }, undefined)
      expect(names).toStrictEqual([['app', true]])
      await page.close()
      server.closeAllConnections()
      server.close()
    })

    it('securityRedirect() takes a visitor from http to https', async () => {
      const listener = (req: IncomingMessage, res: ServerResponse): void =>
        void res.end(`<!doctype html><title>${req.url}</title>`)
      const secure = http2.createSecureServer({ cert, key, allowHTTP1: true })
      secure.listen(0, '127.0.0.1')
      await once(secure, 'listening')
      const { port } = secure.address() as AddressInfo
      const app = stack(listener, securityRedirect({ port, status: 302, hsts: { maxAge: 0 } }))
      secure.on('request', app as never)
      const open = http.createServer(app).listen(0, '127.0.0.1')
      await once(open, 'listening')
      const page = await chromium!.open(`http://127.0.0.1:${(open.address() as AddressInfo).port}/shop?item=1`)
      expect(await page.run(() => [location.href, document.title], undefined)).toStrictEqual([
        `https://127.0.0.1:${port}/shop?item=1`,
        '/shop?item=1',
      ])
      await page.close()
      open.closeAllConnections()
      open.close()
      secure.close()
    })
  },
)
