/** Express 5 and 4. */

import express, { type Application, type Request as ExpressRequest } from 'express'
import express4 from 'express4'
import { CLIENT, type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { MIDDLEWARE, middlewareWith, seen, type SessionKind } from './connect-middleware.ts'
import { type ConnectMiddleware, connectWays, fixed, listening, passOn } from './running.ts'

type MakeExpress = (first: ConnectMiddleware) => Application

function appOf(create: () => Application, trustProxy: boolean | number | string, session: SessionKind): MakeExpress {
  return (first) => {
    const app = create().set('trust proxy', trustProxy).use(first)
    for (const middleware of middlewareWith(session, { protocol: (req) => (req as ExpressRequest).protocol }))
      app.use(middleware)
    return app.use((req, res) => {
      const { ip, protocol, secure, hostname, url, originalUrl, baseUrl } = req
      const host = create === express ? req.host : (req.get('Host') ?? '') // Express 4's `host` has no port
      const href = `${protocol}://${host}${originalUrl}`
      setImmediate(() => {
        res.json({
          ip,
          protocol,
          secure,
          host,
          hostname,
          url,
          originalUrl,
          baseUrl,
          href,
          ...seen(req),
        } satisfies Report)
      })
    })
  }
}

function framework(name: string, create: () => Application): Framework<MakeExpress> {
  const app = (trustProxy: boolean | number | string, session: SessionKind) => () => appOf(create, trustProxy, session)
  return {
    name,
    prefix: 'base and original URL',
    uses: MIDDLEWARE,
    settings: [
      { name: 'trust proxy false and express-session', app: app(false, 'express-session'), withoutProxyFix: PEER },
      { name: 'trust proxy false and cookie-session', app: app(false, 'cookie-session'), withoutProxyFix: PEER },
      {
        name: 'trust proxy 1 and express-session',
        app: app(1, 'express-session'),
        withoutProxyFix: { ...LIAR, ip: CLIENT.ip }, // one count for the address, none for the rest
      },
      {
        name: 'trust proxy loopback and cookie-session',
        app: app('loopback', 'cookie-session'),
        withoutProxyFix: { ...LIAR, ip: CLIENT.ip },
      },
      {
        name: 'trust proxy true and express-session that trusts any proxy',
        app: app(true, 'express-session that trusts any proxy'),
        withoutProxyFix: LIAR,
      },
      { name: 'trust proxy true and cookie-session', app: app(true, 'cookie-session'), withoutProxyFix: LIAR },
    ],
    ways: {
      ...connectWays,
      'wrapped, listening by itself': async (make, options) =>
        await listening(fixed(make(passOn), options).listen(0, '127.0.0.1')),
    },
  }
}

export const express5: Framework<MakeExpress> = framework('Express 5', express)
export const expressFour: Framework<MakeExpress> = framework('Express 4', express4)
