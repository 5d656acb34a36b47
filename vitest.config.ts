import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.ts'],
    // Processes, not threads: tests change the working directory, count descriptors and end workers of their own.
    pool: 'forks',
    // What is tested is the package as Node.js loads it, not a copy that was transformed for the tests.
    server: { deps: { external: [/\/dist\//] } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
