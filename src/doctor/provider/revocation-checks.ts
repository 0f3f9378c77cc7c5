import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import { explainUnrecognised, findAlternative } from '../advice/client-auth-advice.ts'
import { isUnrecognised, notTried, tellRefusal } from '../advice/refusals.ts'
import { type Finding, pass, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

const check = 'revocation'

/** Whether refresh tokens can be revoked at a logout (RFC 7009): tried, with a token that cannot be good. */
export async function checkRevocation(
  examination: Examination,
  { metadata: { revocation_endpoint: endpoint } }: AuthorizationServer,
  failed: ReadonlySet<string>,
): Promise<Finding[]> {
  if (endpoint === undefined) return toMissing(examination)
  if (failed.has('client authentication')) {
    return [notTried(check, 'client authentication failed', 'client authentication')]
  }
  const refusal = await examination.probe.tryRevocation()
  const isOdd = refusal?.error === 'malformed'
  if (refusal === undefined || !(isOdd || isUnrecognised(refusal))) {
    return [pass(check, 'refresh tokens of people who log out are revoked')]
  }
  const alternative = await findAlternative(examination, { mustRevoke: true })
  const { method } = examination.provider.clientAuth
  if (alternative === undefined && method !== 'none' && blamesCredentials(refusal)) {
    return [await explainUnrecognised(examination, refusal, undefined, { mustRevoke: true })]
  }
  return [
    warn(
      check,
      `the provider does not let this client revoke tokens, so that those of people who log out stay good: ${tellRefusal(refusal)}`,
      alternative ?? 'let this client revoke its tokens at the provider',
    ),
  ]
}

/**
 * Whether the words of a refusal are about what this client authenticates with. A token endpoint that looks at the code before the
 * client (zitadel) tells nothing of it.
 */
const blamesCredentials = ({ description }: ProbeRefusal) =>
  /client_id|client_secret|credential|signature/i.test(description)

function toMissing({ provider }: Examination): Finding[] {
  if (!provider.scopes.includes('offline_access')) return []
  const fix =
    provider.endpoints === undefined
      ? 'ask the provider for one, or let refresh tokens expire soon'
      : 'set OAUTH_REVOCATION_ENDPOINT, if the provider has one'
  const message =
    'the provider names no revocation endpoint: refresh tokens of people who log out are good there until they expire'
  return [warn(check, message, fix)]
}
