/** How many cases each property is tried on; `PROXYFIX_FUZZ_RUNS` raises both, for a long night of fuzzing. */

const asked = Number(process.env['PROXYFIX_FUZZ_RUNS'] ?? 0)

/** For properties of pure functions. */
export const PURE_RUNS: number = Math.max(10_000, asked)

/** For properties that talk HTTP over a real connection. */
export const WIRE_RUNS: number = Math.max(300, Math.floor(asked / 30))

/** Far above what any of them takes: a property that hangs should be told from one that is slow. */
export const PROPERTY_TIMEOUT: number = 60_000 + Math.max(PURE_RUNS, WIRE_RUNS) * 20
