/**
 * One answer, whichever way a request is read (contract rule 10): a library that reads a header by itself, a
 * framework that reads the socket and a program that asks `connectionInfo` must never be told two clients.
 */

import http, { type IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionInfo, type FixedConnectionInfo, fixRequest, type ProxyFixOptions } from '../../src/index.ts'
import { close, exchange, listen } from '../fixtures/raw-http.ts'
import { ALIASES, countOptions, FORWARDING_HEADERS, forwardingName, headerValue, otherName } from './arbitraries.ts'
import { PROPERTY_TIMEOUT, PURE_RUNS, WIRE_RUNS } from './runs.ts'

type Line = readonly [name: string, value: string]

const lines: fc.Arbitrary<Line[]> = fc.array(
  fc.tuple(fc.oneof({ weight: 5, arbitrary: forwardingName }, otherName), headerValue),
  { maxLength: 12 },
)

const hosts = fc.constantFrom(
  'app.internal',
  'APP.internal:443',
  'app:80',
  '[::1]:3000',
  'a@b',
  '2001:db8::1',
  '',
  'app.',
)

/** The one value that each header may hold afterwards; `undefined`: it must be gone. */
function decidedValue(name: string, info: FixedConnectionInfo): string | undefined {
  const aliases: readonly string[] = ALIASES.map((alias) => alias.toLowerCase())
  if (name === 'x-forwarded-for' || aliases.includes(name)) return info.client.address
  if (name === 'x-forwarded-proto') return info.scheme
  if (name === 'x-forwarded-host') return info.host
  if (name === 'x-forwarded-port') return info.port === undefined ? undefined : String(info.port)
  if (name === 'x-forwarded-prefix') return info.prefix === '' ? undefined : info.prefix
  return undefined
}

const FORWARDING = new Set(FORWARDING_HEADERS.map((name) => name.toLowerCase()))

function isForwarding(name: string): boolean {
  return FORWARDING.has(name.toLowerCase().replaceAll(/[_.]/g, '-'))
}

/** Names to values of all the forwarding headers that must be left, from what was sent and what was decided. */
function expectedHeaders(
  sent: readonly Line[],
  info: FixedConnectionInfo,
  mode: ProxyFixOptions['headers'],
): Record<string, string> {
  if (mode === 'remove') return {}
  const expected: Record<string, string> = {}
  for (const [name] of sent) {
    const lower = name.toLowerCase()
    const value = FORWARDING.has(lower) ? decidedValue(lower, info) : undefined
    if (value !== undefined) expected[lower] = value
  }
  return expected
}

