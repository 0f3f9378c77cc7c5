import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { hasClaim, limitUserClaims } from '../provider/identity/user-claims.ts'
import type { ProviderIdentity, UserClaims } from '../provider/types.ts'
import { createGroupFilter, type IsGroupAllowed } from './group-filter.ts'

/**
 * Bytes of JSON that the user claims of an app token may take. The token is in the headers of every request
 * to an API, and servers refuse headers that are too large (Node: 16 kB, many proxies: 8 kB).
 */
export const maxTokenClaims = 4_096

/** The user claims of an app token. */
export interface TokenClaims {
  claims: UserClaims
  /** Names of the claims that the session has, but for which the token has no room. */
  leftOut: readonly string[]
}

/**
 * Selects the user claims of an app token, by the present configuration: it may allow fewer claims than it
 * did when the user signed in.
 */
export type SelectTokenClaims = (identity: Pick<ProviderIdentity, 'providerName' | 'claims'>) => TokenClaims

interface TokenClaimsOptions {
  appToken: Pick<Config['appToken'], 'groups'>
  providers: readonly Pick<ProviderConfig, 'name' | 'claimNames'>[]
}

/**
 * Creates the selection of user claims: those that the configuration accepts from the provider, with `groups`
 * filtered by APP_TOKEN_GROUPS, as far as there is room for them.
 */
export function createTokenClaimSelector({ appToken, providers }: TokenClaimsOptions): SelectTokenClaims {
  const claimNamesOf = new Map(providers.map(({ name, claimNames }) => [name, claimNames]))
  const isAllowed = appToken.groups === undefined ? undefined : createGroupFilter(appToken.groups)

  return ({ providerName, claims: all }) => {
    const names = claimNamesOf.get(providerName) ?? []
    const allowed = isAllowed === undefined ? all : filterGroups(all, isAllowed)
    const found = names
      .filter((name) => hasClaim(allowed, name))
      .map((name) => [name, allowed[name]] as const)
    const { claims, dropped } = limitUserClaims(found, maxTokenClaims)
    return { claims, leftOut: dropped }
  }
}

/** The claims with the allowed groups alone. A provider may send a single group as a text. */
function filterGroups({ groups, ...others }: UserClaims, isAllowed: IsGroupAllowed): UserClaims {
  if (Array.isArray(groups)) return { ...others, groups: groups.filter(isAllowed) }
  return isAllowed(groups) ? { ...others, groups } : others
}
