import type { Request, RequestHandler } from 'express'
import { ipKeyGenerator } from 'express-rate-limit'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { SharedState } from '../../session/shared-state.ts'

interface RateLimitOptions {
  /** Each name has a count of its own. */
  name: string
  rate: Config['rateLimits']['login']
  store: Pick<SharedState, 'count'>
  /** Requests that are not counted; none by default. */
  skip?: (req: Request) => boolean
}

/**
 * Limits the requests of one client address, counted over all replicas; an IPv6 client is its /56 network.
 * Responses say what is left (draft-ietf-httpapi-ratelimit-headers-08). Every request stays counted, also one
 * that failed. Without a configured rate, every request passes.
 *
 * Where the store does not answer, the request is refused with 503 (`store_unavailable`) at once. Its handler
 * needs the store as well, and would only wait for it a second time.
 */
export function createRateLimit({ name, rate, store, skip = () => false }: RateLimitOptions): RequestHandler {
  if (rate === undefined) return pass
  const { limit, window } = rate
  const policy = `"${name}"; q=${limit}; w=${Math.ceil(window / 1000)}`
  return async (req, res, next) => {
    if (skip(req)) return next()
    const client = ipKeyGenerator(res.locals.address ?? '')
    const { hits, remaining } = await store.count(`${name} ${client}`, window)
    const seconds = Math.max(1, Math.ceil(remaining / 1000))
    const left = `"${name}"; r=${Math.max(0, limit - hits)}; t=${seconds}`
    res.locals.headers.push('RateLimit-Policy', policy, 'RateLimit', left)
    if (hits > limit) {
      res.locals.log('request_limited', { limit: name })
      throw tooManyRequests(seconds)
    }
    next()
  }
}

const tooManyRequests = (retryAfter: number) =>
  new AppError('too_many_requests', 'Too many requests came from your IP address. Try again in a moment.', {
    retryAfter,
  })

const pass: RequestHandler = (_req, _res, next) => next()
