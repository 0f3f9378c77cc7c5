import { createHash, randomUUID } from 'node:crypto'
import express from 'express'
import { CompactSign, type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload } from 'jose'
import { startTestServer } from '../network/http-server.ts'

interface SigningKey {
  kid: string
  alg: string
  privateKey: CryptoKey
  publicJwk: JWK
}

export async function createProviderKey(
  kid: string,
  alg = 'RS256',
  modulusLength = 2048,
): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { modulusLength })
  return { kid, alg, privateKey, publicJwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } }
}

/** The same token without a signature. */
export function unsigned(token: string): string {
  const header = Buffer.from('{"alg":"none"}').toString('base64url')
  return `${header}.${token.split('.')[1]}.`
}

/** What this provider does otherwise than it should; everything else it does right. */
export interface ProviderScript {
  idTokenClaims?: (claims: JWTPayload) => JWTPayload
  idTokenHeader?: (header: Record<string, unknown>) => Record<string, unknown>
  /** Changes the signed compact token. */
  idToken?: (token: string) => string
  accessTokenClaims?: (claims: JWTPayload) => JWTPayload
  accessToken?: (token: string) => string
  accessTokenKey?: SigningKey
  /** The key that signs, published or not. */
  key?: SigningKey
  tokenResponse?: (body: Record<string, unknown>) => unknown
  /** Sends the token response in another form than JSON. */
  sendTokens?: (res: express.Response, body: unknown) => void
  /** Receives the token request. */
  onTokenRequest?: (body: Record<string, string>) => void
  /** Delays the token response until this is settled. */
  tokenDelay?: Promise<unknown>
  /** Is called with each valid refresh, before it is answered. */
  onRefresh?: () => unknown
  /** Answers token exchanges (RFC 8693), which the provider does not know otherwise. */
  tokenExchange?: express.RequestHandler
  /** Answers token requests instead of the provider. */
  tokenEndpoint?: express.RequestHandler
  jwks?: (keys: JWK[]) => unknown
  metadata?: (document: Record<string, unknown>) => unknown
  discovery?: express.RequestHandler
  userinfoEndpoint?: express.RequestHandler
  revocationEndpoint?: express.RequestHandler
  /** Answers requests for the discovery document of the Okta org. */
  orgMetadata?: express.RequestHandler
  /** Answers requests for the keys of the Okta org. */
  orgKeys?: express.RequestHandler
  userinfo?: (claims: Record<string, unknown>) => unknown
}

interface Grant {
  parameters: URLSearchParams
  spent: boolean
  /** Seconds since the epoch. */
  authTime: number
  sub: string
}

/** `sub` of the user who signs in by default. */
const grace = '00u-grace'

const userClaims = {
  name: 'Grace Hopper',
  email: 'grace@example.com',
  email_verified: true,
  preferred_username: 'grace@example.com',
  groups: ['Navy'],
}

/**
 * Starts a small but complete OpenID provider: it validates as a real one does, and follows a test's script.
 */
