/**
 * Apps behind real proxies that send the PROXY protocol: HAProxy, nginx, hitch and stunnel, plain and over TLS. Clients of
 * other addresses ask, some of whom lie, and some of whom go around the proxy.
 */

import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import {
  Agent,
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server, type Http2ServerRequest } from 'node:http2'
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import { type AddressInfo, connect, createServer as createNetServer, type Server as NetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionInfo, proxyFix } from '../../src/index.ts'
import { proxyProtocol, proxyProtocolInfo, type ProxyProtocolOptions } from '../../src/server/proxy-protocol/index.ts'
import { parseResponses } from '../fixtures/raw-http.ts'
import { selfSignedCertificate } from './certificate.ts'
import { launch, type Serving } from './program.ts'
import { type RunningSender, type SenderName, SENDERS, startSender } from './proxy-protocol-senders.ts'
import type { HeaderLine } from './wire.ts'

const HOST = 'www.example.com'
/** The proxies, as the apps see them. */
const SENDER = '127.0.0.1'
const CLIENT = '127.0.0.7'
/** A proxy further out, which the apps trust. */
const CDN = '127.0.0.8'
const STRANGER = '127.0.0.9'

const server = selfSignedCertificate(HOST)
const client = selfSignedCertificate('client.example')

/** What an app sees of who asks, and what the proxy told it. */
interface Seen {
  readonly client: string
  readonly port: number | null
  readonly scheme: string
  readonly trusted: boolean
  readonly encrypted: boolean
  readonly socket: string
  readonly sender: string
  readonly version: 1 | 2
  readonly destination: string
  readonly told: {
    readonly alpn?: string
    readonly authority?: string
    readonly uniqueId?: string
    readonly tls?: Record<string, unknown>
  }
}

let healthChecks = 0
const refusals: string[] = []
let onHealthCheck = (): void => undefined

function answer(req: IncomingMessage, res: ServerResponse): void {
  if (req.url === '/health' && proxyProtocolInfo(req)?.result === 'local') {
    healthChecks++
    onHealthCheck()
  }
  res.end(JSON.stringify(seenOf(req)))
}

function seenOf(req: IncomingMessage | Http2ServerRequest): unknown {
  const { client: seen, scheme, trusted } = connectionInfo(req)
  const { sender, version, destination, alpn, authority, uniqueId, tls: told } = proxyProtocolInfo(req) ?? {}
  return {
    client: seen.address,
    port: seen.port ?? null,
    scheme,
    trusted,
    encrypted: (req.socket as { encrypted?: boolean }).encrypted === true,
    socket: req.socket.remoteAddress,
    sender: sender?.address,
    version,
    destination: `${destination?.address}:${destination?.port}`,
    told: { alpn, authority, uniqueId, tls: told },
  }
}

const proxyFixOptions = { xFor: 'trusted', trustedProxies: CDN } as const
const options: ProxyProtocolOptions = {
  from: SENDER,
  onRefused: ({ sender: { address }, reason }) => void refusals.push(`${address}: ${reason}`),
}

/** Three apps: one speaks TLS itself, and one is told that its proxy does, which stunnel does not say. */
let plain: Server
let tls: Server
let behindTls: Server
const listening: NetServer[] = []

async function listen(app: NetServer): Promise<number> {
  listening.push(app)
  app.listen(0, SENDER)
  await once(app, 'listening')
  return (app.address() as AddressInfo).port
}

const portOf = (app: NetServer): number => (app.address() as AddressInfo).port

beforeAll(async () => {
  plain = proxyProtocol(createServer(proxyFix(answer, proxyFixOptions)), options)
  const secure = createHttpsServer({ cert: server.certificate, key: server.key }, proxyFix(answer, proxyFixOptions))
  tls = proxyProtocol(secure, options)
  const told = createServer(proxyFix(answer, proxyFixOptions))
  behindTls = proxyProtocol(told, { ...options, tls: true })
  await Promise.all([listen(plain), listen(tls), listen(behindTls)])
})

afterAll(() => {
  for (const app of listening) {
    if ('closeAllConnections' in app) (app as Server).closeAllConnections()
    app.close()
  }
})

interface Asked {
  readonly seen: Seen
  /** The port that the client asked from. */
  readonly port: number
}

