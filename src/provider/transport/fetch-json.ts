import type { ProviderFetch } from './fetch.ts'

/** Fetches a JSON document; its body is undefined where it is no JSON, or the status is not 200. */
export async function fetchJson(
  fetch: ProviderFetch,
  url: string,
): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, { headers: { accept: 'application/json' } })
  const { status } = response
  return { status, body: status === 200 ? await response.json().catch(() => undefined) : undefined }
}
