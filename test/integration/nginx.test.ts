/**
 * The main job, end to end: apps under `proxyfix serve`, behind a real nginx that is configured as Flask's
 * deployment page says, asked by clients of other addresses, some of whom lie.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { nginxProgram, type RunningNginx, type Site, startNginx } from './nginx.ts'
import { type Serving, serving } from './program.ts'
import { ask, type HeaderLine } from './wire.ts'

const HOST = 'www.example.com'
const CLIENT = '127.0.0.7' // nginx itself is 127.0.0.1
const TARGET = '/orders/7?sort=name&q=%20x'

/** What the apps answer. */
interface Answer {
  readonly address: string
  readonly port: number | null
  readonly scheme: string
  readonly host: string
  readonly url: string
}

const TRUTH = {
  http: {
    address: '127.0.0.7',
    port: null, // nginx does not tell it
    scheme: 'http',
    host: 'www.example.com',
    url: 'http://www.example.com/orders/7?sort=name&q=%20x',
  },
  https: {
    address: '127.0.0.7',
    port: null,
    scheme: 'https',
    host: 'www.example.com',
    url: 'https://www.example.com/orders/7?sort=name&q=%20x',
  },
} as const

interface Forgery {
  readonly name: string
  readonly headers: readonly HeaderLine[]
  /** What of it reaches a gullible app, over HTTP and without proxyFix. */
  readonly fools?: Partial<Answer>
}

const AT_EVIL = 'http://evil.example/orders/7?sort=name&q=%20x'

const FORGERIES: readonly Forgery[] = [
  { name: 'nothing', headers: [] },
  { name: 'an address', headers: [['X-Forwarded-For', '6.6.6.6']], fools: { address: '6.6.6.6' } },
  {
    name: 'a whole chain of addresses',
    headers: [['X-Forwarded-For', '6.6.6.6, 10.0.0.1, 127.0.0.1']],
    fools: { address: '6.6.6.6' },
  },
  {
    name: 'addresses on several lines',
    headers: [
      ['X-Forwarded-For', '6.6.6.6'],
      ['x-forwarded-for', '6.6.6.7'],
      ['X-FORWARDED-FOR', '6.6.6.8, 6.6.6.9'],
    ],
    fools: { address: '6.6.6.6' },
  },
  { name: 'an empty list of addresses', headers: [['X-Forwarded-For', '']] },
  {
    name: 'an open end that would swallow what comes after',
    headers: [['X-Forwarded-For', '6.6.6.6, "']],
    fools: { address: '6.6.6.6' },
  },
  {
    name: 'a list that ends in commas',
    headers: [['X-Forwarded-For', '6.6.6.6,,,']],
    fools: { address: '6.6.6.6' },
  },
  {
    name: 'ten thousand bytes of addresses',
    headers: [['X-Forwarded-For', `6.6.6.6${', 6.6.6.7'.repeat(1000)}`]],
    fools: { address: '6.6.6.6' },
  },
  { name: 'text for an address', headers: [['X-Forwarded-For', '<script>']], fools: { address: '<script>' } },
  { name: 'the scheme https', headers: [['X-Forwarded-Proto', 'https']] }, // nginx sets this one anew
  { name: 'the scheme http', headers: [['X-Forwarded-Proto', 'http']] },
  {
    name: 'schemes under other names',
    headers: [
      ['X-Forwarded-Protocol', 'https'],
      ['X-Forwarded-Scheme', 'https'],
      ['X-Forwarded-Ssl', 'on'],
      ['X-Url-Scheme', 'https'],
      ['Front-End-Https', 'on'],
    ],
  },
  { name: 'a host', headers: [['X-Forwarded-Host', 'evil.example']], fools: { host: 'evil.example', url: AT_EVIL } },
  {
    name: 'hosts on several lines',
    headers: [
      ['X-Forwarded-Host', 'evil.example'],
      ['X-Forwarded-Host', 'evil.example'],
    ],
    fools: { host: 'evil.example', url: AT_EVIL },
  },
  {
    name: 'a port',
    headers: [['X-Forwarded-Port', '6666']],
    fools: { host: 'www.example.com:6666', url: 'http://www.example.com:6666/orders/7?sort=name&q=%20x' },
  },
  {
    name: 'a path prefix',
    headers: [['X-Forwarded-Prefix', '/evil']],
    fools: { url: 'http://www.example.com/evil/orders/7?sort=name&q=%20x' },
  },
  {
    name: 'a path prefix under another name',
    headers: [['X-Script-Name', '/evil']],
    fools: { url: 'http://www.example.com/evil/orders/7?sort=name&q=%20x' },
  },
  { name: 'the X-Real-IP', headers: [['X-Real-IP', '6.6.6.6']] }, // nginx sets this one anew
  {
    name: 'addresses in the headers of content delivery networks',
    headers: [
      ['CF-Connecting-IP', '6.6.6.6'],
      ['True-Client-IP', '6.6.6.6'],
      ['Fastly-Client-IP', '6.6.6.6'],
      ['X-Cluster-Client-IP', '6.6.6.6'],
      ['X-Client-IP', '6.6.6.6'],
    ],
    fools: { address: '6.6.6.6' },
  },
  {
    name: 'the Forwarded header',
    headers: [['Forwarded', 'for=6.6.6.6;proto=https;host=evil.example']],
    fools: {
      address: '6.6.6.6',
      scheme: 'https',
      host: 'evil.example',
      url: 'https://evil.example/orders/7?sort=name&q=%20x',
    },
  },
  {
    name: 'headers with underscores',
    headers: [
      ['X_Client_IP', '6.6.6.6'],
      ['X_Forwarded_For', '6.6.6.6'],
      ['X_Forwarded_Proto', 'https'],
      ['X_Forwarded_Host', 'evil.example'],
      ['X_Real_IP', '6.6.6.6'],
    ],
  }, // nginx drops these, unless it is told otherwise
  {
    name: 'headers with dots',
    headers: [
      ['X.Client.IP', '6.6.6.6'],
      ['X.Forwarded.For', '6.6.6.6'],
    ],
  },
  {
    name: 'a Connection header that would have proxies drop theirs',
    headers: [['Connection', 'close, X-Forwarded-For, X-Forwarded-Proto, X-Real-IP']],
  },
  {
    name: 'everything at once',
    headers: [
      ['X-Forwarded-For', '6.6.6.6'],
      ['X-Forwarded-Proto', 'ftp'],
      ['X-Forwarded-Host', 'evil.example'],
      ['X-Forwarded-Port', '6666'],
      ['X-Forwarded-Prefix', '/evil'],
      ['X-Real-IP', '6.6.6.6'],
      ['Forwarded', 'for=6.6.6.6;proto=https;host=evil.example'],
    ],
    fools: {
      address: '6.6.6.6',
      scheme: 'https',
      host: 'evil.example:6666',
      url: 'https://evil.example:6666/evil/orders/7?sort=name&q=%20x',
    },
  },
]

