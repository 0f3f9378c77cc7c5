import type { JWTPayload } from 'jose'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import { type Observer, observeWork } from '../../telemetry/observer.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'
import { tokenError } from '../transport/errors.ts'
import { type ProviderIdentity, toIdentity, type UserClaims } from '../types.ts'
import { maxSessionClaims, selectSessionClaims } from './user-claims.ts'
import { readUserinfoSubject } from './user-id.ts'
import {
  type ExpectedSubject,
  toExpectedSubject,
  type Userinfo,
  type UserinfoAccess,
  UserinfoSubjectMismatch,
} from './userinfo.ts'

/** Finds out who signed in, and which user claims the provider supplies. */
export interface IdentityResolver {
  /**
   * The user of a login: by the ID token, or at a plain OAuth 2.0 provider without one by the user id of the
   * token response, or else by userinfo.
   *
   * @throws AppError `invalid_token_response` where nothing names the user, and as userinfo does
   */
  identify(
    server: AuthorizationServer,
    login: { idToken: JWTPayload | undefined; userId: string | undefined; log: Log },
    access: UserinfoAccess,
  ): Promise<ProviderIdentity>
  /**
   * The user claims after a refresh, because the user may have left a group. Those that cannot be read again
   * keep their values.
   */
  renewClaims(
    server: AuthorizationServer,
    identity: ProviderIdentity,
    idToken: JWTPayload | undefined,
    access: UserinfoAccess,
  ): Promise<UserClaims>
}

interface IdentityResolverOptions {
  config: ProviderConfig
  userinfo: Userinfo
  observer: Pick<Observer, 'loginStep'>
  /** The log of what happens outside of logins. */
  log: Log
}

/** Creates the identity resolver of one provider. */
export function createIdentityResolver({
  config,
  userinfo,
  observer,
  log,
}: IdentityResolverOptions): IdentityResolver {
  const { claimNames } = config

  return {
    async identify(server, { idToken, userId, log: loginLog }, access) {
      const subject = { sub: idToken?.sub ?? userId, userId }
      const reading = readUserinfo(server, idToken ?? {}, subject, access, fetchAtLogin)
      const userinfoClaims = await (subject.sub === undefined ? reading : orNone(reading, loginLog))
      const sub = subject.sub ?? readUserinfoSubject(userinfoClaims, config.userIdField)
      if (sub === undefined) {
        throw tokenError(
          'invalid_token_response',
          'nothing names the user: no ID token, no OAUTH_USER_ID_FIELD, no userinfo',
        )
      }
      const claims = select(idToken ?? {}, userinfoClaims, loginLog)
      // Without an ID token, what names the user is the user id.
      return toIdentity(
        config,
        { ...idToken, sub },
        { claims, userId: config.verifiesIdToken ? userId : sub },
      )
    },

    async renewClaims(server, identity, idToken, access) {
      try {
        const subject = toExpectedSubject(identity)
        const userinfoClaims = await readUserinfo(server, idToken ?? {}, subject, access)
        // If the refresh returned no ID token, keep the claims of the previous one.
        const isIdTokenMissing = config.verifiesIdToken && idToken === undefined
        return isIdTokenMissing
          ? select(userinfoClaims, identity.claims, log)
          : select(idToken ?? {}, userinfoClaims, log)
      } catch (error) {
        // Without an ID token, only userinfo says whose tokens these are.
        if (error instanceof UserinfoSubjectMismatch && idToken === undefined) throw error
        // The new tokens must not be lost because userinfo failed.
        log('user_claims_refresh_failed', {
          provider: config.name,
          reason: error instanceof AppError ? error.reason : undefined,
        })
        // Selected again, so that claims which the configuration no longer allows are removed.
        return select(idToken ?? {}, identity.claims, log)
      }
    },
  }

  /** Fetches userinfo as a step of a login, which is observed. */
  function fetchAtLogin(...request: Parameters<Userinfo['fetch']>): ReturnType<Userinfo['fetch']> {
    return observeWork(
      () => userinfo.fetch(...request),
      (call) => observer.loginStep({ provider: config.name, step: 'userinfo', ...call }),
    )
  }

  /** The claims of userinfo; none if the ID token has everything, or there is no userinfo. */
  async function readUserinfo(
    server: AuthorizationServer,
    idToken: JWTPayload,
    subject: ExpectedSubject,
    access: UserinfoAccess,
    fetch = userinfo.fetch,
  ): Promise<JWTPayload> {
    const isNeeded = subject.sub === undefined || claimNames.some((name) => idToken[name] === undefined)
    if (!isNeeded || !userinfo.isAvailable(server)) return {}
    const claims = await fetch(server, access, subject)
    if (claims !== undefined) return claims
    throw new AppError('provider_error', 'The provider refused to say who signed in.', {
      reason: 'userinfo: status 401, it does not take the access token',
    })
  }

  /** For a user whom the tokens name: a failure of userinfo is logged, and its claims are left out. */
  async function orNone(reading: Promise<JWTPayload>, log: Log): Promise<JWTPayload> {
    try {
      return await reading
    } catch (error) {
      if (!(error instanceof AppError) || error instanceof UserinfoSubjectMismatch) throw error
      log('userinfo_unavailable', { provider: config.name, reason: error.reason ?? error.code })
      return {}
    }
  }

  /** The claims that this provider may supply, each from the first source that has it. */
  function select(first: JWTPayload, second: JWTPayload, log: Log): UserClaims {
    const { claims, dropped } = selectSessionClaims(claimNames, first, second)
    if (dropped.length > 0)
      log('session_claims_dropped', { provider: config.name, names: dropped, limit: maxSessionClaims })
    return claims
  }
}
