/**
 * proxyfix: who the client of a request is and what it asked for, as far as the proxies that you run vouch
 * for it; one answer, whichever way the request is read.
 */

export { proxyFix } from './middleware/proxy-fix.ts'
export type { FetchHandler, FetchObject, FunctionHandler, Handler, Middleware } from './middleware/handler.ts'
export { fixRequest } from './request/fix-request.ts'
export { connectionInfo, type FixedConnectionInfo } from './request/fixed.ts'
export { unwrapSocket } from './request/socket-view.ts'
export type { Endpoint } from './trust/address.ts'
export type {
  ConnectionFacts,
  ConnectionInfo,
  Field,
  HeaderSource,
  Refusal,
  RejectedValue,
  Verdict,
} from './trust/connection.ts'
export { ProxyFixError, type ProxyFixErrorCode } from './trust/error.ts'
export type { DecisionEvent, ProxyFixOptions } from './trust/options.ts'
export { type TrustPolicy, trustPolicy } from './trust/policy.ts'
export { resolveConnection } from './trust/resolve.ts'
