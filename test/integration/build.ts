/**
 * Vitest's global setup: the tests of the command line run the program as it is shipped, so it is built
 * first, once for all test files, if there is something new to build.
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { program, root } from './paths.ts'

export default function build(): void {
  const sources = readdirSync(`${root}/src`, { recursive: true, encoding: 'utf8' }).map((name) => `src/${name}`)
  const builders = ['scripts/build.mjs', 'scripts/lib/line-breaks.mjs']
  const newest = Math.max(...[...sources, ...builders].map((name) => changedAt(`${root}/${name}`)))
  if (changedAt(program) > newest) return
  execFileSync(process.execPath, ['scripts/build.mjs'], { cwd: root, stdio: 'inherit' })
}

function changedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
