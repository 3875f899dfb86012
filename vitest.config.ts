import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Integration tests start proxies and servers: more files at once than this starve each other on two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What decides whom to trust has no line and no branch that no test takes (--coverage; npm test asks for it).
    coverage: {
      include: ['src/trust/**'],
      reporter: [['text', { skipFull: true }]],
      thresholds: { branches: 100, functions: 100, lines: 100, statements: 100 },
    },
    projects: [
      { extends: true, test: { name: 'code', include: ['test/**/*.test.ts'], exclude: ['test/integration/**'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // They start what is in dist/, which must not be an earlier build.
          globalSetup: ['test/integration/build.ts'],
        },
      },
    ],
  },
})
