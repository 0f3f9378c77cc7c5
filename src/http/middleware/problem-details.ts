import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError, toLogDefect } from '../../errors.ts'
import { toLogFields } from '../../session/session.ts'
import { renderErrorPage } from '../pages.ts'
import { isNavigation } from '../request/navigation.ts'
import type { Retry } from './request-context.ts'

/** The last handler: no route has this address. */
export const notFound: RequestHandler = () => {
  throw new AppError('not_found', 'This server has nothing at this address.')
}

/** Turns every error into problem details (RFC 9457), or into a page where a user reads it. */
export function createProblemDetails(config: Config): ErrorRequestHandler {
  return (error: unknown, req, res, _next) => {
    // The request was refused for its body while its handler was
    // running: what the handler throws then is not new.
    if (res.headersSent && res.locals.refusal !== undefined) return
    const refusal = translateHttpError(error)
    res.locals.refusal = { code: refusal.code, reason: refusal.reason }
    if (refusal.code === 'internal_error') res.locals.log('request_failed', toLogDefect(error))
    if (refusal.code === 'dpop_key_mismatch') {
      const { session } = res.locals
      res.locals.log('dpop_key_mismatch', session && toLogFields(session))
    }
    if (refusal.code === 'csrf_check_failed') {
      res.locals.log('csrf_check_failed', { path: req.path.slice(0, 200) })
    }
    // Headers were already sent: close the connection, so that a truncated body is not taken for a complete
    // one. Express's default handler would print the error, secrets included.
    if (res.headersSent) {
      res.destroy()
      return
    }
    for (const [name, value] of Object.entries(refusal.headers)) res.setHeader(name, value)
    // The handler may have allowed caching before it failed.
    res.setHeader('Cache-Control', 'no-store')
    res.status(refusal.status)
    if (isNavigation(req)) sendPage(refusal, res, config)
    else sendProblem(refusal, res)
  }
}

/** The problem document of an error (RFC 9457 3); requests of a host app have no id here. */
export function toProblem({ title, status, detail, code }: AppError, requestId?: string) {
  return { type: 'about:blank', title, status, detail, code, request_id: requestId }
}

/**
 * Errors of Express and its body parsers have a status below 500; every other error is a fault of this
 * server.
 */
export function translateHttpError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const status = error instanceof Error && 'status' in error ? error.status : 500
  if (status === 413) {
    return new AppError('payload_too_large', 'The body may be at most 16 kB.', { cause: error })
  }
  if (status === 415) {
    return new AppError('unsupported_media_type', 'Send plain JSON or a form, uncompressed, in UTF-8.', {
      cause: error,
    })
  }
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new AppError('invalid_request', 'The request could not be parsed.', { cause: error })
  }
  return new AppError('internal_error', 'The error was logged. Quote the request id when you report it.', {
    cause: error,
  })
}

function sendProblem(refusal: AppError, res: Response): void {
  res.type('application/problem+json').send(JSON.stringify(toProblem(refusal, res.locals.requestId)))
}

function sendPage({ title, detail, code }: AppError, res: Response, config: Config): void {
  const { requestId, retry } = res.locals
  const back = { href: config.loginReturnTo, text: 'Back to the app' }
  // Where another site began the login, the user has not tried to sign in yet.
  const text = code === 'csrf_check_failed' ? 'Continue' : 'Try again'
  const links = retry === undefined ? [back] : [...toLoginLinks(retry, text, config), back]
  res.type('html').send(renderErrorPage({ title, detail, code, requestId, links }))
}

/** Where the user begins another login: at the provider of the first one or, of several, at any other. */
function toLoginLinks(
  { returnTo, provider, loginHint }: Retry,
  text: string,
  { providers, apiPath }: Config,
) {
  const asked = { return_to: returnTo, ...(loginHint === undefined ? {} : { login_hint: loginHint }) }
  const toPath = (more = {}) => `${apiPath}/login?${new URLSearchParams({ ...asked, ...more })}`
  if (provider === undefined || providers.length === 1) return [{ href: toPath(), text }]
  return [
    { href: toPath({ provider }), text },
    { href: toPath(), text: 'Sign in another way' },
  ]
}
