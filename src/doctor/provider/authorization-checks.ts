import { letAnswersBeSigned } from '../../advice/remedies.ts'
import { isSignedMode } from '../../config/providers/provider-config.ts'
import { requiresPar, usesPar } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { AuthorizationAnswer } from '../../provider/probe/authorization-probe.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import {
  explainRefusal,
  findCause,
  findConsequence,
  type RefusalContext,
  redirectUriCheck,
  unclearRefusal,
  unregisteredRedirectUri,
} from '../refusals/authorization-refusals.ts'
import { describeRefusal, isUnrecognised } from '../refusals/refusals.ts'

/**
 * Checks whether the provider accepts our authorization request: a login with `prompt=none`, without a user
 * at the browser.
 */
export async function checkAuthorization(
  examination: Examination,
  server: AuthorizationServer,
  failed: ReadonlySet<string>,
): Promise<Finding[]> {
  const answer = await examination.probe.tryAuthorization()
  return [
    ...checkPushing(answer, examination, server),
    ...checkSignature(answer, examination),
    explainAnswer(answer, { ...examination, server, failed }),
  ]
}

/** Whether the request was pushed, where it should be. */
function checkPushing(
  { outcome, unpushed }: AuthorizationAnswer,
  { provider }: Examination,
  server: AuthorizationServer,
): Finding[] {
  if (unpushed !== undefined) {
    return [
      warn(
        'PAR',
        `the provider announces pushed requests but does not take them (${unpushed}): logins go through the browser`,
        'the provider has to fix its metadata; or set OIDC_PAR=off',
      ),
    ]
  }
  return usesPar(provider, server) && outcome !== 'push refused' ? [pass('PAR', 'logins are pushed')] : []
}

/** Whether the provider signs its answers, where it should (JARM 2.4). */
function checkSignature(answer: AuthorizationAnswer, { provider }: Examination): Finding[] {
  if (answer.outcome !== 'returned' || !isSignedMode(provider.responseMode)) return []
  const { refusal, untrusted } = answer
  if (untrusted === undefined) return [pass('response mode', 'the answer is signed, and verifies')]
  // A provider that refuses the request may not sign that: the refusal is reported.
  if (!isAccepted(refusal)) return []
  return [fail('response mode', `a login would refuse the answer: ${untrusted}`, letAnswersBeSigned)]
}

function explainAnswer(answer: AuthorizationAnswer, context: RefusalContext): Finding {
  const { redirectUri } = context.provider
  switch (answer.outcome) {
    case 'returned':
      return explainReturn(answer.refusal, context)
    case 'push refused':
      return explainRefusedPush(answer.refusal, context)
    case 'sent to an error':
      return explainErrorPage(answer, context)
    case 'page':
      return explainPage(answer, redirectUri)
    case 'sent elsewhere':
      return sentElsewhere
  }
}

/** What a provider answers to `prompt=none` where the request is right (OpenID Connect Core 3.1.2.6). */
const onlyUserIsMissing = new Set([
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
])

/** Whether the provider accepted the request, with a user or without one. */
const isAccepted = ({ error }: ProbeRefusal) => error === 'none' || onlyUserIsMissing.has(error)

const sentElsewhere = unknown(
  redirectUriCheck,
  'the provider sends the browser to a page of its own first',
  'log in once to see it come back',
)

function explainReturn(refusal: ProbeRefusal, context: RefusalContext): Finding {
  const { redirectUri } = context.provider
  if (onlyUserIsMissing.has(refusal.error)) {
    return pass(redirectUriCheck, `the provider knows ${redirectUri}, and accepts our authorization request`)
  }
  if (refusal.error === 'none') return pass(redirectUriCheck, `the provider knows ${redirectUri}`)
  return findConsequence(refusal, context) ?? explainRefusal(refusal, context)
}

function explainRefusedPush(refusal: ProbeRefusal, context: RefusalContext): Finding {
  const consequence = findConsequence(refusal, context)
  if (consequence !== undefined) return consequence
  // An endpoint that redirects, even to a sign-in page, is not one for pushed requests.
  if (!isUnrecognised(refusal) || refusal.leadsTo !== undefined) return explainRefusal(refusal, context)
  const { provider, server } = context
  const ways = [
    'allow this client to push at the provider',
    ...(provider.clientAuth.method === 'private_key_jwt'
      ? ['try another OIDC_CLIENT_ASSERTION_AUDIENCE']
      : []),
    ...(requiresPar(server) ? [] : ['set OIDC_PAR=off']),
  ]
  return fail(
    'PAR',
    `the token endpoint recognises this client, and the endpoint for pushed requests does not: ${describeRefusal(refusal)}`,
    ways.join(', or '),
  )
}

/**
 * A provider may report what is wrong in the address of its own error page (Ory Hydra). A sign-in page may
 * also have an error in its address, which only says what it waits for.
 */
function explainErrorPage(
  { refusal, text }: Extract<AuthorizationAnswer, { outcome: 'sent to an error' }>,
  context: RefusalContext,
): Finding {
  const { redirectUri } = context.provider
  if (onlyUserIsMissing.has(refusal.error)) return sentElsewhere
  const cause = findCause(refusal, context, text)
  if (cause !== undefined) return cause
  const answer = describeRefusal(refusal)
  if (refusal.error === 'invalid_request') {
    return unclearRefusal(redirectUri, `an error page of its own: ${answer}`)
  }
  return unknown(
    redirectUriCheck,
    `the provider sends the browser to a page of its own, which says ${answer}`,
    'log in once to see it come back',
  )
}

/** An answer without a redirect is a page: an error, or a sign-in page in spite of `prompt=none`. */
function explainPage(
  { status, text }: Extract<AuthorizationAnswer, { outcome: 'page' }>,
  redirectUri: string,
): Finding {
  if (status < 300) {
    return unknown(
      redirectUriCheck,
      'the provider shows a page to every browser',
      'log in once to see it send the browser back',
    )
  }
  const answer = `status ${status}`
  if (status === 404 || status === 405) {
    return fail(
      'authorization endpoint',
      `it answers with ${answer}`,
      'correct OAUTH_AUTHORIZATION_ENDPOINT, or the provider has to fix its discovery document; or it does not know OIDC_CLIENT_ID',
    )
  }
  if (/redirect[_ ]ur[il]/i.test(text)) return unregisteredRedirectUri(redirectUri, answer)
  if (/client/i.test(text)) {
    return fail(
      'client',
      `the provider does not accept OIDC_CLIENT_ID: ${answer}`,
      'copy it again from the console of the provider',
    )
  }
  return unclearRefusal(redirectUri, `a page: ${answer}`)
}
