import { connect } from 'node:net'
import { systemClock } from '../src/clock.ts'
import { createLog } from '../src/telemetry/logger.ts'
import { logInAtScripted } from '../test/support/login.ts'
import { startPortico } from '../test/support/portico.ts'
import { startScriptedProvider } from '../test/support/providers/scripted-provider.ts'

/**
 * Measures what metrics cost in a session check, on a machine that is busy, too: three servers in this process
 * (without, with, and once more without metrics) take turns in slices of a few milliseconds, so that what
 * disturbs meets all of them. CPU time includes that of the client, which is a quarter of it at most.
 * `npm run bench:telemetry-check`
 */
const duration = 60_000
/** Requests that are sent at once, and how often in one slice. */
const [pipelined, repeated] = [8, 25]
const idp = await startScriptedProvider()

/** Starts a server with a session in its memory; returns what checks it so many times. */
async function start(env: Record<string, string>): Promise<(times: number) => Promise<void>> {
  const log = createLog('warn', { write() {} })
  const portico = await startPortico({ issuer: idp.issuer, env, replaced: { log, clock: systemClock } })
  const { browser } = await logInAtScripted(portico, idp)
  const cookie = [...browser.cookies(portico.url)].map(([name, value]) => `${name}=${value}`).join('; ')
  const head = `GET /api/session HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\nCookie: ${cookie}\r\n\r\n`
  const requests = head.repeat(pipelined)
  const socket = connect(Number(new URL(portico.url).port), '127.0.0.1').setEncoding('latin1')
  let [answered, left] = [0, 0]
  let done = () => {}
  socket.on('data', (text: string) => {
    answered += text.split('HTTP/1.1 200').length - 1
    if (answered < pipelined) return
    answered -= pipelined
    left -= 1
    if (left > 0) socket.write(requests)
    else done()
  })
  return (times) =>
    new Promise((resolve) => {
      done = resolve
      left = times
      socket.write(requests)
    })
}

const names = ['without', 'with', 'without, again']
const checks = [await start({}), await start({ OPERATOR_PORT: '0' }), await start({})]
for (const check of [...checks, ...checks]) await check(1_500)

/** Microseconds of each check, by server and slice. */
const costs = checks.map((): number[] => [])
const endAt = performance.now() + duration
for (let round = 0; performance.now() < endAt; round += 1) {
  const turns = [...checks.keys()].map((turn) => (turn + round) % checks.length)
  for (const index of round % 2 === 0 ? turns : turns.reverse()) {
    const before = process.cpuUsage()
    await checks[index]?.(repeated)
    const { user, system } = process.cpuUsage(before)
    costs[index]?.push((user + system) / (pipelined * repeated))
  }
}
const middles = costs.map((own) => own.toSorted((a, b) => a - b)[Math.floor(own.length / 2)] ?? Number.NaN)
const [base = Number.NaN] = middles
for (const [index, cost] of middles.entries()) {
  const share = `${((100 * cost) / base - 100).toFixed(1)} %`
  process.stdout.write(`${names[index]} metrics: ${cost.toFixed(1)} µs, ${share}\n`)
}
process.exit()
