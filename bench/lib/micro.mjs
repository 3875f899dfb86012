/** What does a call cost, in nanoseconds and bytes? Functions of a group are measured in turn, in processes of their own. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { rowsOf } from './rows.mjs'

/**
 * Measures functions beside one another.
 *
 * @param file The URL of the module that exports them as `groups`: for each name a function that makes its subjects,
 * `{ name, inputs, call, minus?, against?, goal?, note? }`. `inputs` are as many as a power of two, and `call` gets one of them.
 */
export async function measureGroups(file, groups, { quick = false } = {}) {
  const rows = []
  for (const group of Object.keys(groups)) {
    // V8 may compile the same code better in one process than in the next.
    const runs = []
    for (let start = 0; start < (quick ? 1 : 4); start++) runs.push(await inProcess(file, group, quick ? 15 : 25))
    const subjects = runs[0].map((subject, index) => ({
      ...subject,
      samples: runs.flatMap((run) => run[index].samples),
      bytes: Math.min(...runs.map((run) => run[index].bytes)),
    }))
    rows.push(...rowsOf(group, 'ns', subjects))
  }
  return rows
}

async function inProcess(file, group, rounds) {
  const program = fileURLToPath(new URL('micro-process.mjs', import.meta.url))
  // As much memory for new objects as is counted without a collection in between.
  const execArgv = ['--expose-gc', '--min-semi-space-size=32', '--max-semi-space-size=32']
  const child = fork(program, [file, group, String(rounds)], { execArgv })
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`Measuring ${group} ended with ${code}.`)
  })
  ended.catch(() => undefined)
  const [subjects] = await Promise.race([once(child, 'message'), ended])
  return subjects
}
