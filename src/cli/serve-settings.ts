/** How shall it be served? What was typed counts before what the environment says, and that before the config file. */

import { resolve } from 'node:path'
import { loadConfigFile, loadEnvironmentFile } from '../server/config-file.ts'
import { completed, settingsFrom, TRUST_NAMES } from '../server/environment.ts'
import { limitsFrom } from '../server/limits.ts'
import { type CheckedOptions, checkServeOptions, type ServeOptions } from '../server/options.ts'
import {
  APP,
  checkSetting,
  flagOf,
  MEANT_PORT,
  readSetting,
  type Setting,
  type Settings,
  SETTINGS,
  variableOf,
} from '../server/settings.ts'
import { hasPassedSockets } from '../server/systemd.ts'
import { fail, ProxyFixError, show } from '../trust/error.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { type Arguments, type OptionShape, type OptionShapes, readArguments } from './arguments.ts'
import { inWords, type Source } from './flags.ts'
import { elsewhere } from './foreign-options.ts'
import { TRUST_SHAPES, typedTrust } from './trust-options.ts'
import { UsageError } from './usage-error.ts'
import { whileLoading } from './while-loading.ts'

/** What is to be done, with every source looked at. */
export interface ServeSettings {
  readonly settings: Settings
  readonly proxyFix: ProxyFixOptions | undefined
  /** The config file that was read. */
  readonly configFile: string | undefined
  /** The variables that a file of them has set. */
  readonly fileVariables: readonly string[]
  /** Where each option was set, which names it as whoever set it does. */
  readonly sources: ReadonlyMap<string, Source>
}

const FLAGS_ONLY: readonly (readonly [string, OptionShape])[] = [
  ['processes', { type: 'string', short: 'p' }],
  ['check-config', { type: 'boolean' }],
  ['print-config', { type: 'boolean' }],
  ['help', { type: 'boolean', short: 'h' }],
]

const SHAPES: OptionShapes = new Map<string, OptionShape>([
  ...SETTINGS.flatMap(shapesOf),
  ...TRUST_SHAPES,
  ...FLAGS_ONLY,
])

/** A flag that another source may have set can be taken back. */
function shapesOf({ name, kind, short }: Setting): [string, OptionShape][] {
  const flag = flagOf(name)
  const shape: OptionShape = {
    type: kind === 'flag' ? 'boolean' : 'string',
    ...(short !== undefined && { short }),
    ...(kind === 'list' && { multiple: true }),
  }
  return kind === 'flag'
    ? [
        [flag, shape],
        [`no-${flag}`, { type: 'boolean' }],
      ]
    : [[flag, shape]]
}

const WORKERS = SETTINGS.find(({ name }) => name === 'workers')! // as the table has it

export function readServeArguments(args: readonly string[]): Arguments {
  const given = readArguments(args, SHAPES, elsewhere)
  typedTrust(given) // first: what is one too many may be the rest of a secret, and is repeated
  const [, extra] = given.positionals
  if (extra !== undefined) throw new UsageError(`One module is served at a time: '${extra}' is one too many.`)
  const workers = given.options.get('workers')?.[0]
  if (workers !== undefined && workers !== 'auto' && /^[a-z_]/i.test(workers)) {
    throw new UsageError(
      `The option -w takes a number of workers, not '${workers}': give the module as the last argument, as in app.js:app.`,
    )
  }
  const processes = given.options.get('processes')?.[0]
  if (processes === undefined) return given
  if (given.options.has('workers')) throw new UsageError('The options -w and -p mean the same: give one of them.')
  readSetting({ ...WORKERS, otherwise: `${MEANT_PORT}, and for a pid file --pid FILE` }, [processes], 'The option -p')
  return { ...given, options: new Map([...given.options, ['workers', [processes]]]) }
}

/**
 * Looks at every source. It changes into the folder of `--chdir`, and sets the variables of a file of them.
 * @param decided What the process that listens has made of them: a worker does not judge again what is not its own.
 * @throws UsageError, or ProxyFixError `ERR_PROXYFIX_OPTION`, for what cannot be meant.
 */
