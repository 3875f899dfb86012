/** Files that are served, and paths that lead to none. */

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import {
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
} from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { guarded } from '../../../src/server/node-listener.ts'
import { parseStaticMount, staticFiles } from '../../../src/server/static-files.ts'
import { close, exchange, listen, parseResponses, type RawResponse, requestText } from '../../fixtures/raw-http.ts'

const SECRET = 'secret of the machine'
const MODIFIED = 'Sun, 01 Nov 2026 12:00:00 GMT'

let home: string
let server: Server
let port: number

beforeAll(async () => {
  home = mkdtempSync(join(realpathSync(tmpdir()), 'proxyfix-static-'))
  mkdirSync(join(home, 'public/sub'), { recursive: true })
  mkdirSync(join(home, 'public/.hidden'))
  mkdirSync(join(home, 'public-not'))
  mkdirSync(join(home, 'docs'))
  writeFileSync(join(home, 'secret.txt'), SECRET)
  writeFileSync(join(home, 'public-not/secret.txt'), SECRET)
  writeFileSync(join(home, 'public/a.txt'), '0123456789')
  writeFileSync(join(home, 'public/empty.txt'), '')
  writeFileSync(join(home, 'public/né w.TXT'), 'spelt')
  writeFileSync(join(home, 'public/%2e%2e'), 'a name with percent signs')
  writeFileSync(join(home, 'public/unknown.xyz'), 'bytes')
  writeFileSync(join(home, 'public/big.bin'), Buffer.alloc(3_000_000, 7))
  writeFileSync(join(home, 'public/.env'), SECRET)
  writeFileSync(join(home, 'public/.hidden/a.txt'), SECRET)
  writeFileSync(join(home, 'public/sub/index.html'), '<h1>index</h1>')
  writeFileSync(join(home, 'docs/guide.md'), '# guide')
  symlinkSync('a.txt', join(home, 'public/inside.txt'))
  symlinkSync('../secret.txt', join(home, 'public/outside.txt'))
  symlinkSync(home, join(home, 'public/up'))
  symlinkSync('../public-not/secret.txt', join(home, 'public/neighbour.txt'))
  symlinkSync('loop', join(home, 'public/loop'))
  execFileSync('mkfifo', [join(home, 'public/pipe')])
  utimesSync(join(home, 'public/a.txt'), new Date(MODIFIED), new Date(MODIFIED))

  const mounts = ['/assets=public', '/assets/docs=docs'].map((text) => parseStaticMount(text, home))
  server = createServer(guarded(staticFiles(mounts, (_req, res) => res.writeHead(404).end('app'))))
  port = await listen(server)
})
afterAll(async () => {
  await close(server)
  rmSync(home, { recursive: true })
})

async function ask(line: string, ...headers: readonly string[]): Promise<RawResponse> {
  const [response] = parseResponses(
    await exchange(port, requestText(`${line} HTTP/1.1`, 'Host: a', 'Connection: close', ...headers)),
  )
  return response!
}

const APP = { status: 404, body: 'app' }

