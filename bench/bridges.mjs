// Compares Fetch-to-Node bridges: throughput and CPU time per request, as ratios to bare node:http.
//
//   node bench/bridges.mjs [--rounds 5] [--seconds 2] [--connections 32]
//                          [--only name,name] [--cases hello,json,post,stream]
//
// Needs `wrk` on the PATH, and `npm run build` for our own bridge. The server processes run under the same `node` binary as this script.
// Each case starts every server at once (idle ones cost nothing), warms each up, then measures them
// one after another, in rotating order, for `rounds` rounds; the table gives medians and min-max.
// Servers listen on free loopback ports, are pinned to core 0 (load: core 1) when taskset exists,
// and are stopped at the end.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const STREAM_CHUNKS = Array.from({ length: 5 }, (_, i) => new TextEncoder().encode(`chunk ${i} `.repeat(20)))

// ---- what is compared -------------------------------------------------------------------------

const bridges = {
  async 'hono override:false'(handler) {
    const { getRequestListener } = await import('@hono/node-server')
    return getRequestListener(handler, { overrideGlobalObjects: false })
  },
  async 'hono override:true'(handler) {
    const { getRequestListener } = await import('@hono/node-server')
    return getRequestListener(handler, { overrideGlobalObjects: true })
  },
  async 'srvx native Response'(handler) {
    const { toNodeHandler } = await import('srvx/node')
    return toNodeHandler(handler)
  },
  async 'srvx FastResponse'(handler) {
    const { toNodeHandler, FastResponse } = await import('srvx/node')
    globalThis.BenchResponse = FastResponse // what the handlers below construct
    return toNodeHandler(handler)
  },
  async remix(handler) {
    const { createRequestListener } = await import('@remix-run/node-fetch-server')
    return createRequestListener(handler)
  },
  async 'proxyfix (srvx inside)'(handler) {
    const { guarded, nodeListener } = await import('../src/server/node-listener.ts')
    return guarded(nodeListener({ fetch: handler }))
  },
}

const newResponse = (body, init) => new (globalThis.BenchResponse ?? globalThis.Response)(body, init)
const jsonResponse = (data) => (globalThis.BenchResponse ?? globalThis.Response).json(data)

const fetchHandlers = {
  hello: (_request) => newResponse('hello'),
  json: (request) =>
    jsonResponse({ url: request.url, method: request.method, agent: request.headers.get('user-agent') }),
  post: async (request) => newResponse(await request.text()),
  stream: (_request) => {
    let next = 0
    return newResponse(
      new ReadableStream({
        pull(controller) {
          if (next < STREAM_CHUNKS.length) controller.enqueue(STREAM_CHUNKS[next++])
          else controller.close()
        },
      }),
      { headers: { 'content-type': 'text/plain' } },
    )
  },
}

const bareHandlers = {
  hello(_req, res) {
    res.writeHead(200, { 'content-type': 'text/plain;charset=UTF-8', 'content-length': 5 })
    res.end('hello')
  },
  json(req, res) {
    const url = `http://${req.headers.host}${req.url}`
    const body = JSON.stringify({ url, method: req.method, agent: req.headers['user-agent'] ?? null })
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    res.end(body)
  },
  post(req, res) {
    const chunks = []
    req.on('data', (chunk) => chunks.push(chunk))
    req.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      res.writeHead(200, { 'content-type': 'text/plain;charset=UTF-8', 'content-length': Buffer.byteLength(body) })
      res.end(body)
    })
  },
  stream(_req, res) {
    res.writeHead(200, { 'content-type': 'text/plain' })
    let next = 0
    const write = () => {
      if (next === STREAM_CHUNKS.length) return res.end()
      res.write(STREAM_CHUNKS[next++])
      Promise.resolve().then(write)
    }
    write()
  },
}

// ---- server process ---------------------------------------------------------------------------

