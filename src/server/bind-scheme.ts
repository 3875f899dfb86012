/** What is meant by an address that begins with the name of a protocol? `http:8080` would look for a host called http. */

const PLAIN = ['http', 'ws', 'h2c', 'tcp4', 'inet', 'inet4'] as const
const SECURE = ['https', 'wss', 'tls', 'h2', 'http2', 'ssl4'] as const
const OF_IPV6 = ['inet6'] as const
const DATAGRAMS = ['udp', 'udp4', 'udp6', 'dtls', 'quic', 'h3', 'http3'] as const
const OTHERS = ['fcgi', 'fastcgi', 'scgi', 'uwsgi', 'ajp', 'ftp', 'ssh'] as const

const HINTS: ReadonlyMap<string, (port: string | undefined) => string> = new Map([
  ...PLAIN.map((word) => [word, hintOfTcp] as const),
  ...SECURE.map((word) => [word, hintOfTls] as const),
  ...OF_IPV6.map((word) => [word, hintOfIPv6] as const),
  ...DATAGRAMS.map(
    (word) => [word, (port: string | undefined) => `HTTP is served over TCP, so ${hintOfTcp(port)}`] as const,
  ),
  ...OTHERS.map(
    (word) => [word, (port: string | undefined) => `HTTP is what is served, so ${hintOfTcp(port)}`] as const,
  ),
])

function hintOfTcp(port = '8000'): string {
  return `write tcp:${port}, or HOST:PORT as in '127.0.0.1:${port}'`
}

function hintOfTls(port = '8443'): string {
  return `write ssl:${port}:privateKey=KEY.pem:certKey=CERT.pem`
}

function hintOfIPv6(port = '8000'): string {
  return `write tcp6:${port}, or HOST:PORT as in '[::1]:${port}'`
}

/**
 * What to write instead; `undefined` where an address begins with no such word.
 * @param kinds The words that addresses may begin with, in lower case.
 */
export function schemeHint(text: string, kinds: readonly string[]): string | undefined {
  const word = /^([a-z]\w*)(?::|$)/i.exec(text)?.[1]
  if (word === undefined) return undefined
  const lower = word.toLowerCase()
  const port = /:(\d+)(?::|$)/.exec(text)?.[1]
  const hint = kinds.includes(lower) ? `write ${lower}${text.slice(word.length)}` : HINTS.get(lower)?.(port)
  return hint && `${word} is no host: ${hint}`
}
