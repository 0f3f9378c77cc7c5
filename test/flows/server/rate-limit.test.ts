import { describe, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { csrf, logInAtScripted, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'
import { startScriptedProvider } from '../../support/providers/scripted-provider.ts'

const test = providerPerFile()
const start = async (env: Record<string, string>, replaced = {}) =>
  closeAfterTest(await startPortico({ issuer: idp.issuer, env, replaced }))
const startLogins = (portico: TestPortico, count: number, headers = {}) =>
  Promise.all(
    Array.from({ length: count }, () => createTestBrowser().fetch(`${portico.url}/api/login`, { headers })),
  )
const statuses = (responses: Response[]) => responses.map(({ status }) => status).sort()

test('logins by POST, and callbacks of a named provider, count like the others', async () => {
  const idp = await startScriptedProvider()
  const other = await startPortico({ issuer: idp.issuer, env: { RATE_LIMIT_LOGIN: '2/1m' } })
  const browser = createTestBrowser()
  const begin = () =>
    browser.fetch(`${other.url}/api/login`, {
      method: 'POST',
      headers: { ...csrf, 'content-type': 'application/json' },
      body: '{}',
    })
  expect([(await begin()).status, (await begin()).status, (await begin()).status]).toEqual([200, 200, 429])
  for (const method of ['GET', 'POST'] as const) {
    const to =
      method === 'GET' ? other : await startPortico({ issuer: idp.issuer, env: { RATE_LIMIT_LOGIN: '2/1m' } })
    const visitor = createTestBrowser()
    visitor.setCookie(to.url, '__Host-bff_session', 'x')
    const call = () => visitor.fetch(`${to.url}/api/callback/default?state=x`, { method })
    const statuses = [(await call()).status, (await call()).status, (await call()).status]
    expect(statuses).toEqual([400, 400, 429])
    await to.close()
  }
  await idp.close()
})

test('the names of the providers cost nothing: a foreign page must not spend its visitors’ limit on them', async () => {
  const other = await startPortico({ issuer: 'https://idp.invalid', env: { RATE_LIMIT_API: '1/1m' } })
  for (let count = 0; count < 5; count += 1) {
    expect((await fetch(`${other.url}/api/providers`)).status).toBe(200)
  }
  expect((await fetch(`${other.url}/api/session`, { headers: { 'x-csrf': '1' } })).status).toBe(200)
  await other.close()
})

test.each([
  ['POST', '/api/login', 200],
  ['GET', '/api/session', 200],
  ['POST', '/api/token', 200],
  ['GET', '/api/userinfo', 200],
  ['GET', '/api/sessions', 200],
] as const)('%s %s: what the CSRF check refuses is not counted (F43)', async (method, path, expected) => {
  const portico = await start({ RATE_LIMIT_LOGIN: '2/1m', RATE_LIMIT_API: '2/1m' })
  const { browser } = await logInAtScripted(portico, idp)
  const body = method === 'POST' ? { body: '{}' } : {}
  const call = (headers: Record<string, string>) =>
    browser.fetch(portico.url + path, {
      method,
      headers: { ...csrf, 'content-type': 'application/json', ...headers },
      ...body,
    })
  for (let turn = 0; turn < 4; turn += 1) {
    expect((await call({ origin: 'https://evil.example' })).status).toBe(403)
  }
  expect((await call({})).status).toBe(expected)
})

test('beyond the limit a call costs the session store nothing', async () => {
  const portico = await start({ RATE_LIMIT_API: '1/1m' })
  const call = () => createTestBrowser().fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  expect([await readRefusal(await call()), await readRefusal(await call())]).toEqual([
    '401 session_required',
    '429 too_many_requests',
  ])
})

describe('RATE_LIMIT_LOGIN', () => {
  test('refuses further login starts of one address, says when, and lets them in again (F54)', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '5/1m' })
    expect(statuses(await startLogins(portico, 7))).toEqual([200, 200, 200, 200, 200, 429, 429])
    portico.clock.advance(seconds(40))
    const [refused] = await startLogins(portico, 1)
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(15)
    expect(Number(refused?.headers.get('retry-after'))).toBeLessThanOrEqual(20)
    expect(refused && (await readRefusal(refused))).toBe('429 too_many_requests')
    portico.clock.advance(seconds(20))
    expect(statuses(await startLogins(portico, 1))).toEqual([200])
  })

  test('a person who is sent away by it sees a page', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m' })
    await startLogins(portico, 1)
    const response = await createTestBrowser().visit(`${portico.url}/api/login`)
    expect([response.status, response.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8'])
  })

  test('limits callbacks as well, by a count of their own: a code is not tried out', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '3/1m' })
    const { response, browser } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    const state = new URL(await startLogin(portico, browser)).searchParams.get('state')
    const [tx = ''] = [...browser.cookies(portico.url)].find(([name]) => name.includes('bff_tx')) ?? []
    const cookie = browser.cookies(portico.url).get(tx)
    const tryCode = (method: 'GET' | 'POST') => {
      browser.setCookie(portico.url, tx, cookie)
      const parameters = new URLSearchParams({ state: state ?? '', code: crypto.randomUUID() })
      return method === 'GET'
        ? browser.fetch(`${portico.url}/api/callback?${parameters}`)
        : browser.fetch(`${portico.url}/api/callback`, { method, body: parameters })
    }
    // The first one spends the state.
    expect(statuses([await tryCode('GET'), await tryCode('POST')])).toEqual([400, 502])
    expect(statuses([await tryCode('GET'), await tryCode('POST')])).toEqual([429, 429])
    expect(statuses(await startLogins(portico, 1))).toEqual([200])
  })

  test('repetitions of who is signed in count as well: each reads the session', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '3/1m' })
    const { browser, parameters } = await logInAtScripted(portico, idp)
    const again = () => browser.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(statuses([await again(), await again(), await again()])).toEqual([200, 200, 429])
  })

  test('DPoP proofs of who has no login in progress count as well: each would cost the store a claim', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '2/1m' })
    const callback = () =>
      createTestBrowser().fetch(`${portico.url}/api/callback?state=x&code=y`, { headers: { dpop: 'x' } })
    expect(statuses([await callback(), await callback(), await callback()])).toEqual([400, 400, 429])
  })

  test("another site's page cannot spend it for its visitors", async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '2/1m', RATE_LIMIT_API: '2/1m' })
    const foreign = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }
    const frame = {
      'sec-fetch-site': 'cross-site',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'iframe',
      'sec-fetch-user': undefined,
    }
    for (let turn = 0; turn < 5; turn += 1) {
      expect(statuses(await startLogins(portico, 1, foreign))).toEqual([403])
      const visitor = createTestBrowser()
      for (const headers of [foreign, frame]) {
        expect((await visitor.visit(`${portico.url}/api/login`, { headers })).status).toBe(403)
        // Counted as well, but apart from what the visitors do themselves.
        const callback = await visitor.visit(`${portico.url}/api/callback?state=x&code=y`, { headers })
        expect(callback.status).toBe(turn === 0 ? 400 : 429)
        expect((await visitor.visit(`${portico.url}/api/session`, { headers })).status).toBe(403)
      }
    }
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    expect((await browser.fetch(`${portico.url}/api/session`, { headers: csrf })).status).toBe(200)
    // A provider that posts its answer sends users here without cookies, too.
    const posted = await createTestBrowser().visit(`${portico.url}/api/callback`, {
      method: 'POST',
      body: new URLSearchParams({ state: 'x', code: 'y' }),
      headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': undefined },
    })
    expect(posted.status).toBe(200)
  })

  test('counts over all replicas', async () => {
    const one = await start({ RATE_LIMIT_LOGIN: '4/1m' })
    const other = await start({ RATE_LIMIT_LOGIN: '4/1m' }, { store: one.store })
    const answers = [...(await startLogins(one, 3)), ...(await startLogins(other, 3))]
    expect(statuses(answers)).toEqual([200, 200, 200, 200, 429, 429])
  })

  test('counts each address behind a trusted proxy, IPv6 by its network', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m', TRUST_PROXY: '127.0.0.1' })
    const from = (address: string) => startLogins(portico, 1, { 'x-forwarded-for': address })
    expect(statuses((await Promise.all(['198.51.100.1', '198.51.100.2'].map(from))).flat())).toEqual([
      200, 200,
    ])
    expect(statuses(await from('198.51.100.1'))).toEqual([429])
    expect(statuses(await from('2001:db8:0:1::1'))).toEqual([200])
    expect(statuses(await from('2001:db8:0:2::2'))).toEqual([429])
    expect(statuses(await from('2001:db8:1:1::1'))).toEqual([200])
  })

  test('counts one address however a proxy writes it: with its port, in brackets, in quotes', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m', TRUST_PROXY: '127.0.0.1' })
    const from = (address: string) => startLogins(portico, 1, { 'x-forwarded-for': address })
    expect(statuses(await from('198.51.100.1:1024'))).toEqual([200])
    for (const address of [
      '198.51.100.1:1025',
      '198.51.100.1',
      '"198.51.100.1:1026"',
      '::ffff:198.51.100.1',
    ]) {
      expect([address, statuses(await from(address))]).toEqual([address, [429]])
    }
    expect(statuses(await from('[2001:db8:0:1::1]:1024'))).toEqual([200])
    for (const address of ['[2001:db8:0:1::1]:1025', '2001:db8:0:1::1%eth0', '"[2001:db8:0:1::1]"']) {
      expect([address, statuses(await from(address))]).toEqual([address, [429]])
    }
    expect(statuses(await from('198.51.100.2:1024'))).toEqual([200])
  })

  test('finds the client behind a row of trusted proxies that write ports', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m', TRUST_PROXY: '127.0.0.1,10.0.0.0/8' })
    const from = (port: number, address: string) =>
      startLogins(portico, 1, { 'x-forwarded-for': `${address}:${port}, 10.0.0.1:${port}` })
    expect(statuses(await from(1024, '198.51.100.1'))).toEqual([200])
    expect(statuses(await from(1025, '198.51.100.1'))).toEqual([429])
    expect(statuses(await from(1025, '198.51.100.2'))).toEqual([200])
  })

  test('counts all that is no address as one, so that it cannot be evaded by inventing some', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m', TRUST_PROXY: '127.0.0.1' })
    const from = (address: string) => startLogins(portico, 1, { 'x-forwarded-for': address })
    expect(statuses(await from('unknown'))).toEqual([200])
    for (const address of ['_a', 'b', '198.51.100.1:x', '0x7f.1', '198.51.100.3, c', '']) {
      expect([address, statuses(await from(address))]).toEqual([address, [429]])
    }
    const lines = portico.logged.filter(({ path }) => path === '/api/login')
    expect(lines.map((line) => 'address' in line)).not.toContain(true)
  })

  test('cannot be evaded by a forwarded address that nobody vouches for (F56)', async () => {
    const portico = await start({ RATE_LIMIT_LOGIN: '1/1m' })
    const from = (address: string) => startLogins(portico, 1, { 'x-forwarded-for': address })
    expect(statuses([...(await from('198.51.100.1')), ...(await from('198.51.100.2'))])).toEqual([200, 429])
  })
})

