import { randomUUID } from 'node:crypto'
import type { JWTPayload } from 'jose'
import { afterAll, expect, test } from 'vitest'
import { createTestBrowser, type TestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import {
  csrf,
  getSession,
  type LoginAnswer,
  logInAtScripted,
  readRefusal,
  startLogin,
} from '../../support/login.ts'
import { goToProvider, readLogoutUrl, visitPortico } from '../../support/logout.ts'
import { publicUrl, startPortico, type TestPortico } from '../../support/portico.ts'
import { loadProfiles, startProfile } from '../../support/providers/profiled-provider.ts'
import type { ProviderProfile } from '../../support/providers/profiles/profile.ts'
import { toProfileSettings } from '../../support/providers/provider-pages.ts'
import type { ScriptedProvider } from '../../support/providers/scripted-provider.ts'

/**
 * Each profile is a provider with the habits that its vendor documents, and each runs with the settings of its
 * page in docs/providers/.
 */

const profiles = await loadProfiles()
const rows: Record<string, string>[] = []
afterAll(() => print(rows))

function print(rows: Record<string, string>[]): void {
  const titles = Object.keys(rows[0] ?? {})
  const widths = titles.map((title) =>
    Math.max(title.length, ...rows.map((row) => (row[title] ?? '').length)),
  )
  const toLine = (cells: string[]) => cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')
  const lines = [titles, ...rows.map((row) => Object.values(row))].map(toLine)
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** A server for the page's settings, with sessions that outlive every access token. */
async function startRow(profile: ProviderProfile) {
  const { idp, script, env } = await startProfile(profile)
  closeAfterTest(idp)
  const portico = closeAfterTest(
    await startPortico({
      env: {
        SESSION_IDLE_TIMEOUT: '30d',
        SESSION_ABSOLUTE_TIMEOUT: '90d',
        APP_TOKEN_CLAIMS: 'name,email,email_verified,preferred_username,groups,roles',
        ...env,
      },
    }),
  )
  idp.follow(portico.clock)
  /** The sessions of the provider, by the browser. */
  const sids = new Map<TestBrowser, string>()
  /** Goes on to when the access token has expired. */
  const passLifetime = () => portico.clock.advance(seconds(script.accessTokenLifetime ?? 3600))
  /** The browser comes back with a form, not with a query. */
  const isPosted = env.OIDC_RESPONSE_MODE === 'form_post'
  return { profile, idp, script, portico, sids, isPosted, passLifetime }
}
type Row = Awaited<ReturnType<typeof startRow>>

async function signIn({
  portico,
  idp,
  sids,
  isPosted,
}: Row): Promise<{ browser: TestBrowser; answer: LoginAnswer }> {
  const browser = createTestBrowser()
  const sid = randomUUID()
  const parameters = idp.authorize(await startLogin(portico, browser), undefined, sid)
  const url = `${portico.url}/api/callback`
  const response = isPosted
    ? await browser.fetch(url, { method: 'POST', body: parameters })
    : await browser.fetch(`${url}?${parameters}`)
  expect([response.status, await response.clone().text()]).toEqual([200, expect.any(String)])
  sids.set(browser, sid)
  return { browser, answer: (await response.json()) as LoginAnswer }
}

const askToken = ({ portico }: Row, browser: TestBrowser) =>
  browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
const isSignedIn = async ({ portico }: Row, browser: TestBrowser) =>
  (await getSession(portico, browser)).active
const readTokens = async ({ portico }: Row, { session }: LoginAnswer) =>
  (await portico.store.read(session.id))?.tokens

/** Where access tokens are verified, one for another audience is no login. */
async function checkAccessTokens({ profile, idp, script, portico }: Row): Promise<void> {
  if (!profile.expected.verifiesAccessTokens) return
  const claims = (before: JWTPayload) => script.accessTokenClaims?.(before) ?? before
  idp.script({
    ...script,
    accessTokenClaims: (before) => ({ ...claims(before), aud: 'https://other.example' }),
  })
  const { response } = await logInAtScripted(portico, idp)
  expect(await readRefusal(response)).toBe('502 invalid_access_token')
  idp.script(script)
}

/** What the user is, from the login on, and after each refresh. */
async function checkUser(row: Row, browser: TestBrowser): Promise<void> {
  const { user } = await getSession(row.portico, browser)
  for (const [name, value] of Object.entries(row.profile.expected.user))
    expect([name, user[name]]).toEqual([name, value])
}

async function checkRefresh(row: Row, browser: TestBrowser, answer: LoginAnswer): Promise<void> {
  const { idp, profile } = row
  for (let round = 1; round <= 2; round += 1) {
    const before = await readTokens(row, answer)
    row.passLifetime()
    expect((await askToken(row, browser)).status).toBe(200)
    const after = await readTokens(row, answer)
    if (profile.expected.refresh === 'none') {
      expect([idp.calls.refresh, after?.refreshToken]).toEqual([0, undefined])
      continue
    }
    expect(idp.calls.refresh).toBe(round)
    expect(after?.accessToken).not.toBe(before?.accessToken)
    expect(after?.refreshToken === before?.refreshToken).toBe(profile.expected.refresh === 'kept')
    await checkUser(row, browser)
  }
}

async function checkUserinfo(row: Row, browser: TestBrowser): Promise<void> {
  const response = await browser.fetch(`${row.portico.url}/api/userinfo`, { headers: csrf })
  if (!row.profile.expected.userinfo) return expect(response.status).toBe(404)
  expect(response.status).toBe(200)
  // A plain provider names the user as it likes.
  expect(await response.json()).toHaveProperty(toProfileSettings(row.profile).OAUTH_USER_ID_FIELD ?? 'sub')
}

/** Whom the provider calls: no browser says anything of itself. */
const machine = { 'sec-fetch-mode': undefined, 'sec-fetch-site': undefined, accept: '*/*' }

/** The calls of a provider that end a session at Portico. */
const endings: Record<
  ProviderProfile['expected']['endedBy'][number],
  (row: Row, sid: string) => Promise<Response>
> = {
  async 'back channel'({ portico, idp }, sid) {
    const body = new URLSearchParams({ logout_token: await idp.mintLogoutToken(sid) })
    const url = `${portico.url}/api/backchannel-logout`
    return createTestBrowser().fetch(url, { method: 'POST', headers: machine, body })
  },
  'front channel'({ portico, idp }, sid) {
    return requestLogout(portico, { iss: idp.issuer, sid })
  },
  'front channel, sid alone'({ portico }, sid) {
    return requestLogout(portico, { sid })
  },
  async 'universal logout'({ portico, idp }) {
    const now = Math.floor(portico.clock.now() / 1000)
    const url = `${portico.url}/api/universal-logout`
    const aud = `${publicUrl}/api/universal-logout`
    const token = await signByOrg(idp, { sub: 'portico-test', aud, iat: now, exp: now + 300 })
    return createTestBrowser().fetch(url, {
      method: 'POST',
      headers: { ...machine, 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ sub_id: { format: 'iss_sub', iss: idp.issuer, sub: '00u-grace' } }),
    })
  },
}

/** The provider's page of its logout has Portico in a frame. */
const requestLogout = (portico: TestPortico, parameters: Record<string, string>) =>
  createTestBrowser().visit(`${portico.url}/api/frontchannel-logout?${new URLSearchParams(parameters)}`, {
    headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'iframe' },
  })

