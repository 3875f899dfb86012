/** What stands in the access log of real requests: the fixed client, bytes that were sent, nothing that a client could forge. */

import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { proxyFix } from '../../../src/index.ts'
import {
  type AccessLog,
  type AccessLogOptions,
  checkAccessLogFormat,
  openAccessLog,
} from '../../../src/server/access-log.ts'
import { close, exchange, listen, requestText } from '../../fixtures/raw-http.ts'

let folder: string
let file: string
let log: AccessLog | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-access-log-'))
  file = join(folder, 'access.log')
})
afterEach(() => {
  log?.close()
  log = undefined
  rmSync(folder, { recursive: true })
})

function opened(format: string, more: AccessLogOptions = {}): AccessLog {
  log = openAccessLog({ to: file, format, ...more })
  return log
}

function lines(): string[] {
  log?.flush()
  return readFileSync(file, 'utf8').split('\n').slice(0, -1)
}

/** The lines, once there are as many. */
async function written(count: number): Promise<string[]> {
  while (lines().length < count) await turn()
  return lines()
}

/** The handler behind a log. */
function logging(format: string, handler: RequestListener, more?: AccessLogOptions): Server {
  const accessLog = opened(format, more)
  return createServer((req, res) => {
    accessLog.onRequest(req, res)
    handler(req, res)
  })
}

const hello: RequestListener = (_req, res) => void res.end('hello')

/** Sends one request, and gives the lines once all is over. */
async function linesOf(server: Server, ...request_: readonly string[]): Promise<string[]> {
  const port = await listen(server)
  await exchange(port, requestText(...request_))
  await close(server)
  return await written(1)
}

const GET = ['GET /a/b?c=d HTTP/1.1', 'Host: a.example', 'Connection: close']

describe('a named format', () => {
  it('common', async () => {
    const [line] = await linesOf(logging('common', hello), ...GET)
    expect(line).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/a\/b\?c=d HTTP\/1\.1" 200 5$/,
    )
  })

  it('combined, which is what is written if none is named', async () => {
    log = openAccessLog({ to: 'access.log', cwd: folder })
    const accessLog = log
    const server = createServer((req, res) => {
      accessLog.onRequest(req, res)
      hello(req, res)
    })
    const [line] = await linesOf(server, ...GET, 'Referer: http://b.example/', 'User-Agent: "quoted"')
    expect(line).toMatch(/"GET \/a\/b\?c=d HTTP\/1\.1" 200 5 "http:\/\/b\.example\/" "\\"quoted\\""$/)
  })

  it('json, of a request that was fixed', async () => {
    const fixed = proxyFix(hello, { xFor: 1, xProto: 1, xHost: 1 })
    const server = logging('json', fixed)
    const [line] = await linesOf(
      server,
      ...GET,
      'X-Forwarded-For: 192.0.2.66, 203.0.113.7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Host: shop.example',
      'User-Agent: caf\xe9',
    )
    expect(line).toContain(String.raw`caf\u00e9`)
    expect(JSON.parse(line ?? '')).toStrictEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
      client: '203.0.113.7',
      peer: '127.0.0.1',
      method: 'GET',
      scheme: 'https',
      host: 'shop.example',
      target: '/a/b?c=d',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 5,
      seconds: expect.any(Number) as number,
      userAgent: 'café',
    })
  })

  it.each([
    { status: 200, style: undefined },
    { status: 302, style: '32' },
    { status: 304, style: '36' },
    { status: 404, style: '33' },
    { status: 403, style: '1;31' },
    { status: 500, style: '1;35' },
  ])('dev, with a colour for $status', async ({ status, style }) => {
    const handler: RequestListener = (_req, res) => void res.writeHead(status).end()
    const [line = ''] = await linesOf(logging('dev', handler, { color: true }), ...GET)
    const text = `GET /a/b?c=d ${status}`
    const shown = style === undefined ? text : `\x1b[${style}m${text}\x1b[0m`
    expect(line.replace(/^\d\d:\d\d:\d\d/, 'TIME').replace(/[\d.]+ ms/, 'N ms')).toBe(`TIME ${shown} N ms 127.0.0.1`)
  })

  it('dev, plain where colours are not wanted', async () => {
    expect((await linesOf(logging('dev', hello), ...GET))[0]).not.toContain('\x1b')
  })
})

