import {
  allowCodeFlow,
  allowResource,
  chooseResponseMode,
  defineScope,
  letParChoose,
  readProviderLog,
  registerRedirectUri,
  registerRequestKey,
  signRequests,
  turnOnPkce,
} from '../../advice/remedies.ts'
import { requiresPar } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail } from '../finding.ts'
import { describeRefusal, explainDpopRefusal, isAboutDpop, isUnrecognised, skipped } from './refusals.ts'

/** The name of the check that most findings about the authorization request belong to. */
export const redirectUriCheck = 'redirect URI'

/** What it takes to explain a refusal of the authorization request. */
export interface RefusalContext extends Examination {
  server: AuthorizationServer
  /** The checks that failed before: what only follows from them is not a second failure. */
  failed: ReadonlySet<string>
}

/**
 * The finding for a refusal that only follows from a failure that was reported before; undefined for any
 * other.
 */
export function findConsequence(refusal: ProbeRefusal, { failed }: RefusalContext): Finding | undefined {
  const isAboutClient = isUnrecognised(refusal) || refusal.error === 'unauthorized_client'
  if (isAboutClient && failed.has('client authentication')) {
    return skipped(
      redirectUriCheck,
      `the provider refuses this client (${describeRefusal(refusal)})`,
      'client authentication',
    )
  }
  if (isAboutDpop(refusal) && failed.has('DPoP')) {
    return skipped(redirectUriCheck, `the provider requires DPoP (${describeRefusal(refusal)})`, 'DPoP')
  }
  return undefined
}

/** The finding for a request that was understood, and refused for another reason than the missing user. */
export const explainRefusal = (refusal: ProbeRefusal, context: RefusalContext): Finding =>
  findCause(refusal, context) ?? fail('authorization request', toMessage(refusal), readProviderLog)

/** The cause of a refusal, where the words of the provider show it; `text` is all of them. */
export function findCause(
  refusal: ProbeRefusal,
  { provider, server }: RefusalContext,
  text = `${refusal.error} ${refusal.description}`,
): Finding | undefined {
  const message = toMessage(refusal)
  if (refusal.error === 'malformed') {
    return fail(
      'PAR',
      `the endpoint for pushed requests answers with something else: ${describeRefusal(refusal)}`,
      requiresPar(server)
        ? 'the provider has to fix it: it accepts only pushed requests'
        : 'the provider has to fix it; or set OIDC_PAR=off',
    )
  }
  if (refusal.error === 'invalid_target') {
    return fail('resource', message, allowResource)
  }
  if (/request[ _]object/i.test(text)) {
    const isSigned = provider.requestObjectKeys.length > 0
    return fail('request object', message, isSigned ? registerRequestKey : signRequests)
  }
  if (/response_mode/.test(text)) return fail('response mode', message, chooseResponseMode)
  if (/redirect_uri/.test(text))
    return unregisteredRedirectUri(provider.redirectUri, describeRefusal(refusal))
  if (/scope/.test(text)) {
    return fail('scopes', message, defineScope)
  }
  if (isAboutDpop(refusal)) return explainDpopRefusal(refusal, provider, server)
  if (/pushed|request_uri/i.test(text)) return fail('PAR', message, letParChoose)
  if (/code_challenge|PKCE/i.test(text)) return fail('PKCE', message, turnOnPkce)
  if (/invalid_client|unauthorized_client/.test(text)) {
    return fail('client', message, allowCodeFlow)
  }
  return undefined
}

/** The finding for a provider that does not send the browser back to the redirect URI. */
export const unregisteredRedirectUri = (redirectUri: string, answer: string): Finding =>
  fail(redirectUriCheck, `the provider does not know ${redirectUri}: ${answer}`, registerRedirectUri)

/**
 * The finding for a refusal that the provider shows only to the user. It does that where the client id or the
 * redirect URI is wrong (RFC 6749 4.1.2.1).
 */
export const unclearRefusal = (redirectUri: string, page: string): Finding =>
  fail(
    redirectUriCheck,
    `the provider refuses our authorization request with ${page}`,
    `check OIDC_CLIENT_ID, and that exactly ${redirectUri} is registered for it`,
  )

const toMessage = (refusal: ProbeRefusal) =>
  `the provider refuses our authorization request: ${describeRefusal(refusal)}`
