import type { JWTPayload } from 'jose'
import type { Clock } from '../clock.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { createJwksCache } from '../jwks/jwks-cache.ts'
import type { Log } from '../telemetry/events.ts'
import type { Observer } from '../telemetry/observer.ts'
import { createDpopKeys, type ProtectedCall } from './client/dpop-keys.ts'
import {
  type AuthorizationRequest,
  createAuthorizationStart,
  type StartedAuthorization,
} from './grants/authorization-request.ts'
import { createResponseCheck, type SentResponse } from './grants/authorization-response.ts'
import { type CodeExchangeRequest, createCodeExchange } from './grants/code-exchange.ts'
import {
  createTokenExchange,
  type ExchangedToken,
  type TokenExchangeRequest,
} from './grants/token-exchange.ts'
import { createTokenRefresh, type RefusedRefresh } from './grants/token-refresh.ts'
import { type ProviderSubject, readAppSub } from './identity/app-sub.ts'
import { createLiveUserinfo } from './identity/live-userinfo.ts'
import { createIdentityResolver } from './identity/resolve-identity.ts'
import { createUserinfo } from './identity/userinfo.ts'
import { createEndSession, type EndSessionRequest } from './logout/end-session.ts'
import { createRevocationRequest } from './logout/token-revocation.ts'
import { createDiscovery } from './metadata/discovery.ts'
import { createKeysFetch } from './tokens/fetch-jwks.ts'
import { createLogoutTokenVerifier, type VerifiedLogoutToken } from './tokens/logout-token.ts'
import { toTokenIssuers } from './tokens/tenants.ts'
import { createTokenVerifier } from './tokens/token-verifier.ts'
import {
  createUniversalLogoutTokenVerifier,
  type VerifiedUniversalLogoutToken,
} from './tokens/universal-logout-token.ts'
import { type CircuitBreaker, createCircuitBreaker } from './transport/circuit-breaker.ts'
import { createProviderFetch, toTransport } from './transport/fetch.ts'
import { observeFetch } from './transport/observed-fetch.ts'
import type { Outage } from './transport/unavailable.ts'
import type { AuthenticatedUser, ProviderTokens } from './types.ts'

/** An identity provider. Every method may throw AppError `provider_unavailable`. */
export interface Provider {
  /** Its name in the configuration. */
  readonly name: string
  readonly issuer: string
  /** The issuers that its tokens name: its own, or those of several tenants. */
  readonly tokenIssuers: readonly string[]
  readonly redirectUri: string
  readonly clientId: string
  /** The `iss` of those who may call Universal Logout for this provider's users; undefined for none. */
  readonly universalLogoutIssuer: string | undefined
  /** The user claims that it may supply. */
  readonly claimNames: readonly string[]
  /** The user with this `sub` in app tokens; undefined where it cannot be one of this provider. */
  readAppSub(appSub: string): ProviderSubject | undefined
  /** Whether its metadata is known, so that a login can begin. */
  isReady(): boolean
  /** What stops calls of each kind while the provider does not answer. */
  readonly breakers: Readonly<Record<BreakerName, Pick<CircuitBreaker, 'isOpen'>>>
  /** Fetches the metadata in the background. */
  start(): void
  close(): Promise<void>
  /** @throws AppError `provider_error`, or `invalid_request` where this provider cannot do what is asked */
  startAuthorization(request: AuthorizationRequest): Promise<StartedAuthorization>
  /**
   * Checks that an authorization response comes from this provider, by its signature (JARM 2.4) and its `iss`
   * (RFC 9207 2.4) where it has to have them; returns whether it names its issuer.
   *
   * @throws AppError `issuer_mismatch`, `invalid_authorization_response`
   */
  checkResponse(response: SentResponse): Promise<boolean>
  /**
   * @throws AppError `provider_error`, `invalid_token_response`, `invalid_id_token`, `invalid_access_token`
   */
  exchangeCode(request: CodeExchangeRequest): Promise<AuthenticatedUser>
  /** @throws AppError `provider_unavailable` where recent refreshes failed, so that another would, too */
  assertReachable(): void
  /**
   * Renews the tokens and user claims (RFC 6749 6, OpenID Connect Core 12), or returns why the provider
   * refuses to, so that the user has to sign in again.
   *
   * @throws AppError as `exchangeCode` does, UnverifiedRefresh where new tokens do not verify
   */
  refresh(user: AuthenticatedUser): Promise<AuthenticatedUser | RefusedRefresh>
  /**
   * The provider's current userinfo; undefined where it no longer accepts the access token.
   *
   * @throws AppError `invalid_userinfo`, `not_found` where the provider has none
   */
  fetchUserinfo(user: AuthenticatedUser): Promise<JWTPayload | undefined>
  /**
   * Exchanges the access token for one of another API (RFC 8693 2).
   *
   * @throws AppError `provider_error`, `invalid_token_response`
   */
  exchangeToken(user: AuthenticatedUser, request: TokenExchangeRequest): Promise<ExchangedToken>
  /** Makes the DPoP proof of a call to an API, by the key of this thumbprint (RFC 9449 7.1). */
  proveCall(thumbprint: string, call: ProtectedCall): Promise<string>
  /** The provider's logout URL for a browser (RP-Initiated Logout 1.0, 2); undefined if there is none. */
  toEndSessionUrl(request: EndSessionRequest): Promise<URL | undefined>
  /** The origins of the provider's pages. */
  pageOrigins(): Promise<string[]>
  /**
   * Revokes the refresh token (RFC 7009 2.1); `unsupported` where there is none, or the provider does not
   * revoke it.
   *
   * @throws AppError `provider_error`
   */
  revoke(tokens: Pick<ProviderTokens, 'refreshToken'>): Promise<'revoked' | 'unsupported'>
  /** @throws AppError `invalid_logout_token` */
  verifyLogoutToken(token: string): Promise<VerifiedLogoutToken>
  /**
   * Verifies the token of a Universal Logout call to `audience`, the called URL.
   *
   * @throws AppError `invalid_token`, `insufficient_authorization`
   */
  verifyUniversalLogoutToken(token: string, audience: string): Promise<VerifiedUniversalLogoutToken>
}

