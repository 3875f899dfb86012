/** Does src/ keep the dependency direction of the house? One sentence for each import that does not. */

import { readdirSync, readFileSync } from 'node:fs'
import { sep } from 'node:path'
import { violationsIn } from './lib/dependency-direction.mjs'
import { inProject } from './lib/project.mjs'

const files = {}
for (const name of readdirSync(inProject('src'), { recursive: true })) {
  if (name.endsWith('.ts')) files[`src/${name.replaceAll(sep, '/')}`] = readFileSync(inProject('src', name), 'utf8')
}

const violations = violationsIn(files)
for (const violation of violations) console.log(violation)
if (violations.length > 0) process.exitCode = 1
