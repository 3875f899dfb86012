/** What may be said to the server? Every mistake is told at construction, in one sentence. */

import { Server as NetServer } from 'node:net'
import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { type TrustPolicy, trustPolicy } from '../trust/policy.ts'
import { type Bind, isBacklog, parseBind } from './bind.ts'
import { checkBindObject } from './bind-object.ts'
import { healthCheck } from './health.ts'
import { DEFAULT_LIMITS, type Limits, limitsFrom } from './limits.ts'
import type { Target } from './listen.ts'
import { node } from './node.ts'
import { checkOptions, type ProxyProtocolOptions } from './proxy-protocol/options.ts'
import { parseStaticMount, type StaticMount } from './static-files.ts'
import { readTls, type TlsOption } from './tls.ts'
import { checkAccessLogFormat } from './access-log.ts'

/** Where to listen, in one of its forms. */
export type BindOption = string | Bind | NetServer

/** Where the access log goes, and how its lines look. */
export interface AccessLogOptions {
  /** A file, or `'-'` for standard output. @default '-' */
  readonly to?: string | undefined
  /** `'common'`, `'combined'`, `'json'`, `'dev'`, or a text with gunicorn's `%(x)s`. @default 'combined' */
  readonly format?: string | undefined
  readonly color?: boolean | undefined
}

export interface ServeOptions extends Partial<{ readonly [name in keyof Limits]: Limits[name] | undefined }> {
  /**
   * Where to listen: what `parseBind` reads or gives, a server of `node:net` that listens (its connections are served,
   * and it is closed with this one), `{ fd: 3 }`, or several of them. @default '127.0.0.1:8000'
   */
  readonly bind?: BindOption | readonly BindOption[] | undefined
  /** How many connections may wait to be accepted on each address. @default 2048 */
  readonly backlog?: number | undefined
  /** Whom to trust, as for `proxyFix`. Absent: nobody; the app sees the peer. */
  readonly proxyFix?: ProxyFixOptions | TrustPolicy | undefined
  /** Connections begin with a PROXY protocol header: from whom, or all options of `proxyProtocol`. */
  readonly proxyProtocol?: string | readonly string[] | ProxyProtocolOptions | undefined
  /** Speak TLS, with these files; `'adhoc'`: with a fresh self-signed certificate for `localhost`. */
  readonly tls?: TlsOption | undefined
  /** Offer HTTP/2 beside HTTP/1.1 where TLS is spoken (ALPN). Express does not take it. @default false */
  readonly http2?: boolean | undefined
  /**
   * Leave the global `Response` as Node has it. Else answers of Fetch handlers take half the time, as a Response of a text or
   * of bytes makes its stream when somebody asks for it. @default false
   */
  readonly nativeResponse?: boolean | undefined
  /** Write a line for each request. Absent: none is written. */
  readonly accessLog?: AccessLogOptions | undefined
  /** A path that is answered 200 while the server serves and 503 while it stops, as in `'/healthz'`. */
  readonly health?: string | undefined
  /** Folders of files to serve, as in `'/assets=public'`. */
  readonly static?: string | readonly string[] | undefined
}

/** Options as they were checked. */
export interface CheckedOptions {
  readonly targets: readonly Target[]
  /** Where paths of sockets begin. */
  readonly cwd: string
  readonly backlog: number | undefined
  readonly policy: TrustPolicy | undefined
  readonly proxyProtocol: ProxyProtocolOptions | undefined
  readonly tls: TlsOption | undefined
  readonly http2: boolean
  readonly nativeResponse: boolean
  readonly limits: Limits
  readonly accessLog: AccessLogOptions | undefined
  readonly health: string | undefined
  readonly mounts: readonly StaticMount[]
}

const KNOWN: readonly string[] = [
  'bind',
  'backlog',
  'proxyFix',
  'proxyProtocol',
  'tls',
  'http2',
  'nativeResponse',
  'accessLog',
  'health',
  'static',
  ...Object.keys(DEFAULT_LIMITS),
]

