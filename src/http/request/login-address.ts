import type { Request } from 'express'
import type { Config } from '../../config/config.ts'
import { readReturnTo } from '../../redirects/return-to.ts'
import type { BrowserSessions } from '../session/browser-sessions.ts'

/**
 * Returns the address, below PUBLIC_URL, where a user signs in and then comes back to a page; an empty text
 * is no page. A link from another site may not have brought a strict cookie that exists: the browser first
 * goes to the page once more, from a page of this server.
 */
export type ToLoginAddress = (req: Request, page: string) => string

/** Creates the way to the login. */
export function createLoginAddress(
  {
    apiPrefix,
    apiUrl,
    origin,
    loginReturnTo,
  }: Pick<Config, 'apiPrefix' | 'apiUrl' | 'origin' | 'loginReturnTo'>,
  sessions: Pick<BrowserSessions, 'mayBeWithheld'>,
): ToLoginAddress {
  return (req, page) => {
    const returnTo = readReturnTo(page, { apiUrl, allowedOrigins: [origin] }) ?? loginReturnTo
    const path = sessions.mayBeWithheld(req) ? 'session/continue' : 'login'
    return `${apiPrefix}/${path}?${new URLSearchParams({ return_to: returnTo })}`
  }
}
