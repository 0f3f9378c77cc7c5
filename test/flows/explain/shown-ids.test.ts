import { expect } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { explainFrom, readShownId } from '../../support/explained.ts'
import { idp, portico, serverPerFile } from '../../support/fixtures.ts'
import { csrf, startLogin } from '../../support/login.ts'
import { parseRaw, sendRaw } from '../../support/network/raw-http.ts'
import { testSecret, toOperatorUrl } from '../../support/portico.ts'

/** Whatever fails shows one id, in the body and in X-Request-Id, and its story is in the log. */

const test = serverPerFile({
  env: { OPERATOR_SECRET: testSecret(), OPERATOR_PORT: '0', RATE_LIMIT_API: '1000/1m' },
})

const browser = createTestBrowser()
const at = (path: string) => `${portico.url}${path}`
/** The headers of a navigation that no click began. */
const unsolicited = { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-user': undefined } }
const failedCallback = async () => {
  const state = new URL(await startLogin(portico, browser)).searchParams.get('state')
  return at(`/api/callback?state=${state}&error=access_denied`)
}

test.each<[string, number, () => Promise<Response>]>([
  ['the page of a failed callback', 403, async () => browser.visit(await failedCallback())],
  ['the answer of a failed callback', 403, async () => browser.fetch(await failedCallback())],
  ['the page of a login that cannot begin', 400, () => browser.visit(at('/api/login?provider=none'))],
  [
    'the page of a login that a script of another site began',
    403,
    () => browser.visit(at('/api/login'), unsolicited),
  ],
  ['the page of an unknown address', 404, () => browser.visit(at('/nowhere'))],
  ['a call without the CSRF header', 403, () => browser.fetch(at('/api/session'))],
  ['a call without a session', 401, () => browser.fetch(at('/api/token'), { method: 'POST', headers: csrf })],
  ['a logout of another site', 403, () => browser.fetch(at('/api/logout'), { method: 'POST' })],
  [
    'a logout everywhere without a session',
    401,
    () =>
      browser.fetch(at('/api/logout'), {
        method: 'POST',
        headers: { ...csrf, 'content-type': 'application/json' },
        body: '{"everywhere":true}',
      }),
  ],
  ['a fetch of the way to the provider', 400, () => browser.fetch(at('/api/logout/provider'))],
  ['another method', 405, () => browser.fetch(at('/api/session'), { method: 'PUT' })],
  [
    'a body that is too large',
    413,
    () =>
      browser.fetch(at('/api/login'), {
        method: 'POST',
        headers: { ...csrf, 'content-type': 'application/json' },
        body: `"${'x'.repeat(20_000)}"`,
      }),
  ],
  ['a question of no proxy of ours', 403, () => browser.fetch(at('/api/forward-auth'))],
  ['an operator without the secret', 401, () => fetch(`${toOperatorUrl(portico)}/operator/events?id=x`)],
])('%s (%i)', async (_name, status, request) => {
  const response = await request()
  expect(response.status).toBe(status)
  const header = response.headers.get('x-request-id')
  const id = await readShownId(response)
  expect(id).toBe(header)
  expect(await explainFrom(portico, id)).toMatch(/^(Login|Request) [\s\S]*^Cause: .+\nRemedy: .+$/m)
})

test('what is not HTTP (400)', async () => {
  const { status, headers, body } = parseRaw(await sendRaw(portico.url, 'no HTTP at all\r\n\r\n'))
  const { request_id: id } = JSON.parse(body) as { request_id: string }
  expect([status, headers.get('x-request-id')]).toEqual([400, id])
  expect(await explainFrom(portico, id)).toMatch(/^Request .* failed\.$/m)
  expect(idp.calls.token).toBe(0)
})
