/**
 * What does systemd pass on, and what does it want to hear? Listening sockets come as file descriptors from 3 on
 * (sd_listen_fds), and the state of the service goes to `NOTIFY_SOCKET` (sd_notify).
 */

import { spawn } from 'node:child_process'
import { fail, show } from '../trust/error.ts'

const FIRST_FD = 3

/** More than systemd passes to any service: a number without a bound would fill the memory. */
const NUMBER_OF_SOCKETS = /^[1-9]\d{0,3}$/

/**
 * The sockets that systemd has passed on to this process; a clause that says why there is none.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when it cannot be read how many they are.
 * @see sd_listen_fds(3)
 */
function passedSockets(environment: NodeJS.ProcessEnv): { fd: number; name: string }[] | string {
  const { LISTEN_FDS: count, LISTEN_PID: pid, LISTEN_FDNAMES: listed } = environment
  if (count === undefined)
    return 'no socket was passed on (LISTEN_FDS is not set); start the service by its socket unit'
  if (pid === undefined) return 'LISTEN_PID is not set, so nobody knows for whom the sockets are'
  if (pid !== String(process.pid)) {
    return 'LISTEN_PID names another process; let the service start node itself, without npx or a shell between'
  }
  if (count === '0') return 'no socket was passed on (LISTEN_FDS is 0); start the service by its socket unit'
  if (!NUMBER_OF_SOCKETS.test(count)) {
    fail(`The variable LISTEN_FDS must be a number of sockets, 1 to 9999, not ${show(count)}.`)
  }
  const names = listed?.split(':') ?? []
  return Array.from({ length: Number(count) }, (_, index) => ({
    fd: FIRST_FD + index,
    name: names[index] ?? 'unknown',
  }))
}

/** @throws ProxyFixError `ERR_PROXYFIX_OPTION` when it cannot be read how many they are. */
export function hasPassedSockets(environment: NodeJS.ProcessEnv = process.env): boolean {
  return typeof passedSockets(environment) !== 'string'
}

/**
 * The file descriptors that `systemd` stands for as an address.
 * @throws ProxyFixError `ERR_PROXYFIX_OPTION` when there is none.
 */
export function systemdFds(name: string | undefined, environment: NodeJS.ProcessEnv = process.env): number[] {
  const sockets = passedSockets(environment)
  if (typeof sockets === 'string') fail(`Cannot listen on 'systemd': ${sockets}.`)
  const chosen = sockets.filter((socket) => name === undefined || socket.name === name)
  if (chosen.length > 0) return chosen.map(({ fd }) => fd)
  const names = [...new Set(sockets.map((socket) => show(socket.name)))].join(', ')
  fail(`Cannot listen on ${show(`systemd:name=${name}`)}: the sockets that were passed on are called ${names}.`)
}

/**
 * Tells systemd of the state of the service, as in `READY=1`. Node has no datagrams for unix sockets, so systemd's own
 * program carries it; as that is a process of its own, the unit needs `NotifyAccess=all`.
 */
export function notifySystemd(...assignments: readonly string[]): void {
  if (process.env['NOTIFY_SOCKET'] === undefined) return
  const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...assignments], { stdio: 'ignore', detached: true })
  child.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? 'there is no program systemd-notify' : error.message
    process.stderr.write(`Warning: NOTIFY_SOCKET is set, but systemd was not told ${assignments[0]}: ${reason}.\n`)
  })
  child.unref()
}

/** Keeps telling systemd that the service lives, where `WatchdogSec=` asks for it. */
export function feedWatchdog(environment: NodeJS.ProcessEnv = process.env): void {
  const microseconds = Number(environment['WATCHDOG_USEC'] ?? 0)
  if (!(microseconds > 0)) return
  setInterval(() => notifySystemd('WATCHDOG=1'), microseconds / 2000).unref() // twice in that time, as sd_watchdog_enabled(3) has it
}
