import * as client from 'openid-client'
import type { Clock } from '../../clock.ts'
import type { ProviderConfig } from '../../config/providers/provider-config.ts'
import { importSigningKey } from '../client/signing-key.ts'
import type { AuthorizationServer } from '../metadata/discovery.ts'

/** Signs the parameters of an authorization request; returns the request object (RFC 9101 4). */
export type SignRequest = (server: AuthorizationServer, parameters: URLSearchParams) => Promise<string>

/**
 * Seconds for which a request object is valid: the browser follows the address at once. FAPI 2.0 Message
 * Signing allows an hour, some profiles of it ten minutes.
 */
const requestLifetime = 5 * 60

/** Creates what signs one provider's authorization requests; undefined where they are not signed. */
export function createRequestSigning(
  { requestObjectKeys: [key] }: Pick<ProviderConfig, 'requestObjectKeys'>,
  clock: Clock,
): SignRequest | undefined {
  if (key === undefined) return undefined
  const { header, privateKey } = importSigningKey(key)

  return async (server, parameters) => {
    const now = Math.floor(clock.now() / 1000)
    const { searchParams } = await client.buildAuthorizationUrlWithJAR(
      server.configuration,
      parameters,
      await privateKey,
      {
        [client.modifyAssertion](own, claims) {
          // As registered at the provider: openid-client calls EdDSA by its newer name, Ed25519 (RFC 9864).
          Object.assign(own, header)
          Object.assign(claims, { iat: now, nbf: now, exp: now + requestLifetime })
        },
      },
    )
    return searchParams.get('request') ?? ''
  }
}
