/** The bundled server: an app, where to listen, whom to trust. */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { CallableHandler, FetchHandler } from '../middleware/handler.ts'
import { fail } from '../trust/error.ts'
import { checkApp } from './check-app.ts'
import { type App, certificateOf, createInstance } from './instance.ts'
import { closeAllWhenEmpty, listenOnAll, type ServerAddress } from './listen.ts'
import { type CheckedOptions, checkServeOptions, type ServeOptions } from './options.ts'

/** An app that answers by its `fetch`, given the Node request and response behind the Request as well. */
export interface FetchApp {
  fetch(
    request: Request,
    platform: { incoming: IncomingMessage; outgoing: ServerResponse },
  ): Response | Promise<Response>
}

export interface CloseOptions {
  /** Milliseconds that requests in flight are given to finish; then their connections are cut. `Infinity`: as long as it takes. @default 30000 */
  readonly timeout?: number | undefined
}

/** A server that listens. `await using server = await serve(app)` closes it at the end of the block. */
export interface RunningServer extends AsyncDisposable {
  /** Where the first address can be reached from this machine, as in `http://127.0.0.1:8000`. */
  readonly url: string
  /** Every address it listens on, with the port that it got. */
  readonly addresses: readonly ServerAddress[]
  /** Takes no more requests, finishes those in flight, and resolves when all is closed. */
  close(options?: CloseOptions): Promise<void>
  /** Reads the files of certificates again; throws `ERR_PROXYFIX_OPTION`, and keeps the old ones, when one cannot be used. */
  reloadCertificates(): void
}

/** A server that does not listen yet. */
export interface UnstartedServer {
  /**
   * Starts listening on every address, or on none. Called again, it starts another server beside the first.
   * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the access log cannot be opened.
   * @throws ProxyFixError `ERR_PROXYFIX_BIND` when one is taken, not permitted or not of this machine.
   */
  listen(): Promise<RunningServer>
}

/**
 * Makes a server for an app without starting it.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an app, an address or an option that cannot be.
 */
export function createServer(app: FetchHandler, options?: ServeOptions): UnstartedServer
export function createServer(app: FetchApp, options?: ServeOptions): UnstartedServer
export function createServer(app: CallableHandler | HttpServer, options?: ServeOptions): UnstartedServer
export function createServer(app: App, options: ServeOptions = {}): UnstartedServer {
  const checked = checkServeOptions(options)
  checkApp(app)
  return { listen: () => listen(app, checked) }
}

/** Each server that listens has an instance of its own, so that closing one leaves another alone. */
async function listen(app: App, options: CheckedOptions): Promise<RunningServer> {
  const instance = createInstance(app, options)
  const listeners = await listenOnAll(
    options.targets,
    { backlog: options.backlog, cwd: options.cwd, isTls: (bind) => certificateOf(bind, options) !== undefined },
    instance.take,
  ).catch(async (error: unknown) => {
    await instance.stop({ timeout: 0, idle: 'close' }) // connections came by the addresses before
    throw error
  })
  const addresses = listeners.map(({ address }) => address)
  const close = async ({ timeout = 30_000 }: CloseOptions = {}): Promise<void> => {
    if (!(typeof timeout === 'number' && timeout >= 0)) {
      fail(`The option timeout of close must be milliseconds, 0 or more, not ${String(timeout)}.`)
    }
    instance.windDown()
    const left = await closeAllWhenEmpty(listeners, timeout)
    await instance.stop({ timeout: left, idle: 'close' })
  }
  return {
    url: addresses[0]!.url,
    addresses,
    close,
    reloadCertificates: instance.reloadCertificates,
    [Symbol.asyncDispose]: () => close(),
  }
}

/**
 * Serves an app: Node `(req, res)`, Fetch `(request) => Response`, an object with a `fetch` method, or a server of
 * `node:http` that does not listen. An app that has an `upgrade` method `(req, socket, head)` is given upgrades too.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, or `ERR_PROXYFIX_BIND` when it cannot listen there.
 * @example
 * const server = await serve(app, { bind: ':8000', proxyFix: { xFor: 1, xProto: 1 } })
 * console.log(server.url)
 */
export async function serve(app: FetchHandler, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: FetchApp, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: CallableHandler | HttpServer, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: App, options: ServeOptions = {}): Promise<RunningServer> {
  return await createServer(app as CallableHandler, options).listen()
}
