/** How does a server run beside the benchmark? In a process group of its own, so that its workers are counted and stopped with it. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { findProgram } from '../../scripts/lib/programs.mjs'
import { root } from '../../scripts/lib/project.mjs'

/** What the kernel counts processor time in, wherever Node runs: USER_HZ. */
const TICK_MICROSECONDS = 10_000

const taskset = findProgram('taskset')
const running = new Set()
process.once('exit', () => {
  for (const server of running) server.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1)) // or they would stay

/** The command, kept to one core where that can be done. */
export function onCore(core, [command, ...args]) {
  return core === undefined || taskset === undefined
    ? [command, ...args]
    : [taskset, '-c', String(core), command, ...args]
}

/**
 * Starts a server, and waits until it takes connections.
 *
 * @param commandFor Given a free port, the command and its arguments.
 * @param core The core that it is kept to; all of them, if none is given.
 */
export async function startServer({ name, commandFor, env = {}, core }) {
  const port = await freePort()
  const [command, ...args] = onCore(core, commandFor(port))
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true, // the leader of a new group
  })
  let complaints = ''
  child.stderr.on('data', (bytes) => (complaints = (complaints + bytes).slice(-2000)))
  const ended = once(child, 'exit')
  const server = {
    name,
    port,
    cpuMicroseconds: () => groupMicroseconds(child.pid),
    kill(signal) {
      try {
        process.kill(-child.pid, signal)
      } catch {
        // It has ended by itself.
      }
    },
    async stop() {
      server.kill('SIGTERM')
      const patience = setTimeout(() => server.kill('SIGKILL'), 3000)
      await ended
      clearTimeout(patience)
      server.kill('SIGKILL') // workers that outlive it
      running.delete(server)
    },
  }
  running.add(server)
  for (let tries = 0; !(await takesConnections(port)); tries++) {
    if (child.exitCode !== null || tries > 400)
      throw new Error(`${name} did not start: ${complaints.trim() || 'it said nothing'}`)
    await pause(50)
  }
  return server
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function takesConnections(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** The processor time of all processes of a group: in their own code, and with that of the system for them. */
function groupMicroseconds(group) {
  let user = 0
  let system = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = statOf(name)
    if (Number(fields[2]) !== group) continue
    user += Number(fields[11])
    system += Number(fields[12])
  }
  return { user: user * TICK_MICROSECONDS, all: (user + system) * TICK_MICROSECONDS }
}

/** What proc(5) lists from its third field on: what comes before may hold blanks. */
function statOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return [] // it has ended meanwhile
  }
}

/** The processor time of this process and of what it has waited for: the load generator. */
export function ownCpuMicroseconds() {
  const [user, system, childrenUser, childrenSystem] = statOf('self').slice(11, 15).map(Number)
  return (user + system + childrenUser + childrenSystem) * TICK_MICROSECONDS
}

/** The processor time of the whole machine, but for interrupts, which belong to nobody. */
export function machineCpuMicroseconds() {
  const [, user, nice, system, , , , , steal] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0].split(/\s+/)
  return [user, nice, system, steal].reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MICROSECONDS
}
