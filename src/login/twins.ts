import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError, type ErrorCode, isErrorCode } from '../errors.ts'
import type { SharedState } from '../session/store.ts'
import type { Log } from '../telemetry/logger.ts'
import { transactionLifetime } from './transaction.ts'

/**
 * Twins are requests with the same callback: a reload, a double submit, on this replica or another. The first one
 * exchanges the code; the others wait for what becomes of it. A second exchange would make the provider revoke the
 * first one's tokens (RFC 6749 4.1.2).
 */
export interface Twins {
  /** Whether this request is the first with its fingerprint. */
  claim(fingerprint: string): Promise<boolean>
  /** Leaves the outcome for the others. Only they need it, so that failing to leave it does not undo a login. */
  publishOutcome(fingerprint: string, outcome: Outcome, log: Log): Promise<void>
  /** @throws AppError `provider_unavailable` where the first request takes too long */
  waitForOutcome(fingerprint: string): Promise<Outcome>
}

const outcomeText = z.union([
  z.object({ sessionId: z.string(), returnTo: z.string() }),
  z.object({ code: z.custom<ErrorCode>(isErrorCode).catch('internal_error'), detail: z.string() }),
])

/** What became of the first request: a session, or a refusal. */
export type Outcome = z.infer<typeof outcomeText>

/** Milliseconds between two looks for the outcome. */
const lookEvery = 25

interface TwinsOptions {
  store: SharedState
  /** Seals outcomes: they hold a session id. */
  sealer: Sealer
  /** Milliseconds that a twin waits for the first request. */
  patience: number
}

/** Creates the meeting place of twins, in the store that all replicas share. */
export function createTwins({ store, sealer, patience }: TwinsOptions): Twins {
  return {
    claim: (fingerprint) => store.claim(fingerprint, transactionLifetime),

    async publishOutcome(fingerprint, outcome, log) {
      try {
        await store.publish(
          fingerprint,
          sealer.seal(JSON.stringify(outcome), fingerprint),
          transactionLifetime,
        )
      } catch {
        log('login_outcome_lost')
      }
    },

    async waitForOutcome(fingerprint) {
      const waitUntil = performance.now() + patience
      while (performance.now() < waitUntil) {
        const sealed = await store.published(fingerprint)
        const text = sealed === undefined ? undefined : sealer.open(sealed, fingerprint)
        if (text !== undefined) return outcomeText.parse(JSON.parse(text))
        await delay(lookEvery)
      }
      throw new AppError(
        'provider_unavailable',
        'Another request is still finishing this sign-in. Try again in a moment.',
      )
    },
  }
}
