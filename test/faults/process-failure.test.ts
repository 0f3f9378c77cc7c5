import { afterAll, beforeAll, expect } from 'vitest'
import { createTestBrowser } from '../support/browser.ts'
import { idp, providerPerFile } from '../support/fixtures.ts'
import { startLogin } from '../support/login.ts'
import { launchServer, readLog } from '../support/processes/launch-server.ts'
import type { TestProcess } from '../support/processes/start-process.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'

/** What happens to a process in which something failed that nothing waits for. */

const test = providerPerFile()
let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.close())

type Defect = 'rejection' | 'exception'

async function launch(defect: Defect, env: Record<string, string> = {}) {
  const launched = await launchServer(
    { issuer: idp.issuer, redisUrl: redis.url },
    // Nothing waits for the drain here: the requests would find a process in an unknown state.
    { PLANTED_DEFECT: defect, SHUTDOWN_DRAIN: '4m', ...env },
    'test/support/processes/failing-server.ts',
  )
  await launched.server.line(/"server_listening"/)
  return launched
}

/** A login whose callback waits at the provider until it is let go. */
async function beginCallback(url: string) {
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin({ url }, browser))
  const reached = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()
  idp.script({ onTokenRequest: () => reached.resolve(), tokenDelay: held.promise })
  const response = browser.fetch(`${url}/api/callback?${parameters}`)
  await reached.promise
  return { response, letGo: () => held.resolve() }
}

const linesOf = (server: TestProcess) => readLog<{ event: string; [field: string]: unknown }>(server)

test.each<[string, Defect]>([
  ['a rejection', 'rejection'],
  ['an exception', 'exception'],
])(
  '%s that nothing handles: no new requests, those in flight are answered, exit 1 (F62)',
  async (_name, defect) => {
    const { server, url } = await launch(defect)
    const callback = await beginCallback(url)
    server.child.kill('SIGUSR2')
    await server.line(/"server_draining"/)
    await expect.poll(() => fetch(`${url}/livez`).catch(() => 'refused')).toBe('refused')
    expect(server.child.exitCode).toBeNull()
    callback.letGo()
    expect((await callback.response).status).toBe(200)
    expect(await server.exited).toBe(1)
    const failures = linesOf(server).filter(({ event }) => event === 'process_failed')
    expect(failures).toMatchObject([
      { level: 'error', error: 'Error', frames: expect.arrayContaining([expect.stringMatching(/^at /)]) },
    ])
    expect(linesOf(server).at(-1)).toMatchObject({ event: 'server_stopped' })
    expect(server.output.text).not.toContain('planted-secret')
  },
)

test('a second failure while it ends, and SIGTERM: those in flight are answered all the same (F62)', async () => {
  const { server, url } = await launch('rejection')
  const callback = await beginCallback(url)
  server.child.kill('SIGUSR2')
  await server.line(/"server_draining"/)
  server.child.kill('SIGUSR2')
  await expect.poll(() => linesOf(server).filter(({ event }) => event === 'process_failed').length).toBe(2)
  server.child.kill('SIGTERM')
  callback.letGo()
  expect((await callback.response).status).toBe(200)
  expect(await server.exited).toBe(1)
  expect(linesOf(server).filter(({ event }) => event === 'server_draining')).toHaveLength(1)
})

test('in workers: they answer what they have, and are replaced (F62)', async () => {
  const { server, url } = await launch('rejection', { WORKERS: '2', SHUTDOWN_DRAIN: '0s' })
  const isListening = (worker: number) => new RegExp(`"worker":${worker},"event":"server_listening"`)
  await Promise.all([1, 2].map((worker) => server.line(isListening(worker))))
  const callback = await beginCallback(url)
  const [first, second] = linesOf(server).filter(({ event }) => event === 'worker_started')
  // One of them has the callback.
  for (const worker of [first, second]) process.kill(Number(worker?.pid), 'SIGUSR2')
  await Promise.all(
    [1, 2].map((worker) => server.line(new RegExp(`"worker":${worker},"event":"process_failed"`))),
  )
  callback.letGo()
  expect((await callback.response).status).toBe(200)
  await Promise.all([3, 4].map((worker) => server.line(isListening(worker))))
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  const ended = linesOf(server).filter(({ event }) => event === 'worker_ended')
  expect(ended.map(({ exit }) => exit)).toEqual([1, 1])
  expect(await server.stop()).toBe(0)
})

test('in the primary: all workers answer what they have, exit 1 (F62)', async () => {
  const { server, url } = await launch('exception', { WORKERS: '2', SHUTDOWN_DRAIN: '0s' })
  const callback = await beginCallback(url)
  server.child.kill('SIGUSR2')
  await server.line(/"server_draining"/)
  callback.letGo()
  expect((await callback.response).status).toBe(200)
  expect(await server.exited).toBe(1)
  expect(linesOf(server).filter(({ event }) => event === 'process_failed')).toHaveLength(1)
})
