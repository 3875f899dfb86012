/** restify, which has no listener to wrap: it makes its server by itself. */

import type { IncomingMessage } from 'node:http'
import { createServer, type Request, type RestifyServer } from 'restify'
import { proxyFix } from '../../../src/index.ts'
import { type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { MIDDLEWARE, middlewareWith, seen, type SessionKind } from './connect-middleware.ts'
import { leftmost } from './gullible.ts'
import { fixed, fixingMiddleware, listening } from './running.ts'

function addressOf({ headers, socket }: IncomingMessage, isGullible: boolean): string {
  const address = socket.remoteAddress ?? ''
  return isGullible ? leftmost(headers['x-forwarded-for'], address) : address
}

function protocolOf(req: Request, isGullible: boolean): string {
  const protocol = req.isSecure() ? 'https' : 'http'
  return isGullible ? leftmost(req.headers['x-forwarded-proto'], protocol) : protocol
}

function appWith(session: SessionKind, isGullible = false): () => RestifyServer {
  return () => {
    const server = createServer()
    const middleware = middlewareWith(session, {
      address: (req) => addressOf(req, isGullible),
      protocol: (req) => protocolOf(req as Request, isGullible),
    })
    for (const each of middleware) {
      // It refuses functions that are async and take `next`, as express-rate-limit's is.
      server.use((req, res, next) => {
        each(req, res, next)
      })
    }
    server.get('*', (req, res, next) => {
      setImmediate(() => {
        const protocol = protocolOf(req, isGullible)
        const url = new URL(req.href())
        if (isGullible) url.host = leftmost(req.headers['x-forwarded-host'], url.host)
        url.protocol = protocol
        res.json({
          ip: addressOf(req, isGullible),
          protocol,
          secure: protocol === 'https',
          host: url.host,
          hostname: url.hostname,
          url: req.url!,
          href: url.href,
          ...seen(req),
        } satisfies Report)
        next()
      })
    })
    return server
  }
}

export const restify: Framework<RestifyServer> = {
  name: 'restify',
  prefix: 'none',
  uses: MIDDLEWARE,
  settings: [
    { name: 'express-session', app: appWith('express-session'), withoutProxyFix: PEER },
    { name: 'cookie-session', app: appWith('cookie-session'), withoutProxyFix: PEER },
    {
      name: 'X-Forwarded-* read by itself, from the left, and express-session that trusts any proxy',
      app: appWith('express-session that trusts any proxy', true),
      withoutProxyFix: LIAR,
    },
  ],
  ways: {
    'on its server, which is wrapped': async (app, options) => {
      fixed(app.server, options)
      return await listening(app.server)
    },
    'with proxyFix(options) before its routing': async (app, options) => {
      if (options !== undefined) app.pre(proxyFix(options))
      return await listening(app.server)
    },
    'with fixRequest before its routing': async (app, options) => {
      if (options !== undefined) app.pre(fixingMiddleware(options))
      return await listening(app.server)
    },
  },
}
