import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { AssertionAudience } from '../../../src/config/providers/provider-config.ts'
import { checkAuthorization } from '../../../src/doctor/provider/authorization-checks.ts'
import { checkClientAuth } from '../../../src/doctor/provider/client-auth-checks.ts'
import { checkLogout } from '../../../src/doctor/provider/logout-checks.ts'
import { checkRevocation } from '../../../src/doctor/provider/revocation-checks.ts'
import { checkUserinfo } from '../../../src/doctor/provider/userinfo-checks.ts'
import type { AuthorizationAnswer } from '../../../src/provider/probe/authorization-probe.ts'
import type { ProviderProbe } from '../../../src/provider/probe/probe.ts'
import type { ProbeRefusal } from '../../../src/provider/probe/probe-refusal.ts'
import { providerUnavailable } from '../../../src/provider/transport/unavailable.ts'
import {
  createExamination,
  discoveredServer,
  type Env,
  oauth2Settings,
  toLine,
} from '../../support/examination.ts'

/** How the doctor reads what a provider answers; `test/flows/doctor/doctor.test.ts` shows that real ones answer so. */

const secret = { OIDC_CLIENT_SECRET: 'a-secret-of-some-length' }
const toKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
const key = { OIDC_CLIENT_KEY: JSON.stringify(toKey()) }

