import type { RequestHandler } from 'express'
import type { Providers } from '../../provider/providers.ts'

/**
 * GET /api/providers: the providers that a sign-in page may offer, named as in `/api/login?provider=`. The
 * first one is the default.
 */
export function createProvidersHandler({ all }: Providers): RequestHandler {
  const providers = all.map(({ name }) => ({ name }))
  return (_req, res) => void res.json({ providers })
}
