/**
 * What any framework's app must report through its own getters, once it is wrapped: one suite, run unchanged
 * on each framework, each of its trust settings, and each way to wrap its app.
 */

import { describe, expect, it } from 'vitest'
import type { ProxyFixOptions } from '../../src/index.ts'
import { ask, type HeaderLine, pipeline, requestText } from './wire.ts'

/** What an app says about a request, by the getters of its framework. */
export interface Report {
  readonly ip: string | undefined
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  readonly url: string
}

export interface RunningApp {
  /** As in `http://127.0.0.1:8000`. */
  readonly url: string
  close(): Promise<unknown>
}

export interface Framework<App> {
  readonly name: string
  /** Its own settings for trust in proxies, from none to the most gullible, with what each makes of `FORGED`. */
  readonly settings: readonly {
    readonly name: string
    /** An app that answers every GET with a `Report`, not before other requests had their chance to come in. */
    readonly app: () => App | Promise<App>
    /** What it reports when nobody fixes the request. */
    readonly withoutProxyFix: Report
  }[]
  /** The ways to wrap and to start it, the usual one first; without options it is not wrapped. */
  readonly ways: Readonly<Record<string, (app: App, options?: ProxyFixOptions) => Promise<RunningApp>>>
}

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1 }

/** The Host that the proxy sends to the app. */
const INTERNAL = 'internal.example'
const TARGET = '/cart?item=1'

/** A request of a liar, as one proxy passes it on that appends to each header. */
const FORGED: readonly HeaderLine[] = [
  ['X-Forwarded-For', '6.6.6.6, 203.0.113.7'],
  ['X-Forwarded-Proto', 'http, https'],
  ['X-Forwarded-Host', 'evil.example, shop.example'],
]

/** What reports come to when nothing, everything or the right thing is believed of `FORGED`. */
export const PEER: Report = {
  ip: '127.0.0.1',
  protocol: 'http',
  host: 'internal.example',
  hostname: 'internal.example',
  url: 'http://internal.example/cart?item=1',
}
export const LIAR: Report = {
  ip: '6.6.6.6',
  protocol: 'http',
  host: 'evil.example',
  hostname: 'evil.example',
  url: 'http://evil.example/cart?item=1',
}
export const CLIENT: Report = {
  ip: '203.0.113.7',
  protocol: 'https',
  host: 'shop.example',
  hostname: 'shop.example',
  url: 'https://shop.example/cart?item=1',
}

const CASES: readonly { name: string; headers: readonly HeaderLine[]; target?: string; report: Report }[] = [
  {
    name: 'the client of an honest request',
    headers: [
      ['X-Forwarded-For', '203.0.113.7'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'shop.example'],
    ],
    report: CLIENT,
  },
  { name: 'the client, whatever stands left of the value that the proxy wrote', headers: FORGED, report: CLIENT },
  {
    name: 'the client, whatever stands on the lines above the one that the proxy wrote',
    headers: [
      ['X-Forwarded-For', '6.6.6.6'],
      ['x-forwarded-for', '203.0.113.7'],
      ['X-Forwarded-Proto', 'http'],
      ['x-forwarded-proto', 'https'],
      ['X-Forwarded-Host', 'evil.example'],
      ['x-forwarded-host', 'shop.example'],
    ],
    report: CLIENT,
  },
  {
    name: 'the client, whatever stands in other headers',
    headers: [
      ...FORGED,
      ['X-Forwarded-Port', '6666'],
      ['X-Forwarded-Prefix', '/evil'],
      ['X-Forwarded-Ssl', 'off'],
      ['X-Real-IP', '6.6.6.6'],
      ['X-Client-IP', '6.6.6.6'],
      ['CF-Connecting-IP', '6.6.6.6'],
      ['Forwarded', 'for=6.6.6.6;proto=http;host=evil.example'],
    ],
    report: CLIENT,
  },
  {
    name: 'the client of a request that names a host in its target too',
    headers: FORGED,
    target: 'http://evil.example/cart?item=1',
    report: CLIENT,
  },
  {
    name: 'an IPv6 client, and the port in a host',
    headers: [
      ['X-Forwarded-For', '[2001:DB8::7]:4711'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'shop.example:8443'],
    ],
    report: {
      ip: '2001:db8::7',
      protocol: 'https',
      host: 'shop.example:8443',
      hostname: 'shop.example',
      url: 'https://shop.example:8443/cart?item=1',
    },
  },
  {
    name: 'a client that came over plain HTTP',
    headers: [
      ['X-Forwarded-For', '203.0.113.8'],
      ['X-Forwarded-Proto', 'https, http'],
      ['X-Forwarded-Host', 'shop.example'],
    ],
    report: {
      ip: '203.0.113.8',
      protocol: 'http',
      host: 'shop.example',
      hostname: 'shop.example',
      url: 'http://shop.example/cart?item=1',
    },
  },
  { name: 'the peer when the proxy says nothing', headers: [], report: PEER },
  {
    name: 'the peer when the proxy says nothing that makes sense',
    headers: [
      ['X-Forwarded-For', 'unknown'],
      ['X-Forwarded-Proto', 'gopher'],
      ['X-Forwarded-Host', 'evil.example/path'],
    ],
    report: PEER,
  },
]

