/**
 * How many cases each property is tried on, and which. Everybody's are the same, so that a change is what makes a test fail
 * and not the day; `PROXYFIX_FUZZ_RUNS=150000` looks for new ones, in that many runs of a property.
 */

import fc from 'fast-check'

const asked = Number(process.env['PROXYFIX_FUZZ_RUNS'] ?? 0)

if (asked === 0) fc.configureGlobal({ seed: 20_261_123 })

/** For properties of pure functions. */
export const PURE_RUNS: number = Math.max(10_000, asked)

/** For properties that talk HTTP over a real connection. */
export const WIRE_RUNS: number = Math.max(300, Math.floor(asked / 30))

/** Far above what any of them takes: a property that hangs should be told from one that is slow. */
export const PROPERTY_TIMEOUT: number = 60_000 + Math.max(PURE_RUNS, WIRE_RUNS) * 20