/** Every field that gunicorn documents. */
describe("gunicorn's fields", () => {
  const USER = Buffer.from('ada b:secret').toString('base64')

  it.each([
    { field: 'h', is: '203.0.113.7' },
    { field: 'l', is: '-' },
    { field: 'u', is: String.raw`ada\x20b` },
    { field: 't', is: /^\[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]$/ },
    { field: 'r', is: 'POST /a%20b/?c=d HTTP/1.1' },
    { field: 'm', is: 'POST' },
    { field: 'U', is: '/a%20b/' },
    { field: 'q', is: 'c=d' },
    { field: 'H', is: 'HTTP/1.1' },
    { field: 's', is: '201' },
    { field: 'B', is: '5' },
    { field: 'b', is: '5' },
    { field: 'f', is: 'http://b.example/' },
    { field: 'a', is: 'test/1.0' },
    { field: 'T', is: /^\d+$/ },
    { field: 'D', is: /^\d+$/ },
    { field: 'L', is: /^\d+\.\d{6}$/ },
    { field: 'M', is: /^\d+$/ },
    { field: 'p', is: `<${process.pid}>` },
    { field: '{X-Asked}i', is: 'one, two' },
    { field: '{x-gone}i', is: '-' },
    { field: '{X-Set}o', is: 'yes' },
    { field: '{x-written}o', is: 'too' },
    { field: '{set-cookie}o', is: 'a=1, b=2' },
    { field: '{x-gone}o', is: '-' },
    { field: '{REMOTE_ADDR}e', is: '203.0.113.7' },
    { field: '{REMOTE_USER}e', is: 'ada b' },
    { field: '{REQUEST_METHOD}e', is: 'POST' },
    { field: '{RAW_URI}e', is: '/a%20b/?c=d' },
    { field: '{REQUEST_URI}e', is: '/a%20b/?c=d' },
    { field: '{PATH_INFO}e', is: '/a%20b/' },
    { field: '{QUERY_STRING}e', is: 'c=d' },
    { field: '{SERVER_NAME}e', is: 'a.example' },
    { field: '{SERVER_PORT}e', is: '443' },
    { field: '{SERVER_PROTOCOL}e', is: 'HTTP/1.1' },
    { field: '{wsgi.url_scheme}e', is: 'https' },
    { field: '{HTTPS}e', is: 'on' },
    { field: '{HTTP_USER_AGENT}e', is: 'test/1.0' },
    { field: '{CONTENT_LENGTH}e', is: '0' },
    { field: '{CONTENT_TYPE}e', is: 'text/plain' },
    { field: '{SCRIPT_NAME}e', is: '-' },
    { field: '{REMOTE_PORT}e', is: '-' },
    { field: '{PATH}e', is: '-' }, // the environment of the process is nobody's business
    { field: '{__proto__}e', is: '-' },
    { field: '{__proto__}i', is: '-' },
  ])('%($field)s', async ({ field, is }) => {
    const handler: RequestListener = (_req, res) => {
      res.setHeader('X-Set', 'yes')
      res.setHeader('Set-Cookie', ['a=1', 'b=2'])
      res.writeHead(201, { 'X-Written': 'too' })
      res.end('hello')
    }
    const server = logging(`%(${field})s|%%`, proxyFix(handler, { xFor: 1, xProto: 1 }))
    const all = await linesOf(
      server,
      'POST /a%20b/?c=d HTTP/1.1',
      'Host: a.example',
      'Connection: close',
      'Content-Length: 0',
      'Content-Type: text/plain',
      `Authorization: Basic ${USER}`,
      'Referer: http://b.example/',
      'User-Agent: test/1.0',
      'X-Asked: one',
      'X-Asked: two',
      'X-Forwarded-For: 203.0.113.7',
      'X-Forwarded-Proto: https',
    )
    expect(all).toHaveLength(1)
    const [text = '', percent] = all[0]!.split('|')
    expect(percent).toBe('%')
    if (typeof is === 'string') expect(text).toBe(is)
    else expect(text).toMatch(is)
  })

  it('shows a header that was given to writeHead alone', async () => {
    const handler: RequestListener = (_req, res) => void res.writeHead(200, { 'X-Written': 'so' }).end()
    expect(await linesOf(logging('%({x-written}o)s', handler), ...GET)).toEqual(['so'])
  })
})

describe('the client', () => {
  it('is the peer where nothing is fixed, whatever the headers say', async () => {
    const server = logging('%(h)s', hello)
    expect(await linesOf(server, ...GET, 'X-Forwarded-For: 203.0.113.7', 'Forwarded: for=203.0.113.7')).toEqual([
      '127.0.0.1',
    ])
  })

  it('is the fixed one when the request was refused', async () => {
    const server = logging('%(h)s %(s)s', proxyFix(hello, { xFor: 1, allowedHosts: ['a.example'] }))
    const forged = ['GET / HTTP/1.1', 'Host: evil.example', 'Connection: close', 'X-Forwarded-For: 203.0.113.7']
    expect(await linesOf(server, ...forged)).toEqual(['203.0.113.7 400'])
  })

  it('is the name that a proxy gave it, where it has no address', async () => {
    const server = logging('%(h)s', proxyFix(hello, { forwarded: 1 }))
    expect(await linesOf(server, ...GET, 'Forwarded: for=_gateway')).toEqual(['_gateway'])
  })
})

