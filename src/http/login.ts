import type { Request, RequestHandler } from 'express'
import { z } from 'zod'
import { AppError } from '../errors.ts'
import type { createBeginLogin } from '../login/begin.ts'
import type { TransactionCookies } from './cookies.ts'
import { parameter, readInput } from './input.ts'
import type { BrowserSessions } from './middleware/browser-session.ts'
import { isNavigation } from './navigation.ts'

const loginParameters = z.object({
  return_to: z.string().optional(),
  prompt: z.enum(['none', 'login', 'consent', 'select_account']).optional(),
  login_hint: parameter(320).optional(),
  max_age: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .optional(),
  acr_values: parameter(400).optional(),
  ui_locales: parameter(100).optional(),
  idp: parameter(100).optional(),
})

interface LoginOptions {
  beginLogin: ReturnType<typeof createBeginLogin>
  sessions: BrowserSessions
  transactionCookies: TransactionCookies
}

/** GET /api/login: begins a login and says where the browser has to go; a navigation goes there at once. */
export function createLoginHandler({
  beginLogin,
  sessions,
  transactionCookies,
}: LoginOptions): RequestHandler {
  return async (req, res) => {
    const input = readInput(loginParameters, req.query)
    assertWanted(req)
    const { session } = await sessions.read(req)
    const login = await beginLogin(
      {
        returnTo: input.return_to,
        prompt: input.prompt,
        loginHint: input.login_hint,
        maxAge: input.max_age,
        acrValues: input.acr_values,
        uiLocales: input.ui_locales,
        idp: input.idp,
        replaces: session?.handle,
      },
      res.locals.log,
    )
    transactionCookies.add(req, res, login.transactionId, login.sealedTransaction)
    res.locals.log('login_started')
    if (isNavigation(req)) res.redirect(302, login.loginUrl)
    else res.json({ login_url: login.loginUrl })
  }
}

/** A foreign page may not sign anybody in behind their back: such a navigation needs a person's click (ASVS 7.6.2). */
function assertWanted(req: Request): void {
  if (!isNavigation(req) || req.get('sec-fetch-site') !== 'cross-site' || req.get('sec-fetch-user') === '?1')
    return
  if (req.res !== undefined) req.res.locals.retryReturnTo = '/'
  throw new AppError('csrf_check_failed', 'Another site sent you here to sign in. Go on only if you want to.')
}