/** Signs with the key of the Okta org, which is that of the provider if it is the org's server. */
const signByOrg = (idp: ScriptedProvider, claims: Record<string, unknown>) => {
  const key = idp.issuer === idp.org ? idp.goodKey : idp.orgKey
  const header = { alg: 'RS256', kid: key.kid, typ: 'global-token-revocation+jwt' }
  return idp.sign(key, header, { iss: idp.org, jti: randomUUID(), ...claims })
}

/** The provider ends a session, or never does. */
async function checkEndings(row: Row): Promise<void> {
  for (const way of row.profile.expected.endedBy) {
    const { browser } = await signIn(row)
    const response = await endings[way](row, row.sids.get(browser) ?? '')
    expect([way, response.status < 300]).toEqual([way, true])
    expect([way, await isSignedIn(row, browser)]).toEqual([way, false])
  }
}

async function checkLogout(row: Row, browser: TestBrowser): Promise<void> {
  const { portico, idp, profile } = row
  const { expected } = profile
  const revoked = idp.calls.revocation
  const living = idp.livingRefreshTokens()
  const answer = await browser.fetch(`${portico.url}/api/logout`, { method: 'POST', headers: csrf })
  const logoutUrl = await readLogoutUrl(answer)
  expect(await isSignedIn(row, browser)).toBe(false)
  expect(logoutUrl === null).toBe(expected.logout === 'none')
  if (logoutUrl !== null) {
    const address = new URL(await goToProvider(portico, browser, logoutUrl))
    expect([...address.searchParams.keys()].sort()).toEqual(expected.logoutParameters)
    const atProvider = await browser.visit(address.href)
    const ended = await visitPortico(portico, browser, atProvider.headers.get('location') ?? '')
    expect([ended.status, ended.headers.get('location')]).toEqual([303, '/'])
  }
  if (!expected.revocation) return
  await expect.poll(() => idp.calls.revocation).toBe(revoked + 1)
  expect(idp.livingRefreshTokens()).toBe(living - 1)
}

/** A user who may no longer sign in: the provider refuses the refresh, and the session ends. */
async function checkDisabledUser(row: Row): Promise<void> {
  const { browser } = await signIn(row)
  row.idp.revokeAll()
  row.passLifetime()
  expect((await askToken(row, browser)).status).toBe(401)
  expect(await isSignedIn(row, browser)).toBe(false)
}

test.for(profiles)('$name: login, refresh, userinfo, logout, back channel', async (profile) => {
  const { name, expected } = profile
  const row = await startRow(profile)
  const { browser, answer } = await signIn(row)
  await checkUser(row, browser)
  expect((await readTokens(row, answer))?.dpopThumbprint !== undefined).toBe(expected.boundTokens === true)
  const metadata = Object(row.script.metadata?.({}) ?? {})
  expect(row.idp.calls.pushed > 0).toBe('pushed_authorization_request_endpoint' in metadata)
  await checkUserinfo(row, browser)
  await checkRefresh(row, browser, answer)
  await checkEndings(row)
  const { browser: leaving } = await signIn(row)
  await checkLogout(row, leaving)
  if (expected.refresh !== 'none') await checkDisabledUser(row)
  // What a provider lacks, or what its page keeps Portico from, is never tried.
  if (!expected.revocation) expect(row.idp.calls.revocation).toBe(0)
  if (!expected.userinfo) expect(row.idp.calls.userinfo).toBe(0)
  const warnings = row.portico.logged.filter(({ level }) => level === 'warn' || level === 'error')
  const caused = new Set(warnings.map(({ event }) => event))
  caused.delete('store_in_memory')
  expect([...caused]).toEqual([])
  await checkAccessTokens(row)
  rows.push({
    provider: name,
    login: 'yes',
    refresh: expected.refresh,
    userinfo: expected.userinfo ? 'yes' : 'no',
    revocation: expected.revocation ? 'yes' : 'no',
    logout: expected.logout,
    'ended by the provider': expected.endedBy.join(', ') || 'no',
  })
})
