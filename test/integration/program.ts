/** Running `proxyfix` as a person does: the built program, in a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { program, root } from './paths.ts'

/** How a process ended, and what it said. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A program that serves. */
export interface Serving {
  /** Where it listens, as in `http://127.0.0.1:8000`. */
  readonly url: string
  signal(name: NodeJS.Signals): void
  /** Resolves when it has said this on standard error. */
  said(text: string): Promise<void>
  /** Resolves when it has ended by itself. */
  readonly ended: Promise<Ended>
  /** Ends it if it still runs. */
  stop(): Promise<Ended>
}

/** Runs the program to its end, in a folder. */
export async function run(args: readonly string[], folder: string = root): Promise<Ended> {
  return await start(args, folder).ended
}

/** Runs `proxyfix serve` on a free port, until it listens. */
export async function serving(...args: readonly string[]): Promise<Serving> {
  const { child, ended, said } = start(['serve', '-b', '127.0.0.1:0', ...args], root)
  const url = /Listening on (http:\/\/\S+)/.exec(await said('Listening on'))?.[1] ?? ''
  const signal = (name: NodeJS.Signals): void => void child.kill(name)
  return {
    url,
    signal,
    said: async (text) => void (await said(text)),
    ended,
    stop() {
      if (child.exitCode === null) signal('SIGKILL')
      return ended
    },
  }
}

interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves with all of standard error once a line of it has this text; rejects when the process ends without. */
  said(text: string): Promise<string>
}

function start(args: readonly string[], folder: string): Started {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }))
  const said = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stderr.includes(text) && stderr.endsWith('\n')) resolve(stderr)
      }
      child.stderr.on('data', look)
      void ended.then(({ code }) => reject(new Error(`It ended with ${code} and never said '${text}': ${stderr}`)))
      look()
    })
  return { child, ended, said }
}
