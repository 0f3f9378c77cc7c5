import type { JSONWebKeySet, JWK } from 'jose'
import type { ProviderFetch } from '../transport/fetch.ts'
import { ProviderUnavailable, prefixReason, providerUnavailable } from '../transport/unavailable.ts'

/** The keys of an answer that looks like a JWK Set (RFC 7517 5). What is no key spoils only itself; jose judges the others. */
function toKeySet(value: unknown): JSONWebKeySet | undefined {
  const isSet = typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
  return isSet ? { keys: (value.keys as unknown[]).filter(isKey) } : undefined
}

const isKey = (value: unknown): value is JWK =>
  typeof value === 'object' && value !== null && 'kty' in value && typeof value.kty === 'string'

/** Fetches a document; undefined where it is no JSON, or the status is not 200. */
export async function fetchJson(
  fetch: ProviderFetch,
  url: string,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { headers: { accept: 'application/json' } })
  const { status } = response
  return { status, body: status === 200 ? await response.json().catch(() => undefined) : undefined }
}

/** @throws AppError `provider_unavailable` where no key set comes */
export async function fetchJwks(fetch: ProviderFetch, uri: string): Promise<JSONWebKeySet> {
  const { status, body } = await fetchJson(fetch, uri).catch((error: unknown) => {
    throw error instanceof ProviderUnavailable ? prefixReason(error, 'JWKS') : error
  })
  const keySet = toKeySet(body)
  if (keySet === undefined) throw providerUnavailable(`JWKS: status ${status}, no key set`)
  if (keySet.keys.length === 0) throw providerUnavailable('JWKS: the key set is empty')
  return keySet
}
