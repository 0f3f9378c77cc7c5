import * as client from 'openid-client'
import { AppError } from '../../errors.ts'
import { toClientSecret } from '../client/client-authentication.ts'
import { toDpopOption } from '../client/dpop-keys.ts'
import type { CircuitBreaker } from '../transport/circuit-breaker.ts'
import { tokenError, translateProviderError } from '../transport/errors.ts'
import { mayConcernSubjectToken } from '../transport/oauth-errors.ts'
import type { AuthenticatedUser, ProviderTokens } from '../types.ts'
import type { GrantOptions } from './code-exchange.ts'
import { readTokens, toBoundKey, toExpiry } from './token-response.ts'

/** For which API a token is asked for. */
export interface TokenExchangeRequest {
  audience: string
  /** What the provider grants by default, if undefined. */
  scopes: readonly string[] | undefined
}

/** A token for another audience. Times are milliseconds since the epoch. */
export interface ExchangedToken
  extends Pick<ProviderTokens, 'accessToken' | 'obtainedAt' | 'dpopThumbprint'> {
  expiresAt: number
}

interface TokenExchangeOptions extends Pick<GrantOptions, 'config' | 'discovery' | 'dpopKeys' | 'clock'> {
  breaker: CircuitBreaker
}

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

/** How providers call what is an access token; older ones of Keycloak send no type at all. */
const usableTypes: readonly unknown[] = [undefined, accessTokenType, 'urn:ietf:params:oauth:token-type:jwt']

/** Milliseconds for which a token is used whose lifetime the provider does not say. */
const assumedLifetime = 60_000

/**
 * Creates the token exchange of one provider (RFC 8693 2): the user's access token for one with which another
 * API may be called for the user.
 */
export function createTokenExchange({ config, discovery, dpopKeys, breaker, clock }: TokenExchangeOptions) {
  const clientSecret = toClientSecret(config.clientAuth)

  return (user: AuthenticatedUser, request: TokenExchangeRequest): Promise<ExchangedToken> =>
    breaker.guard(() =>
      exchange(user.tokens, request).catch((error: unknown) => {
        throw translateExchangeError(error, [user.tokens.accessToken, clientSecret])
      }),
    )

  async function exchange(
    { accessToken, dpopThumbprint }: ProviderTokens,
    { audience, scopes }: TokenExchangeRequest,
  ): Promise<ExchangedToken> {
    const { configuration } = await discovery.server()
    // By the key of the user's tokens: a provider may accept a bound one from its owner alone (Keycloak).
    const offeredKey = dpopThumbprint === undefined ? undefined : await dpopKeys.find(dpopThumbprint)
    const response = await client.genericGrantRequest(
      configuration,
      grantType,
      {
        subject_token: accessToken,
        subject_token_type: accessTokenType,
        // By default an access token; but some providers require it to be named.
        requested_token_type: accessTokenType,
        audience,
        ...(scopes === undefined ? {} : { scope: scopes.join(' ') }),
      },
      toDpopOption(offeredKey),
    )
    const tokens = readTokens(response, toBoundKey(response, offeredKey, config), clock.now())
    if (!usableTypes.includes(response.issued_token_type)) {
      throw tokenError('invalid_token_response', 'token exchange: issued_token_type is no access token')
    }
    return {
      accessToken: tokens.accessToken,
      obtainedAt: tokens.obtainedAt,
      dpopThumbprint: tokens.dpopThumbprint,
      expiresAt: toExpiry(tokens, undefined, assumedLifetime),
    }
  }
}

/** The provider refuses an exchange (`provider_error`). The user stays signed in. */
export class ExchangeRefused extends AppError {
  /** Whether the reason may be the user's token, so that another one may be accepted. */
  readonly mayConcernToken: boolean

  constructor(mayConcernToken: boolean, options: { reason: string | undefined; cause: unknown }) {
    super(
      'provider_error',
      'The provider gives no token for this API. Only the people who run this app can fix that. You stay signed in.',
      options,
    )
    this.mayConcernToken = mayConcernToken
  }
}

function translateExchangeError(error: unknown, secrets: readonly string[]): AppError {
  const translated = translateProviderError(error, 'token exchange', secrets)
  if (translated.code !== 'provider_error') return translated
  const mayConcernToken = error instanceof client.ResponseBodyError && mayConcernSubjectToken(error.error)
  return new ExchangeRefused(mayConcernToken, { reason: translated.reason, cause: error })
}
