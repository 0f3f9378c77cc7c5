import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { TestBrowser } from '../support/browser.ts'
import { hours } from '../support/clock.ts'
import { type Deployment, deployments } from '../support/deployments/deployments.ts'
import { enterAs } from '../support/group-api.ts'
import { csrf, getSession, type LoginAnswer, logInAtScripted } from '../support/login.ts'

/** Names of 40 letters. */
const teams = (count: number) => Array.from({ length: count }, (_, index) => `team-${index}-`.padEnd(40, 'x'))

describe.each(deployments)('%s', (_name, start) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start({ APP_TOKEN_GROUPS: 'portal-*,Auditors', SESSION_IDLE_TIMEOUT: '3h' })
  })
  afterAll(() => deployment.close())
  afterEach(() => deployment.idp.reset())

  const tell = (groups: string[]) =>
    deployment.idp.script({ idTokenClaims: (claims) => ({ ...claims, groups }) })
  async function getToken(browser: TestBrowser): Promise<string> {
    const response = await browser.fetch(`${deployment.url}/api/token`, { method: 'POST', headers: csrf })
    expect(response.status).toBe(200)
    return ((await response.json()) as LoginAnswer).token
  }
  const enter = (token: string, ...groups: string[]) =>
    enterAs({ url: deployment.url, clock: deployment }, token, ...groups)

  test.each([150, 2_000])('a person in %i groups signs in, works and is renewed', async (count) => {
    const all = [...teams(count - 3), 'portal-admins', 'Auditors', 'Everyone']
    tell(all)
    const { browser, response } = await logInAtScripted(deployment, deployment.idp)
    expect(response.status).toBe(200)
    const answer = (await response.json()) as LoginAnswer
    expect(answer.user.groups).toEqual(all)
    for (const token of [answer.token, await getToken(browser)]) {
      expect(decodeJwt(token).groups).toEqual(['portal-admins', 'Auditors'])
      expect(`Authorization: Bearer ${token}`.length).toBeLessThan(8_000)
      expect(await enter(token, 'portal-admins')).toBe(200)
      expect(await enter(token, 'Everyone', 'Auditors')).toBe(200)
      expect(await enter(token, 'Everyone')).toBe(403)
      expect(await enter(token, teams(1)[0] ?? '', 'portal-', 'auditors')).toBe(403)
    }
    expect(await getSession(deployment, browser)).toMatchObject({
      user: { groups: all },
      app_token: { left_out: [] },
    })

    await deployment.advance(hours(2))
    const now = [...teams(count - 2), 'portal-readers', 'Everyone']
    tell(now)
    const token = await getToken(browser)
    expect(decodeJwt(token).groups).toEqual(['portal-readers'])
    expect([await enter(token, 'portal-readers'), await enter(token, 'portal-admins', 'Auditors')]).toEqual([
      200, 403,
    ])
    expect((await getSession(deployment, browser)).user.groups).toEqual(now)
  })
})