describe('the authorization request', () => {
  const check = async (
    answer: AuthorizationAnswer,
    { env = {}, metadata = {}, failed = [] as string[] } = {},
  ) =>
    (
      await checkAuthorization(
        createExamination(env, { tryAuthorization: async () => answer }),
        discoveredServer(metadata),
        new Set(failed),
      )
    ).map(toLine)
  const refused = async (outcome: 'returned' | 'push refused', error: string, description = '') =>
    (await check({ outcome, refusal: { error, description } })).join()

  test.each([
    'login_required',
    'interaction_required',
    'consent_required',
    'account_selection_required',
    'none',
  ])('that comes back with %s is right', async (error) => {
    expect(await refused('returned', error)).toMatch(
      /^pass redirect URI: the provider knows https:\/\/app\.example\.com/,
    )
  })

  test.each([
    ['invalid_scope', 'no such scope', /^fail scopes: .*invalid_scope \(no such scope\) → .*OIDC_SCOPES/],
    ['invalid_target', 'no such scope there', /^fail resource: .* → .*OIDC_AUTHORIZATION_PARAMS/],
    ['invalid_request', 'use a pushed request', /^fail PAR: .* → set OIDC_PAR=auto/],
    ['invalid_request', 'request_uri is missing', /^fail PAR: .* → set OIDC_PAR=auto/],
    ['invalid_request', 'code_challenge is missing', /^fail PKCE: .* → set OIDC_PKCE=on/],
    ['invalid_request', 'PKCE is required', /^fail PKCE: .* → set OIDC_PKCE=on/],
    [
      'invalid_request',
      'DPoP proof is missing',
      /^fail DPoP: this client must use DPoP: .* → set OIDC_DPOP=/,
    ],
    ['unauthorized_client', '', /^fail client: /],
    ['server_error', '', /^fail authorization request: .*server_error → look for this error/],
    [
      'invalid_redirect_uri',
      'redirect_uri is not registered',
      /^fail redirect URI: the provider does not know/,
    ],
  ])('%s (%s)', async (error, description, expected) => {
    expect(await refused('returned', error, description)).toMatch(expected)
    expect(await refused('push refused', error, description)).toMatch(expected)
  })

  test.each([
    [
      'unsupported_response_mode',
      'unsupported response_mode',
      {},
      /^fail response mode: .* → set OIDC_RESPONSE_MODE/,
    ],
    ['invalid_request_object', '', {}, /^fail request object: .* → set OIDC_REQUEST_OBJECT=signed/],
    [
      'invalid_request_object',
      '',
      { ...key, OIDC_REQUEST_OBJECT: 'signed' },
      /^fail request object: .* → register the public half of OIDC_CLIENT_KEY/,
    ],
  ])('%s (%s) with %o', async (error, description, env, expected) => {
    for (const outcome of ['returned', 'push refused'] as const) {
      expect((await check({ outcome, refusal: { error, description } }, { env })).join()).toMatch(expected)
    }
  })

  describe('that comes back signed', () => {
    const env = { OIDC_RESPONSE_MODE: 'jwt' }
    const returned = (error: string, untrusted?: string) =>
      check({ outcome: 'returned', refusal: { error, description: '' }, untrusted }, { env })

    test('and verifies, is right', async () => {
      expect(await returned('login_required')).toEqual([
        'pass response mode: the answer is signed, and verifies',
        expect.stringMatching(/^pass redirect URI/),
      ])
    })

    test('and does not verify, would fail each login', async () => {
      expect(await returned('login_required', 'it is not signed')).toEqual([
        expect.stringMatching(
          /^fail response mode: a login would refuse the answer: it is not signed → let the/,
        ),
        expect.stringMatching(/^pass redirect URI/),
      ])
    })

    test('or not, because the request was refused: that is reported', async () => {
      expect(await returned('unsupported_response_mode', 'it is not signed')).toEqual([
        expect.stringMatching(/^fail response mode|^fail authorization request/),
      ])
    })
  })

  test.each([404, 405])('that ends with status %d went to a wrong address', async (status) => {
    expect((await check({ outcome: 'page', status, text: 'no such client' })).join()).toMatch(
      /^fail authorization endpoint/,
    )
  })

  test('pushed, it is not right because a user is missing', async () => {
    expect(await refused('push refused', 'login_required')).toMatch(/^fail authorization request/)
  })

  test.each([
    [200, 'Sign in', /^unknown redirect URI: the provider shows a page/],
    [400, 'bad redirect_uri', /^fail redirect URI: the provider does not know .*: status 400/],
    [400, 'The redirect URL is unknown', /^fail redirect URI: the provider does not know/],
    [400, 'no such client', /^fail client: .*OIDC_CLIENT_ID: status 400/],
    [403, 'no', /^fail redirect URI: .*with a page: status 403/],
  ])('that ends on a page of status %d (%s)', async (status, text, expected) => {
    expect((await check({ outcome: 'page', status, text })).join()).toMatch(expected)
  })

  test('that leads elsewhere cannot be judged', async () => {
    expect((await check({ outcome: 'sent elsewhere' })).join()).toMatch(/^unknown redirect URI/)
  })

  test.each([
    [
      'invalid_request',
      "The 'redirect_uri' parameter is none",
      /^fail redirect URI: the provider does not know/,
    ],
    [
      'invalid_request',
      '',
      /^fail redirect URI: .*an error page of its own: invalid_request → check OIDC_CLIENT_ID/,
    ],
    ['invalid_client', 'does not exist', /^fail client: /],
    ['invalid_scope', '', /^fail scopes: /],
    [
      'login_required',
      '',
      /^unknown redirect URI: the provider sends the browser to a page of its own first/,
    ],
    ['session_expired', '', /^unknown redirect URI: .*which says session_expired/],
  ])('that leads to an error of the provider, %s (%s)', async (error, description, expected) => {
    const text = `${error} ${description}`
    const refusal = { error, description }
    expect((await check({ outcome: 'sent to an error', refusal, text })).join()).toMatch(expected)
  })

  test('the error may be longer than the part that is shown', async () => {
    const refusal = { error: 'invalid_request', description: 'The request is missing…' }
    const answer = {
      outcome: 'sent to an error',
      refusal,
      text: 'The redirect_uri is not registered',
    } as const
    expect((await check(answer)).join()).toMatch(/^fail redirect URI: the provider does not know/)
  })

  describe('what only follows from a failure before it is not a second one', () => {
    test.each([
      ['push refused', 'invalid_client', 'client authentication'],
      ['push refused', 'unauthorized_client', 'client authentication'],
      ['returned', 'unauthorized_client', 'client authentication'],
      ['push refused', 'invalid_dpop_proof', 'DPoP'],
    ] as const)('%s: %s', async (outcome, error, before) => {
      const answer = { outcome, refusal: { error, description: '' } }
      expect((await check(answer, { failed: [before] })).join()).toMatch(
        new RegExp(`^unknown redirect URI: not tried: .*${error}.* → correct ${before} first$`),
      )
      expect((await check(answer)).join()).toMatch(/^fail /)
    })

    test('another refusal is still reported', async () => {
      const answer = {
        outcome: 'push refused',
        refusal: { error: 'invalid_scope', description: '' },
      } as const
      expect((await check(answer, { failed: ['client authentication', 'DPoP'] })).join()).toMatch(
        /^fail scopes/,
      )
    })

    test.each<[Env, object, string]>([
      [secret, {}, 'allow this client to push at the provider, or set OIDC_PAR=off'],
      [
        key,
        {},
        'allow this client to push at the provider, or try another OIDC_CLIENT_ASSERTION_AUDIENCE, or set OIDC_PAR=off',
      ],
      [secret, { require_pushed_authorization_requests: true }, 'allow this client to push at the provider'],
      [
        secret,
        { require_pushed_authorization_requests: 'true' },
        'allow this client to push at the provider',
      ],
    ])(
      'a client that only the endpoint for pushed requests does not recognise is reported there, %#',
      async (env, metadata, fix) => {
        const refusals = [
          { error: 'invalid_client', description: '' },
          { error: 'malformed', description: 'status 401', status: 401 },
        ]
        for (const refusal of refusals) {
          const [finding] = await check({ outcome: 'push refused', refusal }, { env, metadata })
          expect(finding).toMatch(
            /^fail PAR: the token endpoint recognises this client, and the endpoint for pushed/,
          )
          expect(finding?.split(' → ')[1]).toBe(fix)
        }
      },
    )
  })

  describe('pushed', () => {
    const metadata = { pushed_authorization_request_endpoint: 'https://idp.example.com/par' }
    const returned = { outcome: 'returned', refusal: { error: 'login_required', description: '' } } as const
    const unpushed = 'pushed authorization request: status 302'

    test.each<[string, AuthorizationAnswer, object, (RegExp | string)[]]>([
      ['taken', returned, metadata, ['pass PAR: logins are pushed']],
      [
        'announced only',
        { ...returned, unpushed },
        metadata,
        [/^warn PAR: .*status 302\): .* → .*OIDC_PAR=off$/],
      ],
      ['not announced', returned, {}, []],
    ])('%s', async (_what, answer, metadata, expected) => {
      const finding = (await check(answer, { metadata })).filter((line) => line.includes(' PAR: '))
      expect(finding).toEqual(
        expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))),
      )
    })

    test('off by OIDC_PAR is not reported', async () => {
      expect((await check(returned, { env: { OIDC_PAR: 'off' }, metadata })).join()).not.toContain('PAR')
    })

    test.each([
      [false, / → the provider has to fix it; or set OIDC_PAR=off$/],
      [true, / → the provider has to fix it: it accepts only pushed requests$/],
    ])('answered with something else, required: %s', async (isRequired, expected) => {
      const more = { ...metadata, require_pushed_authorization_requests: isRequired }
      const refusal = { error: 'malformed', description: 'status 302', status: 302 }
      const finding = await check({ outcome: 'push refused', refusal }, { metadata: more })
      expect(finding.join()).toMatch(/^fail PAR: .*with something else: status 302/)
      expect(finding.join()).toMatch(expected)
    })
  })
})

