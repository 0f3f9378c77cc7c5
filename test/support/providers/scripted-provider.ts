import { createHash, randomUUID } from 'node:crypto'
import express from 'express'
import {
  CompactSign,
  type CryptoKey,
  calculateJwkThumbprint,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
} from 'jose'
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

/** Whether a client has authenticated with client_secret_post; for `authenticates`. */
export function usesSecretPost(req: express.Request): boolean {
  const { client_id: id, client_secret: secret } = req.body as Record<string, string>
  return req.get('authorization') === undefined && id === 'portico-test' && secret === 'test-client-secret'
}

/** What a token is made for. */
export interface TokenOccasion {
  isRefresh: boolean
  /** The parameters of the authorization request. */
  request: URLSearchParams
  /** The user's session at the provider. */
  sid: string
}

/** Where the endpoints are, below the origin. */
export interface ProviderPaths {
  authorization: string
  token: string
  keys: string
  userinfo: string
  revocation: string
  endSession: string
  pushedRequests: string
}

/** What this provider does otherwise than it should; everything else it does right. */
export interface ProviderScript {
  /** The error code with which an authorization request is refused; undefined accepts it. */
  authorizationError?: (request: URLSearchParams) => string | undefined
  /** Changes the parameters with which the browser comes back. */
  authorizationResponse?: (parameters: Record<string, string>) => Record<string, string>
  /** Whether a client has authenticated; by default with client_secret_basic. */
  authenticates?: (req: express.Request) => boolean
  /** Whether this login gets a refresh token; by default each does. */
  givesRefreshToken?: (request: URLSearchParams) => boolean
  /** A refresh token can be used again and again; by default each refresh replaces it. */
  keepsRefreshToken?: boolean
  /** Binds tokens to the key of a DPoP proof, if the client sends one. */
  bindsTokens?: boolean
  /** Seconds; 3600 by default. */
  accessTokenLifetime?: number
  /** Answers a code or a refresh token that is not right; by default 400 `invalid_grant`. */
  invalidGrant?: (res: express.Response, body: Record<string, string>) => void
  /** Answers logout requests of browsers; by default it sends them back with `state`. */
  endSessionEndpoint?: express.RequestHandler
  logoutTokenClaims?: (claims: JWTPayload) => JWTPayload
  logoutTokenHeader?: (header: Record<string, unknown>) => Record<string, unknown>
  idTokenClaims?: (claims: JWTPayload, occasion: TokenOccasion) => JWTPayload
  idTokenHeader?: (header: Record<string, unknown>) => Record<string, unknown>
  /** Changes the signed compact token. */
  idToken?: (token: string) => string
  accessTokenClaims?: (claims: JWTPayload) => JWTPayload
  accessToken?: (token: string) => string
  accessTokenKey?: SigningKey
  /** The key that signs, published or not. */
  key?: SigningKey
  tokenResponse?: (body: Record<string, unknown>, occasion: TokenOccasion) => unknown
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
  /** The session at the provider. */
  sid: string
}

