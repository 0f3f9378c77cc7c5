import type { Request, RequestHandler, Response } from 'express'
import {
  type AppTokenVerifierOptions,
  assertOrigin,
  createAppTokenVerifier,
  type PresentedProof,
} from './app-token-verifier.ts'
import { type AuthenticationRequirement, findUnmet, readRequirement } from './authentication.ts'
import { type Scheme, schemeOf, toChallenge } from './challenge.ts'
import type { AppTokenClaims } from './claims.ts'
import { InvalidAppToken } from './invalid-app-token.ts'

export {
  type AppTokenVerifierOptions,
  createAppTokenVerifier,
  type PresentedProof,
  type VerifyAppToken,
} from './app-token-verifier.ts'
export type { AuthenticationRequirement } from './authentication.ts'
export type { AppTokenClaims } from './claims.ts'
export type { IntrospectionOptions } from './introspection.ts'
export { InvalidAppToken } from './invalid-app-token.ts'

declare global {
  namespace Express {
    interface Request {
      /** The claims of the verified app token; set by `requireAppToken`. */
      appToken?: AppTokenClaims
    }
  }
}

/** How `requireAppToken` verifies app tokens. Only `issuer` is required. */
export interface RequireAppTokenOptions extends AppTokenVerifierOptions {
  /**
   * The origin at which clients reach this API, such as `https://api.example.com`: DPoP proofs have to name
   * it. Without it, DPoP-bound tokens are refused.
   */
  publicUrl?: string
  /**
   * Called with the reason each time that a token could not be checked, and the request is answered with 503.
   */
  onUnavailable?: (error: unknown) => void
}

/**
 * Express middleware: lets a request pass with a valid app token in its Authorization header (RFC 6750 2.1;
 * with a DPoP proof, RFC 9449 7.1), and puts its claims on `req.appToken`. Answers 401 where the token is
 * missing or not valid, and 503 where it could not be checked, because the issuer does not answer.
 *
 * @throws TypeError where an option is not valid, when it is called
 *
 * @example
 * app.use(requireAppToken({ issuer: 'https://app.example.com' }))
 * app.get('/me', (req, res) => res.json({ sub: req.appToken?.sub }))
 *
 * @example
 * // Also accepts DPoP-bound tokens, and logs why a token could not be checked.
 * app.use(
 *   requireAppToken({
 *     issuer: 'https://app.example.com',
 *     audience: 'https://api.example.com',
 *     publicUrl: 'https://api.example.com',
 *     onUnavailable: (error) => log.error(error),
 *   }),
 * )
 */
export function requireAppToken(requireOptions: RequireAppTokenOptions): RequestHandler {
  const { publicUrl, onUnavailable, ...options } = requireOptions
  if (publicUrl !== undefined) assertOrigin('publicUrl', publicUrl)
  const verify = createAppTokenVerifier(options)
  const schemes: Scheme[] = publicUrl === undefined ? ['Bearer'] : ['Bearer', 'DPoP']

  return async (req, res, next) => {
    const [, given, token] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
    if (given === undefined || token === undefined) return refuseAnonymous(res, schemes)
    const scheme: Scheme = given.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer'
    try {
      req.appToken = await verify(token, scheme === 'DPoP' ? toProof(req, publicUrl) : undefined)
    } catch (error) {
      if (error instanceof InvalidAppToken) {
        const { code, message, nonce } = error
        if (nonce !== undefined) res.set('DPoP-Nonce', nonce)
        return refuse(res, 401, message, [toChallenge(scheme, { error: code, error_description: message })])
      }
      onUnavailable?.(error)
      return refuse(res, 503, 'The token cannot be checked right now')
    }
    return next()
  }
}

/**
 * Express middleware, after `requireAppToken`: answers 403 where the token lacks one of the scopes (RFC 6750
 * 3.1).
 *
 * @example
 * app.get('/orders', requireScope('orders:read'), listOrders)
 */
