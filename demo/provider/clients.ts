import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import type { ClientMetadata } from 'oidc-provider'

/** One way for a client to authenticate: how the provider knows it, and the settings of Portico for it. */
export interface DemoClient {
  metadata: ClientMetadata
  settings: Record<string, string>
}

/** The ways that need only a secret or a key, which the demo makes itself. */
export type DemoClientAuth =
  | 'none'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'private_key_jwt ES256'
  | 'private_key_jwt RS256'
  | 'private_key_jwt EdDSA'

/** A client without credentials. */
const createMetadata = (redirectUris: string[]): ClientMetadata => ({
  client_id: 'portico-demo',
  redirect_uris: redirectUris,
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
})

/** Makes a client with fresh credentials. */
export async function createDemoClient(auth: DemoClientAuth, redirectUris: string[]): Promise<DemoClient> {
  const [method = '', alg] = auth.split(' ')
  const metadata = { ...createMetadata(redirectUris), token_endpoint_auth_method: method as 'none' }
  const settings = { OIDC_CLIENT_ID: metadata.client_id, OIDC_CLIENT_AUTH: method }
  if (alg !== undefined) {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
    const [privateJwk, publicJwk] = await Promise.all([exportJWK(privateKey), exportJWK(publicKey)])
    const kid = 'portico-demo-1'
    return {
      metadata: { ...metadata, jwks: { keys: [{ ...publicJwk, kty: publicJwk.kty ?? '', kid, alg }] } },
      settings: { ...settings, OIDC_CLIENT_KEY: JSON.stringify({ ...privateJwk, kid, alg }) },
    }
  }
  if (method === 'none') return { metadata, settings }
  const secret = randomBytes(32).toString('base64url')
  return {
    metadata: { ...metadata, client_secret: secret },
    settings: { ...settings, OIDC_CLIENT_SECRET: secret },
  }
}
