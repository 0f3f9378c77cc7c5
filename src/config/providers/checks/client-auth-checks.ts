import type { Problem } from '../../config-error.ts'
import { type ProviderValues, toClientAuthMethod, toClientKeys } from '../provider-from-settings.ts'

/** OIDC_CLIENT_KEY_ID is for a key that does not name itself, as a JWK does. */
export function keyIdNamesOneKey({
  OIDC_CLIENT_KEY_ID: id,
  OIDC_CLIENT_KEY: keys,
}: ProviderValues): Problem | undefined {
  if (id === undefined) return undefined
  const variable = 'OIDC_CLIENT_KEY_ID'
  if (keys === undefined) return { variable, problem: 'is set without OIDC_CLIENT_KEY', isSurplus: true }
  return keys.length === 1 && keys[0]?.kid === undefined
    ? undefined
    : {
        variable,
        problem: 'is for one key without "kid": the keys of OIDC_CLIENT_KEY name themselves',
        isSurplus: true,
      }
}

/** Apple's keys sign ES256, and their id is in the client secret. */
export function appleKeySigns(values: ProviderValues): Problem | undefined {
  const [key] = toClientKeys(values)
  if (key === undefined || toClientAuthMethod(values) !== 'apple_client_secret') return undefined
  if (key.alg !== 'ES256')
    return { variable: 'OIDC_CLIENT_KEY', problem: 'must be the .p8 file from Apple, a key of P-256' }
  return key.kid === undefined
    ? { variable: 'OIDC_CLIENT_KEY_ID', problem: "is needed: Apple's Key ID of the key" }
    : undefined
}