/** What is known of an access token. */
interface IssuedAccessToken {
  /** Seconds since the epoch. */
  expiresAt: number
  /** The thumbprint of the key to which it is bound. */
  jkt: string | undefined
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
export async function startScriptedProvider({
  path = '/oauth2/default',
  port = 0,
  paths = {},
}: {
  /** That of the issuer; it may end with a slash. */
  path?: string
  port?: number
  paths?: Partial<ProviderPaths>
} = {}) {
  const server = await startTestServer(port)
  const issuer = `${server.origin}${path}`
  const at: ProviderPaths = {
    authorization: `${path}/v1/authorize`,
    token: `${path}/v1/token`,
    keys: `${path}/v1/keys`,
    userinfo: `${path}/v1/userinfo`,
    revocation: `${path}/v1/revoke`,
    endSession: `${path}/v1/logout`,
    pushedRequests: `${path}/v1/par`,
    ...paths,
  }
  const goodKey = await createProviderKey('good-1')
  /** The key of the Okta org that this authorization server belongs to. */
  const orgKey = await createProviderKey('org-1')
  const grants = new Map<string, Grant>()
  /** Grants by their current refresh token, which can be used once. */
  const refreshTokens = new Map<string, Grant>()
  /** Authorization requests by their `request_uri`, which can be used once. */
  const pushedRequests = new Map<string, URLSearchParams>()
  const accessTokens = new Map<string, IssuedAccessToken>()
  const calls = {
    discovery: 0,
    token: 0,
    refresh: 0,
    exchange: 0,
    jwks: 0,
    userinfo: 0,
    revocation: 0,
    pushed: 0,
  }
  /** The addresses from which connections came. */
  const callers = new Set<string | undefined>()
  server.server.on('connection', ({ remoteAddress }) => callers.add(remoteAddress))
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

  const lifetime = () => script.accessTokenLifetime ?? 3600

  /** Not decoded, as at many real providers: the client must not encode what needs no encoding. */
  const basic = `Basic ${Buffer.from('portico-test:test-client-secret').toString('base64')}`
  const authenticates = (req: express.Request) =>
    script.authenticates?.(req) ?? req.get('authorization') === basic

  /** The thumbprint of the key to which the tokens of this request are bound. */
  async function readProofKey(req: express.Request): Promise<string | undefined> {
    const proof = req.get('dpop')
    if (!script.bindsTokens || proof === undefined) return undefined
    return calculateJwkThumbprint(decodeProtectedHeader(proof).jwk as JWK)
  }

  async function mintAccessToken(scope: string[], jkt: string | undefined): Promise<string> {
    const now = seconds()
    const claims = {
      ver: 1,
      jti: randomUUID(),
      iss: issuer,
      aud: 'api://default',
      iat: now,
      exp: now + lifetime(),
      cid: 'portico-test',
      uid: 'u1',
      scp: scope,
      sub: 'grace',
      ...(jkt === undefined ? {} : { cnf: { jkt } }),
    }
    const key = script.accessTokenKey ?? goodKey
    const token = await sign(
      key,
      { alg: key.alg, kid: key.kid },
      script.accessTokenClaims?.(claims) ?? claims,
    )
    const sent = script.accessToken?.(token) ?? token
    accessTokens.set(sent, { expiresAt: now + lifetime(), jkt })
    return sent
  }

  async function mintIdToken(
    accessToken: string,
    { parameters, authTime, sub, sid }: Grant,
    isRefresh: boolean,
  ): Promise<string> {
    const now = seconds()
    const occasion = { isRefresh, request: parameters, sid }
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
      script.idTokenClaims?.(claims, occasion) ?? claims,
    )
    return script.idToken?.(token) ?? token
  }