describe('a file', () => {
  it('is served with what caches want to know', async () => {
    expect(await ask('GET /assets/a.txt')).toEqual({
      status: 200,
      body: '0123456789',
      headers: expect.objectContaining({
        'content-length': '10',
        'content-type': 'text/plain; charset=utf-8',
        'last-modified': MODIFIED,
        'accept-ranges': 'bytes',
        'cache-control': 'public, max-age=0',
        'x-content-type-options': 'nosniff',
        etag: expect.stringMatching(/^"a-[\da-f]+"$/) as string,
      }) as Record<string, string>,
    })
  })

  it.each([
    { target: '/assets/a.txt?v=1', body: '0123456789' },
    { target: '/assets/%61.txt', body: '0123456789' },
    { target: '/assets/n%C3%A9%20w.TXT', body: 'spelt' },
    { target: '/assets/%252e%252e', body: 'a name with percent signs' },
    { target: '/assets/inside.txt', body: '0123456789' },
    { target: '/assets/empty.txt', body: '' },
    { target: '/assets/sub/', body: '<h1>index</h1>' },
    { target: '/assets/docs/guide.md', body: '# guide' },
  ])('is found at $target', async ({ target, body }) => {
    expect(await ask(`GET ${target}`)).toMatchObject({ status: 200, body })
  })

  it.each([
    { target: '/assets/sub/index.html', type: 'text/html; charset=utf-8' },
    { target: '/assets/n%C3%A9%20w.TXT', type: 'text/plain; charset=utf-8' },
    { target: '/assets/unknown.xyz', type: 'application/octet-stream' },
  ])('at $target is $type', async ({ target, type }) => {
    expect((await ask(`GET ${target}`)).headers['content-type']).toBe(type)
  })

  it('has a head alone', async () => {
    const { status, body, headers } = await ask('HEAD /assets/a.txt')
    expect({ status, body, length: headers['content-length'] }).toEqual({ status: 200, body: '', length: '10' })
  })

  it('is streamed whole', async () => {
    const { body } = await ask('GET /assets/big.bin')
    expect(body.length).toBe(3_000_000)
  })

  it('leaves the connection open for the next request', async () => {
    const text = requestText('GET /assets/a.txt HTTP/1.1', 'Host: a')
    const last = requestText('GET /nothing HTTP/1.1', 'Host: a', 'Connection: close')
    const statuses = parseResponses(await exchange(port, text + text + last)).map(({ status }) => status)
    expect(statuses).toEqual([200, 200, 404])
  })

  it('that becomes shorter while it is sent ends the connection', async () => {
    const path = join(home, 'public/shrinks.bin')
    writeFileSync(path, Buffer.alloc(50_000_000))
    const socket = connect(port, '127.0.0.1')
    let received = 0
    socket.write(requestText('GET /assets/shrinks.bin HTTP/1.1', 'Host: a'))
    socket.once('data', () => truncateSync(path, 10))
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => (received += chunk.length))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
    })
    expect(received).toBeLessThan(50_000_000)
  })

  it('outlives a client that leaves', async () => {
    const socket = connect(port, '127.0.0.1')
    socket.write(requestText('GET /assets/big.bin HTTP/1.1', 'Host: a'))
    await new Promise<void>((resolve) => {
      socket.once('data', () => {
        socket.destroy()
        resolve()
      })
    })
    expect(await ask('GET /assets/a.txt')).toMatchObject({ status: 200 })
  })
})

describe('over HTTP/2', () => {
  it.each([
    { range: undefined, status: 200, body: '0123456789' },
    { range: 'bytes=2-3', status: 206, body: '23' },
  ])('a file is served with $status', async ({ range, status, body }) => {
    const listener = staticFiles([parseStaticMount('/assets=public', home)], () => undefined)
    // Its requests and responses have what is used of those of HTTP/1.
    const overHttp2 = createHttp2Server(listener as unknown as Parameters<typeof createHttp2Server>[1])
    const session = connectHttp2(`http://127.0.0.1:${await listen(overHttp2)}`)
    const stream = session.request({ ':path': '/assets/a.txt', ...(range !== undefined && { range }) })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>] // what the event hands over
    expect([headers[':status'], await textOf(stream)]).toEqual([status, body])
    session.close()
    await close(overHttp2)
  })

  it.each<{ name: string; act: (path: string, stream: ClientHttp2Stream) => void; code: number }>([
    { name: 'becomes shorter', act: (path) => truncateSync(path, 10), code: constants.NGHTTP2_INTERNAL_ERROR },
    {
      name: 'is not wanted any more',
      act: (_, stream) => stream.close(constants.NGHTTP2_CANCEL),
      code: constants.NGHTTP2_CANCEL,
    },
  ])('a file that $name while it is sent ends the stream, and fails nothing', async ({ act, code }) => {
    const path = join(home, 'public/shrinks-too.bin')
    writeFileSync(path, Buffer.alloc(50_000_000))
    const listener = staticFiles([parseStaticMount('/assets=public', home)], () => undefined)
    let result: unknown
    const overHttp2 = createHttp2Server((req, res) => {
      result = Reflect.apply(listener, undefined, [req, res])
    })
    const session = connectHttp2(`http://127.0.0.1:${await listen(overHttp2)}`)
    const stream = session.request({ ':path': '/assets/shrinks-too.bin' })
    stream.on('error', () => undefined)
    await once(stream, 'data')
    act(path, stream)
    await new Promise((resolve) => stream.once('close', resolve).resume())
    expect(stream.rstCode).toBe(code)
    await expect(result).resolves.toBeUndefined()
    session.destroy()
    await close(overHttp2)
  })
})

