import { defineConfig } from 'vitest/config'

/** The tests that are run for each mutant (stryker.config.mjs): quick ones, that do the same every time. */
export default defineConfig({ test: { include: ['test/unit/trust/**/*.test.ts'] } })
