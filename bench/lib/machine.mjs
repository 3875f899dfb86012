/** On what was it measured? The machine, without its name, and the versions of whoever was measured. */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { findProgram } from '../../scripts/lib/programs.mjs'
import { inProject } from '../../scripts/lib/project.mjs'

const PACKAGES = [
  '@fastify/proxy-addr',
  '@fastify/request-context',
  '@hono/node-server',
  'cls-hooked',
  'express',
  'fastify',
  'forwarded',
  'forwarded-parse',
  'hono',
  'koa',
  'nestjs-cls',
  'proxy-addr',
  'request-ip',
  'srvx',
]
const DEBIAN = [
  'gunicorn',
  'uwsgi-core',
  'python3-gevent',
  'python3-eventlet',
  'python3-twisted',
  'python3-werkzeug',
  'wrk',
]

/** Cores, processor, memory, Node and the system, in one line. */
export function machine() {
  const processor = cpus()[0].model.trim()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${availableParallelism()} cores (${processor}), ${memory} GB, Node ${process.versions.node} (V8 ${process.versions.v8}), ${process.platform}`
}

/** Of all that can be measured beside, as they are installed. */
export function versions() {
  const packages = PACKAGES.map((name) => {
    const { version } = JSON.parse(readFileSync(inProject('node_modules', name, 'package.json'), 'utf8'))
    return `${name} ${version}`
  })
  return [...packages, ...debianVersions()].join(', ')
}

function debianVersions() {
  const dpkg = findProgram('dpkg-query')
  if (dpkg === undefined) return []
  const { stdout } = spawnSync(dpkg, ['-W', '-f', '${Package} ${source:Upstream-Version}\n', ...DEBIAN], {
    encoding: 'utf8',
  })
  return stdout
    .trim()
    .split('\n')
    .filter((line) => / \d/.test(line))
}
