import { parseSetCookie, stringifySetCookie } from 'cookie'
import type { Config } from '../../config/config.ts'
import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { toProxyPrefix } from '../route-match.ts'

/** Seconds for which browsers keep a cookie at most (RFC 6265bis 5.5). */
const longestAge = 34_560_000
/** The last moment that a date of HTTP can name (RFC 9110 5.6.7). */
const lastDate = Date.UTC(10_000, 0) - 1_000

/** Whether cookies are Secure here, and the path below which all addresses are. */
export type OwnAddress = Pick<Config, 'secureCookies' | 'apiPath'>

const clamp = (value: number, least: number, most: number) => Math.min(Math.max(value, least), most)

/**
 * The cookies of a response that the route names, as the browser may receive them: with the same value, for
 * the addresses of the route alone, without Domain, and Secure where this server is (RFC 6265 4.1.2).
 */
export function toBrowserCookies(
  setCookies: readonly string[],
  { name: routeName, cookies }: ProxyRoute,
  { secureCookies: secure, apiPath }: OwnAddress,
): string[] {
  return setCookies.flatMap((text) => {
    // Not decoded: the upstream has to receive the very value again.
    const parsed = parseSetCookie(text, { decode: (value) => value })
    const { domain: _domain, partitioned: _partitioned, value, ...cookie } = parsed
    if (!cookies.includes(cookie.name)) return []
    if (cookie.maxAge !== undefined) cookie.maxAge = clamp(cookie.maxAge, 0, longestAge)
    if (cookie.expires !== undefined) cookie.expires = new Date(clamp(cookie.expires.getTime(), 0, lastDate))
    const path = `${toProxyPrefix({ apiPath })}${routeName}/`
    // The library would encode the value, or refuse one that browsers take as it is.
    const [, ...attributes] = stringifySetCookie({ ...cookie, value: '', path, secure }).split('; ')
    return [`${cookie.name}=${value ?? ''}`, ...attributes].join('; ')
  })
}

/** The Cookie header with the cookies that the route names; undefined where the browser sent none of them. */
export function toUpstreamCookies(header: string | undefined, { cookies }: ProxyRoute): string | undefined {
  if (header === undefined || cookies.length === 0) return undefined
  const passing = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => cookies.includes(pair.split('=', 1)[0] ?? ''))
  return passing.length === 0 ? undefined : passing.join('; ')
}
