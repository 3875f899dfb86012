/**
 * What any framework's app must report through its own getters, once it is wrapped: one suite, run unchanged
 * on each framework, each of its trust settings, and each way to wrap its app.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProxyFixOptions } from '../../src/index.ts'
import { type Answer, send } from './frameworks/client.ts'
import type { RunningApp, Way } from './frameworks/running.ts'
import type { HeaderLine } from './wire.ts'

/** What an app says about a request, by the getters of its framework. */
export interface Report {
  readonly ip: string | undefined
  readonly protocol: string
  readonly secure: boolean
  /** With the port, if it is not the scheme's default. */
  readonly host: string
  readonly hostname: string
  /** The target that it routes by. */
  readonly url: string
  /** The target that the client typed, where the framework keeps it apart. */
  readonly originalUrl?: string | undefined
  /** Where the app is mounted, where the framework has a place for that. */
  readonly baseUrl?: string | undefined
  /** The whole URL, to put into links and redirects. */
  readonly href: string
  /** What `express-rate-limit` counts by, where it is used. */
  readonly rateLimitKey?: string | undefined
  /** Address and target as loggers write them, by the logger's name. */
  readonly logged?: Readonly<Record<string, string>> | undefined
}

/** What a framework makes of the prefix that the fix puts into `req.baseUrl` and `req.originalUrl`. */
export type PrefixUse =
  | 'base and original URL'
  | 'original URL'
  /** It has no place for a prefix, and routes by the target without it. */
  | 'none'
  /** It takes the original URL for the one to route by: a prefix that a proxy cut off is there again. */
  | 'routes by the original URL'

export interface Framework<App> {
  readonly name: string
  readonly prefix: PrefixUse
  /** Its own settings for trust in proxies, from none to the most gullible. */
  readonly settings: readonly {
    readonly name: string
    /** An app that answers every GET with a `Report` and a cookie, not before other requests had their chance to come in. */
    readonly app: () => App | Promise<App>
    /** What of its report is wrong or right when nobody fixes the request `FORGED`. */
    readonly withoutProxyFix: Partial<Report>
  }[]
  /** The ways to wrap and to start it, the usual one first; without options it is not wrapped. */
  readonly ways: Readonly<Record<string, Way<App>>>
  /** Middleware of other people's that the app uses. */
  readonly uses?: readonly ('morgan' | 'pino-http' | 'express-rate-limit' | 'cors')[]
  /** Whether it makes a URL of the target before anything of it is fixed: a host in a target stays in its path. */
  readonly readsTargetFirst?: true
  /** The scheme that the connection to the app has. @default 'http' */
  readonly scheme?: 'https'
}

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1, xHost: 1, xPort: 1, xPrefix: 1 }

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
export const PEER = { ip: '127.0.0.1', protocol: 'http', hostname: 'internal.example' } as const
export const LIAR = { ip: '6.6.6.6', protocol: 'http', hostname: 'evil.example' } as const
export const CLIENT = { ip: '203.0.113.7', protocol: 'https', hostname: 'shop.example' } as const

/** A report with what stands in the response beside it. */
interface Outcome extends Required<Omit<Report, 'logged'>> {
  readonly logLine: string
  readonly cookies: 'Secure' | 'not Secure'
}

const FROM_PEER: Outcome = {
  ip: '127.0.0.1',
  protocol: 'http',
  secure: false,
  host: 'internal.example',
  hostname: 'internal.example',
  url: '/cart?item=1',
  originalUrl: '/cart?item=1',
  baseUrl: '',
  href: 'http://internal.example/cart?item=1',
  rateLimitKey: '127.0.0.1',
  logLine: '127.0.0.1 /cart?item=1',
  cookies: 'not Secure',
}

const FROM_TLS_PEER: Outcome = {
  ...FROM_PEER,
  protocol: 'https',
  secure: true,
  href: 'https://internal.example/cart?item=1',
  cookies: 'Secure',
}

