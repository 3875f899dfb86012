/** Remix's adapter for Node passes the client as `{ address, family, port }`. */

import { familyOf } from '../socket-view.ts'
import type { PlatformArgument } from './argument.ts'

interface ClientAddress {
  readonly address: string
  readonly family: string | undefined
  readonly port: number | undefined
}

export function remix(argument: object): PlatformArgument | undefined {
  if (!isClientAddress(argument)) return undefined
  const { address, port } = argument
  return {
    peer: address === '' ? undefined : { address, port }, // a unix socket, or a connection that is gone
    show: (client) => ({
      ...argument,
      address: client.address ?? '',
      family: familyOf(client.address),
      port: client.port,
    }),
  }
}

/** Has these three, and not by chance, as the environment of a Worker might. */
function isClientAddress(argument: object): argument is ClientAddress {
  if (!('address' in argument && 'family' in argument && 'port' in argument)) return false
  const { address, family, port } = argument
  return (
    typeof address === 'string' &&
    (family === 'IPv4' || family === 'IPv6' || family === undefined) &&
    (typeof port === 'number' || port === undefined)
  )
}
