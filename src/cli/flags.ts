/** What the library says of its options, in the words of whoever set them: `xFor` is typed `--x-for`, and `PROXYFIX_X_FOR` is its variable. */

import { flagOf, SETTINGS, variableOf } from '../server/settings.ts'

/** How each option is typed that can be. */
const FLAGS: Readonly<Record<string, string>> = {
  xFor: '--x-for',
  xProto: '--x-proto',
  xHost: '--x-host',
  xPort: '--x-port',
  xPrefix: '--x-prefix',
  forwarded: '--forwarded',
  trustedProxies: '--trust',
  secret: '--secret',
  clientIpHeader: '--client-ip-header',
  maxHops: '--max-hops',
  required: '--required',
  allowedHosts: '--allowed-host',
  onInvalid: '--on-invalid',
  ...Object.fromEntries(SETTINGS.map(({ name }) => [name, `--${flagOf(name)}`])),
}

/** Options of the library that are set by one of another name. */
const SET_BY: Readonly<Record<string, string>> = { from: 'proxyProtocol' }

const NAMES = [...Object.keys(FLAGS), ...Object.keys(SET_BY)]
/** Names that are no words of English. The others are names only where the sentence says so. */
const DISTINCT = NAMES.filter((name) => /[A-Z]/.test(name)).join('|')
const WORDS = NAMES.filter((name) => !/[A-Z]/.test(name)).join('|')

/** A name of an option, or first what stands in quotes: that was typed, and stays as it is. */
const NAME = new RegExp(
  `(?<!\\w)'.*?'(?!\\w)|\\b(?:${DISTINCT})\\b(?!=)|(?<=\\b(?:options?|and|or|set|A value of) )(?:${WORDS})\\b`,
  'g',
)

/** Where an option was set: on the command line, by a variable, in the config file. */
export type Source = 'typed' | 'variable' | 'file'

/** A message of the library, or a warning, with its options as they are typed. */
export function inFlags(message: string): string {
  return inWords(message, new Map())
}

/** The same with each option as it was set, by its name; those that were not are told like what the message is about. */
export function inWords(message: string, sources: ReadonlyMap<string, Source>): string {
  const named = [...message.matchAll(/\b[a-z]+[A-Z]\w*|(?<=\boptions? )\w+/g)]
  const usual = named.map(([name]) => sources.get(name)).find((source) => source !== undefined) ?? 'typed'
  return message
    .replace('The option secret.header ', 'The header of the option secret ')
    .replace(', or give [] to trust nobody', '') // nobody is whom a command trusts unless told otherwise
    .replace(/(?<=\boption )\w+(?=[ :])/, (name) =>
      sources.get(name) === 'file' ? `${name} in the config file` : name,
    )
    .replaceAll(NAME, (name) => {
      const option = SET_BY[name] ?? name
      return wordFor(option, sources.get(option) ?? usual) ?? name
    })
    .replaceAll(/\boption(s?) (?=PROXYFIX_)/g, 'variable$1 ')
}

/** What an option is called where it is set; nothing for what is no option. */
function wordFor(option: string, source: Source): string | undefined {
  const flag = FLAGS[option]
  if (flag === undefined || source === 'typed') return flag
  return source === 'variable' ? variableOf(option) : option
}
