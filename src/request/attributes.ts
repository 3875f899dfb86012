/** What is a decision called in telemetry? OpenTelemetry's names (semantic conventions for HTTP, 1.23 and later). */

import type { ConnectionInfo } from '../trust/connection.ts'
import { httpScheme } from '../trust/scheme.ts'
import { requireFix } from './fixed.ts'

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
 * @param source A fixed request, Node or Fetch, or a decision.
 * @throws ProxyFixError `ERR_PROXYFIX_NOT_FIXED` for a request that was not fixed.
 * @example
 * trace.getActiveSpan()?.setAttributes(connectionAttributes(req))
 */
export function connectionAttributes(source: object): ConnectionAttributes {
  const { client, peer, scheme, hostname, port } = isInfo(source)
    ? source
    : requireFix(source, 'connectionAttributes').decision
  return {
    ...(client.address !== undefined && { 'client.address': client.address }),
    ...(client.address !== undefined && client.port !== undefined && { 'client.port': client.port }),
    ...(peer.address !== undefined && { 'network.peer.address': peer.address }),
    ...(peer.port !== undefined && { 'network.peer.port': peer.port }),
    ...(hostname !== undefined && { 'server.address': hostname.startsWith('[') ? hostname.slice(1, -1) : hostname }),
    ...(port !== undefined && { 'server.port': port }),
    'url.scheme': httpScheme(scheme),
  }
}

function isInfo(source: object): source is ConnectionInfo {
  return 'verdicts' in source && 'client' in source
}
