/**
 * Where shall the server listen? A port, `host:port`, or an endpoint: a kind, one value, and `key=value` parts, all with
 * colons between them (`\:` is a colon that is meant). What is not one of the forms below is refused by name: other
 * servers take `8000` for a host, ignore what stands after a port, or delete the file that a mistyped path names.
 */

import { isIPv6 } from 'node:net'
import { parseAuthority } from '../trust/authority.ts'
import { fail as failOption, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { schemeHint } from './bind-scheme.ts'
import { SECRET_LENGTH } from './unix-socket.ts'

/** What every kind of address may say besides. */
interface BindDetails {
  /** How many connections may wait to be accepted. @default 2048 */
  readonly backlog?: number
  /** Connections begin with a PROXY protocol header, from these senders; as the option of `serve`, for this bind alone. */
  readonly proxyProtocol?: readonly string[]
}

/** An address of TCP. */
export interface TcpBind extends BindDetails {
  /** A name or an address, IPv6 without brackets. Absent: every interface, IPv4 and IPv6. */
  readonly host?: string
  /** 0 lets the system choose a free one. */
  readonly port: number
  /** Whether `::` leaves IPv4 alone. */
  readonly ipv6Only?: boolean
  /** Files of the certificate and its key, for TLS on this address. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly chain?: string }
}

/** A unix socket. */
export interface UnixBind extends BindDetails {
  readonly path: string
  /** Who may connect, as in `chmod`. @default what the umask leaves */
  readonly mode?: number
}

/** A listening socket that this process has inherited. */
export interface FdBind extends BindDetails {
  readonly fd: number
}

/** The sockets that systemd passes on (`LISTEN_FDS`): all of them, or those of one name. */
export interface SystemdBind extends BindDetails {
  readonly systemd: true
  /** The `FileDescriptorName=` of the socket unit. */
  readonly name?: string
}

/** Where to listen. */
export type Bind = TcpBind | UnixBind | FdBind | SystemdBind

const FORMS =
  'write PORT, :PORT, HOST:PORT, [IPV6]:PORT, unix:PATH, fd:NUMBER, systemd, or an endpoint like tcp:8000:interface=127.0.0.1'

/** How long the path of a unix socket may be: sun_path without the final zero, 103 bytes on macOS, and room for a name beside it. */
export const MAX_PATH: number = 103 - SECRET_LENGTH

export const MAX_PORT = 65535

/** How many connections may wait; more than the system counts would be none. */
export function isBacklog(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31
}

/**
 * Reads an address to listen on.
 *
 * @param text `8000`, `:8000`, `*:8000`, `host:8000`, `[::1]:8000`, `unix:path[:mode=660]`, `fd:3`, `systemd[:name=web]`,
 * `tcp:8000[:interface=127.0.0.1]`, `tcp6:8000[:interface=\:\:1]`, `ssl:8443:privateKey=FILE:certKey=FILE`. Endpoints
 * also take `backlog=N` and `proxyProtocol=SENDERS`. Names of protocols are no hosts: one that is called like one stands in
 * `tcp:8000:interface=http`.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION`, saying what was wrong and how to write it.
 * @see Twisted's endpoint strings and gunicorn's `--bind`, whose forms these are.
 */
export function parseBind(text: string): Bind {
  if (typeof text !== 'string') fail(String(text), `it is no text: ${FORMS}, as in ':8000'`)
  if (text === '') fail(text, `it is empty: ${FORMS}`)
  const url = /^(\w+):\/\/(.*)$/.exec(text)
  if (url !== null) fail(text, urlHint(url[1]!, url[2]!))
  const kind = /^([a-z]\w*)(?::|$)/.exec(text)?.[1]
  if (kind === 'haproxy') {
    fail(
      text,
      "a PROXY protocol header is asked for by the option proxyProtocol, or in 'tcp:8000:proxyProtocol=SENDERS'",
    )
  }
  const read = kind === undefined ? undefined : KINDS.get(kind)
  if (read !== undefined) return read(new Endpoint(text))
  const hint = schemeHint(text, isAddress)
  if (hint !== undefined) fail(text, hint)
  return parseHostPort(text)
}

function isAddress(text: string): boolean {
  try {
    parseBind(text)
    return true
  } catch {
    return false
  }
}

function urlHint(scheme: string, rest: string): string {
  if (rest === '') return `it is a URL without an address: ${FORMS}`
  if (scheme === 'unix' || scheme === 'fd') return `it is a URL: write ${scheme}:${rest}`
  if (scheme === 'tcp' || scheme === 'http') return `it is a URL: write ${rest.replace(/\/$/, '') || ':8000'}`
  if (scheme === 'https') return 'it is a URL: write HOST:PORT, and give a certificate'
  return `it is a URL: ${FORMS}`
}

const KINDS = new Map<string, (endpoint: Endpoint) => Bind>([
  [
    'tcp',
    (endpoint) =>
      endpoint.done({ host: endpoint.interface(4) ?? '0.0.0.0', port: endpoint.port(), ...endpoint.details() }),
  ],
  [
    'tcp6',
    (endpoint) => {
      const host = endpoint.interface(6) ?? '::'
      return endpoint.done({ host, port: endpoint.port(), ipv6Only: true, ...endpoint.details() })
    },
  ],
  [
    'ssl',
    (endpoint) => {
      const host = endpoint.interface()
      const cert = endpoint.take('certKey')
      const key = endpoint.take('privateKey')
      const chain = endpoint.take('extraCertChain')
      const port = endpoint.port()
      if (!cert || !key)
        return endpoint.fail('TLS needs both files: write ssl:8443:privateKey=KEY.pem:certKey=CERT.pem')
      const tls = { cert, key, ...(chain && { chain }) }
      return endpoint.done({ ...(host !== undefined && { host }), port, tls, ...endpoint.details() })
    },
  ],
  [
    'unix',
    (endpoint) => {
      const path = endpoint.value('address')
      if (path === '') endpoint.fail('it names no file: write unix:PATH, as in unix:run/app.sock')
      if (path.startsWith('@') || path.includes('\0')) {
        endpoint.fail('a socket without a file, as Linux has them, cannot be listened on: name a file')
      }
      if (Buffer.byteLength(path) > MAX_PATH) {
        endpoint.fail(
          `the path of a unix socket has at most ${MAX_PATH} bytes: choose a shorter one, or a relative one`,
        )
      }
      const mode = endpoint.take('mode')
      if (mode !== undefined && !/^0?[0-7]{3}$/.test(mode)) {
        endpoint.fail(`the mode ${show(mode)} is none of three octal digits: write mode=660`)
      }
      return endpoint.done({
        path,
        ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
        ...endpoint.details(),
      })
    },
  ],
  [
    'fd',
    (endpoint) => {
      const number = endpoint.value('fileno')
      if (!/^\d{1,6}$/.test(number)) endpoint.fail(`${show(number)} is no file descriptor: write fd:NUMBER, as in fd:3`)
      return endpoint.done({ fd: Number(number), ...endpoint.details() })
    },
  ],
  [
    'systemd',
    (endpoint) => {
      if (endpoint.hasValue()) endpoint.fail('systemd takes no value: write systemd, or systemd:name=NAME')
      const name = endpoint.take('name')
      if (name === '') endpoint.fail('the name is empty: write systemd:name=NAME')
      return endpoint.done({ systemd: true, ...(name !== undefined && { name }), ...endpoint.details() })
    },
  ],
])

/** What is known of endpoints elsewhere, and why it is not needed here. */
const FOREIGN_KEYS: ReadonlyMap<string, string> = new Map([
  ['lockfile', 'no lock file is needed, as a socket that nobody answers is replaced'],
  ['dhParameters', 'Node chooses the parameters itself'],
  ['sslmethod', 'Node chooses the version of TLS itself'],
  ['domain', 'a socket of systemd knows its own'],
  ['index', 'a socket of systemd is chosen by name=NAME'],
])

/** The parts of an endpoint. */
class Endpoint {
  readonly #text: string
  readonly #kind: string
  #value: string | undefined
  readonly #parts = new Map<string, string>()
  readonly #known: string[] = ['backlog', 'proxyProtocol']

  constructor(text: string) {
    this.#text = text
    // A colon that is meant has a backslash before it, or stands in brackets.
    const [kind = '', ...parts] = (text.match(/(?:\\.|\[[^\]]*\]|[^:\\])+|(?<=:)(?=:|$)/gs) ?? []).map((part) =>
      part.replaceAll(/\\(.)/gs, '$1'),
    )
    this.#kind = kind
    for (const [index, part] of parts.entries()) {
      const [, key, value] = /^(\w+)=(.*)$/s.exec(part) ?? []
      if (key === undefined || value === undefined) {
        const isOfAddress = part === '' || parts.slice(0, index).some((one) => one.startsWith('interface='))
        if (index > 0 && isOfAddress && kind.startsWith('tcp')) {
          this.fail(String.raw`an IPv6 address stands in brackets, as in 'interface=[::1]', or has '\:' for each colon`)
        }
        if (index > 0) this.fail(`${show(part)} is no KEY=VALUE`)
        this.#value = part
      } else if (this.#parts.has(key)) this.fail(`${key} is given twice`)
      else this.#parts.set(key, value)
    }
  }

  hasValue(): boolean {
    return this.#value !== undefined
  }

  /** The one value without a key; it may have this one. */
  value(key: string): string {
    return this.#value ?? this.take(key) ?? ''
  }

  take(key: string): string | undefined {
    this.#known.push(key)
    const value = this.#parts.get(key)
    this.#parts.delete(key)
    return value
  }

  port(): number {
    return readPort(this.#text, this.value('port'), `write ${this.#kind}:PORT, as in ${this.#kind}:8000`)
  }

  interface(family?: 4 | 6): string | undefined {
    const text = this.take('interface')
    if (text === undefined) return undefined
    const bare = text.replace(/^\[(.*)\]$/s, '$1')
    const host = parseHost(this.#text, isIPv6(bare) ? `[${bare}]` : text)
    if (family !== undefined && isIPv6(host) !== (family === 6)) {
      this.fail(`${show(host)} is ${family === 4 ? 'an IPv6 address: write tcp6' : 'no IPv6 address: write tcp'}`)
    }
    return host
  }

  details(): BindDetails {
    const backlog = this.take('backlog')
    if (backlog !== undefined && !/^[1-9]\d{0,5}$/.test(backlog)) {
      this.fail(`the backlog ${show(backlog)} is no number of connections`)
    }
    const senders = this.take('proxyProtocol')
    return {
      ...(backlog !== undefined && { backlog: Number(backlog) }),
      ...(senders !== undefined && { proxyProtocol: senders.split(',').map((one) => one.replaceAll(/[[\]]/g, '')) }),
    }
  }

  /** Gives back what was read, if nothing was left unread. */
  done<B extends Bind>(bind: B): B {
    const [left] = this.#parts.keys()
    if (left === undefined) return bind
    const foreign = FOREIGN_KEYS.get(left)
    if (foreign !== undefined) this.fail(`it takes no ${left}: ${foreign}`)
    // In quotes, as these are no options, whatever they are called.
    const known = [...new Set(this.#known)].map((key) => `'${key}'`)
    const near = nearest(left, this.#known)
    this.fail(
      `there is no ${show(left)}: ${near === undefined ? `it takes ${known.join(', ')}` : `did you mean '${near}'?`}`,
    )
  }

  fail(reason: string): never {
    return fail(this.#text, reason)
  }
}

function parseHostPort(text: string): TcpBind {
  const colon = text.lastIndexOf(':')
  const host = text.slice(0, Math.max(colon, 0))
  const port = text.slice(colon + 1)
  if (isIPv6(text)) fail(text, 'IPv6 addresses stand in brackets, as in [::1]:8000')
  if (/^\[[^\]]*$/.test(text)) fail(text, 'the bracket is not closed: write [IPV6]:PORT, as in [::1]:8000')
  if (/^\.{0,2}\/|\.sock$/.test(text))
    fail(text, `it is a path: write unix:PATH, as in 'unix:${text.replaceAll("'", '')}'`)
  if (!/^\d+$/.test(port)) fail(text, `it does not end in a port: ${FORMS}`)
  const number = readPort(text, port, FORMS)
  return host === '' || host === '*' ? { port: number } : { host: parseHost(text, host), port: number }
}

function readPort(bind: string, text: string, hint: string): number {
  if (!/^\d+$/.test(text)) fail(bind, `${show(text)} is no port: ${hint}`)
  const port = Number(text)
  if (port > MAX_PORT) fail(bind, `a port is at most ${MAX_PORT}`)
  return port
}

function parseHost(bind: string, text: string): string {
  const inBrackets = /^\[(.*)\]$/s.exec(text)?.[1]
  // As in fe80::1%eth0: an address that counts on one interface alone.
  if (inBrackets?.includes('%') === true && isIPv6(inBrackets)) return inBrackets
  const hostname = parseAuthority(text)?.hostname
  if (hostname?.startsWith('[') === true) return hostname.slice(1, -1)
  if (hostname !== undefined && !text.includes(':')) return hostname
  if (/^[\da-f:]*:[\da-f:.]*$/i.test(text)) fail(bind, 'IPv6 addresses stand in brackets, as in [::1]:8000')
  fail(bind, text.includes(':') ? `it has more than one port: ${FORMS}` : `${show(text)} is no host: ${FORMS}`)
}

function fail(bind: string, reason: string): never {
  return failOption(`Cannot listen on ${show(bind)}: ${reason}${reason.endsWith('?') ? '' : '.'}`)
}
