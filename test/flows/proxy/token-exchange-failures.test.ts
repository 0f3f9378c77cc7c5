import { describe, expect } from 'vitest'
import type { Session } from '../../../src/session/session.ts'
import { minutes, seconds } from '../../support/clock.ts'
import { idp, portico, serverPerTest, signIn } from '../../support/fixtures.ts'
import { timerTime } from '../../support/latencies.ts'
import type { ProviderScript } from '../../support/providers/scripted-provider.ts'
import { choose, readSession, refusal, textOf } from '../../support/upstream-tokens.ts'

const env = { SESSION_IDLE_TIMEOUT: '3h' }
const test = serverPerTest({ env })

const audience = 'https://stock.example.com'
const stock = choose('exchange', { audience })

async function signInAndRead(): Promise<Session> {
  return readSession(portico, await signIn())
}

const rightAnswer = {
  token_type: 'Bearer',
  issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  expires_in: 300,
}

/** Exchanges from now on, each for a token of its own. */
function answer(changes: Record<string, unknown> = {}, more: ProviderScript = {}): void {
  let count = 0
  idp.script({
    ...more,
    tokenExchange(_req, res) {
      count += 1
      res.json({ access_token: `exchanged-${count}`, ...rightAnswer, ...changes })
    },
  })
}

/** How many exchanges the test has caused so far. */
let before = 0
const exchanges = () => idp.calls.exchange - before
test.beforeEach(() => {
  before = idp.calls.exchange
})

describe('what is cached', () => {
  test('is of one session, audience and list of scopes, and of one refresh', async () => {
    answer()
    const tokens = portico.components.upstreamTokens
    const [session, other] = [await signInAndRead(), await signInAndRead()]
    const refreshed = { ...session, tokensVersion: session.tokensVersion + 1 }
    const got = [
      await tokens.get(session, stock),
      await tokens.get(other, stock),
      await tokens.get(session, choose('exchange', { audience: 'https://b.example.com' })),
      await tokens.get(session, choose('exchange', { audience, scopes: [] })),
      await tokens.get(session, choose('exchange', { audience, scopes: ['a'] })),
      await tokens.get(refreshed, stock),
    ]
    expect(new Set(got.map(textOf)).size).toBe(got.length)
    expect(textOf(await tokens.get(session, { ...stock }))).toBe(textOf(got[0]))
    expect(exchanges()).toBe(got.length)
  })

  test('counts as valid for a minute where the provider does not say', async () => {
    answer({ expires_in: undefined })
    const tokens = portico.components.upstreamTokens
    const session = await signInAndRead()
    const first = textOf(await tokens.get(session, stock))
    portico.clock.advance(seconds(56))
    expect(textOf(await tokens.get(session, stock))).toBe(first)
    portico.clock.advance(seconds(1))
    expect(textOf(await tokens.get(session, stock))).not.toBe(first)
  })

  test("is exchanged for fresh tokens of the user's", async () => {
    const seen: string[] = []
    const session = await signInAndRead()
    idp.script({
      tokenExchange(req, res) {
        seen.push((req.body as { subject_token: string }).subject_token)
        res.json({ access_token: 'exchanged', ...rightAnswer })
      },
    })
    const tokens = portico.components.upstreamTokens
    portico.clock.advance(minutes(59.99))
    const got = await tokens.get(session, stock)
    expect(got.session.tokens.accessToken).not.toBe(session.tokens.accessToken)
    expect(seen).toEqual([got.session.tokens.accessToken])
  })
})

