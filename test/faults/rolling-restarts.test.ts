import { expect, test } from 'vitest'
import { seconds } from '../support/clock.ts'
import { ensureInstalled } from '../support/processes/install.ts'
import { runRollingRestarts } from '../support/rolling/run.ts'

/** A smaller run of `npm run bench:rolling`, which replaces the processes ten times, under 40,000 requests. */
test('F65: two rolling restarts of three processes behind HAProxy, under load: every request is answered as it should be', async () => {
  ensureInstalled('haproxy', '-v')
  const { failures, counts, keys, refreshes, secretSteps } = await runRollingRestarts({
    rounds: 2,
    requests: 1_500,
    rate: 60,
    visitors: 30,
    drain: '1s',
    newKeyAfter: seconds(10),
  })
  expect(failures).toEqual([])
  expect(secretSteps).toBe(2)
  expect(keys).toBe(2)
  expect(refreshes).toBeGreaterThan(0)
  expect(counts['logout callback']).toBeGreaterThan(0)
  expect(counts.callback).toBeGreaterThan(0)
}, 240_000)
