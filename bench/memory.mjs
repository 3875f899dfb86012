/**
 * Does a server that runs for long keep anything of its requests? Serves a million over keep-alive connections and a
 * million over fresh ones (or as many as are given), and compares what is on the heap after garbage collection.
 *
 *     node --expose-gc bench/memory.mjs [REQUESTS [REQUESTS OVER FRESH CONNECTIONS]]
 *
 * Prints one line of JSON: bytes before and after each, and the warnings of the process.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { connectionInfo, proxyFix } from 'proxyfix'

const PIPELINED = 64

if (isMainThread) await measure()
else await send(workerData)

async function measure() {
  const [overOne, overFresh = overOne] = process.argv.slice(2).map(Number)
  const warnings = []
  process.on('warning', ({ name, message }) => warnings.push(`${name}: ${message}`))
  const app = (req, res) => {
    req.socket.setTimeout(60_000)
    res.end(`${req.socket.remoteAddress} ${connectionInfo(req).host}`)
  }
  const server = createServer(
    { keepAlive: true },
    proxyFix(app, { xFor: 1, xProto: 1, xHost: 1, trustedProxies: 'loopback' }),
  )
  server.keepAliveTimeout = 0
  server.maxRequestsPerSocket = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()

  const result = {}
  for (const [name, total, perConnection] of [
    ['keepAlive', overOne ?? 1_000_000, Infinity],
    ['fresh', overFresh ?? 1_000_000, 1],
  ]) {
    await client(port, Math.min(10_000, total), perConnection) // until code is compiled, and tables have their size
    const before = await heap(server)
    await client(port, total, perConnection)
    const after = await heap(server)
    result[name] = { requests: total, before, after, bytesPerRequest: (after - before) / total }
  }
  server.close()
  console.log(JSON.stringify({ ...result, warnings }))
}

async function client(port, requests, perConnection) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { port, requests, perConnection } })
  // Both at once: a busy thread hears of them one after the other, with no turn in between.
  const [[answered]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  if (answered !== requests) throw new Error(`${answered} of ${requests} requests were answered.`)
}

async function heap(server) {
  while ((await new Promise((resolve) => server.getConnections((_, left) => resolve(left)))) > 0) await turn()
  for (let round = 0; round < 4; round++) {
    globalThis.gc()
    await turn()
  }
  return process.memoryUsage().heapUsed
}

async function turn() {
  await new Promise((resolve) => setImmediate(resolve))
}

async function send({ port, requests, perConnection }) {
  const connections = 8
  let answered = 0
  await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      let left = Math.floor(requests / connections) + (index < requests % connections ? 1 : 0)
      while (left > 0) {
        const now = Math.min(left, perConnection)
        const got = await exchange(port, now)
        answered += got
        left -= now
      }
    }),
  )
  // oxlint-disable-next-line require-post-message-target-origin -- that is for windows
  parentPort.postMessage(answered)
}

async function exchange(port, requests) {
  const socket = connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  let sent = 0
  let answered = 0
  const fill = () => {
    let text = ''
    for (; sent < requests && sent - answered < PIPELINED; sent++) {
      const forged = `6.6.6.6, 203.0.${sent % 256}.${(sent >> 8) % 256}`
      text += `GET /${sent} HTTP/1.1\r\nHost: internal\r\nX-Forwarded-For: ${forged}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n${sent === requests - 1 ? 'Connection: close\r\n' : ''}\r\n`
    }
    if (text !== '') socket.write(text, 'latin1')
  }
  socket.setEncoding('latin1')
  let rest = ''
  socket.on('data', (chunk) => {
    const parts = (rest + chunk).split('HTTP/1.1 200')
    answered += parts.length - 1
    rest = parts.at(-1).slice(-16)
    fill()
  })
  fill()
  await once(socket, 'close')
  return answered
}
