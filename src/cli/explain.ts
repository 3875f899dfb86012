/** `proxyfix explain`: what proxyFix decides about a request that a person has at hand, and why. */

import { canonicalPeer, type Endpoint } from '../trust/address.ts'
import { explain, type Explanation } from '../trust/explain.ts'
import { trustPolicy } from '../trust/policy.ts'
import { parsePort } from '../trust/port.ts'
import { resolveConnection } from '../trust/resolve.ts'
import { type Arguments, type OptionShape, type OptionShapes, readArguments } from './arguments.ts'
import { headerLine, type HeaderLine, RequestHeadReader } from './request-head.ts'
import { tableOptionsFor } from './terminal.ts'
import { TRUST_HELP, TRUST_SHAPES, trustOptions } from './trust-options.ts'
import { UsageError } from './usage-error.ts'

const HELP = `Usage: proxyfix explain [OPTION]... [-H 'NAME: VALUE']... [-]

Shows what proxyFix decides about a request: who the client is, which header says so, what each value in it was
taken for, and what other counts would have given. The request is the one that your last proxy sends to the app.

  -H, --header 'NAME: VALUE'
                      a header of the request, more than once if you like, and as curl takes it: 'NAME;' is an
                      empty one, 'NAME:' leaves out one that standard input has
  -                   read the request from standard input, up to the first empty line; without any -H that is
                      done anyway
      --peer ADDRESS[:PORT]
                      who is connected to the app: your last proxy. IPv6 with a port in brackets; unix for a peer
                      without an address (default 127.0.0.1, or an address that --trust has)
      --scheme SCHEME http or https, how that proxy reached the app (default http)
      --host HOST     the host it asked for (default: the Host header)
      --json          print JSON instead of a table, which is as wide as the terminal, 120 columns at most, and
                      80 columns wide when the output is not a terminal
  -h, --help          show this

${TRUST_HELP}
A header whose count is not given is not believed, as with proxyfix serve; with no option of this kind at all the
defaults of proxyFix are explained: xFor 1, xProto 1.

Standard input takes a request head (GET / HTTP/1.1 and header lines), header lines alone, or the output of curl -v,
of which the first request is read:

  curl -sv https://app.example/ 2>&1 | proxyfix explain --x-for 1

The exit code is 0 whatever is decided, and 2 when the command cannot be meant.
`

const SHAPES: OptionShapes = new Map<string, OptionShape>([
  ['header', { type: 'string', short: 'H', multiple: true }],
  ['peer', { type: 'string' }],
  ['scheme', { type: 'string' }],
  ['host', { type: 'string' }],
  ['json', { type: 'boolean' }],
  ...TRUST_SHAPES,
  ['help', { type: 'boolean', short: 'h' }],
])

/** Who connects when nobody says: an app and its proxy mostly share a machine. */
const USUAL_PEER: Endpoint = { address: '127.0.0.1' }
/** Who else may, so that each name that --trust takes has one of them; the last is on a unix socket. */
const OTHER_PEERS: readonly Endpoint[] = [{ address: '10.0.0.1' }, { address: '169.254.0.1' }, { address: '::1' }, {}]

export async function explainCommand(args: readonly string[]): Promise<void> {
  const given = readArguments(args, SHAPES)
  if (given.options.has('help')) return void process.stdout.write(HELP)
  const trust = trustOptions(given)
  const policy = trustPolicy(trust) // before the request is waited for
  const peerText = given.options.get('peer')?.[0]
  const peer = peerText === undefined ? peerAmong(given.options.get('trust')) : peerOf(peerText)
  const scheme = schemeOf(given.options.get('scheme')?.[0])
  const lines = await requestOf(given)

  const host = given.options.get('host')?.[0] ?? lines.find(({ name }) => name === 'host')?.value
  const explanation = explain({ peer, scheme, host, headers: recordOf(lines) }, policy)
  if (trust === undefined)
    say('No option says whom to believe: these are the defaults of proxyFix, xFor 1 and xProto 1.')
  if (peerText === undefined && peer !== USUAL_PEER) {
    say(`No --peer was given: taken to be ${peer.address ?? 'one without an address (unix)'}, which --trust has.`)
  }
  write(given.options.has('json') ? jsonOf(explanation) : tableOf(explanation))
}

/** The header lines: what standard input has, then what was typed. */
async function requestOf({ options, positionals }: Arguments): Promise<readonly HeaderLine[]> {
  if (positionals.some((text, index) => text !== '-' || index > 0)) {
    // It is not repeated: half of a header that was not quoted may be a password.
    throw new UsageError("There is an argument too many: a header is one, in quotes, as in -H 'NAME: VALUE'.")
  }
  const typed = options.get('header')?.map(typedHeader) ?? []
  if (typed.length > 0 && positionals.length === 0) return typed.filter(isSent)
  if (positionals.length === 0 && process.stdin.isTTY) {
    throw new UsageError(
      "The request is missing: give its headers with -H 'NAME: VALUE', or a request head or the output of curl -v on standard input.",
    )
  }
  const received = await readStandardInput()
  // As in curl, what is typed takes the place of the Host line, and only a header of its own makes another line.
  const isReplaced = ({ name }: HeaderLine): boolean =>
    typed.some((one) => one.name === name && (!isSent(one) || name === 'host'))
  return [...received.filter((line) => !isReplaced(line)), ...typed.filter(isSent)]
}

