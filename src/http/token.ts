import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { MintAppToken } from '../app-token/mint.ts'
import { AppError } from '../errors.ts'
import { parameter, readInput } from './input.ts'

const tokenParameters = z.object({
  audience: parameter(500).optional(),
  scope: z.string().max(2_000).optional(),
})

/** POST /api/token: a fresh app token for the session, after `requireSession`; the body may narrow it. */
export function createTokenHandler({ mintAppToken }: { mintAppToken: MintAppToken }): RequestHandler {
  return async (req, res) => {
    const { session } = res.locals
    if (session === undefined)
      throw new AppError('session_required', 'Sign in first: GET /api/login tells where.')
    const token = await mintAppToken(session, readInput(tokenParameters, req.body))
    res.locals.log('app_token_issued', { session: session.handle })
    res.json(token)
  }
}