describe('the app answers', () => {
  it.each([
    '/',
    '/assets',
    '/assetsa.txt',
    '/assets/',
    '/assets/gone.txt',
    '/assets/sub',
    '/assets/a.txt/',
    '/assets/docs/',
    '/assets//a.txt',
    '/assets/sub//index.html',
    '*',
    '/assets/../secret.txt',
    '/assets/%2e%2e/secret.txt',
    '/assets/.%2E/secret.txt',
    '/assets/..%2fsecret.txt',
    '/assets/sub/../../secret.txt',
    '/assets/sub/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/assets/..%5csecret.txt',
    '/assets/..\\secret.txt',
    '/assets/%00a.txt',
    '/assets/a.txt%00',
    '/assets/%c0%ae%c0%ae/secret.txt',
    '/assets/%',
    '/assets/%u002e%u002e/secret.txt',
    '/assets/./a.txt',
    '/assets/sub/.',
    '/assets/...',
    '/assets/%2e%2e',
    '/assets/.env',
    '/assets/%2eenv',
    '/assets/.hidden/a.txt',
    '/assets/%2ehidden/a.txt',
    '/assets/outside.txt',
    '/assets/up/secret.txt',
    '/assets/up/public/a.txt/..',
    '/assets/neighbour.txt',
    '/assets/loop',
    '/assets/pipe',
    `/assets/${'x'.repeat(5000)}`,
    `/assets/${'x/'.repeat(3000)}`,
    'http://a/assets/a.txt',
    '/ASSETS/a.txt',
  ])('GET %s', async (target) => {
    const response = await ask(`GET ${target}`)
    expect(response).toMatchObject(APP)
    expect(JSON.stringify(response)).not.toContain(SECRET)
  })

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s of a file', async (method) => {
    expect(await ask(`${method} /assets/a.txt`, 'Content-Length: 0')).toMatchObject(APP)
  })

  it.skipIf(process.getuid?.() === 0)('what may not be read', async () => {
    const path = join(home, 'public/forbidden.txt')
    writeFileSync(path, SECRET)
    chmodSync(path, 0o000)
    expect(await ask('GET /assets/forbidden.txt')).toMatchObject(APP)
  })
})

describe('a condition', () => {
  const etag = async (): Promise<string> => (await ask('HEAD /assets/a.txt')).headers['etag']!

  it.each([
    { header: 'If-None-Match', value: '*', status: 304 },
    { header: 'If-None-Match', value: 'ETAG', status: 304 },
    { header: 'If-None-Match', value: 'W/ETAG', status: 304 },
    { header: 'If-None-Match', value: '"other", ETAG', status: 304 },
    { header: 'If-None-Match', value: '"other"', status: 200 },
    { header: 'If-Modified-Since', value: MODIFIED, status: 304 },
    { header: 'If-Modified-Since', value: 'Sun, 01 Nov 2026 12:00:01 GMT', status: 304 },
    { header: 'If-Modified-Since', value: 'Sun, 01 Nov 2026 11:59:59 GMT', status: 200 },
    { header: 'If-Modified-Since', value: 'yesterday', status: 200 },
  ])('$header: $value gets $status', async ({ header, value, status }) => {
    const response = await ask('GET /assets/a.txt', `${header}: ${value.replace('ETAG', await etag())}`)
    expect(response.status).toBe(status)
    expect(response.headers['etag']).toBe(await etag())
    expect(response.body).toBe(status === 304 ? '' : '0123456789')
  })

  it('by the tag makes that by the date void', async () => {
    const response = await ask('GET /assets/a.txt', 'If-None-Match: "other"', `If-Modified-Since: ${MODIFIED}`)
    expect(response.status).toBe(200)
  })
})

