/**
 * A Host that is none reaches a Fetch app as `localhost`, and is never a reason to fail: what a client wrote there must
 * not decide whether the app is called, and not fill a log with errors.
 */

import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { proxyFix, type ProxyFixOptions } from '../../../src/index.ts'
import { type RunningServer, serve } from '../../../src/server/index.ts'

const INVALID = [
  'evil.example:99999',
  'evil.example:0',
  'localhost:65536',
  'a_b:70000',
  'a:1:2',
  'a..b',
  'a b',
  'a@evil.example',
  'ex%41mple',
  '1.2.3.4.5',
  '999.1.1.1',
  '[::1]:99999',
  '[1::2::3]',
  '[::1',
]

const OPTIONS: ProxyFixOptions = { xFor: 1, xProto: 1 }

const app = {
  async fetch(request: Request): Promise<Response> {
    if (new URL(request.url).href !== request.url) throw new Error('The URL is none.')
    return new Response(`${request.method} ${request.url} ${await request.text()}`)
  },
}

describe.each([
  { name: 'fixed by the server', serving: () => serve(app, { bind: '127.0.0.1:0', proxyFix: OPTIONS }) },
  { name: 'wrapped by proxyFix', serving: () => serve(proxyFix(app, OPTIONS), { bind: '127.0.0.1:0' }) },
  { name: 'that nothing fixes', serving: () => serve(app, { bind: '127.0.0.1:0' }) },
])('a Fetch app $name', ({ serving }) => {
  let server: RunningServer

  beforeAll(async () => {
    server = await serving()
  })

  afterAll(() => server.close())

  it.each(INVALID)('is called for Host: %s', async (host) => {
    expect(await answer(host, 'GET', '')).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nGET http:\/\/localhost\/path $/)
  })

  it.each(INVALID)('is given the body that came with Host: %s', async (host) => {
    expect(await answer(host, 'POST', 'hello')).toMatch(
      /^HTTP\/1\.1 200 [^]*\r\n\r\nPOST http:\/\/localhost\/path hello$/,
    )
  })

  it.each([
    { name: 'a trailing dot', target: '/path', host: 'good.example.:81', url: 'http://good.example.:81/path' },
    { name: 'a target with a host', target: 'http://evil.example/path', host: 'a', url: 'http://a/path' },
    { name: 'neither', target: 'http://evil.example/path', host: '', url: 'http://localhost/path' },
  ])('is told the host that Host names: $name', async ({ target, host, url }) => {
    expect(await answer(host, 'GET', '', target)).toContain(`\r\n\r\nGET ${url} `)
  })

  /** The whole answer, as it came over the wire. */
  async function answer(host: string, method: string, body: string, target = '/path'): Promise<string> {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    const head = [
      `${method} ${target} HTTP/1.1`,
      `Host: ${host}`,
      `Content-Length: ${body.length}`,
      'Connection: close',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
    return await text(socket)
  }
})
