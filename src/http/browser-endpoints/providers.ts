import type { RequestHandler } from 'express'
import type { Providers } from '../../provider/providers.ts'

/** GET /api/providers: what a sign-in page may offer, by the names that `/api/login?provider=` takes; the first is the default. */
export function createProvidersHandler({ all }: Providers): RequestHandler {
  const providers = all.map(({ name }) => ({ name }))
  return (_req, res) => void res.json({ providers })
}
