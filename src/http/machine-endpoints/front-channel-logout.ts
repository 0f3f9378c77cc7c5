import type { RequestHandler } from 'express'
import type { FrontChannelLogout } from '../../logout/front-channel.ts'
import { emptyPage } from '../pages.ts'
import { optionalText } from '../request/parameters.ts'

/**
 * GET /frontchannel-logout: the provider shows this page in a frame when a user signs out there (OpenID
 * Connect Front-Channel Logout 1.0, 2). The frame sends no cookie of this server, so that `sid` has to name
 * the session, with `iss` if the provider sends it. The response is the same whether they do or not.
 */
export function createFrontChannelLogoutHandler(frontChannelLogout: FrontChannelLogout): RequestHandler {
  return async (req, res) => {
    const { iss, sid } = req.query
    // An iss that is no text is of no provider; it does not count as missing.
    const request = { iss: iss === undefined ? undefined : (optionalText(iss) ?? ''), sid: optionalText(sid) }
    const framers = await frontChannelLogout(request, res.locals.log)
    res.locals.mayBeFramed = true
    res.set(
      'Content-Security-Policy',
      `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${framers.join(' ') || "'none'"}`,
    )
    res.type('html').send(emptyPage)
  }
}