export function requireScope(...scopes: string[]): RequestHandler {
  const scope = scopes.join(' ')
  return (req, res, next) => {
    if (req.appToken === undefined) return refuseAnonymous(res, ['Bearer'])
    const granted = req.appToken.scope.split(' ')
    if (scopes.every((required) => granted.includes(required))) return next()
    const title = `The token lacks a required scope: ${scope}`
    const parameters = { error: 'insufficient_scope', error_description: title, scope }
    return refuse(res, 403, title, [toChallenge(schemeOf(req.appToken), parameters)])
  }
}

/** The providers whose groups count for `requireGroup`. */
export interface GroupSource {
  /**
   * The name of a provider in PROVIDERS_FILE, or several names; `default` is the provider of the environment.
   */
  idp: string | readonly string[]
}

/**
 * Express middleware, after `requireAppToken`: answers 403 where the user is in none of the groups. With
 * `idp`, only the groups of those providers count; without it, a group of that name at any provider does.
 *
 * @throws TypeError where `idp` names no provider, when it is called
 *
 * @example
 * app.get('/audit', requireGroup('Admins', 'Auditors', { idp: 'okta' }), listEntries)
 */
export function requireGroup(...required: (string | GroupSource)[]): RequestHandler {
  const groups = required.filter((item) => typeof item === 'string')
  const idps = required.filter((item) => typeof item !== 'string').flatMap(readIdps)
  return (req, res, next) => {
    if (req.appToken === undefined) return refuseAnonymous(res, ['Bearer'])
    const { idp = '', groups: memberOf = [] } = req.appToken
    const isFromSource = idps.length === 0 || idps.includes(idp)
    if (isFromSource && groups.some((group) => [memberOf].flat().includes(group))) return next()
    const source = idps.length === 0 ? '' : `, as reported by ${idps.join(' or ')}`
    return refuse(res, 403, `Only for members of ${groups.join(' or ')}${source}`)
  }
}

/**
 * Express middleware, after `requireAppToken`: demands a stronger or a more recent sign-in (step-up, RFC
 * 9470). Answers 401 where the user has not signed in so; the app then begins a login with the `acr_values`
 * and the `max_age` of the challenge.
 *
 * @throws TypeError where it requires nothing, or a value is not valid, when it is called
 *
 * @example
 * app.post('/payments', requireAuthentication({ maxAge: 300 }), pay)
 */
export function requireAuthentication(requirement: AuthenticationRequirement): RequestHandler {
  const { parameters, ...required } = readRequirement(requirement)
  return (req, res, next) => {
    if (req.appToken === undefined) return refuseAnonymous(res, ['Bearer'])
    const title = findUnmet(required, req.appToken)
    if (title === undefined) return next()
    const error = { error: 'insufficient_user_authentication', error_description: title }
    return refuse(res, 401, title, [toChallenge(schemeOf(req.appToken), { ...error, ...parameters })])
  }
}

function toProof(req: Request, publicUrl: string | undefined): PresentedProof {
  if (publicUrl === undefined) throw new InvalidAppToken('This API does not accept DPoP-bound tokens')
  const [path = ''] = req.originalUrl.split('?')
  return { proof: req.get('dpop') ?? '', method: req.method, url: publicUrl + path }
}

/**
 * Refuses a missing name, such as that of an unset variable: it must not let in the users of every provider.
 */
function readIdps({ idp }: GroupSource): string[] {
  const names = [idp].flat()
  const areNames = names.every((name) => typeof name === 'string' && name !== '')
  if (areNames && names.length > 0) return names
  throw new TypeError('idp must be the name of a provider, or a list of names')
}

/**
 * Answers a request without a token: with the schemes that this API accepts, and no error code (RFC 6750
 * 3.1).
 */
function refuseAnonymous(res: Response, schemes: Scheme[]): void {
  const challenges = schemes.map((scheme) => toChallenge(scheme))
  refuse(res, 401, 'An app token is required', challenges)
}

function refuse(res: Response, status: 401 | 403 | 503, title: string, challenges: string[] = []): void {
  if (challenges.length > 0) res.set('WWW-Authenticate', challenges)
  const problem = { type: 'about:blank', title, status }
  res.status(status).type('application/problem+json').send(JSON.stringify(problem))
}
