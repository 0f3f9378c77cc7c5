import { createHash, randomBytes } from 'node:crypto'

/** Claims about the person, as the provider gave them. */
export type UserClaims = Readonly<Record<string, unknown>>

/** Who signed in, and how; written once, at login. */
export interface Identity {
  /** The provider's issuer; a user is keyed by (issuer, sub), never by e-mail (ASVS 6.8.1). */
  readonly issuer: string
  readonly sub: string
  /** The configured user claims (APP_TOKEN_CLAIMS) that the provider knows. */
  readonly claims: UserClaims
  /** Seconds since the epoch at which the person last proved who they are (OpenID Connect Core 2). */
  readonly authTime?: number
  readonly acr?: string
  readonly amr?: readonly string[]
  /** The provider's own session id (`sid`), which back-channel logout names. */
  readonly providerSid?: string
  /** The login that made this session: a repeated callback of it is recognised, and sent where it was sent first. */
  readonly login: { readonly fingerprint: string; readonly returnTo: string }
}

/** The provider's tokens. They never leave the server. */
export interface ProviderTokens {
  readonly accessToken: string
  /** Milliseconds since the epoch; absent where the provider did not say. */
  readonly accessTokenExpiresAt?: number
  readonly refreshToken?: string
  readonly idToken: string
  /** The scopes that were granted. */
  readonly scope: readonly string[]
}

/** What a login writes. */
export interface NewSession {
  readonly identity: Identity
  readonly tokens: ProviderTokens
}

/** What the store gives back. Times are milliseconds since the epoch. */
export interface Session extends NewSession {
  /** Public name of the session: safe to show, cannot be turned back into the cookie. */
  readonly handle: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly idleExpiresAt: number
  readonly absoluteExpiresAt: number
  /** Counts the changes of `tokens`; compare-and-set is against it. */
  readonly tokensVersion: number
}

/** Makes a session id of 256 random bits, the secret that the session cookie carries (ASVS 7.2.3). */
export function createSessionId(): string {
  return randomBytes(32).toString('base64url')
}

/** The public handle of a session id. With 256 bits of entropy inside, a plain hash cannot be turned back. */
export function toSessionHandle(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url')
}
