import type { TokenChoice } from '../../src/config/proxy/proxy-route.ts'
import type { AuthorizedSession } from '../../src/proxy/tokens/upstream-token.ts'
import type { Session } from '../../src/session/session.ts'
import type { TestBrowser } from './browser.ts'
import { getSession } from './login.ts'
import type { TestPortico } from './portico.ts'

export const choose = (kind: TokenChoice['kind'], more: Partial<TokenChoice> = {}): TokenChoice => ({
  kind,
  audience: undefined,
  scopes: undefined,
  ...more,
})

/** The session of a browser, as the store has it now. */
export async function readSession(portico: TestPortico, browser: TestBrowser): Promise<Session> {
  const { session } = await getSession(portico, browser)
  const found = await portico.store.read(session.id)
  if (found === undefined) throw new Error('the session has ended')
  return found
}

/** The code of the AppError that a promise is rejected with. */
export const refusal = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => 'no refusal',
    (error: { code?: string }) => error.code,
  )

export const textOf = (got: AuthorizedSession | undefined): string | undefined => got?.token?.token
