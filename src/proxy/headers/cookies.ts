import { parseSetCookie, stringifySetCookie } from 'cookie'
import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { proxyPrefix } from '../route-match.ts'

/**
 * The cookies of a response that the route names, as the browser may receive them: for the addresses of the
 * route alone, without Domain, and Secure where this server is (RFC 6265 4.1.2).
 */
export function toBrowserCookies(
  setCookies: readonly string[],
  { name: routeName, cookies }: ProxyRoute,
  secure: boolean,
): string[] {
  return setCookies.flatMap((text) => {
    const { domain: _domain, partitioned: _partitioned, ...cookie } = parseSetCookie(text)
    if (!cookies.includes(cookie.name)) return []
    const path = `${proxyPrefix}${routeName}/`
    return stringifySetCookie({ ...cookie, value: cookie.value ?? '', path, secure })
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
