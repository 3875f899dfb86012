/** Koa. It has an original URL of its own making, which is the one that it routes by. */

import { setImmediate as turn } from 'node:timers/promises'
import Koa from 'koa'
import { CLIENT, type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { http2Ways, type Listener, listenerWays } from './running.ts'

function app(options: { proxy: boolean; maxIpsCount?: number }): () => Listener {
  return () => {
    const koa = new Koa(options)
    koa.use(async (ctx) => {
      await turn()
      const { ip, protocol, secure, host, hostname, url, href } = ctx
      ctx.cookies.set('cart', '7') // Secure where the request is
      ctx.body = { ip, protocol, secure, host, hostname, url, href } satisfies Report
    })
    return koa.callback()
  }
}

export const koa: Framework<Listener> = {
  name: 'Koa',
  prefix: 'none',
  settings: [
    { name: 'proxy false', app: app({ proxy: false }), withoutProxyFix: PEER },
    {
      name: 'proxy true and maxIpsCount 1',
      app: app({ proxy: true, maxIpsCount: 1 }),
      withoutProxyFix: { ...LIAR, ip: CLIENT.ip },
    },
    { name: 'proxy true', app: app({ proxy: true }), withoutProxyFix: LIAR },
  ],
  ways: { ...listenerWays, ...http2Ways },
}
