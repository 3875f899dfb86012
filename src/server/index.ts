/** The server's face: what `proxyfix/server` exports. */

import 'node:async_hooks' // as early as in cli/main.ts

export { type Bind, type FdBind, parseBind, type SystemdBind, type TcpBind, type UnixBind } from './bind.ts'
export type { Limits } from './limits.ts'
export type { ServerAddress } from './listen.ts'
export { loadApp } from './load-app.ts'
export type { AccessLogOptions, BindOption, ServeOptions } from './options.ts'
export {
  parseProxyProtocol,
  type LocalConnection,
  type NoHeader,
  type ParsedProxyProtocol,
  type ProxiedConnection,
  proxyProtocol,
  type ProxyProtocolAddress,
  proxyProtocolInfo,
  type ProxyProtocolInfo,
  type ProxyProtocolOptions,
  type ProxyProtocolRefusal,
  type ProxyProtocolTls,
  type Tlv,
  tlvValues,
  type TlvValues,
} from './proxy-protocol/index.ts'
export {
  type CloseOptions,
  createServer,
  type FetchApp,
  type RunningServer,
  serve,
  type UnstartedServer,
} from './serve.ts'
export type { Duration, ServeConfig, Size } from './serve-config.ts'
export type { TlsFiles, TlsOption } from './tls.ts'
