import { createHash } from 'node:crypto'
import { expect, vi } from 'vitest'
import { AppError } from '../../../src/errors.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import {
  closeAfterTest,
  idp,
  portico,
  serverPerFile,
  signIn,
  writeProvidersFile,
} from '../../support/fixtures.ts'
import { getSession, readRefusal, startLogin } from '../../support/login.ts'
import { sendRaw } from '../../support/network/raw-http.ts'
import { startPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'

const secret = testSecret()
const test = serverPerFile({ env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0', LOG_SUBJECT: 'plain' } })
let operatorUrl: string
test.beforeAll(() => {
  operatorUrl = toOperatorUrl(portico)
})

const call = (sub: string, authorization: string | undefined = `Bearer ${secret}`, method = 'DELETE') =>
  fetch(`${operatorUrl}/operator/subjects/${encodeURIComponent(sub)}/sessions`, {
    method,
    headers: authorization === '' ? {} : { authorization },
  })
const isSignedIn = async (browser: TestBrowser) => (await getSession(portico, browser)).active

test('ends all sessions of a subject, nobody else’s (R50)', async () => {
  const [phone, laptop, other] = [
    await signIn({ sub: 'auth0|1 2' }),
    await signIn({ sub: 'auth0|1 2' }),
    await signIn({ sub: 'other' }),
  ]
  const response = await call('auth0|1 2')
  expect([response.status, await response.json()]).toEqual([200, { ended: 2 }])
  expect([await isSignedIn(phone), await isSignedIn(laptop), await isSignedIn(other)]).toEqual([
    false,
    false,
    true,
  ])
  expect(portico.logged.findLast(({ event }) => event === 'sessions_ended_by_operator')).toMatchObject({
    sub: 'auth0|1 2',
    sessions: [expect.any(String), expect.any(String)],
  })
  expect(await (await call('auth0|1 2')).json()).toEqual({ ended: 0 })
})

test.each([
  ['without the secret', ''],
  ['with another secret', `Bearer ${testSecret()}`],
  ['with half the secret', `Bearer ${secret.slice(0, 20)}`],
  ['with the secret as a password', `Basic ${Buffer.from(`x:${secret}`).toString('base64')}`],
])('%s: 401, and nobody is signed out', async (_name, authorization) => {
  const browser = await signIn({ sub: 'victim' })
  const response = await call('victim', authorization)
  expect(response.headers.get('www-authenticate')).toBe('Bearer')
  expect(await readRefusal(response)).toBe('401 invalid_token')
  expect(await isSignedIn(browser)).toBe(true)
  expect(portico.logged.map(({ event }) => event)).toContain('operator_refused')
})

test.each([
  ['GET', 'status'],
  ['GET', 'subjects/x/sessions'],
  ['DELETE', 'sessions'],
  ['DELETE', 'sessions/x'],
  ['GET', 'keys'],
  ['POST', 'keys/rotate'],
  ['POST', 'drain'],
  ['DELETE', 'drain'],
  ['GET', 'events'],
])('%s /operator/%s without the secret: 401', async (method, path) => {
  expect(await readRefusal(await fetch(`${operatorUrl}/operator/${path}`, { method }))).toBe(
    '401 invalid_token',
  )
})

test.each(['livez', 'readyz', 'metrics'])(
  'GET /%s needs no secret: probes and Prometheus have none',
  async (path) => {
    expect((await fetch(`${operatorUrl}/${path}`)).status).toBe(200)
    const malformed = `GET /${path} HTTP/1.1\r\nConnection: close\r\n\r\n`
    expect(await sendRaw(operatorUrl, malformed)).toMatch(/^HTTP\/1\.1 400 /)
  },
)

test('HEAD /operator/keys without the secret: 401', async () => {
  expect((await fetch(`${operatorUrl}/operator/keys`, { method: 'HEAD' })).status).toBe(401)
})

test('nothing else is told without the secret, and every answer is kept by no cache', async () => {
  const stranger = await fetch(`${operatorUrl}/anything`)
  expect(await readRefusal(stranger)).toBe('401 invalid_token')
  const known = await fetch(`${operatorUrl}/anything`, { headers: { authorization: `Bearer ${secret}` } })
  expect(known.headers.get('cache-control')).toBe('no-store')
  expect(await readRefusal(known)).toBe('404 not_found')
  expect(await readRefusal(await call('x', undefined, 'POST'))).toBe('405 method_not_allowed')
})

test.each([
  ['in lower case', `bearer ${secret}`, 200],
  ['behind something', `X Bearer ${secret}`, 401],
  ['with more behind it', `Bearer ${secret} x`, 401],
])('the secret %s: %d', async (_name, authorization, status) => {
  expect((await call('nobody', authorization)).status).toBe(status)
})

test('the answer that counts is kept by no cache, and says nothing of what runs here', async () => {
  const { headers } = await call('nobody')
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('x-powered-by')).toBeNull()
  expect(headers.get('x-request-id')).not.toBeNull()
})

test('several providers: a subject is named by its provider, and means its people there alone', async () => {
  const client = { OIDC_ISSUER: idp.issuer, OIDC_CLIENT_ID: 'portico-test' }
  const one = { ...client, OIDC_CLIENT_SECRET: 'test-client-secret' }
  const path = writeProvidersFile({ one, two: one })
  const both = await startPortico({
    env: { PROVIDERS_FILE: path, OPERATOR_SECRET: secret, OPERATOR_PORT: '0' },
    replaced: { clock: portico.clock },
  })
  const operatorUrlOfBoth = toOperatorUrl(both)
  const end = async (subject: string) => {
    const url = `${operatorUrlOfBoth}/operator/subjects/${encodeURIComponent(subject)}/sessions`
    return fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${secret}` } })
  }
  const signInBy = async (name: string) => {
    const browser = createTestBrowser()
    const parameters = idp.authorize(await startLogin(both, browser, `?provider=${name}`))
    expect((await browser.fetch(`${both.url}/api/callback/${name}?${parameters}`)).status).toBe(200)
    return browser
  }
  const [first, second] = [await signInBy('one'), await signInBy('two')]
  for (const subject of ['00u-grace', 'three:00u-grace', 'two:']) {
    expect([subject, await readRefusal(await end(subject))]).toEqual([subject, '404 not_found'])
  }
  const listed = await fetch(`${operatorUrlOfBoth}/operator/subjects/two%3A00u-grace/sessions`, {
    headers: { authorization: `Bearer ${secret}` },
  })
  const { sessions } = (await listed.json()) as { sessions: { provider: string }[] }
  expect(sessions.map(({ provider }) => provider)).toEqual(['two'])
  expect(await (await end('two:00u-grace')).json()).toEqual({ ended: 1 })
  expect((await getSession(both, first)).active).toBe(true)
  expect((await getSession(both, second)).active).toBe(false)
  await both.close()
})

const ask = (method: string, path: string) =>
  fetch(`${operatorUrl}/operator/${path}`, { method, headers: { authorization: `Bearer ${secret}` } })

test('lists the sessions of a subject, and ends one of them', async () => {
  const [phone, laptop] = [await signIn({ sub: 'listed' }), await signIn({ sub: 'listed' })]
  const { sessions } = (await (await ask('GET', 'subjects/listed/sessions')).json()) as {
    sessions: { id: string }[]
  }
  const [first, second] = sessions
  expect(sessions).toHaveLength(2)
  expect(first).toEqual({
    id: expect.any(String),
    provider: 'default',
    device: expect.any(String),
    address: null,
    created_at: expect.any(String),
    last_seen_at: expect.any(String),
    idle_expires_in: expect.any(Number),
    absolute_expires_in: expect.any(Number),
  })
  expect(await (await ask('DELETE', `sessions/${first?.id}`)).json()).toEqual({ ended: 1 })
  expect([await isSignedIn(phone), await isSignedIn(laptop)]).toEqual([false, true])
  expect(portico.logged.findLast(({ event }) => event === 'sessions_ended_by_operator')).toMatchObject({
    sub: 'listed',
    sessions: [first?.id],
  })
  expect(await readRefusal(await ask('DELETE', `sessions/${first?.id}`))).toBe('404 not_found')
  expect(await (await ask('GET', 'subjects/listed/sessions')).json()).toMatchObject({
    sessions: [{ id: second?.id }],
  })
})

test('ends the sessions of everyone, and logins in progress; who begins afterwards signs in', async () => {
  const [ada, grace] = [await signIn({ sub: 'ada' }), await signIn({ sub: 'grace' })]
  const late = createTestBrowser()
  const parameters = idp.authorize(await startLogin(portico, late))
  portico.clock.advance(1)
  const { ended } = (await (await ask('DELETE', 'sessions')).json()) as { ended: number }
  expect(ended).toBeGreaterThanOrEqual(2)
  expect([await isSignedIn(ada), await isSignedIn(grace)]).toEqual([false, false])
  expect(await readRefusal(await late.fetch(`${portico.url}/api/callback?${parameters}`))).toBe(
    '401 signed_out',
  )
  expect(await isSignedIn(late)).toBe(false)
  expect(await isSignedIn(await signIn({ sub: 'ada' }))).toBe(true)
  expect(portico.logged.findLast(({ event }) => event === 'operator_acted')).toMatchObject({
    level: 'info',
    act: 'end_all_sessions',
    ended,
  })
  const calls = () => idp.calls.revocation
  const before = calls()
  portico.clock.advance(seconds(20))
  await portico.components.tokenRevocation.revokeDue()
  expect(calls() - before).toBeGreaterThanOrEqual(2)
})

test('an empty id does not mean everyone', async () => {
  const browser = await signIn({ sub: 'ada' })
  expect(await readRefusal(await ask('DELETE', 'sessions/'))).toBe('404 not_found')
  expect(await isSignedIn(browser)).toBe(true)
})

test('a user in an address is not in the log, however the address is written', async () => {
  for (const path of [
    'subjects/secret/user/sessions',
    'subjects//secret-user/sessions',
    'subjects/secret-user/x',
  ]) {
    await ask('GET', path)
  }
  await ask('GET', '/subjects/secret-user/sessions')
  const paths = portico.logged.filter(({ event }) => event === 'request_completed').map(({ path }) => path)
  expect(paths).toContain('/operator/subjects/:sub/sessions')
  expect(paths.join()).not.toMatch(/secret|user/)
})

test('says how the server is: version, readiness, counts, breakers, keys', async () => {
  await signIn({ sub: 'counted' })
  expect(await (await ask('GET', 'status')).json()).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    worker: null,
    started_at: expect.any(String),
    event_loop_delay_ms: { p99: expect.any(Number), max: expect.any(Number) },
    ready: true,
    draining: false,
    parts: { server: 'ok', store: 'ok', signing_keys: 'ok', provider: 'ok' },
    sessions: expect.any(Number),
    pending_revocations: expect.any(Number),
    open_streams: 0,
    providers: [{ name: 'default', discovered: true, breakers: { refresh: 'closed', revocation: 'closed' } }],
    keys: [{ state: 'signing' }, { state: 'next' }],
  })
})

test('the status has the numbers of the store, which breakers are open, and whether it drains', async () => {
  const own = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' },
      replaced: {
        store: {
          ...portico.store,
          readVersioned: async () => undefined,
          countPendingRevocations: async () => 4,
          async *listHandles() {
            yield ['a', 'b']
            yield ['c']
          },
        },
      },
    }),
  )
  vi.spyOn(own.components.providers.first.breakers.refresh, 'isOpen').mockReturnValue(true)
  await own.components.lifecycle.setDraining(true)
  const response = await fetch(`http://127.0.0.1:${own.operatorPort}/operator/status`, {
    headers: { authorization: `Bearer ${secret}` },
  })
  expect(await response.json()).toMatchObject({
    ...{ ready: false, draining: true, sessions: 3, pending_revocations: 4 },
    providers: [{ breakers: { refresh: 'open', userinfo: 'closed' } }],
  })
})

test('the status counts sessions seldom: to count them reads every one', async () => {
  await ask('GET', 'status')
  const list = vi.spyOn(portico.store, 'listHandles')
  for (let count = 0; count < 3; count += 1) expect((await ask('GET', 'status')).status).toBe(200)
  expect(list).not.toHaveBeenCalled()
  list.mockRestore()
})

test('a store that does not answer: the status says so, and what it does not know', async () => {
  const { store } = portico
  const down = () => Promise.reject(new AppError('store_unavailable', 'down', { reason: 'ECONNREFUSED' }))
  const without = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' },
      replaced: {
        store: {
          ...store,
          ping: down,
          countPendingRevocations: down,
          readVersioned: down,
          async *listHandles() {
            yield await down()
          },
        },
      },
    }),
  )
  const headers = { authorization: `Bearer ${secret}` }
  const response = await fetch(`${toOperatorUrl(without)}/operator/status`, { headers })
  expect([response.status, await response.json()]).toMatchObject([
    200,
    { ready: false, parts: { store: 'ECONNREFUSED' }, sessions: null, pending_revocations: null, keys: null },
  ])
})

