import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, type Dispatcher, request } from 'undici'
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../support/browser.ts'
import { idp, providerPerFile } from '../support/fixtures.ts'
import { csrf, startLogin } from '../support/login.ts'
import { scrape, seriesOf } from '../support/metrics.ts'
import { freePort } from '../support/network/http-server.ts'
import { testSecret } from '../support/portico.ts'
import { launchServer, readLog } from '../support/processes/launch-server.ts'
import type { TestProcess } from '../support/processes/start-process.ts'
import { startRedis, type TestRedis } from '../support/redis/start-redis.ts'

const test = providerPerFile()
let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.close())

/** Starts `WORKERS=2` on a free port. */
const launch = (env: Record<string, string> = {}) =>
  launchServer({ issuer: idp.issuer, redisUrl: redis.url }, { SHUTDOWN_DRAIN: '0s', WORKERS: '2', ...env })

interface WorkerLine {
  event: string
  time: string
  worker: number
  pid?: number
  path?: string
  status?: number
}

const linesOf = (server: TestProcess) => readLog<WorkerLine>(server)

const isListening = (worker: number) => new RegExp(`"worker":${worker},"event":"server_listening"`)
const isStarted = (worker: number) => new RegExp(`"event":"worker_started","worker":${worker}`)

/** Starts both workers, and waits until both listen. */
async function startBoth(env?: Record<string, string>) {
  const { server, url } = await launch(env)
  for (const line of [isStarted, isListening]) await Promise.all([server.line(line(1)), server.line(line(2))])
  const pids = linesOf(server).flatMap(({ event, pid }) => (event === 'worker_started' && pid) || [])
  return { server, url, pids }
}

/** Opens connections until there is one to each worker: a busy machine may give several to the same one. */
async function connectToBoth(
  { server, url }: { server: TestProcess; url: string },
  path = '/api/providers',
): Promise<Client[]> {
  const clients = new Map<number, Client>()
  while (clients.size < 2) {
    const client = new Client(url)
    const { headers, body } = await client.request({ method: 'GET', path })
    await body.dump()
    const { worker } = JSON.parse(
      await server.line(new RegExp(String(headers['x-request-id']))),
    ) as WorkerLine
    if (clients.has(worker)) await client.close()
    else clients.set(worker, client)
  }
  return [...clients].sort(([a], [b]) => a - b).map(([, client]) => client)
}

/** Asks on a connection of its own, so that the workers take turns, or on a given one. */
async function ask(
  url: string,
  path: string,
  browser: TestBrowser = createTestBrowser(),
  dispatcher?: Dispatcher,
): Promise<number> {
  const cookie = [...browser.cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ')
  const headers = { ...csrf, cookie, 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }
  const { statusCode, body } = await request(url + path, {
    headers,
    reset: true,
    ...(dispatcher && { dispatcher }),
  })
  await body.dump()
  return statusCode
}

/** Signs in up to the callback, which the returned function makes on a connection. */
async function prepareLogin(url: string) {
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin({ url }, browser))
  return (connection: Client) => ask(url, `/api/callback?${parameters}`, browser, connection)
}

test('two workers serve one port, and a session that one of them made is known to the other', async () => {
  const { server, url } = await startBoth()
  const browser = createTestBrowser()
  const parameters = idp.authorize(await startLogin({ url }, browser))
  expect((await browser.fetch(`${url}/api/callback?${parameters}`)).status).toBe(200)
  for (const connection of await connectToBoth({ server, url })) {
    expect(await ask(url, '/api/userinfo', browser, connection)).toBe(200)
  }
  await server.stop()
  const answers = linesOf(server).filter(({ path }) => path === '/api/userinfo')
  expect(answers).toHaveLength(2)
  expect(new Set(answers.map(({ worker }) => worker))).toEqual(new Set([1, 2]))
})

