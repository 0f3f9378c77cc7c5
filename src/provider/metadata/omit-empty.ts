import type * as client from 'openid-client'

/**
 * Metadata without empty members: some providers write `null` or "" for an endpoint that they do not have.
 */
export function omitEmpty(metadata: object): client.ServerMetadata {
  const given = Object.entries(metadata).filter(
    ([, value]) => value !== undefined && value !== null && value !== '',
  )
  return Object.fromEntries(given) as client.ServerMetadata & Record<string, never>
}
