import type { JWTPayload } from 'jose'
import * as client from 'openid-client'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { DpopKey } from '../client/dpop-keys.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'
import type { TokenVerifier } from '../tokens/token-verifier.ts'
import { tokenError, translateProviderError } from '../transport/errors.ts'
import { toStandardClaims } from './user-claims.ts'
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

/** The provider's userinfo (OpenID Connect Core 5.3). */
export interface Userinfo {
  /** Whether there is any that may be asked. */
  isThere(provider: AuthorizationServer): boolean
  /**
   * Fetches it: the token goes into the header, a signed answer is verified, and one about another subject is discarded.
   * Undefined where the provider does not take the token (401).
   *
   * @throws AppError `invalid_userinfo`, `provider_error`, `provider_unavailable`
   */
  fetch(provider: AuthorizationServer, access: Access, subject: Subject): Promise<JWTPayload | undefined>
}

interface UserinfoOptions {
  config: ProviderConfig
  verifier: Pick<TokenVerifier, 'verifyUserinfo'>
}

/** Creates the userinfo of one provider. */
export function createUserinfo({ config, verifier }: UserinfoOptions): Userinfo {
  /** The answer, unless the provider does not take the token. */
  async function request(
    provider: AuthorizationServer,
    { accessToken, dpop }: Access,
    { userId }: Subject,
  ): Promise<Response | undefined> {
    const url = toUserinfoUrl(findUserinfoEndpoint(config, provider) ?? '', userId)
    const headers = new Headers({ accept: 'application/json, application/jwt' })
    const options = dpop === undefined ? {} : { DPoP: dpop.handle }
    try {
      const { configuration } = provider
      const response = await client.fetchProtectedResource(
        configuration,
        accessToken,
        url,
        'GET',
        null,
        headers,
        options,
      )
      return response.status === 401 ? undefined : response
    } catch (error) {
      if (error instanceof client.WWWAuthenticateChallengeError && error.status === 401) return undefined
      throw translateProviderError(error, 'userinfo', [accessToken])
    }
  }

  return {
    isThere: (provider) => findUserinfoEndpoint(config, provider) !== undefined,

    async fetch(provider, access, subject) {
      const response = await request(provider, access, subject)
      if (response === undefined) return undefined
      if (response.status !== 200) throw tokenError('invalid_userinfo', `userinfo: status ${response.status}`)
      const claims = toStandardClaims(
        isJwt(response) ? await verifier.verifyUserinfo(await response.text()) : await readClaims(response),
      )
      assertSamePerson(claims, subject, config)
      return claims
    },
  }
}

/**
 * Where userinfo is, if the provider has any and it may be asked; a client with a certificate may have another door (RFC
 * 8705 5).
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

/** Userinfo that is about somebody else. */
export class UserinfoSubjectMismatch extends AppError {
  constructor(reason: string) {
    super('invalid_userinfo', 'What the provider said is about another person, so it was not used.', {
      reason,
    })
  }
}

/**
 * OpenID Connect names the subject of the ID token (Core 5.3.2); without one, a plain provider must not name another user. An
 * answer that names no person is not used, but it is not about another one either.
 */
function assertSamePerson(claims: JWTPayload, { sub, userId }: Subject, config: ProviderConfig): void {
  if (config.verifiesIdToken) {
    const about = Number.isSafeInteger(claims.sub) ? String(claims.sub) : claims.sub
    const mayBeLeftOut = config.endpoints !== undefined
    if (about === undefined && !mayBeLeftOut) throw tokenError('invalid_userinfo', 'userinfo: sub is missing')
    if (about !== undefined && about !== sub)
      throw new UserinfoSubjectMismatch('userinfo: sub is another one than that of the ID token')
  }
  if (userId === undefined) return
  const named = config.verifiesIdToken
    ? readUserId(claims, config.userIdField)
    : readUserinfoSubject(claims, config.userIdField)
  if (named !== undefined && named !== userId) {
    throw new UserinfoSubjectMismatch('userinfo: OAUTH_USER_ID_FIELD names another user than at the login')
  }
}

const isJwt = (response: Response) =>
  (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() === 'application/jwt'

async function readClaims(response: Response): Promise<JWTPayload> {
  const body: unknown = await response.json().catch(() => undefined)
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as JWTPayload
  throw tokenError('invalid_userinfo', 'userinfo: no JSON object')
}
