/** The bundled server: an app, where to listen, whom to trust. */

import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeNonHandler, type FetchHandler, type CallableHandler, isHandler } from '../middleware/handler.ts'
import { proxyFix } from '../middleware/proxy-fix.ts'
import { ProxyFixError } from '../trust/error.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { type TrustPolicy, trustPolicy } from '../trust/policy.ts'
import { type Bind, parseBind } from './bind.ts'
import { drainable } from './drain.ts'
import { guarded, nodeListener } from './node-listener.ts'

export interface ServeOptions {
  /** Where to listen: `8000`, `:8000`, `host:8000`, `[::1]:8000`, or several. @default '127.0.0.1:8000' */
  readonly bind?: string | readonly string[] | undefined
  /** Whom to trust, as for `proxyFix`. Absent: nobody; the app sees the peer. */
  readonly proxyFix?: ProxyFixOptions | TrustPolicy | undefined
}

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
  readonly addresses: readonly AddressInfo[]
  /** Takes no more requests, finishes those in flight, and resolves when all is closed. */
  close(options?: CloseOptions): Promise<void>
}

/** A server that does not listen yet. */
export interface UnstartedServer {
  /**
   * Starts listening on every address, or on none.
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
export function createServer(app: CallableHandler, options?: ServeOptions): UnstartedServer
export function createServer(app: CallableHandler, options: ServeOptions = {}): UnstartedServer {
  if (!isHandler(app)) fail(`serve cannot serve ${describeNonHandler(app)}.`)
  if (typeof options !== 'object' || options === null) {
    fail(`The options of serve must be an object like { bind: ':8000' }, not ${String(options)}.`)
  }
  for (const name in options) {
    if (name !== 'bind' && name !== 'proxyFix') fail(`There is no option '${name}': serve knows bind and proxyFix.`)
  }
  const { bind = '127.0.0.1:8000' } = options
  const binds = (Array.isArray(bind) ? (bind as readonly string[]) : [bind as string]).map(parseBind)
  if (binds.length === 0) fail("The option bind is an empty list: give at least one address, as in '127.0.0.1:8000'.")
  const policy = options.proxyFix === undefined ? undefined : trustPolicy(options.proxyFix)
  const plain = nodeListener(app)
  const listener = guarded(policy === undefined ? plain : proxyFix(plain, policy))

  return {
    async listen() {
      const servers = binds.map(() => createHttpServer(listener))
      const drains = servers.map(drainable)
      try {
        for (const [index, server] of servers.entries()) await listenOn(server, binds[index]!)
      } catch (error) {
        for (const server of servers) server.close()
        throw error
      }
      const addresses = servers.map((server) => server.address() as AddressInfo) // as none listens on a pipe
      const close = async ({ timeout = 30_000 }: CloseOptions = {}): Promise<void> => {
        if (!(typeof timeout === 'number' && timeout >= 0)) {
          fail(`The option timeout of close must be milliseconds, 0 or more, not ${String(timeout)}.`)
        }
        await Promise.all(drains.map((drain) => drain(timeout)))
      }
      return { url: urlOf(addresses[0]!), addresses, close, [Symbol.asyncDispose]: () => close() }
    },
  }
}

/**
 * Serves an app: Node `(req, res)`, Fetch `(request) => Response`, or an object with a `fetch` method.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, or `ERR_PROXYFIX_BIND` when it cannot listen there.
 * @example
 * const server = await serve(app, { bind: ':8000', proxyFix: { xFor: 1, xProto: 1 } })
 * console.log(server.url)
 */
export async function serve(app: FetchHandler, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: FetchApp, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: CallableHandler, options?: ServeOptions): Promise<RunningServer>
export async function serve(app: CallableHandler, options: ServeOptions = {}): Promise<RunningServer> {
  return await createServer(app, options).listen()
}

/** Where an address can be reached from this machine. */
export function urlOf({ address, port }: AddressInfo): string {
  const host = isEveryInterface(address) ? 'localhost' : address
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}

export function isEveryInterface(address: string): boolean {
  return address === '::' || address === '0.0.0.0'
}

async function listenOn(server: Server, bind: Bind): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(bindError(error, bind))
    server.once('error', onError)
    server.listen(bind, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; stop the program that has it, or choose another',
  EACCES: 'this user may not use that port; choose one above 1023',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'that name has no address',
}

function bindError(error: NodeJS.ErrnoException, { host = '*', port }: Bind): ProxyFixError {
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const reason = REASONS[error.code ?? ''] ?? error.message
  return new ProxyFixError('ERR_PROXYFIX_BIND', `Cannot listen on ${address}: ${reason}.`, { cause: error })
}

function fail(message: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', message)
}
