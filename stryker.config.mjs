/**
 * Mutation testing: would a test notice if a line of `src/trust` were different? `npm run mutate` takes some
 * minutes, shows every change that no test noticed, and fails where fewer than 90 % were noticed.
 */

export default {
  mutate: ['src/trust/**/*.ts'],
  plugins: ['./scripts/lib/mutation-runner.mjs'],
  testRunner: 'vitest',
  // The search for related tests finds none in the copy that is mutated; the config names the few that are meant.
  vitest: { configFile: 'vitest.mutation.ts', related: false },
  // To move paths in it, Stryker wants TypeScript's old interface, which TypeScript 7 has not. Nothing here has to move.
  tsconfigFile: 'none',
  concurrency: 2,
  reporters: ['progress-append-only', 'clear-text'],
  clearTextReporter: { logTests: false, reportTests: false },
  thresholds: { high: 95, low: 90, break: 90 },
}
