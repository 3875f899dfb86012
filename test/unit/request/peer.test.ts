/**
 * Who is connected, where a socket shows no address? A peer on a unix socket, which `'unix'` trusts; or a client that
 * reset its TCP connection at once, so that its address is forgotten. **The attack** is to pass for the first that way.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import http, { IncomingMessage } from 'node:http'
import { Socket, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { connectionInfo, fixRequest, type ProxyFixOptions } from '../../../src/index.ts'
import { close, listen, requestText } from '../../fixtures/raw-http.ts'

const HEADERS = ['X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https', 'X-Origin: correct-horse-battery']
const secret = { header: 'X-Origin', values: 'correct-horse-battery' }

/** A request whose socket has those properties, as Node's would. */
function requestOn(properties: object): IncomingMessage {
  const socket = new Socket()
  for (const [name, value] of Object.entries(properties)) Object.defineProperty(socket, name, { value })
  const req = new IncomingMessage(socket)
  req.url = '/'
  for (const [name = '', value = ''] of HEADERS.map((line) => line.split(': '))) {
    req.headers[name.toLowerCase()] = value
    req.rawHeaders.push(name, value)
  }
  return req
}

function clientOf(req: object, options: ProxyFixOptions): unknown {
  const { client, trusted } = connectionInfo(fixRequest(req, options))
  return { address: client.address, trusted }
}

const BELIEVED = { address: '203.0.113.7', trusted: true }
const NOT_BELIEVED = { address: undefined, trusted: false }

describe('a unix socket', () => {
  /** What a server on a unix socket decides. */
  async function ask(options: ProxyFixOptions): Promise<unknown> {
    const directory = await mkdtemp(join(tmpdir(), 'proxyfix-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const path = join(directory, 'app.sock')
    let seen: unknown
    const server = http.createServer((req, res) => {
      seen = clientOf(req, options)
      res.end()
    })
    onTestFinished(() => close(server))
    await new Promise<void>((resolve) => server.listen(path, resolve))
    await new Promise<void>((resolve, reject) => {
      const socket = connect(path, () => {
        socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS, 'Connection: close'))
      })
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.resume()
    })
    return seen
  }

  it.each<{ name: string; options: ProxyFixOptions; expected: object }>([
    { name: "is trusted by 'unix'", options: { trustedProxies: 'unix' }, expected: BELIEVED },
    { name: "is trusted by 'unix' among others", options: { trustedProxies: '10.0.0.1, unix' }, expected: BELIEVED },
    { name: 'is trusted by a predicate', options: { trustedProxies: (address) => address === '' }, expected: BELIEVED },
    { name: 'is trusted where trustedProxies is not set', options: {}, expected: BELIEVED },
    { name: 'is trusted by a secret', options: { trustedProxies: '10.0.0.1', secret }, expected: BELIEVED },
    { name: 'is not trusted by addresses', options: { trustedProxies: 'loopback, private' }, expected: NOT_BELIEVED },
    { name: 'is not trusted where nobody is', options: { trustedProxies: [] }, expected: NOT_BELIEVED },
    {
      name: 'is not trusted where nobody is, with a secret',
      options: { trustedProxies: [], secret },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not trusted with a wrong secret',
      options: { trustedProxies: 'unix', secret: { header: 'X-Origin', values: 'another' } },
      expected: NOT_BELIEVED,
    },
  ])('$name', async ({ options, expected }) => {
    expect(await ask(options)).toStrictEqual(expected)
  })
})

describe('a TCP socket that has forgotten its peer', () => {
  it('is what a client gets by a reset: the address is gone', async () => {
    const seen: unknown[] = []
    let done = (): void => {}
    const handled = new Promise<void>((resolve) => (done = resolve))
    const server = http.createServer((req) => {
      // The app looks only when the connection is gone, as behind a queue or an asynchronous hook.
      req.socket.once('close', () => {
        seen.push(req.socket.remoteAddress, clientOf(req, { trustedProxies: 'unix' }))
        done()
      })
    })
    onTestFinished(() => close(server))
    const socket = connect(await listen(server), '127.0.0.1')
    socket.on('error', () => {})
    server.once('request', () => socket.resetAndDestroy())
    socket.write(requestText('GET / HTTP/1.1', 'Host: app', ...HEADERS))
    await handled
    expect(seen).toStrictEqual([undefined, NOT_BELIEVED])
  })

  it.each<{ name: string; socket: object; options: ProxyFixOptions; expected: object }>([
    {
      name: "is not trusted by 'unix' when it is destroyed",
      socket: { destroyed: true },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: "is not trusted by 'unix' when it knows its own address",
      socket: { localAddress: '127.0.0.1' },
      options: { trustedProxies: 'unix' },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is not trusted by a predicate',
      socket: { destroyed: true },
      options: { trustedProxies: () => true },
      expected: NOT_BELIEVED,
    },
    {
      name: 'is trusted by a secret',
      socket: { destroyed: true },
      options: { trustedProxies: '10.0.0.1', secret },
      expected: BELIEVED,
    },
    {
      name: 'is trusted where trustedProxies is not set',
      socket: { destroyed: true },
      options: {},
      expected: BELIEVED,
    },
    {
      name: "is believed to be on a unix socket when nothing else is known: 'unix'",
      socket: {},
      options: { trustedProxies: 'unix' },
      expected: BELIEVED,
    },
  ])('$name', ({ socket, options, expected }) => {
    expect(clientOf(requestOn(socket), options)).toStrictEqual(expected)
  })
})

describe('a plain Fetch request, which shows no peer', () => {
  const request = (): Request =>
    new Request('http://app/', {
      headers: HEADERS.map((line) => line.split(': ') as [string, string]),
    })

  it.each<{ name: string; options: ProxyFixOptions; expected: object }>([
    { name: "is not trusted by 'unix'", options: { trustedProxies: 'unix' }, expected: NOT_BELIEVED },
    { name: 'is not trusted by a predicate', options: { trustedProxies: () => true }, expected: NOT_BELIEVED },
    { name: 'is not trusted by addresses', options: { trustedProxies: '0.0.0.0/0, ::/0' }, expected: NOT_BELIEVED },
    { name: 'is trusted by a secret', options: { secret }, expected: BELIEVED },
    {
      name: 'is trusted by a secret beside addresses',
      options: { trustedProxies: '10.0.0.1', secret },
      expected: BELIEVED,
    },
    { name: 'is not trusted where nobody is', options: { trustedProxies: [], secret }, expected: NOT_BELIEVED },
    { name: 'is trusted where trustedProxies is not set', options: {}, expected: BELIEVED },
  ])('$name', ({ options, expected }) => {
    expect(clientOf(request(), options)).toStrictEqual(expected)
  })
})
