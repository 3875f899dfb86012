/**
 * Whom to believe, as it is typed: the options that all commands share. What is not given is not believed: a default
 * that a person did not type is one that nobody has checked against the proxies.
 */

import { completed } from '../server/environment.ts'
import { type Field, FIELDS } from '../trust/connection.ts'
import type { HopCount, ProxyFixOptions } from '../trust/options.ts'
import type { SecretOption } from '../trust/secret.ts'
import type { Arguments, OptionShape } from './arguments.ts'
import { UsageError } from './usage-error.ts'

const COUNTS = {
  'x-for': 'xFor',
  'x-proto': 'xProto',
  'x-host': 'xHost',
  'x-port': 'xPort',
  'x-prefix': 'xPrefix',
} as const
const COUNT_NAMES = Object.keys(COUNTS) as (keyof typeof COUNTS)[] // as it has no others

/** Options that say how, and mean nothing unless another says which header is believed. */
const MODIFIERS = ['trust', 'secret', 'max-hops', 'on-invalid'] as const

/** What `readArguments` needs to know of them. */
export const TRUST_SHAPES: readonly (readonly [string, OptionShape])[] = [
  ...COUNT_NAMES.map((name): [string, OptionShape] => {
    const field = name.slice('x-'.length)
    return [name, { type: 'string', aliases: [`xforwarded${field}`, `forwarded${field}`] }]
  }),
  ['forwarded', { type: 'string' }],
  [
    'trust',
    { type: 'string', multiple: true, aliases: ['trustedproxies', 'trustedproxy', 'trustproxies', 'trustproxy'] },
  ],
  ['client-ip-header', { type: 'string', aliases: ['ipheader'] }],
  ['max-hops', { type: 'string' }],
  ['allowed-host', { type: 'string', multiple: true }],
  ['required', { type: 'string', multiple: true }],
  ['on-invalid', { type: 'string' }],
  ['secret', { type: 'string' }],
]

/** The part of a command's help that tells them. */
export const TRUST_HELP = `Whom to believe (in brackets: the option of proxyFix that it stands for)
      --x-for N       how many values of X-Forwarded-For your own proxies wrote, counted from the right, or
                      'trusted': as far as addresses are in --trust (xFor)
      --x-proto N     the same for X-Forwarded-Proto (xProto)
      --x-host N      the same for X-Forwarded-Host (xHost)
      --x-port N      the same for X-Forwarded-Port (xPort)
      --x-prefix N    the same for X-Forwarded-Prefix (xPrefix)
      --forwarded N   the same for the elements of Forwarded, instead of all X-Forwarded headers (forwarded)
      --client-ip-header NAME
                      a header with the client's address alone, instead of --x-for (clientIpHeader)
      --trust LIST    addresses and blocks of your proxies, with commas, more than once if you like; also loopback,
                      linklocal, private, and unix for a peer without an address (trustedProxies)
      --secret 'NAME: VALUE'
                      a header that only your proxies send; several values with commas. Other users of this machine
                      can see what is typed here (secret)
      --max-hops N    at which value a 'trusted' walk ends at the latest, 32 if not given (maxHops)
      --required LIST refuse what comes from a proxy without: for, proto, host, port, prefix (required)
      --on-invalid ignore|reject
                      what to do when a value that counts breaks its grammar: leave the field as received, or refuse
                      the request; ignore if not given (onInvalid)
      --allowed-host HOST
                      refuse other hosts; .example.com for all names below, too; more than once if you like
                      (allowedHosts)
`

/**
 * The options of `proxyFix` that were typed, `undefined` when none was.
 * @throws UsageError for a value that cannot be meant, or an option that would do nothing.
 */
export function trustOptions(given: Arguments): ProxyFixOptions | undefined {
  const { options } = given
  if (!TRUST_SHAPES.some(([name]) => options.has(name))) return undefined
  const names = [...COUNT_NAMES, 'forwarded', 'client-ip-header']
  const idle = names.some((name) => options.has(name)) ? undefined : MODIFIERS.find((name) => options.has(name))
  if (idle !== undefined) {
    throw new UsageError(
      `The option --${idle} does nothing alone, as no header is believed: add --x-for N, --forwarded N or another count (see --help).`,
    )
  }
  return completed(typedTrust(given))
}

/** What was typed of them: what was not is `undefined`. */
export function typedTrust({ options }: Arguments): ProxyFixOptions {
  const only = (name: string): string | undefined => options.get(name)?.[0]
  const count = (name: string): HopCount | undefined => mapDefined(only(name), (text) => hopCount(name, text))

  return {
    ...(Object.fromEntries(COUNT_NAMES.map((name) => [COUNTS[name], count(name)])) as Counts),
    forwarded: count('forwarded'),
    trustedProxies: options.get('trust'),
    clientIpHeader: only('client-ip-header'),
    maxHops: mapDefined(only('max-hops'), maxHops),
    allowedHosts: options.get('allowed-host'),
    required: options.get('required')?.flatMap((list) => list.split(',').map(requiredField)),
    onInvalid: mapDefined(only('on-invalid'), onInvalid),
    secret: mapDefined(only('secret'), secretOption),
  }
}

type Counts = Pick<ProxyFixOptions, (typeof COUNTS)[keyof typeof COUNTS]>

function hopCount(name: string, text: string): HopCount {
  if (text === 'trusted') return text
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`The option --${name} takes a whole number of proxies, 0 or more, or 'trusted', not '${text}'.`)
}

function maxHops(text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Number(text)
  throw new UsageError(`The option --max-hops takes a whole number of values, 1 or more, not '${text}'.`)
}

function requiredField(text: string): Field {
  const field = FIELDS.find((one) => one === text.trim())
  if (field !== undefined) return field
  throw new UsageError(`The option --required takes ${FIELDS.join(', ')}, not '${text.trim()}'.`)
}

function onInvalid(text: string): 'ignore' | 'reject' {
  if (text === 'ignore' || text === 'reject') return text
  throw new UsageError(`The option --on-invalid takes ignore or reject, not '${text}'.`)
}

/** Nothing of it is repeated in a message, as those end up in logs. */
function secretOption(text: string): SecretOption {
  const [, header, values] = /^([!#$%&'*+\-.^_`|~0-9a-z]+):(.*)$/is.exec(text) ?? []
  if (header === undefined || values === undefined) {
    throw new UsageError("The option --secret must be a header like 'X-Origin-Verify: a-long-random-text'.")
  }
  if (values.trim() === '') {
    throw new UsageError(
      'The option --secret has no value after the name: put both in quotes, as one argument, and see that no variable in it is empty.',
    )
  }
  return { header, values: values.split(',').map((value) => value.trim()) }
}

function mapDefined<From, To>(value: From | undefined, map: (value: From) => To): To | undefined {
  return value === undefined ? undefined : map(value)
}
