/**
 * What does it take to start, and to install? Programs that import one thing, beside one that imports nothing; the code
 * that an import reads; the package as npm packs it.
 *
 *     npm run bench -- start
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { loadedBy } from '../scripts/lib/imports.mjs'
import { inProject, root } from '../scripts/lib/project.mjs'
import { judged, rowsOf } from './lib/rows.mjs'
import { runAlone } from './lib/section.mjs'

const EMPTY = 'an empty module'
const MODULES = {
  [EMPTY]: '',
  proxyfix: "import 'proxyfix'",
  'proxyfix/context': "import 'proxyfix/context'",
  'proxyfix/server': "import 'proxyfix/server'",
  'node:http': "import 'node:http'",
  express: "import 'express'",
  fastify: "import 'fastify'",
}
const GOALS = { proxyfix: { value: 10 } }

export function measure({ quick = false } = {}) {
  return [...importTimes(quick ? 12 : 60), ...sizes()]
}

/** Time on the clock, and of the processor, which others who use the machine do not change. */
function importTimes(rounds) {
  const names = Object.keys(MODULES)
  const runs = new Map(names.map((name) => [name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const run = runOnce(MODULES[name])
      if (round >= 0) runs.get(name).push(run) // at first the files are not yet in memory
    }
  }
  const subjects = (figure, goals) =>
    names.map((name) => ({
      name,
      samples: runs.get(name).map(figure),
      ...(name !== EMPTY && { minus: EMPTY }),
      goal: goals[name],
    }))
  return [
    ...rowsOf(
      'Start: added by an import to a program that imports nothing',
      'ms',
      subjects(({ clock }) => clock, GOALS),
    ),
    ...rowsOf(
      'Start: processor time added by it',
      'ms',
      subjects(({ cpu }) => cpu, {}),
    ),
  ]
}

function runOnce(code) {
  const program = `${code}\nconst { user, system } = process.cpuUsage()\nprocess.stdout.write(String(user + system))`
  const start = process.hrtime.bigint()
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd: root })
  if (status !== 0) throw new Error(String(stderr))
  return { clock: Number(process.hrtime.bigint() - start) / 1e6, cpu: Number(String(stdout)) / 1000 }
}

function sizes() {
  const group = 'Start: what is read and installed'
  const packed = JSON.parse(npm('pack', '--dry-run', '--json', '--ignore-scripts'))
  const { unpackedSize } = Array.isArray(packed) ? packed[0] : Object.values(packed)[0]
  const size = (name, bytes) => ({ group, name, value: bytes / 1024, unit: 'KB' })
  const main = ownFiles('dist/index.js')
  return [
    judged(size('own code that proxyfix reads', bytesOf(main)), { value: 60 }),
    size('the same, as gzip leaves it', gzipSync(main.join('\n')).length),
    { group, name: 'files that it is in', value: main.length, unit: '' },
    size('own code that proxyfix/context reads', bytesOf(ownFiles('dist/context/index.js'))),
    size('own code that proxyfix/server reads', bytesOf(ownFiles('dist/server/index.js'))),
    size('the package, unpacked', unpackedSize),
    judged({ group, name: 'runtime dependencies, with theirs', value: runtimeDependencies(), unit: '' }, { value: 3 }),
  ]
}

/** The code of all files of ours that an import of this one reads. */
function ownFiles(entry) {
  return [...loadedBy(inProject(entry)).files.values()]
}

function bytesOf(files) {
  return files.reduce((sum, code) => sum + Buffer.byteLength(code), 0)
}

/** As many packages as an install of this one brings. */
function runtimeDependencies() {
  const { packages } = JSON.parse(readFileSync(inProject('package-lock.json'), 'utf8'))
  return Object.entries(packages).filter(
    ([path, { dev, peer, devOptional }]) => path !== '' && !dev && !peer && !devOptional,
  ).length
}

function npm(...args) {
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: ${stderr}`)
  return stdout
}

await runAlone(import.meta.url, measure)