describe('a Node request', () => {
  let port = 0
  let onRequest: (req: IncomingMessage) => void = () => {}
  const server = http.createServer((req, res) => {
    onRequest(req)
    res.end()
  })
  beforeAll(async () => {
    port = await listen(server)
  })
  afterAll(() => close(server))

  /** Gives what `look` made of the request, and passes on what it threw. */
  async function send<T>(text: string, look: (req: IncomingMessage) => T): Promise<T[]> {
    const looked: T[] = []
    let thrown: unknown
    onRequest = (req) => {
      try {
        looked.push(look(req))
      } catch (error) {
        thrown = error
      }
    }
    await exchange(port, text)
    if (thrown !== undefined) throw thrown
    return looked
  }

  it(
    'shows one client on socket, connection, all header stores and connectionInfo',
    async () => {
      let answered = 0
      await fc.assert(
        fc.asyncProperty(
          lines,
          fc.option(fc.array(hosts, { minLength: 1, maxLength: 2 }), { nil: undefined }),
          countOptions,
          fc.constantFrom('normalize' as const, 'remove' as const),
          fc.boolean(),
          async (sent, host, counts, mode, readBefore) => {
            // Only HTTP/1.0 may come without a Host (RFC 9112 §3.2).
            const head =
              host === undefined ? ['GET / HTTP/1.0'] : ['GET / HTTP/1.1', ...host.map((one) => `Host: ${one}`)]
            const text = `${[...head, ...sent.map(([name, value]) => `${name}: ${value}`), 'Connection: close'].join('\r\n')}\r\n\r\n`
            const looked = await send(text, (req) => {
              if (readBefore) void req.headersDistinct
              fixRequest(req, { ...counts, headers: mode })
              const raw: Line[] = []
              for (let index = 0; index < req.rawHeaders.length; index += 2) {
                raw.push([(req.rawHeaders[index] ?? '').toLowerCase(), req.rawHeaders[index + 1] ?? ''])
              }
              return {
                info: connectionInfo(req),
                socket: [req.socket, req.connection].map((one) => [
                  one.remoteAddress,
                  one.remotePort,
                  one.remoteFamily,
                  Reflect.get(one, 'encrypted'),
                ]),
                headers: new Map(Object.entries(req.headers)),
                distinct: new Map(Object.entries(req.headersDistinct)),
                raw,
              }
            })
            // Node itself answers two Host lines or a bad one with 400 in some releases; that is no answer of ours.
            answered += looked.length
            for (const { info, socket, headers, distinct, raw } of looked) {
              const { address, port: clientPort } = info.client
              const family = address === undefined ? undefined : address.includes(':') ? 'IPv6' : 'IPv4'
              const shown = [address, clientPort, family, info.scheme === 'https' || info.scheme === 'wss']
              expect(socket).toStrictEqual([shown, shown])

              const expected = expectedHeaders(sent, info, mode)
              expect(Object.fromEntries([...headers].filter(([name]) => isForwarding(name)))).toStrictEqual(expected)
              expect(Object.fromEntries([...distinct].filter(([name]) => isForwarding(name)))).toStrictEqual(
                Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, [value]])),
              )
              expect(raw.filter(([name]) => isForwarding(name)).toSorted()).toStrictEqual(
                Object.entries(expected).toSorted(),
              )

              const hostLines = raw.filter(([name]) => name === 'host').map(([, value]) => value)
              if (info.host !== undefined) {
                expect([headers.get('host'), distinct.get('host'), hostLines]).toStrictEqual([
                  info.host,
                  [info.host],
                  [info.host],
                ])
              }
              // What is no forwarding header is left alone, in every store.
              const sentOthers = sent.filter(([name]) => !isForwarding(name)).map(([name]) => name.toLowerCase())
              expect(raw.map(([name]) => name).filter((name) => sentOthers.includes(name))).toStrictEqual(sentOthers)
              const isKept = (name: string): boolean => name !== '__proto__' // Node drops it from headers and headersDistinct
              const names = [...new Set(raw.map(([name]) => name))].filter(isKept).toSorted()
              expect([...headers.keys()].filter(isKept).toSorted()).toStrictEqual(names)
              expect([...distinct.keys()].filter(isKept).toSorted()).toStrictEqual(names)
            }
          },
        ),
        { numRuns: WIRE_RUNS },
      )
      expect(answered).toBeGreaterThan(WIRE_RUNS / 2) // or the property would hold of nothing
    },
    PROPERTY_TIMEOUT,
  )

  it(
    'names the same host in Host, in the URL and in host and port',
    async () => {
      await fc.assert(
        fc.asyncProperty(lines, hosts, countOptions, async (sent, host, counts) => {
          const text = `${['GET /path?q HTTP/1.1', `Host: ${host}`, ...sent.map(([name, value]) => `${name}: ${value}`), 'Connection: close'].join('\r\n')}\r\n\r\n`
          const infos = await send(text, (req) => [connectionInfo(fixRequest(req, counts)), req.headers.host] as const)
          expect(infos).toHaveLength(1)
          for (const [info, shownHost] of infos) {
            if (info.hostname === undefined) {
              expect(info.url).toBeUndefined()
              continue
            }
            const url = new URL(info.url ?? '')
            const defaultPort = url.protocol === 'https:' ? 443 : 80
            expect(url.host).toBe(shownHost)
            expect(url.hostname).toBe(info.hostname)
            expect(Number(url.port || defaultPort)).toBe(info.port)
            expect(url.pathname + url.search).toBe(`${info.prefix}/path?q`)
            expect([url.username, url.password, url.hash]).toStrictEqual(['', '', ''])
          }
        }),
        { numRuns: WIRE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})

describe('a Fetch request', () => {
  it(
    'shows one client in its URL, its headers and connectionInfo',
    () => {
      fc.assert(
        fc.property(
          lines,
          fc.option(hosts, { nil: undefined }),
          fc.constantFrom('http://app.internal/path?q', 'https://app.internal:8443/path?q', 'http://[::1]:3000/path?q'),
          countOptions,
          fc.constantFrom('normalize' as const, 'remove' as const),
          (sent, host, url, counts, mode) => {
            const headers = new Headers(host === undefined ? {} : { host })
            for (const [name, value] of sent) headers.append(name, value)
            const received = new Request(url, { headers })
            const before = [...received.headers]
            const fixed = fixRequest(received, { ...counts, headers: mode })
            const info = connectionInfo(fixed)

            const left = [...fixed.headers].filter(([name]) => isForwarding(name))
            expect(Object.fromEntries(left)).toStrictEqual(expectedHeaders(sent, info, mode))
            if (host !== undefined) expect(fixed.headers.get('host')).toBe(info.host ?? host)
            const shown = new URL(fixed.url)
            expect(shown.pathname + shown.search).toBe('/path?q')
            if (info.hostname === undefined) expect(info.url).toBeUndefined()
            else {
              const isSecure = info.scheme === 'https' || info.scheme === 'wss'
              expect([shown.protocol, shown.host]).toStrictEqual([isSecure ? 'https:' : 'http:', info.host])
              expect(info.url).toBe(`${shown.origin}${info.prefix}/path?q`)
            }
            // The request that came in is the platform's: it is never changed.
            expect(received.url).toBe(url)
            expect([...received.headers]).toStrictEqual(before)
          },
        ),
        { numRuns: PURE_RUNS },
      )
    },
    PROPERTY_TIMEOUT,
  )
})
