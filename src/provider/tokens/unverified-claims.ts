import { decodeJwt, type JWTPayload } from 'jose'

/** The claims of a token that is not verified, to find out whom it is about or who may verify it; undefined for what is no JWT. */
export function readUnverifiedClaims(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}
