import type { Request, RequestHandler, Response } from 'express'
import { dpopAlgorithms } from '../app-token/dpop-proof.ts'
import {
  type AppTokenClaims,
  type AppTokenVerifierOptions,
  assertOrigin,
  createAppTokenVerifier,
  InvalidAppToken,
  type PresentedProof,
} from './app-token-verifier.ts'

export {
  type AppTokenClaims,
  type AppTokenVerifierOptions,
  createAppTokenVerifier,
  InvalidAppToken,
  type PresentedProof,
  type VerifyAppToken,
} from './app-token-verifier.ts'
export type { IntrospectionOptions } from './introspection.ts'

declare global {
  namespace Express {
    interface Request {
      /** The verified app token; set by `requireAppToken`. */
      appToken?: AppTokenClaims
    }
  }
}

export interface RequireAppTokenOptions extends AppTokenVerifierOptions {
  /** The origin at which callers reach this API, which DPoP proofs name; without it, tokens bound to a key are refused. */
  publicUrl?: string
  /** Learns why a token could not be checked (the keys cannot be fetched), where a request is answered with 503. */
  onUnavailable?: (error: unknown) => void
}

type Scheme = 'Bearer' | 'DPoP'

/**
 * Express middleware: lets a request pass with a valid app token in its Authorization header (RFC 6750 2.1; with a
 * proof, RFC 9449 7.1) and puts the claims on `req.appToken`; answers 401 otherwise.
 *
 * @example
 * app.use(requireAppToken({ issuer: 'https://app.example.com' }))
 * app.get('/orders', requireScope('orders:read'), listOrders)
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
        const { code, message } = error
        return refuse(res, 401, message, [toChallenge(scheme, { error: code, error_description: message })])
      }
      onUnavailable?.(error)
      return refuse(res, 503, 'The token cannot be checked right now')
    }
    return next()
  }
}

function toProof(req: Request, publicUrl: string | undefined): PresentedProof {
  if (publicUrl === undefined) throw new InvalidAppToken('This API takes no tokens that are bound to a key')
  const [path = ''] = req.originalUrl.split('?')
  return { proof: req.get('dpop') ?? '', method: req.method, url: publicUrl + path }
}

/** Express middleware, after `requireAppToken`: 403 where the token lacks one of the scopes (RFC 6750 3.1). */
export function requireScope(...scopes: string[]): RequestHandler {
  const scope = scopes.join(' ')
  return (req, res, next) => {
    if (req.appToken === undefined) return refuseAnonymous(res, ['Bearer'])
    const granted = req.appToken.scope.split(' ')
    if (scopes.every((wanted) => granted.includes(wanted))) return next()
    const title = `The token lacks a scope this needs: ${scope}`
    const scheme = req.appToken.cnf?.jkt === undefined ? 'Bearer' : 'DPoP'
    const parameters = { error: 'insufficient_scope', error_description: title, scope }
    return refuse(res, 403, title, [toChallenge(scheme, parameters)])
  }
}

/** Whose word counts for a membership. */
export interface GroupSource {
  /** The name of a provider in PROVIDERS_FILE (`default` for the one of the environment), or several. */
  idp: string | readonly string[]
}

/**
 * Express middleware, after `requireAppToken`: 403 where the person is in none of the groups, or not by the word of
 * a provider that is asked for. Where none is, a group of that name at any provider will do.
 *
 * @example
 * app.get('/audit', requireGroup('Admins', 'Auditors', { idp: 'okta' }), listEntries)
 *
 * @throws TypeError where `idp` names no provider
 */
export function requireGroup(...wanted: (string | GroupSource)[]): RequestHandler {
  const groups = wanted.filter((item) => typeof item === 'string')
  const idps = wanted.filter((item) => typeof item !== 'string').flatMap(readIdps)
  return (req, res, next) => {
    if (req.appToken === undefined) return refuseAnonymous(res, ['Bearer'])
    const { idp = '', groups: memberOf = [] } = req.appToken
    const isHeard = idps.length === 0 || idps.includes(idp)
    if (isHeard && groups.some((group) => [memberOf].flat().includes(group))) return next()
    const source = idps.length === 0 ? '' : `, by the word of ${idps.join(' or ')}`
    return refuse(res, 403, `Only for members of ${groups.join(' or ')}${source}`)
  }
}

/** A name that is missing, such as that of an unset variable, must not let every provider's people in. */
function readIdps({ idp }: GroupSource): string[] {
  const names = [idp].flat()
  const areNames = names.every((name) => typeof name === 'string' && name !== '')
  if (areNames && names.length > 0) return names
  throw new TypeError('idp must be the name of a provider, or a list of names')
}

/** A challenge with its parameters (RFC 9110 11.6.1); DPoP tells the algorithms it takes (RFC 9449 7.1). */
function toChallenge(scheme: Scheme, parameters: Record<string, string> = {}): string {
  const all = { ...parameters, ...(scheme === 'DPoP' ? { algs: dpopAlgorithms.join(' ') } : {}) }
  const text = Object.entries(all).map(([name, value]) => `${name}="${value}"`)
  return `${scheme} ${text.join(', ')}`.trim()
}

/** No token at all: the schemes this API takes, and no error code (RFC 6750 3.1). */
function refuseAnonymous(res: Response, schemes: Scheme[]): void {
  const challenges = schemes.map((scheme) => toChallenge(scheme))
  refuse(res, 401, 'An app token is needed', challenges)
}

function refuse(res: Response, status: 401 | 403 | 503, title: string, challenges: string[] = []): void {
  if (challenges.length > 0) res.set('WWW-Authenticate', challenges)
  const problem = { type: 'about:blank', title, status }
  res.status(status).type('application/problem+json').send(JSON.stringify(problem))
}
