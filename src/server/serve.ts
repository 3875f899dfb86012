/** The bundled server: an app, where to listen, whom to trust. */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { CallableHandler, FetchHandler } from '../middleware/handler.ts'
import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
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

/**
 * A server that does not listen yet, and is the one that does once `listen` has resolved. Before, it has no `url`, no
 * `addresses` and no certificates, and throws `ERR_PROXYFIX_OPTION` when it is asked for them. After `close` they stay
 * what they were, and it may listen again.
 */
export interface UnstartedServer extends RunningServer {
  /**
   * Starts listening on every address, or on none. Where it listens already, or is about to, nothing more is started.
   * @returns This server.
   * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when the access log cannot be opened, or for any argument: where to
   * listen is an option of `createServer`.
   * @throws ProxyFixError `ERR_PROXYFIX_BIND` when one is taken, not permitted or not of this machine.
   */
  listen(): Promise<RunningServer>
  /** As that of a server that listens; one that is still starting is closed once it has, and one that was not started is closed already. */
  close(options?: CloseOptions): Promise<void>
}

/**
 * Makes a server for an app without starting it.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an app, an address or an option that cannot be.
 * @example
 * await using server = createServer(app, { bind: ':8000' })
 * await server.listen()
 */
export function createServer(app: FetchHandler, options?: ServeOptions): UnstartedServer
export function createServer(app: FetchApp, options?: ServeOptions): UnstartedServer
export function createServer(app: CallableHandler | HttpServer, options?: ServeOptions): UnstartedServer
export function createServer(app: App, options: ServeOptions = {}): UnstartedServer {
  const checked = checkServeOptions(options)
  checkApp(app)
  /** From `listen` to `close`. */
  let current: Promise<Started> | undefined
  /** Those that are not closed yet: one that is to listen again waits for the one before. */
  const unclosed = new Set<Promise<Started>>()
  let listening: Started | undefined
  let closed = Promise.resolve()

  async function listen(...given: readonly unknown[]): Promise<RunningServer> {
    if (given.some((one) => one !== undefined)) failListen(given)
    const mine = (current ??= closed.then(() => start(app, checked)))
    unclosed.add(mine)
    try {
      listening = await mine
      return server
    } catch (error) {
      unclosed.delete(mine)
      if (current === mine) current = undefined // so that it can be tried again
      throw error
    }
  }
  async function close(how: CloseOptions = {}): Promise<void> {
    const timeout = timeoutOf(how)
    current = undefined
    const end = async (one: Promise<Started>): Promise<void> => {
      await (await one.catch(() => undefined))?.close(timeout)
      unclosed.delete(one)
    }
    closed = Promise.all([...unclosed].map(end)).then(() => undefined)
    await closed
  }
  const started = (): Started => listening ?? fail('The server does not listen yet: await its listen() first.')
  const methods = {
    listen,
    close,
    reloadCertificates: () => started().reloadCertificates(),
    [Symbol.asyncDispose]: () => close(),
  }
  // Not enumerable: what copies a server, or prints it, does not ask for them.
  const server: UnstartedServer = Object.defineProperties(methods, {
    url: { get: () => started().addresses[0]!.url },
    addresses: { get: () => started().addresses },
  }) as typeof methods & Pick<RunningServer, 'url' | 'addresses'>
  return server
}

function failListen([port, host]: readonly unknown[]): never {
  if (!/^\d+$/.test(String(port))) {
    fail(
      "listen takes nothing: say where to createServer, as in createServer(app, { bind: ':8000' }), and await listen().",
    )
  }
  const name = typeof host === 'string' ? (host.includes(':') ? `[${host}]` : host) : ''
  fail(`listen takes nothing: write createServer(app, { bind: ${show(`${name}:${String(port)}`)} }).`)
}

/** Checks the options of `close`. */
function timeoutOf(options: CloseOptions): number {
  if (typeof options === 'number') fail(`close takes an object: write close({ timeout: ${String(options)} }).`)
  if (typeof options === 'function')
    fail('close takes an object, as in close({ timeout: 10000 }), not a function: await it.')
  if (typeof options !== 'object' || options === null) {
    fail(`close takes an object, as in close({ timeout: 10000 }), not ${show(options)}.`)
  }
  for (const name in options) {
    if (name === 'timeout') continue
    const near = nearest(name, ['timeout'])
    fail(`close has no option ${show(name)}: ${near === undefined ? 'there is timeout.' : 'did you mean timeout?'}`)
  }
  const { timeout = 30_000 } = options
  if (!(typeof timeout === 'number' && timeout >= 0)) {
    fail(`The option timeout of close must be milliseconds, 0 or more, not ${String(timeout)}.`)
  }
  return timeout
}

/** What listens, from one `listen` to its `close`. */
interface Started {
  readonly addresses: readonly ServerAddress[]
  close(timeout: number): Promise<void>
  reloadCertificates(): void
}

async function start(app: App, options: CheckedOptions): Promise<Started> {
  const instance = createInstance(app, options)
  const listeners = await listenOnAll(
    options.targets,
    { backlog: options.backlog, cwd: options.cwd, isTls: (bind) => certificateOf(bind, options) !== undefined },
    instance.take,
  ).catch(async (error: unknown) => {
    await instance.stop({ timeout: 0, idle: 'close' }) // connections came by the addresses before
    throw error
  })
  return {
    addresses: listeners.map(({ address }) => address),
    close: async (timeout) => {
      instance.windDown()
      const left = await closeAllWhenEmpty(listeners, timeout)
      await instance.stop({ timeout: left, idle: 'close' })
    },
    reloadCertificates: instance.reloadCertificates,
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
