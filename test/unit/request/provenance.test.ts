/**
 * Whoever decides or explains once more, on the facts that a fixed request kept, comes to the same end, though the
 * secret was taken off them and they do not show that a peer was unknown. **The attack** is a second opinion that
 * believes what the first refused: in a log, a rate limiter, a check of the configuration.
 */

import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  connectionInfo,
  explain,
  fixRequest,
  type ProxyFixOptions,
  resolveConnection,
  trustPolicy,
} from '../../../src/index.ts'

const VALUE = 'correct-horse-battery-staple'
const secret = { header: 'X-Origin-Verify', values: VALUE }

type Lines = readonly (readonly [name: string, value: string])[]

const SENT: Lines = [
  ['Host', 'app.internal'],
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Forwarded-Proto', 'https'],
]
const RIGHT: Lines = [...SENT, ['X-ORIGIN-Verify', VALUE]]
const WRONG: Lines = [...SENT, ['X-Origin-Verify', 'wrong']]
const DOUBLED: Lines = [...RIGHT, ['X-Origin-Verify', VALUE]]

function nodeRequest(lines: Lines, socketProperties: object): IncomingMessage {
  const socket = new Socket()
  for (const [name, value] of Object.entries(socketProperties)) Object.defineProperty(socket, name, { value })
  const req = new IncomingMessage(socket)
  req.url = '/'
  for (const [name, value] of lines) {
    const key = name.toLowerCase()
    req.headers[key] = req.headers[key] === undefined ? value : `${String(req.headers[key])}, ${value}`
    req.rawHeaders.push(name, value)
  }
  return req
}

const fetchRequest = (lines: Lines): Request =>
  new Request('http://app.internal/', { headers: lines.map(([name, value]): [string, string] => [name, value]) })

const OURS = { remoteAddress: '10.0.0.1', remotePort: 40000 }
const UNIX = { _server: { address: () => '/run/app.sock' } }
const UNKNOWN = {}

interface Case {
  readonly name: string
  readonly make: () => IncomingMessage | Request
  readonly options: ProxyFixOptions
  readonly trusted: boolean
}

const proxies = '10.0.0.0/8'
const CASES: readonly Case[] = [
  { name: 'Node', make: () => nodeRequest(SENT, OURS), options: { trustedProxies: proxies }, trusted: true },
  { name: 'Node, a stranger', make: () => nodeRequest(SENT, OURS), options: { trustedProxies: [] }, trusted: false },
  { name: 'Node, with a secret', make: () => nodeRequest(RIGHT, OURS), options: { secret }, trusted: true },
  { name: 'Node, with a wrong secret', make: () => nodeRequest(WRONG, OURS), options: { secret }, trusted: false },
  { name: 'Node, with a doubled secret', make: () => nodeRequest(DOUBLED, OURS), options: { secret }, trusted: false },
  { name: 'Node, without its secret', make: () => nodeRequest(SENT, OURS), options: { secret }, trusted: false },
  {
    name: 'Node, with a secret and an address',
    make: () => nodeRequest(RIGHT, OURS),
    options: { secret, trustedProxies: proxies, xFor: 'trusted' },
    trusted: true,
  },
  {
    name: 'Node, with a secret and another address',
    make: () => nodeRequest(RIGHT, { remoteAddress: '198.51.100.9' }),
    options: { secret, trustedProxies: proxies },
    trusted: false,
  },
  { name: 'a unix socket', make: () => nodeRequest(SENT, UNIX), options: { trustedProxies: 'unix' }, trusted: true },
  {
    name: 'a unix socket, with a secret',
    make: () => nodeRequest(RIGHT, UNIX),
    options: { trustedProxies: 'unix', secret },
    trusted: true,
  },
  {
    name: 'a unix socket, with a wrong secret',
    make: () => nodeRequest(WRONG, UNIX),
    options: { trustedProxies: 'unix', secret },
    trusted: false,
  },
  {
    name: 'an unknown peer',
    make: () => nodeRequest(SENT, UNKNOWN),
    options: { trustedProxies: 'unix' },
    trusted: false,
  },
  {
    name: 'an unknown peer, and whoever is asked says yes',
    make: () => nodeRequest(SENT, UNKNOWN),
    options: { trustedProxies: () => true },
    trusted: false,
  },
  {
    name: 'an unknown peer, with a secret',
    make: () => nodeRequest(RIGHT, UNKNOWN),
    options: { trustedProxies: proxies, secret },
    trusted: true,
  },
  {
    name: 'an unknown peer, with a secret, where nobody is trusted',
    make: () => nodeRequest(RIGHT, UNKNOWN),
    options: { trustedProxies: [], secret },
    trusted: false,
  },
  { name: 'Fetch', make: () => fetchRequest(SENT), options: {}, trusted: true },
  { name: 'Fetch, by proxies', make: () => fetchRequest(SENT), options: { trustedProxies: 'unix' }, trusted: false },
  {
    name: 'Fetch, and whoever is asked says yes',
    make: () => fetchRequest(SENT),
    options: { trustedProxies: () => true },
    trusted: false,
  },
  { name: 'Fetch, with a secret', make: () => fetchRequest(RIGHT), options: { secret }, trusted: true },
  { name: 'Fetch, with a wrong secret', make: () => fetchRequest(WRONG), options: { secret }, trusted: false },
  { name: 'Fetch, with a doubled secret', make: () => fetchRequest(DOUBLED), options: { secret }, trusted: false },
  {
    name: 'Fetch, with a secret beside proxies',
    make: () => fetchRequest(RIGHT),
    options: { secret, trustedProxies: proxies, headers: 'keep' },
    trusted: true,
  },
  {
    name: 'Fetch, with a secret, where it is refused for its host',
    make: () => fetchRequest(RIGHT),
    options: { secret, allowedHosts: ['shop.example'] },
    trusted: true,
  },
  {
    name: 'a TCP socket that lost its peer',
    make: () => nodeRequest(SENT, { destroyed: true }),
    options: { trustedProxies: 'unix' },
    trusted: false,
  },
  {
    name: 'a TCP socket that lost its peer, with a secret',
    make: () => nodeRequest(RIGHT, { localAddress: '127.0.0.1' }),
    options: { trustedProxies: proxies, secret },
    trusted: false,
  },
  {
    name: 'as many header lines as Node reads',
    make: () => nodeRequest([...SENT, ...Array.from({ length: 997 }, (): Lines[number] => ['a', ''])], OURS),
    options: { trustedProxies: proxies },
    trusted: true,
  },
]

