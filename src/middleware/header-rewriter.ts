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
import {
  type RequestChanges,
  RequestDraft,
  type RequestSource,
  type RewritableRequest,
} from '../request/rewritable-request.ts'
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
      const request = args[0]
      if (isNodeRequest(request)) return new NodeCall(this, call, self, args, request).run()
      if (isFetchRequest(request)) return new FetchCall(this, call, self, args, request).run()
      throw misuse(
        `A handler wrapped by ${owner} was called without a request: its first argument must be a Node or a Fetch request.`,
      )
    }
    return wrapHandler(handler, around, owner)
  }
}

/** One call of a wrapped handler: an object, as closures in its place take 500 bytes a call. */
abstract class RewrittenCall {
  protected readonly rewriter: HeaderRewriter
  protected readonly draft: RequestDraft

  constructor(rewriter: HeaderRewriter, source: RequestSource) {
    this.rewriter = rewriter
    this.draft = new RequestDraft(source)
  }

  /** Has the request rewritten, and goes on with the answer there is, if there is one. */
  run(): unknown {
    if (this.rewriter.rewrite === undefined) return this.proceed(undefined)
    let answer: CheckedAnswer | undefined
    try {
      const result: unknown = this.rewriter.rewrite(this.draft)
      if (isThenable(result)) return this.#runLater(result)
      answer = this.#check(result)
    } catch (error) {
      return this.#fail(error)
    }
    return this.proceed(answer)
  }

  /** Gives the answer, or calls the handler where there is none. */
  protected abstract proceed(answer: CheckedAnswer | undefined): unknown

  /** The same after a promise was waited for. */
  protected proceedLater(answer: CheckedAnswer | undefined): unknown {
    return this.proceed(answer)
  }

  /** Begins what is needed while a promise is waited for; ended by what it gives back. */
  protected whileWaiting(): (() => void) | undefined {
    return undefined
  }

  /** Takes what the rewriter threw; most platforms answer for it. */
  protected takeError(error: unknown): unknown {
    throw error
  }

  #runLater(result: PromiseLike<unknown>): unknown {
    const stop = this.whileWaiting()
    return result
      .then((value) => this.#check(value))
      .then(
        (answer) => {
          stop?.()
          return this.proceedLater(answer)
        },
        (error: unknown) => {
          stop?.()
          return this.#fail(error)
        },
      )
  }

  #check(value: unknown): CheckedAnswer | undefined {
    return value === undefined ? undefined : checkAnswer(value, `rewrite() of ${nameOf(this.rewriter)}`)
  }

  #fail(error: unknown): unknown {
    return isBadValue(error) ? this.proceed(badRequest(this.rewriter, error)) : this.takeError(error)
  }
}

class NodeCall extends RewrittenCall {
  readonly #call: FunctionHandler
  readonly #self: unknown
  readonly #args: unknown[]
  readonly #req: NodeRequest
  readonly #connection: object | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(rewriter: HeaderRewriter, call: FunctionHandler, self: unknown, args: unknown[], req: NodeRequest) {
    super(rewriter, new NodeSource(req))
    this.#call = call
    this.#self = self
    this.#args = args
    this.#req = req
    this.#connection = connectionOf(req, args[1])
  }

  /** Connect's, which takes what the handler throws as well. */
  get #next(): ((error: unknown) => unknown) | undefined {
    const next = this.#args[2]
    return typeof next === 'function' ? (next as (error: unknown) => unknown) : undefined
  }

  protected override proceed(answer: CheckedAnswer | undefined): unknown {
    const changes = this.draft.close()
    if (answer === undefined && changes !== undefined) rewriteNode(this.#req, changes, this.#connection)
    const { rewriteResponse } = this.rewriter
    if (rewriteResponse !== undefined && this.#connection === undefined) this.#awaitHead()
    try {
      const result = answer === undefined ? Reflect.apply(this.#call, this.#self, this.#args) : this.#give(answer)
      if (rewriteResponse === undefined || !isThenable(result)) return result
      return result.then(undefined, (error: unknown) => this.#takeThrown(error))
    } catch (error) {
      return this.#takeThrown(error)
    }
  }

  protected override proceedLater(answer: CheckedAnswer | undefined): unknown {
    const next = this.#next
    if (next === undefined) return this.proceed(answer)
    try {
      return this.proceed(answer)
    } catch (error) {
      return next(error) // Connect caught what was thrown while it waited, and no longer does
    }
  }

  /** A socket that nobody listens to ends the process when the client resets it. */
  protected override whileWaiting(): (() => void) | undefined {
    if (this.#connection === undefined) return undefined
    const socket = this.#args[1] as RawSocket
    const ignore = (): void => undefined
    socket.on('error', ignore)
    return () => socket.removeListener('error', ignore)
  }

  protected override takeError(error: unknown): unknown {
    const next = this.#next
    return next === undefined ? answerFailure(error, this.#req, this.#args[1], this.#connection) : next(error)
  }

  #awaitHead(): void {
    const { rewriter, draft } = this
    draft.follow(new NodeSnapshot(this.#req))
    beforeHead(this.#args[1] as NodeResponse, (response) => {
      try {
        rewriteHead(rewriter, response, draft)
      } catch (error) {
        this.#failure = { error }
        throw error
      }
    })
  }

  /** The rewriter's own error comes up through whoever wrote the head, and is not theirs. */
  #takeThrown(error: unknown): unknown {
    if (this.#failure === undefined || this.#failure.error !== error || this.#next !== undefined) throw error
    return this.takeError(error)
  }

  #give(answer: CheckedAnswer): unknown {
    const second = this.#args[1]
    return this.#connection === undefined
      ? answerOnResponse(second as NodeResponse, answer, this.#req.method === 'HEAD')
      : answerOnSocket(second as RawSocket, answer)
  }
}

class FetchCall extends RewrittenCall {
  readonly #call: FunctionHandler
  readonly #self: unknown
  readonly #request: Request
  readonly #platformArgs: readonly unknown[]

  constructor(rewriter: HeaderRewriter, call: FunctionHandler, self: unknown, args: unknown[], request: Request) {
    const platformArgs = args.slice(1)
    super(rewriter, new FetchSource(request, platformArgs))
    this.#call = call
    this.#self = self
    this.#request = request
    this.#platformArgs = platformArgs
  }

  protected override proceed(answer: CheckedAnswer | undefined): unknown {
    const { rewriter, draft } = this
    const changes = draft.close()
    const result: unknown = answer === undefined ? this.#pass(changes) : answerAsResponse(answer)
    if (rewriter.rewriteResponse === undefined) return result
    const respond = (response: unknown): unknown =>
      isFetchResponse(response)
        ? rewriteFetchResponse(response, (head) => rewriteHead(rewriter, head, draft))
        : response
    return isThenable(result) ? result.then(respond) : respond(result)
  }

  #pass(changes: RequestChanges | undefined): unknown {
    let request = this.#request
    let platformArgs = this.#platformArgs
    if (changes !== undefined) {
      ;({ request, platformArgs } = rewriteFetch(request, changes, platformArgs))
      this.draft.follow(new FetchSource(request, platformArgs))
    }
    return Reflect.apply(this.#call, this.#self, [request, ...platformArgs])
  }
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

function nameOf(rewriter: HeaderRewriter): string {
  return rewriter.constructor.name || 'a rewriter without a name'
}
