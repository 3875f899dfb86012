/** Can this be served? What cannot is told of at construction, and not by every request. */

import type { Server as HttpServer } from 'node:http'
import { Server as NetServer } from 'node:net'
import { describeNonHandler, isHandler } from '../middleware/handler.ts'
import { fail } from '../trust/error.ts'
import { node } from './node.ts'

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION` */
export function checkApp(app: unknown): void {
  if (isHttpServer(app)) {
    if (app.listening) fail(`serve cannot serve ${describeNonHandler(app)}.`)
    if (app.listenerCount('request') > 0) return
    fail(
      'serve cannot serve a server that answers nothing: give it its handler first, as in http.createServer(handler).',
    )
  }
  if (!isHandler(app)) fail(`serve cannot serve ${describeNonHandler(app)}.`)
}

/** Whether it is a server of `node:http` or `node:https`; neither is loaded for what cannot be one. */
export function isHttpServer(app: unknown): app is HttpServer {
  return app instanceof NetServer && (app instanceof node.http.Server || app instanceof node.https.Server)
}
