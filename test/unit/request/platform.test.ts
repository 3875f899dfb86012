/**
 * What platforms pass to a Fetch handler beside the Request, with fakes of each: who is connected is read from there,
 * and the client shown there.
 */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { connectionInfo, fixRequest, proxyFix, type ProxyFixOptions } from '../../../src/index.ts'

const SENT = { 'x-forwarded-for': '203.0.113.7:4711', 'x-forwarded-proto': 'https' }

/** A request that a proxy passed on, or one that needs no change. */
function received(headers: Record<string, string> = SENT): Request {
  return new Request('http://app.internal/x', { headers })
}

/** What a wrapped handler is called with. */
function passedOn(request: Request, args: readonly unknown[], options?: ProxyFixOptions): [Request, ...unknown[]] {
  let passed: [Request, ...unknown[]] | undefined
  const handler = proxyFix((...all: [Request, ...unknown[]]) => {
    passed = all
    return new Response()
  }, options)
  handler(request, ...args)
  return passed!
}

const INFO = { remoteAddr: { transport: 'tcp', hostname: '10.0.0.1', port: 5000 }, completed: Promise.resolve() }

describe("Deno's info", () => {
  it('tells the peer', () => {
    const request = fixRequest(received(), { trustedProxies: '10.0.0.1' }, INFO)
    expect(connectionInfo(request)).toMatchObject({
      peer: { address: '10.0.0.1', port: 5000 },
      trusted: true,
      client: { address: '203.0.113.7', port: 4711 },
    })
    expect(connectionInfo(fixRequest(received(), { trustedProxies: '10.0.0.2' }, INFO)).trusted).toBe(false)
  })

  it('shows the client, all else as it is, and stays as it was', () => {
    const [, info, rest] = passedOn(received(), [INFO, 'rest'])
    expect(info).toMatchObject({ remoteAddr: { transport: 'tcp', hostname: '203.0.113.7', port: 4711 } })
    expect((info as typeof INFO).completed).toBe(INFO.completed)
    expect(rest).toBe('rest')
    expect(INFO.remoteAddr).toStrictEqual({ transport: 'tcp', hostname: '10.0.0.1', port: 5000 })
  })

  it('is passed on itself where the client is the peer', () => {
    expect(passedOn(received({}), [INFO])[1]).toBe(INFO)
  })

  it('shows no address where the client has none', () => {
    const [, info] = passedOn(received({ forwarded: 'for=unknown' }), [INFO], { forwarded: 1 })
    expect((info as typeof INFO).remoteAddr).toStrictEqual({ transport: 'tcp', hostname: undefined, port: undefined })
  })

  it.each([
    { name: 'a unix socket', remoteAddr: { transport: 'unix', path: '/run/app.sock' }, trusted: true },
    { name: 'another unix socket', remoteAddr: { transport: 'unixpacket', path: '/run/app.sock' }, trusted: true },
    { name: 'an address of no transport', remoteAddr: { hostname: '10.0.0.1', port: 5000 }, trusted: false },
    { name: 'what is neither that nor an address', remoteAddr: { transport: 'vsock', cid: 3 }, trusted: false },
  ])('tells of $name', ({ remoteAddr, trusted }) => {
    const info = { remoteAddr }
    const [request, shown] = passedOn(received(), [info], { trustedProxies: 'unix' })
    expect(connectionInfo(request).trusted).toBe(trusted)
    const client = { remoteAddr: { transport: 'tcp', hostname: '203.0.113.7', port: 4711 } }
    expect({ remoteAddr: (shown as typeof info).remoteAddr }).toStrictEqual(trusted ? client : info)
  })

  it.each([
    { url: 'http+unix://app.internal/x?y', host: 'app.internal', shown: 'http://app.internal/x?y' },
    { url: 'http+unix://%2Frun%2Fapp%2Esock/x?y', host: undefined, shown: 'http://localhost/x?y' },
  ])('goes with a URL of a unix socket: $url', ({ url, host, shown }) => {
    const request = Object.defineProperty(received(host === undefined ? {} : { host }), 'url', { value: url })
    const fixed = fixRequest(request, {}, { remoteAddr: { transport: 'unix', path: '/run/app.sock' } })
    const { scheme, host: decided } = connectionInfo(fixed)
    expect([fixed.url, scheme, decided]).toStrictEqual([shown, 'http', host])
  })
})

