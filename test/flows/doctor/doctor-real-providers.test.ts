import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Request, RequestHandler } from 'express'
import type { KoaContextWithOIDC } from 'oidc-provider'
import { describe, expect, test } from 'vitest'
import { errors } from '../../../demo/provider/oidc-provider.ts'
import { systemClock } from '../../../src/clock.ts'
import { examine } from '../../../src/doctor/doctor.ts'
import type { Status } from '../../../src/doctor/finding.ts'
import { examineProvidersFile, toLine } from '../../support/examination.ts'
import { closeAfterTest } from '../../support/fixtures.ts'
import { startTestServer } from '../../support/network/http-server.ts'
import { startPortico, testSecret } from '../../support/portico.ts'
import {
  type DemoProviderSetup,
  rewriteJson,
  startDemoProvider,
} from '../../support/providers/demo-provider.ts'

/** What the doctor says at providers that answer as Keycloak, Ory Hydra and Spring do: each finding planted, and passing. */

type DemoProvider = Awaited<ReturnType<typeof startDemoProvider>>
type Options = DemoProviderSetup
type Env = DemoProvider['env']

/** Examines a Portico at such a provider. */
async function examineAt(options: Options, more: Env | ((idp: DemoProvider) => Env) = {}) {
  const idp = closeAfterTest(await startDemoProvider(options))
  const findings = await examine(
    { ...idp.env, ...(typeof more === 'function' ? more(idp) : more) },
    systemClock,
  )
  const of = (check: string, status?: Status) =>
    findings
      .filter((one) => one.check === check && (status === undefined || one.status === status))
      .map(toLine)
  return { of, failed: findings.filter(({ status }) => status === 'fail').map(toLine) }
}

const discovery = '/.well-known/openid-configuration'
const metadata = (change: Record<string, unknown>) =>
  rewriteJson(discovery, (document) => ({ ...document, ...change }))

/** Answers one address in place of the provider, where `when` says so. */
const answer =
  (path: string, handler: RequestHandler, when: (req: Request) => boolean = () => true): RequestHandler =>
  (req, res, next) =>
    req.path.endsWith(path) && when(req) ? handler(req, res, next) : next()
const both =
  (first: RequestHandler, second: RequestHandler): RequestHandler =>
  (req, res, next) =>
    first(req, res, () => second(req, res, next))

const json =
  (status: number, body: object): RequestHandler =>
  (_req, res) =>
    void res.status(status).json(body)
const redirect =
  (location: string): RequestHandler =>
  (_req, res) =>
    void res.redirect(location)

describe('a provider that posts its answer', () => {
  test.each([
    ['that the user is missing', {}, /^pass redirect URI: .* accepts our authorization request/],
    ['that PKCE is missing', { OIDC_PKCE: 'off' }, /fail PKCE: .*authorization/],
  ])('says so in its form: %s', async (_what, env, expected) => {
    const { of } = await examineAt({}, { OIDC_RESPONSE_MODE: 'form_post', OIDC_PAR: 'off', ...env })
    expect([...of('redirect URI'), ...of('PKCE', 'fail')].join()).toMatch(expected)
  })
})

describe('a public client whose method the metadata leaves out (Keycloak, Spring)', () => {
  const before = metadata({
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  })

  test('passes: it was tried, and recognised', async () => {
    const { failed, of } = await examineAt({ auth: 'none', before })
    expect(failed).toEqual([])
    expect(of('client authentication')).toEqual([
      'pass client authentication: the provider knows this client (none); its metadata lists client_secret_basic, client_secret_post, private_key_jwt, not none',
    ])
  })

  test('is reported once where the provider wants more of it, with the list', async () => {
    const { failed } = await examineAt(
      { auth: 'client_secret_basic', before },
      { OIDC_CLIENT_AUTH: undefined, OIDC_CLIENT_SECRET: undefined },
    )
    expect(failed).toEqual([
      expect.stringMatching(
        /^fail client authentication: .*by none: .*; its metadata lists client_secret_basic.* → set OIDC_CLIENT_AUTH to one/,
      ),
    ])
  })
})

