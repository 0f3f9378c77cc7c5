import type { JWTPayload } from 'jose'

/** The claims of a verified app token (RFC 9068 2.2). */
export interface AppTokenClaims extends JWTPayload {
  /** Portico's PUBLIC_URL. */
  iss: string
  /** The user, unique among all providers. */
  sub: string
  /** Seconds since the epoch. */
  exp: number
  /** Seconds since the epoch. */
  iat: number
  jti: string
  client_id: string
  /** Space-separated. */
  scope: string
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
}

/** Whether verified claims include those that every app token has, each of its type (RFC 9068 2.2). */
export function isAppTokenClaims(claims: JWTPayload): claims is AppTokenClaims {
  const texts = [claims.sub, claims.jti, claims.client_id, claims.sid]
  const areTexts = texts.every((text) => typeof text === 'string' && text !== '')
  return (
    areTexts &&
    typeof claims.scope === 'string' &&
    typeof claims.exp === 'number' &&
    typeof claims.iat === 'number'
  )
}