/** A header as curl takes it; without a value it is one to leave out. */
function typedHeader(text: string, index: number): { readonly name: string; readonly value: string | undefined } {
  // Node took the bytes for UTF-8; an app finds one character for each.
  const line = Buffer.from(text, 'utf8').toString('latin1')
  const where = `The ${index === 0 ? '' : `${index + 1}. `}header of -H`
  if (line.startsWith('@')) {
    throw new UsageError(`${where} is a file: give what it has on standard input instead, with - for an argument.`)
  }
  const [, empty] = /^([^:;]+);[ \t]*$/.exec(line) ?? []
  const { name, value } = headerLine(empty === undefined ? line : `${empty}:`, where)
  return { name, value: empty === undefined && value === '' ? undefined : value }
}

function isSent(header: { readonly name: string; readonly value: string | undefined }): header is HeaderLine {
  return header.value !== undefined
}

/** Reads no further than the request goes, so that whatever writes it need not end. */
async function readStandardInput(): Promise<readonly HeaderLine[]> {
  const reader = new RequestHeadReader()
  const hint = setTimeout(say, 1000, 'Reading a request from standard input, up to an empty line.').unref()
  try {
    process.stdin.setEncoding('latin1')
    for await (const text of process.stdin as AsyncIterable<string>) {
      reader.write(text)
      if (reader.isComplete) break
    }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(`Standard input cannot be read: ${(error as Error).message}.`) // as streams fail with errors
  } finally {
    clearTimeout(hint)
  }
  return reader.end()
}

/** Headers by name, several lines of one name as a list. Without a prototype, as any name may be among them. */
function recordOf(lines: readonly HeaderLine[]): Readonly<Record<string, readonly string[]>> {
  const record = Object.create(null) as Record<string, string[]>
  for (const { name, value } of lines) (record[name] ??= []).push(value)
  return record
}

/**
 * The peer when none was named: one that is among the trusted, as of a stranger there is nothing to explain.
 * @param lists What --trust was given.
 */
function peerAmong(lists: readonly string[] | undefined): Endpoint {
  if (lists === undefined) return USUAL_PEER
  const policy = trustPolicy({ trustedProxies: lists })
  const named = lists
    .flatMap((list) => list.split(','))
    .map((entry) => canonicalPeer(entry.split('/', 1)[0]!.trim()))
    .filter((address) => address !== undefined)
    .map((address): Endpoint => ({ address }))
  const isTrusted = (peer: Endpoint): boolean =>
    resolveConnection({ peer, scheme: 'http', headers: {} }, policy).trusted
  return [USUAL_PEER, ...named, ...OTHER_PEERS].find(isTrusted) ?? USUAL_PEER
}

function peerOf(text: string): Endpoint {
  if (text === 'unix') return {}
  const bracketed = /^\[([^\]]*:[^\]]*)\](?::(.*))?$/.exec(text)
  const [, address = text, portText] = bracketed ?? /^([^:]*):([^:]*)$/.exec(text) ?? []
  const canonical = canonicalPeer(address)
  const port = portText === undefined ? undefined : parsePort(portText)
  if (canonical === undefined) {
    throw new UsageError(
      `The option --peer takes an address with or without a port, like 10.0.0.5, 10.0.0.5:4711 or [::1]:4711, or unix, not '${text}'.`,
    )
  }
  if (portText !== undefined && port === undefined) {
    throw new UsageError(`The option --peer has a port that is none in '${text}': it is a number from 1 to 65535.`)
  }
  return { address: canonical, port }
}

function schemeOf(text = 'http'): string {
  if (text === 'http' || text === 'https') return text
  throw new UsageError(`The option --scheme takes http or https, not '${text}'.`)
}

function tableOf(explanation: Explanation): string {
  return `${explanation.toString(tableOptionsFor(process.stdout, process.env))}\n`
}

/**
 * All that there is but the headers as received: those that count are among the fields, and the others are passwords
 * and cookies, which would end up in bug reports.
 */
function jsonOf(explanation: Explanation): string {
  const { info, peer, fields, hops, hopCount, otherCounts, warnings } = explanation
  const hidden = (key: string, value: unknown): unknown => (key === 'headers' ? undefined : (value ?? null))
  const whole = { ...info, refusal: info.refusal } // which is null, not left out, where there is none
  const json = JSON.stringify({ info: whole, peer, fields, hops, hopCount, otherCounts, warnings }, hidden, 2)
  // It may be shown in a terminal, where some signs beyond ASCII are commands.
  return `${json.replaceAll(/[\u007f-\uffff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
}

/** Whoever reads may stop early (`| head`), which is no failure. */
function write(text: string): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  process.stdout.write(text)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
