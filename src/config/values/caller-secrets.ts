import { type Parser, parser } from './parsers.ts'

/**
 * The resource servers that may introspect app tokens: the SHA-256 hash of each secret, by the server's id.
 */
export type IntrospectionClients = ReadonlyMap<string, Uint8Array>

/** Whether a text can be the id of a resource server: colons and commas separate the ids of the setting. */
export const isIntrospectionClientId = (text: string): boolean => /^[\w.~-]{1,100}$/.test(text)

/** Comma-separated `id:hash` pairs; the hash is the SHA-256 of a random secret, in hexadecimal. */
export const introspectionClients: Parser<IntrospectionClients> = parser((text) => {
  const pairs = text.split(',').map((item) => /^([^:]+):([0-9a-f]{64})$/i.exec(item.trim()))
  const clients = new Map<string, Uint8Array>()
  for (const [index, [, id = '', hash = '']] of pairs.map((pair) => pair ?? []).entries()) {
    if (!isIntrospectionClientId(id)) {
      throw new Error(
        `is wrong at value ${index + 1}, which must be id:hash, where the hash is the SHA-256 of a secret in hexadecimal; the command \`client\` prints both`,
      )
    }
    if (clients.has(id)) throw new Error('contains the same id twice')
    clients.set(id, Buffer.from(hash, 'hex'))
  }
  return clients
})

/** A secret by which a caller proves itself: an operator, or a reverse proxy that asks for tokens. */
export const callerSecret: Parser<string> = parser((text) => {
  if (text.length < 32) throw new Error('must have at least 32 characters')
  if (new Set(text).size < 10) throw new Error('does not look random')
  // The characters of a bearer token (RFC 6750 2.1).
  if (!/^[\w.~+/-]+=*$/.test(text)) throw new Error('must consist of letters, digits and -._~+/ only')
  return text
})
