import type { Response as ExpressResponse } from 'express'
import { decodeJwt } from 'jose'
import { beforeEach, describe, expect } from 'vitest'
import type { TestBrowser } from '../../support/browser.ts'
import { hours, minutes, seconds } from '../../support/clock.ts'
import { idp, portico, serverPerTest, signIn } from '../../support/fixtures.ts'
import { median, takeTurns, timerTime } from '../../support/latencies.ts'
import { csrf, getSession, readRefusal } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import {
  createProviderKey,
  type ProviderScript,
  unsigned,
} from '../../support/providers/scripted-provider.ts'

const test = serverPerTest({ env: { OIDC_TIMEOUT: '1s' } })
beforeEach(() => {
  idp.calls.refresh = 0
})

const askToken = (browser: TestBrowser, body?: string) =>
  browser.fetch(`${portico.url}/api/token`, {
    method: 'POST',
    headers: { ...csrf, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body }),
  })
const readToken = async (response: Response) =>
  decodeJwt(((await response.json()) as { token: string }).token)

/** To the end of the access token's life of an hour, with the session in use. */
async function passAnHour(...browsers: TestBrowser[]): Promise<void> {
  for (let passed = 0; passed < 3; passed += 1) {
    portico.clock.advance(minutes(20))
    for (const browser of browsers) expect((await getSession(portico, browser)).active).toBe(true)
  }
}
const loggedEvents = () => portico.logged.map(({ event }) => event)

describe('an access token that has expired', () => {
  test('is refreshed before an app token is minted; the new refresh token is kept (R61, R62)', async () => {
    const browser = await signIn()
    for (let round = 1; round <= 5; round += 1) {
      await passAnHour(browser)
      expect((await askToken(browser)).status).toBe(200)
      expect(idp.calls.refresh).toBe(round)
      expect((await getSession(portico, browser)).provider_token.expires_in).toBeGreaterThan(3_500)
    }
  })

  test('150 requests at once refresh it once, and all get their token', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const answers = await Promise.all(Array.from({ length: 150 }, () => askToken(browser)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(idp.calls.refresh).toBe(1)
  })

  test('without a refresh token: app tokens are minted on, until the session ends', async () => {
    idp.script({ tokenResponse: ({ refresh_token: _, ...answer }) => answer })
    const browser = await signIn()
    expect((await getSession(portico, browser)).provider_token.refreshable).toBe(false)
    await passAnHour(browser)
    expect((await askToken(browser)).status).toBe(200)
    expect(idp.calls.refresh).toBe(0)
  })
})

describe('ahead of expiry', () => {
  test('tokens are renewed beside the request, which does not wait (F22)', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    await askToken(browser)
    portico.clock.advance(minutes(20))
    await getSession(portico, browser)
    portico.clock.advance(minutes(20))
    await getSession(portico, browser)
    portico.clock.advance(minutes(19) + seconds(10))
    let release = () => {}
    const held = new Promise<void>((done) => {
      release = done
    })
    idp.script({ onRefresh: () => held })
    expect((await askToken(browser)).status).toBe(200)
    await expect.poll(() => idp.calls.refresh).toBe(2)
    release()
    await expect
      .poll(async () => (await getSession(portico, browser)).provider_token.expires_in)
      .toBeGreaterThan(3_500)
    expect(idp.calls.refresh).toBe(2)
  })

  test('not before: a token in the middle of its life is left alone', async () => {
    const browser = await signIn()
    portico.clock.advance(minutes(29))
    await askToken(browser)
    portico.clock.advance(minutes(29))
    expect((await askToken(browser)).status).toBe(200)
    expect(idp.calls.refresh).toBe(0)
  })

  test('a failure is noticed by nobody while the token lives (F21, F22, F24, F25)', async () => {
    const browser = await signIn()
    portico.clock.advance(minutes(29))
    await getSession(portico, browser)
    portico.clock.advance(minutes(29))
    await getSession(portico, browser)
    portico.clock.advance(seconds(90))
    for (const fail of [
      (res) => void res.status(500).end(),
      (res) => void res.status(429).end(),
      (res) => void res.send('<h1>Busy</h1>'),
      () => {},
    ] satisfies ((res: ExpressResponse) => void)[]) {
      // It fails only once the request is answered; one that waited for it would give it up first.
      const held: (() => void)[] = []
      let isGivenUp = false
      idp.script({
        tokenEndpoint(_req, res) {
          res.on('close', () => {
            isGivenUp = true
          })
          held.push(() => fail(res))
        },
      })
      expect((await askToken(browser)).status).toBe(200)
      expect(isGivenUp).toBe(false)
      for (const release of held) release()
      portico.clock.advance(seconds(2))
    }
    expect(idp.calls.refresh).toBeGreaterThan(0)
  })
})

