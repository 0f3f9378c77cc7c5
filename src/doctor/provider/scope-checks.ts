import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { type Finding, pass, warn } from '../finding.ts'
import { isKeycloak } from '../refusals/known-providers.ts'
import { readList, type ServerMetadata } from '../server-metadata.ts'

/**
 * Checks whether the provider has the scopes of OIDC_SCOPES, and whether they mean there what is expected.
 */
export function checkScopes(metadata: ServerMetadata, provider: ProviderConfig): Finding[] {
  return [...checkListed(metadata, provider), ...checkOfflineAccess(metadata, provider)]
}

const check = 'scopes'

function checkListed(metadata: ServerMetadata, { scopes }: ProviderConfig): Finding[] {
  const offered = readList(metadata, 'scopes_supported')
  if (offered === undefined) return []
  const missing = scopes.filter((scope) => !offered.includes(scope))
  if (missing.length === 0) return [pass(check, scopes.join(' '))]
  const grants = readList(metadata, 'grant_types_supported') ?? []
  const mayBeImplied = missing.includes('offline_access') && grants.includes('refresh_token')
  // Okta's custom servers do not list scopes that are configured as hidden.
  const fix = 'define them at the provider (Okta: Security > API > Scopes), or drop them from OIDC_SCOPES'
  return [
    warn(
      check,
      `the provider does not list ${missing.join(', ')}`,
      mayBeImplied ? `${fix}; it offers refresh tokens, which may need no offline_access there` : fix,
    ),
  ]
}

/** Keycloak starts an offline session for it and, since 26.1, ends the one that single sign-on uses. */
function checkOfflineAccess(metadata: ServerMetadata, { issuer, scopes }: ProviderConfig): Finding[] {
  if (!scopes.includes('offline_access') || !isKeycloak(issuer, metadata)) return []
  const others = scopes.filter((scope) => scope !== 'offline_access').join(' ')
  return [
    warn(
      check,
      'this looks like Keycloak, where offline_access makes an offline session: back-channel logout never reaches us, a user signed out by an administrator stays signed in here, single sign-on and prompt=none fail',
      `set OIDC_SCOPES="${others}": Keycloak gives refresh tokens without it`,
    ),
  ]
}
