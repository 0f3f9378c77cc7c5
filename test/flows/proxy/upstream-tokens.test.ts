import { calculateJwkThumbprint, decodeJwt, importJWK, type JWK, jwtVerify } from 'jose'
import { describe, expect } from 'vitest'
import { sha256Base64url } from '../../../src/crypto/hash.ts'
import type { Session } from '../../../src/session/session.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { createDpopKey } from '../../support/dpop.ts'
import { closeAfterTest, idp, portico, serverPerTest, signIn } from '../../support/fixtures.ts'
import { logInAtOkta, logInAtScripted } from '../../support/login.ts'
import { startPortico } from '../../support/portico.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'
import { choose, readSession, refusal } from '../../support/upstream-tokens.ts'

const test = serverPerTest({ env: { SESSION_IDLE_TIMEOUT: '3h' } })

const provider = choose('provider')

async function signInAndRead(): Promise<Session> {
  return readSession(portico, await signIn())
}

/** Ends the clock's minute in which a token is not replaced. */
const outlastPause = () => portico.clock.advance(minutes(1))

describe("the provider's token", () => {
  test('is the one of the session; none where the choice says so', async () => {
    const session = await signInAndRead()
    const tokens = portico.components.upstreamTokens
    for (const kind of ['provider', 'optional'] as const) {
      expect(await tokens.get(session, choose(kind))).toEqual({
        session,
        token: { token: session.tokens.accessToken },
      })
    }
    expect(await tokens.get(session, choose('none'))).toEqual({ session, token: undefined })
  })

  test('is refreshed first where it has expired: once for all calls', async () => {
    const session = await signInAndRead()
    const tokens = portico.components.upstreamTokens
    portico.clock.advance(minutes(59.99))
    const before = idp.calls.refresh
    const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get(session, provider)))
    expect(new Set(got.map(({ token }) => token?.token)).size).toBe(1)
    expect(got[0]?.token?.token).not.toBe(session.tokens.accessToken)
    expect(got[0]?.session.tokensVersion).toBe(session.tokensVersion + 1)
    expect(idp.calls.refresh - before).toBe(1)
  })

  test('is not handed out where the grant has ended', async () => {
    const session = await signInAndRead()
    idp.revokeAll()
    portico.clock.advance(minutes(59.99))
    expect(await refusal(portico.components.upstreamTokens.get(session, provider))).toBe('session_expired')
  })
})

describe("the provider's token that an upstream refuses", () => {
  test('is not replaced within a minute: the next one would be refused as well', async () => {
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), provider)
    const before = idp.calls.refresh
    portico.clock.advance(seconds(59))
    expect(await tokens.renew(refused, provider)).toBeUndefined()
    expect(idp.calls.refresh).toBe(before)
  })

  test('is replaced by one refresh for all calls, and for those that come later with the old one', async () => {
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), provider)
    outlastPause()
    const before = idp.calls.refresh
    const renewed = await Promise.all(Array.from({ length: 50 }, () => tokens.renew(refused, provider)))
    const late = await tokens.renew(refused, provider)
    const distinct = new Set([...renewed, late].map((one) => one?.token?.token))
    expect(distinct.size).toBe(1)
    expect(distinct.has(refused.token?.token)).toBe(false)
    expect(distinct.has(undefined)).toBe(false)
    expect(idp.calls.refresh - before).toBe(1)
  })

  test('ends the session where the grant has ended', async () => {
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), provider)
    outlastPause()
    idp.revokeAll()
    expect(await refusal(tokens.renew(refused, choose('optional')))).toBe('session_expired')
    expect(await portico.store.read(refused.session.handle)).toBeUndefined()
  })

  test('is not replaced where the provider fails, or gave no refresh token', async () => {
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), provider)
    idp.script({ tokenResponse: ({ refresh_token: _, ...answer }) => answer })
    const fixed = await tokens.get(await signInAndRead(), provider)
    outlastPause()
    expect(await tokens.renew(fixed, provider)).toBeUndefined()
    // Nor is a refresh tried without a refresh token.
    expect(portico.logged.filter(({ event }) => event === 'token_refresh_failed')).toEqual([])
    idp.script({ tokenEndpoint: (_req, res) => void res.status(500).end() })
    expect(await tokens.renew(refused, provider)).toBeUndefined()
    expect(await portico.store.read(refused.session.handle)).toBeDefined()
  })
})