/** The kinds of calls that are stopped each by itself. */
type BreakerName = 'par' | 'refresh' | 'userinfo' | 'exchange' | 'revocation'

interface ProviderOptions {
  config: ProviderConfig
  /** Master secrets, newest first, from which the DPoP keys are derived. */
  secrets: readonly Uint8Array[]
  clock: Clock
  log: Log
  observer: Observer
}

/** For calls whose failure may be caused by one user's data: it must not stop the calls for other users. */
const perUserOutages: readonly Outage[] = ['no-answer']
/** For calls that are the same for every user. */
const sharedOutages: readonly Outage[] = ['no-answer', 'connection-lost', 'overloaded']

/** Creates the provider over openid-client. It sends no request until `start` or the first call. */
export function createProvider({ config, secrets, clock, log, observer }: ProviderOptions): Provider {
  const http = createProviderFetch({ ...toTransport(config), clock })
  const fetch = observeFetch(http.fetch, config.name, observer)
  const discovery = createDiscovery({ config, fetch, clock, log })
  const dpopKeys = createDpopKeys(secrets)
  const createBreaker = (opensOn: readonly Outage[]) => createCircuitBreaker({ clock, opensOn })
  const breakers = {
    par: createBreaker(perUserOutages),
    refresh: createBreaker(sharedOutages),
    userinfo: createBreaker(perUserOutages),
    exchange: createBreaker(sharedOutages),
    revocation: createBreaker(sharedOutages),
  }

  const fetchKeys = createKeysFetch(discovery, fetch)
  const keys = createJwksCache({ fetchKeys, clock, log })
  // Anyone can send a logout token, and begin a login to send a signed answer. Those have caches of their
  // own, so that the fetches in vain that they cause do not keep other tokens from learning about new keys.
  const logoutKeys = createJwksCache({ fetchKeys, clock, log })
  const responseKeys = createJwksCache({ fetchKeys, clock, log })

  const verifier = createTokenVerifier({ config, keys, clock })
  const userinfo = createUserinfo({ config, verifier })
  const identityResolver = createIdentityResolver({ config, userinfo, observer, log })
  const grantOptions = { config, discovery, dpopKeys, verifier, identityResolver, clock }
  const { assertReachable, refresh } = createTokenRefresh({ ...grantOptions, breaker: breakers.refresh })
  const { pageOrigins, toEndSessionUrl } = createEndSession({ config, discovery })

  return {
    name: config.name,
    issuer: config.issuer,
    tokenIssuers: toTokenIssuers(config),
    redirectUri: config.redirectUri,
    clientId: config.clientId,
    universalLogoutIssuer: config.universalLogoutIssuer,
    claimNames: config.claimNames,
    readAppSub: (appSub) => readAppSub(config, appSub),

    isReady: discovery.isReady,
    breakers,
    start: discovery.start,
    close() {
      discovery.stop()
      return http.close()
    },

    startAuthorization: createAuthorizationStart({
      config,
      discovery,
      dpopKeys,
      breaker: breakers.par,
      clock,
    }),
    checkResponse: createResponseCheck({ config, discovery, keys: responseKeys, clock }),
    exchangeCode: createCodeExchange({ ...grantOptions, observer }),

    assertReachable,
    refresh,
    fetchUserinfo: createLiveUserinfo({ discovery, dpopKeys, userinfo, breaker: breakers.userinfo }),

    exchangeToken: createTokenExchange({ ...grantOptions, breaker: breakers.exchange }),
    proveCall: async (thumbprint, call) => (await dpopKeys.find(thumbprint)).prove(call),

    pageOrigins,
    toEndSessionUrl,
    revoke: createRevocationRequest({ config, discovery, breaker: breakers.revocation }),
    verifyLogoutToken: createLogoutTokenVerifier({ config, keys: logoutKeys, clock }),
    verifyUniversalLogoutToken: createUniversalLogoutTokenVerifier({
      config,
      keys: logoutKeys,
      fetch,
      clock,
      log,
    }),
  }
}
