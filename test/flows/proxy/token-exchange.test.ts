import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { seconds } from '../../support/clock.ts'
import { logInAtOkta } from '../../support/login.ts'
import { startRecordedProvider } from '../../support/providers/recorded-provider.ts'
import { addTokenExchange, exchangeGrant } from '../../support/providers/token-exchange.ts'
import { choose, readSession, refusal, textOf } from '../../support/upstream-tokens.ts'

/** Token exchange (RFC 8693) at a provider that validates the user's token and the proof of its key. */

const audience = 'https://stock.example.com'
const stock = choose('exchange', { audience })
const rightAnswer = {
  token_type: 'Bearer',
  issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  expires_in: 300,
}
const grant_types = ['authorization_code', 'refresh_token', exchangeGrant]
const start = async (dpop: boolean) => {
  const { calls, portico: server } = await startRecordedProvider({
    variant: 'okta-org',
    client: { grant_types },
    provider: { dpop },
    extend: (provider) => addTokenExchange(provider, { audiences: [audience] }),
  })
  const { browser } = await logInAtOkta(server)
  const exchanges = () => calls.filter(({ body }) => body.grant_type === exchangeGrant)
  return {
    server,
    exchanges,
    session: await readSession(server, browser),
    tokens: server.components.upstreamTokens,
  }
}

test('the token has the other audience, and is cached until shortly before it expires', async () => {
  const { server, exchanges, session, tokens } = await start(false)
  const choice = choose('exchange', { audience, scopes: ['stock:read', 'stock:write'] })
  const got = await Promise.all(Array.from({ length: 150 }, () => tokens.get(session, choice)))
  expect(new Set(got.map(textOf)).size).toBe(1)
  expect(decodeJwt(textOf(got[0]) ?? '')).toMatchObject({
    aud: audience,
    scope: 'stock:read stock:write',
    sub: session.identity.providerSub,
  })
  expect(got[0]?.token?.prove).toBeUndefined()
  expect(exchanges().map(({ body }) => body)).toEqual([
    {
      grant_type: exchangeGrant,
      subject_token: session.tokens.accessToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience,
      scope: 'stock:read stock:write',
    },
  ])
  server.clock.advance(seconds(294))
  expect(textOf(await tokens.get(session, choice))).toBe(textOf(got[0]))
  server.clock.advance(seconds(1))
  expect(textOf(await tokens.get(session, choice))).not.toBe(textOf(got[0]))
  expect(exchanges().length).toBe(2)
})

test('without scopes of the route, the provider decides which', async () => {
  const { exchanges, session, tokens } = await start(false)
  expect(decodeJwt(textOf(await tokens.get(session, stock)) ?? '').scope).toBe('all')
  expect(exchanges()[0]?.body).not.toHaveProperty('scope')
})

test('a bound token is exchanged with a proof of its key, for one that is bound as well', async () => {
  const { exchanges, session, tokens } = await start(true)
  const { token } = await tokens.get(session, stock)
  expect(exchanges().every(({ dpop }) => dpop !== undefined)).toBe(true)
  expect(decodeJwt(token?.token ?? '').cnf).toEqual({ jkt: session.tokens.dpopThumbprint })
  const proof = await token?.prove?.({ method: 'GET', url: 'https://stock.example.com/', nonce: undefined })
  expect(decodeJwt(proof ?? '')).toMatchObject({ htm: 'GET', ath: expect.any(String) })
})

test('an audience that it does not know: 502 for the call, and the session lives on', async () => {
  const { server, exchanges, session, tokens } = await start(false)
  const other = choose('exchange', { audience: 'https://other.example.com' })
  await expect(tokens.get(session, other)).rejects.toMatchObject({
    code: 'provider_error',
    detail: expect.stringContaining('You stay signed in'),
    reason: 'token exchange: invalid_target: the audience is unknown',
  })
  // Asking again at once would be answered in the same way.
  for (let turn = 0; turn < 10; turn += 1)
    expect(await refusal(tokens.get(session, other))).toBe('provider_error')
  expect(exchanges().length).toBe(1)
  expect(textOf(await tokens.get(session, stock))).toBeDefined()
  server.clock.advance(seconds(30))
  expect(await refusal(tokens.get(session, other))).toBe('provider_error')
  expect(exchanges().length).toBe(3)
  expect(await server.store.read(session.handle)).toBeDefined()
})

test('bearer for a bound token: used, unless OIDC_DPOP=required', async () => {
  for (const [mode, expected] of [
    ['auto', 'no refusal'],
    ['required', 'invalid_token_response'],
  ]) {
    const { portico: server } = await startRecordedProvider(
      {
        variant: 'okta-org',
        provider: { dpop: true },
        before: (req, res, next) =>
          (req.body as { grant_type?: string } | undefined)?.grant_type === exchangeGrant
            ? void res.json({ access_token: 'bearer-1', ...rightAnswer })
            : next(),
      },
      { OIDC_DPOP: mode },
    )
    const { browser } = await logInAtOkta(server)
    const got = server.components.upstreamTokens.get(await readSession(server, browser), stock)
    expect([mode, await refusal(got)]).toEqual([mode, expected])
    if (expected === 'no refusal') expect((await got).token?.prove).toBeUndefined()
  }
})

test("the reason of a refusal says nothing of the user's token", async () => {
  const { portico: server } = await startRecordedProvider({
    variant: 'okta-org',
    before(req, res, next) {
      const { grant_type: grant, subject_token: token } = (req.body ?? {}) as Record<string, string>
      if (grant !== exchangeGrant) return next()
      return void res.status(400).json({ error: 'invalid_target', error_description: `of ${token}` })
    },
  })
  const { browser } = await logInAtOkta(server)
  const session = await readSession(server, browser)
  await expect(server.components.upstreamTokens.get(session, stock)).rejects.toMatchObject({
    reason: 'token exchange: invalid_target: of [redacted]',
  })
})
