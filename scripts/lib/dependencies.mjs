/** Are the npm packages of the lockfile installed? If not, `npm ci` installs them. */

import { existsSync, readFileSync } from 'node:fs'
import { machineEnvironment } from './programs.mjs'
import { inProject } from './project.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

export async function ensureDependencies() {
  if (areInstalled()) return
  say('installing npm packages (npm ci), which takes a moment')
  const { ok, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], { env: machineEnvironment() })
  if (!ok) throw new Error(`${output.trimEnd()}\nnpm ci failed, so the npm packages are missing.`)
}

/** npm keeps a list of what it installed; the versions are compared, since dates change with every copy. */
function areInstalled() {
  const list = inProject('node_modules', '.package-lock.json')
  if (!existsSync(list)) return false
  const installed = packagesIn(list)
  return Object.entries(packagesIn(inProject('package-lock.json')))
    .filter(([path]) => path !== '')
    .every(([path, { version, optional }]) =>
      // Optional packages are for other platforms, most of them.
      installed[path] === undefined ? optional === true : installed[path].version === version,
    )
}

function packagesIn(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages
}
