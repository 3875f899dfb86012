/** The internet in small: proxies that are ours, clients that are not, and the ways in which proxies write them down. */

import fc from 'fast-check'

/** `trustedProxies` of the properties: plain addresses, blocks and a name, of both families. */
export const OURS: readonly string[] = ['10.0.0.0/8', '192.0.2.7', '2001:db8:aa::/48', 'fd00::/8', 'loopback']

const OUR_ADDRESSES = ['10.0.0.1', '10.0.0.2', '10.255.255.255', '192.0.2.7', '2001:db8:aa::1', 'fd12:3456::a', '::1']
const STRANGERS = ['203.0.113.7', '198.51.100.1', '192.0.2.8', '11.0.0.0', '9.255.255.255', '2001:db8:ab::', 'fe00::1']

export const ourAddress: fc.Arbitrary<string> = fc.constantFrom(...OUR_ADDRESSES)
export const stranger: fc.Arbitrary<string> = fc.constantFrom(...STRANGERS)
export const anyAddress: fc.Arbitrary<string> = fc.oneof(ourAddress, stranger)

/** How an address is written where any legal spelling will do. */
export interface Spelling {
  /** Which of the texts of {@link spellingsOf}. */
  readonly text: number
  readonly brackets: boolean
  readonly port: string | undefined
  readonly quotes: boolean
}

const PLAIN: Spelling = { text: 0, brackets: false, port: undefined, quotes: false }

export const spelling: fc.Arbitrary<Spelling> = fc.oneof(
  fc.constant(PLAIN),
  fc.record({
    text: fc.nat({ max: 5 }),
    brackets: fc.boolean(),
    port: fc.constantFrom(undefined, '1', '443', '65535', '0'),
    quotes: fc.boolean(),
  }),
)

/** The same address in other legal texts, the canonical one first. Only IPv4 has forms of another family. */
function spellingsOf(address: string): readonly string[] {
  if (address.includes(':')) {
    const full = fullGroups(address)
    return [address, address.toUpperCase(), full.join(':'), full.map((group) => group.padStart(4, '0')).join(':')]
  }
  return [address, ...mappedSpellings(address)]
}

/** Every way to write IPv4 as mapped IPv6 (RFC 4291 §2.5.5.2). */
export function mappedSpellings(address: string): readonly string[] {
  const [a = 0, b = 0, c = 0, d = 0] = address.split('.').map(Number)
  const high = ((a << 8) | b).toString(16)
  const low = ((c << 8) | d).toString(16)
  return [
    `::ffff:${address}`,
    `::FFFF:${high}:${low.toUpperCase()}`,
    `0:0:0:0:0:ffff:${address}`,
    `0000:0000:0000:0000:0000:ffff:${high.padStart(4, '0')}:${low.padStart(4, '0')}`,
    `0:0::0:FfFf:${high}:${low}`,
  ]
}

function fullGroups(address: string): string[] {
  const [head = '', tail] = address.split('::')
  const left = head === '' ? [] : head.split(':')
  if (tail === undefined) return left
  const right = tail === '' ? [] : tail.split(':')
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
}

/** A value of X-Forwarded-For. */
export function writeFor(address: string, { text, brackets, port, quotes }: Spelling): string {
  const node = writeNode(address, { text, brackets, port, quotes: false })
  return quotes ? `"${node}"` : node
}

function writeNode(address: string, { text, brackets, port }: Spelling): string {
  const texts = spellingsOf(address)
  const chosen = texts[text % texts.length] ?? address
  const bracketed = chosen.includes(':') && (brackets || port !== undefined) ? `[${chosen}]` : chosen
  return port === undefined ? bracketed : `${bracketed}:${port}`
}

/** How an RFC 7239 element is written where any legal way will do. */
export interface ElementStyle {
  readonly spelling: Spelling
  /** `where needed` leaves `:`, `[` and `]` bare, as many proxies do; RFC 7239 §4 would have them quoted. */
  readonly quotes: 'always' | 'as the RFC says' | 'where needed'
  /** Whether what need not be escaped in a quoted string is. */
  readonly escapes: boolean
  readonly casing: 'lower' | 'upper' | 'Title'
  readonly reversed: boolean
  readonly blanks: readonly [before: string, after: string]
  readonly emptyPairs: boolean
  readonly extension: readonly [name: string, value: string] | undefined
}

const BLANKS = ['', '', ' ', '\t', ' \t ']
// What a client can make a proxy write down: its own Host, user agent or path, in a quoted string of the proxy's.
const quotable = fc
  .array(
    fc.constantFrom(',', ';', '"', '\\', '=', ' ', '\t', 'for=6.6.6.6', '"for=6.6.6.6', ', for=6.6.6.6,', 'a', '\xe9'),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

export const elementStyle: fc.Arbitrary<ElementStyle> = fc.record({
  spelling,
  quotes: fc.constantFrom('always', 'as the RFC says', 'where needed'),
  escapes: fc.boolean(),
  casing: fc.constantFrom('lower', 'upper', 'Title'),
  reversed: fc.boolean(),
  blanks: fc.tuple(fc.constantFrom(...BLANKS), fc.constantFrom(...BLANKS)),
  emptyPairs: fc.boolean(),
  extension: fc.option(fc.tuple(fc.constantFrom('ext', 'by', '!#$&', 'forr', 'x'), quotable), {
    nil: undefined,
    freq: 2,
  }),
})

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const TOLD_BARE = /^[!#$%&'*+.^_`|~0-9A-Za-z:[\]-]+$/

/** A legal element; parameters without a value are left out, one with the value `''` is written `""`. */
export function writeElement(
  parameters: { readonly for?: string | undefined; readonly proto?: string; readonly host?: string },
  { quotes, escapes, casing, reversed, blanks, emptyPairs, extension }: ElementStyle,
): string {
  const pairs = Object.entries(parameters).filter((pair): pair is [string, string] => pair[1] !== undefined)
  if (extension !== undefined) pairs.splice(1, 0, [...extension])
  if (reversed) pairs.reverse()
  const texts = pairs.map(([name, value]) => {
    const bare = quotes === 'where needed' ? TOLD_BARE : TOKEN
    return `${inCase(name, casing)}=${quotes === 'always' || !bare.test(value) ? quoted(value, escapes) : value}`
  })
  if (emptyPairs) texts.splice(1, 0, '', '')
  return texts.join(`${blanks[0]};${blanks[1]}`)
}

/** The client of an element, as RFC 7239 §6 has it: IPv6 is never without brackets. */
export function writeForwardedFor(address: string, { spelling: one }: ElementStyle): string {
  return writeNode(address, { ...one, brackets: true })
}

function quoted(value: string, escapes: boolean): string {
  return `"${value.replaceAll(escapes ? /[\s\S]/g : /["\\]/g, '\\$&')}"`
}

function inCase(name: string, casing: ElementStyle['casing']): string {
  if (casing === 'lower') return name
  return casing === 'upper' ? name.toUpperCase() : name.charAt(0).toUpperCase() + name.slice(1)
}
