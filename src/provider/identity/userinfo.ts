import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import { type DpopKey, toDpopOption } from '../client/dpop-keys.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import { tokenError, translateProviderError } from '../transport/errors.ts'
import type { ProviderIdentity } from '../types.ts'
import { toStandardClaims } from './user-claims.ts'
import { readUserId, readUserinfoSubject, toUserinfoUrl } from './user-id.ts'

/** What a userinfo request needs: an access token, and the DPoP key that it is bound to, if any. */
export interface UserinfoAccess {
  accessToken: string
  dpop: DpopKey | undefined
}

/** The user that a userinfo response must be about. */
export interface ExpectedSubject {
  /** The `sub` of the verified ID token; without one, the user id. */
  sub: string | undefined
  /** What a plain OAuth 2.0 provider calls the user. */
  userId: string | undefined
}

/** The provider's userinfo endpoint (OpenID Connect Core 5.3). */
export interface Userinfo {
  /** Whether the provider has the endpoint, and the configuration allows its use. */
  isAvailable(server: AuthorizationServer): boolean
  /**
   * Requests the claims. The token is sent in the header, a signed response is verified, and a response about
   * another user is refused. Undefined where the provider does not accept the token (401).
   *
   * @throws AppError `invalid_userinfo`, `provider_error`, `provider_unavailable`
   */
  fetch(
    server: AuthorizationServer,
    access: UserinfoAccess,
    subject: ExpectedSubject,
  ): Promise<JWTPayload | undefined>
}

interface UserinfoOptions {
  config: ProviderConfig
  verifier: Pick<TokenVerifier, 'verifyUserinfo'>
}

/** Creates the access to one provider's userinfo. */
export function createUserinfo({ config, verifier }: UserinfoOptions): Userinfo {
  return {
    isAvailable: (server) => findUserinfoEndpoint(config, server) !== undefined,

    async fetch(server, access, subject) {
      const endpoint = findUserinfoEndpoint(config, server) ?? ''
      const response = await request(server, toUserinfoUrl(endpoint, subject.userId), access)
      if (response === undefined) return undefined
      if (response.status !== 200) throw tokenError('invalid_userinfo', `userinfo: status ${response.status}`)
      const claims = toStandardClaims(
        isJwt(response) ? await verifier.verifyUserinfo(await response.text()) : await readClaims(response),
      )
      assertSubject(claims, subject, config)
      return claims
    },
  }
}

/**
 * The URL of userinfo; undefined if the provider has none, or the configuration forbids its use. A client
 * with a certificate may have to use another one (RFC 8705 5).
 */
export function findUserinfoEndpoint(
  { clientAuth, userinfo }: ProviderConfig,
  { metadata }: AuthorizationServer,
): string | undefined {
  if (userinfo === 'never') return undefined
  const alias =
    clientAuth.method === 'tls_client_auth' ? metadata.mtls_endpoint_aliases?.userinfo_endpoint : undefined
  return alias ?? metadata.userinfo_endpoint
}

/** The userinfo response is about another user. */
export class UserinfoSubjectMismatch extends AppError {
  constructor(reason: string) {
    const detail = 'The userinfo the provider sent is about another user, so it was not used.'
    super('invalid_userinfo', detail, { reason })
  }
}

/** The user that later userinfo of a session must be about. */
export const toExpectedSubject = ({ providerSub, userId }: ProviderIdentity): ExpectedSubject => ({
  sub: providerSub,
  userId,
})

/** Requests userinfo; undefined where the provider does not accept the token. */
async function request(
  { configuration }: AuthorizationServer,
  url: URL,
  { accessToken, dpop }: UserinfoAccess,
): Promise<Response | undefined> {
  const headers = new Headers({ accept: 'application/json, application/jwt' })
  try {
    const response = await client.fetchProtectedResource(
      configuration,
      accessToken,
      url,
      'GET',
      null,
      headers,
      toDpopOption(dpop),
    )
    return response.status === 401 ? undefined : response
  } catch (error) {
    if (error instanceof client.WWWAuthenticateChallengeError && error.status === 401) return undefined
    throw translateProviderError(error, 'userinfo', [accessToken])
  }
}

const isJwt = (response: Response) =>
  (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() === 'application/jwt'

async function readClaims(response: Response): Promise<JWTPayload> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JWTPayload
  throw tokenError('invalid_userinfo', 'userinfo: no JSON object')
}

/**
 * Refuses userinfo about another user. With an ID token, `sub` must be the same (OpenID Connect Core 5.3.2);
 * a plain OAuth 2.0 provider may omit it, but must not name another user.
 */
function assertSubject(claims: JWTPayload, { sub, userId }: ExpectedSubject, config: ProviderConfig): void {
  if (config.verifiesIdToken) {
    const claimedSub = Number.isSafeInteger(claims.sub) ? String(claims.sub) : claims.sub
    const isOptional = config.endpoints !== undefined
    if (claimedSub === undefined && !isOptional) {
      throw tokenError('invalid_userinfo', 'userinfo: sub is missing')
    }
    if (claimedSub !== undefined && claimedSub !== sub) {
      throw new UserinfoSubjectMismatch('userinfo: sub is another one than that of the ID token')
    }
  }
  if (userId === undefined) return
  const named = config.verifiesIdToken
    ? readUserId(claims, config.userIdField)
    : readUserinfoSubject(claims, config.userIdField)
  if (named !== undefined && named !== userId) {
    throw new UserinfoSubjectMismatch('userinfo: OAUTH_USER_ID_FIELD names another user than at the login')
  }
}
