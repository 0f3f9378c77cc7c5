import type { ProviderConfig } from '../../config/providers/provider-config.ts'

/** What of a provider's configuration says how its users are named. */
export type SubjectConfig = Pick<ProviderConfig, 'issuer' | 'subjectPrefix' | 'tenants'>

/** A user as the provider names it: a `sub` means something only together with its issuer. */
export interface ProviderSubject {
  issuer: string
  providerSub: string
}

/**
 * Whom a verified ID token names. Without one, the issuer is the provider's; and with one, a token of another
 * issuer would not have been accepted, unless it is that of a tenant.
 */
export const toProviderSubject = (
  { issuer, tenants }: SubjectConfig,
  { iss, sub }: { iss?: string | undefined; sub: string },
): ProviderSubject => ({ issuer: tenants === undefined ? issuer : (iss ?? issuer), providerSub: sub })

/**
 * The `sub` of app tokens: the provider's, behind the provider's name where there are several, and behind the
 * id of the tenant where there are several of those: two tenants may give the same `sub`.
 */
export function toAppSub({ subjectPrefix, tenants }: SubjectConfig, subject: ProviderSubject): string {
  const tenant = tenants?.byIssuer.get(subject.issuer)
  return `${subjectPrefix}${tenant === undefined ? '' : `${tenant}:`}${subject.providerSub}`
}

/** The user with this `sub` in app tokens; undefined where it cannot be one of this provider. */
export function readAppSub(
  { issuer, subjectPrefix, tenants }: SubjectConfig,
  appSub: string,
): ProviderSubject | undefined {
  if (!appSub.startsWith(subjectPrefix)) return undefined
  const rest = appSub.slice(subjectPrefix.length)
  const end = tenants === undefined ? -1 : rest.indexOf(':')
  const tenant = rest.slice(0, Math.max(end, 0))
  const found = tenants === undefined ? issuer : [...tenants.byIssuer].find(([, id]) => id === tenant)?.[0]
  const providerSub = rest.slice(end + 1)
  return found === undefined || providerSub === '' ? undefined : { issuer: found, providerSub }
}
