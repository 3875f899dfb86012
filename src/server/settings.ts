/**
 * What can be set for `proxyfix serve`? One table, from which the flags of the command line, the `PROXYFIX_*` variables,
 * the names in a config file and the help are all made. A duration without a unit is in seconds, a size in bytes.
 */

import { availableParallelism } from 'node:os'
import { fail, show } from '../trust/error.ts'

export type SettingKind = 'text' | 'list' | 'flag' | 'count' | 'duration' | 'size'

/** One thing that can be set. */
export interface Setting {
  /** Its name in a config file; the flag and the variable are made of it. */
  readonly name: SettingName
  readonly kind: SettingKind
  readonly short?: string
  /** What its value is called in the help. */
  readonly value?: string
  readonly help: string
  /** The heading that it stands under in the help. */
  readonly group: 'What and where' | 'Processes' | 'TLS and proxies' | 'Logs, health, files' | 'Limits'
  /** The least that a number can be. @default 0 */
  readonly least?: number
  /** The most that a number can be, and what whoever gives more may have meant. */
  readonly most?: readonly [number, hint: string]
  /** What whoever gives no number may have meant. */
  readonly otherwise?: string
  /** Words that stand for numbers. */
  readonly words?: Readonly<Record<string, () => number>>
  /** Where it makes sense. @default everywhere */
  readonly only?: 'command'
}

/** The values of settings, as they are given: durations in seconds, sizes in bytes. */
export interface Settings {
  readonly app?: string
  readonly bind?: readonly string[]
  readonly backlog?: number
  readonly config?: string
  readonly chdir?: string
  readonly dotenv?: string
  readonly pid?: string
  readonly dev?: boolean
  readonly watch?: readonly string[]
  readonly workers?: number
  readonly timeout?: number
  readonly gracefulTimeout?: number
  readonly shutdownDelay?: number
  readonly maxRequests?: number
  readonly maxRequestsJitter?: number
  readonly cert?: string
  readonly key?: string
  readonly http2?: boolean
  readonly nativeResponse?: boolean
  readonly proxyProtocol?: readonly string[]
  readonly accessLog?: string
  readonly accessLogFormat?: string
  readonly health?: string
  readonly static?: readonly string[]
  readonly maxHeaderSize?: number
  readonly maxHeaders?: number
  readonly maxTarget?: number
  readonly maxBody?: number
  readonly headersTimeout?: number
  readonly requestTimeout?: number
  readonly responseTimeout?: number
  readonly keepAliveTimeout?: number
}

export type SettingName = keyof Settings

/** More processes than this were meant to be a port. */
export const MOST_WORKERS = 256
export const MEANT_PORT = 'for a port write -b :PORT for every interface, or -b HOST:PORT'

const WHERE = 'What and where'
const PROCESSES = 'Processes'
const PROXIES = 'TLS and proxies'
const LOGS = 'Logs, health, files'
const LIMITS = 'Limits'

