import type { Clock } from '../../clock.ts'
import { inBatches } from '../batches.ts'
import type { SessionStore } from '../store.ts'
import { loginCutoffLifetime } from '../timeouts.ts'
import { partCount, type ToGroupNames } from './group-names.ts'
import { toEveryonesCutoffKey, toLoginCutoffKey } from './keys.ts'
import type { RunScript } from './scripts/script-runner.ts'
import { setTextScript } from './scripts/shared-scripts.ts'

interface RedisLoginCutoffsOptions {
  runScript: RunScript
  toNames: ToGroupNames
  clock: Clock
}

/** Keys that are written at once. */
const batchSize = 100

/** Creates the writer of the times since which a login must have begun. The index reads them. */
export function createRedisLoginCutoffs({
  runScript,
  toNames,
  clock,
}: RedisLoginCutoffsOptions): Pick<SessionStore, 'rejectEarlierLogins' | 'rejectAllEarlierLogins'> {
  const write = (key: string, time: number) => runScript(setTextScript, [key], time, loginCutoffLifetime)
  return {
    async rejectEarlierLogins(group) {
      const [name] = toNames(group)
      if (name !== undefined) await write(toLoginCutoffKey(name), clock.now())
    },

    async rejectAllEarlierLogins() {
      const now = clock.now()
      // One for each part of the index, so that a login finds it beside those of its groups, at no cost.
      await inBatches([...Array(partCount).keys()], batchSize, (parts) =>
        Promise.all(parts.map((part) => write(toEveryonesCutoffKey(part), now))),
      )
      return now
    },
  }
}
