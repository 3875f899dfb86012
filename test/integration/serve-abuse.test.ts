/**
 * What clients do that mean no good: they are slow, they ask without end, they send what can be read in two ways. The
 * server stays up, answers honest clients meanwhile, and says one line about each. The app hears of none of it.
 */

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { launch, type Serving } from './program.ts'
import { ask } from './wire.ts'

/** Writes down what it was asked, on standard output. */
const APP = `
export default async (req, res) => {
  if (req.url !== '/honest') process.stdout.write('asked for ' + req.url + '\\n')
  if (req.url === '/stuck') return
  let length = 0
  for await (const chunk of req) length += chunk.length
  res.end(req.url === '/long' ? 'x'.repeat(10_000) : 'served ' + length)
}
`

let folder: string
let server: Serving

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-abuse-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.js'), APP)
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await server.stop()
})

async function started(...args: readonly string[]): Promise<void> {
  server = await launch(['-b', '127.0.0.1:0', ...args, 'app.js'], { folder })
}

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return socket
}

/** All that is answered until the server ends the connection. */
async function answerTo(bytes: string): Promise<string> {
  const socket = await open()
  const answer = text(socket).catch(() => 'reset')
  socket.write(bytes, 'latin1')
  try {
    return await answer
  } finally {
    socket.destroy()
  }
}

async function honest(): Promise<unknown> {
  return await ask({ to: server.url, host: 'a.example', target: '/honest' })
}

/** The lines that it has said of requests, until its end. */
async function refusals(): Promise<readonly string[]> {
  server.signal('SIGTERM')
  const { stderr } = await server.ended
  return stderr.split('\n').filter((line) => /^A (?:request|connection) from /.test(line))
}

const SERVED = { status: 200, body: 'served 0' }

describe.each([
  ['in one process', []],
  ['with workers', ['-w', '2']],
] as const)('%s', (_, flags) => {
  it('slow heads are answered 408, and honest clients meanwhile', async () => {
    await started(...flags, '--headers-timeout', '1')
    const slow = await Promise.all(Array.from({ length: 50 }, open))
    const answers = slow.map((socket) => text(socket))
    for (const socket of slow) socket.write('GET /slow HTTP/1.1\r\nHost: a\r\nX-')
    expect(await honest()).toStrictEqual(SERVED)
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    const said = await server.said('A request from 127.0.0.1 was refused, answered 408: it did not come in time.', 50)
    expect(said).not.toContain('    at ')
    expect(await honest()).toStrictEqual(SERVED)
    expect(await refusals()).toHaveLength(50)
  })

  it('slow bodies are answered 408', async () => {
    await started(...flags, '--headers-timeout', '1', '--request-timeout', '1')
    const slow = await Promise.all(Array.from({ length: 20 }, open))
    const answers = slow.map((socket) => text(socket))
    for (const socket of slow) socket.write('POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx')
    expect(await honest()).toStrictEqual(SERVED)
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 /)
    await server.said('it did not come in time.', 20)
    expect(await refusals()).toHaveLength(20)
  })

  it('connections that ask for nothing are closed without a word', async () => {
    await started(...flags, '--headers-timeout', '1')
    expect(await text(await open())).toBe('')
    server.signal('SIGTERM')
    expect((await server.ended).stderr).not.toContain('refused')
  })

  it('a flood of requests on one connection, none of whose answers is read, harms nobody else', async () => {
    await started(...flags)
    const socket = await open()
    const request = 'GET /long HTTP/1.1\r\nHost: a\r\n\r\n'
    const count = 5000
    socket.pause()
    socket.write(request.repeat(count - 1))
    socket.write(request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    expect(await honest()).toStrictEqual(SERVED)
    const answers = await text(socket) // now it reads
    expect(answers.split('HTTP/1.1 200 OK').length - 1).toBe(count)
    expect(await refusals()).toStrictEqual([])
  })
})

