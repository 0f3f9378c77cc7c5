import type { RequestHandler } from 'express'
import type { KeyRing } from '../../app-token/key-ring.ts'
import { AppError } from '../../errors.ts'
import type { Providers } from '../../provider/providers.ts'
import type { Store } from '../../session/store.ts'
import { noStore } from '../middleware/request-context.ts'

/** Whether the server still wants new work. */
export interface Lifecycle {
  draining: boolean
}

/** GET /livez: the process answers. */
export const livez: RequestHandler[] = [noStore, (_req, res) => void res.json({ status: 'ok' })]

interface ReadinessOptions {
  lifecycle: Lifecycle
  providers: Providers
  store: Store
  keyRing: KeyRing
}

/**
 * GET /readyz: whether a balancer should send requests here, with the reason for each part. A provider that is down
 * is told but does not count: people who are signed in must not lose their app because others cannot sign in.
 */
export function createReadinessHandlers({
  lifecycle,
  providers,
  store,
  keyRing,
}: ReadinessOptions): RequestHandler[] {
  async function ask(part: () => Promise<unknown>): Promise<string> {
    try {
      await part()
      return 'ok'
    } catch (error) {
      return error instanceof AppError ? (error.reason ?? error.code) : 'failed'
    }
  }

  const handler: RequestHandler = async (_req, res) => {
    const components = {
      server: lifecycle.draining ? 'draining' : 'ok',
      store: await ask(() => store.ping()),
      signing_keys: await ask(() => keyRing.signingKey()),
      provider: tellProviders(providers),
    }
    const isReady =
      components.server === 'ok' && components.store === 'ok' && components.signing_keys === 'ok'
    res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready', components })
  }
  return [noStore, handler]
}

function tellProviders({ all }: Providers): string {
  const missing = all.filter((provider) => !provider.isReady()).map(({ name }) => name)
  if (missing.length === 0) return 'ok'
  const which = all.length === 1 ? '' : ` (${missing.join(', ')})`
  return `not discovered yet${which}: logins answer 503`
}