describe('what a client sends', () => {
  it('ends no line and no field', async () => {
    const server = logging('combined', hello)
    const [line, ...more] = await linesOf(
      server,
      'GET /"%0a\\x HTTP/1.1',
      'Host: a.example',
      'Connection: close',
      'User-Agent: a" 200 0\t\xff\x9b31m \\',
      `Authorization: Basic ${Buffer.from('x - [y] "z\n\x1b[31m:').toString('base64')}`,
    )
    expect(more).toEqual([])
    expect(line).toContain(String.raw`"GET /\"%0a\\x HTTP/1.1" 200 5`)
    expect(line).toContain(String.raw`"a\" 200 0\x09\xff\x9b31m \\"`)
    expect(line).toContain(String.raw` - x\x20-\x20[y]\x20\"z\x0a\x1b[31m [`)
    expect(line).toMatch(/^[\x20-\x7e]*$/)
  })
})

describe('bytes', () => {
  const FORMAT = '%(s)s %(B)s %(b)s'

  it.each([
    { name: 'a text', handler: (_req, res) => void res.end('é'), is: '200 2 2' },
    { name: 'a text in an encoding', handler: (_req, res) => void res.end('é', 'latin1'), is: '200 1 1' },
    { name: 'pieces', handler: (_req, res) => (res.write('ab'), res.write(Buffer.from('c')), void res.end('d')), is: '200 4 4' }, // prettier-ignore
    { name: 'nothing', handler: (_req, res) => void res.end(), is: '200 0 -' },
    { name: 'an empty piece', handler: (_req, res) => void (res.write('a'), res.end('')), is: '200 1 1' },
    { name: 'no content', handler: (_req, res) => void res.writeHead(204).end(), is: '204 0 -' },
  ] satisfies { name: string; handler: RequestListener; is: string }[])('of $name', async ({ handler, is }) => {
    expect(await linesOf(logging(FORMAT, handler), ...GET)).toEqual([is])
  })

  it('are none of what HEAD leaves out', async () => {
    expect(await linesOf(logging(FORMAT, hello), 'HEAD / HTTP/1.1', 'Host: a', 'Connection: close')).toEqual([
      '200 0 -',
    ])
  })

  it('keep calling the callbacks of write and end, in both forms', async () => {
    const called: string[] = []
    const handler: RequestListener = (_req, res) => {
      res.write('a', () => called.push('write'))
      res.write('b', 'utf8', () => called.push('write with encoding'))
      res.end('c', () => called.push('end'))
    }
    expect(await linesOf(logging(FORMAT, handler), ...GET)).toEqual(['200 3 3'])
    expect(called).toEqual(['write', 'write with encoding', 'end'])
  })

  it('are counted when the answer is piped, after what it waited for', async () => {
    const { createReadStream, writeFileSync } = await import('node:fs')
    const source = join(folder, 'source')
    writeFileSync(source, Buffer.alloc(1_000_000))
    const handler: RequestListener = (_req, res) => void createReadStream(source).pipe(res)
    expect(await linesOf(logging(FORMAT, handler), ...GET)).toEqual(['200 1000000 1000000'])
  })

  it('are only those that were sent when the client leaves a download', async () => {
    const size = 64 * 1024
    const total = 1000 * size
    const handler: RequestListener = (_req, res) => {
      let left = total
      const send = (): void => {
        while (left > 0 && !res.destroyed) {
          left -= size
          if (!res.write(Buffer.alloc(size))) return void res.once('drain', send)
        }
        res.end()
      }
      send()
    }
    const server = logging('%(s)s %(B)s', handler)
    const port = await listen(server)
    const socket = connect(port, '127.0.0.1')
    socket.write(requestText(...GET))
    await once(socket, 'data')
    socket.destroy()
    await close(server)
    const [line = ''] = await written(1)
    const [status, bytes] = line.split(' ')
    expect(status).toBe('499')
    expect(Number(bytes)).toBeLessThan(total)
  })
})

