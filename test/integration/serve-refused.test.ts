/**
 * What becomes of a request that the app does not answer: the client gets to read why, the server stays up whatever the
 * client does meanwhile, and the access log has one line of it.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { program, root } from './paths.ts'
import { launch, run, type Serving } from './program.ts'
import { ask } from './wire.ts'

const APPS: Readonly<Record<string, string>> = {
  'plain.js': `
    export default async (req, res) => {
      if (req.url.startsWith('/stuck')) return
      let length = 0
      for await (const chunk of req) length += chunk.length
      res.end('served ' + length)
    }`,
  // It answers the same bytes as plain.js, and leaves upgrades alone once it has them.
  'upgrades.js': `
    import app from './plain.js'
    export default Object.assign((req, res) => app(req, res), {
      upgrade(req, socket) {
        process.stdout.write('upgraded ' + req.url + '\\n')
        socket.end('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: x\\r\\n\\r\\n')
      },
    })`,
  'host.js': `
    export default (req, res) => res.end(JSON.stringify([req.headers.host, req.rawHeaders.filter((_, index, all) => all[index - 1] === 'host')]))`,
  'host-fetch.js': `
    export default { fetch: (request) => Response.json([new URL(request.url).host]) }`,
  'throws.js': `
    let finish
    export default (req, res) => {
      if (req.url === '/slow') {
        finish = () => res.end('finished')
        process.once('SIGUSR2', finish)
        process.stdout.write('slow in ' + process.pid + '\\n')
      }
      if (req.url === '/throw') setTimeout(() => { throw new Error('thrown') }, 1)
      if (req.url === '/reject') void Promise.reject(new Error('rejected'))
      if (req.url === '/go') {
        finish()
        res.end('gone')
      }
    }`,
  'calls.js': `
    export default (req, res) => {
      process.stderr.write('called for ' + req.url + '\\n')
      if (req.url === '/early') res.write('begun')
      if (req.url === '/late') process.once('SIGUSR2', () => res.end('late'))
      else req.resume().on('end', () => res.end('answer to ' + req.url)).on('error', () => undefined)
    }`,
  'reads.js': `
    export default { async fetch(request) {
      await request.text().finally(() => process.stdout.write('settled\\n'))
      return new Response()
    } }`,
  'express.js': `
    import express from 'express'
    export default express().use((req, res) => res.send('express'))`,
  'hidden-express.js': `
    import app from './express.js'
    export default (req, res) => app(req, res)`,
  'breaks.js': `
    export default (req, res) => {
      res.write('begun')
      setTimeout(() => res.destroy(), 10)
      throw new Error('broken')
    }`,
}

let folder: string
let server: Serving | undefined

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-refused-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  for (const [name, source] of Object.entries(APPS)) writeFileSync(join(folder, name), source)
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await server?.stop()
  server = undefined
})

async function started(app: string, ...args: readonly string[]): Promise<Serving> {
  server = await launch(['-b', '127.0.0.1:0', ...args, app], { folder })
  return server
}

async function open({ url }: Serving): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

async function answerTo(serving: Serving, bytes: string): Promise<string> {
  const socket = await open(serving)
  socket.write(bytes)
  return await text(socket)
}

async function honest({ url }: Serving): Promise<unknown> {
  return await ask({ to: url, host: 'a' })
}

const SERVED = { status: 200, body: 'served 0' }
const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'
const LONG = 'a'.repeat(9000)

/** Ends it and gives what it has written. */
async function stopped(serving: Serving): Promise<{ readonly code: number | null; readonly log: readonly string[] }> {
  serving.signal('SIGTERM')
  const { code, stdout } = await serving.ended
  return { code, log: stdout.split('\n').slice(0, -1) }
}

