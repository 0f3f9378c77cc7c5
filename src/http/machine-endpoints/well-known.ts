import type { RequestHandler } from 'express'
import { dpopAlgorithms } from '../../app-token/dpop-proof.ts'
import type { KeyRing } from '../../app-token/key-ring.ts'
import { publicKeysLifetime } from '../../app-token/key-schedule.ts'
import { toPublicMembers } from '../../app-token/signing-key.ts'
import type { Config } from '../../config/config.ts'

/** Resource servers may cache these documents for a while: a key is published long before it signs. */
const cacheable = `public, max-age=${publicKeysLifetime / 1000}`

/** GET /.well-known/jwks.json: the public keys of the app token (RFC 7517 5). */
export function createJwksHandler(keyRing: KeyRing): RequestHandler {
  return async (_req, res) => {
    const keys = await keyRing.publicKeys()
    res.set('Cache-Control', cacheable).json(keys)
  }
}

/**
 * GET /.well-known/client-jwks.json: the public keys of OIDC_CLIENT_KEY, for providers that fetch them from
 * this address (`jwks_uri`).
 */
export function createClientJwksHandler({ providers }: Config): RequestHandler {
  const all = providers.flatMap(({ clientAuth, requestObjectKeys }) => [
    ...(clientAuth.method === 'private_key_jwt' ? clientAuth.keys : []),
    ...requestObjectKeys,
  ])
  const published = all.map((jwk) => ({ ...toPublicMembers(jwk), kid: jwk.kid, alg: jwk.alg, use: 'sig' }))
  // One key may serve two ends, and several providers.
  const keys = [...new Map(published.map((jwk) => [JSON.stringify(jwk), jwk])).values()]
  return (_req, res) => void res.set('Cache-Control', cacheable).json({ keys })
}

/** GET /.well-known/oauth-authorization-server: lets ordinary JWT middleware configure itself (RFC 8414). */
export function createMetadataHandler(config: Config): RequestHandler {
  const metadata = toMetadata(config)
  return (_req, res) => void res.set('Cache-Control', cacheable).json(metadata)
}

/**
 * GET /.well-known/openid-configuration: the same for middleware that looks only there (OpenID Connect
 * Discovery 1.0, 4). This server is no OpenID provider: it has no authorization endpoint and issues no ID
 * tokens. But that middleware reads the algorithms of all tokens from the member that is named after ID
 * tokens, and takes RS256 for the only one without it.
 */
export function createOpenidConfigurationHandler(config: Config, keyRing: KeyRing): RequestHandler {
  const metadata = { ...toMetadata(config), subject_types_supported: ['public'] }
  const { keys: own, alg } = config.appToken
  return async (_req, res) => {
    const published = (await keyRing.publicKeys()).keys.map((key) => key.alg)
    // Before its first key is published, the configured algorithm is named already: some read this only once.
    const algorithms = own === undefined ? [alg, ...published] : published
    res
      .set('Cache-Control', cacheable)
      .json({ ...metadata, id_token_signing_alg_values_supported: [...new Set(algorithms)] })
  }
}

/** What both documents say. */
function toMetadata({ publicUrl, apiUrl, providers, introspectionClients, tokenBinding }: Config) {
  const introspection = {
    introspection_endpoint: `${apiUrl}/introspect`,
    introspection_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
  }
  return {
    issuer: publicUrl,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    scopes_supported: [...new Set(providers.flatMap(({ scopes }) => scopes))],
    // Empty: app tokens are issued for sessions, and no endpoint accepts a grant.
    response_types_supported: [],
    grant_types_supported: [],
    ...(tokenBinding.mode === 'none' ? {} : { dpop_signing_alg_values_supported: dpopAlgorithms }),
    ...(introspectionClients.size === 0 ? {} : introspection),
  }
}