  const app = express()
  app.get(`${path.replace(/\/$/, '')}/.well-known/openid-configuration`, (req, res, next) => {
    calls.discovery += 1
    if (script.discovery) return script.discovery(req, res, next)
    const document = {
      issuer,
      authorization_endpoint: server.origin + at.authorization,
      token_endpoint: server.origin + at.token,
      jwks_uri: server.origin + at.keys,
      userinfo_endpoint: server.origin + at.userinfo,
      revocation_endpoint: server.origin + at.revocation,
      end_session_endpoint: server.origin + at.endSession,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['RS256', 'none'],
    }
    return void res.json(script.metadata?.(document) ?? document)
  })
  app.get(at.keys, (_req, res) => {
    calls.jwks += 1
    res.json(script.jwks?.(published) ?? { keys: published })
  })
  app.get(at.userinfo, (req, res, next) => {
    calls.userinfo += 1
    if (script.userinfoEndpoint) return script.userinfoEndpoint(req, res, next)
    return next()
  })
  app.get(at.userinfo, (_req, res) => {
    const claims = { sub: grace, ...userClaims }
    return void res.json(script.userinfo?.(claims) ?? claims)
  })
  app.post(at.token, express.urlencoded({ extended: false }), async (req, res, next) => {
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
    const challenge = createHash('sha256')
      .update(body.code_verifier ?? '')
      .digest('base64url')
    const isRight =
      grant !== undefined &&
      authenticates(req) &&
      (isRefresh ||
        (!grant.spent &&
          grant.parameters.get('code_challenge') === challenge &&
          grant.parameters.get('redirect_uri') === body.redirect_uri))
    if (!isRight) {
      if (script.invalidGrant) return script.invalidGrant(res, body)
      return void res.status(400).json({ error: 'invalid_grant', error_description: 'canary <script>' })
    }
    grant.spent = true
    if (rotates && !script.keepsRefreshToken) refreshTokens.delete(body.refresh_token ?? '')
    if (isRefresh) await script.onRefresh?.()
    const keeps = isRefresh && script.keepsRefreshToken
    const refreshToken = keeps ? (body.refresh_token ?? '') : `refresh-${randomUUID()}`
    const givesRefreshToken = script.givesRefreshToken?.(grant.parameters) ?? true
    if (givesRefreshToken) refreshTokens.set(refreshToken, grant)
    const scope = (grant.parameters.get('scope') ?? '').split(' ')
    const jkt = await readProofKey(req)
    const accessToken = await mintAccessToken(scope, jkt)
    const answer = {
      access_token: accessToken,
      token_type: jkt === undefined ? 'Bearer' : 'DPoP',
      expires_in: lifetime(),
      scope: scope.join(' '),
      ...(givesRefreshToken ? { refresh_token: refreshToken } : {}),
      id_token: await mintIdToken(accessToken, grant, isRefresh),
    }
    const occasion = { isRefresh, request: grant.parameters, sid: grant.sid }
    const sent = script.tokenResponse?.(answer, occasion) ?? answer
    if (script.sendTokens) return script.sendTokens(res, sent)
    return void res.json(sent)
  })
  app.post(at.revocation, express.urlencoded({ extended: false }), (req, res, next) => {
    calls.revocation += 1
    if (script.revocationEndpoint) return script.revocationEndpoint(req, res, next)
    const { token, token_type_hint: hint } = req.body as Record<string, string>
    if (!authenticates(req) || hint !== 'refresh_token') return void res.status(401).end()
    refreshTokens.delete(token ?? '')
    return void res.status(200).end()
  })
  app.post(at.pushedRequests, express.urlencoded({ extended: false }), (req, res) => {
    calls.pushed += 1
    if (!authenticates(req)) return void res.status(401).json({ error: 'invalid_client' })
    const uri = `urn:ietf:params:oauth:request_uri:${randomUUID()}`
    pushedRequests.set(uri, new URLSearchParams(req.body as Record<string, string>))
    return void res.status(201).json({ request_uri: uri, expires_in: 60 })
  })
  app.get(at.endSession, (req, res, next) => {
    if (script.endSessionEndpoint) return script.endSessionEndpoint(req, res, next)
    const { post_logout_redirect_uri: uri, state } = req.query as Record<string, string>
    const url = new URL(uri ?? '')
    if (state !== undefined) url.searchParams.set('state', state)
    return res.redirect(url.href)
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
    callers,
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
    authorize(loginUrl: string, sub = grace, sid: string = randomUUID()): URLSearchParams {
      const { searchParams } = new URL(loginUrl)
      const uri = searchParams.get('request_uri')
      const parameters = uri === null ? searchParams : pushedRequests.get(uri)
      if (parameters === undefined) throw new Error('this request_uri is unknown, or was used')
      pushedRequests.delete(uri ?? '')
      const state = parameters.get('state') ?? ''
      const error = script.authorizationError?.(parameters)
      const code = `code-${randomUUID()}`
      if (error === undefined) grants.set(code, { parameters, spent: false, authTime: seconds(), sub, sid })
      const answer = error === undefined ? { code, state } : { error, state }
      return new URLSearchParams(script.authorizationResponse?.(answer) ?? answer)
    },
    /** Whether a request comes with an access token that is still good, and in the scheme that it needs. */
    acceptsAccessToken(req: express.Request): boolean {
      const [scheme, token = ''] = (req.get('authorization') ?? '').split(' ')
      const issued = accessTokens.get(token)
      if (issued === undefined || issued.expiresAt <= seconds()) return false
      return scheme === (issued.jkt === undefined ? 'Bearer' : 'DPoP')
    },
    /** The logout token of a session at this provider (Back-Channel Logout 1.0, 2.4). */
    mintLogoutToken(sid: string, sub = grace): Promise<string> {
      const now = seconds()
      const claims: JWTPayload = {
        iss: issuer,
        aud: 'portico-test',
        iat: now,
        exp: now + 120,
        jti: randomUUID(),
        events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
        sid,
        sub,
      }
      const key = script.key ?? goodKey
      const header = { alg: key.alg, kid: key.kid, typ: 'logout+jwt' }
      return sign(
        key,
        script.logoutTokenHeader?.(header) ?? header,
        script.logoutTokenClaims?.(claims) ?? claims,
      )
    },
    close: () => server.close(),
  }
}

export type ScriptedProvider = Awaited<ReturnType<typeof startScriptedProvider>>
