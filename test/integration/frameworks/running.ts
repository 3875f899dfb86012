/** The ways to put an app behind `proxyFix` and to start it, that most frameworks have in common. */

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import {
  type FetchObject,
  fixRequest,
  type FunctionHandler,
  proxyFix,
  type ProxyFixOptions,
} from '../../../src/index.ts'
import { serve } from '../../../src/server/index.ts'

export interface RunningApp {
  /** As in `http://127.0.0.1:8000`. */
  readonly url: string
  /** Whether it speaks HTTP/2. @default false */
  readonly http2?: boolean
  /** The certificate to accept, over TLS. */
  readonly certificate?: string
  close(): Promise<unknown>
}

/** What every Node framework has at its bottom. */
export type Listener = RequestListener & FunctionHandler

/** A middleware as Connect and Express take it. */
export type ConnectMiddleware = (
  req: Parameters<RequestListener>[0],
  res: Parameters<RequestListener>[1],
  next: (error?: unknown) => void,
) => void

/** Makes an app, with a middleware in front of all its others. */
export type MakeListener = (first: ConnectMiddleware) => Listener | Promise<Listener>

/** Wraps an app and starts it; without options it is not wrapped. */
export type Way<App> = (app: App, options?: ProxyFixOptions) => Promise<RunningApp>

/** A handler or a server, wrapped if there are options. */
export function fixed<H extends FunctionHandler | FetchObject | Server>(
  handler: H,
  options: ProxyFixOptions | undefined,
): H {
  return options === undefined ? handler : proxyFix(handler, options)
}

/** Waits until a server listens, on a free port if it was not started. */
export async function listening(
  server: Server,
  about: Pick<RunningApp, 'http2' | 'certificate'> = {},
): Promise<RunningApp> {
  if (!server.listening) {
    if (server.address() === null) server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const { port } = server.address() as AddressInfo // as it does not listen on a pipe
  const scheme = about.certificate === undefined ? 'http' : 'https'
  return {
    ...about,
    url: `${scheme}://127.0.0.1:${port}`,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}

export const wrapped: Way<Listener> = async (listener, options) =>
  await listening(createServer(fixed(listener, options)))

export const onWrappedServer: Way<Listener> = async (listener, options) =>
  await listening(fixed(createServer(listener), options))

/** Serves an app with `serve`, which wraps it. */
export async function onOurServer(app: FunctionHandler | FetchObject, options?: ProxyFixOptions): Promise<RunningApp> {
  return await serve(app, { bind: '127.0.0.1:0', ...(options !== undefined && { proxyFix: options }) })
}

/** Ways for an app that is a Node listener. */
export const listenerWays: Readonly<Record<string, Way<Listener>>> = {
  'wrapped, on node:http': wrapped,
  'on a node:http server that is wrapped': onWrappedServer,
  'on our server': onOurServer,
}

/** Called with the requests of HTTP/2, which are read like those of HTTP/1. */
type Http2Listener = NonNullable<Parameters<typeof createHttp2Server>[1]>

export const wrappedOnHttp2: Way<Listener> = async (listener, options) =>
  await listening(createHttp2Server(fixed(listener, options) as unknown as Http2Listener), { http2: true })

export const onWrappedHttp2Server: Way<Listener> = async (listener, options) =>
  await listening(fixed(createHttp2Server(listener as unknown as Http2Listener), options), { http2: true })

/** Ways for an app whose framework knows HTTP/2. */
export const http2Ways: Readonly<Record<string, Way<Listener>>> = {
  'wrapped, on node:http2': wrappedOnHttp2,
  'on a node:http2 server that is wrapped': onWrappedHttp2Server,
}

/** Ways for an app that takes Connect middleware. */
export const connectWays: Readonly<Record<string, Way<MakeListener>>> = {
  'wrapped, on node:http': async (make, options) => await wrapped(await make(passOn), options),
  'on a node:http server that is wrapped': async (make, options) => await onWrappedServer(await make(passOn), options),
  'with proxyFix(options) as its first middleware': async (make, options) =>
    await listening(createServer(await make(options === undefined ? passOn : proxyFix(options)))),
  'with fixRequest in its first middleware': async (make, options) =>
    await listening(createServer(await make(options === undefined ? passOn : fixingMiddleware(options)))),
  'on our server': async (make, options) => await onOurServer(await make(passOn), options),
}

export const passOn: ConnectMiddleware = (_req, _res, next) => next()

export function fixingMiddleware(options: ProxyFixOptions): ConnectMiddleware {
  return (req, _res, next) => {
    fixRequest(req, options)
    next()
  }
}
