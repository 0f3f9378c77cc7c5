import { generateKeyPairSync, sign as signBytes } from 'node:crypto'
import {
  CompactSign,
  createLocalJWKSet,
  errors,
  type JWK,
  type JWTPayload,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import { describe, expect, test } from 'vitest'
import { createKeySet, parseSignedJwt } from '../../../src/jwks/key-set.ts'
import { asymmetricAlgs } from '../../../src/provider/tokens/token-verifier.ts'
import { createProviderKey } from '../../support/providers/scripted-provider.ts'

type Key = Awaited<ReturnType<typeof createProviderKey>>

const now = 1_800_000_000
const rsa = await createProviderKey('rsa')
const ec = await createProviderKey('ec', 'ES256')
const claims = { iss: 'https://idp.example', aud: 'client', sub: 'user', iat: now, exp: now + 60 }
const expected = {
  issuer: 'https://idp.example',
  audience: 'client',
  algorithms: ['RS256', 'ES256'],
  requiredClaims: ['exp', 'iat'],
  clockTolerance: 30,
  currentDate: new Date(now * 1000),
}

const sign = (key: Key, payload: unknown = claims, header: Record<string, unknown> = {}) =>
  new CompactSign(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)))
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey)

const generateEcKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The token with another header in front of the same signature. */
const withHeader = (token: string, header: unknown) =>
  `${encode(header)}.${token.split('.', 3).slice(1).join('.')}`

function verify(token: string, jwks: JWK[], options: Partial<JWTVerifyOptions> = {}): JWTPayload | string {
  try {
    return createKeySet({ keys: jwks as never }).verify(parseSignedJwt(token), { ...expected, ...options })
  } catch (error) {
    return toCode(error)
  }
}

/** What jose alone decides, for comparison. */
const verifyByJose = (token: string, jwks: JWK[], options: Partial<JWTVerifyOptions> = {}) =>
  jwtVerify(token, createLocalJWKSet({ keys: jwks as never }), { ...expected, ...options }).then(
    ({ payload }): JWTPayload | string => payload,
    toCode,
  )

function toCode(error: unknown): string {
  if (!(error instanceof errors.JOSEError)) return 'unusable key'
  return 'claim' in error ? `${error.code} ${error.claim} ${'reason' in error && error.reason}` : error.code
}

test.each(asymmetricAlgs)('R30: %s: its signature passes, and no other one', async (alg) => {
  const key = await createProviderKey('one', alg)
  const other = await createProviderKey('one', alg)
  const options = { algorithms: [alg] }
  const token = await sign(key)
  const [header, payload, signature = ''] = token.split('.')
  const changed = encode({ ...claims, sub: 'admin' })
  expect(verify(token, [key.publicJwk], options)).toEqual(claims)
  for (const forged of [
    `${header}.${changed}.${signature}`,
    `${header}.${payload}.${signature.slice(0, -6)}AAAAAA`,
    `${header}.${payload}.${signature.slice(0, 20)}`,
    `${header}.${payload}.`,
    await sign(other),
  ]) {
    expect(verify(forged, [key.publicJwk], options)).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
  }
})

test('R30: a character outside of base64url does not count as the one whose last byte it has', async () => {
  const token = await sign(rsa)
  const [header = '', payload = '', signature] = token.split('.')
  const disguised = payload.replace(/[A-Z]/, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0x1_00))
  expect(verify(`${header}.${disguised}.${signature}`, [rsa.publicJwk])).toBe(
    'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  )
})

