/** `proxyfix serve MODULE[:EXPORT]`: loads an app and serves it until a signal says stop. */

import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { certificateOf, createInstance } from '../server/instance.ts'
import { type Listener, listenOnAll } from '../server/listen.ts'
import { loadApp, type LoadedApp } from '../server/load-app.ts'
import { type CheckedOptions, checkServeOptions } from '../server/options.ts'
import { outliveErrors, outliveReaders } from '../server/outlive.ts'
import { writePidFile } from '../server/pid-file.ts'
import type { Bind } from '../server/bind.ts'
import { feedWatchdog, notifySystemd } from '../server/systemd.ts'
import { adhocCertificate } from '../server/tls.ts'
import { BootError, Master } from '../server/workers/master.ts'
import { checkConfig } from './check-config.ts'
import { inFlags } from './flags.ts'
import { printConfig } from './print-config.ts'
import { serveHelp } from './serve-help.ts'
import {
  milliseconds,
  readServeArguments,
  serveOptionsOf,
  type ServeSettings,
  serveSettings,
} from './serve-settings.ts'
import { say, UsageError } from './usage-error.ts'
import { whileLoading } from './while-loading.ts'

/** What serves, one process or several; what signals ask for. */
interface Served {
  readonly listeners: readonly Listener<Bind | undefined>[]
  windDown(): void
  stop(): Promise<void>
  kill(): Promise<void>
  reload(): void
  reopenLogs(): void
  resize(by: 1 | -1): void
}

export async function serveCommand(args: readonly string[]): Promise<void> {
  outliveReaders()
  const cwd = process.cwd()
  const given = readServeArguments(args)
  if (given.options.has('help')) return void process.stdout.write(serveHelp())
  const all = await serveSettings(given)
  const { settings } = all
  const options = checkServeOptions(serveOptionsOf(all))
  if (given.options.has('print-config')) return printConfig(all)
  const { app } = settings
  if (app === undefined) {
    throw new UsageError('The module of the app is missing: write proxyfix serve MODULE, as in app.js:app.')
  }
  if (given.options.has('check-config')) {
    await checkConfig(settings, options)
    createInstance(await load(app), { ...options, accessLog: undefined })
    say('Everything can be read, and the app be loaded')
    process.exit(0) // whatever the app has begun
  }
  const isSeveral = settings.workers !== undefined || settings.dev === true
  const served = isSeveral ? await byWorkers(all, options, { args, cwd }) : await alone(app, options, all)
  if (settings.pid !== undefined) writePidFile(settings.pid)
  announce(served.listeners, options)
  notifySystemd('READY=1')
  feedWatchdog()
}

async function load(app: string): Promise<LoadedApp> {
  return await whileLoading(app, 4, () => loadApp(app))
}

/** Where what listens may be asked, and what is dangerous about it. */
function announce(listeners: Served['listeners'], { policy }: CheckedOptions): void {
  const lines = listeners.map(({ address: { url }, everywhere }) => {
    return `Listening on ${url}${everywhere === undefined ? '' : ` and ${everywhere}`} (pid ${process.pid})`
  })
  say(lines.join('\n'))
  if (policy === undefined || listeners.every(({ address }) => isLocal(address.address))) return
  for (const warning of policy.warnings) say(`Warning: ${inFlags(warning)}`)
}