describe('client authentication', () => {
  interface Case {
    env?: Env
    /** What the other ways to authenticate are answered. */
    others?: string
    metadata?: object
    isServed?: boolean
  }
  const check = async (
    refusal: Partial<ProbeRefusal>,
    { env = secret, others = 'invalid_client', metadata = {}, isServed = false }: Case = {},
  ) => {
    const examination = createExamination(
      env,
      { tryCode: async () => ({ error: '', description: '', ...refusal }) },
      {
        isServed,
        probeAs: () => ({
          tryCode: async () => ({ error: others, description: '' }),
          discover: async () => discoveredServer({}),
        }),
      },
    )
    return (await checkClientAuth(examination, discoveredServer(metadata))).map(toLine).join()
  }
  const unrecognised = /^fail client authentication: the provider does not recognise this client/

  test.each([
    ['invalid_grant', /^pass client authentication/],
    ['invalid_client', /^fail client authentication: .*: invalid_client \(why\) → copy/],
    ['incorrect_client_credentials', unrecognised],
    ['unauthorized_client', /^fail client authentication: .*may not use/],
    ['invalid_dpop_proof', /^fail DPoP: /],
    ['use_dpop_nonce', /^fail DPoP: /],
    ['malformed', /^fail token endpoint: .*: why → /],
    ['invalid_request', /^unknown client authentication: /],
  ])('%s', async (error, expected) => {
    expect(await check({ error, description: 'why' })).toMatch(expected)
  })

  test('another way counts only where it is recognised', async () => {
    const refusal = { error: 'invalid_client', description: '' }
    expect(await check(refusal, { others: 'invalid_grant' })).toMatch(
      /invalid_client → set OIDC_CLIENT_AUTH=client_secret_post$/,
    )
    expect(await check(refusal, { others: 'invalid_request' })).toMatch(/ → copy /)
  })

  describe('unauthorized_client', () => {
    test.each<[number, string]>([
      [401, 'Invalid client or Invalid client credentials'],
      [401, ''],
      [400, 'Invalid client secret'],
      [400, 'Client secret not provided in request'],
      [400, 'UNKNOWN_CLIENT: Client was not identified, invalid client'],
      [403, 'Bad credentials'],
    ])('with status %d (%s) is a client that is not recognised', async (status, description) => {
      const finding = await check({ error: 'unauthorized_client', status, description })
      expect(finding).toMatch(unrecognised)
      expect(finding).toMatch(/ → copy OIDC_CLIENT_ID and OIDC_CLIENT_SECRET again/)
    })

    test.each<[number | undefined, string]>([
      [400, ''],
      [400, 'The client is not authorized to use the grant type'],
      [403, 'Grant type not allowed'],
    ])('with status %s (%s) is about the grant', async (status, description) => {
      const finding = await check({ error: 'unauthorized_client', description, ...(status && { status }) })
      expect(finding).toMatch(
        /^fail client authentication: this client may not use the authorization code grant/,
      )
    })
  })

  describe('an answer that is none of a token endpoint', () => {
    const malformed = (leadsTo: string | undefined, status = 302): ProbeRefusal => ({
      error: 'malformed',
      description: `status ${status}`,
      status,
      ...(leadsTo === undefined ? {} : { leadsTo }),
    })

    test.each([
      malformed('/login'),
      malformed('https://idp.example.com/login'),
      malformed('https://idp.example.com/auth/sign-in'),
      malformed('/Signin'),
      malformed(undefined, 401),
    ])('%j is a client that is not recognised (Spring)', async (refusal) => {
      const finding = await check(refusal, { env: {} })
      expect(finding).toMatch(
        /^fail client authentication: the provider does not recognise this client by none: status/,
      )
      expect(finding).toMatch(
        / → check OIDC_CLIENT_ID; make it a public client with PKCE at the provider, or set/,
      )
      expect(finding).not.toMatch(/is between/)
    })

    test.each([
      malformed('https://login.example.com/oauth2/token', 301),
      malformed('https://idp.example.com/token/', 308),
      malformed('https://idp.example.com/token?next=/login', 302),
      malformed(undefined, 404),
      malformed(undefined, 403),
    ])('%j is an address that is wrong, or something in between', async (refusal) => {
      expect(await check(refusal, { env: {} })).toMatch(
        /^fail token endpoint: .* → the provider has to fix its discovery document, or check what is between/,
      )
      expect(await check(refusal, { env: oauth2Settings })).toMatch(
        / → correct OAUTH_TOKEN_ENDPOINT, or check/,
      )
    })
  })

  describe('a way that the metadata leaves out', () => {
    const methods = ['client_secret_basic', 'private_key_jwt']
    const metadata = { token_endpoint_auth_methods_supported: methods }
    const aside = 'its metadata lists client_secret_basic, private_key_jwt, not none'

    test('is recognised all the same: that is what counts (Keycloak and Spring, of public clients)', async () => {
      expect(await check({ error: 'invalid_grant' }, { env: {}, metadata })).toBe(
        `pass client authentication: the provider knows this client (none); ${aside}`,
      )
    })

    test('is not recognised: one failure, which names the list', async () => {
      expect(await check({ error: 'invalid_client' }, { env: {}, metadata })).toMatch(
        new RegExp(
          `^fail client authentication: .* by none: invalid_client; ${aside} → set OIDC_CLIENT_AUTH to one that it lists`,
        ),
      )
    })

    test('is not named by the provider: the list is named', async () => {
      expect(await check({ error: 'server_error' }, { env: {}, metadata })).toMatch(
        new RegExp(`^unknown client authentication: .*; ${aside}`),
      )
    })

    test.each<[string, object, string]>([
      ['a list with it', { token_endpoint_auth_methods_supported: [...methods, 'none'] }, 'none'],
      ['no list', {}, 'none'],
      ['a list that is none', { token_endpoint_auth_methods_supported: 'basic' }, 'none'],
    ])('%s is not reported', async (_what, metadata, method) => {
      expect(await check({ error: 'invalid_grant' }, { env: {}, metadata })).toBe(
        `pass client authentication: the provider knows this client (${method})`,
      )
    })

    test.each([
      [
        'invalid_grant',
        /^warn client authentication: .*\(private_key_jwt\); its metadata lists RS256, PS256 for assertions, not ES256 → put/,
      ],
      [
        'invalid_client',
        /^fail client authentication: .*not ES256 → put a key for one that it lists into OIDC_CLIENT_KEY; or check/,
      ],
    ])('an algorithm of assertions as well: %s', async (error, expected) => {
      const algs = { token_endpoint_auth_signing_alg_values_supported: ['RS256', 'PS256'] }
      expect(await check({ error }, { env: key, metadata: algs })).toMatch(expected)
    })
  })

  test('one that wants a signed assertion says so (Keycloak)', async () => {
    const missing = { error: 'invalid_client', description: 'Parameter client_assertion_type is missing' }
    expect(await check({ ...missing, status: 401 })).toMatch(
      / → the provider wants a signed assertion: set OIDC_CLIENT_KEY in place of the secret/,
    )
  })

  test.each([
    ['invalid_request', 401, /^fail client authentication: the provider does not recognise this client/],
    ['invalid_request', 400, /^unknown client authentication/],
  ])('%s with status %d', async (error, status, expected) => {
    expect(await check({ error, description: 'Authentication failed.', status })).toMatch(expected)
  })

  describe('DPoP', () => {
    const offered = { dpop_signing_alg_values_supported: ['ES256'] }

    test.each<[string, string]>([
      ['invalid_request', 'DPoP proof is missing'],
      ['invalid_dpop_proof', ''],
      ['invalid_request', 'dpop header required'],
    ])('%s (%s) is a client that must use it', async (error, description) => {
      const off = { ...secret, OIDC_DPOP: 'off' }
      const message = /^fail DPoP: this client must use DPoP: /
      const finding = await check({ error, description }, { env: off, metadata: offered })
      expect(finding).toMatch(message)
      expect(finding).toMatch(/ → set OIDC_DPOP=auto$/)
      // Without a word in the metadata `auto` would send none.
      expect(await check({ error, description }, { env: off })).toMatch(/ → set OIDC_DPOP=required$/)
      expect(await check({ error, description })).toMatch(/ → set OIDC_DPOP=required$/)
      // A proof that was sent is another matter.
      expect(await check({ error, description }, { metadata: offered })).toMatch(
        /^fail DPoP: the provider does not accept our proof: .* → compare the clocks/,
      )
    })

    test('another refusal has nothing to do with it', async () => {
      const finding = await check({ error: 'invalid_request', description: 'code is missing' })
      expect(finding).toMatch(/^unknown client authentication/)
    })
  })

  describe('a key that the provider is to fetch here', () => {
    const env = key

    test('is not there before Portico runs', async () => {
      expect(await check({ error: 'invalid_client' }, { env })).toMatch(
        /register the public half of OIDC_CLIENT_KEY at the provider: GET https:\/\/app\.example\.com\/\.well-known\/client-jwks\.json shows it; a provider that fetches keys there \(jwks_uri\) gets none before Portico runs: start it/,
      )
    })

    test('is there where Portico answers', async () => {
      const finding = await check({ error: 'invalid_client' }, { env, isServed: true })
      expect(finding).toMatch(/a provider that fetches keys \(jwks_uri\) must reach it$/)
      expect(finding).not.toMatch(/start it/)
    })

    const failing = (env: Env, reason: string, isServed = false) =>
      checkClientAuth(
        createExamination(env, { tryCode: () => Promise.reject(providerUnavailable(reason)) }, { isServed }),
        discoveredServer({}),
      )

    test.each(['status 500', 'status 502'])(
      '%s of a provider that cannot fetch it (Ory Hydra)',
      async (reason) => {
        expect((await failing(env, reason)).map(toLine).join()).toMatch(
          new RegExp(
            `^fail client authentication: the provider fails where it should verify .*: ${reason} → .*start it`,
          ),
        )
      },
    )

    test.each<[string, Env, string, boolean]>([
      ['where Portico answers', env, 'status 500', true],
      ['of a client with a secret', secret, 'status 500', false],
      ['that is no answer', env, 'ECONNREFUSED', false],
      ['that asks to wait', env, 'status 429', false],
    ])('a failure %s is one of the provider', async (_what, env, reason, isServed) => {
      await expect(failing(env, reason, isServed)).rejects.toMatchObject({ reason })
    })
  })
})

