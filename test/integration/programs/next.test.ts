/** `next start`, behind nginx with TLS. proxyfix/auto gets there by NODE_OPTIONS, as where nobody edits the command. */

import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { Browser, Page } from '../browser.ts'
import { nginxProgram } from '../nginx.ts'
import { root } from '../paths.ts'
import { CLIENT, programBehindNginx, PROXY_NAMES } from './behind-nginx.ts'

describe.skipIf(nginxProgram === undefined)(
  `Next behind nginx${nginxProgram === undefined ? ' (nginx is not installed)' : ''}`,
  () => {
    const program = programBehindNginx({
      name: 'next',
      args: ['node_modules/next/dist/bin/next', 'start', '-H', '127.0.0.1'],
      auto: { variables: { NODE_OPTIONS: `--import ${pathToFileURL(`${root}/dist/auto.js`).href}` } },
    })

    describe.each(PROXY_NAMES)('under proxyfix/auto, nginx sends %s', (proxy) => {
      describe.each([
        ['an honest client', false],
        ['a liar', true],
      ])('to %s', (_, liar) => {
        it.each(['http', 'https'])('headers() show the client, over %s', async (scheme) => {
          const visitor = program().visit({ proxy, fixed: true, liar })
          const { body } = await visitor.get(`${scheme}://shop.example/report`)
          expect(JSON.parse(body)).toEqual({
            address: CLIENT,
            scheme,
            host: 'shop.example',
            forwardedHost: 'shop.example',
            url: expect.stringMatching(`^${scheme}://localhost:\\d+/report$`) as string, // Next's own host, always
          })
        })

        it('a route handler redirects to the scheme and the host that the client asks for', async () => {
          const visitor = program().visit({ proxy, fixed: true, liar })
          const { status, location } = await visitor.get('https://shop.example/login')
          expect({ status, location }).toEqual({ status: 307, location: 'https://shop.example/report' })
        })

        it('proxy.js redirects within the site', async () => {
          const visitor = program().visit({ proxy, fixed: true, liar })
          const { url, status } = await visitor.open('https://shop.example/old')
          expect({ url, status }).toEqual({ url: 'https://shop.example/report', status: 200 })
        })

        it('a Server Action takes its own form, sets a Secure cookie and redirects', async () => {
          const { url, status, body } = await order(program().visit({ proxy, fixed: true, liar }))
          expect({ url, status }).toEqual({ url: 'https://shop.example/thanks', status: 200 })
          expect(body).toContain(`<p>tea for ${CLIENT}</p>`)
        })

        it('a Server Action called by a script: the page that Next asks itself for shows the client', async () => {
          const { status, body } = await orderByScript(program().visit({ proxy, fixed: true, liar }))
          expect(status).toBe(200)
          expect(body).toContain(`"tea for ${CLIENT}"`)
        })

        it('a Server Action takes no form of another site', async () => {
          const { url, status } = await order(program().visit({ proxy, fixed: true, liar }), 'https://evil.example')
          expect({ url, status }).toEqual(REFUSED)
        })
      })
    })

    describe('without proxyfix, nginx sends X-Forwarded-*', () => {
      it('headers() show what a liar says first, and the host that nginx asks for', async () => {
        const liar = program().visit({ proxy: 'X-Forwarded-*', liar: true })
        expect(JSON.parse((await liar.get('https://shop.example/report')).body)).toMatchObject({
          address: `6.6.6.6, ${CLIENT}`,
          host: expect.stringMatching(/^127\.0\.0\.1:/) as string,
        })
      })
    })

    describe('without proxyfix, nginx sends Forwarded', () => {
      it('headers() show nginx and what it asks for', async () => {
        const { body } = await program().visit({ proxy: 'Forwarded' }).get('https://shop.example/report')
        expect(JSON.parse(body)).toMatchObject({
          address: '127.0.0.1',
          scheme: 'http',
          forwardedHost: expect.stringMatching(/^127\.0\.0\.1:/) as string,
        })
      })

      it('headers() show what a liar says', async () => {
        const { body } = await program().visit({ proxy: 'Forwarded', liar: true }).get('https://shop.example/report')
        expect(JSON.parse(body)).toMatchObject({ address: '6.6.6.6', scheme: 'http', forwardedHost: 'evil.example' })
      })

      it('a route handler redirects to where a liar says', async () => {
        const liar = program().visit({ proxy: 'Forwarded', liar: true })
        expect((await liar.get('https://shop.example/login')).location).toBe('http://evil.example/report')
      })

      it('a Server Action refuses its own form', async () => {
        const { url, status } = await order(program().visit({ proxy: 'Forwarded' }))
        expect({ url, status }).toEqual(REFUSED)
      })

      it('a Server Action takes the form of another site', async () => {
        const { status, body } = await order(
          program().visit({ proxy: 'Forwarded', liar: true }),
          'https://evil.example',
        )
        expect(status).toBe(200)
        expect(body).toContain('<p>tea for 6.6.6.6</p>')
      })
    })
  },
)

const REFUSED = { url: 'https://shop.example/', status: 500 }

/** Sends the form of the first page as a browser does that runs no scripts. */
async function order(visitor: Browser, origin?: string): Promise<Page> {
  const fields = new FormData()
  fields.set(`$ACTION_ID_${await actionOf(visitor)}`, '')
  return await visitor.submit('https://shop.example/', { fields, origin })
}

/** Sends it as Next's script does. */
async function orderByScript(visitor: Browser): Promise<Page> {
  return await visitor.submit('https://shop.example/', {
    fields: '[]',
    accept: 'text/x-component',
    headers: [['Next-Action', await actionOf(visitor)]],
  })
}

async function actionOf(visitor: Browser): Promise<string> {
  const { body } = await visitor.get('https://shop.example/')
  const [, action] = /name="\$ACTION_ID_(\w+)"/.exec(body) ?? []
  if (action === undefined) throw new Error(`There is no form: ${body}`)
  return action
}
