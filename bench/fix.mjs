// What does fixing a request cost, in nanoseconds and bytes? Each row stands beside the floor it is held against;
// rows are measured in turn, round after round, and the table gives medians with the spread.
//
//   npm run build && node --expose-gc bench/fix.mjs [--rounds 15]
//
// Without --expose-gc the bytes are left out. One process, no network: what HTTP itself costs is not in it.

import { isIP, Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { proxyFix, resolveConnection, trustPolicy } from '../dist/index.js'
import { socketView } from '../dist/request/socket-view.js'

const CALLS = 100_000
const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })
const rounds = Number(options.rounds)

const LINES = [
  ['Host', 'app.internal'],
  [
    'User-Agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  ],
  ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'],
  ['Accept-Language', 'en-US,en;q=0.5'],
  ['Accept-Encoding', 'gzip, deflate, br, zstd'],
  ['Cookie', 'session=0123456789abcdef; theme=dark'],
  ['X-Real-IP', '203.0.113.9'],
  ['X-Forwarded-For', '198.51.100.1, 203.0.113.9'],
  ['X-Forwarded-Proto', 'https'],
  ['X-Forwarded-Host', 'www.example.com'],
  ['Connection', 'keep-alive'],
]
const rawHeaders = LINES.flat()
const headers = Object.fromEntries(LINES.map(([name, value]) => [name.toLowerCase(), value]))
const socket = new Socket()
const policy = trustPolicy({ xFor: 1, xProto: 1, xHost: 1 })
const facts = { peer: { address: '127.0.0.1', port: 4711 }, scheme: 'http', host: 'app.internal', headers }
const bareFacts = { ...facts, headers: {} }

/** As much of an IncomingMessage as is fixed; made anew for every call, since a fix is kept. */
class Incoming {
  socket = socket
  rawHeaders = rawHeaders.slice()
  headers = { ...headers }
  headersDistinct = undefined
  url = '/path?query=1'
}

const read = (req) => (req.socket.encrypted ? 1 : 0) + (req.socket.remoteAddress?.length ?? 0) + req.headers.host.length
const fixed = proxyFix(read, policy)

/** The floor: the last value of each list and one validity check, written by hand for these three headers. */
function byHand({ headers: sent }) {
  const list = sent['x-forwarded-for']
  const address = list.slice(list.lastIndexOf(',') + 1).trim()
  const scheme = sent['x-forwarded-proto']
  const host = sent['x-forwarded-host']
  if (isIP(address) === 0 || (scheme !== 'http' && scheme !== 'https')) return 0
  for (let index = 0; index < host.length; index++) {
    const code = host.charCodeAt(index) | 0x20
    if ((code < 0x61 || code > 0x7a) && code !== 0x2e && code !== 0x2d && (code < 0x30 || code > 0x39)) return 0
  }
  return { address, scheme, host }.host.length
}

const rows = {
  'decision by hand: For, Proto, Host': () => byHand(facts),
  'resolveConnection: For, Proto, Host': () => resolveConnection(facts, policy).scheme.length,
  'resolveConnection: none of them sent': () => resolveConnection(bareFacts, policy).scheme.length,
  'request, read, not fixed': () => read(new Incoming()),
  'request, fixed, read': () => fixed(new Incoming()),
  'socket read: the real one': () => (socket.encrypted ? 1 : 0) + (socket.remoteAddress?.length ?? 1),
  'socket read: a new view': () => {
    const view = socketView(socket, '203.0.113.9', undefined, true)
    return (view.encrypted ? 1 : 0) + view.remoteAddress.length
  },
}

let sink = 0
function nanoseconds(call) {
  const start = process.hrtime.bigint()
  for (let index = 0; index < CALLS; index++) sink += call()
  return Number(process.hrtime.bigint() - start) / CALLS
}

function bytes(call) {
  if (globalThis.gc === undefined) return '-'
  const calls = 2_000
  globalThis.gc()
  const before = process.memoryUsage().heapUsed
  for (let index = 0; index < calls; index++) sink += call()
  return ((process.memoryUsage().heapUsed - before) / calls).toFixed(0)
}

const names = Object.keys(rows)
const results = new Map(names.map((name) => [name, []]))
for (const name of names) for (let warm = 0; warm < 10; warm++) nanoseconds(rows[name])
for (let round = 0; round < rounds; round++) for (const name of names) results.get(name).push(nanoseconds(rows[name]))

console.log(`node ${process.version}, ${rounds} rounds of ${CALLS} calls in turn`)
console.log(`${'row'.padEnd(40)}${'median ns'.padStart(10)}${'min-max'.padStart(14)}${'bytes'.padStart(8)}`)
for (const [name, values] of results) {
  values.sort((a, b) => a - b)
  const spread = `${values[0].toFixed(0)}-${values.at(-1).toFixed(0)}`
  const median = values[values.length >> 1].toFixed(0)
  console.log(`${name.padEnd(40)}${median.padStart(10)}${spread.padStart(14)}${bytes(rows[name]).padStart(8)}`)
}
if (!Number.isFinite(sink)) throw new Error('the work was not done')
