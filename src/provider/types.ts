import type { JWTPayload } from 'jose'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { type SubjectConfig, toAppSub, toProviderSubject } from './identity/app-sub.ts'

/** Claims about the user, as the provider sent them. */
export type UserClaims = Readonly<Record<string, unknown>>

/** Who signed in, and how: by a verified ID token, or as a plain OAuth 2.0 provider names the user. */
export interface ProviderIdentity {
  /** The name of the provider in the configuration. */
  readonly providerName: string
  /**
   * The issuer of the user's tokens: the provider's, or that of a tenant. A user is identified by (issuer,
   * sub), never by e-mail (OWASP ASVS 5.0, 6.8.1).
   */
  readonly issuer: string
  readonly providerSub: string
  /**
   * The `sub` of app tokens: the provider's `sub`, prefixed with the names of provider and tenant where there
   * are several.
   */
  readonly appSub: string
  /** The user id that a plain OAuth 2.0 provider puts into its userinfo URL. */
  readonly userId?: string | undefined
  /** The user claims that this provider may supply, as far as it sent them. */
  readonly claims: UserClaims
  /** Seconds since the epoch at which the user last authenticated (OpenID Connect Core 2). */
  readonly authTime?: number | undefined
  readonly acr?: string | undefined
  readonly amr?: readonly string[] | undefined
  /** The provider's own session id (`sid`), which back-channel logout names. */
  readonly providerSid?: string | undefined
  /**
   * The nonce of the login, which a refreshed ID token may repeat but not change (OpenID Connect Core 12.2).
   */
  readonly nonce?: string | undefined
}

/** The provider's tokens. They never leave the server. */
export interface ProviderTokens {
  readonly accessToken: string
  /** Milliseconds since the epoch at which they were received. */
  readonly obtainedAt: number
  /** Milliseconds since the epoch; absent where the provider did not say. */
  readonly accessTokenExpiresAt?: number | undefined
  readonly refreshToken?: string | undefined
  /** Absent at a plain OAuth 2.0 provider that sends none. */
  readonly idToken?: string | undefined
  /** JWK thumbprint of the DPoP key that these tokens are bound to (RFC 9449). */
  readonly dpopThumbprint?: string | undefined
  /** The granted scopes. */
  readonly scope: readonly string[]
}

/** A user whom the provider authenticated, with the provider's verified tokens. */
export interface AuthenticatedUser {
  readonly identity: ProviderIdentity
  readonly tokens: ProviderTokens
}

/** The identity in the claims of a verified ID token; without an ID token, the claims are a `sub` only. */
export function toIdentity(
  config: SubjectConfig & Pick<ProviderConfig, 'name'>,
  token: JWTPayload & { sub: string },
  { claims, userId }: { claims: UserClaims; userId: string | undefined },
): ProviderIdentity {
  const { auth_time: authTime, acr, amr, sid, nonce } = token
  const subject = toProviderSubject(config, token)
  return {
    providerName: config.name,
    ...subject,
    appSub: toAppSub(config, subject),
    claims,
    userId,
    authTime: typeof authTime === 'number' ? authTime : undefined,
    acr: toText(acr),
    amr: Array.isArray(amr) ? amr.filter((item) => typeof item === 'string') : undefined,
    providerSid: toText(sid),
    nonce: toText(nonce),
  }
}

const toText = (claim: unknown): string | undefined => (typeof claim === 'string' ? claim : undefined)
