import type { JSONWebKeySet, JWK } from 'jose'
import type { Discovery } from '../metadata/discovery.ts'
import type { ProviderFetch } from '../transport/fetch.ts'
import { fetchJson } from '../transport/fetch-json.ts'
import { ProviderUnavailable, prefixReason, providerUnavailable } from '../transport/unavailable.ts'

/**
 * Fetches a JWK Set (RFC 7517 5).
 *
 * @throws AppError `provider_unavailable` where the response is no key set, or an empty one
 */
export async function fetchJwks(fetch: ProviderFetch, uri: string): Promise<JSONWebKeySet> {
  const { status, body } = await fetchJson(fetch, uri).catch((error: unknown) => {
    throw error instanceof ProviderUnavailable ? prefixReason(error, 'JWKS') : error
  })
  const keySet = toKeySet(body)
  if (keySet === undefined) throw providerUnavailable(`JWKS: status ${status}, no key set`)
  if (keySet.keys.length === 0) throw providerUnavailable('JWKS: the key set is empty')
  return keySet
}

/** Creates what fetches the keys that the metadata of one provider names; throws as `fetchJwks` does. */
export function createKeysFetch(discovery: Pick<Discovery, 'server'>, fetch: ProviderFetch) {
  return async (): Promise<JSONWebKeySet> => {
    const { metadata } = await discovery.server()
    if (metadata.jwks_uri === undefined) throw providerUnavailable('JWKS: none is known (OAUTH_JWKS_URI)')
    return fetchJwks(fetch, metadata.jwks_uri)
  }
}

/** The key set in a body, without malformed entries: one of them must not disable the others. */
function toKeySet(body: unknown): JSONWebKeySet | undefined {
  const isSet = typeof body === 'object' && body !== null && 'keys' in body && Array.isArray(body.keys)
  return isSet ? { keys: (body.keys as unknown[]).filter(isKey) } : undefined
}

const isKey = (value: unknown): value is JWK =>
  typeof value === 'object' && value !== null && 'kty' in value && typeof value.kty === 'string'
