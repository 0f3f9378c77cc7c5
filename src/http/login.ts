import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Config } from '../config/config.ts'
import type { createBeginLogin } from '../login/begin.ts'
import type { TransactionCookies } from './cookies.ts'
import { parameter, readInput } from './input.ts'
import { isNavigation } from './navigation.ts'

/** Printable ASCII: what is sealed into a cookie must not grow when it is escaped. */
const text = (max: number) => parameter(max).regex(/^[\x20-\x7e]+$/)

const loginParameters = z.object({
  return_to: z.string().optional(),
  prompt: z.enum(['none', 'login', 'consent', 'select_account']).optional(),
  login_hint: parameter(320).optional(),
  max_age: z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .optional(),
  acr_values: text(400).optional(),
  ui_locales: text(100).optional(),
  idp: text(100).optional(),
})

interface LoginOptions {
  config: Config
  beginLogin: ReturnType<typeof createBeginLogin>
  transactionCookies: TransactionCookies
}

/** GET /api/login: begins a login and says where the browser has to go; a navigation goes there at once. */
export function createLoginHandler({ config, beginLogin, transactionCookies }: LoginOptions): RequestHandler {
  return async (req, res) => {
    const input = readInput(loginParameters, req.query)
    res.locals.retryReturnTo = config.loginReturnTo
    const login = await beginLogin(
      {
        returnTo: input.return_to,
        prompt: input.prompt,
        loginHint: input.login_hint,
        maxAge: input.max_age,
        acrValues: input.acr_values,
        uiLocales: input.ui_locales,
        idp: input.idp,
      },
      res.locals.log,
    )
    transactionCookies.add(req, res, login.transactionId, login.sealedTransaction)
    res.locals.log('login_started')
    if (isNavigation(req)) res.redirect(302, login.loginUrl)
    else res.json({ login_url: login.loginUrl })
  }
}
