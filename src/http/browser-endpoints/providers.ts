import type { RequestHandler } from 'express'
import type { Config } from '../../config/config.ts'

/**
 * GET /providers: the providers that a sign-in page may offer, named as in `/login?provider=`. The
 * first one is the default.
 */
export function createProvidersHandler(config: Pick<Config, 'providers'>): RequestHandler {
  const providers = config.providers.map(({ name, label, icon = null }) => ({ name, label, icon }))
  return (_req, res) => void res.json({ providers })
}
