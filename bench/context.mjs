// What does a context cost over what the platform does anyway? Each row stands beside the floor it is held against;
// rows are measured in turn, round after round, and the table gives the best and the median, and the ratio of the bests.
//
//   npm run build && node --expose-gc bench/context.mjs [--rounds 15]
//
// Without --expose-gc the bytes are left out. One process, no network: what HTTP itself costs is not in it.

import { AsyncLocalStorage } from 'node:async_hooks'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { ContextVar, g, Local, localProxy, request, requestContext, connection } from '../dist/context/index.js'
import { proxyFix } from '../dist/index.js'

const CALLS = 100_000
const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } })
const rounds = Number(options.rounds)

const storage = new AsyncLocalStorage()
const variable = new ContextVar('variable')
const variableProxy = localProxy(variable, { like: 'object' })
const local = new Local()
const attributeProxy = local.proxy('user')
const user = { id: 7 }
const socket = new Socket()
const incoming = { rawHeaders: [], headers: {}, socket, url: '/', method: 'GET', id: 7 }
const outgoing = {}

// Functions, not expressions in the loop, so that no engine reads the store once for all calls.
const storeRead = () => storage.getStore().request.id

/** Rows in groups; the first of each is the floor of the others. Each runs `CALLS` times what it names. */
const groups = {
  'one read, in a request': {
    'getStore().request.id': storeRead,
    'request.id': () => request.id,
    'connection.scheme': () => connection.scheme.length,
    'g.user': () => g.user.id,
    'a proxy of a ContextVar': () => variableProxy.id,
    'a proxy of a Local’s attribute': () => attributeProxy.id,
    'variable.get().id': () => variable.get().id,
    'local.user.id': () => local.user.id,
  },
  'one request': {
    'AsyncLocalStorage.run({ request })': (
      (handler) => () =>
        storage.run({ request: incoming }, handler, incoming, outgoing)
    )((_req, _res) => storeRead()),
    'the same behind a Proxy, as every wrapper is': ((handler) => {
      const wrapped = new Proxy(handler, {
        apply: (call, self, args) => storage.run({ request: args[0] }, Reflect.apply, call, self, args),
      })
      return () => wrapped(incoming, outgoing)
    })((_req, _res) => storeRead()),
    requestContext: (
      (handler) => () =>
        handler(incoming, outgoing)
    )(requestContext((_req, _res) => request.id)),
    'requestContext, request not read': (
      (handler) => () =>
        handler(incoming, outgoing)
    )(requestContext((_req, _res) => 1)),
  },
  'one request of Node, with its emitters': {
    'made, and run in AsyncLocalStorage': () => {
      const req = new IncomingMessage(socket)
      const res = new ServerResponse(req)
      return storage.run({ request: req }, () => (res === null ? 0 : 1))
    },
    'made, and requestContext': ((handler) => () => {
      const req = new IncomingMessage(socket)
      return handler(req, new ServerResponse(req))
    })(requestContext((_req, _res) => 1)),
  },
}

const COUNT_READS = 100
let sink = 0

/** Reads are repeated in a request, so that entering it does not count. */
function timed(group, call) {
  if (group !== 'one read, in a request') {
    const start = process.hrtime.bigint()
    for (let index = 0; index < CALLS; index++) sink += call()
    return Number(process.hrtime.bigint() - start) / CALLS
  }
  const start = process.hrtime.bigint()
  for (let index = 0; index < CALLS; index += COUNT_READS) for (let read = 0; read < COUNT_READS; read++) sink += call()
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

/** Runs what follows in a request that has everything to read. */
function inRequest(run) {
  const app = proxyFix(
    requestContext(() => {
      g.user = user
      variable.set(user)
      local.user = user
      request.id = 7
      return storage.run({ request: { id: 7 } }, run)
    }),
  )
  app({ rawHeaders: ['Host', 'a'], headers: { host: 'a' }, socket: new Socket(), url: '/', method: 'GET' }, outgoing)
}

inRequest(() => {
  console.log(`node ${process.version}, ${rounds} rounds of ${CALLS} calls in turn`)
  for (const [group, rows] of Object.entries(groups)) {
    const results = new Map(Object.keys(rows).map((name) => [name, []]))
    for (const name of results.keys()) for (let warm = 0; warm < 10; warm++) timed(group, rows[name])
    for (let round = 0; round < rounds; round++)
      for (const [name, times] of results) times.push(timed(group, rows[name]))
    console.log(
      `\n${group.padEnd(46)}${'best ns'.padStart(9)}${'median'.padStart(9)}${'ratio'.padStart(8)}${'bytes'.padStart(8)}`,
    )
    let floor
    for (const [name, times] of results) {
      times.sort((a, b) => a - b)
      const best = times[0]
      floor ??= best
      const cells = [best.toFixed(1), times[times.length >> 1].toFixed(1), (best / floor).toFixed(2)]
      console.log(
        `${name.padEnd(46)}${cells[0].padStart(9)}${cells[1].padStart(9)}${cells[2].padStart(8)}${bytes(rows[name]).padStart(8)}`,
      )
    }
  }
})
if (!Number.isFinite(sink)) throw new Error('the work was not done')
