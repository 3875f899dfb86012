/** How is each server of the benchmarks started, and what must it answer? */

import { existsSync } from 'node:fs'
import { findProgram } from '../../scripts/lib/programs.mjs'
import { inProject } from '../../scripts/lib/project.mjs'
import { CLIENT, PEER } from '../servers/apps.mjs'

/**
 * V8 enlarges the memory for new objects by how much is allocated, so that a server which allocates more can look faster.
 * Where overheads are compared everybody has the same.
 */
const SAME_MEMORY = ['--min-semi-space-size=32', '--max-semi-space-size=32']
export const TRUST = ['--x-for', '1', '--x-proto', '1', '--x-host', '1', '--trust', 'loopback']
const SERVERS = inProject('bench', 'servers')

/** A server of `servers/javascript.mjs`. */
export function javascript(name, { bare = false, memory = SAME_MEMORY } = {}) {
  return {
    name,
    commandFor: (port) => [
      process.execPath,
      ...memory,
      inProject('bench', 'servers', 'javascript.mjs'),
      name,
      String(port),
    ],
    answer: bare ? PEER : CLIENT,
  }
}

/** `proxyfix serve` with an app of `servers/proxyfix.mjs`. */
export function proxyfix(name, app, options = TRUST, { memory = SAME_MEMORY } = {}) {
  const cli = inProject('dist', 'cli', 'main.js')
  return {
    name,
    commandFor: (port) => {
      const bind = ['-b', `127.0.0.1:${port}`]
      return [process.execPath, ...memory, cli, 'serve', `bench/servers/proxyfix.mjs:${app}`, ...bind, ...options]
    },
    answer: options.includes('--x-for') ? CLIENT : PEER,
  }
}

const python = (name, program, argumentsFor) => ({
  name,
  obstacle: () => obstacleTo(program),
  commandFor: (port) => [findProgram(program), ...argumentsFor(port)],
  env: { PYTHONPATH: SERVERS, PYTHONDONTWRITEBYTECODE: '1' },
  answer: CLIENT,
})

const DEBIAN_PYTHON = '/usr/bin/python3'
/** One that is a library, in Debian's own Python. */
const library = (name, module, folder = module) => ({
  ...python(name, DEBIAN_PYTHON, () => []),
  obstacle: () =>
    existsSync(`/usr/lib/python3/dist-packages/${folder}`) ? undefined : `python3-${folder} is not there`,
  commandFor: (port) => [DEBIAN_PYTHON, `${SERVERS}/wsgi_server.py`, module, String(port)],
})

const gunicorn = (kind, workers) =>
  python(`gunicorn, ${kind}`, 'gunicorn', (port) => [
    '-w',
    String(workers),
    '-k',
    kind,
    '-b',
    `127.0.0.1:${port}`,
    'wsgi_app:application',
  ])

const uwsgi = (socket) =>
  python(`uWSGI, ${socket}`, 'uwsgi-core', (port) => [
    '--plugin',
    'python3',
    '--master',
    '-p',
    '2',
    '--disable-logging',
    '--module',
    'wsgi_app:application',
    `--${socket}`,
    `127.0.0.1:${port}`,
  ])

/** With two workers where they have workers; the others are one process, as people run them. */
export const pythonServers = () => [
  gunicorn('sync', 2),
  gunicorn('gevent', 2),
  uwsgi('http-socket'),
  uwsgi('http11-socket'),
  library('gevent', 'gevent'),
  library('eventlet', 'eventlet'),
  python('twistd web', 'twistd3', (port) => [
    '-n',
    '--pidfile=',
    'web',
    '--wsgi',
    'wsgi_app.application',
    '--listen',
    `tcp:${port}:interface=127.0.0.1`,
  ]),
  library('werkzeug', 'werkzeug'),
]

export const oneGunicorn = (kind) => gunicorn(kind, 1)

function obstacleTo(program) {
  return findProgram(program) === undefined ? `there is no ${program}` : undefined
}