describe('the provider fails while the token has expired: 503 with Retry-After, and nobody is logged out', () => {
  const failures: [string, ProviderScript][] = [
    ['F25: 500', { tokenEndpoint: (_req, res) => void res.status(500).end() }],
    ['F25: HTML', { tokenEndpoint: (_req, res) => void res.send('<h1>Busy</h1>') }],
    ['F25: a reset', { tokenEndpoint: (req) => void req.socket.destroy() }],
    ['F23: no answer', { tokenEndpoint: () => {} }],
    ['F24: 429', { tokenEndpoint: (_req, res) => void res.status(429).end() }],
    [
      '503 that says at once',
      { tokenEndpoint: (_req, res) => void res.status(503).set('retry-after', '0').end() },
    ],
    [
      'our client is refused (invalid_client)',
      { tokenEndpoint: (_req, res) => void res.status(401).json({ error: 'invalid_client' }) },
    ],
  ]
  test.each(failures)('%s', async (_name, defect) => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script(defect)
    const response = await askToken(browser)
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    expect((await getSession(portico, browser)).active).toBe(true)
    for (let turn = 0; turn < 20; turn += 1) await askToken(browser)
    expect(idp.calls.refresh).toBe(1)
    idp.reset()
    portico.clock.advance(minutes(1))
    expect((await askToken(browser)).status).toBe(200)
  })

  test('F23: hanging costs one deadline; then requests are refused at once, also of other sessions', async () => {
    const [browser, other] = [await signIn(), await signIn()]
    await passAnHour(browser, other)
    idp.script({ tokenEndpoint: () => {} })
    const [started, timers] = [performance.now(), timerTime()]
    expect((await askToken(browser)).status).toBe(503)
    expect(performance.now() - started).toBeGreaterThan(900)
    expect(timerTime() - timers).toBeLessThan(1_500)
    const calls = idp.calls.refresh
    const time = async (work: () => Promise<unknown>) => {
      const began = performance.now()
      await work()
      return performance.now() - began
    }
    const refuse = async () => {
      for (const one of [browser, other]) expect((await askToken(one)).status).toBe(503)
    }
    const [refused, healthy] = await takeTurns(
      20,
      () => time(refuse),
      () => time(() => getSession(portico, browser)),
    )
    // Two refusals, beside a call that needs no provider.
    expect(median(refused)).toBeLessThan(10 * median(healthy))
    expect(idp.calls.refresh).toBe(calls)
  })

  test('F24: the time that a 429 names is waited for, and then all goes on', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const reset = () => String(Math.floor(portico.clock.now() / 1000) + 42)
    idp.script({
      tokenEndpoint: (_req, res) => void res.status(429).set('x-rate-limit-reset', reset()).end(),
    })
    const response = await askToken(browser)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(40)
    expect(await readRefusal(response)).toBe('503 provider_unavailable')
    idp.reset()
    portico.clock.advance(seconds(40))
    expect((await askToken(browser)).status).toBe(503)
    expect(idp.calls.refresh).toBe(1)
    portico.clock.advance(seconds(3))
    expect((await askToken(browser)).status).toBe(200)
  })

  test('an answer that comes after the session was ended brings nothing back', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const { session } = await getSession(portico, browser)
    idp.script({ onRefresh: () => portico.store.end(session.id) })
    expect(await readRefusal(await askToken(browser))).toBe('401 session_expired')
    expect(await getSession(portico, browser)).toEqual({ active: false })
  })
})

describe('the provider takes the refresh token no more (R63, F27)', () => {
  test('401, the session is over, and no loop of refreshes begins', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.revokeAll()
    const answers = await Promise.all(Array.from({ length: 10 }, () => askToken(browser)))
    for (const answer of answers) expect(await readRefusal(answer)).toBe('401 session_expired')
    expect(await readRefusal(await askToken(browser))).toBe('401 session_expired')
    expect(await getSession(portico, browser)).toEqual({ active: false })
    expect(idp.calls.refresh).toBe(1)
    expect(loggedEvents()).toContain('session_ended_by_provider')
  })

  test('a person disabled at the provider loses the app within one access-token lifetime', async () => {
    const browser = await signIn()
    idp.revokeAll()
    let passed = 0
    while ((await askToken(browser)).status === 200) {
      portico.clock.advance(minutes(1))
      passed += minutes(1)
    }
    expect(passed).toBeLessThanOrEqual(hours(1))
  })
})

