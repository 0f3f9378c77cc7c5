import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { Log } from '../../telemetry/events.ts'
import { type Observer, observeWork } from '../../telemetry/observer.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import { type DpopKeys, toDpopOption } from '../client/dpop-keys.ts'
import { identifyError } from '../identity/identified-refusal.ts'
import type { IdentityResolver } from '../identity/resolve-identity.ts'
import { isIssAdvertised, usesDpop } from '../metadata/capabilities.ts'
import type { AuthorizationServer, Discovery } from '../metadata/discovery.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import { tokenError, translateProviderError } from '../transport/errors.ts'
import type { AuthenticatedUser, ProviderTokens } from '../types.ts'
import { toResourceParameters } from './configured-parameters.ts'
import {
  readResponseUserId,
  readTokens,
  splitScope,
  toBoundKey,
  toSessionTokenExpiry,
} from './token-response.ts'

/** An authorization response with a code, and the values of the login that it answers. */
export interface CodeExchangeRequest {
  code: string
  state: string
  iss?: string | undefined
  nonce: string
  codeVerifier: string
  /** JWK thumbprint of the DPoP key that the code is bound to (RFC 9449 10). */
  dpopThumbprint?: string | undefined
  /** Seconds, as sent in the authorization request. */
  maxAge?: number | undefined
  acrValues?: readonly string[] | undefined
  /** Whether the user had to sign in again (`prompt=login`). */
  mustBeFresh: boolean
  /** When the login began, in milliseconds since the epoch. */
  startedAt: number
  /** The log of the login. */
  log: Log
}

/** What both grants need. */
export interface GrantOptions {
  config: ProviderConfig
  discovery: Discovery
  dpopKeys: DpopKeys
  verifier: TokenVerifier
  identityResolver: IdentityResolver
  clock: Clock
}

interface CodeExchangeOptions extends GrantOptions {
  observer: Pick<Observer, 'loginStep'>
}

/**
 * Creates the authorization code grant (RFC 6749 4.1.3) of one provider, with every check of its response.
 */
export function createCodeExchange({
  config,
  discovery,
  dpopKeys,
  verifier,
  identityResolver,
  clock,
  observer,
}: CodeExchangeOptions) {
  return async (request: CodeExchangeRequest): Promise<AuthenticatedUser> => {
    const { server, dpop, idToken, userId, tokens } = await observeWork(
      () => exchangeCode(request).catch((error: unknown) => fail(error, request)),
      (call) => observer.loginStep({ provider: config.name, step: 'exchange', ...call }),
    )
    const access = { accessToken: tokens.accessToken, dpop }
    const identity = await identityResolver
      .identify(server, { idToken, userId, log: request.log }, access)
      .catch((error: unknown) => fail(identifyError(error, config, idToken), request))
    return { identity, tokens }
  }

  function fail(error: unknown, { code, codeVerifier }: CodeExchangeRequest): never {
    // The provider's message is logged, and may repeat what it was sent.
    const secrets = [code, codeVerifier, toClientSecret(config.clientAuth)]
    throw translateProviderError(error, 'token endpoint', secrets)
  }

  /** Exchanges the code for tokens, and verifies them. */
  async function exchangeCode(request: CodeExchangeRequest) {
    const server = await discovery.server()
    const offeredKey = await findDpopKey(server, request)
    const response = await client.authorizationCodeGrant(
      server.configuration,
      toResponseUrl(request, server),
      toChecks(request),
      toResourceParameters(config),
      toDpopOption(offeredKey),
    )
    const dpop = toBoundKey(response, offeredKey, config)
    const tokens = readTokens(response, dpop, clock.now())
    const { accessToken } = tokens
    const idToken = await verifyIdToken(tokens, request)
    const { scopes, expiresAt } = await verifier
      .verifyAccessToken(accessToken, dpop?.thumbprint)
      .catch((error: unknown) => {
        throw identifyError(error, config, idToken)
      })
    return {
      ...{ server, dpop, idToken, userId: readResponseUserId(response, config) },
      tokens: {
        ...tokens,
        accessTokenExpiresAt: toSessionTokenExpiry(tokens, expiresAt, config),
        scope: [...new Set(scopes ?? splitScope(response.scope) ?? config.scopes)],
      },
    }
  }

  /** The key that the code is bound to, or the newest one if the provider supports DPoP. */
  async function findDpopKey(server: AuthorizationServer, { dpopThumbprint }: CodeExchangeRequest) {
    return dpopThumbprint !== undefined || usesDpop(config, server)
      ? dpopKeys.find(dpopThumbprint)
      : undefined
  }

  /**
   * The response as the URL that openid-client expects. Built from the configuration, because its origin and
   * path become the redirect_uri of the token request.
   */
  function toResponseUrl({ code, state, iss }: CodeExchangeRequest, server: AuthorizationServer): URL {
    const parameters = iss && isIssAdvertised(server) ? { code, state, iss } : { code, state }
    return new URL(`?${new URLSearchParams(parameters)}`, config.redirectUri)
  }

  /** What openid-client checks of the response; the ID token is verified here. */
  function toChecks({ state, codeVerifier }: CodeExchangeRequest): client.AuthorizationCodeGrantChecks {
    return { expectedState: state, ...(config.pkce ? { pkceCodeVerifier: codeVerifier } : {}) }
  }

  /** Verifies the ID token, which is required unless the configuration has nothing to verify it with. */
  async function verifyIdToken(
    { idToken, accessToken }: ProviderTokens,
    { nonce, startedAt, mustBeFresh, maxAge, acrValues }: CodeExchangeRequest,
  ): Promise<JWTPayload | undefined> {
    if (!config.verifiesIdToken) return undefined
    if (idToken === undefined) {
      throw tokenError('invalid_token_response', 'token endpoint: no id_token (is openid allowed?)')
    }
    const expected = { accessToken, nonce, startedAt, mustBeFresh, maxAge, acrValues }
    return verifier.verifyIdToken(idToken, expected)
  }
}
