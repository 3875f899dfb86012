/**
 * How do several apps share one path space? Each below a prefix: the longest that matches by whole segments serves the
 * request, and the part of the path that matched moves to the request's prefix (Werkzeug's `DispatcherMiddleware`).
 */

import { FetchSource, rewriteFetch } from '../request/rewrite-fetch.ts'
import { isFetchRequest } from '../request/fetch.ts'
import { isFetchResponse } from '../request/fetch-response.ts'
import { isNodeRequest, type NodeRequest } from '../request/node-request.ts'
import type { NodeResponse } from '../request/node-response.ts'
import { connectionOf } from '../request/node-socket.ts'
import { misuse } from '../request/rewritable-headers.ts'
import { RequestDraft } from '../request/rewritable-request.ts'
import { NodeSource, rewriteNode } from '../request/rewrite-node.ts'
import { isThenable } from '../request/thenable.ts'
import { fail, show } from '../trust/error.ts'
import { parsePrefix } from '../trust/prefix.ts'
import { answerAsResponse, answerOnResponse, answerOnSocket, type RawSocket, textAnswer } from './answer.ts'
import { answerFailure } from './failure.ts'
import {
  type CallableHandler,
  describeNonHandler,
  type FetchObject,
  type FunctionHandler,
  isHandler,
} from './handler.ts'

/** What `mount` makes of its apps: of objects with a `fetch` method a Fetch handler. */
export type Mounted<H extends CallableHandler> = H extends FunctionHandler
  ? H
  : H extends FetchObject
    ? H['fetch']
    : never

/** An app and where it is mounted. */
interface Mount {
  /** As it was written. */
  readonly key: string
  readonly path: string
  /** Its segments, decoded. */
  readonly segments: readonly string[]
  readonly app: CallableHandler
}

/**
 * Mounts apps below path prefixes, all of them Node handlers or all of them Fetch handlers. A request below none of them is
 * answered 404, or goes to `next` where there is one; a Node request below one that gives back a Response, 500.
 *
 * Segments are compared decoded (`/%61pp/x` is below `/app`), an encoded slash separates none, `/apple` is not below
 * `/app`, and neither is `//app`. What is left of the path begins with one slash.
 *
 * `proxyFix` belongs in front: `proxyFix(mount({ … }), options)` puts the forwarded prefix before the path of the mount.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a path or an app that cannot be.
 * @see Werkzeug's `DispatcherMiddleware`.
 * @example
 * const app = mount({ '/shop': shop, '/admin': admin, '/': site })
 */
export function mount<H extends CallableHandler>(apps: Readonly<Record<string, H>>): Mounted<H> {
  const mounts = mountsOf(apps)
  function mounted(this: unknown, ...args: unknown[]): unknown {
    const [request] = args
    if (isNodeRequest(request)) return dispatchNode(this, mounts, request, args)
    if (isFetchRequest(request)) return dispatchFetch(this, mounts, request, args)
    throw misuse(
      'What mount() made was called without a request: its first argument must be a Node or a Fetch request.',
    )
  }
  // Whoever counts parameters is to see what the apps have: Node handlers have two, Fetch handlers one.
  const length = Math.max(...mounts.map(({ app }) => (typeof app === 'function' ? app.length : 1)))
  Object.defineProperty(mounted, 'length', { value: length, configurable: true })
  return mounted as unknown as Mounted<H> // which calls the apps with the very arguments
}

function dispatchNode(self: unknown, mounts: readonly Mount[], req: NodeRequest, args: unknown[]): unknown {
  const draft = new RequestDraft(new NodeSource(req))
  const connection = connectionOf(req, args[1])
  const found = find(mounts, draft.url)
  if (found === undefined) {
    const next = args[2]
    if (typeof next === 'function') return next() as unknown
    return connection === undefined
      ? answerOnResponse(args[1] as NodeResponse, NOT_FOUND, req.method === 'HEAD')
      : answerOnSocket(args[1] as RawSocket, NOT_FOUND)
  }
  const { place, url } = found
  const refuse = (what: string): unknown => {
    const error = misuse(
      `The app mounted at '${place.path || '/'}' ${what}, and was called with a Node request and its response: mount apps of one kind, and serve those of Fetch over a bridge.`,
    )
    return answerFailure(error, req, args[1], connection)
  }
  if (typeof place.app !== 'function') return refuse('has a fetch method')
  if (place.path !== '' || url !== draft.url) {
    draft.descend(place.path, url)
    rewriteNode(req, draft.close()!, connection)
  }
  // A Response would be waited for in vain.
  const judge = (result: unknown): unknown => (isFetchResponse(result) ? refuse('gave back a Response') : result)
  const result = callApp(place, self, args)
  return isThenable(result) ? result.then(judge) : judge(result)
}

