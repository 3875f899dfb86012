/** Which locals are emptied at the end of each request? Werkzeug's `LocalManager`. */

import { markMiddleware, type Middleware } from '../middleware/handler.ts'
import { fail, show } from '../trust/error.ts'
import { onTeardown } from './hooks.ts'
import { isReleasable, releaseLocal } from './release-local.ts'
import { wrapInScope } from './request-context.ts'

/**
 * Locals that are released together. Since values go with their scope this is seldom needed: for what has to be empty
 * right at the end of a response, or for an app that has no {@link requestContext}.
 *
 * @example
 * const manager = new LocalManager([local, stack])
 * http.createServer(manager.middleware(app))
 * @see Werkzeug's `LocalManager`.
 */
export class LocalManager {
  /** The `Local`s and `LocalStack`s that are managed; more may be pushed. */
  readonly locals: object[]

  /** @throws ProxyFixError `ERR_PROXYFIX_OPTION` for anything but Locals and LocalStacks. */
  constructor(locals: object | Iterable<object> = []) {
    // A Local can be iterated too.
    const list = isReleasable(locals) ? [locals] : listOf(locals)
    for (const local of list)
      if (!isReleasable(local)) fail(`A LocalManager manages Locals and LocalStacks, not ${show(local)}.`)
    this.locals = list
  }

  /** Releases all of them in the current scope. */
  cleanup(): void {
    for (const local of this.locals) releaseLocal(local)
  }

  /**
   * Wraps a handler so that each request has a scope, where the locals are released when its response is over. Bound, so it
   * can be handed on as a middleware.
   */
  readonly middleware: Middleware = markMiddleware((handler) =>
    wrapInScope(handler, () => onTeardown(() => this.cleanup())),
  )
}

function listOf(locals: object): object[] {
  if (!(Symbol.iterator in locals)) fail(`A LocalManager manages Locals and LocalStacks, not ${show(locals)}.`)
  return [...(locals as Iterable<object>)]
}
