import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { deriveKeys, type KeyPurpose } from './derive-key.ts'

/**
 * Authenticated encryption of short texts, bound to a context such as the name of the cookie that carries
 * them.
 */
export interface Sealer {
  /** Seals with the newest master secret; the result is base64url. */
  seal(text: string, context: string): string
  /** Opens with any of the master secrets; undefined if none of them sealed this text for this context. */
  open(sealed: string, context: string): string | undefined
}

const algorithm = 'aes-256-gcm'
const ivLength = 12
const tagLength = 16

/** Creates the sealer of one purpose: AES-256-GCM with a fresh 96-bit IV for each text (NIST SP 800-38D). */
export function createSealer(secrets: readonly Uint8Array[], purpose: KeyPurpose): Sealer {
  const keys = deriveKeys(secrets, purpose)
  const [newest] = keys
  if (newest === undefined) throw new TypeError('a sealer needs at least one secret')

  return {
    seal(text, context) {
      const iv = randomBytes(ivLength)
      const cipher = createCipheriv(algorithm, newest, iv, { authTagLength: tagLength })
      cipher.setAAD(Buffer.from(context))
      return Buffer.concat([iv, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
        'base64url',
      )
    },
    open(sealed, context) {
      const bytes = Buffer.from(sealed, 'base64url')
      if (bytes.length < ivLength + tagLength) return undefined
      for (const key of keys) {
        const text = openWith(key, bytes, context)
        if (text !== undefined) return text
      }
      return undefined
    },
  }
}

/** Returns the text; undefined if the key, the context or the sealed bytes do not match. */
function openWith(key: Buffer, sealed: Buffer, context: string): string | undefined {
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, ivLength), {
    authTagLength: tagLength,
  })
  decipher.setAAD(Buffer.from(context))
  decipher.setAuthTag(sealed.subarray(-tagLength))
  try {
    const text = decipher.update(sealed.subarray(ivLength, -tagLength))
    return Buffer.concat([text, decipher.final()]).toString()
  } catch {
    return undefined
  }
}
