/** `proxyfix serve MODULE[:EXPORT]`: loads an app and serves it until a signal says stop. */

import { loadApp } from '../server/load-app.ts'
import { isEveryInterface, type RunningServer, serve, type ServeOptions, urlOf } from '../server/serve.ts'
import type { ProxyFixOptions } from '../trust/options.ts'
import { trustPolicy } from '../trust/policy.ts'
import { type Arguments, type OptionShape, type OptionShapes, readArguments } from './arguments.ts'
import { UsageError } from './usage-error.ts'

const HELP = `Usage: proxyfix serve [OPTION]... MODULE[:EXPORT]

Serves the app that MODULE exports (as EXPORT, or as default, app, application or handler): a Node handler
(req, res), a Fetch handler (request) => Response, or an object with a fetch method.

  -b, --bind ADDRESS  where to listen: PORT, :PORT, HOST:PORT or [IPV6]:PORT, more than once for several
                      (default 127.0.0.1:8000)
      --x-for N       how many values of X-Forwarded-For your own proxies wrote, counted from the right
      --x-proto N     the same for X-Forwarded-Proto
      --x-host N      the same for X-Forwarded-Host
      --x-port N      the same for X-Forwarded-Port
      --x-prefix N    the same for X-Forwarded-Prefix
  -h, --help          show this

A header whose count is not given is not believed. Set each count to the number of proxies of yours that set
that header, and let nobody reach the server around them: a client can send these headers too.
`

const COUNTS = {
  'x-for': 'xFor',
  'x-proto': 'xProto',
  'x-host': 'xHost',
  'x-port': 'xPort',
  'x-prefix': 'xPrefix',
} as const
const COUNT_NAMES = Object.keys(COUNTS) as (keyof typeof COUNTS)[]

const SHAPES: OptionShapes = new Map<string, OptionShape>([
  ['bind', { type: 'string', short: 'b', multiple: true }],
  ...COUNT_NAMES.map((name): [string, OptionShape] => [name, { type: 'string' }]),
  ['help', { type: 'boolean', short: 'h' }],
])

export async function serveCommand(args: readonly string[]): Promise<void> {
  const given = readArguments(args, SHAPES)
  if (given.options.has('help')) return void process.stdout.write(HELP)
  const options = serveOptions(given)
  const [spec, extra] = given.positionals
  if (spec === undefined)
    throw new UsageError('The module of the app is missing: write proxyfix serve MODULE, as in app.js:app.')
  if (extra !== undefined) throw new UsageError(`One module is served at a time: '${extra}' is one too many.`)

  const server = await serve(await loadApp(spec), options)
  for (const address of server.addresses) {
    say(
      `Listening on ${urlOf(address)}${isEveryInterface(address.address) ? ' and every interface' : ''} (pid ${process.pid})`,
    )
  }
  if (options.proxyFix !== undefined && !server.addresses.every(({ address }) => isLoopback(address))) {
    for (const warning of trustPolicy(options.proxyFix).warnings) say(`Warning: ${warning}`)
  }
  stopOnSignal(server)
}

function serveOptions({ options }: Arguments): ServeOptions {
  const bind = options.get('bind')
  const counted = COUNT_NAMES.filter((name) => options.has(name))
  const proxyFix: ProxyFixOptions = Object.fromEntries(
    COUNT_NAMES.map((name) => [COUNTS[name], countOf(name, options.get(name)?.[0] ?? '0')]),
  )
  return { ...(bind !== undefined && { bind }), ...(counted.length > 0 && { proxyFix }) }
}

function countOf(name: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`The option --${name} takes a whole number of proxies, 0 or more, not '${text}'.`)
}

/** The first signal finishes what is in flight; a second one does not wait for it. */
function stopOnSignal(server: RunningServer): void {
  let stopping = false
  const stop = (signal: NodeJS.Signals, code: number): void => {
    if (stopping) process.exit(128 + code)
    stopping = true
    say(`${signal}: finishing the requests in flight; once more to stop at once`)
    void server.close().then(() => process.exit(0))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.')
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
