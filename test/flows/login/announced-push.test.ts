import type { RequestHandler, Response } from 'express'
import { describe, expect, test } from 'vitest'
import { createTestBrowser } from '../../support/browser.ts'
import { seconds } from '../../support/clock.ts'
import { logInAtOkta, readRefusal, startLogin } from '../../support/login.ts'
import type { TestPortico } from '../../support/portico.ts'
import { type DemoProviderSetup, rewriteJson } from '../../support/providers/demo-provider.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'

/** Pushed authorization requests that the metadata announces, and the provider does not take: Spring does so. */

describe('pushed requests that are announced and not taken (Spring)', () => {
  const isPush = ({ path }: { path: string }) => path.endsWith('/par')
  /** A provider whose metadata has an endpoint for pushed requests, where something else answers. */
  const startAnnouncing = (
    answer: (res: Response) => unknown,
    { isRequired, ...options }: DemoProviderSetup & { isRequired?: boolean | 'true' } = {},
  ) => {
    const announce = rewriteJson('/openid-configuration', (document) => ({
      ...document,
      pushed_authorization_request_endpoint: `${String(document.issuer)}/v1/par`,
      ...(isRequired === undefined ? {} : { require_pushed_authorization_requests: isRequired }),
    }))
    const before: RequestHandler = (req, res, next) =>
      isPush(req) ? void answer(res) : announce(req, res, next)
    return startRecordedProvider({ ...options, before })
  }
  const skipped = (portico: TestPortico) =>
    portico.logged.filter(({ event }) => event === 'pushed_request_skipped')

  const answers: [string, number, (res: Response) => unknown][] = [
    ['a redirect to a sign-in page', 302, (res) => res.redirect('/login')],
    ['another redirect', 307, (res) => res.redirect(307, 'https://idp.example.com/')],
    ['a 404', 404, (res) => res.status(404).send('<h1>Not found</h1>')],
    ['a 404 in JSON', 404, (res) => res.status(404).json({ error: 'Not Found' })],
    ['a 405', 405, (res) => res.status(405).end()],
  ]

  test.each(answers)('%s: logins go through the browser, with a warning', async (_what, status, answer) => {
    const { calls, idp, portico } = await startAnnouncing(answer)
    const browser = createTestBrowser()
    const { searchParams } = new URL(await startLogin(portico, browser))
    expect(Object.fromEntries(searchParams)).toMatchObject({
      response_type: 'code',
      code_challenge_method: 'S256',
      state: expect.any(String),
      nonce: expect.any(String),
    })
    expect(skipped(portico)).toEqual([
      expect.objectContaining({
        level: 'warn',
        issuer: idp.env.OIDC_ISSUER,
        reason: `pushed authorization request: status ${status}`,
        login: searchParams.get('state')?.split('.')[0],
      }),
    ])
    expect((await logInAtOkta(portico)).response.status).toBe(200)
    // What is known costs no other login a call.
    expect(calls.filter(isPush)).toHaveLength(1)
    expect(skipped(portico)).toHaveLength(1)
  })

  test.each(answers)(
    '%s, where they are required: no login, and the reason names the step',
    async (_what, status, answer) => {
      const { portico } = await startAnnouncing(answer, { isRequired: true })
      const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
      expect(await readRefusal(response)).toBe('502 invalid_token_response')
      expect(portico.logged.find(({ event }) => event === 'login_failed')).toMatchObject({
        reason: `pushed authorization request: status ${status}`,
      })
      expect(skipped(portico)).toEqual([])
    },
  )

  test.each<[string, string, (res: Response) => unknown]>([
    ['a refusal', '502 provider_error', (res) => res.status(400).json({ error: 'invalid_request' })],
    [
      'a client that is not known',
      '502 provider_error',
      (res) => res.status(401).json({ error: 'invalid_client' }),
    ],
    ['a 401 without a word', '502 invalid_token_response', (res) => res.status(401).end()],
    ['a 403 without a word', '502 invalid_token_response', (res) => res.status(403).end()],
    ['an answer without a reference', '502 invalid_token_response', (res) => res.status(201).json({})],
    ['a failure', '503 provider_unavailable', (res) => res.status(500).end()],
  ])('%s is no missing endpoint', async (_what, expected, answer) => {
    const { portico } = await startAnnouncing(answer)
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe(expected)
    expect(skipped(portico)).toEqual([])
  })

  test('after a minute they are tried again: it may have been one bad moment of something in between', async () => {
    let isThere = false
    const par = { par: true }
    const before: RequestHandler = (req, res, next) =>
      isPush(req) && !isThere ? void res.status(404).end() : next()
    const { calls, portico } = await startRecordedProvider({ provider: par, before })
    await startLogin(portico, createTestBrowser())
    isThere = true
    portico.clock.advance(seconds(59))
    await startLogin(portico, createTestBrowser())
    expect(calls.filter(isPush)).toHaveLength(1)
    portico.clock.advance(seconds(1))
    const loginUrl = await startLogin(portico, createTestBrowser())
    expect([...new URL(loginUrl).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
  })

  test('a 401 without a word is none for public clients (Spring)', async () => {
    const { idp, portico } = await startAnnouncing((res) => res.status(401).end(), { auth: 'none' })
    const { searchParams } = new URL(await startLogin(portico, createTestBrowser()))
    expect(searchParams.get('client_id')).toBe(idp.env.OIDC_CLIENT_ID)
    expect(searchParams.has('code_challenge')).toBe(true)
    expect(skipped(portico)).toHaveLength(1)
  })

  test('a 401 that says what is wrong is a refusal, for public clients as well', async () => {
    const { portico } = await startAnnouncing((res) => res.status(401).json({ error: 'invalid_client' }), {
      auth: 'none',
    })
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('502 provider_error')
    expect(skipped(portico)).toEqual([])
  })

  test('"true" as a text requires them as well', async () => {
    const { portico } = await startAnnouncing((res) => res.redirect('/login'), { isRequired: 'true' })
    const response = await createTestBrowser().fetch(`${portico.url}/api/login`)
    expect(await readRefusal(response)).toBe('502 invalid_token_response')
  })

  test('what one person asks for does not take them from the others', async () => {
    const before: RequestHandler = (req, res, next) =>
      isPush(req) && req.body?.login_hint === 'mallory' ? void res.redirect('/blocked') : next()
    const { calls, portico } = await startRecordedProvider({ provider: { par: true }, before })
    const theirs = new URL(await startLogin(portico, createTestBrowser(), '?login_hint=mallory'))
    expect(theirs.searchParams.get('login_hint')).toBe('mallory')
    const others = new URL(await startLogin(portico, createTestBrowser()))
    expect([...others.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect(calls.filter(isPush)).toHaveLength(2)
  })

  test('the code is bound to the DPoP key as if it had been pushed', async () => {
    const { portico } = await startAnnouncing((res) => res.redirect('/login'), {
      provider: { dpop: true, more: { clockTolerance: 60 } },
    })
    const { searchParams } = new URL(await startLogin(portico, createTestBrowser()))
    expect(searchParams.get('dpop_jkt')).toMatch(/^[\w-]{43}$/)
    expect((await logInAtOkta(portico)).response.status).toBe(200)
  })
})
