import express, { type ErrorRequestHandler, type Express } from 'express'
import { type CryptoKey, errors, exportJWK, generateKeyPair, jwtVerify } from 'jose'
import type { ClientMetadata, Configuration, default as OidcProvider } from 'oidc-provider'
import { createMemoryAdapterFactory } from './adapter.ts'
import { Provider } from './oidc-provider.ts'
import { findPerson, people, toClaims } from './people.ts'
import { renderMessage, renderSignInPage } from './sign-in-page.ts'

const audience = 'api://default'

/** Scopes of the sample API, as an administrator would define them on the authorization server. */
export const apiScopes = ['orders:read', 'orders:write'] as const

const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access', ...apiScopes]

interface OktaProviderOptions {
  /** Where browsers and Portico reach it, such as `http://127.0.0.1:3001`. */
  origin: string
  clients: ClientMetadata[]
  /** Seconds an access token lives. */
  accessTokenLifetime?: number
  /** Whether a refresh brings a new refresh token, as for Okta's SPAs; its web apps keep theirs. */
  rotates?: boolean
  /** Seconds for which a rotated refresh token may be used again; 0 to 60 at Okta. */
  grace?: number
}

/** Claims of the JWT access token of an Okta custom authorization server. */
function toOktaAccessToken(
  payload: Record<string, unknown>,
  scope: readonly string[],
): Record<string, unknown> {
  const { jti, iss, aud, iat, exp, sub, client_id: cid } = payload
  const login = findPerson(String(sub))?.login
  return { ver: 1, jti: `AT.${String(jti)}`, iss, aud, iat, exp, cid, uid: sub, scp: scope, sub: login }
}

async function createSigningKey() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return { publicKey, jwk: { ...(await exportJWK(privateKey)), kid: 'demo-1', alg: 'RS256', use: 'sig' } }
}

function createConfiguration(
  { clients, accessTokenLifetime = 3600, rotates = true, grace = 30 }: OktaProviderOptions,
  jwk: object,
): Configuration {
  return {
    adapter: createMemoryAdapterFactory({ grace }),
    rotateRefreshToken: rotates,
    clients,
    jwks: { keys: [jwk] },
    cookies: {
      keys: [crypto.randomUUID()],
      names: { session: 'sid', interaction: 'it', resume: 'it_resume' },
    },
    scopes,
    claims: {
      openid: ['sub', 'amr', 'idp', 'ver'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username', 'locale'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    conformIdTokenClaims: false,
    routes: {
      authorization: '/v1/authorize',
      token: '/v1/token',
      jwks: '/v1/keys',
      userinfo: '/v1/userinfo',
      revocation: '/v1/revoke',
      introspection: '/v1/introspect',
      end_session: '/v1/logout',
    },
    pkce: { required: () => true },
    responseTypes: ['code'],
    interactions: { url: (_ctx, interaction) => `/signin/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: scopes.join(' '),
          audience,
          accessTokenTTL: accessTokenLifetime,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: {
      customizers: {
        jwt(_ctx, token, parts) {
          parts.header = { ...parts.header, typ: 'JWT' }
          parts.payload = toOktaAccessToken(parts.payload, [...token.scopes])
        },
      },
    },
    findAccount: (_ctx, id) => {
      const person = findPerson(id)
      if (person === undefined) return undefined
      return {
        accountId: id,
        claims: () => ({ ...toClaims(person), ver: 1, idp: '00o1demo000000000001' }),
      }
    },
    // Okta asks nobody for consent to the scopes of one's own company.
    async loadExistingGrant(ctx) {
      const { client, session, provider } = ctx.oidc
      if (client === undefined || session?.accountId === undefined) return undefined
      const existing = session.grantIdFor(client.clientId)
      const grant =
        (existing === undefined ? undefined : await provider.Grant.find(existing)) ??
        new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope(scopes.join(' '))
      grant.addResourceScope(audience, scopes.join(' '))
      await grant.save()
      return grant
    },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    ttl: {
      AccessToken: accessTokenLifetime,
      AuthorizationCode: 300,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    renderError(ctx, { error, error_description: description }) {
      ctx.type = 'html'
      ctx.body = renderMessage(`The demo provider refused: ${error}`, description ?? '')
    },
  }
}

/** The pages of the person's side: the form, its answer, and the way out. */
function addSignInPages(app: Express, provider: OidcProvider): void {
  app.get('/signin/:uid', async (req, res) => {
    const { params } = await provider.interactionDetails(req, res)
    const login = typeof params.login_hint === 'string' ? { login: params.login_hint } : {}
    const here = `/signin/${req.params.uid}`
    res.send(renderSignInPage({ action: here, cancel: `${here}/cancel`, ...login }))
  })

  app.post('/signin/:uid', express.urlencoded({ extended: false }), async (req, res) => {
    await provider.interactionDetails(req, res)
    const { login, password } = req.body as Record<string, string>
    const person = people.find((candidate) => candidate.login === login && candidate.password === password)
    const here = `/signin/${req.params.uid}`
    if (person === undefined) {
      const error = 'That user name and password do not belong together.'
      res
        .status(401)
        .send(renderSignInPage({ action: here, cancel: `${here}/cancel`, error, login: login ?? '' }))
      return
    }
    const result = { login: { accountId: person.id, amr: ['pwd'] } }
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })

  app.get('/signin/:uid/cancel', async (req, res) => {
    const result = { error: 'access_denied', error_description: 'The person cancelled the sign-in.' }
    await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false })
  })
}

/** Okta's userinfo takes the JWT access token; oidc-provider's own refuses tokens that have an audience. */
function addUserinfo(app: Express, issuer: string, publicKey: CryptoKey): void {
  app.get('/oauth2/default/v1/userinfo', async (req, res) => {
    try {
      const token = (req.get('authorization') ?? '').replace(/^Bearer /, '')
      const { payload } = await jwtVerify(token, publicKey, { issuer, audience })
      const person = findPerson(String(payload.uid))
      if (person !== undefined) return void res.json(toClaims(person))
    } catch (error) {
      if (!(error instanceof errors.JOSEError)) throw error
    }
    res.status(401).set('WWW-Authenticate', 'Bearer error="invalid_token"').json({ error: 'invalid_token' })
  })
}

/** Creates an identity provider shaped like an Okta custom authorization server (`/oauth2/default`). */
export async function createOktaProvider(options: OktaProviderOptions): Promise<{
  issuer: string
  app: Express
  provider: OidcProvider
}> {
  const { origin } = options
  const issuer = `${origin}/oauth2/default`
  const { jwk, publicKey } = await createSigningKey()
  const provider = new Provider(issuer, createConfiguration(options, jwk))
  const app = express().disable('x-powered-by')
  addSignInPages(app, provider)
  addUserinfo(app, issuer, publicKey)
  app.use('/oauth2/default', provider.callback())
  // A sign-in page from the browser's history, whose sign-in is over.
  app.use(((_error, _req, res, _next) => {
    res.status(400).send(renderMessage('This sign-in is over', 'Go back to the app, and log in from there.'))
  }) satisfies ErrorRequestHandler)
  return { issuer, app, provider }
}
