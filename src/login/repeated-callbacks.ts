import { AppError } from '../errors.ts'
import { type Session, toLogFields, toSessionHandle } from '../session/session.ts'
import type { SessionStore } from '../session/store.ts'
import type { Log } from '../telemetry/events.ts'
import type { LoginLedger } from './ledger.ts'
import type { AuthorizationResponse, Browser, RepeatedLogin } from './login-types.ts'
import { type CodeResponse, missingTransaction, toResponseFingerprint } from './transaction.ts'

/** Answers callbacks that come again: a reload, a double submit, or one that is sent again later. */
export interface RepeatedCallbacks {
  /**
   * Recognises the response by the session that the browser holds already. No transaction is needed for that.
   *
   * @throws AppError `login_transaction_missing` where the session came from another response, or there is
   * none
   */
  recognise(response: AuthorizationResponse, browser: Browser, log: Log): Promise<RepeatedLogin>
  /**
   * Waits for the outcome of the request that reserved the login.
   *
   * @throws AppError with the code of the first request's refusal, or as `LoginLedger.follow`
   */
  follow(response: CodeResponse, browser: Browser, log: Log): Promise<RepeatedLogin>
}

interface RepeatedCallbacksOptions {
  store: Pick<SessionStore, 'read'>
  ledger: Pick<LoginLedger, 'follow'>
}

/** Creates the part that answers repeated callbacks. */
export function createRepeatedCallbacks({ store, ledger }: RepeatedCallbacksOptions): RepeatedCallbacks {
  return {
    async recognise(response, browser, log) {
      const repeated = findOwn(response, browser, log)
      if (repeated === undefined) throw missingTransaction('no transaction cookie')
      return repeated
    },

    async follow(response, browser, log) {
      const own = findOwn(response, browser, log)
      if (own !== undefined) return own
      const outcome = await ledger.follow(response)
      if ('code' in outcome) {
        throw new AppError(outcome.code, outcome.detail, { reason: 'same as the first request' })
      }
      const session = await store.read(toSessionHandle(outcome.sessionId))
      if (session === undefined) throw missingTransaction('session of the first request has ended')
      return toRepeated(session, outcome, log)
    },
  }

  /** The session that this browser holds already, where it came from the very same response. */
  function findOwn(
    { state, code = '', iss }: AuthorizationResponse,
    { session }: Browser,
    log: Log,
  ): RepeatedLogin | undefined {
    if (session?.identity.login.fingerprint !== toResponseFingerprint({ state, code, iss })) return undefined
    return toRepeated(session, { returnTo: session.identity.login.returnTo }, log)
  }
}

function toRepeated(
  session: Session,
  { returnTo, sessionId }: { returnTo: string; sessionId?: string },
  log: Log,
): RepeatedLogin {
  log('login_repeated', toLogFields(session))
  return { outcome: 'repeated', session, returnTo, sessionId }
}