/** Asks from an address, over TLS or not, as a client of a browser's kind does. */
async function askFrom(
  localAddress: string,
  to: string,
  headers: readonly HeaderLine[] = [],
  certificate?: typeof client,
): Promise<Asked> {
  const { protocol, hostname, port } = new URL(to)
  const isTls = protocol === 'https:'
  const req = (isTls ? httpsRequest : httpRequest)({
    agent: false,
    host: hostname,
    port,
    localAddress,
    headers: [['Host', HOST], ...headers].flat(),
    ...(isTls && { ca: server.certificate, servername: HOST, cert: certificate?.certificate, key: certificate?.key }),
  })
  const asked = new Promise<Asked>((resolve, reject) => {
    req.once('error', reject)
    req.once('response', (res) => {
      const { localPort = 0 } = res.socket
      let body = ''
      res.setEncoding('utf8').on('data', (text: string) => (body += text))
      res.once('end', () => resolve({ seen: JSON.parse(body) as Seen, port: localPort }))
    })
  })
  req.end()
  return await asked
}

const LIES: readonly HeaderLine[] = [
  ['X-Forwarded-For', '6.6.6.6'],
  ['X-Forwarded-Proto', 'wss'],
  ['Forwarded', 'for=6.6.6.6;proto=wss'],
]

/** Each way through a proxy: the port that its configuration names, what the client speaks, and what the app gets. */
const WAYS: readonly {
  readonly name: string
  readonly sender: SenderName
  readonly port: number
  readonly scheme: 'http' | 'https'
  readonly version: 1 | 2
}[] = [
  { name: 'HAProxy, version 1', sender: 'haproxy', port: 8001, scheme: 'http', version: 1 },
  { name: 'HAProxy, version 2', sender: 'haproxy', port: 8002, scheme: 'http', version: 2 },
  { name: 'HAProxy that speaks TLS', sender: 'haproxy', port: 8003, scheme: 'https', version: 2 },
  { name: 'HAProxy that speaks HTTP', sender: 'haproxy', port: 8004, scheme: 'http', version: 2 },
  { name: 'HAProxy, TLS through to the app', sender: 'haproxy', port: 8005, scheme: 'https', version: 2 },
  { name: 'nginx', sender: 'nginx', port: 8001, scheme: 'http', version: 1 },
  { name: 'nginx, TLS through to the app', sender: 'nginx', port: 8002, scheme: 'https', version: 1 },
  { name: 'hitch', sender: 'hitch', port: 8001, scheme: 'https', version: 2 },
  { name: 'stunnel', sender: 'stunnel', port: 8001, scheme: 'https', version: 1 },
]

/** What is tested of one of them alone. */
const OWN_TESTS: Partial<Record<SenderName, (running: () => RunningSender) => void>> = {
  haproxy: (running) => {
    it('HAProxy tells of its TLS, and of the certificate that it verified', async () => {
      const to = `https://${running().at(8003)}`
      const told = {
        authority: HOST,
        uniqueId: expect.stringMatching(/^connection-\d+-127\.0\.0\.7$/) as string,
        tls: {
          version: 'TLSv1.3',
          cipher: 'TLS_AES_256_GCM_SHA384',
          signatureAlgorithm: expect.stringMatching(/SHA256$/) as string,
          keyAlgorithm: expect.stringMatching(/^EC\d*$/) as string,
        },
      }
      const [without, within] = [await askFrom(CLIENT, to), await askFrom(CLIENT, to, [], client)]
      expect(without.seen.told).toStrictEqual(told)
      expect(within.seen.told).toStrictEqual({
        ...told,
        tls: { ...told.tls, clientCertificate: { commonName: 'client.example' } },
      })
    })

    it('HAProxy looks after the app by itself, and is then its own client', async () => {
      const before = healthChecks
      await new Promise<void>((resolve) => (onHealthCheck = resolve))
      expect(healthChecks).toBeGreaterThan(before)
      expect(refusals).toStrictEqual([])
    })

    it('60 clients that ask again and again on their connections to HAProxy are told apart', async () => {
      const { hostname, port } = new URL(`http://${running().at(8004)}`)
      const answers = await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          const agent = new Agent({ keepAlive: true, maxSockets: 1 })
          const localAddress = `127.0.3.${index + 1}`
          const ports = new Set<number>()
          const seen: [status: number, client: string][] = []
          for (let round = 0; round < 5; round++) {
            const req = httpRequest({ agent, host: hostname, port, localAddress, headers: { Host: HOST } }).end()
            const [res] = (await once(req, 'response')) as [IncomingMessage]
            ports.add(res.socket.localPort ?? 0)
            let body = ''
            for await (const chunk of res) body += String(chunk)
            seen.push([res.statusCode ?? 0, res.statusCode === 200 ? (JSON.parse(body) as Seen).client : body])
          }
          agent.destroy()
          return { localAddress, connections: ports.size, seen }
        }),
      )
      expect(answers.filter(({ localAddress, seen }) => seen.some(([, address]) => address !== localAddress))).toEqual(
        [],
      )
      expect(new Set(answers.map(({ connections }) => connections))).toStrictEqual(new Set([1]))
    })
  },
  hitch: (running) => {
    it('hitch tells of its TLS', async () => {
      const { seen } = await askFrom(CLIENT, `https://${running().at(8001)}`)
      expect(seen.told).toStrictEqual({
        authority: HOST,
        tls: { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' },
      })
    })
  },
}

