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
  const given = Object.entries(own).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const isGiven = (name: string) => given.some(([other]) => other === name)
  const configured = authorizationParams.filter(([name]) => !isGiven(name))
  return new URLSearchParams([
    ...given,
    ...configured.map(([name, value]): [string, string] => [name, value]),
  ])
}

/**
 * The configured parameters that token requests repeat: which APIs the access token is for (RFC 8707 2.2).
 */
export function toResourceParameters({ authorizationParams }: Configured): URLSearchParams {
  const resources = authorizationParams.filter(([name]) => name === 'resource')
  return new URLSearchParams(resources.map(([name, value]) => [name, value]))
}
