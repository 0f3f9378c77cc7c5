import type { ProviderConfig } from '../../config/providers/provider-config.ts'

type Configured = Pick<ProviderConfig, 'authorizationParams'>

/**
 * Adds the configured parameters to those of one request. Where both have a parameter, the request's own is
 * sent; undefined ones are omitted.
 */
export function withConfiguredParameters(
  { authorizationParams }: Configured,
  own: Readonly<Record<string, string | undefined>>,
): URLSearchParams {
  const parameters = new URLSearchParams(authorizationParams.map(([name, value]) => [name, value]))
  for (const [name, value] of Object.entries(own)) {
    if (value !== undefined) parameters.set(name, value)
  }
  return parameters
}

/**
 * The configured parameters that token requests repeat: which APIs the access token is for (RFC 8707 2.2).
 */
export function toResourceParameters({ authorizationParams }: Configured): URLSearchParams {
  const resources = authorizationParams.filter(([name]) => name === 'resource')
  return new URLSearchParams(resources.map(([name, value]) => [name, value]))
}
