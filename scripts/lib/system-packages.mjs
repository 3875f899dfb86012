/** Are the programs on the machine that tests or benchmarks want but npm does not have? Where it may, apt-get installs them. */

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { findProgram } from './programs.mjs'
import { run } from './run.mjs'
import { say } from './say.mjs'

/** What tests want: without it they are skipped, not failed. */
const FOR_TESTS = {
  nginx: 'nginx',
  curl: 'curl',
  haproxy: 'haproxy',
  hitch: 'hitch',
  stunnel4: 'stunnel4',
  'libnginx-mod-stream': '/usr/lib/nginx/modules/ngx_stream_module.so',
  'chromium-headless-shell': 'chromium-headless-shell',
  'redis-server': 'redis-server',
  postgresql: '/usr/lib/postgresql', // its programs are in a folder for each version, which is in nobody's PATH
}

/** @param wanted Debian packages, each with a file of it or the name of its program. */
export async function ensureSystemPackages(wanted = FOR_TESTS) {
  const missing = Object.keys(wanted).filter((name) => !isThere(wanted[name]))
  if (missing.length === 0) return
  const names = missing.length < 2 ? missing.join('') : `${missing.slice(0, -1).join(', ')} and ${missing.at(-1)}`
  const obstacle = obstacleToInstalling()
  if (obstacle !== undefined) return say(`skipping what needs ${names}: not on this machine, and ${obstacle}`)
  say(`installing ${names} (apt-get)`)
  await withoutStartingServices(async () => {
    const failed = await aptGet('update')
    // One by one: a distribution that lacks one of them has the others.
    for (const name of missing) {
      const obstacleToOne = failed ?? (await aptGet('install', '-y', '--no-install-recommends', name))
      if (obstacleToOne !== undefined) say(`skipping what needs ${name}: ${obstacleToOne}`)
    }
  })
}

function isThere(program) {
  return program.startsWith('/') ? existsSync(program) : findProgram(program) !== undefined
}

function obstacleToInstalling() {
  if (findProgram('apt-get') === undefined) return 'there is no apt-get to install it'
  if (process.getuid?.() !== 0) return 'only root may install it'
  return undefined
}

/** What Debian's packages ask before they start a service; images of containers have one that says no. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Debian starts what it installs: a proxy on port 80 is not what somebody asks for who runs the tests. */
async function withoutStartingServices(install) {
  if (existsSync(POLICY)) return install()
  writeFileSync(
    POLICY,
    '#!/bin/sh\n# Made by a script of proxyfix while it installs packages; remove it.\nexit 101\n',
    {
      mode: 0o755,
    },
  )
  try {
    return await install()
  } finally {
    rmSync(POLICY, { force: true })
  }
}

/** @returns One line that says what went wrong, if something did. */
async function aptGet(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const patience = ['-o', 'DPkg::Lock::Timeout=60', '-o', 'Acquire::http::Timeout=20', '-o', 'Acquire::Retries=1']
  const { ok, output } = await run('apt-get', [...patience, ...args], { env, timeout: 240_000 })
  return ok ? undefined : `apt-get ${args[0]} failed (${output.trim().split('\n').at(-1)})`
}
