import assert from 'node:assert/strict'
import { createHmac, createPublicKey } from 'node:crypto'
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  SignJWT,
} from 'jose'
import { toPublicMembers } from '../../../src/app-token/signing-key.ts'
import { createDpopKey } from '../../support/dpop.ts'
import type { Portico } from './portico.ts'
import type { Stack } from './stacks.ts'

/** A call of the API, and what it must answer. */
export interface Case {
  name: string
  path: '/orders' | '/reports'
  token: string | undefined
  /** Makes the DPoP proof that comes with the token, for the address of the call. */
  prove?: ((url: string) => Promise<string>) | undefined
  expected: 200 | 401 | 403
}

/**
 * The calls that each API must answer alike. `/orders` needs the scope `orders:read`, `/reports` the group
 * `Admins`.
 */
export async function createCases(
  { url, signingJwk, tokens }: Portico,
  { accepts }: Pick<Stack, 'accepts'>,
): Promise<Case[]> {
  const header = decodeProtectedHeader(tokens.appToken)
  const claims = decodeJwt(tokens.appToken)
  const alg = String(header.alg)
  const key = await importJWK(signingJwk, alg)
  const sign = (
    changed: Record<string, unknown>,
    otherHeader: Record<string, unknown> = {},
    otherKey = key,
  ) =>
    new SignJWT({ ...claims, ...changed })
      .setProtectedHeader({ ...header, alg, ...otherHeader })
      .sign(otherKey)
  // Nothing but what a case says makes its token bad: this one is good.
  assert.deepEqual(decodeJwt(await sign({})), claims)

  const now = Math.floor(Date.now() / 1000)
  const thief = await generateKeyPair(alg, { extractable: true })
  const thiefJwk = await exportJWK(thief.publicKey)
  const dpopKey = await createDpopKey()
  const bound = await sign({ cnf: { jkt: dpopKey.thumbprint } })
  const prove = (url: string) => dpopKey.prove({ method: 'GET', url, accessToken: bound })
  const refused: [string, string | undefined, Case['prove']?][] = [
    ['no token', undefined],
    ['no JWT', 'abc'],
    ['ID token', tokens.idToken],
    ['logout token', tokens.logoutToken],
    ["provider's access token", tokens.accessToken],
    ['another audience', tokens.forOtherApi],
    ['no audience', await sign({ aud: undefined })],
    ['another issuer', await sign({ iss: 'https://other.example.com' })],
    ['issuer with a slash', await sign({ iss: `${url}/` })],
    ['expired', await sign({ iat: now - 900, exp: now - 600 })],
    ['no expiry', await sign({ exp: undefined })],
    ['another key', await sign({}, {}, thief.privateKey)],
    ['its key in the header', await sign({}, { jwk: thiefJwk }, thief.privateKey)],
    ['alg none', `${encode({ ...header, alg: 'none' })}.${encode(claims)}.`],
    ['HS256, public key', signWithPublicKey(signingJwk, header, claims)],
    ['another typ', await sign({}, { typ: 'logout+jwt' })],
    ['bound, as Bearer', bound],
    ['bound, with proof', bound, prove],
    ['changed claims', replacePayload(tokens.appToken, { ...claims, sub: 'root' })],
  ]
  if (alg === 'RS256') {
    for (const other of ['RS512', 'PS256']) {
      refused.push([
        other,
        await sign({}, { alg: other }, await importJWK({ ...signingJwk, alg: other }, other)),
      ])
    }
  }
  const orders = { path: '/orders' } as const
  const reports = { path: '/reports' } as const
  return [
    { name: 'app token', ...orders, token: tokens.appToken, expected: 200 },
    { name: 'group', ...reports, token: tokens.appToken, expected: 200 },
    // As a provider may send it.
    { name: 'group, as text', ...reports, token: await sign({ groups: 'Admins' }), expected: 200 },
    {
      name: 'its clock is 3 s behind',
      ...orders,
      token: await sign({ iat: now + 3, exp: now + 303 }),
      expected: 200,
    },
    { name: 'scope missing', ...orders, token: tokens.narrowed, expected: 403 },
    { name: 'similar scope', ...orders, token: await sign({ scope: 'orders:reader' }), expected: 403 },
    { name: 'group missing', ...reports, token: await sign({ groups: ['Everyone'] }), expected: 403 },
    { name: 'no groups', ...reports, token: await sign({ groups: undefined }), expected: 403 },
    {
      name: 'similar group, as text',
      ...reports,
      token: await sign({ groups: 'Admins-not' }),
      expected: 403,
    },
    ...refused.map(([name, token, prove]) => ({
      name,
      ...orders,
      token,
      prove,
      expected: accepts.includes(name) ? (200 as const) : (401 as const),
    })),
  ]
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The attack on verifiers that let the token choose the algorithm: the public key as the secret of an HMAC. */
function signWithPublicKey(jwk: JWK, header: object, claims: object): string {
  const key = createPublicKey({ key: toPublicMembers(jwk), format: 'jwk' })
  const input = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`
  const pem = key.export({ type: 'spki', format: 'pem' })
  return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
}

function replacePayload(token: string, claims: object): string {
  const [header, , signature] = token.split('.')
  return [header, encode(claims), signature].join('.')
}
