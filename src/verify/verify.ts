import type { RequestHandler } from 'express'
import {
  type AppTokenClaims,
  type AppTokenVerifierOptions,
  createAppTokenVerifier,
  InvalidAppToken,
} from './app-token-verifier.ts'

export {
  type AppTokenClaims,
  type AppTokenVerifierOptions,
  createAppTokenVerifier,
  InvalidAppToken,
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

/**
 * Express middleware: lets a request pass with a valid app token in its Authorization header (RFC 6750 2.1) and puts
 * the claims on `req.appToken`; answers 401 otherwise.
 *
 * @example
 * app.use(requireAppToken({ issuer: 'https://app.example.com' }))
 * app.get('/orders', requireScope('orders:read'), listOrders)
 */
export function requireAppToken(options: AppTokenVerifierOptions): RequestHandler {
  const verify = createAppTokenVerifier(options)
  return async (req, res, next) => {
    const token = /^Bearer +([\w.~+/-]+=*)$/i.exec(req.get('authorization') ?? '')?.[1]
    if (token === undefined) return refuse(res, unauthenticated)
    try {
      req.appToken = await verify(token)
    } catch (error) {
      return refuse(res, toRefusal(error))
    }
    return next()
  }
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

function toRefusal(error: unknown): Refusal {
  if (!(error instanceof InvalidAppToken))
    return { status: 503, title: 'The keys of the token issuer cannot be fetched' }
  return {
    status: 401,
    title: error.message,
    challenge: `Bearer error="invalid_token", error_description="${error.message}"`,
  }
}

function refuse(res: Parameters<RequestHandler>[1], { status, title, challenge }: Refusal): void {
  if (challenge !== undefined) res.set('WWW-Authenticate', challenge)
  res
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status }))
}
