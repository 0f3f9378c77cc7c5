import { z } from 'zod'
import type { Config } from '../config/config.ts'
import type { Sealer } from '../crypto/sealer.ts'
import { AppError } from '../errors.ts'
import type { Providers } from '../provider/providers.ts'
import { readReturnTo } from '../redirects/return-to.ts'
import type { PendingRevocation } from '../session/session.ts'
import type { Log } from '../telemetry/logger.ts'

/** The part of a logout that the browser does at the provider (OpenID Connect RP-Initiated Logout 1.0). */
export interface RpInitiatedLogout {
  /** Where the browser has to go; undefined where the provider has no logout, or cannot be asked: that stops no logout here. */
  begin(left: PendingRevocation, returnTo: string, log: Log): Promise<string | undefined>
  /** Where a browser that comes back goes on to; without a state of ours, to the default page (R68). */
  finish(state: string | undefined): string
}

interface RpInitiatedLogoutOptions {
  config: Pick<Config, 'publicUrl' | 'allowedOrigins' | 'logoutReturnTo'>
  providers: Pick<Providers, 'findConfigured'>
  /** Seals states: the server keeps nothing of a session that is over. */
  sealer: Sealer
}

/** The path of the address that browsers come back to, which has to be registered at the provider. */
export const logoutCallbackPath = '/api/logout/callback'

const context = 'logout'
const stateText = z.object({ returnTo: z.string() })

/** Creates the browser's part of logouts. */
export function createRpInitiatedLogout({
  config,
  providers,
  sealer,
}: RpInitiatedLogoutOptions): RpInitiatedLogout {
  const { publicUrl, allowedOrigins, logoutReturnTo } = config

  return {
    async begin({ handle, identity, tokens }, returnTo, log) {
      try {
        const url = await providers.findConfigured(identity)?.toEndSessionUrl({
          idToken: tokens.idToken,
          state: sealer.seal(JSON.stringify({ returnTo }), context),
          postLogoutRedirectUri: publicUrl + logoutCallbackPath,
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
      if (text === undefined) return logoutReturnTo
      const { data } = stateText.safeParse(JSON.parse(text))
      // Once more: what was an allowed origin then may be none now.
      return readReturnTo(data?.returnTo ?? '', publicUrl, allowedOrigins) ?? logoutReturnTo
    },
  }
}
