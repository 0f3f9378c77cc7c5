import type { AccessRule } from '../config/proxy/proxy-route.ts'
import { AppError } from '../errors.ts'
import type { Session } from '../session/session.ts'

/**
 * Checks that a user may use what a rule protects: by the provider, by the scopes that it granted, and by the
 * groups in the user's claims.
 *
 * @throws AppError `insufficient_authorization` for another provider's users, `insufficient_scope`,
 * `insufficient_group`; they name what is missing
 */
export function assertAccess({ tokens, identity }: Session, { scopes, groups, providers }: AccessRule): void {
  if (providers.length > 0 && !providers.includes(identity.providerName)) {
    throw new AppError(
      'insufficient_authorization',
      `Only users who signed in at ${providers.join(' or ')} may do this.`,
    )
  }
  const missing = scopes.filter((scope) => !tokens.scope.includes(scope))
  if (missing.length > 0) {
    throw new AppError(
      'insufficient_scope',
      `This needs the scope ${missing.join(' ')}, which the provider did not grant at sign-in.`,
    )
  }
  if (groups.length === 0) return
  const { groups: ofUser } = identity.claims
  // A provider may send a single group as a text.
  const isMember = Array.isArray(ofUser)
    ? groups.some((group) => ofUser.includes(group))
    : typeof ofUser === 'string' && groups.includes(ofUser)
  if (isMember) return
  throw new AppError(
    'insufficient_group',
    groups.length === 1
      ? `Only members of the group ${groups[0]} may do this.`
      : `Only members of one of the groups ${groups.join(', ')} may do this.`,
  )
}

/** Whether a rule lets only some users pass, so that a request without a user cannot. */
export const needsUser = ({ scopes, groups, providers }: AccessRule): boolean =>
  scopes.length > 0 || groups.length > 0 || providers.length > 0
