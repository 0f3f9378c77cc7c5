import type { Clock } from '../../clock.ts'
import type { ExpiringMap } from '../../expiring-map.ts'
import type { Session } from '../session.ts'
import type { SessionStore } from '../store.ts'
import { concurrentRequestWindow } from '../timeouts.ts'
import type { MemorySessionIndex } from './session-index.ts'
import type { MemoryTokenLocks } from './token-locks.ts'
import type { MemoryTombstones } from './tombstones.ts'

interface MemoryEndSessionOptions {
  clock: Clock
  sessions: ExpiringMap<Session>
  index: MemorySessionIndex
  locks: MemoryTokenLocks
  tombstones: MemoryTombstones
}

/** Creates `end` of the memory store. */
export function createMemoryEndSession({
  clock,
  sessions,
  index,
  locks,
  tombstones,
}: MemoryEndSessionOptions): SessionStore['end'] {
  return async (handle, { byBrowser = false, successor, withoutRevoking = false } = {}) => {
    const session = sessions.get(handle)
    const before = tombstones.get(handle)
    const now = clock.now()
    // The first time counts: a cookie that is repeated for ever must not keep its browser from signing in.
    const signedOutAt = before?.signedOutAt ?? (byBrowser ? now : undefined)
    const isRecent = now - (before?.supersededAt ?? 0) <= concurrentRequestWindow
    const found = { successor: isRecent ? before?.successor : undefined, signedOutAt }
    const added = successor === undefined ? { signedOutAt } : { signedOutAt, successor, supersededAt: now }
    if (session === undefined) {
      const isChanged = successor !== undefined || signedOutAt !== before?.signedOutAt
      if (isChanged) tombstones.write(handle, { version: 0, ...before, ...added })
      return { ...found, wasAlive: false, pendingRevocation: undefined }
    }
    const { identity, tokens, inherited, tokensVersion: version } = session
    sessions.delete(handle)
    index.remove(handle, session)
    locks.delete(handle)
    const pendingRevocation = { identity, tokens, handle, version, inherited }
    // With a successor, the tokens are revoked with those of the successor.
    const isKept = !withoutRevoking && successor === undefined
    tombstones.write(handle, {
      pendingRevocation: isKept ? pendingRevocation : undefined,
      version,
      ...added,
    })
    return { ...found, wasAlive: true, pendingRevocation: withoutRevoking ? undefined : pendingRevocation }
  }
}
