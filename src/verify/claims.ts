/** The claims of a verified app token (RFC 9068 2.2), and whatever APP_TOKEN_CLAIMS adds of the user. */
export interface AppTokenClaims {
  /** Portico's PUBLIC_URL. */
  iss: string
  /** The user, unique among all providers. */
  sub: string
  aud: string | string[]
  /** Seconds since the epoch. */
  exp: number
  /** Seconds since the epoch. */
  iat: number
  jti: string
  client_id: string
  /** Space-separated, also where the token has its scopes as a list (`scp`). */
  scope: string
  /** The scopes as the token has them with APP_TOKEN_SCOPE_CLAIM=scp. */
  scp?: string[]
  /** The public handle of the user's session. */
  sid: string
  /** The provider that the user claims and `groups` come from: its name in PROVIDERS_FILE, or `default`. */
  idp?: string
  groups?: string[]
  /** How strongly the user signed in, in words of the provider, if it says so. */
  acr?: string
  /** When the user last authenticated, in seconds since the epoch, if the provider says so. */
  auth_time?: number
  /** The methods by which the user signed in, such as `pwd` or `otp` (RFC 8176), if the provider says so. */
  amr?: string[]
  /** The JWK thumbprint of the key to which the token is bound, if it is (RFC 9449 6.1). */
  cnf?: { jkt?: string }
  [claim: string]: unknown
}

/** Returns the claims with their `scope` as a text. */
export function withScope(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { scope, scp } = claims
  const isList = scope === undefined && Array.isArray(scp) && scp.every((one) => typeof one === 'string')
  return isList ? { ...claims, scope: scp.join(' ') } : claims
}

/** Whether claims include those that every app token has, each of its type (RFC 9068 2.2). */
export function isAppTokenClaims(claims: unknown): claims is AppTokenClaims {
  if (typeof claims !== 'object' || claims === null) return false
  const { sub, jti, client_id: clientId, sid, scope, exp, iat } = claims as Record<string, unknown>
  const areTexts = [sub, jti, clientId, sid].every((text) => typeof text === 'string' && text !== '')
  return areTexts && typeof scope === 'string' && typeof exp === 'number' && typeof iat === 'number'
}