export async function startScriptedProvider({ path = '/oauth2/default', port = 0 } = {}) {
  const server = await startTestServer(port)
  const issuer = `${server.origin}${path}`
  const goodKey = await createProviderKey('good-1')
  /** The key of the Okta org that this authorization server belongs to. */
  const orgKey = await createProviderKey('org-1')
  const grants = new Map<string, Grant>()
  /** Grants by their current refresh token, which can be used once. */
  const refreshTokens = new Map<string, Grant>()
  const calls = { discovery: 0, token: 0, refresh: 0, exchange: 0, jwks: 0, userinfo: 0, revocation: 0 }
  let clock: { now(): number } = Date
  let rotates = true
  let script: ProviderScript = {}
  let published: JWK[] = [goodKey.publicJwk]

  const halfHash = (text: string) =>
    createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url')
  const sign = (key: SigningKey, header: Record<string, unknown>, claims: JWTPayload) =>
    new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ ...header, alg: String(header.alg) })
      .sign(key.privateKey)

  const seconds = () => Math.floor(clock.now() / 1000)

  async function mintAccessToken(scope: string[]): Promise<string> {
    const now = seconds()
    const claims = {
      ver: 1,
      jti: randomUUID(),
      iss: issuer,
      aud: 'api://default',
      iat: now,
      exp: now + 3600,
      cid: 'portico-test',
      uid: 'u1',
      scp: scope,
      sub: 'grace',
    }
    const key = script.accessTokenKey ?? goodKey
    return sign(key, { alg: key.alg, kid: key.kid }, script.accessTokenClaims?.(claims) ?? claims)
  }

  async function mintIdToken(
    accessToken: string,
    { parameters, authTime, sub }: Grant,
    isRefresh: boolean,
  ): Promise<string> {
    const now = seconds()
    const claims: JWTPayload = {
      iss: issuer,
      sub,
      aud: 'portico-test',
      iat: now,
      exp: now + 3600,
      auth_time: authTime,
      nonce: isRefresh ? undefined : (parameters.get('nonce') ?? undefined),
      at_hash: halfHash(accessToken),
      ...(parameters.has('acr_values') ? { acr: parameters.get('acr_values') } : {}),
      ...userClaims,
    }
    const key = script.key ?? goodKey
    const header = { alg: key.alg, kid: key.kid }
    const token = await sign(
      key,
      { ...header, ...script.idTokenHeader?.(header) },
      script.idTokenClaims?.(claims) ?? claims,
    )
    return script.idToken?.(token) ?? token
  }

  const app = express()
  app.get(`${path}/.well-known/openid-configuration`, (req, res, next) => {
    calls.discovery += 1
    if (script.discovery) return script.discovery(req, res, next)
    const document = {
      issuer,
      authorization_endpoint: `${issuer}/v1/authorize`,
      token_endpoint: `${issuer}/v1/token`,
      jwks_uri: `${issuer}/v1/keys`,
      userinfo_endpoint: `${issuer}/v1/userinfo`,
      revocation_endpoint: `${issuer}/v1/revoke`,
      end_session_endpoint: `${issuer}/v1/logout`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['RS256', 'none'],
    }
    return void res.json(script.metadata?.(document) ?? document)
  })
  app.get(`${path}/v1/keys`, (_req, res) => {
    calls.jwks += 1
    res.json(script.jwks?.(published) ?? { keys: published })
  })
  app.get(`${path}/v1/userinfo`, (req, res, next) => {
    calls.userinfo += 1
    if (script.userinfoEndpoint) return script.userinfoEndpoint(req, res, next)
    return next()
  })
  app.get(`${path}/v1/userinfo`, (_req, res) => {
    const claims = { sub: grace, ...userClaims }
    return void res.json(script.userinfo?.(claims) ?? claims)
  })
  app.post(`${path}/v1/token`, express.urlencoded({ extended: false }), async (req, res, next) => {
    const body = req.body as Record<string, string>
    if (body.grant_type === 'urn:ietf:params:oauth:grant-type:token-exchange') {
      calls.exchange += 1
      if (script.tokenExchange) return script.tokenExchange(req, res, next)
      return void res.status(400).json({ error: 'unsupported_grant_type' })
    }
    const isRefresh = body.grant_type === 'refresh_token'
    calls[isRefresh ? 'refresh' : 'token'] += 1
    if (script.tokenEndpoint) return script.tokenEndpoint(req, res, next)
    script.onTokenRequest?.(body)
    await script.tokenDelay
    const grant = isRefresh ? refreshTokens.get(body.refresh_token ?? '') : grants.get(body.code ?? '')
    // Not decoded, as at many real providers: the client must not encode what needs no encoding.
    const basic = `Basic ${Buffer.from('portico-test:test-client-secret').toString('base64')}`
    const challenge = createHash('sha256')
      .update(body.code_verifier ?? '')
      .digest('base64url')
    const isRight =
      grant !== undefined &&
      req.get('authorization') === basic &&
      (isRefresh ||
        (!grant.spent &&
          grant.parameters.get('code_challenge') === challenge &&
          grant.parameters.get('redirect_uri') === body.redirect_uri))
    if (!isRight) {
      return void res.status(400).json({ error: 'invalid_grant', error_description: 'canary <script>' })
    }
    grant.spent = true
    if (rotates) refreshTokens.delete(body.refresh_token ?? '')
    if (isRefresh) await script.onRefresh?.()
    const refreshToken = `refresh-${randomUUID()}`
    refreshTokens.set(refreshToken, grant)
    const scope = (grant.parameters.get('scope') ?? '').split(' ')
    const accessToken = await mintAccessToken(scope)
    const answer = {
      access_token: script.accessToken?.(accessToken) ?? accessToken,
      token_type: 'Bearer',
      expires_in: 3600,
      scope: scope.join(' '),
      refresh_token: refreshToken,
      id_token: await mintIdToken(accessToken, grant, isRefresh),
    }
    const sent = script.tokenResponse?.(answer) ?? answer
    if (script.sendTokens) return script.sendTokens(res, sent)
    return void res.json(sent)
  })
  app.post(`${path}/v1/revoke`, express.urlencoded({ extended: false }), (req, res, next) => {
    calls.revocation += 1
    if (script.revocationEndpoint) return script.revocationEndpoint(req, res, next)
    const { token, token_type_hint: hint } = req.body as Record<string, string>
    const basic = `Basic ${Buffer.from('portico-test:test-client-secret').toString('base64')}`
    if (req.get('authorization') !== basic || hint !== 'refresh_token') return void res.status(401).end()
    refreshTokens.delete(token ?? '')
    return void res.status(200).end()
  })
  app.get('/.well-known/openid-configuration', (req, res, next) => {
    if (script.orgMetadata) return script.orgMetadata(req, res, next)
    return void res.json({ issuer: server.origin, jwks_uri: `${server.origin}/oauth2/v1/keys` })
  })
  app.get('/oauth2/v1/keys', (req, res, next) => {
    if (script.orgKeys) return script.orgKeys(req, res, next)
    return void res.json({ keys: [orgKey.publicJwk] })
  })
  server.serve(app)

  return {
    issuer,
    org: server.origin,
    orgKey,
    /** How many refresh tokens can still be used. */
    livingRefreshTokens: () => refreshTokens.size,
    /** The `state` of each login whose refresh token can still be used. */
    livingStates: () => new Set([...refreshTokens.values()].map(({ parameters }) => parameters.get('state'))),
    port: Number(new URL(server.origin).port),
    goodKey,
    calls,
    /** Follows this script from now on. */
    script(next: ProviderScript) {
      script = next
    },
    /** Follows no script any more: all is right. */
    reset() {
      script = {}
    },
    sign,
    /** Uses this clock from now on. */
    follow(other: { now(): number }) {
      clock = other
    },
    /** Stops rotating refresh tokens, until the returned function is called. */
    keepRefreshTokens() {
      rotates = false
      return () => {
        rotates = true
      }
    },
    /** Revokes all refresh tokens, as when a user is disabled or signs out at the provider. */
    revokeAll() {
      refreshTokens.clear()
    },
    /** Publishes these keys, and no others, from now on. */
    publish(...keys: SigningKey[]) {
      published = keys.map(({ publicJwk }) => publicJwk)
    },
    /** Signs a user in; returns the query that the provider sends the browser back with. */
    authorize(loginUrl: string, sub = grace): URLSearchParams {
      const { searchParams: parameters } = new URL(loginUrl)
      const code = `code-${randomUUID()}`
      grants.set(code, { parameters, spent: false, authTime: seconds(), sub })
      return new URLSearchParams({ code, state: parameters.get('state') ?? '' })
    },
    close: () => server.close(),
  }
}

export type ScriptedProvider = Awaited<ReturnType<typeof startScriptedProvider>>
