import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import { afterAll, describe, expect, test } from 'vitest'
import { messageSigning } from '../../../demo/provider/variants.ts'
import type { Clock } from '../../../src/clock.ts'
import { systemClock } from '../../../src/clock.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import type { Finding } from '../../../src/doctor/finding.ts'
import { countFindings, renderJson, renderTable } from '../../../src/doctor/report.ts'
import { examineProvidersFile } from '../../support/examination.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { createCertificate } from '../../support/network/certificate.ts'
import { freePort, startTestServer } from '../../support/network/http-server.ts'
import { testSecret } from '../../support/portico.ts'
import { root, startProcess } from '../../support/processes/start-process.ts'
import { rewriteJson, startDemoProvider } from '../../support/providers/demo-provider.ts'

type DemoProvider = Awaited<ReturnType<typeof startDemoProvider>>
type Options = Parameters<typeof startDemoProvider>[0]
type Env = DemoProvider['env']

const folder = mkdtempSync(join(tmpdir(), 'portico-doctor-'))
afterAll(() => rmSync(folder, { recursive: true }))

const summarise = (findings: Finding[]) =>
  findings.map(({ status, check, message }) => `${status} ${check}: ${message}`)

describe('a good configuration passes', () => {
  test.each([
    ['okta', 'client_secret_basic'],
    ['okta', 'none'],
    ['okta-org', 'client_secret_post'],
    ['oauth2-public', 'none'],
    ['oauth2-confidential', 'client_secret_post'],
    ['fapi2', 'private_key_jwt ES256'],
    ['message-signing', 'private_key_jwt ES256'],
  ] as const)('%s with %s', async (variant, auth) => {
    const { env } = closeAfterTest(await startDemoProvider({ variant, auth }))
    const findings = await examine(env, systemClock)
    expect(summarise(findings.filter(({ status }) => status === 'fail'))).toEqual([])
    expect(findings).toContainEqual(
      expect.objectContaining({ check: 'client authentication', status: 'pass' }),
    )
    expect(findings).toContainEqual(expect.objectContaining({ check: 'redirect URI', status: 'pass' }))
    // What only a user who signs in can show is reported, not guessed.
    expect(countFindings(findings).unknown).toBeGreaterThan(0)
  })

  test.each(['form_post', 'form_post.jwt'])('an answer by %s, which a page posts', async (mode) => {
    const idp = closeAfterTest(
      await startDemoProvider({ provider: { more: { features: { jwtResponseModes: { enabled: true } } } } }),
    )
    const findings = await examine({ ...idp.env, OIDC_RESPONSE_MODE: mode }, systemClock)
    expect(summarise(findings.filter(({ status }) => status === 'fail'))).toEqual([])
    for (const check of ['redirect URI', 'response mode']) {
      expect(findings).toContainEqual(expect.objectContaining({ check, status: 'pass' }))
    }
  })

  test('Okta with private_key_jwt, pushed requests and DPoP', async () => {
    const idp = closeAfterTest(
      await startDemoProvider({ auth: 'private_key_jwt RS256', provider: { par: true, dpop: true } }),
    )
    const findings = await examine({ ...idp.env, OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' }, systemClock)
    expect(summarise(findings.filter(({ status }) => status === 'fail'))).toEqual([])
    for (const check of ['PAR', 'DPoP']) {
      expect(findings).toContainEqual(expect.objectContaining({ check, status: 'pass' }))
    }
    const tile = findings.find(({ check }) => check === 'dashboard')
    expect(tile?.fix).toContain(`${idp.env.PUBLIC_URL}/api/login as Initiate login URI`)
  })
})

interface Planted {
  what: string
  idp?: Options
  /** Spoils the settings. */
  spoil?: (idp: DemoProvider) => Env | Promise<Env>
  clock?: Clock
  check: string
  status?: Finding['status']
  message: RegExp
  fix: RegExp
}

const discovery = '/.well-known/openid-configuration'
const metadata = (change: Record<string, unknown>) =>
  ({ before: rewriteJson(discovery, (document) => ({ ...document, ...change })) }) satisfies Options

async function otherKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'portico-demo-1', alg: 'ES256' })
}

