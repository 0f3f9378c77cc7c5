import type { Clock } from '../../clock.ts'
import type { SessionStore } from '../store.ts'
import { concurrentRequestWindow, pendingRevocationLifetime, tombstoneLifetime } from '../timeouts.ts'
import { toLockKey, toSessionKey } from './keys.ts'
import type { RevocationQueue } from './revocation-queue.ts'
import type { RunScript } from './script-runner.ts'
import { endScript } from './scripts.ts'
import type { RedisSessionIndex } from './session-index.ts'
import type { SessionRecords } from './session-record.ts'

interface RedisEndSessionOptions {
  runScript: RunScript
  records: SessionRecords
  index: RedisSessionIndex
  revocationQueue: RevocationQueue
  clock: Clock
}

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
    const answer = await runScript(
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
    const texts = Array.isArray(answer) ? answer.map(String) : []
    const [wasAlive, signedOutAt, earlierSuccessor = '', indexes = '', i = '', t = '', n = '', b = ''] = texts
    await index.remove(indexes.split(' ').filter(Boolean), handle)
    if (isKept && !isQueued) await tryToEnqueue(handle)
    return {
      wasAlive: wasAlive === '1',
      pendingRevocation: records.openPendingRevocation(handle, { i, t, n, b }),
      successor: earlierSuccessor || undefined,
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
