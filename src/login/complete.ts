import type { AssertKeyBinding } from '../app-token/key-binding.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { type PorticoHooks, type SignIn, SignInRefused } from '../embedding/hooks.ts'
import { AppError } from '../errors.ts'
import { IdentifiedRefusal } from '../provider/identity/identified-refusal.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import type { NewSession } from '../session/session.ts'
import type { TokenRevocation } from '../session/termination/token-revocation.ts'
import type { Log } from '../telemetry/events.ts'
import type { Observer } from '../telemetry/observer.ts'
import { toRefusal } from './authorization-error.ts'
import type { LoginLedger } from './ledger.ts'
import { LoginFailed, toLoginFailure } from './login-failed.ts'
import type { AuthorizationResponse, Browser, RepeatedLogin, VerifiedLogin } from './login-types.ts'
import { createMixUpDefense } from './mix-up-defense.ts'
import type { RepeatedCallbacks } from './repeated-callbacks.ts'
import type { LoginSettlement } from './settlement.ts'
import {
  assertInTime,
  type CodeResponse,
  openTransaction,
  type SealedTransaction,
  type Transaction,
  toResponseFingerprint,
  toTransactionId,
} from './transaction.ts'

/**
 * Completes a login up to its session: from the provider's response to the user who signed in, with verified
 * tokens. The caller starts the session. A repeated callback (a reload, a double submit) gets the session of
 * the first one instead.
 *
 * @throws LoginFailed, which knows the way back to the app, once the transaction is open; AppError before
 */
export type CompleteLogin = (
  response: AuthorizationResponse,
  browser: Browser,
  log: Log,
) => Promise<VerifiedLogin | RepeatedLogin>

interface CompleteLoginOptions {
  config: Pick<Config, 'apiUrl'>
  providers: Providers
  /** Opens transactions. */
  sealer: Sealer
  ledger: Pick<LoginLedger, 'reserve'>
  settlement: Pick<LoginSettlement, 'recordFailure'>
  repeatedCallbacks: RepeatedCallbacks
  assertKeyBinding: AssertKeyBinding
  hooks: Pick<PorticoHooks, 'onSignIn'>
  tokenRevocation: Pick<TokenRevocation, 'revokeUnused'>
  observer: Pick<Observer, 'loginStep'>
  clock: Clock
}

/** One callback of a login whose transaction is open. */
interface Attempt {
  transaction: Transaction
  browser: Browser
  log: Log
}