/** A public key that neither side has. */
const strangeKey = { kty: 'EC', ...(await exportJWK((await generateKeyPair('ES256')).publicKey)) }

function writeFile(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const planted: Planted[] = [
  {
    what: 'an issuer with a trailing slash too many',
    spoil: ({ env }) => ({ ...env, OIDC_ISSUER: `${env.OIDC_ISSUER}/` }),
    check: 'discovery',
    message: /one "\/" at the end/,
    fix: /set OIDC_ISSUER=http:\/\/127\.0\.0\.1:\d+\/oauth2\/default,/,
  },
  {
    what: 'the discovery document of another issuer',
    idp: metadata({ issuer: 'https://other.example.com' }),
    check: 'discovery',
    message: /names another issuer: https:\/\/other\.example\.com/,
    fix: /set OIDC_ISSUER=https:\/\/other\.example\.com, if/,
  },
  {
    what: "Entra ID's document of version 1",
    idp: metadata({ issuer: 'https://sts.windows.net/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/' }),
    check: 'discovery',
    message: /names another issuer: https:\/\/sts\.windows\.net\//,
    fix: /set OIDC_ISSUER=http:\/\/127\.0\.0\.1:\d+\/oauth2\/default\/v2\.0, if/,
  },
  {
    what: 'the org server named where there is only a custom one',
    spoil: ({ env, origin }) => ({ ...env, OIDC_ISSUER: origin }),
    check: 'discovery',
    message: /no discovery document.*status 404/,
    fix: /set OIDC_ISSUER=http:\/\/127\.0\.0\.1:\d+\/oauth2\/default,/,
  },
  {
    what: 'a provider that is no OpenID Connect provider',
    idp: { variant: 'oauth2-public', auth: 'none' },
    spoil: ({ env, origin }) => ({
      ...env,
      OIDC_ISSUER: origin,
      OIDC_SCOPES: 'openid',
      ...Object.fromEntries(
        Object.keys(env)
          .filter((name) => name.startsWith('OAUTH_'))
          .map((name) => [name, undefined]),
      ),
    }),
    check: 'discovery',
    message: /no discovery document/,
    fix: /OAUTH_AUTHORIZATION_ENDPOINT and OAUTH_TOKEN_ENDPOINT/,
  },
  {
    what: 'a provider where nothing listens',
    spoil: async ({ env }) => ({ ...env, OIDC_ISSUER: `http://127.0.0.1:${await freePort()}` }),
    check: 'discovery',
    message: /ECONNREFUSED/,
    fix: /host and port/,
  },
  {
    what: 'a host name with a slip',
    spoil: ({ env }) => ({ ...env, OIDC_ISSUER: 'https://portico.invalid/oauth2/default' }),
    check: 'discovery',
    message: /ENOTFOUND|EAI_AGAIN/,
    fix: /host name/,
  },
  {
    what: 'a certificate that is not trusted here',
    spoil: async ({ env }) => {
      const { key, certificate } = createCertificate(folder, 'localhost')
      const server = createServer({ key, cert: certificate }).listen(0, '127.0.0.1')
      await new Promise((done) => server.once('listening', done))
      closeAfterTest({ close: async () => server.close() })
      return { ...env, OIDC_ISSUER: `https://localhost:${(server.address() as AddressInfo).port}` }
    },
    check: 'discovery',
    message: /SELF_SIGNED/,
    fix: /NODE_EXTRA_CA_CERTS/,
  },
  {
    what: 'an endpoint that is not https at an https issuer, or missing',
    idp: metadata({ jwks_uri: undefined }),
    check: 'discovery',
    message: /jwks_uri is missing/,
    fix: /fix its discovery document/,
  },
  {
    what: 'a wrong client secret',
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_SECRET: testSecret() }),
    check: 'client authentication',
    message: /does not recognise this client by client_secret_basic: invalid_client/,
    fix: /copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET again/,
  },
  {
    what: 'a client id that is not known',
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_ID: 'another-client' }),
    check: 'client',
    message: /does not accept OIDC_CLIENT_ID/,
    fix: /copy it again/,
  },
  {
    what: 'the secret in the header where the provider wants it in the body',
    idp: {
      auth: 'client_secret_post',
      // oidc-provider takes either one.
      before: (req, res, next) =>
        /^Basic /.test(req.get('authorization') ?? '')
          ? void res.status(401).json({ error: 'invalid_client' })
          : next(),
    },
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_AUTH: 'client_secret_basic' }),
    check: 'client authentication',
    message: /does not recognise/,
    fix: /^set OIDC_CLIENT_AUTH=client_secret_post$/,
  },
  {
    what: 'a secret for a public client',
    idp: { auth: 'none' },
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_AUTH: undefined, OIDC_CLIENT_SECRET: testSecret() }),
    check: 'client authentication',
    message: /does not recognise/,
    fix: /public client: drop OIDC_CLIENT_SECRET/,
  },
  {
    what: 'assertions for the issuer where Okta wants the endpoint',
    idp: { auth: 'private_key_jwt ES256' },
    check: 'client authentication',
    message: /does not recognise/,
    fix: /^set OIDC_CLIENT_ASSERTION_AUDIENCE=endpoint$/,
  },
  {
    what: 'assertions for the endpoint where a strict provider wants the issuer',
    idp: { variant: 'fapi2', auth: 'private_key_jwt ES256' },
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' }),
    check: 'client authentication',
    message: /does not recognise/,
    fix: /^set OIDC_CLIENT_ASSERTION_AUDIENCE=issuer$/,
  },
  {
    what: 'a key that the provider does not know',
    idp: { variant: 'fapi2', auth: 'private_key_jwt ES256' },
    spoil: async ({ env }) => ({ ...env, OIDC_CLIENT_KEY: await otherKey() }),
    check: 'client authentication',
    message: /does not recognise/,
    fix: /register the public half of OIDC_CLIENT_KEY/,
  },
  {
    what: 'a rotation of keys begun here, but not at the provider',
    idp: { variant: 'fapi2', auth: 'private_key_jwt ES256' },
    spoil: async ({ env }) => {
      const old = JSON.parse(env.OIDC_CLIENT_KEY ?? '') as Record<string, unknown>
      const next = { ...(JSON.parse(await otherKey()) as object), kid: 'next' }
      return { ...env, OIDC_CLIENT_KEY: JSON.stringify({ keys: [next, old] }) }
    },
    check: 'client authentication',
    message: /does not recognise/,
    fix: /key number 2 of OIDC_CLIENT_KEY: move it to the front/,
  },
  {
    what: 'a redirect URI that is not registered',
    spoil: ({ env }) => ({ ...env, OIDC_REDIRECT_URI: `${env.PUBLIC_URL}/signed-in` }),
    check: 'redirect URI',
    message: /does not know https:\/\/localhost:1\/signed-in/,
    fix: /register exactly this URI/,
  },
  {
    what: 'the same at a provider that takes pushed requests',
    idp: { provider: { par: true } },
    spoil: ({ env }) => ({ ...env, OIDC_REDIRECT_URI: `${env.PUBLIC_URL}/signed-in` }),
    check: 'redirect URI',
    message: /does not know https:\/\/localhost:1\/signed-in/,
    fix: /register exactly this URI/,
  },
  {
    what: 'a post-logout redirect URI that is not registered',
    idp: { client: { post_logout_redirect_uris: [] } },
    check: 'logout',
    status: 'warn',
    message: /does not know https:\/\/localhost:1\/api\/logout\/callback/,
    fix: /register exactly this post-logout redirect URI/,
  },
  {
    what: 'a scope that the provider does not have',
    spoil: ({ env }) => ({ ...env, OIDC_SCOPES: 'openid orders:delete' }),
    check: 'scopes',
    status: 'warn',
    message: /does not list orders:delete/,
    fix: /define them at the provider/,
  },
  {
    what: 'offline_access where there are no refresh tokens',
    idp: metadata({ grant_types_supported: ['authorization_code'] }),
    check: 'grant types',
    status: 'warn',
    message: /no refresh tokens/,
    fix: /drop offline_access/,
  },
  {
    what: 'a client that may not use the code flow',
    idp: {
      // As Okta says it.
      before: (req, res, next) =>
        req.path.endsWith('/v1/token') ? void res.status(400).json({ error: 'unauthorized_client' }) : next(),
    },
    check: 'client authentication',
    message: /may not use the authorization code grant/,
    fix: /allow Authorization Code/,
  },
  {
    what: 'a provider without the code flow',
    idp: metadata({ response_types_supported: ['id_token'] }),
    check: 'response type',
    message: /offers id_token, not code/,
    fix: /allow the authorization code flow/,
  },
  {
    what: 'PKCE off at a provider that has it',
    spoil: ({ env }) => ({ ...env, OIDC_PKCE: 'off' }),
    check: 'PKCE',
    message: /off, although the provider offers S256/,
    fix: /set OIDC_PKCE=on/,
  },
  {
    what: 'a provider with plain PKCE only',
    idp: metadata({ code_challenge_methods_supported: ['plain'] }),
    check: 'PKCE',
    message: /offers plain, not S256/,
    fix: /turn on S256 at the provider/,
  },
  {
    what: 'pushed requests off where they are required',
    idp: { variant: 'fapi2', auth: 'private_key_jwt ES256' },
    spoil: ({ env }) => ({ ...env, OIDC_PAR: 'off' }),
    check: 'PAR',
    message: /requires pushed requests/,
    fix: /set OIDC_PAR=auto/,
  },
  {
    what: 'unsigned requests where signed ones are required',
    idp: { variant: 'message-signing', auth: 'private_key_jwt ES256' },
    spoil: ({ env }) => ({ ...env, OIDC_REQUEST_OBJECT: 'off' }),
    check: 'request object',
    message: /requires signed requests/,
    fix: /set OIDC_REQUEST_OBJECT=signed, with a key in OIDC_CLIENT_KEY/,
  },
  {
    what: 'unsigned answers where this client must have signed ones',
    idp: { variant: 'message-signing', auth: 'private_key_jwt ES256' },
    spoil: ({ env }) => ({ ...env, OIDC_RESPONSE_MODE: 'query' }),
    check: 'response mode',
    message: /refuses our authorization request: .*response_mode must be a signed one/,
    fix: /set OIDC_RESPONSE_MODE to one that the provider offers/,
  },
  {
    what: 'signed answers where the provider has none',
    spoil: ({ env }) => ({ ...env, OIDC_RESPONSE_MODE: 'query.jwt' }),
    check: 'response mode',
    message: /the provider offers form_post, fragment, query, not query\.jwt/,
    fix: /set OIDC_RESPONSE_MODE to one that it offers/,
  },
  {
    what: 'answers signed by a key that the provider does not publish',
    idp: {
      variant: 'message-signing',
      auth: 'private_key_jwt ES256',
      before: rewriteJson('/keys', () => ({ keys: [{ ...strangeKey, kid: 'demo-1' }] })),
    },
    check: 'response mode',
    message: /a login would refuse the answer: ERR_JWS_SIGNATURE_VERIFICATION_FAILED/,
    fix: /let the provider sign its answers/,
  },
  {
    what: 'requests signed by a key that the provider does not know, of a client with a secret',
    idp: {
      client: { jwks: { keys: [strangeKey] }, request_object_signing_alg: 'ES256' },
      provider: { par: true, more: { features: messageSigning } },
    },
    spoil: async ({ env }) => ({
      ...env,
      OIDC_CLIENT_KEY: await otherKey(),
      OIDC_REQUEST_OBJECT: 'signed',
      OIDC_RESPONSE_MODE: 'jwt',
    }),
    check: 'request object',
    message: /invalid_request_object/,
    fix: /register the public half of OIDC_CLIENT_KEY/,
  },
  {
    what: 'proofs by algorithms that are not ours',
    idp: metadata({ dpop_signing_alg_values_supported: ['RS256'] }),
    check: 'DPoP',
    status: 'warn',
    message: /takes proofs by RS256/,
    fix: /take ES256/,
  },
  {
    what: 'another algorithm for ID tokens than the provider has',
    spoil: ({ env }) => ({ ...env, OIDC_ID_TOKEN_ALG: 'PS384' }),
    check: 'ID token',
    message: /not PS384/,
    fix: /set OIDC_ID_TOKEN_ALG=RS256/,
  },
  {
    what: 'metadata of other types than they should be',
    idp: metadata({
      scopes_supported: [{ toString: 1, valueOf: 1 }, 7],
      dpop_signing_alg_values_supported: { length: 1 },
      token_endpoint_auth_methods_supported: 'client_secret_basic',
    }),
    check: 'scopes',
    status: 'warn',
    message: /does not list openid/,
    fix: /define them/,
  },
  {
    what: 'an endpoint for pushed requests that is none',
    idp: {
      provider: { par: true },
      before: (req, res, next) => (req.path.endsWith('/par') ? void res.status(200).json({}) : next()),
    },
    check: 'PAR',
    message: /answers with something else/,
    fix: /OIDC_PAR=off/,
  },
  {
    what: 'a provider that repeats the secret in its error',
    idp: {
      auth: 'client_secret_post',
      before: (req, res, next) =>
        req.path.endsWith('/v1/token')
          ? void req.on('data', (data: Buffer) => {
              const secret = new URLSearchParams(data.toString()).get('client_secret')
              res.status(400).json({ error: 'invalid_request', error_description: `wrong: ${secret}` })
            })
          : next(),
    },
    check: 'client authentication',
    status: 'unknown',
    message: /invalid_request \(wrong: \[redacted\]\)/,
    fix: /log in once/,
  },
  {
    what: 'an error_description that is no text',
    idp: {
      before: (req, res, next) =>
        req.path.endsWith('/v1/token')
          ? void res.status(400).json({ error: 'invalid_client', error_description: ['x'] })
          : next(),
    },
    check: 'client authentication',
    message: /invalid_client/,
    fix: /OIDC_CLIENT_SECRET/,
  },
  {
    what: 'a userinfo endpoint with a slip',
    idp: { variant: 'oauth2-public', auth: 'none' },
    spoil: ({ env, origin }) => ({ ...env, OAUTH_USERINFO_ENDPOINT: `${origin}/oauth2/usrinfo/{user_id}` }),
    check: 'userinfo',
    status: 'warn',
    message: /answers 404/,
    fix: /OAUTH_USERINFO_ENDPOINT/,
  },
  {
    what: 'an authorization endpoint with a slip',
    idp: { variant: 'oauth2-public', auth: 'none' },
    spoil: ({ env, origin }) => ({ ...env, OAUTH_AUTHORIZATION_ENDPOINT: `${origin}/oauth2/authorise` }),
    check: 'authorization endpoint',
    message: /status 404/,
    fix: /OAUTH_AUTHORIZATION_ENDPOINT/,
  },
  {
    what: 'https where the provider speaks http',
    spoil: ({ env }) => ({ ...env, OIDC_ISSUER: env.OIDC_ISSUER?.replace('http:', 'https:') }),
    check: 'discovery',
    message: /WRONG_VERSION_NUMBER/,
    fix: /protocol or the port/,
  },
  {
    what: 'a wrong secret at a provider that answers errors with status 200',
    idp: {
      variant: 'oauth2-confidential',
      auth: 'client_secret_post',
      before: (req, res, next) =>
        req.path.endsWith('/token') ? void res.json({ error: 'incorrect_client_credentials' }) : next(),
    },
    check: 'client authentication',
    message: /does not recognise this client/,
    fix: /OIDC_CLIENT_SECRET/,
  },
  {
    what: 'a public address with an unknown name',
    spoil: ({ env }) => ({
      ...env,
      PUBLIC_URL: 'https://app.portico.invalid',
      OIDC_REDIRECT_URI: 'https://app.portico.invalid/api/callback',
    }),
    check: 'public address',
    status: 'warn',
    message: /ENOTFOUND|EAI_AGAIN/,
    fix: /correct the name/,
  },
  {
    what: 'two ways to name one provider',
    spoil: ({ env }) => ({ ...env, OAUTH_TOKEN_ENDPOINT: 'https://idp.example.com/token' }),
    check: 'configuration',
    message: /OIDC_ISSUER is set beside/,
    fix: /^remove what is not needed$/,
  },
  {
    what: 'a key set that is none',
    idp: { before: rewriteJson('/v1/keys', () => ['no', 'keys']) },
    check: 'JWKS',
    message: /holds no key set \(status 200\)/,
    fix: /correct the address/,
  },
  {
    what: 'a key set of an unexpected form',
    idp: {
      before: rewriteJson('/v1/keys', ({ keys }) => ({
        keys: (keys as object[]).map((key) => ({ ...key, alg: { toString: 1, valueOf: 1 } })),
      })),
    },
    check: 'JWKS',
    message: /could not be understood \(TypeError\)/,
    fix: /look at its answers yourself/,
  },
  {
    what: 'an empty key set',
    idp: { before: rewriteJson('/v1/keys', () => ({ keys: [] })) },
    check: 'JWKS',
    message: /no key that can be used/,
    fix: /publish its signing keys/,
  },
  {
    what: 'a key set without a key for the algorithm of ID tokens',
    idp: {
      before: rewriteJson('/v1/keys', ({ keys }) => ({
        keys: (keys as object[]).map((key) => ({ ...key, alg: 'PS256' })),
      })),
    },
    check: 'JWKS',
    message: /none of the keys \(PS256\) is for RS256/,
    fix: /set OIDC_ID_TOKEN_ALG/,
  },
  {
    what: 'two keys without a name',
    idp: {
      before: rewriteJson('/v1/keys', ({ keys }) => ({
        keys: [...(keys as object[]), ...(keys as object[])].map((key) => ({ ...key, kid: undefined })),
      })),
    },
    check: 'JWKS',
    status: 'warn',
    message: /without a kid/,
    fix: /give each key a kid/,
  },
  {
    what: 'a clock two minutes ahead',
    clock: { now: () => Date.now() + 120_000 },
    check: 'clock',
    message: /1(19|20|21) s ahead of the provider/,
    fix: /NTP/,
  },
  {
    what: 'a clock ten seconds late',
    clock: { now: () => Date.now() - 10_000 },
    check: 'clock',
    status: 'warn',
    message: /(9|10|11) s behind the provider/,
    fix: /NTP/,
  },
  {
    what: 'a token endpoint with a slip',
    idp: { variant: 'oauth2-public', auth: 'none' },
    spoil: ({ env, origin }) => ({ ...env, OAUTH_TOKEN_ENDPOINT: `${origin}/oauth/token` }),
    check: 'token endpoint',
    message: /status 404/,
    fix: /OAUTH_TOKEN_ENDPOINT/,
  },
  {
    what: 'openid at a provider whose keys are not configured',
    idp: { variant: 'oauth2-public', auth: 'none' },
    spoil: ({ env }) => ({ ...env, OIDC_SCOPES: 'openid profile' }),
    check: 'ID token',
    status: 'warn',
    message: /without OAUTH_JWKS_URI/,
    fix: /OAUTH_ISSUER and OAUTH_JWKS_URI/,
  },
  {
    what: 'a client secret that could be guessed',
    idp: { client: { client_secret: 'changeme' } },
    spoil: ({ env }) => ({ ...env, OIDC_CLIENT_SECRET: 'changeme' }),
    check: 'secrets',
    status: 'warn',
    message: /could be guessed/,
    fix: /make a new one/,
  },
  {
    what: 'plain http in production',
    spoil: ({ env }) => ({
      ...env,
      PUBLIC_URL: 'http://localhost:1',
      NODE_ENV: 'production',
      ALLOW_MEMORY_STORE: 'true',
    }),
    check: 'cookies',
    status: 'warn',
    message: /not Secure/,
    fix: /https origin/,
  },
  {
    what: 'limits that all clients share',
    spoil: ({ env }) => ({ ...env, TRUST_PROXY: undefined }),
    check: 'limits',
    status: 'warn',
    message: /share the rate limits/,
    fix: /TRUST_PROXY/,
  },
  {
    what: 'a misspelt variable',
    spoil: ({ env }) => ({ ...env, OIDC_SCOPE: 'openid' }),
    check: 'configuration',
    status: 'warn',
    message: /OIDC_SCOPE is not a setting/,
    fix: /did you mean OIDC_SCOPES/,
  },
  {
    what: 'something else at PUBLIC_URL',
    spoil: async ({ env }) => {
      const server = closeAfterTest(await startTestServer())
      server.serve((_req, res) => void res.end('<h1>Welcome</h1>'))
      const publicUrl = `${server.origin}/shop`
      const redirectUri = `${publicUrl}/auth/callback`
      return { ...env, PUBLIC_URL: publicUrl, API_PREFIX: '/auth', OIDC_REDIRECT_URI: redirectUri }
    },
    check: 'public address',
    status: 'warn',
    message: /something else than Portico/,
    fix: /pass \/shop\/auth\/ and \/shop\/\.well-known\/ on/,
  },
  {
    what: 'a missing secret',
    spoil: ({ env }) => ({ ...env, BFF_SECRETS: undefined }),
    check: 'configuration',
    message: /BFF_SECRETS is required/,
    fix: /keys/,
  },
  {
    what: 'a secret that is too short',
    spoil: ({ env }) => ({ ...env, BFF_SECRETS: 'abc' }),
    check: 'configuration',
    message: /BFF_SECRETS must be at least 32 random bytes/,
    fix: /BFF_SECRETS=/,
  },
  {
    what: 'an app on another site',
    spoil: ({ env }) => ({ ...env, SPA_ORIGINS: 'https://spa.example.com' }),
    check: 'configuration',
    message: /another site than PUBLIC_URL/,
    fix: /SPA_ORIGINS=/,
  },
  {
    what: 'PKCE off without client authentication',
    idp: { auth: 'none' },
    spoil: ({ env }) => ({ ...env, OIDC_PKCE: 'off' }),
    check: 'configuration',
    message: /OIDC_PKCE is off, which needs client authentication/,
    fix: /OIDC_PKCE=on/,
  },
  {
    what: 'a key file that holds no key',
    spoil: ({ env }) => ({
      ...env,
      OIDC_CLIENT_AUTH: 'private_key_jwt',
      OIDC_CLIENT_SECRET: undefined,
      OIDC_CLIENT_KEY_FILE: writeFile(
        'bad-key.pem',
        '-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n',
      ),
    }),
    check: 'configuration',
    message: /OIDC_CLIENT_KEY must be a private key/,
    fix: /OIDC_CLIENT_KEY=/,
  },
  {
    what: 'a certificate with the key of another',
    spoil: ({ env }) => {
      const [one, other] = [createCertificate(folder, 'one'), createCertificate(folder, 'other')]
      return {
        ...env,
        OIDC_CLIENT_AUTH: 'tls_client_auth',
        OIDC_CLIENT_SECRET: undefined,
        OIDC_CLIENT_CERT: one.certificate,
        OIDC_CLIENT_CERT_KEY: other.key,
      }
    },
    check: 'configuration',
    message: /OIDC_CLIENT_CERT_KEY is not the key of OIDC_CLIENT_CERT/,
    fix: /OIDC_CLIENT_CERT_KEY=/,
  },
  {
    what: 'a client certificate that ends soon',
    spoil: ({ env }) => {
      const { certificate, key } = createCertificate(folder, 'soon')
      return {
        ...env,
        OIDC_CLIENT_AUTH: 'tls_client_auth',
        OIDC_CLIENT_SECRET: undefined,
        OIDC_CLIENT_CERT: certificate,
        OIDC_CLIENT_CERT_KEY: key,
      }
    },
    check: 'certificate',
    status: 'warn',
    message: /ends in 0 days/,
    fix: /renew/,
  },
  {
    what: 'Redis where nothing listens',
    spoil: async ({ env }) => ({ ...env, REDIS_URL: `redis://127.0.0.1:${await freePort()}` }),
    check: 'redis',
    message: /ECONNREFUSED/,
    fix: /start Redis/,
  },
]

