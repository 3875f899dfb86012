/**
 * proxyfix: who the client of a request is and what it asked for, as far as the proxies that you run vouch
 * for it; one answer, whichever way the request is read.
 */

export { proxyFix } from './middleware/proxy-fix.ts'
export type {
  CallableHandler,
  FetchHandler,
  FetchObject,
  FunctionHandler,
  Handler,
  Middleware,
  ServerLike,
} from './middleware/handler.ts'
export { type ConnectionAttributes, connectionAttributes } from './request/attributes.ts'
export { clientKey, type ClientKeyOptions } from './request/client-key.ts'
export { fixRequest } from './request/fix-request.ts'
export { connectionInfo, type FixedConnectionInfo } from './request/fixed.ts'
export { unwrapSocket } from './request/socket-view.ts'
export { forwardingHeaders, type ForwardingHeadersOptions } from './request/upstream-headers.ts'
export { warnOnce, type WarnOnceOptions } from './request/warn-once.ts'
export type { Endpoint } from './trust/address.ts'
export type { TrustPredicate } from './trust/address-set.ts'
export type {
  Client,
  ConnectionFacts,
  ConnectionInfo,
  Field,
  HeaderSource,
  Refusal,
  RejectedValue,
  Verdict,
} from './trust/connection.ts'
export { ProxyFixError, type ProxyFixErrorCode } from './trust/error.ts'
export { explain, type Explanation } from './trust/explain.ts'
export type { ExplainedDecision, ExplainedField, ExplainedHop, ExplainedPeer, OtherCount } from './trust/explanation.ts'
export type { TableOptions } from './trust/explanation-table.ts'
export type { DecisionEvent, HopCount, ProxyFixOptions } from './trust/options.ts'
export { type TrustPolicy, trustPolicy } from './trust/policy.ts'
export { resolveConnection } from './trust/resolve.ts'
export type { SecretOption } from './trust/secret.ts'
