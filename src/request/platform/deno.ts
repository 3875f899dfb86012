/** Deno passes `info`, whose `remoteAddr` tells who is connected, and upgrades only Requests that it made. */

import { facade } from '../facade.ts'
import type { PlatformArgument } from './argument.ts'
import { receivedOf, remember } from './received.ts'

/** What is read of `Deno.ServeHandlerInfo`. */
interface Info {
  readonly remoteAddr: { readonly transport?: string; readonly hostname?: string; readonly port?: number }
}

/** What is used of `Deno`. */
interface DenoNamespace {
  upgradeWebSocket(request: Request, ...rest: unknown[]): unknown
}

export function deno(argument: object, request: Request): PlatformArgument | undefined {
  if (!isInfo(argument)) return undefined
  const { hostname, port, transport } = argument.remoteAddr
  const isUnix = transport?.startsWith('unix') === true
  return {
    peer: hostname === undefined ? (isUnix ? {} : undefined) : { address: hostname, port },
    show(client, shown) {
      if (shown !== request && request.headers.has('upgrade')) {
        remember(shown, request)
        teachUpgrade()
      }
      if (client.address === hostname && client.port === port) return argument
      // Whoever has an address did not come over the unix socket that the proxy did, and has no path.
      return facade(argument, { remoteAddr: { transport: 'tcp', hostname: client.address, port: client.port } })
    },
  }
}

let taught: DenoNamespace['upgradeWebSocket'] | undefined

/**
 * Has `Deno.upgradeWebSocket` take the Requests that apps are given: of a Request that Deno did not make it makes a
 * response that never comes, and says nothing. Only once a client wants an upgrade, and in place, as everybody calls
 * it there, frameworks too; the other way, to change the Request that Deno made, leaves what the client wrote in it
 * for whoever copies it.
 */
function teachUpgrade(): void {
  const { Deno: namespace } = globalThis as { Deno?: DenoNamespace }
  const upgradeWebSocket = namespace?.upgradeWebSocket
  if (namespace === undefined || upgradeWebSocket === undefined || upgradeWebSocket === taught) return
  taught = (request, ...rest) => upgradeWebSocket.call(namespace, receivedOf(request), ...rest)
  namespace.upgradeWebSocket = taught
}

function isInfo(argument: object): argument is Info {
  const { remoteAddr } = argument as Partial<Info>
  if (typeof remoteAddr !== 'object' || remoteAddr === null) return false
  return typeof remoteAddr.transport === 'string' || typeof remoteAddr.hostname === 'string'
}