describe('what is misconfigured is found, and the fix is named', () => {
  test.each(planted)('$what', async ({ idp: options, spoil, clock = systemClock, ...expected }) => {
    const idp = closeAfterTest(await startDemoProvider(options))
    const env = (await spoil?.(idp)) ?? idp.env
    const findings = await examine(env, clock)
    const { check, status = 'fail', message, fix } = expected
    const found = findings.filter((one) => one.check === check && one.status === status)
    expect(found, summarise(findings).join('\n')).toContainEqual(
      expect.objectContaining({ message: expect.stringMatching(message), fix: expect.stringMatching(fix) }),
    )
    // No secret, and no stack.
    const printed = renderTable(findings) + renderJson(findings)
    for (const name of ['BFF_SECRETS', 'OIDC_CLIENT_SECRET', 'OIDC_CLIENT_KEY']) {
      const secret = env[name]
      if (secret !== undefined && secret.length > 8) expect(printed).not.toContain(secret)
    }
    expect(printed).not.toMatch(/\n\s+at /)
  })
})

test('a terminal does not obey what a provider writes', () => {
  const table = renderTable([
    { check: 'JWKS', status: 'fail', message: 'keys at https://h/\u001b[2Jpass', fix: 'a\nb' },
  ])
  expect(table).toContain('keys at https://h/ [2Jpass')
  expect(table).toContain('→ a b')
})

