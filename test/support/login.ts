import { createTestBrowser, type TestBrowser } from './browser.ts'
import type { TestPortico } from './portico.ts'
import { type ada, signInAtOkta } from './providers/okta.ts'
import type { ScriptedProvider } from './providers/scripted-provider.ts'

export const csrf = { 'x-csrf': '1' }

/** Where a server is reached, and its API_PREFIX. */
export interface Reached {
  url: string
  apiPrefix?: string
}

/** Asks for a login URL, as the SPA does. */
export async function startLogin(
  { url, apiPrefix = '/api' }: Reached,
  browser: TestBrowser,
  query = '',
): Promise<string> {
  const response = await browser.fetch(`${url}${apiPrefix}/login${query}`)
  if (response.status !== 200) throw new Error(`login answered ${response.status}: ${await response.text()}`)
  return ((await response.json()) as { login_url: string }).login_url
}

export interface LoginAnswer {
  token: string
  token_type: string
  expires_in: number
  return_to: string
  user: { sub: string } & Record<string, unknown>
  session: { id: string; created_at: string; idle_expires_in: number; absolute_expires_in: number }
}

/** Signs a user in at the demo's provider: the SPA forwards the code. */
export async function logInAtOkta(
  portico: TestPortico,
  {
    browser = createTestBrowser(),
    query = '',
    person,
  }: { browser?: TestBrowser; query?: string; person?: typeof ada } = {},
) {
  const callback = await signInAtOkta(browser, await startLogin(portico, browser, query), person)
  const response = await browser.fetch(`${portico.url}/api/callback${callback.search}`)
  return { browser, callback, response, answer: (await response.clone().json()) as LoginAnswer }
}

/** Signs a user in at the scripted provider, which shows no pages. */
export async function logInAtScripted(
  portico: Reached,
  idp: ScriptedProvider,
  { browser = createTestBrowser(), query = '' }: { browser?: TestBrowser; query?: string } = {},
) {
  const parameters = idp.authorize(await startLogin(portico, browser, query))
  const { url, apiPrefix = '/api' } = portico
  const response = await browser.fetch(`${url}${apiPrefix}/callback?${parameters}`)
  return { browser, parameters, response }
}

/** Returns the status and the stable code of a refusal. */
export async function readRefusal(response: Response): Promise<string> {
  const type = response.headers.get('content-type') ?? ''
  if (!type.startsWith('application/problem+json')) {
    throw new Error(`${response.status} ${type}: not a problem document`)
  }
  const { status, code } = (await response.json()) as { status: number; code: string }
  return `${response.status === status ? status : 'WRONG STATUS'} ${code}`
}

/** Returns the answer of GET /api/session; without a session, it contains only `active`. */
export async function getSession(
  { url, apiPrefix = '/api' }: Reached,
  browser: TestBrowser,
): Promise<SessionAnswer> {
  const response = await browser.fetch(`${url}${apiPrefix}/session`, { headers: csrf })
  return (await response.json()) as SessionAnswer
}

interface SessionAnswer extends Pick<LoginAnswer, 'user' | 'session'> {
  active: boolean
  provider_token: { expires_in: number | null; refreshable: boolean }
  app_token: { left_out: string[] }
}
