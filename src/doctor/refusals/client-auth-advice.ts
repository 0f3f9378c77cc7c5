import { copyCredentials } from '../../advice/remedies.ts'
import type { AssertionAudience, ClientAuth, ProviderConfig } from '../../config/providers/provider-config.ts'
import type { ProviderProbe } from '../../provider/probe/probe.ts'
import type { ProbeRefusal } from '../../provider/probe/probe-refusal.ts'
import type { Examination } from '../examination.ts'
import { type Finding, fail } from '../finding.ts'
import { formatList, readList, type ServerMetadata } from '../server-metadata.ts'
import { describeRefusal, isUnrecognised } from './refusals.ts'

/** The finding for a client that the provider does not recognise: why, and what to do. */
export async function explainUnrecognised(
  examination: Examination,
  refusal: ProbeRefusal,
  unlisted: UnlistedMethod | undefined,
  options: { mustRevoke?: boolean } = {},
): Promise<Finding> {
  const { method } = examination.provider.clientAuth
  const message = `the provider does not recognise this client by ${method}: ${describeRefusal(refusal)}`
  const alternative = await findAlternative(examination, options)
  if (alternative !== undefined) return fail('client authentication', message, alternative)
  const fix = await adviseCredentials(examination, refusal)
  if (unlisted === undefined) return fail('client authentication', message, fix)
  return fail('client authentication', `${message}; ${unlisted.message}`, `${unlisted.fix}; or ${fix}`)
}

/**
 * Tries the other ways to authenticate, and returns the setting for the best one that the provider
 * recognises: one that can also revoke tokens if there is any, otherwise the first one, unless `mustRevoke`
 * excludes it.
 */
export async function findAlternative(
  { provider, probeAs }: Examination,
  { mustRevoke = false } = {},
): Promise<string | undefined> {
  let first: string | undefined
  for (const { change, fix } of toAlternatives(provider.clientAuth)) {
    const probe = probeAs(change)
    if (!(await isRecognised(probe))) continue
    if (await mayRevoke(probe)) return fix
    first ??= fix
  }
  return mustRevoke ? undefined : first
}

/** How the provider gets the key that verifies our assertions. If it fetches the key, Portico has to run. */
export async function adviseKeys({ config: { publicUrl }, isServed }: Examination): Promise<string> {
  const jwksUri = `${publicUrl}/.well-known/client-jwks.json`
  const register = `check OIDC_CLIENT_ID, and register the public half of OIDC_CLIENT_KEY at the provider: GET ${jwksUri} shows it`
  return (await isServed)
    ? `${register}, and a provider that fetches keys (jwks_uri) must reach it`
    : `${register}; a provider that fetches keys there (jwks_uri) gets none before Portico runs: start it, and try again`
}

/** The client's authentication method, or its algorithm, is not in the provider's list. */
export interface UnlistedMethod {
  message: string
  fix: string
  /** False for `none`: providers omit it although they have public clients. */
  isCertain: boolean
}

/**
 * Finds out whether the metadata omits the client's authentication method or algorithm (RFC 8414 2). That is
 * no proof by itself: Keycloak and Spring omit `none`, and have public clients.
 */
export function findUnlistedMethod(
  metadata: ServerMetadata,
  { clientAuth }: ProviderConfig,
): UnlistedMethod | undefined {
  // A secret that the client signs itself is sent like any other.
  const method = clientAuth.method === 'apple_client_secret' ? 'client_secret_post' : clientAuth.method
  const methods = readList(metadata, 'token_endpoint_auth_methods_supported')
  if (methods !== undefined && !methods.includes(method)) {
    return {
      message: `its metadata lists ${formatList(methods)}, not ${method}`,
      fix: 'set OIDC_CLIENT_AUTH to one that it lists, with its credentials',
      isCertain: method !== 'none',
    }
  }
  const algs = readList(metadata, 'token_endpoint_auth_signing_alg_values_supported')
  const alg = clientAuth.method === 'private_key_jwt' ? clientAuth.keys[0]?.alg : undefined
  if (alg === undefined || algs === undefined || algs.includes(alg)) return undefined
  return {
    message: `its metadata lists ${formatList(algs)} for assertions, not ${alg}`,
    fix: 'put a key for one that it lists into OIDC_CLIENT_KEY',
    isCertain: true,
  }
}

/** Another way for the client to authenticate, and the setting that chooses it. */
interface Alternative {
  change: Partial<ProviderConfig>
  fix: string
}

const audiences: readonly AssertionAudience[] = ['issuer', 'endpoint', 'token_endpoint']

/** The other ways to authenticate with the configured credentials. */
function toAlternatives(auth: ClientAuth): Alternative[] {
  switch (auth.method) {
    case 'client_secret_basic':
    case 'client_secret_post': {
      const method = auth.method === 'client_secret_basic' ? 'client_secret_post' : 'client_secret_basic'
      return [
        { change: { clientAuth: { ...auth, method } }, fix: `set OIDC_CLIENT_AUTH=${method}` },
        {
          change: { clientAuth: { method: 'none' } },
          fix: 'the provider has this as a public client: drop OIDC_CLIENT_SECRET, or make it a confidential client there',
        },
      ]
    }
    case 'private_key_jwt':
      return [
        ...audiences
          .filter((audience) => audience !== auth.audience)
          .map((audience) => ({
            change: { clientAuth: { ...auth, audience } },
            fix: `set OIDC_CLIENT_ASSERTION_AUDIENCE=${audience}`,
          })),
        ...auth.keys.slice(1).map((key, index) => ({
          change: { clientAuth: { ...auth, keys: [key] } },
          fix: `the provider knows key number ${index + 2} of OIDC_CLIENT_KEY: move it to the front`,
        })),
      ]
    default:
      return []
  }
}

/** Whether the provider recognises the client of a probe. No answer counts as no. */
const isRecognised = (probe: ProviderProbe): Promise<boolean> =>
  probe.tryCode().then(
    ({ error }) => error === 'invalid_grant',
    () => false,
  )

async function mayRevoke(probe: ProviderProbe): Promise<boolean> {
  const { metadata } = await probe.discover()
  if (metadata.revocation_endpoint === undefined) return true
  return probe.tryRevocation().then(
    (refusal) => refusal === undefined || !isUnrecognised(refusal),
    () => true,
  )
}

async function adviseCredentials(examination: Examination, { description }: ProbeRefusal): Promise<string> {
  const { method } = examination.provider.clientAuth
  // Keycloak names the parameter that is missing.
  if (method !== 'private_key_jwt' && /client_assertion/.test(description)) {
    return 'the provider wants a signed assertion: set OIDC_CLIENT_KEY in place of the secret, or give this client a secret there'
  }
  switch (method) {
    case 'none':
      return 'check OIDC_CLIENT_ID; make it a public client with PKCE at the provider, or set the OIDC_CLIENT_SECRET that it has there'
    case 'client_secret_basic':
    case 'client_secret_post':
      return copyCredentials
    case 'private_key_jwt':
      return adviseKeys(examination)
    case 'tls_client_auth':
      return 'check OIDC_CLIENT_ID, and register the subject of OIDC_CLIENT_CERT at the provider'
    case 'apple_client_secret':
      return 'check OIDC_CLIENT_ID (the Services ID), OIDC_APPLE_TEAM_ID, and that OIDC_CLIENT_KEY_ID is the Key ID of OIDC_CLIENT_KEY, which Apple has not revoked'
  }
}
