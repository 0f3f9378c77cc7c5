import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { BeginLogin, BegunLogin, LoginRequest } from '../../login/begin.ts'
import type { CancelLogins } from '../../login/cancel.ts'
import { LoginFailed } from '../../login/login-failed.ts'
import type { Providers } from '../../provider/providers.ts'
import { withFields } from '../../telemetry/events.ts'
import { allowDataImages } from '../middleware/response-headers.ts'
import { renderSignInPage } from '../pages.ts'
import { isLinkOrForm, readLinkOrForm, toWantedProvider, toWantedReturnTo } from '../request/login-request.ts'
import { isNavigation } from '../request/navigation.ts'
import { parameter, readParameters } from '../request/parameters.ts'
import type { TransactionCookies } from '../request/transaction-cookies.ts'
import { sendJson } from '../send-json.ts'

/** Printable ASCII. */
const text = (max: number) => parameter(max).regex(/^[\x20-\x7e]+$/)
/**
 * NQSCHAR of RFC 6749 A: no quote and no backslash. It is sealed into a cookie as JSON, and must not grow
 * there.
 */
const unquotedText = (max: number) => parameter(max).regex(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/)

const parameters = {
  return_to: z.string().optional().describe('Where to go afterwards: a path, or a URL on an allowed origin.'),
  target_link_uri: z
    .string()
    .optional()
    .describe('The same, as third parties name it (OpenID Connect Core 4); it has priority.'),
  iss: parameter(500).optional().describe('The issuer for which a third party initiates the login.'),
  provider: parameter(32)
    .optional()
    .describe('Which of the configured providers. Without it, a navigation chooses on a page.'),
  prompt: z.enum(['none', 'login', 'consent', 'select_account', 'create']).optional(),
  login_hint: parameter(320).optional().describe('Passed on to the provider.'),
  acr_values: unquotedText(340).optional().describe('Passed on, and compared with the ID token.'),
  ui_locales: text(100).optional().describe('Passed on to the provider.'),
  idp: text(100).optional().describe("Okta's id of an upstream identity provider."),
  dpop_jkt: z
    .string()
    .regex(/^[\w-]{43}$/)
    .optional()
    .describe("The SHA-256 JWK thumbprint of the browser's key (RFC 9449 10)."),
}

/** What GET /login accepts in its query, and POST /login as a form. */
export const loginQuery = z.object({
  ...parameters,
  max_age: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .optional(),
})

/** What POST /login accepts as JSON. */
export const loginBody = z.object({
  ...parameters,
  max_age: z.int().min(0).max(999_999_999).optional(),
  session_token: text(500).optional(),
})

/**
 * /login, navigations that name no provider, or an issuer of several: a page where the user chooses among
 * them. It begins nothing. Its links lead here again, with what was asked for and the choice. A silent login
 * has no user who could choose, and goes on to the first provider.
 */
export function createSignInPage(
  { providers, publicUrl, apiPath }: Config,
  { findByInitiatedIssuer }: Pick<Providers, 'findByInitiatedIssuer'>,
): RequestHandler {
  const site = new URL(publicUrl).host
  return (req, res, next) => {
    if (providers.length === 1 || !isLinkOrForm(req) || !isNavigation(req)) return next()
    const asked = readLinkOrForm(req)
    if (asked.provider !== undefined) return next()
    const { iss, prompt } = readParameters(loginQuery, asked)
    const named = iss === undefined ? undefined : findByInitiatedIssuer(iss).map(({ name }) => name)
    const choice = providers.filter(({ name }) => named?.includes(name) ?? true)
    if (prompt === 'none' || choice.length < 2) return next()
    const parameters = Object.entries(asked).filter(([name]) => Object.hasOwn(loginQuery.shape, name))
    const ways = choice.map(({ name, label, icon }) => {
      const query = new URLSearchParams([...(parameters as [string, string][]), ['provider', name]])
      return { href: `${apiPath}/login?${query}`, label, icon }
    })
    allowDataImages(req, res, () => res.type('html').send(renderSignInPage({ site, ways })))
  }
}

interface LoginOptions {
  config: Config
  providers: Pick<Providers, 'findByInitiatedIssuer'>
  beginLogin: BeginLogin
  cancelLogins: Pick<CancelLogins, 'atOverflow'>
  transactionCookies: TransactionCookies
}

/**
 * GET and POST /login: begins a login and answers with the address that the browser must go to; a
 * navigation is redirected there. Only JSON may contain a session token, so that no link and no form of
 * another site can carry one.
 */
export function createLoginHandler({
  config,
  providers,
  beginLogin,
  cancelLogins,
  transactionCookies,
}: LoginOptions): RequestHandler {
  const read = (req: Request): z.infer<typeof loginBody> =>
    isLinkOrForm(req) ? readParameters(loginQuery, readLinkOrForm(req)) : readParameters(loginBody, req.body)

  /** Begins the login, and logs a refusal like that of any other failed login. The log then names it. */
  async function begin(request: LoginRequest, { locals }: Response): Promise<BegunLogin> {
    try {
      const begun = await beginLogin(request, locals.log)
      locals.log = withFields(locals.log, { login: begun.transaction.id })
      return begun
    } catch (error) {
      const { transaction }: Partial<LoginFailed> = error instanceof LoginFailed ? error : {}
      if (transaction !== undefined) locals.log = withFields(locals.log, { login: transaction.id })
      if (error instanceof AppError) {
        const { code, reason } = error
        locals.log('login_failed', { provider: transaction?.providerName, code, reason, step: 'begin' })
      }
      throw error
    }
  }

  return async (req, res) => {
    const input = read(req)
    res.locals.retry = { returnTo: config.loginReturnTo, provider: toWantedProvider(input, providers) }
    if (input.dpop_jkt === undefined && config.tokenBinding.mode === 'required' && !isNavigation(req)) {
      throw new AppError(
        'invalid_request',
        "Sessions are bound to a key here: send dpop_jkt, the SHA-256 thumbprint of the browser's key (RFC 7638).",
      )
    }
    const login = await begin(
      {
        returnTo: toWantedReturnTo(input),
        provider: input.provider,
        iss: input.iss,
        prompt: input.prompt,
        loginHint: input.login_hint,
        maxAge: input.max_age,
        acrValues: input.acr_values,
        uiLocales: input.ui_locales,
        idp: input.idp,
        sessionToken: input.session_token,
        browserJkt: input.dpop_jkt,
      },
      res,
    )
    const surplus = transactionCookies.findSurplus(req, login.transaction)
    await cancelLogins.atOverflow(surplus)
    transactionCookies.add(res, login.transaction, surplus)
    res.locals.log('login_started', { provider: login.provider })
    // After a form, the browser must go on with GET (RFC 9700 4.12).
    if (isNavigation(req)) res.redirect(req.method === 'POST' ? 303 : 302, login.loginUrl)
    else sendJson(res, { login_url: login.loginUrl })
  }
}
