import type { Clock } from '../../clock.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { createSealer } from '../../crypto/sealer.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/events.ts'
import { toGroups } from '../session-groups.ts'
import type { SessionLifetimes, Store } from '../store.ts'
import { idleExpiry } from '../timeouts.ts'
import { type RedisConnection, readInfo } from './connection/connection.ts'
import { createRedisEndSession } from './end-session.ts'
import { createGroupNames } from './group-names.ts'
import { clockAllowance, pingKey, toSessionKey } from './keys.ts'
import { createRedisLoginCutoffs } from './login-cutoffs.ts'
import { createSessionRecords, toTimesField } from './records/session-record.ts'
import { createRevocationQueue } from './revocation-queue.ts'
import { createScriptRunner } from './scripts/script-runner.ts'
import * as scripts from './scripts/session-scripts.ts'
import { createRedisSessionIndex } from './session-index.ts'
import { createSessionReader } from './session-reader.ts'
import { createRedisSharedState } from './shared-state.ts'
import { createRedisTokenLocks } from './token-locks.ts'

interface RedisStoreOptions {
  connection: RedisConnection
  /** Master secrets, newest first. */
  secrets: readonly Uint8Array[]
  lifetimes: SessionLifetimes
  clock: Clock
  log: Log
}

/**
 * Creates the store that replicas share. Redis sees no token, no cookie and no name of a user: keys are made
 * from hashes, and values are sealed with keys that are derived from the master secrets, and bound to their
 * session.
 */
export function createRedisStore({ connection, secrets, lifetimes, clock, log }: RedisStoreOptions): Store {
  const records = createSessionRecords(createSealer(secrets, 'session-at-rest'))
  const [counterSecret = Buffer.alloc(0)] = deriveKeys(secrets, 'store-index')
  const runScript = createScriptRunner(connection)
  const sessions = createSessionReader({ connection, runScript, records, lifetimes, clock, log })
  const toNames = createGroupNames(secrets)
  const index = createRedisSessionIndex({ connection, runScript, toNames, lifetimes, clock, sessions })
  const revocationQueue = createRevocationQueue({ connection, runScript, records, sessions, clock })
  const end = createRedisEndSession({ runScript, records, index, revocationQueue, clock })

  return {
    ...createRedisSharedState({ connection, runScript, counterSecret, clock }),
    ...createRedisTokenLocks({ runScript, records, index, clock }),
    ...createRedisLoginCutoffs({ runScript, toNames, clock }),

    async create(handle, session) {
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const created = await runScript(
        scripts.createScript,
        [toSessionKey(handle)],
        idleExpiresAt - now + clockAllowance,
        toTimesField({ idleExpiresAt, lastSeenAt: now, createdAt: now, absoluteExpiresAt }),
        records.seal(handle, session),
      )
      if (created !== 1) return 'taken'
      // Afterwards: a `rejectEarlierLogins` that comes too late to be seen here finds the session. If this
      // process crashes in between, the session is in no index, but its id has reached no browser.
      const { identity } = session
      const { isRejected } = await index.add(toGroups(identity), handle, identity.login.startedAt)
      if (!isRejected) return 'created'
      await end(handle)
      return 'rejected'
    },

    read: sessions.read,

    touch: sessions.touch,
    end,

    async inherit(handle, tokens) {
      const sealed = tokens.length === 0 ? '' : records.sealInherited(handle, tokens)
      return (await runScript(scripts.inheritScript, [toSessionKey(handle)], clock.now(), sealed)) === 1
    },

    findByGroup: index.find,
    listHandles: sessions.listHandles,
    keepForRevocation: revocationQueue.keepForRevocation,
    readPendingRevocation: revocationQueue.readPendingRevocation,
    completeRevocation: revocationQueue.completeRevocation,
    takeDueRevocations: revocationQueue.takeDueRevocations,
    countPendingRevocations: revocationQueue.countPendingRevocations,

    ping: () => assertUsable(connection),
    close: () => connection.close(),
  }
}

/** Throws AppError `store_unavailable` if Redis takes no writes, or may drop sessions. */
async function assertUsable(connection: RedisConnection): Promise<void> {
  // A write that needs no memory: a read-only replica cannot be used, but a full server still serves
  // sessions.
  await connection.run('ping', (client) => client.del(pingKey))
  const policies = readInfo(await connection.info('memory'), 'maxmemory_policy')
  const policy = policies.find((one) => one !== undefined && one !== 'noeviction')
  if (policy === undefined) return
  // An eviction would sign users out for no reason. Refusing the next login does less harm.
  throw new AppError('store_unavailable', 'The session store is not set up to keep sessions.', {
    reason: `maxmemory-policy is ${policy}, which drops sessions: set it to noeviction`,
  })
}
