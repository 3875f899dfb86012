/** The PROXY protocol's face: what `proxyfix/server` hands on of it. */

export { proxyProtocolInfo, type ProxyProtocolInfo } from './connection.ts'
export type {
  LocalConnection,
  NoHeader,
  ParsedProxyProtocol,
  ProxiedConnection,
  ProxyProtocolAddress,
} from './header.ts'
export type { ProxyProtocolOptions, ProxyProtocolRefusal } from './options.ts'
export { parseProxyProtocol } from './parse.ts'
export { proxyProtocol } from './receive.ts'
export type { Tlv } from './tlv.ts'
export { type ProxyProtocolTls, type TlvValues, tlvValues } from './tlv-values.ts'
