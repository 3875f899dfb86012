/**
 * Two real proxies, one behind the other, and clients that go around the first. However much a client forges, and
 * whichever way in it takes, it is itself: what the trusted addresses vouch for ends there.
 */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectionInfo, proxyFix, type ProxyFixOptions } from '../../src/index.ts'
import { nginxProgram, type RunningNginx, startNginx } from './nginx.ts'
import { ask, type HeaderLine } from './wire.ts'

const CLIENT = '127.0.0.9'
const OUTER = '127.0.0.2'
const INNER = '127.0.0.1'
const HOST = 'shop.example'

const trustedProxies = [OUTER, INNER]

/** Settings that are right for both ways in. */
const RIGHT: readonly [name: string, options: ProxyFixOptions][] = [
  ['walks', { xFor: 'trusted', xProto: 'trusted', xHost: 'trusted', trustedProxies }],
  ['counts with trusted addresses', { xFor: 2, xProto: 2, xHost: 2, trustedProxies }],
  ['counts that are too high, with trusted addresses', { xFor: 9, xProto: 9, xHost: 9, trustedProxies }],
  ['a walk through Forwarded', { forwarded: 'trusted', trustedProxies }],
  ['a count of Forwarded with trusted addresses', { forwarded: 2, trustedProxies }],
]

const FORGERIES: readonly [name: string, headers: readonly HeaderLine[]][] = [
  ['nothing', []],
  [
    'values of its own',
    [
      ['X-Forwarded-For', '6.6.6.6'],
      ['X-Forwarded-Proto', 'wss'],
      ['X-Forwarded-Host', 'evil.example'],
      ['Forwarded', 'for=6.6.6.6;host=evil.example;proto=wss'],
    ],
  ],
  [
    'the addresses of the proxies',
    [
      ['X-Forwarded-For', `6.6.6.6, ${OUTER}, ${INNER}`],
      ['X-Forwarded-Proto', 'wss, wss, wss'],
      ['X-Forwarded-Host', 'evil.example, evil.example, evil.example'],
      ['Forwarded', `for=6.6.6.6;host=evil.example;proto=wss, for=${OUTER}, for=${INNER}`],
    ],
  ],
  [
    'a quote that is left open',
    [
      ['X-Forwarded-For', '"6.6.6.6'],
      ['Forwarded', 'for="6.6.6.6;host=evil.example;proto=wss'],
    ],
  ],
  [
    'a quote and a backslash at the end',
    [
      ['X-Forwarded-For', '"\\'],
      ['Forwarded', 'for=6.6.6.6;host="evil.example\\'],
    ],
  ],
  [
    'holes',
    [
      ['X-Forwarded-For', ',,'],
      ['Forwarded', ',;,'],
    ],
  ],
]

/** Whose headers an answer shows, as the app that is asked sees it. */
interface Seen {
  readonly client: string
  readonly scheme: string
  readonly host: string
}

describe.skipIf(nginxProgram === undefined)(
  `an app behind two nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    let app: Server
    let inner: RunningNginx<'inner'>
    let outer: RunningNginx<'outer'>
    let options: ProxyFixOptions

    beforeAll(async () => {
      app = createServer((req, res) => {
        // The options change from case to case, so the handler is wrapped anew.
        proxyFix((fixed: typeof req) => {
          const { client, scheme, host } = connectionInfo(fixed)
          res.end(JSON.stringify({ client: client.address, scheme, host }))
        }, options)(req)
      }).listen(0, INNER)
      await once(app, 'listening')
      const { port } = app.address() as AddressInfo
      inner = await startNginx(HOST, { inner: { file: 'chain.conf', app: `http://${INNER}:${port}` } })
      outer = await startNginx(HOST, {
        outer: { file: 'chain.conf', also: `proxy_bind ${OUTER};`, app: inner.sites.inner.http },
      })
    })

    afterAll(async () => {
      await outer?.stop()
      await inner?.stop()
      app.closeAllConnections()
      app.close()
    })

    async function seenThrough(to: string, headers: readonly HeaderLine[]): Promise<Seen> {
      const { certificate } = to.startsWith(outer.sites.outer.https) ? outer : inner
      const { body } = await ask({ from: CLIENT, to, host: HOST, headers, certificate })
      return JSON.parse(body) as Seen
    }

    describe.each(RIGHT)('with %s', (_, right) => {
      it.each(FORGERIES)('shows the client that sends %s through both', async (_name, headers) => {
        options = right
        expect(await seenThrough(outer.sites.outer.https, headers)).toEqual({
          client: CLIENT,
          scheme: 'https',
          host: HOST,
        })
      })

      it.each(FORGERIES)('shows the client that goes around the outer one and sends %s', async (_name, headers) => {
        options = right
        expect(await seenThrough(inner.sites.inner.https, headers)).toEqual({
          client: CLIENT,
          scheme: 'https',
          host: HOST,
        })
      })
    })

    it('would believe a client that goes around the outer one, were hops counted alone', async () => {
      options = { xFor: 2, xProto: 2, xHost: 2 }
      const [, headers] = FORGERIES[1]!
      expect(await seenThrough(inner.sites.inner.http, headers)).toEqual({
        client: '6.6.6.6',
        scheme: 'wss',
        host: 'evil.example',
      })
    })
  },
)
