/** Astro on its standalone server for Node, behind nginx with TLS. */

import { describe, expect, it } from 'vitest'
import type { Browser, Page } from '../browser.ts'
import { nginxProgram } from '../nginx.ts'
import { CLIENT, programBehindNginx, PROXY_NAMES } from './behind-nginx.ts'

const REFUSED = { status: 403, body: 'Cross-site POST form submissions are forbidden' }

describe.skipIf(nginxProgram === undefined)(
  `Astro behind nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    const program = programBehindNginx({
      name: 'astro',
      args: ['dist/server/entry.mjs'],
      auto: { args: ['--import', 'proxyfix/auto'] },
    })

    describe.each(PROXY_NAMES)('under proxyfix/auto, nginx sends %s', (proxy) => {
      describe.each([
        ['an honest client', false],
        ['a liar', true],
      ])('to %s', (_, liar) => {
        it.each(['http', 'https'])(
          'clientAddress and url show the client and what it asks for, over %s',
          async (scheme) => {
            const visitor = program().visit({ proxy, fixed: true, liar })
            const { body } = await visitor.get(`${scheme}://shop.example/report`)
            expect(JSON.parse(body)).toEqual({ address: CLIENT, origin: `${scheme}://shop.example` })
          },
        )

        it('a page takes its own form', async () => {
          const { status, body } = await order(program().visit({ proxy, fixed: true, liar }))
          expect(status).toBe(200)
          expect(body).toContain(`<p>tea for ${CLIENT}</p>`)
        })

        it.each(['http://evil.example', 'http://shop.example'])('a page takes no form of %s', async (origin) => {
          const { status, body } = await order(program().visit({ proxy, fixed: true, liar }), origin)
          expect({ status, body }).toEqual(REFUSED)
        })
      })
    })

    describe('without proxyfix', () => {
      it.each(PROXY_NAMES)('nginx sends %s, clientAddress is what a liar says', async (proxy) => {
        const { body } = await program().visit({ proxy, liar: true }).get('https://shop.example/report')
        expect(JSON.parse(body)).toMatchObject({ address: '6.6.6.6' })
      })

      it('nginx sends Forwarded, clientAddress and url show nginx and a host that nobody asks for', async () => {
        const { body } = await program().visit({ proxy: 'Forwarded' }).get('https://shop.example/report')
        expect(JSON.parse(body)).toEqual({ address: '127.0.0.1', origin: 'http://localhost' })
      })

      it('nginx sends Forwarded, a page refuses its own form', async () => {
        const { status, body } = await order(program().visit({ proxy: 'Forwarded' }))
        expect({ status, body }).toEqual(REFUSED)
      })
    })
  },
)

async function order(visitor: Browser, origin?: string): Promise<Page> {
  return await visitor.submit('https://shop.example/', { fields: new URLSearchParams({ sugar: 'no' }), origin })
}