/** A provider that takes assertions for one audience at the token endpoint, and for one at the revocation endpoint. */
const toProbe = (
  atToken: readonly AssertionAudience[],
  atRevocation: readonly AssertionAudience[],
): ((audience: AssertionAudience) => Partial<ProviderProbe>) => {
  const answer = (isRight: boolean) => ({
    error: isRight ? 'invalid_grant' : 'invalid_client',
    description: '',
  })
  return (audience) => ({
    discover: async () => discoveredServer({ revocation_endpoint: 'https://idp.example.com/revoke' }),
    tryCode: async () => answer(atToken.includes(audience)),
    tryRevocation: async () => (atRevocation.includes(audience) ? undefined : answer(false)),
  })
}

describe('the audience of assertions', () => {
  const hydra = toProbe(['endpoint', 'token_endpoint'], ['token_endpoint'])
  const okta = toProbe(['endpoint', 'token_endpoint'], ['endpoint'])
  const fapi = toProbe(['issuer'], ['issuer'])
  const loose = toProbe(['issuer', 'endpoint', 'token_endpoint'], ['issuer', 'endpoint', 'token_endpoint'])
  const without = toProbe(['endpoint', 'token_endpoint'], [])

  const check = async (provider: typeof hydra, audience: AssertionAudience) => {
    const examination = createExamination(
      { ...key, OIDC_CLIENT_ASSERTION_AUDIENCE: audience },
      provider(audience),
      {
        probeAs: ({ clientAuth }) => {
          if (clientAuth?.method !== 'private_key_jwt') throw new Error('another way was tried')
          return provider(clientAuth.audience)
        },
      },
    )
    const found = discoveredServer({ revocation_endpoint: 'https://idp.example.com/revoke' })
    const atToken = await checkClientAuth(examination, found)
    const failed = new Set(atToken.filter(({ status }) => status === 'fail').map(({ check }) => check))
    const atRevocation = await checkRevocation(examination, found, failed)
    return [...atToken, ...atRevocation].map(({ status, fix = '' }) => `${status} ${fix}`.trim())
  }
  const set = (audience: AssertionAudience) => `set OIDC_CLIENT_ASSERTION_AUDIENCE=${audience}`
  const first = 'unknown correct client authentication first'

  test.each<[string, typeof hydra, AssertionAudience, string[]]>([
    ['Hydra', hydra, 'issuer', [`fail ${set('token_endpoint')}`, first]],
    ['Hydra', hydra, 'endpoint', ['pass', `warn ${set('token_endpoint')}`]],
    ['Hydra', hydra, 'token_endpoint', ['pass', 'pass']],
    ['Okta', okta, 'issuer', [`fail ${set('endpoint')}`, first]],
    ['Okta', okta, 'token_endpoint', ['pass', `warn ${set('endpoint')}`]],
    ['Okta', okta, 'endpoint', ['pass', 'pass']],
    ['a strict one', fapi, 'endpoint', [`fail ${set('issuer')}`, first]],
    ['a strict one', fapi, 'token_endpoint', [`fail ${set('issuer')}`, first]],
    ['a strict one', fapi, 'issuer', ['pass', 'pass']],
    ['a loose one', loose, 'token_endpoint', ['pass', 'pass']],
    ['one that lets no client revoke', without, 'issuer', [`fail ${set('endpoint')}`, first]],
    [
      'one that lets no client revoke',
      without,
      'endpoint',
      ['pass', 'warn allow this client to revoke its tokens at the provider'],
    ],
  ])('%s, %#', async (_what, provider, audience, expected) => {
    expect(await check(provider, audience)).toEqual(expected)
  })
})

