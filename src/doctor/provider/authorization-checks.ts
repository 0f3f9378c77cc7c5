import { requiresPar, usesPar } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { AuthorizationAnswer } from '../../provider/probe/probe.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import {
  type Circumstances,
  check,
  findReason,
  toFollowing,
  toRefused,
  toUnclear,
  toUnregistered,
} from '../advice/authorization-refusals.ts'
import { isUnrecognised, tellRefusal } from '../advice/refusals.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'

/** What a provider answers to `prompt=none` of a request it would otherwise take (OpenID Connect Core 3.1.2.6). */
const nothingElseIsWrong = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
])

/** Whether the provider takes our authorization request, by a silent login that nobody takes part in. */
export async function checkAuthorization(
  examination: Examination,
  found: AuthorizationServer,
  failed: ReadonlySet<string>,
): Promise<Finding[]> {
  const answer = await examination.probe.tryAuthorization()
  return [...toPushed(answer, examination, found), toFinding(answer, { ...examination, found, failed })]
}

/** Whether the request was pushed, where that was to be. */
function toPushed(
  { outcome, unpushed }: AuthorizationAnswer,
  { provider }: Examination,
  found: AuthorizationServer,
): Finding[] {
  if (unpushed !== undefined) {
    return [
      warn(
        'PAR',
        `the provider announces pushed requests and does not take them (${unpushed}): logins go through the browser`,
        'let the provider mend its metadata, or set OIDC_PAR=off',
      ),
    ]
  }
  return usesPar(provider, found) && outcome !== 'push refused' ? [pass('PAR', 'logins are pushed')] : []
}

function toFinding(answer: AuthorizationAnswer, circumstances: Circumstances): Finding {
  const { redirectUri } = circumstances.provider
  switch (answer.outcome) {
    case 'returned':
      return toReturned(answer.refusal, circumstances)
    case 'push refused':
      return toPushRefused(answer.refusal, circumstances)
    case 'sent to an error':
      return toSentToError(answer, circumstances)
    case 'page':
      return toPage(answer, redirectUri)
    case 'sent elsewhere':
      return sentElsewhere
  }
}

const sentElsewhere = unknown(
  check,
  'the provider sends the browser to a page of its own first',
  'log in once to see it come back',
)

function toReturned(refusal: ProbeRefusal, circumstances: Circumstances): Finding {
  const { redirectUri } = circumstances.provider
  if (nothingElseIsWrong.has(refusal.error)) {
    return pass(check, `the provider knows ${redirectUri}, and takes our authorization request`)
  }
  if (refusal.error === 'none') return pass(check, `the provider knows ${redirectUri}`)
  return toFollowing(refusal, circumstances) ?? toRefused(refusal, circumstances)
}

function toPushRefused(refusal: ProbeRefusal, circumstances: Circumstances): Finding {
  const following = toFollowing(refusal, circumstances)
  if (following !== undefined) return following
  // A redirect, even to a sign-in page, is no endpoint for pushed requests.
  if (!isUnrecognised(refusal) || refusal.leadsTo !== undefined) return toRefused(refusal, circumstances)
  const { provider, found } = circumstances
  const ways = [
    'let the client push at the provider',
    ...(provider.clientAuth.method === 'private_key_jwt'
      ? ['try another OIDC_CLIENT_ASSERTION_AUDIENCE']
      : []),
    ...(requiresPar(found) ? [] : ['set OIDC_PAR=off']),
  ]
  return fail(
    'PAR',
    `the token endpoint recognises this client, and the endpoint for pushed requests does not: ${tellRefusal(refusal)}`,
    ways.join(', or '),
  )
}

/** The address of a page of the provider's own tells what is wrong (Ory Hydra); a sign-in page may name what it waits for. */
function toSentToError(
  { refusal, text }: Extract<AuthorizationAnswer, { outcome: 'sent to an error' }>,
  circumstances: Circumstances,
): Finding {
  const { redirectUri } = circumstances.provider
  if (nothingElseIsWrong.has(refusal.error)) return sentElsewhere
  const reason = findReason(refusal, circumstances, text)
  if (reason !== undefined) return reason
  const told = tellRefusal(refusal)
  if (refusal.error === 'invalid_request') return toUnclear(redirectUri, `an error page of its own: ${told}`)
  return unknown(
    check,
    `the provider sends the browser to a page of its own, which says ${told}`,
    'log in once to see it come back',
  )
}

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
  return toUnclear(redirectUri, `a page: ${told}`)
}
