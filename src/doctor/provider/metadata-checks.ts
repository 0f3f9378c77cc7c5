import { letParChoose, turnOnPkce } from '../../advice/remedies.ts'
import { isOktaCustomServer, isOktaHost } from '../../config/providers/okta.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { requiresPar } from '../../provider/metadata/capabilities.ts'
import { type Finding, fail, pass, unknown, warn } from '../finding.ts'
import { formatList, readList, type ServerMetadata } from '../server-metadata.ts'
import { checkRequestObject, checkResponseMode } from './message-signing-checks.ts'
import { checkScopes } from './scope-checks.ts'
import { checkAccessToken, checkAudiences, checkIdTokenAlg, checkUnverifiedIdToken } from './token-checks.ts'

/**
 * All checks of the metadata. For a plain OAuth 2.0 provider, its configuration takes the place of the
 * metadata.
 */
export function checkMetadata(metadata: ServerMetadata, provider: ProviderConfig): Finding[] {
  return metadataChecks.flatMap((check) => check(metadata, provider) ?? [])
}

/**
 * Compares what a provider publishes about itself with its configuration; returns nothing where it does not
 * apply.
 */
type MetadataCheck = (metadata: ServerMetadata, provider: ProviderConfig) => Finding | Finding[] | undefined

const metadataChecks: readonly MetadataCheck[] = [
  checkResponseTypes,
  checkGrantTypes,
  checkPkce,
  checkOktaAssertionAudience,
  checkScopes,
  checkPar,
  checkRequestObject,
  checkResponseMode,
  checkDpop,
  checkIdTokenAlg,
  checkUnverifiedIdToken,
  checkAudiences,
  checkAccessToken,
  checkSignUp,
]

function checkResponseTypes(metadata: ServerMetadata): Finding | undefined {
  const offered = readList(metadata, 'response_types_supported')
  if (offered === undefined) return undefined
  if (offered.includes('code')) return pass('response type', 'code')
  return fail(
    'response type',
    `the provider offers ${formatList(offered)}, not code`,
    'the provider has to allow the authorization code flow',
  )
}

function checkGrantTypes(metadata: ServerMetadata, { scopes }: ProviderConfig): Finding | undefined {
  const offered = readList(metadata, 'grant_types_supported')
  if (offered === undefined) return undefined
  if (!offered.includes('authorization_code')) {
    return fail(
      'grant types',
      `the provider offers ${formatList(offered)}`,
      'the provider has to allow authorization_code',
    )
  }
  if (scopes.includes('offline_access') && !offered.includes('refresh_token')) {
    return warn(
      'grant types',
      'offline_access is requested, but the provider has no refresh tokens',
      'allow refresh_token at the provider, or drop offline_access from OIDC_SCOPES',
    )
  }
  return pass('grant types', 'authorization_code and everything else that is needed')
}

function checkPkce(metadata: ServerMetadata, provider: ProviderConfig): Finding {
  const offered = readList(metadata, 'code_challenge_methods_supported')
  if (!provider.pkce) {
    return offered?.includes('S256')
      ? fail('PKCE', 'it is off, although the provider offers S256', turnOnPkce)
      : warn(
          'PKCE',
          'it is off: the state is the only defence against injected codes',
          `turn on PKCE at the provider, and ${turnOnPkce}`,
        )
  }
  if (offered?.includes('S256')) return pass('PKCE', 'S256')
  if (offered === undefined) {
    return unknown(
      'PKCE',
      'the provider does not say whether it takes S256',
      'log in once; most providers without PKCE ignore it',
    )
  }
  return fail(
    'PKCE',
    `the provider offers ${formatList(offered)}, not S256`,
    'turn on S256 at the provider, or set OIDC_PKCE=off with a client secret',
  )
}

function checkOktaAssertionAudience(
  _metadata: ServerMetadata,
  { clientAuth, issuer }: ProviderConfig,
): Finding | undefined {
  const isOkta = isOktaCustomServer(issuer) || isOktaHost(issuer)
  if (clientAuth.method !== 'private_key_jwt' || clientAuth.audience === 'endpoint' || !isOkta)
    return undefined
  return warn(
    'client authentication',
    'this looks like Okta, where the audience of assertions must be the address of the endpoint',
    'set OIDC_CLIENT_ASSERTION_AUDIENCE=endpoint',
  )
}

function checkPar(metadata: ServerMetadata, provider: ProviderConfig): Finding | undefined {
  const isOffered = metadata.pushed_authorization_request_endpoint !== undefined
  const isRequired = requiresPar({ metadata })
  if (isRequired && provider.par === 'off') {
    return fail('PAR', 'the provider requires pushed requests, but OIDC_PAR=off', letParChoose)
  }
  // Where it is not off, `checkAuthorization` tries whether the provider accepts pushed requests.
  return isOffered && provider.par === 'off' ? pass('PAR', 'offered, and off by OIDC_PAR') : undefined
}

function checkDpop(metadata: ServerMetadata, provider: ProviderConfig): Finding | undefined {
  const offered = readList(metadata, 'dpop_signing_alg_values_supported')
  if (offered === undefined || offered.length === 0) return undefined
  if (provider.dpop === 'off') {
    return unknown(
      'DPoP',
      'offered, and off by OIDC_DPOP: a client that must use it is refused',
      'set OIDC_DPOP=auto if this client must use it',
    )
  }
  if (offered.includes('ES256'))
    return pass('DPoP', 'offered (ES256): tokens are bound to a key of this server')
  return warn(
    'DPoP',
    `the provider takes proofs by ${formatList(offered)}, but ours are ES256: tokens are not bound`,
    'configure the provider to take ES256',
  )
}

/** Initiating User Registration via OpenID Connect 1.0, 4. */
function checkSignUp(metadata: ServerMetadata): Finding | undefined {
  const offered = readList(metadata, 'prompt_values_supported')
  if (offered === undefined) return undefined
  const isOffered = offered.includes('create')
  return pass('sign-up', isOffered ? 'prompt=create is offered' : 'not offered: no prompt=create')
}
