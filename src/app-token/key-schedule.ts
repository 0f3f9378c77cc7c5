import type { SigningAlg } from '../crypto/app-token-header.ts'

/** When one key signs. */
export interface ScheduledKey {
  alg: SigningAlg
  /** Milliseconds since the epoch. It signs until the next key does. */
  signsFrom: number
  /** Milliseconds since the epoch; undefined where the version that made the key did not write it. */
  publishedFrom?: number | undefined
}

/** The plan for new keys. */
export interface KeySchedule {
  alg: SigningAlg
  /** Milliseconds for which a key signs. */
  rotation: number
}

/**
 * Milliseconds for which a key stays published after its last token has expired: a verifier's clock may be
 * late.
 */
const clockAllowance = 60_000

/** Milliseconds for which verifiers may cache the public keys. */
export const publicKeysLifetime = 5 * 60_000

/**
 * Milliseconds within which every replica that serves has read a change of the key ring: what it read longer
 * ago, it reads again before it uses it.
 */
export const keyRingKnownFor = 2 * 60_000

/**
 * Milliseconds for which a key of another algorithm is published before it signs. This is less than a
 * rotation, so that a change of APP_TOKEN_ALG takes effect soon.
 */
const shortestLead = 10 * 60_000

/**
 * The index of the key that signs now, which is the last one whose time has come. Keys are in the order of
 * their times.
 */
export function findActive(keys: readonly ScheduledKey[], now: number): number {
  return keys.findLastIndex(({ signsFrom }) => signsFrom <= now)
}

/**
 * The keys that a verifier may still need: those that sign later, the one that signs, and those with valid
 * tokens.
 */
export function dropExpired<K extends ScheduledKey>(keys: readonly K[], now: number, tokenTtl: number): K[] {
  return keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || now < successor.signsFrom + tokenTtl + clockAllowance
  })
}

/**
 * The time from which the next new key has to sign; undefined where no key is missing. There is always one
 * key that signs later. So each key is published for a whole rotation before it signs, and when it starts to
 * sign, no replica has to write anything.
 */
export function planNext(
  keys: readonly ScheduledKey[],
  now: number,
  { alg, rotation }: KeySchedule,
): number | undefined {
  const last = keys.at(-1)
  if (last === undefined) return now
  if (last.signsFrom <= now) return now + (last.alg === alg ? rotation : shortestLead)
  return undefined
}

/**
 * Brings forward the time from which the next key signs, to that at which every replica knows of it: they all
 * change keys at the same moment, as they do without an operator. Changes nothing if that time is nearer
 * already.
 *
 * @returns undefined where some verifier may not have read the next key by then
 */
export function bringForward<K extends ScheduledKey>(keys: readonly K[], now: number): K[] | undefined {
  const active = findActive(keys, now)
  const next = keys[active + 1]
  if (next === undefined || now < findEarliestRotation(keys, now)) return undefined
  const signsFrom = Math.min(next.signsFrom, now + keyRingKnownFor)
  return keys.map((key) => (key === next ? { ...key, signsFrom } : key))
}

/**
 * The time from which the next key may be brought forward: a verifier that cached the keys just before it was
 * published has dropped them when it signs.
 */
export function findEarliestRotation(keys: readonly ScheduledKey[], now: number): number {
  const active = findActive(keys, now)
  // The next key is made when the present one begins to sign.
  const published = keys[active + 1]?.publishedFrom ?? keys[active]?.signsFrom ?? now
  return published + publicKeysLifetime
}
