import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { usesDpop } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import { meansBadCredentials } from '../../provider/transport/oauth-errors.ts'
import { type Finding, fail, unknown } from '../finding.ts'

/** A provider's refusal in one line. */
export function tellRefusal({ error, description }: ProbeRefusal): string {
  if (error === 'malformed') return description
  return description === '' ? error : `${error} (${description})`
}

/** Whether the provider does not know who is asking, whatever it calls that. */
export function isUnrecognised(refusal: ProbeRefusal): boolean {
  const { error, description, status, leadsTo } = refusal
  if (isAboutDpop(refusal)) return false
  // Spring asks for a sign-in, or says nothing but the status; Keycloak's pushed requests say `invalid_request`.
  if (error === 'malformed') return status === 401 || isSignIn(leadsTo)
  // zitadel says so of an assertion by an unknown key, or for another audience.
  if (error === 'invalid_grant') return /\b(signature|audience)\b/i.test(description)
  // Keycloak says `unauthorized_client` of a wrong secret; elsewhere, and by RFC 6749 5.2, it is about the grant.
  const isCertain = error !== 'unauthorized_client' || status === 401
  if (meansBadCredentials(error)) return isCertain || /credential|secret|invalid client/i.test(description)
  return status === 401
}

/** Whether an address is that of a page where people sign in, by its path. */
const isSignIn = (address = '') =>
  /log-?in|sign-?in/i.test(URL.parse(address, 'https://none')?.pathname ?? '')

/** Whether the provider speaks of a DPoP proof: that it is missing, or is not right (RFC 9449 5). */
export const isAboutDpop = ({ error, description }: ProbeRefusal): boolean =>
  /dpop/i.test(`${error} ${description}`)

/** What to do where the provider wants a proof, by whether it gets one. */
export function toDpopRefused(
  refusal: ProbeRefusal,
  config: ProviderConfig,
  found: AuthorizationServer,
): Finding {
  const told = tellRefusal(refusal)
  if (usesDpop(config, found)) {
    return fail('DPoP', `the provider does not take our proof: ${told}`, 'look at the clocks, here and there')
  }
  // Without a word in the metadata, `auto` sends none.
  const setting = usesDpop({ ...config, dpop: 'auto' }, found) ? 'auto' : 'required'
  return fail('DPoP', `this client must use DPoP: ${told}`, `set OIDC_DPOP=${setting}`)
}

/** What cannot be seen before something else is mended. */
export const notTried = (check: string, refusal: string, what: string): Finding =>
  unknown(check, `not tried: ${refusal}`, `mend ${what} first`)