describe('decides as jose does', () => {
  const { kid: _, ...withoutKid } = rsa.publicJwk
  const { alg: __, ...withoutAlg } = rsa.publicJwk
  const { alg: ___, ...ecWithoutAlg } = ec.publicJwk
  const privateJwk = { ...generateEcKey().export({ format: 'jwk' }), kid: 'ec' } as JWK
  const good = () => sign(rsa)
  test.each<
    [string, string, () => Promise<string> | string, (JWK[] | undefined)?, Partial<JWTVerifyOptions>?]
  >([
    // The form
    ['no JWT', 'ERR_JWS_INVALID', () => 'opaque'],
    ['two parts', 'ERR_JWS_INVALID', () => `${encode({ alg: 'RS256' })}.e30`],
    ['four parts', 'ERR_JWS_INVALID', async () => `${await good()}.x`],
    ['five parts, as an encrypted one has', 'ERR_JWS_INVALID', async () => `${await good()}.x.x`],
    ['a header that is no JSON', 'ERR_JWS_INVALID', () => 'bm9wZQ.e30.x'],
    ['a header that is no object', 'ERR_JWS_INVALID', () => `${encode([])}.e30.x`],
    ['a signature that is no base64url', 'ERR_JWS_INVALID', async () => `${await good()}!`],
    ['claims that are no JSON', 'ERR_JWT_INVALID', () => sign(rsa, 'nope')],
    ['claims that are no object', 'ERR_JWT_INVALID', () => sign(rsa, [])],
    // The algorithm
    ['no alg', 'ERR_JWS_INVALID', async () => withHeader(await good(), { kid: 'rsa' })],
    ['alg none', 'ERR_JOSE_ALG_NOT_ALLOWED', async () => withHeader(await good(), { alg: 'none' })],
    ['another alg', 'ERR_JOSE_ALG_NOT_ALLOWED', good, undefined, { algorithms: ['PS256'] }],
    [
      'HS256, even where it were allowed',
      'ERR_JOSE_NOT_SUPPORTED',
      async () => withHeader(await good(), { alg: 'HS256' }),
      [{ kty: 'oct', k: 'c2VjcmV0' }],
      { algorithms: ['HS256'] },
    ],
    [
      'an unknown critical extension',
      'ERR_JOSE_NOT_SUPPORTED',
      async () => withHeader(await good(), { alg: 'RS256', kid: 'rsa', crit: ['exp'], exp: 1 }),
    ],
    // The key
    ['an unknown kid', 'ERR_JWKS_NO_MATCHING_KEY', () => sign(rsa, claims, { kid: 'other' })],
    ['a key of another kind', 'ERR_JWKS_NO_MATCHING_KEY', good, [{ ...ecWithoutAlg, kid: 'rsa' }]],
    ['a key for another algorithm', 'ERR_JWKS_NO_MATCHING_KEY', good, [{ ...rsa.publicJwk, alg: 'RS512' }]],
    ['a key for encryption', 'ERR_JWKS_NO_MATCHING_KEY', good, [{ ...rsa.publicJwk, use: 'enc' }]],
    [
      'a key that may not verify',
      'ERR_JWKS_NO_MATCHING_KEY',
      good,
      [{ ...withoutAlg, key_ops: ['wrapKey'] }],
    ],
    [
      'a key of another curve',
      'ERR_JWKS_NO_MATCHING_KEY',
      () => sign(ec),
      [{ ...ec.publicJwk, crv: 'P-384' }],
    ],
    ['a key that cannot be imported', 'unusable key', good, [{ kty: 'RSA', kid: 'rsa', n: '', e: '' }]],
    ['a private key', 'ERR_JWKS_INVALID', () => sign(ec), [privateJwk]],
    // The claims
    ['no exp', 'ERR_JWT_CLAIM_VALIDATION_FAILED exp missing', () => sign(rsa, { ...claims, exp: undefined })],
    ['exp', 'ERR_JWT_EXPIRED exp check_failed', () => sign(rsa, { ...claims, exp: now - 30 })],
    [
      'exp as a text',
      'ERR_JWT_CLAIM_VALIDATION_FAILED exp invalid',
      () => sign(rsa, { ...claims, exp: '9' }),
    ],
    [
      'nbf',
      'ERR_JWT_CLAIM_VALIDATION_FAILED nbf check_failed',
      () => sign(rsa, { ...claims, nbf: now + 31 }),
    ],
    ['iss', 'ERR_JWT_CLAIM_VALIDATION_FAILED iss check_failed', () => sign(rsa, { ...claims, iss: 'x' })],
    ['aud', 'ERR_JWT_CLAIM_VALIDATION_FAILED aud check_failed', () => sign(rsa, { ...claims, aud: ['x'] })],
    [
      'another typ',
      'ERR_JWT_CLAIM_VALIDATION_FAILED typ check_failed',
      () => sign(rsa, claims, { typ: 'JWT' }),
      undefined,
      { typ: 'logout+jwt' },
    ],
  ])('refused: %s', async (_name, code, createToken, jwks = [rsa.publicJwk, ec.publicJwk], options = {}) => {
    const token = await createToken()
    expect(verify(token, jwks, options)).toBe(code)
    expect(await verifyByJose(token, jwks, options)).toBe(code)
  })

  test.each<[string, () => Promise<string> | string, (JWK[] | undefined)?, Partial<JWTVerifyOptions>?]>([
    ['a kid', good],
    ['no kid, one key', () => sign(rsa, claims, { kid: undefined })],
    [
      'a key without alg, use and kid',
      () => sign(rsa, claims, { kid: undefined }),
      [withoutKid, ec.publicJwk],
    ],
    ['the last second', () => sign(rsa, { ...claims, exp: now - 29 })],
    ['one of several audiences', () => sign(rsa, { ...claims, aud: ['x', 'client'] })],
    ['its typ', () => sign(rsa, claims, { typ: 'application/logout+jwt' }), undefined, { typ: 'logout+jwt' }],
    ['padding', async () => `${await good()}==`],
  ])('accepted: %s', async (_name, createToken, jwks = [rsa.publicJwk, ec.publicJwk], options = {}) => {
    const token = await createToken()
    expect(verify(token, jwks, options)).toMatchObject({ sub: 'user' })
    expect(await verifyByJose(token, jwks, options)).toEqual(verify(token, jwks, options))
  })
})

describe('where kids are missing or not unique', () => {
  test('each key that may have signed is tried, also beside one that cannot be used', async () => {
    const other = await createProviderKey('rsa')
    const unusable = { kty: 'RSA', kid: 'rsa', n: '', e: '' }
    const tooShort = (await createProviderKey('rsa', 'RS256')).publicJwk
    const jwks = [unusable, other.publicJwk, tooShort, rsa.publicJwk]
    expect(verify(await sign(rsa), jwks)).toEqual(claims)
    expect(verify(await sign(rsa), [unusable, other.publicJwk])).toBe('ERR_JWS_SIGNATURE_VERIFICATION_FAILED')
  })

  test('an unknown kid may belong to a key without one, and to no other', async () => {
    const { kid: _, ...withoutKid } = rsa.publicJwk
    const token = await sign(rsa, claims, { kid: 'new' })
    expect(verify(token, [ec.publicJwk, withoutKid])).toEqual(claims)
    expect(verify(token, [rsa.publicJwk])).toBe('ERR_JWKS_NO_MATCHING_KEY')
  })
})

test('an RSA key of less than 2048 bits is not used (RFC 7518 3.3)', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const input = `${encode({ alg: 'RS256' })}.${encode(claims)}`
  const token = `${input}.${signBytes('sha256', Buffer.from(input), privateKey).toString('base64url')}`
  expect(verify(token, [publicKey.export({ format: 'jwk' }) as JWK])).toBe('unusable key')
})

test('a key set with an entry that is no object is refused as a whole', () => {
  expect(() => createKeySet({ keys: [null as never] })).toThrow(errors.JWKSInvalid)
})