describe('RATE_LIMIT_API', () => {
  test('limits the other calls together, and not the login', async () => {
    const portico = await start({ RATE_LIMIT_API: '3/1m' })
    const { browser, response } = await logInAtScripted(portico, idp)
    expect(response.status).toBe(200)
    const call = (method: 'GET' | 'POST' | 'DELETE', path: string) =>
      browser.fetch(portico.url + path, { method, headers: csrf })
    const answers = [
      await call('GET', '/api/session'),
      await call('POST', '/api/token'),
      await call('GET', '/api/sessions'),
      await call('GET', '/api/userinfo'),
      await call('DELETE', '/api/sessions/x'),
      await call('DELETE', '/api/sessions'),
      await call('GET', '/api/session'),
      await call('POST', '/api/token'),
      await call('GET', '/api/sessions'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429, 429, 429, 429, 429])
    expect(answers[0]?.headers.get('ratelimit')).toMatch(/r=2/)
    expect(answers[0]?.headers.get('ratelimit-policy')).toMatch(/q=3.*w=60/)
    expect(statuses(await startLogins(portico, 3))).toEqual([200, 200, 200])
    expect((await call('POST', '/api/logout')).status).toBe(200) // nobody is kept from leaving
    portico.clock.advance(minutes(1))
    expect((await call('GET', '/api/session')).status).toBe(200)
  })

  test.each(['GET', 'POST'] as const)(
    'limits callbacks (%s) of who has no login in progress, apart from all else, and says when',
    async (method) => {
      const portico = await start({ RATE_LIMIT_API: '3/1m' })
      const stray = () =>
        createTestBrowser().fetch(`${portico.url}/api/callback?state=x&code=y`, {
          method,
          ...(method === 'POST' && { body: new URLSearchParams({ state: 'x', code: 'y' }) }),
        })
      expect(statuses([await stray(), await stray(), await stray()])).toEqual([400, 400, 400])
      const refused = await stray()
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await readRefusal(refused)).toBe('429 too_many_requests')
      // Of the same address: neither its calls nor its logins are touched.
      const { browser, response } = await logInAtScripted(portico, idp)
      expect(response.status).toBe(200)
      expect((await browser.fetch(`${portico.url}/api/session`, { headers: csrf })).status).toBe(200)
      portico.clock.advance(minutes(1))
      expect((await stray()).status).toBe(400)
    },
  )

  test('health and keys are never refused', async () => {
    const portico = await start({ RATE_LIMIT_API: '1/1m', RATE_LIMIT_LOGIN: '1/1m' })
    for (let turn = 0; turn < 5; turn += 1) {
      for (const path of ['/livez', '/readyz', '/.well-known/jwks.json']) {
        expect((await fetch(portico.url + path)).status).toBe(200)
      }
    }
  })

  test('off: no limit, and no word of one', async () => {
    const portico = await start({})
    const answers = await startLogins(portico, 100)
    expect(answers.every(({ status, headers }) => status === 200 && !headers.has('ratelimit'))).toBe(true)
  })
})
