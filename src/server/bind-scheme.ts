/**
 * What is meant by an address that begins with the name of a protocol? `http:8080` would look for a host called http.
 * What is proposed instead can be read, and says all that was said: an interface that were lost would be every one.
 */

const PLAIN = ['http', 'ws', 'h2c', 'tcp4', 'inet', 'inet4'] as const
const SECURE = ['https', 'wss', 'tls', 'h2', 'http2', 'ssl4'] as const
const OF_IPV6 = ['inet6'] as const
const DATAGRAMS = ['udp', 'udp4', 'dtls', 'quic', 'h3', 'http3'] as const
const DATAGRAMS_OF_IPV6 = ['udp6'] as const
const OTHERS = ['fcgi', 'fastcgi', 'scgi', 'uwsgi', 'ajp', 'ftp', 'ssh'] as const

const OVER_TCP = 'HTTP is served over TCP, so '
const AS_HTTP = 'HTTP is what is served, so '

/** With which kind of address it is served, after a clause that says why. */
type Meaning = readonly [kind: 'tcp' | 'tcp6' | 'ssl', why: string]

const MEANINGS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ...PLAIN.map((word) => [word, ['tcp', '']] as const),
  ...SECURE.map((word) => [word, ['ssl', '']] as const),
  ...OF_IPV6.map((word) => [word, ['tcp6', '']] as const),
  ...DATAGRAMS.map((word) => [word, ['tcp', OVER_TCP]] as const),
  ...DATAGRAMS_OF_IPV6.map((word) => [word, ['tcp6', OVER_TCP]] as const),
  ...OTHERS.map((word) => [word, ['tcp', AS_HTTP]] as const),
])

const FILES = 'privateKey=KEY.pem:certKey=CERT.pem'

/** How each kind is written, where what was typed leaves nothing to go by. */
const FORMS_OF_KINDS: ReadonlyMap<string, string> = new Map([
  ['tcp', 'tcp:PORT, as in tcp:8000'],
  ['tcp6', 'tcp6:PORT, as in tcp6:8000'],
  ['ssl', `ssl:PORT:${FILES}`],
  ['unix', 'unix:PATH, as in unix:run/app.sock'],
  ['fd', 'fd:NUMBER, as in fd:3'],
  ['systemd', 'systemd, or systemd:name=NAME'],
])

/**
 * What to write instead; `undefined` where an address begins with no such word.
 * @param isAddress Whether an address can be read.
 */
export function schemeHint(text: string, isAddress: (text: string) => boolean): string | undefined {
  const word = /^([a-z]\w*)(?::|$)/i.exec(text)?.[1]
  if (word === undefined) return undefined
  const lower = word.toLowerCase()
  const rest = text.slice(word.length)
  const form = FORMS_OF_KINDS.get(lower)
  if (form !== undefined) return `${word} is no host: write ${candidates(lower, rest).find(isAddress) ?? form}`
  const meaning = MEANINGS.get(lower)
  if (meaning === undefined) return undefined
  const [kind, why] = meaning
  const found = candidates(kind, rest).find(isAddress)
  return `${word} is no host: ${why}write ${kind === 'ssl' ? (found ?? FORMS_OF_KINDS.get(kind)) : orHost(kind, found)}`
}

/** What may have been meant by a kind and all that follows the word, the likeliest first. */
function candidates(kind: string, rest: string): readonly string[] {
  const bare = rest.slice(1) // as in http:127.0.0.1:8000
  if (kind === 'tcp') return [`tcp${rest}`, `tcp6${rest}`, bare]
  if (kind === 'tcp6') return [`tcp6${rest}`, bare]
  if (kind !== 'ssl') return [`${kind}${rest}`]
  return [`ssl${rest}`, `ssl${rest}:${FILES}`, `ssl${rest.replace(/^:(.+):(\d+)$/s, ':$2:interface=$1')}:${FILES}`]
}

/** With how an interface is named, where none was. */
function orHost(kind: 'tcp' | 'tcp6', found: string | undefined): string {
  const port = found?.startsWith(`${kind}:`) === true ? /^\w+:(\d+)$/.exec(found)?.[1] : undefined
  if (found !== undefined && port === undefined) return found
  const host = kind === 'tcp6' ? '[::1]' : '127.0.0.1'
  return `${kind}:${port ?? 'PORT'}, or HOST:PORT as in '${host}:${port ?? '8000'}'`
}
