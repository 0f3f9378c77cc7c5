import type { Request, RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import { isNavigation } from '../request/navigation.ts'

/**
 * Defends every call that acts on the session cookie (BBA 6.1.3.3). A foreign page cannot send a custom header
 * without a preflight, which the origin list refuses; and what the browser says of the page must fit as well.
 */
export function createCsrfGuard(allowedOrigins: readonly string[]): RequestHandler {
  return (req, _res, next) => {
    if (!comesFromOurPages(req, allowedOrigins)) {
      throw new AppError(
        'csrf_check_failed',
        'The request comes from a page that SPA_ORIGINS does not list, or from no page at all.',
      )
    }
    if (req.get('x-csrf') !== '1') {
      throw new AppError('csrf_check_failed', 'Send the header "X-CSRF: 1" with this request.')
    }
    next()
  }
}

/** The same for a plain form, which cannot send headers: the browser must say that a page of ours sent it. */
export function createFormCsrfGuard(allowedOrigins: readonly string[]): RequestHandler {
  const guard = createCsrfGuard(allowedOrigins)
  return (req, res, next) => {
    const isForm = req.is('application/x-www-form-urlencoded') !== false
    const origin = req.get('origin') ?? ''
    // A page of ours with `Referrer-Policy: no-referrer` sends its forms with `Origin: null`.
    const isOurPage =
      req.get('sec-fetch-site') === 'same-origin' && (origin === 'null' || allowedOrigins.includes(origin))
    if (isForm && isOurPage) return next()
    return guard(req, res, next)
  }
}

/**
 * Keeps other sites from beginning logins: no navigation without a person's click (ASVS 7.6.2), and no call by a page of
 * theirs, which would also spend the limits of its visitor's address.
 */
export function createLoginGuard({ allowedOrigins, loginReturnTo }: Config): RequestHandler {
  return (req, res, next) => {
    const isOurs = comesFromOurPages(req, allowedOrigins) || req.get('sec-fetch-site') === 'none'
    if (isNavigation(req) ? isUnasked(req, allowedOrigins) : !isOurs) {
      const { provider } = req.query
      res.locals.retry = {
        returnTo: loginReturnTo,
        provider: typeof provider === 'string' ? provider : undefined,
      }
      throw new AppError(
        'csrf_check_failed',
        'Another site sent you here to sign in. Go on only if you want to.',
      )
    }
    next()
  }
}

function isUnasked(req: Request, allowedOrigins: readonly string[]): boolean {
  const site = req.get('sec-fetch-site')
  // A sibling of our site is foreign, too, unless the SPA lives on one.
  const isForeign = site === 'cross-site' || (site === 'same-site' && allowedOrigins.length === 1)
  return isForeign && req.get('sec-fetch-user') !== '?1'
}

function comesFromOurPages(req: Request, allowedOrigins: readonly string[]): boolean {
  const origin = req.get('origin')
  if (origin !== undefined) return allowedOrigins.includes(origin)
  const site = req.get('sec-fetch-site')
  return site === undefined || site === 'same-origin'
}
