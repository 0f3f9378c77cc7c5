import type { Request } from 'express'
import { InvalidDpopProof, type VerifyDpopProof } from '../../app-token/dpop-proof.ts'
import { AppError } from '../../errors.ts'

/** Reads the key that a call wants its app token bound to, if it sends a proof (RFC 9449 5). */
export type ReadDpopThumbprint = (req: Request) => Promise<string | undefined>

/**
 * Creates the reader of the DPoP header; the address a proof must name is built from PUBLIC_URL.
 *
 * The returned function throws AppError `invalid_dpop_proof`.
 */
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
