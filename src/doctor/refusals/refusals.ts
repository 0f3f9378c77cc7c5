import { compareDpopClocks } from '../../advice/remedies.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { usesDpop } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import { isClientRejection } from '../../provider/transport/oauth-errors.ts'
import { type Finding, fail, unknown } from '../finding.ts'

/** A provider's refusal in one line. */
export function describeRefusal({ error, description }: ProbeRefusal): string {
  if (error === 'malformed') return description
  return description === '' ? error : `${error} (${description})`
}

/** Whether the provider could not authenticate the client. Providers report that in many ways. */
export function isUnrecognised(refusal: ProbeRefusal): boolean {
  const { error, description, status, leadsTo } = refusal
  if (isAboutDpop(refusal)) return false
  // Spring redirects to its sign-in page, or sends only the status; Keycloak's PAR endpoint says
  // `invalid_request`.
  if (error === 'malformed') return status === 401 || isSignInPage(leadsTo)
  // Zitadel reports an assertion with an unknown key, or for another audience, like this.
  if (error === 'invalid_grant') return /\b(signature|audience)\b/i.test(description)
  // Keycloak reports a wrong secret as `unauthorized_client`; elsewhere, as in RFC 6749 5.2, that is about
  // the grant.
  const isCertain = error !== 'unauthorized_client' || status === 401
  if (isClientRejection(error)) return isCertain || /credential|secret|invalid client/i.test(description)
  return status === 401
}

/** Whether the provider complains about a DPoP proof: it is missing, or not accepted (RFC 9449 5). */
export const isAboutDpop = ({ error, description }: ProbeRefusal): boolean =>
  /dpop/i.test(`${error} ${description}`)

/** What to do where the provider requires a DPoP proof, depending on whether one was sent. */
export function explainDpopRefusal(
  refusal: ProbeRefusal,
  config: ProviderConfig,
  server: AuthorizationServer,
): Finding {
  const answer = describeRefusal(refusal)
  if (usesDpop(config, server)) {
    return fail('DPoP', `the provider does not accept our proof: ${answer}`, compareDpopClocks)
  }
  // `auto` sends a proof only where the metadata offers DPoP.
  const setting = usesDpop({ ...config, dpop: 'auto' }, server) ? 'auto' : 'required'
  return fail('DPoP', `this client must use DPoP: ${answer}`, `set OIDC_DPOP=${setting}`)
}

/** A check that was skipped, because it needs what another check found to be wrong. */
export const skipped = (check: string, reason: string, failedCheck: string): Finding =>
  unknown(check, `not tried: ${reason}`, `correct ${failedCheck} first`)

/** Whether an address is that of a sign-in page, by its path. */
const isSignInPage = (address = '') =>
  /log-?in|sign-?in/i.test(URL.parse(address, 'https://none')?.pathname ?? '')
