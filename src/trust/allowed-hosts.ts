/**
 * Which hosts are served here? A Host header is the client's own word, and it comes back in links and redirects that
 * others follow (password-reset mails), so an app names the hosts it has. Names are compared without case, port and
 * trailing dot; `.example.com` is that name and all below it, on label boundaries: `evilexample.com` is not below it.
 */

import { parseAuthority } from './authority.ts'
import { fail, show } from './error.ts'

/**
 * Compiles a list of hosts.
 * @param owner Whose list it is, for messages that begin with it.
 * @returns Whether a hostname, as a decision gives it, is in the list.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no list of host names.
 */
export function allowedHosts(list: unknown, owner: string): (hostname: string) => boolean {
  if (!Array.isArray(list)) {
    fail(`${owner} must be a list like ['example.com', '.example.org'], not ${show(list)}.`)
  }
  const exact = new Set<string>()
  const below = new Set<string>()
  for (const entry of list as readonly unknown[]) {
    const text = typeof entry === 'string' ? entry : fail(`${owner} takes host names, not ${show(entry)}.`)
    const subdomains = text.startsWith('.')
    const name = allowedName(text, subdomains ? text.slice(1) : text, owner)
    exact.add(name)
    if (subdomains) below.add(name)
  }
  return (hostname) => {
    const name = withoutTrailingDot(hostname)
    if (exact.has(name)) return true
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
      if (below.has(name.slice(dot + 1))) return true
    }
    return false
  }
}

function allowedName(entry: string, text: string, owner: string): string {
  const authority = parseAuthority(text) ?? parseAuthority(toAscii(text) ?? '')
  if (authority === undefined) {
    fail(
      `${owner} cannot take ${show(entry)}: write a host name like 'example.com', '.example.com' for all names below it, or an address ('[::1]' in brackets).`,
    )
  }
  if (authority.port !== undefined) {
    fail(`${owner} cannot take ${show(entry)}: ports are not compared, so write ${show(authority.hostname)}.`)
  }
  return withoutTrailingDot(authority.hostname)
}

/** An international name in the form that goes over the wire (UTS #46), which only a URL parser knows. */
function toAscii(text: string): string | undefined {
  // Letters, marks, digits, dots and hyphens, some of them not ASCII: nothing that the parser could take for syntax
  // or repair, as it would 192.0.2.
  if (!/^[\p{L}\p{M}\p{N}.\-_]+$/u.test(text) || /^[\x20-\x7e]*$/.test(text)) return undefined
  const url = `http://${text}/`
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

function withoutTrailingDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}
