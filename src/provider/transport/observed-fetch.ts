import type { Observer, ProviderEndpoint } from '../../telemetry/observer.ts'
import type { ProviderFetch, ProviderRequest } from './fetch.ts'
import { type Outage, ProviderUnavailable } from './unavailable.ts'

/** Returns a fetch whose calls are observed. */
export function observeFetch(
  fetch: ProviderFetch,
  provider: string,
  observer: Pick<Observer, 'providerCall'>,
): ProviderFetch {
  return async (url, request) => {
    const startedAt = performance.now()
    const { method = 'GET' } = request
    const origin = URL.parse(url)?.origin
    const observe = (outcome: string, status?: number) =>
      observer.providerCall({
        ...{ provider, endpoint: toEndpoint(url, request), method, origin, status, outcome },
        ...{ startedAt, endedAt: performance.now() },
      })
    try {
      const response = await fetch(url, request)
      observe(response.status >= 400 ? 'refused' : 'ok', response.status)
      return response
    } catch (error) {
      const outage: Outage = error instanceof ProviderUnavailable ? error.outage : 'unusable-answer'
      observe(outage.replace('-', '_'))
      throw error
    }
  }
}

/** What a request is for. Its form says so: openid-client makes all of its calls by one function. */
export function toEndpoint(url: string, { method, headers, body }: ProviderRequest): ProviderEndpoint {
  if (method === 'POST' && body instanceof URLSearchParams) {
    // A signed request is in one parameter (RFC 9126 3).
    if (body.has('response_type') || body.has('request')) return 'par'
    return body.has('grant_type') ? 'token' : 'revocation'
  }
  if (headers !== undefined && 'authorization' in headers) return 'userinfo'
  return /\/\.well-known\/(openid-configuration|oauth-authorization-server)/.test(url) ? 'discovery' : 'jwks'
}
