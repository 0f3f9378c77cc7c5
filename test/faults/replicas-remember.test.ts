import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestBrowser } from '../support/browser.ts'
import { type Deployment, deployments } from '../support/deployments/deployments.ts'
import { startLogin } from '../support/login.ts'
import { publicUrl } from '../support/portico.ts'

describe.each(deployments)('%s', (_name, start) => {
  let deployment: Deployment
  beforeAll(async () => {
    deployment = await start({ TRUST_PROXY: '127.0.0.1', RATE_LIMIT_LOGIN: '5/1m', RATE_LIMIT_API: '8/1m' })
  })
  afterAll(() => deployment.close())

  test('a Universal Logout token without jti acts once, on whichever process, however its signature is spelled', async () => {
    const now = Math.floor(deployment.now() / 1000)
    const { idp } = deployment
    const audience = `${publicUrl}/api/universal-logout`
    const claims = { iss: idp.org, sub: 'portico-test', aud: audience, iat: now, exp: now + 300 }
    const header = { alg: 'RS256', kid: idp.orgKey.kid, typ: 'global-token-revocation+jwt' }
    const token = await idp.sign(idp.orgKey, header, claims)
    const call = async (spelled: string) => {
      const response = await fetch(`${deployment.url}/api/universal-logout`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${spelled}` },
        body: JSON.stringify({ sub_id: { format: 'iss_sub', iss: idp.issuer, sub: 'a-person' } }),
      })
      return response.status
    }
    expect(await call(token)).toBe(204)
    for (const spelled of [token, `${token}==`, token, `${token}==`]) expect(await call(spelled)).toBe(401)
  })

  const statusesOf = async (addresses: string[], path: string) => {
    const statuses: number[] = []
    for (const address of addresses) {
      const headers = { 'x-forwarded-for': address }
      statuses.push((await createTestBrowser().fetch(deployment.url + path, { headers })).status)
    }
    return statuses
  }

  test('an address is one client, whatever port and process it comes by', async () => {
    const ports = [1, 2, 3, 4, 5, 6].map((port) => `198.51.100.7:${port}`)
    expect(await statusesOf(ports, '/api/login')).toEqual([200, 200, 200, 200, 200, 429])
    const others = [1, 2, 3, 4, 5, 6].map((port) => `[2001:db8::${port}]:${port}`)
    expect(await statusesOf(others, '/api/login')).toEqual([200, 200, 200, 200, 200, 429])
  })

  test('all that is no address is one client', async () => {
    const words = ['a', 'b.example', '1.2.3', '[::', '1.2.3.4.5:6', 'unknown']
    expect(await statusesOf(words, '/api/login')).toEqual([200, 200, 200, 200, 200, 429])
  })

  test('callbacks without a login in progress count, and cost no login', async () => {
    const stray = Array.from({ length: 10 }, () => '203.0.113.9')
    const statuses = await statusesOf(stray, '/api/callback?state=x&code=y')
    expect(statuses).toEqual([400, 400, 400, 400, 400, 400, 400, 400, 429, 429])
    const browser = createTestBrowser()
    const parameters = deployment.idp.authorize(await startLogin(deployment, browser))
    expect((await browser.fetch(`${deployment.url}/api/callback?${parameters}`)).status).toBe(200)
  })
})
