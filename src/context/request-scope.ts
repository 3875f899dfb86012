/** What is kept in the scope of a request? The request, its `g`, and its exchange. */

import { latestOf } from '../request/fetch-request.ts'
import { Exchange } from './exchange.ts'
import { currentPlace, Scope } from './scope.ts'

/** Whatever the app wants to remember while it serves a request. */
export type Bag = Record<PropertyKey, unknown>

export type ReportTeardownError = (error: AggregateError) => void

/**
 * Its fields are assigned, not defined: with fields of the language, private ones above all, a scope takes 20 ns to make
 * instead of 7, and there is one for each request.
 */
export class RequestScope extends Scope {
  declare readonly request: object
  /** Node's response, or the socket of an upgrade; a Fetch handler has none yet. */
  declare readonly response: object | undefined
  /** The scope that the request began with, which all its forks share what they share by. */
  declare readonly origin: RequestScope
  declare private readonly report: ReportTeardownError
  declare private bag: Bag | undefined
  /** Or that the response is over, where nothing was asked for. */
  declare private shared: Exchange | 'over' | undefined

  /** @param forked The scope to begin with: of the same request, with the same exchange. */
  constructor(request: object, response: object | undefined, report: ReportTeardownError, forked?: RequestScope) {
    super(forked)
    this.request = request
    this.response = response
    this.report = report
    this.origin = forked === undefined ? this : forked.origin
    this.bag = forked === undefined || forked.bag === undefined ? undefined : copyOf(forked.bag)
    this.shared = undefined
  }

  override fork(): RequestScope {
    return new RequestScope(this.request, this.response, this.report, this)
  }

  /** The request as it is now: what rewrites one inside the context changes Node's in place, but makes another Fetch request. */
  get latest(): object {
    const { request, response } = this
    return response === undefined ? latestOf(request as Request) : request
  }

  /** Whether this is the scope of a request, or of what it was made of. */
  isOf(request: unknown): boolean {
    if (request === this.request) return true
    return this.response === undefined && isObject(request) && latestOf(request as Request) === this.latest
  }

  /** Empty at first. */
  get g(): Bag {
    return (this.bag ??= Object.create(null) as Bag)
  }

  /** What there is to do about the response, if anything was asked for. */
  get exchange(): Exchange | undefined {
    const { shared } = this.origin
    return shared === 'over' ? undefined : shared
  }

  needExchange(): Exchange {
    const { origin, exchange } = this
    if (exchange !== undefined) return exchange
    const made = new Exchange(this.report)
    if (origin.shared === 'over') made.end()
    origin.shared = made
    return made
  }

  /** The response is over. */
  end(): void {
    const { origin, exchange } = this
    if (exchange === undefined) origin.shared = 'over'
    else exchange.end()
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function copyOf(g: Bag): Bag {
  return Object.assign(Object.create(null) as Bag, g)
}

/** The scope of the request that this code serves, if it does. */
export function currentRequestScope(): RequestScope | undefined {
  const place = currentPlace()
  if (place instanceof RequestScope) return place
  const scope = place?.scope
  return scope instanceof RequestScope ? scope : undefined
}