describe('an app token for an upstream', () => {
  const stock = choose('app', { audience: 'https://stock.example.com', scopes: ['orders:read', 'admin'] })

  test('has the audience of the route and the granted scopes of it; by default the first audience, and all', async () => {
    const server = closeAfterTest(
      await startPortico({ issuer: idp.issuer, env: { APP_TOKEN_AUDIENCE: 'https://a.example.com' } }),
    )
    const { browser } = await logInAtScripted(server, idp)
    const session = await readSession(server, browser)
    const tokens = server.components.upstreamTokens
    const read = async (choice: typeof stock) =>
      decodeJwt((await tokens.get(session, choice)).token?.token ?? '')
    expect(await read(stock)).toMatchObject({
      aud: 'https://stock.example.com',
      scope: 'orders:read',
      sub: '00u-grace',
      sid: session.handle,
    })
    expect(await read(choose('app'))).toMatchObject({
      aud: 'https://a.example.com',
      scope: session.tokens.scope.join(' '),
    })
  })

  test('is made once for each session, audience and scopes until shortly before it expires', async () => {
    const tokens = portico.components.upstreamTokens
    const [session, other] = [await signInAndRead(), await signInAndRead()]
    const first = await tokens.get(session, stock)
    portico.clock.advance(minutes(4.5))
    expect((await tokens.get(session, { ...stock })).token).toBe(first.token)
    const texts = await Promise.all(
      [
        tokens.get(other, stock),
        tokens.get(session, choose('app', { audience: 'https://b.example.com', scopes: ['orders:read'] })),
        tokens.get(session, choose('app', { audience: stock.audience, scopes: ['openid'] })),
        tokens.get(session, choose('app', { audience: stock.audience })),
      ].map(async (got) => (await got).token?.token),
    )
    expect(new Set([first.token?.token, ...texts]).size).toBe(5)
    portico.clock.advance(seconds(26))
    const next = (await tokens.get(session, stock)).token
    expect(next).not.toBe(first.token)
    expect(decodeJwt(next?.token ?? '').exp).toBeGreaterThan(decodeJwt(first.token?.token ?? '').exp ?? 0)
  })

  test('is another one after a refresh: the groups and scopes may be others', async () => {
    const tokens = portico.components.upstreamTokens
    const session = await signInAndRead()
    const first = await tokens.get(session, stock)
    portico.clock.advance(minutes(1))
    const renewed = await tokens.renew(await tokens.get(session, provider), provider)
    expect((await tokens.get(renewed?.session ?? session, stock)).token).not.toBe(first.token)
  })

  test('is refreshed with the tokens of the provider, and refused with them', async () => {
    const session = await signInAndRead()
    idp.revokeAll()
    portico.clock.advance(minutes(59.99))
    expect(await refusal(portico.components.upstreamTokens.get(session, stock))).toBe('session_expired')
  })

  test("is not bound to the browser's key, which only the browser has", async () => {
    const server = closeAfterTest(
      await startPortico({ issuer: idp.issuer, env: { APP_TOKEN_BINDING: 'required' } }),
    )
    const { thumbprint } = await createDpopKey()
    const session = await signInAndRead()
    const { identity } = session
    const bound = {
      ...session,
      identity: { ...identity, login: { ...identity.login, browserJkt: thumbprint } },
    }
    const { token } = await server.components.upstreamTokens.get(bound, stock)
    expect(decodeJwt(token?.token ?? '')).not.toHaveProperty('cnf')
  })

  test('has no other to replace it', async () => {
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), stock)
    portico.clock.advance(minutes(2))
    const before = idp.calls.refresh
    expect(await tokens.renew(refused, stock)).toBeUndefined()
    expect(idp.calls.refresh).toBe(before)
  })
})

describe('DPoP towards an upstream', () => {
  test("each proof is of the call, of its token and nonce, and by the key of the provider's token", async () => {
    const { portico: server } = await startRecordedProvider({ provider: { dpop: true } })
    const { browser } = await logInAtOkta(server)
    const session = await readSession(server, browser)
    const { token } = await server.components.upstreamTokens.get(session, provider)
    const url = 'https://orders.internal/v1/orders'
    const prove = async (nonce?: string) =>
      jwtVerify(
        (await token?.prove?.({ method: 'PUT', url, nonce })) ?? '',
        ({ jwk }) => importJWK(jwk as JWK, 'ES256'),
        {
          typ: 'dpop+jwt',
        },
      )
    const proofs = [await prove(), await prove('n1')]
    const { cnf } = decodeJwt(token?.token ?? '')
    for (const { payload, protectedHeader } of proofs) {
      expect(payload).toMatchObject({ htm: 'PUT', htu: url, ath: sha256Base64url(token?.token ?? '') })
      expect(await calculateJwkThumbprint(protectedHeader.jwk ?? { kty: 'none' })).toBe(
        (cnf as { jkt: string }).jkt,
      )
    }
    expect(proofs.map(({ payload }) => payload.nonce)).toEqual([undefined, 'n1'])
    expect(new Set(proofs.map(({ payload }) => payload.jti)).size).toBe(2)
  })
})
