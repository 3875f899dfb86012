/**
 * How long does a request wait, at a rate that all servers bear easily? One process each, on a core of its own.
 *
 *     npm run bench -- latency
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { noteDisturbed, undisturbed } from './lib/disturbance.mjs'
import { warmUp } from './lib/load.mjs'
import { onCore, startServer } from './lib/processes.mjs'
import { rowsOf } from './lib/rows.mjs'
import { runAlone } from './lib/section.mjs'
import { gunicorn, javascript, proxyfix } from './lib/servers.mjs'
import { quantile } from './lib/statistics.mjs'

const RATE = 3000
const BARE = 'node:http'

export async function measure({ quick = false } = {}) {
  const servers = [
    javascript(BARE, { bare: true, memory: [] }),
    proxyfix('proxyfix serve, whole stack', 'nodeInContext', undefined, { memory: [] }),
    javascript('fastify', { memory: [] }),
    gunicorn('gevent', 1),
    gunicorn('sync', 1),
  ].filter(({ obstacle }) => obstacle?.() === undefined)
  const windows = new Map(servers.map(({ name }) => [name, []]))
  const rounds = quick ? 3 : 10
  const started = []
  let loud = 0
  try {
    for (const server of servers) started.push(await startServer({ ...server, core: 0 }))
    for (const { port } of started) await warmUp(port, quick ? 1 : 3, 1)
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 === 0 ? started : started.toReversed()) {
        const { result, isQuiet } = await undisturbed(server, () => waits(server.port, quick ? 2 : 3), quick)
        if (!isQuiet) loud++
        windows.get(server.name).push(result)
      }
    }
  } finally {
    await Promise.all(started.map((server) => server.stop()))
  }
  const rows = [0.5, 0.99].flatMap((share) =>
    rowsOf(
      `Latency at ${RATE} requests a second: ${share * 100} % wait no longer than`,
      'ms',
      servers.map(({ name }) => ({
        name,
        samples: windows.get(name).map((window) => quantile(window, share)),
        ...(name !== BARE && { against: BARE }),
      })),
    ),
  )
  noteDisturbed(rows[0], loud, started.length * rounds)
  return rows
}

/** What each request waited, in milliseconds. */
async function waits(port, seconds) {
  const program = fileURLToPath(new URL('lib/open-loop.mjs', import.meta.url))
  const [execPath, ...execArgv] = onCore(1, [process.execPath])
  const child = fork(program, [port, RATE, seconds].map(String), { execPath, execArgv })
  let waited
  child.once('message', (message) => (waited = message))
  const [code] = await once(child, 'exit')
  if (waited === undefined) throw new Error(`The load ended with ${code}.`)
  return waited
}

await runAlone(import.meta.url, measure)
