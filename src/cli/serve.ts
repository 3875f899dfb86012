/** `proxyfix serve MODULE[:EXPORT]`: loads an app and serves it until a signal says stop. */

import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { certificateOf, createInstance } from '../server/instance.ts'
import { closeAllWhenEmpty, type Listener, listenOnAll } from '../server/listen.ts'
import { loadApp, type LoadedApp } from '../server/load-app.ts'
import type { CheckedOptions } from '../server/options.ts'
import { outliveErrors, outliveReaders } from '../server/outlive.ts'
import { writePidFile } from '../server/pid-file.ts'
import type { Bind } from '../server/bind.ts'
import { feedWatchdog, notifySystemd } from '../server/systemd.ts'
import { adhocCertificate } from '../server/tls.ts'
import { Master } from '../server/workers/master.ts'
import { BootError } from '../server/workers/pool.ts'
import { WHOEVER_CONNECTS } from '../trust/option-warnings.ts'
import { checkConfig } from './check-config.ts'
import { inWords } from './flags.ts'
import { printConfig } from './print-config.ts'
import { serveHelp } from './serve-help.ts'
import { milliseconds, readServeArguments, serverOptions, type ServeSettings, serveSettings } from './serve-settings.ts'
import type { Heeding, Served } from './signals.ts'
import { say, UsageError } from './usage-error.ts'
import { whileLoading } from './while-loading.ts'

export async function serveCommand(args: readonly string[], heeding: Heeding): Promise<void> {
  outliveReaders()
  const cwd = process.cwd()
  const given = readServeArguments(args)
  if (given.options.has('help')) return void process.stdout.write(serveHelp())
  const all = await serveSettings(given)
  const options = serverOptions(all)
  const isToCheck = given.options.has('check-config')
  if (given.options.has('print-config')) {
    printConfig(all)
    if (!isToCheck) return
  }
  const { app, pid } = all.settings
  if (app === undefined) {
    throw new UsageError('The module of the app is missing: write proxyfix serve MODULE, as in app.js:app.')
  }
  if (isToCheck) {
    await checkConfig(all.settings, options)
    createInstance(await load(app), { ...options, accessLog: undefined })
    say('Everything can be read, and the app be loaded')
    process.exit(0) // whatever the app has begun
  }
  if (pid !== undefined) writePidFile(pid) // before anything is served by a second one
  const start: Start = { all, options, heeding, args, cwd }
  const listeners = isSeveral(all) ? await byWorkers(start) : await alone(app, start)
  announce(listeners, options, all)
  notifySystemd('READY=1')
  feedWatchdog()
}

/** What there is to start from. */
interface Start {
  readonly all: ServeSettings
  readonly options: CheckedOptions
  readonly heeding: Heeding
  /** What was typed, and where. */
  readonly args: readonly string[]
  readonly cwd: string
}

type Listeners = readonly Listener<Bind | undefined>[]

function isSeveral({ settings }: ServeSettings): boolean {
  return settings.workers !== undefined || settings.dev === true
}

async function load(app: string): Promise<LoadedApp> {
  return await whileLoading(app, 4, () => loadApp(app))
}

/** Where what listens may be asked, and what is dangerous about it. */
function announce(listeners: Listeners, { policy }: CheckedOptions, { sources }: ServeSettings): void {
  const lines = listeners.map(({ address: { url }, everywhere }) => {
    return `Listening on ${url}${everywhere === undefined ? '' : ` and ${everywhere}`} (pid ${process.pid})`
  })
  say(lines.join('\n'))
  const isLocalAlone = listeners.every(({ address }) => isLocal(address.address))
  for (const warning of policy?.warnings ?? []) {
    if (isLocalAlone && warning.startsWith(WHOEVER_CONNECTS)) continue
    say(`Warning: ${inWords(warning, sources)}`)
  }
}

