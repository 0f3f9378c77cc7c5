import type { RequestHandler } from 'express'
import { AppError } from '../errors.ts'
import type { Provider } from '../provider/provider.ts'
import type { SessionStore } from '../session/store.ts'
import { noStore } from './middleware/request-context.ts'

/** Whether the server still wants new work. */
export interface Lifecycle {
  draining: boolean
}

/** GET /livez: the process answers. */
export const livez: RequestHandler[] = [noStore, (_req, res) => void res.json({ status: 'ok' })]

interface ReadinessOptions {
  lifecycle: Lifecycle
  provider: Provider
  store: SessionStore
}

/**
 * GET /readyz: whether a balancer should send requests here, with the reason for each part. A provider that is down
 * is told but does not count: people who are signed in must not lose their app because others cannot sign in.
 */
export function createReadinessHandlers({ lifecycle, provider, store }: ReadinessOptions): RequestHandler[] {
  async function askStore(): Promise<string> {
    try {
      await store.ping()
      return 'ok'
    } catch (error) {
      return error instanceof AppError ? (error.reason ?? error.code) : 'failed'
    }
  }

  const handler: RequestHandler = async (_req, res) => {
    const parts = {
      server: lifecycle.draining ? 'draining' : 'ok',
      store: await askStore(),
      provider: provider.isReady() ? 'ok' : 'not discovered yet: logins answer 503',
    }
    const isReady = parts.server === 'ok' && parts.store === 'ok'
    res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready', parts })
  }
  return [noStore, handler]
}
