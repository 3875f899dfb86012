/**
 * What does only Node itself know? Another Node is asked: it has the same version, conditions and loaders as this one, and
 * runs a few lines of ours, nothing of the app.
 */

import { spawnSync } from 'node:child_process'

/** As long as anybody should wait for an answer. */
const TIMEOUT = 5000

export interface AskNodeOptions {
  readonly flags?: readonly string[]
  /** What the program finds in `process.argv`, from the second place on. */
  readonly args: readonly string[]
  /** From where the program imports. Default: the working directory. */
  readonly cwd?: string
}

/** What the program, an ES module, has written. */
export function askNode(
  program: string,
  { flags = [], args, cwd }: AskNodeOptions,
): { readonly stdout: string; readonly stderr: string } {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--no-warnings', ...flags, '--input-type=module', '--eval', program, '--', ...args],
    { encoding: 'utf8', timeout: TIMEOUT, cwd, env: { ...process.env, NODE_OPTIONS: withoutInspector() } },
  )
  // Both are null where it could not be started.
  return { stdout: stdout ?? '', stderr: stderr ?? '' }
}

/** Nobody debugs the few lines, and they would wait for a debugger. */
function withoutInspector(): string {
  return (process.env['NODE_OPTIONS'] ?? '').replaceAll(/(^|\s)--inspect\S*/g, '')
}
