import { generateKeyPairSync, verify } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeEach, expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { hours } from '../../support/clock.ts'
import { closeAfterTest, idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, getSession, readRefusal, startLogin } from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'

/** Sign in with Apple: a client secret that Portico signs, a posted answer, and habits that Apple documents. */

const [teamId, keyId] = ['A1B2C3D4E5', 'ABC123DEFG']
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const toP8 = (key: typeof privateKey) => String(key.export({ type: 'pkcs8', format: 'pem' }))
const env = {
  OIDC_CLIENT_SECRET: undefined,
  OIDC_CLIENT_KEY: toP8(privateKey),
  OIDC_CLIENT_KEY_ID: keyId,
  OIDC_APPLE_TEAM_ID: teamId,
  OIDC_RESPONSE_MODE: 'form_post',
  SESSION_IDLE_TIMEOUT: '30d',
  SESSION_ABSOLUTE_TIMEOUT: '30d',
}
const test = serverPerFile({ env })

/** What the provider was sent as client secrets. */
const secrets: string[] = []

/** Whether a secret is signed by the key of the team. */
function isSigned(secret: string): boolean {
  const [header = '', payload = '', signature = ''] = secret.split('.')
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  return verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
}

beforeEach(() => {
  secrets.length = 0
  idp.script({
    authenticates({ body, headers }) {
      const { client_id: id, client_secret: secret = '' } = body as Record<string, string>
      secrets.push(secret)
      return isSigned(secret) && id === 'portico-test' && headers.authorization === undefined
    },
    keepsRefreshToken: true,
    tokenResponse: ({ refresh_token: refreshToken, ...rest }, { isRefresh }) =>
      isRefresh ? rest : { ...rest, refresh_token: refreshToken },
  })
})

const post = async (
  fields: Record<string, string>,
  browser = createTestBrowser(),
  at: TestPortico = portico,
) => {
  const answer = idp.authorize(await startLogin(at, browser))
  if (fields.error !== undefined) answer.delete('code')
  for (const [name, value] of Object.entries(fields)) answer.set(name, value)
  const response = await browser.fetch(`${at.url}/api/callback`, { method: 'POST', body: answer })
  return { browser, response }
}

test('each call has a client secret of its own, signed by the key of the team, which lives a minute', async () => {
  expect([(await post({})).response.status, (await post({})).response.status]).toEqual([200, 200])
  expect(new Set(secrets).size).toBe(2)
  for (const secret of secrets) {
    const { iat = 0, exp = 0, ...claims } = decodeJwt(secret)
    expect(claims).toEqual({ iss: teamId, sub: 'portico-test', aud: 'https://appleid.apple.com' })
    expect([iat, exp - iat]).toEqual([Math.floor(portico.clock.now() / 1000), 60])
    expect(decodeProtectedHeader(secret)).toEqual({ alg: 'ES256', kid: keyId })
  }
  // Apple has the key already: it is published nowhere.
  const published = await fetch(`${portico.url}/.well-known/client-jwks.json`)
  expect(await published.json()).toEqual({ keys: [] })
})

test('with another key of the team there is no login, and neither key nor secret is in the log', async () => {
  const other = toP8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const wrong = closeAfterTest(
    await startPortico({ issuer: idp.issuer, env: { ...env, OIDC_CLIENT_KEY: other } }),
  )
  const { response } = await post({}, createTestBrowser(), wrong)
  expect(await readRefusal(response)).toBe('502 provider_error')
  const log = JSON.stringify(wrong.logged)
  expect(log).toContain('login_failed')
  for (const text of [...secrets, ...other.split('\n').slice(1, -2)]) expect(log).not.toContain(text)
})

test('the field "user", which is not signed, says nothing about the user', async () => {
  const { browser } = await post({ user: '{"name":{"firstName":"Mallory"},"email":"mallory@example.com"}' })
  const { user } = await getSession(portico, browser)
  expect(user).toMatchObject({ name: 'Grace Hopper', email: 'grace@example.com' })
  expect(JSON.stringify(user)).not.toContain('allory')
})

test('who cancels at Apple is answered as anywhere else', async () => {
  const { response } = await post({ error: 'user_cancelled_authorize' })
  expect(await readRefusal(response)).toBe('403 access_denied')
})

test('tokens are renewed once a day, although they are called expired after an hour', async () => {
  const { browser } = await post({})
  const askForToken = () => browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  const before = idp.calls.refresh
  for (const [passed, refreshes] of [
    [23, 0],
    [1, 1],
    [23, 1],
    [1, 2],
  ] as const) {
    portico.clock.advance(hours(passed))
    expect([(await askForToken()).status, idp.calls.refresh - before]).toEqual([200, refreshes])
  }
})

test('a logout revokes nothing: at Apple that would end the authorization of the app', async () => {
  const other = await startPortico({ issuer: idp.issuer, env })
  other.clock.advance(portico.clock.now() - other.clock.now())
  const { browser } = await post({}, createTestBrowser(), other)
  const response = await browser.fetch(`${other.url}/api/logout`, { method: 'POST', headers: csrf })
  expect(response.status).toBe(200)
  // Waits for what is under way.
  await other.close()
  expect(idp.calls.revocation).toBe(0)
})
