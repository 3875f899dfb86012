// What does the decision alone cost, and does a client's text make it dearer? Each row of ours stands beside what other
// packages take for the address alone; rows are measured in turn, round after round, and the table gives medians.
//
//   npm run build && node bench/decide.mjs [--rounds 15]
//
// One process, no network. `x` is the ratio to the row above it that begins with "=".

import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import forwardedParse from 'forwarded-parse'
import proxyAddr from 'proxy-addr'
import { resolveConnection, trustPolicy } from '../dist/index.js'

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })
const rounds = Number(options.rounds)

const PROXIES = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7']
const CLIENT = '203.0.113.7'
const trusts = proxyAddr.compile(PROXIES)

const count = trustPolicy({ xFor: 1, xProto: 0 })
const fields = trustPolicy({ xFor: 1, xProto: 1, xHost: 1 })
const three = trustPolicy({ xFor: 3, xProto: 0 })
const walk = trustPolicy({ xFor: 'trusted', xProto: 0, trustedProxies: PROXIES })
const forwarded = trustPolicy({ forwarded: 1 })
const elements = trustPolicy({ forwarded: 'trusted', trustedProxies: PROXIES })

const facts = (headers) => ({
  peer: { address: '10.0.0.1', port: 4711 },
  scheme: 'http',
  host: 'app.internal',
  headers,
})
const ours = (headers, policy) => {
  const given = facts(headers)
  return () => resolveConnection(given, policy).client.address.length
}
const theirs = (list) => {
  const req = { connection: { remoteAddress: '10.0.0.1' }, headers: { 'x-forwarded-for': list } }
  return () => proxyAddr(req, trusts).length
}
const limit = (list) => () => {
  const address = list.slice(list.lastIndexOf(',') + 1).trim()
  return isIP(address) === 0 ? 0 : address.length
}
const byHand = ({ 'x-forwarded-for': list, 'x-forwarded-proto': scheme, 'x-forwarded-host': host }) => {
  return () => {
    const address = list.slice(list.lastIndexOf(',') + 1).trim()
    if (isIP(address) === 0 || (scheme !== 'http' && scheme !== 'https')) return 0
    for (let index = 0; index < host.length; index++) {
      const code = host.charCodeAt(index) | 0x20
      if ((code < 0x61 || code > 0x7a) && code !== 0x2e && code !== 0x2d && (code < 0x30 || code > 0x39)) return 0
    }
    return { address, scheme, host }.host.length
  }
}

/** A client's text of a length, with what the proxies append to it. */
const after = (length, ...values) => [`${'6.6.6.6, '.repeat(length / 9)}${CLIENT}`, ...values].join(', ')
const proxies = (number) => Array.from({ length: number }, (_, index) => `10.0.${index % 250}.${(index * 7) % 250}`)
const trustedList = (length) => proxies(Math.floor(length / 11)).join(', ')
const element = `for=${CLIENT};proto=https;host=www.example.com`
const elementsAfter = (length) =>
  [...Array(Math.floor(length / 40)).fill('for=6.6.6.6;proto=https;host=evil.example'), element].join(', ')

const threeElements = elementsAfter(80)
const one = {
  'x-forwarded-for': `198.51.100.1, ${CLIENT}`,
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'www.example.com',
}
const xff = (list) => ({ 'x-forwarded-for': list })
const SIZES = { '100 B': 100, '1 KB': 1_000, '16 KB': 16_000, '64 KB': 64_000 }

const rows = {
  '= by hand: For, Proto, Host': byHand(one),
  'one hop: For, Proto, Host': ours(one, fields),
  '= by hand: lastIndexOf and isIP': limit(one['x-forwarded-for']),
  'one hop: For': ours(one, count),
  'none sent: For, Proto, Host': ours({}, fields),
  'three hops: For': ours(xff(after(0, ...proxies(2))), three),
  ...Object.fromEntries(
    [1, 3, 10].flatMap((number) => [
      [`= proxy-addr, ${number} trusted`, theirs(after(0, ...proxies(number)))],
      [`walk, ${number} trusted`, ours(xff(after(0, ...proxies(number))), walk)],
    ]),
  ),
  '= forwarded-parse, three elements': () => forwardedParse(threeElements).length,
  'Forwarded, last of three elements': ours({ forwarded: threeElements }, forwarded),
  ...Object.fromEntries(
    Object.entries(SIZES).flatMap(([size, length]) => [
      [`count after ${size} of a client's`, ours(xff(after(length)), count)],
      [`walk of 3 after ${size} of a client's`, ours(xff(after(length, ...proxies(3))), walk)],
      [`Forwarded after ${size} of a client's`, ours({ forwarded: elementsAfter(length) }, forwarded)],
      [`Forwarded walk after ${size} of a client's`, ours({ forwarded: elementsAfter(length) }, elements)],
    ]),
  ),
  ...Object.fromEntries(
    [1_000, 16_000, 64_000].flatMap((length) => [
      [`= proxy-addr, ${length / 1000} KB all trusted`, theirs(trustedList(length))],
      [`walk, ${length / 1000} KB all trusted`, ours(xff(trustedList(length)), walk)],
    ]),
  ),
}

let sink = 0
/** As many calls as take about two milliseconds, so that slow rows do not take all the time. */
function callsFor(call) {
  for (let calls = 100; ; calls *= 2) {
    const start = performance.now()
    for (let index = 0; index < calls; index++) sink += call()
    if (performance.now() - start > 2) return calls
  }
}
function nanoseconds(call, calls) {
  const start = performance.now()
  for (let index = 0; index < calls; index++) sink += call()
  return ((performance.now() - start) * 1e6) / calls
}

const names = Object.keys(rows)
for (const name of names) callsFor(rows[name]) // warm
const calls = new Map(names.map((name) => [name, callsFor(rows[name])]))
const results = new Map(names.map((name) => [name, []]))
for (let round = 0; round < rounds; round++) {
  for (const name of names) results.get(name).push(nanoseconds(rows[name], calls.get(name)))
}

console.log(`node ${process.version}, ${rounds} rounds in turn`)
console.log(`${'row'.padEnd(44)}${'median ns'.padStart(10)}${'min-max'.padStart(16)}${'x'.padStart(8)}`)
let floor
for (const [name, values] of results) {
  values.sort((a, b) => a - b)
  const median = values[values.length >> 1]
  const spread = `${values[0].toFixed(0)}-${values.at(-1).toFixed(0)}`
  if (name.startsWith('=')) floor = median
  const ratio = name.startsWith('=') ? '' : (median / floor).toFixed(2)
  console.log(`${name.padEnd(44)}${median.toFixed(0).padStart(10)}${spread.padStart(16)}${ratio.padStart(8)}`)
}
if (!Number.isFinite(sink)) throw new Error('the work was not done')
