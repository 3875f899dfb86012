/**
 * One request, sent to one app that is wrapped in the same way, as a Node handler and as a Fetch handler: over a real
 * connection to a real server, and by a direct call with what a platform passes along. What comes back is told in the
 * same words for both, so one table of behaviours holds both to the same outcome.
 */

import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { onTestFinished, vi } from 'vitest'
import type { Handler } from '../../../src/index.ts'
import { close, listen } from '../../fixtures/raw-http.ts'

/** The two kinds, as test names. */
export const KINDS = ['Node', 'Fetch'] as const
export type Kind = (typeof KINDS)[number]

/** Wraps a handler of either kind, as all of the library's middlewares do. */
export type Wrap = <H extends Handler>(handler: H) => H

export interface Question {
  readonly method?: string
  /** Path and query. */
  readonly target?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A request, as the app behind all wrappers reads it by the platform's own means. */
export interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly scheme: string
  readonly host: string | undefined
  readonly client: string | undefined
  /** Without those that a client of either kind adds by itself. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What the app answers. */
export interface AppAnswer {
  readonly status?: number
  /** Set by `setHeader`, and in a Response. */
  readonly headers?: readonly (readonly [name: string, value: string])[]
  readonly body?: string | null
}

export interface Outcome {
  /** What each call of the handler was given. */
  readonly seen: readonly Seen[]
  readonly status: number | undefined
  /** Names in lower case, sorted, without those that a server adds by itself; cookies stand one by one. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string | undefined
  /** What the wrapped handler threw or was rejected with, or what was shown of it on standard error. */
  readonly error?: unknown
}

/** Headers that transport adds. */
const TRANSPORT = new Set([
  'date',
  'connection',
  'keep-alive',
  'content-length',
  'transfer-encoding',
  'host',
  'accept',
  'accept-encoding',
  'accept-language',
  'sec-fetch-mode',
  'user-agent',
])

/** The address from which both kinds are asked. */
export const PEER = '127.0.0.1'
/** The Host that both kinds are asked for. */
export const HOST = 'app.example'

/** Sends a request to an app of one kind. */
export async function ask(
  kind: Kind,
  wrap: Wrap,
  question: Question = {},
  answer: AppAnswer | ((seen: Seen) => AppAnswer) = {},
): Promise<Outcome> {
  const respond = typeof answer === 'function' ? answer : () => answer
  return kind === 'Node' ? await askNode(wrap, question, respond) : await askFetch(wrap, question, respond)
}

async function askNode(wrap: Wrap, question: Question, respond: (seen: Seen) => AppAnswer): Promise<Outcome> {
  const seen: Seen[] = []
  const wrapped = wrap(async (req: IncomingMessage, res: ServerResponse) => {
    const one = await seenOnNode(req)
    seen.push(one)
    const { status = 200, headers = [], body = '' } = respond(one)
    const lines = new Map<string, string[]>()
    for (const [name, value] of headers) lines.set(name, [...(lines.get(name) ?? []), value])
    for (const [name, values] of lines) res.setHeader(name, values.length === 1 ? values[0]! : values)
    res.statusCode = status
    res.end(body ?? undefined)
  })
  const shown = vi.spyOn(console, 'error').mockImplementation(() => undefined)
  onTestFinished(() => shown.mockRestore())
  let error: unknown
  const server = http.createServer((req, res) => {
    const failed = (reason: unknown): void => {
      error = reason
      res.destroy()
    }
    try {
      void Promise.resolve(wrapped(req, res)).catch(failed)
    } catch (reason) {
      failed(reason)
    }
  })
  onTestFinished(() => close(server))
  const { method = 'GET', target = '/', headers = {}, body } = question
  const port = await listen(server)
  const reply = await new Promise<Partial<Outcome>>((resolve) => {
    const req = http.request({
      port,
      host: PEER,
      method,
      path: target,
      agent: false,
      headers: { Host: HOST, ...headers },
    })
    req.once('error', () => resolve({}))
    req.once('response', (res) => {
      const pairs: [string, string][] = []
      for (let index = 0; index < res.rawHeaders.length; index += 2) {
        pairs.push([res.rawHeaders[index]!.toLowerCase(), res.rawHeaders[index + 1]!])
      }
      // A body that is cut short comes to no end.
      text(res).then(
        (received) => resolve({ status: res.statusCode, headers: own(joinedLines(pairs)), body: received }),
        () => resolve({}),
      )
    })
    req.end(body)
  })
  error ??= shown.mock.calls.at(-1)?.at(-1)
  return { status: undefined, headers: [], body: undefined, ...reply, seen, ...(error !== undefined && { error }) }
}

async function askFetch(wrap: Wrap, question: Question, respond: (seen: Seen) => AppAnswer): Promise<Outcome> {
  const seen: Seen[] = []
  const wrapped = wrap(async (request: Request, info: DenoInfo) => {
    const one = await seenOnFetch(request, info)
    seen.push(one)
    const { status = 200, headers = [], body = '' } = respond(one)
    const isEmpty = body === null || status === 204 || status === 304
    const response = new Response(isEmpty ? null : body, { status })
    // Not as an option: a text for a body brings a content-type.
    response.headers.delete('content-type')
    for (const [name, value] of headers) response.headers.append(name, value)
    return response
  })
  const { method = 'GET', target = '/', headers = {}, body } = question
  try {
    const init = body === undefined ? { method, headers } : { method, headers, body }
    const request = new Request(`http://${HOST}${target}`, init)
    if (headers['content-type'] === undefined) request.headers.delete('content-type')
    const response = await wrapped(request, { remoteAddr: { transport: 'tcp', hostname: PEER, port: 50_000 } })
    const isHead = method === 'HEAD' // what platforms do not send
    return {
      seen,
      status: response.status,
      headers: own([...response.headers]),
      body: isHead ? '' : await response.text(),
    }
  } catch (error) {
    return { seen, status: undefined, headers: [], body: undefined, error }
  }
}

/** What Deno passes along with a request. */
export interface DenoInfo {
  readonly remoteAddr: { readonly transport: string; readonly hostname: string; readonly port: number }
}

async function seenOnNode(req: IncomingMessage): Promise<Seen> {
  const headers = Object.entries(req.headers).map(([name, value]) => [name, String(value)] as const)
  return {
    method: req.method,
    url: req.url,
    scheme: Reflect.get(req.socket, 'encrypted') === true ? 'https' : 'http',
    host: req.headers.host,
    client: req.socket.remoteAddress,
    headers: Object.fromEntries(own(headers)),
    body: await text(req),
  }
}

async function seenOnFetch(request: Request, info: DenoInfo): Promise<Seen> {
  const { protocol, host, pathname, search } = new URL(request.url)
  return {
    method: request.method,
    url: pathname + search,
    scheme: protocol.slice(0, -1),
    host,
    client: info.remoteAddr.hostname,
    headers: Object.fromEntries(own([...request.headers])),
    body: await request.text(),
  }
}

/** Several lines of one name are one list, but for cookies. */
function joinedLines(pairs: readonly (readonly [string, string])[]): [string, string][] {
  const joined = new Map<string, string>()
  const cookies: [string, string][] = []
  for (const [name, value] of pairs) {
    const before = joined.get(name)
    if (name === 'set-cookie') cookies.push([name, value])
    else joined.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return [...joined, ...cookies]
}

function own(pairs: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return pairs.filter(([name]) => !TRANSPORT.has(name)).toSorted(([one], [other]) => (one < other ? -1 : 1))
}