const FROM_CLIENT: Outcome = {
  ip: '203.0.113.7',
  protocol: 'https',
  secure: true,
  host: 'shop.example',
  hostname: 'shop.example',
  url: '/cart?item=1',
  originalUrl: '/cart?item=1',
  baseUrl: '',
  href: 'https://shop.example/cart?item=1',
  rateLimitKey: '203.0.113.7',
  logLine: '203.0.113.7 /cart?item=1',
  cookies: 'Secure',
}

const MOUNTED: Outcome = {
  ip: '203.0.113.7',
  protocol: 'https',
  secure: true,
  host: 'shop.example:8443',
  hostname: 'shop.example',
  url: '/cart?item=1',
  originalUrl: '/app/cart?item=1',
  baseUrl: '/app',
  href: 'https://shop.example:8443/app/cart?item=1',
  rateLimitKey: '203.0.113.7',
  logLine: '203.0.113.7 /app/cart?item=1',
  cookies: 'Secure',
}

/** `'peer'`: whichever scheme the connection has. */
const CASES: readonly { name: string; headers: readonly HeaderLine[]; target?: string; outcome: Outcome | 'peer' }[] = [
  {
    name: 'the client of an honest request',
    headers: [
      ['X-Forwarded-For', '203.0.113.7'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'shop.example'],
      ['X-Forwarded-Port', '8443'],
      ['X-Forwarded-Prefix', '/app'],
    ],
    outcome: MOUNTED,
  },
  {
    name: 'the client, whatever stands left of the value that the proxy wrote',
    headers: [...FORGED, ['X-Forwarded-Port', '6666, 8443'], ['X-Forwarded-Prefix', '/evil, /app']],
    outcome: MOUNTED,
  },
  {
    name: 'the client, whatever stands on the lines above the one that the proxy wrote',
    headers: [
      ['X-Forwarded-For', '6.6.6.6'],
      ['x-forwarded-for', '203.0.113.7'],
      ['X-Forwarded-Proto', 'http'],
      ['x-forwarded-proto', 'https'],
      ['X-Forwarded-Host', 'evil.example'],
      ['x-forwarded-host', 'shop.example'],
      ['X-Forwarded-Port', '6666'],
      ['x-forwarded-port', '8443'],
      ['X-Forwarded-Prefix', '/evil'],
      ['x-forwarded-prefix', '/app'],
    ],
    outcome: MOUNTED,
  },
  {
    name: 'the client, whatever stands in other headers',
    headers: [
      ...FORGED,
      ['X-Forwarded-Ssl', 'off'],
      ['X-Forwarded-Scheme', 'http'],
      ['X-Script-Name', '/evil'],
      ['X-Real-IP', '6.6.6.6'],
      ['X-Client-IP', '6.6.6.6'],
      ['CF-Connecting-IP', '6.6.6.6'],
      ['Forwarded', 'for=6.6.6.6;proto=http;host=evil.example'],
    ],
    outcome: FROM_CLIENT,
  },
  {
    name: 'the client of a request that names a host in its target too',
    headers: FORGED,
    target: 'http://evil.example/cart?item=1',
    outcome: FROM_CLIENT,
  },
  {
    name: 'an IPv6 client, and the port in a host',
    headers: [
      ['X-Forwarded-For', '[2001:DB8::7]:4711'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'shop.example:8443'],
    ],
    outcome: {
      ...FROM_CLIENT,
      ip: '2001:db8::7',
      host: 'shop.example:8443',
      href: 'https://shop.example:8443/cart?item=1',
      rateLimitKey: '2001:db8::/56',
      logLine: '2001:db8::7 /cart?item=1',
    },
  },
  {
    name: 'a client that came over plain HTTP',
    headers: [
      ['X-Forwarded-For', '203.0.113.8'],
      ['X-Forwarded-Proto', 'https, http'],
      ['X-Forwarded-Host', 'shop.example'],
    ],
    outcome: {
      ip: '203.0.113.8',
      protocol: 'http',
      secure: false,
      host: 'shop.example',
      hostname: 'shop.example',
      url: '/cart?item=1',
      originalUrl: '/cart?item=1',
      baseUrl: '',
      href: 'http://shop.example/cart?item=1',
      rateLimitKey: '203.0.113.8',
      logLine: '203.0.113.8 /cart?item=1',
      cookies: 'not Secure',
    },
  },
  { name: 'the peer when the proxy says nothing', headers: [], outcome: 'peer' },
  {
    name: 'the peer when the proxy says nothing that makes sense',
    headers: [
      ['X-Forwarded-For', 'unknown'],
      ['X-Forwarded-Proto', 'gopher'],
      ['X-Forwarded-Host', 'evil.example/path'],
      ['X-Forwarded-Port', '0'],
      ['X-Forwarded-Prefix', '//evil.example'],
    ],
    outcome: 'peer',
  },
]

