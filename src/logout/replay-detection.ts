import type { Clock } from '../clock.ts'
import { sha256Base64url } from '../crypto/hash.ts'
import type { SharedState } from '../session/shared-state.ts'

/**
 * Replay protection for one-time tokens, shared by all replicas. A token is marked as used only after its
 * action succeeded, so that the caller can send the same token again after an error. Two calls at the same
 * time may therefore both act; the second one then ends nothing that the first one would not have ended.
 */
export interface ReplayDetection {
  /**
   * `id` identifies the token among those of its issuer: its `jti`, or the text that its signature covers.
   * The whole token is no id, because one signature can be written in several ways.
   */
  isReplay(issuer: string, id: string): Promise<boolean>
  /** `expiresAt` is when the token expires anyway, in milliseconds since the epoch. */
  markUsed(issuer: string, id: string, expiresAt: number): Promise<void>
}

interface ReplayDetectionOptions {
  store: Pick<SharedState, 'publish' | 'readPublished'>
  clock: Clock
}

/** Creates the memory of used tokens. */
export function createReplayDetection({ store, clock }: ReplayDetectionOptions): ReplayDetection {
  return {
    isReplay: async (issuer, id) => (await store.readPublished(toKey(issuer, id))) !== undefined,
    markUsed: (issuer, id, expiresAt) =>
      store.publish(toKey(issuer, id), 'used', Math.max(1, Math.ceil(expiresAt - clock.now()))),
  }
}

const toKey = (issuer: string, id: string) => `used.${sha256Base64url(JSON.stringify([issuer, id]))}`
