import { defineConfig } from 'vitest/config'

/** What a test waits for may take a while on a busy machine; a second, the default, is too short for a browser there. */
const patience = { expect: { poll: { timeout: 10_000 } } }
const project = (name: string, include: string[], more = {}) => ({
  test: { name, include, ...patience, ...more },
})

const redis = { testTimeout: 60_000, hookTimeout: 60_000, globalSetup: './test/support/redis/start-redis.ts' }

/** Whole fleets of processes: after the others, two files at a time. */
const fleets = ['login', 'logout', 'redis-failover'].map((name) => `test/faults/${name}.test.ts`)
/** Print figures that others' load would spoil (no test depends on it): last of all, one file after the other. */
const figures = ['hostile-requests', 'provider-outage', 'redis', 'refresh'].map(
  (name) => `test/faults/${name}.test.ts`,
)

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 20_000,
    // Vitest leaves one processor alone by itself: of two, that would be half.
    maxWorkers: 2,
    globalSetup: './test/support/processes/compile-cache.ts',
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts']),
      project('flows', ['test/flows/**/*.test.ts']),
      project('stores', ['test/contract/**/*.test.ts', 'test/faults/**/*.test.ts'], {
        ...redis,
        exclude: [...fleets, ...figures],
      }),
      project('browser', ['test/browser/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 240_000,
        globalSetup: ['./test/support/chromium/chromium.ts', './test/support/redis/start-redis.ts'],
      }),
      project('client', ['test/client/**/*.test.{ts,tsx}'], {
        testTimeout: 60_000,
        hookTimeout: 240_000,
        globalSetup: './test/support/chromium/chromium.ts',
      }),
      project('examples', ['test/examples/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 240_000,
        globalSetup: ['./test/support/chromium/chromium.ts', './test/support/examples/pack.ts'],
      }),
      project('proxies', ['test/proxies/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 60_000,
        globalSetup: './test/support/reverse-proxies/install.ts',
      }),
      project('fleets', fleets, { ...redis, sequence: { groupOrder: 1 } }),
      project('figures', figures, { ...redis, maxWorkers: 1, sequence: { groupOrder: 2 } }),
    ],
  },
})
