/**
 * Programs that say all there is to say over HTTP: streams that wait, compression, trailers, cookies, failures before and
 * after the head. Each client asks for the same things of a bare server and of one with rewriters, and must be told the
 * same, but for what was rewritten.
 */

import { EventEmitter, once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createGzip, constants } from 'node:zlib'
import { HeaderRewriter, type RewritableRequest, type RewritableResponse } from '../../src/index.ts'

/** Rewrites something of each request and response, after a wait. */
export class Noting extends HeaderRewriter {
  override async rewrite(request: RewritableRequest): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    request.headers.set('x-noted', 'request')
  }

  override rewriteResponse({ headers }: RewritableResponse): void {
    headers.append('X-Noted', 'response')
    if (headers.has('set-cookie')) headers.append('Set-Cookie', 'rewriter=1; Path=/')
  }
}

/** An app of these programs; `/release` lets go of what `/stream`, `/gzip` and `/events` hold back. */
export function comparedApp(): RequestListener {
  const gate = new EventEmitter()

  const programs: Record<string, (req: IncomingMessage, res: ServerResponse) => unknown> = {
    '/': (_, res) => {
      res.setHeader('Content-Type', 'text/html')
      res.setHeader('Set-Cookie', ['one=1; Path=/', 'two=2; Path=/'])
      res.end('<!doctype html><title>compared</title>')
    },
    '/release': (_, res) => {
      gate.emit('release')
      res.end()
    },
    '/stream': async (_, res) => {
      res.write('first,')
      await once(gate, 'release')
      res.end('second')
    },
    '/flushed': async (_, res) => {
      res.setHeader('Content-Length', 4)
      res.flushHeaders()
      await once(gate, 'release')
      res.end('body')
    },
    '/gzip': async (_, res) => {
      res.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Type': 'text/plain' })
      const gzip = createGzip()
      gzip.pipe(res)
      gzip.write('first,')
      gzip.flush(constants.Z_SYNC_FLUSH)
      await once(gate, 'release')
      gzip.end('second')
    },
    '/events': async (_, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      res.write('data: first\n\n')
      await once(gate, 'release')
      res.end('data: second\n\n')
    },
    '/trailers': (_, res) => {
      res.writeHead(200, ['Trailer', 'X-Sum'])
      res.write('body')
      res.addTrailers({ 'X-Sum': '7' })
      res.end()
    },
    '/early': (_, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload; as=style' })
      res.end('done')
    },
    '/upload': (req, res) => void req.pipe(res),
    '/nothing': (_, res) => res.writeHead(204).end(),
    '/same': (_, res) => res.writeHead(304, { ETag: '"1"' }).end(),
    '/moved': (_, res) => res.writeHead(302, { Location: '/upload-form', 'Set-Cookie': 'moved=1; Path=/' }).end(),
    '/upload-form': (_, res) => res.end('arrived'),
    '/error-before': () => {
      throw new Error('before')
    },
    '/error-after': async (_, res) => {
      res.write('half')
      await once(gate, 'release')
      res.destroy(new Error('after')) // without one HTTP/2 takes it for the end of the body
    },
    '/error-short': (_, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      res.write('half')
      setImmediate(() => res.destroy(new Error('short')))
    },
  }

  return (req, res) => {
    const program = programs[new URL(req.url ?? '/', 'http://app').pathname]
    const failed = (): void => {
      if (res.headersSent) res.destroy()
      else res.writeHead(500, { 'Content-Type': 'text/plain' }).end('failed')
    }
    try {
      if (program === undefined) res.writeHead(404).end()
      else void Promise.resolve(program(req, res)).catch(failed)
    } catch {
      failed()
    }
  }
}