test('of several providers each is examined, under its name', async () => {
  const [okta, oauth2Public] = [
    closeAfterTest(await startDemoProvider()),
    closeAfterTest(await startDemoProvider({ variant: 'oauth2-public', auth: 'none' })),
  ]
  const pick = ({ env }: DemoProvider) =>
    Object.fromEntries(Object.entries(env).filter(([name]) => /^O(IDC|AUTH)_/.test(name)))
  const file = writeFile(
    'providers.json',
    JSON.stringify({ okta: pick(okta), 'oauth2-public': pick(oauth2Public) }),
  )
  const findings = await examineProvidersFile(file)
  for (const provider of ['okta', 'oauth2-public']) {
    expect(findings).toContainEqual(
      expect.objectContaining({ provider, check: 'client authentication', status: 'pass' }),
    )
    // Each has a redirect URI of its own now, which is not registered.
    expect(findings).toContainEqual(
      expect.objectContaining({
        provider,
        check: 'redirect URI',
        status: 'fail',
        message: expect.stringContaining(`/api/callback/${provider}`),
      }),
    )
  }
})

describe('the command', () => {
  const run = async (env: Env, ...args: string[]) => {
    const given = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    const child = startProcess('src/main.ts', ['doctor', ...args], Object.fromEntries(given))
    return { code: await child.exited, text: child.output.text }
  }

  test('prints a table and exits with 0 where no check failed', async () => {
    const { env } = closeAfterTest(await startDemoProvider())
    const { code, text } = await run(env)
    expect(code).toBe(0)
    expect(text).toMatch(/^pass {2}discovery +http/m)
    expect(text).toMatch(/\d+ pass, \d+ warn, 0 fail, \d+ unknown\n$/)
  })

  test('exits with 1 where one failed, and says the same in JSON for pipelines', async () => {
    const { env } = closeAfterTest(await startDemoProvider())
    const { code, text } = await run({ ...env, OIDC_CLIENT_SECRET: testSecret() }, '--json')
    expect(code).toBe(1)
    const report = JSON.parse(text) as { healthy: boolean; counts: { fail: number }; findings: Finding[] }
    expect(report).toMatchObject({ healthy: false, counts: { fail: 1 } })
    expect(report.findings).toContainEqual(
      expect.objectContaining({ check: 'client authentication', status: 'fail', fix: expect.any(String) }),
    )
  })

  test('with no configuration at all says what is missing, and exits with 1', async () => {
    const { code, text } = await run({})
    expect(code).toBe(1)
    expect(text).toMatch(/FAIL {2}configuration +PUBLIC_URL is required/)
  })

  test('takes no other option', async () => {
    expect((await run({}, '--jason')).code).toBe(64)
  })

  test('is in the image: npm start -- doctor and portico-bff doctor are the same file', async () => {
    const { scripts, bin } = (await import(join(root, 'package.json'), { with: { type: 'json' } })).default
    expect([scripts.start, bin['portico-bff']]).toEqual(['node src/main.ts', 'dist/main.js'])
  })
})
