import type { Clock } from '../clock.ts'
import { isEqualInConstantTime } from '../crypto/constant-time.ts'
import { deriveKeys } from '../crypto/derive-key.ts'
import { createHmacSha256, type Hmac } from '../crypto/hmac.ts'

/** Nonces for DPoP proofs (RFC 9449 8): each holds its own time, and nothing is stored. */
export interface DpopNonces {
  /** Whether every proof needs one; if not, only those whose `iat` is not the server's time. */
  readonly isRequired: boolean
  issue(): string
  /** Whether it was issued in the last minutes, by any server with one of the secrets. */
  isValid(nonce: unknown): boolean
}

interface DpopNoncesOptions {
  /** The newest first; the others are for nonces of replicas that do not have it yet. */
  secrets: readonly Uint8Array[]
  mode: 'auto' | 'required'
  clock: Clock
}

/** Seconds for which a nonce is valid. */
export const nonceLifetime = 120
/** Seconds by which the clocks of the servers that share a secret may differ. */
export const serverClockTolerance = 30

/** Creates the nonces: the time in seconds, a dot, and its HMAC. */
export function createDpopNonces({ secrets, mode, clock }: DpopNoncesOptions): DpopNonces {
  const hmacs = deriveKeys(secrets, 'dpop-nonce').map(createHmacSha256)
  const [newest] = hmacs
  if (newest === undefined) throw new TypeError('nonces need at least one secret')
  const issuer: Hmac = newest
  const seconds = () => Math.floor(clock.now() / 1000)

  return {
    isRequired: mode === 'required',
    issue() {
      const time = String(seconds())
      return `${time}.${issuer(time)}`
    },
    isValid(nonce) {
      const [, time, mac] = /^(\d{1,12})\.([\w+/=]{44})$/.exec(typeof nonce === 'string' ? nonce : '') ?? []
      if (time === undefined || mac === undefined) return false
      const age = seconds() - Number(time)
      if (age > nonceLifetime || age < -serverClockTolerance) return false
      return hmacs.some((hmac) => isEqualInConstantTime(mac, hmac(time)))
    },
  }
}
