import type { Clock } from '../../clock.ts'
import { findAddedGroups } from '../session-groups.ts'
import type { SessionStore } from '../store.ts'
import { toLockKey, toSessionKey } from './keys.ts'
import type { SessionRecords } from './records/session-record.ts'
import type { RunScript } from './scripts/script-runner.ts'
import { commitScript, lockScript, renewLockScript, unlockScript } from './scripts/session-scripts.ts'
import type { RedisSessionIndex } from './session-index.ts'

/** The locks on the tokens of active sessions, and the commit of refreshed tokens that they protect. */
type RedisTokenLocks = Pick<SessionStore, 'lockTokens' | 'renewTokenLock' | 'unlockTokens' | 'commitTokens'>

interface RedisTokenLocksOptions {
  runScript: RunScript
  records: SessionRecords
  index: RedisSessionIndex
  clock: Clock
}

/** Creates the locks that the replicas share. */
export function createRedisTokenLocks({
  runScript,
  records,
  index,
  clock,
}: RedisTokenLocksOptions): RedisTokenLocks {
  return {
    async lockTokens(handle, lease) {
      const keys = [toSessionKey(handle), toLockKey(handle)]
      const answer = Number(await runScript(lockScript, keys, clock.now(), lease))
      if (answer > 0) return { state: 'locked', fence: answer }
      if (answer === 0) return { state: 'held' }
      return answer === -1 ? { state: 'ended' } : { state: 'paused', remaining: -1 - answer }
    },

    async renewTokenLock(handle, fence, lease) {
      return (await runScript(renewLockScript, [toLockKey(handle)], fence, lease)) === 1
    },

    async unlockTokens(handle, fence, pause = 0) {
      await runScript(unlockScript, [toLockKey(handle)], fence, pause)
    },

    async commitTokens(handle, { version, fence, identity: before }, refreshed) {
      // Such as that of another e-mail address. An active session is not rejected.
      const added = findAddedGroups(before, refreshed.identity)
      if (added.length > 0) await index.add(added, handle, 0)
      const answer = await runScript(
        commitScript,
        [toSessionKey(handle), toLockKey(handle)],
        clock.now(),
        version,
        fence,
        records.seal(handle, refreshed),
      )
      if (answer === 'committed' || answer === 'stale' || answer === 'lock-lost') return answer
      return 'ended'
    },
  }
}
