import type { Clock } from '../../clock.ts'
import { toGroups } from '../session-groups.ts'
import type { SessionStore } from '../store.ts'
import { concurrentRequestWindow, pendingRevocationLifetime, tombstoneLifetime } from '../timeouts.ts'
import { toLockKey, toSessionKey } from './keys.ts'
import type { SessionRecords } from './records/session-record.ts'
import type { RevocationQueue } from './revocation-queue.ts'
import type { RunScript } from './scripts/script-runner.ts'
import { endScript } from './scripts/session-scripts.ts'
import type { RedisSessionIndex } from './session-index.ts'

interface RedisEndSessionOptions {
  runScript: RunScript
  records: SessionRecords
  index: RedisSessionIndex
  revocationQueue: RevocationQueue
  clock: Clock
}

/** What `endScript` returns. */
type EndAnswer = [
  wasAlive: number,
  signedOutAt: Buffer,
  successor: Buffer,
  sealed?: Buffer,
  version?: Buffer,
  inherited?: Buffer,
]

/** Creates `end` of the Redis store. */
export function createRedisEndSession({
  runScript,
  records,
  index,
  revocationQueue,
  clock,
}: RedisEndSessionOptions): SessionStore['end'] {
  return async (handle, { byBrowser = false, successor, withoutRevoking = false } = {}) => {
    // First, so that another replica revokes the tokens if this one crashes. In a cluster the queue may be
    // out of reach while the session is not: that must not prevent a logout.
    const isKept = !withoutRevoking && successor === undefined
    const isQueued = isKept && (await tryToEnqueue(handle))
    const answer = await runScript.binary(
      endScript,
      [toSessionKey(handle), toLockKey(handle)],
      clock.now(),
      tombstoneLifetime,
      pendingRevocationLifetime,
      byBrowser ? 1 : 0,
      successor ?? '',
      withoutRevoking ? 1 : 0,
      concurrentRequestWindow,
    )
    const [wasAlive, signedOutAt, earlierSuccessor, sealed, version, inherited] = answer as EndAnswer
    const ended =
      sealed === undefined
        ? undefined
        : records.openPendingRevocation(handle, {
            sealed,
            version: Number(version),
            inherited: String(inherited),
          })
    if (ended !== undefined) await index.remove(toGroups(ended.identity), handle)
    if (isKept && !isQueued) await tryToEnqueue(handle)
    return {
      wasAlive: wasAlive === 1,
      pendingRevocation: withoutRevoking ? undefined : ended,
      successor: String(earlierSuccessor) || undefined,
      signedOutAt: Number(signedOutAt) || undefined,
    }
  }

  function tryToEnqueue(handle: string): Promise<boolean> {
    return revocationQueue.enqueue(handle).then(
      () => true,
      () => false,
    )
  }
}