for (const name of ['haproxy', 'nginx', 'hitch', 'stunnel'] as const) {
  const { program } = SENDERS[name]
  describe.skipIf(program === undefined)(`behind ${name}${program === undefined ? ' (not installed)' : ''}`, () => {
    let sender: RunningSender

    beforeAll(async () => {
      const apps = { plain: portOf(name === 'stunnel' ? behindTls : plain), tls: portOf(tls) }
      sender = await startSender(name, apps, server, client)
    })

    afterAll(async () => {
      await sender?.stop()
    })

    for (const way of WAYS.filter((one) => one.sender === name)) {
      it(`the client is seen, its lies are not believed (${way.name})`, async () => {
        const { seen, port } = await askFrom(CLIENT, `${way.scheme}://${sender.at(way.port)}`, LIES)
        expect(seen).toMatchObject({
          client: CLIENT,
          port,
          scheme: way.scheme,
          trusted: false,
          encrypted: way.scheme === 'https',
          socket: CLIENT,
          sender: SENDER,
          version: way.version,
          destination: sender.at(way.port),
        })
      })

      it(`a proxy further out is believed, as it is listed (${way.name})`, async () => {
        const forwarded: HeaderLine[] = [
          ['X-Forwarded-For', '203.0.113.9'],
          ['X-Forwarded-Proto', 'https'],
        ]
        const { seen } = await askFrom(CDN, `${way.scheme}://${sender.at(way.port)}`, forwarded)
        expect(seen).toMatchObject({
          client: '203.0.113.9',
          port: null,
          scheme: 'https',
          trusted: true,
          sender: SENDER,
        })
      })

      it(`clients that send a header of their own get no answer as another (${way.name})`, async () => {
        const to = new URL(`${way.scheme}://${sender.at(way.port)}`)
        const raw = connect({ host: to.hostname, port: Number(to.port), localAddress: CLIENT })
        const socket =
          way.scheme === 'http' ? raw : connectTls({ socket: raw, ca: server.certificate, servername: HOST })
        await once(socket, way.scheme === 'http' ? 'connect' : 'secureConnect')
        socket.write(`PROXY TCP4 6.6.6.6 6.6.6.6 6 6\r\nGET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`)
        let text = ''
        for await (const chunk of socket) text += String(chunk)
        expect(parseResponses(text).map(({ status }) => status)).toStrictEqual([400])
      })
    }

    OWN_TESTS[name]?.(() => sender)
  })
}

/** The same ways, and `proxyfix serve` at their end. */
describe.each([
  ['in one process', []],
  ['with workers', ['-w', '2']],
])('the bundled server %s', (_, workers) => {
  let folder: string
  let serving: Serving

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'proxyfix-behind-'))
    writeFileSync(join(folder, 'key.pem'), server.key)
    writeFileSync(join(folder, 'cert.pem'), server.certificate)
    writeFileSync(
      join(folder, 'app.cjs'),
      'module.exports = (req, res) => res.end(JSON.stringify({ client: req.socket.remoteAddress, encrypted: req.socket.encrypted === true }))',
    )
    const secure = `ssl:0:interface=${SENDER}:privateKey=key.pem:certKey=cert.pem`
    const trust = ['--x-for', 'trusted', '--x-proto', 'trusted', '--trust', CDN]
    const flags = [...workers, '-b', `${SENDER}:0`, '-b', secure, '--proxy-protocol', SENDER, ...trust]
    serving = await launch([...flags, 'app.cjs'], { folder })
  })
  afterAll(async () => {
    await serving.stop()
    rmSync(folder, { recursive: true })
  })

  for (const name of ['haproxy', 'nginx', 'hitch', 'stunnel'] as const) {
    it.skipIf(SENDERS[name].program === undefined)(`sees the client behind ${name}`, async () => {
      const [plainPort = 0, tlsPort = 0] = serving.urls.map((url) => Number(new URL(url).port))
      const sender = await startSender(name, { plain: plainPort, tls: tlsPort }, server, client)
      const ways = WAYS.filter((way) => way.sender === name)
      for (const { scheme, port } of ways) {
        const to = `${scheme}://${sender.at(port)}`
        // stunnel does not say that it speaks TLS.
        const encrypted = scheme === 'https' && name !== 'stunnel'
        expect((await askFrom(CLIENT, to, LIES)).seen).toStrictEqual({ client: CLIENT, encrypted })
        const forwarded: HeaderLine[] = [['X-Forwarded-For', '203.0.113.9']]
        expect((await askFrom(CDN, to, forwarded)).seen).toStrictEqual({ client: '203.0.113.9', encrypted })
      }
      expect(ways.length).toBeGreaterThan(0)
      await sender.stop()
    })
  }
})