test('F28: where no new refresh token comes back, the old one stays', async () => {
  const browser = await signIn()
  let used: string[] = []
  idp.script({
    tokenResponse: ({ refresh_token: _, ...answer }) => answer,
    onTokenRequest: ({ refresh_token: token = '' }) => void used.push(token),
  })
  // A provider that does not rotate takes one refresh token again and again.
  const keep = idp.keepRefreshTokens()
  for (let round = 0; round < 3; round += 1) {
    await passAnHour(browser)
    expect((await askToken(browser)).status).toBe(200)
  }
  keep()
  used = [...new Set(used)]
  expect(used).toHaveLength(1)
  expect(idp.calls.refresh).toBe(3)
})

describe('the refreshed ID token is held against the login (R64)', () => {
  const attacks: [string, ProviderScript, string?][] = [
    ['without a person', { idTokenClaims: ({ sub: _, ...claims }) => claims }],
    ['of another issuer', { idTokenClaims: (claims) => ({ ...claims, iss: 'https://evil.example' }) }],
    ['for another client', { idTokenClaims: (claims) => ({ ...claims, aud: 'other' }) }],
    [
      'for another client as well',
      { idTokenClaims: (claims) => ({ ...claims, aud: ['portico-test', 'other'] }) },
    ],
    ['with another azp', { idTokenClaims: (claims) => ({ ...claims, azp: 'other' }) }],
    [
      'of an earlier sign-in',
      { idTokenClaims: (claims) => ({ ...claims, auth_time: Number(claims.auth_time) - 60 }) },
    ],
    ['with another nonce', { idTokenClaims: (claims) => ({ ...claims, nonce: 'another' }) }],
    ['made long ago', { idTokenClaims: (claims) => ({ ...claims, iat: Number(claims.iat) - 3_600 }) }],
    ['made in the future', { idTokenClaims: (claims) => ({ ...claims, iat: Number(claims.iat) + 3_600 }) }],
    ['that has expired', { idTokenClaims: (claims) => ({ ...claims, exp: 1 }) }],
    ['for another access token', { idTokenClaims: (claims) => ({ ...claims, at_hash: 'AAAA' }) }],
    ['with a broken signature', { idToken: (token) => `${token.slice(0, -4)}AAAA` }],
    ['without a signature', { idToken: unsigned }],
    [
      'beside an access token of another client',
      { accessTokenClaims: (claims) => ({ ...claims, cid: 'other' }) },
      'invalid_access_token',
    ],
    [
      'beside an access token for another audience',
      { accessTokenClaims: (claims) => ({ ...claims, aud: 'other' }) },
      'invalid_access_token',
    ],
    [
      'beside a token of another type',
      { tokenResponse: (answer) => ({ ...answer, token_type: 'DPoP' }) },
      'invalid_token_response',
    ],
  ]
  test.each(attacks)('%s: refused, nothing of it is used but the next refresh token', async (...row) => {
    const [, defect, code = 'invalid_id_token'] = row
    const browser = await signIn()
    await passAnHour(browser)
    const before = await getSession(portico, browser)
    const kept = await portico.store.read(before.session.id)
    idp.script(defect)
    expect(await readRefusal(await askToken(browser))).toBe(`502 ${code}`)
    expect(await getSession(portico, browser)).toMatchObject({
      user: before.user,
      session: { id: before.session.id },
    })
    expect(portico.logged.find(({ event }) => event === 'token_refresh_failed')?.reason).toBeTruthy()
    const { refreshToken, ...rest } = (await portico.store.read(before.session.id))?.tokens ?? {}
    expect({ ...rest, refreshToken: kept?.tokens.refreshToken }).toEqual(kept?.tokens)
    expect(refreshToken).not.toBe(kept?.tokens.refreshToken)
    // The provider takes it: the spent one would be taken for theft.
    idp.reset()
    portico.clock.advance(seconds(31))
    expect((await askToken(browser)).status).toBe(200)
  })

  test.each<[string, ProviderScript]>([
    [
      'a later auth_time',
      { idTokenClaims: (claims) => ({ ...claims, auth_time: Number(claims.auth_time) + 60 }) },
    ],
    ['no auth_time', { idTokenClaims: ({ auth_time: _, ...claims }) => claims }],
    ['an empty nonce', { idTokenClaims: (claims) => ({ ...claims, nonce: '' }) }],
    ['a nonce that is null', { idTokenClaims: (claims) => ({ ...claims, nonce: null }) }],
    ['an acr where there was none', { idTokenClaims: (claims) => ({ ...claims, acr: 'urn:mfa' }) }],
    [
      'a time five minutes back',
      { idTokenClaims: (claims) => ({ ...claims, iat: Number(claims.iat) - 300 }) },
    ],
  ])('with %s it is taken', async (_name, defect) => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script(defect)
    expect((await askToken(browser)).status).toBe(200)
    expect(loggedEvents()).toContain('tokens_refreshed')
  })

  test('with an auth_time where the login had none it is taken', async () => {
    idp.script({ idTokenClaims: ({ auth_time: _, ...claims }) => claims })
    const browser = await signIn()
    await passAnHour(browser)
    idp.reset()
    expect((await askToken(browser)).status).toBe(200)
  })

  test('the nonce of the login may be repeated', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const { session } = await getSession(portico, browser)
    const nonce = (await portico.store.read(session.id))?.identity.nonce
    expect(nonce).toHaveLength(43)
    idp.script({ idTokenClaims: (claims) => ({ ...claims, nonce }) })
    expect((await askToken(browser)).status).toBe(200)
  })

  test('none has to come: the person stays who they were, and the old ID token is kept', async () => {
    const browser = await signIn()
    const { session, user } = await getSession(portico, browser)
    const before = await portico.store.read(session.id)
    await passAnHour(browser)
    idp.script({ tokenResponse: ({ id_token: _, ...answer }) => answer })
    expect((await askToken(browser)).status).toBe(200)
    const after = await portico.store.read(session.id)
    expect(after?.tokens.idToken).toBe(before?.tokens.idToken)
    expect(after?.tokens.accessToken).not.toBe(before?.tokens.accessToken)
    expect((await getSession(portico, browser)).user).toEqual(user)
  })
})