export const SETTINGS: readonly Setting[] = [
  {
    name: 'bind',
    kind: 'list',
    short: 'b',
    value: 'ADDRESS',
    group: WHERE,
    help: "where to listen: PORT, :PORT, HOST:PORT, [IPV6]:PORT, unix:PATH[:mode=660], fd:NUMBER, systemd, tcp:PORT:interface=ADDRESS, tcp6:…, ssl:PORT:privateKey=FILE:certKey=FILE; more than once for several (default: systemd's sockets, else :$PORT, else 127.0.0.1:8000)",
  },
  {
    name: 'backlog',
    kind: 'count',
    value: 'N',
    group: WHERE,
    least: 1,
    help: 'connections that may wait to be accepted (default 2048)',
  },
  {
    name: 'config',
    kind: 'text',
    short: 'c',
    value: 'FILE',
    group: WHERE,
    only: 'command',
    help: 'the config file (default proxyfix.config.js, .ts or .json, if there is one)',
  },
  {
    name: 'chdir',
    kind: 'text',
    value: 'FOLDER',
    group: WHERE,
    only: 'command',
    help: 'the folder in which to begin: paths, the config file and the app are looked for there',
  },
  {
    name: 'dotenv',
    kind: 'text',
    value: 'FILE',
    group: WHERE,
    only: 'command',
    help: 'a file of variables to set, those aside that are set already (with --dev, .env if there is one)',
  },
  {
    name: 'pid',
    kind: 'text',
    value: 'FILE',
    group: WHERE,
    help: "a file that holds the process's number while it runs",
  },
  {
    name: 'dev',
    kind: 'flag',
    group: WHERE,
    help: 'for development: starts the app anew when a file changes, shows errors to this machine, logs requests',
  },
  {
    name: 'watch',
    kind: 'list',
    value: 'PATH',
    group: WHERE,
    help: 'with --dev: a file or a folder to watch beside the code, whatever is in it; more than once for several',
  },
  {
    name: 'nativeResponse',
    kind: 'flag',
    group: WHERE,
    help: 'leave the global Response as Node has it, which makes answers of Fetch handlers slower',
  },
  {
    name: 'workers',
    kind: 'count',
    short: 'w',
    value: 'N',
    group: PROCESSES,
    least: 1,
    most: [MOST_WORKERS, MEANT_PORT],
    words: { auto: availableParallelism },
    help: "processes that serve, under one that watches over them, 'auto' for one for each processor; -p is the same (default: $WEB_CONCURRENCY, else this process alone)",
  },
  {
    name: 'timeout',
    kind: 'duration',
    value: 'SECONDS',
    group: PROCESSES,
    help: 'a worker that does nothing at all for so long is killed and replaced; 0 for never (default 30)',
  },
  {
    name: 'gracefulTimeout',
    kind: 'duration',
    value: 'SECONDS',
    group: PROCESSES,
    help: 'how long requests in flight may take to finish when a process stops (default 30)',
  },
  {
    name: 'shutdownDelay',
    kind: 'duration',
    value: 'SECONDS',
    group: PROCESSES,
    help: 'how long to go on taking connections after SIGTERM, while the health check says 503 (default 0)',
  },
  {
    name: 'maxRequests',
    kind: 'count',
    value: 'N',
    group: PROCESSES,
    help: 'a worker is replaced after so many requests; 0 for never (default 0)',
  },
  {
    name: 'maxRequestsJitter',
    kind: 'count',
    value: 'N',
    group: PROCESSES,
    help: 'and up to so many more, by chance, so that not all are replaced at once (default 0)',
  },
  {
    name: 'cert',
    kind: 'text',
    value: 'FILE',
    group: PROXIES,
    help: "speak TLS with this certificate, and those of its chain after it; 'adhoc' for a fresh self-signed one",
  },
  {
    name: 'key',
    kind: 'text',
    value: 'FILE',
    group: PROXIES,
    help: 'the key of the certificate',
  },
  { name: 'http2', kind: 'flag', group: PROXIES, help: 'offer HTTP/2 to clients that speak TLS' },
  {
    name: 'proxyProtocol',
    kind: 'list',
    value: 'SENDERS',
    group: PROXIES,
    help: 'connections begin with a PROXY protocol header: from these addresses, blocks, loopback, private, unix; nobody else may connect',
  },
  {
    name: 'accessLog',
    kind: 'text',
    value: 'FILE',
    group: LOGS,
    help: "a line for each request goes there; '-' is standard output (default: none, with --dev '-')",
  },
  {
    name: 'accessLogFormat',
    kind: 'text',
    value: 'FORMAT',
    group: LOGS,
    help: 'common, combined, json, dev, or a text with %(h)s and the like as in gunicorn (default combined)',
  },
  {
    name: 'health',
    kind: 'text',
    value: 'PATH',
    group: LOGS,
    help: 'a path that says 200 while the server serves and 503 while it stops',
  },
  {
    name: 'static',
    kind: 'list',
    value: '/PATH=FOLDER',
    group: LOGS,
    help: 'serve the files of a folder; more than once for several',
  },
  {
    name: 'maxHeaderSize',
    kind: 'size',
    value: 'BYTES',
    group: LIMITS,
    least: 256, // with less nothing could be asked
    help: 'the request line and all headers; beyond: 431 (default 16k)',
  },
  {
    name: 'maxHeaders',
    kind: 'count',
    value: 'N',
    group: LIMITS,
    least: 1,
    help: 'header lines; beyond: 431 (default 100)',
  },
  {
    name: 'maxTarget',
    kind: 'count',
    value: 'N',
    group: LIMITS,
    least: 1,
    help: "characters of a request's target; beyond: 414 (default 8192)",
  },
  {
    name: 'maxBody',
    kind: 'size',
    value: 'BYTES',
    group: LIMITS,
    help: "bytes of a request's body; beyond: 413; 0 for no limit (default 0)",
  },
  {
    name: 'headersTimeout',
    kind: 'duration',
    value: 'SECONDS',
    group: LIMITS,
    least: 0.001,
    help: 'in which the head of a request must have come (default 20)',
  },
  {
    name: 'requestTimeout',
    kind: 'duration',
    value: 'SECONDS',
    group: LIMITS,
    help: 'in which a whole request must have come; 0 for no limit (default 300)',
  },
  {
    name: 'responseTimeout',
    kind: 'duration',
    value: 'SECONDS',
    group: LIMITS,
    help: 'in which the app must begin its answer; beyond: 503; 0 for no limit (default 0)',
  },
  {
    name: 'keepAliveTimeout',
    kind: 'duration',
    value: 'SECONDS',
    group: LIMITS,
    least: 0.001,
    help: 'that a connection is kept on which nothing is asked; longer than your proxy keeps it (default 75)',
  },
]

