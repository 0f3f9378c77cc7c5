import type { Request } from 'express'
import { DpopNonceNeeded, InvalidDpopProof, type VerifyDpopProof } from '../../app-token/dpop-proof.ts'
import type { Config } from '../../config/config.ts'
import { AppError } from '../../errors.ts'

/**
 * Reads the thumbprint of the key to which the app token is to be bound (RFC 9449 5); undefined where the
 * request has no proof, and with APP_TOKEN_BINDING=none.
 *
 * @throws AppError `invalid_dpop_proof`, also where a proof is missing with APP_TOKEN_BINDING=required;
 * `use_dpop_nonce` with the nonce
 */
export type ReadDpopThumbprint = (req: Request) => Promise<string | undefined>

/** Creates the reader of the DPoP header. A proof has to name the address as it is under PUBLIC_URL. */
export function createDpopHeaderReader(
  { publicUrl, tokenBinding: { mode } }: Pick<Config, 'publicUrl' | 'tokenBinding'>,
  verifyProof: VerifyDpopProof,
): ReadDpopThumbprint {
  if (mode === 'none') return async () => undefined
  return async (req) => {
    const proof = req.get('dpop')
    if (proof === undefined) {
      if (mode === 'optional') return undefined
      throw new AppError('invalid_dpop_proof', 'App tokens are bound to a key here: send a DPoP proof.')
    }
    try {
      return await verifyProof(proof, { method: req.method, url: publicUrl + req.path })
    } catch (error) {
      if (error instanceof DpopNonceNeeded) {
        const headers = { 'DPoP-Nonce': error.nonce }
        throw new AppError('use_dpop_nonce', `${error.message}.`, { headers, cause: error })
      }
      if (!(error instanceof InvalidDpopProof)) throw error
      throw new AppError('invalid_dpop_proof', `${error.message}.`, { cause: error })
    }
  }
}
