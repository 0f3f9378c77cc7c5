import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { DiscoveredProvider } from './discovery.ts'
import { createTokenError } from './provider-errors.ts'
import type { TokenVerifier } from './token-verifier.ts'

interface UserinfoOptions {
  provider: DiscoveredProvider
  verifier: TokenVerifier
  accessToken: string
  /** The subject of the verified ID token. */
  sub: string
}

/**
 * Fetches the userinfo (OpenID Connect Core 5.3): the token goes into the header, a signed answer is verified, and one
 * about another subject is discarded.
 *
 * Throws AppError `invalid_userinfo`, and what openid-client throws; undefined where the provider refuses the token.
 */
export async function fetchUserinfo({
  provider: { configuration, metadata },
  verifier,
  accessToken,
  sub,
}: UserinfoOptions): Promise<JWTPayload | undefined> {
  const response = await client
    .fetchProtectedResource(
      configuration,
      accessToken,
      new URL(metadata.userinfo_endpoint ?? ''),
      'GET',
      null,
      new Headers({ accept: 'application/json, application/jwt' }),
    )
    .catch((error: unknown) => {
      if (error instanceof client.WWWAuthenticateChallengeError && error.status === 401) return undefined
      throw error
    })
  if (response === undefined || response.status === 401) return undefined
  if (response.status !== 200) throw createTokenError('invalid_userinfo', `status ${response.status}`)
  const claims = isJwt(response)
    ? await verifier.verifyUserinfo(await response.text())
    : await readClaims(response)
  if (claims.sub !== sub)
    throw createTokenError('invalid_userinfo', 'sub is another one than that of the ID token')
  return claims
}

const isJwt = (response: Response) =>
  (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() === 'application/jwt'

async function readClaims(response: Response): Promise<JWTPayload> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JWTPayload
  throw createTokenError('invalid_userinfo', 'no JSON object')
}
