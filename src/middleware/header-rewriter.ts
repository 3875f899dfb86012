/**
 * Rewriting requests and responses by small classes, each for one kind of header.
 *
 * **Warning.** A rewriter is the app's own word: `proxyFix` counts hops and asks who is connected, a rewriter that takes
 * a host or an address from a header believes whoever sent it. Ask `request.connection?.trusted` first, or let nobody but
 * the proxy that sets the header reach the app.
 */

import { isFetchRequest } from '../request/fetch.ts'
import { isFetchResponse, rewriteFetchResponse } from '../request/fetch-response.ts'
import { beforeHead, type NodeResponse } from '../request/node-response.ts'
import { isNodeRequest, type NodeRequest } from '../request/node-request.ts'
import { connectionOf } from '../request/node-socket.ts'
import { reportOnce } from '../request/report-once.ts'
import { misuse, RequestDraft, type RewritableRequest } from '../request/rewritable-request.ts'
import type { RewritableResponse } from '../request/rewritable-response.ts'
import { FetchSource, rewriteFetch } from '../request/rewrite-fetch.ts'
import { NodeSource, rewriteNode } from '../request/rewrite-node.ts'
import { ProxyFixError } from '../trust/error.ts'
import {
  type Answer,
  answerAsResponse,
  answerOnResponse,
  answerOnSocket,
  checkAnswer,
  type CheckedAnswer,
  type RawSocket,
  refused,
} from './answer.ts'
import { type FunctionHandler, type Handler, wrapHandler } from './handler.ts'
import { compileTable, type RewriteTable } from './header-table.ts'

/**
 * The base of header rewriters: subclass it, and write `rewrite`, `rewriteResponse` or both.
 *
 * @example
 * class CustomProxyFix extends HeaderRewriter {
 *   rewrite(request) {
 *     const host = request.headers.get('x-fhost')
 *     if (host) request.host = host
 *   }
 * }
 * http.createServer(new CustomProxyFix().wrap(app)).listen(8000)
 */
export class HeaderRewriter {
  /**
   * Makes a rewriter of a table of rules.
   * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for a rule, a name or a value that cannot be.
   * @example
   * HeaderRewriter.from({
   *   request: { copy: { 'X-Forwarded-For': 'CF-Connecting-IP' } },
   *   response: { set: { 'X-Frame-Options': 'DENY' }, remove: ['Server', 'X-Powered-By'] },
   * })
   */
  static from(table: RewriteTable): HeaderRewriter {
    return Object.assign(new HeaderRewriter(), compileTable(table))
  }

  /**
   * Called with each request before the handler is. What it assigns reaches the handler when it is done; a value that
   * cannot be throws, and if that is not caught the request is answered 400 and the handler not called.
   *
   * @returns Nothing, or an answer to give at once, or a promise of either.
   */
  rewrite?(request: RewritableRequest): Answer | void | Promise<Answer | void>

  /**
   * Called once with each response, an answer of `rewrite` too, before its head is sent; it cannot wait for anything.
   * @param request The request as `rewrite` left it, which can be read only.
   */
  rewriteResponse?(response: RewritableResponse, request: RewritableRequest): void

  /**
   * Wraps a handler: Node, Connect, `upgrade` (the request alone), Fetch, `{ fetch }`, a whole server.
   * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for what is no handler, `ERR_PROXYFIX_REWRITE` when the rewriter has
   * neither method.
   */
  wrap<H extends Handler>(handler: H): H {
    const owner = nameOf(this)
    if (this.rewrite === undefined && this.rewriteResponse === undefined) {
      throw misuse(`${owner} has neither a method rewrite nor rewriteResponse: is one of them misspelt?`)
    }
    const around = (call: FunctionHandler, self: unknown, args: unknown[]): unknown => {
      const [request] = args
      if (isNodeRequest(request)) return rewriteAroundNode(this, call, self, args, request)
      if (isFetchRequest(request)) return rewriteAroundFetch(this, call, self, args, request)
      throw misuse(
        `A handler wrapped by ${owner} was called without a request: its first argument must be a Node or a Fetch request.`,
      )
    }
    return wrapHandler(handler, around, owner)
  }
}

function rewriteAroundNode(
  rewriter: HeaderRewriter,
  call: FunctionHandler,
  self: unknown,
  args: unknown[],
  req: NodeRequest,
): unknown {
  const draft = new RequestDraft(new NodeSource(req))
  const second = args[1] as NodeResponse & RawSocket
  const connection = connectionOf(req, second)
  const proceed = (answer: CheckedAnswer | undefined): unknown => {
    const changes = draft.close()
    if (rewriter.rewriteResponse !== undefined && connection === undefined) {
      beforeHead(second, (response) => rewriteHead(rewriter, response, draft))
    }
    if (answer === undefined) {
      if (changes !== undefined) rewriteNode(req, changes, connection)
      return Reflect.apply(call, self, args)
    }
    return connection === undefined
      ? answerOnResponse(second, answer, req.method === 'HEAD')
      : answerOnSocket(second, answer)
  }
  const next = args[2]
  return judged(rewriter, draft, proceed, {
    waiting: connection ? withListener(second) : undefined,
    onError: typeof next === 'function' ? (next as (error: unknown) => unknown) : undefined,
  })
}

