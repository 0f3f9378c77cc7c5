import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { AppError } from '../errors.ts'
import { createJwksCache } from '../jwks/jwks-cache.ts'
import type { Log } from '../telemetry/logger.ts'
import { toClientSecret } from './client/client-authentication.ts'
import { createDpopKeys } from './client/dpop-keys.ts'
import {
  type AuthorizationRequest,
  createAuthorizationStart,
  type StartedAuthorization,
} from './grants/authorization-request.ts'
import {
  type AuthenticatedUser,
  type CodeExchangeRequest,
  createGrants,
  type RefreshRequest,
} from './grants/token-grants.ts'
import { UnverifiedRefresh } from './grants/unverified-refresh.ts'
import { createIdentityResolver, toSubject } from './identity/resolve-identity.ts'
import { createUserinfo } from './identity/userinfo.ts'
import { createEndSession, type EndSessionRequest } from './logout/end-session.ts'
import { isIssAdvertised } from './metadata/capabilities.ts'
import { createDiscovery } from './metadata/discovery.ts'
import { fetchJwks } from './tokens/fetch-jwks.ts'
import { createLogoutTokenVerifier, type VerifiedLogoutToken } from './tokens/logout-token.ts'
import { createTokenVerifier } from './tokens/token-verifier.ts'
import {
  createUniversalLogoutTokenVerifier,
  type VerifiedUniversalLogoutToken,
} from './tokens/universal-logout-token.ts'
import { createCircuitBreaker } from './transport/circuit-breaker.ts'
import { isFinalRefreshRefusal, translateProviderError } from './transport/errors.ts'
import { createProviderFetch, toTls } from './transport/fetch.ts'
import { findCause } from './transport/find-cause.ts'
import { providerUnavailable, unanswered } from './transport/unavailable.ts'
import type { ProviderTokens } from './types.ts'

/** An identity provider. Every method may throw AppError `provider_unavailable`. */
export interface Provider {
  /** What the configuration calls it. */
  readonly name: string
  readonly issuer: string
  readonly redirectUri: string
  readonly clientId: string
  /** Who may call Universal Logout for its people; undefined for nobody. */
  readonly universalLogoutIssuer: string | undefined
  /** The user claims that it may tell of a person. */
  readonly claimNames: readonly string[]
  /** What stands before its subjects in app tokens. */
  readonly subjectPrefix: string
  /** Whether its metadata is known, so that a login can begin. */
  isReady(): boolean
  start(): void
  close(): Promise<void>
  /** @throws AppError `provider_error`, `invalid_request` where this provider cannot prove what is asked for */
  startAuthorization(request: AuthorizationRequest): Promise<StartedAuthorization>
  /**
   * Whether this provider names itself in its responses; if so, `iss` must be its own (RFC 9207 2.4).
   *
   * @throws AppError `issuer_mismatch`
   */
  assertResponseIssuer(iss: string | undefined): Promise<boolean>
  /** @throws AppError `provider_error`, `invalid_token_response`, `invalid_id_token`, `invalid_access_token` */
  exchangeCode(exchange: CodeExchangeRequest): Promise<AuthenticatedUser>
  /** @throws AppError `provider_unavailable` where it did not answer lately: not worth asking now */
  assertReachable(): void
  /**
   * Renews the tokens (RFC 6749 6, OpenID Connect Core 12), and what they say of the person; or says why the
   * provider renews them no more, so that the person has to sign in again.
   *
   * @throws AppError as `exchangeCode` does, UnverifiedRefresh where tokens came that do not verify
   */
  refresh(request: RefreshRequest): Promise<AuthenticatedUser | RefusedRefresh>
  /**
   * The provider's userinfo, live; undefined where it takes this access token no more.
   *
   * @throws AppError `invalid_userinfo`, `not_found` where the provider has none
   */
  fetchUserinfo(login: AuthenticatedUser): Promise<JWTPayload | undefined>
  /** Where a browser signs out at the provider (RP-Initiated Logout 1.0, 2); undefined where it has no such place. */
  toEndSessionUrl(request: EndSessionRequest): Promise<URL | undefined>
  /** The origins of its pages. */
  pageOrigins(): Promise<string[]>
  /**
   * Revokes the refresh token (RFC 7009 2.1); `unsupported` where there is nothing to revoke, or nobody to ask.
   *
   * @throws AppError `provider_error`
   */
  revoke(tokens: Pick<ProviderTokens, 'refreshToken'>): Promise<'revoked' | 'unsupported'>
  /** @throws AppError `invalid_logout_token` */
  verifyLogoutToken(token: string): Promise<VerifiedLogoutToken>
  /**
   * Who calls Universal Logout at `audience`, the address that was called.
   *
   * @throws AppError `invalid_token`, `insufficient_authorization`
   */
  verifyUniversalLogoutToken(token: string, audience: string): Promise<VerifiedUniversalLogoutToken>
}

interface ProviderOptions {
  config: ProviderConfig
  /** Master secrets, newest first: the keys for DPoP come from them. */
  secrets: readonly Uint8Array[]
  clock: Clock
  log: Log
}

