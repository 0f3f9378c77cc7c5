import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { AppError } from '../../errors.ts'
import type { DpopKey, DpopKeys } from '../client/dpop-keys.ts'
import type { IdentityResolver } from '../identity/resolve-identity.ts'
import { readUserId } from '../identity/user-id.ts'
import { UserinfoSubjectMismatch } from '../identity/userinfo.ts'
import { isIssAdvertised, usesDpop } from '../metadata/capabilities.ts'
import type { AuthorizationServer, Discovery } from '../metadata/discovery.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import { readUnverifiedClaims } from '../tokens/unverified-claims.ts'
import { isKeyMissing, tokenError } from '../transport/errors.ts'
import { unverifiedIdTokenMember } from '../transport/normalize-token-response.ts'
import { providerUnavailable } from '../transport/unavailable.ts'
import type { ProviderIdentity, ProviderTokens } from '../types.ts'
import { toResourceParameters } from './configured-parameters.ts'
import { readTokens, toExpiry, toScope } from './token-response.ts'
import { toRefreshFailure, UnverifiedRefresh } from './unverified-refresh.ts'

/** An authorization code, and what the login that it answers was begun with. */
export interface CodeExchangeRequest {
  code: string
  state: string
  iss?: string
  nonce: string
  codeVerifier: string
  /** Thumbprint of the key that the code is bound to (RFC 9449 10). */
  dpopThumbprint?: string
  /** Seconds, as sent in the authorization request. */
  maxAge?: number
  acrValues?: readonly string[]
  /** Whether the person had to sign in anew (`prompt=login`). */
  mustBeFresh: boolean
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** A person the provider vouches for, every token verified. */
export interface AuthenticatedUser {
  identity: ProviderIdentity
  tokens: ProviderTokens
}

/** What a refresh starts from: who signed in, and the tokens they have. */
export interface RefreshRequest {
  identity: ProviderIdentity
  tokens: ProviderTokens
}

/** The two grants that give tokens, each with every check of what comes back. They throw what openid-client throws, too. */
export interface Grants {
  exchangeCode(exchange: CodeExchangeRequest): Promise<AuthenticatedUser>
  /** @throws UnverifiedRefresh where tokens came that do not verify */
  refresh(request: RefreshRequest): Promise<AuthenticatedUser>
}

interface GrantsOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  verifier: TokenVerifier
  identityResolver: IdentityResolver
  clock: Clock
}