/** Runs the suite on a framework. */
export function describeFramework<App>({ name, settings, ways }: Framework<App>): void {
  const [usualWay = ''] = Object.keys(ways)

  describe(`${name} apps`, () => {
    for (const { name: setting, app, withoutProxyFix } of settings) {
      describe(`with ${setting}`, () => {
        for (const [way, start] of Object.entries(ways)) {
          describe(`run ${way}`, () => {
            for (const { name: whom, headers, target, report } of CASES) {
              it(`reports ${whom}`, async () => {
                await expect(reportsOf(start, await app(), OPTIONS, headers, target)).resolves.toEqual(report)
              })
            }

            it('tells two clients apart whose requests share a connection', async () => {
              const running = await start(await app(), OPTIONS)
              try {
                const responses = await pipeline(running.url, [
                  requestText('/first', [
                    ['Host', INTERNAL],
                    ['X-Forwarded-For', '203.0.113.1'],
                    ['X-Forwarded-Proto', 'https'],
                    ['X-Forwarded-Host', 'one.example'],
                  ]),
                  requestText('/second', [
                    ['Host', INTERNAL],
                    ['X-Forwarded-For', '203.0.113.2'],
                    ['X-Forwarded-Proto', 'http'],
                    ['X-Forwarded-Host', 'two.example'],
                  ]),
                ])
                expect(responses.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
                  {
                    ip: '203.0.113.1',
                    protocol: 'https',
                    host: 'one.example',
                    hostname: 'one.example',
                    url: 'https://one.example/first',
                  },
                  {
                    ip: '203.0.113.2',
                    protocol: 'http',
                    host: 'two.example',
                    hostname: 'two.example',
                    url: 'http://two.example/second',
                  },
                ])
              } finally {
                await running.close()
              }
            })
          })
        }

        it(`without proxyFix ${outcome(withoutProxyFix)}`, async () => {
          await expect(reportsOf(ways[usualWay]!, await app(), undefined, FORGED)).resolves.toEqual(withoutProxyFix)
        })
      })
    }
  })
}

async function reportsOf<App>(
  start: Framework<App>['ways'][string],
  app: App,
  options: ProxyFixOptions | undefined,
  headers: readonly HeaderLine[],
  target: string = TARGET,
): Promise<unknown> {
  const { url, close } = await start(app, options)
  try {
    const { body } = await ask({ to: url, target, host: INTERNAL, headers })
    return JSON.parse(body)
  } finally {
    await close()
  }
}

function outcome({ ip, host }: Report): string {
  if (ip === LIAR.ip || host === LIAR.host) return 'is fooled'
  return ip === PEER.ip ? 'takes the proxy for the client' : 'reports the client too'
}
