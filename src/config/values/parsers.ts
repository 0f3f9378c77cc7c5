import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'
import { isAbsolute } from 'node:path'
import { z } from 'zod'

/**
 * Turns the text of one setting into its value. A problem says what the setting must be; it never repeats the
 * text, which may be a secret.
 */
export type Parser<T> = z.ZodType<T, string>

/** Makes a parser of a function; the message of an Error that it throws becomes the problem. */
export function parser<T>(parse: (text: string) => T): Parser<T> {
  return z.string().transform((text, context) => {
    try {
      return parse(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not valid' })
      return z.NEVER
    }
  })
}

/** Parses a JSON text; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Whether a value of a JSON or YAML text has members. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Texts with commas between them; at least one. */
export const list: Parser<string[]> = parser((text) => {
  const items = text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
  if (items.length === 0) throw new Error('must name at least one')
  return items
})

/** Names of user claims. Those that have a meaning of their own in an app token are refused. */
export const claimNames: Parser<string[]> = list.transform((items, context) => {
  if (items.every((item) => /^[a-z]/i.test(item) && !reservedClaims.has(item))) return items
  context.addIssue({
    code: 'custom',
    message: `must name claims about the user, none of: ${[...reservedClaims].join(', ')}`,
  })
  return z.NEVER
})

/** Claims that have a meaning of their own in an app token. */
const reservedClaims = new Set(
  'iss sub aud exp nbf iat jti sid idp client_id scope scp auth_time acr amr cnf act azp nonce at_hash events'.split(
    ' ',
  ),
)

/** Space-separated scopes (RFC 6749 3.3). */
export const scopes: Parser<string[]> = parser((text) => {
  const items = [...new Set(text.split(/\s+/).filter((item) => item !== ''))]
  if (items.length === 0) throw new Error('must name at least one')
  if (text.includes(',')) throw new Error('must have spaces between the scopes, not commas')
  if (!items.every(isScope)) throw new Error('contains a character that no scope may have')
  return items
})

/** Whether a text can be one scope (RFC 6749 3.3). */
export const isScope = (text: string): boolean => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(text)

/** A TCP port; 0 lets the system choose one. */
export const port: Parser<number> = parser((text) => {
  const value = Number(text)
  if (/^(tcp|udp):/.test(text)) throw new Error(ofService)
  if (!/^\d{1,5}$/.test(text) || value > 65_535) throw new Error('must be a port number, 0 to 65535')
  return value
})

/** Beside a Service that is called operator, Kubernetes sets OPERATOR_PORT in every container. */
const ofService =
  'holds the address of a Service, which Kubernetes sets: give the port, or set enableServiceLinks: false'

/** A number of processes; `auto` is one for each processor that this process may use. */
export const workerCount: Parser<number> = parser((text) => {
  if (text === 'auto') return Math.min(availableParallelism(), mostWorkers)
  const value = Number(text)
  if (!/^[1-9]\d{0,2}$/.test(text) || value > mostWorkers) {
    throw new Error(`must be a number from 1 to ${mostWorkers}, or auto`)
  }
  return value
})

const mostWorkers = 128

/** What the names of this server's cookies begin with; without a dot, which stands behind it in some. */
export const cookieName: Parser<string> = parser((value) => {
  if (/^[a-z][\w-]{0,31}$/i.test(value)) return value
  throw new Error('must be up to 32 letters, digits, _ and -, and begin with a letter')
})

/** Any text. */
export const text: Parser<string> = parser((value) => value)

/** One of these values. */
export function oneOf<const T extends string>(...values: T[]): Parser<T> {
  return parser((value) => {
    const found = values.find((candidate) => candidate === value)
    if (found === undefined) throw new Error(`must be one of: ${values.join(', ')}`)
    return found
  })
}

/** Where the audit stream goes: to standard output, or to the end of a file. */
export const auditTarget: Parser<string> = parser((value) => {
  if (value !== 'stdout' && !isAbsolute(value)) throw new Error('must be stdout or an absolute path')
  return value
})

/** `true` or `false`. */
export const flag: Parser<boolean> = oneOf('true', 'false').transform((value) => value === 'true')

/** Master secrets, newest first: base64url, at least 32 bytes each, and not a pattern that a human typed. */
export const masterSecrets: Parser<Uint8Array[]> = list.transform((items, context) => {
  const problem = (message: string) => {
    context.addIssue({ code: 'custom', message })
    return z.NEVER
  }
  const keys = items.map((item) => (/^[\w-]+={0,2}$/.test(item) ? Buffer.from(item, 'base64url') : undefined))
  if (!keys.every((key) => key !== undefined)) return problem('must be base64url')
  if (keys.some((key) => key.length < 32)) return problem('must be at least 32 random bytes each')
  if (keys.some((key) => new Set(key).size < 16)) return problem('does not look random')
  if (new Set(items).size < items.length) return problem('contains the same secret twice')
  return keys
})

/** The addresses and address blocks (CIDR, RFC 4632) of reverse proxies. */
export const addressBlocks: Parser<string[]> = list.transform((items, context) => {
  if (items.every(isCidr)) return items
  context.addIssue({ code: 'custom', message: 'must be addresses or CIDR blocks such as 10.0.0.0/8' })
  return z.NEVER
})

/**
 * Whether a text is an IP address, or a block with a prefix of at least one bit: /0 would trust every client.
 */
function isCidr(item: string): boolean {
  const [address = '', prefix, ...rest] = item.split('/')
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0
  if (bits === 0 || rest.length > 0) return false
  return prefix === undefined || (/^[1-9]\d{0,2}$/.test(prefix) && Number(prefix) <= bits)
}
