/** How is a command run to its end? Nothing is thrown: whoever asks decides what a failure means. */

import { spawn } from 'node:child_process'
import { root } from './project.mjs'

/**
 * Runs a command in the project's folder, without standard input.
 *
 * @param show Its output goes to the terminal at once; otherwise it is kept and given back.
 * @param timeout Milliseconds after which it is stopped, and has failed.
 * @returns Whether it ended with exit code 0, and its kept output (or why it could not run).
 */
export function run(command, args, { env = process.env, show = false, timeout = 600_000 } = {}) {
  const output = show ? 'inherit' : 'pipe'
  const child = spawn(command, args, { cwd: root, env, timeout, stdio: ['ignore', output, output] })
  const kept = []
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => kept.push(bytes))
  return new Promise((resolve) => {
    const end = (ok, reason = '') => resolve({ ok, output: Buffer.concat(kept).toString() + reason })
    child.once('error', (error) => end(false, error.message))
    child.once('close', (code, signal) => end(code === 0, signal === null ? '' : `\nstopped by ${signal}`))
  })
}
