import type { ProviderIdentity } from '../provider/types.ts'

/**
 * Sessions that end together: all sessions of one user, all that came from one session at the provider (the
 * ID token's `sid`), or all whose user has one e-mail address, according to the provider.
 */
export interface SessionGroup {
  readonly by: 'user' | 'providerSid' | 'email'
  readonly issuer: string
  readonly value: string
}

/** Every session of a user, who is identified by (issuer, sub), never by e-mail (OWASP ASVS 5.0, 6.8.1). */
export const toUserGroup = ({
  issuer,
  providerSub,
}: Pick<ProviderIdentity, 'issuer' | 'providerSub'>): SessionGroup => ({
  by: 'user',
  issuer,
  value: providerSub,
})

/** Every session that came from one session at the provider. */
export const toProviderSidGroup = (issuer: string, providerSid: string): SessionGroup => ({
  by: 'providerSid',
  issuer,
  value: providerSid,
})

/**
 * Every session whose user has this e-mail address, according to the provider. The address's case does not
 * count.
 */
export const toEmailGroup = (issuer: string, email: string): SessionGroup => ({
  by: 'email',
  issuer,
  value: email.toLowerCase(),
})

/** Whether the session of this identity belongs to the group. */
export const isIn = (identity: ProviderIdentity, group: SessionGroup): boolean =>
  toGroups(identity).some((candidate) => isSame(candidate, group))

/** The groups that the session of this identity belongs to; its user's group is the first. */
export function toGroups(identity: ProviderIdentity): SessionGroup[] {
  const { issuer, providerSid, claims } = identity
  return [
    toUserGroup(identity),
    ...(providerSid === undefined ? [] : [toProviderSidGroup(issuer, providerSid)]),
    ...(typeof claims.email === 'string' ? [toEmailGroup(issuer, claims.email)] : []),
  ]
}

/** The groups by which a session can be found after a refresh and could not before; all without `before`. */
export const findAddedGroups = (
  before: ProviderIdentity | undefined,
  after: ProviderIdentity,
): SessionGroup[] => toGroups(after).filter((group) => before === undefined || !isIn(before, group))

const isSame = (a: SessionGroup, b: SessionGroup) =>
  a.by === b.by && a.issuer === b.issuer && a.value === b.value
