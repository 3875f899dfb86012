/**
 * How does another URL show on a Fetch Request? By another Request: a Request cannot be changed in place, its URL is
 * fixed, its headers may be locked (Deno, Workers). Method, streamed body, signal and the platform's own fields go over,
 * and nothing is buffered.
 */

import { type Fix, fixOf, markFixed } from './fixed.ts'
import { carryRoute } from './platform/bun.ts'
import { letGo } from './streams.ts'
import { noteRewritten, type Rewritten, rewrittenOf } from './rewritten.ts'

/** The authority in the URL of a request that names no valid host: nothing that the client could choose. */
export const NO_HOST = 'localhost'

/** Methods that no Request can be made with (Fetch §2.2.1). */
export const NO_FETCH_METHODS: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'TRACK'])

/** What is to show on a Request. */
export interface Remaking {
  readonly url: string
  /** Headers; `undefined` for one that goes. */
  readonly changes: Iterable<readonly [name: string, value: string | undefined]>
  /** Whether the request names a valid host. */
  readonly isHost: boolean
  readonly method?: string | undefined
}

/** The Request that shows this, and can be marked: the same one, when there is nothing else to show. */
export function remake(request: Request, { url: text, changes, isHost, method }: Remaking): Request {
  const { url: before } = request
  // Of another scheme it is another one, and the Request that is made parses it: to do so twice takes 1 us.
  const url = isHttps(text) === isHttps(before) ? new URL(text).href : text
  const list = [...changes]
  const hasMethod = method === undefined || method === request.method
  if (url === before && list.length === 0 && hasMethod && Object.isExtensible(request)) return request
  // A bridge makes the real Request, with the URL of the Host as it was received, when another Request is made from it:
  // where that is no host it would throw, so then it is only read.
  let made = new Request(url, isHost ? request : plainInit(request))
  if (!hasMethod) made = withMethod(made, method)
  for (const [name, value] of list) {
    if (value === undefined) made.headers.delete(name)
    else made.headers.set(name, value)
  }
  carryPlatformFields(request, made)
  follow(request, made)
  return made
}

/** What Workers know of a connection: there a Request takes it over by itself, elsewhere a stand-in of theirs put it there. */
function carryPlatformFields(from: object, to: object): void {
  const { cf } = from as { readonly cf?: unknown }
  if (cf !== undefined && (to as { readonly cf?: unknown }).cf !== cf)
    Object.defineProperty(to, 'cf', { value: cf, configurable: true, enumerable: true, writable: true })
}

function isHttps(url: string): boolean {
  return url.startsWith('https:')
}

const SUCCESSOR = Symbol('successor')

/** What was made of a Request. */
interface Succession {
  readonly of: Request
  readonly made: Request
}

/** A Request that another was made of. */
interface Followed {
  [SUCCESSOR]?: Succession
}

/** Those of Requests that cannot be written on, and of several that are proxies of one. */
const successors = new WeakMap<Request, Request>()

/** On the Request itself, as a WeakMap of so many that soon go takes 5 us a request. */
function follow(request: Request & Followed, made: Request): void {
  const other = request[SUCCESSOR]
  if (other !== undefined && other.of !== request) successors.set(other.of, other.made)
  const value = { of: request, made }
  const isDefined = Reflect.defineProperty(request, SUCCESSOR, { value, configurable: true })
  if (!isDefined || request[SUCCESSOR] !== value) successors.set(request, made)
}

/** The last Request that was made of this one to show something else; the same one, if none was. */
export function latestOf(request: Request): Request {
  const next = successorOf(request)
  return next === undefined ? request : latestOf(next)
}

function successorOf(request: Request & Followed): Request | undefined {
  const noted = request[SUCCESSOR]
  return noted?.of === request ? noted.made : successors.get(request)
}

function withMethod(request: Request, method: string): Request {
  if (request.body === null || (method !== 'GET' && method !== 'HEAD')) return new Request(request, { method })
  // They have no body in Fetch; `cf` is what Workers keep beside it.
  const { url, headers, signal } = request
  letGo(request.body, headers.get('content-type'))
  const made = new Request(url, { method, headers, signal, ...('cf' in request && { cf: request.cf }) } as RequestInit)
  for (const name of ['content-length', 'content-type', 'transfer-encoding']) made.headers.delete(name)
  return made
}

/** As much of a request as can be read without making the Request behind it. */
function plainInit({ method, headers, body, signal }: Request): RequestInit {
  const init = { method, headers, signal }
  return body === null ? init : ({ ...init, body, duplex: 'half' } as RequestInit) // which not all types of it have
}

/** Marks a Fetch request, whose clones are fixed requests too. */
export function markFetch(request: Request, fix: Fix): void {
  markFixed(request, fix)
  keepOnClone(request)
}

/** Notes on a Fetch request, and so on its clones, what it cannot show. */
export function markRewritten(request: Request, rewritten: Rewritten): void {
  noteRewritten(request, rewritten)
  keepOnClone(request)
}

/** On a Request whose own `clone` uses `markClone`. */
export const MARKS_CLONES: unique symbol = Symbol('marks clones')

function keepOnClone(request: Request): void {
  if (MARKS_CLONES in request) return
  Object.defineProperty(request, 'clone', { value: cloneMarked, configurable: true, writable: true })
}

/** `Request.prototype.clone`, with what is known of the request carried over. */
function cloneMarked(this: Request): Request {
  return markClone(this, Reflect.apply(cloneBelow(this), this, []))
}

/** Whoever asks may only inherit from a request that has it. */
function cloneBelow(heir: object): Request['clone'] {
  const { clone } = Object.getPrototypeOf(heir) as Request
  return clone === cloneMarked ? cloneBelow(Object.getPrototypeOf(heir) as object) : clone
}

/** The clone of a request, with what is known of that (contract rule 11). */
export function markClone(request: object, copy: Request): Request {
  const fix = fixOf(request)
  if (fix === undefined) markRewritten(copy, rewrittenOf(request))
  else markFetch(copy, fix)
  carryRoute(request, copy)
  carryPlatformFields(request, copy)
  return copy
}

/**
 * Scheme, authority and the rest of a Request's URL, which has no userinfo. Bun gives a bare path when there is no host;
 * on a unix socket Deno writes `http+unix`, and for the host that the client names none of, the path of the socket.
 */
export function splitUrl(url: string): { scheme: string; authority: string; target: string } {
  if (url.startsWith('/')) return { scheme: 'http', authority: '', target: url }
  const schemeEnd = url.indexOf('://')
  if (schemeEnd === -1) return { scheme: 'http', authority: '', target: '/' } // the target of a CONNECT, on Bun
  const pathAt = url.indexOf('/', schemeEnd + 3)
  const scheme = url.slice(0, schemeEnd)
  const target = url.slice(pathAt)
  if (scheme === 'http+unix') return { scheme: 'http', authority: '', target }
  return { scheme, authority: url.slice(schemeEnd + 3, pathAt), target }
}
