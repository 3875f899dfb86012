/** Bun passes its `server`, which tells by `requestIP(request)` who is connected, and knows only Requests that it made. */

import { fixOf } from '../fixed.ts'
import { familyOf } from '../socket-view.ts'
import type { PlatformArgument } from './argument.ts'
import { rewrittenOf } from '../rewritten.ts'
import { receivedOf, remember } from './received.ts'

/** What is read of `Bun.Server`. */
interface Server {
  readonly url?: { readonly protocol: string }
  requestIP(request: Request): { address: string; family: string; port: number } | null
  upgrade?(request: Request, ...rest: unknown[]): boolean
  timeout?(request: Request, ...rest: unknown[]): void
}

export function bun(argument: object, request: Request): PlatformArgument | undefined {
  if (!isServer(argument)) return undefined
  const address = argument.requestIP(request)
  const isUnix = address === null && argument.url?.protocol === 'unix:'
  return {
    peer: address === null ? (isUnix ? {} : undefined) : { address: address.address, port: address.port },
    show(_, shown) {
      remember(shown, request)
      carryRoute(request, shown)
      teach(argument)
      return argument
    },
  }
}

/** What a request to one of Bun's routes has beside what a Request has: the path's parameters, and a jar of cookies. */
const ROUTE_FIELDS = ['params', 'cookies'] as const

/** Shows what a route has on a Request made from its request: the same jar, as Bun sends what is put into that one. */
export function carryRoute(from: object, to: Request): void {
  for (const name of ROUTE_FIELDS) {
    if (!(name in from) || name in to) continue
    const get = (): unknown => (from as { [name in (typeof ROUTE_FIELDS)[number]]?: unknown })[name]
    Object.defineProperty(to, name, { get, configurable: true, enumerable: true })
  }
}

const taught = new WeakSet<Server>()

/**
 * Has a server know the Requests that apps are given, and their clients. In place, since apps reach it by other ways
 * than the argument as well: as `this`, and as what `Bun.serve` gave them. It keeps no state: which client a Request
 * has is found by the Request.
 */
function teach(server: Server): void {
  if (taught.has(server)) return
  taught.add(server)
  const { requestIP, upgrade, timeout } = server
  define(server, 'requestIP', (request) => {
    const fix = fixOf(request)
    const client = fix?.decision.client ?? rewrittenOf(request).client
    if (client === undefined) return requestIP.call(server, receivedOf(request))
    const { address, port = 0 } = client
    const family = familyOf(address)
    return address === undefined || family === undefined ? null : { address, family, port }
  })
  if (upgrade !== undefined) {
    define(server, 'upgrade', (request, ...rest) => upgrade.call(server, receivedOf(request), ...rest))
  }
  if (timeout !== undefined) {
    define(server, 'timeout', (request, ...rest) => timeout.call(server, receivedOf(request), ...rest))
  }
}

function define<Name extends keyof Server>(server: Server, name: Name, value: NonNullable<Server[Name]>): void {
  Object.defineProperty(server, name, { value, configurable: true, writable: true })
}

function isServer(argument: object): argument is Server {
  return typeof (argument as Partial<Server>).requestIP === 'function'
}
