import type { Clock } from '../clock.ts'
import { sha256Base64url } from '../crypto/hash.ts'
import type { SharedState } from '../session/store.ts'

/**
 * Tokens that may act once, remembered by all replicas. A token counts as used when its act is done, not before: a caller who
 * was told that it failed tries again with the same one. Two calls at the same time may then both act, which ends nothing
 * that one of them would not have ended.
 */
export interface ReplayDetection {
  /** `name` tells the token from all others of its issuer: by what its signature covers, never by its own text. */
  isReplay(issuer: string, name: string): Promise<boolean>
  /** `goodUntil` is when the token expires anyway, in milliseconds since the epoch. */
  markUsed(issuer: string, name: string, goodUntil: number): Promise<void>
}

interface ReplayDetectionOptions {
  store: Pick<SharedState, 'publish' | 'published'>
  clock: Clock
}

const toKey = (issuer: string, name: string) => `used.${sha256Base64url(JSON.stringify([issuer, name]))}`

/** Creates the memory of used tokens. */
export function createReplayDetection({ store, clock }: ReplayDetectionOptions): ReplayDetection {
  return {
    isReplay: async (issuer, name) => (await store.published(toKey(issuer, name))) !== undefined,
    markUsed: (issuer, name, goodUntil) =>
      store.publish(toKey(issuer, name), 'used', Math.max(1, Math.ceil(goodUntil - clock.now()))),
  }
}
