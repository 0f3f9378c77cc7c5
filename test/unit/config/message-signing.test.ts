import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { problemsOf } from '../../support/config-problems.ts'
import { createCertificate } from '../../support/network/certificate.ts'
import { testSecret } from '../../support/portico.ts'

/** Settings for signed requests (RFC 9101) and signed answers (JARM), and what they need. */

const folder = mkdtempSync(join(tmpdir(), 'portico-signing-'))
afterAll(() => rmSync(folder, { recursive: true }))

const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const key = { OIDC_CLIENT_KEY: JSON.stringify({ ...jwk, kid: 'k1' }) }
const oidc = {
  PUBLIC_URL: 'https://app.example.com',
  BFF_SECRETS: testSecret(),
  OIDC_ISSUER: 'https://idp.example.com',
  OIDC_CLIENT_ID: 'c',
}
const plain = {
  ...oidc,
  OIDC_ISSUER: undefined,
  OAUTH_AUTHORIZATION_ENDPOINT: 'https://idp.example.com/oauth2/authorize',
  OAUTH_TOKEN_ENDPOINT: 'https://idp.example.com/oauth2/token',
  OIDC_SCOPES: 'profile',
}
const signed = { OIDC_REQUEST_OBJECT: 'signed', ...key }

type Env = Record<string, string | undefined>
const first = (env: Env) => readConfig({ ...oidc, ...env }).providers[0]

describe('the key of signed requests', () => {
  const { certificate, key: certificateKey } = createCertificate(folder, 'client')
  const tls = { OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: certificateKey }

  test.each<[string, Env]>([
    ['private_key_jwt', {}],
    ['client_secret_basic', { OIDC_CLIENT_SECRET: 's' }],
    ['client_secret_post', { OIDC_CLIENT_SECRET: 's', OIDC_CLIENT_AUTH: 'client_secret_post' }],
    ['tls_client_auth', tls],
    ['none', { OIDC_CLIENT_AUTH: 'none' }],
  ])('may be beside any client authentication: %s', (method, env) => {
    const { clientAuth, requestObjectKeys } = first({ ...signed, ...env })
    expect(clientAuth.method).toBe(method)
    expect(requestObjectKeys).toEqual([expect.objectContaining({ kid: 'k1', alg: 'ES256' })])
  })

  test('signs no request by default', () => {
    expect(first(key).requestObjectKeys).toEqual([])
  })

  test.each<[Env, string]>([
    [{ ...oidc, OIDC_REQUEST_OBJECT: 'signed' }, 'OIDC_CLIENT_KEY is needed to sign requests'],
    [
      { ...oidc, OIDC_REQUEST_OBJECT: 'signed', OIDC_CLIENT_AUTH: 'private_key_jwt' },
      'OIDC_CLIENT_KEY is needed for OIDC_CLIENT_AUTH=private_key_jwt',
    ],
    [{ ...plain, ...signed }, 'OAUTH_ISSUER is needed as the audience of signed requests'],
    [{ ...oidc, ...signed, OIDC_REQUEST_OBJECT: 'yes' }, 'OIDC_REQUEST_OBJECT must be one of: off, signed'],
    [
      { ...oidc, ...signed, ...tls, OIDC_CLIENT_SECRET: 's' },
      'OIDC_CLIENT_AUTH is tls_client_auth by what is given, but OIDC_CLIENT_SECRET is set as well',
    ],
    [
      { ...oidc, ...key, OIDC_CLIENT_SECRET: 's' },
      'OIDC_CLIENT_AUTH is private_key_jwt by what is given, but OIDC_CLIENT_SECRET is set as well',
    ],
  ])('%#: %s', (env, expected) => {
    expect(problemsOf(env)).toEqual([expect.stringContaining(expected)])
  })
})

describe('signed answers', () => {
  const keys = { OAUTH_ISSUER: 'https://idp.example.com', OAUTH_JWKS_URI: 'https://idp.example.com/keys' }

  test.each(['jwt', 'query.jwt', 'form_post.jwt'])('by %s need the keys of the provider', (mode) => {
    const env = { ...plain, OIDC_RESPONSE_MODE: mode }
    expect(problemsOf(env)).toEqual([
      `OAUTH_JWKS_URI is needed to verify answers (OIDC_RESPONSE_MODE=${mode})`,
    ])
    expect(problemsOf({ ...env, ...keys })).toEqual([])
    expect(first({ OIDC_RESPONSE_MODE: mode }).responseMode).toBe(mode)
  })

  test('that are posted cannot reach a page of the app', () => {
    const OIDC_REDIRECT_URI = 'https://app.example.com/callback'
    expect(problemsOf({ ...oidc, OIDC_REDIRECT_URI, OIDC_RESPONSE_MODE: 'form_post.jwt' })).toEqual([
      expect.stringContaining('OIDC_RESPONSE_MODE is form_post.jwt, but a page of the app'),
    ])
    expect(problemsOf({ ...oidc, OIDC_REDIRECT_URI, OIDC_RESPONSE_MODE: 'query.jwt' })).toEqual([])
  })

  test.each(['query', 'form_post'])('are not those of %s', (mode) => {
    expect(problemsOf({ ...plain, OIDC_RESPONSE_MODE: mode })).toEqual([])
  })
})
