import { parseSetCookie, type SetCookie } from 'cookie'
import { request as send } from 'undici'

export interface BrowserRequest {
  method?: 'GET' | 'POST' | 'DELETE' | 'OPTIONS' | 'HEAD' | 'PUT'
  /** Undefined removes one of the browser's own headers. */
  headers?: Record<string, string | undefined>
  body?: string | URLSearchParams
}

/**
 * A browser for tests: keeps cookies by host, sends the headers of a real one, follows no redirect by itself.
 */
export interface TestBrowser {
  /** A call by a script of the page; from the same origin by default. */
  fetch(url: string, init?: BrowserRequest): Promise<Response>
  /** The user opens an address; a redirect is returned as it is. */
  visit(url: string, init?: BrowserRequest): Promise<Response>
  /** Another site sends the user to an address; a page that forwards by itself is followed. */
  arrive(url: string): Promise<Response>
  /** Every Set-Cookie line received so far. */
  readonly setCookies: { host: string; line: string; cookie: SetCookie }[]
  cookies(url: string): Map<string, string>
  /** Adds, changes or (undefined) removes a cookie. */
  setCookie(url: string, name: string, value: string | undefined): void
}

const fetchHeaders = { accept: 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' }
const visitHeaders = {
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none',
  'sec-fetch-user': '?1',
}

export function createTestBrowser(): TestBrowser {
  const jars = new Map<string, Map<string, string>>()
  /** Names of cookies that are not sent with requests from another site, or not with its POSTs (SameSite). */
  const bound = { strict: new Set<string>(), lax: new Set<string>() }
  const setCookies: TestBrowser['setCookies'] = []

  function cookies(url: string): Map<string, string> {
    const { host } = new URL(url)
    const jar = jars.get(host) ?? new Map<string, string>()
    jars.set(host, jar)
    return jar
  }

  function keepCookies(url: string, response: Response): void {
    const jar = cookies(url)
    for (const line of response.headers.getSetCookie()) {
      const cookie = parseSetCookie(line, { decode: (value) => value })
      setCookies.push({ host: new URL(url).host, line, cookie })
      if (cookie.sameSite === 'strict' || cookie.sameSite === 'lax') bound[cookie.sameSite].add(cookie.name)
      const isOver =
        cookie.maxAge === 0 || (cookie.expires !== undefined && cookie.expires.getTime() < Date.now())
      if (isOver) jar.delete(cookie.name)
      else jar.set(cookie.name, cookie.value ?? '')
    }
  }

  /** Sends a request; not by `fetch`, which would set Fetch Metadata headers itself. */
  async function request(
    url: string,
    defaults: Record<string, string>,
    init: BrowserRequest,
  ): Promise<Response> {
    const isCrossSite = init.headers?.['sec-fetch-site'] === 'cross-site'
    const { method = 'GET', body } = init
    const isKept = (name: string) => bound.strict.has(name) || (method === 'POST' && bound.lax.has(name))
    const cookie = [...cookies(url)]
      .filter(([name]) => !(isCrossSite && isKept(name)))
      .map(([name, value]) => `${name}=${value}`)
      .join('; ')
    const formType =
      body instanceof URLSearchParams ? { 'content-type': 'application/x-www-form-urlencoded' } : {}
    const given: Record<string, string | undefined> = {
      ...defaults,
      ...(cookie === '' ? {} : { cookie }),
      ...formType,
      ...init.headers,
    }
    const sent = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
    const answer = await send(url, { method, headers: sent, body: body?.toString() ?? null })
    const headers = Object.entries(answer.headers).flatMap(([name, value]) =>
      [value ?? []].flat().map((item): [string, string] => [name, item]),
    )
    const text = await answer.body.text()
    const response = new Response(text === '' ? null : text, { status: answer.statusCode, headers })
    keepCookies(url, response)
    return response
  }

  async function arrive(url: string): Promise<Response> {
    const response = await request(url, visitHeaders, { headers: { 'sec-fetch-site': 'cross-site' } })
    const html = await response.clone().text()
    const next = /http-equiv="refresh" content="0;url=([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&')
    if (next === undefined) return response
    return request(new URL(next, url).href, visitHeaders, { headers: { 'sec-fetch-site': 'same-origin' } })
  }

  return {
    arrive,
    fetch: (url, init = {}) => request(url, fetchHeaders, init),
    visit: (url, init = {}) => request(url, visitHeaders, init),
    setCookies,
    cookies,
    setCookie(url, name, value) {
      if (value === undefined) cookies(url).delete(name)
      else cookies(url).set(name, value)
    },
  }
}
