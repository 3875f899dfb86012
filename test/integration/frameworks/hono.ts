/** Hono, on its adapter for Node. */

import { getRequestListener, type HttpBindings, serve } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono } from 'hono'
import { setCookie } from 'hono/cookie'
import type { Server } from 'node:http'
import type { Framework } from '../framework-suite.ts'
import { gullibleOrNot, reportRequest } from './fetch-app.ts'
import {
  fixed,
  type Listener,
  listening,
  onOurServer,
  onWrappedHttp2Server,
  wrapped,
  wrappedOnHttp2,
} from './running.ts'

type HonoApp = Hono<{ Bindings: HttpBindings }>

function appWith(isGullible: boolean): HonoApp {
  const hono: HonoApp = new Hono()
  return hono.get('/*', async (c) => {
    const report = await reportRequest(c.req.raw, getConnInfo(c).remote.address, isGullible)
    setCookie(c, 'cart', '7', { secure: report.secure })
    return c.json(report)
  })
}

function listener(fetch: HonoApp['fetch']): Listener {
  return getRequestListener(fetch, { overrideGlobalObjects: false }) as Listener
}

export const hono: Framework<HonoApp> = {
  name: 'Hono',
  prefix: 'none',
  settings: gullibleOrNot(appWith),
  ways: {
    'under its Node adapter, which is wrapped': async (app, options) => await wrapped(listener(app.fetch), options),
    'on its server, which is wrapped': async ({ fetch }, options) =>
      await listening(
        fixed(serve({ fetch, port: 0, hostname: '127.0.0.1', overrideGlobalObjects: false }) as Server, options),
      ),
    'wrapped, under its Node adapter': async (app, options) => await wrapped(listener(fixed(app, options).fetch)),
    'fetch wrapped, under its Node adapter': async (app, options) => await wrapped(listener(fixed(app.fetch, options))),
    'on our server, which wraps it': onOurServer,
    'wrapped, on our server': async (app, options) => await onOurServer(fixed(app, options)),
    'under its Node adapter, wrapped, on node:http2': async (app, options) =>
      await wrappedOnHttp2(listener(app.fetch), options),
    'under its Node adapter, on a node:http2 server that is wrapped': async (app, options) =>
      await onWrappedHttp2Server(listener(app.fetch), options),
  },
}