describe('an upgrade', () => {
  it.each([
    ['in one process', []],
    ['with workers', ['-w', '1']],
  ] as const)('that is refused, and whose client resets the connection, harms nobody: %s', async (_, flags) => {
    const serving = await started('upgrades.js', ...flags)
    for (let count = 0; count < 100; count++) {
      const socket = await open(serving)
      await new Promise((resolve) =>
        socket.write(`GET /${LONG} HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`, () => resolve(undefined)),
      )
      socket.resetAndDestroy()
    }
    await serving.said('answered 414', 100)
    expect(await honest(serving)).toStrictEqual(SERVED)
    expect(await stopped(serving)).toMatchObject({ code: 0 })
  })

  it('that is refused is answered, and its connection closed, though the client leaves its half open', async () => {
    const serving = await started('upgrades.js', '--access-log', '-', '--access-log-format', '%(r)s %(s)s')
    const { hostname, port } = new URL(serving.url)
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true })
    socket.on('error', () => undefined) // as the reader below ends it
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${UPGRADE}\r\n`)
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 [^]*two Host/)
    await serving.wrote('GET / HTTP/1.1 400\n') // written when the server's end is closed
    socket.destroy()
  })

  it.each([
    { what: 'h2c', offer: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n' },
    { what: 'a WebSocket', offer: UPGRADE },
  ])('that nobody takes is answered like any other request, and its connection goes on: $what', async ({ offer }) => {
    const serving = await started('plain.js')
    const socket = await open(serving)
    for (let count = 0; count < 3; count++) {
      socket.write(`GET / HTTP/1.1\r\nHost: a\r\n${offer}\r\n`)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*served 0$/)
    }
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(await stopped(serving)).toMatchObject({ code: 0 })
  })

  it('behind a refused request does not reach the app', async () => {
    const serving = await started('upgrades.js')
    const upgrade = `GET /smuggled HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`
    expect(await answerTo(serving, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${upgrade}`)).toMatch(
      /^HTTP\/1\.1 400 (?![^]*HTTP\/1\.1)/,
    )
    expect(await answerTo(serving, upgrade.replace('smuggled', 'honest'))).toMatch(/^HTTP\/1\.1 101 /)
    expect((await stopped(serving)).log).toStrictEqual(['upgraded /honest'])
  })

  it('behind a request that is still to be answered does not reach the app, nor go before its answer', async () => {
    const serving = await started('upgrades.js')
    const both = `GET /stuck HTTP/1.1\r\nHost: a\r\n\r\nGET /ws HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`
    expect(await answerTo(serving, both).catch(() => '')).toBe('')
    await serving.said('it asks for an upgrade before an earlier answer was sent')
    expect((await stopped(serving)).log).toStrictEqual([])
  })

  it('while the server winds down is answered 503, and logged', async () => {
    const serving = await started(
      'upgrades.js',
      '--shutdown-delay',
      '60',
      '--access-log',
      '-',
      '--access-log-format',
      '%(r)s %(s)s',
    )
    serving.signal('SIGTERM')
    await serving.said('SIGTERM')
    expect(await answerTo(serving, `GET /late HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`)).toMatch(/^HTTP\/1\.1 503 /)
    await serving.wrote('GET /late HTTP/1.1 503\n')
  })
})