/** What servers call it elsewhere. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['port', 'bind'],
  ['host', 'bind'],
  ['hostname', 'bind'],
  ['fd', 'bind'],
  ['unix', 'bind'],
  ['trustProxy', 'proxyFix'],
])

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION`, naming option, value and remedy. */
export function checkServeOptions(options: ServeOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) {
    fail(`The options of serve must be an object like { bind: ':8000' }, not ${show(options)}.`)
  }
  for (const name in options) checkName(name)
  const { backlog, proxyFix, proxyProtocol, tls, http2 = false, nativeResponse = false } = options
  const { accessLog, health, static: mounts = [] } = options
  if (backlog !== undefined && !isBacklog(backlog)) {
    fail(`The option backlog must be a whole number of connections, 1 or more, not ${show(backlog)}.`)
  }
  if (typeof http2 !== 'boolean') fail(`The option http2 must be true or false, not ${show(http2)}.`)
  if (typeof nativeResponse !== 'boolean') {
    fail(`The option nativeResponse must be true or false, not ${show(nativeResponse)}.`)
  }
  if (tls !== undefined) readTls(tls)
  const targets = targetsOf(options.bind)
  const ownTls = targets.flatMap((target) => ('tls' in target && target.tls !== undefined ? [target.tls] : []))
  for (const one of ownTls) readTls(one)
  if (http2 && tls === undefined && ownTls.length === 0) {
    fail(
      'The option http2 needs TLS, as clients choose HTTP/2 in its handshake: give a certificate and its key as well.',
    )
  }
  for (const target of targets) if ('proxyProtocol' in target) checkOptions({ from: target.proxyProtocol })
  if (accessLog !== undefined) checkAccessLog(accessLog)
  if (health !== undefined) healthCheck(health, () => true)
  return {
    targets,
    cwd: process.cwd(),
    backlog,
    policy: proxyFix === undefined ? undefined : trustPolicy(proxyFix),
    proxyProtocol: proxyProtocol === undefined ? undefined : receiving(proxyProtocol),
    tls,
    http2,
    nativeResponse,
    limits: limitsFrom(options),
    accessLog,
    health,
    mounts: [mounts].flat().map((mount) => parseStaticMount(mount as string)),
  }
}

function checkName(name: string): void {
  if (KNOWN.includes(name)) return
  const near = MEANT.get(name) ?? nearest(name, KNOWN)
  fail(
    near === undefined
      ? `There is no option ${show(name)}: serve knows ${KNOWN.join(', ')}.`
      : `There is no option ${show(name)}: did you mean ${near}?`,
  )
}

function targetsOf(option: ServeOptions['bind']): Target[] {
  const given = option === undefined ? '127.0.0.1:8000' : option
  const list = Array.isArray(given) ? (given as readonly BindOption[]) : [given as BindOption]
  if (list.length === 0) fail("The option bind is an empty list: give at least one address, as in '127.0.0.1:8000'.")
  return list.map((one) => {
    if (one instanceof NetServer || typeof one === 'string')
      return one instanceof NetServer ? adoptable(one) : parseBind(one)
    if (typeof one === 'number')
      fail(`The option bind takes ':${one}' for a port and { fd: ${one} } for a socket, not the number ${one}.`)
    if (typeof one === 'object' && one !== null) return checkBindObject(one)
    fail(`The option bind takes text like ':8000', a net.Server, { fd } or what parseBind gives, not ${show(one)}.`)
  })
}

/** A server of `node:http`, or one of TLS, parses each connection before this one can; so two would answer it. */
function adoptable(server: NetServer): NetServer {
  const readsItself = 'setTimeout' in server || server instanceof node.tls.Server
  if (!readsItself) return server
  fail(
    'The option bind takes a server of node:net, and this one reads its connections itself: give it as the app, or give the address.',
  )
}

function receiving(option: NonNullable<ServeOptions['proxyProtocol']>): ProxyProtocolOptions {
  const options: ProxyProtocolOptions =
    typeof option === 'string' || Array.isArray(option)
      ? { from: option as string | readonly string[] }
      : (option as ProxyProtocolOptions)
  checkOptions(options)
  return options
}

const LOG_MEMBERS: readonly string[] = ['to', 'format', 'color']

function checkAccessLog(option: AccessLogOptions): void {
  if (typeof option !== 'object' || option === null) {
    fail(`The option accessLog must be an object like { to: '-', format: 'combined' }, not ${show(option)}.`)
  }
  for (const name in option) {
    if (LOG_MEMBERS.includes(name)) continue
    const near = ['file', 'path', 'stream'].includes(name) ? 'to' : nearest(name, LOG_MEMBERS)
    fail(
      `The option accessLog has no member ${show(name)}: ${near === undefined ? `there are ${LOG_MEMBERS.join(', ')}.` : `did you mean ${near}?`}`,
    )
  }
  const { to, format, color } = option
  if (to !== undefined && (typeof to !== 'string' || to === '' || to.includes('\0'))) {
    fail(`The member to of the option accessLog must be the path of a file, or '-', not ${show(to)}.`)
  }
  if (color !== undefined && typeof color !== 'boolean') {
    fail(`The member color of the option accessLog must be true or false, not ${show(color)}.`)
  }
  if (format !== undefined) checkAccessLogFormat(format)
}
