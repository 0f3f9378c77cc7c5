import type { Request } from 'express'
import { InvalidDpopProof, type VerifyDpopProof } from '../../app-token/dpop-proof.ts'
import { AppError } from '../../errors.ts'

/**
 * Reads the thumbprint of the key to which the app token is to be bound (RFC 9449 5); undefined where the
 * request has no proof.
 *
 * @throws AppError `invalid_dpop_proof`
 */
export type ReadDpopThumbprint = (req: Request) => Promise<string | undefined>

/** Creates the reader of the DPoP header. A proof has to name the address as it is under PUBLIC_URL. */
export function createDpopHeaderReader(publicUrl: string, verifyProof: VerifyDpopProof): ReadDpopThumbprint {
  return async (req) => {
    const proof = req.get('dpop')
    if (proof === undefined) return undefined
    try {
      return await verifyProof(proof, { method: req.method, url: publicUrl + req.path })
    } catch (error) {
      if (!(error instanceof InvalidDpopProof)) throw error
      throw new AppError('invalid_dpop_proof', `${error.message}.`, { cause: error })
    }
  }
}