describe('revocation', () => {
  const endpoint = { revocation_endpoint: 'https://idp.example.com/revoke' }
  const check = async (
    refusal: ProbeRefusal | undefined,
    {
      env = secret as Env,
      metadata = endpoint as object,
      failed = [] as string[],
      others = 'invalid_client',
    } = {},
  ) => {
    const examination = createExamination(
      env,
      { tryRevocation: async () => refusal },
      {
        probeAs: () => ({
          tryCode: async () => ({ error: others, description: '' }),
          discover: async () => discoveredServer(metadata),
          tryRevocation: async () => refusal,
        }),
      },
    )
    return (await checkRevocation(examination, discoveredServer(metadata), new Set(failed))).map(toLine)
  }

  test.each<[string, ProbeRefusal | undefined]>([
    ['nothing', undefined],
    ['a token that is not known', { error: 'invalid_token', description: '', status: 400 }],
    ['a kind of token', { error: 'unsupported_token_type', description: '', status: 400 }],
  ])('that says %s against it passes', async (_what, refusal) => {
    expect(await check(refusal)).toEqual(['pass revocation: refresh tokens of users who log out are revoked'])
  })

  test.each<[string, ProbeRefusal]>([
    ['invalid_client', { error: 'invalid_client', description: '', status: 401 }],
    ['status 401', { error: 'malformed', description: 'status 401', status: 401 }],
    ['status 404', { error: 'malformed', description: 'status 404', status: 404 }],
  ])('that is answered with %s is a warning', async (finding, refusal) => {
    expect(await check(refusal)).toEqual([
      `warn revocation: the provider does not let this client revoke tokens: those of users who log out stay valid: ${finding} → allow this client to revoke its tokens at the provider`,
    ])
  })

  test.each<[string, Env, ProbeRefusal, RegExp]>([
    [
      'a wrong secret',
      secret,
      { error: 'invalid_client', description: 'invalid client_id / client_secret', status: 401 },
      /^fail client authentication: the provider does not recognise this client by client_secret_basic: .* → copy/,
    ],
    [
      'an assertion by an unknown key',
      key,
      {
        error: 'invalid_grant',
        description: 'invalid signature (error in cryptographic primitive)',
        status: 400,
      },
      /^fail client authentication: the provider does not recognise this client by private_key_jwt: .* → check/,
    ],
    [
      'an assertion for another audience, where no other one is taken either',
      key,
      { error: 'invalid_grant', description: 'audience is not valid', status: 400 },
      /^warn revocation: /,
    ],
    [
      'a public client, which may have to stay one',
      {},
      { error: 'invalid_client', description: 'no credentials', status: 401 },
      /^warn revocation: /,
    ],
  ])(
    'tells of the client what a token endpoint that looks at the code first does not: %s',
    async (...row) => {
      const [, env, refusal, expected] = row
      expect(await check(refusal, { env })).toEqual([expect.stringMatching(expected)])
      // No other way is recommended because the token endpoint looks at nothing but the code.
      expect(await check(refusal, { env, others: 'invalid_grant' })).toEqual([
        expect.stringMatching(expected),
      ])
    },
  )

  test('of a client that is not recognised is not tried', async () => {
    expect(await check(undefined, { failed: ['client authentication'] })).toEqual([
      'unknown revocation: not tried: client authentication failed → correct client authentication first',
    ])
  })

  test('that is not there matters where there are refresh tokens', async () => {
    expect((await check(undefined, { metadata: {} })).join()).toMatch(
      /^warn revocation: the provider names no/,
    )
    expect(await check(undefined, { metadata: {}, env: { OIDC_SCOPES: 'openid' } })).toEqual([])
    expect((await check(undefined, { metadata: {}, env: oauth2Settings })).join()).toContain(
      'OAUTH_REVOCATION_ENDPOINT',
    )
  })
})

