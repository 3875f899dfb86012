/** Running `proxyfix` as a person does: the built program, in a process of its own. */

import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { program, root } from './paths.ts'

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that serves. */
export interface Serving extends Started {
  /** Where it listens, as in `http://127.0.0.1:8000`: the first address. */
  readonly url: string
  /** Every address that it listens on. */
  readonly urls: readonly string[]
  readonly pid: number
  signal(name: NodeJS.Signals): void
  /** Ends it if it still runs. */
  stop(): Promise<Ended>
}

export interface RunOptions {
  /** Where it is started. @default the project's folder */
  readonly folder?: string
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
  /** What Node itself is told. */
  readonly flags?: readonly string[]
  /** File descriptors from 3 on. */
  readonly fds?: readonly number[]
}

/** Runs the program to its end, in a folder. */
export async function run(args: readonly string[], folder: string = root, env?: RunOptions['env']): Promise<Ended> {
  return await start(args, { folder, ...(env && { env }) }).ended
}

/** Runs `proxyfix serve` on a free port, until it listens. */
export async function serving(...args: readonly string[]): Promise<Serving> {
  return await launch(['-b', '127.0.0.1:0', ...args])
}

/** Runs `proxyfix serve` until it listens. */
export async function launch(args: readonly string[], options: RunOptions = {}): Promise<Serving> {
  const { child, ended, said, wrote } = start(['serve', ...args], options)
  const urls = [...(await said('Listening on')).matchAll(/Listening on (\S+)/g)].map(([, url]) => url ?? '')
  const signal = (name: NodeJS.Signals): void => void child.kill(name)
  return {
    child,
    url: urls[0] ?? '',
    urls,
    pid: child.pid ?? 0,
    signal,
    said,
    wrote,
    ended,
    stop() {
      if (child.exitCode === null) signal('SIGKILL')
      return ended
    },
  }
}

/** A program that may not serve yet. */
export interface Started {
  readonly child: ChildProcess
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<Ended>
  /** Resolves with all of standard error once it has said this, so many times; rejects when the process ends without. */
  said(text: string, times?: number): Promise<string>
  /** Resolves when it has written this to standard output. */
  wrote(text: string): Promise<string>
}

export function start(args: readonly string[], { folder = root, env, flags = [], fds = [] }: RunOptions = {}): Started {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...fds]
  const child = spawn(process.execPath, [...flags, program, ...args], {
    cwd: folder,
    stdio,
    env: { ...process.env, ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }))
  const until = (read: () => string, text: string, times: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const all = read()
        if (all.split(text).length > times && all.endsWith('\n')) resolve(all)
      }
      child.stderr?.on('data', look)
      child.stdout?.on('data', look)
      void ended.then(({ code }) => reject(new Error(`It ended with ${code} and never said '${text}': ${stderr}`)))
      look()
    })
  return {
    child,
    ended,
    said: (text, times = 1) => until(() => stderr, text, times),
    wrote: (text) => until(() => stdout, text, 1),
  }
}
