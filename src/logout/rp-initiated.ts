import { z } from 'zod'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import { readReturnTo } from '../redirects/return-to.ts'
import type { PendingRevocation } from '../session/session.ts'
import type { Log } from '../telemetry/events.ts'

/** The part of a logout that the browser does at the provider (OpenID Connect RP-Initiated Logout 1.0). */
export interface RpInitiatedLogout {
  /**
   * Returns the provider's address to which the browser has to go. Undefined where the provider has no logout
   * or does not answer: the logout here has succeeded all the same.
   */
  begin(ended: PendingRevocation, returnTo: string, log: Log): Promise<string | undefined>
  /** Returns where a browser that comes back goes next: the default page where `state` is not valid (R68). */
  finish(state: string | undefined): string
}

interface RpInitiatedLogoutOptions {
  config: Pick<Config, 'apiUrl' | 'allowedOrigins' | 'logoutReturnTo'>
  providers: Pick<Providers, 'findConfigured'>
  /** Seals `state`: the server stores nothing of a session that has ended. */
  sealer: Sealer
}

/** The address to which browsers come back; it has to be registered at the provider. */
export const toLogoutCallback = ({ apiUrl }: Pick<Config, 'apiUrl'>): string => `${apiUrl}/logout/callback`

const context = 'logout'
const stateText = z.object({ returnTo: z.string() })

/** Creates the browser's part of logouts. */
export function createRpInitiatedLogout({
  config,
  providers,
  sealer,
}: RpInitiatedLogoutOptions): RpInitiatedLogout {
  return {
    async begin({ handle, identity, tokens }, returnTo, log) {
      try {
        const url = await providers.findConfigured(identity)?.toEndSessionUrl({
          idToken: tokens.idToken,
          state: sealer.seal(JSON.stringify({ returnTo }), context),
          postLogoutRedirectUri: toLogoutCallback(config),
        })
        return url?.href
      } catch (error) {
        const reason = error instanceof AppError ? error.reason : undefined
        log('logout_at_provider_skipped', { session: handle, reason })
        return undefined
      }
    },

    finish(state) {
      const text = state === undefined ? undefined : sealer.open(state, context)
      if (text === undefined) return config.logoutReturnTo
      const { data } = stateText.safeParse(JSON.parse(text))
      // Checked again: the allowed origins may have changed since the logout began.
      return readReturnTo(data?.returnTo ?? '', config) ?? config.logoutReturnTo
    },
  }
}
