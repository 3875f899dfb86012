/** What is served while the app cannot be loaded? The reason, until a file changes and it is loaded anew. */

import { inspect } from 'node:util'
import { ProxyFixError } from '../../trust/error.ts'
import { stackBeside } from '../app-stack.ts'
import { loadApp, type LoadedApp } from '../load-app.ts'

/** Like `loadApp`; what cannot be loaded is told, and becomes an app that throws the reason at each request. */
export async function loadAppOrError(spec: string, options: { readonly cwd?: string } = {}): Promise<LoadedApp> {
  try {
    return await loadApp(spec, options)
  } catch (error) {
    if (!(error instanceof ProxyFixError)) throw error
    console.error(`proxyfix: ${error.message}`)
    const stack = stackBeside(error)
    if (stack !== undefined) console.error(stack)
    // Each request fails with it: from now on one line of a log is enough.
    Object.defineProperty(error, inspect.custom, { value: () => error.message })
    // Two parameters, as it is called as a Node listener.
    return function notLoaded(_req: unknown, _res: unknown): never {
      throw error
    }
  }
}
