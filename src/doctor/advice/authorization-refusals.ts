import { requiresPar } from '../../provider/metadata/capabilities.ts'
import type { AuthorizationServer } from '../../provider/metadata/discovery.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import { type Finding, fail } from '../finding.ts'
import type { Examination } from '../provider-checks.ts'
import { isAboutDpop, isUnrecognised, notTried, tellRefusal, toDpopRefused } from './refusals.ts'

/** What most findings about the authorization request are about. */
export const check = 'redirect URI'

/** Where the request was refused, and what was found before. */
export interface Circumstances extends Examination {
  found: AuthorizationServer
  /** The checks that failed already: what only follows from them is not told again. */
  failed: ReadonlySet<string>
}

/** What only follows from a failure that is told already. */
export function toFollowing(refusal: ProbeRefusal, { failed }: Circumstances): Finding | undefined {
  const isAboutClient = isUnrecognised(refusal) || refusal.error === 'unauthorized_client'
  if (isAboutClient && failed.has('client authentication')) {
    return notTried(
      check,
      `the provider refuses this client (${tellRefusal(refusal)})`,
      'client authentication',
    )
  }
  if (isAboutDpop(refusal) && failed.has('DPoP')) {
    return notTried(check, `the provider wants DPoP (${tellRefusal(refusal)})`, 'DPoP')
  }
  return undefined
}

/** The request was understood, and refused for something else than the missing person. */
export const toRefused = (refusal: ProbeRefusal, circumstances: Circumstances): Finding =>
  findReason(refusal, circumstances) ??
  fail('authorization request', toSays(refusal), 'look for this error in the log of the provider')

const toSays = (refusal: ProbeRefusal) =>
  `the provider refuses our authorization request: ${tellRefusal(refusal)}`

/** What a refusal is about, where its words tell; `text` is all of them. */
export function findReason(
  refusal: ProbeRefusal,
  { provider, found }: Circumstances,
  text = `${refusal.error} ${refusal.description}`,
): Finding | undefined {
  const message = toSays(refusal)
  if (refusal.error === 'malformed') {
    return fail(
      'PAR',
      `the endpoint for pushed requests answers with something else: ${tellRefusal(refusal)}`,
      requiresPar(found)
        ? 'let the provider mend it: it takes no others'
        : 'let the provider mend it, or set OIDC_PAR=off',
    )
  }
  if (refusal.error === 'invalid_target') {
    return fail(
      'resource',
      message,
      'let the provider know this resource for this client, or mend resource in OIDC_AUTHORIZATION_PARAMS',
    )
  }
  if (/redirect_uri/.test(text)) return toUnregistered(provider.redirectUri, tellRefusal(refusal))
  if (/scope/.test(text)) {
    return fail(
      'scopes',
      message,
      'define the scope at the provider for this client, or drop it from OIDC_SCOPES',
    )
  }
  if (isAboutDpop(refusal)) return toDpopRefused(refusal, provider, found)
  if (/pushed|request_uri/i.test(text)) return fail('PAR', message, 'set OIDC_PAR=auto')
  if (/code_challenge|PKCE/i.test(text)) return fail('PKCE', message, 'set OIDC_PKCE=on')
  if (/invalid_client|unauthorized_client/.test(text)) {
    return fail(
      'client',
      message,
      'allow this client the authorization code flow at the provider, and check OIDC_CLIENT_ID',
    )
  }
  return undefined
}

/** The provider does not send the browser to us. */
export const toUnregistered = (redirectUri: string, told: string): Finding =>
  fail(
    check,
    `the provider does not know ${redirectUri}: ${told}`,
    'register exactly this URI for the client at the provider, or mend OIDC_REDIRECT_URI',
  )

/** What a provider does not tell the client about may be the client, or where its answers go (RFC 6749 4.1.2.1). */
export const toUnclear = (redirectUri: string, page: string): Finding =>
  fail(
    check,
    `the provider refuses our authorization request with ${page}`,
    `check OIDC_CLIENT_ID, and that exactly ${redirectUri} is registered for it`,
  )
