import type { Request, Response } from 'express'
import type { Config } from '../../config/config.ts'
import { AppError, type ErrorCode } from '../../errors.ts'
import { LoginFailed } from '../../login/login-failed.ts'
import type { Transaction } from '../../login/transaction.ts'
import { type Session, toLogFields } from '../../session/session.ts'
import { isNavigation } from '../request/navigation.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

/**
 * Logs why a login failed, and prepares the "try again" link. Returns the app's address if the navigation
 * goes on there nevertheless: the browser is signed in by another login, or a silent login (`prompt=none`)
 * was refused. Undefined if the error is shown.
 */
export type HandleFailedCallback = (
  req: Request,
  locals: Response['locals'],
  error: unknown,
) => Promise<string | undefined>

interface FailedCallbackOptions {
  config: Pick<Config, 'loginReturnTo'>
  sessions: Pick<BrowserSessions, 'read'>
}

/** Creates the handling of failed callbacks. */
export function createFailedCallbackHandler({
  config,
  sessions,
}: FailedCallbackOptions): HandleFailedCallback {
  return async (req, locals, error) => {
    // Asking for a nonce is a step of the login: it comes again with one.
    if (!(error instanceof AppError) || error.code === 'use_dpop_nonce') return undefined
    const { code, reason } = error
    const { transaction, successor, appSub }: Partial<LoginFailed> = error instanceof LoginFailed ? error : {}
    const { returnTo = config.loginReturnTo, providerName, prompt } = transaction ?? {}
    const isPage = isNavigation(req)
    const session = isPage ? (successor ?? (await findLivingSession(req, code, transaction))) : undefined
    if (session !== undefined) {
      locals.log('login_not_needed', { ...toLogFields(session), code, reason })
      return returnTo
    }
    locals.log('login_failed', { provider: providerName, sub: appSub, code, reason, step: 'callback' })
    locals.retry = { returnTo, provider: providerName }
    return isPage && prompt === 'none' && silentRefusals.has(code) ? returnTo : undefined
  }

  /**
   * The session of a user who does not need the login that failed: it was finished before or took too long,
   * and the browser is signed in. A login that asked for a stronger or a fresh sign-in is needed all the
   * same: the session does not prove what it should have proved.
   */
  async function findLivingSession(
    req: Request,
    code: ErrorCode,
    transaction: Transaction | undefined,
  ): Promise<Session | undefined> {
    if (!pastLogins.has(code) || (transaction !== undefined && demandsMore(transaction))) return undefined
    return (await sessions.read(req)).session
  }
}

/** Refusals after which a silent login goes on signed out. */
const silentRefusals: ReadonlySet<ErrorCode> = new Set([
  'login_required',
  'consent_required',
  'interaction_required',
])

/** Refusals that say that a login has ended, and nothing about its user. */
const pastLogins: ReadonlySet<ErrorCode> = new Set(['login_transaction_missing', 'login_transaction_expired'])

/** Whether a login asks for a stronger or a fresh sign-in. */
const demandsMore = ({ acrValues, maxAge, prompt = '' }: Transaction) =>
  acrValues !== undefined || maxAge !== undefined || prompt.split(' ').includes('login')
