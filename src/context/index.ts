/** The context's face: what `proxyfix/context` exports. */

export { type CarriedVariables, contextBaggage, type ContextBaggage } from './baggage.ts'
export { ContextError } from './context-error.ts'
export { ContextVar, type ContextVarOptions, Token } from './context-var.ts'
export { type Context, copyContext } from './copy-context.ts'
export {
  connection,
  type ContextTypes,
  type CurrentBag,
  type CurrentRequest,
  g,
  hasRequestContext,
  request,
} from './current-request.ts'
export type { AfterRequest, Teardown } from './exchange.ts'
export { afterThisRequest, copyCurrentRequestContext, onTeardown } from './hooks.ts'
export { Local } from './local.ts'
export { type LogFields, logFields, type LogFieldsOptions, logFormat, type LogFormat } from './log-fields.ts'
export { LocalManager } from './local-manager.ts'
export { isBound, isLocalProxy, localProxy, type LocalProxyOptions, unwrap } from './local-proxy.ts'
export { LocalStack } from './local-stack.ts'
export { releaseLocal } from './release-local.ts'
export { requestContext, type RequestContextOptions, testRequestContext } from './request-context.ts'
export { streamWithContext } from './stream-with-context.ts'
