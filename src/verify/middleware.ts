import { type Clock, systemClock } from '../clock.ts'
import { type AppTokenClaims, isAppTokenClaims } from './claims.ts'
import { type FindUnmet, type GroupSource, readRequirements, type TokenRequirements } from './requirements.ts'
import { refuseAnonymous, TokenRefused } from './token-refused.ts'
import { createTokenVerifier, type TokenVerifierOptions } from './token-verifier.ts'

declare global {
  // Merges with @types/express where that is installed; without it, this is all there is.
  namespace Express {
    interface Request {
      /** The claims of the verified app token; set by `requireToken`. */
      auth?: AppTokenClaims
    }
  }
}

/** A request of Express, Connect, Polka or node:http. */
export interface MiddlewareRequest {
  method?: string | undefined
  url?: string | undefined
  /** The URL before a router took its prefix off. */
  originalUrl?: string | undefined
  headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Set by `requireToken`. Of no type here, because other libraries have one of their own for it. */
  auth?: unknown
}

/** A response of the same. */
export interface MiddlewareResponse {
  statusCode: number
  setHeader(name: string, value: string): unknown
  end(body: string): unknown
}

/** A middleware of Express, Connect or Polka, which also node:http can call. */
export type TokenMiddleware = (
  req: MiddlewareRequest,
  res: MiddlewareResponse,
  next: (error?: unknown) => unknown,
) => Promise<void>

/**
 * Middleware for Express: lets a request pass with a valid app token, and puts its claims on `req.auth`. All
 * others are answered: 401 where the token is missing or not valid, 403 where it lacks something, 503 where
 * it could not be checked.
 *
 * @throws TypeError where an option is not valid, when it is called
 *
 * @example
 * app.use(requireToken({ issuer: 'https://app.example.com', scope: 'orders:read' }))
 * app.get('/me', (req, res) => res.json({ sub: req.auth?.sub }))
 *
 * @example
 * // Also accepts DPoP-bound tokens, and logs why a token could not be checked.
 * app.use(
 *   requireToken({
 *     issuer: 'https://app.example.com',
 *     audience: 'https://api.example.com',
 *     publicUrl: 'https://api.example.com',
 *     onUnavailable: (error) => log.error(error),
 *   }),
 * )
 */
export function requireToken(options: TokenVerifierOptions): TokenMiddleware {
  const verifyToken = createTokenVerifier(options)
  return toMiddleware(async (req) => {
    const { method, url, originalUrl = url, headers } = req
    req.auth = await verifyToken({ method, url: originalUrl, headers })
  })
}

/**
 * Middleware for single routes, after `requireToken`: 403 where the token lacks one of the scopes (RFC 6750
 * 3.1).
 *
 * @throws TypeError where it names no scope, when it is called
 *
 * @example
 * app.get('/orders', requireScope('orders:read'), listOrders)
 */
export function requireScope(...scope: string[]): TokenMiddleware {
  return requireOfToken(readRequirements({ scope }))
}

/**
 * Middleware for single routes, after `requireToken`: 403 where the user is in none of the groups. With
 * `idp`, only the groups of those providers count; without it, a group of that name at any provider does.
 *
 * @throws TypeError where it names no group, or `idp` names no provider, when it is called
 *
 * @example
 * app.get('/audit', requireGroup('Admins', 'Auditors', { idp: 'okta' }), listEntries)
 */
export function requireGroup(...groups: (string | GroupSource)[]): TokenMiddleware {
  return requireOfToken(readRequirements({ groups }))
}

/** How a user must have signed in: one of the first two, or both. */
export interface AuthenticationRequirement extends Pick<TokenRequirements, 'acr' | 'maxAge'> {
  /** The time, for tests; the system's clock by default. */
  clock?: Clock
}

/**
 * Middleware for single routes, after `requireToken`: demands a stronger or a more recent sign-in (step-up,
 * RFC 9470). Answers 401 where the user has not signed in so; the app then begins a login with the
 * `acr_values` and the `max_age` of the challenge.
 *
 * @throws TypeError where it requires nothing, or a value is not valid, when it is called
 *
 * @example
 * app.post('/payments', requireAuthentication({ maxAge: 300 }), pay)
 */
export function requireAuthentication({
  clock = systemClock,
  ...requirement
}: AuthenticationRequirement): TokenMiddleware {
  if (!('acr' in requirement || 'maxAge' in requirement)) throw new TypeError('acr or maxAge is required')
  return requireOfToken(readRequirements(requirement, clock))
}

/** Checks the token that `requireToken` has verified; without one, nothing passes. */
function requireOfToken(findUnmet: FindUnmet): TokenMiddleware {
  return toMiddleware(async ({ auth }) => {
    const refusal = isAppTokenClaims(auth) ? findUnmet(auth) : refuseAnonymous(['Bearer'])
    if (refusal !== undefined) throw refusal
  })
}

function toMiddleware(check: (req: MiddlewareRequest) => Promise<void>): TokenMiddleware {
  return async (req, res, next) => {
    try {
      await check(req)
    } catch (error) {
      if (error instanceof TokenRefused) send(res, error)
      else next(error)
      return
    }
    next()
  }
}

function send(res: MiddlewareResponse, { status, headers, body }: TokenRefused): void {
  res.statusCode = status
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.end(body)
}
