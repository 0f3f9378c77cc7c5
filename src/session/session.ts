import { randomToken, sha256Base64url } from '../crypto/hash.ts'
import type { ProviderIdentity, ProviderTokens } from '../provider/types.ts'

/** Who signed in, and by which login; written once. */
export interface Identity extends ProviderIdentity {
  /** The login that made this session: a repeated callback of it is recognised, and sent where it was sent first. */
  readonly login: {
    /** Of the provider's response: code, state and issuer. */
    readonly fingerprint: string
    readonly returnTo: string
    /** What the person would call the browser it came from, such as "Firefox on Linux". */
    readonly device: string
    /** The address it came from; absent where nobody vouches for addresses. */
    readonly address?: string
    /** Milliseconds since the epoch at which the login began. */
    readonly startedAt: number
  }
}

/** What a login writes. */
export interface NewSession {
  readonly identity: Identity
  readonly tokens: ProviderTokens
}

/** What an ended session left: what its provider must still be told (RFC 7009). */
export interface PendingRevocation extends NewSession {
  readonly handle: string
  /** Of the tokens; newer ones may come late. */
  readonly version: number
  readonly inherited?: readonly RefreshToken[]
}

/** A refresh token, and where it has to be revoked. */
export interface RefreshToken {
  readonly providerName: string
  readonly issuer: string
  /** Of the session at the provider that it came from. */
  readonly providerSid?: string
  readonly refreshToken: string
}

/** Sessions that may have been replaced one after the other, and still be answered for. */
const maxInherited = 20

/**
 * The refresh tokens of a session: those of the sessions it replaced, and its own. Logins of one browser that finish at the
 * same moment hand the same ones on in several ways: each counts once, so that none is pushed out by another's copies.
 */
export function toRefreshTokens({
  identity: { providerName, issuer, providerSid },
  tokens: { refreshToken },
  inherited = [],
}: NewSession & { readonly inherited?: readonly RefreshToken[] }): RefreshToken[] {
  const sid = providerSid === undefined ? {} : { providerSid }
  const own = refreshToken === undefined ? [] : [{ providerName, issuer, ...sid, refreshToken }]
  const byName = new Map([...inherited, ...own].map((token) => [toName(token), token]))
  return [...byName.values()].slice(-maxInherited)
}

const toName = ({ providerName, issuer, refreshToken }: RefreshToken) =>
  JSON.stringify([providerName, issuer, refreshToken])

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
  /** Refresh tokens of the sessions it replaced, to be revoked with its own. */
  readonly inherited?: readonly RefreshToken[]
}

/** Makes a session id of 256 random bits, the secret that the session cookie carries (ASVS 7.2.3). */
export function createSessionId(): string {
  return randomToken()
}

/** The public handle of a session id. With 256 bits of entropy inside, a plain hash cannot be turned back. */
export function toSessionHandle(sessionId: string): string {
  return sha256Base64url(sessionId)
}
