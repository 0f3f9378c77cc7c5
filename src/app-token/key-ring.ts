import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Log } from '../telemetry/logger.ts'

interface SigningKey {
  kid: string
  privateKey: CryptoKey
  publicJwk: JWK
}

/** The keys that sign app tokens: one signs, the next is published already, retired ones still verify. */
export interface KeyRing {
  readonly alg: Config['appToken']['alg']
  /** The key that signs now. */
  signingKey(): SigningKey
  /** Every public key that a verifier may meet, in a JWK Set (RFC 7517 5). */
  publicKeys(): { keys: JWK[] }
}

interface KeyRingOptions {
  config: Config['appToken']
  clock: Clock
  log: Log
}

/** A token signed a moment before the rotation, seen by a verifier whose clock is late. */
const clockAllowance = 60_000

async function createSigningKey(alg: KeyRing['alg']): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, alg === 'RS256' ? { modulusLength: 2048 } : {})
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  return { kid, privateKey, publicJwk: { ...jwk, kid, alg, use: 'sig' } }
}

/**
 * Creates the ring with its first two keys. A key is published for a whole rotation period before it signs, so that
 * no verifier's cache is ever behind, and stays published until the last token it signed has expired.
 */
export async function createKeyRing({ config, clock, log }: KeyRingOptions): Promise<KeyRing> {
  const { alg, rotation, ttl } = config
  let active = await createSigningKey(alg)
  let next: SigningKey | undefined = await createSigningKey(alg)
  let isMakingNext = false
  let activeUntil = clock.now() + rotation
  let retired: { key: SigningKey; until: number }[] = []

  /** Makes the next key beside the requests; where that fails, the next request tries again. */
  async function makeNext(): Promise<void> {
    if (isMakingNext) return
    isMakingNext = true
    try {
      next = await createSigningKey(alg)
    } catch {
      log('signing_key_rotation_failed')
    }
    isMakingNext = false
  }

  function rotate(): void {
    const now = clock.now()
    if (next === undefined) void makeNext()
    if (next === undefined || now < activeUntil) return
    retired = [...retired, { key: active, until: now + ttl + clockAllowance }]
    active = next
    next = undefined
    activeUntil = now + rotation
    log('signing_key_rotated', { kid: active.kid })
    void makeNext()
  }

  return {
    alg,
    signingKey() {
      rotate()
      return active
    },
    publicKeys() {
      rotate()
      retired = retired.filter(({ until }) => clock.now() < until)
      const keys = [active, ...(next === undefined ? [] : [next]), ...retired.map(({ key }) => key)]
      return { keys: keys.map(({ publicJwk }) => publicJwk) }
    },
  }
}
