import type { JWTPayload } from 'jose'
import { describe, expect } from 'vitest'
import type { TestBrowser } from '../../support/browser.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { idp, portico, serverPerTest, signIn } from '../../support/fixtures.ts'
import { csrf, getSession, logInAtScripted, readRefusal } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import {
  createProviderKey,
  type ScriptedProvider,
  startScriptedProvider,
} from '../../support/providers/scripted-provider.ts'

const test = serverPerTest({ env: { OIDC_TIMEOUT: '1s' } })

const ask = (browser: TestBrowser) => browser.fetch(`${portico.url}/api/userinfo`, { headers: csrf })

test('answers what the provider says now, live', async () => {
  const browser = await signIn()
  expect(await (await ask(browser)).json()).toMatchObject({ sub: '00u-grace', name: 'Grace Hopper' })
  idp.script({ userinfo: (claims) => ({ ...claims, name: 'Admiral Hopper', extra: 1 }) })
  expect(await (await ask(browser)).json()).toMatchObject({ name: 'Admiral Hopper', extra: 1 })
})

test('a user_id of an OpenID Connect provider is a claim like others', async () => {
  idp.script({
    tokenResponse: (body) => ({ ...body, user_id: 'one' }),
    userinfo: (claims) => ({ ...claims, user_id: 'another' }),
  })
  const browser = await signIn()
  expect((await ask(browser)).status).toBe(200)
})

test('the access token goes into the header, never into the URL (R42)', async () => {
  const browser = await signIn()
  const seen: { url: string; authorization: string | undefined }[] = []
  idp.script({
    userinfoEndpoint(req, _res, next) {
      seen.push({ url: req.originalUrl, authorization: req.get('authorization') })
      next()
    },
  })
  expect((await ask(browser)).status).toBe(200)
  expect(seen).toEqual([
    { url: '/oauth2/default/v1/userinfo', authorization: expect.stringMatching(/^Bearer ey/) },
  ])
})

test('is for who is signed in, and for pages of ours', async () => {
  const browser = await signIn()
  expect(await readRefusal(await browser.fetch(`${portico.url}/api/userinfo`))).toBe('403 csrf_check_failed')
  for (const name of browser.cookies(portico.url).keys()) browser.setCookie(portico.url, name, undefined)
  expect(await readRefusal(await ask(browser))).toBe('401 session_required')
})

test.each<[string, unknown]>([
  ['of another person (R43, F33)', { sub: 'someone-else' }],
  ['of nobody', {}],
  ['that is no object', ['x']],
  ['that is nothing', null],
])('an answer %s is discarded', async (_name, answer) => {
  const browser = await signIn()
  idp.script({ userinfoEndpoint: (_req, res) => void res.json(answer) })
  expect(await readRefusal(await ask(browser))).toBe('502 invalid_userinfo')
  expect((await getSession(portico, browser)).active).toBe(true)
})

test.each([403, 404, 302])('an answer of status %i is refused', async (status) => {
  const browser = await signIn()
  idp.script({ userinfoEndpoint: (_req, res) => void res.status(status).json({ sub: '00u-grace' }) })
  expect(await readRefusal(await ask(browser))).toBe('502 invalid_userinfo')
})

test('a provider that fails: 503, and nobody is logged out', async () => {
  const browser = await signIn()
  idp.script({ userinfoEndpoint: (_req, res) => void res.status(500).end() })
  expect(await readRefusal(await ask(browser))).toBe('503 provider_unavailable')
  idp.reset()
  portico.clock.advance(seconds(2))
  expect((await ask(browser)).status).toBe(200)
})

test('a provider without userinfo: 404', async () => {
  const bare = await startScriptedProvider()
  bare.script({ metadata: ({ userinfo_endpoint: _, ...document }) => document })
  const other = await startPortico({ issuer: bare.issuer })
  const { browser } = await logInAtScripted(other, bare)
  const response = await browser.fetch(`${other.url}/api/userinfo`, { headers: csrf })
  expect(await readRefusal(response)).toBe('404 not_found')
  await other.close()
  await bare.close()
})

