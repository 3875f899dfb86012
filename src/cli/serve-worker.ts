/** What does a worker of `proxyfix serve -w N` serve? It reads the same command line, and serves what it is handed. */

import { appStack, stackBeside } from '../server/app-stack.ts'
import { createInstance } from '../server/instance.ts'
import { loadApp } from '../server/load-app.ts'
import { outliveReaders } from '../server/outlive.ts'
import { runWorker, tell } from '../server/workers/worker.ts'
import { ProxyFixError } from '../trust/error.ts'
import { inFlags } from './flags.ts'
import { readServeArguments, serverOptions, serveSettings } from './serve-settings.ts'
import { UsageError } from './usage-error.ts'
import { whileLoading } from './while-loading.ts'

/** The app could not be loaded. */
const APP = 4

const onEnding = (message: string): void => tell({ type: 'failed', code: APP, message })

outliveReaders()
runWorker(
  async (bind, onRequest) => {
    const all = await serveSettings(readServeArguments(process.argv.slice(2)), { bind })
    const { app = '', dev, maxRequests = 0, maxRequestsJitter = 0 } = all.settings
    const options = serverOptions(all)
    const jitter = Math.floor(Math.random() * (maxRequestsJitter + 1))
    const most = maxRequests === 0 ? Infinity : maxRequests + jitter
    if (dev !== true) {
      const loaded = await whileLoading(app, APP, () => loadApp(app), onEnding)
      return { instance: createInstance(loaded, options, { onRequest }), maxRequests: most }
    }
    const { loadAppOrError } = await import('../server/dev/load-app-or-error.ts')
    const { errorPage } = await import('../server/dev/error-page.ts')
    const loaded = await whileLoading(app, APP, () => loadAppOrError(app), onEnding)
    const instance = createInstance(loaded, options, { onRequest, onError: errorPage() })
    return { instance, maxRequests: most }
  },
  (error) => {
    if (error instanceof UsageError) return { code: 2, message: error.message }
    if (!(error instanceof ProxyFixError))
      return { code: 3, message: `A worker failed to boot: ${String(error)}.`, stack: appStack(error) }
    const isApp = error.code === 'ERR_PROXYFIX_APP'
    return {
      code: isApp ? APP : 2,
      message: inFlags(error.message),
      ...(isApp && { stack: stackBeside(error) }),
    }
  },
)