/** Whether nobody from another machine can get there. */
function isLocal(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

/** Serves in this process. */
async function alone(app: string, { all, options, heeding }: Start): Promise<Listeners> {
  const instance = createInstance(await load(app), options)
  const listeners = await listenOnAll(options.targets, listening(options), instance.take)
  const { gracefulTimeout = 30, shutdownDelay = 0 } = all.settings
  const served: Served = {
    windDown: instance.windDown,
    stop: async () => {
      const left = await closeAllWhenEmpty(listeners, milliseconds(gracefulTimeout))
      await instance.stop({ timeout: left, idle: 'last-call' })
    },
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
  heeding.serve(served, milliseconds(shutdownDelay))
  outliveErrors()
  return listeners
}

function listening(options: CheckedOptions): Parameters<typeof listenOnAll>[1] {
  return { backlog: options.backlog, cwd: options.cwd, isTls: (bind) => certificateOf(bind, options) !== undefined }
}

/** Listens in this process, and serves in others. */
async function byWorkers({ all, options, heeding, args, cwd }: Start): Promise<Listeners> {
  const { settings, fileVariables } = all
  const { workers = 1, timeout = 30, gracefulTimeout = 30, shutdownDelay = 0 } = settings
  const dev = settings.dev === true ? await developing(all) : undefined
  const usesAdhoc = options.tls === 'adhoc'
  const timeToStop = dev ? 500 : milliseconds(gracefulTimeout)
  const master = new Master({
    exec: fileURLToPath(new URL('../cli/worker.js', import.meta.url)),
    args,
    cwd,
    workers,
    start: { type: 'start', bind: settings.bind ?? [], ...(usesAdhoc && { adhoc: adhocCertificate() }) },
    timeout: dev ? 0 : milliseconds(timeout), // a program that is debugged stands still
    gracefulTimeout: timeToStop,
    oldFirst: dev !== undefined,
    // Each worker reads the file of variables for itself, and what it says by then.
    env: { ...Object.fromEntries(fileVariables.map((name) => [name, undefined])), ...dev?.env },
    ...(dev && { onMessage: dev.onMessage }),
    say,
  })
  // Before the workers are there, so that a port in use is told at once; who connects meanwhile waits.
  const listeners = await listenOnAll(options.targets, { ...listening(options), paused: true }, (socket, index) =>
    master.take(socket, index),
  )
  dev?.onChange((file) => {
    say(`${file} has changed: starting anew`)
    master.reload()
  })
  const served: Served = {
    windDown: () => master.windDown(),
    stop: async () => {
      // This process only accepts: however many come, that takes no time from those that serve.
      await closeAllWhenEmpty(listeners, timeToStop)
      await master.stop()
    },
    kill: async () => await master.kill(),
    reload: () => {
      say('Reloading')
      master.reload()
    },
    reopenLogs: () => master.reopenLogs(),
    resize: (by) => master.resize(by),
  }
  heeding.serve(served, 0) // nobody counts on it before the first workers serve
  try {
    await master.boot()
  } catch (error) {
    for (const listener of listeners) listener.close()
    if (!(error instanceof BootError)) throw error
    say(`proxyfix: ${error.failure.message}`)
    if (error.failure.stack !== undefined) say(error.failure.stack)
    process.exit(error.failure.code)
  }
  heeding.serve(served, milliseconds(shutdownDelay))
  return listeners
}

/** What `--dev` adds: the app's files are watched, those that it loads from elsewhere too. */
interface Developing {
  readonly env: Readonly<Record<string, string>>
  onMessage(message: unknown): void
  onChange(listener: (file: string) => void): void
}

/** None of it is loaded by a server that is not in development. */
async function developing({ configFile, settings }: ServeSettings): Promise<Developing> {
  const { refuseInProduction } = await import('../server/dev/production.ts')
  const { loadedFiles, REPORT_LOADED } = await import('../server/dev/loaded-files.ts')
  const { watchFiles } = await import('../server/dev/watch.ts')
  refuseInProduction(process.env)
  let changed: ((file: string) => void) | undefined
  const watching = watchFiles({
    root: process.cwd(),
    ...(configFile !== undefined && { extra: [configFile] }),
    paths: settings.watch ?? [],
    onChange: (file) => changed?.(relative(process.cwd(), file)),
  })
  return {
    env: REPORT_LOADED,
    onMessage: (message) => watching.add(loadedFiles(message)),
    onChange: (listener) => void (changed = listener),
  }
}