describe('logout', () => {
  const ours = 'https://app.example.com/api/logout/callback'

  interface Answer {
    status: number
    text?: string
    location?: string
  }
  /** The answers to our post-logout redirect URI, and to one that is not registered. */
  const check = async (own: Answer, other: Answer | undefined = own, isDown = false) => {
    const asked: string[] = []
    const get: ProviderProbe['get'] = async (url) => {
      const { searchParams } = new URL(url)
      expect([searchParams.get('a'), searchParams.get('client_id')]).toEqual(['b', 'portico'])
      asked.push(searchParams.get('post_logout_redirect_uri') ?? '')
      if (isDown && asked.at(-1) !== ours) throw providerUnavailable('status 500')
      const { status, text = '', location } = asked.at(-1) === ours ? own : other
      return { status, text, headers: new Headers(location === undefined ? {} : { location }), at: 0 }
    }
    const metadata = { end_session_endpoint: 'https://idp.example.com/logout?a=b' }
    const findings = await checkLogout(createExamination({}, { get }), discoveredServer(metadata))
    expect(asked[0]).toBe(ours)
    expect(asked.slice(1).every((uri) => new URL(uri).hostname.endsWith('.invalid'))).toBe(true)
    return findings.map(toLine).join()
  }
  const toError = (description: string, place = '?') => ({
    status: 302,
    location: `https://idp.example.com/error${place}error=invalid_request&error_description=${encodeURIComponent(description)}`,
  })
  const page = { status: 200, text: 'Do you want to sign out?' }
  const refusing = { status: 400, text: 'We are sorry. Invalid redirect uri' }

  test.each<[string, Answer, Answer?]>([
    ['a redirect to us', { status: 302, location: `${ours}?state=x` }],
    ['a page, where others are refused', page, refusing],
    [
      'a page, where others are sent to an error',
      page,
      toError('post_logout_redirect_uri is not registered'),
    ],
    [
      'a redirect to a question, where others are refused',
      { status: 302, location: '/logout/confirm' },
      refusing,
    ],
  ])('%s: it knows us', async (_what, own, other) => {
    expect(await check(own, other)).toMatch(new RegExp(`^pass logout: the provider knows ${ours}`))
  })

  test('a failure where others are asked for is none of ours', async () => {
    expect(await check(page, page, true)).toMatch(/^unknown logout: .* whether it knows \S+: status 200 → /)
  })

  test.each<[string, Answer]>([
    ['a page (oidc-provider)', { status: 400, text: 'post_logout_redirect_uri not registered' }],
    ['a page (Keycloak)', refusing],
    ['an address', toError('post_logout_redirect_uri is not a whitelisted as a post_logout_redirect_uri')],
    ['a fragment', toError('post_logout_redirect_uri is not valid', '#')],
    ['a long one', toError(`${'It is malformed. '.repeat(20)}post_logout_redirect_uri is not registered`)],
    ['an address after a hash', toError('Invalid redirect_uri', '#/page?')],
    ['a hint', { status: 303, location: '/error?error=invalid_request&error_hint=redirect%20uri%20unknown' }],
  ])('%s says that it does not', async (_what, own) => {
    expect(await check(own)).toMatch(
      /^warn logout: the provider does not know .* → register exactly this post-logout/,
    )
  })

  test.each<[string, Answer, Answer?]>([
    ['a page to any', page],
    ['a redirect to any', { status: 302, location: 'https://idp.example.com/login' }],
    ['a redirect to a page with an error to any', { status: 302, location: '/error?id=7' }],
    ['a redirect to nowhere', { status: 302, location: 'http://[' }],
    [
      'an error that asks for an ID token (Ory Hydra)',
      toError(
        `${'The request is malformed. '.repeat(8)}Logout failed because query parameter post_logout_redirect_uri is set but id_token_hint is missing.`,
      ),
    ],
    ['a page that asks for an ID token', { status: 400, text: 'id_token_hint and post_logout_redirect_uri' }],
    ['another error', toError('client_id is missing')],
    ['another page', { status: 400, text: 'no' }],
  ])('%s does not say', async (_what, own, other) => {
    expect(await check(own, other)).toMatch(/^unknown logout: without an ID token, the provider does not say/)
  })
})

