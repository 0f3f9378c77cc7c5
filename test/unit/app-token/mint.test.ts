import { randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { createKeyRing } from '../../../src/app-token/key-ring.ts'
import { createAppTokenSigner } from '../../../src/app-token/mint.ts'
import { createTokenClaimSelector } from '../../../src/app-token/token-claims.ts'
import { createMemoryStore } from '../../../src/session/memory/store.ts'
import { createTestClock, hours, minutes } from '../../support/clock.ts'

test('no user claim can stand in for one that carries meaning in the app token', async () => {
  const clock = createTestClock()
  const appToken = {
    alg: 'ES256',
    typ: 'at+jwt',
    scopeClaim: 'scope',
    ttl: minutes(5),
    rotation: hours(1),
    audiences: ['https://api.example.com'],
    claims: [],
    groups: undefined,
    keys: undefined,
  } as const
  const lifetimes = { idleTimeout: minutes(30), absoluteTimeout: hours(12) }
  const store = createMemoryStore({ clock, lifetimes })
  const forged = {
    iss: 'evil',
    sub: 'root',
    aud: 'evil',
    scope: 'admin',
    scp: ['admin'],
    exp: 1,
    client_id: 'evil',
    sid: 'evil',
    cnf: { jkt: 'evil' },
    idp: 'evil',
  }
  const config = {
    publicUrl: 'https://app.example.com',
    appToken,
    providers: [{ name: 'default', clientId: 'c', claimNames: Object.keys(forged) }],
  }
  const keyRing = createKeyRing({ config: appToken, store, secrets: [randomBytes(32)], clock, log: () => {} })
  const selectTokenClaims = createTokenClaimSelector(config)
  const signAppToken = createAppTokenSigner({ config, selectTokenClaims, keyRing, clock })
  const session = {
    handle: 'h',
    identity: {
      providerName: 'default',
      issuer: 'https://idp.example',
      providerSub: 'u',
      appSub: 'u',
      claims: forged,
      login: { fingerprint: 'f', returnTo: '/', device: 'd', startedAt: 1 },
    },
    tokens: { accessToken: 'a', obtainedAt: 1, idToken: 'i', scope: ['openid'] },
    createdAt: clock.now(),
    lastSeenAt: clock.now(),
    idleExpiresAt: clock.now() + hours(1),
    absoluteExpiresAt: clock.now() + hours(1),
    tokensVersion: 1,
  }
  const { token } = await signAppToken(session, { audience: 'https://api.example.com', scopes: ['openid'] })
  expect(decodeJwt(token)).toMatchObject({
    iss: config.publicUrl,
    sub: 'u',
    aud: 'https://api.example.com',
    scope: 'openid',
    client_id: 'c',
    sid: 'h',
    idp: 'default',
  })
  expect(decodeJwt(token)).not.toHaveProperty('cnf')
})
