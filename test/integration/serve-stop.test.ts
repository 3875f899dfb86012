/**
 * A server that is told to stop loses no request that has come: not one that is still to be read, nor one whose
 * connection is still to be accepted, nor the first of a client that has just connected.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { HEADER } from '../fixtures/proxy-protocol.ts'
import { launch, type Serving } from './program.ts'

/** `/block` keeps the process from doing anything until the file is there. */
const APP = `
import { existsSync } from 'node:fs'
export default (req, res) => {
  if (req.url === '/block') {
    process.stdout.write('blocked\\n')
    const pause = new Int32Array(new SharedArrayBuffer(4))
    while (!existsSync('go')) Atomics.wait(pause, 0, 0, 10)
  }
  res.end('answer to ' + req.url)
}
`

let folder: string
let server: Serving

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'proxyfix-stop-'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'app.js'), APP)
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(async () => {
  await server.stop()
  rmSync(join(folder, 'go'), { force: true })
})

async function started(...args: readonly string[]): Promise<void> {
  server = await launch(['-b', '127.0.0.1:0', ...args, 'app.js'], { folder })
}

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

function get(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`
}

const TARGETS = Array.from({ length: 30 }, (_, index) => `/${index}`)
const ANSWERS = TARGETS.map(
  (target) => expect.stringMatching(new RegExp(`^HTTP/1.1 200 [^]*answer to ${target}$`)) as string,
)

describe.each([
  ['in one process', []],
  ['with workers', ['-w', '1']],
] as const)('SIGTERM %s', (_, flags) => {
  it('finds requests that are here, and unread: they are answered', async () => {
    await started(...flags)
    const kept = await Promise.all(TARGETS.slice(15).map(open))
    for (const socket of kept) {
      socket.write(get('/kept'))
      await once(socket, 'data')
    }
    const blocking = await open()
    const blocked = text(blocking)
    blocking.write(get('/block'))
    await server.wrote('blocked')
    // Of those that connect now, the process accepts none; of those it has, it reads none.
    const fresh = await Promise.all(TARGETS.slice(0, 15).map(open))
    const sockets = [...fresh, ...kept]
    const answers = sockets.map((socket) => text(socket))
    await Promise.all(
      sockets.map((socket, index) => new Promise((resolve) => socket.write(get(TARGETS[index]!), resolve))),
    )
    server.signal('SIGTERM')
    writeFileSync(join(folder, 'go'), '')
    expect(await Promise.all(answers)).toStrictEqual(ANSWERS)
    expect(await blocked).toMatch(/answer to \/block$/)
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('finds connections that have not asked yet: they are answered, and those that never ask closed', async () => {
    await started(...flags)
    const sockets = await Promise.all(TARGETS.map(open))
    const answers = sockets.map((socket) => text(socket))
    const silent = await open()
    const nothing = text(silent)
    server.signal('SIGTERM')
    await server.said('SIGTERM')
    for (const [index, socket] of sockets.entries()) socket.write(get(TARGETS[index]!))
    expect(await Promise.all(answers)).toStrictEqual(ANSWERS)
    expect(await nothing).toBe('')
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('finds kept connections that are in use: each has one more answer', async () => {
    await started(...flags)
    const sockets = await Promise.all(TARGETS.map(open))
    for (const socket of sockets) {
      socket.write(get('/first'))
      await once(socket, 'data')
    }
    const answers = sockets.map((socket) => text(socket))
    server.signal('SIGTERM')
    await server.said('SIGTERM')
    for (const [index, socket] of sockets.entries()) socket.write(get(TARGETS[index]!))
    expect(await Promise.all(answers)).toStrictEqual(ANSWERS)
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('finds connections whose PROXY header is still to come: they are answered', async () => {
    await started(...flags, '--proxy-protocol', '127.0.0.1')
    const socket = await open()
    const answer = text(socket)
    server.signal('SIGTERM')
    await server.said('SIGTERM')
    socket.write(HEADER)
    socket.write(get('/proxied'))
    expect(await answer).toMatch(/answer to \/proxied$/)
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('finds connections whose TLS is still to come: they are answered', async () => {
    await started(...flags, '--cert', 'adhoc')
    const below = await open()
    server.signal('SIGTERM')
    await server.said('SIGTERM')
    const socket = connectTls({ socket: below, rejectUnauthorized: false })
    const answer = text(socket)
    socket.write(get('/secret'))
    expect(await answer).toMatch(/answer to \/secret$/)
    expect(await server.ended).toMatchObject({ code: 0 })
  })

  it('finds requests of HTTP/2 that are here, and unread: they are answered', async () => {
    await started(...flags, '--cert', 'adhoc', '--http2')
    const session = connectHttp2(server.url, { rejectUnauthorized: false })
    await once(session, 'remoteSettings')
    const blocking = session.request({ ':path': '/block' })
    await server.wrote('blocked')
    const streams = TARGETS.map((target) => session.request({ ':path': target }))
    const goneAway = once(session, 'goaway')
    // They are on their way, and no longer with the client alone.
    await Promise.all(streams.map(async (stream) => stream.pending && (await once(stream, 'ready'))))
    await new Promise((resolve) => setImmediate(resolve))
    server.signal('SIGTERM')
    writeFileSync(join(folder, 'go'), '')
    const answers = await Promise.all([blocking, ...streams].map((stream) => text(stream)))
    expect(answers).toStrictEqual(['/block', ...TARGETS].map((target) => `answer to ${target}`))
    await goneAway
    expect(await server.ended).toMatchObject({ code: 0 })
  })
})