describe('a token that has expired, or is taken no more', () => {
  const refuseFirst = (times: number) => {
    let left = times
    idp.script({
      userinfoEndpoint(_req, res, next) {
        left -= 1
        if (left < 0) return next()
        return void res.status(401).set('www-authenticate', 'Bearer error="invalid_token"').end()
      },
    })
  }

  test('is renewed first', async () => {
    const browser = await signIn()
    for (let passed = 0; passed < 3; passed += 1) {
      portico.clock.advance(minutes(20))
      await getSession(portico, browser)
    }
    const calls = idp.calls.refresh
    expect((await ask(browser)).status).toBe(200)
    expect(idp.calls.refresh - calls).toBe(1)
  })

  test('before its time: renewed once, and asked again', async () => {
    const browser = await signIn()
    const calls = idp.calls.refresh
    portico.clock.advance(minutes(1))
    refuseFirst(1)
    expect((await ask(browser)).status).toBe(200)
    expect(idp.calls.refresh - calls).toBe(1)
  })

  test('moments after it came: 401 login_required, and no refresh for each call', async () => {
    const browser = await signIn()
    const calls = idp.calls.refresh
    refuseFirst(99)
    portico.clock.advance(minutes(1))
    for (let turn = 0; turn < 10; turn += 1) {
      expect(await readRefusal(await ask(browser))).toBe('401 login_required')
    }
    expect(idp.calls.refresh - calls).toBe(1)
  })

  test('also when renewed: 401 login_required, and the session stays', async () => {
    const browser = await signIn()
    portico.clock.advance(minutes(1))
    refuseFirst(9)
    expect(await readRefusal(await ask(browser))).toBe('401 login_required')
    expect((await getSession(portico, browser)).active).toBe(true)
  })

  test('and the person is gone at the provider: the session is over', async () => {
    const browser = await signIn()
    portico.clock.advance(minutes(1))
    refuseFirst(9)
    idp.revokeAll()
    expect(await readRefusal(await ask(browser))).toBe('401 session_expired')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })

  test('and the provider does not say why: 401 login_required all the same', async () => {
    const browser = await signIn()
    idp.script({ userinfoEndpoint: (_req, res) => void res.status(401).end() })
    expect(await readRefusal(await ask(browser))).toBe('401 login_required')
  })

  test('and cannot be renewed: 401 login_required', async () => {
    idp.script({ tokenResponse: ({ refresh_token: _, ...answer }) => answer })
    const browser = await signIn()
    refuseFirst(9)
    expect(await readRefusal(await ask(browser))).toBe('401 login_required')
  })
})

describe("what one person's userinfo does", () => {
  const failures: [string, Parameters<ScriptedProvider['script']>[0]][] = [
    ['429', { userinfoEndpoint: (_req, res) => void res.status(429).set('retry-after', '300').end() }],
    ['500', { userinfoEndpoint: (_req, res) => void res.status(500).end() }],
    ['more than a megabyte', { userinfo: (claims) => ({ ...claims, filler: 'x'.repeat(1_100_000) }) }],
  ]
  test.each(failures)('(%s) is not the failure of another', async (_name, defect) => {
    const [one, other] = [await signIn(), await signIn()]
    idp.script(defect)
    for (let turn = 0; turn < 3; turn += 1) expect((await ask(one)).status).toBe(503)
    idp.reset()
    expect((await ask(other)).status).toBe(200)
    for (let passed = 0; passed < 3; passed += 1) {
      portico.clock.advance(minutes(20))
      await getSession(portico, other)
    }
    idp.script(defect)
    await ask(one)
    idp.reset()
    const token = await other.fetch(`${portico.url}/api/token`, { method: 'POST', headers: csrf })
    expect(token.status).toBe(200)
  })

  test('where the provider hangs, it costs one deadline, and then no call', async () => {
    const browser = await signIn()
    idp.script({ userinfoEndpoint: () => {} })
    expect((await ask(browser)).status).toBe(503)
    const calls = idp.calls.userinfo
    for (let turn = 0; turn < 10; turn += 1) expect((await ask(browser)).status).toBe(503)
    expect(idp.calls.userinfo).toBe(calls)
  })
})

describe('a signed answer (R44)', () => {
  const claims = () => ({
    iss: idp.issuer,
    aud: 'portico-test',
    sub: '00u-grace',
    name: 'Signed Hopper',
  })
  const answerWith = async (
    payload: JWTPayload,
    { key = idp.goodKey, header = {} as object, break: broken = false } = {},
  ) => {
    const token = await idp.sign(key, { alg: key.alg, kid: key.kid, ...header }, payload)
    idp.script({
      userinfoEndpoint: (_req, res) =>
        void res.type('application/jwt').send(broken ? `${token.slice(0, -4)}AAAA` : token),
    })
  }

  test('that verifies is taken', async () => {
    const browser = await signIn()
    await answerWith(claims())
    expect(await (await ask(browser)).json()).toMatchObject({ name: 'Signed Hopper' })
  })

  test.each<[string, () => Parameters<typeof answerWith>]>([
    ['with a broken signature', () => [claims(), { break: true }]],
    ['of another person', () => [{ ...claims(), sub: 'someone-else' }]],
    ['of another issuer', () => [{ ...claims(), iss: 'https://evil.example' }]],
    ['without an issuer', () => [(({ iss: _, ...rest }) => rest)(claims())]],
    ['for another client', () => [{ ...claims(), aud: 'other' }]],
    ['for nobody', () => [(({ aud: _, ...rest }) => rest)(claims())]],
    ['that has expired', () => [{ ...claims(), exp: 1 }]],
  ])('%s is refused', async (_name, make) => {
    const browser = await signIn()
    await answerWith(...make())
    expect(await readRefusal(await ask(browser))).toBe('502 invalid_userinfo')
  })

  test('by a key that is not published is refused', async () => {
    const browser = await signIn()
    await answerWith(claims(), { key: await createProviderKey('stranger') })
    expect(await readRefusal(await ask(browser))).toBe('502 invalid_userinfo')
  })

  test('that nobody signed is refused', async () => {
    const browser = await signIn()
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    idp.script({
      userinfoEndpoint: (_req, res) =>
        void res.type('application/jwt').send(`${part({ alg: 'none' })}.${part(claims())}.`),
    })
    expect(await readRefusal(await ask(browser))).toBe('502 invalid_userinfo')
  })
})
