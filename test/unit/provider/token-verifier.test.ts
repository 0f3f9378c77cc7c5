import { CompactSign } from 'jose'
import { expect, test } from 'vitest'
import { createJwksCache } from '../../../src/jwks/jwks-cache.ts'
import { createTokenVerifier } from '../../../src/provider/tokens/token-verifier.ts'
import { createTestClock } from '../../support/clock.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

/** Without openid-client in front, which pins the algorithm of ID tokens as well. */
const clock = createTestClock()
const rs256 = await createProviderKey('rs', 'RS256')
const ps256 = await createProviderKey('ps', 'PS256')
const keys = createJwksCache({
  clock,
  log: () => {},
  fetchKeys: async () => ({ keys: [rs256.publicJwk, ps256.publicJwk] }),
})
const config = {
  name: 'default',
  label: 'Default',
  icon: undefined,
  issuer: 'https://idp.example',
  endpoints: undefined,
  verifiesIdToken: true,
  userIdField: 'user_id',
  pkce: true,
  responseMode: 'query',
  requestObjectKeys: [],
  par: 'auto',
  dpop: 'auto',
  subjectPrefix: '',
  clientId: 'c',
  clientAuth: { method: 'none' },
  redirectUri: 'https://app.example.com/callback',
  scopes: ['openid'],
  authorizationParams: [],
  idTokenAlg: 'RS256',
  accessToken: { format: 'opaque' },
  accessTokenLifetime: 3_600_000,
  trustedAudiences: [],
  clockTolerance: 30_000,
  userinfo: 'auto',
  timeout: 1_000,
  revocation: 'auto',
  forwardProxies: undefined,
  tenants: undefined,
  logoutHint: 'auto',
  logoutParams: [],
  requiresLogoutTokenTyp: false,
  universalLogoutIssuer: undefined,
  claimNames: [],
} as const
const verifier = createTokenVerifier({ config, keys, clock })

const now = Math.floor(clock.now() / 1000)
const claims = { iss: 'https://idp.example', sub: 'u', aud: 'c', nonce: 'n', iat: now, exp: now + 60 }
const expected = { accessToken: 'a', nonce: 'n', startedAt: clock.now() }
const sign = (key: typeof rs256) =>
  new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid })
    .sign(key.privateKey)

test('an ID token of the pinned algorithm passes', async () => {
  expect(await verifier.verifyIdToken(await sign(rs256), expected)).toMatchObject({ sub: 'u' })
})

test('R30: another algorithm is refused, though a published key signed it', async () => {
  await expect(verifier.verifyIdToken(await sign(ps256), expected)).rejects.toMatchObject({
    code: 'invalid_id_token',
  })
})

test('R31: an unsigned ID token is refused', async () => {
  const [, payload] = (await sign(rs256)).split('.')
  const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url')
  await expect(verifier.verifyIdToken(`${header}.${payload}.`, expected)).rejects.toMatchObject({
    code: 'invalid_id_token',
  })
})
