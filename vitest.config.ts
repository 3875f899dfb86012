import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Integration tests start proxies and servers: more files at once than this starve each other on two cores.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
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
