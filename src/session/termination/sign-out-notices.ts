import type { PorticoHooks, SignOutReason } from '../../embedding/hooks.ts'
import { toLogDefect } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import type { Session } from '../session.ts'

/** Says to the host app that sessions have ended. */
export interface SignOutNotices {
  /** Calls `onSignOut`, which nothing waits for. */
  give(ended: Pick<Session, 'handle' | 'identity'>, reason: SignOutReason): void
  /** Resolves once no call is in progress. */
  drain(): Promise<void>
}

/** Creates the notices; without `onSignOut`, there are none. */
export function createSignOutNotices({ onSignOut }: PorticoHooks, log: Log): SignOutNotices {
  const inFlight = new Set<Promise<void>>()
  return {
    give({ handle, identity }, reason) {
      if (onSignOut === undefined) return
      const signOut = { sub: identity.appSub, session: handle, reason }
      const call = (async () => onSignOut(signOut))()
        .catch((error: unknown) => log('hook_failed', { hook: 'onSignOut', ...toLogDefect(error) }))
        .finally(() => inFlight.delete(call))
      inFlight.add(call)
    },
    async drain() {
      await Promise.all(inFlight)
    },
  }
}
