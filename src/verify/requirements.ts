import { type Clock, systemClock } from '../clock.ts'
import { schemeOf } from './challenge.ts'
import type { AppTokenClaims } from './claims.ts'
import { refuseToken, TokenRefused } from './token-refused.ts'

/** What a token must have besides being valid. */
export interface TokenRequirements {
  /** Scopes, all of them: a list, or a text with spaces between them. 403 where one is missing. */
  scope?: string | readonly string[]
  /**
   * Groups, at least one of them. 403 where the user is in none. With `{ idp: 'okta' }` in the list, only the
   * groups of that provider count; without it, a group of that name at any provider does.
   */
  groups?: string | readonly (string | GroupSource)[]
  /**
   * How the user must have signed in: `acr` of the token must be one of these. 401 with a challenge if not.
   */
  acr?: string | readonly string[]
  /** Seconds since the user last authenticated (`auth_time`). 401 with a challenge if it is longer ago. */
  maxAge?: number
}

/** The providers whose groups count. */
export interface GroupSource {
  /**
   * The name of a provider in PROVIDERS_FILE, or several names; `default` is the provider of the environment.
   */
  idp: string | readonly string[]
}

/** Says whether a valid token lacks something, and what to answer then. */
export type FindUnmet = (claims: AppTokenClaims) => TokenRefused | undefined

/** Seconds by which the clocks of the provider and of this API may differ. */
const clockTolerance = 5

/**
 * Reads requirements. An empty one, such as that of an unset variable, must not let everyone pass.
 *
 * @throws TypeError where one is empty or not valid
 */
export function readRequirements(requirements: TokenRequirements, clock: Clock = systemClock): FindUnmet {
  const checks = [
    ...('scope' in requirements ? [demandScopes(requirements.scope)] : []),
    ...('groups' in requirements ? [demandGroup(requirements.groups)] : []),
    // Last: a stronger sign-in does not bring a scope or a group.
    ...('acr' in requirements || 'maxAge' in requirements ? [demandAuthentication(requirements, clock)] : []),
  ]
  return (claims) => {
    for (const check of checks) {
      const refusal = check(claims)
      if (refusal !== undefined) return refusal
    }
    return undefined
  }
}

function demandScopes(given: TokenRequirements['scope']): FindUnmet {
  const scopes = readTexts('scope', typeof given === 'string' ? given.split(' ') : given)
  const scope = scopes.join(' ')
  return (claims) => {
    const granted = claims.scope.split(' ')
    if (scopes.every((required) => granted.includes(required))) return undefined
    const options = { scheme: schemeOf(claims), parameters: { scope } }
    return refuseToken('insufficient_scope', `The token lacks a required scope: ${scope}`, options)
  }
}

function demandGroup(given: TokenRequirements['groups']): FindUnmet {
  const items = [given ?? []].flat()
  const groups = items.filter((item) => typeof item === 'string')
  const idps = items.filter((item) => typeof item !== 'string').flatMap(readIdps)
  if (groups.length === 0 || groups.includes('')) throw new TypeError('groups must name at least one group')
  const source = idps.length === 0 ? '' : `, as reported by ${idps.join(' or ')}`
  const title = `Only for members of ${groups.join(' or ')}${source}`
  return ({ idp = '', groups: memberOf = [] }) => {
    const isFromSource = idps.length === 0 || idps.includes(idp)
    const isMember = isFromSource && groups.some((group) => [memberOf].flat().includes(group))
    return isMember ? undefined : new TokenRefused('missing_group', title)
  }
}

/** The names of providers. A missing one must not let in the users of every provider. */
function readIdps({ idp }: GroupSource): string[] {
  const names = [idp].flat()
  const areNames = names.every((name) => typeof name === 'string' && name !== '')
  if (areNames && names.length > 0) return names
  throw new TypeError('idp must be the name of a provider, or a list of names')
}

/** Demands a stronger or a more recent sign-in; the challenge says which (RFC 9470 3). */
function demandAuthentication(requirements: TokenRequirements, clock: Clock): FindUnmet {
  const { maxAge } = requirements
  const values = 'acr' in requirements ? readTexts('acr', requirements.acr) : []
  if ('maxAge' in requirements && !(Number.isInteger(maxAge) && Number(maxAge) >= 0)) {
    throw new TypeError('maxAge must be a whole number of seconds')
  }
  const parameters = {
    ...(values.length === 0 ? {} : { acr_values: values.join(' ') }),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  }
  return (claims) => {
    const title = findWeakness(claims)
    if (title === undefined) return undefined
    return refuseToken('insufficient_user_authentication', title, { scheme: schemeOf(claims), parameters })
  }

  function findWeakness({ acr, auth_time: authTime }: AppTokenClaims): string | undefined {
    if (values.length > 0 && (acr === undefined || !values.includes(acr))) {
      return 'A stronger sign-in is required'
    }
    if (maxAge === undefined) return undefined
    const age = typeof authTime === 'number' ? clock.now() / 1000 - authTime : Number.POSITIVE_INFINITY
    return age <= maxAge + clockTolerance ? undefined : 'A more recent sign-in is required'
  }
}

/**
 * Reads texts that a challenge can name (RFC 6750 3, RFC 9470 3).
 *
 * @throws TypeError where there is none, or one is not such a text
 */
function readTexts(name: string, given: string | readonly string[] | undefined): readonly string[] {
  const texts = [given ?? []].flat()
  const areTexts = texts.every((text) => typeof text === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text))
  if (areTexts && texts.length > 0) return texts
  throw new TypeError(`${name} must be a text, or a list of texts, without spaces, quotes and backslashes`)
}