test.each<[string, (server: TestProcess, workers: number[]) => void]>([
  ['SIGTERM', (server) => void server.child.kill('SIGTERM')],
  [
    'Ctrl+C, which reaches every process',
    (server, workers) => {
      for (const pid of workers) process.kill(pid, 'SIGINT')
      server.child.kill('SIGINT')
    },
  ],
])(
  '%s while both workers have requests: all of them are answered, then all processes end',
  async (_name, stop) => {
    const { server, url, pids } = await startBoth()
    const connections = await connectToBoth({ server, url })
    const callbacks = await Promise.all(connections.map(() => prepareLogin(url)))
    let waiting = 0
    const drained = Promise.all(
      [1, 2].map((worker) => server.line(new RegExp(`"worker":${worker},"event":"server_draining"`))),
    )
    idp.script({
      onTokenRequest() {
        waiting += 1
        if (waiting === callbacks.length) stop(server, pids)
      },
      tokenDelay: drained,
    })
    const answers = connections.map((connection, index) => callbacks[index]?.(connection))
    expect(await Promise.all(answers)).toEqual([200, 200])
    expect(await server.exited).toBe(0)
    const ofCallbacks = linesOf(server).filter(({ path }) => path === '/api/callback')
    expect(new Set(ofCallbacks.map(({ worker }) => worker))).toEqual(new Set([1, 2]))
    expect(linesOf(server).filter(({ event }) => event === 'server_draining')).toHaveLength(2)
    expect(linesOf(server).filter(({ event }) => event === 'server_stopped')).toHaveLength(2)
    expect(server.output.text).not.toContain('worker_ended')
  },
)

test('a worker that is killed is replaced, and requests go on', async () => {
  const { server, url, pids } = await startBoth()
  process.kill(pids[0] ?? 0, 'SIGKILL')
  const ended = JSON.parse(await server.line(/"worker_ended"/)) as WorkerLine
  expect(ended).toMatchObject({ level: 'error', worker: 1, exit: 'SIGKILL' })
  for (let round = 0; round < 4; round += 1) expect(await ask(url, '/readyz')).toBe(200)
  await server.line(isListening(3))
  // Workers that always end must not use up the machine.
  const next = JSON.parse(await server.line(isStarted(3))) as WorkerLine
  expect(Date.parse(next.time) - Date.parse(ended.time)).toBeGreaterThan(900)
  for (let round = 0; round < 4; round += 1) expect(await ask(url, '/livez?after')).toBe(200)
  expect(await server.stop()).toBe(0)
})

test('a worker that is killed while another one is scraped: the primary and the others go on', async () => {
  const operatorPort = String(await freePort())
  const { server, url, pids } = await startBoth({ OPERATOR_PORT: operatorPort })
  const operatorUrl = `http://127.0.0.1:${operatorPort}`
  const [scraped, other] = await connectToBoth({ server, url: operatorUrl }, '/nothing')
  const [first] = await connectToBoth({ server, url })
  // Once the primary has answered the second worker, it has read all that this one had to say before.
  const askForMetrics = async (connection: Client | undefined) => {
    const { statusCode, body } = (await connection?.request({ method: 'GET', path: '/metrics' })) ?? {}
    await body?.dump()
    return statusCode
  }
  expect(await askForMetrics(other)).toBe(200)
  // Before the primary reads that the second worker has ended, it reads that the first one asks for metrics.
  server.child.kill('SIGSTOP')
  const answer = askForMetrics(scraped)
  expect(await ask(url, '/livez', createTestBrowser(), first)).toBe(200)
  process.kill(pids[1] ?? 0, 'SIGKILL')
  await expect.poll(() => readFileSync(`/proc/${pids[1]}/stat`, 'utf8')).toContain(') Z ')
  server.child.kill('SIGCONT')
  expect(await answer).toBe(200)
  await server.line(isListening(3))
  for (const connection of [scraped, other]) await connection?.destroy()
  expect(await ask(url, '/livez', createTestBrowser(), first)).toBe(200)
  expect(server.output.text).not.toContain('process_failed')
  expect(await server.stop()).toBe(0)
})

test('one scrape has the requests of all workers, and of those that have ended', async () => {
  const operatorPort = await freePort()
  const started = await startBoth({ OPERATOR_PORT: String(operatorPort) })
  const { server, pids } = started
  const connections = await connectToBoth(started)
  const answers = linesOf(server).filter(({ path }) => path === '/api/providers')
  expect(new Set(answers.map(({ worker }) => worker))).toEqual(new Set([1, 2]))
  const operatorUrl = `http://127.0.0.1:${operatorPort}`
  const labels = '{route="/api/providers",method="GET",status="200"}'
  const count = async () =>
    seriesOf(await scrape(operatorUrl), 'portico_http_request_duration_seconds_count')[labels]
  expect(await count()).toBe(answers.length)
  const scraped = await scrape(operatorUrl)
  expect(seriesOf(scraped, 'portico_log_events_total')).toMatchObject({
    '{event="server_listening",level="info"}': 2,
  })
  expect(seriesOf(scraped, 'portico_ready')).toEqual({ '': 1 })
  expect(seriesOf(scraped, 'portico_sessions_active')).toEqual({ '': expect.any(Number) })
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await server.line(/"worker_ended"/)
  expect(await count()).toBe(answers.length)
  await server.line(isListening(3))
  expect(await count()).toBe(answers.length)
  for (const connection of connections) await connection.destroy()
})

