import type { Request, RequestHandler } from 'express'
import {
  type AppTokenClaims,
  type AppTokenVerifierOptions,
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

declare global {
  namespace Express {
    interface Request {
      /** The verified app token; set by `requireAppToken`. */
      appToken?: AppTokenClaims
    }
  }
}

interface Refusal {
  status: 401 | 403 | 503
  title: string
  /** The challenge of RFC 6750 3, with its parameters. */
  challenge?: string
}

const unauthenticated: Refusal = { status: 401, title: 'An app token is needed', challenge: 'Bearer' }

export interface RequireAppTokenOptions extends AppTokenVerifierOptions {
  /** The origin at which callers reach this API, which DPoP proofs name; without it, tokens bound to a key are refused. */
  publicUrl?: string
  /** Learns why the keys could not be fetched, where a request is answered with 503. */
  onKeysUnavailable?: (error: unknown) => void
}

/**
 * Express middleware: lets a request pass with a valid app token in its Authorization header (RFC 6750 2.1; with a
 * proof, RFC 9449 7.1) and puts the claims on `req.appToken`; answers 401 otherwise.
 *
 * @example
 * app.use(requireAppToken({ issuer: 'https://app.example.com' }))
 * app.get('/orders', requireScope('orders:read'), listOrders)
 */
export function requireAppToken({
  publicUrl,
  onKeysUnavailable,
  ...options
}: RequireAppTokenOptions): RequestHandler {
  const verify = createAppTokenVerifier(options)
  return async (req, res, next) => {
    const [, scheme, token] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(req.get('authorization') ?? '') ?? []
    if (scheme === undefined || token === undefined) return refuse(res, unauthenticated)
    try {
      req.appToken = await verify(
        token,
        scheme.toLowerCase() === 'dpop' ? toProof(req, publicUrl) : undefined,
      )
    } catch (error) {
      if (!(error instanceof InvalidAppToken)) onKeysUnavailable?.(error)
      return refuse(res, toRefusal(error, scheme))
    }
    return next()
  }
}

function toProof(req: Request, publicUrl: string | undefined): PresentedProof {
  if (publicUrl === undefined) throw new InvalidAppToken('This API takes no tokens that are bound to a key')
  const { pathname } = new URL(req.originalUrl, publicUrl)
  return { proof: req.get('dpop') ?? '', method: req.method, url: publicUrl + pathname }
}

/** Express middleware, after `requireAppToken`: 403 where the token lacks one of the scopes (RFC 6750 3.1). */
export function requireScope(...scopes: string[]): RequestHandler {
  return (req, res, next) => {
    if (req.appToken === undefined) return refuse(res, unauthenticated)
    const granted = req.appToken.scope.split(' ')
    if (scopes.every((scope) => granted.includes(scope))) return next()
    const title = `The token lacks a scope this needs: ${scopes.join(' ')}`
    return refuse(res, {
      status: 403,
      title,
      challenge: `Bearer error="insufficient_scope", error_description="${title}", scope="${scopes.join(' ')}"`,
    })
  }
}

/** Express middleware, after `requireAppToken`: 403 where the person is in none of the groups. */
export function requireGroup(...groups: string[]): RequestHandler {
  return (req, res, next) => {
    if (req.appToken === undefined) return refuse(res, unauthenticated)
    const memberOf = [req.appToken.groups ?? []].flat()
    if (groups.some((group) => memberOf.includes(group))) return next()
    return refuse(res, { status: 403, title: `Only for members of ${groups.join(' or ')}` })
  }
}

function toRefusal(error: unknown, scheme: string): Refusal {
  if (!(error instanceof InvalidAppToken)) {
    return { status: 503, title: 'The keys of the token issuer cannot be fetched' }
  }
  return {
    status: 401,
    title: error.message,
    challenge: `${scheme} error="invalid_token", error_description="${error.message}"`,
  }
}

function refuse(res: Parameters<RequestHandler>[1], { status, title, challenge }: Refusal): void {
  if (challenge !== undefined) res.set('WWW-Authenticate', challenge)
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status }))
}
