/**
 * Whom to believe, as it stands in environment variables: `PROXYFIX_X_FOR=1` is the option `xFor: 1`. What is not set
 * is not believed: a default that nobody wrote down is one that nobody has checked against the proxies.
 *
 * A misspelt variable that did nothing would be a restriction that everybody thinks is there, so it stops the
 * program. Other variables whose names begin like these are none of our business: Kubernetes makes a dozen of them for
 * a service that is called `proxyfix`.
 */

import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { APP, readSetting, SETTINGS, type Setting, type Settings, variableOf } from './settings.ts'

type Environment = Readonly<Record<string, string | undefined>>

type Read = (text: string, name: string) => unknown

const PREFIX = 'PROXYFIX_'

/** Each variable: the option that it sets, and how its text is read. */
const VARIABLES = new Map<string, readonly [option: keyof ProxyFixOptions, read: Read]>([
  ['PROXYFIX_X_FOR', ['xFor', hopCount]],
  ['PROXYFIX_X_PROTO', ['xProto', hopCount]],
  ['PROXYFIX_X_HOST', ['xHost', hopCount]],
  ['PROXYFIX_X_PORT', ['xPort', hopCount]],
  ['PROXYFIX_X_PREFIX', ['xPrefix', hopCount]],
  ['PROXYFIX_FORWARDED', ['forwarded', hopCount]],
  ['PROXYFIX_TRUSTED_PROXIES', ['trustedProxies', String]],
  ['PROXYFIX_SECRET', ['secret', secret]],
  ['PROXYFIX_CLIENT_IP_HEADER', ['clientIpHeader', String]],
  ['PROXYFIX_MAX_HOPS', ['maxHops', wholeNumber]],
  ['PROXYFIX_REQUIRED', ['required', list]],
  ['PROXYFIX_HEADERS', ['headers', String]],
  ['PROXYFIX_ON_INVALID', ['onInvalid', String]],
  ['PROXYFIX_ALLOWED_HOSTS', ['allowedHosts', list]],
  ['PROXYFIX_PREFIX_MODE', ['prefixMode', String]],
  ['PROXYFIX_SOCKET', ['socket', boolean]],
])

/** The options of whom to believe that a variable can set. */
export const TRUST_NAMES: readonly string[] = [...VARIABLES.values()].map(([option]) => option)

/** Options that are 0 where they are not set. */
const COUNTS = ['xFor', 'xProto', 'xHost', 'xPort', 'xPrefix'] as const

/** Options that say which header is believed, and those that mean nothing unless one of them does. */
const SOURCES = [...COUNTS, 'forwarded', 'clientIpHeader'] as const
const MODIFIERS = ['trustedProxies', 'secret', 'maxHops', 'onInvalid'] as const

/** What the environment says of whom to believe: what is not set is left out. */
type TrustGiven = Partial<Record<keyof ProxyFixOptions, unknown>>

/**
 * The options that the environment sets, `undefined` when it sets none.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a variable that is misspelt, empty, without effect, or has a value
 * that cannot be read; what the options may hold, `trustPolicy` says.
 */
export function optionsFrom(environment: Environment): ProxyFixOptions | undefined {
  return completed(readTrust(environment, (name) => checkUnrelated(name)))
}

/** What the variables say of whom to believe. */
function readTrust(environment: Environment, onUnknown: (name: string) => void): TrustGiven {
  const options: TrustGiven = {}
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || !/^proxyfix/i.test(name)) continue
    const variable = VARIABLES.get(name)
    if (variable === undefined) {
      if (!SERVER_VARIABLES.has(name)) onUnknown(name)
      continue
    }
    if (text.trim() === '') fail(`The variable ${name} is empty: give it a value, or leave it out.`)
    const [option, read] = variable
    options[option] = read(text.trim(), name)
  }
  return options
}

/** What the variables set for `proxyfix serve`: settings, and whom to believe. */
export function settingsFrom(environment: Environment): { settings: Settings; trust: TrustGiven } {
  const known = [...VARIABLES.keys(), ...SERVER_VARIABLES.keys()]
  const trust = readTrust(environment, (name) => checkUnrelated(name, known))
  const settings: Record<string, unknown> = {}
  for (const [name, setting] of SERVER_VARIABLES) {
    const text = environment[name]?.trim()
    if (text === undefined) continue
    if (text === '') fail(`The variable ${name} is empty: give it a value, or leave it out.`)
    settings[setting.name] = readSetting(setting, setting.kind === 'list' ? list(text) : [text], `The variable ${name}`)
  }
  return { settings, trust }
}

/** The variables of `proxyfix serve`, which are none of a preload's business. */
const SERVER_VARIABLES = new Map<string, Setting>([APP, ...SETTINGS].map((one) => [variableOf(one.name), one]))