describe('an answer that is no access token for this server', () => {
  test.each<[string, Record<string, unknown>]>([
    ['of no use as a bearer token', { token_type: 'N_A' }],
    ['of an unknown type', { token_type: 'MAC' }],
    ['bound to a key, although none was proven', { token_type: 'DPoP' }],
    ['that is an ID token', { issued_token_type: 'urn:ietf:params:oauth:token-type:id_token' }],
    ['that is a refresh token', { issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }],
    ['that is no text', { access_token: 5 }],
  ])('%s: 502', async (_name, changes) => {
    answer(changes)
    const tokens = portico.components.upstreamTokens
    const session = await signInAndRead()
    expect(await refusal(tokens.get(session, stock))).toBe('invalid_token_response')
    expect(await refusal(tokens.get(session, stock))).toBe('invalid_token_response')
    expect(exchanges()).toBe(1)
  })

  test.each<[string, Record<string, unknown>]>([
    ['without issued_token_type, as of Keycloak before 26', { issued_token_type: undefined }],
    ['that calls its type JWT', { issued_token_type: 'urn:ietf:params:oauth:token-type:jwt' }],
    ['with a token_type in small letters', { token_type: 'bearer' }],
    ['with a lifetime that is a text', { expires_in: '300' }],
  ])('but one %s is used', async (_name, changes) => {
    answer(changes)
    expect(textOf(await portico.components.upstreamTokens.get(await signInAndRead(), stock))).toBe(
      'exchanged-1',
    )
  })
})

test.each([400, 401])(
  'invalid_client (%i) may mean the audience: no setting is named as the cause',
  async (status) => {
    const session = await signInAndRead()
    idp.script({
      tokenExchange: (_req, res) =>
        void res
          .status(status)
          .set('www-authenticate', 'Basic realm="idp"')
          .json({ error: 'invalid_client', error_description: 'Audience not found' }),
    })
    await expect(portico.components.upstreamTokens.get(session, stock)).rejects.toMatchObject({
      code: 'provider_error',
      reason: 'token exchange: invalid_client: Audience not found',
    })
  },
)

describe('a provider that fails', () => {
  test.each<[string, ProviderScript]>([
    ['status 500', { tokenExchange: (_req, res) => void res.status(500).json({ error: 'server_error' }) }],
    ['status 429', { tokenExchange: (_req, res) => void res.status(429).end() }],
    ['a reset connection', { tokenExchange: (req) => void req.socket.destroy() }],
    ['no answer', { tokenExchange: () => {} }],
  ])('%s: 503 within the deadline, then no call for a moment, and it heals', async (_name, defect) => {
    const session = await signInAndRead()
    const tokens = portico.components.upstreamTokens
    // From now on, the user's tokens may be refreshed, which would be of no use.
    portico.clock.advance(minutes(1))
    const refreshes = idp.calls.refresh
    idp.script(defect)
    const started = timerTime()
    await expect(tokens.get(session, stock)).rejects.toMatchObject({ code: 'provider_unavailable' })
    expect(timerTime() - started).toBeLessThan(3_500)
    for (let turn = 0; turn < 10; turn += 1) {
      expect(await refusal(tokens.get(session, stock))).toBe('provider_unavailable')
    }
    expect([exchanges(), idp.calls.refresh - refreshes]).toEqual([1, 0])
    answer()
    portico.clock.advance(seconds(2))
    expect(textOf(await tokens.get(session, stock))).toBe('exchanged-1')
  })

  test('does not keep the tokens of the session from their refresh', async () => {
    const session = await signInAndRead()
    const tokens = portico.components.upstreamTokens
    idp.script({ tokenExchange: (_req, res) => void res.status(500).end() })
    expect(await refusal(tokens.get(session, stock))).toBe('provider_unavailable')
    const { breakers } = portico.components.providers.first
    const open = Object.entries(breakers).filter(([, { isOpen }]) => isOpen())
    expect(open.map(([name]) => name)).toEqual(['exchange'])
    portico.clock.advance(minutes(59.99))
    expect((await tokens.get(session, choose('provider'))).session.tokensVersion).toBe(2)
  })
})

