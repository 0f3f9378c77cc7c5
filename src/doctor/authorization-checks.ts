import type { AuthorizationAnswer, ProbeRefusal } from '../provider/probe.ts'
import { tellRefusal } from './advice.ts'
import { type Finding, fail, pass, unknown } from './finding.ts'
import type { Examination } from './provider-checks.ts'

const check = 'redirect URI'

/** What a provider answers to `prompt=none` of a request it would otherwise take (OpenID Connect Core 3.1.2.6). */
const nothingElseIsWrong = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
])

/** Whether the provider takes our authorization request, by a silent login that nobody takes part in. */
export async function checkAuthorization({ provider, probe }: Examination): Promise<Finding[]> {
  const answer = await probe.tryAuthorization()
  switch (answer.outcome) {
    case 'returned':
      return [toReturned(answer.refusal, provider.redirectUri)]
    case 'push refused':
      return [toPushRefused(answer.refusal, provider.redirectUri)]
    case 'page':
      return [toPage(answer, provider.redirectUri)]
    case 'sent elsewhere':
      return [
        unknown(
          check,
          'the provider sends the browser to a page of its own first',
          'log in once to see it come back',
        ),
      ]
  }
}

function toReturned(refusal: ProbeRefusal, redirectUri: string): Finding {
  if (nothingElseIsWrong.has(refusal.error)) {
    return pass(check, `the provider knows ${redirectUri}, and takes our authorization request`)
  }
  if (refusal.error === 'none') return pass(check, `the provider knows ${redirectUri}`)
  return toRefused(refusal, redirectUri)
}

/** A client that is not recognised gets no further; why is told with its authentication. */
function toPushRefused(refusal: ProbeRefusal, redirectUri: string): Finding {
  if (refusal.error !== 'invalid_client') return toRefused(refusal, redirectUri)
  return unknown(
    check,
    'not tried: the provider does not recognise this client',
    'mend client authentication first',
  )
}

/** The request was understood, and refused for something else than the missing person. */
function toRefused(refusal: ProbeRefusal, redirectUri: string): Finding {
  const says = `the provider refuses our authorization request: ${tellRefusal(refusal)}`
  const text = `${refusal.error} ${refusal.description}`
  if (refusal.error === 'malformed') {
    return fail(
      'PAR',
      `the endpoint for pushed requests answers with something else: ${refusal.description}`,
      'let the provider mend it, or set OIDC_PAR=off',
    )
  }
  if (refusal.error === 'invalid_target') {
    return fail(
      'resource',
      says,
      'let the provider know this resource for this client, or mend resource in OIDC_AUTHORIZATION_PARAMS',
    )
  }
  if (/redirect_uri/.test(text)) return toUnregistered(redirectUri, tellRefusal(refusal))
  if (/scope/.test(text)) {
    return fail(
      'scopes',
      says,
      'define the scope at the provider for this client, or drop it from OIDC_SCOPES',
    )
  }
  if (/pushed|request_uri/i.test(text)) return fail('PAR', says, 'set OIDC_PAR=auto')
  if (/code_challenge|PKCE/i.test(text)) return fail('PKCE', says, 'set OIDC_PKCE=on')
  if (/invalid_client|unauthorized_client/.test(text)) {
    return fail(
      'client',
      says,
      'allow this client the authorization code flow at the provider, and check OIDC_CLIENT_ID',
    )
  }
  return fail('authorization request', says, 'look for this error in the log of the provider')
}

const toUnregistered = (redirectUri: string, told: string): Finding =>
  fail(
    check,
    `the provider does not know ${redirectUri}: ${told}`,
    'register exactly this URI for the client at the provider, or mend OIDC_REDIRECT_URI',
  )

/** Without a redirect there is a page: an error, or a sign-in page in spite of `prompt=none`. */
function toPage(
  { status, text }: Extract<AuthorizationAnswer, { outcome: 'page' }>,
  redirectUri: string,
): Finding {
  if (status < 300) {
    return unknown(
      check,
      'the provider shows a page to whoever comes',
      'log in once to see it send the browser back',
    )
  }
  const told = `status ${status}`
  if (status === 404 || status === 405) {
    return fail(
      'authorization endpoint',
      `it answers with ${told}`,
      'mend OAUTH_AUTHORIZATION_ENDPOINT, or let the provider mend its discovery document; or OIDC_CLIENT_ID is not known there',
    )
  }
  if (/redirect[_ ]ur[il]/i.test(text)) return toUnregistered(redirectUri, told)
  if (/client/i.test(text)) {
    return fail(
      'client',
      `the provider does not take OIDC_CLIENT_ID: ${told}`,
      'copy it anew from the console of the provider',
    )
  }
  return fail(
    check,
    `the provider refuses our authorization request with a page: ${told}`,
    `check OIDC_CLIENT_ID, and that exactly ${redirectUri} is registered for it`,
  )
}
