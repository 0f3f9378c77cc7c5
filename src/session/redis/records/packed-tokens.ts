import { deflateRawSync, inflateRawSync } from 'node:zlib'

/**
 * Packs the long tokens of a session. A JWT's base64url takes a third more than its bytes, which also hide
 * from the compression that its claims are those of the user's identity: `dictionary` is the text of that.
 */
export function packTokens(tokens: readonly (string | undefined)[], dictionary: Uint8Array): Buffer {
  return deflateRawSync(Buffer.concat(tokens.flatMap(toChunks)), { dictionary })
}

/** Unpacks what `packTokens` returned, with the same dictionary. */
export function unpackTokens(packed: Uint8Array, dictionary: Uint8Array): (string | undefined)[] {
  const bytes = inflateRawSync(packed, { dictionary })
  const tokens: (string | undefined)[] = []
  let position = 0
  while (position < bytes.length) {
    const kind = bytes.readUInt8(position)
    position += 1
    const parts: Buffer[] = []
    for (let count = kind === plainText ? 1 : kind; count > 0; count -= 1) {
      const start = position + lengthSize
      position = start + bytes.readUInt32BE(position)
      parts.push(bytes.subarray(start, position))
    }
    const token =
      kind === plainText ? parts.join('') : parts.map((part) => part.toString('base64url')).join('.')
    tokens.push(kind === absent ? undefined : token)
  }
  return tokens
}

/** The first byte of a token: one of these, or the number of its base64url parts (JWS: 3, JWE: 5). */
const absent = 0
const plainText = 255

/** Bytes of the length before each part. */
const lengthSize = 4

function toChunks(token: string | undefined): Buffer[] {
  if (token === undefined) return [Buffer.of(absent)]
  const texts = token.split('.')
  const parts = texts.map((text) => Buffer.from(text, 'base64url'))
  // Any other text than canonical base64url would come back as another one.
  const isExact = parts.every((part, position) => part.toString('base64url') === texts[position])
  if (!isExact || parts.length >= plainText) return [Buffer.of(plainText), ...withLength(Buffer.from(token))]
  return [Buffer.of(parts.length), ...parts.flatMap(withLength)]
}

function withLength(part: Buffer): Buffer[] {
  const length = Buffer.alloc(lengthSize)
  length.writeUInt32BE(part.length)
  return [length, part]
}
