import { z } from 'zod'
import { signingAlgs } from '../crypto/app-token-header.ts'
import { createSealer, type Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'

const storedKeys = z.array(
  z.object({
    alg: z.enum(signingAlgs),
    signsFrom: z.number(),
    publishedFrom: z.number().optional(),
    jwk: z.looseObject({ kty: z.string() }),
  }),
)

/**
 * A signing key as the store has it: the private JWK, the time from which it signs, and that from which it is
 * published, which keys of an earlier version lack.
 */
export type StoredKey = z.infer<typeof storedKeys>[number]

/** The name of the key ring in the store, and the context to which its seal is bound. */
export const keyRingName = 'signing-keys'

/** The log reason where the key ring in the store cannot be opened. */
export const unreadableKeyRing =
  'the signing keys in the store have another format, or are sealed with a secret that BFF_SECRETS does not contain'

/** Seals the key ring for the store, in one copy for each master secret. */
export interface KeyRingSeal {
  close(keys: readonly StoredKey[]): string
  /**
   * @throws AppError `store_unavailable` where no secret here opens it: other replicas may sign with these
   * keys
   */
  open(sealed: string): StoredKey[]
  /** Whether each secret here opens it. With `dropsSurplus`, it also has no copy for any other secret. */
  isCurrent(sealed: string, dropsSurplus: boolean): boolean
}

/**
 * Creates the seal. With a copy for each secret, every replica finds its own copy, also in the middle of a
 * rotation of the secrets and after a rollback.
 */
export function createKeyRingSeal(secrets: readonly Uint8Array[]): KeyRingSeal {
  const sealers = secrets.map((secret) => createSealer([secret], 'signing-keys'))

  return {
    close: (keys) => sealers.map((sealer) => sealer.seal(JSON.stringify(keys), keyRingName)).join(),

    open(sealed) {
      const text = sealers.map((sealer) => openCopy(sealer, sealed)).find((found) => found !== undefined)
      const keys = text === undefined ? undefined : storedKeys.safeParse(JSON.parse(text)).data
      if (keys !== undefined) return keys
      throw new AppError('store_unavailable', 'The signing keys cannot be read right now.', {
        reason: unreadableKeyRing,
      })
    },

    isCurrent(sealed, dropsSurplus) {
      const isComplete = sealers.every((sealer) => openCopy(sealer, sealed) !== undefined)
      return isComplete && !(dropsSurplus && sealed.split(',').length > sealers.length)
    },
  }
}

/** The text of the copy that this secret opens, if there is one. */
const openCopy = (sealer: Sealer, sealed: string) =>
  sealed
    .split(',')
    .map((copy) => sealer.open(copy, keyRingName))
    .find((text) => text !== undefined)
