import { logoutCallbackPath } from '../../logout/rp-initiated.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProviderProbe } from '../../provider/probe/probe.ts'
import { readRedirect } from '../../provider/probe/probed-redirect.ts'
import { toLogText } from '../../telemetry/logger.ts'
import { tellRefusal } from '../advice/refusals.ts'
import { type Finding, pass, unknown, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

const check = 'logout'

/** A post-logout redirect URI that no client can have (RFC 2606 2). */
const unregistered = 'https://portico-doctor.invalid/'

/** Whether the provider would send a person who logged out there back to us (RP-Initiated Logout 1.0, 3). */
export async function checkLogout(
  { provider: { clientId }, config, probe }: Examination,
  { metadata: { end_session_endpoint: endpoint } }: AuthorizationServer,
): Promise<Finding[]> {
  if (endpoint === undefined) return [pass(check, 'the provider has no logout of its own')]
  const returnUri = config.publicUrl + logoutCallbackPath
  const answer = await ask(probe, { endpoint, clientId, returnUri })
  if (answer.outcome === 'returned') return [pass(check, `the provider knows ${returnUri}`)]
  if (answer.outcome === 'refused') return [toRefused(answer, returnUri)]
  // Who takes any URI without an ID token, and looks at it later or never, has not said that it knows ours.
  const other = await ask(probe, { endpoint, clientId, returnUri: unregistered }).catch(() => undefined)
  if (other?.outcome === 'refused')
    return [pass(check, `the provider knows ${returnUri}, and refuses others`)]
  return [toUntold(returnUri, other === undefined ? answer.told : `${answer.told} to any`)]
}

interface Answer {
  outcome: 'returned' | 'taken' | 'refused'
  /** In one printable line. */
  told: string
  /** All it says: to look into, not to print. */
  text: string
}

/** Asks for a logout in which no person takes part. */
async function ask(
  probe: ProviderProbe,
  { endpoint, clientId, returnUri }: { endpoint: string; clientId: string; returnUri: string },
): Promise<Answer> {
  const url = new URL(endpoint)
  url.searchParams.set('client_id', clientId)
  url.searchParams.set('post_logout_redirect_uri', returnUri)
  const document = await probe.get(url.href)
  const told = `status ${document.status}`
  const redirect = readRedirect(document, url)
  if (redirect === undefined) {
    return { outcome: document.status < 400 ? 'taken' : 'refused', told, text: document.text }
  }
  const { to, refusal, text } = redirect
  if (refusal !== undefined) {
    return { outcome: 'refused', told: `a redirect to an error: ${tellRefusal(refusal)}`, text }
  }
  const isBack = to.origin + to.pathname === returnUri
  return {
    outcome: isBack ? 'returned' : 'taken',
    told: `a redirect to ${toLogText(to.origin + to.pathname)}`,
    text,
  }
}

/** A refusal that asks for an ID token says nothing of the URI: Ory Hydra refuses any without one. */
function toRefused({ told, text }: Answer, returnUri: string): Finding {
  if (/id_token_hint/.test(text) || !/redirect[_ ]ur[il]/i.test(text)) return toUntold(returnUri, told)
  return warn(
    check,
    `the provider does not know ${returnUri}: people who log out end on an error page of the provider (${told})`,
    'register exactly this post-logout redirect URI for the client at the provider',
  )
}

const toUntold = (returnUri: string, told: string): Finding =>
  unknown(
    check,
    `the provider does not tell without an ID token whether it knows ${returnUri}: ${told}`,
    'see that it is registered as a post-logout (sign-out) redirect URI, or log out once',
  )
