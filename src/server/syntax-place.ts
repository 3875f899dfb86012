/**
 * Where in a module is its syntax wrong? Node tells so of CommonJS in the stack, and of ES modules only as it dies of them.
 * So another Node is asked, which reads the file and runs nothing of it.
 */

import { spawnSync } from 'node:child_process'

/** As long as anybody should wait for a hint. */
const TIMEOUT = 5000

/** Puts the place in front of the stack, as Node does for CommonJS, when the error is one of this file's own syntax. */
export function placeSyntaxError(error: unknown, file: string): void {
  if (!(error instanceof SyntaxError) || /^\S+:\d+\n/.test(error.stack ?? '')) return
  const { stderr } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: TIMEOUT })
  const [place = '', message = ''] = (stderr ?? '').split('\nSyntaxError: ', 2)
  // Of another message it tells another mistake.
  if (!/^\S+:\d+\n/.test(place) || !message.startsWith(error.message)) return
  error.stack = `${place}\n${error.stack}`
}