describe('a refusal', () => {
  const BODY = 30_000_000

  it.each([
    { what: 'a length', headers: { 'content-length': BODY } },
    { what: 'chunks', headers: {} },
  ])('reaches a client that is still sending: a body with $what', async ({ headers }) => {
    const serving = await started('plain.js', '--max-body', '1k')
    for (let count = 0; count < 10; count++) {
      const req = request(serving.url, { method: 'POST', agent: false, headers })
      req.on('error', () => undefined)
      const answered = once(req, 'response').then(([response]) => (response as { statusCode: number }).statusCode)
      const part = Buffer.alloc(65_536)
      let sent = 0
      const send = (): void => {
        while (sent < BODY) {
          const next = part.subarray(0, Math.min(part.length, BODY - sent))
          sent += next.length
          if (!req.write(next)) return void req.once('drain', send)
        }
        req.end()
      }
      send()
      expect(await answered).toBe(413)
      req.destroy()
    }
    expect(await stopped(serving)).toMatchObject({ code: 0 })
  })

  it('comes before the body where the client asks whether to send it', async () => {
    const serving = await started('plain.js', '--max-body', '1k')
    const head = (length: number): string =>
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`
    expect(await answerTo(serving, head(1025))).toMatch(/^HTTP\/1\.1 413 /)
    const socket = await open(serving)
    socket.write(head(1024))
    const [first] = (await once(socket, 'data')) as [Buffer]
    expect(String(first)).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    socket.write('x'.repeat(1024))
    expect(await text(socket)).toMatch(/served 1024$/)
  })

  it.each([
    { name: 'a long body', status: 413, sent: 'POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n' },
    {
      name: 'a body that grows',
      status: 413,
      sent: 'POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n',
      body: `401\r\n${'x'.repeat(1025)}\r\n0\r\n\r\n`,
    },
    { name: 'an app that is late', status: 503, sent: 'POST /stuck?y HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n' },
    { name: 'two Hosts', status: 400, sent: 'POST /x?y HTTP/1.1\r\nHost: a\r\nHost: b\r\n' },
    { name: 'no Host', status: 400, sent: 'POST /x?y HTTP/1.1\r\n' },
    { name: 'another version', status: 505, sent: 'POST /x?y HTTP/2.0\r\nHost: a\r\nHost: b\r\n' },
    { name: 'another expectation', status: 417, sent: 'POST /x?y HTTP/1.1\r\nHost: a\r\nExpect: more\r\n' },
    { name: 'many headers', status: 431, sent: `POST /x?y HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(98)}` },
    { name: 'a tunnel', status: 501, sent: 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n' },
    { name: 'an upgrade', status: 400, sent: `POST /x?y HTTP/1.1\r\nHost: a\r\nHost: b\r\n${UPGRADE}` },
  ])('is one line in the log, with its request: $name', async ({ status, sent, body = '' }) => {
    const format = '%(r)s|%(s)s|%(f)s|%(a)s'
    const limits = ['--max-body', '1k', '--response-timeout', '0.3']
    const serving = await started('upgrades.js', ...limits, '--access-log', '-', '--access-log-format', format)
    const answer = await answerTo(serving, `${sent}Referer: r\r\nUser-Agent: u\r\n\r\n${body}`)
    expect(answer).toMatch(new RegExp(String.raw`^HTTP/1\.1 ${status} `))
    expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1)
    expect((await stopped(serving)).log).toStrictEqual([`${sent.split('\r\n')[0]}|${status}|r|u`])
    expect((await serving.ended).stderr.match(/was refused/g)).toHaveLength(1)
  })
})

describe('a body that was refused', () => {
  it('is not waited for by a Fetch handler, once its connection has ended', async () => {
    const serving = await started('reads.js', '--max-body', '10')
    const chunks = `14\r\n${'x'.repeat(20)}\r\n0\r\n\r\n`
    expect(
      await answerTo(serving, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`),
    ).toMatch(/^HTTP\/1\.1 413 /)
    await serving.wrote('settled\n')
    expect((await stopped(serving)).code).toBe(0)
    expect((await serving.ended).stderr).not.toContain('    at ') // no fault of the app
  })
})

/** The log has the request's line, its status and the bytes that were sent. */
const LOGGED = ['--access-log', '-', '--access-log-format', '%(m)s %(U)s %(s)s']
const CHUNKED = 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n'
const TOO_LONG = `${`100\r\n${'x'.repeat(256)}\r\n`.repeat(6)}0\r\n\r\n`
const EVIL = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n'

describe('what comes behind a refusal', () => {
  it.each([
    ['of a body', '/read', /^HTTP\/1\.1 413 [^]*too long\.\n$/, 'POST /read 413'],
    ['of a body whose answer had begun', '/early', /^(HTTP\/1\.1 200 [^]*)?$/, 'POST /early 499'],
  ])('%s is not looked at', async (_, target, expected, line) => {
    const serving = await started('calls.js', '--max-body', '1000', ...LOGGED)
    expect(await answerTo(serving, `POST ${target} HTTP/1.1\r\n${CHUNKED}${TOO_LONG}${EVIL}`)).toMatch(expected)
    await honest(serving)
    expect((await stopped(serving)).log).toStrictEqual([line, 'GET / 200'])
    expect((await serving.ended).stderr).not.toContain('/evil')
  })
})