describe('a request that is cut off', () => {
  it('before its answer began is told by 499, and in JSON by no status', async () => {
    let arrived = (): void => undefined
    const asked = new Promise<void>((resolve) => (arrived = resolve))
    const server = logging('json', () => arrived())
    const port = await listen(server)
    const socket = connect(port, '127.0.0.1')
    socket.write(requestText(...GET))
    await asked
    socket.destroy()
    await close(server)
    const [line = ''] = await written(1)
    expect(JSON.parse(line)).toMatchObject({ target: '/a/b?c=d', client: '127.0.0.1', aborted: true, bytes: 0 })
    expect(JSON.parse(line)).not.toHaveProperty('status')
  })

  it('by the app, after the head, is no complete answer', async () => {
    const handler: RequestListener = (_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      res.write('half', () => res.destroy())
    }
    expect(await linesOf(logging('%(s)s %(B)s', handler), ...GET)).toEqual(['499 4'])
  })

  it('is told for each request of a pipeline, once', async () => {
    const seen: string[] = []
    let arrived = (): void => undefined
    const asked = new Promise<void>((resolve) => (arrived = resolve))
    const server = logging('%(U)s %(s)s', (req) => {
      seen.push(req.url ?? '')
      if (seen.length === 3) arrived()
    })
    const port = await listen(server)
    const socket = connect(port, '127.0.0.1')
    socket.write(['/1', '/2', '/3'].map((path) => requestText(`GET ${path} HTTP/1.1`, 'Host: a')).join(''))
    await asked
    socket.destroy()
    await close(server)
    expect((await written(3)).toSorted()).toEqual(['/1 499', '/2 499', '/3 499'])
  })

  it('that could not even be read has a line of its own', async () => {
    const accessLog = opened('%(h)s "%(r)s" %(s)s')
    const server = createServer(hello)
    server.on('clientError', (_error, socket) => {
      accessLog.onRefused(socket, 400)
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')
    })
    expect(await linesOf(server, 'nonsense')).toEqual(['127.0.0.1 "-" 400'])
  })
})

describe('an upgrade', () => {
  async function upgrading(answer: (socket: Duplex) => void): Promise<string[]> {
    const accessLog = opened('%(h)s %(m)s %(U)s %(s)s %(B)s')
    const server = createServer(hello)
    const upgraded = proxyFix((_req: IncomingMessage, socket: Duplex) => answer(socket), {
      xFor: 1,
      allowedHosts: ['a'],
    })
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      accessLog.onUpgrade(req, socket)
      upgraded(...([req, socket, head] as unknown as Parameters<typeof upgraded>))
    })
    return await linesOf(
      server,
      'GET /socket HTTP/1.1',
      'Host: a',
      'Connection: upgrade',
      'Upgrade: websocket',
      'X-Forwarded-For: 203.0.113.7',
    )
  }

  const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\n\r\n'

  it('is one line when its connection ends, with what was sent on it', async () => {
    const answer = (socket: Duplex): void => {
      socket.write(SWITCHING)
      socket.end('frames')
    }
    expect(await upgrading(answer)).toEqual([`203.0.113.7 GET /socket 101 ${SWITCHING.length + 6}`])
  })

  it('reads the status off bytes as well, and off what ends it', async () => {
    const refusal = Buffer.from('HTTP/1.1 403 Forbidden\r\n\r\n')
    expect(await upgrading((socket) => socket.end(refusal))).toEqual([`203.0.113.7 GET /socket 403 ${refusal.length}`])
  })

  it('without an answer is 499', async () => {
    expect(await upgrading((socket) => socket.destroy())).toEqual(['203.0.113.7 GET /socket 499 0'])
  })
})

describe('over HTTP/2', () => {
  it.each([
    { name: 'one end', send: (res: Http2ServerResponse) => void res.end('hello') },
    {
      name: 'a write and an end',
      send: (res: Http2ServerResponse) => {
        res.write('hel')
        res.end('lo')
      },
    },
  ])('counts $name', async ({ send }) => {
    const accessLog = opened('%(h)s "%(r)s" %(s)s %(B)s %({x-set}o)s')
    const handler = (req: Http2ServerRequest, res: Http2ServerResponse): void => {
      accessLog.onRequest(req, res)
      res.setHeader('X-Set', 'yes')
      send(res)
    }
    const server = createHttp2Server(proxyFix(handler, { xFor: 1 }))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo // as it does not listen on a pipe
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':path': '/a', 'x-forwarded-for': '203.0.113.7' })
    stream.resume()
    await once(stream, 'close')
    session.close()
    server.close()
    await once(server, 'close')
    expect(lines()).toEqual(['203.0.113.7 "GET /a HTTP/2.0" 200 5 yes'])
  })
})

