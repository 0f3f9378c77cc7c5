import type { JSONWebKeySet, JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'
import type { Log } from '../telemetry/logger.ts'
import { createDiscovery, type DiscoveredProvider } from './discovery.ts'
import { type ProviderIdentity, type ProviderTokens, toIdentity } from './identity.ts'
import { createKeySource } from './key-source.ts'
import { createTokenError, toAppError } from './provider-errors.ts'
import { createProviderFetch, createUnavailable } from './provider-fetch.ts'
import { createTokenVerifier } from './token-verifier.ts'
import { maxUserClaims, pickUserClaims } from './user-claims.ts'

/** What an authorization request carries beside the client's own data (OpenID Connect Core 3.1.2.1). */
export interface AuthorizationRequest {
  state: string
  nonce: string
  codeChallenge: string
  /** Optional parameters by their wire names, such as `prompt` and `login_hint`. */
  parameters: Readonly<Record<string, string>>
}

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

  async function fetchKeys(): Promise<JSONWebKeySet> {
    const { jwks_uri: uri = '' } = (await discovery.provider()).metadata
    const response = await http.fetch(uri, { headers: { accept: 'application/json' } })
    const body: unknown = response.status === 200 ? await response.json().catch(() => undefined) : undefined
    if (isKeySet(body)) return body
    throw createUnavailable(`JWKS: status ${response.status}, no key set`)
  }

  /** The wanted claims, from the ID token and, where it is thin, from userinfo, whose sub must be the same (R43). */
  async function readUserClaims(
    { configuration, metadata }: DiscoveredProvider,
    idToken: JWTPayload,
    accessToken: string,
  ): Promise<Record<string, unknown>> {
    const isThin = claimNames.some((name) => idToken[name] === undefined)
    const hasUserinfo = metadata.userinfo_endpoint !== undefined
    const userinfo: JWTPayload =
      isThin && hasUserinfo ? await client.fetchUserInfo(configuration, accessToken, idToken.sub ?? '') : {}
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

  async function exchangeAndVerify(exchange: CodeExchange): Promise<ProviderLogin> {
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
    const { access_token: accessToken, id_token: idToken = '', refresh_token: refreshToken } = answer
    if (answer.token_type !== 'bearer') {
      throw createTokenError('invalid_token_response', 'token_type is not Bearer')
    }
    const claims = await verifier.verifyIdToken(idToken, {
      accessToken,
      startedAt: exchange.startedAt,
      mustBeFresh: exchange.mustBeFresh,
      ...(exchange.acrValues === undefined ? {} : { acrValues: exchange.acrValues }),
    })
    const scope = (await verifier.verifyAccessToken(accessToken)) ?? answer.scope?.split(' ') ?? config.scopes
    return {
      identity: toIdentity(config.issuer, claims, await readUserClaims(provider, claims, accessToken)),
      tokens: {
        accessToken,
        idToken,
        scope: [...new Set(scope)],
        ...(refreshToken === undefined ? {} : { refreshToken }),
        ...(answer.expires_in === undefined
          ? {}
          : { accessTokenExpiresAt: clock.now() + answer.expires_in * 1000 }),
      },
    }
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
      exchangeAndVerify(exchange).catch((error: unknown) => {
        // The provider's remark is logged, and may repeat what it was sent.
        throw toAppError(error, [exchange.code, exchange.codeVerifier])
      }),
  }
}

/** Whether the provider names itself in its responses (RFC 9207 3); otherwise `iss` there means nothing. */
function isIssAdvertised({ metadata }: DiscoveredProvider): boolean {
  return metadata.authorization_response_iss_parameter_supported === true
}

/** Whether an answer looks like a JWK Set (RFC 7517 5); jose judges the keys themselves. */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
}
