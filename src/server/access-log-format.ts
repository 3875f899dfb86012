/** How is a request written in one line? The formats, and the fields that one's own are made of. */

import { fail, show } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { httpScheme } from '../trust/scheme.ts'
import type { Exchange } from './access-log-exchange.ts'

/** Writes the line, without its end. */
export type Formatter = (exchange: Exchange) => string

const COMMON = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s'
const NAMED: ReadonlyMap<string, (color: boolean) => Formatter> = new Map([
  ['common', () => compile(COMMON)],
  ['combined', () => compile(`${COMMON} "%(f)s" "%(a)s"`)],
  ['json', () => jsonLine],
  [
    'dev',
    (color: boolean) =>
      (exchange: Exchange): string =>
        devLine(exchange, color),
  ],
])

/**
 * The writer of a format.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` for one that cannot be.
 */
export function formatter(format: string, color: boolean): Formatter {
  const named = NAMED.get(format)
  if (named !== undefined) return named(color)
  if (typeof format === 'string' && format.includes('%')) return compile(format)
  const near = typeof format === 'string' ? nearest(format, [...NAMED.keys()]) : undefined
  return fail(
    `There is no access log format ${show(format)}: ${near === undefined ? `give ${[...NAMED.keys()].join(', ')}, or fields, as in '%(h)s "%(r)s" %(s)s'.` : `did you mean ${show(near)}?`}`,
  )
}

type Field = (exchange: Exchange) => string | number | undefined

/** gunicorn's fields, which are Apache's (https://httpd.apache.org/docs/current/mod/mod_log_config.html). */
const FIELDS: Readonly<Record<string, Field>> = {
  h: ({ client }) => client,
  l: () => undefined, // what identd would say
  u: ({ user }) => user,
  t: ({ time }) => `[${clfTime(time)}]`,
  r: requestLine,
  m: ({ method }) => method,
  U: ({ pathAndQuery: [path] }) => path,
  q: ({ pathAndQuery: [, query] }) => query,
  H: ({ protocol }) => protocol,
  s: ({ loggedStatus }) => loggedStatus,
  B: ({ bytes }) => bytes,
  b: ({ bytes }) => (bytes === 0 ? undefined : bytes),
  f: (exchange) => exchange.header('referer'),
  a: (exchange) => exchange.header('user-agent'),
  T: ({ duration }) => Math.floor(duration / 1_000_000),
  M: ({ duration }) => Math.floor(duration / 1000),
  D: ({ duration }) => duration,
  L: ({ duration }) => (duration / 1_000_000).toFixed(6),
  p: () => `<${process.pid}>`,
}

/** The values of CGI (RFC 3875 §4.1), where a WSGI server looks its environment up. */
const VARIABLES: Readonly<Record<string, Field>> = {
  REMOTE_ADDR: ({ client }) => client,
  REMOTE_PORT: ({ decision }) => decision?.client.port,
  REMOTE_USER: ({ user }) => user,
  REQUEST_METHOD: ({ method }) => method,
  REQUEST_URI: ({ target }) => target,
  RAW_URI: ({ target }) => target,
  PATH_INFO: ({ pathAndQuery: [path] }) => path,
  QUERY_STRING: ({ pathAndQuery: [, query] }) => query,
  SCRIPT_NAME: ({ decision }) => decision?.prefix,
  SERVER_NAME: ({ decision }) => decision?.hostname,
  SERVER_PORT: ({ decision }) => decision?.port,
  SERVER_PROTOCOL: ({ protocol }) => protocol,
  CONTENT_TYPE: (exchange) => exchange.header('content-type'),
  CONTENT_LENGTH: (exchange) => exchange.header('content-length'),
  HTTPS: ({ scheme }) => (scheme === 'https' ? 'on' : undefined),
  'wsgi.url_scheme': ({ scheme }) => scheme,
}

function requestLine({ method, target, protocol }: Exchange): string | undefined {
  return method === undefined ? undefined : `${method} ${target} ${protocol}`
}

function compile(format: string): Formatter {
  const parts: (string | ((exchange: Exchange) => string))[] = []
  let at = 0
  for (const { 0: match, 1: name, index } of format.matchAll(/%(?:\((.*?)\)s|%)/g)) {
    parts.push(plainText(format.slice(at, index), format))
    parts.push(name === undefined ? '%' : fieldNamed(name, format))
    at = index + match.length
  }
  parts.push(plainText(format.slice(at), format))
  return (exchange) => {
    let line = ''
    for (const part of parts) line += typeof part === 'string' ? part : part(exchange)
    return line
  }
}

