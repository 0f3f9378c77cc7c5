import { type Parser, parser } from './parsers.ts'

/** The SHA-256 hashes of secrets, by the ids of the resource servers that may introspect app tokens. */
export type IntrospectionClients = ReadonlyMap<string, Uint8Array>

/** Whether a text can be the id of a resource server: it stands before a colon, and among others with commas. */
export const isClientId = (text: string): boolean => /^[\w.~-]{1,100}$/.test(text)

/** Comma-separated `id:hash` pairs; the hash is the SHA-256 of a random secret, in hexadecimal. */
export const introspectionClients: Parser<IntrospectionClients> = parser((text) => {
  const pairs = text.split(',').map((item) => /^([^:]+):([0-9a-f]{64})$/i.exec(item.trim()))
  const clients = new Map<string, Uint8Array>()
  for (const [index, [, id = '', hash = '']] of pairs.map((pair) => pair ?? []).entries()) {
    if (!isClientId(id)) {
      throw new Error(
        `is wrong at value ${index + 1}, which must be id:hash, the hash being the SHA-256 of a secret in hexadecimal; the command \`client\` makes both`,
      )
    }
    if (clients.has(id)) throw new Error('holds the same id twice')
    clients.set(id, Buffer.from(hash, 'hex'))
  }
  return clients
})

/** The secret of whoever may use the operator API. */
export const operatorSecret: Parser<string> = parser((text) => {
  if (text.length < 32) throw new Error('must have at least 32 characters')
  if (new Set(text).size < 10) throw new Error('does not look random')
  // What a bearer token can be (RFC 6750 2.1).
  if (!/^[\w.~+/-]+=*$/.test(text)) throw new Error('must be letters, digits and -._~+/ alone')
  return text
})
