import type { BrowserRequest, TestBrowser } from './browser.ts'
import type { Reached } from './login.ts'

/** A question by a reverse proxy, about a request of a browser. */
export interface Question {
  /** Parameters, with their question mark, or a path that names a route. */
  rule?: string
  method?: string
  /** Path and query of the page or call. */
  target?: string
  /** Headers in addition to those of the browser; undefined removes one. */
  headers?: Record<string, string | undefined>
  /** Whether the user goes to the page; a call by a script of the page otherwise. */
  isNavigation?: boolean
}

/** Asks as nginx does, with the headers and cookies of the browser. */
export function askForwardAuth(
  { url: origin, apiPrefix = '/api' }: Reached,
  browser: TestBrowser,
  {
    rule = '',
    method = 'GET',
    target = '/orders/5?page=2',
    headers = {},
    isNavigation = false,
  }: Question = {},
): Promise<Response> {
  const init: BrowserRequest = {
    headers: { 'x-original-method': method, 'x-original-uri': target, ...headers },
  }
  const url = `${origin}${apiPrefix}/forward-auth${rule}`
  return isNavigation ? browser.visit(url, init) : browser.fetch(url, init)
}

/** The headers of an answer that a proxy hands on to an upstream. */
export const identityOf = (answer: Response): Record<string, string> =>
  Object.fromEntries([...answer.headers].filter(([name]) => /^(x-auth-|authorization)/.test(name)))