describe('a redirect URI that is not registered', () => {
  const description =
    "The request is missing a required parameter, includes an invalid parameter value, includes a parameter more than once, or is otherwise malformed. The 'redirect_uri' parameter does not match any of the OAuth 2.0 Client's pre-registered redirect urls."
  const error = new URLSearchParams({ error: 'invalid_request', error_description: description })
  const hint = new URLSearchParams({ error: 'invalid_request', error_hint: description })
  const isForeign = ({ query }: Request) => !String(query.redirect_uri).endsWith('/api/callback')
  const foreign = ({ env }: DemoProvider) => ({ OIDC_REDIRECT_URI: `${env.PUBLIC_URL}/signed-in` })

  test.each([
    ['the page of Ory Hydra', `/oauth2/fallbacks/error?${error}`],
    ['the same with its older words', `/oauth2/fallbacks/error?${hint}`],
    ['a page elsewhere', `https://pages.example.com/oops?lang=en&${error}`],
    ['a page that reads its fragment', `https://pages.example.com/err.srf?lc=1033#${error}`],
  ])('is recognised by the address of %s', async (_what, location) => {
    const before = answer('/v1/authorize', redirect(location), isForeign)
    const { failed } = await examineAt({ before }, foreign)
    expect(failed).toEqual([
      expect.stringMatching(
        /^fail redirect URI: the provider does not know https:\/\/localhost:1\/signed-in: invalid_request .* → register exactly/,
      ),
    ])
    const good = await examineAt({ before })
    expect(good.failed).toEqual([])
    expect(good.of('redirect URI', 'pass')).toHaveLength(1)
  })

  test('is not seen where a sign-in page comes first', async () => {
    const { failed, of } = await examineAt(
      { before: answer('/v1/authorize', redirect('/login?error=')) },
      foreign,
    )
    expect(failed).toEqual([])
    expect(of('redirect URI')).toEqual([
      expect.stringMatching(/^unknown redirect URI: .*page of its own first → log in once/),
    ])
  })
})

test('OIDC_REVOCATION=never: the doctor tries none, and says what that means', async () => {
  const before = answer('/v1/revoke', json(500, {}))
  const { of } = await examineAt({ before }, { OIDC_REVOCATION: 'never' })
  expect(of('revocation')).toEqual([
    expect.stringMatching(/^pass revocation: .*=never: .* stay valid there$/),
  ])
})

describe('a post-logout redirect URI', () => {
  const unregistered = { client: { post_logout_redirect_uris: [] } }
  const toError = (text: string) =>
    redirect(
      `/oauth2/fallbacks/error?${new URLSearchParams({ error: 'invalid_request', error_description: text })}`,
    )

  test('that is registered is known, because others are refused', async () => {
    expect((await examineAt({})).of('logout')).toEqual([
      expect.stringMatching(
        /^pass logout: the provider knows https:.*\/api\/logout\/callback, and refuses others$/,
      ),
    ])
  })

  test.each<[string, Options]>([
    ['oidc-provider', unregistered],
    [
      'Keycloak',
      {
        before: answer(
          '/v1/logout',
          (_req, res) => void res.status(400).send('We are sorry... Invalid redirect uri'),
        ),
      },
    ],
    [
      'one that redirects to its error',
      { before: answer('/v1/logout', toError('post_logout_redirect_uri is not a whitelisted one')) },
    ],
  ])('that is not registered is a warning at %s', async (_what, options) => {
    const { failed, of } = await examineAt(options)
    expect(failed).toEqual([])
    expect(of('logout')).toEqual([
      expect.stringMatching(/^warn logout: the provider does not know .* → register exactly/),
    ])
  })

  test.each<[string, Options]>([
    [
      'refuses any without an ID token (Ory Hydra)',
      {
        before: answer(
          '/v1/logout',
          toError(
            'Logout failed because query parameter post_logout_redirect_uri is set but id_token_hint is missing.',
          ),
        ),
      },
    ],
    ['asks every browser', { before: answer('/v1/logout', (_req, res) => void res.send('Sign out?')) }],
    ['redirects every browser', { before: answer('/v1/logout', redirect('/login')) }],
  ])('is not known where the provider %s', async (_what, options) => {
    for (const client of [{}, unregistered.client]) {
      const { failed, of } = await examineAt({ ...options, client })
      expect(failed).toEqual([])
      expect(of('logout')).toEqual([
        expect.stringMatching(/^unknown logout: .*without an ID token.* → check that it is/),
      ])
    }
  })

  test('that the provider sends people to is known', async () => {
    const before = answer(
      '/v1/logout',
      (req, res) => void res.redirect(String(req.query.post_logout_redirect_uri)),
    )
    const { of } = await examineAt({ before }, { API_PREFIX: '/auth' })
    expect(of('logout')).toEqual([
      expect.stringMatching(/^pass logout: the provider knows .*[^/]\/auth\/logout\/callback$/),
    ])
  })

  test('is asked for as OIDC_LOGOUT_PARAMS says: Amazon Cognito looks at logout_uri alone', async () => {
    const before = answer('/v1/logout', (req, res) => {
      const { logout_uri: to } = req.query
      return typeof to === 'string'
        ? void res.redirect(to)
        : void res.status(400).send("Required String parameter 'redirect_uri' is not present")
    })
    expect((await examineAt({ before })).of('logout')).toEqual([
      expect.stringMatching(/^warn logout: the provider does not know/),
    ])
    const withParams = await examineAt({ before }, ({ env }) => ({
      OIDC_LOGOUT_PARAMS: `logout_uri=${env.PUBLIC_URL}/api/logout/callback`,
    }))
    expect(withParams.of('logout')).toEqual([expect.stringMatching(/^pass logout: the provider knows/)])
  })
})

