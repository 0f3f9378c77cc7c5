import type { Config } from '../config/config.ts'
import type { ProviderConfig } from '../config/providers/provider-config.ts'
import { findUserClaims, fitUserClaims } from '../provider/identity/user-claims.ts'
import type { ProviderIdentity, UserClaims } from '../provider/types.ts'
import { createGroupFilter, type IsGroupAllowed } from './group-filter.ts'

/**
 * Bytes of JSON that the user claims of an app token may take. They travel in every request to an API, which refuses
 * one whose headers are too large (Node: 16 kB, many proxies: 8 kB).
 */
export const maxTokenClaims = 4_096

/** What an app token says of the person. */
export interface TokenClaims {
  claims: UserClaims
  /** Names of the claims that the session has and the token has no room for. */
  leftOut: readonly string[]
}

/** Picks the user claims of an app token, by the present configuration: at the login more may have been allowed. */
export type PickTokenClaims = (identity: Pick<ProviderIdentity, 'providerName' | 'claims'>) => TokenClaims

interface TokenClaimsOptions {
  appToken: Pick<Config['appToken'], 'groups'>
  providers: readonly Pick<ProviderConfig, 'name' | 'claimNames'>[]
}

/** Creates the choice of user claims: what the provider may tell, `groups` by APP_TOKEN_GROUPS, as far as they fit. */
export function createTokenClaimPicker({ appToken, providers }: TokenClaimsOptions): PickTokenClaims {
  const namesOf = new Map(providers.map(({ name, claimNames }) => [name, claimNames]))
  const isAllowed = appToken.groups === undefined ? undefined : createGroupFilter(appToken.groups)

  return ({ providerName, claims: all }) => {
    const allowed = isAllowed === undefined ? all : withGroups(all, isAllowed)
    const found = findUserClaims(namesOf.get(providerName) ?? [], allowed)
    const { claims, dropped } = fitUserClaims(found, maxTokenClaims)
    return { claims, leftOut: dropped }
  }
}

/** A provider may tell one group as a text. */
function withGroups({ groups, ...others }: UserClaims, isAllowed: IsGroupAllowed): UserClaims {
  if (Array.isArray(groups)) return { ...others, groups: groups.filter(isAllowed) }
  return isAllowed(groups) ? { ...others, groups } : others
}
