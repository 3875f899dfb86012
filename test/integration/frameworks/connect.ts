/** Connect and polka: routes and middleware, no getters. Their apps read the request as Node gives it. */

import type { ServerResponse } from 'node:http'
import connect from 'connect'
import polka from 'polka'
import { type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { MIDDLEWARE, middlewareWith, seen, type SeenRequest, type SessionKind } from './connect-middleware.ts'
import { leftmost, withoutPort } from './gullible.ts'
import { type ConnectMiddleware, connectWays, type Listener, type MakeListener } from './running.ts'

function socketProtocol({ socket }: SeenRequest): string {
  return 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http'
}

function headerProtocol(req: SeenRequest): string {
  return leftmost(req.headers['x-forwarded-proto'], socketProtocol(req))
}

/** What stands behind the app's own middleware: the route. */
function route(isGullible: boolean): (req: SeenRequest, res: ServerResponse) => void {
  return (req, res) => {
    const { socket, headers, url = '', originalUrl = '', baseUrl = '' } = req
    const ip = isGullible ? leftmost(headers['x-forwarded-for'], socket.remoteAddress!) : socket.remoteAddress!
    const protocol = isGullible ? headerProtocol(req) : socketProtocol(req)
    const host = isGullible ? leftmost(headers['x-forwarded-host'], headers.host!) : headers.host!
    const href = `${protocol}://${host}${originalUrl}`
    const report: Report = {
      ip,
      protocol,
      secure: protocol === 'https',
      host,
      hostname: withoutPort(host),
      url,
      originalUrl,
      baseUrl,
      href,
      ...seen(req),
    }
    setImmediate(() => res.end(JSON.stringify(report)))
  }
}

type Build = (middleware: readonly ConnectMiddleware[], last: ReturnType<typeof route>) => Listener

function framework(name: string, build: Build): Framework<MakeListener> {
  const app =
    (session: SessionKind, isGullible = false) =>
    (): MakeListener =>
    (first) => {
      const own = {
        address: ({ headers, socket }: SeenRequest) =>
          isGullible ? leftmost(headers['x-forwarded-for'], socket.remoteAddress!) : socket.remoteAddress!,
        protocol: isGullible ? headerProtocol : socketProtocol,
      }
      return build([first, ...middlewareWith(session, own)], route(isGullible))
    }
  return {
    name,
    prefix: 'base and original URL',
    uses: MIDDLEWARE,
    settings: [
      { name: 'express-session', app: app('express-session'), withoutProxyFix: PEER },
      { name: 'cookie-session', app: app('cookie-session'), withoutProxyFix: PEER },
      {
        name: 'X-Forwarded-* read by itself, from the left, and express-session that trusts any proxy',
        app: app('express-session that trusts any proxy', true),
        withoutProxyFix: LIAR,
      },
    ],
    ways: connectWays,
  }
}

export const connectApps: Framework<MakeListener> = framework('Connect', (middleware, last) => {
  const app = connect()
  for (const each of middleware) app.use(each)
  return app.use(last)
})

export const polkaApps: Framework<MakeListener> = framework('polka', (middleware, last) => {
  return polka()
    .use(...middleware)
    .get('*', last).handler
})