function dispatchFetch(self: unknown, mounts: readonly Mount[], request: Request, args: unknown[]): unknown {
  const platformArgs = args.slice(1)
  const draft = new RequestDraft(new FetchSource(request, platformArgs))
  const found = find(mounts, draft.url)
  if (found === undefined) return answerAsResponse(NOT_FOUND)
  const { place, url } = found
  if (place.path === '' && url === draft.url) return callApp(place, self, args)
  draft.descend(place.path, url)
  const shown = rewriteFetch(request, draft.close()!, platformArgs)
  return callApp(place, self, [shown.request, ...shown.platformArgs])
}

const NOT_FOUND = textAnswer(404, 'Not found.\n')

function callApp({ app }: Mount, self: unknown, args: unknown[]): unknown {
  return typeof app === 'function' ? Reflect.apply(app, self, args) : Reflect.apply(app.fetch, app, args)
}

/** The mount that a target is below, and what is left of the target. */
function find(mounts: readonly Mount[], target: string): { place: Mount; url: string } | undefined {
  const pathEnd = target.search(/[?#]/)
  const path = normalised(pathEnd === -1 ? target : target.slice(0, pathEnd))
  const query = pathEnd === -1 ? '' : target.slice(pathEnd)
  const parts = path.split('/').slice(1) // which begins with a slash; `*` is below nothing but the root
  for (const place of mounts) {
    const depth = place.segments.length
    if (parts.length < depth || !place.segments.every((segment, index) => decoded(parts[index]!) === segment)) continue
    // One slash: `//evil.example`, left over from `/app//evil.example`, is a host to whoever resolves it as a URL.
    const rest = depth === 0 ? path : `/${parts.slice(depth).join('/').replace(/^\/+/, '')}`
    return { place, url: rest + query }
  }
  return undefined
}

/**
 * A path with dot segments and backslashes as a URL has them: an app that makes a URL of it sees the path that it was
 * mounted for, and Node's is the same as that of a Fetch request.
 */
function normalised(path: string): string {
  if (!/\\|\/(?:\.|%2e){1,2}(?:\/|$)/i.test(path) || !path.startsWith('/')) return path
  return new URL(`http://host${path}`).pathname
}

/** A path as it goes over the wire; nothing for what cannot. */
function encoded(path: string): string {
  try {
    return encodeURI(path)
  } catch {
    return ''
  }
}

function decoded(segment: string): string {
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function mountsOf(apps: unknown): readonly Mount[] {
  if (typeof apps !== 'object' || apps === null || Object.keys(apps).length === 0) {
    const what = typeof apps === 'object' && apps !== null ? 'one without paths' : show(apps)
    fail(`mount needs an object of paths and apps like { '/shop': shop, '/': site }, not ${what}.`)
  }
  const mounts = Object.entries(apps).map(([key, app]: [string, unknown]): Mount => {
    const path = parsePrefix(key) ?? parsePrefix(encoded(key))
    if (path === undefined) fail(`mount cannot take the path ${show(key)}: write one like '/shop' or '/'.`)
    if (!isHandler(app)) fail(`mount cannot take what is at ${show(key)}, ${describeNonHandler(app)}.`)
    return { key, path, segments: path === '' ? [] : path.slice(1).split('/').map(decoded), app }
  })
  const paths = mounts.map(({ segments }) => segments.join('/'))
  const twice = paths.findIndex((path, index) => paths.indexOf(path) !== index)
  if (twice !== -1) {
    const [first, second] = [mounts[paths.indexOf(paths[twice]!)]!, mounts[twice]!]
    fail(`mount has two apps at one path: ${show(first.key)} and ${show(second.key)} are the same.`)
  }
  return mounts.toSorted((one, other) => other.segments.length - one.segments.length)
}
