/** Where shall the server listen? `8000`, `:8000`, `*:8000`, `host:8000`, `[::1]:8000`; no host means every interface. */

import { parseAuthority } from '../trust/authority.ts'
import { ProxyFixError } from '../trust/error.ts'

/** An address to listen on. */
export interface Bind {
  /** A name or an address, IPv6 without brackets. Absent: every interface, IPv4 and IPv6. */
  readonly host?: string
  /** 0 lets the system choose a free one. */
  readonly port: number
}

const FORMS = 'write PORT, :PORT, HOST:PORT or [IPV6]:PORT'

/**
 * Reads a bind address.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, saying what was wrong and how to write it.
 */
export function parseBind(text: string): Bind {
  if (typeof text !== 'string') fail(String(text), `it is no text: ${FORMS}, as in ':8000'`)
  if (text.includes('://')) fail(text, `it is a URL: ${FORMS}`)
  const scheme = /^(unix|fd|tcp|tcp6|ssl|systemd|haproxy)(?::|$)/.exec(text)?.[1]
  if (scheme !== undefined) fail(text, `${scheme} addresses are not in this release of proxyfix: ${FORMS}`)
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, Math.max(colon, 0))
  const port = parsePort(text, text.slice(colon + 1))
  return host === '' || host === '*' ? { port } : { host: parseHost(text, host), port }
}

function parsePort(bind: string, text: string): number {
  if (!/^\d+$/.test(text)) fail(bind, `it does not end in a port: ${FORMS}`)
  const port = Number(text)
  if (port > 65535) fail(bind, 'a port is at most 65535')
  return port
}

function parseHost(bind: string, text: string): string {
  const hostname = parseAuthority(text)?.hostname
  if (hostname?.startsWith('[') === true) return hostname.slice(1, -1)
  if (hostname !== undefined && !text.includes(':')) return hostname
  fail(
    bind,
    text.includes(':') ? 'IPv6 addresses stand in brackets, as in [::1]:8000' : `${show(text)} is no host: ${FORMS}`,
  )
}

function fail(bind: string, reason: string): never {
  throw new ProxyFixError('ERR_PROXYFIX_OPTION', `Cannot listen on ${show(bind)}: ${reason}.`)
}

function show(text: string): string {
  return `'${text}'`
}
