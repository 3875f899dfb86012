/** NestJS on Express. Its decorators are called as the functions that they are: Node runs no TypeScript decorators. */

import { Controller, Get, Module, Req } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import type { NestExpressApplication } from '@nestjs/platform-express'
import type { Request as ExpressRequest } from 'express'
import type { Server } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { proxyFix } from '../../../src/index.ts'
import { CLIENT, type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { MIDDLEWARE, middlewareWith, seen, type SessionKind } from './connect-middleware.ts'
import {
  type ConnectMiddleware,
  fixed,
  fixingMiddleware,
  type Listener,
  onOurServer,
  passOn,
  type RunningApp,
  wrapped,
} from './running.ts'

class ReportController {
  async report(req: ExpressRequest): Promise<Report> {
    await turn()
    const { ip, protocol, secure, host, hostname, url, originalUrl, baseUrl } = req
    const href = `${protocol}://${host}${originalUrl}`
    return { ip, protocol, secure, host, hostname, url, originalUrl, baseUrl, href, ...seen(req) }
  }
}
Controller()(ReportController)
Get('*path')(
  ReportController.prototype,
  'report',
  Object.getOwnPropertyDescriptor(ReportController.prototype, 'report')!,
)
Req()(ReportController.prototype, 'report', 0)

// oxlint-disable-next-line typescript/no-extraneous-class -- what a module is, its decorator says
class AppModule {}
Module({ controllers: [ReportController] })(AppModule)

type MakeNest = (first: ConnectMiddleware) => Promise<NestExpressApplication>

function appWith(trustProxy: boolean | number | string, session: SessionKind): () => MakeNest {
  return () => async (first) => {
    const app = await NestFactory.create<NestExpressApplication>(AppModule, { logger: false })
    app.set('trust proxy', trustProxy)
    app.use(first, ...middlewareWith(session, { protocol: (req) => (req as ExpressRequest).protocol }))
    return app
  }
}

async function started(app: NestExpressApplication): Promise<RunningApp> {
  await app.listen(0, '127.0.0.1')
  return { url: await app.getUrl(), close: () => app.close() }
}

/** The Express app inside. */
async function listenerOf(app: NestExpressApplication): Promise<Listener> {
  await app.init()
  return app.getHttpAdapter().getInstance() as unknown as Listener
}

export const nest: Framework<MakeNest> = {
  name: 'NestJS on Express',
  prefix: 'base and original URL',
  uses: MIDDLEWARE,
  settings: [
    { name: 'trust proxy false and express-session', app: appWith(false, 'express-session'), withoutProxyFix: PEER },
    {
      name: 'trust proxy loopback and cookie-session',
      app: appWith('loopback', 'cookie-session'),
      withoutProxyFix: { ...LIAR, ip: CLIENT.ip },
    },
    {
      name: 'trust proxy true and express-session that trusts any proxy',
      app: appWith(true, 'express-session that trusts any proxy'),
      withoutProxyFix: LIAR,
    },
  ],
  ways: {
    'on its server, which is wrapped': async (make, options) => {
      const app = await make(passOn)
      fixed(app.getHttpServer() as Server, options)
      return await started(app)
    },
    'with proxyFix(options) as its first middleware': async (make, options) =>
      await started(await make(options === undefined ? passOn : proxyFix(options))),
    'with fixRequest in its first middleware': async (make, options) =>
      await started(await make(options === undefined ? passOn : fixingMiddleware(options))),
    'wrapped, on node:http': async (make, options) => await wrapped(await listenerOf(await make(passOn)), options),
    'on our server': async (make, options) => await onOurServer(await listenerOf(await make(passOn)), options),
  },
}
