import { AppError } from '../../errors.ts'
import { isIssAdvertised } from '../metadata/capabilities.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'

/**
 * Checks the `iss` of an authorization response (RFC 9207 2.4); returns whether the provider sends one.
 *
 * @throws AppError `issuer_mismatch`
 */
export function assertResponseIssuer(
  server: AuthorizationServer,
  issuer: string,
  iss: string | undefined,
): boolean {
  if (!isIssAdvertised(server)) return false
  if (iss === issuer) return true
  throw new AppError(
    'issuer_mismatch',
    'The response does not come from the provider with which this sign-in was started.',
    { reason: iss === undefined ? 'iss is missing though advertised' : 'iss is another issuer' },
  )
}
