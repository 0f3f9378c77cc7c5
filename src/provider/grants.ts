import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../telemetry/logger.ts'
import { type DiscoveredProvider, type Discovery, isIssAdvertised } from './discovery.ts'
import { type ProviderIdentity, type ProviderTokens, toIdentity, type UserClaims } from './identity.ts'
import { createTokenError, isKeyMissing, toAppError } from './provider-errors.ts'
import { ProviderUnavailable } from './provider-unavailable.ts'
import type { TokenVerifier } from './token-verifier.ts'
import { maxUserClaims, pickUserClaims } from './user-claims.ts'
import { fetchUserinfo } from './userinfo.ts'

/** An authorization code, and what the login that it answers was begun with. */
export interface CodeExchange {
  code: string
  state: string
  iss?: string
  nonce: string
  codeVerifier: string
  /** Seconds, as sent in the authorization request. */
  maxAge?: number
  acrValues?: readonly string[]
  /** Whether the person had to sign in anew (`prompt=login`). */
  mustBeFresh: boolean
  /** Milliseconds since the epoch. */
  startedAt: number
}

/** A person the provider vouches for, every token verified. */
export interface ProviderLogin {
  identity: ProviderIdentity
  tokens: ProviderTokens
}

/** What a refresh starts from: who signed in, and the tokens they have. */
export interface RefreshRequest {
  identity: ProviderIdentity
  tokens: ProviderTokens
}

/**
 * A refresh whose answer cannot be verified for want of the right key. Nothing of it may be used but the next refresh
 * token: with rotation there is no other one. To the breaker it is an outage like others.
 */
export class UnverifiedRefresh extends ProviderUnavailable {
  readonly refreshToken: string

  constructor(refreshToken: string, cause: AppError) {
    super('busy', { reason: cause.reason ?? cause.code, cause })
    this.refreshToken = refreshToken
  }
}

/** The two grants that give tokens, each with every check of what comes back. They throw what openid-client throws, too. */
export interface Grants {
  exchangeCode(exchange: CodeExchange): Promise<ProviderLogin>
  /** @throws UnverifiedRefresh where the answer's key cannot be had */
  refresh(request: RefreshRequest): Promise<ProviderLogin>
}

interface GrantsOptions {
  config: Config['provider']
  claimNames: readonly string[]
  discovery: Discovery
  verifier: TokenVerifier
  clock: Clock
  log: Log
}

