/** What does a request cost a server? All servers of a group are up at once, and short windows of load go round them. */

import { FORWARDED, hasLoadGenerator, load, warmUp } from './load.mjs'
import { noteDisturbed, undisturbed } from './disturbance.mjs'
import { startServer } from './processes.mjs'
import { judged, rowsOf } from './rows.mjs'
import { interquartile, median } from './statistics.mjs'

/**
 * Measures servers beside one another.
 *
 * @param servers `{ name, commandFor, answer, against?, cpu?, throughput?, note? }`: what it must answer, and its goals. Against
 * several it is held against that of them which takes the least time.
 * @param comparisons Throughputs to compare besides: `{ name, against, goal }`.
 * @param pinned Servers on the first core, the load on the second; otherwise both share all.
 * @returns Groups: processor time a request, as much of it as is in the servers' own code where they are pinned (the
 * system's, which wakes up the client, tells more of the hour), and requests a second.
 */
export async function measureServers(group, servers, { quick = false, pinned = true, comparisons = [] } = {}) {
  const names = {
    cpu: `${group}: processor time a request`,
    user: `${group}: of that, user time`,
    throughput: `${group}: throughput`,
  }
  if (!hasLoadGenerator()) return [{ group: names.cpu, name: 'left out', note: 'there is no wrk' }]
  const [serverCore, loadCore] = pinned ? [0, 1] : []
  const rounds = quick ? 4 : 15
  const started = []
  const missing = []
  const windows = new Map()
  let loud = 0
  try {
    for (const server of servers) {
      const obstacle = server.obstacle?.() ?? (await obstacleToStarting(server, serverCore, started))
      if (obstacle !== undefined) missing.push({ name: server.name, note: obstacle })
    }
    for (const server of started) {
      await warmUp(server.port, quick ? 3 : 5, loadCore)
      windows.set(server.name, [])
    }
    for (let round = 0; round < rounds; round++) {
      for (const server of round % 2 === 0 ? started : started.toReversed()) {
        const { result, isQuiet } = await undisturbed(server, () => oneWindow(server, loadCore), quick)
        if (!isQuiet) loud++
        windows.get(server.name).push(result)
      }
    }
  } finally {
    await Promise.all(started.map((server) => server.stop()))
  }
  const cpuOf = (name) => windows.get(name).map(({ cpu }) => cpu.all)
  const userOf = (name) => windows.get(name).map(({ cpu }) => cpu.user)
  const speedsOf = (name) => windows.get(name).map(({ perSecond }) => perSecond)
  const fastest = (several) => several.toSorted((a, b) => median(cpuOf(a)) - median(cpuOf(b)))[0]
  const held = started.map(({ against, ...server }) => ({
    ...server,
    against: Array.isArray(against) ? fastest(against) : against,
  }))
  const isMeasured = ({ against }) => against === undefined || windows.has(against)
  const cpu = rowsOf(
    names.cpu,
    'µs',
    held.map(({ name, against, cpu: goal, note }) => ({ name, samples: cpuOf(name), against, goal, note })),
  )
  const user = pinned
    ? rowsOf(
        names.user,
        'µs',
        held.map(({ name, against }) => ({ name, samples: userOf(name), against })),
      )
    : []
  const throughput = [...held.map(({ throughput: goal, ...server }) => ({ ...server, goal })), ...comparisons]
  noteDisturbed(cpu[0], loud, started.length * rounds)
  return [
    ...cpu,
    ...missing.map(({ name, note }) => ({ group: names.cpu, name, note })),
    ...user,
    ...throughput.filter(isMeasured).map((comparison) => bestRow(names.throughput, comparison, speedsOf)),
  ]
}

/** Noise only ever slows a server: its best window is nearest to what it can do. */
function bestRow(group, { name, against, goal }, speedsOf) {
  const best = (of) => Math.max(...speedsOf(of))
  const ratio = against === undefined ? undefined : best(name) / best(against)
  const row = { group, name, value: best(name), unit: 'requests/s', spread: interquartile(speedsOf(name)) }
  return judged(against === undefined ? row : { ...row, against, ratio }, goal)
}

/** Starts a server and asks it once. Only one that is not ours to install may fail: its rows are left out. */
async function obstacleToStarting(server, core, started) {
  try {
    const running = { ...server, ...(await startServer({ ...server, core })) }
    await checkAnswer(running)
    started.push(running)
    return undefined
  } catch (error) {
    if (server.obstacle === undefined) throw error
    return error.message.split('\n').at(-1)
  }
}

async function oneWindow({ port, cpuMicroseconds }, core) {
  const before = cpuMicroseconds()
  const { requests, seconds } = await load(port, 1, core)
  const after = cpuMicroseconds()
  const cpu = { user: (after.user - before.user) / requests, all: (after.all - before.all) / requests }
  return { perSecond: requests / seconds, cpu }
}

async function checkAnswer({ name, port, answer }) {
  const response = await fetch(`http://127.0.0.1:${port}/path?q=1`, { headers: FORWARDED })
  const body = await response.text()
  const expected = answer.replace('PORT', String(port))
  if (response.status !== 200 || body !== expected)
    throw new Error(`${name} answers ${response.status} ${body}, not ${expected}`)
}
