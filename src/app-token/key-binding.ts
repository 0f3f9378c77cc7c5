import type { Config } from '../config/config.ts'
import { AppError } from '../errors.ts'

/**
 * Checks that app tokens of a session may be issued to the holder of a key. A session that is bound to a key
 * by its login gets tokens for that key alone: a script in the page cannot use a key of its own, whose tokens
 * would be of use elsewhere.
 *
 * @param boundTo thumbprint of the key that the login named (`dpop_jkt`, RFC 9449 10), if it named one
 * @param proven thumbprint of the key of the request's proof, if it has one
 * @throws AppError `invalid_dpop_proof` where a proof is needed, `dpop_key_mismatch` where another key is
 */
export type AssertKeyBinding = (boundTo: string | undefined, proven: string | undefined) => void

/** Creates the check that APP_TOKEN_BINDING asks for. */
export function createKeyBinding({ mode }: Pick<Config['tokenBinding'], 'mode'>): AssertKeyBinding {
  if (mode === 'none') return () => {}
  return (boundTo, proven) => {
    if (boundTo === undefined) {
      if (mode === 'optional') return
      throw new AppError('dpop_key_mismatch', 'This session is bound to no key. Sign in again.')
    }
    if (proven === undefined) {
      throw new AppError('invalid_dpop_proof', 'This session is bound to a key: send a DPoP proof of it.')
    }
    if (proven !== boundTo) {
      throw new AppError('dpop_key_mismatch', 'This session is bound to another key. Sign in again.')
    }
  }
}
