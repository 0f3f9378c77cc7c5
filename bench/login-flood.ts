import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { freePort } from '../test/support/network/http-server.ts'
import { testSecret } from '../test/support/portico.ts'
import { root } from '../test/support/processes/start-process.ts'
import { startScriptedProvider } from '../test/support/providers/scripted-provider.ts'
import { startRedis } from '../test/support/redis/start-redis.ts'
import { readResident } from './processes.ts'

/**
 * Measures many anonymous login starts against a real server process with a real Redis and without rate
 * limits: how many keys they leave in Redis, and by how much the server's memory grows (fault F54). `npm run
 * bench:login-flood -- 1000000`
 */
const starts = Number(process.argv[2] ?? 1_000_000)
/**
 * In MB. On a large machine, V8 collects garbage late; with a heap this small, growth is memory that is in
 * use.
 */
const heap = 256

const print = (text: string) => process.stdout.write(`${text}\n`)
const idp = await startScriptedProvider()
const redis = await startRedis()
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const server = spawn(process.execPath, [`--max-old-space-size=${heap}`, join(root, 'src/main.ts')], {
  stdio: 'ignore',
  env: {
    PUBLIC_URL: url,
    HOST: '127.0.0.1',
    PORT: String(port),
    BFF_SECRETS: testSecret(),
    OIDC_ISSUER: idp.issuer,
    OIDC_CLIENT_ID: 'portico-test',
    REDIS_URL: redis.url,
    RATE_LIMIT_LOGIN: 'off',
    RATE_LIMIT_API: 'off',
    LOG_LEVEL: 'error',
  },
})
const isReady = () =>
  fetch(`${url}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  )
while (!(await isReady())) {}

const dispatcher = new Agent({ connections: 32, pipelining: 1 })
async function startLogins(count: number): Promise<void> {
  let left = count
  const work = async () => {
    while (left > 0) {
      left -= 1
      const { statusCode, body } = await request(`${url}/api/login`, { dispatcher })
      await body.dump()
      if (statusCode !== 200) throw new Error(`a login start was answered with ${statusCode}`)
    }
  }
  await Promise.all(Array.from({ length: 32 }, work))
}

const [keysBefore, memoryBefore] = [await redis.command('DBSIZE'), readResident(server.pid ?? 0)]
print(`idle: ${memoryBefore.toFixed(0)} MB resident, ${keysBefore} keys (the shared signing keys)`)
let peak = memoryBefore
for (let done = 0; done < starts; done += starts / 10) {
  await startLogins(starts / 10)
  const memory = readResident(server.pid ?? 0)
  peak = Math.max(peak, memory)
  print(`${(done + starts / 10).toLocaleString('en')} login starts: ${memory.toFixed(0)} MB`)
}
const keys = await redis.command('DBSIZE')
print(
  `${starts.toLocaleString('en')} login starts: ${Number(keys) - Number(keysBefore)} keys more, at most ${(peak - memoryBefore).toFixed(0)} MB more`,
)

server.kill()
await dispatcher.close()
await redis.close()
await idp.close()
