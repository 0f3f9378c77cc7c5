import type { JWTPayload } from 'jose'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'
import { tokenError } from '../transport/errors.ts'
import { type ProviderIdentity, toIdentity, type UserClaims } from '../types.ts'
import { maxSessionClaims, selectSessionClaims } from './user-claims.ts'
import { readUserinfoSubject } from './user-id.ts'
import { type Access, type Subject, type Userinfo, UserinfoSubjectMismatch } from './userinfo.ts'

/** Finds out who signed in, and what the provider says of them. */
export interface IdentityResolver {
  /**
   * Whom the tokens of a login speak for: by the ID token, or at a plain OAuth 2.0 provider without one by the user id
   * of the token response, or else by userinfo.
   */
  identify(
    provider: AuthorizationServer,
    answer: { idToken: JWTPayload | undefined; userId: string | undefined },
    access: Access,
  ): Promise<ProviderIdentity>
  /** The claims after a refresh: the person may have left a group. What cannot be had now stays as it was. */
  renewClaims(
    provider: AuthorizationServer,
    identity: ProviderIdentity,
    idToken: JWTPayload | undefined,
    access: Access,
  ): Promise<UserClaims>
}

interface IdentityResolverOptions {
  config: ProviderConfig
  userinfo: Userinfo
  log: Log
}

/** Creates the reader of one provider. */
export function createIdentityResolver({ config, userinfo, log }: IdentityResolverOptions): IdentityResolver {
  const { claimNames } = config

  /** Userinfo, where the ID token is thin and the provider has any. */
  async function readUserinfo(
    provider: AuthorizationServer,
    idToken: JWTPayload,
    subject: Subject,
    access: Access,
  ): Promise<JWTPayload> {
    const isThin = subject.sub === undefined || claimNames.some((name) => idToken[name] === undefined)
    if (!isThin || !userinfo.isThere(provider)) return {}
    const claims = await userinfo.fetch(provider, access, subject)
    if (claims !== undefined) return claims
    throw new AppError('provider_error', 'The provider refused to tell who signed in.', {
      reason: 'userinfo: status 401, it does not take the access token',
    })
  }

  /** Userinfo as a help: a person whom the tokens name is signed in without it, too. */
  async function tryUserinfo(...request: Parameters<typeof readUserinfo>): Promise<JWTPayload> {
    try {
      return await readUserinfo(...request)
    } catch (error) {
      if (!(error instanceof AppError) || error instanceof UserinfoSubjectMismatch) throw error
      log('userinfo_unavailable', { provider: config.name, reason: error.reason ?? error.code })
      return {}
    }
  }

  /** The claims that this provider may tell, each from the first source that has it. */
  function pick(first: JWTPayload, second: JWTPayload = {}): UserClaims {
    const { claims, dropped } = selectSessionClaims(claimNames, first, second)
    if (dropped.length > 0) log('session_claims_dropped', { names: dropped, limit: maxSessionClaims })
    return claims
  }

  return {
    async identify(provider, { idToken, userId }, access) {
      const subject = { sub: idToken?.sub ?? userId, userId }
      const askUserinfo = subject.sub === undefined ? readUserinfo : tryUserinfo
      const told = await askUserinfo(provider, idToken ?? {}, subject, access)
      const sub = subject.sub ?? readUserinfoSubject(told, config.userIdField)
      if (sub === undefined) {
        throw tokenError(
          'invalid_token_response',
          'nothing names the user: no ID token, no OAUTH_USER_ID_FIELD, no userinfo',
        )
      }
      const claims = pick(idToken ?? {}, told)
      // Without an ID token, the user is the user id, wherever it was told.
      const known = config.verifiesIdToken ? userId : sub
      return toIdentity(config, { ...idToken, sub }, { claims, userId: known })
    },

    async renewClaims(provider, identity, idToken, access) {
      try {
        const told = await readUserinfo(provider, idToken ?? {}, toSubject(identity), access)
        // What only an ID token told is as it was, where this refresh brought none.
        const isPartial = config.verifiesIdToken && idToken === undefined
        return isPartial ? pick(told, identity.claims) : pick(idToken ?? {}, told)
      } catch (error) {
        // Nothing but userinfo says whose tokens these are.
        if (error instanceof UserinfoSubjectMismatch && idToken === undefined) throw error
        // Tokens that came must not be lost because userinfo did not.
        log('user_claims_refresh_failed', { reason: error instanceof AppError ? error.reason : undefined })
        // What the configuration does not allow any more goes all the same.
        return pick(idToken ?? {}, identity.claims)
      }
    },
  }
}

/** Whom an answer about this person must name. */
export const toSubject = ({ providerSub, userId }: ProviderIdentity): Subject => ({
  sub: providerSub,
  userId,
})
