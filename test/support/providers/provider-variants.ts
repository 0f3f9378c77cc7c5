import { createDemoClient, type DemoClient, type DemoClientAuth } from '../../../demo/provider/clients.ts'
import { type VariantName, type VariantOptions, variants } from '../../../demo/provider/variants.ts'
import type { TestCertificate } from '../network/certificate.ts'
import { publicUrl } from '../portico.ts'
import type { ProviderVariantOptions } from '../processes/provider-variant.ts'
import { startProcess } from '../processes/start-process.ts'

/** Every way to authenticate that Portico knows. */
export type ClientAuthName = DemoClientAuth | 'tls_client_auth'

/** The certificates that a provider and its client present to each other. */
export interface MutualTls {
  server: TestCertificate
  client: TestCertificate
}

async function createClient(
  variant: VariantName,
  auth: ClientAuthName,
  { client }: MutualTls,
): Promise<DemoClient> {
  const redirectUris = [`${publicUrl}/api/callback`]
  if (auth !== 'tls_client_auth') return createDemoClient(auth, redirectUris)
  const { metadata, settings } = await createDemoClient('none', redirectUris)
  return {
    metadata: {
      ...metadata,
      token_endpoint_auth_method: auth,
      tls_client_auth_subject_dn: 'CN=portico-demo',
      // The FAPI 2.0 provider binds tokens to the DPoP key instead.
      tls_client_certificate_bound_access_tokens: variant !== 'fapi2',
    },
    settings: {
      ...settings,
      OIDC_CLIENT_AUTH: auth,
      OIDC_CLIENT_CERT: client.certificate,
      OIDC_CLIENT_CERT_KEY: client.key,
    },
  }
}

/**
 * Starts a variant of the demo's provider in its own process, with one client; returns the settings of
 * Portico for it.
 */
export async function startProviderVariant(
  variant: VariantName,
  auth: ClientAuthName,
  certificates: MutualTls,
  options: VariantOptions & Pick<ProviderVariantOptions, 'thin' | 'printsCallers'> = {},
) {
  const client = await createClient(variant, auth, certificates)
  const handed: ProviderVariantOptions = {
    variant,
    ...options,
    clients: [{ ...client.metadata, post_logout_redirect_uris: [`${publicUrl}/api/logout/callback`] }],
    accessTokenLifetime: 20,
    ...(auth === 'tls_client_auth' ? { tls: certificates } : {}),
  }
  const process = startProcess('test/support/processes/provider-variant.ts', [], {
    OPTIONS: JSON.stringify(handed),
  })
  const origin = await process.line(/^https?:/)
  return {
    origin,
    process,
    settings: { ...variants[variant].toSettings(origin), ...client.settings },
    close: () => process.stop('SIGKILL'),
  }
}
