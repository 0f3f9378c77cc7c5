import { expect } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
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
import { startPortico, testSecret } from '../../support/portico.ts'

const secret = testSecret()
const test = serverPerFile({ env: { OPERATOR_SECRET: secret, OPERATOR_PORT: '0', LOG_SUBJECT: 'plain' } })
let operatorUrl: string
test.beforeAll(() => {
  const port = portico.logged.find(({ event }) => event === 'operator_listening')?.port
  operatorUrl = `http://127.0.0.1:${port}`
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

test('nothing else is told without the secret, and every answer is kept by no cache', async () => {
  const stranger = await fetch(`${operatorUrl}/anything`)
  expect(await readRefusal(stranger)).toBe('401 invalid_token')
  const known = await fetch(`${operatorUrl}/anything`, { headers: { authorization: `Bearer ${secret}` } })
  expect(known.headers.get('cache-control')).toBe('no-store')
  expect(await readRefusal(known)).toBe('404 not_found')
  expect(await readRefusal(await call('x', undefined, 'GET'))).toBe('405 method_not_allowed')
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
  const port = both.logged.find(({ event }) => event === 'operator_listening')?.port
  const end = async (subject: string) => {
    const url = `http://127.0.0.1:${port}/operator/subjects/${encodeURIComponent(subject)}/sessions`
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
  expect(await (await end('two:00u-grace')).json()).toEqual({ ended: 1 })
  expect((await getSession(both, first)).active).toBe(true)
  expect((await getSession(both, second)).active).toBe(false)
  await both.close()
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
  const port = other.logged.find(({ event }) => event === 'operator_listening')?.port
  const url = `http://127.0.0.1:${port}/operator/x`
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
  const port = other.logged.find(({ event }) => event === 'operator_listening')?.port
  const headers = { 'x-forwarded-for': '203.0.113.9' }
  await fetch(`http://127.0.0.1:${port}/operator/subjects/x/sessions`, { method: 'DELETE', headers })
  expect(other.logged.find(({ event }) => event === 'operator_refused')?.address).toBe('127.0.0.1')
})