export async function serveSettings(given: Arguments, decided: Settings = {}): Promise<ServeSettings> {
  const typed = typedSettings(given)
  const early = settingsFrom(process.env).settings
  const folder = typed.chdir ?? early.chdir
  if (folder !== undefined) changeFolder(folder)
  const isDev = typed.dev ?? early.dev
  const envFile = typed.dotenv ?? early.dotenv
  let fileVariables = envFile !== undefined || isDev === true ? loadVariables(envFile) : []

  let fromVariables = settingsFrom(process.env)
  const config = typed.config ?? fromVariables.settings.config
  const names = ['proxyFix', APP.name, ...SETTINGS.filter(({ only }) => only === undefined).map(({ name }) => name)]
  const which = { names, trustNames: TRUST_NAMES, hintFor: hintInFile, ...(config !== undefined && { file: config }) }
  const file = await asWritten(() => whileLoading(config ?? 'The config file', 2, () => loadConfigFile(which)))
  const written = await asWritten(() => fileSettings(file?.settings ?? {}))
  if ((isDev ?? written.settings.dev) === true && fileVariables.length === 0 && envFile === undefined) {
    fileVariables = loadVariables()
    fromVariables = settingsFrom(process.env)
  }

  const { settings: set, trust } = fromVariables
  const typedOfTrust = defined(typedTrust(given))
  const sources = new Map<string, Source>()
  const bySource = { file: written, variable: fromVariables, typed: { settings: typed, trust: typedOfTrust } } as const
  for (const [source, one] of Object.entries(bySource)) {
    for (const name of [...Object.keys(one.settings), ...Object.keys(one.trust)]) sources.set(name, source as Source)
  }
  const wanted = withoutWorkersOf({ ...written.settings, ...set, ...typed }, sources)
  const settings = withDefaults({ ...wanted, ...decided })
  return inTheirWords(sources, () => {
    check(settings, sources)
    const proxyFix = completed({ ...written.trust, ...trust, ...typedOfTrust })
    return { settings, proxyFix, configFile: file?.file, fileVariables, sources }
  })
}

/** What to write in a config file for what people know by another name; a clause. */
const IN_FILE: ReadonlyMap<string, string> = new Map([
  ...['trust', 'trustProxy', 'trustedProxy'].map((name) => [name, 'write proxyFix: { trustedProxies: … }'] as const),
  ...['tls', 'ssl', 'https'].map((name) => [name, 'write cert and key'] as const),
  ...['port', 'host', 'hostname', 'listen'].map((name) => [name, 'write bind'] as const),
  ...SETTINGS.filter(({ only }) => only === 'command').map(
    ({ name }) => [name, `write --${flagOf(name)}, or set ${variableOf(name)}`] as const,
  ),
])

function hintInFile(name: string): string | undefined {
  return IN_FILE.get(name)
}

/** What a config file is said to be is said in its own words. */
async function asWritten<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw error instanceof ProxyFixError ? new UsageError(error.message) : error
  }
}

/** What is said about options that several sources have set. */
function inTheirWords<T>(sources: ServeSettings['sources'], judge: () => T): T {
  try {
    return judge()
  } catch (error) {
    const isOption = error instanceof ProxyFixError && error.code === 'ERR_PROXYFIX_OPTION'
    throw isOption ? new UsageError(inWords(error.message, sources)) : error
  }
}

/** The variables that a file sets; absent: `.env`, if there is one. */
function loadVariables(file?: string): string[] {
  const names = loadEnvironmentFile(file === undefined ? {} : { file })
  const late = names.find((name) => name === variableOf('chdir') || name === variableOf('dotenv'))
  if (late === undefined) return names
  throw new UsageError(
    `The variable ${late} does nothing in ${file ?? '.env'}, which is read later: leave it out there.`,
  )
}

/** Who develops has one process, whatever a source says of workers that counts less. */
function withoutWorkersOf(settings: Settings, sources: Map<string, Source>): Settings {
  if (settings.dev !== true) return settings
  const isOverruled = (name: string): boolean => rankOf(sources.get(name)) < rankOf(sources.get('dev'))
  const overruled = new Set<string>(['workers', ...OF_WORKERS].filter(isOverruled))
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !overruled.has(name)))
}

function rankOf(source: Source | undefined): number {
  return source === undefined ? 0 : ['file', 'variable', 'typed'].indexOf(source) + 1
}

function typedSettings({ options, positionals }: Arguments): Settings {
  const settings: Record<string, unknown> = {} // of the types of their kinds
  for (const setting of SETTINGS) {
    const flag = flagOf(setting.name)
    const label = `The option --${flag}`
    if (setting.kind === 'flag') {
      if (options.has(flag) && options.has(`no-${flag}`))
        throw new UsageError(`${label} was given, and taken back too.`)
      if (options.has(flag) || options.has(`no-${flag}`)) settings[setting.name] = options.has(flag)
      continue
    }
    const texts = options.get(flag)
    if (texts !== undefined) settings[setting.name] = readSetting(setting, texts, label)
  }
  const [app] = positionals
  return { ...settings, ...(app !== undefined && { app }) }
}

function fileSettings(given: Readonly<Record<string, unknown>>): { settings: Settings; trust: ProxyFixOptions } {
  const settings: Record<string, unknown> = {} // of the types of their kinds
  for (const setting of [APP, ...SETTINGS]) {
    const value = given[setting.name]
    if (value !== undefined) settings[setting.name] = checkSetting(setting, value, `${setting.name} in the config file`)
  }
  const { proxyFix = {} } = given
  if (typeof proxyFix !== 'object' || proxyFix === null || Array.isArray(proxyFix)) {
    fail(`proxyFix in the config file must be an object like { xFor: 1 }, not ${show(proxyFix)}.`)
  }
  return { settings, trust: proxyFix }
}