test('rotates the keys once every cache has the next one; tokens of before and after verify (F64)', async () => {
  const own = closeAfterTest(
    await startPortico({ issuer: idp.issuer, env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' } }),
  )
  const rotate = () =>
    fetch(`${toOperatorUrl(own)}/operator/keys/rotate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
    })
  const early = await rotate()
  expect(early.headers.get('retry-after')).toBe('300')
  expect(await readRefusal(early)).toBe('409 conflict')
  own.clock.advance(minutes(5))
  const { keys } = (await (await rotate()).json()) as { keys: { kid: string; signs_from: string }[] }
  expect(keys).toMatchObject([{ state: 'signing' }, { state: 'next' }])
  const signsFrom = Date.parse(keys[1]?.signs_from ?? '')
  expect(signsFrom).toBe(own.clock.now() + minutes(2))
  expect(own.logged.findLast(({ event }) => event === 'operator_acted')).toMatchObject({
    act: 'rotate_keys',
    key: keys[1]?.kid,
    signs_from: keys[1]?.signs_from,
  })
  own.clock.advance(minutes(2))
  const published = (await (await fetch(`${own.url}/.well-known/jwks.json`)).json()) as {
    keys: { kid: string }[]
  }
  expect((await own.components.keyRing.signingKey()).kid).toBe(keys[1]?.kid)
  expect(published.keys.map(({ kid }) => kid)).toEqual(expect.arrayContaining(keys.map(({ kid }) => kid)))
})

test('drains, so that balancers send no more requests, and takes it back', async () => {
  const readiness = async () => {
    const response = await fetch(`${portico.url}/readyz`)
    return [response.status, ((await response.json()) as { parts: { server: string } }).parts.server]
  }
  expect(await (await ask('POST', 'drain')).json()).toEqual({ draining: true })
  expect(await readiness()).toEqual([503, 'draining'])
  expect((await fetch(`${portico.url}/api/providers`)).headers.get('connection')).toBe('close')
  expect(await (await ask('DELETE', 'drain')).json()).toEqual({ draining: false })
  expect(await readiness()).toEqual([200, 'ok'])
  const acts = portico.logged.filter(({ event }) => event === 'operator_acted').map(({ act }) => act)
  expect(acts.slice(-2)).toEqual(['drain', 'stop_draining'])
})

test('a process that ends cannot be made ready again', async () => {
  const ending = closeAfterTest(
    await startPortico({ issuer: idp.issuer, env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' } }),
  )
  ending.components.lifecycle.end()
  const headers = { authorization: `Bearer ${secret}` }
  const response = await fetch(`${toOperatorUrl(ending)}/operator/drain`, { method: 'DELETE', headers })
  expect(await readRefusal(response)).toBe('409 conflict')
  expect((await fetch(`${ending.url}/readyz`)).status).toBe(503)
})

test('the page has no data, and its policy allows its own script and style alone', async () => {
  const response = await fetch(`${operatorUrl}/operator/`)
  const policy = response.headers.get('content-security-policy') ?? ''
  const html = await response.text()
  const hashes = [...html.matchAll(/<(script|style)>(.*?)<\/\1>/gs)].map(
    ([, , text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  )
  expect(hashes).toHaveLength(2)
  for (const hash of hashes) expect(policy).toContain(hash)
  expect(policy).toMatch(/default-src 'none'.*connect-src 'self'.*frame-ancestors 'none'/)
  expect(policy).not.toMatch(/unsafe|\*/)
  expect(response.headers.get('access-control-allow-origin')).toBeNull()
  expect(response.headers.get('set-cookie')).toBeNull()
  expect(response.headers.get('x-frame-options')).toBe('DENY')
})

test('browsers cannot reach it: the public port has no such address', async () => {
  const response = await createTestBrowser().fetch(`${portico.url}/operator/subjects/victim/sessions`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${secret}` },
  })
  expect(await readRefusal(response)).toBe('404 not_found')
})

