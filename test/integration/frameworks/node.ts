/** Listeners without any framework, on every server that Node has. */

import { type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer, createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { setImmediate as turn } from 'node:timers/promises'
import { selfSignedCertificate } from '../certificate.ts'
import { type Framework, LIAR, PEER, type Report } from '../framework-suite.ts'
import { leftmost, withoutPort } from './gullible.ts'
import { fixed, http2Ways, type Listener, listenerWays, listening, type Way } from './running.ts'

/** Finds out about a request. */
type Reader = (req: IncomingMessage) => { ip: string; protocol: string; host: string }

function readSocket({ socket, headers }: IncomingMessage): ReturnType<Reader> {
  return {
    ip: socket.remoteAddress ?? '',
    protocol: 'encrypted' in socket && socket.encrypted === true ? 'https' : 'http',
    host: String(headers[':authority'] ?? headers.host),
  }
}

function readHeaders(req: IncomingMessage): ReturnType<Reader> {
  const { ip, protocol, host } = readSocket(req)
  return {
    ip: leftmost(req.headers['x-forwarded-for'], ip),
    protocol: leftmost(req.headers['x-forwarded-proto'], protocol),
    host: leftmost(req.headers['x-forwarded-host'], host),
  }
}

function listener(read: Reader): Listener {
  return async (req: IncomingMessage & { originalUrl?: string; baseUrl?: string }, res: ServerResponse) => {
    await turn()
    const { ip, protocol, host } = read(req)
    const { url = '', originalUrl = url, baseUrl = '' } = req
    const secure = protocol === 'https'
    res.setHeader('Set-Cookie', secure ? 'cart=7; Secure' : 'cart=7')
    const href = `${protocol}://${host}${originalUrl}`
    const report = { ip, protocol, secure, host, hostname: withoutPort(host), url, originalUrl, baseUrl, href }
    res.end(JSON.stringify(report satisfies Report))
  }
}

function settings(withoutProxyFix: Partial<Report>): Framework<Listener>['settings'] {
  return [
    { name: 'nothing but what the socket and Host say', app: () => listener(readSocket), withoutProxyFix },
    {
      name: 'X-Forwarded-* read by itself, from the left',
      app: () => listener(readHeaders),
      withoutProxyFix: LIAR,
    },
  ]
}

const { certificate, key } = selfSignedCertificate('internal.example')
const tls = { cert: certificate, key }

type Http2Listener = NonNullable<Parameters<typeof createHttp2Server>[1]>

export const nodeHttp: Framework<Listener> = {
  name: 'node:http',
  prefix: 'base and original URL',
  settings: settings(PEER),
  ways: listenerWays,
}

export const nodeHttps: Framework<Listener> = {
  name: 'node:https',
  prefix: 'base and original URL',
  scheme: 'https',
  settings: settings({ ...PEER, protocol: 'https' }),
  ways: {
    wrapped: async (app, options) => await listening(createHttpsServer(tls, fixed(app, options)), { certificate }),
    'on a server that is wrapped': async (app, options) =>
      await listening(fixed(createHttpsServer(tls, app), options), { certificate }),
  },
}

export const nodeHttp2: Framework<Listener> = {
  name: 'node:http2, without TLS,',
  prefix: 'base and original URL',
  settings: settings(PEER),
  ways: http2Ways,
}

/** A server that speaks both, as browsers need it. */
function secureWays(http2: boolean): Record<string, Way<Listener>> {
  const about = { certificate, http2 }
  return {
    wrapped: async (app, options) =>
      await listening(
        createSecureServer({ ...tls, allowHTTP1: true }, fixed(app, options) as unknown as Http2Listener),
        about,
      ),
    'on a server that is wrapped': async (app, options) =>
      await listening(
        fixed(createSecureServer({ ...tls, allowHTTP1: true }, app as unknown as Http2Listener), options),
        about,
      ),
  }
}

export const nodeHttp2Secure: Framework<Listener> = {
  name: 'node:http2, with TLS,',
  prefix: 'base and original URL',
  scheme: 'https',
  settings: settings({ ...PEER, protocol: 'https' }),
  ways: secureWays(true),
}

export const nodeHttp2SecureHttp1: Framework<Listener> = {
  name: 'node:http2, with TLS, asked in HTTP/1.1,',
  prefix: 'base and original URL',
  scheme: 'https',
  settings: settings({ ...PEER, protocol: 'https' }),
  ways: secureWays(false),
}
