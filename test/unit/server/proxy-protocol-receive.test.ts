/**
 * `proxyProtocol` on real connections over loopback: which are served, what they show, and what is left of those that
 * are not. 127.0.0.2 is the listed sender in all of it.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, proxyFix, type ProxyFixOptions, unwrapSocket } from '../../../src/index.ts'
import {
  proxyProtocol,
  proxyProtocolInfo,
  type ProxyProtocolOptions,
  type ProxyProtocolRefusal,
} from '../../../src/server/proxy-protocol/index.ts'
import { dropWaiting } from '../../../src/server/proxy-protocol/receive.ts'
import { HEADER, sslTlv, version2 } from '../../fixtures/proxy-protocol.ts'
import { parseResponses } from '../../fixtures/raw-http.ts'
import { selfSignedCertificate } from '../../integration/certificate.ts'

const SENDER = '127.0.0.2'
const STRANGER = '127.0.0.9'
const REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const LAST_REQUEST = 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n'

const { certificate: cert, key } = selfSignedCertificate('a.example')

/** What a connection shows, as HTTP answers and other servers write it. */
function shown(socket: Socket): string {
  const { remoteAddress, remotePort, remoteFamily } = socket
  const { sender, destination, version } = proxyProtocolInfo(socket) ?? {}
  return JSON.stringify([remoteAddress, remotePort, remoteFamily, sender?.address, destination, version])
}

/** Of a connection with {@link HEADER}. */
const SHOWN = '["203.0.113.7",51234,"IPv4","127.0.0.2",{"address":"192.0.2.1","port":443},1]'

const answer = (
  req: IncomingMessage | http2.Http2ServerRequest,
  res: ServerResponse | http2.Http2ServerResponse,
): void => {
  res.setHeader('Content-Length', shown(req.socket).length)
  ;(res as ServerResponse).end(shown(req.socket))
}

/** Every kind of server, and how a client of it hears what its connection shows. */
const KINDS: Readonly<Record<string, { make: () => Server; ask: (socket: Socket) => Promise<string> }>> = {
  'a net server': {
    make: () => net.createServer((socket) => socket.on('data', () => socket.end(shown(socket)))),
    ask: async (socket) => {
      socket.write('x')
      return await textOf(socket)
    },
  },
  'a tls server': {
    make: () => tls.createServer({ cert, key }, (socket) => socket.end(shown(socket))),
    ask: async (socket) => await textOf(await secured(socket)),
  },
  'an http server': {
    make: () => http.createServer(answer),
    ask: async (socket) => await askHttp1(socket),
  },
  'an https server': {
    make: () => https.createServer({ cert, key }, answer),
    ask: async (socket) => await askHttp1(await secured(socket)),
  },
  'an http2 server': {
    make: () => http2.createServer(answer),
    ask: async (socket) => await askHttp2(socket),
  },
  'a secure http2 server': {
    make: () => http2.createSecureServer({ cert, key }, answer),
    ask: async (socket) => await askHttp2(await secured(socket, 'h2')),
  },
}

const started: Server[] = []

/** All that any of them accepted. */
const sockets: Socket[] = []

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of started.splice(0)) {
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
})

/** A server that receives the protocol, and knows the sockets it accepted, served or not. */
async function listening(
  server: Server,
  options: Partial<ProxyProtocolOptions> = {},
): Promise<{ port: number; accepted: Socket[]; refusals: string[] }> {
  const refusals: string[] = []
  const onRefused = ({ sender, reason }: ProxyProtocolRefusal): void =>
    void refusals.push(`${sender.address}: ${reason}`)
  proxyProtocol(server, { from: SENDER, onRefused, ...options })
  const accepted: Socket[] = []
  const { emit } = server
  server.emit = function (event: string, ...args: unknown[]) {
    if (event === 'connection') {
      accepted.push(args[0] as Socket)
      sockets.push(args[0] as Socket)
    }
    return Reflect.apply(emit, this, [event, ...args]) as boolean
  }
  started.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, accepted, refusals }
}

