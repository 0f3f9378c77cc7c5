import { join } from 'node:path'
import { freePort } from '../test/support/network/http-server.ts'
import { startRedis } from '../test/support/redis/start-redis.ts'
import type { Job } from './load/generator.ts'
import { measureCost, median, startGenerator } from './measure.ts'
import { startMeasured } from './processes.ts'
import { bareExpress, listTargets } from './targets.ts'

const [names = 'Portico', ops = 'check,login-start,login', rounds = '3', duration = '1500'] = process.argv.slice(2)
const [serverCore, loadCore] = [0, 1]
const idpPort = await freePort()
const idp = await startMeasured([process.execPath, join(import.meta.dirname, 'servers/provider.ts')], {
  core: loadCore, port: idpPort, env: {}, ready: '/keys',
})
const redis = await startRedis()
const issuer = `http://127.0.0.1:${idpPort}`
const targets = [bareExpress, ...listTargets({ issuer, redisUrl: redis.url, entry: process.env.ENTRY ?? 'src/main.ts' })].filter(
  ({ name }) => name === bareExpress.name || names.split(',').some((n) => name.includes(n)))
const running = []
for (const target of targets) {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  console.error('start', target.name); const server = await startMeasured(target.command, { core: serverCore, port, ready: target.ready, env: {
    ...target.env, PUBLIC_URL: url, OAUTH2_PROXY_HTTP_ADDRESS: `127.0.0.1:${port}`, OAUTH2_PROXY_REDIRECT_URL: `${url}/oauth2/callback` } })
  running.push({ target, server })
}
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(1))
const generator = startGenerator(loadCore)
try {
  for (const operation of ops.split(',') as Job['operation'][]) {
    const shares = new Map<string, number[]>()
    const costs = new Map<string, number[]>()
    for (let round = -1; round < Number(rounds); round += 1) {
      let bare = 0
      for (const one of running) {
        const isBare = one.target === bareExpress
        if ((operation === 'token' || operation === 'refresh') && !isBare && one.target.dialect.token === undefined) continue
        const cost = isBare
          ? await measureBare(one)
          : await measureCost(generator, one, { operation, connections: 16, duration: round < 0 ? 1000 : Number(duration) })
        if (isBare) bare = cost.cpu
        if (round < 0) continue
        const push = (m: Map<string, number[]>, v: number) => m.set(one.target.name, [...(m.get(one.target.name) ?? []), v])
        push(shares, bare / cost.cpu)
        push(costs, cost.cpu * 1000)
      }
    }
    for (const [name, values] of shares) {
      console.log(operation.padEnd(12), name.padEnd(42), median(values).toFixed(3), median(costs.get(name) ?? []).toFixed(1).padStart(8), 'us')
    }
  }
} finally {
  generator.stop()
  for (const one of running) await one.server.stop()
  await idp.stop()
  await redis.close()
}
async function measureBare(one: (typeof running)[number]) {
  return measureCost(generator, one, { operation: 'bare' as never, connections: 16, duration: 1000 })
}
