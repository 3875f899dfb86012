/**
 * What does a connection show once its header was read? The proxy that sent it is the first hop, and was judged by its
 * address; whom it names stands where the peer stood. So `trustedProxies` judges that one next, and every library that
 * reads `req.socket` sees it, fixed requests or not.
 */

import { familyOf } from '../../request/socket-view.ts'
import type { Endpoint } from '../../trust/address.ts'
import type { LocalConnection, ProxiedConnection, ProxyProtocolAddress } from './header.ts'
import type { Tlv } from './tlv.ts'
import { type TlvValues, tlvValues } from './tlv-values.ts'

/** What the header of a connection said, and who sent it. */
export interface ProxyProtocolInfo extends TlvValues {
  /** Who has really opened this connection: the proxy. */
  readonly sender: Endpoint
  /** `local` when it named nobody: the connection is the proxy's own, as for a health check. */
  readonly result: 'proxy' | 'local'
  readonly version: 1 | 2
  /** How it named them. */
  readonly family?: 'ipv4' | 'ipv6' | 'unix'
  /** Whom the proxy named. */
  readonly source?: ProxyProtocolAddress
  /** Which address of the proxy that one had connected to. */
  readonly destination?: ProxyProtocolAddress
  /** Everything else that it told, unread. */
  readonly tlvs: readonly Tlv[]
}

// Registered, so that a second copy of the package finds it as well.
const INFO = Symbol.for('proxyfix.proxyProtocol')

interface Announced {
  readonly [INFO]?: ProxyProtocolInfo
  readonly socket?: Announced | null
}

export function infoOf(
  sender: Endpoint,
  { result, version, family, source, destination, tlvs = [] }: ProxiedConnection | LocalConnection,
): ProxyProtocolInfo {
  return { sender, result, version, ...(source && { family, source, destination }), tlvs, ...tlvValues(tlvs) }
}

/**
 * What the PROXY protocol header of a connection said, and who sent it.
 *
 * @param subject A socket of a server that `proxyProtocol` was given, or a Node request or response on it, fixed or not.
 * @returns `undefined` for a connection that came without a header.
 * @example
 * const { sender, destination, tls } = proxyProtocolInfo(req) ?? {}
 */
export function proxyProtocolInfo(subject: object): ProxyProtocolInfo | undefined {
  const announced: Announced = subject
  return announced[INFO] ?? announced.socket?.[INFO]
}

/**
 * Lets a socket show what its header said.
 * @param spokeTls Whether the client spoke TLS with the proxy. Nothing else would tell of it: headers of the proxy's are
 * not believed, as the client is the peer now.
 */
export function showOnSocket(socket: object, info: ProxyProtocolInfo, spokeTls: boolean): void {
  Object.defineProperty(socket, INFO, { value: info, configurable: true })
  if (info.source === undefined) return
  const { source, family } = info
  const own = (value: unknown): PropertyDescriptor => ({ value, configurable: true, enumerable: true, writable: true })
  // The path of a unix socket is no address: Node shows none at either end of one, and it must not pass for one.
  const isUnix = family === 'unix'
  const address = isUnix ? undefined : source.address
  Object.defineProperties(socket, {
    remoteAddress: own(address),
    remotePort: own(source.port),
    remoteFamily: own(familyOf(address)),
    ...(isUnix && { localAddress: own(undefined), localPort: own(undefined), localFamily: own(undefined) }),
    ...(spokeTls && { encrypted: own(true) }),
  })
}
