/**
 * Where does a trusted path prefix go? Adapters cut the request target into what the app routes by and
 * what the client typed, and this file says how for each `prefixMode`.
 */

import type { ProxyFixOptions } from '../trust/options.ts'

/** A request target after the prefix was placed. */
export interface PlacedTarget {
  /** What the app routes by. */
  readonly route: string
  /** What the client typed. */
  readonly public: string
  /** Whether the app is told that it is mounted below the prefix. */
  readonly mounted: boolean
}

/** Places a prefix on a target in origin-form (`/path?query`). */
export function placePrefix(
  target: string,
  prefix: string,
  mode: NonNullable<ProxyFixOptions['prefixMode']>,
): PlacedTarget {
  if (prefix === '') return { route: target, public: target, mounted: false }
  switch (mode) {
    case 'mount':
      return { route: target, public: prefix + target, mounted: true }
    case 'url':
      return { route: prefix + target, public: prefix + target, mounted: false }
    case 'none':
      return { route: target, public: prefix + target, mounted: false }
    case 'strip': {
      // The proxy left the prefix in place, so the target is what the client typed.
      const route = cutPrefix(target, prefix)
      return { route: route ?? target, public: target, mounted: route !== undefined }
    }
  }
}

/** The target without the prefix, cut on a segment boundary: `/apple` is not below `/app`. */
function cutPrefix(target: string, prefix: string): string | undefined {
  if (!target.startsWith(prefix)) return undefined
  const rest = target.slice(prefix.length)
  // One slash: `//evil.example`, left over from `/app//evil.example`, is a host to whoever resolves it as a URL.
  if (rest.startsWith('/')) return rest.replace(/^\/+/, '/')
  return rest === '' || rest.startsWith('?') ? `/${rest}` : undefined
}

const SLASH = 0x2f
const ABSOLUTE_FORM = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i

/**
 * A target as a path: without the scheme and host that a client may put in front of it (RFC 9112 §3.2.2), and
 * with a slash in front of what is no form of target at all (`*@evil.example`). Both are the client's own word
 * on what the decision has settled, and readers that put scheme, host and target together believe them.
 */
export function originForm(target: string): string {
  if (target.charCodeAt(0) === SLASH) return target // nearly every one
  const rest = target.replace(ABSOLUTE_FORM, '')
  return rest.startsWith('/') ? rest : `/${rest}`
}