async function connected(port: number, localAddress = SENDER): Promise<Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', localAddress, noDelay: true })
  await once(socket, 'connect')
  onTestFinished(() => void socket.destroy())
  return socket
}

async function secured(socket: Socket, ...ALPNProtocols: string[]): Promise<Socket> {
  const secure = tls.connect({ socket, ca: cert, servername: 'a.example', ALPNProtocols })
  await once(secure, 'secureConnect')
  return secure
}

async function askHttp1(socket: Socket): Promise<string> {
  socket.write(LAST_REQUEST)
  return bodiesOf(await textOf(socket)).join('\n')
}

async function askHttp2(socket: Socket): Promise<string> {
  const session = http2.connect('http://a.example', { createConnection: () => socket })
  const stream = session.request({ ':path': '/' })
  let body = ''
  for await (const chunk of stream) body += String(chunk)
  session.close()
  return body
}

/** All that comes until the connection ends, however it does. */
async function textOf(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  // Not `once`, which rejects for an error that comes first.
  if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve))
  return text
}

async function exchange(port: number, bytes: string | Buffer, localAddress = SENDER): Promise<string> {
  const socket = await connected(port, localAddress)
  socket.write(bytes, 'latin1')
  return await textOf(socket)
}

function bodiesOf(text: string): string[] {
  return parseResponses(text).map(({ body }) => body)
}