describe('a request that was fixed by hand and then comes to a wrapped handler', () => {
  const client = { address: '10.0.0.1', family: 'IPv4', port: 5000 }

  it.each<{ platform: string; argument: unknown; shows: object }>([
    {
      platform: 'Deno',
      argument: INFO,
      shows: { remoteAddr: { transport: 'tcp', hostname: '203.0.113.7', port: 4711 } },
    },
    { platform: 'Remix', argument: client, shows: { address: '203.0.113.7', family: 'IPv4', port: 4711 } },
  ])('shows its client in what $platform passes too', ({ argument, shows }) => {
    const options: ProxyFixOptions = { trustedProxies: '10.0.0.1' }
    // A hook may have been passed the argument, or not: the first decision stands.
    for (const [hook, shown] of [
      [fixRequest(received(), options, argument), shows],
      [fixRequest(received(), { xFor: 1 }), shows],
    ] as const) {
      const [request, passed, rest] = passedOn(hook, [argument, 'rest'], options)
      expect(request).toBe(hook)
      expect(connectionInfo(request).client.address).toBe('203.0.113.7')
      expect(passed).toMatchObject(shown)
      expect(rest).toBe('rest')
    }
    expect([INFO.remoteAddr.hostname, client.address]).toStrictEqual(['10.0.0.1', '10.0.0.1'])
  })

  it('shows its client in what Bun passes, also among other things', () => {
    const server = new FakeBunServer()
    const hook = fixRequest(server.make(), {}) // nothing tells it of the server
    const [request, passed] = passedOn(hook, [{ server, KEY: 'value' }])
    expect(passed).toStrictEqual({ server, KEY: 'value' })
    expect(server.requestIP(request)).toStrictEqual({ address: '203.0.113.7', family: 'IPv4', port: 4711 })
  })

  it('leaves what is passed where its client is the peer', () => {
    const [, passed] = passedOn(fixRequest(received({}), {}, INFO), [INFO])
    expect(passed).toBe(INFO)
  })
})

describe("what Hono's adapter for Node passes, as tests of apps write it", () => {
  const bindings = { incoming: { socket: { remoteAddress: '10.0.0.1', remotePort: 5000 } }, KEY: 'value' }

  it('tells the peer, and shows the client', () => {
    const [request, passed] = passedOn(received(), [bindings], { trustedProxies: '10.0.0.1' })
    expect(connectionInfo(request)).toMatchObject({
      peer: { address: '10.0.0.1', port: 5000 },
      client: { address: '203.0.113.7', port: 4711 },
      trusted: true,
    })
    const { remoteAddress, remotePort, encrypted } = (passed as { incoming: { socket: TLSSocket } }).incoming.socket
    expect([remoteAddress, remotePort, encrypted]).toStrictEqual(['203.0.113.7', 4711, true])
    expect((passed as typeof bindings).KEY).toBe('value')
    expect(bindings.incoming.socket).toStrictEqual({ remoteAddress: '10.0.0.1', remotePort: 5000 })
  })

  it('tells no peer by a socket without an address', () => {
    const nobody = { incoming: { socket: { remoteAddress: undefined } } }
    const [request] = passedOn(received(), [nobody], { trustedProxies: 'unix' })
    expect(connectionInfo(request)).toMatchObject({ peer: {}, trusted: false, client: {} })
  })

  it.each([{ incoming: null }, { incoming: { socket: 'x' } }, { incoming: { socket: {} } }])('is not %j', (other) => {
    expect(passedOn(received(), [other])[1]).toBe(other)
  })
})

describe('Deno.upgradeWebSocket', () => {
  /** Stands in for Deno, and gives the requests that it is called with. */
  function fakeDeno(): { namespace: { upgradeWebSocket: (...args: unknown[]) => string }; calls: unknown[][] } {
    const calls: unknown[][] = []
    const namespace = { upgradeWebSocket: (...args: unknown[]) => (calls.push(args), 'upgraded') }
    vi.stubGlobal('Deno', namespace)
    onTestFinished(() => void vi.unstubAllGlobals())
    return { namespace, calls }
  }

  it('takes the request that the app has, and is given the one that Deno made', () => {
    const { namespace, calls } = fakeDeno()
    const request = received({ ...SENT, upgrade: 'websocket' })
    const [shown] = passedOn(request, [INFO])
    expect(shown).not.toBe(request)
    expect(namespace.upgradeWebSocket(shown, { idleTimeout: 1 })).toBe('upgraded')
    const other = received()
    namespace.upgradeWebSocket(other)
    expect(calls).toStrictEqual([[request, { idleTimeout: 1 }], [other]])
    expect(calls[0]?.[0]).toBe(request)
  })

  it('is left alone until somebody wants an upgrade, and wrapped once', () => {
    const { namespace } = fakeDeno()
    const { upgradeWebSocket } = namespace
    passedOn(received(), [INFO])
    expect(namespace.upgradeWebSocket).toBe(upgradeWebSocket)
    passedOn(received({ ...SENT, upgrade: 'websocket' }), [INFO])
    const wrapped = namespace.upgradeWebSocket
    expect(wrapped).not.toBe(upgradeWebSocket)
    passedOn(received({ ...SENT, upgrade: 'websocket' }), [INFO])
    expect(namespace.upgradeWebSocket).toBe(wrapped)
  })

  it('need not be there', () => {
    expect(passedOn(received({ ...SENT, upgrade: 'websocket' }), [INFO])[0].url).toBe('https://app.internal/x')
  })
})