function plainText(text: string, format: string): string {
  if (text.includes('%')) {
    fail(
      `The access log format ${show(format)} has a % that begins no field: write fields as %(h)s, and %% for a percent sign.`,
    )
  }
  if (/[\r\n]/.test(text)) fail('The access log format has a line break in it: a request is one line.')
  return text
}

function fieldNamed(name: string, format: string): (exchange: Exchange) => string {
  const field = findField(name)
  if (field === undefined) {
    fail(
      `The access log format ${show(format)} has a field %(${name})s, which there is not: there are ${Object.keys(FIELDS).join(', ')}, {header}i, {header}o and {variable}e.`,
    )
  }
  return (exchange) => {
    const value = field(exchange)
    if (value === undefined || value === '') return '-'
    if (typeof value === 'number') return String(value)
    const text = escaped(value)
    // A name with a blank in it would look like the field after it.
    return name === 'u' ? text.replaceAll(' ', String.raw`\x20`) : text
  }
}

function findField(name: string): Field | undefined {
  const [, key = '', kind] = /^\{([^{}]+)\}([ioe])$/.exec(name) ?? []
  const header = key.toLowerCase()
  if (kind === 'i') return (exchange) => exchange.header(header)
  if (kind === 'o') return (exchange) => exchange.sentHeader(header)
  if (kind === 'e') return variable(key)
  return Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined
}

/** `HTTP_ACCEPT` is a header; what is none of CGI's is never set. */
function variable(name: string): Field {
  if (Object.hasOwn(VARIABLES, name)) return VARIABLES[name]!
  const header = /^HTTP_(\w+)$/.exec(name)?.[1]?.toLowerCase().replaceAll('_', '-')
  return header === undefined ? () => undefined : (exchange) => exchange.header(header)
}

/** A client's text without an end of line, a quote or a control character: whatever is not plain ASCII is a number. */
function escaped(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(/[^\x20-\x7e]|["\\]/g, escapeUnit)
}

const PLAIN = /^[ !#-[\]-~]*$/

function escapeUnit(unit: string): string {
  if (unit === '"' || unit === '\\') return `\\${unit}`
  const code = unit.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}

/** One object a line. What is not known is left out. */
function jsonLine(exchange: Exchange): string {
  const { time, method, target, protocol, scheme, host, client, peer, user, status, bytes, duration, isComplete } =
    exchange
  const record = {
    time: new Date(time).toISOString(),
    client,
    peer,
    user,
    method,
    scheme: method === undefined ? undefined : httpScheme(scheme),
    host,
    target,
    protocol,
    status,
    bytes,
    seconds: duration / 1_000_000,
    referer: exchange.header('referer'),
    userAgent: exchange.header('user-agent'),
    aborted: isComplete ? undefined : true,
  }
  // Text of other scripts and controls that JSON lets through would reach terminals and other parsers of lines.
  return JSON.stringify(record).replaceAll(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** For the person who waits for the answer. The colours are Werkzeug's. */
function devLine(exchange: Exchange, color: boolean): string {
  const { time, method = '-', target = '-', loggedStatus: status, duration, client = '-' } = exchange
  const style = color ? styleOf(status) : undefined
  const line = `${escaped(method)} ${escaped(target)} ${status}`
  const shown = style === undefined ? line : `\x1b[${style}m${line}\x1b[0m`
  return `${clock(time)} ${shown} ${(duration / 1000).toFixed(1)} ms ${escaped(client)}`
}

function styleOf(status: number): string | undefined {
  if (status >= 500) return '1;35'
  if (status === 404) return '33'
  if (status >= 400) return '1;31'
  if (status === 304) return '36'
  if (status >= 300) return '32'
  return status < 200 ? '1' : undefined
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** As in `22/Nov/2026:14:48:56 +0100`, local time. */
const clfTime = eachSecond((date) => {
  const east = -date.getTimezoneOffset()
  const zone = `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}${two(Math.abs(east) % 60)}`
  return `${two(date.getDate())}/${MONTHS[date.getMonth()]}/${date.getFullYear()}:${clockOf(date)} ${zone}`
})

const clock = eachSecond(clockOf)

function clockOf(date: Date): string {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** Makes the text of a time once for all requests of its second, 10 ns where each by itself takes 280. */
function eachSecond(textOf: (date: Date) => string): (time: number) => string {
  let second: number | undefined
  let text = ''
  return (time) => {
    const now = Math.floor(time / 1000)
    if (now !== second) {
      second = now
      text = textOf(new Date(time))
    }
    return text
  }
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
