import type { IncomingHttpHeaders } from 'node:http'
import type { ProxyRoute } from '../../config/proxy/proxy-route.ts'
import { toProxyPrefix } from '../route-match.ts'
import { type OwnAddress, toBrowserCookies } from './cookies.ts'

/** The response headers that pass to every browser, by their names in small letters. */
const passing = new Map(
  [
    'Accept-Ranges',
    'Allow',
    'Content-Disposition',
    'Content-Encoding',
    'Content-Language',
    'Content-Length',
    'Content-Range',
    'Content-Type',
    'Deprecation',
    'ETag',
    'Last-Modified',
    'Link',
    'RateLimit',
    'RateLimit-Policy',
    'Retry-After',
    'Sunset',
  ].map((name) => [name.toLowerCase(), name]),
)

/** The response headers that pass from one of these routes to the browser. */
export const listPassingResponseHeaders = (routes: readonly ProxyRoute[]): string[] => [
  ...new Set([
    ...passing.values(),
    'Location',
    'WWW-Authenticate',
    ...routes.flatMap(({ responseHeaders }) => responseHeaders),
  ]),
]

/**
 * Takes from an upstream's response the headers that pass to the browser: a flat list of names and values.
 * All others stay here: what belongs to one connection (RFC 9110 7.6.1), what this server says itself, such
 * as CORS and security headers, and what names the upstream's software.
 */
export type SelectResponseHeaders = (status: number, headers: IncomingHttpHeaders) => string[]

/** Creates the selection for one route. */
export function createResponseHeaderSelection(route: ProxyRoute, own: OwnAddress): SelectResponseHeaders {
  const names = new Map([...passing, ...route.responseHeaders.map((name) => [name, name] as const)])

  return (status, headers) => {
    const selected: string[] = []
    for (const name in headers) {
      const passingName = names.get(name)
      if (passingName !== undefined) push(selected, passingName, headers[name])
    }
    const { location, 'www-authenticate': challenges } = headers
    // undici has a list of a header that came twice: it is not clear where that would lead.
    if (typeof location === 'string') push(selected, 'Location', toOwnLocation(location, route, own))
    if (challenges !== undefined && (status === 401 || status === 403)) {
      push(selected, 'WWW-Authenticate', [challenges].flat().filter(asksForToken))
    }
    if (route.cookies.length > 0) {
      push(selected, 'Set-Cookie', toBrowserCookies([headers['set-cookie'] ?? []].flat(), route, own))
    }
    if (route.cache === 'private') pushCaching(selected, headers)
    return selected
  }
}

function push(list: string[], name: string, value: string | string[] | undefined): void {
  if (typeof value === 'string') list.push(name, value)
  else for (const one of value ?? []) list.push(name, one)
}

/**
 * Whether a challenge asks for another token only, such as one of a stronger sign-in (RFC 9470). Other
 * schemes, such as Basic, would make the browser ask the user for a password. One header may have several
 * challenges: what follows a comma is a parameter, with `=` behind its name, or another scheme (RFC 9110
 * 11.6.1).
 */
function asksForToken(challenge: string): boolean {
  const parts = withoutQuoted(challenge).split(',')
  return parts.every((part, at) => tokenScheme.test(part) || (at > 0 && parameter.test(part)))
}

const tokenScheme = /^ ?(?:Bearer|DPoP)(?: |$)/i
const parameter = /^ ?[\w-]+=/

/** A text without what is in quotes, where a backslash makes a quote a part of it (RFC 9110 5.6.4). */
function withoutQuoted(text: string): string {
  let kept = ''
  let isQuoted = false
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (isQuoted && character === '\\') at += 1
    else if (character === '"') isQuoted = !isQuoted
    else if (!isQuoted) kept += character
  }
  return kept
}

/**
 * Where a response leads: an address of the upstream becomes the one that it has here. One outside of the
 * route's base path cannot be reached, and would only name an inner host.
 */
function toOwnLocation(
  location: string,
  { origin, basePath, name }: ProxyRoute,
  own: OwnAddress,
): string | undefined {
  const url = URL.parse(location, `${origin}${basePath}/`)
  // Browsers drop a tab anywhere in it, and take a backslash for a slash.
  if (url === null || /[\t\\]/.test(location)) return undefined
  // Relative to the address of the call: it means the same here.
  if (!/^([a-z][a-z\d+.-]*:|\/)/i.test(location)) return location
  if (url.origin !== origin) return /^https?:$/.test(url.protocol) ? url.href : undefined
  const { pathname, search, hash } = url
  if (pathname !== basePath && !pathname.startsWith(`${basePath}/`)) return undefined
  return `${toProxyPrefix(own)}${name}${pathname.slice(basePath.length)}${search}${hash}`
}

/**
 * Lets the browser keep a response as far as the upstream allows, and caches in between never (RFC 9111
 * 5.2.2).
 */
function pushCaching(
  selected: string[],
  { 'cache-control': control, vary, expires }: IncomingHttpHeaders,
): void {
  if (control === undefined) return
  // Several lines have the same meaning as one with commas (RFC 9110 5.3); undici has a list of them.
  const directives = [control]
    .flat()
    .flatMap((line) => line.split(','))
    .map((directive) => directive.trim())
    .filter((directive) => !/^(public|private|s-maxage|proxy-revalidate|must-understand)\b/i.test(directive))
  selected.push('Cache-Control', ['private', ...directives].join(', '))
  push(selected, 'Vary', vary)
  push(selected, 'Expires', expires)
}