describe('a range', () => {
  it.each([
    { range: 'bytes=0-3', body: '0123', of: 'bytes 0-3/10' },
    { range: 'bytes=4-', body: '456789', of: 'bytes 4-9/10' },
    { range: 'bytes=-3', body: '789', of: 'bytes 7-9/10' },
    { range: 'bytes=-300', body: '0123456789', of: 'bytes 0-9/10' },
    { range: 'bytes=8-99', body: '89', of: 'bytes 8-9/10' },
    { range: 'bytes=9-9', body: '9', of: 'bytes 9-9/10' },
  ])('$range is a part', async ({ range, body, of }) => {
    const response = await ask('GET /assets/a.txt', `Range: ${range}`)
    expect(response).toMatchObject({ status: 206, body })
    expect(response.headers).toMatchObject({ 'content-range': of, 'content-length': String(body.length) })
  })

  it.each([
    { path: 'a.txt', range: 'bytes=10-' },
    { path: 'a.txt', range: 'bytes=-0' },
    { path: 'a.txt', range: `bytes=${'9'.repeat(400)}-` },
    { path: 'empty.txt', range: 'bytes=0-' },
  ])('$range of $path cannot be satisfied', async ({ path, range }) => {
    const { status, body, headers } = await ask(`GET /assets/${path}`, `Range: ${range}`)
    expect({ status, body, of: headers['content-range'] }).toEqual({
      status: 416,
      body: '',
      of: `bytes */${path === 'a.txt' ? 10 : 0}`,
    })
  })

  it.each(['bytes=0-1,3-4', 'bytes=5-3', 'bytes=-', 'lines=0-1', 'bytes=a-b', 'bytes'])(
    '%s gets the whole',
    async (range) => {
      expect(await ask('GET /assets/a.txt', `Range: ${range}`)).toMatchObject({ status: 200, body: '0123456789' })
    },
  )

  it('of another version gets the whole, of this one the part', async () => {
    const tag = (await ask('HEAD /assets/a.txt')).headers['etag']!
    const statusIf = async (condition: string): Promise<number> =>
      (await ask('GET /assets/a.txt', 'Range: bytes=0-1', `If-Range: ${condition}`)).status
    expect(await statusIf(tag)).toBe(206)
    expect(await statusIf(MODIFIED)).toBe(206)
    expect(await statusIf('"other"')).toBe(200)
    expect(await statusIf(`W/${tag}`)).toBe(200)
    expect(await statusIf('Sun, 01 Nov 2026 11:59:59 GMT')).toBe(200)
  })
})

describe('a mount', () => {
  it('of the root serves what is below it', async () => {
    const rooted = createServer(staticFiles([parseStaticMount('/=public', home)], (_req, res) => res.end('app')))
    const response = await exchange(
      await listen(rooted),
      requestText('GET /a.txt HTTP/1.1', 'Host: a', 'Connection: close'),
    )
    await close(rooted)
    expect(response).toContain('0123456789')
  })

  it.each([
    { text: 'public', says: "as in '/assets=public'" },
    { text: 'assets=public', says: "as in '/assets=public'" },
    { text: '/assets=', says: "as in '/assets=public'" },
    { text: '/a//b=public', says: "as in '/assets=public'" },
    { text: '/a/../b=public', says: "as in '/assets=public'" },
    { text: '/assets=gone', says: "names the folder 'gone', which there is not" },
    { text: '/assets=secret.txt', says: "names the folder 'secret.txt'" },
  ])('cannot be $text', ({ text, says }) => {
    expect(() => parseStaticMount(text, home)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string }),
    )
  })
})