describe('deciding once more on what a fixed request kept', () => {
  it.each(CASES)('comes to the same end: $name', ({ make, options, trusted }) => {
    const policy = trustPolicy(options)
    const { url: _, ...decided } = connectionInfo(fixRequest(make(), policy))
    expect(decided.trusted).toBe(trusted)
    expect(resolveConnection(decided.original, policy)).toStrictEqual(decided)
    const { info, peer, fields } = explain(decided.original, policy)
    expect(info).toStrictEqual(decided)
    expect(peer.trusted).toBe(trusted)
    expect(fields.map(({ field, verdict }) => [field, verdict])).toStrictEqual(Object.entries(decided.verdicts))
  })

  it('knows a proof only by the headers that it came with: a copy of them has none', () => {
    const policy = trustPolicy({ secret })
    const { original, trusted } = connectionInfo(fixRequest(fetchRequest(RIGHT), policy))
    const copy = { ...original, headers: new Headers(original.headers as Headers) }
    expect([trusted, resolveConnection(copy, policy).trusted]).toStrictEqual([true, false])
    // And another peer's facts are not proven by it either.
    expect(resolveConnection({ ...original, headers: {} }, policy).trusted).toBe(false)
  })

  it('tells why as it was', () => {
    const policy = trustPolicy({ trustedProxies: 'unix', secret })
    const of = (req: IncomingMessage | Request): string =>
      explain(connectionInfo(fixRequest(req, policy)).original, policy).peer.reason
    expect(of(nodeRequest(RIGHT, UNIX))).toBe('the secret header X-Origin-Verify is right')
    expect(of(nodeRequest(WRONG, UNIX))).toBe('the secret header X-Origin-Verify is missing, doubled or wrong')
    const none = trustPolicy({ trustedProxies: 'unix' })
    const { original } = connectionInfo(fixRequest(nodeRequest(SENT, UNKNOWN), none))
    expect(explain(original, none).peer.reason).toBe('it has no address, and nothing else to know it by')
  })
})

describe('the values of a secret', () => {
  /** Every text that can be reached from a value, by any property, hidden or not. */
  function texts(root: unknown): string {
    const found: string[] = []
    const seen = new Set<unknown>()
    const queue: unknown[] = [root]
    while (queue.length > 0) {
      const value = queue.pop()
      if (typeof value === 'string') found.push(value)
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue
      if (value === globalThis || value === process) continue
      seen.add(value)
      if (value instanceof Map) queue.push(...value.keys(), ...value.values())
      if (value instanceof Set) queue.push(...value.values())
      for (const key of Reflect.ownKeys(value)) {
        const { value: held } = Reflect.getOwnPropertyDescriptor(value, key) ?? {}
        queue.push(key, held)
      }
    }
    return found.join('\n')
  }

  it.each<{ name: string; make: () => IncomingMessage | Request }>([
    { name: 'Node', make: () => nodeRequest(RIGHT, OURS) },
    { name: 'Node, an unknown peer', make: () => nodeRequest(RIGHT, UNKNOWN) },
    { name: 'Fetch', make: () => fetchRequest(RIGHT) },
  ])('are nowhere in what can be printed of the policy, the request and the decision: $name', ({ make }) => {
    const events: unknown[] = []
    const policy = trustPolicy({
      secret: { header: 'x-origin-verify', values: ['another-long-random-text', VALUE] },
      trustedProxies: '10.0.0.0/8',
      xHost: 1,
      allowedHosts: ['shop.example'],
      onDecision: (event) => void events.push(event),
    })
    const request = fixRequest(make(), policy)
    const info = connectionInfo(request)
    expect([info.trusted, events.length]).toStrictEqual([true, 1])
    for (const value of [policy, request, info, events, explain(info.original, policy)]) {
      const shown = [
        inspect(value, { depth: Infinity, showHidden: true, maxArrayLength: Infinity, getters: true }),
        texts(value),
      ]
      if (value !== request) shown.push(JSON.stringify(value))
      for (const text of shown) {
        expect(text).not.toContain('correct-horse')
        expect(text).not.toContain('another-long-random-text')
      }
    }
  })
})