/** Flask's page, the version that this issue names, needs these counts. */
const COUNTS = ['--x-for', '1', '--x-proto', '1', '--x-host', '0', '--x-port', '0', '--x-prefix', '0']
/** Flask's page since 2022 sets two headers more, and not Host. */
const COUNTS_2022 = ['--x-for', '1', '--x-proto', '1', '--x-host', '1', '--x-port', '0', '--x-prefix', '1']

/** All apps, each in a process of its own. */
const APPS = {
  'a Node handler': ['examples/whoami.js', ...COUNTS],
  'a Fetch handler': ['examples/whoami-fetch.js', ...COUNTS],
  'a gullible Node handler': ['test/fixtures/apps/gullible.js', ...COUNTS],
  'a gullible Fetch handler': ['test/fixtures/apps/gullible-fetch.js', ...COUNTS],
  'a Node handler, 2022': ['examples/whoami.js', ...COUNTS_2022],
  'a gullible Fetch handler, 2022': ['test/fixtures/apps/gullible-fetch.js', ...COUNTS_2022],
  'a Node handler without proxyFix': ['examples/whoami.js'],
  'a Fetch handler without proxyFix': ['examples/whoami-fetch.js'],
  'a gullible Node handler without proxyFix': ['test/fixtures/apps/gullible.js'],
  'a gullible Fetch handler without proxyFix': ['test/fixtures/apps/gullible-fetch.js'],
  'a counting Node handler': ['test/fixtures/apps/counting.js', ...COUNTS],
  'a counting Fetch handler': ['test/fixtures/apps/counting-fetch.js', ...COUNTS],
} as const
type AppName = keyof typeof APPS
const APP_NAMES = Object.keys(APPS) as AppName[]

/** Each app stands behind the page's configuration, and behind the same that lets odd header names through. */
type SiteName = AppName | `${AppName}, leniently`

const HANDLERS = ['a Node handler', 'a Fetch handler', 'a gullible Node handler', 'a gullible Fetch handler'] as const
const LENIENT = 'underscores_in_headers on; ignore_invalid_headers off;'

let starts: Promise<Serving>[] = []
let apps: Readonly<Record<AppName, Serving>>
let nginx: RunningNginx<SiteName>