async function serve(name, caseName) {
  const listener = name === 'bare' ? bareHandlers[caseName] : await bridges[name](fetchHandlers[caseName])
  let requests = 0
  const server = http.createServer((req, res) => {
    requests++
    listener(req, res)
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
  process.on('message', () => process.send({ requests, cpu: process.cpuUsage() }))
  process.on('disconnect', () => process.exit(0))
}

// ---- measuring --------------------------------------------------------------------------------

const self = fileURLToPath(import.meta.url)
const hasTaskset = spawnSync('taskset', ['-V']).status === 0
const pinned = (core, command, args) =>
  hasTaskset ? ['taskset', ['-c', String(core), command, ...args]] : [command, args]

async function startServer(name, caseName) {
  const [command, args] = pinned(0, process.execPath, [self, '--serve', name, caseName])
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const failed = once(child, 'exit').then(() => Promise.reject(new Error(`${name} stopped early`)))
  failed.catch(() => {})
  const [{ port }] = await Promise.race([once(child, 'message'), failed])
  return {
    name,
    port,
    async usage() {
      child.send('usage')
      const [message] = await once(child, 'message')
      return message
    },
    async stop() {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    },
  }
}

async function load(port, seconds, connections, luaFile) {
  const wrkArgs = ['-t1', `-c${connections}`, `-d${seconds}s`]
  if (luaFile) wrkArgs.push('-s', luaFile)
  const [command, args] = pinned(1, 'wrk', [...wrkArgs, `http://127.0.0.1:${port}/some/path?q=1`])
  const child = spawn(command, args)
  let output = ''
  child.stdout.on('data', (data) => (output += data))
  child.stderr.on('data', (data) => (output += data))
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`wrk failed: ${output}`)
  if (/Non-2xx|Socket errors/.test(output)) throw new Error(`bad responses: ${output}`)
  return Number(/Requests\/sec:\s+([\d.]+)/.exec(output)[1])
}

async function measure(server, seconds, connections, luaFile) {
  const before = await server.usage()
  const perSecond = await load(server.port, seconds, connections, luaFile)
  const after = await server.usage()
  const cpu = after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system
  return { perSecond, cpuMicros: cpu / (after.requests - before.requests) }
}

const sorted = (values) => values.toSorted((a, b) => a - b)
const median = (values) => {
  const list = sorted(values)
  const middle = list.length >> 1
  return list.length % 2 ? list[middle] : (list[middle - 1] + list[middle]) / 2
}
const withRange = (values, digits) => {
  const list = sorted(values)
  return `${median(list).toFixed(digits)} [${list[0].toFixed(digits)}-${list.at(-1).toFixed(digits)}]`
}

async function checkAnswers(server, caseName) {
  const body = 'x'.repeat(16_384)
  const url = `http://127.0.0.1:${server.port}/some/path?q=1`
  const response = await fetch(
    url,
    caseName === 'post' ? { method: 'POST', body } : { headers: { 'user-agent': 'check' } },
  )
  const text = await response.text()
  const expected = {
    hello: 'hello',
    json: JSON.stringify({ url, method: 'GET', agent: 'check' }),
    post: body,
    stream: STREAM_CHUNKS.map((chunk) => new TextDecoder().decode(chunk)).join(''),
  }[caseName]
  if (response.status !== 200 || text !== expected)
    throw new Error(`${server.name}/${caseName}: wrong answer ${response.status} ${text.slice(0, 200)}`)
}

function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  return at === -1 ? fallback : process.argv[at + 1]
}

async function main() {
  const rounds = Number(option('rounds', 5))
  const seconds = Number(option('seconds', 2))
  const connections = Number(option('connections', 32))
  const names = [
    'bare',
    ...option('only', Object.keys(bridges).join(','))
      .split(',')
      .filter((name) => name !== 'bare'),
  ]
  const cases = option('cases', 'hello,json,post,stream').split(',')

  const scratch = mkdtempSync(join(tmpdir(), 'bench-bridges-'))
  const postLua = join(scratch, 'post.lua')
  writeFileSync(
    postLua,
    `wrk.method = "POST"\nwrk.body = string.rep("x", 16384)\nwrk.headers["content-type"] = "text/plain"\n`,
  )

  const lines = []
  try {
    for (const caseName of cases) {
      const lua = caseName === 'post' ? postLua : undefined
      const servers = await Promise.all(names.map((name) => startServer(name, caseName)))
      const results = new Map(names.map((name) => [name, []]))
      try {
        for (const server of servers) {
          await checkAnswers(server, caseName)
          await load(server.port, 1, connections, lua) // warm-up
        }
        for (let round = 0; round < rounds; round++) {
          for (let i = 0; i < servers.length; i++) {
            const server = servers[(i + round) % servers.length]
            results.get(server.name).push(await measure(server, seconds, connections, lua))
          }
        }
      } finally {
        await Promise.all(servers.map((server) => server.stop()))
      }
      const bare = results.get('bare')
      for (const name of names) {
        const runs = results.get(name)
        lines.push([
          caseName,
          name,
          Math.round(median(runs.map((run) => run.perSecond))),
          withRange(
            runs.map((run, i) => run.perSecond / bare[i].perSecond),
            2,
          ),
          withRange(
            runs.map((run) => run.cpuMicros),
            1,
          ),
          withRange(
            runs.map((run, i) => run.cpuMicros / bare[i].cpuMicros),
            2,
          ),
        ])
      }
      process.stderr.write(`${caseName} done\n`)
    }
  } finally {
    rmSync(scratch, { recursive: true })
  }

  console.log(
    `node ${process.version}, ${rounds} rounds of ${seconds} s, ${connections} connections, ${hasTaskset ? 'pinned' : 'not pinned'}; median [min-max], ratios per round to bare`,
  )
  const header = ['case', 'bridge', 'req/s', 'speed / bare', 'CPU us/req', 'CPU / bare']
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => String(line[column]).length)),
  )
  for (const line of [header, ...lines])
    console.log(
      line
        .map((cell, column) => String(cell).padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
}

if (process.argv[2] === '--serve') await serve(process.argv[3], process.argv[4])
else await main()
