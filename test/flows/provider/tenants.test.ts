import { randomUUID } from 'node:crypto'
import { decodeJwt, type JWK, type JWTPayload } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { minutes } from '../../support/clock.ts'
import { toLine } from '../../support/examination.ts'
import { explainFrom, readShownId } from '../../support/explained.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  type LoginAnswer,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { startPortico, type TestPortico, testSecret, toOperatorUrl } from '../../support/portico.ts'
import {
  createProviderKey,
  type ProviderScript,
  type ScriptedProvider,
  startScriptedProvider,
} from '../../support/providers/scripted-provider.ts'

/** Microsoft Entra ID's issuer for all organizations, whose tokens have the issuer of the user's tenant. */

const [contoso, fabrikam, stranger]: [string, string, string] = [randomUUID(), randomUUID(), randomUUID()]
const operatorSecret = testSecret()
let idp: ScriptedProvider
let portico: TestPortico
let settings: Record<string, string>
beforeAll(async () => {
  idp = await startScriptedProvider({ path: '/organizations/v2.0' })
  settings = {
    BFF_SECRETS: testSecret(),
    OIDC_ALLOWED_TENANTS: `${contoso.toUpperCase()}, ${fabrikam}`,
    SESSION_IDLE_TIMEOUT: '8h',
    OPERATOR_PORT: '0',
    OPERATOR_SECRET: operatorSecret,
  }
  idp.script(like())
  portico = await startPortico({ issuer: idp.issuer, env: settings })
  idp.follow(portico.clock)
})
afterAll(async () => {
  await portico.close()
  await idp.close()
})
beforeEach(() => void portico.clock.advance(minutes(1)))

/** Another server with the same settings and clock, which knows no keys yet. */
const startOther = async (replaced: Partial<TestPortico> = {}, env: Record<string, string> = {}) =>
  closeAfterTest(
    await startPortico({
      issuer: idp.issuer,
      env: { ...settings, ...env },
      replaced: { clock: portico.clock, ...replaced },
    }),
  )

const issuerOf = (tenant: string) => `${idp.org}/${tenant}/v2.0`
const template = () => issuerOf('{tenantid}')
const withIssuer = (issuer: string | undefined) => (keys: JWK[]) => ({
  keys: keys.map((key) => ({ ...key, ...(issuer === undefined ? {} : { issuer }) })),
})

/** What Entra ID does, for a user of this tenant. */
const like = (tenant = contoso, more: ProviderScript = {}): ProviderScript => ({
  metadata: (document) => ({ ...document, issuer: template() }),
  jwks: withIssuer(template()),
  idTokenClaims: (claims) => ({ ...claims, iss: issuerOf(tenant), tid: tenant }),
  ...more,
})

async function signIn(tenant: string, claims: JWTPayload = {}, at = portico) {
  const ofTenant = like(tenant)
  idp.script({
    ...ofTenant,
    idTokenClaims: (before, occasion) => ({ ...ofTenant.idTokenClaims?.(before, occasion), ...claims }),
  })
  const { browser, response } = await logInAtScripted(at, idp)
  expect(response.status).toBe(200)
  return { browser, answer: (await response.json()) as LoginAnswer }
}

const refresh = (browser: TestBrowser, at = portico) =>
  browser.fetch(`${at.url}/api/token`, { method: 'POST', headers: csrf })
const isSignedIn = async ({ browser }: { browser: TestBrowser }) =>
  (await getSession(portico, browser)).active

const postLogoutToken = async (claims: JWTPayload) => {
  const now = Math.floor(portico.clock.now() / 1000)
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const right = { aud: 'portico-test', iat: now, exp: now + 60, jti: randomUUID(), events }
  const header = { alg: 'RS256', kid: idp.goodKey.kid, typ: 'logout+jwt' }
  const token = await idp.sign(idp.goodKey, header, { ...right, ...claims })
  const response = await createTestBrowser().fetch(`${portico.url}/api/backchannel-logout`, {
    method: 'POST',
    headers: { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined, accept: '*/*' },
    body: new URLSearchParams({ logout_token: token }),
  })
  return response.status
}