test('the secret is nowhere in the log', async () => {
  await call('victim')
  expect(JSON.stringify(portico.logged)).not.toContain(secret)
})

test('without OPERATOR_SECRET there is no such port', async () => {
  const plain = await startPortico({ issuer: idp.issuer })
  expect(plain.logged.map(({ event }) => event)).not.toContain('operator_listening')
  await plain.close()
})

test('the port is closed when the server stops', async () => {
  const other = await startPortico({
    issuer: idp.issuer,
    env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0' },
  })
  const url = `${toOperatorUrl(other)}/operator/x`
  expect((await fetch(url)).status).toBe(401)
  await other.close()
  await expect(fetch(url)).rejects.toThrow()
})

test('without the secret, nothing of a request is judged, not even whether it is malformed', async () => {
  const { port } = new URL(operatorUrl)
  const answer = await sendRaw(`http://127.0.0.1:${port}`, 'GET /x HTTP/1.1\r\nConnection: close\r\n\r\n')
  expect(answer).toMatch(/^HTTP\/1\.1 401 /)
})

test('its log names who called, whatever X-Forwarded-For says', async () => {
  const other = closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0', TRUST_PROXY: '127.0.0.1' },
    }),
  )
  const headers = { 'x-forwarded-for': '203.0.113.9' }
  await fetch(`${toOperatorUrl(other)}/operator/subjects/x/sessions`, { method: 'DELETE', headers })
  expect(other.logged.find(({ event }) => event === 'operator_refused')?.address).toBe('127.0.0.1')
})
