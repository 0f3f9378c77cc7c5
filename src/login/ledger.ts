import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError, type ErrorCode, isErrorCode, signedOut } from '../errors.ts'
import { toSessionHandle } from '../session/session.ts'
import type { SharedState } from '../session/store.ts'
import { crossingTime } from '../session/timeouts.ts'
import {
  type CodeResponse,
  missingTransaction,
  toLoginFingerprint,
  toResponseFingerprint,
  transactionLifetime,
} from './transaction.ts'

/**
 * What all replicas know of each login: whether its response was used, what became of it, and whether a logout has
 * cancelled it. A response is used once (RFC 6749 4.1.2): a reload or a double submit of the same callback gets the
 * first request's outcome, if it brings the very same response within seconds.
 */
export interface LoginLedger {
  /** Takes the login for this request; false where another request has taken it, or a logout has cancelled it. */
  reserve(state: string): Promise<boolean>
  /**
   * Records what became of the login. Undefined where a logout has cancelled it meanwhile.
   *
   * @throws AppError `store_unavailable`: then no logout would find the session
   */
  settle(response: CodeResponse, outcome: Outcome): Promise<SettledLogin | undefined>
  /**
   * Waits for the outcome of the request that took the login.
   *
   * @throws AppError `login_transaction_missing` where that request brought another response, or ended too long ago;
   * `signed_out` where a logout has cancelled the login; `provider_unavailable` where the request takes too long
   */
  follow(response: CodeResponse): Promise<Outcome>
  /** The session that a login has made, and when; undefined where there is none. */
  find(state: string): Promise<SettledLogin | undefined>
  /** Cancels a login: it makes no session from now on. Returns the session it has made already. */
  cancel(state: string): Promise<SettledLogin | undefined>
}

const sealedOutcome = z.object({
  /** Fingerprint of the response that led to this outcome. */
  response: z.string(),
  outcome: z.union([
    z.object({ sessionId: z.string(), returnTo: z.string() }),
    z.object({ code: z.custom<ErrorCode>(isErrorCode).catch('internal_error'), detail: z.string() }),
  ]),
})

/** What became of a login: a session, or a refusal. */
export type Outcome = z.infer<typeof sealedOutcome>['outcome']

const settledLogin = z.object({
  /** The session's handle; absent where the login was refused. */
  handle: z.string().optional(),
  /** Milliseconds since the epoch. */
  settledAt: z.number(),
})

/** A login that has ended, with the handle of the session it made, if it made one. */
export type SettledLogin = z.infer<typeof settledLogin>

/** Milliseconds between two looks for the outcome. */
const pollInterval = 25

interface LoginLedgerOptions {
  store: SharedState
  /** Seals outcomes: they hold a session id. */
  sealer: Sealer
  clock: Clock
  /** Milliseconds for which a request waits for the one that took the login. */
  patience: number
}

/** Creates the ledger, in the store that all replicas share. */
export function createLoginLedger({ store, sealer, clock, patience }: LoginLedgerOptions): LoginLedger {
  const readNote = (note: string): SettledLogin => settledLogin.parse(JSON.parse(note))

  /** The outcome, where it is of the same response and seconds old: the store keeps it for no longer. */
  function readOutcome(sealed: string | undefined, response: CodeResponse): Outcome {
    const text = sealer.open(sealed ?? '', toLoginFingerprint(response.state))
    if (text === undefined) throw missingTransaction('the login was finished before')
    const settled = sealedOutcome.parse(JSON.parse(text))
    if (settled.response === toResponseFingerprint(response)) return settled.outcome
    throw missingTransaction('the login was finished with another response')
  }

  return {
    reserve: (state) => store.reserveOnce(toLoginFingerprint(state), transactionLifetime),

    async settle(response, outcome) {
      const fingerprint = toLoginFingerprint(response.state)
      const handle = 'sessionId' in outcome ? toSessionHandle(outcome.sessionId) : undefined
      const settled: SettledLogin = { handle, settledAt: clock.now() }
      const text = JSON.stringify({ response: toResponseFingerprint(response), outcome })
      const record = { note: JSON.stringify(settled), text: sealer.seal(text, fingerprint) }
      return (await store.settle(fingerprint, record, crossingTime)) ? settled : undefined
    },

    async follow(response) {
      const waitUntil = performance.now() + patience
      while (performance.now() < waitUntil) {
        const claim = await store.findReservation(toLoginFingerprint(response.state))
        if (claim.state === 'cancelled') throw signedOut()
        if (claim.state === 'open') throw missingTransaction('the login is not known any more')
        if (claim.state === 'settled') return readOutcome(claim.text, response)
        await delay(pollInterval)
      }
      throw new AppError(
        'provider_unavailable',
        'Another request is still finishing this sign-in. Try again in a moment.',
      )
    },

    async find(state) {
      const claim = await store.findReservation(toLoginFingerprint(state))
      return claim.state === 'settled' ? readNote(claim.note) : undefined
    },

    async cancel(state) {
      const claim = await store.cancelReservation(toLoginFingerprint(state), transactionLifetime)
      return claim.state === 'settled' ? readNote(claim.note) : undefined
    },
  }
}
