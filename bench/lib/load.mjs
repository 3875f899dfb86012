/** How is a server put under load? By `wrk`, for a second at a time, as one proxy with keep-alive connections. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../../scripts/lib/programs.mjs'
import { onCore } from './processes.mjs'

export const CONNECTIONS = 64

/** What a proxy sends for a client of 203.0.113.9, which itself claimed to be another. */
export const FORWARDED = {
  'X-Forwarded-For': '198.51.100.1, 203.0.113.9',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'www.example.com',
}

export const hasLoadGenerator = () => findProgram('wrk') !== undefined

/** Has a server see its headers in several orders, so that what V8 has compiled of it is settled. */
export function warmUp(port, seconds, core) {
  return load(port, seconds, core, ['-s', fileURLToPath(new URL('varied.lua', import.meta.url))])
}

/** @returns Requests that were answered, in how many seconds. */
export async function load(port, seconds, core, options = []) {
  const headers = Object.entries(FORWARDED).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const wrk = [
    findProgram('wrk'),
    '-t1',
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    ...headers,
    ...options,
    `http://127.0.0.1:${port}/path?q=1`,
  ]
  const [command, ...args] = onCore(core, wrk)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes))
  const [code] = await once(child, 'close')
  const [, requests, duration, unit] = /(\d+) requests in ([\d.]+)(ms|s)/.exec(output) ?? []
  if (code !== 0 || requests === undefined || output.includes('Non-2xx')) throw new Error(`wrk: ${output.trim()}`)
  return { requests: Number(requests), seconds: Number(duration) / (unit === 'ms' ? 1000 : 1) }
}
