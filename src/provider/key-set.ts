import type { JSONWebKeySet } from 'jose'
import type { ProviderFetch } from './provider-fetch.ts'
import { createUnavailable } from './provider-unavailable.ts'

/** Whether an answer looks like a JWK Set (RFC 7517 5); jose judges the keys themselves. */
function isKeySet(value: unknown): value is JSONWebKeySet {
  return typeof value === 'object' && value !== null && 'keys' in value && Array.isArray(value.keys)
}

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
export async function fetchKeySet(fetch: ProviderFetch, uri: string): Promise<JSONWebKeySet> {
  const { status, body } = await fetchJson(fetch, uri)
  if (isKeySet(body)) return body
  throw createUnavailable(`JWKS: status ${status}, no key set`)
}
