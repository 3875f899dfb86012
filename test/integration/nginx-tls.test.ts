/** What TLS that ends at nginx breaks, and `proxyFix` mends: redirects to HTTPS, `Secure` cookies, origins of forms. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxyFix } from '../../src/index.ts'
import { classics } from '../fixtures/apps/classics.js'
import { type Browser, browser, LIES } from './browser.ts'
import { nginxProgram, type RunningNginx, type Site, startNginx } from './nginx.ts'

const HOST = 'shop.example'
/** The setting for this nginx, which appends to every list. */
const OPTIONS = { xFor: 1, xProto: 1, xHost: 1, trustedProxies: 'loopback' } as const

type AppName = keyof typeof classics
const APP_NAMES = Object.keys(classics) as AppName[]
type SiteName = AppName | `${AppName}, fixed`

const servers: Server[] = []
let nginx: RunningNginx<SiteName>

describe.skipIf(nginxProgram === undefined)(
  `behind nginx with TLS${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    beforeAll(async () => {
      const sites = {} as Record<SiteName, Site> // filled here
      for (const name of APP_NAMES) {
        sites[name] = await serve(classics[name])
        sites[`${name}, fixed`] = await serve(proxyFix(classics[name], OPTIONS))
      }
      nginx = await startNginx(HOST, sites)
    })

    afterAll(async () => {
      await nginx?.stop()
      for (const server of servers) server.close()
    })

    describe.each(['expressRedirect', 'koaRedirect'] as const)('%s sends everybody to HTTPS', (app) => {
      it.each(['http://shop.example/', 'https://shop.example/'])('without proxyFix, for ever: %s', async (url) => {
        await expect(visit(app).open(url)).rejects.toThrow('Too many redirects: https://shop.example/')
      })

      it.each(['http://shop.example/', 'https://shop.example/'])('with proxyFix, once: %s', async (url) => {
        const page = await visit(`${app}, fixed`).open(url)
        expect(page).toMatchObject({ url: 'https://shop.example/', body: 'Welcome to https://shop.example' })
      })

      it('with proxyFix, also who says that this is HTTPS, at another host', async () => {
        const { location } = await visit(`${app}, fixed`, true).get('http://shop.example/')
        expect(location).toBe('https://shop.example/')
      })
    })

    describe.each(['expressSession', 'koaSession'] as const)('%s remembers who logged in', (app) => {
      it.each([
        ['an honest client', false],
        ['one who says that it is HTTP', true],
      ])('with proxyFix, over TLS: %s', async (_, isLiar) => {
        const visitor = visit(`${app}, fixed`, isLiar)
        await visitor.open('https://shop.example/login')
        expect(await visitor.open('https://shop.example/')).toMatchObject({ status: 200, body: 'Hello, Ada' })
      })
    })

    it('expressSession forgets who logged in without proxyFix: it sets no cookie', async () => {
      const visitor = visit('expressSession')
      expect(await visitor.get('https://shop.example/login')).toMatchObject({ status: 302, setCookie: [] })
      expect(await visitor.open('https://shop.example/')).toMatchObject({ status: 200, body: 'Hello, stranger' })
    })

    it('koaSession lets nobody log in without proxyFix: it refuses to set the cookie', async () => {
      const visitor = visit('koaSession')
      expect(await visitor.get('https://shop.example/login')).toMatchObject({ status: 500, setCookie: [] })
      expect(await visitor.open('https://shop.example/')).toMatchObject({ status: 200, body: 'Hello, stranger' })
    })

    it.each([
      ['expressSession', 302],
      ['koaSession', 500],
    ] as const)('%s with proxyFix, over plain HTTP, sets no cookie for who says it is HTTPS', async (app, status) => {
      const page = await visit(`${app}, fixed`, true).get('http://shop.example/login')
      expect(page).toMatchObject({ status, setCookie: [] })
    })

    describe('honoForms', () => {
      const ORDER = { fields: new URLSearchParams({ sugar: 'no' }) }

      it('refuses the form of its own site without proxyFix', async () => {
        const { status } = await visit('honoForms').submit('https://shop.example/order', ORDER)
        expect(status).toBe(403)
      })

      it.each([
        ['an honest client', false],
        ['one who says that it is at another host', true],
      ])('takes it with proxyFix: %s', async (_, isLiar) => {
        const page = await visit('honoForms, fixed', isLiar).submit('https://shop.example/order', ORDER)
        expect(page).toMatchObject({ status: 200, body: 'One tea, thank you' })
      })

      it.each(['https://evil.example', 'http://evil.example', 'http://shop.example'])(
        'refuses the form of %s with proxyFix',
        async (origin) => {
          const visitor = visit('honoForms, fixed', true)
          const { status } = await visitor.submit('https://shop.example/order', { ...ORDER, origin })
          expect(status).toBe(403)
        },
      )
    })
  },
)

async function serve(listener: (typeof classics)[AppName]): Promise<Site> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  servers.push(server)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // as it listens on no pipe
  return { file: 'chain.conf', app: `http://127.0.0.1:${port}` }
}

function visit(site: SiteName, isLiar = false): Browser {
  return browser({
    host: HOST,
    site: nginx.sites[site],
    certificate: nginx.certificate,
    from: '127.0.0.7', // nginx itself is 127.0.0.1
    lies: isLiar ? LIES : undefined,
  })
}
