import { createCipheriv, createDecipheriv } from 'node:crypto'
import { deriveKeys, type KeyPurpose } from './derive-key.ts'
import { randomBytes } from './random.ts'

/**
 * Authenticated encryption of short texts, bound to a context such as the name of the cookie that carries
 * them.
 */
export interface Sealer {
  /** Seals with the newest master secret; the result is base64url. */
  seal(text: string, context: string): string
  /** Opens with any of the master secrets; undefined if none of them sealed this text for this context. */
  open(sealed: string, context: string): string | undefined
  /** As `seal`, of bytes and to bytes: a third smaller than base64url. */
  sealBytes(bytes: Uint8Array, context: string): Buffer
  /** As `open`, of what `sealBytes` returned. */
  openBytes(sealed: Buffer, context: string): Buffer | undefined
}

const algorithm = 'aes-256-gcm'
const ivLength = 12
const tagLength = 16

/** Creates the sealer of one purpose: AES-256-GCM with a fresh 96-bit IV for each text (NIST SP 800-38D). */
export function createSealer(secrets: readonly Uint8Array[], purpose: KeyPurpose): Sealer {
  const keys = deriveKeys(secrets, purpose)
  const [newest] = keys
  if (newest === undefined) throw new TypeError('a sealer needs at least one secret')
  const sealingKey: Buffer = newest

  return {
    seal: (text, context) => sealBytes(Buffer.from(text), context).toString('base64url'),
    open: (sealed, context) => openBytes(Buffer.from(sealed, 'base64url'), context)?.toString(),
    sealBytes,
    openBytes,
  }

  function sealBytes(bytes: Uint8Array, context: string): Buffer {
    const iv = randomBytes(ivLength)
    const cipher = createCipheriv(algorithm, sealingKey, iv, { authTagLength: tagLength })
    cipher.setAAD(Buffer.from(context))
    return Buffer.concat([iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
  }

  function openBytes(sealed: Buffer, context: string): Buffer | undefined {
    if (sealed.length < ivLength + tagLength) return undefined
    for (const key of keys) {
      const bytes = openWith(key, sealed, context)
      if (bytes !== undefined) return bytes
    }
    return undefined
  }
}

/** Returns the bytes; undefined if the key, the context or the sealed bytes do not match. */
function openWith(key: Buffer, sealed: Buffer, context: string): Buffer | undefined {
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, ivLength), {
    authTagLength: tagLength,
  })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(-tagLength))
  try {
    const bytes = decipher.update(sealed.subarray(ivLength, -tagLength))
    // Checks the tag. GCM is a stream cipher: all bytes have come out before.
    decipher.final()
    return bytes
  } catch {
    return undefined
  }
}