describe("the provider's keys cannot be had during a refresh", () => {
  test('and there are none yet: no refresh token is spent; then all goes on', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const restarted = await startPortico({
      issuer: idp.issuer,
      replaced: { store: portico.store, clock: portico.clock, config: portico.components.config },
    })
    const ask = () => browser.fetch(`${restarted.url}/api/token`, { method: 'POST', headers: csrf })
    for (const [name, value] of browser.cookies(portico.url)) browser.setCookie(restarted.url, name, value)
    idp.script({ jwks: () => 'down' })
    expect(await readRefusal(await ask())).toBe('503 provider_unavailable')
    expect(idp.calls.refresh).toBe(0)
    idp.reset()
    portico.clock.advance(minutes(1))
    expect((await ask()).status).toBe(200)
    await restarted.close()
  })

  test.each<[string, () => unknown]>([
    ['lag behind', () => ({ keys: [idp.goodKey.publicJwk] })],
    ['are none', () => ({ keys: [] })],
  ])('because they %s: nobody is logged out', async (_name, jwks) => {
    const [browser, other] = [await signIn(), await signIn()]
    await passAnHour(browser, other)
    const key = await createProviderKey('rotated')
    idp.script({ key, jwks })
    expect(await readRefusal(await askToken(browser))).toBe('503 provider_unavailable')
    // To the breaker it is an outage: refresh tokens are not rotated again and again meanwhile.
    for (let turn = 0; turn < 10; turn += 1) await askToken(turn % 2 === 0 ? browser : other)
    expect(idp.calls.refresh).toBe(1)
    idp.publish(idp.goodKey, key)
    idp.script({ key })
    portico.clock.advance(minutes(1))
    expect((await askToken(browser)).status).toBe(200)
    idp.publish(idp.goodKey)
  })

  test('and the new token names an unknown one: nothing of it is used but the next refresh token', async () => {
    const browser = await signIn()
    const { session } = await getSession(portico, browser)
    await passAnHour(browser)
    const before = await portico.store.read(session.id)
    const key = await createProviderKey('rotated')
    idp.script({ key, jwks: () => 'down' })
    expect(await readRefusal(await askToken(browser))).toBe('503 provider_unavailable')
    const after = await portico.store.read(session.id)
    expect(after?.tokens).toEqual({ ...before?.tokens, refreshToken: expect.any(String) })
    expect(after?.tokens.refreshToken).not.toBe(before?.tokens.refreshToken)
    expect(await readRefusal(await askToken(browser))).toBe('503 provider_unavailable')
    expect(idp.calls.refresh).toBe(1)
    idp.publish(idp.goodKey, key)
    idp.script({ key })
    portico.clock.advance(minutes(1))
    expect((await askToken(browser)).status).toBe(200)
    expect((await getSession(portico, browser)).active).toBe(true)
    idp.publish(idp.goodKey)
  })
})

