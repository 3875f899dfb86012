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

/** A server of Python: a program of Debian's with its arguments, in words. */
const python = (name, program, wordsFor, note) => ({
  name,
  note,
  obstacle: () => (findProgram(program) === undefined ? `there is no ${program}` : undefined),
  commandFor: (port) => [findProgram(program), ...wordsFor(`127.0.0.1:${port}`, port).split(' ')],
  env: { PYTHONPATH: SERVERS, PYTHONDONTWRITEBYTECODE: '1' },
  answer: CLIENT,
})

/** One that is a library, in Debian's own Python, whatever other Pythons there are. */
const library = (name, note = ONE_PROCESS) => ({
  ...python(name, 'python3', () => '', note),
  obstacle: () => (existsSync(`/usr/lib/python3/dist-packages/${name}`) ? undefined : `there is no python3-${name}`),
  commandFor: (port) => ['/usr/bin/python3', `${SERVERS}/wsgi_server.py`, name, String(port)],
})

const ONE_PROCESS = 'one process'
const CLOSES = 'closes the connection after each answer'

export const gunicorn = (kind, workers) =>
  python(
    `gunicorn, ${kind}`,
    'gunicorn',
    (address) => `-w ${workers} -k ${kind} -b ${address} wsgi_app:application`,
    kind === 'sync' ? CLOSES : undefined,
  )

const uwsgi = (socket, note) =>
  python(
    `uWSGI, ${socket}`,
    'uwsgi-core',
    (address) =>
      `--plugin python3 --master -p 2 --disable-logging --module wsgi_app:application --${socket} ${address}`,
    note,
  )

/** With two workers where they have workers; the others are one process, as people run them. */
export const pythonServers = () => [
  gunicorn('sync', 2),
  gunicorn('gevent', 2),
  uwsgi('http-socket', CLOSES),
  uwsgi('http11-socket', 'answers as many connections as it has workers, the others wait'),
  library('gevent'),
  library('eventlet'),
  python(
    'twistd web',
    'twistd3',
    (_, port) => `-n --pidfile= web --wsgi wsgi_app.application --listen tcp:${port}:interface=127.0.0.1`,
    ONE_PROCESS,
  ),
  library('werkzeug', `${ONE_PROCESS}, ${CLOSES}`),
]
