/**
 * Which request does a line in the log belong to? Loggers ask for further fields at each line: these are functions and
 * objects of the shape that pino and winston take, so that nothing of theirs is imported.
 */

import { fail, show } from '../trust/error.ts'
import { ContextError } from './context-error.ts'
import { ContextVar } from './context-var.ts'
import { connection } from './current-request.ts'
import { isBound } from './local-proxy.ts'
import { currentRequestScope } from './request-scope.ts'
import { UNBOUND } from './scope.ts'

/** What is added to each line. */
export interface LogFieldsOptions {
  /**
   * A header that holds the id of the request, as your own proxies set it. Without it, or where it is not sent, each
   * request gets a random one; give none that clients may set, unless they may choose what your log says.
   */
  readonly requestIdHeader?: string | undefined
  /** Further fields: variables, which are left out where they have no value, or functions. */
  readonly fields?: Readonly<Record<string, ContextVar<unknown> | (() => unknown)>> | undefined
}

/** Fields of one line: `requestId`, `clientAddress` and those chosen; only the latter outside of a request context. */
export type LogFields = Record<string, unknown>

/**
 * A function that gives the fields of the current request: pino's `mixin`, and whatever else takes one.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an option that cannot be.
 * @example
 * const logger = pino({ mixin: logFields({ fields: { user: userVar } }) })
 */
export function logFields(options: LogFieldsOptions = {}): () => LogFields {
  const { requestIdHeader, fields = {}, ...others } = options
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) fail(`logFields has no option '${unknown}': it takes requestIdHeader and fields.`)
  if (requestIdHeader !== undefined && (typeof requestIdHeader !== 'string' || requestIdHeader === ''))
    fail(`The option requestIdHeader is the name of a header, not ${show(requestIdHeader)}.`)
  const header = requestIdHeader?.toLowerCase()
  const readers = Object.entries(fields).map(([name, source]) => {
    if (source instanceof ContextVar) return [name, () => source.get(UNBOUND)] as const
    if (typeof source !== 'function') fail(`The field ${name} must be a ContextVar or a function, not ${show(source)}.`)
    return [name, source] as const
  })
  return function contextFields() {
    const line: LogFields = {}
    if (currentRequestScope() !== undefined) {
      line['requestId'] = requestId(header)
      if (isBound(connection)) line['clientAddress'] = connection.client.address
    }
    for (const [name, read] of readers) {
      const value = valueOf(read)
      if (value !== UNBOUND) line[name] = value
    }
    return line
  }
}

/** What winston calls a format. */
export interface LogFormat {
  transform<I extends object>(info: I): I & LogFields
}

/**
 * The same as a format of winston, to stand before the one that writes.
 *
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for an option that cannot be.
 * @example
 * const logger = createLogger({ format: format.combine(logFormat(), format.json()), transports })
 */
export function logFormat(options: LogFieldsOptions = {}): LogFormat {
  const fields = logFields(options)
  return { transform: (info) => Object.assign(info, fields()) }
}

/** A key for the id in the scope of a request. */
const ID = {}

function requestId(header: string | undefined): string {
  const { origin } = currentRequestScope()!
  const known = origin.read(ID)
  if (known !== UNBOUND) return known as string // nobody else writes under this key
  const id = headerOf(origin.latest as Headed, header) ?? crypto.randomUUID()
  origin.write(ID, id)
  return id
}

interface Headed {
  readonly headers?: { get?(name: string): string | null } & Record<string, unknown>
}

function headerOf({ headers }: Headed, name: string | undefined): string | undefined {
  if (name === undefined || headers === undefined) return undefined
  const value = typeof headers.get === 'function' ? headers.get(name) : headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A line is written also where something is not bound. */
function valueOf(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    if (error instanceof ContextError) return UNBOUND
    throw error
  }
}
