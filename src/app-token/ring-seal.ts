import { z } from 'zod'
import { createSealer, type Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'

const storedKeys = z.array(
  z.object({
    alg: z.enum(['ES256', 'EdDSA', 'RS256']),
    signsFrom: z.number(),
    jwk: z.looseObject({ kty: z.string() }),
  }),
)

/** A signing key as the store keeps it: the private JWK, and when it begins to sign. */
export type StoredKey = z.infer<typeof storedKeys>[number]

/** The name of the ring in the store, and the context its seal is bound to. */
export const ringName = 'signing-keys'

/** Why the ring in the store is of no use. */
export const unreadableRing =
  'the signing keys in the store are of another format, or wrapped with a secret that BFF_SECRETS does not hold'

/** Wraps the ring of signing keys for the store, in one copy for each master secret. */
export interface RingSeal {
  close(keys: readonly StoredKey[]): string
  /** @throws AppError `store_unavailable` where no secret of ours opens it: other replicas may sign with these keys */
  open(sealed: string): StoredKey[]
  /** Whether each of our secrets opens it; with `dropsSurplus`, also whether there is no copy for another one. */
  isCurrent(sealed: string, dropsSurplus: boolean): boolean
}

/** Creates the seal. With a copy for each secret, a replica finds its own in the middle of a rotation and after a rollback. */
export function createRingSeal(secrets: readonly Uint8Array[]): RingSeal {
  const sealers = secrets.map((secret) => createSealer([secret], 'signing-keys'))
  const openCopy = (sealer: Sealer, sealed: string) =>
    sealed
      .split(',')
      .map((copy) => sealer.open(copy, ringName))
      .find((text) => text !== undefined)

  return {
    close: (keys) => sealers.map((sealer) => sealer.seal(JSON.stringify(keys), ringName)).join(),

    open(sealed) {
      const text = sealers.map((sealer) => openCopy(sealer, sealed)).find((found) => found !== undefined)
      const keys = text === undefined ? undefined : storedKeys.safeParse(JSON.parse(text)).data
      if (keys !== undefined) return keys
      throw new AppError('store_unavailable', 'The signing keys cannot be read right now.', {
        reason: unreadableRing,
      })
    },

    isCurrent(sealed, dropsSurplus) {
      const isComplete = sealers.every((sealer) => openCopy(sealer, sealed) !== undefined)
      return isComplete && !(dropsSurplus && sealed.split(',').length > sealers.length)
    },
  }
}
