/** What is a decision called in telemetry? OpenTelemetry's names (semantic conventions for HTTP, 1.23 and later). */

import type { ConnectionInfo } from './connection.ts'
import { httpScheme } from './scheme.ts'

/** OpenTelemetry's attributes of a connection; what is not known is left out. */
export interface ConnectionAttributes {
  /** Who the client is, behind all proxies. */
  'client.address'?: string
  'client.port'?: number
  /** Who is connected: the proxy, where there is one. */
  'network.peer.address'?: string
  'network.peer.port'?: number
  /** The host that the client asked for; IPv6 without brackets. */
  'server.address'?: string
  'server.port'?: number
  'url.scheme'?: string
}

/**
 * The decision in OpenTelemetry's attribute names.
 *
 * @example
 * trace.getActiveSpan()?.setAttributes(connectionAttributes(connectionInfo(req)))
 */
export function connectionAttributes({ client, peer, scheme, hostname, port }: ConnectionInfo): ConnectionAttributes {
  return {
    ...(client.address !== undefined && { 'client.address': client.address }),
    ...(client.port !== undefined && { 'client.port': client.port }),
    ...(peer.address !== undefined && { 'network.peer.address': peer.address }),
    ...(peer.port !== undefined && { 'network.peer.port': peer.port }),
    ...(hostname !== undefined && { 'server.address': hostname.startsWith('[') ? hostname.slice(1, -1) : hostname }),
    ...(port !== undefined && { 'server.port': port }),
    'url.scheme': httpScheme(scheme),
  }
}