test.each<[string[], Status]>([
  [['RS256'], 'pass'],
  [['PS256', 'RS256', 'ES256', 'EdDSA'], 'unknown'],
  [['PS256'], 'fail'],
])('ID tokens by one of %j: %s (Keycloak lists what the realm can do)', async (algs, status) => {
  const { of } = await examineAt({ before: metadata({ id_token_signing_alg_values_supported: algs }) })
  expect(of('ID token')).toHaveLength(1)
  expect(of('ID token', status)).toHaveLength(1)
})

describe('a client that must use DPoP (Keycloak)', () => {
  const isUnproven = (req: Request) => req.get('dpop') === undefined
  const missing = json(400, { error: 'invalid_request', error_description: 'DPoP proof is missing' })
  const older = json(400, { error: 'invalid_dpop_proof', error_description: 'DPoP proof is missing' })

  test.each([
    ['at the token endpoint', answer('/v1/token', missing, isUnproven)],
    ['at the token endpoint of an older one', answer('/v1/token', older, isUnproven)],
    ['at the endpoint for pushed requests', answer('/v1/par', missing, isUnproven)],
    ['at both', both(answer('/v1/token', missing, isUnproven), answer('/v1/par', missing, isUnproven))],
  ])('%s, with DPoP off: one failure, and the setting', async (_what, before) => {
    const options = { provider: { dpop: true, par: true }, before }
    const { failed } = await examineAt(options, { OIDC_DPOP: 'off' })
    expect(failed).toEqual([
      expect.stringMatching(/^fail DPoP: this client must use DPoP: .* → set OIDC_DPOP=auto$/),
    ])
    const good = await examineAt(options)
    expect(good.failed).toEqual([])
    expect(good.of('DPoP', 'pass')).toHaveLength(1)
  })
})

describe.each([
  ['and its words', { error_description: 'Invalid client or Invalid client credentials' }],
  ['and no word', {}],
])('a wrong secret that is answered by 401 unauthorized_client %s (Keycloak)', (_what, words) => {
  const refuse = json(401, { error: 'unauthorized_client', ...words })
  const isWrong = (req: Request) =>
    !Buffer.from((req.get('authorization') ?? '').slice(6), 'base64')
      .toString()
      .endsWith('-right')
  const before = both(answer('/v1/token', refuse, isWrong), answer('/v1/par', refuse, isWrong))
  const client_secret = `${testSecret()}-right`
  const options = { client: { client_secret }, before, provider: { par: true } }

  test('is one failure about the secret', async () => {
    const { failed, of } = await examineAt(options, { OIDC_CLIENT_SECRET: testSecret() })
    expect(failed).toEqual([
      expect.stringMatching(
        /^fail client authentication: the provider does not recognise this client by client_secret_basic: unauthorized_client.* → copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET again/,
      ),
    ])
    expect(of('redirect URI', 'unknown')).toEqual([
      expect.stringMatching(/not tried: .*unauthorized_client.* → correct client authentication first$/),
    ])
    expect(of('revocation')).toEqual([expect.stringMatching(/^unknown revocation: not tried/)])
  })

  test('the right one passes', async () => {
    const { failed, of } = await examineAt(options, { OIDC_CLIENT_SECRET: client_secret })
    expect(failed).toEqual([])
    for (const check of ['client authentication', 'redirect URI', 'revocation', 'PAR']) {
      expect([check, of(check, 'pass').length]).toEqual([check, 1])
    }
  })
})