describe('an answer that is owed', () => {
  it('is not overtaken by that to CONNECT', async () => {
    const serving = await started('calls.js', ...LOGGED)
    const answer = answerTo(serving, 'GET /late HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n')
    await serving.said('asks for a tunnel before an earlier answer was sent')
    expect(await answer).toBe('')
    expect((await stopped(serving)).log).toStrictEqual(['GET /late 499'])
  })

  it('and is cut off by garbage behind it has one line, and nobody is told of an answer', async () => {
    const serving = await started('calls.js', ...LOGGED)
    expect(await answerTo(serving, 'GET /late HTTP/1.1\r\nHost: a\r\n\r\ngarbage\r\n\r\n')).toBe('')
    await serving.said('was refused: it cannot be read')
    expect((await stopped(serving)).log).toStrictEqual(['GET /late 499'])
  })

  it.each([
    ['that cannot be read', 400, '5\r\nhello\r\nZZ\r\n', 'it cannot be read'],
    ['that does not come', 408, '5\r\nhel', 'it did not come in time'],
  ])('to a body %s is that: %d, in one line of the log', async (_, status, bytes, reason) => {
    const serving = await started('calls.js', '--headers-timeout', '0.5', '--request-timeout', '0.5', ...LOGGED)
    const answer = await answerTo(serving, `POST /read HTTP/1.1\r\n${CHUNKED}${bytes}`)
    expect(answer).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nConnection: close\\r\\n[^]*was refused: ${reason}`, 'i'),
    )
    await serving.said(`answered ${status}: ${reason}`)
    expect((await stopped(serving)).log).toStrictEqual([`POST /read ${status}`])
  })
})

describe('what an app throws where nobody catches it', () => {
  it('ends the process no more than it does other requests', async () => {
    const serving = await started('throws.js')
    const slow = answerTo(serving, 'GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await serving.wrote('slow in ')
    const thrower = await open(serving)
    thrower.write('GET /throw HTTP/1.1\r\nHost: a\r\n\r\nGET /reject HTTP/1.1\r\nHost: a\r\n\r\n')
    await serving.said('The app threw what nobody caught: Error: thrown')
    await serving.said('The app threw what nobody caught: Error: rejected')
    thrower.destroy()
    expect(await answerTo(serving, 'GET /go HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).toMatch(/gone$/)
    expect(await slow).toMatch(/finished$/)
    expect((await stopped(serving)).code).toBe(0)
  })

  it('gives its worker a successor, and lets it finish', async () => {
    const serving = await started('throws.js', '-w', '1')
    const slow = answerTo(serving, 'GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    const [, pid] = /slow in (\d+)/.exec(await serving.wrote('slow in ')) ?? []
    const thrower = await open(serving)
    thrower.write('GET /throw HTTP/1.1\r\nHost: a\r\n\r\n')
    await serving.said(`Worker ${pid} is replaced: the app threw what nobody caught`)
    await serving.said(' serves', 2) // the successor
    process.kill(Number(pid), 'SIGUSR2')
    thrower.destroy()
    expect(await slow).toMatch(/finished$/)
    expect((await stopped(serving)).code).toBe(0)
  })
})

describe('standard error that nobody reads any more', () => {
  it('costs the lines, and not the server', async () => {
    const child = spawn(process.execPath, [program, 'serve', '-b', '127.0.0.1:0', 'plain.js'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    try {
      let said = ''
      child.stderr.setEncoding('utf8').on('data', (part: string) => (said += part))
      while (!said.includes('Listening on')) await once(child.stderr, 'data')
      const serving = { url: /Listening on (\S+)/.exec(said)?.[1] ?? '' } as Serving
      child.stderr.destroy()
      for (let count = 0; count < 3; count++) {
        expect(await answerTo(serving, 'garbage\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
      }
      expect(await honest(serving)).toStrictEqual(SERVED)
    } finally {
      child.kill('SIGKILL')
    }
  })
})

describe('over HTTP/2', () => {
  const TLS = ['--cert', 'adhoc', '--http2'] as const

  interface Asked {
    readonly status: number | undefined
    readonly body: string
    /** How the stream ended; 0 is well. */
    readonly code: number
  }

  async function askHttp2({ url }: Serving, headers: Record<string, string>, content = ''): Promise<Asked> {
    const session = connectHttp2(url, { rejectUnauthorized: false })
    session.on('error', () => undefined)
    try {
      const stream = session.request({ ':path': '/', ...headers })
      stream.on('error', () => undefined)
      let status: number | undefined
      stream.on('response', (answer) => (status = answer[':status']))
      let body = ''
      stream.setEncoding('utf8').on('data', (part: string) => (body += part))
      if (content !== '') stream.end(content)
      await new Promise((resolve) => stream.once('close', resolve))
      return { status, body, code: stream.rstCode }
    } finally {
      session.destroy()
    }
  }

  it.each([
    { what: 'Node handlers', app: 'host.js', seen: ['a.example', ['a.example']] },
    { what: 'Fetch handlers', app: 'host-fetch.js', seen: ['a.example'] },
  ])('the authority is the host for $what', async ({ app, seen }) => {
    const serving = await started(app, ...TLS)
    const { body } = await askHttp2(serving, { ':authority': 'a.example' })
    expect(JSON.parse(body)).toStrictEqual(seen)
    const both = await askHttp2(serving, { ':authority': 'a.example', host: 'A.example' })
    expect([both.status, (JSON.parse(both.body) as string[])[0]?.toLowerCase()]).toStrictEqual([200, 'a.example'])
  })

  it('another host than the authority is refused', async () => {
    const serving = await started('host.js', ...TLS)
    expect(await askHttp2(serving, { ':authority': 'a.example', host: 'b.example' })).toMatchObject({ status: 400 })
    await serving.said('its Host header is another than its :authority')
  })

  it('the host that was decided is shown', async () => {
    const serving = await started('host.js', ...TLS, '--x-host', '1')
    const { body } = await askHttp2(serving, { ':authority': 'a.example', 'x-forwarded-host': 'b.example' })
    expect(JSON.parse(body)).toStrictEqual(['b.example', ['b.example']])
  })

  it('an answer that breaks is not taken for a whole one', async () => {
    const serving = await started('breaks.js', ...TLS)
    expect(await askHttp2(serving, {})).toMatchObject({ code: 2 }) // INTERNAL_ERROR
    await serving.said('broken')
  })

  it('an app of Express is refused at the start, in one sentence', async () => {
    const args = ['serve', '-b', '127.0.0.1:0', ...TLS]
    for (const flags of [[], ['-w', '1']]) {
      const { code, stderr } = await run([...args, ...flags, 'express.js'], folder)
      expect([code, stderr]).toStrictEqual([2, expect.stringMatching(/^proxyfix: [^\n]*Express[^\n]*HTTP\/2[^\n]*\n$/)])
    }
  })

  it('a handler that only knows HTTP/1 is answered for, and ends nothing', async () => {
    const serving = await started('hidden-express.js', ...TLS)
    for (let count = 0; count < 3; count++) expect(await askHttp2(serving, {})).toMatchObject({ status: 500 })
    await serving.said('failed over HTTP/2', 3)
    const socket = connectTls({ port: Number(new URL(serving.url).port), host: '127.0.0.1', rejectUnauthorized: false })
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(await text(socket)).toMatch(/express$/)
  })

  it('a body that never ends is answered 408, and the limits of HTTP/1 hold for it there, too', async () => {
    const limits = ['--headers-timeout', '0.5', '--request-timeout', '0.5', '--max-header-size', '4k']
    const serving = await started('plain.js', ...TLS, ...limits)
    const session = connectHttp2(serving.url, { rejectUnauthorized: false })
    const stream = session.request({ ':path': '/', ':method': 'POST' }, { endStream: false })
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(answer[':status']).toBe(408)
    session.destroy()
    const askHttp1 = async (lines: string): Promise<string> => {
      const port = Number(new URL(serving.url).port)
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      socket.write(`GET / HTTP/1.1\r\n${lines}\r\n`)
      return await text(socket)
    }
    expect(await askHttp1('')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await askHttp1(`Host: a\r\nX: ${LONG}\r\n`)).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('what HTTP/1 has in its first line is no header', async () => {
    const serving = await started('plain.js', ...TLS, '--max-headers', '20')
    const headers = (count: number): Record<string, string> =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, 'y']))
    expect(await askHttp2(serving, headers(20))).toMatchObject({ status: 200 })
    expect(await askHttp2(serving, headers(21))).toMatchObject({ status: 431 })
  })

  it('a body that is too long is answered 413', async () => {
    const serving = await started('plain.js', ...TLS, '--max-body', '1k', '--access-log', 'h2.log')
    const headers = { ':method': 'POST', 'content-length': '1025' }
    expect(await askHttp2(serving, headers, 'x'.repeat(1025))).toMatchObject({ status: 413, code: 0 })
    expect(await stopped(serving)).toMatchObject({ code: 0 })
    expect(readFileSync(join(folder, 'h2.log'), 'utf8').match(/" 413 /g)).toHaveLength(1)
  })
})
