/** Do the tests pass on a given Node, and how many are there? A run that crashed counts as failed, whatever it says. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inProject } from './project.mjs'
import { run } from './run.mjs'

/**
 * Runs all tests; the terminal shows them as they end.
 *
 * @param node The program that runs them; tests that start a program of their own start the same.
 * @param env An environment in which `node` means that program too.
 * @param coverage Also count what the tests reach; too little has failed (the thresholds are in vitest.config.ts).
 * @returns How many passed, failed, and were skipped.
 */
export async function runTests(node, env, { coverage = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'proxyfix-test-'))
  const report = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const vitest = inProject('node_modules', 'vitest', 'vitest.mjs')
  const measure = coverage ? ['--coverage', `--coverage.reportsDirectory=${join(folder, 'coverage')}`] : []
  try {
    const { ok, output } = await run(node, [vitest, 'run', ...reporters, ...measure], {
      env,
      show: true,
      timeout: 1_200_000,
    })
    if (output !== '') console.log(`vitest ${output.trim()}`)
    return count(readReport(report), ok)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

function count(report, ok) {
  if (report === undefined) return { passed: 0, failed: 1, skipped: 0 }
  const passed = report.numPassedTests
  const failed = report.numFailedTests + filesThatNeverRan(report)
  const skipped = report.numPendingTests + report.numTodoTests
  // An error outside every test, coverage below its threshold, or no test at all, shows in no count.
  const lost = failed === 0 && (!ok || passed === 0) ? 1 : 0
  return { passed, failed: failed + lost, skipped }
}

/** A file that cannot be loaded has failed without a single test that could have. */
function filesThatNeverRan({ testResults }) {
  return testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  ).length
}
