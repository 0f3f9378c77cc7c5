import type { Problem } from '../../config-error.ts'
import { isPostedMode } from '../provider-config.ts'
import type { ProviderValues } from '../provider-from-settings.ts'
import type { ProviderContext } from './cross-check-types.ts'

/** The redirect URI lies where a page may call this server. */
export function redirectUriIsAllowed(
  { OIDC_REDIRECT_URI: redirectUri }: ProviderValues,
  { allowedOrigins }: ProviderContext,
): Problem | undefined {
  return redirectUri === undefined ||
    allowedOrigins.length === 0 ||
    allowedOrigins.includes(new URL(redirectUri).origin)
    ? undefined
    : { variable: 'OIDC_REDIRECT_URI', problem: 'must lie on PUBLIC_URL or on one of SPA_ORIGINS' }
}

/** Below API_PREFIX, this server has an endpoint for authorization responses only at these two paths. */
export function redirectUriIsACallback(
  { OIDC_REDIRECT_URI: redirectUri }: ProviderValues,
  { apiUrl, name }: ProviderContext,
): Problem | undefined {
  if (redirectUri === undefined || apiUrl === undefined) return undefined
  const own = `${new URL(apiUrl).pathname}/`
  const callbacks = [`${own}callback`, `${own}callback/${name}`]
  return isOnTheSpa(redirectUri, apiUrl) || callbacks.includes(new URL(redirectUri).pathname)
    ? undefined
    : { variable: 'OIDC_REDIRECT_URI', problem: `must be ${callbacks.join(' or ')} below ${own}` }
}

/** Whether a redirect URI is a page of the SPA, and not below API_PREFIX of this server. */
function isOnTheSpa(redirectUri: string, apiUrl: string): boolean {
  const { origin, pathname } = new URL(redirectUri)
  const own = new URL(`${apiUrl}/`)
  return origin !== own.origin || !pathname.startsWith(own.pathname)
}

/** A page of the SPA is a file, which no script can read a POST from. */
export function postedAnswerReachesThisServer(
  { OIDC_REDIRECT_URI: redirectUri, OIDC_RESPONSE_MODE: mode }: ProviderValues,
  { apiUrl }: ProviderContext,
): Problem | undefined {
  if (mode === undefined || !isPostedMode(mode)) return undefined
  if (redirectUri === undefined || apiUrl === undefined) return undefined
  return isOnTheSpa(redirectUri, apiUrl)
    ? {
        variable: 'OIDC_RESPONSE_MODE',
        problem: `is ${mode}, but a page of the app (OIDC_REDIRECT_URI) cannot read what is posted to it: remove OIDC_REDIRECT_URI, so that the provider posts to this server`,
        isSurplus: true,
      }
    : undefined
}