describe('a wrong secret at any other provider is one failure as well', () => {
  const challenge: RequestHandler = (_req, res) =>
    void res.set('WWW-Authenticate', 'Basic realm="as"').status(401).end()

  test.each<[string, Options, string]>([
    ['by client_secret_basic', { auth: 'client_secret_basic' }, 'invalid_client'],
    ['by client_secret_post', { auth: 'client_secret_post' }, 'invalid_client'],
    [
      'by nothing but a challenge',
      { before: both(answer('/v1/token', challenge), answer('/v1/par', challenge)) },
      'invalid_client .status 401 with a challenge.',
    ],
  ])('%s', async (_what, options, answered) => {
    const { failed, of } = await examineAt(
      { ...options, provider: { par: true } },
      { OIDC_CLIENT_SECRET: testSecret() },
    )
    expect(failed).toEqual([
      expect.stringMatching(
        new RegExp(`^fail client authentication: .*by client_secret_\\w+: ${answered}.* → copy`),
      ),
    ])
    expect(of('redirect URI')).toEqual([expect.stringMatching(/^unknown redirect URI: not tried: /)])
  })
})

test('a client that may not use the code flow is another matter, and one failure as well', async () => {
  const refuse = json(400, { error: 'unauthorized_client' })
  const { failed } = await examineAt({
    provider: { par: true },
    before: both(answer('/v1/token', refuse), answer('/v1/par', refuse)),
  })
  expect(failed).toEqual([
    expect.stringMatching(/^fail client authentication: .*may not use.* → allow Authorization Code/),
  ])
})

test.each<[string, RequestHandler]>([
  ['a redirect to its sign-in page', redirect('/login')],
  ['a 401 without a word', (_req, res) => void res.status(401).end()],
])(
  'a public client that Spring does not take as one, shown by %s, is not sent to the network',
  async (_what, handler) => {
    const { failed } = await examineAt({ auth: 'none', before: answer('/v1/token', handler) })
    expect(failed).toEqual([
      expect.stringMatching(
        /^fail client authentication: the provider does not recognise this client by none: .* → check OIDC_CLIENT_ID; make it a public client/,
      ),
    ])
    expect((await examineAt({ auth: 'none' })).failed).toEqual([])
  },
)

describe('a key that the provider fetches at a Portico that does not run', () => {
  /** Takes assertions only once their keys can be fetched. */
  const fetching = (publicUrl: () => string, refuse: RequestHandler) =>
    answer('/v1/token', (req, res, next) => {
      fetch(`${publicUrl()}/.well-known/client-jwks.json`).then(
        () => next(),
        () => refuse(req, res, next),
      )
    })
  const auth = 'private_key_jwt ES256'
  const endpoint = { OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' }

  test.each<[string, RequestHandler]>([
    [
      'refuses the client',
      json(400, { error: 'invalid_client', error_description: 'Unable to load public key' }),
    ],
    ['fails (Ory Hydra)', (_req, res) => void res.status(500).end()],
  ])('is reported where the provider %s', async (_what, refuse) => {
    const { failed } = await examineAt(
      { auth, before: fetching(() => 'https://localhost:1', refuse) },
      endpoint,
    )
    expect(failed).toEqual([
      expect.stringMatching(
        /^fail client authentication: .* → .*GET https:\/\/localhost:1\/\.well-known\/client-jwks\.json shows it; a provider that fetches keys there \(jwks_uri\) gets none before Portico runs: start it/,
      ),
    ])
  })

  test('is there once it runs, and then a refusal is about something else', async () => {
    const server = closeAfterTest(await startTestServer())
    const publicUrl = server.origin
    const own = { ...endpoint, PUBLIC_URL: publicUrl, OIDC_REDIRECT_URI: `${publicUrl}/api/callback` }
    const client = { redirect_uris: [`${publicUrl}/api/callback`] }
    const idp = closeAfterTest(
      await startDemoProvider({ auth, client, before: fetching(() => publicUrl, json(500, {})) }),
    )
    const env = { ...idp.env, ...own }
    const portico = closeAfterTest(await startPortico({ env: { ...env, PORT: '0' } }))
    server.serve((req, res) => {
      void fetch(`${portico.url}${req.url}`).then(async (answer) => res.end(await answer.text()))
    })
    const findings = await examine(env, systemClock)
    expect(findings.filter(({ status }) => status === 'fail').map(toLine)).toEqual([])
    expect(findings.filter(({ check }) => check === 'public address').map(({ status }) => status)).toEqual([
      'pass',
    ])
    const wrong = await examine({ ...env, OIDC_CLIENT_ID: 'another-client' }, systemClock)
    const refused = wrong
      .filter(({ check, status }) => check === 'client authentication' && status === 'fail')
      .map(toLine)
    expect(refused).toEqual([
      expect.stringMatching(/a provider that fetches keys \(jwks_uri\) must reach it$/),
    ])
  })
})

test('that nothing answers at PUBLIC_URL yet is said once, and is no failure', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-doctor-providers-'))
  closeAfterTest({ close: async () => rmSync(folder, { recursive: true }) })
  const toEntry = ({ env }: DemoProvider, redirectUri: string) => ({
    ...Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('OIDC_'))),
    OIDC_REDIRECT_URI: redirectUri,
  })
  const start = async (auth: 'none' | 'client_secret_post', name: string) => {
    const redirectUri = `https://localhost:1/api/callback/${name}`
    return toEntry(
      closeAfterTest(await startDemoProvider({ auth, client: { redirect_uris: [redirectUri] } })),
      redirectUri,
    )
  }
  const several = { one: await start('none', 'one'), other: await start('client_secret_post', 'other') }
  const file = join(folder, 'providers.json')
  writeFileSync(file, JSON.stringify(several))
  const findings = await examineProvidersFile(file)
  expect(findings.filter(({ status }) => status === 'fail')).toEqual([])
  expect(new Set(findings.map(({ provider }) => provider))).toEqual(new Set([undefined, 'one', 'other']))
  expect(findings.filter(({ message }) => /nothing answers/.test(message)).map(toLine)).toEqual([
    expect.stringMatching(
      /^unknown public address: nothing answers at https:\/\/localhost:1 from here \(ECONNREFUSED\), which is as it should be before the first start → /,
    ),
  ])
})

