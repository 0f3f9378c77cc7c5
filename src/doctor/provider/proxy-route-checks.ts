import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { formatList, readList, type ServerMetadata } from '../server-metadata.ts'

/** Checks whether users of a provider can have what the proxy routes need. */
export function checkRoutesAtProvider(
  metadata: ServerMetadata,
  provider: ProviderConfig,
  routes: readonly ProxyRoute[],
): Finding[] {
  return [
    ...checkTokenExchange(metadata, routes),
    ...routes.flatMap((route) => [...checkScopes(provider, route), ...checkGroups(provider, route)]),
  ]
}

/** The grant type of RFC 8693 2.1. */
const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

function checkTokenExchange(metadata: ServerMetadata, routes: readonly ProxyRoute[]): Finding[] {
  const check = 'token exchange'
  const names = routes.filter(({ token }) => token.kind === 'exchange').map(({ name }) => name)
  if (names.length === 0) return []
  const offered = readList(metadata, 'grant_types_supported')
  if (offered === undefined) {
    return [
      unknown(
        check,
        `the provider does not say whether it exchanges tokens, which is needed for: ${names.join(', ')}`,
        'sign in, and call the route once',
      ),
    ]
  }
  if (offered.includes(tokenExchange)) return [pass(check, `offered, for: ${names.join(', ')}`)]
  return [
    fail(
      check,
      `the provider offers ${formatList(offered)}, not ${tokenExchange}, which is needed for: ${names.join(', ')}`,
      'allow token exchange at the provider, or set "token" to "provider" or "app" in these routes',
    ),
  ]
}

/** A provider may grant more than it was asked for, but most do not. */
function checkScopes({ scopes }: ProviderConfig, { name, access }: ProxyRoute): Finding[] {
  const missing = access.scopes.filter((scope) => !scopes.includes(scope))
  if (missing.length === 0) return []
  return [
    warn(
      `route ${name}`,
      `it needs ${missing.join(' ')}, which no login asks for: users would get 403 insufficient_scope`,
      'add it to OIDC_SCOPES, and define it at the provider',
    ),
  ]
}

function checkGroups({ claimNames }: ProviderConfig, { name, access }: ProxyRoute): Finding[] {
  if (access.groups.length === 0 || claimNames.includes('groups')) return []
  return [
    warn(
      `route ${name}`,
      'it needs groups, but sessions have no claim groups: users would get 403 insufficient_group',
      'add groups to APP_TOKEN_CLAIMS, or to the claims of the provider in PROVIDERS_FILE',
    ),
  ]
}
