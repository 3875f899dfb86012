/** What is a decision called in OpenTelemetry's names? */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { connectionAttributes, type ConnectionAttributes } from '../../../src/request/attributes.ts'
import { fixRequest, ProxyFixError } from '../../../src/index.ts'
import type { ConnectionFacts } from '../../../src/trust/connection.ts'
import { resolveConnection } from '../../../src/trust/resolve.ts'

describe('connectionAttributes', () => {
  it.each<{ name: string; facts: Partial<ConnectionFacts>; attributes: ConnectionAttributes }>([
    {
      name: 'all that is known',
      facts: {
        peer: { address: '::ffff:10.0.0.1', port: 40000 },
        headers: {
          'X-Forwarded-For': '203.0.113.7:4711',
          'X-Forwarded-Proto': 'https',
          'X-Forwarded-Host': 'shop.example:8443',
        },
      },
      attributes: {
        'client.address': '203.0.113.7',
        'client.port': 4711,
        'network.peer.address': '10.0.0.1',
        'network.peer.port': 40000,
        'server.address': 'shop.example',
        'server.port': 8443,
        'url.scheme': 'https',
      },
    },
    {
      name: 'nothing but a scheme',
      facts: { scheme: 'gopher' },
      attributes: { 'url.scheme': 'gopher' },
    },
    {
      name: 'a scheme and the port that it means',
      facts: {},
      attributes: { 'server.port': 80, 'url.scheme': 'http' },
    },
    {
      name: 'a client without a port',
      facts: { peer: { address: 'fe80::1%eth0' }, host: 'app' },
      attributes: {
        'client.address': 'fe80::1',
        'network.peer.address': 'fe80::1',
        'server.address': 'app',
        'server.port': 80,
        'url.scheme': 'http',
      },
    },
    {
      name: 'an IPv6 host, without its brackets',
      facts: { host: '[2001:DB8::1]:81' },
      attributes: { 'server.address': '2001:db8::1', 'server.port': 81, 'url.scheme': 'http' },
    },
    {
      name: 'wss, which is https in a URL',
      facts: { headers: { 'X-Forwarded-Proto': 'wss' }, host: 'app' },
      attributes: { 'server.address': 'app', 'server.port': 443, 'url.scheme': 'https' },
    },
    {
      name: 'ws, which is http in a URL',
      facts: { headers: { 'X-Forwarded-Proto': 'ws' } },
      attributes: { 'server.port': 80, 'url.scheme': 'http' },
    },
    {
      name: 'a host that is none',
      facts: { host: 'a@evil.example' },
      attributes: { 'server.port': 80, 'url.scheme': 'http' },
    },
  ])('tell $name', ({ facts, attributes }) => {
    const info = resolveConnection({ peer: {}, scheme: 'http', headers: {}, ...facts }, { xHost: 1 })
    expect(connectionAttributes(info)).toStrictEqual(attributes)
  })

  it('name no client that a proxy hides', () => {
    const facts = { peer: { address: '10.0.0.1' }, scheme: 'http', headers: { Forwarded: 'for="_hidden:80"' } }
    expect(connectionAttributes(resolveConnection(facts, { forwarded: 1 }))).toStrictEqual({
      'network.peer.address': '10.0.0.1',
      'server.port': 80,
      'url.scheme': 'http',
    })
  })

  describe('of a request', () => {
    const expected: ConnectionAttributes = {
      'client.address': '203.0.113.7',
      'client.port': 4711,
      'server.address': 'shop.example',
      'server.port': 443,
      'url.scheme': 'https',
    }
    const headers = {
      host: 'app.internal',
      'x-forwarded-for': '203.0.113.7:4711',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'shop.example',
    }

    it('are those of its decision: Fetch', () => {
      const request = fixRequest(new Request('http://app.internal/', { headers }), { xHost: 1 })
      expect(connectionAttributes(request)).toStrictEqual(expected)
      expect(connectionAttributes(request.clone())).toStrictEqual(expected)
    })

    it('are those of its decision: Node', () => {
      const socket = new Socket()
      Object.defineProperties(socket, { remoteAddress: { value: '10.0.0.1' }, remotePort: { value: 40000 } })
      const req = new IncomingMessage(socket)
      Object.assign(req.headers, headers)
      for (const [name, value] of Object.entries(headers)) req.rawHeaders.push(name, value)
      req.url = '/'
      expect(connectionAttributes(fixRequest(req, { xHost: 1 }))).toStrictEqual({
        ...expected,
        'network.peer.address': '10.0.0.1',
        'network.peer.port': 40000,
      })
    })

    it.each<{ name: string; value: unknown }>([
      { name: 'a Fetch request', value: new Request('http://app/') },
      { name: 'a Node request', value: new IncomingMessage(new Socket()) },
      { name: 'an object', value: {} },
    ])('that nobody fixed are none: $name', ({ value }) => {
      const ask = (): unknown => connectionAttributes(value as object)
      expect(ask).toThrow(ProxyFixError)
      expect(ask).toThrow(/^connectionAttributes needs a request that proxyFix has fixed: /)
      expect(ask).toThrow(expect.objectContaining({ code: 'ERR_PROXYFIX_NOT_FIXED' }) as Error)
    })
  })
})
