import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as startRequest } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import type { Replica } from '../support/deployments/fleet.ts'
import { machineTime, median } from '../support/latencies.ts'
import { csrf } from '../support/login.ts'
import { type OpenConnection, openConnection } from '../support/network/raw-http.ts'
import type { UpstreamCall } from '../support/processes/upstream.ts'
import { type ProxiedFleet, startProxiedFleet } from '../support/upstreams/proxied-fleet.ts'

/** Large bodies, many streams and clients that leave, through one server process. */

const gigabyte = 1_000_000_000
/** Bytes that the server's memory may grow by: far less than a body that it keeps, whatever else it does. */
const growth = 200_000_000
const aborts = 50
const streams = 1_000

let proxied: ProxiedFleet
let server: Replica
let browser: TestBrowser
beforeAll(async () => {
  proxied = await startProxiedFleet({
    replicas: 1,
    routes: { orders: { max_body: '10gb' } },
    // In memory: Redis would be reached through this process, which has other things to do.
    env: { REDIS_URL: '' },
  })
  const [replica] = proxied.fleet.replicas
  if (replica === undefined) throw new Error('no replica')
  server = replica
})
afterAll(() => proxied.close())
beforeEach(async () => {
  await proxied.upstream({ forget: true })
  browser = await proxied.fleet.signIn()
})

/** Bytes of memory that the server process has at the moment. */
function residentMemory(): number {
  const status = readFileSync(`/proc/${server.process.child.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1_024
}

/** Samples the memory of the server while `work` runs; prints and returns by how much it grew at most. */
async function watchMemory(what: string, work: () => Promise<void>): Promise<number> {
  const before = residentMemory()
  let peak = before
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMemory())
  }, 10)
  const began = performance.now()
  await work()
  const took = (performance.now() - began) / 1_000
  clearInterval(timer)
  const mb = (bytes: number) => Math.round(bytes / 1e6)
  process.stdout.write(
    `F59: 1 GB ${what}: ${mb(gigabyte / took)} MB/s, memory of the server ${mb(before)} MB before, ${mb(peak)} MB at most\n`,
  )
  return peak - before
}

const headersOf = (by: TestBrowser) => ({ ...csrf, cookie: proxied.cookieOf(by), connection: 'close' })

/** Resolves once no more bytes are taken, or all of them were: then they are in the server's memory. */
async function untilNoneMove(count: () => number | Promise<number>): Promise<void> {
  for (let before = 0; ; ) {
    const bytes = await count()
    if (bytes > 0 && (bytes === before || bytes >= gigabyte)) return
    before = bytes
    await delay(300)
  }
}

test('F59: 1 GB up, which the API does not read at first: the memory of the server is bounded', async () => {
  let taken = 0
  function* body(): Generator<Buffer> {
    const chunk = Buffer.alloc(100_000, 'x')
    for (; taken < gigabyte; taken += chunk.length) yield chunk
  }
  const grew = await watchMemory('up', async () => {
    await proxied.upstream({ leaveUnread: true })
    const headers = { ...headersOf(browser), 'content-length': gigabyte }
    const call = startRequest(`${server.url}/api/proxy/orders/body`, { method: 'PUT', headers })
    const answered = once(call, 'response') as Promise<[IncomingMessage]>
    const sent = pipeline(Readable.from(body()), call)
    await untilNoneMove(() => taken)
    await proxied.upstream({ leaveUnread: false })
    const [[answer]] = await Promise.all([answered, sent])
    expect((await answer.toArray()).join('')).toBe(JSON.stringify({ received: gigabyte }))
  })
  expect(grew).toBeLessThan(growth)
})

test('F59: 1 GB down, which the browser does not read at first: the memory of the server is bounded', async () => {
  const grew = await watchMemory('down', async () => {
    const path = `/api/proxy/orders/body?length=${gigabyte}`
    const call = startRequest(server.url + path, { headers: headersOf(browser) }).end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    await untilNoneMove(async () => (await proxied.upstream()).sent)
    let received = 0
    answer.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    await once(answer, 'end')
    expect(received).toBe(gigabyte)
  })
  expect(grew).toBeLessThan(growth)
})

const open = (by: TestBrowser, path: string): OpenConnection =>
  openConnection(server.url, `/api/proxy/orders/${path}`, [
    `Cookie: ${proxied.cookieOf(by)}`,
    'X-CSRF: 1',
    'Accept: text/event-stream',
  ])

/** Opens so many event streams, some at a time. */
async function openStreams(by: TestBrowser, count: number): Promise<OpenConnection[]> {
  const opened: OpenConnection[] = []
  while (opened.length < count) {
    const some = Array.from({ length: 100 }, () => open(by, 'events'))
    await expect
      .poll(() => some.every(({ text }) => text().endsWith('\r\n\r\n')), { interval: 20 })
      .toBe(true)
    opened.push(...some)
  }
  return opened
}

test(`${streams} event streams at once: each event reaches all, and all end with their sessions or browsers`, async () => {
  const other = await proxied.fleet.signIn()
  const ofSession = await openStreams(browser, streams / 2)
  const ofBrowsers = await openStreams(other, streams / 2)
  const all = [...ofSession, ...ofBrowsers]
  for (const event of ['first', 'second', 'third']) {
    const began = performance.now()
    await proxied.upstream({ event })
    const late = () => all.filter(({ text }) => !text().includes(`data: ${event}\n\n`)).length
    await expect.poll(late, { interval: 10 }).toBe(0)
    process.stdout.write(
      `An event reached ${streams} streams in ${Math.round(performance.now() - began)} ms\n`,
    )
  }
  for (const { text } of all) {
    expect(text()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(text().match(/data: /g)).toHaveLength(3)
  }

  const leftAt = async () =>
    (await proxied.upstream()).calls.filter(({ lostAt }) => lostAt === undefined).length
  expect(await leftAt()).toBe(streams)
  await proxied.fleet.call(browser, 'POST', '/api/logout', server.url)
  await Promise.all(ofSession.map(({ closed }) => closed))
  await expect.poll(leftAt).toBe(streams / 2)
  for (const { socket } of ofBrowsers) socket.destroy()
  await expect.poll(leftAt).toBe(0)
})

test(`F59: ${aborts} clients leave, before or during the response: the API sees it within 100 ms`, async () => {
  const find = async (path: string): Promise<UpstreamCall | undefined> =>
    (await proxied.upstream()).calls.find((call) => call.path === path)
  const took: number[] = []
  for (let turn = 0; turn < aborts; turn += 1) {
    const path = `${turn % 2 === 0 ? 'hold' : 'events'}/${turn}`
    const { socket, text } = open(browser, path)
    const hasBegun = async () => (turn % 2 === 0 ? await find(`/${path}`) : text().endsWith('\r\n\r\n'))
    while (!(await hasBegun())) await delay(1)
    const left = machineTime()
    socket.destroy()
    let lostAt: number | undefined
    while (lostAt === undefined) lostAt = (await find(`/${path}`))?.lostAt
    took.push(lostAt - left)
  }
  process.stdout.write(
    `F59: an abort reached the API in ${median(took).toFixed(1)} ms (median of ${aborts}; ${Math.max(...took).toFixed(1)} at most)\n`,
  )
  // Of all, the machine may have kept some waiting.
  expect(median(took)).toBeLessThan(100)
})
