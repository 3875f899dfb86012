/** Fastify. Its app takes the wrapping when it is made (`serverFactory`, a hook) or after (`server`, `routing`). */

import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { fixRequest } from '../../../src/index.ts'
import { CLIENT, type Framework, PEER, type Report } from '../framework-suite.ts'
import { fixed, type Listener, listening, onOurServer, type RunningApp, wrapped } from './running.ts'

type MakeFastify = (options?: { serverFactory: (handler: RequestListener) => Server }) => FastifyInstance

function appWith(trustProxy: NonNullable<FastifyServerOptions['trustProxy']>): () => MakeFastify {
  return () => (options) => {
    const instance = Fastify({ trustProxy, ...options })
    instance.get('/*', (request, reply) => {
      setImmediate(() => {
        const { ip, protocol, host, hostname, url, originalUrl } = request
        const secure = protocol === 'https'
        const href = `${protocol}://${host}${originalUrl}`
        void reply
          .header('Set-Cookie', secure ? 'cart=7; Secure' : 'cart=7')
          .send({ ip, protocol, secure, host, hostname, url, originalUrl, href } satisfies Report)
      })
    })
    return instance
  }
}

async function started(app: FastifyInstance, about: { http2?: true } = {}): Promise<RunningApp> {
  return { ...about, url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() }
}

export const fastify: Framework<MakeFastify> = {
  name: 'Fastify',
  prefix: 'original URL',
  settings: [
    { name: 'trustProxy false', app: appWith(false), withoutProxyFix: PEER },
    { name: 'trustProxy loopback', app: appWith('loopback'), withoutProxyFix: CLIENT },
    { name: 'trustProxy true', app: appWith(true), withoutProxyFix: { ...CLIENT, ip: '6.6.6.6' } },
  ],
  ways: {
    'wrapped by serverFactory': async (make, options) =>
      await started(make({ serverFactory: (handler) => createServer(fixed(handler as Listener, options)) })),
    'on its server, which is wrapped': async (make, options) => {
      const app = make()
      fixed(app.server, options)
      return await started(app)
    },
    'with fixRequest in an onRequest hook': async (make, options) => {
      const app = make()
      if (options !== undefined) {
        app.addHook('onRequest', async ({ raw }) => {
          fixRequest(raw, options)
        })
      }
      return await started(app)
    },
    'wrapped routing, on node:http': async (make, options) => {
      const app = make()
      await app.ready()
      return await wrapped(app.routing as Listener, options)
    },
    'routing, on our server': async (make, options) => {
      const app = make()
      await app.ready()
      return await onOurServer(app.routing as Listener, options)
    },
    'on a node:http2 server that is wrapped': async (make, options) => {
      const app = make()
      await app.ready()
      // Its requests are read like those of HTTP/1.
      const routing = app.routing as unknown as NonNullable<Parameters<typeof createHttp2Server>[1]>
      return await listening(fixed(createHttp2Server(routing), options), { http2: true })
    },
  },
}
