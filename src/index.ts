/**
 * proxyfix: who the client of a request is and what it asked for, as far as the proxies that you run vouch
 * for it; one answer, whichever way the request is read.
 */

export { proxyFix } from './middleware/proxy-fix.ts'
export type { Answer, PlainAnswer } from './middleware/answer.ts'
export { connect, type ConnectMiddleware } from './middleware/connect.ts'
export { HeaderRewriter } from './middleware/header-rewriter.ts'
export type { HeaderRules, RewriteTable } from './middleware/header-table.ts'
export { mount, type Mounted } from './middleware/mount.ts'
export { allowHosts } from './middleware/rewriters/allow-hosts.ts'
export { realIp } from './middleware/rewriters/real-ip.ts'
export { requestId, type RequestIdOptions } from './middleware/rewriters/request-id.ts'
export {
  type HstsOptions,
  securityRedirect,
  type SecurityRedirectOptions,
} from './middleware/rewriters/security-redirect.ts'
export { serverTiming } from './middleware/rewriters/server-timing.ts'
export { stack, type StackItem } from './middleware/stack.ts'
export type {
  CallableHandler,
  FetchHandler,
  FetchObject,
  FunctionHandler,
  Handler,
  Middleware,
} from './middleware/handler.ts'
export type { ServerLike } from './middleware/whole-server.ts'
export { type ConnectionAttributes, connectionAttributes } from './request/attributes.ts'
export { clientKey, type ClientKeyOptions } from './request/client-key.ts'
export { fixRequest } from './request/fix-request.ts'
export { connectionInfo, type FixedConnectionInfo } from './request/fixed.ts'
export type { RewritableHeaders } from './request/rewritable-headers.ts'
export type { RewritableClient, RewritableRequest } from './request/rewritable-request.ts'
export type { ResponseHeaders, RewritableResponse } from './request/rewritable-response.ts'
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
