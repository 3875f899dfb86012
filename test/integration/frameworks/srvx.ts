/** srvx, which knows the client as `request.ip`. */

import type { Server as NodeServer } from 'node:http'
import { serve, type Server, type ServerOptions, type ServerRequest } from 'srvx'
import { toNodeHandler } from 'srvx/node'
import { CLIENT, type Framework, PEER } from '../framework-suite.ts'
import { answerRequest } from './fetch-app.ts'
import { fixed, type Listener, onOurServer, onWrappedHttp2Server, type RunningApp, wrapped } from './running.ts'

type SrvxApp = Pick<ServerOptions, 'trustProxy'> & { fetch: (request: ServerRequest) => Promise<Response> }

const report: SrvxApp['fetch'] = async (request) => await answerRequest(request, request.ip, false)

/** Starts a server of srvx. */
export async function started(server: Server): Promise<RunningApp> {
  await server.ready()
  return { url: server.url!, close: () => server.close(true) }
}

/** Where to listen. */
export const AT: Pick<ServerOptions, 'port' | 'hostname' | 'silent'> = { port: 0, hostname: '127.0.0.1', silent: true }

export const srvx: Framework<SrvxApp> = {
  name: 'srvx',
  prefix: 'none',
  settings: [
    { name: 'trustProxy false', app: () => ({ fetch: report, trustProxy: false }), withoutProxyFix: PEER },
    { name: 'trustProxy loopback', app: () => ({ fetch: report, trustProxy: 'loopback' }), withoutProxyFix: CLIENT },
    { name: 'trustProxy true', app: () => ({ fetch: report, trustProxy: true }), withoutProxyFix: { ip: '6.6.6.6' } },
  ],
  ways: {
    wrapped: async (app, options) => await started(serve({ ...AT, ...app, fetch: fixed(app.fetch, options) })),
    'on its server, which is wrapped': async (app, options) => {
      const server = serve({ ...AT, ...app, manual: true })
      fixed(server.node!.server as NodeServer, options)
      await server.serve()
      return await started(server)
    },
    'under its Node handler, which is wrapped': async ({ fetch }, options) =>
      await wrapped(toNodeHandler(fetch) as Listener, options),
    'under its Node handler, on a node:http2 server that is wrapped': async ({ fetch }, options) =>
      await onWrappedHttp2Server(toNodeHandler(fetch) as Listener, options),
    'on our server, which wraps it': async ({ fetch }, options) => await onOurServer({ fetch }, options),
  },
}
