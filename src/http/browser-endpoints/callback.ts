import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import type { KeyRing } from '../../app-token/key-ring.ts'
import type { MintAppToken } from '../../app-token/mint.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { AppError, type ErrorCode } from '../../errors.ts'
import { type createCompleteLogin, FailedLogin, type SignedIn } from '../../login/complete.ts'
import { toTransactionId } from '../../login/transaction.ts'
import type { Providers } from '../../provider/providers.ts'
import type { Session } from '../../session/session.ts'
import { renderContinuePage } from '../pages.ts'
import type { TransactionCookies } from '../request/cookies.ts'
import type { ReadDpopThumbprint } from '../request/dpop-header.ts'
import { isNavigation } from '../request/navigation.ts'
import { parameter, readInput } from '../request/parameters.ts'
import { createClientDescriber } from '../request/sign-in-client.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'
import { toSessionView, toUserView } from './session.ts'

const callbackParameters = z.object({
  state: parameter(200),
  code: parameter(4_096).optional(),
  iss: parameter(500).optional(),
  error: parameter(200).optional(),
  error_description: z.string().max(2_000).optional(),
})

type CallbackRequest = Request<{ provider?: string }>

interface CallbackOptions {
  config: Config
  completeLogin: ReturnType<typeof createCompleteLogin>
  mintAppToken: MintAppToken
  sessions: BrowserSessions
  providers: Providers
  transactionCookies: TransactionCookies
  readDpopThumbprint: ReadDpopThumbprint
  keyRing: KeyRing
  clock: Clock
}

/** GET and POST /api/callback: the provider's answer comes in, a session and an app token go out. */
export function createCallbackHandler(options: CallbackOptions): RequestHandler<{ provider?: string }> {
  const { config, completeLogin, mintAppToken, sessions, providers } = options
  const { transactionCookies, readDpopThumbprint, keyRing, clock } = options
  const describeClient = createClientDescriber(config)

  /** The provider whose own address this is; undefined at the common one. */
  function readArrival(req: CallbackRequest): string | undefined {
    const { provider } = req.params
    if (provider === undefined || providers.find(provider) !== undefined) return provider
    throw new AppError('not_found', 'There is no provider of this name.')
  }

  async function complete(
    req: CallbackRequest,
    res: Response,
  ): Promise<SignedIn & { keyThumbprint: string | undefined }> {
    const arrivedFor = readArrival(req)
    const { error_description: errorDescription, ...response } = readInput(
      callbackParameters,
      req.method === 'POST' ? req.body : req.query,
    )
    // Before the login: neither a proof that is refused nor keys that cannot be had must cost the code.
    const keyThumbprint = await readDpopThumbprint(req)
    await keyRing.signingKey()
    const transactionId = toTransactionId(response.state) ?? ''
    // Whatever becomes of this login, its transaction is over.
    if (transactionId !== '') transactionCookies.clear(res, transactionId)
    const browser = {
      describeClient: () => describeClient(req),
      transactions: transactionCookies.readAll(req),
      readSession: async () => (await sessions.read(req)).session,
      startSession: (session: Parameters<BrowserSessions['start']>[1]) => sessions.start(req, session),
      adoptSession: (sessionId: string) => sessions.adopt(req, sessionId),
    }
    const signedIn = await completeLogin(
      { ...response, errorDescription, arrivedFor },
      browser,
      res.locals.log,
    )
    return { ...signedIn, keyThumbprint }
  }

  async function answer(req: CallbackRequest, res: Response): Promise<void> {
    const { session, returnTo, keyThumbprint } = await complete(req, res)
    if (isNavigation(req)) return res.redirect(303, returnTo)
    const token = await mintAppToken(session, { keyThumbprint })
    const views = { user: toUserView(session), session: toSessionView(session, clock) }
    res.json({ ...token, return_to: returnTo, ...views })
  }

  /**
   * The session of a person who has no need of a login that came to nothing: it was finished before, gave way to another
   * one or took too long, and the browser is signed in.
   */
  async function findLivingSession(
    req: CallbackRequest,
    { code }: AppError,
    { transaction, successor }: Partial<FailedLogin>,
  ): Promise<Session | undefined> {
    if (successor !== undefined) return successor
    if (!pastLogins.has(code)) return undefined
    // The living session does not prove what that login was to prove.
    if (transaction !== undefined && demandsMore(transaction)) return undefined
    return (await sessions.read(req)).session
  }

  /** Logs why a login came to nothing; returns where its navigation goes on all the same, if it does. */
  async function findWayOn(req: CallbackRequest, res: Response, error: unknown): Promise<string | undefined> {
    const failed: Partial<FailedLogin> = error instanceof FailedLogin ? error : {}
    const refusal = failed.refusal ?? error
    if (!(refusal instanceof AppError)) return undefined
    const { code, reason } = refusal
    const { returnTo = config.loginReturnTo, providerName, prompt } = failed.transaction ?? {}
    const session = isNavigation(req) ? await findLivingSession(req, refusal, failed) : undefined
    if (session !== undefined) {
      res.locals.log('login_not_needed', { code, reason, session: session.handle })
      return returnTo
    }
    res.locals.log('login_failed', { code, reason })
    res.locals.retry = { returnTo, provider: providerName }
    return isNavigation(req) && prompt === 'none' && silentRefusals.has(code) ? returnTo : undefined
  }

  return async (req, res) => {
    const isRepeated = req.query.again !== undefined
    if (isNavigation(req) && req.method === 'GET' && !isRepeated && sessions.mayBeWithheld(req)) {
      // Once more, now from a page of ours: the browser then brings the session that this login replaces or repeats.
      const { pathname, search } = new URL(req.originalUrl, config.publicUrl)
      res.type('html').send(renderContinuePage(`${pathname}${search}${search === '' ? '?' : '&'}again=1`))
      return
    }
    // Unless the transaction tells better, a person who has to start again lands on the default page.
    res.locals.retry = { returnTo: config.loginReturnTo }
    try {
      await answer(req, res)
    } catch (error) {
      await sessions.abandon(req)
      const wayOn = await findWayOn(req, res, error)
      if (wayOn === undefined) throw error instanceof FailedLogin ? error.refusal : error
      res.redirect(303, wayOn)
    }
  }
}

/** What a silent login (prompt=none) goes on without. */
const silentRefusals: ReadonlySet<ErrorCode> = new Set([
  'login_required',
  'consent_required',
  'interaction_required',
])

/** Whether a login asks for a stronger or a fresh sign-in. */
const demandsMore = ({ acrValues, maxAge, prompt = '' }: FailedLogin['transaction']) =>
  acrValues !== undefined || maxAge !== undefined || prompt.split(' ').includes('login')

/** What says that a login is over, and nothing of the person. */
const pastLogins: ReadonlySet<ErrorCode> = new Set(['login_transaction_missing', 'login_transaction_expired'])
