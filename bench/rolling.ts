import { parseArgs } from 'node:util'
import installRedis from '../test/support/redis/start-redis.ts'
import installProxies from '../test/support/reverse-proxies/install.ts'
import { runRollingRestarts } from '../test/support/rolling/run.ts'

/**
 * Ten rolling restarts of three processes behind HAProxy under an open load (fault F65); prints what became of
 * the requests, and ends with 1 if one failed or HAProxy had to send one again. `npm run bench:rolling --
 * --rounds 2 --requests 5000`
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    requests: { type: 'string', default: '40000' },
    rate: { type: 'string', default: '200' },
    visitors: { type: 'string', default: '120' },
    drain: { type: 'string', default: '2s' },
  },
})

installRedis()
installProxies()
const { rounds, requests, rate, visitors, drain } = options
const report = await runRollingRestarts(
  {
    rounds: Number(rounds),
    requests: Number(requests),
    rate: Number(rate),
    visitors: Number(visitors),
    drain,
    newKeyAfter: 60_000,
  },
  (text) => process.stderr.write(`${text}\n`),
)
const { failures, ...figures } = report
process.stdout.write(`${JSON.stringify({ ...figures, failed: failures.length }, undefined, 2)}\n`)
for (const { request, reason } of failures.slice(0, 20)) process.stdout.write(`${request}: ${reason}\n`)
process.exit(failures.length === 0 && report.retries === 0 ? 0 : 1)
