import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], more = {}) => ({ test: { name, include, ...more } })

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 20_000,
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts']),
      project('flows', ['test/flows/**/*.test.ts']),
      project('stores', ['test/contract/**/*.test.ts', 'test/faults/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 60_000,
        globalSetup: './test/support/redis.ts',
        // Whole fleets of processes, and figures that others' load would spoil: after the others, one by one.
        fileParallelism: false,
        sequence: { groupOrder: 1 },
      }),
      project('browser', ['test/browser/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 240_000,
        globalSetup: './test/support/chromium.ts',
      }),
    ],
  },
})
