import type { ProviderIdentity } from '../provider/types.ts'

/**
 * Sessions that end together: all of one person, all that came from one session at the provider (the ID token's `sid`),
 * or all that the provider gave one e-mail address.
 */
export interface SessionGroup {
  readonly by: 'user' | 'providerSid' | 'email'
  readonly issuer: string
  readonly value: string
}

/** Every session of a person: users are keyed by (issuer, sub), never by e-mail (ASVS 6.8.1). */
export const toUserGroup = ({
  issuer,
  providerSub,
}: Pick<ProviderIdentity, 'issuer' | 'providerSub'>): SessionGroup => ({
  by: 'user',
  issuer,
  value: providerSub,
})

/** Every session that came from one session at the provider. */
export const toProviderSidGroup = (issuer: string, sid: string): SessionGroup => ({
  by: 'providerSid',
  issuer,
  value: sid,
})

/** Every session whose person the provider says has this address; addresses differ by more than their case. */
export const toEmailGroup = (issuer: string, email: string): SessionGroup => ({
  by: 'email',
  issuer,
  value: email.toLowerCase(),
})

const isSame = (a: SessionGroup, b: SessionGroup) =>
  a.by === b.by && a.issuer === b.issuer && a.value === b.value

/** Whether the session of this identity belongs to a group. */
export const isIn = (identity: ProviderIdentity, group: SessionGroup): boolean =>
  toGroups(identity).some((one) => isSame(one, group))

/** The groups a session belongs to, its person's first. */
export function toGroups(identity: ProviderIdentity): SessionGroup[] {
  const { issuer, providerSid, claims } = identity
  return [
    toUserGroup(identity),
    ...(providerSid === undefined ? [] : [toProviderSidGroup(issuer, providerSid)]),
    ...(typeof claims.email === 'string' ? [toEmailGroup(issuer, claims.email)] : []),
  ]
}
