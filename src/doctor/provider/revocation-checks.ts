import { isApple } from '../../config/providers/apple.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import type { Examination } from '../examination.ts'
import { type Finding, pass, warn } from '../finding.ts'
import { explainUnrecognised, findAlternative } from '../refusals/client-auth-advice.ts'
import { describeRefusal, isUnrecognised, skipped } from '../refusals/refusals.ts'

/** Checks whether a logout can revoke refresh tokens (RFC 7009), by revoking an invalid one. */
export async function checkRevocation(
  examination: Examination,
  { metadata: { revocation_endpoint: endpoint } }: AuthorizationServer,
  failed: ReadonlySet<string>,
): Promise<Finding[]> {
  if (isApple(examination.provider)) {
    return [pass(check, "off: at Apple it would end the user's authorization of this app with each logout")]
  }
  if (examination.provider.revocation === 'never') {
    return [pass(check, 'OIDC_REVOCATION=never: refresh tokens of users who log out stay valid there')]
  }
  if (endpoint === undefined) return checkMissingEndpoint(examination)
  if (failed.has('client authentication')) {
    return [skipped(check, 'client authentication failed', 'client authentication')]
  }
  const refusal = await examination.probe.tryRevocation()
  const isMalformed = refusal?.error === 'malformed'
  if (refusal === undefined || !(isMalformed || isUnrecognised(refusal))) {
    return [pass(check, 'refresh tokens of users who log out are revoked')]
  }
  const alternative = await findAlternative(examination, { mustRevoke: true })
  const { method } = examination.provider.clientAuth
  if (alternative === undefined && method !== 'none' && blamesCredentials(refusal)) {
    return [await explainUnrecognised(examination, refusal, undefined, { mustRevoke: true })]
  }
  return [
    warn(
      check,
      `the provider does not let this client revoke tokens: those of users who log out stay valid: ${describeRefusal(refusal)}`,
      alternative ?? 'allow this client to revoke its tokens at the provider',
    ),
  ]
}

const check = 'revocation'

/**
 * Whether the words of a refusal are about the client's credentials. Where the token endpoint checks the code
 * before the client (Zitadel), this endpoint is the first to show that they are wrong.
 */
const blamesCredentials = ({ description }: ProbeRefusal) =>
  /client_id|client_secret|credential|signature/i.test(description)

function checkMissingEndpoint({ provider }: Examination): Finding[] {
  if (!provider.scopes.includes('offline_access')) return []
  const fix =
    provider.endpoints === undefined
      ? 'ask the provider for one, or configure refresh tokens to expire soon'
      : 'set OAUTH_REVOCATION_ENDPOINT, if the provider has one'
  const message =
    'the provider names no revocation endpoint: refresh tokens of users who log out stay valid there until they expire'
  return [warn(check, message, fix)]
}