describe.skipIf(nginxProgram === undefined)(
  `behind nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    beforeAll(async () => {
      starts = APP_NAMES.map((name) => serving(...APPS[name]))
      const started = await Promise.all(starts)
      apps = Object.fromEntries(APP_NAMES.map((name, index) => [name, started[index]])) as typeof apps
      const sites = APP_NAMES.flatMap((name): [SiteName, Site][] => {
        const file = name.includes('2022')
          ? 'flask-2022.conf'
          : name.includes('counting')
            ? 'keep-alive.conf'
            : 'flask.conf'
        const site = { file, app: apps[name].url }
        return [
          [name, site],
          [`${name}, leniently`, { ...site, also: LENIENT }],
        ]
      })
      nginx = await startNginx(HOST, Object.fromEntries(sites) as Record<SiteName, Site>)
    })

    afterAll(async () => {
      await nginx?.stop()
      for (const start of await Promise.allSettled(starts)) if (start.status === 'fulfilled') await start.value.stop()
    })

    /** What an app answers to a client that asks nginx. */
    async function answerOf(
      site: SiteName,
      scheme: 'http' | 'https',
      headers: readonly HeaderLine[] = [],
    ): Promise<Answer> {
      const { certificate, sites } = nginx
      const { body } = await ask({
        from: CLIENT,
        to: sites[site][scheme],
        target: TARGET,
        host: HOST,
        headers,
        certificate,
      })
      return JSON.parse(body) as Answer
    }

    describe.each(['http', 'https'] as const)('over %s', (scheme) => {
      describe.each(HANDLERS)('%s sees the client', (app) => {
        for (const { name, headers } of FORGERIES) {
          it(`that forges ${name}`, async () => {
            expect(await answerOf(app, scheme, headers)).toEqual(TRUTH[scheme])
          })

          it(`that forges ${name}, where nginx lets odd header names through`, async () => {
            expect(await answerOf(`${app}, leniently`, scheme, headers)).toEqual(TRUTH[scheme])
          })
        }
      })

      describe.each(['a Node handler, 2022', 'a gullible Fetch handler, 2022'] as const)(
        '%s sees the client where nginx names host and prefix in headers of their own',
        (app) => {
          for (const { name, headers } of FORGERIES) {
            it(`and the client forges ${name}`, async () => {
              expect(await answerOf(app, scheme, headers)).toEqual(TRUTH[scheme])
            })
          }
        },
      )
    })

    describe('without proxyFix', () => {
      it.each(['a Node handler', 'a Fetch handler'] as const)('%s takes nginx for the client', async (app) => {
        expect(await answerOf(`${app} without proxyFix`, 'http')).toEqual({
          ...TRUTH.http,
          address: '127.0.0.1',
          port: expect.any(Number) as number,
        })
      })

      it.each(['a Node handler', 'a Fetch handler'] as const)('%s takes HTTPS for HTTP', async (app) => {
        expect(await answerOf(`${app} without proxyFix`, 'https')).toEqual({
          ...TRUTH.http,
          address: '127.0.0.1',
          port: expect.any(Number) as number,
        })
      })

      describe.each(['a gullible Node handler', 'a gullible Fetch handler'] as const)('%s', (app) => {
        for (const { name, headers, fools } of FORGERIES.filter((forgery) => forgery.fools !== undefined)) {
          it(`is fooled by ${name}`, async () => {
            expect(await answerOf(`${app} without proxyFix`, 'http', headers)).toEqual({
              ...TRUTH.http,
              port: expect.any(Number) as number, // nginx's
              ...fools,
            })
          })
        }

        it('is fooled by odd header names that nginx lets through', async () => {
          const headers: HeaderLine[] = [
            ['X_Client_IP', '6.6.6.6'],
            ['X.Forwarded.For', '6.6.6.7'],
          ]
          const site = `${app} without proxyFix, leniently` as const
          expect(await answerOf(site, 'http', headers)).toMatchObject({ address: '6.6.6.6' })
        })
      })
    })

    describe.each(['a counting Node handler', 'a counting Fetch handler'] as const)('%s', (app) => {
      it.each([
        { atOnce: 1, connections: 60 },
        { atOnce: 4, connections: 120 },
        { atOnce: 59, connections: 589 }, // nginx keeps four open, and needs more
      ])('tells 59 clients apart on shared connections, $atOnce at once', async ({ atOnce, connections }) => {
        // Round after round of 127.0.0.2 … 127.0.0.60, so that neighbours on a connection are different clients.
        const questions = Array.from({ length: 10 }, (_round, round) =>
          Array.from({ length: 59 }, (_client, client) => ({
            from: `127.0.0.${client + 2}`,
            target: `/round/${round}`,
          })),
        ).flat()
        const clientsOf = new Map<number, Set<string>>()
        const wrong: string[] = []
        const lane = async (): Promise<void> => {
          for (let question = questions.pop(); question !== undefined; question = questions.pop()) {
            const { body } = await ask({ ...question, to: nginx.sites[app].http, host: HOST })
            const { connection, before, after } = JSON.parse(body) as Record<'before' | 'after', string> & {
              connection: number
            }
            const right = `${question.from} asks for ${question.target}`
            if (before !== right || after !== right) wrong.push(`${right}, it answered ${body}`)
            clientsOf.set(connection, (clientsOf.get(connection) ?? new Set()).add(question.from))
          }
        }
        await Promise.all(Array.from({ length: atOnce }, lane))

        expect(wrong).toEqual([])
        expect(clientsOf.size).toBeLessThanOrEqual(connections) // for 590 requests
        expect(Math.max(...[...clientsOf.values()].map((clients) => clients.size))).toBeGreaterThan(1)
      })
    })
  },
)