/** Creates the grants of one provider. */
export function createGrants({ config, claimNames, discovery, verifier, clock, log }: GrantsOptions): Grants {
  /** The wanted claims, from the ID token and, where it is thin, from userinfo. */
  async function readUserClaims(
    provider: DiscoveredProvider,
    idToken: JWTPayload,
    accessToken: string,
    sub: string,
  ): Promise<Record<string, unknown>> {
    const isThin = claimNames.some((name) => idToken[name] === undefined)
    const hasUserinfo = provider.metadata.userinfo_endpoint !== undefined
    const userinfo =
      isThin && hasUserinfo ? await fetchUserinfo({ provider, verifier, accessToken, sub }) : {}
    if (userinfo === undefined) {
      throw new AppError('provider_error', 'The provider refused to tell who signed in.', {
        reason: 'userinfo refused the access token',
      })
    }
    const { claims, dropped } = pickUserClaims(claimNames, idToken, userinfo)
    if (dropped.length > 0) log('user_claims_dropped', { names: dropped, limit: maxUserClaims })
    return claims
  }

  /** The response's URL as openid-client wants it, built from configuration: it becomes the token call's redirect_uri. */
  function toResponseUrl({ code, state, iss }: CodeExchange, takesIss: boolean): URL {
    const url = new URL(config.redirectUri)
    url.search = new URLSearchParams({ code, state, ...(takesIss && iss ? { iss } : {}) }).toString()
    return url
  }

  async function exchangeCode(exchange: CodeExchange): Promise<ProviderLogin> {
    const provider = await discovery.provider()
    const answer = await client.authorizationCodeGrant(
      provider.configuration,
      toResponseUrl(exchange, isIssAdvertised(provider)),
      {
        pkceCodeVerifier: exchange.codeVerifier,
        expectedState: exchange.state,
        expectedNonce: exchange.nonce,
        ...(exchange.maxAge === undefined ? {} : { maxAge: exchange.maxAge }),
      },
    )
    const { accessToken, idToken = '', ...tokens } = readTokenAnswer(answer)
    const claims = await verifier.verifyIdToken(idToken, {
      accessToken,
      startedAt: exchange.startedAt,
      mustBeFresh: exchange.mustBeFresh,
      ...(exchange.acrValues === undefined ? {} : { acrValues: exchange.acrValues }),
    })
    const scope = (await verifier.verifyAccessToken(accessToken)) ?? answer.scope?.split(' ') ?? config.scopes
    const userClaims = await readUserClaims(provider, claims, accessToken, claims.sub ?? '')
    return {
      identity: toIdentity(config.issuer, claims, userClaims),
      tokens: { ...tokens, accessToken, idToken, scope: [...new Set(scope)] },
    }
  }

  /** The tokens of an answer, before any of them is verified. */
  function readTokenAnswer(answer: client.TokenEndpointResponse) {
    const {
      access_token: accessToken,
      id_token: idToken,
      refresh_token: refreshToken,
      expires_in: lifetime,
    } = answer
    if (answer.token_type !== 'bearer') {
      throw createTokenError('invalid_token_response', 'token_type is not Bearer')
    }
    const obtainedAt = clock.now()
    return {
      accessToken,
      obtainedAt,
      ...(idToken === undefined ? {} : { idToken }),
      ...(refreshToken === undefined ? {} : { refreshToken }),
      ...(lifetime === undefined ? {} : { accessTokenExpiresAt: obtainedAt + lifetime * 1000 }),
    }
  }

  async function refresh(request: RefreshRequest): Promise<ProviderLogin> {
    const startedAt = clock.now()
    const provider = await discovery.provider()
    await verifier.prepare()
    const answer = await client.refreshTokenGrant(provider.configuration, request.tokens.refreshToken ?? '')
    try {
      return await verifyRefreshed(provider, request, answer, startedAt)
    } catch (error) {
      const { refresh_token: refreshToken } = answer
      if (isKeyMissing(error) && refreshToken !== undefined) throw new UnverifiedRefresh(refreshToken, error)
      throw error
    }
  }

  async function verifyRefreshed(
    provider: DiscoveredProvider,
    { identity, tokens: old }: RefreshRequest,
    answer: client.TokenEndpointResponse,
    startedAt: number,
  ): Promise<ProviderLogin> {
    const tokens = readTokenAnswer(answer)
    const { accessToken, idToken } = tokens
    const claims =
      idToken === undefined
        ? undefined
        : await verifier.verifyRefreshedIdToken(idToken, { accessToken, startedAt, identity })
    const granted = (await verifier.verifyAccessToken(accessToken)) ?? answer.scope?.split(' ')
    return {
      identity: { ...identity, claims: await renewUserClaims(provider, identity, claims, accessToken) },
      tokens: {
        // Where no new refresh token or ID token came, the old one stays (RFC 6749 6).
        ...(old.refreshToken === undefined ? {} : { refreshToken: old.refreshToken }),
        idToken: old.idToken,
        ...tokens,
        // Never wider than before, whatever the provider says now.
        scope: granted === undefined ? old.scope : old.scope.filter((scope) => granted.includes(scope)),
      },
    }
  }

  /** The person may have left a group. Tokens that came must not be lost because userinfo did not. */
  async function renewUserClaims(
    provider: DiscoveredProvider,
    identity: ProviderIdentity,
    idToken: JWTPayload | undefined,
    accessToken: string,
  ): Promise<UserClaims> {
    try {
      const claims = await readUserClaims(provider, idToken ?? {}, accessToken, identity.sub)
      // Without an ID token, what only an ID token told is as it was.
      return idToken === undefined ? { ...identity.claims, ...claims } : claims
    } catch (error) {
      log('user_claims_stale', { reason: toAppError(error).reason })
      return identity.claims
    }
  }

  return { exchangeCode, refresh }
}