describe('what the refresh says of the person counts (R65)', () => {
  test('groups follow the ID token, also where there are none left', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script({ idTokenClaims: (claims) => ({ ...claims, groups: ['Retired'] }) })
    expect((await readToken(await askToken(browser))).groups).toEqual(['Retired'])
    await passAnHour(browser)
    const withoutGroups: ProviderScript = {
      idTokenClaims: ({ groups: _, ...claims }) => claims,
      userinfo: ({ groups: _, ...claims }) => claims,
    }
    idp.script(withoutGroups)
    expect((await readToken(await askToken(browser))).groups).toBeUndefined()
    expect((await getSession(portico, browser)).user).not.toHaveProperty('groups')
  })

  test('groups follow userinfo where the ID token is thin, or none came', async () => {
    const browser = await signIn()
    for (const tokenResponse of [
      undefined,
      ({ id_token: _, ...answer }: Record<string, unknown>) => answer,
    ]) {
      await passAnHour(browser)
      const group = `group ${tokenResponse === undefined}`
      idp.script({
        idTokenClaims: ({ groups: _, ...claims }) => claims,
        userinfo: (claims) => ({ ...claims, groups: [group] }),
        ...(tokenResponse === undefined ? {} : { tokenResponse }),
      })
      expect((await readToken(await askToken(browser))).groups).toEqual([group])
    }
  })

  test('userinfo that fails does not cost the tokens that came: claims stay as they were', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script({
      idTokenClaims: ({ groups: _, ...claims }) => claims,
      userinfoEndpoint: (_req, res) => void res.status(500).end(),
    })
    expect((await readToken(await askToken(browser))).groups).toEqual(['Navy'])
    expect(loggedEvents()).toContain('user_claims_refresh_failed')
    expect(idp.calls.refresh).toBe(1)
  })

  test('userinfo of another person is discarded (R43)', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script({
      idTokenClaims: ({ groups: _, ...claims }) => claims,
      userinfo: (claims) => ({ ...claims, sub: 'someone-else', groups: ['Admins'] }),
    })
    expect((await readToken(await askToken(browser))).groups).toEqual(['Navy'])
  })

  test('what only an ID token told stays where a refresh brings none', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    idp.script({
      tokenResponse: ({ id_token: _, ...answer }) => answer,
      userinfo: ({ groups: _, ...claims }) => claims,
    })
    expect((await readToken(await askToken(browser))).groups).toEqual(['Navy'])
  })

  test('where no ID token came, nothing else says whose the tokens are: they are refused with it', async () => {
    const browser = await signIn()
    await passAnHour(browser)
    const { session } = await getSession(portico, browser)
    const before = await portico.store.read(session.id)
    idp.script({
      tokenResponse: ({ id_token: _, ...answer }) => answer,
      userinfo: (claims) => ({ ...claims, sub: 'someone-else', groups: ['Admins'] }),
    })
    expect(await readRefusal(await askToken(browser))).toBe('502 invalid_userinfo')
    expect((await getSession(portico, browser)).user.groups).toEqual(['Navy'])
    expect((await portico.store.read(session.id))?.tokens).toEqual(before?.tokens)
  })
})

describe('the scope (R66)', () => {
  const scopeOf = async (browser: TestBrowser) =>
    String((await readToken(await askToken(browser))).scope).split(' ')

  test('shrinks where the provider grants less', async () => {
    const browser = await signIn()
    expect(await scopeOf(browser)).toContain('orders:write')
    await passAnHour(browser)
    idp.script({ accessTokenClaims: (claims) => ({ ...claims, scp: ['openid', 'orders:read'] }) })
    expect(await scopeOf(browser)).toEqual(['openid', 'orders:read'])
  })

  test('never grows, whatever the provider says now', async () => {
    const browser = await signIn()
    const before = await scopeOf(browser)
    await passAnHour(browser)
    idp.script({ accessTokenClaims: (claims) => ({ ...claims, scp: [...before, 'admin'] }) })
    expect(await scopeOf(browser)).toEqual(before)
  })
})

test('no secret of a refresh is logged, whatever the provider says', async () => {
  const browser = await signIn()
  await passAnHour(browser)
  const secrets: string[] = []
  idp.script({
    tokenEndpoint(req, res) {
      const { refresh_token: token = '' } = req.body as Record<string, string>
      secrets.push(token)
      res.status(400).json({ error: 'invalid_request', error_description: `what is ${token}?` })
    },
  })
  await askToken(browser)
  expect(secrets).toHaveLength(1)
  expect(JSON.stringify(portico.logged)).not.toContain(secrets[0])
  expect(JSON.stringify(portico.logged)).toContain('[redacted]')
})
