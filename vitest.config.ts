import { defineConfig } from 'vitest/config'

/** What a test waits for may take a while on a busy machine; a second, the default, is too short for a browser there. */
const patience = { expect: { poll: { timeout: 10_000 } } }
const project = (name: string, include: string[], more = {}) => ({
  test: { name, include, setupFiles: './test/support/canaries/watch.ts', ...patience, ...more },
})

/**
 * Files of one worker share what they import: to load it for each file takes a quarter of the time. Their
 * parts of the server hold nothing that outlives a test.
 */
const shared = { isolate: false }

const redis = { testTimeout: 60_000, hookTimeout: 60_000, globalSetup: './test/support/redis/start-redis.ts' }

/** Whole fleets of processes, some of them for over a minute: after the others, the longest first. */
const fleets = [
  'caching-proxy',
  'hostile-requests',
  'login',
  'logout',
  'provider-outage',
  'proxy',
  'proxy-volume',
  'redis-failover',
  'redis',
  'refresh',
  'rolling-restarts',
].map((name) => `test/faults/${name}.test.ts`)

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    testTimeout: 20_000,
    // More than the two processors of CI: most tests wait for a browser, a process or a deadline half of the time.
    maxWorkers: 3,
    globalSetup: ['./test/support/processes/compile-cache.ts', './test/support/canaries/start.ts'],
    projects: [
      project('unit', ['test/unit/**/*.test.ts', 'test/*.test.ts'], shared),
      project('flows', ['test/flows/**/*.test.ts'], {
        ...shared,
        globalSetup: './test/support/forward-proxy/install.ts',
        setupFiles: ['./test/support/canaries/watch.ts', './test/support/openapi/watch.ts'],
      }),
      project('stores', ['test/contract/**/*.test.ts', 'test/faults/**/*.test.ts'], {
        ...redis,
        exclude: fleets,
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
        testTimeout: 240_000,
        hookTimeout: 240_000,
        globalSetup: ['./test/support/chromium/chromium.ts', './test/support/examples/pack.ts'],
      }),
      project('proxies', ['test/proxies/**/*.test.ts'], {
        testTimeout: 60_000,
        hookTimeout: 60_000,
        globalSetup: './test/support/reverse-proxies/install.ts',
      }),
      project('deploy', ['test/deploy/**/*.test.ts'], redis),
      project('fleets', fleets, { ...redis, sequence: { groupOrder: 1 } }),
    ],
  },
})
