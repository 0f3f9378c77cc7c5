import type { SigningAlg } from './signing-key.ts'

/** When one key signs. Times are milliseconds since the epoch. */
export interface ScheduledKey {
  alg: SigningAlg
  signsFrom: number
}

/** What the next key is made for; milliseconds. */
interface ScheduleOptions {
  alg: SigningAlg
  /** How long a key signs. */
  rotation: number
}

/** How long after its last token has expired a key is published: a verifier's clock may be late. */
const clockAllowance = 60_000
/**
 * How long a key of another algorithm is published before it signs: APP_TOKEN_ALG changed, and nobody waits a whole
 * rotation for it.
 */
const shortestLead = 10 * 60_000

/** The index of the key that signs now: the latest that may. Keys are in the order of their times. */
export function findActive(keys: readonly ScheduledKey[], now: number): number {
  return keys.findLastIndex(({ signsFrom }) => signsFrom <= now)
}

/** The keys somebody may still have to verify with: to come, signing, or with tokens that live on for `ttl`. */
export function dropExpired<K extends ScheduledKey>(keys: readonly K[], now: number, ttl: number): K[] {
  return keys.filter((_key, index) => {
    const successor = keys[index + 1]
    return successor === undefined || now < successor.signsFrom + ttl + clockAllowance
  })
}

/**
 * When the next key to be made shall sign, or undefined where none is missing. There is always one key to come, so
 * that each is published for a whole rotation before it signs, and no replica has to write anything when it begins to.
 */
export function planNext(
  keys: readonly ScheduledKey[],
  now: number,
  { alg, rotation }: ScheduleOptions,
): number | undefined {
  const last = keys.at(-1)
  if (last === undefined) return now
  if (last.signsFrom <= now) return now + (last.alg === alg ? rotation : shortestLead)
  return undefined
}
