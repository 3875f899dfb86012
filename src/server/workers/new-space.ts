/**
 * How much memory does a worker have for new objects? V8 begins with little, and then collects the garbage of a server more
 * often than there is need for: with more, two workers take a twentieth less of the processor, and 15 MB more each.
 */

import { totalmem } from 'node:os'

const MORE = ['--min-semi-space-size=16', '--max-semi-space-size=32']

/** Bytes of memory that each worker must have, or it gets no more than V8 gives by itself. */
const ROOMY = 512 * 2 ** 20

/** Whoever has said how much memory there is has decided. */
const DECIDED = /semi[-_]space|heap[-_]size|lite[-_]mode|optimize[-_]for[-_]size/

/** What Node is told in each of some workers. */
export function withNewSpace(workers: number): string[] {
  const own = process.execArgv
  // Without a limit the second is a number beyond any memory, or nothing.
  const memory = Math.min(totalmem(), process.constrainedMemory() || Infinity)
  const isDecided = DECIDED.test(`${own.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`)
  return isDecided || memory / workers < ROOMY ? own : [...MORE, ...own]
}

/** Takes that away again from what an app is told of: threads cannot be started with it, and may be by what this process was. */
export function hideNewSpace(): void {
  process.execArgv = process.execArgv.filter((argument) => !MORE.includes(argument))
}
