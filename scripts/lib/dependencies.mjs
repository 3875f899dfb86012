/** Are the npm packages of the lockfiles installed? If not, `npm ci` installs them. */

import { existsSync, readFileSync } from 'node:fs'
import { machineEnvironment } from './programs.mjs'
import { inProject } from './project.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

/** The project's own, and further versions of Node: in one folder all of them would be the program `node`. */
const FOLDERS = ['.', 'test/nodes']

export async function ensureDependencies() {
  for (const folder of FOLDERS.filter((name) => !areInstalled(name))) {
    say(`installing npm packages (npm ci${folder === '.' ? '' : ` in ${folder}`}), which takes a moment`)
    const args = ['ci', '--no-audit', '--no-fund', '--prefix', inProject(folder)]
    const { ok, output } = await run('npm', args, { env: machineEnvironment() })
    if (ok) continue
    const failure = `${output.trimEnd()}\nnpm ci failed, so the npm packages are missing.`
    if (folder === '.') throw new Error(failure)
    say(`skipping what needs the packages of ${folder}: ${failure}`)
  }
}

/** npm keeps a list of what it installed; the versions are compared, since dates change with every copy. */
function areInstalled(folder) {
  const list = inProject(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(list)) return false
  const installed = packagesIn(list)
  return Object.entries(packagesIn(inProject(folder, 'package-lock.json')))
    .filter(([path]) => path !== '')
    .every(([path, { version, optional }]) =>
      // Optional packages are for other platforms, most of them.
      installed[path] === undefined ? optional === true : installed[path].version === version,
    )
}

function packagesIn(lockfile) {
  return JSON.parse(readFileSync(lockfile, 'utf8')).packages
}
