import { METHODS } from 'node:http'
import { z } from 'zod'
import { isScope, type Parser, parser } from '../values/parsers.ts'
import { readHttpUrl } from '../values/url-parsers.ts'
import { isOwnCookie, isPassable } from './unpassable-names.ts'

/** A member that is a text. */
export const text = z.string({
  error: ({ input }) => (input === undefined ? 'is required' : 'must be a text in quotes'),
})

/** A member that is true or false. */
export const flag = z.boolean({ error: 'must be true or false' })

/** A member that is a list of texts; what it has twice counts once. */
export const listOf = (item: Parser<string>) =>
  z
    .array(z.string({ error: 'must be a text in quotes' }).pipe(item), { error: 'must be a list: [...]' })
    .transform((items) => [...new Set(items)])

/** A list of texts that is not empty. */
export const someOf = (item: Parser<string>) =>
  listOf(item).refine((items) => items.length > 0, { error: 'must name at least one' })

/** Where an upstream is. `crossCheckRoute` decides on plain http. */
export const upstream: Parser<{ origin: string; basePath: string }> = parser((value) => {
  const { origin, pathname } = readHttpUrl(value)
  if (value.includes('?')) throw new Error('must not have a query')
  const basePath = pathname.replace(/\/$/, '')
  if (basePath !== '' && !isPlainPath(basePath)) throw new Error(`must have a path ${ofPlainSegments}`)
  return { origin, basePath }
})

/** A request method that can be passed on (RFC 9110 9.1). */
export const method: Parser<string> = parser((value) => {
  if (!/^[A-Z-]+$/.test(value)) throw new Error('must be in capital letters, such as GET')
  if (!METHODS.includes(value)) throw new Error('must be a method of HTTP, such as GET')
  if (value === 'CONNECT' || value === 'TRACE') throw new Error('must not be CONNECT or TRACE')
  return value
})

/** A prefix of paths, a whole number of segments. */
export const pathPrefix: Parser<string> = parser((value) => {
  if (value === '/') return value
  if (!value.startsWith('/')) throw new Error('must begin with a slash')
  if (value.endsWith('/')) {
    throw new Error('must not end with a slash: /orders stands for itself and for all that is below it')
  }
  if (!isPlainPath(value)) throw new Error(`must be a path ${ofPlainSegments}`)
  return value
})

const ofPlainSegments =
  "of segments that are not empty, nor . or .., and consist of letters, digits and -._~!$&'()*+,;=:@"

/** Whether a path means the same to everyone who reads it: nothing to decode, no segment to resolve. */
const isPlainPath = (path: string) =>
  /^(\/[\w\-.~!$&'()*+,;=:@]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)

/** The name of a provider; `findUnknownProviders` finds those that do not exist. */
export const providerName: Parser<string> = parser((value) => {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(value)) throw new Error('must be the name of a provider')
  return value
})

/** One scope (RFC 6749 3.3). */
export const scope: Parser<string> = parser((value) => {
  if (!isScope(value)) throw new Error('must be one scope, without spaces and quotes')
  return value
})

/** The name of one group. */
export const group: Parser<string> = parser((value) => {
  if (value === '' || /\p{Cc}/u.test(value)) {
    throw new Error('must be the name of a group, without control characters')
  }
  return value
})

/** The audience of a token. */
export const audience: Parser<string> = parser((value) => {
  if (value === '' || /[\s\p{Cc}]/u.test(value)) throw new Error('must be a text without spaces')
  return value
})

/** A number of bytes, up to 10gb; a kb has 1024. */
export const size: Parser<number> = parser((value) => {
  const [, amount, unit] = /^([1-9]\d{0,6})(kb|mb|gb)$/.exec(value) ?? []
  if (amount === undefined) throw new Error('must be a size such as 512kb, 10mb or 1gb')
  const bytes = Number(amount) * units[unit as keyof typeof units]
  if (bytes > 10 * units.gb) throw new Error('must be at most 10gb')
  return bytes
})

const units = { kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const

/** The characters of the name of a header or a cookie (RFC 9110 5.6.2, RFC 6265 4.1.1). */
const token = /^[\w!#$%&'*+\-.^`|~]+$/

/** A header that a route may pass on, in small letters. */
export const headerName: Parser<string> = parser((value) => {
  const name = value.toLowerCase()
  if (!token.test(name)) throw new Error('must be the name of a header')
  if (!isPassable(name)) throw new Error('must not be a header that Portico sets or removes itself')
  return name
})

/** A cookie that a route may pass on. */
export const cookieName: Parser<string> = parser((value) => {
  if (!token.test(value)) throw new Error('must be the name of a cookie')
  if (isOwnCookie(value))
    throw new Error("must not begin with bff_ or __Host-: such cookies are Portico's own")
  return value
})
