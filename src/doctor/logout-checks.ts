import { logoutCallbackPath } from '../logout/at-provider.ts'
import type { DiscoveredProvider } from '../provider/discovery.ts'
import { type Finding, pass, unknown, warn } from './finding.ts'
import type { Examination } from './provider-checks.ts'

const check = 'logout'

/** Whether refresh tokens can be revoked when somebody logs out (RFC 7009). */
export function checkRevocation(
  { provider }: Pick<Examination, 'provider'>,
  { metadata: { revocation_endpoint: endpoint } }: DiscoveredProvider,
): Finding[] {
  if (endpoint !== undefined) return [pass('revocation', 'refresh tokens of people who log out are revoked')]
  if (!provider.scopes.includes('offline_access')) return []
  const fix =
    provider.endpoints === undefined
      ? 'ask the provider for one, or let refresh tokens expire soon'
      : 'set OAUTH_REVOCATION_ENDPOINT, if the provider has one'
  const says =
    'the provider names no revocation endpoint: refresh tokens of people who log out are good there until they expire'
  return [warn('revocation', says, fix)]
}

/** Whether the provider would send a person who logged out there back to us (RP-Initiated Logout 1.0, 3). */
export async function checkLogout(
  { provider, config, probe }: Examination,
  { metadata: { end_session_endpoint: endpoint } }: DiscoveredProvider,
): Promise<Finding[]> {
  if (endpoint === undefined) return [pass(check, 'the provider has no logout of its own')]
  const returnUri = config.publicUrl + logoutCallbackPath
  const url = new URL(endpoint)
  url.searchParams.set('client_id', provider.clientId)
  url.searchParams.set('post_logout_redirect_uri', returnUri)
  const { status, text } = await probe.get(url.href)
  if (status < 400) return [pass(check, `the provider knows ${returnUri}`)]
  if (/post_logout_redirect_uri/.test(text) && !/id_token_hint/.test(text)) {
    return [
      warn(
        check,
        `the provider does not know ${returnUri}: people who log out end on an error page of the provider`,
        'register exactly this post-logout redirect URI for the client at the provider',
      ),
    ]
  }
  return [
    unknown(
      check,
      `the provider does not tell without an ID token whether it knows ${returnUri}`,
      'see that it is registered as a post-logout (sign-out) redirect URI',
    ),
  ]
}
