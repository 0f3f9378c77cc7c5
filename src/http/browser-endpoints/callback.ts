import type { Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import type { KeyRing } from '../../app-token/key-ring.ts'
import type { MintAppToken } from '../../app-token/mint.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'
import type { CompleteLogin } from '../../login/complete.ts'
import { toLoginFailure } from '../../login/login-failed.ts'
import type { AuthorizationResponse, Browser, SignedIn, VerifiedLogin } from '../../login/login-types.ts'
import type { LoginSettlement } from '../../login/settlement.ts'
import { toTransactionId } from '../../login/transaction.ts'
import type { Providers } from '../../provider/providers.ts'
import { readUnverifiedClaims } from '../../provider/tokens/unverified-claims.ts'
import { type Observer, observeWork } from '../../telemetry/observer.ts'
import type { ReadDpopThumbprint } from '../request/dpop-header.ts'
import { isNavigation } from '../request/navigation.ts'
import { parameter, readParameters } from '../request/parameters.ts'
import { createClientDescriber } from '../request/sign-in-client.ts'
import type { TransactionCookies } from '../request/transaction-cookies.ts'
import { sendJson } from '../send-json.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'
import { createSecondArrival } from '../session/second-arrival.ts'
import { createFailedCallbackHandler } from './failed-callback.ts'
import type { InLoginTrace } from './login-trace.ts'
import { toSessionView, toUserView } from './session.ts'

/** What a provider answers (RFC 6749 4.1.2, RFC 9207 2). */
const responseParameters = z.object({
  state: parameter(200),
  code: parameter(4_096).optional(),
  iss: parameter(500).optional(),
  error: parameter(200).optional(),
  error_description: z.string().max(2_000).optional(),
})

/** The same, as a GET or a POST brings it; or, in one parameter, a JWT with all of it (JARM 2.3). */
export const callbackParameters = responseParameters.partial({ state: true }).extend({
  response: parameter(10_000).optional(),
})

/** What is posted once more: without either of these it is no answer. */
const repeatableParameters = callbackParameters.refine(
  ({ state, response }) => state !== undefined || response !== undefined,
  { path: ['state'] },
)

type CallbackRequest = Request<{ provider?: string }>

interface CallbackOptions {
  config: Config
  completeLogin: CompleteLogin
  inLoginTrace: InLoginTrace
  settlement: LoginSettlement
  mintAppToken: MintAppToken
  sessions: BrowserSessions
  providers: Pick<Providers, 'find'>
  transactionCookies: TransactionCookies
  readDpopThumbprint: ReadDpopThumbprint
  keyRing: Pick<KeyRing, 'signingKey'>
  observer: Pick<Observer, 'loginStep'>
  clock: Clock
}

/** GET and POST /callback: takes the provider's response, and answers with a session and an app token. */
export function createCallbackHandler(options: CallbackOptions): RequestHandler<{ provider?: string }> {
  const { config, completeLogin, inLoginTrace, settlement, mintAppToken, sessions } = options
  const { providers, transactionCookies, readDpopThumbprint, keyRing, observer, clock } = options
  const describeClient = createClientDescriber(config)
  const handleFailedCallback = createFailedCallbackHandler({ config, sessions })
  const secondArrival = createSecondArrival({
    config,
    sessions,
    transactionCookies,
    fields: repeatableParameters,
  })

  return async (req, res) => {
    // For the "try again" link of an error page, until the transaction's own return_to is known.
    res.locals.retry = { returnTo: config.loginReturnTo }
    try {
      if (!secondArrival.requestIfNeeded(req, res)) await signIn(req, res)
    } catch (error) {
      await sessions.abandon(req)
      const wayOn = await handleFailedCallback(req, res.locals, error)
      if (wayOn === undefined) throw error
      secondArrival.sendOn(req, res, wayOn)
    }
  }

  /** The recipe of a callback. */
  async function signIn(req: CallbackRequest, res: Response): Promise<void> {
    const response = readResponse(req, providers)
    const appToken = await prepareAppToken(req)
    const browser = await readBrowser(req, appToken)
    dropTransaction(res, response)
    await inLoginTrace(res, response.state, browser.transactions, async () => {
      const login = await completeLogin(response, browser, res.locals.log)
      const signedIn = login.outcome === 'verified' ? await startSession(req, res, login, browser) : login
      await answer(req, res, signedIn, appToken)
    })
  }

  /** Before the login: neither a proof that is refused nor a missing signing key must cost the code. */
  async function prepareAppToken(req: CallbackRequest): Promise<Browser['appToken']> {
    const appToken = isNavigation(req) ? undefined : { dpopThumbprint: await readDpopThumbprint(req) }
    await keyRing.signingKey()
    return appToken
  }

  async function readBrowser(req: CallbackRequest, appToken: Browser['appToken']): Promise<Browser> {
    const { session } = await sessions.read(req)
    return { transactions: transactionCookies.readAll(req), session, client: describeClient(req), appToken }
  }

  /**
   * Drops the cookie of this login's transaction: from here on it is used up, whether the login succeeds or
   * not.
   */
  function dropTransaction(res: Response, { state }: AuthorizationResponse): void {
    const transactionId = toTransactionId(state)
    if (transactionId !== undefined) transactionCookies.clear(res, transactionId)
  }

  async function startSession(
    req: CallbackRequest,
    res: Response,
    login: VerifiedLogin,
    { transactions }: Browser,
  ): Promise<SignedIn> {
    const { log } = res.locals
    try {
      return await observeStore(observer, login, async () =>
        settlement.settle(login, await sessions.start(req, login.newSession), transactions, log),
      )
    } catch (error) {
      await settlement.recordFailure(login.response, error, log)
      throw toLoginFailure(error, login.transaction, login.newSession.identity.appSub)
    }
  }

  async function answer(
    req: CallbackRequest,
    res: Response,
    { session, returnTo, sessionId }: SignedIn,
    appToken: Browser['appToken'],
  ): Promise<void> {
    const token = appToken && (await mintAppToken(session, appToken))
    // Last: a login that fails until here sets no cookie.
    if (sessionId !== undefined) sessions.giveCookie(res, sessionId, session.absoluteExpiresAt - clock.now())
    if (token === undefined) return secondArrival.sendOn(req, res, returnTo)
    const views = { user: toUserView(session), session: toSessionView(session, clock.now()) }
    sendJson(res, { ...token, return_to: returnTo, ...views })
  }
}

/** The answer that a request brings, at an address of this server that exists. */
function readResponse(req: CallbackRequest, providers: Pick<Providers, 'find'>): AuthorizationResponse {
  const { provider: arrivedFor } = req.params
  if (arrivedFor !== undefined && providers.find(arrivedFor) === undefined) {
    throw new AppError('not_found', 'There is no provider of this name.')
  }
  const input: unknown = req.method === 'POST' ? req.body : req.query
  const { response: jwt } = readParameters(callbackParameters, input)
  const { error_description: errorDescription, ...response } = readParameters(
    responseParameters,
    jwt === undefined ? input : readUnverified(jwt),
  )
  return { ...response, errorDescription, jwt, arrivedFor }
}

/** What a signed answer says: its state leads to the login, and that to the keys that verify it. */
function readUnverified(jwt: string): unknown {
  const claims = readUnverifiedClaims(jwt)
  if (claims === undefined) throw new AppError('invalid_request', 'The response is no signed JWT.')
  return claims
}

/** Observes the last step of a login: to write its session, and its outcome for the other replicas. */
function observeStore<T>(
  observer: Pick<Observer, 'loginStep'>,
  { transaction }: VerifiedLogin,
  work: () => Promise<T>,
): Promise<T> {
  const step = { provider: transaction.providerName, step: 'store' } as const
  return observeWork(work, (call) => observer.loginStep({ ...step, ...call }))
}
