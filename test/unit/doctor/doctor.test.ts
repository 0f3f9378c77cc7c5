import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import { checkServerSettings } from '../../../src/doctor/config-checks.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import { checkCertificate } from '../../../src/doctor/provider/client-auth-checks.ts'
import { checkDiscovery } from '../../../src/doctor/provider/discovery-checks.ts'
import { checkKeys } from '../../../src/doctor/provider/key-checks.ts'
import { checkMetadata } from '../../../src/doctor/provider/metadata-checks.ts'
import type { ProviderProbe } from '../../../src/provider/probe/probe.ts'
import { providerUnavailable } from '../../../src/provider/transport/unavailable.ts'
import {
  answering,
  createExamination,
  discoveredServer,
  type Env,
  goodSettings,
  oauth2Settings,
  toLine,
} from '../../support/examination.ts'
import { createCertificate } from '../../support/network/certificate.ts'
import { testSecret } from '../../support/portico.ts'

/** How the doctor reads settings, and what a provider publishes; `test/unit/doctor/doctor-answers.test.ts`, what it answers. */

const folder = mkdtempSync(join(tmpdir(), 'portico-doctor-unit-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ecKey = JSON.stringify(
  generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
)
const providerOf = (env: Env) => readConfig({ ...goodSettings, ...env }).providers[0]

describe('metadata', () => {
  const metadata = {
    issuer: 'https://idp.example.com',
    authorization_endpoint: 'https://idp.example.com/a',
    token_endpoint: 'https://idp.example.com/t',
    userinfo_endpoint: 'https://idp.example.com/u',
  }
  const check = (env: Env, change: object): string[] =>
    checkMetadata({ ...metadata, ...change }, providerOf(env)).map(toLine)
  const secret = { OIDC_CLIENT_SECRET: 'a-secret-of-some-length' }
  const key = { OIDC_CLIENT_KEY: ecKey }
  const okta = { OIDC_ISSUER: 'https://acme.okta.com' }

  test.each<[string, Env, object, RegExp]>([
    [
      'no code grant',
      {},
      { grant_types_supported: ['implicit'] },
      /^fail grant types: the provider offers implicit → .*authorization_code/,
    ],
    [
      'no refresh tokens',
      {},
      { grant_types_supported: ['authorization_code'] },
      /^warn grant types: offline_access/,
    ],
    [
      'nothing offered',
      {},
      { response_types_supported: [] },
      /^fail response type: the provider offers none, not code/,
    ],
    [
      'signed requests by an algorithm that it does not take',
      { ...key, OIDC_REQUEST_OBJECT: 'signed' },
      { request_object_signing_alg_values_supported: ['RS256', 'PS256'] },
      /^fail request object: .* signed by RS256, PS256, not ES256 → put a key for one that it takes first/,
    ],
    [
      'signed requests by one that it takes',
      { ...key, OIDC_REQUEST_OBJECT: 'signed' },
      { request_object_signing_alg_values_supported: ['ES256'] },
      /^pass request object: requests are signed by ES256/,
    ],
    [
      'signed requests, about which it says nothing',
      { ...key, OIDC_REQUEST_OBJECT: 'signed' },
      {},
      /^unknown request object: /,
    ],
    [
      'signed requests required, which some write as a text',
      {},
      { require_signed_request_object: 'true' },
      /^fail request object: the provider requires signed requests, but OIDC_REQUEST_OBJECT=off/,
    ],
    [
      'signed answers that only a secret verifies',
      { OIDC_RESPONSE_MODE: 'jwt' },
      {
        response_modes_supported: ['query.jwt'],
        authorization_signing_alg_values_supported: ['HS256', 'none'],
      },
      /^fail response mode: the provider signs its answers by HS256, none/,
    ],
    [
      'signed answers by its keys',
      { OIDC_RESPONSE_MODE: 'query.jwt' },
      { response_modes_supported: ['jwt'], authorization_signing_alg_values_supported: ['PS256'] },
      /^pass response mode: query\.jwt, signed/,
    ],
    [
      'an answer by form_post, about which it says nothing',
      { OIDC_RESPONSE_MODE: 'form_post' },
      {},
      /^unknown response mode: .* whether it has form_post/,
    ],
    [
      'a signed answer by form_post, where there is only a plain one',
      { OIDC_RESPONSE_MODE: 'form_post.jwt' },
      { response_modes_supported: ['form_post', 'jwt'] },
      /^fail response mode: the provider offers form_post, jwt, not form_post\.jwt/,
    ],
    [
      'Okta, by its domain',
      { ...okta, ...key },
      {},
      /^warn client authentication: this looks like Okta.* → set OIDC_CLIENT_ASSERTION_AUDIENCE=endpoint/,
    ],
    [
      'Okta, by its path',
      { OIDC_ISSUER: 'https://id.acme.com/oauth2/default', ...key },
      {},
      /^warn client authentication: this looks like Okta/,
    ],
    [
      'sign-up',
      {},
      { prompt_values_supported: ['none', 'create'] },
      /^pass sign-up: prompt=create is offered$/,
    ],
    [
      'no sign-up',
      {},
      { prompt_values_supported: ['none'] },
      /^pass sign-up: not offered: no prompt=create$/,
    ],
    ['no word of PKCE', {}, {}, /^unknown PKCE: the provider does not say/],
    [
      'PKCE off where there is none',
      { ...secret, OIDC_PKCE: 'off' },
      {},
      /^warn PKCE: it is off: the state is the only defence/,
    ],
    [
      'PAR required',
      { OIDC_PAR: 'off' },
      { require_pushed_authorization_requests: true },
      /^fail PAR: the provider requires/,
    ],
    [
      'PAR off',
      { OIDC_PAR: 'off' },
      { pushed_authorization_request_endpoint: 'https://x' },
      /^pass PAR: offered, and off by OIDC_PAR$/,
    ],
    [
      'DPoP off',
      { OIDC_DPOP: 'off' },
      { dpop_signing_alg_values_supported: ['ES256'] },
      /^unknown DPoP: offered, and off by OIDC_DPOP: a client that must use it is refused/,
    ],
    ['DPoP of others', {}, { dpop_signing_alg_values_supported: ['PS256'] }, /^warn DPoP: .*proofs by PS256/],
    [
      'another algorithm',
      {},
      { id_token_signing_alg_values_supported: ['HS256', 'none', 'ES256'] },
      /^fail ID token: .*HS256, none, ES256, not RS256 → set OIDC_ID_TOKEN_ALG=ES256$/,
    ],
    [
      'the org server and JWTs',
      { ...okta, OIDC_ACCESS_TOKEN_AUDIENCE: 'x' },
      {},
      /^fail access token: those of Okta's org server/,
    ],
    ['an opaque access token', {}, {}, /^pass access token: opaque/],
    [
      'a scope it does not list',
      {},
      { scopes_supported: ['openid', '\u001b[2J'] },
      /^warn scopes: the provider does not list offline_access/,
    ],
  ])('%s', (_what, env, change, expected) => {
    expect(check(env, change)).toContainEqual(expect.stringMatching(expected))
  })

  test.each<[string, Env, object, RegExp]>([
    [
      'grants that are there',
      {},
      { grant_types_supported: ['authorization_code', 'refresh_token'] },
      /^(warn|fail) grant/,
    ],
    [
      'no wish for refresh tokens',
      { OIDC_SCOPES: 'openid' },
      { grant_types_supported: ['authorization_code'] },
      /^(warn|fail) grant/,
    ],
    [
      'a method that is offered',
      secret,
      { token_endpoint_auth_methods_supported: ['client_secret_basic'] },
      /client authentication/,
    ],
    [
      'an algorithm that is offered',
      key,
      { token_endpoint_auth_signing_alg_values_supported: ['ES256'] },
      /client authentication/,
    ],
    [
      'a method that only the list leaves out',
      secret,
      { token_endpoint_auth_methods_supported: ['private_key_jwt'] },
      /client authentication/,
    ],
    [
      'an algorithm that only the list leaves out',
      key,
      { token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256'] },
      /client authentication/,
    ],
    [
      'the right audience at Okta',
      { ...okta, ...key, OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' },
      {},
      /client authentication/,
    ],
    ['a secret at Okta', { ...okta, ...secret }, {}, /client authentication/],
    ['a key elsewhere', key, {}, /client authentication/],
    [
      'a domain that only looks like Okta',
      { OIDC_ISSUER: 'https://notokta.com', ...key },
      {},
      /client authentication/,
    ],
    ['no PAR', { OIDC_PAR: 'off' }, {}, /PAR/],
    ['PAR, which is tried', {}, { pushed_authorization_request_endpoint: 'https://x' }, /PAR/],
    ['no DPoP', { OIDC_DPOP: 'off' }, { dpop_signing_alg_values_supported: [] }, /DPoP/],
    [
      'JWTs of a custom server',
      { OIDC_ISSUER: 'https://acme.okta.com/oauth2/default' },
      {},
      /^fail access token/,
    ],
  ])('%s is not complained of', (_what, env, change, unexpected) => {
    expect(check(env, change)).not.toContainEqual(expect.stringMatching(unexpected))
  })

  describe('an algorithm that is listed is certain only where it is the only one (Keycloak lists all it can)', () => {
    const algs = (list: string[], ours = 'RS256') =>
      check({ OIDC_ID_TOKEN_ALG: ours }, { id_token_signing_alg_values_supported: list })

    test.each([[['RS256']], [['RS256', 'none']]])('%j', (list) => {
      expect(algs(list)).toContainEqual('pass ID token: signed by RS256')
    })

    test.each([
      [['RS256', 'PS256'], 'RS256', 'PS256'],
      [['none', 'PS384', 'ES256', 'RS256', 'HS256'], 'ES256', 'PS384, RS256, HS256'],
    ])('%j, %s', (list, ours, others) => {
      const message = `the provider can sign by ${ours}, and by ${others}: only a login shows which one it uses for this client`
      expect(algs(list, ours)).toContainEqual(
        expect.stringMatching(new RegExp(`^unknown ID token: ${message} → log in once; .*OIDC_ID_TOKEN_ALG`)),
      )
    })
  })

  describe('offline_access', () => {
    const offline = /^warn scopes: this looks like Keycloak/
    const token_endpoint = 'https://sso.example.com/protocol/openid-connect/token'

    test.each<[string, string, object]>([
      ['by its issuer', 'https://sso.example.com/realms/shop', {}],
      ['an old one', 'https://sso.example.com/auth/realms/shop', {}],
      ['behind a name of its own', 'https://login.example.com', { token_endpoint }],
    ])('at Keycloak, %s, has consequences, and is not needed', (_what, issuer, metadata) => {
      const ask = (scopes: string) => check({ OIDC_ISSUER: issuer, OIDC_SCOPES: scopes }, metadata)
      const [finding, ...more] = ask('openid offline_access profile').filter((line) => offline.test(line))
      expect(more).toEqual([])
      expect(finding).toMatch(
        /back-channel logout never reaches us.*administrator.*single sign-on and prompt=none/,
      )
      expect(finding).toMatch(
        / → set OIDC_SCOPES="openid profile": Keycloak gives refresh tokens without it$/,
      )
      expect(ask('openid profile')).not.toContainEqual(expect.stringMatching(offline))
    })

    test.each([
      'https://acme.okta.com',
      'https://idp.example.com/realms',
      'https://idp.example.com/realms/shop/more',
      'https://idp.example.com/my-realms/shop',
    ])('at %s is as it should be', (issuer) => {
      expect(check({ OIDC_ISSUER: issuer }, {})).not.toContainEqual(expect.stringMatching(offline))
    })

    test.each<[string[], RegExp]>([
      [
        ['authorization_code', 'refresh_token'],
        /or drop them from OIDC_SCOPES; it offers refresh tokens, which may need no/,
      ],
      [['authorization_code'], /or drop them from OIDC_SCOPES$/],
    ])('that is not listed, with grants %j (Spring, Google)', (grants, fix) => {
      const list = { scopes_supported: ['openid'], grant_types_supported: grants }
      expect(check({}, list)).toContainEqual(
        expect.stringMatching(/^warn scopes: .*does not list offline_access/),
      )
      expect(check({}, list)).toContainEqual(expect.stringMatching(fix))
    })
  })

  test('lists are made safe to print', () => {
    expect(check({}, { response_types_supported: ['a\u001b[2J'] }).join()).not.toContain('\u001b')
  })
})

describe('the certificate of a client', () => {
  const { certificate, key } = createCertificate(folder, 'client')
  const mutual = { OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key }
  test.each([
    ['before its time', -86_400_000, /^fail certificate: .*not valid now/],
    ['soon over', 3_600_000, /^warn certificate: .*ends in 0 days/],
    ['after its time', 2 * 86_400_000, /^fail certificate: .*not valid now/],
  ])('a certificate %s', (_what, offset, expected) => {
    const examination = { ...createExamination(mutual, {}), clock: { now: () => Date.now() + offset } }
    expect(checkCertificate(examination).map(toLine).join()).toMatch(expected)
  })

  test('a certificate with time left', () => {
    const long = createCertificate(folder, 'long', 30)
    const env = { OIDC_CLIENT_CERT: long.certificate, OIDC_CLIENT_CERT_KEY: long.key }
    const examination = { ...createExamination(env, {}), clock: { now: () => Date.now() } }
    expect(checkCertificate(examination).map(toLine).join()).toMatch(/^pass certificate: .*good until/)
  })
})

describe('keys', () => {
  const toJwk = (key: { export(options: { format: 'jwk' }): object }, more: object = {}) => ({
    ...key.export({ format: 'jwk' }),
    kid: 'k',
    ...more,
  })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const ed = generateKeyPairSync('ed25519').publicKey
  const check = async (text: string, env: Env = {}, status = 200) =>
    (
      await checkKeys(
        createExamination(env, answering(text, { status })),
        discoveredServer({ jwks_uri: 'https://idp.example.com/keys' }),
      )
    ).map(toLine)
  const set = (...keys: unknown[]) => JSON.stringify({ keys })

  test.each<[string, string, Env]>([
    ['RS256', set(toJwk(rsa)), {}],
    ['RS256 by its alg', set(toJwk(rsa, { alg: 'RS256', use: 'sig' })), {}],
    ['PS256', set(toJwk(rsa)), { OIDC_ID_TOKEN_ALG: 'PS256' }],
    ['ES256', set(toJwk(ec)), { OIDC_ID_TOKEN_ALG: 'ES256' }],
    ['EdDSA', set(toJwk(ed)), { OIDC_ID_TOKEN_ALG: 'EdDSA' }],
    ['an unusable one beside it', set({ kty: 'RSA', kid: 'x' }, toJwk(rsa)), {}],
  ])('a key for %s passes', async (_what, text, env) => {
    expect(await check(text, env)).toEqual([expect.stringMatching(/^pass JWKS: 1 key/)])
  })

  test.each<[string, string, RegExp]>([
    ['another type', set(toJwk(ec)), /none of the keys \(EC\) is for RS256/],
    ['another algorithm', set(toJwk(rsa, { alg: 'PS256' })), /none of the keys \(PS256\)/],
    ['encryption', set(toJwk(rsa, { use: 'enc' })), /none of the keys/],
    ['nothing', set(toJwk(rsa, { n: 7 })), /no key that can be used/],
    ['an empty set', set(), /no key that can be used/],
    ['no set', '{}', /holds no key set/],
    ['null', 'null', /holds no key set/],
    ['no JSON', '<h1>', /holds no key set/],
    ['texts', set('a', null), /no key that can be used/],
  ])('a set for %s fails', async (_what, text, expected) => {
    expect(await check(text)).toContainEqual(expect.stringMatching(expected))
  })

  test('a set with another status fails', async () => {
    expect(await check(set(toJwk(rsa)), {}, 404)).toEqual([
      expect.stringMatching(/holds no key set \(status 404\)/),
    ])
  })

  test('a key that Keycloak has not made yet is seen in a login', async () => {
    const keycloak = { OIDC_ISSUER: 'https://idp.example.com/realms/staff', OIDC_ID_TOKEN_ALG: 'PS256' }
    const rs256 = set(toJwk(rsa, { alg: 'RS256' }))
    expect((await check(rs256, keycloak)).join()).toMatch(
      /unknown JWKS: none of the keys \(RS256\) is for PS256 so far → log in once/,
    )
    expect((await check(rs256, { OIDC_ID_TOKEN_ALG: 'PS256' })).join()).toMatch(/fail JWKS: none of the keys/)
  })

  test('one key needs no name; two need two', async () => {
    expect(await check(set(toJwk(rsa, { kid: undefined })))).toHaveLength(1)
    expect(await check(set(toJwk(rsa), toJwk(ec)))).toContainEqual(
      expect.stringMatching(/^warn JWKS: keys without a kid, or two/),
    )
    expect(await check(set(toJwk(rsa), toJwk(ec, { kid: undefined })))).toContainEqual(
      expect.stringMatching(/^warn JWKS/),
    )
    expect(await check(set(toJwk(rsa), toJwk(ec, { kid: 'other' })))).toEqual([
      expect.stringMatching(/^pass JWKS: 2 keys/),
    ])
  })

  test('where nothing is verified by them, no key has to fit', async () => {
    const unverified = {
      ...oauth2Settings,
      OAUTH_ISSUER: 'https://idp.example.com',
      OAUTH_JWKS_URI: 'https://idp.example.com/keys',
      OIDC_SCOPES: 'profile',
    }
    expect(await check(set(toJwk(ec)), unverified)).toEqual([expect.stringMatching(/^pass JWKS/)])
  })
})

describe('discovery', () => {
  const check = async (probe: Partial<ProviderProbe>, env: Env = {}) =>
    (
      await checkDiscovery(createExamination(env, { discover: async () => discoveredServer({}), ...probe }))
    ).findings.map(toLine)
  const document = JSON.stringify({ issuer: 'https://idp.example.com' })

  test.each([
    ['https://acme.okta.com', /^pass server: the Okta org server/],
    ['https://id.acme.com/oauth2/default', /^pass server: a custom authorization server/],
  ])('%s is recognised as a kind of server', async (issuer, expected) => {
    const findings = await check(answering(JSON.stringify({ issuer })), { OIDC_ISSUER: issuer })
    expect(findings).toContainEqual(expect.stringMatching(expected))
  })

  test('any other is no kind that is recognised, and without a date its clock is not known', async () => {
    expect(await check(answering(document))).toEqual([expect.stringMatching(/^pass discovery/)])
  })

  test.each([
    [31, /^fail clock: this machine is 31 s ahead/],
    [-31, /^fail clock: this machine is 31 s behind/],
    [30, /^warn clock/],
    [-6, /^warn clock/],
    [5, /^pass clock/],
  ])('a clock %d s ahead', async (seconds, expected) => {
    const date = new Date(1_800_000_000_000 - seconds * 1000).toUTCString()
    expect(await check(answering(document, { headers: { date } }))).toContainEqual(
      expect.stringMatching(expected),
    )
  })

  test.each([
    [100, '2m', /^warn clock/],
    [121, '2m', /^fail clock.* → let this machine follow NTP, or raise OIDC_CLOCK_TOLERANCE$/],
    [6, '5s', /^fail clock/],
  ])('a clock %d s ahead, with a tolerance of %s', async (seconds, OIDC_CLOCK_TOLERANCE, expected) => {
    const date = new Date(1_800_000_000_000 - seconds * 1000).toUTCString()
    expect(await check(answering(document, { headers: { date } }), { OIDC_CLOCK_TOLERANCE })).toContainEqual(
      expect.stringMatching(expected),
    )
  })

  test.each([
    ['null', 'null'],
    ['no JSON', '<h1>'],
    ['an issuer that is no text', '{"issuer":7}'],
  ])('%s is no document', async (_what, text) => {
    expect(await check(answering(text))).toEqual([
      expect.stringMatching(/^fail discovery: there is no discovery document/),
    ])
  })

  test('a redirect is not followed, but reported', async () => {
    const redirect = answering('', { status: 301, headers: { location: 'https://elsewhere.example/\u00e9' } })
    expect(await check(redirect)).toEqual([
      expect.stringMatching(/redirects to https:\/\/elsewhere\.example/),
    ])
  })

  test('another issuer is reported in one printable line', async () => {
    const findings = await check(answering(JSON.stringify({ issuer: 'https://evil.example/\u001b[2J' })))
    expect(findings.join()).not.toContain('\u001b')
    expect(findings.join()).not.toContain('at the end')
  })

  test('of an issuer with a path, the root is tried; where nothing answers there, that is no reason to fall over', async () => {
    const asked: string[] = []
    const get: ProviderProbe['get'] = async (url) => {
      asked.push(url)
      if (asked.length > 1) throw providerUnavailable('ECONNREFUSED')
      return { status: 404, headers: new Headers(), text: '', at: 0 }
    }
    expect(await check({ get }, { OIDC_ISSUER: 'https://idp.example.com/oauth2/nope' })).toHaveLength(1)
    expect(asked[1]).toBe('https://idp.example.com/.well-known/openid-configuration')
  })

  test.each([
    ['deadline passed', /raise OIDC_TIMEOUT/],
    ['UND_ERR_CONNECT_TIMEOUT', /raise OIDC_TIMEOUT/],
    ['discovery: jwks_uri is not https://', /fix its discovery document/],
    ['something else', /check whether this machine can reach/],
  ])('%s', async (reason, expected) => {
    const get = () => Promise.reject(providerUnavailable(reason))
    expect(await check({ get })).toEqual([expect.stringMatching(expected)])
  })

  test('the clock is held against a plain provider as well', async () => {
    const date = new Date(1_800_000_100_000).toUTCString()
    expect(await check(answering('', { headers: { date } }), oauth2Settings)).toContainEqual(
      expect.stringMatching(/^fail clock/),
    )
    const get = () => Promise.reject(providerUnavailable('ECONNREFUSED'))
    expect(await check({ get }, oauth2Settings)).toEqual([
      expect.stringMatching(/^fail endpoints: OAUTH_TOKEN_ENDPOINT: .*ECONNREFUSED/),
    ])
  })
})

test('a date that a cache has kept is no clock that is wrong', async () => {
  const date = new Date(1_800_000_000_000 - 600_000).toUTCString()
  const probe = answering(JSON.stringify({ issuer: 'https://idp.example.com' }), {
    headers: { date, age: '600' },
  })
  const { findings } = await checkDiscovery(
    createExamination({}, { discover: async () => discoveredServer({}), ...probe }),
  )
  expect(findings.map(toLine)).toContainEqual(expect.stringMatching(/^pass clock/))
})

describe('the server', () => {
  const check = (env: Env) => checkServerSettings(readConfig({ ...goodSettings, ...env }), env).map(toLine)

  test.each<[Env, RegExp]>([
    [{}, /^pass secrets: BFF_SECRETS holds one secret/],
    [{ BFF_SECRETS: `${testSecret()},${testSecret()}` }, /^pass secrets: BFF_SECRETS holds 2 secrets/],
    [{ OIDC_CLIENT_SECRET: 'short' }, /^warn secrets/],
    [{ OIDC_CLIENT_SECRET: 'abababababababababababab' }, /^warn secrets/],
    [{ OIDC_CLIENT_SECRET: '0123456789abcdef', OIDC_CLIENT_ID: '0123456789abcdef' }, /^warn secrets/],
    [{}, /^pass cookies: Secure/],
    [{ PUBLIC_URL: 'https://localhost' }, /^warn cookies: .*only this machine/],
    [{ PUBLIC_URL: 'https://127.0.0.1' }, /^warn cookies: .*only this machine/],
    [{ PUBLIC_URL: 'https://[::1]' }, /^warn cookies: .*only this machine/],
    [{ PUBLIC_URL: 'http://localhost' }, /^pass cookies: .*not Secure/],
    [
      { PUBLIC_URL: 'http://localhost', NODE_ENV: 'production', ALLOW_MEMORY_STORE: 'true' },
      /^warn cookies: .*not Secure/,
    ],
    [{}, /^pass origins: the app lives on PUBLIC_URL itself/],
    [
      { SPA_ORIGINS: 'https://spa.example.com' },
      /^pass origins: https:\/\/spa\.example\.com: on the same site/,
    ],
    [{}, /^pass origins: the provider redirects to this server/],
    [{ OIDC_REDIRECT_URI: 'https://app.example.com/in' }, /^pass origins: the provider redirects to a page/],
    [{ TRUST_PROXY: undefined, RATE_LIMIT_LOGIN: 'off' }, /^warn limits/],
    [{ TRUST_PROXY: undefined, RATE_LIMIT_API: 'off' }, /^warn limits/],
  ])('%o', (env, expected) => {
    expect(check(env)).toContainEqual(expect.stringMatching(expected))
  })

  test.each<[Env, RegExp]>([
    [{ OIDC_CLIENT_SECRET: testSecret() }, /^warn secrets/],
    [{}, /limits/],
    [{ TRUST_PROXY: undefined, RATE_LIMIT_LOGIN: 'off', RATE_LIMIT_API: 'off' }, /limits/],
    [{ TRUST_PROXY: undefined, PUBLIC_URL: 'http://localhost' }, /limits/],
  ])('%o is not complained of', (env, unexpected) => {
    expect(check(env)).not.toContainEqual(expect.stringMatching(unexpected))
  })

  test('the app: complete, or what its index.html names in vain', () => {
    const SPA_DIR = mkdtempSync(join(tmpdir(), 'portico-'))
    onTestFinished(() => rmSync(SPA_DIR, { recursive: true }))
    writeFileSync(
      join(SPA_DIR, 'index.html'),
      `<a href="/help">Help</a><link rel="icon" href="data:,"><link href="https://fonts.example.com/a.css" rel="stylesheet">
      <script type="module" crossorigin src="/my%20app.js"></script><link rel="stylesheet" href="./app.css?v=1">`,
    )
    writeFileSync(join(SPA_DIR, 'my app.js'), '')
    const lines = () => check({ SPA_DIR }).filter((line) => / app: /.test(line))
    expect(lines()).toEqual([
      `warn app: index.html in ${SPA_DIR} names /app.css, which this server does not have → build the app again, for the base path /`,
    ])
    writeFileSync(join(SPA_DIR, 'app.css'), '')
    expect(lines()).toEqual([`pass app: ${SPA_DIR}: index.html, and all 2 files that it names`])
    // With a path, builds for the root and builds for the path are served.
    const ofPath = () =>
      check({ SPA_DIR, PUBLIC_URL: 'https://app.example.com/shop' }).filter((line) => / app: /.test(line))
    expect(ofPath()).toEqual(lines())
    writeFileSync(join(SPA_DIR, 'index.html'), '<img src="/shop/app.css"><img src="/shop/none.png">')
    expect(ofPath()).toEqual([
      expect.stringMatching(/ names \/shop\/none\.png, .* for the base path \/shop\/$/),
    ])
    expect(check({ SPA_DEV_URL: 'http://localhost:5173' })).toContain(
      'pass app: its dev server, http://localhost:5173, answers at https://app.example.com',
    )
    expect(check({})).not.toContainEqual(expect.stringMatching(/ app: /))
  })

  test('a configuration that cannot be read is reported with the misspelt variables that may be why', async () => {
    const findings = await examine(
      { ...goodSettings, OIDC_ISSUER: undefined, OIDC_ISUER: 'x' },
      { now: Date.now },
    )
    expect(findings.map(({ message }) => message)).toEqual([
      expect.stringContaining('OIDC_ISSUER is required'),
      expect.stringContaining('OIDC_ISUER is not a setting'),
    ])
  })
})
