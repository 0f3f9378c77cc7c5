import { isPrivate } from '../config/values/private-url.ts'
import { type AppTokenType, appTokenTypes, type SigningAlg, signingAlgs } from '../crypto/app-token-header.ts'

/** Seconds by which the clocks of Portico and of this API may differ. */
const clockTolerance = 5

interface ExpectedTokenOptions {
  issuer: string
  audience?: string
  typ?: AppTokenType
  algorithms?: readonly SigningAlg[]
}

/**
 * Reads what every token is compared with.
 *
 * @throws TypeError where an option is empty, such as an unset variable, or not valid
 */
export function readExpected(options: ExpectedTokenOptions) {
  const issuer = readBaseUrl('issuer', options.issuer)
  const { audience = issuer, typ = 'at+jwt', algorithms = signingAlgs } = options
  if (typeof audience !== 'string' || audience === '') throw new TypeError('audience must be a text')
  if (!appTokenTypes.includes(typ)) throw new TypeError(`typ must be one of ${appTokenTypes.join(', ')}`)
  if (algorithms.length === 0 || !algorithms.every((one) => signingAlgs.includes(one))) {
    throw new TypeError(`algorithms must be some of ${signingAlgs.join(', ')}`)
  }
  return { issuer, audience, typ, algorithms, clockTolerance }
}

/**
 * Reads the address at which a server is reached; paths are put behind it.
 *
 * @throws TypeError where it is not such an address, in the form that URLs have in tokens
 */
export function readBaseUrl(name: string, text: unknown): string {
  if (typeof text === 'string' && isBaseUrl(text)) return text
  throw new TypeError(
    `${name} must be a URL such as https://app.example.com, or http on localhost, without query, fragment ` +
      'and a slash at its end',
  )
}

function isBaseUrl(text: string): boolean {
  const url = URL.parse(text)
  if (url === null || !/^https?:/.test(text) || !isPrivate(url)) return false
  // As text, because tokens and proofs are compared with it as text.
  return url.origin + url.pathname.replace(/\/$/, '') === text
}