function rewriteAroundFetch(
  rewriter: HeaderRewriter,
  call: FunctionHandler,
  self: unknown,
  args: unknown[],
  received: Request,
): unknown {
  const platformArgs = args.slice(1)
  const draft = new RequestDraft(new FetchSource(received, platformArgs))
  return judged(rewriter, draft, (answer) => {
    const changes = draft.close()
    const shown =
      changes === undefined || answer !== undefined
        ? { request: received, platformArgs }
        : rewriteFetch(received, changes, platformArgs)
    if (changes !== undefined && answer === undefined) draft.follow(new FetchSource(shown.request, shown.platformArgs))
    const result: unknown =
      answer === undefined
        ? Reflect.apply(call, self, [shown.request, ...shown.platformArgs])
        : answerAsResponse(answer)
    if (rewriter.rewriteResponse === undefined) return result
    const respond = (response: unknown): unknown =>
      isFetchResponse(response)
        ? rewriteFetchResponse(response, (head) => rewriteHead(rewriter, head, draft))
        : response
    return isThenable(result) ? result.then(respond) : respond(result)
  })
}

interface Circumstances {
  /** Begins what is needed while a promise is waited for; ended by what it gives back. */
  readonly waiting?: (() => () => void) | undefined
  /** Connect's `next`, which takes what a promise was rejected with. */
  readonly onError?: ((error: unknown) => unknown) | undefined
}

/** Has the request rewritten, and goes on with the answer there is, if there is one. */
function judged(
  rewriter: HeaderRewriter,
  draft: RequestDraft,
  proceed: (answer: CheckedAnswer | undefined) => unknown,
  { waiting, onError }: Circumstances = {},
): unknown {
  if (rewriter.rewrite === undefined) return proceed(undefined)
  const check = (value: unknown): CheckedAnswer | undefined =>
    value === undefined ? undefined : checkAnswer(value, `rewrite() of ${nameOf(rewriter)}`)
  let answer: CheckedAnswer | undefined
  try {
    const result: unknown = rewriter.rewrite(draft)
    if (isThenable(result)) {
      const stop = waiting?.()
      return result.then(check).then(
        (later) => {
          stop?.()
          return proceed(later)
        },
        (error: unknown) => {
          stop?.()
          if (isBadValue(error)) return proceed(badRequest(rewriter, error))
          if (onError === undefined) throw error
          return onError(error)
        },
      )
    }
    answer = check(result)
  } catch (error) {
    if (!isBadValue(error)) throw error
    answer = badRequest(rewriter, error)
  }
  return proceed(answer)
}

/** What it assigned came with the request, as nearly always, so a client must not be able to end the process by it. */
function badRequest(rewriter: HeaderRewriter, error: ProxyFixError): CheckedAnswer {
  const owner = nameOf(rewriter)
  reportOnce(
    `PROXYFIX_BAD_VALUE_${owner}`,
    `A request was answered 400, which is told this once, as ${owner} assigned a value that cannot be. ${error.message}`,
  )
  return refused({ status: 400, reason: 'it holds a value that cannot be used here' })
}

function isBadValue(error: unknown): error is ProxyFixError {
  return error instanceof ProxyFixError && error.code === 'ERR_PROXYFIX_VALUE'
}

function rewriteHead(rewriter: HeaderRewriter, response: RewritableResponse, request: RewritableRequest): void {
  const result: unknown = rewriter.rewriteResponse!(response, request)
  if (!isThenable(result)) return
  result.then(undefined, () => undefined) // what it says comes too late
  throw misuse(
    `rewriteResponse() of ${nameOf(rewriter)} gave back a promise: the head is sent at once, so it cannot wait; wait in rewrite().`,
  )
}

/** A socket that nobody listens to ends the process when the client resets it. */
function withListener(socket: RawSocket): () => () => void {
  return () => {
    const ignore = (): void => undefined
    socket.on('error', ignore)
    return () => socket.removeListener('error', ignore)
  }
}

function nameOf(rewriter: HeaderRewriter): string {
  return rewriter.constructor.name || 'a rewriter without a name'
}

function isThenable(value: unknown): value is Promise<unknown> {
  return typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === 'function'
}