/** A server that knows only requests that it made, as Bun's does. */
class FakeBunServer {
  readonly #peers = new Map<Request, { address: string; family: string; port: number }>()
  readonly upgraded: [Request, unknown][] = []
  readonly timeouts: [Request, number][] = []
  readonly url: URL

  constructor(url = 'http://127.0.0.1:3000/') {
    this.url = new URL(url)
  }

  make(headers?: Record<string, string>, address = '10.0.0.1'): Request {
    const request = received(headers)
    this.#peers.set(request, { address, family: 'IPv4', port: 5000 })
    return request
  }

  requestIP(request: Request): { address: string; family: string; port: number } | null {
    return this.#peers.get(request) ?? null
  }

  upgrade(request: Request, options?: unknown): boolean {
    this.upgraded.push([request, options])
    return this.#peers.has(request)
  }

  timeout(request: Request, seconds: number): void {
    this.timeouts.push([request, seconds])
  }
}

describe("Bun's server", () => {
  it('tells the peer, and then the client', () => {
    const server = new FakeBunServer()
    const request = server.make()
    const [shown, passed] = passedOn(request, [server], { trustedProxies: '10.0.0.1' })
    expect(connectionInfo(shown).peer).toStrictEqual({ address: '10.0.0.1', port: 5000 })
    expect(passed).toBe(server)
    expect(server.requestIP(shown)).toStrictEqual({ address: '203.0.113.7', family: 'IPv4', port: 4711 })
    expect(server.requestIP(shown.clone())).toStrictEqual({ address: '203.0.113.7', family: 'IPv4', port: 4711 })
    // The next request's peer is its own, whatever was told of this one.
    const next = passedOn(server.make(SENT, '10.0.0.2'), [server], { trustedProxies: '10.0.0.1' })[0]
    expect(connectionInfo(next)).toMatchObject({ peer: { address: '10.0.0.2' }, trusted: false })
    expect(server.requestIP(next)).toStrictEqual({ address: '10.0.0.2', family: 'IPv4', port: 5000 })
  })

  it.each([
    {
      name: 'an IPv6 client, without a port',
      forwarded: 'for="[2001:db8::7]"',
      family: 'IPv6',
      address: '2001:db8::7',
    },
    { name: 'an IPv4 client, without a port', forwarded: 'for=203.0.113.8', family: 'IPv4', address: '203.0.113.8' },
  ])('shows $name', ({ forwarded, family, address }) => {
    const server = new FakeBunServer()
    const [shown] = passedOn(server.make({ forwarded }), [server], { forwarded: 1 })
    expect(server.requestIP(shown)).toStrictEqual({ address, family, port: 0 })
  })

  it('knows no address of a client without one, and none of requests that it does not know', () => {
    const server = new FakeBunServer()
    const [shown] = passedOn(server.make({ forwarded: 'for=_hidden' }), [server], { forwarded: 1 })
    expect([server.requestIP(shown), server.requestIP(received())]).toStrictEqual([null, null])
  })

  it('still tells the peer of a request that nobody fixed', () => {
    const server = new FakeBunServer()
    passedOn(server.make(), [server])
    expect(server.requestIP(server.make())).toStrictEqual({ address: '10.0.0.1', family: 'IPv4', port: 5000 })
  })

  it('upgrades, and sets timeouts of, the request that the app has', () => {
    const server = new FakeBunServer()
    const request = server.make()
    const [shown] = passedOn(request, [server])
    expect(shown).not.toBe(request)
    expect(server.upgrade(shown, { data: 1 })).toBe(true)
    server.timeout(shown, 9)
    expect([server.upgraded[0]?.[0], server.timeouts[0]?.[0]]).toStrictEqual([request, request])
    expect(server.upgraded[0]?.[0]).toBe(request)
    expect(server.timeouts[0]?.[0]).toBe(request)
    expect([server.upgraded[0]?.[1], server.timeouts[0]?.[1]]).toStrictEqual([{ data: 1 }, 9])
  })

  it('shows the client to hooks as well', () => {
    const server = new FakeBunServer()
    const shown = fixRequest(server.make(), {}, server)
    expect(server.requestIP(shown)?.address).toBe('203.0.113.7')
  })

  it('can be one that has no more than requestIP', () => {
    const server = { requestIP: () => ({ address: '10.0.0.1', family: 'IPv4', port: 1 }) }
    passedOn(received(), [server])
    expect(Object.keys(server)).toStrictEqual(['requestIP'])
  })

  it.each([
    { url: 'unix:///run/app.sock', trusted: true },
    { url: 'http://127.0.0.1:3000/', trusted: false },
  ])('tells who has no address on a unix socket from who is gone: $url', ({ url, trusted }) => {
    const server = new FakeBunServer(url)
    const [shown] = passedOn(received(), [server], { trustedProxies: 'unix' })
    expect(connectionInfo(shown).trusted).toBe(trusted)
  })

  it('is found among other things, as Hono takes it', () => {
    const server = new FakeBunServer()
    const env = { server, KEY: 'value' }
    const [shown, passed] = passedOn(server.make(), [env, 'context'], { trustedProxies: '10.0.0.1' })
    expect(connectionInfo(shown).trusted).toBe(true)
    expect(passed).toStrictEqual(env)
    expect(server.requestIP(shown)?.address).toBe('203.0.113.7')
  })

  it("keeps a route's parameters and jar of cookies, on clones too", () => {
    const server = new FakeBunServer()
    const [params, cookies] = [{ id: '7' }, new Map([['a', '1']])]
    const request = Object.assign(server.make(), { params, cookies })
    const [shown] = passedOn(request, [server]) as [typeof request]
    expect(shown).not.toBe(request)
    const clone = shown.clone() as typeof request
    for (const each of [shown, clone]) {
      expect([each.params, each.cookies]).toStrictEqual([params, cookies])
      expect(each.cookies).toBe(cookies)
    }
    expect('params' in passedOn(server.make(), [server])[0]).toBe(false)
  })
})

