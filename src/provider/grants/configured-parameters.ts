import type { ProviderConfig } from '../../config/providers/provider-config.ts'

type Configured = Pick<ProviderConfig, 'authorizationParams'>

/** Lays the parameters of one request over the configured ones: of a name that both have, the request's own is sent. */
export function withConfiguredParameters(
  { authorizationParams }: Configured,
  own: Readonly<Record<string, string>>,
): URLSearchParams {
  const parameters = new URLSearchParams(authorizationParams.map(([name, value]) => [name, value]))
  for (const [name, value] of Object.entries(own)) parameters.set(name, value)
  return parameters
}

/** What token requests repeat of the authorization request: which APIs the access token is for (RFC 8707 2.2). */
export function toResourceParameters({ authorizationParams }: Configured): URLSearchParams {
  const resources = authorizationParams.filter(([name]) => name === 'resource')
  return new URLSearchParams(resources.map(([name, value]) => [name, value]))
}
