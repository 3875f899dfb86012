/** What the library says of its options, in the words of a command line, where `xFor` is typed `--x-for`. */

import { flagOf, SETTINGS } from '../server/settings.ts'

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
  from: '--proxy-protocol',
}

const NAMES = Object.keys(FLAGS)
/** Names that are no words of English. The others are names only where the sentence says so. */
const DISTINCT = NAMES.filter((name) => /[A-Z]/.test(name)).join('|')
const WORDS = NAMES.filter((name) => !/[A-Z]/.test(name)).join('|')

/** A name of an option, or first what stands in quotes: that was typed, and stays as it is. */
const NAME = new RegExp(
  `(?<!\\w)'.*?'(?!\\w)|\\b(?:${DISTINCT})\\b|(?<=\\b(?:options?|and|or|A value of) )(?:${WORDS})\\b`,
  'g',
)

/** A message of the library, or a warning, with its options as they are typed. */
export function inFlags(message: string): string {
  return message
    .replace('The option secret.header ', 'The header of the option secret ')
    .replace(', or give [] to trust nobody', '') // nobody is whom a command trusts unless told otherwise
    .replaceAll(NAME, (name) => FLAGS[name] ?? name)
}
