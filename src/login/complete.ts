import { maxTokenClaims, type PickTokenClaims } from '../app-token/token-claims.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError, signedOut } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { Providers } from '../provider/providers.ts'
import { type NewSession, type Session, toSessionHandle } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import type { SessionTermination } from '../session/termination/session-termination.ts'
import type { Log } from '../telemetry/logger.ts'
import { toRefusal } from './authorization-error.ts'
import { createConcurrentLogins } from './concurrent-logins.ts'
import type { LoginLedger } from './ledger.ts'
import { createMixUpDefense } from './mix-up-defense.ts'
import {
  assertInTime,
  type CodeResponse,
  missingTransaction,
  openTransaction,
  type SealedTransaction,
  type Transaction,
  toResponseFingerprint,
  toTransactionId,
} from './transaction.ts'

/** The provider's answer to an authorization request, as the browser brought it (RFC 6749 4.1.2, RFC 9207). */
export interface AuthorizationResponse {
  state: string
  code?: string | undefined
  iss?: string | undefined
  error?: string | undefined
  errorDescription?: string | undefined
  /** The provider whose own callback address it came to; undefined where it came to the common one. */
  arrivedFor?: string | undefined
}

/** The browser in front of us, as far as a login needs it. */
export interface Browser {
  /** The sealed transactions of its logins in progress. */
  transactions: readonly SealedTransaction[]
  /** By what its person may recognise it later. */
  describeClient(): { device: string; address?: string }
  readSession(): Promise<Session | undefined>
  /** Writes the session under a new id, ends the one the browser had, and sets the cookie; returns the new id. */
  startSession(session: NewSession): Promise<string>
  /** Sets the cookie of a session that another request with the very same response started, seconds ago. */
  adoptSession(sessionId: string): void
}

export interface SignedIn {
  session: Session
  returnTo: string
}

/** A login that failed after its transaction was opened, so that the way back is known. */
export class FailedLogin extends Error {
  override readonly name = 'FailedLogin'
  readonly refusal: AppError
  readonly transaction: Transaction
  /** The living session that took its place: of another login of this browser, which came at the same time. */
  readonly successor: Session | undefined

  constructor(refusal: AppError, transaction: Transaction, successor?: Session) {
    super(refusal.message, { cause: refusal })
    this.refusal = refusal
    this.transaction = transaction
    this.successor = successor
  }
}

interface CompleteLoginOptions {
  providers: Providers
  config: Pick<Config, 'publicUrl'>
  store: Pick<SessionStore, 'read'>
  termination: Pick<SessionTermination, 'end' | 'findLiving' | 'supersede'>
  /** Opens transactions. */
  sealer: Sealer
  ledger: LoginLedger
  pickTokenClaims: PickTokenClaims
  clock: Clock
}

