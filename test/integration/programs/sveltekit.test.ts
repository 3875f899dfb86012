/** SvelteKit on its adapter for Node, behind nginx with TLS. */

import { describe, expect, it } from 'vitest'
import type { Browser, Page } from '../browser.ts'
import { nginxProgram } from '../nginx.ts'
import { type BehindNginx, CLIENT, programBehindNginx, PROXY_NAMES } from './behind-nginx.ts'

const REFUSED = { status: 403, body: 'Cross-site POST form submissions are forbidden' }

describe.skipIf(nginxProgram === undefined)(
  `SvelteKit behind nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    describe('with nothing set', () => {
      const program = started({})
      itIsFixed(program)

      describe.each(PROXY_NAMES)('without proxyfix, nginx sends %s', (proxy) => {
        it('getClientAddress() and url show nginx and what it asks for', async () => {
          const { body } = await program().visit({ proxy }).get('https://shop.example/report')
          expect(JSON.parse(body)).toEqual({
            address: '127.0.0.1',
            origin: expect.stringMatching(/^https:\/\/127\.0\.0\.1:/) as string, // it takes everything for https
          })
        })

        it('a form action refuses its own form', async () => {
          const { status, body } = await order(program().visit({ proxy }))
          expect({ status, body }).toEqual(REFUSED)
        })
      })
    })

    describe('with headers that it believes by itself', () => {
      const program = started({ PROTOCOL_HEADER: 'x-forwarded-proto', HOST_HEADER: 'x-forwarded-host' })
      itIsFixed(program)

      it.each(PROXY_NAMES)('under proxyfix/auto, nginx sends %s, plain HTTP is http to url', async (proxy) => {
        const visitor = program().visit({ proxy, fixed: true, liar: true })
        expect(JSON.parse((await visitor.get('http://shop.example/report')).body)).toEqual({
          address: CLIENT,
          origin: 'http://shop.example',
        })
      })

      it('without proxyfix, nginx sends Forwarded, a form action takes the form of another site', async () => {
        const liar = program().visit({ proxy: 'Forwarded', liar: true })
        const { status, body } = await order(liar, 'http://evil.example')
        expect(status).toBe(200)
        expect(body).toContain('<p>tea for 127.0.0.1</p>')
      })
    })
  },
)

function started(variables: Readonly<Record<string, string>>): () => BehindNginx {
  return programBehindNginx({
    name: 'sveltekit',
    args: ['build/index.js'],
    variables,
    auto: { args: ['--import', 'proxyfix/auto'] },
  })
}

function itIsFixed(program: () => BehindNginx): void {
  describe.each(PROXY_NAMES)('under proxyfix/auto, nginx sends %s', (proxy) => {
    describe.each([
      ['an honest client', false],
      ['a liar', true],
    ])('to %s', (_, liar) => {
      it('getClientAddress() and url show the client and what it asks for', async () => {
        const { body } = await program().visit({ proxy, fixed: true, liar }).get('https://shop.example/report')
        expect(JSON.parse(body)).toEqual({ address: CLIENT, origin: 'https://shop.example' })
      })

      it('a form action takes its own form', async () => {
        const { status, body } = await order(program().visit({ proxy, fixed: true, liar }))
        expect(status).toBe(200)
        expect(body).toContain(`<p>tea for ${CLIENT}</p>`)
      })

      it.each(['http://evil.example', 'http://shop.example'])('a form action takes no form of %s', async (origin) => {
        const { status, body } = await order(program().visit({ proxy, fixed: true, liar }), origin)
        expect({ status, body }).toEqual(REFUSED)
      })
    })
  })
}

async function order(visitor: Browser, origin?: string): Promise<Page> {
  return await visitor.submit('https://shop.example/', { fields: new URLSearchParams({ sugar: 'no' }), origin })
}