/** Whether nobody from another machine can get there. */
function isLocal(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Serves in this process. */
async function alone(app: string, options: CheckedOptions, { settings }: ServeSettings): Promise<Served> {
  const instance = createInstance(await load(app), options)
  const listeners = await listenOnAll(options.targets, listening(options), instance.take)
  const timeout = milliseconds(settings.gracefulTimeout ?? 30)
  const served: Served = {
    listeners,
    windDown: instance.windDown,
    stop: async () => await instance.stop({ timeout, idle: 'last-call' }),
    kill: async () => undefined,
    reload: () => {
      try {
        instance.reloadCertificates()
        instance.reopenLogs()
        say('Reloaded certificates and logs; the app is reloaded where there are workers (-w 1)')
      } catch (error) {
        say(`Not reloaded: ${(error as Error).message}`)
      }
    },
    reopenLogs: instance.reopenLogs,
    resize: () => say('There are no workers, as -w was not given'),
  }
  heedSignals(served, settings.shutdownDelay)
  outliveErrors()
  return served
}

function listening(options: CheckedOptions): Parameters<typeof listenOnAll>[1] {
  return { backlog: options.backlog, isTls: (bind) => certificateOf(bind, options) !== undefined }
}

/** Listens in this process, and serves in others. */
async function byWorkers(
  { settings, configFile }: ServeSettings,
  options: CheckedOptions,
  start: { readonly args: readonly string[]; readonly cwd: string },
): Promise<Served> {
  const dev = settings.dev === true ? await developing(configFile) : undefined
  const usesAdhoc = options.tls === 'adhoc'
  // Before the workers are there, so that a port in use is told at once; who connects meanwhile waits.
  let master: Master | undefined
  const listeners = await listenOnAll(options.targets, { ...listening(options), paused: true }, (socket, index) =>
    master!.take(socket, index),
  )
  master = new Master({
    exec: fileURLToPath(new URL('./worker.js', import.meta.url)),
    ...start,
    workers: settings.workers ?? 1,
    start: { type: 'start', bind: settings.bind ?? [], ...(usesAdhoc && { adhoc: adhocCertificate() }) },
    timeout: dev ? 0 : milliseconds(settings.timeout ?? 30), // a program that is debugged stands still
    gracefulTimeout: dev ? 500 : milliseconds(settings.gracefulTimeout ?? 30),
    oldFirst: dev !== undefined,
    ...(dev && { env: dev.env, onMessage: dev.onMessage }),
    say,
  })
  const running = master
  dev?.onChange((file) => {
    say(`${file} has changed: starting anew`)
    void running.reload()
  })
  const served: Served = {
    listeners,
    windDown: () => running.windDown(),
    stop: async () => await running.stop(),
    kill: async () => await running.kill(),
    reload: () => {
      say('Reloading')
      void running.reload()
    },
    reopenLogs: () => running.reopenLogs(),
    resize: (by) => running.resize(by),
  }
  const isStopping = heedSignals(served, settings.shutdownDelay)
  try {
    await running.boot()
  } catch (error) {
    if (isStopping()) return await new Promise(() => undefined) // a signal came first, and ends the process
    for (const listener of listeners) listener.close()
    if (!(error instanceof BootError)) throw error
    say(`proxyfix: ${error.failure.message}`)
    if (error.failure.stack !== undefined) say(error.failure.stack)
    process.exit(error.failure.code)
  }
  return served
}

/** What `--dev` adds: the app's files are watched, those that it loads from elsewhere too. */
interface Developing {
  readonly env: Readonly<Record<string, string>>
  onMessage(message: unknown): void
  onChange(listener: (file: string) => void): void
}

/** None of it is loaded by a server that is not in development. */
async function developing(configFile: string | undefined): Promise<Developing> {
  const { refuseInProduction } = await import('../server/dev/production.ts')
  const { loadedFiles, REPORT_LOADED } = await import('../server/dev/loaded-files.ts')
  const { watchFiles } = await import('../server/dev/watch.ts')
  refuseInProduction(process.env)
  let changed: ((file: string) => void) | undefined
  const watching = watchFiles({
    root: process.cwd(),
    ...(configFile !== undefined && { extra: [configFile] }),
    onChange: (file) => changed?.(relative(process.cwd(), file)),
  })
  return {
    env: REPORT_LOADED,
    onMessage: (message) => watching.add(loadedFiles(message)),
    onChange: (listener) => void (changed = listener),
  }
}

/** The first signal to stop finishes what is in flight; a second one does not wait for it. */
function heedSignals(served: Served, shutdownDelay = 0): () => boolean {
  let isStopping = false
  let isHurried = false
  const stop = async (signal: NodeJS.Signals, code: number): Promise<void> => {
    if (isStopping) {
      isHurried = true
      await served.kill()
      process.exit(128 + code)
    }
    isStopping = true
    say(`${signal}: finishing the requests in flight; once more to stop at once`)
    notifySystemd('STOPPING=1')
    served.windDown()
    if (signal === 'SIGTERM' && shutdownDelay > 0) {
      await new Promise((resolve) => setTimeout(resolve, milliseconds(shutdownDelay)))
    }
    await Promise.all(served.listeners.map((listener) => listener.closeWhenEmpty()))
    await served.stop()
    if (!isHurried) process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const) {
    process.on(signal, (name: NodeJS.Signals, code: number) => void stop(name, code))
  }
  process.on('SIGHUP', () => {
    if (!isStopping) served.reload()
  })
  process.on('SIGUSR1', () => served.reopenLogs())
  process.on('SIGTTIN', () => served.resize(1))
  process.on('SIGTTOU', () => served.resize(-1))
  return () => isStopping
}