/** Waits for something that the other end of a connection does. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

describe.each(Object.entries(KINDS))('%s', (_, { make, ask }) => {
  it('shows the source on a connection with a header', async () => {
    const { port } = await listening(make())
    const socket = await connected(port)
    socket.write(HEADER)
    expect(await ask(socket)).toBe(SHOWN)
  })

  it('shows it whichever byte the header is cut at', async () => {
    const { port, accepted } = await listening(make())
    const header = version2({ checksum: true, tlvs: [{ type: 5, value: 'id' }] })
    for (let cut = 1; cut < header.length; cut++) {
      const socket = await connected(port)
      socket.write(header.subarray(0, cut))
      await until(() => accepted.at(-1)?.bytesRead === cut && accepted.length === cut)
      socket.write(header.subarray(cut))
      expect(await ask(socket), `cut after ${cut} bytes`).toBe(SHOWN.replace(',1]', ',2]'))
    }
  })

  it('shows it where the header came byte by byte', async () => {
    const { port, accepted } = await listening(make())
    const socket = await connected(port)
    for (let sent = 0; sent < HEADER.length; sent++) {
      socket.write(HEADER.slice(sent, sent + 1))
      await until(() => accepted[0]?.bytesRead === sent + 1)
    }
    expect(await ask(socket)).toBe(SHOWN)
  })

  it('closes a connection of the sender that begins with anything else', async () => {
    const { port, refusals } = await listening(make())
    expect(await exchange(port, LAST_REQUEST)).toBe('')
    expect(refusals).toStrictEqual([`${SENDER}: it does not begin like a PROXY protocol header`])
  })

  it('refuses everybody else, header or not', async () => {
    const { port, refusals } = await listening(make())
    expect(await exchange(port, HEADER + LAST_REQUEST, STRANGER)).toBe('')
    expect(await exchange(port, LAST_REQUEST, STRANGER)).toBe('')
    const refusal = `${STRANGER}: it does not come from a listed sender`
    expect(refusals).toStrictEqual([refusal, refusal])
  })

  it('serves everybody else without a header, where it is told to', async () => {
    const { port, refusals } = await listening(make(), { others: 'serve' })
    const socket = await connected(port, STRANGER)
    const { localPort } = socket
    expect(await ask(socket)).toBe(JSON.stringify([STRANGER, localPort, 'IPv4', null, null, null]))
    expect(refusals).toStrictEqual([])
  })

  it('leaves its sockets with the listeners and the state of any other', async () => {
    const stateOf = (socket: Socket): unknown => ({
      flowing: socket.readableFlowing,
      counts: socket
        .eventNames()
        .map((event) => [String(event), socket.listenerCount(event)])
        .toSorted(),
      timeout: socket.timeout,
    })
    const states: unknown[] = []
    for (const header of [undefined, HEADER]) {
      const server = make()
      // Before the server's own listener has touched it.
      server.prependListener('connection', (socket: Socket) => states.push(stateOf(socket)))
      const { port } = await listening(server, { others: 'serve' })
      const socket = await connected(port, header === undefined ? STRANGER : SENDER)
      if (header !== undefined) socket.write(header)
      await ask(socket)
    }
    expect(states[1]).toStrictEqual(states[0])
  })

  it('closes at once, with senders waiting', async () => {
    const server = make()
    const { port, accepted } = await listening(server)
    const [silent, halfway] = [await connected(port), await connected(port)]
    halfway.write(HEADER.slice(0, 20))
    await until(() => accepted.length === 2 && accepted[1]!.bytesRead === 20)
    server.close()
    await Promise.all([once(server, 'close'), textOf(silent), textOf(halfway)])
    expect(server.listening).toBe(false)
  })
})

describe('a server that is there already', () => {
  it('shows the source to the listeners that it has, and to those that come later', async () => {
    const seen: string[] = []
    const server = http.createServer((req, res) => {
      seen.push(`early ${req.socket.remoteAddress}`)
      res.end()
    })
    server.on('connection', (socket: Socket) => seen.push(`early connection ${socket.remoteAddress}`))
    const { port } = await listening(server)
    server.on('connection', (socket: Socket) => seen.push(`late connection ${socket.remoteAddress}`))
    server.on('request', (req: IncomingMessage) => seen.push(`late ${req.socket.remoteAddress}`))
    await exchange(port, HEADER + LAST_REQUEST)
    expect(seen).toStrictEqual([
      'early connection 203.0.113.7',
      'late connection 203.0.113.7',
      'early 203.0.113.7',
      'late 203.0.113.7',
    ])
  })

  it('receives headers from the moment on, though it listens', async () => {
    const server = http.createServer(answer).listen(0, '127.0.0.1')
    started.push(server)
    await once(server, 'listening')
    proxyProtocol(server, { from: SENDER })
    const { port } = server.address() as AddressInfo
    expect(bodiesOf(await exchange(port, HEADER + LAST_REQUEST))).toStrictEqual([SHOWN])
  })

  it('still calls what is patched into its class', async () => {
    const server = http.createServer(answer)
    const { port } = await listening(server)
    const spy = vi.spyOn(http.Server.prototype, 'emit')
    onTestFinished(() => spy.mockRestore())
    await exchange(port, HEADER + LAST_REQUEST)
    expect(spy.mock.calls.map(([event]) => event)).toEqual(expect.arrayContaining(['connection', 'request']))
  })
})

describe('a connection', () => {
  it('has one header, for all its requests', async () => {
    const { port } = await listening(http.createServer(answer))
    const text = await exchange(port, HEADER + REQUEST + REQUEST + LAST_REQUEST)
    expect(bodiesOf(text)).toStrictEqual([SHOWN, SHOWN, SHOWN])
  })

  it('cannot change its source by a second one', async () => {
    const { port } = await listening(http.createServer(answer))
    const socket = await connected(port)
    const answered = textOf(socket)
    socket.write(HEADER + REQUEST)
    await once(socket, 'data')
    socket.write(HEADER.replace('203.0.113.7', '6.6.6.6') + LAST_REQUEST)
    expect(parseResponses(await answered).map(({ status, body }) => [status, body])).toStrictEqual([
      [200, SHOWN],
      [400, ''],
    ])
  })

  it('of a stranger is a bad request if it begins with a header', async () => {
    const { port } = await listening(http.createServer(answer), { others: 'serve' })
    const text = await exchange(port, HEADER + LAST_REQUEST, STRANGER)
    expect(parseResponses(text).map(({ status }) => status)).toStrictEqual([400])
  })

  it('keeps the real peer where the header names nobody', async () => {
    const { port } = await listening(http.createServer(answer))
    for (const [header, version] of [
      ['PROXY UNKNOWN\r\n', 1],
      ['PROXY UNKNOWN 6.6.6.6 6.6.6.6 6 6\r\n', 1],
      [version2({ command: 0x20, source: '6.6.6.6' }), 2],
      [version2({ kind: 0x00, source: '6.6.6.6' }), 2],
    ] as const) {
      const socket = await connected(port)
      const { localPort } = socket
      socket.write(header)
      expect(await askHttp1(socket)).toBe(JSON.stringify([SENDER, localPort, 'IPv4', SENDER, null, version]))
    }
  })

  it('is closed where its client speaks no TCP', async () => {
    const { port, refusals } = await listening(http.createServer(answer))
    expect(await exchange(port, version2({ kind: 0x12 }))).toBe('')
    expect(refusals).toStrictEqual([`${SENDER}: its header names a client that speaks no TCP`])
  })

  it('is closed where its header is longer than may be, as soon as that is clear', async () => {
    const { port, refusals } = await listening(http.createServer(answer), { maxLength: 64 })
    const long = version2({ tlvs: [{ type: 0xe0, value: 'x'.repeat(34) }] })
    expect(long).toHaveLength(65)
    expect(await exchange(port, Buffer.concat([long, Buffer.from(LAST_REQUEST)]))).toBe('')
    expect(await exchange(port, version2({ tlvs: [{ type: 0xe0, value: 'x'.repeat(9999) }] }).subarray(0, 65))).toBe('')
    expect(refusals).toStrictEqual(Array.from({ length: 2 }, () => `${SENDER}: its header is longer than 64 bytes`))
    const fits = version2({ tlvs: [{ type: 0xe0, value: 'x'.repeat(33) }] })
    expect(bodiesOf(await exchange(port, Buffer.concat([fits, Buffer.from(LAST_REQUEST)])))).toHaveLength(1)
  })

  it('is closed where the header does not come in time, however slowly it comes', async () => {
    const { port, refusals } = await listening(http.createServer(answer), { timeout: 60 })
    const [silent, slow] = [await connected(port), await connected(port)]
    const long = version2({ tlvs: [{ type: 0xe0, value: 'x'.repeat(4000) }] })
    let sent = 0
    const dribble = setInterval(() => slow.write(long.subarray(sent, ++sent)), 5)
    onTestFinished(() => clearInterval(dribble))
    expect(await Promise.all([textOf(silent), textOf(slow)])).toStrictEqual(['', ''])
    expect(refusals).toStrictEqual(Array.from({ length: 2 }, () => `${SENDER}: its header did not come within 60 ms`))
    expect(sent).toBeGreaterThan(0)
  })

  it('is no longer timed once the header is there', async () => {
    const clear = vi.spyOn(globalThis, 'clearTimeout')
    const set = vi.spyOn(globalThis, 'setTimeout')
    onTestFinished(() => void vi.restoreAllMocks())
    const { port } = await listening(http.createServer(answer), { timeout: 54_321 })
    const socket = await connected(port)
    socket.write(HEADER)
    await askHttp1(socket)
    const timers = set.mock.results.filter((_, index) => set.mock.calls[index]![1] === 54_321)
    expect(timers).toHaveLength(1)
    expect(clear.mock.calls.map(([timer]) => timer)).toContain(timers[0]!.value)
  })

  it('is then timed by the server, from the end of the header', async () => {
    const server = http.createServer({ headersTimeout: 30, requestTimeout: 0, connectionsCheckingInterval: 10 }, answer)
    const { port, refusals } = await listening(server)
    const text = await exchange(port, `${HEADER}GET / HTTP/1.1\r\n`)
    expect(parseResponses(text).map(({ status }) => status)).toStrictEqual([408])
    expect(refusals).toStrictEqual([])
  })

  it('may end its half before the answer', async () => {
    const { port } = await listening(http.createServer(answer))
    const socket = await connected(port)
    socket.end(HEADER + REQUEST)
    expect(bodiesOf(await textOf(socket))).toStrictEqual([SHOWN])
  })

  it('may end its half right after the header, which whoever serves it hears', async () => {
    const server = net.createServer({ allowHalfOpen: true }, (socket) =>
      socket.on('end', () => socket.end(shown(socket))),
    )
    const { port } = await listening(server)
    const { emit } = server
    const client = net.connect({ port, host: '127.0.0.1', localAddress: SENDER })
    // Header and end are there before anybody looks: both come in one turn.
    server.emit = function (event: string, ...args: unknown[]) {
      if (event !== 'connection') return Reflect.apply(emit, this, [event, ...args]) as boolean
      client.end(HEADER, async () => {
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
        Reflect.apply(emit, this, [event, ...args])
      })
      return true
    }
    expect(await textOf(client)).toBe(SHOWN)
  })

  it('that ends within its header is closed, and told of', async () => {
    const { port, refusals } = await listening(http.createServer(answer))
    const socket = await connected(port)
    socket.end(HEADER.slice(0, 20))
    expect(await textOf(socket)).toBe('')
    expect(refusals).toStrictEqual([`${SENDER}: it ended in the middle of its header`])
  })

  it('that only looks whether the port is open is not worth telling', async () => {
    const { port, accepted, refusals } = await listening(http.createServer(answer))
    const socket = await connected(port)
    socket.end()
    await textOf(socket)
    await until(() => accepted[0]?.destroyed === true)
    expect(refusals).toStrictEqual([])
  })

  it.each([0, 20])('may be reset after %i bytes, which harms nobody', async (length) => {
    const { port, accepted, refusals } = await listening(http.createServer(answer))
    const socket = await connected(port)
    if (length > 0) socket.write(HEADER.slice(0, length))
    await until(() => accepted[0]?.bytesRead === length)
    socket.resetAndDestroy()
    await until(() => accepted[0]!.closed)
    expect(bodiesOf(await exchange(port, HEADER + LAST_REQUEST))).toStrictEqual([SHOWN])
    expect(refusals).toStrictEqual([])
  })

  it('stays paused where whoever serves it pauses it', async () => {
    const served: Socket[] = []
    let received = ''
    const server = net.createServer((socket) => {
      served.push(socket)
      socket.on('data', (chunk) => (received += String(chunk)))
      socket.pause()
    })
    const { port, accepted } = await listening(server)
    const socket = await connected(port)
    socket.write(`${HEADER}first`)
    await until(() => served.length === 1)
    socket.write(' second')
    await until(() => accepted[0]!.bytesRead === HEADER.length + 12)
    expect(received).toBe('')
    served[0]!.resume()
    await until(() => received === 'first second')
    expect(received).toBe('first second')
  })

  it('can be upgraded', async () => {
    const server = http.createServer(answer)
    server.on('upgrade', (req: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.end(`${shown(socket)} ${shown(req.socket)} ${String(head)}`)
    })
    const { port } = await listening(server)
    const upgrade = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead'
    expect(await exchange(port, HEADER + upgrade)).toBe(`${SHOWN} ${SHOWN} head`)
  })

  it('shows the source where TLS fails on it', async () => {
    const server = https.createServer({ cert, key }, answer)
    const failed = new Promise<string>((resolve) => {
      server.on('tlsClientError', (_error: Error, socket: Socket) => resolve(shown(socket)))
    })
    const { port } = await listening(server)
    expect(await exchange(port, HEADER + LAST_REQUEST)).not.toContain('HTTP/1.1 200')
    expect(await failed).toBe(SHOWN)
  })

  it('is cut where the TLS on it cannot be told whose it is', async () => {
    const server = tls.createServer({ cert, key })
    await listening(server)
    const socket = new tls.TLSSocket(new net.Socket(), { isServer: true })
    Object.defineProperty(socket, '_parent', { value: undefined })
    server.emit('secureConnection', socket)
    expect(socket.destroyed).toBe(true)
  })
})

describe('many connections', () => {
  it('each show their own source', async () => {
    const { port, refusals } = await listening(http.createServer(answer))
    const count = 300
    const answers = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const header = `PROXY TCP4 198.51.100.${index % 250} 192.0.2.1 ${index + 1} 443\r\n`
        const socket = await connected(port)
        for (const part of [header.slice(0, index % header.length), header.slice(index % header.length)]) {
          if (part !== '') socket.write(part)
          await new Promise((resolve) => setImmediate(resolve))
        }
        return [index, JSON.parse(await askHttp1(socket)) as unknown[]] as const
      }),
    )
    const wrong = answers.filter(
      ([index, [address, port_]]) => address !== `198.51.100.${index % 250}` || port_ !== index + 1,
    )
    expect(wrong).toStrictEqual([])
    expect(answers).toHaveLength(count)
    expect(refusals).toStrictEqual([])
  })

  it('that wait do not keep others from being served', async () => {
    const { port, accepted } = await listening(http.createServer(answer))
    await Promise.all(Array.from({ length: 200 }, async () => void (await connected(port)).write('PROXY ')))
    await until(() => accepted.length === 200)
    expect(bodiesOf(await exchange(port, HEADER + LAST_REQUEST))).toStrictEqual([SHOWN])
  })
})

describe('closing', () => {
  it.each(['closeIdleConnections', 'closeAllConnections'] as const)('%s cuts those that wait', async (method) => {
    const server = http.createServer(answer)
    const { port, accepted } = await listening(server)
    const socket = await connected(port)
    await until(() => accepted.length === 1)
    server[method]()
    expect(await textOf(socket)).toBe('')
    expect(bodiesOf(await exchange(port, HEADER + LAST_REQUEST))).toStrictEqual([SHOWN])
  })

  it('answers what was asked before', async () => {
    let respond: (() => void) | undefined
    const server = http.createServer((_req, res) => (respond = () => res.end('late')))
    const { port, refusals } = await listening(server)
    const asked = exchange(port, HEADER + LAST_REQUEST)
    await until(() => respond !== undefined)
    const closed = new Promise((resolve) => server.close(resolve))
    respond!()
    expect(bodiesOf(await asked)).toStrictEqual(['late'])
    await closed
    expect(refusals).toStrictEqual([])
  })

  it('between a header and its connection leaves nobody with a socket that is gone', async () => {
    const served: Socket[] = []
    const server = http.createServer(answer)
    server.on('connection', (socket: Socket) => served.push(socket))
    const { port } = await listening(server)
    const { emit } = server
    server.emit = function (event: string, ...args: unknown[]) {
      const result = Reflect.apply(emit, this, [event, ...args]) as boolean
      // Heard right after the header was read.
      if (event === 'connection') (args[0] as Socket).on('readable', () => server.close())
      return result
    }
    expect(await exchange(port, HEADER + LAST_REQUEST)).toBe('')
    expect(served).toStrictEqual([])
  })

  it('can be half of it, for whoever drains a server by himself', async () => {
    const server = http.createServer(answer)
    const { port, accepted } = await listening(server)
    const socket = await connected(port)
    await until(() => accepted.length === 1)
    net.Server.prototype.close.call(server)
    dropWaiting(server)
    expect(await textOf(socket)).toBe('')
    dropWaiting(http.createServer()) // of a server that receives no headers there are none
  })
})

describe('unix sockets', () => {
  async function onPath(options: Partial<ProxyProtocolOptions>): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'proxyfix-pp-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const server = proxyProtocol(http.createServer(answer), { from: SENDER, onRefused: () => undefined, ...options })
    started.push(server)
    server.listen(join(folder, 'app.sock'))
    await once(server, 'listening')
    return join(folder, 'app.sock')
  }

  async function askPath(path: string): Promise<string> {
    const socket = net.connect(path)
    const text = textOf(socket)
    socket.write(HEADER + LAST_REQUEST)
    return await text
  }

  it('are a sender where they are listed', async () => {
    const [body] = bodiesOf(await askPath(await onPath({ from: 'unix' })))
    expect(body).toBe(SHOWN.replace('"127.0.0.2"', 'null'))
  })

  it('are none where they are not', async () => {
    expect(await askPath(await onPath({}))).toBe('')
  })

  it('of the proxy show no address, and trust nobody for it', async () => {
    const path = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(108 - text.length)])
    const header = Buffer.concat([
      version2().subarray(0, 12),
      Buffer.of(0x21, 0x31, 0, 216),
      path('10.0.0.1'),
      path(''),
    ])
    const forged = LAST_REQUEST.replace('\r\n\r\n', '\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n')
    for (const trustedProxies of ['unix', '10.0.0.1']) {
      const app = proxyFix(
        (req: IncomingMessage, res: ServerResponse) => {
          const { client, trusted } = connectionInfo(req)
          res.end(JSON.stringify([client.address, trusted, proxyProtocolInfo(req)?.source]))
        },
        { xFor: 1, trustedProxies },
      )
      const { port } = await listening(http.createServer(app))
      const text = await exchange(port, Buffer.concat([header, Buffer.from(forged)]))
      expect(bodiesOf(text)).toStrictEqual(['[null,false,{"address":"10.0.0.1"}]'])
    }
  })
})

describe('with proxyFix', () => {
  async function decided(
    { tls: speaksTls, ...proxyFixOptions }: ProxyFixOptions & { readonly tls?: boolean },
    header: string | Buffer,
    ...lines: string[]
  ): Promise<unknown> {
    const listener = (req: IncomingMessage, res: ServerResponse): void => {
      const { client, peer, scheme, trusted } = connectionInfo(req)
      const { encrypted } = req.socket as { encrypted?: boolean }
      res.end(JSON.stringify({ client: client.address, peer: peer.address, scheme, trusted, encrypted }))
    }
    const { port } = await listening(proxyFix(http.createServer(listener), proxyFixOptions), { tls: speaksTls })
    const request = LAST_REQUEST.replace('\r\n\r\n', ['', ...lines, '', ''].join('\r\n'))
    const text = await exchange(port, Buffer.concat([Buffer.from(header), Buffer.from(request)]))
    return JSON.parse(bodiesOf(text)[0] ?? 'null')
  }

  const FORWARDED = ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Proto: https']

  it('the source is judged, and not the sender', async () => {
    expect(await decided({ trustedProxies: SENDER }, HEADER, ...FORWARDED)).toStrictEqual({
      client: '203.0.113.7',
      peer: '203.0.113.7',
      scheme: 'http',
      trusted: false,
      encrypted: false,
    })
  })

  it('a source that is a proxy of ours is believed', async () => {
    expect(await decided({ trustedProxies: '203.0.113.0/24' }, HEADER, ...FORWARDED)).toStrictEqual({
      client: '6.6.6.6',
      peer: '203.0.113.7',
      scheme: 'https',
      trusted: true,
      encrypted: true,
    })
  })

  it('the sender is judged where the header names nobody', async () => {
    expect(await decided({ trustedProxies: SENDER }, 'PROXY UNKNOWN\r\n', ...FORWARDED)).toMatchObject({
      client: '6.6.6.6',
      peer: SENDER,
      trusted: true,
    })
  })

  it.each([
    ['that the client spoke', version2({ tlvs: [sslTlv(1, 0, [])] }), false, 'https'],
    ['that the client spoke, whatever all others do', version2({ tlvs: [sslTlv(1, 0, [])] }), true, 'https'],
    ['that it did not', version2({ tlvs: [sslTlv(0, 0, [])] }), false, 'http'],
    ['that it did not, though all others do', version2({ tlvs: [sslTlv(0, 0, [])] }), true, 'http'],
    ['that is not told of', version2(), false, 'http'],
    ['that all clients speak, though it is not told of', version2(), true, 'https'],
    ['that all clients speak, in version 1', HEADER, true, 'https'],
  ])('the scheme is by the TLS %s with the sender', async (_, header, speaksTls, scheme) => {
    expect(await decided({ trustedProxies: [], tls: speaksTls }, header)).toStrictEqual({
      client: '203.0.113.7',
      peer: '203.0.113.7',
      scheme,
      trusted: false,
      encrypted: scheme === 'https',
    })
  })

  it('the connections of the sender itself are as they are', async () => {
    expect(await decided({ trustedProxies: [], tls: true }, 'PROXY UNKNOWN\r\n')).toMatchObject({ scheme: 'http' })
  })

  it('the info is had from a fixed request, its response, and both their sockets', async () => {
    const seen: (string | undefined)[] = []
    const app = proxyFix((req: IncomingMessage, res: ServerResponse) => {
      const subjects = [req, res, req.socket, unwrapSocket(req.socket), res.socket!]
      seen.push(...subjects.map((subject) => proxyProtocolInfo(subject)?.authority))
      res.end()
    })
    const { port } = await listening(http.createServer(app))
    const header = version2({ tlvs: [{ type: 2, value: 'a.example' }] })
    await exchange(port, Buffer.concat([header, Buffer.from(LAST_REQUEST)]))
    expect(seen).toStrictEqual(Array.from({ length: 5 }, () => 'a.example'))
    expect(proxyProtocolInfo({})).toBeUndefined()
    expect(proxyProtocolInfo({ socket: null })).toBeUndefined()
  })
})

describe('TLS on the connection itself', () => {
  it('is what the socket shows, whatever the sender says of its own', async () => {
    const server = https.createServer({ cert, key }, (req, res) => {
      res.setHeader('Connection', 'close')
      res.end(JSON.stringify([(req.socket as tls.TLSSocket).encrypted, proxyProtocolInfo(req)?.tls]))
    })
    const { port } = await listening(server)
    for (const [client, tls_] of [
      [0, null],
      [1, {}],
    ] as const) {
      const socket = await connected(port)
      socket.write(version2({ tlvs: [sslTlv(client, 0, [])] }))
      expect(await askHttp1(await secured(socket))).toBe(JSON.stringify([true, tls_]))
    }
  })
})

describe('refusals', () => {
  it('are told once as a warning where nobody wants to hear of each', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    const { port } = await listening(http.createServer(answer), { onRefused: undefined })
    for (const from of [STRANGER, SENDER, STRANGER]) await exchange(port, LAST_REQUEST, from)
    expect(warn.mock.calls).toStrictEqual([
      [
        'A connection from 127.0.0.9 was closed, and more may be: it does not come from a listed sender. The option onRefused of proxyProtocol tells of each.',
        { type: 'ProxyFixWarning', code: 'PROXYFIX_PROXY_PROTOCOL' },
      ],
    ])
  })

  it('survive what is thrown or rejected by whoever is told', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    const failures = [
      () => {
        throw new Error('told badly')
      },
      async () => {
        throw new Error('told badly later')
      },
    ]
    for (const onRefused of failures) {
      const { port } = await listening(http.createServer(answer), { onRefused })
      expect(await exchange(port, LAST_REQUEST, STRANGER)).toBe('')
      expect(bodiesOf(await exchange(port, HEADER + LAST_REQUEST))).toStrictEqual([SHOWN])
    }
    expect(warn.mock.calls).toStrictEqual([
      [
        'onRefused threw, which is told this once: told badly',
        { type: 'ProxyFixWarning', code: 'PROXYFIX_ON_REFUSED' },
      ],
    ])
  })

  it('are told of no connection that was gone before its address could be read', async () => {
    const server = http.createServer(answer)
    const { refusals } = await listening(server)
    const lost = new net.Socket()
    server.emit('connection', lost)
    expect([lost.destroyed, refusals]).toStrictEqual([true, []])
  })
})
