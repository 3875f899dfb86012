/** `proxyfix serve MODULE[:EXPORT]`: loads an app and serves it until a signal says stop. */

import { loadApp } from '../server/load-app.ts'
import { isEveryInterface, type RunningServer, serve, type ServeOptions, urlOf } from '../server/serve.ts'
import { trustPolicy } from '../trust/policy.ts'
import { type Arguments, type OptionShape, type OptionShapes, readArguments } from './arguments.ts'
import { inFlags } from './flags.ts'
import { TRUST_HELP, TRUST_SHAPES, trustOptions } from './trust-options.ts'
import { UsageError } from './usage-error.ts'

const HELP = `Usage: proxyfix serve [OPTION]... MODULE[:EXPORT]

Serves the app that MODULE exports (as EXPORT, or as default, app, application or handler): a Node handler
(req, res), a Fetch handler (request) => Response, or an object with a fetch method.

  -b, --bind ADDRESS  where to listen: PORT, :PORT, HOST:PORT or [IPV6]:PORT, more than once for several
                      (default 127.0.0.1:8000)
  -h, --help          show this

${TRUST_HELP}
A header whose count is not given is not believed. Set each count to the number of proxies of yours that set
that header, and let nobody reach the server around them: a client can send these headers too. The command
proxyfix explain shows what a setting makes of a request.
`

const SHAPES: OptionShapes = new Map<string, OptionShape>([
  ['bind', { type: 'string', short: 'b', multiple: true }],
  ...TRUST_SHAPES,
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
    for (const warning of trustPolicy(options.proxyFix).warnings) say(`Warning: ${inFlags(warning)}`)
  }
  stopOnSignal(server)
}

function serveOptions(given: Arguments): ServeOptions {
  return { bind: given.options.get('bind'), proxyFix: trustOptions(given) }
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