test('SIGHUP to the primary: every worker opens the file of the audit stream again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'audit.log')
  const { server, url, pids } = await startBoth({ AUDIT_LOG: path })
  const connections = await connectToBoth({ server, url })
  /** Ten calls that are refused, and so audited, by each worker at the same time. */
  const callBoth = async () => {
    const calls = connections.flatMap((connection) =>
      Array.from({ length: 10 }, () => connection.request({ method: 'GET', path: '/api/session' })),
    )
    for (const { body } of await Promise.all(calls)) await body.dump()
  }
  const countRefusals = (file: string) => {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const records = lines.map((line) => JSON.parse(line) as { process: { pid: number } })
    return pids.map((pid) => records.filter(({ process }) => process.pid === pid).length)
  }
  await callBoth()
  const before = countRefusals(path)
  renameSync(path, `${path}.1`)
  server.child.kill('SIGHUP')
  for (const worker of [1, 2]) await server.line(new RegExp(`"worker":${worker},"event":"audit_reopened"`))
  await callBoth()
  expect(countRefusals(`${path}.1`)).toEqual(before)
  expect(Math.min(...before)).toBeGreaterThanOrEqual(10)
  expect(countRefusals(path)).toEqual([10, 10])
})

test('the operator drains all workers, also one that starts later, and takes it back', async () => {
  const operator = { secret: testSecret(), port: String(await freePort()) }
  const { server, url, pids } = await startBoth({
    OPERATOR_SECRET: operator.secret,
    OPERATOR_PORT: operator.port,
  })
  const connections = await connectToBoth({ server, url })
  const readiness = () =>
    Promise.all(connections.map((connection) => ask(url, '/readyz', createTestBrowser(), connection)))
  const drain = async (method: 'POST' | 'DELETE') => {
    const response = await fetch(`http://127.0.0.1:${operator.port}/operator/drain`, {
      method,
      headers: { authorization: `Bearer ${operator.secret}` },
    })
    expect(await response.json()).toEqual({ draining: method === 'POST' })
  }
  await drain('POST')
  await expect.poll(readiness).toEqual([503, 503])
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await server.line(isListening(3))
  await expect
    .poll(() => Promise.all([1, 2, 3, 4].map(() => ask(url, '/readyz'))))
    .toEqual([503, 503, 503, 503])
  await drain('DELETE')
  await expect
    .poll(() => Promise.all([1, 2, 3, 4].map(() => ask(url, '/readyz'))))
    .toEqual([200, 200, 200, 200])
  expect(await server.stop()).toBe(0)
})

test('SIGTERM while a dead worker is not replaced yet: it is not replaced any more', async () => {
  // Longer than the pause before a replacement.
  const { server, pids } = await startBoth({ SHUTDOWN_DRAIN: '2s' })
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await server.line(/"worker_ended"/)
  expect(await server.stop()).toBe(0)
  const timesOf = (name: string) =>
    linesOf(server).flatMap(({ event, time }) => (event === name ? [time] : []))
  const [closing = ''] = timesOf('server_draining')
  expect(timesOf('worker_started').filter((time) => time > closing)).toEqual([])
})

test('the primary is killed: the workers end as well, and free the port', async () => {
  const { server } = await startBoth()
  // Resolves only once no process holds the output any more.
  await server.stop('SIGKILL')
})

test('a port in use, also of the operator: the reason once, and exit 1', async () => {
  const taken = createServer()
  await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done))
  const { port } = taken.address() as { port: number }
  for (const env of [
    { PORT: String(port) },
    { OPERATOR_PORT: String(port), OPERATOR_SECRET: testSecret() },
  ]) {
    const { server } = await launch(env)
    expect(await server.exited).toBe(1)
    expect(server.output.text.match(/Choose another PORT/g)).toHaveLength(1)
    expect(linesOf(server)).toContainEqual(expect.objectContaining({ event: 'worker_ended', exit: 1 }))
  }
  taken.close()
})

test('without Redis: exit 78, and the setting that is missing', async () => {
  const { server } = await launch({ REDIS_URL: '' })
  expect(await server.exited).toBe(78)
  expect(server.output.text).toMatch(/REDIS_URL is required when WORKERS is more than 1/)
  expect(server.output.text).not.toMatch(isStarted(1))
})