/** The variable of a setting: `PROXYFIX_MAX_REQUESTS`. */
export function variableOf(name: string): string {
  return `PROXYFIX_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

/** The flag of a setting, without its hyphens: `max-requests`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The app can be set as well, though it is no flag. */
export const APP: Setting = { name: 'app', kind: 'text', group: WHERE, help: 'MODULE[:EXPORT]' }

/** Node's timers go no further, and those that are set to more ring at once. */
const MOST_SECONDS = Math.floor((2 ** 31 - 1) / 1000)

/**
 * Reads a setting from text, as a flag or a variable has it.
 * @param label What the message calls it.
 */
export function readSetting(
  { kind, words, least = 0, most, otherwise }: Setting,
  texts: readonly string[],
  label: string,
): unknown {
  const text = texts[0] ?? ''
  if (kind === 'list') return texts
  if (kind === 'text') return text === '' ? fail(`${label} is empty: give it a value, or leave it out.`) : text
  if (kind === 'flag') return readFlag(text, label)
  const word = words !== undefined && Object.hasOwn(words, text) ? words[text] : undefined
  const value = word?.() ?? (kind === 'count' ? wholeNumber(text) : kind === 'size' ? size(text) : duration(text))
  if (kind === 'duration' && value !== undefined && value > MOST_SECONDS) {
    fail(`${label} takes ${MOST_SECONDS} seconds at most, which is 24 days, not ${show(text)}.`)
  }
  if (value !== undefined && value >= least && value <= (most?.[0] ?? Infinity)) return value
  const range = most ? `, ${least} to ${most[0]}` : least >= 1 ? `, ${least} or more` : '' // durations tell it themselves
  const meant = value === undefined ? otherwise : value < least ? undefined : most?.[1]
  const hint = meant === undefined ? '' : `: ${meant}`
  const alternatives = words === undefined ? '' : `, or ${Object.keys(words).map(show).join(', ')}`
  fail(`${label} takes ${WANTED[kind]}${range}${alternatives}, not ${show(text)}${hint}.`)
}

const WANTED = {
  count: 'a whole number',
  size: 'a number of bytes like 1048576 or 1m',
  duration: 'a number of seconds, or a duration like 500ms or 2m, 1ms or longer',
} as const

/** Reads a setting from a config file. */
export function checkSetting(setting: Setting, value: unknown, label: string): unknown {
  const { kind } = setting
  if (kind === 'list') {
    const list = [value].flat()
    if (list.length === 0) fail(`${label} is an empty list: give at least one, or leave it out.`)
    if (list.every((one) => typeof one === 'string')) return list
    fail(`${label} must be text or a list of texts, not ${show(value)}.`)
  }
  if (kind === 'flag')
    return typeof value === 'boolean' ? value : fail(`${label} must be true or false, not ${show(value)}.`)
  if (typeof value === 'string') return readSetting(setting, [value], label)
  if (kind !== 'text' && typeof value === 'number') return readSetting(setting, [String(value)], label)
  fail(`${label} must be ${kind === 'text' ? 'text' : WANTED[kind]}, not ${show(value)}.`)
}

function readFlag(text: string, label: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  return fail(`${label} must be true or false, not ${show(text)}.`)
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

const UNITS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, k: 1024, M: 1024 ** 2, g: 1024 ** 3 }

function duration(text: string): number | undefined {
  const [, number, unit = 's'] = /^(\d{1,7}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? []
  const seconds = number === undefined ? undefined : Number(number) * UNITS[unit]!
  // Shorter than a timer can tell from 0, which means something else: none at all.
  return seconds !== undefined && seconds > 0 && seconds < 0.001 ? undefined : seconds
}

function size(text: string): number | undefined {
  const [, number, unit] = /^(\d{1,12})(k|m|g)?b?$/i.exec(text) ?? []
  if (number === undefined) return undefined
  const factor = unit === undefined ? 1 : UNITS[unit.toLowerCase() === 'm' ? 'M' : unit.toLowerCase()]!
  return Number(number) * factor
}
