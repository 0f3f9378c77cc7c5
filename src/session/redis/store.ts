import type { Clock } from '../../clock.ts'
import { deriveKeys } from '../../crypto/derive-key.ts'
import { createSealer } from '../../crypto/sealer.ts'
import { AppError } from '../../errors.ts'
import type { Log } from '../../telemetry/logger.ts'
import { toGroups } from '../session-groups.ts'
import type { SessionLifetimes, Store } from '../store.ts'
import { idleExpiry, isDueForTouch } from '../timeouts.ts'
import { type RedisConnection, readInfo } from './connection/connection.ts'
import { createRedisEndSession } from './end-session.ts'
import { pingKey, toSessionKey } from './keys.ts'
import { createRevocationQueue } from './revocation-queue.ts'
import { createScriptRunner } from './script-runner.ts'
import * as scripts from './scripts.ts'
import { createRedisSessionIndex } from './session-index.ts'
import { createSessionReader } from './session-reader.ts'
import { createSessionRecords } from './session-record.ts'
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

/** Milliseconds for which Redis keeps a session after its expiry, because the replicas' clocks may differ. */
const clockAllowance = 60_000

/**
 * Creates the store that replicas share. Redis sees no token, no cookie and no name of a user: keys are made
 * from hashes, and values are sealed with keys that are derived from the master secrets, and bound to their
 * session.
 */
export function createRedisStore({ connection, secrets, lifetimes, clock, log }: RedisStoreOptions): Store {
  const records = createSessionRecords(createSealer(secrets, 'session-at-rest'))
  const [counterSecret = Buffer.alloc(0)] = deriveKeys(secrets, 'store-index')
  const runScript = createScriptRunner(connection)
  const sessions = createSessionReader({ connection, records, clock, log })
  const index = createRedisSessionIndex({ connection, runScript, secrets, lifetimes, clock, sessions })
  const revocationQueue = createRevocationQueue({ connection, runScript, records, sessions, clock })
  const end = createRedisEndSession({ runScript, records, index, revocationQueue, clock })

  return {
    ...createRedisSharedState({ connection, runScript, counterSecret }),
    ...createRedisTokenLocks({ runScript, records, index, lifetimes, clock }),

    async create(handle, session) {
      const groups = toGroups(session.identity)
      const indexes = index.keysOf(groups)
      const now = clock.now()
      const absoluteExpiresAt = now + lifetimes.absoluteTimeout
      const idleExpiresAt = idleExpiry(now, absoluteExpiresAt, lifetimes)
      const fields = {
        v: scripts.recordFormat,
        i: records.sealIdentity(handle, session),
        t: records.sealTokens(handle, session),
        n: 1,
        c: now,
        l: now,
        x: idleExpiresAt,
        a: absoluteExpiresAt,
        g: indexes.join(' '),
      }
      // First: there must never be an active session that is not in its index.
      await index.add(indexes, handle, absoluteExpiresAt)
      const timeToLive = idleExpiresAt - now + clockAllowance
      const keys = [toSessionKey(handle)]
      const created = await runScript(
        scripts.createScript,
        keys,
        timeToLive,
        ...Object.entries(fields).flat(),
      )
      if (created !== 1) return 'taken'
      // After: a `rejectEarlierLogins` that is too late to be seen here finds the session in its index.
      if (!(await index.isLoginRejected(groups, session.identity.login.startedAt))) return 'created'
      await end(handle)
      return 'rejected'
    },

    read: sessions.read,

    async touch(session) {
      const now = clock.now()
      if (!isDueForTouch(session, now, lifetimes)) return session
      const idleExpiresAt = idleExpiry(now, session.absoluteExpiresAt, lifetimes)
      const timeToLive = idleExpiresAt - now + clockAllowance
      const keys = [toSessionKey(session.handle)]
      const touched = await runScript(scripts.touchScript, keys, now, idleExpiresAt, timeToLive)
      return touched === 1 ? { ...session, lastSeenAt: now, idleExpiresAt } : undefined
    },

    end,

    async inherit(handle, tokens) {
      const sealed = tokens.length === 0 ? '' : records.sealInherited(handle, tokens)
      return (await runScript(scripts.inheritScript, [toSessionKey(handle)], clock.now(), sealed)) === 1
    },

    findByGroup: index.find,
    rejectEarlierLogins: index.rejectEarlierLogins,
    keepForRevocation: revocationQueue.keepForRevocation,
    readPendingRevocation: revocationQueue.readPendingRevocation,
    completeRevocation: revocationQueue.completeRevocation,
    takeDueRevocations: revocationQueue.takeDueRevocations,

    ping: () => assertUsable(connection),
    close: () => connection.close(),
  }
}

/** Throws AppError `store_unavailable` if Redis takes no writes, or may drop sessions. */
async function assertUsable(connection: RedisConnection): Promise<void> {
  // A write that needs no memory: a read-only replica cannot be used, but a full server still serves
  // sessions.
  await connection.run((client) => client.del(pingKey))
  const policies = readInfo(await connection.info('memory'), 'maxmemory_policy')
  const policy = policies.find((one) => one !== undefined && one !== 'noeviction')
  if (policy === undefined) return
  // An eviction would sign users out for no reason. Refusing the next login does less harm.
  throw new AppError('store_unavailable', 'The session store is not set up to keep sessions.', {
    reason: `maxmemory-policy is ${policy}, which drops sessions: set it to noeviction`,
  })
}