/** Two requests that differ in everything. */
const PAIR: readonly { target: string; headers: readonly HeaderLine[]; outcome: Outcome }[] = [
  {
    target: '/first',
    headers: [
      ['X-Forwarded-For', '203.0.113.1'],
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Host', 'one.example'],
      ['X-Forwarded-Port', '8443'],
      ['X-Forwarded-Prefix', '/one'],
    ],
    outcome: {
      ip: '203.0.113.1',
      protocol: 'https',
      secure: true,
      host: 'one.example:8443',
      hostname: 'one.example',
      url: '/first',
      originalUrl: '/one/first',
      baseUrl: '/one',
      href: 'https://one.example:8443/one/first',
      rateLimitKey: '203.0.113.1',
      logLine: '203.0.113.1 /one/first',
      cookies: 'Secure',
    },
  },
  {
    target: '/second',
    headers: [
      ['X-Forwarded-For', '6.6.6.6, 2001:db8:2::2'],
      ['X-Forwarded-Proto', 'https, http'],
      ['X-Forwarded-Host', 'one.example, two.example'],
      ['X-Forwarded-Port', '8443, 8080'],
      ['X-Forwarded-Prefix', '/one, /two'],
    ],
    outcome: {
      ip: '2001:db8:2::2',
      protocol: 'http',
      secure: false,
      host: 'two.example:8080',
      hostname: 'two.example',
      url: '/second',
      originalUrl: '/two/second',
      baseUrl: '/two',
      href: 'http://two.example:8080/two/second',
      rateLimitKey: '2001:db8:2::/56',
      logLine: '2001:db8:2::2 /two/second',
      cookies: 'not Secure',
    },
  },
]

const PREFIX_MODES: readonly {
  mode: NonNullable<ProxyFixOptions['prefixMode']>
  name: string
  target: string
  outcome: Outcome
}[] = [
  {
    mode: 'strip',
    name: 'a prefix that the proxy left in place is cut off before routing',
    target: '/app/cart?item=1',
    outcome: MOUNTED,
  },
  {
    mode: 'url',
    name: 'a prefix that the proxy cut off is put back before routing',
    target: '/cart?item=1',
    outcome: { ...MOUNTED, url: '/app/cart?item=1', baseUrl: '' },
  },
  {
    mode: 'none',
    name: 'a prefix is not shown',
    target: '/cart?item=1',
    outcome: {
      ...MOUNTED,
      originalUrl: '/cart?item=1',
      baseUrl: '',
      href: 'https://shop.example:8443/cart?item=1',
      logLine: '203.0.113.7 /cart?item=1',
    },
  },
]

