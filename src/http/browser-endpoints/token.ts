import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { MintAppToken } from '../../app-token/mint.ts'
import type { Clock } from '../../clock.ts'
import { currentSession } from '../middleware/require-session.ts'
import type { ReadDpopThumbprint } from '../request/dpop-header.ts'
import { parameter, readParameters } from '../request/parameters.ts'
import { sendJson } from '../send-json.ts'
import { toSessionView } from './session.ts'

const audience = parameter(500)

/** What POST /token accepts. Strict: a misspelt name would give a wider token than the caller wanted. */
export const tokenParameters = z.strictObject({
  audience: z.union([audience, z.array(audience).min(1)]).optional(),
  scope: z.string().max(2_000).optional(),
})

interface TokenOptions {
  mintAppToken: MintAppToken
  readDpopThumbprint: ReadDpopThumbprint
  clock: Clock
}

/**
 * POST /token: a new app token, after `requireFreshTokens`. The body may narrow it, and a DPoP proof
 * binds it. `sub` and `session` show a tab that another user has signed in, and when the session ends.
 */
export function createTokenHandler({
  mintAppToken,
  readDpopThumbprint,
  clock,
}: TokenOptions): RequestHandler {
  return async (req, res) => {
    const session = currentSession(res)
    const narrowed = readParameters(tokenParameters, req.body)
    const token = await mintAppToken(session, { ...narrowed, dpopThumbprint: await readDpopThumbprint(req) })
    res.locals.log('app_token_issued', { session: session.handle })
    sendJson(res, { ...token, sub: session.identity.appSub, session: toSessionView(session, clock.now()) })
  }
}
