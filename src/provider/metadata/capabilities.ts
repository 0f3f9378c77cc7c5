import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { dpopAlg } from '../client/dpop-keys.ts'
import type { AuthorizationServer } from './discovery.ts'

/**
 * Whether authorization responses name their issuer (RFC 9207 3); otherwise an `iss` in them means nothing.
 */
export function isIssAdvertised({ metadata }: AuthorizationServer): boolean {
  return metadata.authorization_response_iss_parameter_supported === true
}

/** Whether logins begin with a pushed authorization request (RFC 9126 5). */
export function usesPar({ par }: ProviderConfig, { metadata }: AuthorizationServer): boolean {
  return par === 'auto' && metadata.pushed_authorization_request_endpoint !== undefined
}

/** Whether the provider accepts only pushed requests (RFC 9126 5). */
export function requiresPar({ metadata }: Pick<AuthorizationServer, 'metadata'>): boolean {
  return isTrue(metadata.require_pushed_authorization_requests)
}

/** Whether a member of the metadata is true; some providers write booleans as texts. */
export const isTrue = (member: unknown): boolean => String(member) === 'true'

/** Whether token requests carry a DPoP proof (RFC 9449 5.1). */
export function usesDpop({ dpop }: ProviderConfig, { metadata }: AuthorizationServer): boolean {
  const offered: unknown = metadata.dpop_signing_alg_values_supported
  return dpop === 'required' || (dpop === 'auto' && Array.isArray(offered) && offered.includes(dpopAlg))
}
