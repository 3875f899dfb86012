/** What an attacker would send: the material of the properties. */

import fc from 'fast-check'
import type { ProxyFixOptions } from '../../src/trust/options.ts'

/** Syntax of every header near ours, values that would be believed, and what tends to break parsers. */
const FRAGMENTS = [
  '"',
  '\\',
  '\\"',
  ',',
  ', ',
  ',,',
  ';',
  ' ',
  '\t',
  '[',
  ']',
  ':',
  '=',
  '%',
  '@',
  '/',
  '//',
  '..',
  '?',
  '#',
  '*',
  '_',
  '.',
  '-',
  '0',
  '1',
  '65536',
  '6.6.6.6',
  '6.6.6.6:6666',
  '"6.6.6.6"',
  '::1',
  '[::1]:80',
  '::ffff:6.6.6.6',
  'fe80::1%eth0',
  'unknown',
  '_hidden',
  'for=6.6.6.6',
  'for="[::1]";proto=https',
  'http',
  'https',
  'wss',
  'javascript',
  'evil.example',
  'evil.example:8443',
  'user@evil.example',
  'xn--bcher-kva',
  'xn--',
  '0x7f.1',
  '/evil',
  '//evil.example',
  '/%2e%2e',
  '%2f',
  '%00',
  '8443',
  '<script>',
  '__proto__',
  'Host',
] as const

const WIRE_FRAGMENTS = [...FRAGMENTS, '\u00e9', '\u00a0', '\u0080', '\u00ff']
const ANY_FRAGMENTS = [
  ...WIRE_FRAGMENTS,
  '\0',
  '\r\n',
  '\n',
  '\u2028',
  '，',
  '２',
  '\u{1f600}',
  '\ud800',
  'ſ',
  '\u200b',
]

function textOf(fragments: readonly string[], maxLength: number): fc.Arbitrary<string> {
  return fc.array(fc.constantFrom(...fragments), { maxLength }).map((parts) => parts.join(''))
}

/** Any text at all, NUL, line breaks and lone surrogates included: what a pure function may be given. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: textOf(ANY_FRAGMENTS, 8) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...ANY_FRAGMENTS), fc.nat({ max: 2000 }))
      .map(([part, times]) => part.repeat(times)),
  },
)

/** Text that a header line can carry over HTTP/1.1 (RFC 9110 §5.5): no control but the tab, one byte a character. */
const wireText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: textOf(WIRE_FRAGMENTS, 6) },
  { weight: 1, arbitrary: fc.stringMatching(/^[\t\u0020-\u007e\u0080-\u00ff]{0,40}$/) },
)

const ADDRESSES = [
  '203.0.113.7',
  '198.51.100.1',
  '192.0.2.1:4711',
  '[2001:db8::1]:443',
  '2001:DB8::2',
  '::ffff:203.0.113.9',
]

/** The headers that decide, and a value of each that a proxy would write. */
export const proxyValues: Readonly<Record<CountedHeader, fc.Arbitrary<string>>> = {
  'X-Forwarded-For': fc.constantFrom(...ADDRESSES, 'unknown', ''),
  'X-Forwarded-Proto': fc.constantFrom('http', 'https', 'HTTPS', 'wss', 'junk', ''),
  'X-Forwarded-Host': fc.constantFrom('shop.example', 'SHOP.example:8443', '[2001:db8::1]:80', 'a b', ''),
  'X-Forwarded-Port': fc.constantFrom('80', '443', '8443', '0', ''),
  'X-Forwarded-Prefix': fc.constantFrom('/shop', '/shop/', '/', '//shop', ''),
}

export const COUNTED_HEADERS = [
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'X-Forwarded-Host',
  'X-Forwarded-Port',
  'X-Forwarded-Prefix',
] as const

export type CountedHeader = (typeof COUNTED_HEADERS)[number]

/** Headers that hold the client's address under another name (contract rule 10). */
export const ALIASES = [
  'X-Real-IP',
  'X-Client-IP',
  'X-Cluster-Client-IP',
  'True-Client-IP',
  'CF-Connecting-IP',
  'CF-Connecting-IPv6',
  'CF-Pseudo-IPv4',
  'Fastly-Client-IP',
  'X-Appengine-User-IP',
] as const

/** Headers that are never left after `normalize` (contract rule 10). */
const OTHERS = [
  'Forwarded',
  'X-Forwarded',
  'Forwarded-For',
  'X-Forwarded-Protocol',
  'X-Forwarded-Scheme',
  'X-Forwarded-Ssl',
  'X-Forwarded-Server',
  'X-Forwarded-By',
  'X-Original-For',
  'X-Original-Host',
  'X-Original-Proto',
  'X-Url-Scheme',
  'X-Script-Name',
  'Front-End-Https',
] as const

export const FORWARDING_HEADERS: readonly string[] = [...COUNTED_HEADERS, ...ALIASES, ...OTHERS]

/** A forwarding header's name as somebody might spell it: any case, `_` or `.` for some of the hyphens. */
export const forwardingName: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(...FORWARDING_HEADERS),
    fc.constantFrom('as is', 'as is', 'lower', 'upper', 'random'),
    fc.constantFrom('-', '-', '-', '_', '.'),
    fc.infiniteStream(fc.boolean()),
  )
  .map(([name, casing, joint, coins]) => {
    const coin = (): boolean => coins.next().value === true
    let spelled = ''
    for (const character of name) {
      if (character === '-') spelled += joint !== '-' && coin() ? joint : '-'
      else if (casing === 'random') spelled += coin() ? character.toUpperCase() : character.toLowerCase()
      else
        spelled +=
          casing === 'upper' ? character.toUpperCase() : casing === 'lower' ? character.toLowerCase() : character
    }
    return spelled
  })

/** A name that nobody takes for a forwarding header, some of them very near to one. */
export const otherName: fc.Arbitrary<string> = fc.constantFrom(
  'Accept',
  'Cookie',
  'Via',
  'X-Forwarded-Fox',
  'X-Forwarded-Hosts',
  'X-Real',
  'XX-Forwarded-For',
  'Fo',
  'Cf-Ray',
  'X-Request-Id',
  '__proto__',
  'constructor',
)

/** A value that may well count: a list of honest ones, or any text. */
export const headerValue: fc.Arbitrary<string> = fc.oneof(
  fc
    .array(fc.oneof(...COUNTED_HEADERS.map((name) => proxyValues[name])), { minLength: 1, maxLength: 4 })
    .map((values) => values.join(', ')),
  wireText,
)

/** Counts and what goes with them; `required` and `allowedHosts` are left to the properties that are about them. */
export const countOptions: fc.Arbitrary<ProxyFixOptions> = fc.record({
  xFor: fc.nat({ max: 3 }),
  xProto: fc.nat({ max: 3 }),
  xHost: fc.nat({ max: 3 }),
  xPort: fc.nat({ max: 3 }),
  xPrefix: fc.nat({ max: 3 }),
})
