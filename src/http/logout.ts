import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Config } from '../config/config.ts'
import { readReturnTo } from '../login/return-to.ts'
import { readInput } from './input.ts'
import type { BrowserSessions } from './middleware/browser-session.ts'
import { isNavigation } from './navigation.ts'

const logoutParameters = z.object({ return_to: z.string().optional() })

interface LogoutOptions {
  config: Config
  sessions: BrowserSessions
}

/** POST /api/logout: ends the session here. Being signed out already is success. */
export function createLogoutHandler({ config, sessions }: LogoutOptions): RequestHandler {
  return async (req, res) => {
    const { return_to: asked = config.logoutReturnTo } = readInput(logoutParameters, req.body)
    const { session } = await sessions.read(req)
    await sessions.end(req, res)
    res.locals.log('logout_succeeded', { session: session?.handle })
    if (!isNavigation(req)) {
      res.json({ logout_url: null })
      return
    }
    res.redirect(303, readReturnTo(asked, config.publicUrl, config.allowedOrigins) ?? '/')
  }
}