/** What nobody has set, as the usual variables of platforms say it. */
function withDefaults(settings: Settings): Settings {
  const bind = settings.bind ?? [usualBind(settings.dev === true)]
  const concurrency = process.env['WEB_CONCURRENCY']
  if (settings.workers !== undefined || settings.dev === true || !concurrency) return { ...settings, bind }
  return { ...settings, bind, workers: readSetting(WORKERS, [concurrency], 'The variable WEB_CONCURRENCY') as number }
}

function usualBind(isDev: boolean): string {
  if (hasPassedSockets()) return 'systemd'
  const port = process.env['PORT']
  if (!port) return '127.0.0.1:8000'
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65535) return isDev ? `127.0.0.1:${port}` : `:${port}`
  fail(`The variable PORT must be a port, 0 to 65535, not ${show(port)}.`)
}

/** Settings that mean nothing unless there are workers. */
const OF_WORKERS = ['maxRequests', 'maxRequestsJitter', 'timeout'] as const

function check(settings: Settings, sources: ServeSettings['sources']): void {
  const { cert, key, dev, workers, maxRequests, maxRequestsJitter, accessLog, accessLogFormat } = settings
  if (cert === 'adhoc' && key !== undefined) fail("The option key is not used when cert is 'adhoc': leave it out.")
  if (cert !== undefined && cert !== 'adhoc' && key === undefined) fail('The option cert needs the option key as well.')
  if (key !== undefined && cert === undefined) fail('The option key needs the option cert as well.')
  if (dev === true && workers !== undefined)
    fail('The options dev and workers cannot be set both: who develops has one process.')
  if (sources.get('watch') === 'typed' && dev !== true) fail('The option watch does nothing alone: set dev as well.')
  const idle = workers === undefined ? OF_WORKERS.find((name) => settings[name] !== undefined) : undefined
  if (idle !== undefined)
    fail(`The option ${idle} is about workers, and there are none: set workers as well, as in -w 1.`)
  if (maxRequestsJitter !== undefined && !maxRequests)
    fail('The option maxRequestsJitter does nothing alone: set maxRequests.')
  if (accessLogFormat !== undefined && accessLog === undefined && dev !== true) {
    fail('The option accessLogFormat does nothing alone: set accessLog, as in --access-log - for standard output.')
  }
}

function changeFolder(folder: string): void {
  try {
    process.chdir(folder)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is no folder' : message
    throw new UsageError(`Cannot change to the folder '${resolve(folder)}': ${reason}.`)
  }
}

/**
 * The options of the server, checked.
 * @throws UsageError for an option that cannot be, in the words of whoever set it.
 */
export function serverOptions(all: ServeSettings): CheckedOptions {
  return inTheirWords(all.sources, () => checkServeOptions(serveOptionsOf(all)))
}

/** The options of the server that the settings stand for. */
export function serveOptionsOf({ settings, proxyFix }: ServeSettings): ServeOptions {
  const { bind, backlog, cert, key, http2, nativeResponse, proxyProtocol } = settings
  const { accessLog, accessLogFormat, health, dev } = settings
  const log = accessLog ?? (dev === true ? '-' : undefined)
  const format = accessLogFormat ?? (dev === true ? 'dev' : 'combined')
  return {
    bind,
    backlog,
    proxyFix,
    http2,
    nativeResponse,
    proxyProtocol,
    health,
    static: settings.static,
    tls: cert === 'adhoc' ? cert : cert === undefined || key === undefined ? undefined : { cert, key },
    accessLog: log === undefined ? undefined : { to: log, format, color: format === 'dev' && takesColor(log) },
    ...limitsOf(settings),
  }
}

/** Whether who reads it sees colours (https://no-color.org for the variable). */
function takesColor(log: string): boolean {
  return log === '-' && process.stdout.isTTY && !process.env['NO_COLOR']
}

function limitsOf(settings: Settings): Partial<Parameters<typeof limitsFrom>[0]> {
  const { maxHeaderSize, maxHeaders, maxTarget, maxBody } = settings
  const orNone = (value: number | undefined): number | undefined => (value === 0 ? Infinity : value)
  return {
    maxHeaderSize,
    maxHeaders,
    maxTarget,
    maxBody: orNone(maxBody),
    headersTimeout: milliseconds(settings.headersTimeout),
    requestTimeout: orNone(milliseconds(settings.requestTimeout)),
    responseTimeout: orNone(milliseconds(settings.responseTimeout)),
    keepAliveTimeout: milliseconds(settings.keepAliveTimeout),
  }
}

export function milliseconds(seconds: number): number
export function milliseconds(seconds: number | undefined): number | undefined
export function milliseconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.round(seconds * 1000)
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}