describe('the audience of assertions', () => {
  const at = (isRight: (ctx: KoaContextWithOIDC, aud: unknown) => boolean): Options => ({
    auth: 'private_key_jwt ES256',
    provider: {
      par: true,
      more: {
        assertJwtClientAuthClaimsAndHeader: (ctx, { aud }) => {
          if (!isRight(ctx, aud)) throw new errors.InvalidClientAuth('aud')
        },
      },
    },
  })
  const hydra = at((ctx, aud) => aud === ctx.oidc.urlFor('token'))
  const okta = at((ctx, aud) => aud === ctx.oidc.urlFor(ctx.oidc.route))
  const set = (audience: string) => `→ set OIDC_CLIENT_ASSERTION_AUDIENCE=${audience}$`

  test.each<[string, Options, string, string, string]>([
    ['Ory Hydra', hydra, 'issuer', `^fail client authentication.*${set('token_endpoint')}`, '^unknown'],
    ['Ory Hydra', hydra, 'token_endpoint', '^pass', '^pass'],
    ['Okta', okta, 'issuer', `^fail client authentication.*${set('endpoint')}`, '^unknown'],
    ['Okta', okta, 'endpoint', '^pass', '^pass'],
    ['Okta', okta, 'token_endpoint', '^pass', `^warn.*${set('endpoint')}`],
  ])('at %s, %#', async (_what, options, audience, atToken, atRevocation) => {
    const { of } = await examineAt(options, { OIDC_CLIENT_ASSERTION_AUDIENCE: audience, OIDC_PAR: 'off' })
    const found = of('client authentication').filter((line) => !/this looks like Okta/.test(line))
    expect(found).toEqual([expect.stringMatching(new RegExp(atToken))])
    expect(of('revocation')).toEqual([expect.stringMatching(new RegExp(atRevocation))])
  })

  test('that only lets people in, and revokes nothing, is a warning with the right one', async () => {
    const { failed, of } = await examineAt(hydra, {
      OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint',
      OIDC_PAR: 'off',
    })
    expect(failed).toEqual([])
    expect(of('revocation')).toEqual([
      expect.stringMatching(new RegExp(`^warn revocation: .*invalid_client.*${set('token_endpoint')}`)),
    ])
  })

  test('that the endpoint for pushed requests alone does not accept is reported there', async () => {
    const { failed } = await examineAt(hydra, { OIDC_CLIENT_ASSERTION_AUDIENCE: 'endpoint' })
    expect(failed).toEqual([
      expect.stringMatching(/^fail PAR: the token endpoint recognises this client, and/),
    ])
  })
})

