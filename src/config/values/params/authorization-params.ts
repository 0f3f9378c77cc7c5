import { isObject, parseJson } from '../parsers.ts'
import { createExtraParamsParser, type RefusedParams, type ValueCheck } from './extra-params.ts'

const refused: readonly RefusedParams[] = [
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
    why: 'asks for what the response must prove: send it with each login, which then checks the response',
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

const promptAllowsSignIn: ValueCheck = (value) =>
  value.split(' ').includes('none')
    ? 'must not contain prompt=none, with which no user could sign in: send it with each login that is to be silent'
    : undefined

/** The scheme may be any, such as urn: or api://; there is no fragment (RFC 3986 4.3, RFC 8707 2). */
const resourceIsAbsolute: ValueCheck = (value) =>
  /^[a-z][a-z\d+.-]*:[\x21\x22\x24-\x7e]+$/i.test(value) && URL.canParse(value)
    ? undefined
    : 'must have as resource an absolute URI such as https://api.example.com, without a fragment (#...)'

/** The claims parameter can ask for an `acr` as well (OpenID Connect Core 5.5.1.1). */
const claimsAskForNoAcr: ValueCheck = (value) => {
  const claims = parseJson(value)
  if (!isObject(claims)) return 'must have as claims a JSON object such as {"id_token":{"email":null}}'
  const asksForAcr = isObject(claims.id_token) && isObject(claims.id_token.acr)
  return asksForAcr ? 'must not ask for an acr by claims: send acr_values with each login' : undefined
}

/** RFC 9396 2. */
const detailsAreAList: ValueCheck = (value) =>
  Array.isArray(parseJson(value))
    ? undefined
    : 'must have as authorization_details a JSON array such as [{"type":"payment"}]'

const checks = new Map<string, ValueCheck>([
  ['prompt', promptAllowsSignIn],
  ['resource', resourceIsAbsolute],
  ['claims', claimsAskForNoAcr],
  ['authorization_details', detailsAreAList],
])

/** Extra parameters of authorization requests. Only `resource` may be repeated (RFC 8707 2). */
export const authorizationParams = createExtraParamsParser({ refused, checks, repeatable: 'resource' })
