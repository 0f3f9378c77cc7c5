import type { JWTPayload } from 'jose'
import type { ProviderConfig } from '../config/providers/provider-config.ts'

/** Claims about the person, as the provider gave them. */
export type UserClaims = Readonly<Record<string, unknown>>

/** Who signed in, and how: by a verified ID token, or by the word of a plain OAuth 2.0 provider. */
export interface ProviderIdentity {
  /** The name of the provider in the configuration. */
  readonly providerName: string
  /** The provider's issuer; a user is keyed by (issuer, sub), never by e-mail (ASVS 6.8.1). */
  readonly issuer: string
  readonly providerSub: string
  /** Who it is to the SPA and its APIs: `sub`, behind the provider's name where there are several. */
  readonly appSub: string
  /** What a plain OAuth 2.0 provider calls the user in its userinfo URL. */
  readonly userId?: string
  /** The user claims that the provider knows, of those that it may tell. */
  readonly claims: UserClaims
  /** Seconds since the epoch at which the person last proved who they are (OpenID Connect Core 2). */
  readonly authTime?: number
  readonly acr?: string
  readonly amr?: readonly string[]
  /** The provider's own session id (`sid`), which back-channel logout names. */
  readonly providerSid?: string
  /** The nonce of the login, which a refreshed ID token may repeat but not change (OpenID Connect Core 12.2). */
  readonly nonce?: string
}

/** The provider's tokens. They never leave the server. */
export interface ProviderTokens {
  readonly accessToken: string
  /** Milliseconds since the epoch at which they came. */
  readonly obtainedAt: number
  /** Milliseconds since the epoch; absent where the provider did not say. */
  readonly accessTokenExpiresAt?: number
  readonly refreshToken?: string
  /** Absent at a plain OAuth 2.0 provider without one. */
  readonly idToken?: string
  /** Thumbprint of the key that these tokens are bound to (RFC 9449). */
  readonly dpopThumbprint?: string
  /** The scopes that were granted. */
  readonly scope: readonly string[]
}

/** The identity that the claims of a verified ID token speak of; without one, they are a `sub` alone. */
export function toIdentity(
  config: Pick<ProviderConfig, 'name' | 'issuer' | 'subjectPrefix'>,
  token: JWTPayload & { sub: string },
  { claims, userId }: { claims: UserClaims; userId: string | undefined },
): ProviderIdentity {
  const { sub, auth_time: authTime, acr, amr, sid, nonce } = token
  return {
    providerName: config.name,
    issuer: config.issuer,
    providerSub: sub,
    appSub: `${config.subjectPrefix}${sub}`,
    claims,
    ...(userId === undefined ? {} : { userId }),
    ...(typeof authTime === 'number' ? { authTime } : {}),
    ...(typeof acr === 'string' ? { acr } : {}),
    ...(Array.isArray(amr) ? { amr: amr.filter((item) => typeof item === 'string') } : {}),
    ...(typeof sid === 'string' ? { providerSid: sid } : {}),
    ...(typeof nonce === 'string' ? { nonce } : {}),
  }
}
