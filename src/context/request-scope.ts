/** What is kept in the scope of a request? The request, its `g`, and its exchange. */

import { Exchange } from './exchange.ts'
import { currentScope, Scope } from './scope.ts'

/** Whatever the app wants to remember while it serves a request. */
export type Bag = Record<PropertyKey, unknown>

export type ReportTeardownError = (error: AggregateError) => void

export class RequestScope extends Scope {
  readonly request: object
  /** Node's response, or the socket of an upgrade; a Fetch handler has none yet. */
  readonly response: object | undefined
  readonly #report: ReportTeardownError
  readonly #origin: RequestScope
  #g: Bag | undefined
  #exchange: Exchange | undefined
  #isOver = false

  /** @param origin The scope to fork: of the same request, with the same exchange. */
  constructor(request: object, response: object | undefined, report: ReportTeardownError, origin?: RequestScope) {
    super(origin)
    this.request = request
    this.response = response
    this.#report = report
    this.#origin = origin === undefined ? this : origin.#origin
    if (origin !== undefined && origin.#g !== undefined) this.#g = copyOf(origin.#g)
  }

  override fork(): RequestScope {
    return new RequestScope(this.request, this.response, this.#report, this)
  }

  /** Empty at first. */
  get g(): Bag {
    return (this.#g ??= Object.create(null) as Bag)
  }

  /** The scope that the request began with. */
  get origin(): RequestScope {
    return this.#origin
  }

  /** What there is to do about the response, if anything was asked for. */
  get exchange(): Exchange | undefined {
    return this.#origin.#exchange
  }

  needExchange(): Exchange {
    const origin = this.#origin
    if (origin.#exchange === undefined) {
      origin.#exchange = new Exchange(this.#report)
      if (origin.#isOver) origin.#exchange.end()
    }
    return origin.#exchange
  }

  /** The response is over. */
  end(): void {
    this.#origin.#isOver = true
    this.#origin.#exchange?.end()
  }
}

function copyOf(g: Bag): Bag {
  return Object.assign(Object.create(null) as Bag, g)
}

/** The scope of the request that this code serves, if it does. */
export function currentRequestScope(): RequestScope | undefined {
  const scope = currentScope()
  return scope instanceof RequestScope ? scope : undefined
}
