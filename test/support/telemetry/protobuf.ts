/** A field of a message: a number, or the bytes of a text, of bytes or of another message. */
type Field = bigint | Buffer

/** Reads a message of Protocol Buffers: its fields by number, each as often as it comes. */
export function readMessage(bytes: Buffer): Map<number, Field[]> {
  const fields = new Map<number, Field[]>()
  let at = 0

  function varint(): bigint {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at] ?? 0
      at += 1
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }

  function take(length: number): Buffer {
    if (at + length > bytes.length) throw new RangeError('the message is cut off')
    at += length
    return bytes.subarray(at - length, at)
  }

  function value(type: number): Field {
    if (type === 0) return varint()
    if (type === 1) return take(8).readBigUInt64LE()
    if (type === 2) return take(Number(varint()))
    if (type === 5) return BigInt(take(4).readUInt32LE())
    throw new TypeError(`wire type ${type}`)
  }

  while (at < bytes.length) {
    const key = Number(varint())
    const field = value(key & 7)
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), field])
  }
  return fields
}
