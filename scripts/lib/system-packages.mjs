/** Are the programs on the machine that tests want but npm does not have? Where it may, apt-get installs them. */

import { existsSync } from 'node:fs'
import { findProgram } from './programs.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

/** Programs, and the Debian packages they come in. Without them their tests are skipped, not failed. */
const WANTED = {
  nginx: 'nginx',
  curl: 'curl',
  'chromium-headless-shell': 'chromium-headless-shell',
  'redis-server': 'redis-server',
  postgres: 'postgresql',
}

/** Debian keeps the programs of PostgreSQL in a folder for each version, which is in nobody's PATH. */
const POSTGRES_FOLDER = '/usr/lib/postgresql'

export async function ensureSystemPackages() {
  const missing = Object.entries(WANTED)
    .filter(
      ([program]) => findProgram(program) === undefined && !(program === 'postgres' && existsSync(POSTGRES_FOLDER)),
    )
    .map(([, name]) => name)
  if (missing.length === 0) return
  const names = missing.join(' and ')
  const obstacle = obstacleToInstalling()
  if (obstacle !== undefined) return say(`skipping what needs ${names}: not on this machine, and ${obstacle}`)
  say(`installing ${names} (apt-get)`)
  const failed = await aptGet('update')
  // One by one: a distribution that lacks one of them has the others.
  for (const name of missing) {
    const obstacleToOne = failed ?? (await aptGet('install', '-y', '--no-install-recommends', name))
    if (obstacleToOne !== undefined) say(`skipping what needs ${name}: ${obstacleToOne}`)
  }
}

function obstacleToInstalling() {
  if (findProgram('apt-get') === undefined) return 'there is no apt-get to install it'
  if (process.getuid?.() !== 0) return 'only root may install it'
  return undefined
}

/** @returns One line that says what went wrong, if something did. */
async function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const patience = ['-o', 'DPkg::Lock::Timeout=60', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=1']
  const { ok, output } = await run('apt-get', [...patience, ...args], { env, timeout: 240_000 })
  return ok ? undefined : `apt-get ${args[0]} failed (${output.trim().split('\n').at(-1)})`
}