describe("Remix's client", () => {
  it.each([
    { name: 'an address', address: '10.0.0.1', family: 'IPv4', port: 5000, trusted: true },
    { name: 'no address', address: '', family: undefined, port: undefined, trusted: false },
  ])('tells the peer, and becomes the client: $name', ({ trusted, address, family, port }) => {
    const client = { address, family, port }
    const [shown, passed] = passedOn(received(), [client], { trustedProxies: ['10.0.0.1', 'unix'] })
    expect(connectionInfo(shown).trusted).toBe(trusted)
    expect(passed).toStrictEqual(
      trusted
        ? { address: '203.0.113.7', family: 'IPv4', port: 4711 }
        : { address: '', family: undefined, port: undefined },
    )
  })

  it('stays as it was for whoever has it', () => {
    const client = { address: '10.0.0.1', family: 'IPv4', port: 5000 }
    passedOn(received(), [client])
    expect(client).toStrictEqual({ address: '10.0.0.1', family: 'IPv4', port: 5000 })
  })

  it.each([
    { address: '10.0.0.1', family: 'Doe', port: 5000 },
    { address: '10.0.0.1', family: 'IPv4', port: '5000' },
    { address: '10.0.0.1', port: 5000 },
    { address: 1, family: 'IPv4', port: 5000 },
  ])("is nothing that a Worker's environment has by chance: %o", (env) => {
    const [shown, passed] = passedOn(received(), [env], { trustedProxies: '10.0.0.1' })
    expect(passed).toBe(env)
    expect(connectionInfo(shown).trusted).toBe(false)
  })
})

