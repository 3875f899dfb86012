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
import { report } from '../request/report-once.ts'
import { misuse } from '../request/rewritable-headers.ts'
import { RequestDraft, type RewritableRequest } from '../request/rewritable-request.ts'
import type { RewritableResponse } from '../request/rewritable-response.ts'
import { FetchSource, rewriteFetch } from '../request/rewrite-fetch.ts'
import { NodeSnapshot, NodeSource, rewriteNode } from '../request/rewrite-node.ts'
import { isThenable } from '../request/thenable.ts'
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
import { answerFailure } from './failure.ts'
import { type FetchHandler, type FunctionHandler, type Handler, wrapHandler } from './handler.ts'
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
   * cannot be throws, and if that is not caught the request is answered 400 and the handler not called. Any other error
   * goes to Connect's `next`, else is shown and answered 500, or with the error's `status`.
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
  wrap<H extends FetchHandler>(handler: H): H
  wrap<H extends { fetch: FetchHandler }>(handler: H): H
  wrap<H extends Handler>(handler: H): H
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
  const next = typeof args[2] === 'function' ? (args[2] as (error: unknown) => unknown) : undefined
  const onError = next ?? ((error: unknown) => answerFailure(error, req, second, connection))

  const proceed = (answer: CheckedAnswer | undefined): unknown => {
    const changes = draft.close()
    if (answer === undefined && changes !== undefined) rewriteNode(req, changes, connection)
    let failure: { readonly error: unknown } | undefined
    if (rewriter.rewriteResponse !== undefined && connection === undefined) {
      draft.follow(new NodeSnapshot(req))
      beforeHead(second, (response) => {
        try {
          rewriteHead(rewriter, response, draft)
        } catch (error) {
          failure = { error }
          throw error
        }
      })
    }
    /** The rewriter's own error comes up through whoever wrote the head, and is not theirs. */
    const onThrown = (error: unknown): unknown => {
      if (failure === undefined || failure.error !== error || next !== undefined) throw error
      return onError(error)
    }
    try {
      const result = answer === undefined ? Reflect.apply(call, self, args) : give(answer)
      return rewriter.rewriteResponse !== undefined && isThenable(result) ? result.then(undefined, onThrown) : result
    } catch (error) {
      return onThrown(error)
    }
  }
  const give = (answer: CheckedAnswer): unknown =>
    connection === undefined ? answerOnResponse(second, answer, req.method === 'HEAD') : answerOnSocket(second, answer)
  return judged(rewriter, draft, proceed, {
    waiting: connection ? withListener(second) : undefined,
    onError,
    onThrown: next,
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
  /** Takes what the rewriter threw, where the platform does not answer for it. */
  readonly onError?: ((error: unknown) => unknown) | undefined
  /** Connect's `next`, which takes what the handler throws as well. */
  readonly onThrown?: ((error: unknown) => unknown) | undefined
}

/** Has the request rewritten, and goes on with the answer there is, if there is one. */
function judged(
  rewriter: HeaderRewriter,
  draft: RequestDraft,
  proceed: (answer: CheckedAnswer | undefined) => unknown,
  { waiting, onError, onThrown }: Circumstances = {},
): unknown {
  if (rewriter.rewrite === undefined) return proceed(undefined)
  const check = (value: unknown): CheckedAnswer | undefined =>
    value === undefined ? undefined : checkAnswer(value, `rewrite() of ${nameOf(rewriter)}`)
  const fail = (error: unknown): unknown => {
    if (isBadValue(error)) return proceed(badRequest(rewriter, error))
    if (onError === undefined) throw error
    return onError(error)
  }
  let answer: CheckedAnswer | undefined
  try {
    const result: unknown = rewriter.rewrite(draft)
    if (isThenable(result)) {
      const stop = waiting?.()
      return result.then(check).then(
        (later) => {
          stop?.()
          if (onThrown === undefined) return proceed(later)
          try {
            return proceed(later)
          } catch (error) {
            return onThrown(error) // Connect caught what was thrown while it waited, and no longer does
          }
        },
        (error: unknown) => {
          stop?.()
          return fail(error)
        },
      )
    }
    answer = check(result)
  } catch (error) {
    return fail(error)
  }
  return proceed(answer)
}

/** What it assigned came with the request, as nearly always, so a client must not be able to end the process by it. */
function badRequest(rewriter: HeaderRewriter, error: ProxyFixError): CheckedAnswer {
  const [what = ''] = error.message.split(' cannot ', 1)
  const told = toldOf.get(rewriter) ?? new Set()
  toldOf.set(rewriter, told)
  // Each kind once: the text is the client's, who must not fill a log by it.
  if (!told.has(what) && told.size < MOST_TOLD) {
    told.add(what)
    report(
      'PROXYFIX_BAD_VALUE',
      `A request was answered 400, which is told once, as ${nameOf(rewriter)} assigned what cannot be. ${error.message}`,
    )
  }
  return refused({ status: 400, reason: 'it holds a value that cannot be used here' })
}

const toldOf = new WeakMap<HeaderRewriter, Set<string>>()
const MOST_TOLD = 10

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
