/** h3, whose getters are told by each call what to trust. */

import { setImmediate as turn } from 'node:timers/promises'
import { getRequestHost, getRequestIP, getRequestProtocol, getRequestURL, H3, setCookie, toNodeHandler } from 'h3'
import * as h3v1 from 'h3-v1'
import { serve } from 'srvx'
import { type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import {
  fixed,
  http2Ways,
  type Listener,
  listenerWays,
  onOurServer,
  onWrappedHttp2Server,
  onWrappedServer,
  type Way,
  wrapped,
} from './running.ts'
import { AT, started } from './srvx.ts'

interface Trust {
  readonly xForwardedFor?: boolean
  readonly xForwardedProto?: boolean
  readonly xForwardedHost?: boolean
}

const EVERYTHING: Trust = { xForwardedFor: true, xForwardedProto: true, xForwardedHost: true }

function appOfVersion1(trust: Trust): () => Listener {
  return () => {
    const app = h3v1.createApp()
    app.use(
      h3v1.eventHandler(async (event): Promise<Report> => {
        await turn()
        const protocol = h3v1.getRequestProtocol(event, trust)
        const url = h3v1.getRequestURL(event, trust)
        const { hostname, href, pathname, search } = url
        const secure = protocol === 'https'
        h3v1.setCookie(event, 'cart', '7', { secure })
        return {
          ip: h3v1.getRequestIP(event, trust),
          protocol,
          secure,
          host: h3v1.getRequestHost(event, trust),
          hostname,
          url: event.path,
          originalUrl: pathname + search,
          href,
        }
      }),
    )
    return h3v1.toNodeListener(app)
  }
}

export const h3Version1: Framework<Listener> = {
  name: 'h3 v1',
  prefix: 'original URL',
  settings: [
    { name: 'nothing trusted', app: appOfVersion1({ xForwardedProto: false }), withoutProxyFix: PEER },
    { name: 'its defaults', app: appOfVersion1({}), withoutProxyFix: PEER },
    { name: 'everything trusted', app: appOfVersion1(EVERYTHING), withoutProxyFix: LIAR },
  ],
  ways: { ...listenerWays, ...http2Ways },
}

function appOfVersion2(trust: Trust): () => H3 {
  return () =>
    new H3().all('/**', async (event): Promise<Report> => {
      await turn()
      const protocol = getRequestProtocol(event, trust)
      const { hostname, href } = getRequestURL(event, trust)
      const secure = protocol === 'https'
      setCookie(event, 'cart', '7', { secure })
      return {
        ip: getRequestIP(event, trust),
        protocol,
        secure,
        host: getRequestHost(event, trust),
        hostname,
        url: event.url.pathname + event.url.search,
        href,
      }
    })
}

function underNodeHandler(way: Way<Listener>): Way<H3> {
  return async (app, options) => await way(toNodeHandler(app) as Listener, options)
}

export const h3: Framework<H3> = {
  name: 'h3 v2',
  prefix: 'none',
  settings: [
    { name: 'nothing trusted', app: appOfVersion2({}), withoutProxyFix: PEER },
    { name: 'everything trusted', app: appOfVersion2(EVERYTHING), withoutProxyFix: LIAR },
  ],
  ways: {
    'under its Node handler, which is wrapped': underNodeHandler(wrapped),
    'under its Node handler, on a server that is wrapped': underNodeHandler(onWrappedServer),
    'under its Node handler, on a node:http2 server that is wrapped': underNodeHandler(onWrappedHttp2Server),
    'wrapped, on srvx': async (app, options) => await started(serve({ ...AT, fetch: fixed(app, options).fetch })),
    'on our server, which wraps it': onOurServer,
  },
}