describe.skipIf(SENDERS.hitch.program === undefined)('HTTP/2 that hitch has agreed on', () => {
  it('reaches an app that speaks no TLS, which sees it as it was', async () => {
    const app = createHttp2Server()
    const port = await listen(proxyProtocol(proxyFix(app, proxyFixOptions), options))
    app.on('request', (req, res) => res.end(JSON.stringify(seenOf(req))))
    const hitch = await startSender('hitch', { plain: port, tls: port }, server, client)
    const { hostname, port: hitchPort } = new URL(`https://${hitch.at(8001)}`)
    const session = connectHttp2(`https://${HOST}`, {
      createConnection: () =>
        connectTls({
          socket: connect({ host: hostname, port: Number(hitchPort), localAddress: CLIENT }),
          ca: server.certificate,
          servername: HOST,
          ALPNProtocols: ['h2'],
        }),
    })
    const stream = session.request({ ':path': '/', ':authority': HOST })
    let body = ''
    for await (const chunk of stream) body += String(chunk)
    session.close()
    await hitch.stop()
    expect(JSON.parse(body)).toMatchObject({
      client: CLIENT,
      scheme: 'https',
      encrypted: true,
      told: { alpn: 'h2', authority: HOST, tls: { version: 'TLSv1.3' } },
    })
  })
})

describe.skipIf(SENDERS.haproxy.program === undefined).each([
  { version: 1, port: 8001, marks: Buffer.from(`PROXY TCP4 ${CLIENT} `) },
  { version: 2, port: 8002, marks: Buffer.of(127, 0, 0, 7) },
])('what HAProxy really sends (version $version)', ({ version, port: sending, marks }) => {
  let header: Buffer

  beforeAll(async () => {
    const recorder = createNetServer()
    const recorded = new Promise<Buffer>((resolve) => {
      recorder.on('connection', (socket) => {
        socket.on('error', () => undefined)
        // HAProxy's health checks, and those who look whether it listens, come from elsewhere.
        socket.on('data', (chunk: Buffer) => chunk.includes(marks) && resolve(chunk))
      })
    })
    const port = await listen(recorder)
    const haproxy = await startSender('haproxy', { plain: port, tls: port }, server, client)
    const at = new URL(`http://${haproxy.at(sending)}`)
    const asking = connect({ host: at.hostname, port: Number(at.port), localAddress: CLIENT })
    asking.on('error', () => undefined)
    header = await recorded
    asking.destroy()
    await haproxy.stop()
  })

  const REQUEST = `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`

  async function answerTo(parts: readonly (string | Buffer)[], localAddress = SENDER): Promise<string> {
    const socket = connect({ host: SENDER, port: portOf(plain), localAddress, noDelay: true })
    let text = ''
    socket.on('error', () => undefined).on('data', (chunk) => (text += String(chunk)))
    const closed = new Promise((resolve) => socket.on('close', resolve))
    for (const part of parts) {
      socket.write(part)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await closed
    return text
  }

  it('is understood whichever byte it is cut at, and byte by byte', async () => {
    const whole = await answerTo([header, REQUEST])
    const [{ body } = { body: '' }] = parseResponses(whole)
    expect(JSON.parse(body)).toMatchObject({ client: CLIENT, sender: SENDER, version })
    for (let cut = 1; cut < header.length; cut++) {
      const cutAnswer = parseResponses(await answerTo([header.subarray(0, cut), header.subarray(cut), REQUEST]))
      expect(
        cutAnswer.map((response) => response.body),
        `cut after ${cut} bytes`,
      ).toStrictEqual([body])
    }
    const bytes = Array.from(header, (byte) => Buffer.of(byte))
    expect(parseResponses(await answerTo([...bytes, REQUEST])).map((response) => response.body)).toStrictEqual([body])
  })

  it('is worth nothing from anybody else', async () => {
    refusals.length = 0
    expect(await answerTo([header, REQUEST], STRANGER)).toBe('')
    expect(await answerTo([REQUEST], STRANGER)).toBe('')
    const refusal = `${STRANGER}: it does not come from a listed sender`
    expect(refusals).toStrictEqual([refusal, refusal])
  })

  it('does not keep honest clients waiting, however many send it slowly', async () => {
    const slow = Array.from({ length: 200 }, () => connect({ host: SENDER, port: portOf(plain) }))
    await Promise.all(slow.map((socket) => once(socket, 'connect')))
    for (const socket of slow) socket.on('error', () => undefined).write(header.subarray(0, 20))
    expect(parseResponses(await answerTo([header, REQUEST])).map(({ status }) => status)).toStrictEqual([200])
    for (const socket of slow) socket.destroy()
  })
})