/**
 * Makes options of what was given: a count that was not given is 0.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when what was given does nothing.
 */
export function completed(given: TrustGiven): ProxyFixOptions | undefined {
  const options: TrustGiven = { ...given }
  for (const [name, value] of Object.entries(options))
    if (value === undefined) delete options[name as keyof ProxyFixOptions]
  if (Object.keys(options).length === 0) return undefined
  const isSet = (option: keyof ProxyFixOptions): boolean => options[option] !== undefined
  const idle = SOURCES.some(isSet) ? undefined : MODIFIERS.find(isSet)
  if (idle !== undefined) {
    fail(
      `The option ${idle} does nothing alone, as no header is believed: set xFor, or forwarded, or another count as well.`,
    )
  }
  for (const count of COUNTS) {
    // Beside these the other counts may not be written, 0 neither.
    const isExcluded = Boolean(options.forwarded) || (count === 'xFor' && isSet('clientIpHeader'))
    if (!isExcluded) options[count] ??= 0
  }
  return options as ProxyFixOptions // of the right types, as far as their readers could tell
}

/** What is said about options, said about the variables that set them. */
export function inVariables(message: string): string {
  return message.replace(/\b([Tt]he) option(s?) /g, '$1 variable$2 ').replace(OPTION_NAME, (word) => {
    for (const [name, [option]] of VARIABLES) if (option === word) return name
    return word
  })
}

/** Words that are names: some options are called like the things that a sentence may speak of. */
const OPTION_NAME = /\b[a-z]+[A-Z]\w*|\b(?:secret|forwarded)\b|\bheaders(?= is )|(?<=\bvariables? )[a-z]+\b/g

/** Kubernetes sets the first for a service called `proxyfix`; both are words for where a server listens. */
const LOOKS_ALIKE = new Set(['PORT', 'HOST'])

/** What is typed as `--trust`, and what other programs call it. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['TRUST', 'TRUSTED_PROXIES'],
  ['TRUSTED', 'TRUSTED_PROXIES'],
  ['TRUST_PROXY', 'TRUSTED_PROXIES'],
  ['PROXIES', 'TRUSTED_PROXIES'],
  ['FORWARDED_ALLOW_IPS', 'TRUSTED_PROXIES'],
  ['HOPS', 'X_FOR'],
  ['NUM_PROXIES', 'X_FOR'],
  ['CLIENT_IP', 'CLIENT_IP_HEADER'],
])

/** Words that speak of trust, whatever stands beside them. */
const TRUST_WORD = /^X_|(^|_)(FORWARD\w*|TRUST\w*|PROXIES|HOPS?|SECRETS?|CLIENT_IP|REAL_IP|ALLOW\w*|INVALID)(_|$)/

/** Throws for a variable that was meant to say whom to believe, and does not. */
function checkUnrelated(name: string, known: readonly string[] = [...VARIABLES.keys()]): void {
  const key = name.toUpperCase().replace(/^PROXYFIX_*/, '')
  const keys = known.map((one) => one.slice(PREFIX.length))
  // As the headers are called: X_FORWARDED_FOR, FORWARDED_FOR and XFF are X_FOR.
  const meant = key.replace(/^(X_)?FORWARDED_|^XF(?=F$)/, 'X_').replace(/^X_F$/, 'X_FOR')
  const near = LOOKS_ALIKE.has(key) ? undefined : (MEANT.get(key) ?? nearest(meant, keys))
  if (near !== undefined) fail(`There is no variable ${name}: did you mean ${PREFIX}${near}?`)
  if (TRUST_WORD.test(key)) fail(`There is no variable ${name}: proxyfix knows ${[...VARIABLES.keys()].join(', ')}.`)
}

function hopCount(text: string, name: string): number | 'trusted' {
  if (text === 'trusted') return text
  return /^\d{1,9}$/.test(text)
    ? Number(text)
    : fail(`The variable ${name} must be a whole number of proxies, 0 or more, or 'trusted', not ${show(text)}.`)
}

function wholeNumber(text: string, name: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : fail(`The variable ${name} must be a whole number, not ${show(text)}.`)
}

function boolean(text: string, name: string): boolean {
  if (text === 'true' || text === '1') return true
  if (text === 'false' || text === '0') return false
  return fail(`The variable ${name} must be true or false, not ${show(text)}.`)
}

function list(text: string): readonly string[] {
  return text.split(',').map((entry) => entry.trim())
}

/** Its text stays out of the messages: those end up in logs. */
function secret(text: string, name: string): ProxyFixOptions['secret'] {
  const [, header, values] = /^([!#$%&'*+\-.^_`|~0-9a-z]+):(.*)$/is.exec(text) ?? []
  if (header === undefined || values === undefined) {
    fail(`The variable ${name} must be a header like 'X-Origin-Verify: a-long-random-text'.`)
  }
  return { header, values: list(values) }
}