interface Shape {
  readonly name: string
  readonly sent: string
  readonly status: number
  readonly says: string
  /** Whether the trouble comes so late that the app has been given the head. */
  readonly reachesApp?: boolean
}

const LONG = 'x'.repeat(9000)

const SHAPES: readonly Shape[] = [
  {
    name: 'Content-Length and Transfer-Encoding',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'Transfer-Encoding',
  },
  {
    name: 'two lengths',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    status: 400,
    says: 'Content-Length',
  },
  {
    name: 'a list of lengths',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc',
    status: 400,
    says: 'Content-Length',
  },
  {
    name: 'a length with a sign',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc',
    status: 400,
    says: 'Content-Length',
  },
  {
    name: 'chunked that is not last',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'Transfer-Encoding',
  },
  {
    name: 'chunked twice',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'Transfer-Encoding',
  },
  {
    name: 'a blank before the colon',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'header',
  },
  {
    name: 'Transfer-Encoding in HTTP/1.0',
    sent: 'POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'Transfer-Encoding in HTTP/1.0',
  },
  {
    name: 'a folded header',
    sent: 'GET /x HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n',
    status: 400,
    says: 'whitespace',
  },
  {
    name: 'a folded Transfer-Encoding',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n',
    status: 400,
    says: 'header',
  },
  { name: 'bare line feeds', sent: 'GET /x HTTP/1.1\nHost: a\n\n', status: 400, says: 'CRLF' },
  { name: 'one bare line feed', sent: 'GET /x HTTP/1.1\r\nHost: a\nX: y\r\n\r\n', status: 400, says: 'CR' },
  {
    name: 'a line feed in a chunk extension',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\n\r\nx\r\n0\r\n\r\n',
    status: 400,
    says: 'CR',
    reachesApp: true,
  },
  { name: 'two Hosts', sent: 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', status: 400, says: 'two Host' },
  { name: 'the same Host twice', sent: 'GET /x HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', status: 400, says: 'two Host' },
  { name: 'no version', sent: 'GET /x\r\n\r\n', status: 505, says: 'HTTP/0.9' },
  { name: 'a zero byte', sent: 'GET /x HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', status: 400, says: 'header value' },
  { name: 'what is no HTTP', sent: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', status: 400, says: 'method' },
  {
    name: 'headers that are too long',
    sent: `GET /x HTTP/1.1\r\nHost: a\r\nX: ${LONG}${LONG}\r\n\r\n`,
    status: 431,
    says: 'overflow',
  },
  {
    name: 'too many headers',
    sent: `GET /x HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(100)}\r\n`,
    status: 431,
    says: 'more than 100 header lines',
  },
  { name: 'a target that is too long', sent: `GET /${LONG} HTTP/1.1\r\nHost: a\r\n\r\n`, status: 414, says: '8192' },
  {
    name: 'a body that says it is too long',
    sent: 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n',
    status: 413,
    says: '1000 bytes',
  },
]

describe('what cannot be meant, or can be read in two ways', () => {
  it.each(SHAPES)(
    'is refused in one line, and ends the connection: $name',
    async ({ sent, status, says, reachesApp = false }) => {
      await started('--max-body', '1000', '--access-log', '-', '--access-log-format', 'common')
      const answers = await answerTo(`${sent}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)
      expect(answers.match(/HTTP\/1\.1 \d+/g)).toStrictEqual([`HTTP/1.1 ${status}`])
      expect(await honest()).toStrictEqual(SERVED)
      server.signal('SIGTERM')
      const { stderr, stdout } = await server.ended
      const lines = stderr.split('\n').filter((line) => line.includes('refused'))
      expect(lines).toStrictEqual([
        expect.stringMatching(
          new RegExp(`^A request from 127\\.0\\.0\\.1 was refused, answered ${status}: .*${says}.*\\.$`, 'i'),
        ),
      ])
      expect(stdout.match(/asked for .*/g)).toStrictEqual(reachesApp ? ['asked for /x'] : null)
      expect(stdout.split('\n').filter((line) => line.includes(`" ${status} `))).toHaveLength(1)
    },
  )

  it('a body that grows too long is cut off while it comes', async () => {
    await started('--max-body', '1000')
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`
    const answer = await answerTo(
      `POST /grows HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 413 /)
    const whole = `POST /fits HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`
    expect(await answerTo(whole)).toMatch(/served 1000$/)
    await server.said('its body is longer than 1000 bytes')
  })

  it('an app that does not answer is answered for', async () => {
    await started('--response-timeout', '0.2')
    expect(await answerTo('GET /stuck HTTP/1.1\r\nHost: a\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 503 [^]*did not answer in time/,
    )
    await server.said('answered 503: the app has not begun to answer within 200 ms.')
  })

  it('an answer that is owed is not mixed with a refusal of what came behind it', async () => {
    await started()
    const answers = await answerTo('GET /stuck HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/9.9\r\n\r\n')
    expect(answers).not.toContain('HTTP/1.1')
    expect(await honest()).toStrictEqual(SERVED)
  })
})

describe('connections', () => {
  it('that are half closed get their answer', async () => {
    await started('-w', '1')
    const socket = await open()
    socket.end('GET /half HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 OK[^]*served 0$/)
  })

  it('that are half closed before anything was asked, or between requests, are closed', async () => {
    await started('-w', '1')
    const [fresh, kept, cut] = await Promise.all([open(), open(), open()])
    fresh.end()
    expect(await text(fresh)).toBe('')
    kept.write('GET /honest HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(kept, 'readable')
    kept.end()
    expect(await text(kept)).toMatch(/served 0$/)
    cut.end('GET /never HTTP/1.1\r\nHo')
    expect(await text(cut)).toMatch(/^(?:HTTP\/1\.1 400 |$)/)
    expect(await honest()).toStrictEqual(SERVED)
    expect(await refusals()).toStrictEqual([expect.stringContaining('answered 400')])
  })

  it('whose client is gone without a word are closed when their time is over', async () => {
    await started('-w', '1', '--headers-timeout', '1', '--keep-alive-timeout', '1')
    const [fresh, kept] = await Promise.all([open(), open()])
    kept.write('GET /honest HTTP/1.1\r\nHost: a\r\n\r\n') // neither says anything more
    const answers = await Promise.all([text(fresh), text(kept)])
    expect(answers).toStrictEqual(['', expect.stringMatching(/served 0$/)])
    expect(await refusals()).toStrictEqual([])
  })

  it('that are reset, ended or left in the middle of a head harm nobody', async () => {
    await started('-w', '1')
    const sockets = await Promise.all(Array.from({ length: 30 }, open))
    for (const [index, socket] of sockets.entries()) {
      socket.write('POST /left HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf'.slice(0, index * 2))
      if (index % 3 === 0) socket.resetAndDestroy()
      else if (index % 3 === 1) socket.end()
      else socket.destroy()
    }
    expect(await honest()).toStrictEqual(SERVED)
    expect((await refusals()).length).toBeLessThanOrEqual(sockets.length)
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  /** Each connection is a file in the server and one here; the machine says how many a process may have. */
  const files = Number(spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout)
  const idle = Math.min(10_000, (Number.isNaN(files) ? 100_000 : files) - 500)

  it.each([
    ['in one process', []],
    ['with workers', ['-w', '2']],
  ] as const)(`${idle} idle ones leave room for honest clients, %s`, async (_, flags) => {
    await started(...flags, '--headers-timeout', '300')
    const sockets: Socket[] = []
    while (sockets.length < idle) sockets.push(...(await Promise.all(Array.from({ length: 200 }, open))))
    try {
      expect(await honest()).toStrictEqual(SERVED)
      const last = sockets.at(-1)!
      last.write('GET /idle HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      expect(await text(last)).toMatch(/served 0$/)
    } finally {
      for (const socket of sockets) socket.destroy()
    }
    server.signal('SIGTERM')
    expect(await server.ended).toMatchObject({ code: 0 })
  })
})
