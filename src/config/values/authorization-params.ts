import { isObject, type Parser, parser } from './parsers.ts'

/**
 * Parameters of an authorization request, decoded, in order; only `resource` may be repeated (RFC 8707 2).
 */
export type AuthorizationParams = readonly (readonly [name: string, value: string])[]

/** Extra parameters of authorization requests as a query: `access_type=offline&prompt=consent`. */
export const authorizationParams: Parser<AuthorizationParams> = parser((text) => {
  if (text.length > longest) throw new Error(`must have ${longest} characters at most`)
  if (!/^[\x21-\x7e]+$/.test(text)) throw new Error('must be percent-encoded: a space is %20')
  const params = text.split('&').map(readParam)
  const seen = new Set<string>()
  for (const [name, value] of params) {
    const found = findProblem(name, value)
    if (found !== undefined) throw new Error(found)
    const once = name === 'resource' ? JSON.stringify([name, value]) : name.toLowerCase()
    if (seen.has(once)) throw new Error(`names ${name} twice${name === 'resource' ? ' with one value' : ''}`)
    seen.add(once)
  }
  return params
})

/** In characters: the setting becomes part of a URL. */
const longest = 2_000

/** The parameters that may not be configured, with the reason. Some providers ignore upper and lower case. */
const refusedNames: readonly { names: string; why: string }[] = [
  {
    names: 'response_type client_id redirect_uri scope',
    why: 'has a value already, from the other settings of this provider',
  },
  {
    names: 'state nonce code_challenge code_challenge_method dpop_jkt',
    why: 'protects a login, and has a new value for each',
  },
  {
    names: 'request request_uri response_mode registration',
    why: 'changes what all other parameters mean, or how the response comes back',
  },
  {
    names: 'max_age acr_values',
    why: 'asks for what the response must prove: send it with each login (/api/login), which then checks the response',
  },
  {
    names: 'grant_type code code_verifier refresh_token assertion client_assertion client_assertion_type',
    why: 'belongs to the token request',
  },
  {
    names: 'client_secret access_token id_token id_token_hint token sessionToken username password',
    why: 'is a credential, which must not be in a URL',
  },
]

const whyRefused = new Map(
  refusedNames.flatMap(({ names, why }) =>
    names.split(' ').map((name) => [name.toLowerCase(), why] as const),
  ),
)

/** Returns what is wrong with a value, or undefined. */
type ValueCheck = (value: string) => string | undefined

const promptAllowsSignIn: ValueCheck = (value) =>
  value.split(' ').includes('none')
    ? 'must not contain prompt=none, with which no user could sign in: send it with each login (/api/login?prompt=none)'
    : undefined

/** The scheme may be any, such as urn: or api://; there is no fragment (RFC 3986 4.3, RFC 8707 2). */
const resourceIsAbsolute: ValueCheck = (value) =>
  /^[a-z][a-z\d+.-]*:[\x21\x22\x24-\x7e]+$/i.test(value) && URL.canParse(value)
    ? undefined
    : 'must have as resource an absolute URI such as https://api.example.com, without a fragment (#...)'

/** The claims parameter can ask for an `acr` as well (OpenID Connect Core 5.5.1.1). */
const claimsAskForNoAcr: ValueCheck = (value) => {
  const claims = readJson(value)
  if (!isObject(claims)) return 'must have as claims a JSON object such as {"id_token":{"email":null}}'
  const asksForAcr = isObject(claims.id_token) && isObject(claims.id_token.acr)
  return asksForAcr
    ? 'must not ask for an acr by claims: send acr_values with each login (/api/login)'
    : undefined
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const valueChecks = new Map<string, ValueCheck>([
  ['prompt', promptAllowsSignIn],
  ['resource', resourceIsAbsolute],
  ['claims', claimsAskForNoAcr],
])

/** Decodes one part of application/x-www-form-urlencoded; undefined where a % encodes nothing. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/**
 * Reads one name and value. A problem names only the place: the text may be a secret that was pasted here.
 */
function readParam(text: string, index: number): readonly [string, string] {
  const problem = (what: string) => new Error(`is wrong at parameter ${index + 1}, which ${what}`)
  const [encodedName = '', ...rest] = text.split('=')
  const [name, value] = [decode(encodedName), decode(rest.join('='))]
  if (name === undefined || value === undefined) throw problem('contains a % that is not percent-encoding')
  // The characters of RFC 6749 8.2.
  if (!/^[\w.-]{1,64}$/.test(name)) throw problem('has no name of up to 64 letters, digits, "_", "." and "-"')
  if (value.trim() === '') throw problem('has no value')
  if (/\p{Cc}/u.test(value)) throw problem('contains a control character')
  return [name, value]
}

/** What is wrong with one parameter. */
function findProblem(given: string, value: string): string | undefined {
  const name = given.toLowerCase()
  const why = whyRefused.get(name)
  if (why !== undefined) return `must not name ${given}, which ${why}`
  const check = valueChecks.get(name)
  return check !== undefined && given !== name ? `must write ${name} in small letters` : check?.(value)
}
