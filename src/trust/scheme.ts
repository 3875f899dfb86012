/**
 * What is a scheme? `http`, `https`, `ws` and `wss` in any case, given in lower case (contract rule 3).
 * Any other text would end up in front of `://` in links and redirects (`javascript:`), so it is none.
 */

/** The schemes a forwarded request can have. */
export type Scheme = 'http' | 'https' | 'ws' | 'wss'

export function parseScheme(text: string): Scheme | undefined {
  if (text === 'https' || text === 'http') return text // all that proxies send in practice
  if (text.length < 2 || text.length > 5) return undefined
  const lower = text.toLowerCase()
  return lower === 'https' || lower === 'http' || lower === 'wss' || lower === 'ws' ? lower : undefined
}

/** Whether the scheme means TLS between the client and the first proxy. */
export function isSecure(scheme: string): boolean {
  return scheme === 'https' || scheme === 'wss'
}

/** The scheme as it stands in a URL that is fetched: a WebSocket begins as an HTTP request (RFC 6455 §4.1). */
export function httpScheme(scheme: string): string {
  return scheme === 'wss' ? 'https' : scheme === 'ws' ? 'http' : scheme
}

/** The port a URL of this scheme means when it names none; `undefined` for a scheme that is not HTTP's. */
export function defaultPort(scheme: string): number | undefined {
  if (isSecure(scheme)) return 443
  return scheme === 'http' || scheme === 'ws' ? 80 : undefined
}