/** Creates the use case "complete a login": from the provider's answer to a session, once for each state. */
export function createCompleteLogin({
  providers,
  config,
  store,
  termination,
  sealer,
  ledger,
  pickTokenClaims,
  clock,
}: CompleteLoginOptions) {
  const findAnsweringProvider = createMixUpDefense({ providers, publicUrl: config.publicUrl })
  const keepOneLogin = createConcurrentLogins({ ledger, store, termination, sealer })

  /** The order matters: state and iss come before `error` and `code`, and the claim before the exchange. */
  async function finish(
    response: AuthorizationResponse,
    transaction: Transaction,
    browser: Browser,
    log: Log,
  ): Promise<SignedIn> {
    const provider = await findAnsweringProvider(response, transaction)
    // A refusal makes nothing that could be made twice, so that it costs the store nothing either.
    const { code } = response
    if (code === undefined || response.error !== undefined) throw toRefusal(response, log)
    const granted = { ...response, code }
    if (!(await ledger.reserve(response.state))) return follow(granted, browser, log)
    try {
      return await signIn(provider, granted, transaction, browser, log)
    } catch (error) {
      // Its outcome is known already.
      if (error instanceof FailedLogin) throw error
      const { code, detail } =
        error instanceof AppError ? error : new AppError('internal_error', 'The sign-in failed.')
      // Only requests with the same response wait for it.
      await ledger.settle(granted, { code, detail }).catch(() => log('login_outcome_lost'))
      throw error
    }
  }

  async function signIn(
    provider: Provider,
    response: CodeResponse,
    transaction: Transaction,
    browser: Browser,
    log: Log,
  ): Promise<SignedIn> {
    const arrivedAt = clock.now()
    const { returnTo, startedAt } = transaction
    const { identity, tokens } = await exchange(provider, response, transaction)
    const fingerprint = toResponseFingerprint(response)
    const login = { fingerprint, returnTo, startedAt, ...browser.describeClient() }
    const sessionId = await browser.startSession({ identity: { ...identity, login }, tokens })
    const handle = toSessionHandle(sessionId)
    const settled = await ledger.settle(response, { sessionId, returnTo })
    if (settled === undefined) {
      await termination.end(handle)
      throw signedOut()
    }
    const { settledAt } = settled
    await keepOneLogin({ handle, state: response.state, arrivedAt, settledAt }, browser.transactions)
    const session = await readBack(handle, transaction)
    log('login_succeeded', { sub: session.identity.appSub, session: handle })
    const { leftOut } = pickTokenClaims(session.identity)
    if (leftOut.length > 0) {
      log('user_claims_dropped', { session: handle, names: leftOut, limit: maxTokenClaims })
    }
    return { session, returnTo }
  }

  function exchange(provider: Provider, response: CodeResponse, transaction: Transaction) {
    const { nonce, codeVerifier, dpopThumbprint, startedAt, maxAge, acrValues, prompt } = transaction
    return provider.exchangeCode({
      code: response.code,
      state: response.state,
      nonce,
      codeVerifier,
      startedAt,
      ...(dpopThumbprint === undefined ? {} : { dpopThumbprint }),
      ...(response.iss === undefined ? {} : { iss: response.iss }),
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(acrValues === undefined ? {} : { acrValues: acrValues.split(' ').filter((value) => value !== '') }),
      mustBeFresh: prompt?.split(' ').includes('login') ?? false,
    })
  }

  /** A session counts once the store gives it back. */
  async function readBack(handle: string, transaction: Transaction): Promise<Session> {
    const session = await termination.findLiving(handle)
    // Ended already, by a logout; or by another login of this browser that came at the same time.
    if (session === undefined) throw signedOut()
    if (session.handle !== handle) throw new FailedLogin(signedOut(), transaction, session)
    return session
  }

  /** Another request has taken this login: a reload, a double submit, or a callback that is sent again later. */
  async function follow(response: CodeResponse, browser: Browser, log: Log): Promise<SignedIn> {
    const own = await findRepeated(response, browser, log)
    if (own !== undefined) return own
    const outcome = await ledger.follow(response)
    if ('code' in outcome) {
      throw new AppError(outcome.code, outcome.detail, { reason: 'same as the first request' })
    }
    const session = await store.read(toSessionHandle(outcome.sessionId))
    if (session === undefined) throw missingTransaction('session of the first request has ended')
    // The reload may have cost the browser the answer that set the cookie.
    browser.adoptSession(outcome.sessionId)
    log('login_replayed', { session: session.handle })
    return { session, returnTo: outcome.returnTo }
  }

  /** The session this browser holds already, where it came from the very same response; no cookie is needed. */
  async function findRepeated(
    { state, code = '', iss }: AuthorizationResponse,
    browser: Browser,
    log: Log,
  ): Promise<SignedIn | undefined> {
    const session = await browser.readSession()
    if (session?.identity.login.fingerprint !== toResponseFingerprint({ state, code, iss })) return undefined
    log('login_replayed', { session: session.handle })
    return { session, returnTo: session.identity.login.returnTo }
  }

  /**
   * Signs the browser in, or says why not.
   *
   * @throws AppError before the transaction is open, FailedLogin after
   */
  return async function completeLogin(
    response: AuthorizationResponse,
    browser: Browser,
    log: Log,
  ): Promise<SignedIn> {
    const transactionId = toTransactionId(response.state)
    if (transactionId === undefined) {
      throw new AppError('invalid_request', 'The state is malformed.')
    }
    const held = browser.transactions.find(({ id }) => id === transactionId)
    if (held === undefined) {
      const repeated = await findRepeated(response, browser, log)
      if (repeated !== undefined) return repeated
      throw missingTransaction('no transaction cookie')
    }
    const transaction = openTransaction(sealer, held, response.state)
    try {
      assertInTime(transaction, clock)
      return await finish(response, transaction, browser, log)
    } catch (error) {
      throw error instanceof AppError ? new FailedLogin(error, transaction) : error
    }
  }
}
