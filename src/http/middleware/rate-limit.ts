import type { Request, RequestHandler } from 'express'
import { ipKeyGenerator, type Options, rateLimit } from 'express-rate-limit'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { SharedState } from '../../session/shared-state.ts'
import { readClientAddress } from '../request/address.ts'

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
 * Without a configured rate, every request passes.
 *
 * Where the store does not answer, the request is refused with 503 (`store_unavailable`) at once. Its handler
 * needs the store as well, and would only wait for it a second time.
 */
export function createRateLimit({ name, rate, store, skip = () => false }: RateLimitOptions): RequestHandler {
  if (rate === undefined) return pass
  const { limit, window } = rate
  const counter: Options['store'] = {
    async increment(key) {
      const { hits, remaining } = await store.count(`${name} ${key}`, window)
      return { totalHits: hits, resetTime: new Date(Date.now() + remaining) }
    },
    // Every request stays counted, also one that failed.
    decrement() {},
    resetKey() {},
  }
  return rateLimit({
    store: counter,
    windowMs: window,
    limit,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: name,
    skip,
    keyGenerator: (req) => ipKeyGenerator(readClientAddress(req) ?? ''),
    // The configuration has checked TRUST_PROXY already; the library's own checks print to the console.
    validate: false,
    handler(_req, res, next) {
      const retryAfter = Number(res.getHeader('Retry-After'))
      next(
        new AppError(
          'too_many_requests',
          'Too many requests came from your IP address. Try again in a moment.',
          {
            retryAfter: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : Math.ceil(window / 1000),
          },
        ),
      )
    },
  })
}

const pass: RequestHandler = (_req, _res, next) => next()
