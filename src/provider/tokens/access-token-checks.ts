import type { JWTPayload } from 'jose'
import { tokenError } from '../transport/errors.ts'

/**
 * Checks that an access token was issued to this client: Okta names the client in `cid`, RFC 9068 in
 * `client_id`, others in `azp`. A token with none of these (Spring Authorization Server) is accepted by
 * signature, issuer and audience.
 *
 * @throws AppError `invalid_access_token`
 */
export function assertIssuedToClient(
  { cid, client_id: clientIdClaim, azp }: JWTPayload,
  clientId: string,
): void {
  const named = cid ?? clientIdClaim ?? azp
  if (named === undefined || named === clientId) return
  throw tokenError('invalid_access_token', 'cid, client_id or azp is not this client')
}

/**
 * Checks that an access token is bound to our DPoP key (RFC 9449 6.1).
 *
 * @throws AppError `invalid_access_token`
 */
export function assertBoundToKey({ cnf }: JWTPayload, thumbprint: string): void {
  const isBound = typeof cnf === 'object' && cnf !== null && 'jkt' in cnf && cnf.jkt === thumbprint
  if (!isBound) throw tokenError('invalid_access_token', 'cnf.jkt is not our key')
}

/** The scopes that an access token grants: Okta's `scp` array, or the `scope` of RFC 9068. */
export function readScopes({ scp, scope }: JWTPayload): string[] | undefined {
  if (Array.isArray(scp)) return scp.filter((item) => typeof item === 'string')
  return typeof scope === 'string' ? scope.split(' ') : undefined
}