/** Creates the grants of one provider. */
export function createGrants({
  config,
  discovery,
  dpopKeys,
  verifier,
  identityResolver,
  clock,
}: GrantsOptions): Grants {
  /** The key that a login proves with: the one that the code is bound to, or our newest where the provider takes proofs. */
  async function findLoginKey(provider: AuthorizationServer, { dpopThumbprint }: CodeExchangeRequest) {
    return dpopThumbprint !== undefined || usesDpop(config, provider)
      ? dpopKeys.find(dpopThumbprint)
      : undefined
  }

  /** The response's URL as openid-client wants it, built from configuration: it becomes the token call's redirect_uri. */
  function toResponseUrl({ code, state, iss }: CodeExchangeRequest, takesIss: boolean): URL {
    const url = new URL(config.redirectUri)
    url.search = new URLSearchParams({ code, state, ...(takesIss && iss ? { iss } : {}) }).toString()
    return url
  }

  /** What openid-client checks of the response; the ID token is for the verifier to judge. */
  const toChecks = (exchange: CodeExchangeRequest): client.AuthorizationCodeGrantChecks => ({
    expectedState: exchange.state,
    ...(config.pkce ? { pkceCodeVerifier: exchange.codeVerifier } : {}),
  })

  /** Verifies the ID token of a login, which must have come unless nothing could verify it. */
  async function verifyIdToken(
    { idToken, accessToken }: ProviderTokens,
    exchange: CodeExchangeRequest,
  ): Promise<JWTPayload | undefined> {
    if (!config.verifiesIdToken) return undefined
    if (idToken === undefined) {
      throw tokenError('invalid_token_response', 'token endpoint: no id_token (is openid allowed?)')
    }
    const { nonce, startedAt, mustBeFresh, maxAge, acrValues } = exchange
    return verifier.verifyIdToken(idToken, {
      accessToken,
      nonce,
      startedAt,
      mustBeFresh,
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(acrValues === undefined ? {} : { acrValues }),
    })
  }

  async function exchangeCode(exchange: CodeExchangeRequest): Promise<AuthenticatedUser> {
    const provider = await discovery.server()
    const offered = await findLoginKey(provider, exchange)
    const answer = await client.authorizationCodeGrant(
      provider.configuration,
      toResponseUrl(exchange, isIssAdvertised(provider)),
      toChecks(exchange),
      toResourceParameters(config),
      toOptions(offered),
    )
    // A provider that takes proofs may bind the tokens of some clients alone.
    const isUnbound = config.dpop !== 'required' && answer.token_type === 'bearer'
    const dpop = isUnbound ? undefined : offered
    const tokens = readTokens(answer, dpop, clock.now())
    const { accessToken } = tokens
    const claims = await verifyIdToken(tokens, exchange)
    const { scopes, expiresAt } = await verifier.verifyAccessToken(accessToken, dpop?.thumbprint)
    const userId = readAnsweredUserId(answer)
    return {
      identity: await identityResolver.identify(provider, { idToken: claims, userId }, { accessToken, dpop }),
      tokens: {
        ...tokens,
        accessTokenExpiresAt: toExpiry(tokens, expiresAt, config.accessTokenLifetime),
        scope: [...new Set(scopes ?? toScope(answer.scope) ?? config.scopes)],
      },
    }
  }

  /** Only a plain OAuth 2.0 provider names the user beside the tokens. */
  function readAnsweredUserId(answer: client.TokenEndpointResponse): string | undefined {
    return config.endpoints === undefined ? undefined : readUserId(answer, config.userIdField)
  }

  async function refresh(request: RefreshRequest): Promise<AuthenticatedUser> {
    const provider = await discovery.server()
    await verifier.prepare()
    // As at the login: what is bound stays bound, and the grant of an unbound session may not change.
    const { dpopThumbprint } = request.tokens
    const dpop = dpopThumbprint === undefined ? undefined : await dpopKeys.find(dpopThumbprint)
    const answer = await client.refreshTokenGrant(
      provider.configuration,
      request.tokens.refreshToken ?? '',
      toResourceParameters(config),
      toOptions(dpop),
    )
    try {
      return await verifyRefreshed(provider, request, answer, dpop)
    } catch (error) {
      const { refresh_token: refreshToken } = answer
      const refusal = toRefusal(error)
      const isAnothers = error instanceof UserinfoSubjectMismatch || isOfAnother(answer, request.identity)
      const isKept = refreshToken !== undefined && !isAnothers
      throw isKept ? new UnverifiedRefresh(refreshToken, refusal) : refusal
    }
  }

  async function verifyRefreshed(
    provider: AuthorizationServer,
    { identity, tokens: old }: RefreshRequest,
    answer: client.TokenEndpointResponse,
    dpop: DpopKey | undefined,
  ): Promise<AuthenticatedUser> {
    const tokens = readTokens(answer, dpop, clock.now())
    const { accessToken, idToken } = tokens
    const claims =
      idToken === undefined
        ? undefined
        : await verifier.verifyRefreshedIdToken(idToken, { accessToken, identity })
    if (namesAnotherUser(answer, identity)) {
      throw tokenError('invalid_token_response', 'OAUTH_USER_ID_FIELD is another one than at the login')
    }
    const { scopes, expiresAt } = await verifier.verifyAccessToken(accessToken, dpop?.thumbprint)
    const granted = scopes ?? toScope(answer.scope)
    const userClaims = await identityResolver.renewClaims(provider, identity, claims, { accessToken, dpop })
    return {
      identity: { ...identity, claims: userClaims },
      tokens: {
        // Where no new refresh token or ID token came, the old one stays (RFC 6749 6).
        ...(old.refreshToken === undefined ? {} : { refreshToken: old.refreshToken }),
        ...(old.idToken === undefined ? {} : { idToken: old.idToken }),
        ...tokens,
        accessTokenExpiresAt: toExpiry(tokens, expiresAt, config.accessTokenLifetime),
        // Never wider than before, whatever the provider says now.
        scope: granted === undefined ? old.scope : old.scope.filter((scope) => granted.includes(scope)),
      },
    }
  }

  /** Whether a user id stands beside the tokens, and is not that of the login. */
  function namesAnotherUser(answer: client.TokenEndpointResponse, { userId }: ProviderIdentity): boolean {
    const answered = readAnsweredUserId(answer)
    return userId !== undefined && answered !== undefined && answered !== userId
  }

  /** Whether an answer names another person: then its refresh token is that person's, and no use to this session. */
  function isOfAnother(answer: client.TokenEndpointResponse, identity: ProviderIdentity): boolean {
    const idToken = answer[unverifiedIdTokenMember]
    const sub = typeof idToken === 'string' ? readUnverifiedClaims(idToken)?.sub : undefined
    return namesAnotherUser(answer, identity) || (sub !== undefined && sub !== identity.providerSub)
  }

  return { exchangeCode, refresh }
}

/** Why an answer may not be used. */
function toRefusal(error: unknown): AppError {
  const failure = toRefreshFailure(error)
  // To the breaker that is an outage: refresh tokens must not be rotated again and again meanwhile.
  return isKeyMissing(failure) ? createKeysMissing(failure) : failure
}

const createKeysMissing = (cause: AppError) =>
  providerUnavailable(`keys to verify the refreshed tokens: ${cause.reason ?? cause.code}`, {
    outage: 'overloaded',
    cause,
  })

const toOptions = (dpop: DpopKey | undefined) => (dpop === undefined ? {} : { DPoP: dpop.handle })
