import type { RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'
import { readReturnTo } from '../../redirects/return-to.ts'
import { isUnsolicited } from '../middleware/csrf.ts'
import { renderContinuePage } from '../pages.ts'
import { optionalText } from '../request/parameters.ts'

/**
 * GET /session/continue: a page that leads to `return_to` at once. A strict session cookie does not come
 * with a link from another site, but with the navigation that this page starts (RFC 6265bis 5.2). Where no
 * click of the user led here, the page waits for one: what it leads to may begin a login, whose guard would
 * take the navigation for one of this site.
 */
export function createContinueHandler({
  apiUrl,
  allowedOrigins,
  loginReturnTo,
}: Pick<Config, 'apiUrl' | 'allowedOrigins' | 'loginReturnTo'>): RequestHandler {
  return (req, res) => {
    const wanted = optionalText(req.query.return_to) ?? ''
    const href = readReturnTo(wanted, { apiUrl, allowedOrigins }) ?? loginReturnTo
    const needsClick = isUnsolicited(req, allowedOrigins)
    const texts = { title: 'Opening the page', link: 'Open the page' }
    res.type('html').send(renderContinuePage({ href, ...texts, needsClick }))
  }
}
