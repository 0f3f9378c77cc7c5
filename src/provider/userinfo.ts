import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { ProviderConfig } from '../config/provider-config.ts'
import { AppError } from '../errors.ts'
import type { DiscoveredProvider } from './discovery.ts'
import type { DpopKey } from './dpop-keys.ts'
import { createTokenError } from './provider-errors.ts'
import type { TokenVerifier } from './token-verifier.ts'
import { readUserId, readUserinfoSubject, toUserinfoUrl } from './user-id.ts'

/** An access token, and the key it is bound to. */
export interface Access {
  accessToken: string
  dpop: DpopKey | undefined
}

/** Whom an answer must be about. */
export interface Subject {
  /** The subject of the verified ID token; without one, the user id. */
  sub: string | undefined
  /** What a plain OAuth 2.0 provider calls the user. */
  userId: string | undefined
}

interface UserinfoOptions {
  config: ProviderConfig
  provider: DiscoveredProvider
  verifier: TokenVerifier
  access: Access
  subject: Subject
}

/**
 * Fetches the userinfo (OpenID Connect Core 5.3): the token goes into the header, a signed answer is verified, and one
 * about another subject is discarded.
 *
 * Throws AppError `invalid_userinfo`, and what openid-client throws; undefined where the provider refuses the token.
 */
export async function fetchUserinfo({
  config,
  provider,
  verifier,
  access: { accessToken, dpop },
  subject,
}: UserinfoOptions): Promise<JWTPayload | undefined> {
  const response = await client
    .fetchProtectedResource(
      provider.configuration,
      accessToken,
      toUserinfoUrl(findUserinfoEndpoint(config, provider) ?? '', subject.userId),
      'GET',
      null,
      new Headers({ accept: 'application/json, application/jwt' }),
      dpop === undefined ? {} : { DPoP: dpop.handle },
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
  assertSamePerson(claims, subject, config)
  return claims
}

/** Where userinfo is, if the provider has any; a client with a certificate may have another door (RFC 8705 5). */
export function findUserinfoEndpoint(
  { clientAuth }: ProviderConfig,
  { metadata }: DiscoveredProvider,
): string | undefined {
  const alias =
    clientAuth.method === 'tls_client_auth' ? metadata.mtls_endpoint_aliases?.userinfo_endpoint : undefined
  return alias ?? metadata.userinfo_endpoint
}

/** Userinfo that is about somebody else. */
export class AnotherPerson extends AppError {
  constructor(reason: string) {
    super('invalid_userinfo', 'What the provider said is about another person, so it was not used.', {
      reason,
    })
  }
}

/** OpenID Connect names the subject of the ID token; without one, a plain provider must not name another user. */
function assertSamePerson(claims: JWTPayload, { sub, userId }: Subject, config: ProviderConfig): void {
  if (config.verifiesIdToken) {
    const isLeftOut = config.endpoints !== undefined && claims.sub === undefined
    if (claims.sub !== sub && !isLeftOut)
      throw new AnotherPerson('sub is another one than that of the ID token')
  }
  if (userId === undefined) return
  const named = config.verifiesIdToken
    ? readUserId(claims, config.userIdField)
    : readUserinfoSubject(claims, config.userIdField)
  if (named !== undefined && named !== userId) {
    throw new AnotherPerson('OAUTH_USER_ID_FIELD names another user than at the login')
  }
}

const isJwt = (response: Response) =>
  (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() === 'application/jwt'

async function readClaims(response: Response): Promise<JWTPayload> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JWTPayload
  throw createTokenError('invalid_userinfo', 'no JSON object')
}
