/** What goes into dist/? Exactly what tsc makes of src/ now: nothing stays from an earlier build. */

import { chmodSync, rmSync } from 'node:fs'
import { projectEnvironment, projectTool } from './lib/programs.mjs'
import { inProject } from './lib/project.mjs'
import { run } from './lib/run.mjs'

try {
  const tsc = projectTool('tsc')
  rmSync(inProject('dist'), { recursive: true, force: true })
  // A failed build leaves no dist behind that looks like a good one.
  const args = ['-p', 'tsconfig.build.json', '--noEmitOnError']
  const { ok } = await run(tsc, args, { env: projectEnvironment(), show: true })
  if (!ok) throw new Error('The build failed.')
  chmodSync(inProject('dist', 'cli', 'main.js'), 0o755)
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
}