/** Creates the provider over openid-client. It starts no traffic until `start` or the first call. */
export function createProvider({ config, secrets, clock, log }: ProviderOptions): Provider {
  const http = createProviderFetch({ timeout: config.timeout, clock, ...toTls(config) })
  const discovery = createDiscovery({ config, fetch: http.fetch, clock, log })
  const secret = toClientSecret(config.clientAuth)
  const dpopKeys = createDpopKeys(secrets)
  const keys = createJwksCache({ fetchKeys, clock, log })
  // Tokens that strangers can send have a source of their own: what they make it fetch in vain must not keep logins from
  // learning of new keys.
  const openKeys = createJwksCache({ fetchKeys, clock, log })
  const verifier = createTokenVerifier({ config, keys, clock })
  // A 429 or 500 here may be about one person's data, and must not touch the others.
  const userinfoBreaker = createCircuitBreaker({ clock, opensOn: ['no-answer'] })
  const userinfo = createUserinfo({ config, verifier })
  const identityResolver = createIdentityResolver({ config, userinfo, log })
  const grants = createGrants({ config, discovery, dpopKeys, verifier, identityResolver, clock })
  const refreshBreaker = createCircuitBreaker({
    clock,
    opensOn: ['no-answer', 'connection-lost', 'overloaded'],
  })
  const startAuthorization = createAuthorizationStart({
    config,
    discovery,
    clock,
    dpopKeys,
    // What a 5xx says here may be about one person's parameters.
    breaker: createCircuitBreaker({ clock, opensOn: ['no-answer'] }),
    log,
  })

  const endSession = createEndSession({
    config,
    discovery,
    breaker: createCircuitBreaker({ clock, opensOn: ['no-answer', 'connection-lost', 'overloaded'] }),
    secret,
  })

  async function fetchKeys(): Promise<JSONWebKeySet> {
    const { jwks_uri: uri } = (await discovery.server()).metadata
    if (uri === undefined) throw providerUnavailable('JWKS: none is known (OAUTH_JWKS_URI)')
    return fetchJwks(http.fetch, uri)
  }

  return {
    name: config.name,
    issuer: config.issuer,
    redirectUri: config.redirectUri,
    clientId: config.clientId,
    universalLogoutIssuer: config.universalLogoutIssuer,
    claimNames: config.claimNames,
    subjectPrefix: config.subjectPrefix,
    isReady: () => discovery.isReady(),
    start: () => discovery.start(),
    async close() {
      discovery.stop()
      await http.close()
    },

    startAuthorization,
    pageOrigins: endSession.pageOrigins,
    toEndSessionUrl: endSession.toEndSessionUrl,
    revoke: endSession.revoke,
    verifyLogoutToken: createLogoutTokenVerifier({ config, keys: openKeys, clock }),
    verifyUniversalLogoutToken: createUniversalLogoutTokenVerifier({
      config,
      keys: openKeys,
      fetch: http.fetch,
      clock,
      log,
    }),

    async assertResponseIssuer(iss) {
      const isAdvertised = isIssAdvertised(await discovery.server())
      if (!isAdvertised || iss === config.issuer) return isAdvertised
      throw new AppError(
        'issuer_mismatch',
        'The answer does not come from the provider this sign-in was begun with.',
        {
          reason: iss === undefined ? 'iss is missing though advertised' : 'iss is another issuer',
        },
      )
    },

    exchangeCode: (exchange) =>
      grants.exchangeCode(exchange).catch((error: unknown) => {
        // The provider's remark is logged, and may repeat what it was sent.
        throw translateProviderError(error, 'token endpoint', [exchange.code, exchange.codeVerifier, secret])
      }),

    assertReachable: () => refreshBreaker.assertClosed(),

    refresh: (request) =>
      refreshBreaker.guard(() =>
        grants.refresh(request).catch((error: unknown) => {
          const secrets = [request.tokens.refreshToken ?? '', secret]
          if (isFinalRefreshRefusal(error)) return toRefusedRefresh(error, secrets)
          throw findCause(error, UnverifiedRefresh) ?? toRefreshError(error, secrets)
        }),
      ),

    async fetchUserinfo({ identity, tokens }) {
      const provider = await discovery.server()
      if (!userinfo.isThere(provider)) throw new AppError('not_found', 'This provider has no userinfo.')
      const { accessToken, dpopThumbprint } = tokens
      const dpop = dpopThumbprint === undefined ? undefined : await dpopKeys.find(dpopThumbprint)
      return userinfoBreaker.guard(() => userinfo.fetch(provider, { accessToken, dpop }, toSubject(identity)))
    },
  }
}

/** A refresh token that the provider takes no more. */
export interface RefusedRefresh {
  /** The provider's words, for the log. */
  refused: string
}

const toRefusedRefresh = (error: unknown, secrets: readonly string[]): RefusedRefresh => ({
  refused: translateProviderError(error, 'token endpoint', secrets).reason ?? 'unknown',
})

/** Something else than an answer of a token endpoint came, such as a page of a proxy: the same as none. */
function toRefreshError(error: unknown, secrets: readonly string[]): AppError {
  const refusal = translateProviderError(error, 'token endpoint', secrets)
  const isNoAnswer = !(error instanceof AppError) && refusal.code === 'invalid_token_response'
  return isNoAnswer ? unanswered(refusal) : refusal
}
