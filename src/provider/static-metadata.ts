import type * as client from 'openid-client'
import type { ProviderConfig, StaticEndpoints } from '../config/provider-config.ts'
import type { ProviderFetch } from './provider-fetch.ts'

/** The metadata (RFC 8414 2) of a plain OAuth 2.0 provider, from the configuration. */
export function toStaticMetadata(
  { issuer }: ProviderConfig,
  endpoints: StaticEndpoints,
): client.ServerMetadata {
  const { authorization, token, jwks, userinfo, revocation, endSession } = endpoints
  return {
    issuer,
    authorization_endpoint: authorization,
    token_endpoint: token,
    ...(jwks === undefined ? {} : { jwks_uri: jwks }),
    ...(userinfo === undefined ? {} : { userinfo_endpoint: userinfo }),
    ...(revocation === undefined ? {} : { revocation_endpoint: revocation }),
    ...(endSession === undefined ? {} : { end_session_endpoint: endSession }),
  }
}

/**
 * Answers of a plain OAuth 2.0 provider as openid-client wants them: an ID token that nothing can verify is nobody's word,
 * and openid-client would refuse the whole response for it; and some send an error with status 200.
 */
export function toStandardAnswers(fetch: ProviderFetch, { verifiesIdToken }: ProviderConfig): ProviderFetch {
  return async (url, init) => {
    const response = await fetch(url, init)
    const body: unknown = await response
      .clone()
      .json()
      .catch(() => undefined)
    if (typeof body !== 'object' || body === null) return response
    const { status, headers } = response
    const isError = status === 200 && 'error' in body && !('access_token' in body)
    if (isError) return new Response(JSON.stringify(body), { status: 400, headers })
    if (verifiesIdToken || !('id_token' in body)) return response
    const { id_token: _, ...rest } = body
    return new Response(JSON.stringify(rest), { status, headers })
  }
}
