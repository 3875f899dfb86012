/** What can stand in a config file of `proxyfix serve`? The type, so that editors know it. */

import type { ProxyFixOptions } from '../trust/options.ts'

/** Seconds, or text with a unit: `500ms`, `30s`, `2m`, `1h`. */
export type Duration = number | string

/** Bytes, or text with a unit: `16k`, `1m`, `2g`. */
export type Size = number | string

/**
 * What a config file gives as its default export, or as what a function gives that it exports.
 * @example
 * import type { ServeConfig } from 'proxyfix/server'
 *
 * export default { app: 'src/app.ts', bind: ':8000', workers: 'auto', proxyFix: { xFor: 1 } } satisfies ServeConfig
 */
export interface ServeConfig {
  /** What to serve, `MODULE[:EXPORT]`. */
  readonly app?: string
  /** Where to listen, in the forms of `-b`. @default systemd's sockets, else `:$PORT`, else `127.0.0.1:8000` */
  readonly bind?: string | readonly string[]
  /** Connections that may wait to be accepted. @default 2048 */
  readonly backlog?: number
  /** A file that holds the process's number while it runs. */
  readonly pid?: string
  /** For development: starts the app anew when a file changes, shows errors to this machine, logs requests. @default false */
  readonly dev?: boolean
  /** With `dev`: files and folders to watch beside the code. */
  readonly watch?: string | readonly string[]
  /** Processes that serve, under one that watches over them; `'auto'`: one for each processor. @default `$WEB_CONCURRENCY`, else this process alone */
  readonly workers?: number | 'auto'
  /** How long a worker may do nothing at all before it is killed and replaced; 0 for ever. @default 30 */
  readonly timeout?: Duration
  /** How long requests in flight may take to finish when a process stops. @default 30 */
  readonly gracefulTimeout?: Duration
  /** How long to go on taking connections after `SIGTERM`, while the health check says 503. @default 0 */
  readonly shutdownDelay?: Duration
  /** A worker is replaced after so many requests; 0 for never. @default 0 */
  readonly maxRequests?: number
  /** And up to so many more, by chance. @default 0 */
  readonly maxRequestsJitter?: number
  /** Speak TLS with the certificate in this file; `'adhoc'`: with a fresh self-signed one. */
  readonly cert?: string
  /** The file of its key. */
  readonly key?: string
  /** Offer HTTP/2 to clients that speak TLS. @default false */
  readonly http2?: boolean
  /** Leave the global `Response` as Node has it, which makes answers of Fetch handlers slower. @default false */
  readonly nativeResponse?: boolean
  /** Connections begin with a PROXY protocol header, and come from these senders alone. */
  readonly proxyProtocol?: string | readonly string[]
  /** Whom to trust, as for `proxyFix`. Absent: nobody; the app sees the peer. */
  readonly proxyFix?: ProxyFixOptions
  /** The file of the access log; `'-'` is standard output. Absent: none is written, with `dev` to standard output. */
  readonly accessLog?: string
  /** `'common'`, `'combined'`, `'json'`, `'dev'`, or a text with gunicorn's `%(x)s`. @default 'combined' */
  readonly accessLogFormat?: string
  /** A path that says 200 while the server serves and 503 while it stops. */
  readonly health?: string
  /** Folders of files to serve, as in `'/assets=public'`. */
  readonly static?: string | readonly string[]
  /** The request line and all headers; beyond: 431. @default 16k */
  readonly maxHeaderSize?: Size
  /** Header lines; beyond: 431. @default 100 */
  readonly maxHeaders?: number
  /** Characters of a request's target; beyond: 414. @default 8192 */
  readonly maxTarget?: number
  /** A request's body; beyond: 413. 0 for no limit. @default 0 */
  readonly maxBody?: Size
  /** In which the head of a request must have come; beyond: 408. @default 20 */
  readonly headersTimeout?: Duration
  /** In which a whole request must have come; beyond: 408. 0 for no limit. @default 300 */
  readonly requestTimeout?: Duration
  /** In which the app must begin its answer; beyond: 503. 0 for no limit. @default 0 */
  readonly responseTimeout?: Duration
  /** How long a connection is kept on which nothing is asked. @default 75 */
  readonly keepAliveTimeout?: Duration
  /** Where editors find the schema of a `.json` file; not read. */
  readonly $schema?: string
}
