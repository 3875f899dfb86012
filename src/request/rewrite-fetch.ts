/** How is a Fetch request rewritten? By another Request, and by what the platform passes along, which tells the client. */

import { canonicalPeer } from '../trust/address.ts'
import type { Client } from '../trust/connection.ts'
import { isHeaderName } from '../trust/header-text.ts'
import { httpScheme } from '../trust/scheme.ts'
import { incomingOf } from './fetch.ts'
import { markFetch, markRewritten, NO_HOST, remake, splitUrl } from './fetch-request.ts'
import { type Fix, fixOf } from './fixed.ts'
import { platformArgument } from './platform/platform.ts'
import { carryServerFields, srvx } from './platform/srvx.ts'
import { placePrefix } from './prefix-mode.ts'
import type { RequestChanges, RequestSource } from './rewritable-request.ts'
import { NodeSource, rewriteNode } from './rewrite-node.ts'
import { rewrittenOf } from './rewritten.ts'

/** What a draft reads of a Fetch request. */
export class FetchSource implements RequestSource {
  readonly raw: Request
  readonly #platformArgs: readonly unknown[]

  constructor(request: Request, platformArgs: readonly unknown[]) {
    this.raw = request
    this.#platformArgs = platformArgs
  }

  get fix(): Fix | undefined {
    return fixOf(this.raw)
  }

  get method(): string {
    return this.raw.method
  }

  get url(): string {
    return splitUrl(this.raw.url).target
  }

  get scheme(): string {
    return this.fix?.decision.scheme ?? splitUrl(this.raw.url).scheme
  }

  get host(): string | undefined {
    const { fix } = this
    if (fix !== undefined) return fix.decision.host
    return this.raw.headers.get('host') || splitUrl(this.raw.url).authority || undefined
  }

  get prefix(): string {
    const { fix } = this
    return fix === undefined ? (rewrittenOf(this.raw).mount?.path ?? '') : mountPathOf(fix)
  }

  get client(): Client {
    const { fix, raw } = this
    if (fix !== undefined) return fix.decision.client
    const known = rewrittenOf(raw).client
    if (known !== undefined) return known
    const [first] = this.#platformArgs
    const incoming = incomingOf(raw, first)
    if (incoming !== undefined) return new NodeSource(incoming).client
    const peer = (platformArgument(first, raw) ?? srvx(raw))?.peer
    const address = canonicalPeer(peer?.address)
    return address === undefined ? {} : { address, port: peer?.port }
  }

  get publicTarget(): string {
    return this.fix?.publicTarget ?? rewrittenOf(this.raw).mount?.publicTarget ?? this.url
  }

  header(name: string): string | undefined {
    return isHeaderName(name) ? (this.raw.headers.get(name) ?? undefined) : undefined
  }

  headerNames(): Iterable<string> {
    return this.raw.headers.keys()
  }
}

/** Shows what a rewriter has changed: the Request to pass on, and what the platform passes along. */
export function rewriteFetch(
  request: Request,
  changes: RequestChanges,
  platformArgs: readonly unknown[],
): { request: Request; platformArgs: readonly unknown[] } {
  const [first, ...others] = platformArgs
  const incoming = incomingOf(request, first)
  const platform = incoming === undefined ? platformArgument(first, request) : undefined
  const server = srvx(request)
  const { client } = changes.end ?? new FetchSource(request, platformArgs)
  // The Node request keeps its path: a router may have cut another part off the Request's.
  if (incoming !== undefined) {
    rewriteNode(incoming, { ...changes, method: undefined, url: undefined, mount: undefined })
  }
  const shown = remake(request, remaking(request, changes))
  mark(shown, request, changes)
  carryServerFields(request, shown, client)
  server?.show(client, shown)
  if (platform === undefined) return { request: shown, platformArgs }
  return { request: shown, platformArgs: [platform.show(client, shown), ...others] }
}

function remaking(request: Request, { method, url, site, headers }: RequestChanges): Parameters<typeof remake>[1] {
  const { scheme, authority, target } = splitUrl(request.url)
  const host = site === undefined ? authority : site.hostname === undefined ? '' : site.host
  const changes = new Map(headers)
  if (site?.host !== undefined && request.headers.has('host') && request.headers.get('host') !== site.host) {
    changes.set('host', site.host)
  }
  return {
    url: `${httpScheme(site?.scheme ?? scheme)}://${host || NO_HOST}${url ?? target}`,
    changes,
    isHost: site === undefined || site.hostname !== undefined,
    method,
  }
}

function mark(shown: Request, request: Request, { fix = fixOf(request), end, mount }: RequestChanges): void {
  if (fix !== undefined) return markFetch(shown, fix)
  const before = rewrittenOf(request)
  const client = end?.client ?? before.client
  if (client !== undefined || mount !== undefined || before.mount !== undefined) {
    markRewritten(shown, { client, mount: mount ?? before.mount })
  }
}

/** What stands before the path that the app routes by. */
function mountPathOf({ decision: { prefix }, policy, publicTarget, mountPath }: Fix): string {
  if (mountPath !== undefined) return mountPath
  const { prefixMode } = policy.checked
  if (prefixMode === 'url') return ''
  return prefixMode === 'strip' && !placePrefix(publicTarget, prefix, 'strip').mounted ? '' : prefix
}
