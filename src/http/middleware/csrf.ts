import type { Request, RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import { readReturnTo } from '../../redirects/return-to.ts'
import { isLinkOrForm, readLinkOrForm, toWantedProvider, toWantedReturnTo } from '../request/login-request.ts'
import { isNavigation } from '../request/navigation.ts'
import { optionalText } from '../request/parameters.ts'

type Origins = Pick<Config, 'publicUrl' | 'allowedOrigins'>

/**
 * Protects every call that acts on the session cookie (RFC 10017 6.1.3.3). A page of another site cannot send
 * a custom header without a preflight, which CORS refuses; and Origin or Fetch Metadata must name an allowed
 * page as well.
 */
export function createCsrfGuard({ publicUrl, allowedOrigins }: Origins): RequestHandler {
  return (req, _res, next) => {
    if (!isFromAllowedPage(req, allowedOrigins)) throw foreignPage(req, publicUrl)
    if (req.get('x-csrf') !== '1') {
      throw new AppError('csrf_check_failed', 'Send the header "X-CSRF: 1" with this request.')
    }
    next()
  }
}

/**
 * The same guard for the APIs behind the session. It also accepts what no script can give a header: an event
 * stream (EventSource) and a WebSocket connection, where the browser says that an allowed page opens them.
 */
export function createProxyCsrfGuard(origins: Origins): RequestHandler {
  const guard = createCsrfGuard(origins)
  const { allowedOrigins, publicUrl } = origins
  return (req, res, next) => {
    const isStream =
      res.locals.upgradeHead !== undefined ||
      (req.method === 'GET' && req.get('accept') === 'text/event-stream')
    if (!isStream || req.get('x-csrf') !== undefined) return guard(req, res, next)
    if (!isVouchedFor(req, allowedOrigins)) throw foreignPage(req, publicUrl)
    return next()
  }
}

/** Whether the browser itself says that the request comes from an allowed page. */
function isVouchedFor(req: Request, allowedOrigins: readonly string[]): boolean {
  const origin = req.get('origin')
  return origin === undefined ? req.get('sec-fetch-site') === 'same-origin' : allowedOrigins.includes(origin)
}

/**
 * The same guard, which also accepts a plain HTML form, although it cannot send headers: the browser must say
 * that a page of this origin sent it.
 */
export function createFormCsrfGuard(origins: Origins): RequestHandler {
  const guard = createCsrfGuard(origins)
  const { allowedOrigins } = origins
  return (req, res, next) => {
    const isForm = req.is('application/x-www-form-urlencoded') !== false
    const origin = req.get('origin') ?? ''
    // A page of this origin with `Referrer-Policy: no-referrer` sends its forms with `Origin: null`.
    const isSameOrigin =
      req.get('sec-fetch-site') === 'same-origin' && (origin === 'null' || allowedOrigins.includes(origin))
    if (isForm && isSameOrigin) return next()
    return guard(req, res, next)
  }
}

/**
 * Keeps other sites from beginning logins: a navigation needs a click of the user (OWASP ASVS 5.0, 7.6.2) or
 * a page of the provider that `iss` names, and calls by their pages are refused, which would also use up the
 * rate limit of their visitors' addresses. A form is a navigation like a link; JSON has the guard of calls.
 */
export function createLoginGuard(
  { publicUrl, apiUrl, allowedOrigins, loginReturnTo }: Origins & Pick<Config, 'apiUrl' | 'loginReturnTo'>,
  providers: Pick<Providers, 'findByInitiatedIssuer'>,
): RequestHandler {
  const guardCalls = createCsrfGuard({ publicUrl, allowedOrigins })
  return (req, res, next) => {
    if (!isLinkOrForm(req)) return guardCalls(req, res, next)
    if (!isNavigation(req)) {
      if (isFromAllowedPage(req, allowedOrigins) || req.get('sec-fetch-site') === 'none') return next()
      throw foreignPage(req, publicUrl)
    }
    const asked = readLinkOrForm(req)
    if (isUnsolicited(req, allowedOrigins) && !isFromNamedProvider(req, asked, providers)) {
      const wanted = toWantedReturnTo(asked) ?? ''
      res.locals.retry = {
        returnTo: readReturnTo(wanted, { apiUrl, allowedOrigins }) ?? loginReturnTo,
        provider: toWantedProvider(asked, providers),
        loginHint: optionalText(asked.login_hint),
      }
      throw new AppError(
        'csrf_check_failed',
        'Another site sent you here to sign in. Continue only if you want to sign in.',
      )
    }
    return next()
  }
}

/**
 * Whether a page of the provider that `iss` names sent the browser here, such as Okta's dashboard: a provider
 * decides anyway who is signed in there. A form has Origin, a link Referer, and no page can send those of
 * another origin.
 */
function isFromNamedProvider(
  req: Request,
  asked: Record<string, unknown>,
  { findByInitiatedIssuer }: Pick<Providers, 'findByInitiatedIssuer'>,
): boolean {
  const { iss } = asked
  if (typeof iss !== 'string' || findByInitiatedIssuer(iss).length === 0) return false
  if (ofAnswers.some((name) => Object.hasOwn(asked, name))) return false
  return URL.parse(req.get('origin') ?? req.get('referer') ?? '')?.origin === new URL(iss).origin
}

/**
 * What answers to clients have, and no request for a login: anyone who can register a client at a provider
 * could have its page post one here.
 */
const ofAnswers = ['code', 'error', 'id_token', 'response', 'state']

/** Methods that change nothing, as far as the server of an address keeps to RFC 9110 9.2.1. */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Checks where a request comes from that a reverse proxy asks about, by the headers that the proxy hands on.
 * A safe one may come from anywhere. Any other comes from an allowed page: by Origin, by Fetch Metadata or,
 * from a client that sends neither, by X-CSRF. The handshake of a WebSocket has an allowed Origin, because it
 * is a GET that CORS does not protect.
 *
 * @throws AppError `csrf_check_failed`
 */
export function assertFromAllowedPage(
  req: Request,
  original: { method: string; isWebSocket: boolean },
  { publicUrl, allowedOrigins }: Origins,
): void {
  if (safeMethods.has(original.method) && !original.isWebSocket) return
  const origin = req.get('origin')
  const site = req.get('sec-fetch-site')
  if (origin !== undefined && allowedOrigins.includes(origin)) return
  if (!original.isWebSocket && (origin === undefined || origin === 'null')) {
    // Forms of a page with `Referrer-Policy: no-referrer` have `Origin: null`.
    if (site === 'same-origin') return
    if (origin === undefined && site === undefined && req.get('x-csrf') === '1') return
  }
  throw foreignPage(req, publicUrl)
}

/**
 * Whether another site started a navigation without a click of the user. Where a browser sends no Fetch
 * Metadata, a form still has Origin, and nothing says whether there was a click.
 */
export function isUnsolicited(req: Request, allowedOrigins: readonly string[]): boolean {
  const site = req.get('sec-fetch-site')
  const origin = req.get('origin')
  if (site === undefined) return origin !== undefined && !allowedOrigins.includes(origin)
  // A sibling host of the same site counts as another site, unless
  // SPA_ORIGINS is set: the SPA may be a sibling.
  const isOtherSite = site === 'cross-site' || (site === 'same-site' && allowedOrigins.length === 1)
  return isOtherSite && req.get('sec-fetch-user') !== '?1'
}

/** Whether the request comes from an allowed origin. Without Origin, as in a GET, Fetch Metadata decides. */
function isFromAllowedPage(req: Request, allowedOrigins: readonly string[]): boolean {
  const isSilent = req.get('origin') === undefined && req.get('sec-fetch-site') === undefined
  return isSilent || isVouchedFor(req, allowedOrigins)
}

/**
 * Mostly a wrong PUBLIC_URL, as long as an app is being developed. The text names the two origins, and so
 * shows which one has to change.
 */
function foreignPage(req: Request, publicUrl: string): AppError {
  const origin = req.get('origin')
  const detail =
    origin === undefined
      ? 'The request does not come from a page of this server or of an origin in SPA_ORIGINS.'
      : `The request comes from a page of ${toShown(origin)}, but PUBLIC_URL is ${publicUrl}. ` +
        "Behind a dev server's proxy, PUBLIC_URL must be the address in the browser. " +
        'If the app has another origin than this server, list it in SPA_ORIGINS.'
  return new AppError('csrf_check_failed', detail)
}

/** An origin that may be repeated in an answer: one in its normal form, and of a usual length. */
const toShown = (origin: string) =>
  origin.length <= 200 && URL.parse(origin)?.origin === origin ? origin : 'another origin'