describe("a provider that does not accept the user's token any more", () => {
  /** Refuses what is exchanged until the user's tokens were refreshed. */
  function refuseUntilRefreshed(): void {
    const refreshes = idp.calls.refresh
    idp.script({
      tokenExchange: (_req, res) =>
        void (idp.calls.refresh > refreshes
          ? res.json({ access_token: 'exchanged', ...rightAnswer })
          : res.status(400).json({ error: 'invalid_grant' })),
    })
  }

  test('is asked once more after one refresh, for all calls', async () => {
    const session = await signInAndRead()
    const tokens = portico.components.upstreamTokens
    refuseUntilRefreshed()
    expect(await refusal(tokens.get(session, stock))).toBe('provider_error')
    portico.clock.advance(minutes(1))
    const refreshes = idp.calls.refresh
    const got = await Promise.all(Array.from({ length: 50 }, () => tokens.get(session, stock)))
    expect(new Set(got.map(textOf))).toEqual(new Set(['exchanged']))
    expect(got[0]?.session.tokensVersion).toBe(2)
    expect(idp.calls.refresh - refreshes).toBe(1)
  })

  test.each([
    'invalid_target',
    'invalid_scope',
    'invalid_client',
    'unauthorized_client',
    'unsupported_grant_type',
  ])('is not what %s means: the tokens of the session are not refreshed for it', async (code) => {
    const session = await signInAndRead()
    portico.clock.advance(minutes(1))
    idp.script({ tokenExchange: (_req, res) => void res.status(400).json({ error: code }) })
    const refreshes = idp.calls.refresh
    const got = portico.components.upstreamTokens.get(session, stock)
    expect([await refusal(got), idp.calls.refresh - refreshes]).toEqual(['provider_error', 0])
  })

  test('is not what a 401 without an error means: it is for the client', async () => {
    const session = await signInAndRead()
    portico.clock.advance(minutes(1))
    idp.script({ tokenExchange: (_req, res) => void res.status(401).set('www-authenticate', 'Basic').end() })
    const refreshes = idp.calls.refresh
    const got = portico.components.upstreamTokens.get(session, stock)
    expect([await refusal(got), idp.calls.refresh - refreshes]).toEqual(['provider_error', 0])
  })

  test('and has ended the grant: the session has ended', async () => {
    const session = await signInAndRead()
    refuseUntilRefreshed()
    idp.revokeAll()
    portico.clock.advance(minutes(1))
    expect(await refusal(portico.components.upstreamTokens.get(session, stock))).toBe('session_expired')
    expect(await portico.store.read(session.handle)).toBeUndefined()
  })

  test('which cannot be refreshed: the user has to sign in again', async () => {
    idp.script({ tokenResponse: ({ refresh_token: _, ...others }) => others })
    const session = await signInAndRead()
    refuseUntilRefreshed()
    const tokens = portico.components.upstreamTokens
    portico.clock.advance(minutes(59.99))
    expect(await refusal(tokens.get(session, stock))).toBe('provider_error')
    portico.clock.advance(minutes(1))
    expect(await refusal(tokens.get(session, stock))).toBe('login_required')
  })
})

describe('an exchanged token that the upstream refuses', () => {
  test('is replaced by one other exchange for all calls, and not within a minute', async () => {
    answer()
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), stock)
    portico.clock.advance(seconds(59))
    expect(await tokens.renew(refused, stock)).toBeUndefined()
    portico.clock.advance(seconds(1))
    const renewed = await Promise.all(Array.from({ length: 50 }, () => tokens.renew(refused, stock)))
    const late = await tokens.renew(refused, stock)
    expect(new Set([...renewed, late].map(textOf))).toEqual(new Set(['exchanged-2']))
    expect(textOf(await tokens.get(refused.session, stock))).toBe('exchanged-2')
    expect(await tokens.renew(renewed[0] ?? refused, stock)).toBeUndefined()
    expect(exchanges()).toBe(2)
  })

  test('is not replaced where the provider fails or refuses, and the session lives on', async () => {
    for (const status of [400, 500]) {
      answer()
      const tokens = portico.components.upstreamTokens
      const refused = await tokens.get(await signInAndRead(), stock)
      portico.clock.advance(minutes(1))
      idp.script({ tokenExchange: (_req, res) => void res.status(status).json({ error: 'invalid_target' }) })
      expect(await tokens.renew(refused, stock)).toBeUndefined()
      expect(await portico.store.read(refused.session.handle)).toBeDefined()
      portico.clock.advance(minutes(1))
    }
  })

  test('ends the session where the grant has ended', async () => {
    answer()
    const tokens = portico.components.upstreamTokens
    const refused = await tokens.get(await signInAndRead(), stock)
    portico.clock.advance(minutes(1))
    idp.script({ tokenExchange: (_req, res) => void res.status(400).json({ error: 'invalid_grant' }) })
    idp.revokeAll()
    expect(await refusal(tokens.renew(refused, stock))).toBe('session_expired')
  })
})
