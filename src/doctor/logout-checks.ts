import type { DiscoveredProvider } from '../provider/discovery.ts'
import { type Finding, pass, unknown, warn } from './finding.ts'
import type { Examination } from './provider-checks.ts'

const check = 'logout'

/** Whether the provider would send a person who logged out there back to us (RP-Initiated Logout 1.0, 3). */
export async function checkLogout(
  { provider, config, probe }: Examination,
  { metadata: { end_session_endpoint: endpoint } }: DiscoveredProvider,
): Promise<Finding[]> {
  if (endpoint === undefined) return [pass(check, 'the provider has no logout of its own')]
  const returnUri = `${config.publicUrl}/api/logout/callback`
  const url = new URL(endpoint)
  url.searchParams.set('client_id', provider.clientId)
  url.searchParams.set('post_logout_redirect_uri', returnUri)
  const { status, text } = await probe.get(url.href)
  if (status < 400) return [pass(check, `the provider knows ${returnUri}`)]
  if (/post_logout_redirect_uri/.test(text) && !/id_token_hint/.test(text)) {
    return [
      warn(
        check,
        `the provider does not know ${returnUri}, to which a logout there is to return`,
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
