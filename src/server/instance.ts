/**
 * What serves connections, wherever they were accepted? One HTTP server for each address, all in front of one app:
 *
 *     PROXY protocol → TLS → limits → health → access log → proxyFix → static files → app
 */

import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TlsOptions } from 'node:tls'
import type { CallableHandler } from '../middleware/handler.ts'
import { proxyFix } from '../middleware/proxy-fix.ts'
import { isUnixSocket } from '../request/node-socket.ts'
import { unwrapSocket } from '../request/socket-view.ts'
import { fail } from '../trust/error.ts'
import type { TrustPolicy } from '../trust/policy.ts'
import { openAccessLog } from './access-log.ts'
import type { Bind } from './bind.ts'
import { checkApp, isHttpServer } from './check-app.ts'
import { type Drain, drainable, type StopOptions } from './drain.ts'
import { healthCheck } from './health.ts'
import { createHttpServer, type RefusedRequest, type UpgradeListener } from './http-server.ts'
import { answerOnSocket } from './last-answer.ts'
import { limited } from './limits.ts'
import { node } from './node.ts'
import { type ErrorAnswer, guarded, type NodeListener, nodeListener } from './node-listener.ts'
import type { CheckedOptions } from './options.ts'
import { proxyProtocol } from './proxy-protocol/receive.ts'
import { staticFiles } from './static-files.ts'
import { readTls } from './tls.ts'

/** What can be served: whatever is called with requests, or a server of `node:http` that does not listen. */
export type App = CallableHandler | HttpServer

/** Everything of a server but the sockets that it listens on. */
export interface Instance {
  /** Serves a connection that came by an address, by its place in the list. */
  take(socket: Socket, index: number): void
  windDown(): void
  stop(options: StopOptions): Promise<void>
  /** Reads the files of certificates again; throws, and keeps the old ones, when one cannot be used. */
  reloadCertificates(): void
  /** Opens the access log again, after it was moved away. */
  reopenLogs(): void
}

/** What whoever runs the server wants to hear of. */
export interface Hooks {
  /** Called before each request that the app gets. */
  readonly onRequest?: () => void
  /** Answers what the app threw. */
  readonly onError?: ErrorAnswer | undefined
}

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an app that cannot be served, or a log that cannot be opened. */
export function createInstance(app: App, options: CheckedOptions, hooks: Hooks = {}): Instance {
  const { targets, policy, limits, http2 } = options
  if (http2 && isOfHttp1(app)) {
    fail('An app of Express cannot be served over HTTP/2, which it does not take: leave the option http2 out.')
  }
  const served = entrancesOf(app, policy, options)
  const log = options.accessLog && openAccessLog(options.accessLog)
  let isServing = true

  const onRefused = (refused: RefusedRequest): void => {
    const { req, res, socket, status, hasBegun, isAnswered } = refused
    if (hasBegun === true || isAnswered === true) return tell(refused) // its line in the log is there, or under way
    if (res !== undefined) log?.onRequest(res.req, res)
    else if (req !== undefined) log?.onUpgrade(req, socket)
    else if (status !== 0) log?.onRefused(socket, status)
    tell(refused)
  }
  const bounded = limited(guarded(served.request, hooks.onError), limits, http2, ({ socket }, refusal) =>
    tell({ socket, ...refusal }),
  )
  const { health } = options
  const checkHealth = health === undefined ? undefined : healthCheck(health, () => isServing)
  const onRequest: NodeListener = (req, res) => {
    if (checkHealth?.(req, res) === true) return undefined
    log?.onRequest(req, res)
    hooks.onRequest?.()
    return bounded(req, res)
  }
  const { upgrade } = served
  const onUpgrade =
    upgrade &&
    ((req: IncomingMessage, socket: Socket, head: Buffer): void => {
      log?.onUpgrade(req, socket)
      if (!isServing) return answerOnSocket(socket, { status: 503, reason: 'the server is about to stop' })
      hooks.onRequest?.()
      guardUpgrade(upgrade, req, socket, head)
    })

  const servers = targets.map((target) => {
    const bind: Bind | undefined = 'on' in target ? undefined : target
    const certificate = certificateOf(bind, options)
    const tls = certificate && readTls(certificate)
    const onArrival = (req: IncomingMessage, res: ServerResponse): void => drain.owe(req, res)
    const server = createHttpServer({ limits, tls, http2, onArrival, onRequest, onUpgrade, onRefused })
    const drain: Drain = drainable(server)
    const receiving =
      bind?.proxyProtocol === undefined ? options.proxyProtocol : { ...options.proxyProtocol, from: bind.proxyProtocol }
    if (receiving !== undefined) {
      const onBadHeader = receiving.onRefused
      proxyProtocol(server, {
        ...receiving,
        onRefused: (refusal) => {
          say(
            `A connection from ${refusal.sender.address ?? 'a peer without an address'} was closed: ${refusal.reason}.`,
          )
          onBadHeader?.(refusal)
        },
      })
    }
    return { server, drain, certificate }
  })

  return {
    take(socket, index) {
      servers[index]?.drain.take(socket)
    },
    windDown() {
      isServing = false
      for (const { drain } of servers) drain.windDown()
    },
    async stop(how) {
      isServing = false
      await Promise.all(servers.map(({ drain }) => drain.stop(how)))
      log?.close()
    },
    reloadCertificates() {
      const fresh = servers.map(({ certificate }) => certificate && readTls(certificate)) // all or none
      for (const [index, { server }] of servers.entries()) {
        const context = fresh[index]
        if (context !== undefined) (server as unknown as HttpsServer).setSecureContext(context as TlsOptions)
      }
    },
    reopenLogs() {
      log?.reopen()
    },
  }
}

