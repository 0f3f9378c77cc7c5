import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { toLogoutCallback } from '../../logout/rp-initiated.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProviderProbe } from '../../provider/probe/probe.ts'
import { readRedirect } from '../../provider/probe/probed-answer.ts'
import { toLogText } from '../../telemetry/events.ts'
import type { Examination } from '../examination.ts'
import { type Finding, pass, unknown, warn } from '../finding.ts'
import { describeRefusal } from '../refusals/refusals.ts'

/**
 * Checks whether the provider would send a user who logged out there back to us (RP-Initiated Logout 1.0, 3).
 */
export async function checkLogout(
  { provider: { clientId, logoutParams }, config, probe }: Examination,
  { metadata: { end_session_endpoint: endpoint } }: AuthorizationServer,
): Promise<Finding[]> {
  if (endpoint === undefined) return [pass(check, 'the provider has no logout of its own')]
  const returnUri = toLogoutCallback(config)
  const request = { endpoint, clientId, logoutParams }
  const answer = await requestLogout(probe, { ...request, returnUri })
  if (answer.outcome === 'returned') return [pass(check, `the provider knows ${returnUri}`)]
  if (answer.outcome === 'refused') return [explainRefusal(answer, returnUri)]
  // Without an ID token, a provider may accept every URI, and check it later or never. Only one that refuses
  // another URI has shown that it knows ours.
  const other = await requestLogout(probe, { ...request, returnUri: unregistered }).catch(() => undefined)
  if (other?.outcome === 'refused')
    return [pass(check, `the provider knows ${returnUri}, and refuses others`)]
  return [unknownReturnUri(returnUri, other === undefined ? answer.summary : `${answer.summary} to any`)]
}

const check = 'logout'

/** A post-logout redirect URI that no client can have (RFC 2606 2). */
const unregistered = 'https://portico-doctor.invalid/'

interface LogoutAnswer {
  outcome: 'returned' | 'taken' | 'refused'
  /** In one printable line. */
  summary: string
  /** All of the answer: to search in, not to print. */
  text: string
}

interface LogoutRequest extends Pick<ProviderConfig, 'clientId' | 'logoutParams'> {
  endpoint: string
  returnUri: string
}

/** Requests a logout without a user at the browser. */
async function requestLogout(
  probe: ProviderProbe,
  { endpoint, clientId, logoutParams, returnUri }: LogoutRequest,
): Promise<LogoutAnswer> {
  const url = new URL(endpoint)
  for (const [name, value] of logoutParams) url.searchParams.set(name, value)
  url.searchParams.set('client_id', clientId)
  url.searchParams.set('post_logout_redirect_uri', returnUri)
  const document = await probe.get(url.href)
  const redirect = readRedirect(document, url)
  if (redirect === undefined) {
    const outcome = document.status < 400 ? 'taken' : 'refused'
    return { outcome, summary: `status ${document.status}`, text: document.text }
  }
  const { to, refusal, text } = redirect
  if (refusal !== undefined) {
    return { outcome: 'refused', summary: `a redirect to an error: ${describeRefusal(refusal)}`, text }
  }
  const isBack = to.origin + to.pathname === returnUri
  return {
    outcome: isBack ? 'returned' : 'taken',
    summary: `a redirect to ${toLogText(to.origin + to.pathname)}`,
    text,
  }
}

/** A refusal that asks for an ID token says nothing about the URI: Ory Hydra refuses every one without it. */
function explainRefusal({ summary, text }: LogoutAnswer, returnUri: string): Finding {
  if (/id_token_hint/.test(text) || !/redirect[_ ]ur[il]/i.test(text)) {
    return unknownReturnUri(returnUri, summary)
  }
  return warn(
    check,
    `the provider does not know ${returnUri}: users who log out end on an error page of the provider (${summary})`,
    'register exactly this post-logout redirect URI for the client at the provider',
  )
}

const unknownReturnUri = (returnUri: string, summary: string): Finding =>
  unknown(
    check,
    `without an ID token, the provider does not say whether it knows ${returnUri}: ${summary}`,
    'check that it is registered as a post-logout (sign-out) redirect URI, or log out once',
  )
