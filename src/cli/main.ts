#!/usr/bin/env node
/** What a person types: `proxyfix COMMAND …`. Finds the command, and turns what went wrong into a sentence and an exit code. */

// Here already, for the apps that are served: where Node 24 is first asked for AsyncLocalStorage after some ticks, V8 may never make
// fast what all ticks, and all contexts, go by from then on: 3.5 µs of user time a request in workers, 0.7 in one process.
import 'node:async_hooks'
import { readFileSync } from 'node:fs'
import { stackBeside } from '../server/app-stack.ts'
import { ProxyFixError, type ProxyFixErrorCode } from '../trust/error.ts'
import { nearest } from '../trust/nearest.ts'
import { inFlags } from './flags.ts'
import { heedSignals } from './signals.ts'
import { say, UsageError } from './usage-error.ts'

const HELP = `Usage: proxyfix COMMAND [OPTION]...

Commands:
  serve    serve an app: proxyfix serve MODULE[:EXPORT]
  explain  show what a setting makes of a request, and why: proxyfix explain --x-for 1 -H 'NAME: VALUE'

proxyfix COMMAND --help says more; proxyfix --version tells the version.
`

/** Loaded when they are asked for. */
const COMMANDS: ReadonlyMap<string, (args: readonly string[]) => Promise<void>> = new Map([
  ['serve', serve],
  ['explain', async (args) => await (await import('./explain.ts')).explainCommand(args)],
])

async function serve(args: readonly string[]): Promise<void> {
  const heeding = heedSignals() // first, as what serves takes its time to load
  await (await import('./serve.ts')).serveCommand(args, heeding)
}

const USAGE = 2
const EXIT_CODES: Readonly<Record<ProxyFixErrorCode, number>> = {
  ERR_PROXYFIX_BIND: 1,
  ERR_PROXYFIX_OPTION: USAGE,
  ERR_PROXYFIX_NOT_FIXED: USAGE,
  ERR_PROXYFIX_VALUE: USAGE,
  ERR_PROXYFIX_REWRITE: USAGE,
  ERR_PROXYFIX_APP: 4,
  ERR_PROXYFIX_CONTEXT: 1,
}

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === '--help' || command === '-h') return void process.stdout.write(HELP)
  if (command === '--version') return void process.stdout.write(`${version()}\n`)
  const run = command === undefined ? undefined : COMMANDS.get(command)
  if (run !== undefined) return await run(args)
  throw new UsageError(unknownCommand(command))
}

/** Options that other programs have as commands as well. */
const ASKED: ReadonlySet<string> = new Set(['help', 'version'])

function unknownCommand(command: string | undefined): string {
  if (command === undefined) return 'A command is missing: try proxyfix serve MODULE, or proxyfix --help.'
  const near = nearest(command, [...COMMANDS.keys()])
  const hint = ASKED.has(command)
    ? `write proxyfix --${command}.`
    : near !== undefined
      ? `did you mean ${near}?`
      : /[./\\:]/.test(command)
        ? `to serve an app, write proxyfix serve ${command}.`
        : 'try proxyfix --help.'
  return `There is no command '${command}': ${hint}`
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  const isOurs = error instanceof ProxyFixError
  if (!isOurs && !(error instanceof UsageError)) throw error
  // Other errors tell what an app's own code did, where options have the names that they have in code.
  const isTyped = isOurs && error.code === 'ERR_PROXYFIX_OPTION'
  process.stderr.write(`proxyfix: ${isTyped ? inFlags(error.message) : error.message}\n`)
  // What the app itself threw is its author's to mend, who wants to see where.
  const stack = isOurs && error.code === 'ERR_PROXYFIX_APP' ? stackBeside(error) : undefined
  if (stack !== undefined) say(stack)
  // The app's module may have left timers or sockets behind, which must not keep a failed start alive.
  process.exit(isOurs ? EXIT_CODES[error.code] : USAGE)
}