describe('users of the allowed tenants', () => {
  test('the same sub of two tenants is two users, in app tokens as well', async () => {
    const [one, other] = [await signIn(contoso), await signIn(fabrikam)]
    expect([one, other].map(({ answer }) => decodeJwt(answer.token).sub)).toEqual([
      `${contoso}:00u-grace`,
      `${fabrikam}:00u-grace`,
    ])
    const stored = await portico.store.read(one.answer.session.id)
    expect(stored?.identity).toMatchObject({ issuer: issuerOf(contoso), providerSub: '00u-grace' })
  })

  test('a session is refreshed, also after a restart, and its token is revoked at its logout', async () => {
    const { browser } = await signIn(fabrikam)
    const restarted = await startOther({ store: portico.store })
    for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(restarted.url, name, value)
    for (const at of [portico, restarted]) {
      portico.clock.advance(minutes(61))
      expect((await refresh(browser, at)).status).toBe(200)
    }
    const { revocation } = idp.calls
    await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
    await expect.poll(() => idp.calls.revocation).toBe(revocation + 1)
  })

  test('of a tenant that was taken away are signed in no longer', async () => {
    const { browser } = await signIn(fabrikam)
    const env = { ...settings, OIDC_ALLOWED_TENANTS: contoso }
    const { clock, store } = portico
    const after = await startPortico({ issuer: idp.issuer, env, replaced: { clock, store } })
    closeAfterTest(after)
    for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(after.url, name, value)
    expect(await getSession(after, browser)).toEqual({ active: false })
    expect(await readRefusal(await refresh(browser, after))).toBe('401 session_expired')
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('a logout of one tenant’s user leaves the other tenant’s alone', async () => {
    const sub = `sub-${randomUUID()}`
    const users = [await signIn(contoso, { sub, sid: 's1' }), await signIn(fabrikam, { sub, sid: 's1' })]
    const areSignedIn = () => Promise.all(users.map(isSignedIn))
    expect(await postLogoutToken({ iss: idp.issuer, sub })).toBe(400)
    expect(await postLogoutToken({ iss: issuerOf(stranger), sub })).toBe(400)
    expect(await areSignedIn()).toEqual([true, true])
    // An id of a token, too, is one of its issuer.
    const jti = randomUUID()
    expect(await postLogoutToken({ iss: issuerOf(contoso), sub: 'somebody-else', jti })).toBe(200)
    expect(await postLogoutToken({ iss: issuerOf(fabrikam), sub, jti })).toBe(200)
    expect(await areSignedIn()).toEqual([true, false])

    users.push(await signIn(fabrikam, { sub, sid: 's1' }))
    const query = new URLSearchParams({ iss: issuerOf(fabrikam), sid: 's1' })
    await createTestBrowser().fetch(`${portico.url}/api/frontchannel-logout?${query}`)
    expect(await areSignedIn()).toEqual([true, false, false])

    const other = await signIn(fabrikam, { sub })
    users.push(other)
    const subject = encodeURIComponent(`${contoso}:${sub}`)
    await fetch(`${toOperatorUrl(portico)}/operator/subjects/${subject}/sessions`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${operatorSecret}` },
    })
    expect(await areSignedIn()).toEqual([false, false, false, true])
  })
})

test('a signed answer is one of the tenant that it names, as an ID token is', async () => {
  const on = await startOther({}, { OIDC_RESPONSE_MODE: 'jwt' })
  const answerOf = async (iss: string, at = on) => {
    const browser = createTestBrowser()
    const parameters = Object.fromEntries(idp.authorize(await startLogin(at, browser)))
    const claims = { iss, aud: 'portico-test', exp: portico.clock.now() / 1000 + 60, ...parameters }
    const response = await idp.sign(idp.goodKey, { alg: 'RS256', kid: idp.goodKey.kid }, claims)
    return browser.fetch(`${at.url}/api/callback?response=${response}`)
  }
  idp.script(like())
  expect((await answerOf(issuerOf(contoso))).status).toBe(200)
  for (const iss of [issuerOf(stranger), idp.issuer, template()]) {
    expect(await readRefusal(await answerOf(iss))).toBe('400 issuer_mismatch')
  }
  idp.script(like(contoso, { jwks: withIssuer(issuerOf(fabrikam)) }))
  const other = await startOther({}, { OIDC_RESPONSE_MODE: 'jwt' })
  const refused = await readRefusal(await answerOf(issuerOf(contoso), other))
  expect(refused).toBe('400 invalid_authorization_response')
})

test('a third party may name an allowed tenant as issuer', async () => {
  idp.script(like())
  const begin = async (iss: string) =>
    createTestBrowser().fetch(`${portico.url}/api/login?${new URLSearchParams({ iss })}`)
  for (const iss of [issuerOf(fabrikam), idp.issuer]) expect((await begin(iss)).status).toBe(200)
  expect(await readRefusal(await begin(issuerOf(stranger)))).toBe('400 unknown_issuer')
})

describe('refused', () => {
  const withClaims = (claims: () => JWTPayload): (() => ProviderScript) => {
    return () => like(contoso, { idTokenClaims: (before) => ({ ...before, ...claims() }) })
  }
  test.for<[string, () => ProviderScript, RegExp]>([
    ['a tenant that is not allowed', () => like(stranger), /^its tenant is not one of OIDC_ALLOWED_TENANTS/],
    [
      'the issuer of one tenant with the id of another',
      withClaims(() => ({ iss: issuerOf(contoso), tid: fabrikam })),
      /^tid is another tenant/,
    ],
    [
      'an allowed tenant, for another client',
      withClaims(() => ({ iss: issuerOf(contoso), tid: contoso, aud: 'other' })),
      / aud$/,
    ],
    ['the template as issuer', withClaims(() => ({ iss: template() })), / iss$/],
    ['the issuer of no tenant', withClaims(() => ({ iss: idp.issuer })), / iss$/],
    ['an issuer elsewhere', withClaims(() => ({ iss: `https://evil.example/${contoso}/v2.0` })), / iss$/],
    ['an empty issuer', withClaims(() => ({ iss: '', tid: contoso })), / iss$/],
    [
      'the key of another tenant',
      () => like(contoso, { jwks: withIssuer(issuerOf(fabrikam)) }),
      /NO_MATCHING_KEY/,
    ],
    ['a key that is for no issuer', () => like(contoso, { jwks: withIssuer(undefined) }), /NO_MATCHING_KEY/],
  ])('%s', async ([_name, script, reason]) => {
    idp.script(script())
    const own = await startOther()
    const { response } = await logInAtScripted(own, idp)
    expect(await readRefusal(response)).toBe('502 invalid_id_token')
    expect(own.logged.find(({ event }) => event === 'login_failed')?.reason).toMatch(reason)
  })

  test('a user of another tenant is said so, and so are the people who run the app', async () => {
    idp.script(like(stranger))
    const { response } = await logInAtScripted(portico, idp)
    expect(await response.clone().text()).toContain('People of your organization cannot sign in')
    const story = await explainFrom(portico, await readShownId(response))
    expect(story).toContain('the user is of an organization that may not sign in')
    expect(story).toContain(stranger)
  })

  test('the key of the one tenant that it is for signs for it', async () => {
    const key = await createProviderKey('contoso-1')
    idp.publish(idp.goodKey, key)
    const toIssuer = ({ kid }: JWK) => (kid === key.kid ? issuerOf(contoso) : template())
    const jwks = (keys: JWK[]) => ({ keys: keys.map((jwk) => ({ ...jwk, issuer: toIssuer(jwk) })) })
    const own = await startOther()
    const statuses = []
    for (const tenant of [contoso, fabrikam]) {
      idp.script(like(tenant, { key, jwks }))
      statuses.push((await logInAtScripted(own, idp)).response.status)
    }
    idp.publish(idp.goodKey)
    expect(statuses).toEqual([200, 502])
  })

  test('a refresh that answers for another tenant, and its refresh token', async () => {
    const { browser, answer } = await signIn(contoso)
    const before = await portico.store.read(answer.session.id)
    portico.clock.advance(minutes(61))
    idp.script(like(fabrikam))
    expect(await readRefusal(await refresh(browser))).toBe('502 invalid_id_token')
    const failed = portico.logged.findLast(({ event }) => event === 'token_refresh_failed')
    expect(failed?.reason).toContain('iss is another one than at the login')
    expect((await portico.store.read(answer.session.id))?.tokens).toEqual(before?.tokens)
  })

  test('a discovery document that names another issuer than the template', async () => {
    idp.script(like(contoso, { metadata: (document) => ({ ...document, issuer: issuerOf(contoso) }) }))
    const own = await startOther()
    const response = await createTestBrowser().fetch(`${own.url}/api/login`)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    expect(own.logged.find(({ event }) => event === 'provider_unavailable')?.reason).toMatch(
      /^discovery: the document says issuer is /,
    )
  })
})

test('the doctor says whose users may sign in', async () => {
  idp.script(like())
  const { OIDC_ALLOWED_TENANTS: tenants, BFF_SECRETS: secrets } = settings
  const env = { PUBLIC_URL: 'https://localhost:1', BFF_SECRETS: secrets, OIDC_ALLOWED_TENANTS: tenants }
  const client = { OIDC_CLIENT_ID: 'portico-test', OIDC_CLIENT_SECRET: 'test-client-secret' }
  const findings = await examine({ ...env, ...client, OIDC_ISSUER: idp.issuer }, systemClock)
  expect(findings.map(toLine)).toContain(
    `pass discovery: ${idp.issuer}/.well-known/openid-configuration names an issuer for each tenant; may sign in: users of ${contoso}, ${fabrikam}`,
  )
})
