/**
 * Hono's adapter for Node passes `{ incoming }`, a Node request that the fix is made on. Tests of apps pass as much of it as
 * is read, `app.request('/', {}, { incoming: { socket: { remoteAddress: '10.0.0.1' } } })`: the peer is read from there too.
 */

import { facade } from '../facade.ts'
import { type SocketLike, socketView } from '../socket-view.ts'
import type { PlatformArgument } from './argument.ts'

interface Bindings {
  readonly incoming: { readonly socket: SocketLike }
}

export function hono(argument: object): PlatformArgument | undefined {
  if (!isBindings(argument)) return undefined
  const { incoming } = argument
  const { remoteAddress: address, remotePort: port } = incoming.socket
  return {
    peer: address === undefined ? undefined : { address, port },
    show(client, shown) {
      const socket = socketView(incoming.socket, client.address, client.port, shown.url.startsWith('https:'))
      return facade(argument, { incoming: facade(incoming, { socket }) })
    },
  }
}

function isBindings(argument: object): argument is Bindings {
  const { incoming } = argument as { incoming?: Partial<Bindings['incoming']> | null }
  if (typeof incoming !== 'object' || incoming === null) return false
  const { socket } = incoming
  return typeof socket === 'object' && socket !== null && 'remoteAddress' in socket
}
