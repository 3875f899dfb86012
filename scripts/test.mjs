/**
 * Does everything hold? Sets up what is missing, then runs every check and every test, on the pinned Node and
 * on the machine's own. A check that fails stops nothing after it. The last line is the sum of them all.
 */

import { ensureDependencies } from './lib/dependencies.mjs'
import { findProgram, machineEnvironment, projectEnvironment, projectTool } from './lib/programs.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { ensureSystemPackages } from './lib/system-packages.mjs'
import { runTests } from './lib/vitest-run.mjs'

const CHECKS = {
  build: ['node', 'scripts/build.mjs'],
  types: ['tsc', '-p', 'tsconfig.json'],
  lint: ['oxlint', '--deny-warnings', '--format=unix', '--report-unused-disable-directives'],
  format: ['prettier', '--check', '.'],
  'dependency direction': ['node', 'scripts/check-imports.mjs'],
  'package contents': ['publint', '--strict'],
  'package types': ['attw', '--pack', '.', '--profile', 'esm-only'],
  'unused files, exports and packages': ['knip'],
}

const sum = { passed: 0, failed: 0, skipped: 0 }

try {
  await ensureDependencies()
  await ensureSystemPackages()
  for (const [name, command] of Object.entries(CHECKS)) await check(name, command)
  await testOnPinnedNode()
  await testOnMachineNode()
} catch (error) {
  console.error(error.message)
  sum.failed++
}
console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`)
process.exitCode = sum.failed === 0 ? 0 : 1

async function check(name, [tool, ...args]) {
  process.stdout.write(`· check: ${name} … `)
  const started = performance.now()
  const { ok, output } = await run(projectTool(tool), args, { env: projectEnvironment() })
  console.log(`${ok ? 'passed' : 'FAILED'} (${((performance.now() - started) / 1000).toFixed(1)} s)`)
  if (!ok) console.log(output.trimEnd())
  sum[ok ? 'passed' : 'failed']++
}

async function testOnPinnedNode() {
  const node = projectTool('node')
  await test(node, projectEnvironment(), `the pinned Node ${await versionOf(node)}`, { coverage: true })
}

/** The package supports Node 20.19, the toolchain is newer: both have to run it. */
async function testOnMachineNode() {
  const node = findProgram('node')
  if (node === undefined) return say('tests on the machine’s own Node: left out, there is none')
  const [machine, pinned] = [await versionOf(node), await versionOf(projectTool('node'))]
  if (majorOf(machine) === majorOf(pinned))
    return say(`tests on the machine’s own Node: left out, ${machine} is as new as the pinned ${pinned}`)
  if (majorOf(machine) < 20)
    return say(`tests on the machine’s own Node: left out, ${machine} is older than the package supports`)
  await test(node, machineEnvironment(), `the machine’s own Node ${machine} (${node})`)
}

async function test(node, env, description, options = {}) {
  say(`tests on ${description}`)
  for (const [result, number] of Object.entries(await runTests(node, env, options))) sum[result] += number
}

async function versionOf(node) {
  return (await run(node, ['--version'])).output.trim()
}

function majorOf(version) {
  return Number.parseInt(version.slice(1))
}
