/** Was the machine ours alone while something was measured? A window in which others ran is measured again. */

import { machineCpuMicroseconds, ownCpuMicroseconds } from './processes.mjs'

/** More than that of a core taken by other processes, and the window does not count. */
const DISTURBED = 0.12
const RETRIES = { quick: 1, full: 4 }

/**
 * Measures until nothing else ran beside this process, what it started and waited for, and the server.
 *
 * @returns The result of the quietest try, and whether that was quiet enough.
 */
export async function undisturbed(server, measure, quick) {
  let best
  for (let tries = 0; tries <= (quick ? RETRIES.quick : RETRIES.full); tries++) {
    const ours = () => server.cpuMicroseconds().all + ownCpuMicroseconds()
    const before = { ours: ours(), machine: machineCpuMicroseconds(), time: process.hrtime.bigint() }
    const result = await measure()
    const microseconds = Number(process.hrtime.bigint() - before.time) / 1000
    const others = (machineCpuMicroseconds() - before.machine - (ours() - before.ours)) / microseconds
    if (best === undefined || others < best.others) best = { result, others, isQuiet: others <= DISTURBED }
    if (best.isQuiet) break
  }
  return best
}

/** Tells in the first row of a table how far it can be trusted. */
export function noteDisturbed(row, loud, windows) {
  if (loud > 0) row.note = `in ${loud} of all ${windows} windows of this table others used the machine as well`
}
