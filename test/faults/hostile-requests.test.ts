import { afterAll, beforeAll, expect, test } from 'vitest'
import { median, takeTurns } from '../support/latencies.ts'
import { startPortico, type TestPortico } from '../support/portico.ts'

let portico: TestPortico
beforeAll(async () => {
  // Without limits, so that the cost itself is seen; with a proxy, so that forwarded addresses are read.
  portico = await startPortico({ issuer: 'https://idp.invalid', env: { TRUST_PROXY: '127.0.0.1' } })
})
afterAll(() => portico.close())

/** As much as fits into the headers that Node takes, of one text again and again. */
const fill = (text: string) => text.repeat(Math.floor(14_000 / text.length))

/** Sends 60 requests at once, and at the same time asks whether the server lives; milliseconds until it says so. */
async function timeLivez(path: string, headers: Record<string, string>): Promise<number> {
  const requests = Array.from({ length: 60 }, async () => {
    const response = await fetch(portico.url + path, { headers, redirect: 'manual' })
    await response.text()
  })
  const since = performance.now()
  const alive = await fetch(`${portico.url}/livez`)
  expect(await alive.json()).toEqual({ status: 'ok' })
  const took = performance.now() - since
  await Promise.all(requests)
  return took
}

const callback = '/api/callback?state=x&code=y'
const rounds = 9
/** A request of 14 kB costs up to three times a short one; quadratic time misses this by far: ratios of 14 and 19 were seen. */
const bound = 6

test.each<[string, string, Record<string, string>]>([
  ['User-Agent', callback, { 'user-agent': fill('Version/') }],
  ['Accept', callback, { accept: `"${fill(',')}` }],
  ['X-Forwarded-For', callback, { 'x-forwarded-for': fill('127.0.0.1,') }],
  ['Cookie', callback, { cookie: fill('a=b;') }],
  ['session cookie', callback, { cookie: `__Host-bff_session=s%3A${fill('a')}.b` }],
  ['DPoP', callback, { dpop: fill('a.') }],
  ['query', `${callback}&${fill('a&')}`, {}],
  ['path', `/api/${fill('/')}`, {}],
])(
  '60 requests with 14 kB of %s at once hold up others no longer than harmless ones',
  async (name, path, headers) => {
    await timeLivez(callback, {})
    const [harmless, hostile] = await takeTurns(
      rounds,
      () => timeLivez(callback, {}),
      () => timeLivez(path, headers),
    )
    const ratio = median(hostile) / median(harmless)
    if (process.env.PRINT_FIGURES !== undefined) {
      process.stdout.write(
        `${name}: ${median(harmless).toFixed(1)} ms, ${median(hostile).toFixed(1)} ms, ${ratio.toFixed(2)}\n`,
      )
    }
    expect(ratio).toBeLessThan(bound)
  },
  120_000,
)

test('of 60 a second from one address, the limit leaves a few', async () => {
  const limited = await startPortico({ issuer: 'https://idp.invalid', env: { RATE_LIMIT_API: '20/1m' } })
  const headers = { 'user-agent': fill('Version/') }
  const statuses = await Promise.all(
    Array.from({ length: 60 }, async () => (await fetch(limited.url + callback, { headers })).status),
  )
  expect(statuses.filter((status) => status === 400)).toHaveLength(20)
  expect(statuses.filter((status) => status === 429)).toHaveLength(40)
  await limited.close()
})