/** Creates the use case "complete a login". Each state makes one session at most. */
export function createCompleteLogin({
  config,
  providers,
  sealer,
  ledger,
  settlement,
  repeatedCallbacks,
  assertKeyBinding,
  hooks,
  tokenRevocation,
  observer,
  clock,
}: CompleteLoginOptions): CompleteLogin {
  const findAnsweringProvider = createMixUpDefense({ providers, apiUrl: config.apiUrl })

  return async (response, browser, log) => {
    const sealed = findTransaction(response, browser)
    if (sealed === undefined) return repeatedCallbacks.recognise(response, browser, log)
    const transaction = openTransaction(sealer, sealed, response.state)
    try {
      return await complete(response, { transaction, browser, log })
    } catch (error) {
      throw toLoginFailure(error, transaction)
    }
  }

  /**
   * The order matters: `state`, signature and `iss` are checked before `error` and `code` are believed, and
   * the state is reserved before the code is exchanged, because a second exchange would make the provider
   * revoke the tokens of the first. A browser that would get no app token for the session gets no session
   * either.
   */
  async function complete(
    response: AuthorizationResponse,
    attempt: Attempt,
  ): Promise<VerifiedLogin | RepeatedLogin> {
    const { transaction, browser, log } = attempt
    assertInTime(transaction, clock)
    const provider = await findAnsweringProvider(response, transaction)
    const granted = readCode(response, provider, log)
    const { appToken } = browser
    if (appToken !== undefined) assertKeyBinding(transaction.browserJkt, appToken.dpopThumbprint)
    const isFirst = await ledger.reserve(granted.state)
    return isFirst ? exchange(provider, granted, attempt) : repeatedCallbacks.follow(granted, browser, log)
  }

  /** Exchanges the code. A refusal is recorded, so that repeated callbacks get the same answer. */
  async function exchange(
    provider: Provider,
    response: CodeResponse,
    { transaction, browser, log }: Attempt,
  ): Promise<VerifiedLogin> {
    const arrivedAt = clock.now()
    observeAuthorization(provider, Math.max(0, arrivedAt - transaction.startedAt))
    try {
      const { identity, tokens } = await exchangeCode(provider, response, transaction, log)
      const { returnTo, startedAt, browserJkt } = transaction
      const fingerprint = toResponseFingerprint(response)
      const login = { fingerprint, returnTo, startedAt, browserJkt, ...browser.client }
      const newSession = { identity: { ...identity, login }, tokens }
      await askHost(newSession, transaction)
      return { outcome: 'verified', newSession, returnTo, transaction, response, arrivedAt }
    } catch (error) {
      await settlement.recordFailure(response, error, log)
      const { appSub }: Partial<IdentifiedRefusal> = error instanceof IdentifiedRefusal ? error : {}
      throw toLoginFailure(error, transaction, appSub)
    }
  }

  /** Lets the host app refuse the user. A login that ends here leaves nothing behind. */
  async function askHost(login: NewSession, transaction: Transaction): Promise<void> {
    try {
      await hooks.onSignIn?.(toSignIn(login))
    } catch (error) {
      tokenRevocation.revokeUnused(login)
      // Of the app's own code: none of its errors is a refusal of this server.
      if (!(error instanceof SignInRefused)) throw new Error('onSignIn failed', { cause: error })
      const refusal = new AppError('sign_in_refused', error.message, { cause: error })
      throw new LoginFailed(refusal, transaction, { appSub: login.identity.appSub })
    }
  }

  /** Reports how long the user and the provider took, by this server's clock: it began at another request. */
  function observeAuthorization({ name }: Provider, duration: number): void {
    const endedAt = performance.now()
    const times = { startedAt: endedAt - duration, endedAt }
    observer.loginStep({ provider: name, step: 'authorize', outcome: 'ok', ...times })
  }
}

/** What the host app learns of a user. */
function toSignIn({ identity, tokens }: NewSession): SignIn {
  const { appSub, providerName, issuer, providerSub, claims, acr, amr, authTime, login } = identity
  return {
    user: { ...claims, sub: appSub },
    provider: providerName,
    claims: {
      ...claims,
      iss: issuer,
      sub: providerSub,
      acr,
      amr,
      auth_time: authTime,
      scope: tokens.scope.join(' '),
    },
    browser: { device: login.device, address: login.address },
  }
}

/** The transaction that the state names, still sealed; undefined where the browser does not hold it. */
function findTransaction({ state }: AuthorizationResponse, browser: Browser): SealedTransaction | undefined {
  const transactionId = toTransactionId(state)
  if (transactionId === undefined) throw new AppError('invalid_request', 'The state is malformed.')
  return browser.transactions.find(({ id }) => id === transactionId)
}

/**
 * Returns a response with its code; throws an error response as an AppError. Nothing was written to the store
 * until here.
 */
function readCode({ code, ...response }: AuthorizationResponse, { name }: Provider, log: Log): CodeResponse {
  if (code === undefined || response.error !== undefined) throw toRefusal(response, name, log)
  return { code, state: response.state, iss: response.iss }
}

function exchangeCode(
  provider: Provider,
  { code, state, iss }: CodeResponse,
  transaction: Transaction,
  log: Log,
) {
  const { nonce, codeVerifier, dpopThumbprint, startedAt, maxAge, acrValues, prompt } = transaction
  return provider.exchangeCode({
    code,
    state,
    iss,
    nonce,
    codeVerifier,
    dpopThumbprint,
    startedAt,
    maxAge,
    acrValues: acrValues?.split(' ').filter((value) => value !== ''),
    mustBeFresh: prompt?.split(' ').includes('login') ?? false,
    log,
  })
}
