import type { Problem } from '../../config-error.ts'
import { isKeyOf } from '../client-credentials.ts'
import { type ProviderValues, toClientAuthMethod, toClientKeys } from '../provider-from-settings.ts'

const neededCredentials = {
  client_secret_basic: ['OIDC_CLIENT_SECRET'],
  client_secret_post: ['OIDC_CLIENT_SECRET'],
  private_key_jwt: ['OIDC_CLIENT_KEY'],
  tls_client_auth: ['OIDC_CLIENT_CERT', 'OIDC_CLIENT_CERT_KEY'],
  apple_client_secret: ['OIDC_CLIENT_KEY', 'OIDC_APPLE_TEAM_ID'],
  none: [],
} as const

const allCredentials = [
  'OIDC_CLIENT_SECRET',
  'OIDC_CLIENT_KEY',
  'OIDC_CLIENT_CERT',
  'OIDC_CLIENT_CERT_KEY',
  'OIDC_APPLE_TEAM_ID',
] as const

/** Each way to authenticate has the credentials that it needs. */
export function clientAuthHasItsCredentials(values: ProviderValues): Problem | undefined {
  const method = toClientAuthMethod(values)
  const needed: readonly string[] = neededCredentials[method]
  const missing = allCredentials.find((name) => needed.includes(name) && values[name] === undefined)
  return missing && { variable: missing, problem: `is needed for OIDC_CLIENT_AUTH=${method}` }
}

/** No credentials are there that nothing would use. */
export function noOtherCredentialsAreSet(values: ProviderValues): Problem | undefined {
  const method = toClientAuthMethod(values)
  const needed: readonly string[] = neededCredentials[method]
  const others = values.OIDC_REQUEST_OBJECT === 'signed' ? [...needed, 'OIDC_CLIENT_KEY'] : needed
  const surplus = allCredentials.find((name) => !others.includes(name) && values[name] !== undefined)
  if (surplus === undefined) return undefined
  const isInferred = values.OIDC_CLIENT_AUTH === undefined
  const problem = `is ${method}${isInferred ? ' by what is given' : ''}, but ${surplus} is set as well: remove one of them`
  return { variable: 'OIDC_CLIENT_AUTH', problem, isSurplus: true }
}

/** A request object names the provider by its issuer (RFC 9101 4). */
export function requestObjectCanBeSigned(values: ProviderValues): Problem | undefined {
  if (values.OIDC_REQUEST_OBJECT !== 'signed') return undefined
  // private_key_jwt misses it anyway.
  if (values.OIDC_CLIENT_KEY === undefined && toClientAuthMethod(values) !== 'private_key_jwt') {
    return { variable: 'OIDC_CLIENT_KEY', problem: 'is needed to sign requests (OIDC_REQUEST_OBJECT=signed)' }
  }
  return values.OIDC_ISSUER === undefined && values.OAUTH_ISSUER === undefined
    ? {
        variable: 'OAUTH_ISSUER',
        problem: 'is needed as the audience of signed requests (OIDC_REQUEST_OBJECT)',
      }
    : undefined
}

/** Certificate and key belong together. */
export function certificateHasItsKey(values: ProviderValues): Problem | undefined {
  const { OIDC_CLIENT_CERT: certificate, OIDC_CLIENT_CERT_KEY: key } = values
  return certificate !== undefined && key !== undefined && !isKeyOf(certificate, key)
    ? { variable: 'OIDC_CLIENT_CERT_KEY', problem: 'is not the key of OIDC_CLIENT_CERT' }
    : undefined
}

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
