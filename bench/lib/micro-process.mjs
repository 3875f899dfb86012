/**
 * One process that measures one group of functions: `node --expose-gc micro-process.mjs FILE GROUP ROUNDS`. In each round
 * every function has its turn, every other round in reverse. A turn is long enough for the garbage that it makes to be
 * collected in it, and begins without that of others.
 */

import { median } from './statistics.mjs'

const TURN_NANOSECONDS = 12e6
const WARM_NANOSECONDS = 1e8
/** So much that parts of V8's buffers weigh nothing, and little enough that no collection falls into the count. */
const COUNTED_BYTES = 8 * 1024 * 1024
const COUNTS = 9

const [file, group, rounds] = process.argv.slice(2)
const { groups } = await import(file)
const runners = await Promise.all((await groups[group]()).map(makeRunner))

for (const runner of runners) warmUp(runner)
for (const runner of runners) runner.calls = callsFor(runner)
for (let round = 0; round < Number(rounds); round++) {
  for (const { samples, run, calls } of round % 2 === 0 ? runners : runners.toReversed()) {
    globalThis.gc({ type: 'minor' })
    samples.push(run(calls))
  }
}
process.send(runners.map(({ run, ...subject }) => ({ ...subject, bytes: bytesOf(run) })))

async function makeRunner({ inputs, call, ...subject }, index) {
  const { timed } = await import(`./driver.mjs?${index}`)
  if (inputs.length !== 2 ** Math.floor(Math.log2(inputs.length))) throw new Error('Inputs must be a power of two.')
  return { ...subject, samples: [], run: (calls) => timed(call, inputs, calls) }
}

/** Until it is compiled by the best of V8's compilers, which works beside it. */
function warmUp({ run }) {
  let spent = 0
  for (let calls = 64; spent < WARM_NANOSECONDS; calls = Math.min(calls * 2, 100_000)) spent += run(calls) * calls
}

function callsFor({ run }) {
  let calls = 1
  while (run(calls) * calls < TURN_NANOSECONDS / 4) calls *= 2
  return Math.max(1, Math.round(TURN_NANOSECONDS / median([run(calls), run(calls), run(calls)])))
}

/** What a call allocates: what the heap grows by while nothing is collected. */
function bytesOf(run) {
  const grown = (calls) => {
    const before = process.memoryUsage().heapUsed
    run(calls)
    return process.memoryUsage().heapUsed - before
  }
  const counted = (calls) => {
    globalThis.gc()
    return grown(calls) - grown(0) // what the count itself takes
  }
  const rough = Math.max(16, counted(256) / 256)
  const calls = Math.max(1, Math.floor(COUNTED_BYTES / rough))
  return Math.max(0, median(Array.from({ length: COUNTS }, () => counted(calls) / calls)))
}
