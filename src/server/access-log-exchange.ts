/** What is known of a request and its answer when its line is written? */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { Duplex } from 'node:stream'
import { fixOf } from '../request/fixed.ts'
import { canonicalPeer } from '../trust/address.ts'
import type { Decided } from '../trust/amend.ts'
import type { SentBody } from './count-body.ts'

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

/** The status that nginx logs when the client has gone before it had its answer. No server sends it. */
const CLIENT_GONE = 499

/** A request, from when it was read until its answer was sent or its connection was gone. */
export class Exchange {
  /** When it came, in milliseconds since 1970. */
  readonly time: number = Date.now()
  readonly method: string | undefined
  /** As it came over the wire; what routes it may change it. */
  readonly target: string | undefined
  /** The status that was sent, if one was. */
  status: number | undefined
  /** Whether the whole answer was handed to the system. */
  isComplete = false
  /** Whether it is over, and its line written. */
  isOver = false
  /** Bytes of the body that were sent. */
  bytes = 0
  /** How long it took, in microseconds. */
  duration = 0

  readonly #request: Request | undefined
  readonly #response: Response | undefined
  /** Read at once: a connection that is gone has forgotten it. */
  readonly #address: string | undefined
  readonly #isSecure: boolean
  readonly #start = performance.now()

  constructor(request: Request | { readonly socket: Duplex }, response?: Response) {
    const { remoteAddress, encrypted } = request.socket as { remoteAddress?: string; encrypted?: boolean }
    this.#address = remoteAddress
    this.#isSecure = encrypted === true
    this.#response = response
    if (!('method' in request)) return
    this.#request = request
    this.method = request.method
    this.target = request.url
  }

  /** Nothing more will happen to it. */
  end({ bytes, isWhole }: SentBody): void {
    this.isOver = true
    this.isComplete = isWhole
    this.duration = Math.round((performance.now() - this.#start) * 1000)
    this.bytes = bytes
    if (this.#response?.headersSent === true) this.status = this.#response.statusCode
    if (this.method === 'HEAD' || this.status === 204 || this.status === 304) this.bytes = 0
  }

  /** The status to log: 499, as nginx has it, where the connection ended before the answer did, whoever ended it. */
  get loggedStatus(): number {
    return this.isComplete && this.status !== undefined ? this.status : CLIENT_GONE
  }

  /** As in `HTTP/1.1`. */
  get protocol(): string | undefined {
    return this.#request === undefined ? undefined : `HTTP/${this.#request.httpVersion}`
  }

  /** What was decided about it, when `proxyFix` has seen it. */
  get decision(): Decided | undefined {
    return this.#request === undefined ? undefined : fixOf(this.#request)?.decision
  }

  /** Who the client is: as decided, else who is connected. */
  get client(): string | undefined {
    const { decision } = this
    return decision === undefined ? canonicalPeer(this.#address) : (decision.client.address ?? decision.client.node)
  }

  get peer(): string | undefined {
    const { decision } = this
    return decision === undefined ? canonicalPeer(this.#address) : decision.peer.address
  }

  get scheme(): string {
    return this.decision?.scheme ?? (this.#isSecure ? 'https' : 'http')
  }

  get host(): string | undefined {
    return this.decision === undefined ? (this.header(':authority') ?? this.header('host')) : this.decision.host
  }

  /** A header of the request, as the app sees it; its name in lower case. */
  header(name: string): string | undefined {
    const headers: IncomingHttpHeaders = this.#request?.headers ?? {}
    return textOf(Object.hasOwn(headers, name) ? headers[name] : undefined)
  }

  /** A header of the answer; its name in lower case. */
  sentHeader(name: string): string | undefined {
    const response = this.#response
    if (response === undefined || !response.headersSent) return undefined
    // What writeHead is given alone is kept nowhere but in the text that was sent.
    const { _header: head } = response as { readonly _header?: unknown }
    if (typeof head !== 'string') return textOf(response.getHeader(name))
    const lines = head.split('\r\n').filter((line) => line.slice(0, name.length + 1).toLowerCase() === `${name}:`)
    return lines.length === 0 ? undefined : lines.map((line) => line.slice(name.length + 1).trim()).join(', ')
  }

  /** The path of the target, and its query without the question mark. */
  get pathAndQuery(): readonly [path: string, query: string] {
    const target = this.target ?? ''
    const at = target.indexOf('?')
    return at === -1 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
  }

  /** The name that the client says it has (RFC 7617). Nobody has checked it here: the status tells whether the app took it. */
  get user(): string | undefined {
    const authorization = this.header('authorization')
    if (authorization === undefined) return undefined
    const [, credentials] = /^basic ([a-z\d+/=_-]+)$/i.exec(authorization) ?? []
    if (credentials === undefined) return undefined
    return Buffer.from(credentials, 'base64').toString('utf8').split(':', 1)[0]
  }
}

function textOf(value: number | string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value.join(', ') : value?.toString()
}
