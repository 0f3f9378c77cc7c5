import { decodeJwt } from 'jose'
import { describe, expect } from 'vitest'
import { maxTokenClaims } from '../../../src/app-token/token-claims.ts'
import { maxSessionClaims } from '../../../src/provider/identity/user-claims.ts'
import type { TestBrowser } from '../../support/browser.ts'
import { hours, minutes } from '../../support/clock.ts'
import { closeAfterTest, idp, providerPerFile } from '../../support/fixtures.ts'
import { enterAs } from '../../support/group-api.ts'
import { csrf, getSession, type LoginAnswer, logInAtScripted } from '../../support/login.ts'
import { startPortico, type TestPortico } from '../../support/portico.ts'

const test = providerPerFile()
let portico: TestPortico
async function start(env: Record<string, string> = {}): Promise<void> {
  portico = closeAfterTest(
    await startPortico({ issuer: idp.issuer, env: { SESSION_IDLE_TIMEOUT: '3h', ...env } }),
  )
  idp.follow(portico.clock)
}

/** Names of 40 letters. */
const teams = (count: number) => Array.from({ length: count }, (_, index) => `team-${index}-`.padEnd(40, 'x'))

const tell = (groups: unknown) => idp.script({ idTokenClaims: (claims) => ({ ...claims, groups }) })

async function logIn() {
  const { browser, parameters, response } = await logInAtScripted(portico, idp)
  expect(response.status).toBe(200)
  return { browser, parameters, answer: (await response.json()) as LoginAnswer }
}

async function getToken(browser: TestBrowser): Promise<string> {
  const response = await browser.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
  expect(response.status).toBe(200)
  return ((await response.json()) as LoginAnswer).token
}

const linesOf = (wanted: string) => portico.logged.filter(({ event }) => event === wanted)

describe('groups that do not fit into the app token', () => {
  test.each([
    ['150 of 40 letters', teams(150)],
    ['2,000 of 40 letters', teams(2_000)],
    ['100 whose letters take three bytes each', Array.from({ length: 100 }, () => '管'.repeat(15))],
    ['one long text', 'x'.repeat(maxTokenClaims)],
  ])('%s: left out, and named where one looks', async (_what, groups) => {
    await start()
    tell(groups)
    const { browser, answer } = await logIn()
    expect(answer.user.groups).toEqual(groups)
    for (const token of [answer.token, await getToken(browser)]) {
      expect(decodeJwt(token)).toMatchObject({ name: 'Grace Hopper', email: 'grace@example.com' })
      expect(decodeJwt(token)).not.toHaveProperty('groups')
      expect(await enterAs(portico, token, ...[groups].flat())).toBe(403)
    }
    expect(await getSession(portico, browser)).toMatchObject({
      user: { groups },
      app_token: { left_out: ['groups'] },
    })
  })

  test('the log says it once, at the login, and names the session, the claims and the limit', async () => {
    await start()
    const { refresh } = idp.calls
    tell(teams(150))
    const { browser, parameters, answer } = await logIn()
    const repeated = await browser.fetch(`${portico.url}/api/callback?${parameters}`)
    expect(repeated.status).toBe(200)
    for (const wait of [0, minutes(2), hours(2)]) {
      portico.clock.advance(wait)
      await getToken(browser)
      await getSession(portico, browser)
    }
    expect(idp.calls.refresh).toBe(refresh + 1)
    expect(linesOf('user_claims_dropped')).toEqual([
      expect.objectContaining({
        level: 'warn',
        session: answer.session.id,
        names: ['groups'],
        limit: maxTokenClaims,
        request_id: expect.any(String),
      }),
    ])
    expect(linesOf('session_claims_dropped')).toEqual([])
  })

  test('nothing is said where all fit', async () => {
    await start()
    tell(teams(50))
    const { browser, answer } = await logIn()
    expect(decodeJwt(answer.token).groups).toEqual(teams(50))
    expect((await getSession(portico, browser)).app_token).toEqual({ left_out: [] })
    expect(linesOf('user_claims_dropped')).toEqual([])
  })

  test('what is left out follows the groups at a refresh, both ways', async () => {
    await start()
    tell(teams(50))
    const { browser } = await logIn()
    for (const [count, leftOut] of [
      [150, ['groups']],
      [60, []],
      [2_000, ['groups']],
    ] as const) {
      portico.clock.advance(hours(2))
      tell(teams(count))
      const { groups } = decodeJwt(await getToken(browser))
      expect(groups).toEqual(leftOut.length === 0 ? teams(count) : undefined)
      expect(await getSession(portico, browser)).toMatchObject({
        user: { groups: teams(count) },
        app_token: { left_out: leftOut },
      })
    }
  })

  test.each<[string, string[] | undefined]>([
    ['*', undefined],
    ['team-*', undefined],
    ['portal-*,team-1-*', ['team-1-'.padEnd(40, 'x'), 'portal-admins']],
    ['nothing', []],
  ])('fit again where APP_TOKEN_GROUPS allows few of them, and only then: %s', async (setting, kept) => {
    await start({ APP_TOKEN_GROUPS: setting })
    const groups = [...teams(150), 'portal-admins']
    tell(groups)
    const { browser, answer } = await logIn()
    expect(decodeJwt(answer.token).groups).toEqual(kept)
    const isMember = kept?.includes('portal-admins') ?? false
    expect(await enterAs(portico, answer.token, 'portal-admins')).toBe(isMember ? 200 : 403)
    expect(await getSession(portico, browser)).toMatchObject({
      user: { groups },
      app_token: { left_out: kept === undefined ? ['groups'] : [] },
    })
  })
})

test.each(['ES256', 'RS256'])('a full app token by %s stays under 8 kB in its header', async (alg) => {
  const scopes = Array.from({ length: 30 }, (_, index) => `orders:${index}`)
  await start({ APP_TOKEN_ALG: alg, OIDC_SCOPES: ['openid', ...scopes].join(' ') })
  for (const over of [0, 1]) {
    let filler = ''
    idp.script({
      idTokenClaims: (claims) => {
        const { name, email, email_verified, preferred_username } = claims
        const empty = JSON.stringify({ name, email, email_verified, preferred_username, groups: [''] })
        filler = 'x'.repeat(maxTokenClaims - empty.length + over)
        return { ...claims, groups: [filler] }
      },
    })
    const { answer } = await logIn()
    expect(decodeJwt(answer.token).groups).toEqual(over === 0 ? [filler] : undefined)
    expect(`Authorization: Bearer ${answer.token}`.length).toBeLessThan(8_000)
  }
})

describe('what a session keeps has an end, too', () => {
  test.each([
    ['groups', Array.from({ length: 8_000 }, (_, index) => `team-${index}`.padEnd(40, 'x'))],
    ['name', 'x'.repeat(maxSessionClaims)],
  ])('%s of more than 256 kB: the login goes on without, and the log names it', async (name, value) => {
    await start()
    idp.script({ idTokenClaims: (claims) => ({ ...claims, [name]: value }) })
    const { browser, answer } = await logIn()
    expect(answer.user).not.toHaveProperty(name)
    expect(answer.user).toMatchObject({ email: 'grace@example.com' })
    expect(decodeJwt(await getToken(browser))).not.toHaveProperty(name)
    expect((await getSession(portico, browser)).app_token).toEqual({ left_out: [] })
    expect(linesOf('session_claims_dropped')).toEqual([
      expect.objectContaining({ level: 'warn', names: [name], limit: maxSessionClaims }),
    ])
    expect(linesOf('user_claims_dropped')).toEqual([])
  })
})
