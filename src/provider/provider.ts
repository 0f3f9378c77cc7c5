import type { JSONWebKeySet, JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../telemetry/logger.ts'
import { createCircuitBreaker } from './circuit-breaker.ts'
import { createDiscovery, isIssAdvertised } from './discovery.ts'
import { type CodeExchange, createGrants, type ProviderLogin, type RefreshRequest } from './grants.ts'
import { createKeySource } from './key-source.ts'
import { isInvalidGrant, toAppError } from './provider-errors.ts'
import { createProviderFetch } from './provider-fetch.ts'
import { createUnavailable } from './provider-unavailable.ts'
import { createTokenVerifier } from './token-verifier.ts'
import { fetchUserinfo } from './userinfo.ts'

/** What an authorization request carries beside the client's own data (OpenID Connect Core 3.1.2.1). */
export interface AuthorizationRequest {
  state: string
  nonce: string
  codeChallenge: string
  /** Optional parameters by their wire names, such as `prompt` and `login_hint`. */
  parameters: Readonly<Record<string, string>>
}

/** The identity provider. Every method may throw AppError `provider_unavailable`. */
export interface Provider {
  readonly issuer: string
  /** Whether its metadata is known, so that a login can begin. */
  isReady(): boolean
  start(): void
  close(): Promise<void>
  createAuthorizationUrl(request: AuthorizationRequest): Promise<URL>
  /** @throws AppError `issuer_mismatch` where the response's `iss` is not this provider's (RFC 9207 2.4) */
  assertResponseIssuer(iss: string | undefined): Promise<void>
  /** @throws AppError `provider_error`, `invalid_token_response`, `invalid_id_token`, `invalid_access_token` */
  exchangeCode(exchange: CodeExchange): Promise<ProviderLogin>
  /** @throws AppError `provider_unavailable` where it did not answer lately: not worth asking now */
  assertReachable(): void
  /**
   * Renews the tokens (RFC 6749 6, OpenID Connect Core 12), and what they say of the person. `refused` where the
   * provider takes this refresh token no more.
   *
   * @throws AppError as `exchangeCode` does, UnverifiedRefresh where the answer's key cannot be had
   */
  refresh(request: RefreshRequest): Promise<ProviderLogin | 'refused'>
  /**
   * The provider's userinfo, live; undefined where it takes this access token no more.
   *
   * @throws AppError `invalid_userinfo`, `not_found` where the provider has none
   */
  fetchUserinfo(accessToken: string, sub: string): Promise<JWTPayload | undefined>
}

interface ProviderOptions {
  config: Config['provider']
  /** Names of the user claims to keep from the ID token and, where missing there, from userinfo. */
  claimNames: readonly string[]
  clock: Clock
  log: Log
}

/** Creates the provider over openid-client. It starts no traffic until `start` or the first call. */
export function createProvider({ config, claimNames, clock, log }: ProviderOptions): Provider {
  const http = createProviderFetch({ timeout: config.timeout, clock })
  const discovery = createDiscovery({ config, fetch: http.fetch, clock, log })
  const keys = createKeySource({ fetchKeys, clock, log })
  const verifier = createTokenVerifier({ config, keys, clock })
  const grants = createGrants({ config, claimNames, discovery, verifier, clock, log })
  const refreshBreaker = createCircuitBreaker({ clock, opensOn: ['silent', 'busy'] })
  // A 429 or 500 here may be about one person's data, and must not touch the others.
  const userinfoBreaker = createCircuitBreaker({ clock, opensOn: ['silent'] })

  async function fetchKeys(): Promise<JSONWebKeySet> {
    const { jwks_uri: uri = '' } = (await discovery.provider()).metadata
    const response = await http.fetch(uri, { headers: { accept: 'application/json' } })
    const body: unknown = response.status === 200 ? await response.json().catch(() => undefined) : undefined
    if (isKeySet(body)) return body
    throw createUnavailable(`JWKS: status ${response.status}, no key set`)
  }

  return {
    issuer: config.issuer,
    isReady: () => discovery.isReady(),
    start: () => discovery.start(),
    async close() {
      discovery.stop()
      await http.close()
    },

    async createAuthorizationUrl({ state, nonce, codeChallenge, parameters }) {
      return client.buildAuthorizationUrl((await discovery.provider()).configuration, {
        ...parameters,
        response_type: 'code',
        redirect_uri: config.redirectUri,
        scope: config.scopes.join(' '),
        state,
        nonce,
        code_challenge: codeChallenge,
        code_challenge_method: 'S256',
      })
    },

    async assertResponseIssuer(iss) {
      if (!isIssAdvertised(await discovery.provider()) || iss === config.issuer) return
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
        throw toAppError(error, [exchange.code, exchange.codeVerifier])
      }),

    assertReachable: () => refreshBreaker.assertClosed(),

    refresh: (request) =>
      refreshBreaker.guard(() =>
        grants.refresh(request).catch((error: unknown) => {
          if (isInvalidGrant(error)) return 'refused' as const
          throw toAppError(error, [request.tokens.refreshToken ?? ''])
        }),
      ),

    async fetchUserinfo(accessToken, sub) {
      const provider = await discovery.provider()
      if (provider.metadata.userinfo_endpoint === undefined) {
        throw new AppError('not_found', 'This provider has no userinfo.')
      }
      return userinfoBreaker.guard(() =>
        fetchUserinfo({ provider, verifier, accessToken, sub }).catch((error: unknown) => {
          throw toAppError(error)
        }),
      )
    },
  }
}

/** Whether an answer looks like a JWK Set (RFC 7517 5); jose judges the keys themselves. */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
}
