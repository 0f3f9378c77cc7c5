import { decodeJwt, type JWTPayload } from 'jose'

/**
 * The claims of a JWT without verifying it, to find out which provider can verify it or whom it is about;
 * undefined for what is no JWT.
 */
export function readUnverifiedClaims(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}
