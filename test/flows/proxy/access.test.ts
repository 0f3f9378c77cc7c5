import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { minutes, seconds } from '../../support/clock.ts'
import { csrf, readRefusal } from '../../support/login.ts'
import { type Proxied, startProxied } from '../../support/upstreams/proxied.ts'
import { toResponse } from '../../support/upstreams/raw-upstream.ts'

/** Access follows the user's groups, also while a session lives. */

let proxied: Proxied
beforeAll(async () => {
  proxied = await startProxied({
    routes: {
      navy: { groups: ['Navy'] },
      open: { token: 'optional', providers: ['default'] },
    },
  })
})
afterAll(() => proxied.close())
beforeEach(() => {
  proxied.upstream.answer = toResponse('200 OK')
  proxied.upstream.requests.length = 0
})
afterEach(() => proxied.idp.script({}))

test('a group that is lost by the refresh after a 401 counts no more either', async () => {
  const browser = await proxied.signIn()
  proxied.portico.clock.advance(minutes(1) + seconds(1))
  proxied.idp.script({ idTokenClaims: (claims) => ({ ...claims, groups: [] }) })
  proxied.upstream.answer = toResponse('401 Unauthorized', ['WWW-Authenticate: Bearer error="invalid_token"'])
  const answer = await browser.fetch(`${proxied.portico.url}/api/proxy/navy/x`, { headers: csrf })
  expect(await readRefusal(answer)).toBe('403 insufficient_group')
  expect(proxied.upstream.requests).toHaveLength(1)
})

test('an optional token does not open a route that names who may call', async () => {
  const answer = await fetch(`${proxied.portico.url}/api/proxy/open/x`, {
    headers: { ...csrf, 'sec-fetch-mode': 'cors' },
  })
  expect(await readRefusal(answer)).toBe('401 session_required')
})

test('a group that a refresh takes away counts no more, for the very call that refreshes', async () => {
  proxied.idp.script({ tokenResponse: (body) => ({ ...body, expires_in: 120 }) })
  const browser = await proxied.signIn()
  const call = () => browser.fetch(`${proxied.portico.url}/api/proxy/navy/x`, { headers: csrf })
  expect((await call()).status).toBe(200)
  proxied.idp.script({ idTokenClaims: (claims) => ({ ...claims, groups: [] }) })
  proxied.portico.clock.advance(minutes(2))
  expect(await readRefusal(await call())).toBe('403 insufficient_group')
  expect(proxied.upstream.requests).toHaveLength(1)
})
