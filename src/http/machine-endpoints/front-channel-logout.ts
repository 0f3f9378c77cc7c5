import type { RequestHandler } from 'express'
import type { Provider } from '../../provider/provider.ts'
import type { Providers } from '../../provider/providers.ts'
import { toProviderSidGroup } from '../../session/session-groups.ts'
import type { SessionStore } from '../../session/store.ts'
import type { SessionTermination } from '../../session/termination/session-termination.ts'
import { emptyPage } from '../pages.ts'

interface FrontChannelLogoutOptions {
  providers: Pick<Providers, 'findByIssuer'>
  store: Pick<SessionStore, 'find'>
  termination: Pick<SessionTermination, 'endAll'>
}

/**
 * GET /api/frontchannel-logout: the provider shows this page in a frame when a person signs out there (OpenID Connect
 * Front-Channel Logout 1.0, 2). The frame brings no cookie of ours, so that `iss` and `sid` have to tell the session;
 * where one does not fit, nothing happens, and the page looks the same.
 */
export function createFrontChannelLogoutHandler({
  providers,
  store,
  termination,
}: FrontChannelLogoutOptions): RequestHandler {
  async function endSessions(matching: Provider[], sid: string): Promise<string[]> {
    const [provider] = matching
    if (provider === undefined) return []
    const group = toProviderSidGroup(provider.issuer, sid)
    // A stranger's guesses leave nothing in the store.
    return (await store.find(group)).length === 0 ? [] : termination.endAll(group)
  }

  return async (req, res) => {
    const { iss, sid } = req.query
    const matching = typeof iss === 'string' ? providers.findByIssuer(iss) : []
    if (matching.length === 0 || typeof sid !== 'string') {
      const reason = matching.length === 0 ? 'iss is of no provider here' : 'sid is missing'
      res.locals.log('frontchannel_logout_refused', { reason })
    }
    const ended = typeof sid === 'string' ? await endSessions(matching, sid) : []
    if (ended.length > 0) res.locals.log('frontchannel_logout_succeeded', { sessions: ended })
    const framers = (await Promise.all(matching.map((provider) => provider.pageOrigins()))).flat()
    res.removeHeader('X-Frame-Options')
    res.set(
      'Content-Security-Policy',
      `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${[...new Set(framers)].join(' ') || "'none'"}`,
    )
    res.type('html').send(emptyPage)
  }
}