describe('an answer over HTTP/2 that is not whole', () => {
  const LONG = 1_500_000 // more than a client takes that has stopped reading

  it.each<{
    name: string
    leave: (stream: ClientHttp2Stream, session: ClientHttp2Session) => void
    ends: boolean
    size: number
  }>([
    { name: 'is aborted, as its client cancels it', leave: (stream) => stream.close(8), ends: false, size: LONG },
    {
      name: 'is aborted, as its client cancels it after its end was written',
      leave: (stream) => stream.close(8),
      ends: true,
      size: LONG,
    },
    { name: 'is aborted, as its client goes away', leave: (_, session) => session.destroy(), ends: true, size: LONG },
    {
      name: 'is aborted, though all of it was sent so far',
      leave: (_, session) => session.destroy(),
      ends: false,
      size: 5,
    },
  ])('$name', async ({ leave, ends, size }) => {
    const accessLog = opened('json')
    const server = createHttp2Server((req, res) => {
      accessLog.onRequest(req, res)
      res.write(Buffer.alloc(size))
      if (ends) res.end()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo // as it does not listen on a pipe
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    const stream = session.request({ ':path': '/a' })
    stream.on('error', () => undefined) // that it was cancelled is known
    await once(stream, 'data')
    stream.pause()
    leave(stream, session)
    const [line = ''] = await written(1)
    session.destroy()
    server.close()
    await once(server, 'close')
    const { bytes, aborted } = JSON.parse(line) as Record<string, unknown>
    expect(aborted).toBe(true)
    expect(bytes).toBeLessThan(LONG)
  })
})

describe('the file', () => {
  const target = '%(U)s'

  async function ask(port: number, path: string): Promise<void> {
    await exchange(port, requestText(`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close'))
  }

  it('is opened anew by its name, and no line is lost', async () => {
    const server = logging(target, hello)
    const port = await listen(server)
    await ask(port, '/before')
    renameSync(file, `${file}.1`)
    await ask(port, '/between')
    log?.reopen()
    await ask(port, '/after')
    await close(server)
    expect(lines()).toEqual(['/after'])
    expect(readFileSync(`${file}.1`, 'utf8')).toBe('/before\n/between\n')
  })

  it('is kept when it cannot be opened anew', async () => {
    const server = logging(target, hello)
    const port = await listen(server)
    renameSync(folder, `${folder}-moved`)
    const told: unknown[] = []
    const { error } = console
    console.error = (...args: unknown[]) => told.push(args[0])
    log?.reopen()
    console.error = error
    await ask(port, '/after')
    await close(server)
    log?.flush()
    renameSync(`${folder}-moved`, folder)
    expect(lines()).toEqual(['/after'])
    expect(told).toEqual([expect.stringContaining('cannot be opened again, and goes on in the old file')])
  })

  it('is appended to, and nobody else may read it', () => {
    for (let count = 0; count < 2; count++) {
      const accessLog = openAccessLog({ to: file, format: '%(s)s' })
      accessLog.onRefused(new (class extends Object {})() as Duplex, 400)
      accessLog.close()
    }
    expect(lines()).toEqual(['400', '400'])
    expect(statSync(file).mode & 0o007).toBe(0)
  })

  it('leaves nothing behind when it is closed', () => {
    const before = process.listenerCount('exit')
    openAccessLog({ to: file }).close()
    openAccessLog({ to: '-' }).close()
    expect(process.listenerCount('exit')).toBe(before)
  })
})

describe('a mistake', () => {
  it.each([
    { format: 'comon', says: "did you mean 'common'?" },
    { format: 'xyzzyplugh', says: 'give common, combined, json, dev, or fields' },
    { format: '', says: "There is no access log format ''" },
    { format: '%(x)s', says: 'a field %(x)s, which there is not' },
    { format: '%(constructor)s', says: 'which there is not' },
    { format: '%(h)d', says: 'a % that begins no field' },
    { format: '%h', says: 'write fields as %(h)s' },
    { format: '100%', says: 'a % that begins no field' },
    { format: '%(h)s\n%(r)s', says: 'a line break' },
  ])('in $format is told', ({ format, says }) => {
    expect(() => checkAccessLogFormat(format)).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string }),
    )
    expect(() => openAccessLog({ to: file, format })).toThrow(says)
    expect(existsSync(file)).toBe(false)
  })

  it.each([
    { to: 'no/such/folder/access.log', says: 'the folder does not exist' },
    { to: '.', says: 'it is a folder' },
  ])('in $to is told', ({ to, says }) => {
    expect(() => openAccessLog({ to, cwd: folder })).toThrow(
      expect.objectContaining({ code: 'ERR_PROXYFIX_OPTION', message: expect.stringContaining(says) as string }),
    )
  })
})