/** Runs the suite on a framework. */
export function describeFramework<App>(framework: Framework<App>): void {
  const { name, settings, ways, scheme } = framework
  const [usualWay = ''] = Object.keys(ways)

  describe(`${name} apps`, () => {
    for (const [index, { name: setting, app, withoutProxyFix }] of settings.entries()) {
      describe(`with ${setting}`, () => {
        for (const [way, start] of Object.entries(ways)) {
          describe(`run ${way}`, () => {
            let running: RunningApp | undefined

            beforeAll(async () => {
              running = await start(await app(), OPTIONS)
            })
            afterAll(async () => await running?.close())

            for (const { name: whom, headers, target = TARGET, outcome } of CASES) {
              if (target !== TARGET && framework.readsTargetFirst === true) continue
              it(`reports ${whom}`, async () => {
                const from = outcome === 'peer' ? (scheme === 'https' ? FROM_TLS_PEER : FROM_PEER) : outcome
                await expect(outcomesOf(running!, [{ target, headers, outcome: from }])).resolves.toEqual([
                  expected(from, framework),
                ])
              })
            }

            it('tells two clients apart whose requests share a connection', async () => {
              await expect(outcomesOf(running!, PAIR)).resolves.toEqual(
                PAIR.map(({ outcome }) => expected(outcome, framework)),
              )
            })

            if (index > 0) return // prefixes are no matter of trust
            it.each(PREFIX_MODES)('when prefixMode is $mode, $name', async ({ mode, target, outcome }) => {
              const other = await start(await app(), { ...OPTIONS, prefixMode: mode })
              try {
                const { headers } = CASES[0]!
                await expect(outcomesOf(other, [{ target, headers, outcome }])).resolves.toEqual([
                  expected(outcome, framework),
                ])
              } finally {
                await other.close()
              }
            })
          })
        }

        it(`without proxyFix ${judgement(withoutProxyFix)}`, async () => {
          const running = await ways[usualWay]!(await app())
          try {
            const [answer] = await send(running, [{ target: TARGET, host: INTERNAL, headers: FORGED }])
            expect(JSON.parse(answer!.body)).toMatchObject(withoutProxyFix)
          } finally {
            await running.close()
          }
        })
      })
    }
  })
}

/** What an app of the framework can tell of an outcome. */
function expected(
  { logLine, cookies, ...report }: Outcome,
  { prefix, uses = [] }: Pick<Framework<never>, 'prefix' | 'uses'>,
): unknown {
  const origin = `${report.protocol}://${report.host}`
  const loggers = uses.filter((name) => name === 'morgan' || name === 'pino-http')
  return {
    status: 200,
    cookies,
    allowedOrigin: uses.includes('cors') ? origin : undefined,
    report: {
      ...report,
      ...targetsOf(report, prefix),
      rateLimitKey: uses.includes('express-rate-limit') ? report.rateLimitKey : undefined,
      logged: loggers.length === 0 ? undefined : Object.fromEntries(loggers.map((name) => [name, logLine])),
    },
  }
}

function targetsOf({ protocol, host, url, originalUrl }: Report, prefix: PrefixUse): Partial<Report> {
  switch (prefix) {
    case 'base and original URL':
      return {}
    case 'original URL':
      return { baseUrl: undefined }
    case 'none':
      return { originalUrl: undefined, baseUrl: undefined, href: `${protocol}://${host}${url}` }
    case 'routes by the original URL':
      return { url: originalUrl!, originalUrl: undefined, baseUrl: undefined }
  }
}

async function outcomesOf(
  to: RunningApp,
  requests: readonly { target: string; headers: readonly HeaderLine[]; outcome: Outcome }[],
): Promise<unknown> {
  const answers = await send(
    to,
    requests.map(({ target, headers, outcome: { protocol, host } }) => ({
      target,
      host: INTERNAL,
      headers: [...headers, ['Origin', `${protocol}://${host}`]],
    })),
  )
  return answers.map(({ status, headers, body }) => ({
    status,
    cookies: cookiesIn(headers),
    allowedOrigin: headers.find(([name]) => name === 'access-control-allow-origin')?.[1],
    report: jsonIn(body),
  }))
}

function cookiesIn(headers: Answer['headers']): 'Secure' | 'not Secure' | 'some Secure' | 'none' {
  const cookies = headers.filter(([name]) => name === 'set-cookie')
  const secure = cookies.filter(([, value]) => /;\s*secure\s*(;|$)/i.test(value))
  if (cookies.length === 0) return 'none'
  if (secure.length === 0) return 'not Secure'
  return secure.length === cookies.length ? 'Secure' : 'some Secure'
}

/** Of an app that failed, what it said. */
function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

function judgement({ ip, protocol, hostname }: Partial<Report>): string {
  if (ip === LIAR.ip || hostname === LIAR.hostname) return 'is fooled'
  if (ip === PEER.ip) return 'takes the proxy for the client'
  return protocol === PEER.protocol ? 'takes a secure request for an insecure one' : 'reports the client too'
}
