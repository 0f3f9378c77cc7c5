import { randomToken, sha256Base64url } from '../crypto/hash.ts'
import type { ProviderIdentity, ProviderTokens } from '../provider/types.ts'

/** Who signed in, and by which login. */
export interface Identity extends ProviderIdentity {
  /** The login that made this session: its repeated callback is recognised, and gets the same redirect. */
  readonly login: {
    /** Fingerprint of the provider's response: code, state and issuer. */
    readonly fingerprint: string
    readonly returnTo: string
    /** The user's browser in words the user would choose, such as "Firefox on Linux". */
    readonly device: string
    /** The user's address; absent if no trusted proxy vouches for addresses. */
    readonly address?: string | undefined
    /** Milliseconds since the epoch at which the login began. */
    readonly startedAt: number
    /** Thumbprint of the browser's key to which the session's app tokens are bound; absent for any key. */
    readonly browserJkt?: string | undefined
  }
}

/** What a login writes to the store. */
export interface NewSession {
  readonly identity: Identity
  readonly tokens: ProviderTokens
}

/** A session as the store returns it. Times are milliseconds since the epoch. */
export interface Session extends NewSession {
  /** Public name of the session: the SHA-256 of its id, from which the id cannot be computed. */
  readonly handle: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly idleExpiresAt: number
  readonly absoluteExpiresAt: number
  /** Counts the changes of `tokens`; compare-and-set compares this number. */
  readonly tokensVersion: number
  /** Refresh tokens of the sessions that this one superseded; they are revoked with its own. */
  readonly inherited?: readonly RefreshToken[] | undefined
}

/** Tokens of an ended session that still have to be revoked at the provider (RFC 7009). */
export interface PendingRevocation extends NewSession {
  readonly handle: string
  /** Version of the tokens; a refresh that ends late may still bring newer ones. */
  readonly version: number
  readonly inherited?: readonly RefreshToken[] | undefined
}

/** A refresh token, with what is needed to revoke it. */
export interface RefreshToken {
  readonly providerName: string
  readonly issuer: string
  /** The session at the provider that the token came from. */
  readonly providerSid?: string | undefined
  readonly refreshToken: string
}

/** Upper bound for the refresh tokens of one session, its own and the inherited ones together. */
const maxRefreshTokens = 20

/**
 * Returns the refresh tokens of a session: those it inherited from the sessions it superseded, then its own.
 * Several logins that one browser finishes at the same moment can pass on the same token in several ways.
 * Each token counts once, so that copies of one token do not push another one out.
 */
export function toRefreshTokens({
  identity: { providerName, issuer, providerSid },
  tokens: { refreshToken },
  inherited = [],
}: Pick<PendingRevocation, 'identity' | 'tokens' | 'inherited'>): RefreshToken[] {
  const own = refreshToken === undefined ? [] : [{ providerName, issuer, providerSid, refreshToken }]
  const byKey = new Map([...inherited, ...own].map((token) => [toKey(token), token]))
  return [...byKey.values()].slice(-maxRefreshTokens)
}

/** Makes a session id of 256 random bits: the secret in the session cookie (OWASP ASVS 5.0, 7.2.3). */
export function createSessionId(): string {
  return randomToken()
}

/** Whether a text has the form of a session id. */
export const isSessionId = (text: string): boolean => /^[\w-]{43}$/.test(text)

/**
 * Returns the public handle of a session id: its SHA-256. The id has 256 bits of entropy, so that a plain
 * hash is enough to keep it secret.
 */
export function toSessionHandle(sessionId: string): string {
  return sha256Base64url(sessionId)
}

/** What the log says of a session: its public name, its user, and the provider where the user signed in. */
export const toLogFields = ({ handle, identity }: Pick<Session, 'handle' | 'identity'>) => ({
  session: handle,
  sub: identity.appSub,
  provider: identity.providerName,
})

const toKey = ({ providerName, issuer, refreshToken }: RefreshToken) =>
  JSON.stringify([providerName, issuer, refreshToken])
