import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError, type ErrorCode, isErrorCode, signedOut } from '../errors.ts'
import { toSessionHandle } from '../session/session.ts'
import type { SharedState } from '../session/shared-state.ts'
import { concurrentRequestWindow } from '../session/timeouts.ts'
import {
  type CodeResponse,
  missingTransaction,
  toLoginFingerprint,
  toResponseFingerprint,
  transactionLifetime,
} from './transaction.ts'

/**
 * What all replicas know about each login: whether its response was used, its outcome, and whether a logout
 * has cancelled it. A response is used once (RFC 6749 4.1.2). A reload or a double submit gets the outcome of
 * the first request, if it brings exactly the same response within seconds.
 */
export interface LoginLedger {
  /** Reserves the login for this request; false if another request has it, or a logout has cancelled it. */
  reserve(state: string): Promise<boolean>
  /**
   * Records the outcome of the login. Undefined if a logout has cancelled it meanwhile.
   *
   * @throws AppError `store_unavailable`: a logout would not find the session then
   */
  recordOutcome(response: CodeResponse, outcome: Outcome): Promise<SettledLogin | undefined>
  /**
   * Waits for the outcome of the request that reserved the login.
   *
   * @throws AppError `login_transaction_missing` if that request brought another response, or ended too long
   * ago; `signed_out` if a logout has cancelled the login; `provider_unavailable` if that request takes too
   * long
   */
  follow(response: CodeResponse): Promise<Outcome>
  /** The session that a login made, and when; undefined if there is none. */
  find(state: string): Promise<SettledLogin | undefined>
  /** Cancels a login: it cannot make a session from now on. Returns the session that it made before. */
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

/** The outcome of a login: a session, or a refusal. */
export type Outcome = z.infer<typeof sealedOutcome>['outcome']

const settledLogin = z.object({
  /** The session's handle; absent where the login was refused. */
  handle: z.string().optional(),
  /** Milliseconds since the epoch. */
  settledAt: z.number(),
})

/** A login that has its outcome, with the handle of its session if it made one. */
export type SettledLogin = z.infer<typeof settledLogin>

/** Milliseconds between two reads while a request waits for the outcome. */
const pollInterval = 25

interface LoginLedgerOptions {
  store: SharedState
  /** Seals outcomes: they hold a session id. */
  sealer: Sealer
  clock: Clock
  /** Milliseconds for which a request waits for the one that reserved the login. */
  followTimeout: number
}

/** Creates the ledger. It lives in the store that all replicas share. */
export function createLoginLedger({ store, sealer, clock, followTimeout }: LoginLedgerOptions): LoginLedger {
  const readNote = (note: string): SettledLogin => settledLogin.parse(JSON.parse(note))

  /** The outcome, if it belongs to the same response. The store keeps it for seconds only. */
  function readOutcome(sealed: string | undefined, response: CodeResponse): Outcome {
    const text = sealer.open(sealed ?? '', toLoginFingerprint(response.state))
    if (text === undefined) throw missingTransaction('the login was finished before')
    const settled = sealedOutcome.parse(JSON.parse(text))
    if (settled.response === toResponseFingerprint(response)) return settled.outcome
    throw missingTransaction('the login was finished with another response')
  }

  return {
    reserve: (state) => store.reserveOnce(toLoginFingerprint(state), transactionLifetime),

    async recordOutcome(response, outcome) {
      const fingerprint = toLoginFingerprint(response.state)
      const handle = 'sessionId' in outcome ? toSessionHandle(outcome.sessionId) : undefined
      const settled: SettledLogin = { handle, settledAt: clock.now() }
      const text = JSON.stringify({ response: toResponseFingerprint(response), outcome })
      const record = { note: JSON.stringify(settled), text: sealer.seal(text, fingerprint) }
      return (await store.settleReservation(fingerprint, record, concurrentRequestWindow))
        ? settled
        : undefined
    },

    async follow(response) {
      const waitUntil = performance.now() + followTimeout
      while (performance.now() < waitUntil) {
        const reservation = await store.findReservation(toLoginFingerprint(response.state))
        if (reservation.state === 'cancelled') throw signedOut()
        if (reservation.state === 'open') throw missingTransaction('the login is no longer known')
        if (reservation.state === 'settled') return readOutcome(reservation.text, response)
        await delay(pollInterval)
      }
      throw new AppError(
        'provider_unavailable',
        'Another request is still finishing this sign-in. Try again in a moment.',
      )
    },

    async find(state) {
      const reservation = await store.findReservation(toLoginFingerprint(state))
      return reservation.state === 'settled' ? readNote(reservation.note) : undefined
    },

    async cancel(state) {
      const reservation = await store.cancelReservation(toLoginFingerprint(state), transactionLifetime)
      return reservation.state === 'settled' ? readNote(reservation.note) : undefined
    },
  }
}