describe('srvx', () => {
  interface ServerRequest extends Request {
    ip?: string | undefined
    runtime: Record<string, unknown>
  }

  /** Puts on a request what srvx puts there, and as it does. */
  function withServer(request: Request, runtime: Record<string, unknown>, ip: () => string | undefined): ServerRequest {
    return Object.defineProperties(request, {
      waitUntil: { value: () => undefined },
      runtime: { enumerable: true, value: runtime },
      ip: { enumerable: true, configurable: true, get: ip },
    }) as ServerRequest
  }

  it.each([{ headers: 'normalize' }, { headers: 'keep', xProto: 0 }] as const)(
    'on Deno has the client in request.ip and where it keeps what Deno passed, with %o',
    (options) => {
      const info = { remoteAddr: { transport: 'tcp', hostname: '10.0.0.1', port: 5000 } }
      // Its own trust in proxies may have changed the `ip` that it shows.
      const request = withServer(received(), { name: 'deno', deno: { info } }, () => '6.6.6.6')
      const [shown, ...none] = passedOn(request, [], { trustedProxies: '10.0.0.1', ...options }) as [ServerRequest]
      expect(connectionInfo(shown)).toMatchObject({ peer: { address: '10.0.0.1', port: 5000 }, trusted: true })
      expect(none).toStrictEqual([])
      expect(shown.ip).toBe('203.0.113.7')
      expect(shown.runtime).toMatchObject({ deno: { info: { remoteAddr: { hostname: '203.0.113.7', port: 4711 } } } })
      expect(info.remoteAddr.hostname).toBe('10.0.0.1')
    },
  )

  it('on Bun has the client in request.ip and where it keeps what Bun passed', () => {
    const server = new FakeBunServer()
    const request = server.make()
    withServer(request, { name: 'bun', bun: { server } }, () => server.requestIP(request)?.address)
    const [shown] = passedOn(request, [], { trustedProxies: '10.0.0.1' }) as [ServerRequest]
    expect(connectionInfo(shown).peer).toStrictEqual({ address: '10.0.0.1', port: 5000 })
    expect([shown.ip, server.requestIP(shown)?.address]).toStrictEqual(['203.0.113.7', '203.0.113.7'])
  })

  it('on Node has the client in request.ip, and the Node request beneath shows it', () => {
    const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: '10.0.0.1' })
    const req = Object.assign(new IncomingMessage(socket), { url: '/x' })
    for (const [name, value] of Object.entries({ host: 'app.internal', ...SENT })) {
      req.headers[name] = value
      req.rawHeaders.push(name, value)
    }
    const request = withServer(received(), { name: 'node', node: { req } }, () => '10.0.0.1')
    const [shown] = passedOn(request, [], { trustedProxies: '10.0.0.1' }) as [ServerRequest]
    expect([shown.ip, req.socket.remoteAddress, shown.url]).toStrictEqual([
      '203.0.113.7',
      '203.0.113.7',
      'https://app.internal/x',
    ])
  })

  // There `ip` is what a header says: on Workers CF-Connecting-IP, on Bunny X-Real-IP.
  it.each(['cloudflare', 'bunny', 'generic'])('on %s has no peer that a client could make up', (name) => {
    const request = withServer(received({ ...SENT, 'x-real-ip': '10.0.0.1' }), { name }, () => '10.0.0.1')
    const [shown] = passedOn(request, [], { trustedProxies: '10.0.0.1' }) as [ServerRequest]
    const { peer, client, trusted } = connectionInfo(shown)
    expect([peer, client, trusted, shown.ip]).toStrictEqual([{}, {}, false, undefined])
  })

  it('on AWS Lambda has the peer that the event tells', () => {
    const request = withServer(received(), { name: 'aws-lambda' }, () => '10.0.0.1')
    const [shown] = passedOn(request, [], { trustedProxies: '10.0.0.1' }) as [ServerRequest]
    expect([connectionInfo(shown).trusted, shown.ip]).toStrictEqual([true, '203.0.113.7'])
  })
})

describe("what a Worker's handler is passed", () => {
  it.each<{ name: string; env: unknown }>([
    { name: 'an environment', env: { KEY: 'value', server: 'a name' } },
    { name: 'one without prototype', env: Object.create(null) },
    { name: 'nothing', env: undefined },
    { name: 'null', env: null },
    { name: 'text', env: 'text' },
    { name: 'null where others have a server', env: { server: null, incoming: null } },
  ])('is passed on as it is: $name', ({ env }) => {
    const context = { waitUntil: () => undefined }
    const [shown, ...rest] = passedOn(received(), [env, context])
    expect(rest[0]).toBe(env)
    expect(rest[1]).toBe(context)
    expect(shown.url).toBe('https://app.internal/x')
    expect(connectionInfo(shown)).toMatchObject({ client: { address: '203.0.113.7', port: 4711 }, peer: {} })
  })

  it('shows no peer, for which only a secret can stand', () => {
    const options: ProxyFixOptions = { trustedProxies: '10.0.0.1' }
    expect(connectionInfo(passedOn(received(), [{}], options)[0]).trusted).toBe(false)
    const secret = { header: 'x-proof', values: 'open-sesame' }
    const proven = received({ ...SENT, 'x-proof': 'open-sesame' })
    const [shown] = passedOn(proven, [{}], { ...options, secret })
    expect([connectionInfo(shown).trusted, shown.headers.has('x-proof')]).toStrictEqual([true, false])
  })
})
