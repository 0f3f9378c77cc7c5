import type { RequestHandler } from 'express'
import type { KeyRing } from '../../app-token/key-ring.ts'
import { toLogReason } from '../../errors.ts'
import type { Lifecycle } from '../../lifecycle.ts'
import type { Providers } from '../../provider/providers.ts'
import type { Store } from '../../session/store.ts'

/** GET /livez: the process answers. */
export const livez: RequestHandler = (_req, res) => void res.json({ status: 'ok' })

interface ReadinessOptions {
  lifecycle: Pick<Lifecycle, 'draining'>
  providers: Providers
  store: Store
  keyRing: KeyRing
}

/**
 * GET /readyz: whether a load balancer should send requests here, with the state of each component. A
 * provider that is down is reported but does not count: users who are signed in must not lose the app because
 * others cannot sign in.
 */
export function createReadinessHandler(options: ReadinessOptions): RequestHandler {
  return async (_req, res) => {
    const { isReady, parts } = await checkReadiness(options)
    res.status(isReady ? 200 : 503).json({ status: isReady ? 'ready' : 'not ready', parts })
  }
}

/** Finds out whether the server is ready, and the state of each component. */
export async function checkReadiness({ lifecycle, providers, store, keyRing }: ReadinessOptions) {
  const parts = {
    server: lifecycle.draining ? 'draining' : 'ok',
    store: await check(() => store.ping()),
    signing_keys: await check(() => keyRing.signingKey()),
    provider: describeProviders(providers),
  }
  const isReady = parts.server === 'ok' && parts.store === 'ok' && parts.signing_keys === 'ok'
  return { isReady, parts }
}

async function check(part: () => Promise<unknown>): Promise<string> {
  try {
    await part()
    return 'ok'
  } catch (error) {
    return toLogReason(error, 'failed')
  }
}

function describeProviders({ all }: Providers): string {
  const missing = all.filter((provider) => !provider.isReady()).map(({ name }) => name)
  if (missing.length === 0) return 'ok'
  const which = all.length === 1 ? '' : ` (${missing.join(', ')})`
  return `not discovered yet${which}: logins answer 503`
}