describe('pushed requests', () => {
  const announce = (more: object = {}) =>
    rewriteJson(discovery, (document) => ({
      ...document,
      pushed_authorization_request_endpoint: `${String(document.issuer)}/v1/par`,
      ...more,
    }))

  test.each<[string, RequestHandler]>([
    ['a redirect (Spring)', redirect('/login')],
    ['a 404', (_req, res) => void res.status(404).end()],
    ['a 405', (_req, res) => void res.status(405).end()],
  ])(
    'that are announced, and answered by %s, are a warning, or a failure where they are required',
    async (_what, handler) => {
      const optional = await examineAt({ before: both(announce(), answer('/v1/par', handler)) })
      expect(optional.failed).toEqual([])
      expect(optional.of('PAR')).toEqual([
        expect.stringMatching(/^warn PAR: .*does not take them \(.*status \d+\).* → .*OIDC_PAR=off$/),
      ])
      expect(optional.of('redirect URI', 'pass')).toHaveLength(1)
      const more = { require_pushed_authorization_requests: true }
      const required = await examineAt({ before: both(announce(more), answer('/v1/par', handler)) })
      expect(required.failed).toEqual([
        expect.stringMatching(
          /^fail PAR: the endpoint .* answers with something else: .* → the provider has to fix it: it accepts/,
        ),
      ])
    },
  )

  test('that are taken pass', async () => {
    expect((await examineAt({ provider: { par: true } })).of('PAR')).toEqual(['pass PAR: logins are pushed'])
  })
})

describe('offline_access at Keycloak', () => {
  // By the path of its token endpoint: the issuer of the provider is another one.
  const keycloak: Options = {
    before: both(
      rewriteJson(discovery, (document) => ({
        ...document,
        token_endpoint: `${String(document.issuer)}/protocol/openid-connect/token`,
      })),
      (req, _res, next) => {
        req.url = req.url.replace('/protocol/openid-connect/token', '/v1/token')
        next()
      },
    ),
  }
  const offline = /^warn scopes: this looks like Keycloak, where offline_access makes an offline session/

  test('is a warning with the right scopes', async () => {
    const { of } = await examineAt(keycloak, { OIDC_SCOPES: 'openid profile email offline_access' })
    expect(of('scopes')).toContainEqual(expect.stringMatching(offline))
    expect(of('scopes').join()).toContain(' → set OIDC_SCOPES="openid profile email": ')
  })

  test.each<[string, Options, string]>([
    ['without it', keycloak, 'openid profile email'],
    ['at another provider', {}, 'openid profile email offline_access'],
  ])('%s is not reported', async (_what, options, OIDC_SCOPES) => {
    expect((await examineAt(options, { OIDC_SCOPES })).of('scopes')).toEqual([`pass scopes: ${OIDC_SCOPES}`])
  })
})

describe('audiences beside the client', () => {
  const zitadel: Options = {
    before: both(
      rewriteJson(discovery, (document) => ({
        ...document,
        token_endpoint: `${String(document.issuer)}/oauth/v2/token`,
        userinfo_endpoint: `${String(document.issuer)}/oidc/v1/userinfo`,
      })),
      (req, _res, next) => {
        req.url = req.url.replace('/oauth/v2/token', '/v1/token').replace('/oidc/v1/userinfo', '/v1/userinfo')
        next()
      },
    ),
  }

  test('at Zitadel are a warning that names the setting', async () => {
    const { of } = await examineAt(zitadel)
    expect(of('audiences')).toEqual([
      expect.stringMatching(/^warn audiences: this looks like Zitadel.* → set OIDC_TRUSTED_AUDIENCES/),
    ])
  })

  test.each<[string, Options, Record<string, string>, string[]]>([
    [
      'where they are trusted',
      zitadel,
      { OIDC_TRUSTED_AUDIENCES: 'project-7,other' },
      ['pass audiences: ID tokens may name project-7, other besides the client'],
    ],
    ['at another provider', {}, {}, []],
  ])('%s are none', async (_what, options, env, findings) => {
    expect((await examineAt(options, env)).of('audiences')).toEqual(findings)
  })
})

test('a provider that answers with the client secret, in any field, does not make the doctor print it', async () => {
  const canary = 'S3cret-canary-of-some-length'
  for (const body of [
    { error: `not ${canary}` },
    { error: 'invalid_client', error_description: canary },
    { error: { code: canary, message: canary } },
    { message: `client secret ${canary} is wrong` },
  ]) {
    const toLine = answer('/v1/token', (_req, res) => void res.status(400).json(body))
    const { of, failed } = await examineAt({ before: toLine }, { OIDC_CLIENT_SECRET: canary })
    expect(of('client authentication').join()).toContain('[redacted]')
    expect([...failed, ...of('client authentication')].join()).not.toContain(canary)
  }
})