describe('userinfo', () => {
  const check = async (status: number | undefined, env: Env, metadata: object = {}) =>
    (
      await checkUserinfo(
        createExamination(env, { tryUserinfo: async () => status }),
        discoveredServer(metadata),
      )
    )
      .map(toLine)
      .join()

  test.each<[number | undefined, Env, RegExp]>([
    [401, {}, /^pass userinfo/],
    [403, {}, /^pass userinfo/],
    [400, {}, /^pass userinfo/],
    [404, {}, /^warn userinfo: answers 404 .* → the provider has to fix/],
    [404, oauth2Settings, /^warn userinfo: answers 404 .* → correct OAUTH_USERINFO_ENDPOINT/],
    [200, {}, /^fail userinfo: it accepts an invalid token/],
    [200, oauth2Settings, /^fail userinfo: .* → correct OAUTH_USERINFO_ENDPOINT/],
    [undefined, {}, /^warn userinfo: .*must be in the ID token/],
    [undefined, oauth2Settings, /^warn userinfo: .* → set OAUTH_USERINFO_ENDPOINT/],
  ])('status %s', async (status, env, expected) => {
    expect(await check(status, env)).toMatch(expected)
  })

  test('that is never asked is nothing to look at', async () => {
    expect(await check(undefined, { OIDC_USERINFO: 'never' })).toMatch(/^pass userinfo: never asked/)
  })

  describe('at Microsoft Entra ID', () => {
    const tenant = '72f988bf-86f1-41af-91ab-2d7cd011db47'
    const metadata = { userinfo_endpoint: 'https://graph.microsoft.com/oidc/userinfo' }
    const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`
    const at = (scopes: string, OIDC_ISSUER = issuer, more: object = metadata) =>
      check(401, { OIDC_ISSUER, OIDC_SCOPES: scopes }, more)
    const refused =
      /^warn userinfo: graph\.microsoft\.com will refuse our access token.* → .*ID token.*OIDC_USERINFO=never/

    test.each([
      'openid profile api://orders/orders.read',
      'openid offline_access https://orders.example.com/read',
      `openid ${tenant}/.default`,
    ])('%s: the token is for that API, and userinfo refuses it', async (scopes) => {
      expect(await at(scopes)).toMatch(refused)
    })

    test.each([
      `https://acme.ciamlogin.com/${tenant}/v2.0`,
      `https://sts.windows.net/${tenant}/`,
      `https://login.microsoftonline.us/${tenant}/v2.0`,
      `https://login.partner.microsoftonline.cn/${tenant}/v2.0`,
    ])('also at %s', async (other) => {
      expect(await at('openid api://orders/read', other)).toMatch(refused)
    })

    test.each([
      'openid profile email offline_access',
      'openid User.Read',
      'openid https://graph.microsoft.com/User.Read',
      'openid 00000003-0000-0000-c000-000000000000/User.Read',
    ])('%s: the token is for Graph', async (scopes) => {
      expect(await at(scopes)).toMatch(/^pass userinfo/)
    })

    test.each([
      'https://idp.example.com',
      'https://login.microsoftonline.com.example.com',
      'https://notciamlogin.com',
    ])('%s is another provider', async (other) => {
      expect(await at('openid api://orders/read', other)).toMatch(/^pass userinfo/)
    })

    test('the setting that the advice names ends it', async () => {
      const env = { OIDC_ISSUER: issuer, OIDC_SCOPES: 'openid api://orders/read', OIDC_USERINFO: 'never' }
      expect(await check(undefined, env, metadata)).toMatch(/^pass userinfo: never asked/)
    })

    test('what userinfo itself says comes first', async () => {
      expect(await check(404, { OIDC_ISSUER: issuer, OIDC_SCOPES: 'openid api://o/read' }, metadata)).toMatch(
        /^warn userinfo: answers 404/,
      )
    })
  })
})