/** Whether an address speaks TLS, and with what. */
export function certificateOf(bind: Bind | undefined, { tls }: Pick<CheckedOptions, 'tls'>): CheckedOptions['tls'] {
  return (bind !== undefined && 'tls' in bind ? bind.tls : undefined) ?? tls
}

interface Entrances {
  readonly request: NodeListener
  readonly upgrade?: UpgradeListener | undefined
}

/** How requests and upgrades come into an app. */
function entrancesOf(app: App, policy: TrustPolicy | undefined, options: CheckedOptions): Entrances {
  const { mounts } = options
  const { request, upgrade } = plainEntrancesOf(app, options)
  const withFiles = mounts.length === 0 ? request : staticFiles(mounts, request)
  if (policy === undefined) return { request: withFiles, upgrade }
  return { request: proxyFix(withFiles, policy), upgrade: upgrade && proxyFix(upgrade, policy) }
}

/** Whether an app makes requests its own that are of HTTP/1 for it, whatever they are: Express does. */
function isOfHttp1(app: App): boolean {
  if (isHttpServer(app)) {
    return app.listeners('request').some((listener) => isOfHttp1(listener as App))
  }
  return (
    typeof app === 'function' && (app as { readonly request?: unknown }).request instanceof node.http.IncomingMessage
  )
}

function plainEntrancesOf(app: App, options: CheckedOptions): Entrances {
  checkApp(app)
  if (isHttpServer(app)) {
    const server = app
    const upgrade: UpgradeListener = (...args) => server.emit('upgrade', ...args)
    return {
      request: (req, res) => void server.emit('request', req, res),
      ...(server.listenerCount('upgrade') > 0 && { upgrade }),
    }
  }
  const { upgrade } = app as { readonly upgrade?: unknown }
  if (typeof upgrade !== 'function') return { request: nodeListener(app, options) }
  return { request: nodeListener(app, options), upgrade: (...args) => Reflect.apply(upgrade, app, args) as unknown }
}

/** What an upgrade throws or rejects ends its connection, and nothing else. */
function guardUpgrade(upgrade: UpgradeListener, req: IncomingMessage, socket: Socket, head: Buffer): void {
  const onError = (error: unknown): void => {
    console.error(`Upgrade of ${JSON.stringify(req.url)} failed:`, error)
    socket.destroy()
  }
  socket.on('error', () => socket.destroy()) // until the app listens, nobody else would
  new Promise((resolve) => resolve(upgrade(req, socket, head))).catch(onError)
}

function tell({ socket, status, reason, isAnswered }: RefusedRequest): void {
  const real = unwrapSocket(socket) // whoever is connected, whatever the app is shown
  const peer = real.remoteAddress ?? (isUnixSocket(real) ? 'a unix socket' : 'a peer that is gone')
  const refused = status === 0 ? 'was refused' : `was refused, answered ${status}`
  const outcome = isAnswered === true ? 'was answered, and its connection is closed' : refused
  say(`A request from ${peer} ${outcome}: ${reason}.`)
}

function say(line: string): void {
  console.error(line) // unlike process.stderr.write, it outlives whoever has read it
}
